"""What a person made and arranged, kept every few seconds and at every gesture's end, and there at the next start.

A session is about one run: another run that is opened in the window begins another session, and what was made before
stays in a file of its own (*File > Earlier sessions*). ``core.projects`` has what is kept; ``SessionStore`` writes it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QByteArray, QTimer, Signal

from core.projects.archive import read_project
from core.projects.edited import EDITED
from core.projects.project import CameraView, Project, ProjectError, RunReference, WindowPlace, misfit
from core.projects.run_reference import find_run, reference
from core.projects.sessions import SessionFile, claim, claim_latest
from core.runs.directory import RunDirectory, RunError
from explorer.controllers.app.open_run import OpenRun, bundled_run, is_bundled, run_name
from explorer.controllers.choices import Choice
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.compare.compare import CompareController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.path.tracing import TracingController
from explorer.session_store import Save, SessionStore
from explorer.views.cloud import Mode

EVERY_MS = 2000
"""The longest that a change waits which no gesture's end has saved."""
AGAIN_MS = 5000
"""After a save that could not be done."""
BESIDE = ("mode", "epoch", "gridlines_shown")
"""What is kept of the state beside what undo covers."""
MOST_TRAININGS = 5


@dataclass(frozen=True)
class Found:
    """What a thread has read of a session or project: the ``project`` and the folder of its ``run``, or why there is
    none; ``second``: the folder of the run that it is compared with, if that is there. ``session``: the file that goes
    on; ``file``: the project file; ``crashed``: until when it was kept, if its window did not end properly;
    ``training``: a run that is being trained now and comes first; ``choice``: of a person, unless it is the start."""

    project: Project | None = None
    run: Path | None = None
    second: Path | None = None
    session: SessionFile | None = None
    file: str = ""
    crashed: str = ""
    training: Path | None = None
    problem: str = ""
    choice: Choice | None = None


