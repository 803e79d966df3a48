"""The composition root: makes state, engine, views and controllers, and ties them. The only module that knows all."""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from core.protocol.messages import Failed, Loaded, Ready, Reply
from explorer.controllers.app.attributes import AttributesController
from explorer.controllers.app.commands import Commands, Controllers
from explorer.controllers.app.document_editor import Editing
from explorer.controllers.app.session import Session
from explorer.controllers.app.status import StatusController
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.gridlines import NetController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.cloud.sample_losses import ScoresController
from explorer.controllers.cloud.turntable import TurntableController
from explorer.controllers.compare.compare import CompareController
from explorer.controllers.experiments.experiments import ExperimentsController
from explorer.controllers.parameters.parameters import ParametersController
from explorer.controllers.path.comparison import PathComparison
from explorer.controllers.path.path import PathController
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.path.saved_paths import SavedPathsController
from explorer.controllers.path.tracing import TracingController
from explorer.controllers.training.reconstructions import ReconstructionsController
from explorer.controllers.training.timeline import TimelineController
from explorer.controllers.training.training import TrainingController
from explorer.controllers.transect.transects import TransectsController
from explorer.engine_client import EngineClient
from explorer.main_window import MainWindow, Panels
from explorer.run_watcher import RunWatcher
from explorer.settings import Settings
from explorer.state import State
from explorer.views.cloud import CloudView
from explorer.views.compare import CompareView
from explorer.views.experiments import ExperimentsView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.losses import LossesView
from explorer.views.parameters import ParametersView
from explorer.views.path import PathView
from explorer.views.path_comparison import PathKindsView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.views.reconstructions import ReconstructionsView
from explorer.views.timeline import TimelineView
from explorer.views.training import TrainingView
from explorer.views.transect import TransectView
from explorer.widgets.icons import icon
from explorer.widgets.theme import DARK, LIGHT, Theme, apply_theme, system_theme

FRAME_MS = 16
LOSSES_AFTER_S = 5.0
"""The loss plot imports pyqtgraph, a third of a second: it waits for the first image, but no longer than this."""


def bundled_run() -> Path:
    """The run directory that comes with the package."""
    return Path(str(files("resources"))) / "model"


