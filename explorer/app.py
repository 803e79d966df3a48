"""The composition root: makes state, engine, views and controllers, and ties them. The only module that knows all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, perf_counter, thread_time
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QApplication

from core.protocol.messages import Loaded
from core.utils.memory import release_memory
from core.utils.text import counted
from core.utils.user_folders import log_folder
from explorer.background import finish_writing
from explorer.controllers.app.attributes import AttributesController
from explorer.controllers.app.dropped import DroppedController
from explorer.controllers.app.export import ExportController
from explorer.controllers.app.files import FilesController
from explorer.controllers.app.help import HelpController
from explorer.controllers.app.image_cache import ImageCacheController
from explorer.controllers.app.import_model import ImportController
from explorer.controllers.app.locate import LocateController
from explorer.controllers.app.notes import NotesController
from explorer.controllers.app.open_run import OpenRun, bundled_run, is_bundled, run_name
from explorer.controllers.app.programs import ProgramsController
from explorer.controllers.app.project import ProjectController, is_project
from explorer.controllers.app.python_code import PythonCodeController
from explorer.controllers.app.python_program import PythonProgramController
from explorer.controllers.app.session import SessionController
from explorer.controllers.app.share import ShareController
from explorer.controllers.app.status import StatusController
from explorer.controllers.cloud.axes import AxesController
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.gridlines import GridlinesController
from explorer.controllers.cloud.groups import GroupsController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.cloud.recorded import RecordedController
from explorer.controllers.cloud.sample_losses import ScoresController
from explorer.controllers.cloud.turntable import TurntableController
from explorer.controllers.compare.compare import CompareController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.experiments.experiments import ExperimentsController
from explorer.controllers.figures.contents import Sources
from explorer.controllers.figures.figures import FiguresController
from explorer.controllers.parameters.parameters import ParametersController
from explorer.controllers.path.comparison import PathComparison
from explorer.controllers.path.path import PathController
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.path.saved_paths import SavedPathsController
from explorer.controllers.path.tracing import TracingController
from explorer.controllers.processes import finish_commands
from explorer.controllers.requirements import missing_reconstructions
from explorer.controllers.training.dataset import DatasetController
from explorer.controllers.training.reconstructions import ReconstructionsController
from explorer.controllers.training.timeline import TimelineController
from explorer.controllers.training.trainer import TrainerController
from explorer.controllers.training.training import TrainingController
from explorer.controllers.transect.transects import TransectsController
from explorer.engine_client import EngineClient
from explorer.faults import Fault, FaultCatcher
from explorer.panels import Panels
from explorer.state import Model, State
from explorer.widgets.controls import named
from explorer.widgets.layouts import Panel

FRAME_MS = 16
LOSSES_AFTER_S = 5.0
"""The loss plot imports pyqtgraph, a third of a second: it waits for the first image, but no longer than this."""
BUSY_S = 0.003
"""Of computing: after a tick that took so long, the loss plot waits for the next one."""
CLOSING_S = 0.8
"""The window waits so long at its end for files that are being written, for commands and the engine, all at once.
Commands are killed ``ENDING_S`` before the end; the engine, and what is still being written, are given up ``KILLING_S``
before it."""
ENDING_S, KILLING_S = 0.4, 0.2
RESTART, COPY_REPORT = "Restart the engine", "Copy report"

C = TypeVar("C", bound=Controller)


class Explorer(QObject):
    """The running program: one window and what moves it.

    A panel is its view, docked by ``panels``, and its controller, added in ``_make_controllers``. Without ``panels``,
    which may be on screen already, it makes its own, for which ``renderer`` draws the cloud.
    """

    def __init__(
        self, application: QApplication, engine: EngineClient, renderer: str = "auto", panels: Panels | None = None
    ) -> None:
        super().__init__()
        self._application = application
        self._panels = panels = panels or Panels(application, renderer)
        panels.complete()
        self.engine, self.window, self.state = engine, panels.window, State()
        self._context = context = Context(self.state, engine, self.window)
        self.editing, self.settings, self.watcher = context.editing, context.settings, context.watcher
        self.cloud, self.other_cloud, self.timeline_view = panels.cloud, panels.other_cloud, panels.timeline
        self.training_view, self.dataset_view, self.points = panels.training, panels.dataset, panels.points
        self.image, self.probe_view, self.compare_view = panels.image, panels.probe, panels.compare
        self.losses, self.path_view, self.film = panels.losses, panels.path, panels.film
        self.reconstructions_view, self.parameters_view = panels.reconstructions, panels.parameters
        self.transect_view, self.experiments_view = panels.transects, panels.experiments
        self.kinds_view, self.notes_view = panels.kinds, panels.notes
        self._controllers: list[Controller] = []
        self._make_controllers()
        self._connect()
        self.window.actions_by_name.serve(self)
        self.apply_theme()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self._on_frame)
        self.redraw_seconds: list[float] = []
        self._shown_at = math.inf
        self._losses_wait = False
        self._gives_way = False
        self._in_place_of_losses = ""
        for panel in self.window.findChildren(Panel):
            if panel.isVisible():  # since before there was anybody to tell
                panel.shown.emit()

    def _make_controllers(self) -> None:
        """In the order in which they tick: those that draw over the cloud after the cloud."""
        context, add = self._context, self._add
        open_run = self.open_run = add(OpenRun(context))
        probe = self.probe = add(ProbeController(context, self.probe_view, self.image))
        cloud = self.cloud_control = add(CloudController(context, probe, self.cloud, self.points))
        self.groups = add(GroupsController(context, cloud, self.points))
        self.axes = add(AxesController(context, open_run, cloud, self.points))
        add(RecordedController(context, open_run, self.points))
        path = self.path = add(PathController(context, cloud, self.path_view))
        self.playback = add(PlaybackController(context, cloud, self.path_view, self.film, self.image))
        self.tracing = add(TracingController(context, cloud, path, self.playback))
        self.training = add(TrainingController(context, open_run, self.training_view, self.losses))
        self.trainer = add(TrainerController(context, open_run, self.training, self.training_view))
        self.dataset = add(DatasetController(context, open_run, self.dataset_view, self.training_view))
        self.reconstructions = add(ReconstructionsController(context, probe, self.reconstructions_view))
        self.scores = add(ScoresController(context))
        self.timeline = add(TimelineController(context, open_run, self.timeline_view))
        plane = self.parameters_view
        self.parameters = add(ParametersController(context, probe, cloud, plane, self.training_view))
        self.transects = add(TransectsController(context, cloud, plane, self.image, self.transect_view))
        self.experiments = add(ExperimentsController(context, open_run, self.experiments_view))
        self.compare = add(CompareController(context, cloud, self.other_cloud, self.compare_view))
        self.path_comparison = add(PathComparison(context, cloud, self.kinds_view))
        self.turntable = add(TurntableController(context, open_run))
        self.export = add(ExportController(context, open_run))
        self.share = add(ShareController(context, open_run))
        self.gridlines = add(GridlinesController(context, cloud))
        self.saved_paths = add(SavedPathsController(context, open_run, self.playback, self.path_view.saved))
        self.attributes = add(AttributesController(context, open_run, self.points))
        self.notes = add(NotesController(context, self.notes_view))
        self.files = add(FilesController(context, open_run, self.playback))
        self.importing = add(ImportController(context, open_run))
        self.image_cache = add(ImageCacheController(context))
        sources = Sources(self.state, cloud, self.playback, self.losses, self.kinds_view, plane)
        self.figures = add(FiguresController(context, open_run, sources))
        self.locate = add(LocateController(context, open_run, self.image))
        self.status = add(StatusController(context, self.cloud))
        self.help = add(HelpController(context, open_run, self.cloud))
        self.programs = add(ProgramsController(context))
        self.python_code = add(PythonCodeController(context, open_run, cloud, self.playback))
        self.session = add(SessionController(context, open_run, cloud, self.tracing, self.compare))
        self.project = add(ProjectController(context, open_run, self.session))
        self.dropped = add(DroppedController(context, self.project, self.importing, self.dataset))
        self.python_program = add(PythonProgramController(context, cloud))

    def _add(self, controller: C) -> C:
        notice = self.window.notice
        controller.error_occurred.connect(lambda text: notice.show_message(text, controller))
        controller.refused.connect(lambda text: notice.show_message(text, controller, passing=True))
        controller.succeeded.connect(lambda: notice.resolve(controller))
        self._controllers.append(controller)
        return controller

    def _connect(self) -> None:
        notice = self.window.notice
        self.engine.error_occurred.connect(self._on_engine_error)
        self.engine.stalled.connect(lambda text: notice.show_message(text, text, action=RESTART))
        notice.action_requested.connect(self._on_action)
        self.engine.error_resolved.connect(notice.resolve)
        self.engine.loaded.connect(self._on_loaded)
        self.watcher.failed.connect(lambda text: notice.show_message(text, self.watcher))
        self.watcher.stalled.connect(self._on_stalled)
        choices = self._context.choices
        choices.given_up.connect(lambda text: notice.show_message(text, choices, passing=True))
        self.editing.refused.connect(lambda text: notice.show_message(text, self.editing, passing=True))
        notice.dismissed.connect(notice.clear)
        self._offer_figures()
        self.open_run.opened.connect(lambda _: self._on_opened())
        for exporter in (self.playback, self.turntable, self.export, self.share):
            exporter.exported.connect(lambda path: setattr(self.state, "message", f"Exported {path}"))
            exporter.exported.connect(exporter.succeeded)
        self.playback.exported.connect(self.files.succeeded)
        self.experiments.finished.connect(lambda text: setattr(self.state, "message", text))
        self.compare.sample_chosen.connect(self.probe.choose)
        self.probe.decoded.connect(lambda _: self.transects.show_image())
        self.image.painted.connect(self._on_image_painted)
        self.path_view.export_requested.connect(lambda _: self.window.raise_dock("path"))
        self.path_view.export_requested.connect(self.files.export_path)
        self.cloud.space_tapped.connect(self.playback.toggle)
        self.state.events.mode.connect(self._on_mode)
        self.state.events.model.connect(self._on_model)
        self.window.recent_chosen.connect(self._on_recent)
        self.window.earlier_wanted.connect(self.session.list_earlier)
        self.training.launched.connect(self.session.note_training)
        self.session.noted.connect(lambda text: notice.show_message(text, self.session, True, calm=True))
        self.session.file_changed.connect(self._show_title)
        self.editing.changed.connect(self._show_unsaved)
        for opener in (self.project, self.importing, self.training):
            opener.recent_changed.connect(self._show_recent)
        self.window.closing.connect(self.close)
        self.help.crashed.connect(self._show_fault)
        hints = self._application.styleHints()
        hints.colorSchemeChanged.connect(lambda _: self.apply_theme())

    def _offer_figures(self) -> None:
        """*Save figure…* in the menu of what can be saved. In the cloud and the plane the right button pans."""
        for view, kind in (
            (self.losses, "losses"),
            (self.film, "film"),
            (self.kinds_view, "kinds"),
            (self.transect_view, "transect"),
        ):
            action = named(QAction("Save figure…", view), f"figure.of.{kind}")
            action.triggered.connect(lambda _=False, kind=kind: self.figures.open(kind))
            view.addAction(action)
            view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def report(self, faults: FaultCatcher, early: Sequence[Fault] = ()) -> None:
        """Show what ``faults`` catches and has caught ``early``, and put things away if the display is lost."""
        faults.display_lost.connect(self.abandon_window)
        faults.occurred.connect(self._show_fault)
        for fault in early:
            self._show_fault(fault)

    def _show_fault(self, fault: Fault) -> None:
        self.window.notice.show_message(fault.text, fault, action=COPY_REPORT)

    def _on_action(self, source: object) -> None:
        if isinstance(source, Fault):
            QGuiApplication.clipboard().setText(source.report)
            self.state.message = f"Copied the report; it is also in {log_folder()}"
        else:
            self.engine.restart()

    def _on_engine_error(self, text: str) -> None:
        self.window.notice.show_message(text, text, action=RESTART if self.engine.given_up else "")

    def _on_stalled(self, seconds: str) -> None:
        source = self.watcher.stalled
        run = self.open_run.run
        if seconds and run is not None:
            text = f"The disk of {run.path} answers slowly or not at all: this look has taken more than {seconds}."
            self.window.notice.show_message(f"{text} What is on screen may be old; another run can be opened.", source)
        else:
            self.window.notice.resolve(source)

    def _on_loaded(self, model: Loaded) -> None:
        dimensions = counted(model.latent_dim, "latent dimension")
        images = f"{model.image_size}² pixels" if model.can_decode or model.has_originals else "no images"
        self.state.message = f"{model.preset} · {dimensions} · {images}"
        release_memory()  # of the run before

    def _on_opened(self) -> None:
        self.window.notice.resolve_all()
        self._show_recent()
        self._show_title()

    def _show_recent(self) -> None:
        self.window.set_recent(self.settings.recent_runs, self.settings.recent_projects)

    def _show_title(self) -> None:
        run = self.open_run.run
        # Where Qt puts the mark of what is not saved.
        names = [f"{Path(self.session.project_file).stem}[*]"] if self.session.project_file else []
        if run is not None and (names or not is_bundled(run.path)):
            names.append(run_name(run.path))
        self.window.setWindowTitle(" · ".join([*names, "Isoline"]))
        self._show_unsaved()

    def _show_unsaved(self) -> None:
        self.window.setWindowModified(bool(self.session.project_file) and not self.editing.is_saved)

    def _on_recent(self, path: str) -> None:
        (self.project.open if is_project(Path(path)) else self.open_run.open)(Path(path))

    def choose_resume(self) -> None:
        """Whether the next start continues where this window was, or not; remembered."""
        self.settings.resumes = not self.settings.resumes

    def _on_mode(self, mode: str) -> None:
        if mode in ("draw", "edit", "trace") and self.state.embedding is not None:
            self.window.raise_dock("path")

    def open_bundled(self) -> None:
        """Open the model that comes with the package."""
        self.open_run.open(bundled_run(), remember=False)

    def choose_theme(self, name: str) -> None:
        """system, dark or light; remembered."""
        self.settings.theme = name
        self.apply_theme()

    def apply_theme(self) -> None:
        """Draw everything in the colours of the chosen theme."""
        self.state.theme = self._panels.apply_theme()

    def reset_layout(self) -> None:
        """Every panel back to where it was at the first start, and one that shows something to the front."""
        self.window.reset_layout("losses" if self.losses.has_curves else self._without_losses)

    @property
    def _without_losses(self) -> str:
        """The panel that has something to show where there are no losses."""
        if self.state.model is None:
            return "experiments"
        return "path" if missing_reconstructions(self.state, "") else "reconstructions"

    def _on_model(self, model: Model | None) -> None:
        """In place of the losses, which only a training has, another panel is in front for a run without one."""
        run = self.open_run.run
        if model is None or run is None:
            return
        if run.imported is None and self._in_place_of_losses and self.window.front == self._in_place_of_losses:
            self._in_place_of_losses = ""
            self.window.raise_dock("losses")
        elif run.imported is not None and self.window.front == "losses":
            self._in_place_of_losses = self._without_losses
            self.window.raise_dock(self._in_place_of_losses)

    def show(self) -> None:
        """Put the window where it was, if it is not on screen yet, and start the clock."""
        if not self.window.isVisible():
            self._panels.show()
        self._shown_at = perf_counter()
        self._show_recent()
        self._timer.start()

    def _on_frame(self) -> None:
        """The one clock. It gives way to an image that is on its way, until that is painted, for a frame at most."""
        if self.probe.expects_image and not self._gives_way:
            self._gives_way = True
        else:
            self.redraw()

    def _on_image_painted(self) -> None:
        """Make up for the frame that gave way to the image, once that is on the screen."""
        if self._gives_way:
            QTimer.singleShot(0, self, lambda: self.redraw() if self._gives_way else None)

    def redraw(self) -> None:
        """Advance what plays, send what is due, draw what is dirty."""
        self._gives_way = False
        begun, computed = perf_counter(), thread_time()
        for controller in self._controllers:
            controller.tick()
        # The curves are drawn at a tick of their own: with a new cloud they would hold up the loop for twice as long.
        self._losses_wait = thread_time() - computed > BUSY_S and not self._losses_wait
        if not self._losses_wait and (self.image.has_image or begun - self._shown_at > LOSSES_AFTER_S):
            self.losses.redraw()
        self.redraw_seconds = [*self.redraw_seconds[-255:], perf_counter() - begun]

    def close(self) -> None:
        """Put layout and processes away; a training goes on."""
        self._timer.stop()
        self.watcher.watch(None)
        if self._in_place_of_losses and self.window.front == self._in_place_of_losses:
            self.window.raise_dock("losses")  # the next window may open a run that has some
        self.settings.save_layout(self.window.saveGeometry(), self.window.saveState())
        self._end_processes()

    def abandon_window(self) -> None:
        """The display is gone: end the processes, and leave the window alone."""
        self._timer.stop()
        self._end_processes()

    def _end_processes(self) -> None:
        with ExitStack() as all_of_them:  # whichever fails
            all_of_them.callback(self._finish, monotonic() + CLOSING_S)
            for controller in reversed(self._controllers):
                all_of_them.callback(controller.shut_down)
                all_of_them.callback(controller.drop_reads)
            all_of_them.callback(self.engine.ask_to_stop)

    def _finish(self, end: float) -> None:
        """Wait for files and processes until ``end``, whatever hangs."""
        with ExitStack() as all_of_them:
            all_of_them.callback(lambda: self.engine.stop(max(0, round(1000 * (end - KILLING_S - monotonic())))))
            all_of_them.callback(lambda: finish_commands(end - ENDING_S - monotonic()))
            all_of_them.callback(lambda: finish_writing(end - KILLING_S - monotonic()))
            self.session.finish(end - KILLING_S - monotonic())
