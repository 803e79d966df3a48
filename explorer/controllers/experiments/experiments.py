"""Experiments from the window: starts the very command a person would type, and follows it through its folder.

The process outlives the window; what is known about it is read from its folder (``core.experiments.folder``), so an
experiment that a terminal or another machine started below the runs folder is listed, watched and cancelled just the
same. Beside that module's files the window leaves two of its own there: ``request.json``, what was asked for, and
``experiment.log``, what the process wrote.
"""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from time import monotonic, time
from typing import Any, TypeVar

import msgspec
from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices

from core.experiments.folder import ExperimentFolder, Progress, read_progress
from core.runs.directory import RunDirectory, RunError
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Detached, isoline_command, log_tail, start_detached
from explorer.views.experiments import ACTIVE, Experiment, ExperimentsView
from explorer.widgets.controls import on_screen

NICENESS = 10
POLL_S = 1.0
FOLDER = "experiments"
REQUEST, LOG = "request.json", "experiment.log"
SILENT_S = 120.0
"""A process writes its progress about once a second; one that is silent for this long is not the one it was."""
LEAK = "Leak: largest deviation of the other factor from its initial value, in % of its range; median over all starts."
Value = TypeVar("Value")
_STAMP = re.compile(r"-(\d{8}-\d{6})(?:-\d+)?$")
_BUSY = "An experiment is running"


def experiment_command(name: str, out: Path, seeds: int, quick: bool) -> list[str]:
    """The command that runs or resumes experiment ``name`` in folder ``out``."""
    command = isoline_command("experiment", "--nice", str(NICENESS), name, "--out", str(out), "--seeds", str(seeds))
    return [*command, "--quick"] if quick else command