class Explorer(QObject):
    """The running program: one window and what moves it."""

    def __init__(self, application: QApplication, engine: EngineClient, renderer: str = "auto") -> None:
        super().__init__()
        self._application = application
        self.settings = Settings()
        self.state = State()
        self.engine = engine
        self.watcher = RunWatcher(self)
        self._make_views(renderer)
        self._make_controllers()
        self._connect()
        self._last_theme: Theme | None = None
        self.apply_theme()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self.redraw)
        self.redraw_seconds: list[float] = []
        self._shown_at = math.inf

    def _make_views(self, renderer: str) -> None:
        self.cloud = CloudView(renderer)
        self.timeline_view = TimelineView()
        self.training_view = TrainingView()
        self.points = PointsView()
        self.image = ImageView()
        self.probe_view = ProbeView()
        self.losses = LossesView()
        self.path_view = PathView()
        self.film = FilmstripView()
        self.reconstructions_view = ReconstructionsView()
        self.parameters_view = ParametersView()
        self.transect_view = TransectView()
        self.experiments_view = ExperimentsView()
        self.other_cloud = CloudView(renderer)
        self.compare_view = CompareView(self.other_cloud)
        self.kinds_view = PathKindsView()
        self.panels = Panels(
            cloud=self.cloud,
            timeline=self.timeline_view,
            training=self.training_view,
            points=self.points,
            image=self.image,
            probe=self.probe_view,
            losses=self.losses,
            path=self.path_view,
            film=self.film,
            reconstructions=self.reconstructions_view,
            parameters=self.parameters_view,
            transects=self.transect_view,
            experiments=self.experiments_view,
            compare=self.compare_view,
            kinds=self.kinds_view,
        )
        self.window = MainWindow(self.panels)
        self.window.setWindowIcon(icon("isoline", DARK))

    def _make_controllers(self) -> None:
        state, engine = self.state, self.engine
        self.editing = Editing(state)
        self.session = Session(state, engine, self.watcher, self.editing, self.settings)
        self.probe = ProbeController(state, self.editing, engine, self.probe_view, self.image)
        self.cloud_control = CloudController(state, self.editing, self.probe, self.cloud, self.points)
        self.path = PathController(state, self.editing, self.cloud_control, self.cloud, self.path_view)
        self.playback = PlaybackController(
            state, engine, self.cloud_control, self.cloud, self.path_view, self.film, self.image
        )
        self.tracing = TracingController(
            state, self.editing, engine, self.cloud_control, self.cloud, self.path, self.playback, self.path_view
        )
        self.training = TrainingController(
            state, self.session, self.watcher, self.settings, self.training_view, self.losses
        )
        self.reconstructions = ReconstructionsController(state, engine, self.probe, self.reconstructions_view)
        self.scores = ScoresController(state, engine)
        self.timeline = TimelineController(state, self.session, self.timeline_view)
        self.parameters = ParametersController(
            state, self.editing, engine, self.probe, self.cloud_control, self.parameters_view, self.training_view
        )
        self.transects = TransectsController(
            state,
            self.editing,
            engine,
            self.cloud_control,
            self.cloud,
            self.parameters_view,
            self.image,
            self.transect_view,
        )
        self.experiments = ExperimentsController(self.settings, self.session, self.experiments_view)
        self.compare = CompareController(
            state, engine, self.cloud, self.cloud_control, self.other_cloud, self.compare_view, self.settings
        )
        self.path_comparison = PathComparison(
            state, self.editing, engine, self.cloud_control, self.cloud, self.kinds_view
        )
        self.turntable = TurntableController(state, self.session)
        self.net = NetController(state, engine, self.cloud_control, self.cloud)
        self.saved_paths = SavedPathsController(
            state, self.editing, self.session, self.playback, self.path_view.saved, self.window
        )
        self.attributes = AttributesController(state, engine, self.session, self.points, self.window)
        controllers = Controllers(
            self.session,
            self.editing,
            self.cloud_control,
            self.path,
            self.playback,
            self.training,
            self.turntable,
            self.net,
            self.tracing,
            self.saved_paths,
            self.attributes,
        )
        self.commands = Commands(
            self.window,
            state,
            self.settings,
            controllers,
            self.cloud,
            self.path_view,
            self.training_view,
            bundled_run(),
        )
        self.status = StatusController(state, self.window, self.cloud)

    def _connect(self) -> None:
        for source in (
            self.session,
            self.path,
            self.playback,
            self.tracing,
            self.saved_paths,
            self.attributes,
            self.training,
            self.transects,
            self.experiments,
            self.turntable,
            self.commands,
        ):
            source.error_occurred.connect(self.window.notice.set_message)
        self.engine.died.connect(self.window.notice.set_message)
        self.engine.replied.connect(self._on_reply)
        self.watcher.failed.connect(self.window.notice.set_message)
        self.watcher.records.connect(self.status.on_records)
        self.window.notice.dismissed.connect(lambda: self.window.notice.set_message(""))
        self.session.opened.connect(lambda _: self._on_opened())
        for exporter in (self.playback, self.turntable):
            exporter.exported.connect(lambda path: setattr(self.state, "message", f"Exported {path}"))
        self.experiments.finished.connect(lambda text: setattr(self.state, "message", text))
        self.compare.sample_chosen.connect(self.probe.choose)
        self.path_view.export_requested.connect(lambda _: self.window.raise_dock("path"))
        self.state.events.mode.connect(self._on_mode)
        self.window.theme_chosen.connect(self.choose_theme)
        self.window.closing.connect(self.close)
        hints = self._application.styleHints()
        hints.colorSchemeChanged.connect(lambda _: self.apply_theme())

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, Ready):
            self.status.set_device(reply.device)
        elif isinstance(reply, Loaded):
            self.state.message = f"{reply.preset} · {reply.latent_dim} latent dimensions · {reply.image_size}² pixels"
        elif isinstance(reply, Failed):
            self.window.notice.set_message(reply.message)

    def _on_opened(self) -> None:
        self.window.notice.set_message("")
        self.window.set_recent(self.settings.recent_runs)
        run = self.session.run
        if run is not None:
            self.window.setWindowTitle(f"{run.path.name} · Isoline" if run.path != bundled_run() else "Isoline")

    def _on_mode(self, mode: str) -> None:
        if mode in ("draw", "edit", "trace"):
            self.window.raise_dock("path")

    def choose_theme(self, name: str) -> None:
        """system, dark or light; remembered."""
        self.settings.theme = name
        self.apply_theme()

    def apply_theme(self) -> None:
        """Give every view the chosen theme's colours."""
        choice = self.settings.theme
        theme = {"dark": DARK, "light": LIGHT}.get(choice) or system_theme(self._application)
        if theme is self._last_theme:
            return
        self._last_theme = theme
        apply_theme(self._application, theme)
        for view in (*self.panels.all(), self.window):
            view.set_theme(theme)
        self.other_cloud.set_theme(theme)
        self.turntable.set_theme(theme)
        accent = QColor(theme.accent)
        for cloud in (self.cloud_control, self.compare):
            cloud.set_plain_colour((accent.red(), accent.green(), accent.blue()))

    def show(self) -> None:
        """Put the window where it was, and start the clock."""
        layout = self.settings.layout()
        # Before it is shown: else Qt leaves the tab bar of the first arrangement standing about.
        restored = layout is not None and self.window.restoreGeometry(layout[0]) and self.window.restoreState(layout[1])
        self.window.show()
        self._shown_at = perf_counter()
        self.window.activateWindow()  # without a window manager nobody else gives it the keyboard
        if not restored:
            self.window.arrange()
        self.window.set_recent(self.settings.recent_runs)
        self._timer.start()

    def redraw(self) -> None:
        """The one clock: advance what plays, start what is due, draw what is dirty."""
        begun = perf_counter()
        self.training.tick()
        self.playback.tick()
        self.reconstructions.tick()
        self.scores.tick()
        self.transects.tick()
        self.experiments.tick()
        self.path_comparison.tick()
        self.cloud_control.tick()
        self.path.tick()
        self.tracing.tick()
        self.net.tick()
        if self.image.has_image or begun - self._shown_at > LOSSES_AFTER_S:
            self.losses.redraw()
        self.redraw_seconds = [*self.redraw_seconds[-255:], perf_counter() - begun]

    def close(self) -> None:
        """Put layout and processes away; a training goes on."""
        self._timer.stop()
        self.watcher.watch(None)
        self.settings.save_layout(self.window.saveGeometry(), self.window.saveState())
        self.transects.files.stop()
        self.attributes.stop()
        self.turntable.stop()
        self.engine.stop()
