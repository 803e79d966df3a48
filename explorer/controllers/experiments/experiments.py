"""Experiments from the window: starts the very command a person would type, and follows it through its folder.

The process outlives the window; what is known about it is read from its folder, so an experiment that a terminal or
another machine started below the runs folder is listed, watched and cancelled just the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QDateTime, QLocale, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from core.experiments.folder import ExperimentFolder
from core.runs.directory import RunDirectory
from core.utils.text import counted
from explorer.controllers.app.session import Session
from explorer.controllers.controller import Context, Controller
from explorer.controllers.experiments.experiment_status import (
    ACTIVE,
    LOG,
    START_TIMEOUT_S,
    Experiment,
    complaint,
    find_experiments,
    progress_stamp,
    read_experiment,
    read_flags,
    read_request,
    write_request,
)
from explorer.controllers.processes import isoline_command, log_tail, start_detached
from explorer.views.experiments import KINDS, ExperimentItem, ExperimentsView
from explorer.widgets.controls import on_screen

NICENESS = 10
POLL_S = 1.0
FOLDER = "experiments"
_BUSY = "An experiment is running"
_TITLES = {kind.name: kind.title for kind in KINDS}


def experiment_command(name: str, out: Path, seeds: int, quick: bool) -> list[str]:
    """The command that runs or resumes experiment ``name`` in folder ``out``."""
    command = isoline_command("experiment", "--nice", str(NICENESS), name, "--out", str(out), "--seeds", str(seeds))
    return [*command, "--quick"] if quick else command


class ExperimentsController(Controller):
    """Binds the experiments panel to the folders below ``runs_folder/experiments``.

    ``command`` makes the command line of (name, folder, seeds, quick). ``report_opened`` carries the page's path,
    ``finished`` a sentence about an experiment that has just ended well.
    """

    report_opened = Signal(str)
    finished = Signal(str)

    def __init__(
        self,
        context: Context,
        session: Session,
        view: ExperimentsView,
        command: Callable[[str, Path, int, bool], list[str]] = experiment_command,
    ) -> None:
        super().__init__(context)
        self._session, self._view, self._command = session, view, command
        self._experiments: dict[Path, Experiment] = {}
        self._starting: dict[Path, tuple[float, tuple[int, int]]] = {}
        self._refused: dict[Path, str] = {}
        self._cancelled: set[Path] = set()
        self._listed: tuple[Path, int] | None = None
        self._due = 0.0
        self._unreadable = ""
        view.form.start_requested.connect(self.start)
        actions = {
            "cancel": self.cancel,
            "resume": self.resume,
            "watch": self.watch,
            "report": self.open_report,
            "folder": self._open,
        }
        view.action_requested.connect(lambda action, key: actions[action](Path(key)))
        view.shown.connect(self.refresh)

    @property
    def folder(self) -> Path:
        """Where experiments are written and looked for."""
        return self._settings.runs_folder / FOLDER

    @property
    def experiments(self) -> list[Experiment]:
        """Those that are listed, newest first."""
        return list(self._experiments.values())

    # user input

    def start(self, name: str, seeds: int, quick: bool) -> Path | None:
        """Start experiment ``name`` in a new folder; None and ``error_occurred`` if it cannot be."""
        if self._busy():
            self.refused.emit(f"{_BUSY}. Cancel it, or wait for its report, before starting another.")
            return None
        try:
            path = _new_folder(self.folder, name)
            write_request(path, name, seeds, quick)
        except OSError as error:
            reason = error.strerror or error
            self.error_occurred.emit(
                f"{self.folder} cannot be written ({reason}). Choose another folder in File > Runs folder."
            )
            return None
        self._launch(path, self._command(name, path, seeds, quick))
        return path

    def resume(self, path: Path) -> None:
        """Resume an experiment that ended early."""
        if self._busy():
            self.refused.emit(f"{_BUSY}. Cancel it, or wait for its report, before resuming another.")
            return
        name, seeds, quick = read_request(path)
        if seeds is None:
            self.error_occurred.emit(
                f"{path} does not record its options. Resume it in a terminal: isoline experiment {name} --out {path}, "
                "with the options that it was started with."
            )
            return
        self._launch(path, [*self._command(name, path, seeds, quick), *read_flags(path)])

    def cancel(self, path: Path) -> None:
        """Ask an experiment to stop after its step; it keeps what is done."""
        self._cancelled.add(path)  # one that is only starting removes an old request: ask once it runs
        self._ask_to_stop()
        self._poll()

    def watch(self, path: Path) -> None:
        """Open the run that the experiment is training."""
        run = read_experiment(path).run
        if run is None or not RunDirectory.exists(run):
            self.refused.emit(
                f"{path.name} is not training a model at the moment. Try again when the next training has begun."
            )
            return
        self._session.open(run)

    def open_report(self, path: Path) -> None:
        """Show the report of a finished experiment in the browser."""
        report = ExperimentFolder(path).html_path
        if not report.is_file():
            self.error_occurred.emit(f"{report} does not exist any more. Resume the experiment to write it again.")
        elif self._open(report):
            self.report_opened.emit(str(report))

    def _open(self, path: Path) -> bool:
        opened = QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        if not opened:
            self.error_occurred.emit(f"No application is set up to open {path}. Open it yourself.")
        return opened

    def _launch(self, path: Path, command: list[str]) -> None:
        before = progress_stamp(path)
        self._refused.pop(path, None)
        self._cancelled.discard(path)
        reason = start_detached(command, path / LOG)
        if reason:
            self._refused[path] = f"The experiment could not be started: {reason}."
            self.error_occurred.emit(self._refused[path])
        else:
            self._starting[path] = (monotonic(), before)
        self.refresh()

    # state of the folders

    def tick(self) -> None:
        """Look at what is unfinished, about once a second; called by the window's clock."""
        now = monotonic()
        if now < self._due:
            return
        self._due = now + POLL_S
        if self._listed is None or (on_screen(self._view) and self._listed != self._list_stamp()):
            self.refresh()
        elif any(experiment.state != "finished" for experiment in self._experiments.values()):
            self._poll()

    def refresh(self) -> None:
        """Read all folders again."""
        self._listed = self._list_stamp()
        try:
            paths = find_experiments(self.folder)
        except OSError as error:
            paths = []
            if self._unreadable != str(error):
                self.error_occurred.emit(f"{self.folder} cannot be read ({error.strerror or error}).")
            self._unreadable = str(error)
        self._take([self._read(path) for path in paths])

    def _poll(self) -> None:
        """Read what is unfinished again."""
        self._take(
            [
                experiment if experiment.state == "finished" else self._read(path)
                for path, experiment in self._experiments.items()
                if path.is_dir()
            ]
        )

    def _list_stamp(self) -> tuple[Path, int]:
        folder = self.folder
        try:
            return folder, folder.stat().st_mtime_ns
        except OSError:
            return folder, 0

    def _read(self, path: Path) -> Experiment:
        """What the folder says, unless its process has just been started and has written nothing yet."""
        experiment = read_experiment(path)
        if path in self._starting:
            since, before = self._starting[path]
            log = log_tail(path / LOG)
            if progress_stamp(path) != before:
                del self._starting[path]
            elif complaint(log) or monotonic() - since > START_TIMEOUT_S:
                del self._starting[path]
                self._refused[path] = complaint(log) or "The process did not start."
            else:
                return _changed(experiment, "starting", "")
        if path in self._refused and experiment.state not in ("running", "stopping"):
            return _changed(experiment, "failed", self._refused[path])
        return experiment

    def _take(self, experiments: list[Experiment]) -> None:
        before = self._experiments
        self._experiments = {experiment.path: experiment for experiment in experiments}
        self._ask_to_stop()
        for experiment in experiments:
            old = before.get(experiment.path)
            if old is not None and old.state in ACTIVE and experiment.state not in ACTIVE:
                self._report_end(experiment)
        self._view.set_folder(str(self.folder))
        self._view.set_blocked(_BUSY if self._busy() else "")
        self._view.set_items([_item(experiment) for experiment in experiments])

    def _ask_to_stop(self) -> None:
        for path in list(self._cancelled):
            experiment = self._experiments.get(path)
            if experiment is not None and experiment.state == "starting":
                continue
            self._cancelled.discard(path)
            if experiment is None or experiment.state != "running":
                continue
            try:
                ExperimentFolder(path).request_stop()
            except OSError as error:
                self.error_occurred.emit(
                    f"{path} cannot be written ({error.strerror or error}), so it cannot be cancelled."
                )

    def _report_end(self, experiment: Experiment) -> None:
        title = _TITLES.get(experiment.name, experiment.name)
        if experiment.state == "failed":
            self.error_occurred.emit(f"The experiment {title} failed: {experiment.message or experiment.log}")
        elif experiment.state == "interrupted":
            self.error_occurred.emit(f"The experiment {title} was interrupted. Resume it in the Experiments panel.")
        elif experiment.state == "finished":
            self.finished.emit(f"{title}: the report is ready")

    def _busy(self) -> bool:
        """Whether an experiment runs on this machine: two at once would take each other's processor time."""
        return any(item.local and item.state in ACTIVE for item in self._experiments.values())