class ExperimentsController(Controller):
    """Binds the experiments panel to the folders below ``runs_folder/experiments``.

    ``report_opened`` carries the page's path,
    ``finished`` a sentence about an experiment that has just ended well.
    """

    report_opened = Signal(str)
    finished = Signal(str)

    def __init__(self, context: Context, open_run: OpenRun, view: ExperimentsView) -> None:
        super().__init__(context)
        self._open_run, self._view = open_run, view
        self._experiments: dict[Path, Experiment] = {}
        self._starting: dict[Path, tuple[Detached, tuple[int, int]]] = {}  # with the stamp of the progress before
        self._refused: dict[Path, str] = {}
        self._cancelled: set[Path] = set()
        self._listed: tuple[Path, int] | None = None
        self._due = 0.0
        self._unreadable = ""
        self._launching = 0  # that are being started
        self._looks, self._files = self._background(), self._background()
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

    def start(self, name: str, seeds: int, quick: bool) -> None:
        """Start experiment ``name`` in a new folder; ``error_occurred`` if it cannot be."""
        if self._busy():
            self.refused.emit(f"{_BUSY}. Cancel it, or wait for its report, before starting another.")
            return
        folder = self.folder

        def prepare() -> _Started:
            try:
                path = _new_folder(folder, name)
                write_request(path, name, seeds, quick)
            except OSError as error:
                reason = error.strerror or error
                raise RunError(
                    f"{folder} cannot be written ({reason}). Choose another folder in File > Runs folder."
                ) from error
            return _launch(path, experiment_command(name, path, seeds, quick))

        self._launch(prepare)

    def resume(self, path: Path) -> None:
        """Resume an experiment that ended early."""
        if self._busy():
            self.refused.emit(f"{_BUSY}. Cancel it, or wait for its report, before resuming another.")
            return
        self._launch(partial(_resume, path))

    def _launch(self, start: Callable[[], _Started]) -> None:
        self._launching += 1
        self._files.write(start, self._on_started, self._on_not_started)

    def _on_started(self, started: _Started) -> None:
        self._launching -= 1
        path = started.path
        self._refused.pop(path, None)
        self._cancelled.discard(path)
        if started.process is None:
            self._refused[path] = started.obstacle
            self.error_occurred.emit(started.obstacle)
        else:
            self._starting[path] = (started.process, started.stamp)
        self.refresh()

    def _on_not_started(self, error: Exception) -> None:
        self._launching -= 1
        self.error_occurred.emit(str(error))

    def cancel(self, path: Path) -> None:
        """Ask an experiment to stop after its step; it keeps what is done."""
        self._cancelled.add(path)  # one that is only starting removes an old request: ask once it runs
        self._ask_to_stop()
        self._look(list_again=False)

    def watch(self, path: Path) -> None:
        """Open the run that the experiment is training."""

        def failed(error: Exception) -> None:
            self.error_occurred.emit(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).")

        self._choices.look(path.name, partial(read_experiment, path), self._watch, failed, (RunError, OSError))

    def _watch(self, experiment: Experiment) -> None:
        if experiment.run is None:
            self.refused.emit(
                f"{experiment.path.name} is not training a model at the moment. Try again when the next training has "
                "begun."
            )
            return
        self._open_run.open(experiment.run)

    def open_report(self, path: Path) -> None:
        """Show the report of a finished experiment in the browser."""
        report = ExperimentFolder(path).html_path
        self._files.read(report.is_file, partial(self._open_report, report))

    def _open_report(self, report: Path, there: bool) -> None:
        if not there:
            self.error_occurred.emit(f"{report} does not exist any more. Resume the experiment to write it again.")
        elif self._open(report):
            self.report_opened.emit(str(report))

    def _open(self, path: Path) -> bool:
        opened = QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        if not opened:
            self.error_occurred.emit(f"No application is set up to open {path}. Open it yourself.")
        return opened

    # state of the folders

    def tick(self) -> None:
        """Look at what is unfinished, about once a second; called by the window's clock."""
        now = monotonic()
        if now < self._due or self._looks.busy:
            return
        self._due = now + POLL_S
        self._look(list_again=self._listed is None or on_screen(self._view))

    def refresh(self) -> None:
        """Read all folders again."""
        self._listed = None
        self._look(list_again=True)

    def _look(self, list_again: bool) -> None:
        if self._launching:
            return  # there is a look when the process is there
        processes = {path: process for path, (process, _) in self._starting.items()}
        look = partial(_look_at, self.folder, self._listed, list_again, dict(self._experiments), processes)
        self._looks.read(look, self._on_looked, self._on_unreadable)

    def _on_unreadable(self, error: Exception) -> None:
        if self._unreadable != str(error):
            self.error_occurred.emit(f"{self.folder} cannot be read ({getattr(error, 'strerror', None) or error}).")
        self._unreadable = str(error)
        self._take([])

    def _on_looked(self, looked: _Looked) -> None:
        if self._launching:
            return  # a folder may have been seen before its process was there
        self._listed = looked.listed
        if looked.found is not None:
            self._take([self._judged(found) for found in looked.found])

    def _judged(self, found: _Found) -> Experiment:
        """What the folder says, unless its process has just been started and has written nothing yet."""
        experiment, path = found.experiment, found.experiment.path
        if path in self._starting and found.alive is not None:
            if found.stamp != self._starting[path][1]:
                del self._starting[path]
            elif found.alive:
                return replace(experiment, state="starting", message="", run=None, eta_seconds=None)
            else:
                del self._starting[path]
                self._refused[path] = complaint(experiment.log) or "Its process ended without a word."
        elif path in self._starting:  # it was looked at before its process was there
            return replace(experiment, state="starting", message="", run=None, eta_seconds=None)
        if path in self._refused and experiment.state not in ("running", "stopping"):
            reason = self._refused[path]
            return replace(experiment, state="failed", message=reason, run=None, eta_seconds=None)
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
        self._view.set_items(experiments)

    def _ask_to_stop(self) -> None:
        for path in list(self._cancelled):
            experiment = self._experiments.get(path)
            if experiment is not None and experiment.state == "starting":
                continue
            self._cancelled.discard(path)
            if experiment is None or experiment.state != "running":
                continue
            self._files.write(ExperimentFolder(path).request_stop, failed=partial(self._on_not_cancelled, path))

    def _on_not_cancelled(self, path: Path, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        self.error_occurred.emit(f"{path} cannot be written ({reason}), so it cannot be cancelled.")

    def _report_end(self, experiment: Experiment) -> None:
        title = experiment.title
        if experiment.state == "failed":
            self.error_occurred.emit(f"The experiment {title} failed: {experiment.message or experiment.log}")
        elif experiment.state == "interrupted":
            self.error_occurred.emit(f"The experiment {title} was interrupted. Resume it in the Experiments panel.")
        elif experiment.state == "finished":
            self.finished.emit(f"{title}: the report is ready")

    def _busy(self) -> bool:
        """Whether an experiment runs on this machine: two at once would take each other's processor time."""
        running = any(item.local and item.state in ACTIVE for item in self._experiments.values())
        return running or self._launching > 0


@dataclass(frozen=True)
class _Started:
    """An experiment whose process has been started, with the stamp of its progress before; without a ``process``
    there was an ``obstacle``."""

    path: Path
    process: Detached | None
    stamp: tuple[int, int] = (0, 0)
    obstacle: str = ""


@dataclass(frozen=True)
class _Found:
    """An experiment as its folder has it; whether the process that was started for it lives, None if there is none;
    and the stamp of its progress."""

    experiment: Experiment
    alive: bool | None
    stamp: tuple[int, int]


@dataclass(frozen=True)
class _Looked:
    """The folder that was listed and its stamp, and what was found; None: nothing had to be looked at."""

    listed: tuple[Path, int]
    found: list[_Found] | None


def _look_at(
    folder: Path,
    listed: tuple[Path, int] | None,
    list_again: bool,
    known: dict[Path, Experiment],
    processes: dict[Path, Detached],
) -> _Looked:
    """Read all experiments if the list of folders may be another than ``listed``, else those that are unfinished.
    Raises ``OSError``."""

    def read(path: Path) -> _Found:
        # In this order: meanwhile the process may write, so that what is read is never older than the stamp, and end.
        alive = processes[path].alive if path in processes else None
        stamp = progress_stamp(path)
        return _Found(read_experiment(path), alive, stamp)

    now = _list_stamp(folder)
    if listed is None or (list_again and listed != now):
        return _Looked(now, [read(path) for path in find_experiments(folder)])
    if all(experiment.state == "finished" for experiment in known.values()):
        return _Looked(listed, None)
    return _Looked(
        listed,
        [
            _Found(replace(experiment, has_report=ExperimentFolder(path).html_path.is_file()), None, (0, 0))
            if experiment.state == "finished"
            else read(path)
            for path, experiment in known.items()
            if path.is_dir()
        ],
    )


def _list_stamp(folder: Path) -> tuple[Path, int]:
    try:
        return folder, folder.stat().st_mtime_ns
    except OSError:
        return folder, 0


def _resume(path: Path) -> _Started:
    """Go on with the experiment in ``path``. Raises ``RunError`` if it does not say how."""
    name, seeds, quick = read_request(path)
    if seeds is None:
        raise RunError(
            f"{path} does not record its options. Resume it in a terminal: isoline experiment {name} --out {path}, "
            "with the options that it was started with."
        )
    return _launch(path, [*experiment_command(name, path, seeds, quick), *read_flags(path)])


def _launch(path: Path, command: list[str]) -> _Started:
    before = progress_stamp(path)
    try:
        return _Started(path, start_detached(command, path / LOG), before)
    except OSError as error:
        return _Started(path, None, obstacle=f"The experiment could not be started: {error}.")


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


def find_experiments(root: Path) -> list[Path]:
    """The folders below ``root`` that hold an experiment, newest first; raises ``OSError`` if it cannot be read."""
    try:
        folders = [ExperimentFolder(entry) for entry in root.iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [
        folder.path
        for folder in folders
        if any(file.is_file() for file in (folder.options_path, folder.progress_path, folder.path / REQUEST))
    ]
    return sorted(found, key=lambda path: (_begun(path), path.name), reverse=True)


def read_experiment(path: Path) -> Experiment:
    """What the folder ``path`` says now. What is missing or unreadable in it is left out, never an error."""
    folder, progress = ExperimentFolder(path), read_progress(path)
    if progress is not None and folder.abandoned(progress):
        progress = read_progress(path) or progress  # it may have said how it ended since, and then gone
    name, seeds, quick = read_request(path)
    log = log_tail(path / LOG)
    if progress is not None:
        state, message = _state(folder, progress), progress.message
    else:
        message = complaint(log)
        state = "failed" if message else "interrupted"
    numbers, tip = "", ""
    if state == "finished":
        numbers, tip = key_numbers(name, _read_object(folder.report_path), quick)
    fraction = 0.0 if progress is None else progress.fraction
    underway = progress if state in ACTIVE else None
    run = path / underway.run if underway and underway.run else None
    return Experiment(
        path=path,
        name=name,
        seeds=seeds,
        quick=quick,
        begun=_begun(path),
        state=state,
        message=message,
        fraction=min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else 0.0,
        eta_seconds=underway.eta_seconds if underway else None,
        run=run if run is not None and RunDirectory.exists(run) else None,
        local=progress is None or progress.host == socket.gethostname(),
        numbers=numbers,
        numbers_tip=tip,
        has_report=folder.html_path.is_file(),
        log=log,
    )


def read_request(path: Path) -> tuple[str, int | None, bool]:
    """(name, seeds, quick) of the experiment in ``path``; seeds None if no file there tells."""
    stored = _read_object(ExperimentFolder(path).options_path)
    options = stored.get("options")
    if not isinstance(options, dict):
        stored = options = _read_object(path / REQUEST)
    name, seeds = stored.get("experiment"), options.get("seeds")
    if not isinstance(name, str):
        name = _STAMP.sub("", path.name)
    known = isinstance(seeds, int) and not isinstance(seeds, bool)
    return name, seeds if known else None, options.get("quick") is True


def read_flags(path: Path) -> list[str]:
    """The flags of the further options that the experiment in ``path`` was started with: going on needs the same."""
    options = _read_object(ExperimentFolder(path).options_path).get("options")
    flags: list[str] = []
    for name, value in options.items() if isinstance(options, dict) else ():
        flag = name.replace("_", "-")
        if name in ("seeds", "quick") or value is None:
            continue
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            flags += [f"--{flag}", *map(str, value)]
        else:
            flags.append(f"--{flag}={value}")
    return flags


def write_request(path: Path, name: str, seeds: int, quick: bool) -> None:
    """Note what is asked for, so that it can be asked for again; raises ``OSError``."""
    request = {"experiment": name, "seeds": seeds, "quick": quick}
    (path / REQUEST).write_bytes(msgspec.json.encode(request))


def complaint(log: str) -> str:
    """Why a process ended, from the end of its log: the last line that names an error; empty if none does."""
    for line in reversed(log.splitlines()):
        head, found, text = line.partition("rror: ")
        if found:
            return text.strip() if head.endswith(" e") else line.strip()
    return ""


def progress_stamp(path: Path) -> tuple[int, int]:
    """Changes whenever ``progress.json`` is written; (0, 0): there is none."""
    try:
        status = ExperimentFolder(path).progress_path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def key_numbers(name: str, report: Mapping[str, Any], quick: bool) -> tuple[str, str]:
    """(one line, explanation) of what a report found; ("", "") if it does not have what is looked for.

    transects: mean ± standard deviation over seeds of the default model's excess BCE on P1, in the hole and outside;
    curves: the median leak along factor curves and along the mean-difference vector; entanglement: the report's first
    conclusion. All conclusions are the explanation of these two.
    """
    if name == "transects":
        return _transect_numbers(report, quick)
    conclusions = _read_value(report, list[str], "conclusions") or []
    line = ""
    if name == "curves":  # of both factors together
        leaks = (
            _read_value(report, float, "summary", "leak", "both", kind, "median", "value")
            for kind in ("factor curve", "mean difference")
        )
        known = [100.0 * leak for leak in leaks if leak is not None and math.isfinite(leak)]
        if len(known) == 2:
            line = f"Leak along factor curves {known[0]:.2g} %, along the mean-difference vector {known[1]:.2g} %"
    tip = "\n".join(conclusions) or line
    return line or next((text for text in conclusions if text), ""), f"{tip}\n{LEAK}" if line else tip


def _transect_numbers(report: Mapping[str, Any], quick: bool) -> tuple[str, str]:
    models = _read_value(report, list[dict[str, Any]], "models") or []
    hole, outside = (
        [
            value
            for model in models
            if model.get("group") == "default"
            and (value := _read_value(model, float, part, "P1")) is not None
            and math.isfinite(value)
        ]
        for part in ("hole_excess_bce", "outside_excess_bce")
    )
    if not hole or not outside:
        return "", ""
    line = f"Excess BCE on P1: in the hole {_spread(hole)}, outside {_spread(outside)}"
    seeds = "one seed: no interval" if len(hole) == 1 else f"mean ± standard deviation over {len(hole)} seeds"
    tip = (
        f"{line} ({seeds}).\nExcess BCE: the reconstruction's binary cross-entropy minus that of a perfect copy, mean "
        "over pixels, in nats per pixel; 0 is a perfect copy. The transect P1 crosses the hole in the parameter plane."
    )
    return line, tip if quick else f"{tip} The published model reaches 0.0247 in the hole and 0.0093 outside."


def _read_value(stored: Any, kind: type[Value], *keys: str) -> Value | None:
    """What ``stored`` has under ``keys``, one within the other; None if that is not there or of another ``kind``."""
    try:
        for key in keys:
            stored = stored[key]
        return msgspec.convert(stored, kind)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None


def _spread(values: list[float]) -> str:
    mean = f"{fmean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {stdev(values):.4f}"


def _state(folder: ExperimentFolder, progress: Progress) -> str:
    if progress.state != "running":
        return progress.state
    if folder.abandoned(progress) or time() - progress.updated > SILENT_S:
        return "interrupted"
    return "stopping" if folder.stop_requested else "running"


def _begun(path: Path) -> datetime:
    """When it was begun: the time in the folder's name, else that of its oldest file here."""
    if found := _STAMP.search(path.name):
        try:
            return datetime.strptime(found[1], "%Y%m%d-%H%M%S")
        except ValueError:  # digits that are no date
            pass
    times = []
    for file in (ExperimentFolder(path).options_path, path / REQUEST, path):
        try:
            times.append(file.stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(min(times, default=0.0))


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``; empty if there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