class SessionController(Controller):
    """Does nothing until it is told to begin: the windows of tests, tours and Python programs are nobody's session.

    ``project_file`` is the file that *Save project* writes, "" if there is none; ``embeds``: with the model.
    """

    file_changed = Signal()
    """``project_file`` is another."""
    noted = Signal(str)
    """Good to know, nothing to be done."""
    unlocated = Signal(object)
    """Found: its run is nowhere, and a person may know where it is."""
    _read = Signal(object)  # Found, from the thread

    def __init__(
        self,
        context: Context,
        open_run: OpenRun,
        cloud: CloudController,
        tracing: TracingController,
        compare: CompareController,
    ) -> None:
        super().__init__(context)
        self.store = SessionStore()
        self.project_file, self.embeds = "", False
        self._open_run, self._cloud, self._tracing, self._compare = open_run, cloud, tracing, compare
        self._active = False
        self._starts = False  # until what was open last has been read
        self._before: Choice | None = None  # what had been chosen when it began
        self._unwanted = False  # nothing is kept before something is made: the run that was asked for is gone
        self._trainings: tuple[str, ...] = ()
        self._expected: Found | None = None  # whose run is being opened
        self._pending: Project | None = None  # to be shown as soon as the run's cloud is there
        self._second: Path | None = None  # where its second run is
        self._awaited: RunReference | None = None  # the second run, until it is open
        self._camera: CameraView | None = None  # to be taken once the cloud is drawn as it was
        self._crashed = ""  # to be said once all is back: until when
        self._failed = False
        self._arranged: tuple[dict, WindowPlace] | None = None  # how the window stands, if that is known
        self._timer = QTimer(self, singleShot=True, interval=EVERY_MS)
        self._timer.timeout.connect(self.save)
        self._again = QTimer(self, singleShot=True, interval=AGAIN_MS)
        self._again.timeout.connect(self.save)
        events = self._state.events
        self._when(tuple(getattr(events, name) for name in (*EDITED, *BESIDE)), self._on_change)
        self._when((self._editing.changed,), self.save)
        self._when((cloud.view.view_changed,), self._on_change)
        self._when((cloud.view.view_settled,), self._on_view_settled)
        compare.second_changed.connect(self._on_second)
        compare.kind_changed.connect(self._on_change)
        self._window.arranged.connect(self._on_arranged)
        open_run.leaving.connect(self._on_leaving)
        open_run.not_opened.connect(self._on_not_opened)
        self._choices.failed.connect(self._on_choice_failed)
        self._read.connect(self._on_read)
        self.store.saved.connect(self._on_saved)
        self.store.failed.connect(self._on_failed)
        self.store.listed.connect(self._window.set_earlier)
        self._window.earlier_chosen.connect(lambda path: self.open_earlier(Path(path)))

    # beginning

    def begin(self) -> None:
        """Keep what is done from now on."""
        self._active = True
        self.list_earlier()

    def resume(self) -> None:
        """Open what was open last, a training that goes on before it; the bundled model if there is neither."""
        self._active = self._starts = True
        self._before = self._choices.latest
        places = self.places()
        self.store.run(lambda: self._read.emit(self._latest(places)))

    def open_earlier(self, path: Path) -> None:
        """Go on with the session ``path`` in place of the present one."""
        self._active = True
        places, choice = self.places(), self._choices.begin(f"Session {path.stem}")
        self.store.run(lambda: self._read.emit(dataclasses.replace(self._earlier(path, places), choice=choice)))

    def show(self, found: Found) -> None:
        """Open the run of ``found``, and show the project on it as soon as the cloud is there."""
        assert found.run is not None
        self._expected = found
        self._open_run.open(found.run, remember=not is_bundled(found.run))

    def show_something(self) -> None:
        """The bundled model, if nothing is open because what was asked for cannot be; it is not kept as a session."""
        if self._open_run.run is None and not self._choices.pending:
            self._unwanted = True
            self._open_run.open(bundled_run(), remember=False)

    def start_over(self) -> None:
        """Begin with the open run again, as if it had just been opened."""
        run = self._open_run.run
        if run is not None:
            self._expected = Found(run=run.path)
            self._open_run.open(run.path, remember=not is_bundled(run.path))

    def list_earlier(self) -> None:
        """Look again which sessions there are: other windows open and close them."""
        if self._active:
            self.store.run(self.store.list_earlier)

    def note_training(self, run: Path) -> None:
        """A training into the folder ``run`` was started from this window."""
        self._trainings = (*(known for known in self._trainings if known != str(run)), str(run))[-MOST_TRAININGS:]
        self._on_change()

    @property
    def ready(self) -> bool:
        """Whether what was to be opened is there: what is done now is kept."""
        opened = self._expected is None and self._pending is None and not self._open_run.opening
        return opened and not self._starts

    # in the thread

    def places(self) -> list[Path]:
        """Where runs are looked for that are not where they were."""
        return [*map(Path, self._settings.recent_runs), self._settings.runs_folder]

    def _latest(self, places: list[Path]) -> Found:
        try:
            claimed = claim_latest(self.store.folder)
        except OSError as error:
            return Found(problem=f"What was open last is not shown: {self.store.folder} cannot be read ({error}).")
        if claimed is None:
            return Found()
        session, about = claimed
        return dataclasses.replace(
            _read_session(session, places), crashed="" if about.ended else _time_text(about.saved)
        )

    def _earlier(self, path: Path, places: list[Path]) -> Found:
        try:
            session = claim(path)
        except OSError as error:
            return Found(problem=f"{path} cannot be opened ({error.strerror or error}).")
        if session is None:
            return Found(problem="This session is open in another window.")
        return dataclasses.replace(_read_session(session, places), training=None)

    # in the event loop

    def _on_read(self, found: Found) -> None:
        if found.choice is not None and not self._choices.end(found.choice):
            _release(found.session)
            return
        starts, self._starts = self._starts, False
        chosen = self._choices.latest is not self._before
        open_already = starts and (self._open_run.run is not None or self._expected is not None or chosen)
        if found.project is not None:
            self._trainings = found.project.trainings if starts else self._trainings
        asks = not starts and found.project is not None and found.run is None  # where that is: nothing more to say
        if found.problem and not open_already and not asks:
            self.error_occurred.emit(found.problem)
        if open_already:  # a person was faster
            _release(found.session)
        elif found.training is not None and found.training != found.run:
            _release(found.session)
            self._expected = Found(run=found.training)
            self._open_run.open(found.training)
            if found.project is not None:
                name = Path(found.project.run.path).name
                self._state.message = f"This training goes on. {name}, open last, is in File > Earlier sessions"
        elif found.run is not None:
            self.show(found)
        elif starts:
            self._unwanted = bool(found.problem)
            self._open_run.open(bundled_run(), remember=False)
        elif found.project is not None:
            self.unlocated.emit(found)

    def _on_not_opened(self, path: Path) -> None:
        expected, self._expected = self._expected, None
        if expected is None or expected.run != path:
            return
        _release(expected.session)
        self.show_something()

    def _on_choice_failed(self, name: str) -> None:
        """At the start a person was faster, with something that cannot be opened."""
        if self._active and name != str(bundled_run()):
            self.show_something()

    def _on_leaving(self, run: RunDirectory) -> None:
        """``run`` is about to take the place of the open one."""
        expected, self._expected = self._expected, None
        if expected is not None and expected.run != run.path:
            _release(expected.session)
            expected = None
        before = self._open_run.run
        if not self._active or (expected is None and before is not None and before.path == run.path):
            # Its images have been located, or a person has opened it again: all stays as it is.
            if self._active and self._pending is None:
                second = self._compare.run
                self._pending, self._second = self.snapshot(), None if second is None else second.path
            return
        if self._pending is not None:  # which is on the disk as it is
            self.store.leave(None)
        elif before is not None:
            self._leave()
        self._timer.stop()
        self._unwanted = self._unwanted and before is None
        found = expected or Found()
        self._pending, self._second = found.project, found.second
        self._camera, self._crashed = None, found.crashed
        self._awaited = None
        self._compare.forget_missing()
        if found.session is not None:
            self.store.take(found.session)
        self.set_file(found.file, found.project is not None and found.project.embeds)

    def _leave(self) -> None:
        project = self.snapshot()
        if project.has_work:
            self.store.leave(Save(project, self._run_name, "left"))
        else:
            self.store.discard()

    def set_file(self, file: str, embeds: bool) -> None:
        """*Save project* writes ``file`` from now on; with the model if it ``embeds``."""
        self.project_file, self.embeds = file, embeds
        self.file_changed.emit()

    # keeping

    @property
    def _run_name(self) -> str:
        run = self._open_run.run
        return "" if run is None else run_name(run.path)

    def snapshot(self, file: Path | None = None) -> Project:
        """All that is kept, as it is now: values that nobody changes any more. ``file``: the project file that it is
        for, from which runs are found again; None for the present one."""
        run, state, view = self._open_run.run, self._state, self._cloud.view
        if file is None and self.project_file:
            file = Path(self.project_file)
        steps, position = self._editing.snapshot()
        if self._arranged is None:
            place = WindowPlace(*self._window.arrangement())
            self._arranged = self._window.panels(), place
            # So that the next window stands there from its first moment on.
            self._settings.save_layout(QByteArray(place.geometry), QByteArray(place.docks))
        camera = self._camera
        if camera is None and view.point_count:
            now, whole = view.camera(), view.shows_all
            place = ((0.0, 0.0, 0.0), 1.0) if whole else (tuple(now["target"]), now["distance"])
            camera = CameraView(*place, now["azimuth"], now["elevation"], whole)
        return Project(
            run=RunReference() if run is None else reference(run, file, is_bundled(run.path)),
            steps=steps,
            position=position,
            camera=camera,
            mode=state.mode,
            epoch=self._open_run.wanted_epoch,
            gridlines=state.gridlines_shown,
            played=state.playback.position,
            panels=self._arranged[0],
            window=self._arranged[1],
            file=self.project_file,
            embeds=self.embeds,
            trainings=self._trainings,
            second=self._second_reference(file),
            comparison=self._compare.kind,
            saved=self._editing.saved,
            traced=self._tracing.traced(steps),
        )

    def _second_reference(self, file: Path | None) -> RunReference | None:
        run = self._compare.run
        return self._awaited if run is None else reference(run, file, is_bundled(run.path))

    def _on_second(self) -> None:
        self._awaited = None
        self.save()

    def save(self) -> None:
        """Write the session as it is now."""
        if not self._active or self._pending is not None or self._open_run.run is None:
            return
        project = self.snapshot()
        if self._unwanted and not project.has_work:
            return
        self._timer.stop()
        self.store.save(Save(project, self._run_name))

    def _on_change(self) -> None:
        if self._active and not self._timer.isActive():
            self._timer.start()

    def _on_view_settled(self) -> None:
        self._camera = None  # a hand has another view
        self.save()

    def _on_arranged(self) -> None:
        self._arranged = None
        self._on_change()

    def _on_saved(self, _: Project) -> None:
        if self._failed:
            self._failed = False
            self.succeeded.emit()

    def _on_failed(self, text: str) -> None:
        self._again.start()
        if not self._failed:
            self._failed = True
            self.error_occurred.emit(text)

    def shut_down(self) -> None:
        """Have the last state written; ``finish`` waits for it."""
        if self._active and self._pending is None and self._open_run.run is not None:
            project = self.snapshot()
            if project.has_work or not self._unwanted:
                self.store.save(Save(project, self._run_name, "closed"))
        self._active = False
        self.store.end()

    def finish(self, seconds: float) -> None:
        """Wait until the last state has been written, for ``seconds`` at most, and print it if it has not: the window
        closes."""
        if not self.store.finish(seconds):
            print(
                f"isoline: what was done last could not be kept before the window closed: {self.store.folder} does not "
                "answer",
                file=sys.stderr,
            )

    # showing

    def tick(self) -> None:
        """Show what was kept, as soon as the cloud it is about is drawn."""
        state = self._state
        if self._pending is not None:
            drawn = state.embedding is not None and state.samples is not None and self._cloud.projection is not None
            if drawn and (self._pending.epoch is None or state.epochs):
                self._show_pending()
        elif self._camera is not None and (state.display.axes.layout is None or state.layout is not None):
            self._take_camera(self._camera)
            self._camera = None

    def _show_pending(self) -> None:
        project, state = self._pending, self._state
        assert project is not None
        assert state.embedding is not None
        count, latent_dim = state.embedding.shape
        wrong = misfit(project, count if state.all_samples is None else len(state.all_samples.indices), latent_dim)
        if wrong:
            self._pending = None
            where = self.project_file or f"the session {self.store.path}"
            self.store.leave(None)
            self.error_occurred.emit(f"What was made with this run is not shown, because {wrong}. It stays in {where}.")
            return
        if project.epoch is not None and project.epoch not in state.epochs:
            self._state.message = f"Epoch {project.epoch} is not stored any more; the newest is shown"
        elif project.epoch is not None and project.epoch != state.epoch:
            self._open_run.show_epoch(project.epoch)
        self._pending = None
        self._tracing.restore(project.steps, project.traced)
        self._editing.restore(project.steps, project.position, project.saved)
        self._show_second(project)
        sample = state.document.sample
        drawn = sample is not None and sample < len(state.embedding)
        if drawn and (state.document.probe != state.embedding[sample]).any():
            self._editing.refine(probe=state.embedding[sample])  # it has been trained further
        if state.document.probe is None:  # it was kept before the cloud was there
            self._open_run.place_probe()
        state.mode = project.mode if project.mode in {mode.value for mode in Mode} else state.mode
        state.gridlines_shown = project.gridlines
        self._editing.follow(position=project.played)
        if project.window is not None and self.store.path is not None:
            self._window.rearrange(project.window.geometry, project.window.docks)
        elif project.panels:
            self._window.set_panels(project.panels)
        if project.camera is not None:
            self._take_camera(project.camera)
            self._camera = project.camera  # again, once the axes are drawn
        if self._crashed:
            self.noted.emit(f"Isoline did not close properly last time. All is as it was {self._crashed}.")
        self.save()

    def _show_second(self, project: Project) -> None:
        """Compare with the run that the project was compared with, in the same way."""
        now = self._compare.run
        self._compare.choose_kind(project.comparison)
        if self._second is not None and (now is None or now.path != self._second):
            self._awaited = project.second
            self._compare.open(str(self._second))
        elif self._second is None:
            self._compare.close()
            if project.second is not None:
                self._compare.set_missing(project.second)
                self._awaited = project.second
                self.refused.emit(
                    f"The run that this one was compared with, {project.second.path}, was not found: it was deleted or "
                    "moved. Locate it in the Compare panel."
                )

    def _take_camera(self, camera: CameraView) -> None:
        if camera.whole:
            self._cloud.view.look_from(camera.azimuth, camera.elevation)
            return
        whereabouts = dataclasses.asdict(camera)
        del whereabouts["whole"]
        self._cloud.view.set_camera({**whereabouts, "target": list(camera.target)})


