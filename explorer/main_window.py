"""The window: where each view stands, menus, toolbar and status bar. It holds no state and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QLabel,
    QMainWindow,
    QMenu,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.actions import make_actions, set_icons
from explorer.views.notice import NoticeView
from explorer.widgets.controls import named
from explorer.widgets.layouts import FittingToolBar
from explorer.widgets.theme import Theme

LEFT, RIGHT, BOTTOM = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)
TOOLBAR = (
    ("open",),
    ("train", "pause", "step", "stop"),
    ("orbit", "probe", "draw", "edit", "select", "trace"),
    ("undo", "redo"),
    ("home", "net"),
)
ICON_ONLY = ("undo", "redo", "home", "net", "step", "stop", "pause")


@dataclass(frozen=True)
class Panels:
    """The views that the window arranges."""

    cloud: QWidget
    timeline: QWidget
    training: QWidget
    points: QWidget
    image: QWidget
    probe: QWidget
    losses: QWidget
    path: QWidget
    film: QWidget
    reconstructions: QWidget
    parameters: QWidget
    transects: QWidget
    experiments: QWidget
    compare: QWidget
    kinds: QWidget

    def all(self) -> tuple[Any, ...]:
        """Every one of them; each has ``set_theme``."""
        return tuple(getattr(self, field.name) for field in fields(self))


class MainWindow(QMainWindow):
    """Docks around the cloud; each can be moved, tabbed, floated, closed, and comes back where it was."""

    closing = Signal()
    recent_chosen = Signal(str)
    theme_chosen = Signal(str)

    def __init__(self, panels: Panels) -> None:
        super().__init__()
        self.setWindowTitle("Isoline")
        self.setObjectName("window")
        self.setDockOptions(
            QMainWindow.DockOption.AnimatedDocks
            | QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
        )
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.setCorner(Qt.Corner.BottomLeftCorner, LEFT)
        self.setCorner(Qt.Corner.BottomRightCorner, RIGHT)
        self._titles = QTimer(self, interval=0, singleShot=True)
        self._titles.timeout.connect(self._show_titles)
        self.actions_by_name = make_actions(self)
        self.notice = NoticeView()
        self._set_central(panels)
        self.docks = self._make_docks(panels)
        self._make_toolbar()
        self._make_menus()
        self._make_status()
        self.resize(1600, 960)
        self.setMinimumSize(960, 600)

    def _set_central(self, panels: Panels) -> None:
        centre = named(QWidget(), "centre")
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addWidget(panels.cloud, 1)
        layout.addWidget(panels.timeline)
        self.setCentralWidget(centre)

    def _make_docks(self, panels: Panels) -> dict[str, QDockWidget]:
        path = named(QWidget(), "path.panel")
        layout = QVBoxLayout(path)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(panels.path)
        layout.addWidget(panels.film, 1)
        docks = {
            "training": self._dock("training", "Training", panels.training, LEFT),
            "points": self._dock("points", "Samples", panels.points, LEFT),
            "compare": self._dock("compare", "Compare", panels.compare, RIGHT),
            "image": self._dock("image", "Image", panels.image, RIGHT),
            "probe": self._dock("probe", "Probe", panels.probe, RIGHT),
            "losses": self._dock("losses", "Losses", panels.losses, BOTTOM),
            "path": self._dock("path", "Path", path, BOTTOM),
            "reconstructions": self._dock("reconstructions", "Reconstructions", panels.reconstructions, BOTTOM),
            "parameters": self._dock("parameters", "Parameters", panels.parameters, BOTTOM),
            "transects": self._dock("transects", "Transects", panels.transects, BOTTOM),
            "experiments": self._dock("experiments", "Experiments", panels.experiments, BOTTOM),
            "kinds": self._dock("kinds", "Path kinds", panels.kinds, BOTTOM),
        }
        bottom = [dock for dock in docks.values() if self.dockWidgetArea(dock) == BOTTOM]
        for left, right in pairwise(bottom):
            self.tabifyDockWidget(left, right)
        docks["losses"].raise_()
        # Two runs are compared side by side: beside the cloud, with image and probe at the right of both.
        self.splitDockWidget(docks["compare"], docks["image"], Qt.Orientation.Horizontal)
        self.splitDockWidget(docks["image"], docks["probe"], Qt.Orientation.Vertical)
        docks["compare"].hide()
        docks["kinds"].hide()
        # Its room goes back to the cloud: Qt would give it to the image.
        docks["compare"].toggleViewAction().toggled.connect(
            lambda shown: None if shown else QTimer.singleShot(0, self, self._arrange_sides)
        )
        return docks

    def _dock(self, name: str, title: str, widget: QWidget, area: Qt.DockWidgetArea) -> QDockWidget:
        dock = named(QDockWidget(title, self), f"dock.{name}")
        dock.setWidget(widget)
        self.addDockWidget(area, dock)
        # After Qt has finished moving the dock: then it is known who shares its place.
        for moved in (dock.dockLocationChanged, dock.topLevelChanged, dock.visibilityChanged):
            moved.connect(lambda *_: self._titles.start())
        return dock

    def _show_titles(self) -> None:
        """A dock among tabs shows its name on its tab alone; floating or by itself it has its title bar."""
        for dock in self.docks.values():
            tabbed = bool(self.tabifiedDockWidgets(dock)) and not dock.isFloating()
            if tabbed and dock.titleBarWidget() is None:
                dock.setTitleBarWidget(QWidget())
            elif not tabbed and dock.titleBarWidget() is not None:
                dock.titleBarWidget().deleteLater()
                dock.setTitleBarWidget(None)  # pyright: ignore[reportArgumentType]  # Qt's own bar again

    def arrange(self) -> None:
        """The sizes a first start has: the cloud gets most of the room."""
        height, docks = self.height(), self.docks
        self._arrange_sides()
        self.resizeDocks([docks["losses"]], [max(190, height // 4)], Qt.Orientation.Vertical)
        body = height - 120
        self.resizeDocks([docks["training"], docks["points"]], [body * 2 // 3, body // 3], Qt.Orientation.Vertical)
        self.resizeDocks([docks["image"], docks["probe"]], [body * 2 // 3, body // 3], Qt.Orientation.Vertical)

    def _arrange_sides(self) -> None:
        side = max(280, min(360, self.width() // 5))
        docks = [self.docks["training"], self.docks["image"]]
        self.resizeDocks(docks, [side, side], Qt.Orientation.Horizontal)

    def _make_toolbar(self) -> None:
        bar = named(FittingToolBar("Main"), "toolbar")
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        for number, group in enumerate(TOOLBAR):
            if number:
                bar.addSeparator()
            for name in group:
                bar.addAction(self.actions_by_name[name])
                button = bar.widgetForAction(self.actions_by_name[name])
                if isinstance(button, QToolButton):
                    button.setObjectName(f"toolbar.{name}")
                    if name in ICON_ONLY:
                        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.addToolBar(bar)
        self.toolbar = bar

    def _make_menus(self) -> None:
        menus = self.menuBar()
        file = menus.addMenu("&File")
        file.addAction(self.actions_by_name["open"])
        self.recent_menu = QMenu("Open &recent", file)
        file.addMenu(self.recent_menu)
        file.addAction(self.actions_by_name["bundled"])
        file.addSeparator()
        for name in ("export", "export_selection", "turntable", "runs_folder"):
            file.addAction(self.actions_by_name[name])
        file.addSeparator()
        for name in ("measure", "attributes"):
            file.addAction(self.actions_by_name[name])
        file.addSeparator()
        file.addAction(self.actions_by_name["quit"])
        self._fill(menus.addMenu("&Edit"), "undo", "redo", None, "remove", "clear_path", "cancel")
        self._fill(menus.addMenu("&Mode"), "orbit", "probe", "draw", "edit", "select", "trace")
        self._fill(menus.addMenu("&Path"), "play", "previous", "next", None, "kinds", None, "save_path", "export")
        self._fill(menus.addMenu("&Training"), "train", "pause", "step", "stop")
        self._fill(menus.addMenu("E&xperiments"), "experiments", "plane", "transects", None, "compare")
        view = menus.addMenu("&View")
        self._fill(view, "home", "net")
        view.addSeparator()
        for dock in self.docks.values():
            view.addAction(dock.toggleViewAction())
        view.addSeparator()
        theme = view.addMenu("Theme")
        for name in ("system", "dark", "light"):
            choice = named(QAction(name.capitalize(), self), f"theme.{name}")
            choice.triggered.connect(lambda _=False, name=name: self.theme_chosen.emit(name))
            theme.addAction(choice)
        self._fill(menus.addMenu("&Help"), "keys", "about")

    def _fill(self, menu: QMenu, *names: str | None) -> None:
        for name in names:
            if name is None:
                menu.addSeparator()
            else:
                menu.addAction(self.actions_by_name[name])

    def _make_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.status = {name: named(QLabel(), f"status.{name}") for name in ("mode", "speed", "points", "device")}
        for label in self.status.values():
            label.setContentsMargins(8, 0, 8, 0)
            bar.addPermanentWidget(label)
        self.message = named(QLabel(), "status.message")
        self.message.setContentsMargins(8, 0, 8, 0)
        bar.addWidget(self.message, 1)

    def set_recent(self, paths: list[str]) -> None:
        """Fill "Open recent"."""
        self.recent_menu.clear()
        for path in paths:
            action = self.recent_menu.addAction(path.replace("&", "&&"))
            action.triggered.connect(lambda _=False, path=path: self.recent_chosen.emit(path))
        self.recent_menu.setEnabled(bool(paths))

    def set_theme(self, theme: Theme) -> None:
        """Icons in the colours of ``theme``."""
        set_icons(self.actions_by_name, theme)
        self.notice.set_theme(theme)

    def open_dock(self, name: str) -> None:
        """Show a dock, wherever it is, and bring it to the front."""
        self.docks[name].show()
        self.docks[name].raise_()

    def raise_dock(self, name: str) -> None:
        """Bring a dock to the front; a closed one stays closed."""
        if not self.docks[name].isHidden():
            self.docks[name].raise_()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Tell the program first, so that layout and processes are put away while the window still exists."""
        self.closing.emit()
        super().closeEvent(event)
