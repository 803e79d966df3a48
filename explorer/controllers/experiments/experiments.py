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
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev
from time import monotonic, time
from typing import Any, TypeVar

import msgspec
from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices

from core.experiments.folder import ExperimentFolder, Progress, read_progress
from core.runs.directory import RunDirectory
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
        self._launch(path, experiment_command(name, path, seeds, quick))
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
        self._launch(path, [*experiment_command(name, path, seeds, quick), *read_flags(path)])

    def cancel(self, path: Path) -> None:
        """Ask an experiment to stop after its step; it keeps what is done."""
        self._cancelled.add(path)  # one that is only starting removes an old request: ask once it runs
        self._ask_to_stop()
        self._poll()

    def watch(self, path: Path) -> None:
        """Open the run that the experiment is training."""
        run = read_experiment(path).run
        if run is None:
            self.refused.emit(
                f"{path.name} is not training a model at the moment. Try again when the next training has begun."
            )
            return
        self._open_run.open(run)

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
        try:
            process = start_detached(command, path / LOG)
        except OSError as error:
            self._refused[path] = f"The experiment could not be started: {error}."
            self.error_occurred.emit(self._refused[path])
        else:
            self._starting[path] = (process, before)
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
                replace(experiment, has_report=ExperimentFolder(path).html_path.is_file())
                if experiment.state == "finished"
                else self._read(path)
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
        process, before = self._starting.get(path, (None, None))
        alive = process is not None and process.alive  # before the folder is read: it may write it and end at once
        experiment = read_experiment(path)
        if process is not None:
            if progress_stamp(path) != before:
                del self._starting[path]
            elif alive:
                return replace(experiment, state="starting", message="", run=None, eta_seconds=None)
            else:
                del self._starting[path]
                self._refused[path] = complaint(experiment.log) or "Its process ended without a word."
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
            try:
                ExperimentFolder(path).request_stop()
            except OSError as error:
                self.error_occurred.emit(
                    f"{path} cannot be written ({error.strerror or error}), so it cannot be cancelled."
                )

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