def _new_folder(home: Path, name: str) -> Path:
    """Make a folder named after the experiment and the second; raises ``OSError``."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    home.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100):
        path = home / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{home / stem} is taken")


def _changed(experiment: Experiment, state: str, message: str) -> Experiment:
    return replace(experiment, state=state, message=message, run=None, eta_seconds=None)


def _item(experiment: Experiment) -> ExperimentItem:
    begun = experiment.begun
    shown = "d MMM HH:mm" if begun.year == datetime.now().year else "d MMM yyyy HH:mm"
    when = QLocale.c().toString(QDateTime.fromSecsSinceEpoch(int(begun.timestamp())), shown)
    seeds = experiment.seeds
    extent = "quick" if experiment.quick else "" if seeds is None else counted(seeds, "seed")
    return ExperimentItem(
        key=str(experiment.path),
        title=_TITLES.get(experiment.name, experiment.name),
        subtitle=" · ".join(part for part in (extent, when, "" if experiment.local else "elsewhere") if part),
        state=experiment.state,
        fraction=experiment.fraction,
        message=experiment.message,
        eta_seconds=experiment.eta_seconds,
        numbers=experiment.numbers,
        numbers_tip=experiment.numbers_tip,
        watchable=experiment.run is not None and RunDirectory.exists(experiment.run),
        has_report=experiment.report.is_file(),
        log=experiment.log,
    )
