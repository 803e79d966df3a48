"""The window: where each view stands, menus, toolbar and status bar. It holds no state and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QMimeData, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QMoveEvent,
    QResizeEvent,
    QScreen,
)
from PySide6.QtWidgets import QDockWidget, QMainWindow, QMenu, QTabWidget, QWidget

from core.projects.panel import Panel
from core.utils.text import counted
from explorer.actions import Actions
from explorer.views.notice import NoticeView
from explorer.widgets.controls import label, leave_drops, named
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import FittingToolBar, column
from explorer.widgets.placement import bring_into_view, screen_at
from explorer.widgets.plain_text import plain_tip

if TYPE_CHECKING:
    from core.projects.sessions import EarlierSession

LEFT, RIGHT, BOTTOM = (
    Qt.DockWidgetArea.LeftDockWidgetArea,
    Qt.DockWidgetArea.RightDockWidgetArea,
    Qt.DockWidgetArea.BottomDockWidgetArea,
)
SCREENS_SETTLE_MS = 300  # a screen that goes changes several things, and the desktop moves windows by itself
_AREAS = {"left": LEFT, "right": RIGHT, "bottom": BOTTOM, "top": Qt.DockWidgetArea.TopDockWidgetArea}
MOST_EARLIER = 15  # sessions that the menu lists
PAGE_WIDTH = 360  # pixels of the dataset page when it opens
DROP_HINT = (
    "Drop images to look at them, an ONNX model or latents\nto import, a project or the folder of a run to open it"
)
FIRST_SIZE, FRAME_HEIGHT = QSize(1600, 960), 40  # pixels; the second: room for the title bar of a window manager
STATUS = {
    "mode": "What the left mouse button does on the cloud (keys 1 to 6)",
    "speed": "Training images processed per second, measured over the last step",
    "points": "Samples drawn in the cloud, of those that the run records; with a selection, also the number selected",
    "device": "Device that decodes the images, and renderer that draws the cloud",
}
"""The fields at the right of the status bar, and what each of them says."""


class _Dock(QDockWidget):
    """Tells when it has another size: Qt has no signal for a separator that is dragged."""

    resized = Signal()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.resized.emit()


class MainWindow(QMainWindow):
    """Docks around the cloud; each can be moved, tabbed, floated, closed, and comes back where it was."""

    closing = Signal()
    dropped = Signal(str)
    """The path of a folder or file that was dropped on the window."""
    program_dropped = Signal(str)
    """The same of a Python file."""
    recent_chosen = Signal(str)
    """The path of a run or project of *Open recent*."""
    earlier_chosen = Signal(str)
    """The file of a session of *Earlier sessions*."""
    earlier_wanted = Signal()
    """The menu with *Earlier sessions* is about to be shown."""
    arranged = Signal()
    """The window or a panel was moved, sized, shown, closed, floated or brought to the front."""

    def __init__(self) -> None:
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
        self.docks: dict[str, QDockWidget] = {}
        self._seen: list[QDockWidget] = []  # the one that came to the front last is the last
        self._next_front: QDockWidget | None = None  # that is to come to the front once another has been closed
        self.notice = NoticeView()
        self.hint = label(DROP_HINT, name="window.hint", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self.hint.setParent(self)
        self.hint.hide()
        self._make_status()
        self._watch_screens()
        self.setMinimumSize(800, 500)
        self.setAcceptDrops(True)
        available = screen_at(self.pos()).availableGeometry().size()
        self.resize(FIRST_SIZE.boundedTo(available - QSize(0, FRAME_HEIGHT)))

    # what it is made of

    def set_centre(self, cloud: QWidget, timeline: QWidget) -> None:
        """The cloud, with notices above and the time line below it."""
        centre = named(QWidget(), "centre")
        column(self.notice, (cloud, 1), timeline, parent=centre)
        self.setCentralWidget(centre)

    def add_dock(self, name: str, title: str, area: Qt.DockWidgetArea, shown: bool = True) -> None:
        """A dock, to be filled; ``shown``: at the first start."""
        dock = self.docks[name] = named(_Dock(title, self), f"dock.{name}")
        self.addDockWidget(area, dock)
        dock.setVisible(shown)
        # Behind the tabs of others it would not be seen.
        dock.toggleViewAction().triggered.connect(lambda shown: dock.raise_() if shown else None)
        # After Qt has finished moving the dock: then it is known who shares its place.
        for moved in (dock.dockLocationChanged, dock.topLevelChanged, dock.visibilityChanged):
            moved.connect(lambda *_: self._titles.start())
            moved.connect(lambda *_: self.arranged.emit())
        dock.resized.connect(self.arranged)
        dock.visibilityChanged.connect(lambda visible: self._on_visible(dock, visible))

    def fill_dock(self, name: str, widget: QWidget) -> None:
        """Put ``widget`` into a dock."""
        self.docks[name].setWidget(widget)
        leave_drops(widget)

    def _on_visible(self, dock: QDockWidget, visible: bool) -> None:
        """Behind a tab that is closed comes the one that was seen before it: Qt would take its neighbour."""
        if visible:
            self._seen = [*(other for other in self._seen if other is not dock), dock]
        elif dock.isHidden() and self.isVisible() and dock in self._seen:
            self._seen.remove(dock)
            area = self.dockWidgetArea(dock)
            before = [other for other in self._seen if self.tabifiedDockWidgets(other)]
            before = [other for other in before if self.dockWidgetArea(other) == area]
            if before:
                self._next_front = before[-1]
                QTimer.singleShot(0, self, self._bring_next_to_front)

    def _bring_next_to_front(self) -> None:
        if self._next_front is not None:  # nothing has been opened since
            self._next_front.raise_()
            self._next_front = None

    def place_docks(self) -> None:
        """The arrangement of a first start: those at the bottom as tabs, two runs to compare beside the cloud."""
        docks = self.docks
        for left, right in pairwise(dock for dock in docks.values() if self.dockWidgetArea(dock) == BOTTOM):
            self.tabifyDockWidget(left, right)
        docks["losses"].raise_()
        self.splitDockWidget(docks["training"], docks["dataset"], Qt.Orientation.Horizontal)
        self.splitDockWidget(docks["training"], docks["points"], Qt.Orientation.Vertical)
        self.splitDockWidget(docks["compare"], docks["image"], Qt.Orientation.Horizontal)
        self.splitDockWidget(docks["image"], docks["probe"], Qt.Orientation.Vertical)
        # Its room goes back to the cloud: Qt would give it to the image.
        docks["compare"].toggleViewAction().toggled.connect(
            lambda shown: None if shown else QTimer.singleShot(0, self, self._arrange_sides)
        )
        docks["dataset"].toggleViewAction().toggled.connect(self._on_dataset)
        self._first_layout = self.saveState()

    def _on_dataset(self, shown: bool) -> None:
        """The cloud gives the room for the dataset page and gets it back: Qt would give it to the Training panel."""
        page = self.docks["dataset"]
        if self.isVisible() and not page.isFloating() and page.isHidden() != shown:
            QTimer.singleShot(0, self, self._arrange_sides)

    def set_actions(self, actions: Actions) -> None:
        """Make menus and toolbar."""
        self.actions_by_name = actions
        self.recent_menu, self.earlier_menu = QMenu("Open &recent", self), QMenu("Earlier &sessions", self)
        for menu in (self.recent_menu, self.earlier_menu):
            menu.setToolTipsVisible(True)
        self.earlier_menu.setEnabled(False)
        actions.fill_menu_bar(self.menuBar())
        bar = self.toolbar = named(FittingToolBar("Main"), "toolbar")
        bar.setMovable(False)
        bar.setIconSize(QSize(18, 18))
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        actions.fill_toolbar(bar)
        self.addToolBar(bar)

    def _make_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.message = named(ElidedLabel(), "status.message")
        bar.addWidget(self.message, 1)
        self.status = {name: label("", name=f"status.{name}") for name in STATUS}
        for name, field in self.status.items():
            field.setToolTip(STATUS[name])
            bar.addPermanentWidget(field)

    def _show_titles(self) -> None:
        """A dock among tabs shows its name on its tab alone; floating or by itself it has its title bar."""
        for dock in self.docks.values():
            tabbed = bool(self.tabifiedDockWidgets(dock)) and not dock.isFloating()
            if tabbed and dock.titleBarWidget() is None:
                dock.setTitleBarWidget(QWidget())
            elif not tabbed and dock.titleBarWidget() is not None:
                dock.titleBarWidget().deleteLater()
                dock.setTitleBarWidget(None)  # pyright: ignore[reportArgumentType]  # Qt's own bar again

    # how it is arranged

    def _watch_screens(self) -> None:
        self._screens = QTimer(self, interval=SCREENS_SETTLE_MS, singleShot=True)
        self._screens.timeout.connect(self.bring_into_view)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.screenAdded.connect(self._watch_screen)
            application.screenRemoved.connect(self._on_screens)
        for screen in QGuiApplication.screens():
            self._watch_screen(screen)

    def _watch_screen(self, screen: QScreen) -> None:
        screen.availableGeometryChanged.connect(self._on_screens)

    def _on_screens(self, _: object) -> None:
        self._screens.start()

    def bring_into_view(self) -> None:
        """Back to where they can be seen: the window, panels that float, dialogs."""
        bring_into_view([self, *self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)])

    def arrange(self) -> None:
        """The sizes of a first start: the cloud gets most of the room, and half of the width at least."""
        height, docks = self.height(), self.docks
        self._show_titles()
        self._arrange_sides()
        self.resizeDocks([docks["losses"]], [max(216, height // 4)], Qt.Orientation.Vertical)  # with its tabs
        body = height - 120
        for upper, lower in (("training", "points"), ("image", "probe")):
            self.resizeDocks([docks[upper], docks[lower]], [body * 2 // 3, body // 3], Qt.Orientation.Vertical)

    def _arrange_sides(self) -> None:
        side = max(240, min(360, self.width() * 9 // 40))
        widths = {"training": side, "image": side}
        if self.docks["dataset"].isVisible() and not self.docks["dataset"].isFloating():
            widths["dataset"] = PAGE_WIDTH
        self.resizeDocks([self.docks[name] for name in widths], list(widths.values()), Qt.Orientation.Horizontal)

    def arrangement(self) -> tuple[bytes, bytes]:
        """Geometry and docks, in Qt's own form."""
        return bytes(self.saveGeometry().data()), bytes(self.saveState().data())

    def rearrange(self, geometry: bytes, docks: bytes) -> None:
        """Stand as a window of this computer stood, whose ``arrangement`` that was."""
        now = self.arrangement()
        if geometry != now[0]:
            self.restoreGeometry(QByteArray(geometry))
        if docks != now[1]:
            self.restoreState(QByteArray(docks))

    def panels(self) -> dict[str, Panel]:
        """How the panels stand, in plain words that another computer understands."""
        areas = {area: name for name, area in _AREAS.items()}
        return {
            name: Panel(
                not dock.isHidden(), areas.get(self.dockWidgetArea(dock), ""), dock.isFloating(), self._is_front(dock)
            )
            for name, dock in self.docks.items()
        }

    def set_panels(self, panels: Mapping[str, Panel]) -> None:
        """Show and place the panels so; those that are not mentioned stay as they are."""
        known = [(self.docks[name], panel) for name, panel in panels.items() if name in self.docks]
        for dock, panel in known:
            area = _AREAS.get(panel.area)
            if area is not None and not panel.floating and self.dockWidgetArea(dock) != area:
                self.addDockWidget(area, dock)
            if dock.isFloating() != panel.floating:  # Qt would hide it, show it and arrange the window anew in any case
                dock.setFloating(panel.floating)
            dock.setVisible(panel.shown)
        for dock, panel in known:
            if panel.front and panel.shown:
                dock.raise_()

    def _is_front(self, dock: QDockWidget) -> bool:
        """Whether it is among tabs and before them."""
        tabs = self.tabifiedDockWidgets(dock)
        return bool(tabs) and next((other is dock for other in reversed(self._seen) if other in (dock, *tabs)), False)

    def reset_layout(self, front: str) -> None:
        """Every dock back to where it was at the first start, of those at the bottom ``front`` on top."""
        self.restoreState(self._first_layout)
        self.docks[front].raise_()
        self.arrange()

    def set_recent(self, runs: list[str], projects: list[str]) -> None:
        """Fill "Open recent": project files first."""
        self.recent_menu.clear()
        for paths in (projects, runs):
            if paths is runs and projects and runs:
                self.recent_menu.addSeparator()
            for path in paths:
                _add_path(self.recent_menu, path, path, lambda path=path: self.recent_chosen.emit(path))
        self.recent_menu.setEnabled(bool(runs or projects))

    def set_earlier(self, sessions: Sequence[EarlierSession]) -> None:
        """Fill "Earlier sessions", the last used one first."""
        if self.earlier_menu.isVisible():
            return  # a hand may be about to choose
        self.earlier_menu.clear()
        for earlier in sessions[:MOST_EARLIER]:
            path = str(earlier.path)
            when = f"{datetime.fromtimestamp(earlier.used):%d %b %Y, %H:%M}"
            what = f"{earlier.about.run} · {counted(earlier.about.steps, 'step')}" if not earlier.problem else "damaged"
            what += " · open in another window" if earlier.is_open else ""
            chosen = partial(self.earlier_chosen.emit, path)
            _add_path(self.earlier_menu, f"{when} · {what}", path, chosen).setEnabled(not earlier.is_open)
        self.earlier_menu.setEnabled(bool(sessions))

    @property
    def front(self) -> str:
        """Which of the panels among the tabs at the bottom is in front; "" if none is known to be."""
        losses = self.docks["losses"]
        tabs = (losses, *self.tabifiedDockWidgets(losses))
        return next(
            (name for dock in reversed(self._seen) for name in self.docks if dock in tabs and self.docks[name] is dock),
            "",
        )

    def open_dock(self, name: str) -> None:
        """Show a dock, wherever it is, and bring it to the front."""
        self._next_front = None
        self.docks[name].show()
        self.docks[name].raise_()

    def raise_dock(self, name: str) -> None:
        """Bring a dock to the front; a closed one stays closed."""
        if not self.docks[name].isHidden():
            self._next_front = None
            self.docks[name].raise_()

    # what is dropped on it

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped_path(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            centre = self.centralWidget()
            self.hint.setGeometry(self.rect() if centre is None else centre.geometry())
            self.hint.show()
            self.hint.raise_()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.hint.hide()
        path = _dropped_path(event.mimeData())
        if path:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            (self.program_dropped if path.lower().endswith(".py") else self.dropped).emit(path)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.arranged.emit()

    def moveEvent(self, event: QMoveEvent) -> None:
        super().moveEvent(event)
        self.arranged.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Tell the program first, so that layout and processes are put away while the window still exists."""
        self.closing.emit()
        super().closeEvent(event)


def _add_path(menu: QMenu, text: str, path: str, chosen: Callable[[], object]) -> QAction:
    action = menu.addAction(text.replace("&", "&&"))
    action.setToolTip(plain_tip(path))
    action.triggered.connect(lambda _=False: chosen())
    return action


def _dropped_path(data: QMimeData) -> str:
    """The path of the one local folder or file in ``data``; empty if it holds anything else."""
    urls = data.urls()
    return urls[0].toLocalFile() if len(urls) == 1 and urls[0].isLocalFile() else ""
