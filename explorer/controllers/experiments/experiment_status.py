"""The state of experiments, read from their folders and described for the window.

An experiment is a process of its own that outlives the window, so everything is read from its folder
(``core.experiments.folder``), whoever started it. Beside that module's files the window leaves two of its own there:
``request.json``, what was asked for, and ``experiment.log``, what the process wrote.
"""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeVar

import msgspec

from core.experiments.folder import ExperimentFolder, Progress, read_progress
from explorer.controllers.processes import log_tail

REQUEST, LOG = "request.json", "experiment.log"
START_TIMEOUT_S = 90.0
SILENT_S = 120.0
"""A process writes its progress about once a second; one that is silent for this long is not the one it was."""
ACTIVE = ("starting", "running", "stopping")
LEAK = "Leak: largest deviation of the other factor from its initial value, in % of its range; median over all starts."
Value = TypeVar("Value")
_STAMP = re.compile(r"-(\d{8}-\d{6})(?:-\d+)?$")


@dataclass(frozen=True)
class Experiment:
    """One experiment as its folder tells it.

    ``name``: what the command line calls it; ``seeds`` and ``quick`` as asked for, seeds None if that is not known;
    ``begun``: local time. ``state``: starting, running, stopping, finished, stopped, failed or interrupted.
    ``message``: what is being done, or why it failed; ``run``: the run in training. ``local``: on this machine.
    ``numbers`` and ``numbers_tip``: what a finished one found. ``log``: the end of what its process wrote.
    """

    path: Path
    name: str
    seeds: int | None
    quick: bool
    begun: datetime
    state: str
    message: str
    fraction: float
    eta_seconds: float | None
    run: Path | None
    local: bool
    numbers: str
    numbers_tip: str
    log: str

    @property
    def report(self) -> Path:
        """The report's page; there once it is finished."""
        return ExperimentFolder(self.path).html_path


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
    state, message = _without_progress(path, log) if progress is None else (_state(folder, progress), progress.message)
    numbers, tip = "", ""
    if state == "finished":
        numbers, tip = key_numbers(name, _read_object(folder.report_path), quick)
    fraction = 0.0 if progress is None else progress.fraction
    underway = progress if state in ACTIVE else None
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
        run=path / underway.run if underway and underway.run else None,
        local=progress is None or progress.host == socket.gethostname(),
        numbers=numbers,
        numbers_tip=tip,
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
    if progress.abandoned or time.time() - progress.updated > SILENT_S:
        return "interrupted"
    return "stopping" if folder.stop_requested else "running"


def _without_progress(path: Path, log: str) -> tuple[str, str]:
    """(state, message) of an experiment that has not told its progress yet."""
    if reason := complaint(log):
        return "failed", reason
    try:
        age = time.time() - (path / REQUEST).stat().st_mtime
    except OSError:
        age = math.inf
    return ("starting", "") if age < START_TIMEOUT_S else ("interrupted", "")


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
