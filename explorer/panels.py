"""The window as it is seen at first: every panel in its place, in the colours of the theme.

It is on screen before what moves it is imported and made (``explorer.startup``). So neither this nor a view imports
state, controllers or messages, nor of ``core`` what reads runs and images.
"""

from __future__ import annotations

from time import monotonic
from typing import TypeVar

from PySide6.QtCore import QEvent, QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from core.rendering.themes import DARK, LIGHT, Theme
from explorer.actions import Actions
from explorer.controllers.requirements import OPENING, READING
from explorer.main_window import BOTTOM, LEFT, RIGHT, MainWindow
from explorer.settings import Settings
from explorer.views.cloud import CloudView
from explorer.views.compare import CompareView
from explorer.views.experiments import ExperimentsView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.losses import LossesView
from explorer.views.notes import NotesView
from explorer.views.parameters import ParametersView
from explorer.views.path import PathView
from explorer.views.path_comparison import PathKindsView
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

PAINTED_MS = 500
"""Nothing waits longer for a window that is covered, or whose desktop is slow."""

V = TypeVar("V", bound=QWidget)


class Panels:
    """The window, each view in its dock, menus and toolbar; nothing moves yet."""

    def __init__(self, application: QApplication, renderer: str = "auto") -> None:
        self._application = application
        self._settings = Settings()
        self._theme: Theme | None = None
        self.window = MainWindow()
        self.window.setWindowIcon(icon("isoline"))
        self._make_views(renderer)
        self.window.place_docks()
        self.window.set_actions(Actions(self.window))
        self.apply_theme()  # at last: under a style sheet each widget takes longer to make

    def _make_views(self, renderer: str) -> None:
        self.cloud, self.timeline = CloudView(renderer), TimelineView()
        self.window.set_centre(self.cloud, self.timeline)
        self.training = self._dock("training", "Training", TrainingView(), LEFT)
        self.dataset = self._dock("dataset", "Dataset", DatasetView(), LEFT, shown=False)
        self.points = self._dock("points", "Samples", PointsView(), LEFT)
        self.other_cloud = CloudView(renderer)
        self.compare = self._dock("compare", "Compare", CompareView(self.other_cloud), RIGHT, shown=False)
        self.image = self._dock("image", "Image", ImageView(), RIGHT)
        self.probe = self._dock("probe", "Probe", ProbeView(), RIGHT)
        self.losses = self._dock("losses", "Losses", LossesView(), BOTTOM)
        self.path, self.film = PathView(), FilmstripView()
        path_panel = named(QWidget(), "path.panel")
        column(self.path, (self.film, 1), parent=path_panel)
        self.window.add_dock("path", "Path", path_panel, BOTTOM)
        self.reconstructions = self._dock("reconstructions", "Reconstructions", ReconstructionsView(), BOTTOM)
        self.parameters = self._dock("parameters", "Parameters", ParametersView(), BOTTOM)
        self.transects = self._dock("transects", "Transects", TransectView(), BOTTOM)
        self.experiments = self._dock("experiments", "Experiments", ExperimentsView(), BOTTOM)
        self.kinds = self._dock("kinds", "Path kinds", PathKindsView(), BOTTOM, shown=False)
        self.notes = self._dock("notes", "Notes", NotesView(), BOTTOM, shown=False)

    def _dock(self, name: str, title: str, view: V, area: Qt.DockWidgetArea, shown: bool = True) -> V:
        self.window.add_dock(name, title, view, area, shown)
        return view

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
