"""What the folders of experiments say, for the window: found, read and put into words. No Qt, and no torch.

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
from typing import Any

import msgspec

from core.experiments.folder import ExperimentFolder, Progress, read_progress

REQUEST, LOG = "request.json", "experiment.log"
START_TIMEOUT_S = 90.0
SILENT_S = 120.0
"""A process writes its progress about once a second; one that is silent for this long is not the one it was."""
ACTIVE = ("starting", "running", "stopping")
LOG_TAIL = 1200  # characters
PUBLISHED = "The published model has 0.0247 in the hole and 0.0093 outside."
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
        folders = [entry for entry in root.iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = [folder for folder in folders if _is_experiment(folder)]
    return sorted(found, key=lambda folder: (_begun(folder), folder.name), reverse=True)


def read_experiment(path: Path) -> Experiment:
    """What the folder ``path`` says now. What is missing or unreadable in it is left out, never an error."""
    folder, progress = ExperimentFolder(path), read_progress(path)
    name, seeds, quick = read_request(path)
    log = log_tail(path)
    state, message = _unheard(path, log) if progress is None else (_state(folder, progress), progress.message)
    numbers, tip = "", ""
    if state == "finished":
        numbers, tip = key_numbers(name, _read_object(folder.report_path), quick)
    underway = progress if state in ACTIVE else None
    return Experiment(
        path=path,
        name=name,
        seeds=seeds,
        quick=quick,
        begun=_begun(path),
        state=state,
        message=message,
        fraction=_share(progress),
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
    """The flags of the further options that the experiment in ``path`` was begun with: going on needs the same."""
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


def log_tail(path: Path) -> str:
    """The end of what the process wrote; empty if it wrote nothing."""
    try:
        return (path / LOG).read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        return ""


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
    conclusions = report.get("conclusions")
    words = [text for text in conclusions if isinstance(text, str)] if isinstance(conclusions, list) else []
    line = _leak_line(report) if name == "curves" else ""
    return (line or words[0], "\n".join(words)) if words else (line, line)


def _transect_numbers(report: Mapping[str, Any], quick: bool) -> tuple[str, str]:
    models = report.get("models")
    models = [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []
    models = [model for model in models if model.get("group") == "default"]
    hole, outside = (_values(models, key) for key in ("hole_excess_bce", "outside_excess_bce"))
    if not hole or not outside:
        return "", ""
    line = f"Excess BCE on P1: hole {_spread(hole)}, outside {_spread(outside)}"
    seeds = "one seed: no interval" if len(hole) == 1 else f"mean ± standard deviation over {len(hole)} seeds"
    tip = (
        f"{line} ({seeds}).\nExcess BCE: cross-entropy of the reconstruction less that of the image itself, mean over "
        "pixels; 0 is perfect. P1 crosses the hole of the parameter plane."
    )
    return line, tip if quick else f"{tip} {PUBLISHED}"


def _leak_line(report: Mapping[str, Any]) -> str:
    """Median leaks of both factors together; empty if the report does not have them."""
    found: Any = report
    for key in ("summary", "leak", "both"):
        found = found.get(key) if isinstance(found, dict) else None
    medians = []
    for kind in ("factor curve", "mean difference"):
        one: Any = found
        for key in (kind, "median", "value"):
            one = one.get(key) if isinstance(one, dict) else None
        if type(one) not in (int, float) or not math.isfinite(one):
            return ""
        medians.append(100.0 * one)
    curve, vector = medians
    return f"Leak along factor curves {curve:.2g} %, along the mean difference {vector:.2g} %"


def _values(models: list[dict[str, Any]], key: str) -> list[float]:
    """The finite numbers of P1 under ``key``, one a model."""
    values = [model[key].get("P1") for model in models if isinstance(model.get(key), dict)]
    return [float(value) for value in values if type(value) in (int, float) and math.isfinite(value)]


def _spread(values: list[float]) -> str:
    mean = f"{fmean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {stdev(values):.4f}"


def _state(folder: ExperimentFolder, progress: Progress) -> str:
    if progress.state != "running":
        return progress.state
    if progress.abandoned or time.time() - progress.updated > SILENT_S:
        return "interrupted"
    return "stopping" if folder.stop_requested else "running"


def _unheard(path: Path, log: str) -> tuple[str, str]:
    """(state, message) of an experiment that has not told its progress yet."""
    if reason := complaint(log):
        return "failed", reason
    try:
        age = time.time() - (path / REQUEST).stat().st_mtime
    except OSError:
        age = math.inf
    return ("starting", "") if age < START_TIMEOUT_S else ("interrupted", "")


def _share(progress: Progress | None) -> float:
    share = 0.0 if progress is None else progress.fraction
    return min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0


def _is_experiment(path: Path) -> bool:
    folder = ExperimentFolder(path)
    return any(file.is_file() for file in (folder.options_path, folder.progress_path, path / REQUEST))


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
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