def _read_session(session: SessionFile, places: list[Path]) -> Found:
    """What ``session`` holds, and where its run is; a file that cannot be used is given back. For a thread."""
    try:
        project = read_project(session.path)
    except ProjectError as error:
        _release(session)
        return Found(problem=f"What was open last is not shown: {error}")
    run = located(project, None, places)
    training = next((path for path in map(Path, reversed(project.trainings)) if _is_trained(path)), None)
    if run is None:
        _release(session)
        gone = f"{project.run.path}, the run that was open last, is gone: it was deleted or moved."
        where = "What was made with it is kept, and opens in File > Earlier sessions"
        return Found(project, training=training, problem=f"{gone} {where} ({session.path}).")
    return Found(project, run, located_second(project, None, places), session, project.file, training=training)


def located(project: Project, file: Path | None, places: list[Path]) -> Path | None:
    """The folder of the project's run; None if it is nowhere. Reads files: for a thread."""
    return find_run(project.run, file, [bundled_run(), *places] if project.run.bundled else places)


def located_second(project: Project, file: Path | None, places: list[Path]) -> Path | None:
    """The folder of the run that it is compared with; None if there is none, or if it is nowhere. For a thread."""
    second = project.second
    if second is None:
        return None
    return find_run(second, file, [bundled_run(), *places] if second.bundled else places)


def _is_trained(run: Path) -> bool:
    try:
        return RunDirectory.open(run).status() in ("running", "paused")
    except (RunError, OSError):  # it is gone
        return False


def _release(session: SessionFile | None) -> None:
    if session is not None:
        with contextlib.suppress(OSError):  # it is free in any case
            session.release()


def _time_text(saved: str) -> str:
    """When that was, as a person says it."""
    try:
        time = datetime.fromisoformat(saved).astimezone()
    except ValueError:
        return "when it was saved last"
    today = time.date() == datetime.now().astimezone().date()
    return f"at {time:%H:%M:%S}" if today else f"on {time.day} {time:%B} at {time:%H:%M}"
