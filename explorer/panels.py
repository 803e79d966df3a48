"""The window as it is seen at first: every panel in its place, in the colours of the theme.

It is on screen before what moves it is imported and made (``explorer.startup``). So neither this nor a view imports
state, controllers or messages, nor of ``core`` what reads runs and images.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication, QDockWidget, QWidget

from core.rendering.themes import DARK, LIGHT, Theme
from explorer.actions import Actions
from explorer.controllers.requirements import OPENING, READING
from explorer.main_window import BOTTOM, LEFT, RIGHT, MainWindow
from explorer.settings import Settings
from explorer.views.cloud import CloudView
from explorer.views.experiments import ExperimentsView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.losses import LossesView
from explorer.views.parameters import ParametersView
from explorer.views.path import PathView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.views.reconstructions import ReconstructionsView
from explorer.views.timeline import TimelineView
from explorer.views.training import DatasetView, TrainingView
from explorer.views.transect import TransectView
from explorer.widgets.controls import named
from explorer.widgets.icons import icon
from explorer.widgets.layouts import column
from explorer.widgets.theme import apply_theme, system_theme

if TYPE_CHECKING:
    from explorer.views.compare import CompareView
    from explorer.views.notes import NotesView
    from explorer.views.path_comparison import PathKindsView

PAINTED_MS = 500
"""Nothing waits longer for a window that is covered, or whose desktop is slow."""


class Panels:
    """The window, each view in its dock, menus and toolbar; nothing moves yet.

    ``whole``: with the views of closed docks, too. Without, ``complete`` makes these.
    """

    def __init__(self, application: QApplication, renderer: str = "auto", whole: bool = True) -> None:
        self._application, self._renderer = application, renderer
        self._settings = Settings()
        self._theme: Theme | None = None
        self.window = MainWindow()
        self.window.setWindowIcon(icon("isoline"))
        self._make_views()
        self.window.place_docks()
        self.window.set_actions(Actions(self.window))
        if whole:
            self.complete()
        self.apply_theme()  # at last: under a style sheet each widget takes longer to make

    def _make_views(self) -> None:
        self.cloud, self.timeline = CloudView(self._renderer), TimelineView()
        self.training, self.points, self.image, self.probe = TrainingView(), PointsView(), ImageView(), ProbeView()
        self.losses, self.path, self.film = LossesView(), PathView(), FilmstripView()
        self.reconstructions, self.parameters = ReconstructionsView(), ParametersView()
        self.transects, self.experiments = TransectView(), ExperimentsView()
        path_panel = named(QWidget(), "path.panel")
        column(self.path, (self.film, 1), parent=path_panel)
        self.window.set_centre(self.cloud, self.timeline)
        dock = self._dock
        dock("training", "Training", LEFT, self.training)
        dock("dataset", "Dataset", LEFT)
        dock("points", "Samples", LEFT, self.points)
        dock("compare", "Compare", RIGHT)
        dock("image", "Image", RIGHT, self.image)
        dock("probe", "Probe", RIGHT, self.probe)
        dock("losses", "Losses", BOTTOM, self.losses)
        dock("path", "Path", BOTTOM, path_panel)
        dock("reconstructions", "Reconstructions", BOTTOM, self.reconstructions)
        dock("parameters", "Parameters", BOTTOM, self.parameters)
        dock("transects", "Transects", BOTTOM, self.transects)
        dock("experiments", "Experiments", BOTTOM, self.experiments)
        dock("kinds", "Path kinds", BOTTOM)
        dock("notes", "Notes", BOTTOM)

    def _dock(self, name: str, title: str, area: Qt.DockWidgetArea, view: QWidget | None = None) -> None:
        """A dock; without ``view`` it is closed at the first start, and filled by ``_fill``."""
        self.window.add_dock(name, title, area, shown=view is not None)
        if view is not None:
            self.window.fill_dock(name, view)

    # those that are closed at the first start, made and imported when they are asked for

    @cached_property
    def dataset(self) -> DatasetView:
        return DatasetView()

    @cached_property
    def other_cloud(self) -> CloudView:
        return CloudView(self._renderer)

    @cached_property
    def compare(self) -> CompareView:
        from explorer.views.compare import CompareView

        return CompareView(self.other_cloud)

    @cached_property
    def kinds(self) -> PathKindsView:
        from explorer.views.path_comparison import PathKindsView

        return PathKindsView()

    @cached_property
    def notes(self) -> NotesView:
        from explorer.views.notes import NotesView

        return NotesView()

    def complete(self) -> None:
        """Make what is still to be made."""
        self._fill(lambda dock: True)

    def _fill(self, wanted: Callable[[QDockWidget], bool]) -> None:
        """Make the views of those docks without any that are ``wanted``."""
        views: dict[str, Callable[[], QWidget]] = {
            "dataset": lambda: self.dataset,
            "compare": lambda: self.compare,
            "kinds": lambda: self.kinds,
            "notes": lambda: self.notes,
        }
        for name, view in views.items():
            dock = self.window.docks[name]
            if dock.widget() is None and wanted(dock):
                self.window.fill_dock(name, view())

    def apply_theme(self) -> Theme:
        """Draw everything in the colours of the theme that the settings name, which is returned."""
        theme = {"dark": DARK, "light": LIGHT}.get(self._settings.theme) or system_theme(self._application)
        if theme is not self._theme:
            self._theme = theme
            apply_theme(self._application, theme)
        return theme

    def show(self) -> None:
        """Put the window where it was."""
        window, layout = self.window, self._settings.layout()
        # Before it is shown: else Qt leaves the tab bar of the first arrangement standing about.
        restored = layout is not None and window.restoreGeometry(layout[0]) and window.restoreState(layout[1])
        self._fill(lambda dock: not dock.isHidden())
        window.show()
        window.activateWindow()  # without a window manager nobody else gives it the keyboard
        window.bring_into_view()  # it may have been saved on a screen that is not there now
        if not restored:
            window.arrange()  # by the size that it has now

    def announce_run(self) -> None:
        """Say that a run is being opened, wherever something of it will be."""
        self.cloud.set_awaited("run")
        self.timeline.set_empty(READING)
        for view in (self.image, self.probe, self.losses):
            view.set_empty(OPENING)

    def wait_until_painted(self) -> None:
        """Until the window that is shown has been painted once, or ``PAINTED_MS`` later. What a hand does waits."""
        self._application.sendPostedEvents(None, QEvent.Type.LayoutRequest)  # else it is painted before it is laid out
        handle, end = self.window.windowHandle(), monotonic() + PAINTED_MS / 1000
        alarm = QTimer(singleShot=True)  # it ends the wait for events
        alarm.start(PAINTED_MS)
        flags = QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents | QEventLoop.ProcessEventsFlag.WaitForMoreEvents
        while not handle.isExposed() and monotonic() < end:
            self._application.processEvents(flags)
