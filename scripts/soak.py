"""Use the real window for hours while a training goes on, and see whether anything grows, is late, or complains.

    python scripts/soak.py                   # two hours
    python scripts/soak.py --quick           # ten minutes
    python scripts/soak.py --minutes 30 --seed 7 --renderer gl
    python scripts/soak.py --quick --find    # names the types and the lines of code that grow

A seeded walk (``_walk.py``) goes through everything that a person can do, in rounds that end where they began. Half-way
all processes stand still for a while, as on a computer that sleeps. Memory, open files and threads of each process are
looked at all the time; what the window holds besides, at the end of each round. The first fifth is for warming up. The
verdicts are printed, with the actions in which the event loop was late and the lines that held it; everything is in
``soak.json`` of the folder ``--out``. Exit status 0: every bar is met. The event loop's lateness is worth something on
a quiet machine only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
QUICK_MINUTES, MINUTES = 10.0, 120.0
MOST_GROWTH = 5.0  # percent of memory after warming up
MOST_LATENESS_MS = 25.0  # the 99th percentile
SAMPLES, LEAST_INTERVAL_S, LEAST = 1000, 1.0, 8
START_S = 180.0  # until the training has its first cloud
SLEEP_S = 35.0  # in the middle all processes stand still for so long, as on a computer that sleeps
EXPECTED = re.compile("There is no .*(: the data end there|of the data)")
"""What the window rightly says to one who clicks at random."""
WINDOW, ROUNDS = "window.json", "rounds.jsonl"
SHOWN = 25  # types and lines that grow
TRAINING = (
    "--data.image-size", "64", "--data.count", "1500", "--training.epochs", "100000", "--training.device", "cpu",
    "--nice", "10",
)  # fmt: skip
ROLES = (("core.engine", "engine"), ("core.figures", "figures"), ("core.cli train", "trainer"))


# what the numbers say


@dataclass(frozen=True)
class Verdict:
    """A bar and whether it is met: ``value`` beside the most that it may be. ``ok`` is None for what was not measured
    long enough."""

    bar: str
    value: float | None
    most: float
    unit: str
    ok: bool | None

    @property
    def line(self) -> str:
        """For a person."""
        value = "–" if self.value is None else f"{self.value:.1f}"
        word = {True: "ok", False: "MISSED", None: "too short"}[self.ok]
        return f"{self.bar:<52}{value:>9} {self.unit:<8} at most {self.most:g}  {word}"


def growth(seconds: Sequence[float], values: Sequence[float]) -> dict[str, float] | None:
    """How much ``values`` grew after warming up, in percent: ``peaks``, the greatest of the last fifth of the time
    beside the greatest of the second fifth; ``trend``, the second half's slope by Theil and Sen over its length. None
    if either fifth has fewer than ``LEAST`` values."""
    t, x = np.asarray(seconds, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if not len(t):
        return None
    share = (t - t[0]) / max(t[-1] - t[0], 1e-9)
    early, late, half = (share >= 0.2) & (share < 0.4), share >= 0.8, share >= 0.5
    if min(early.sum(), late.sum()) < LEAST:
        return None
    slope = theil_sen(share[half], x[half])
    base = max(float(np.median(x[early])), 1e-9)
    return {
        "peaks": round(100.0 * (float(x[late].max()) / float(x[early].max()) - 1.0), 2),
        "trend": round(100.0 * slope * 0.5 / base, 2),
    }


def theil_sen(t: np.ndarray, x: np.ndarray) -> float:
    """The median of the slopes between any two of at most 400 of the points; 0 for fewer than two."""
    step = max(1, len(t) // 400)
    first, second = np.triu_indices(len(t[::step]), 1)
    run, rise = (values[::step][second] - values[::step][first] for values in (t, x))
    return float(np.median(rise[run > 0] / run[run > 0])) if (run > 0).any() else 0.0


def leaked(counts: Sequence[float]) -> float | None:
    """How many more there are at the end than after warming up, by the trend over the rounds; 0 if some of the last
    rounds ended with no more than one of the first. None for fewer than 3 rounds after the first fifth."""
    x = np.asarray(counts[max(1, len(counts) // 5) :], dtype=np.float64)
    if len(x) < 3:
        return None
    third = max(1, len(x) // 3)
    if x[-third:].min() <= x[:third].max():
        return 0.0
    return round(theil_sen(np.arange(len(x), dtype=np.float64), x) * (len(x) - 1), 1)


def growing(rounds: Sequence[dict[str, Any]]) -> list[tuple[str, float, int]]:
    """The types that ``leaked`` finds, with how many more there are and how many there were; the most first."""
    names = set().union(*(held["types"] for held in rounds)) if rounds else set()
    series = {name: [held["types"].get(name, 0) for held in rounds] for name in names}
    found = [(name, leaked(counts) or 0.0, counts[0]) for name, counts in series.items()]
    return sorted((one for one in found if one[1] > 0.5), key=lambda one: -one[1])


def verdicts(report: dict[str, Any]) -> list[Verdict]:
    """Each bar, from the measurements of ``report``."""
    result = []
    for role, samples in report["processes"].items():
        found = growth(samples["seconds"], samples["rss_mb"])
        value = None if found is None else found["peaks"]
        result.append(Verdict(f"{role}: memory after warming up", value, MOST_GROWTH, "%", _within(value, MOST_GROWTH)))
    rounds = report["rounds"]
    for name in ("files", "threads", "objects", "gl", "python"):
        counts = [held[name] for held in rounds if held[name] is not None]
        if not counts and name == "gl":
            continue
        # Python's caches breathe: of its objects there may be some more.
        most = 1.5 if name != "python" else max(100.0, 0.002 * max(counts, default=0.0))
        value = leaked(counts)
        title = {"gl": "OpenGL buffers and textures", "objects": "Qt objects", "python": "Python objects"}
        result.append(Verdict(f"window: {title.get(name, name)} leaked", value, most, "", _within(value, most)))
    for role in ("engine", "trainer"):  # one process each all the time
        samples = report["processes"].get(role, {"seconds": [], "files": [], "threads": []})
        for name in ("files", "threads"):
            value = leaked(tenths(samples["seconds"], samples[name]))
            result.append(Verdict(f"{role}: {name} leaked", value, 1.5, "", _within(value, 1.5)))
    late = report["lateness_ms"]["p99"]
    result.append(Verdict("event loop lateness, p99", late, MOST_LATENESS_MS, "ms", _within(late, MOST_LATENESS_MS)))
    for name in ("log", "errors_shown", "failures"):
        count = sum(not EXPECTED.match(text) for text in report[name])
        title = {"log": "lines in logs and on standard error", "errors_shown": "errors that the window showed"}
        result.append(Verdict(title.get(name, "actions that failed"), count, 0, "", count == 0))
    return result


def _within(value: float | None, most: float) -> bool | None:
    return None if value is None else value <= most


def tenths(seconds: Sequence[float], values: Sequence[float]) -> list[float]:
    """The smallest of the values in each tenth of the time."""
    t, x = np.asarray(seconds, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if not len(t):
        return []
    part = np.minimum(9, (10 * (t - t[0]) / max(t[-1] - t[0], 1e-9)).astype(int))
    return [float(x[part == i].min()) for i in range(10) if (part == i).any()]


# the window


def walk_window(options: argparse.Namespace) -> int:
    """The child process's part: the program as it starts for a person, and the walk through it."""
    from explorer.engine_client import EngineClient
    from explorer.faults import FaultCatcher
    from explorer.startup import make_application

    if options.find:
        tracemalloc.start(1)
    application = make_application(sys.argv[:1])
    faults = FaultCatcher()
    faults.install()
    engine = EngineClient()
    engine.start(threads=1)
    from explorer.app import Explorer

    explorer = Explorer(application, engine, options.renderer)
    explorer.report(faults)
    explorer.show()
    explorer.window.resize(1400, 860)
    explorer.session.begin()
    explorer.open_run.open(options.runs[0])
    walk = Walk(application, explorer, options.runs, options.out, options.seed)
    deadline = monotonic() + 60.0 * options.minutes
    walk.lateness.watch()
    walk.play(lambda: monotonic() > deadline)
    application.exec()
    faults.uninstall()
    return 0


class Walk:
    """Rounds of the walk in the event loop, and what is counted meanwhile: in ``window.json`` and, a line a round, in
    ``rounds.jsonl``, for what is kept in memory would look like a leak."""

    def __init__(self, application: Any, explorer: Any, runs: list[Path], out: Path, seed: int) -> None:
        from _lateness import Lateness
        from _walk import Walker

        self._application, self._explorer, self._out = application, explorer, out
        self._walker = Walker(application, explorer, runs, out, seed)
        self.lateness = Lateness(lambda: self._walker.doing)
        self.rounds = 0
        self._errors: Counter[str] = Counter()
        self._first_lines: Any = None
        signals = [explorer.engine.error_occurred, explorer.engine.stalled, explorer.watcher.failed]
        signals += [controller.error_occurred for controller in explorer._controllers]
        for signal_ in signals:
            signal_.connect(lambda text: self._errors.update([text]))

    def play(self, done: Any, actions: Any = None) -> None:
        """Begin; after the round in which ``done()`` the window closes and the application ends."""
        from PySide6.QtCore import QTimer

        from _walk import ACTIONS

        playing = self._play(done, ACTIONS if actions is None else actions)
        self._timer = QTimer(interval=2)
        self._timer.timeout.connect(lambda: next(playing, None))
        self._timer.start()

    def _play(self, done: Any, actions: Any) -> Iterator[None]:
        from _census import census
        from _walk import settle, warm_up

        explorer, walker = self._explorer, self._walker
        for action in (settle, warm_up, settle):
            yield from walker.perform(action)
        while True:
            self.lateness.resume()
            yield from walker.round(actions)
            self.lateness.pause()
            parents = [explorer, explorer.engine, explorer.watcher]
            self.rounds += 1
            with open(self._out / ROUNDS, "a", encoding="utf-8") as file:
                file.write(json.dumps(census(parents, explorer.cloud.renderer_name)) + "\n")
            self._write()
            if done():
                break
        self._timer.stop()
        explorer.window.close()
        self._application.quit()

    def _write(self) -> None:
        walker = self._walker
        content = {
            "renderer": self._explorer.cloud.renderer_name,
            "lateness_ms": self.lateness.late.percentiles(),
            "computing_ms": self.lateness.computing.percentiles(),
            "late": self.lateness.by_action(),
            "held": self.lateness.held(SHOWN),
            "done": walker.done,
            "seconds": {name: round(seconds, 1) for name, seconds in walker.seconds.items()},
            "skipped": walker.skipped,
            "failures": walker.failures,
            "errors_shown": self._errors,
            "lines": self._growing_lines(),
        }
        (self._out / WINDOW).write_text(json.dumps(content), encoding="utf-8")

    def _growing_lines(self) -> list[str]:
        """Where the memory was asked for that has come since the second round."""
        if not tracemalloc.is_tracing():
            return []
        lines = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])
        if self.rounds <= 2:
            self._first_lines = lines
        return [str(line) for line in lines.compare_to(self._first_lines, "lineno")[:SHOWN] if line.size_diff > 0]


# the processes


class Sampler:
    """Memory, files and threads of the window, of what it has started, and of the trainer, by role."""

    def __init__(self, window: int, trainer: int) -> None:
        import psutil

        self._begun = monotonic()
        self._window, self._trainer = psutil.Process(window), psutil.Process(trainer)
        self.series: dict[str, dict[str, list[float]]] = {}

    def look(self) -> None:
        """Once."""
        import psutil

        from _census import open_files

        try:
            started = self._window.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for process in (self._window, self._trainer, *started):
            try:
                role = self._role(process)
                row = (process.memory_info().rss / 1e6, process.num_threads(), open_files(process))
            except psutil.Error:  # it has just ended
                continue
            if role and row[0] > 1.0:
                values = self.series.setdefault(role, {"seconds": [], "rss_mb": [], "threads": [], "files": []})
                for name, value in zip(values, (monotonic() - self._begun, *row), strict=True):
                    values[name].append(round(value, 2))

    def sleep(self, seconds: float) -> None:
        """All processes stand still."""
        import psutil

        everyone = [self._trainer, self._window, *self._window.children(recursive=True)]
        for signal_ in (signal.SIGSTOP, signal.SIGCONT):
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal_)
            sleep(seconds if signal_ == signal.SIGSTOP else 0.0)

    def _role(self, process: Any) -> str:
        if process == self._window:
            return "window"
        if process == self._trainer:
            return "trainer"
        command = " ".join(process.cmdline())
        return next((role for text, role in ROLES if text in command), "")


def soak(options: argparse.Namespace, environment: dict[str, str]) -> dict[str, Any]:
    """Start the training and the window, look at them until the window ends; the report without its verdicts."""
    out: Path = options.out
    first, training = out / "first", out / "runs" / "training"
    shutil.copytree(ROOT / "resources" / "model", first, ignore=shutil.ignore_patterns("paths", "layouts"))
    log = out / "stderr"
    log.mkdir()
    train = [sys.executable, "-P", "-m", "core.cli", "train", "--out", str(training), *TRAINING]
    window = [
        sys.executable,
        str(Path(__file__)),
        *sys.argv[1:],
        "--out",
        str(out),
        "--walk",
        str(first),
        str(training),
    ]
    with open(log / "trainer", "wb") as errors:  # a session of its own, as a window would give it
        trainer = subprocess.Popen(
            train, env=environment, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
    try:
        wait_for(trainer, training)
        with open(log / "window", "wb") as errors:
            child = subprocess.Popen(window, env=environment, stderr=errors)
        sampler = Sampler(child.pid, trainer.pid)
        interval = max(LEAST_INTERVAL_S, 60.0 * options.minutes / SAMPLES)
        asleep_at = monotonic() + 30.0 * options.minutes
        try:
            while child.poll() is None:
                sampler.look()
                sleep(interval)
                if monotonic() > asleep_at:
                    sampler.sleep(SLEEP_S)
                    asleep_at = math.inf
        finally:
            child.kill()
            child.wait()
        trained_on = trainer.poll() is None
    finally:
        trainer.send_signal(signal.SIGTERM)
        trainer.wait()
    report = read_walk(out)
    lines = [f"{file.name}: {line}" for file in _logs(out) for line in file.read_text(errors="replace").splitlines()]
    if child.returncode != 0:
        lines.append(f"window: ended with status {child.returncode}")
    if not trained_on:
        lines.append(f"trainer: ended by itself with status {trainer.returncode}")
    return {"processes": sampler.series, "log": lines, **report}


def read_walk(out: Path) -> dict[str, Any]:
    """What ``Walk`` has written into ``out``; nothing before its first round has ended."""
    if not (out / WINDOW).is_file():
        return {}
    lines = (out / ROUNDS).read_text(encoding="utf-8").splitlines()
    return {**json.loads((out / WINDOW).read_text(encoding="utf-8")), "rounds": [json.loads(line) for line in lines]}


def wait_for(trainer: subprocess.Popen[bytes], run: Path) -> None:
    """Return when ``run`` has weights and a cloud."""
    deadline = monotonic() + START_S
    while not ((run / "weights.safetensors").is_file() and (run / "embeddings" / "live.npy").is_file()):
        if trainer.poll() is not None or monotonic() > deadline:
            raise SystemExit(f"soak: the training has not begun; see {run.parent.parent / 'stderr' / 'trainer'}.")
        sleep(0.2)


def _logs(out: Path) -> list[Path]:
    return sorted(file for folder in ("stderr", "logs") for file in (out / folder).rglob("*") if file.is_file())


def write_report(report: dict[str, Any], out: Path) -> bool:
    """Print what was found, write ``soak.json`` into ``out``; whether every bar is met."""
    found = verdicts(report)
    report["growth"] = {role: growth(x["seconds"], x["rss_mb"]) for role, x in report["processes"].items()}
    report["growing"] = growing(report["rounds"])
    report["verdicts"] = [asdict(verdict) for verdict in found]
    for held in report["rounds"]:
        held.pop("types")
    (out / "soak.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    done = sum(report["done"].values())
    print(f"{len(report['rounds'])} rounds, {done} actions, {sum(report['skipped'].values())} skipped; "
          f"cloud drawn by {report['renderer']}")  # fmt: skip
    for role, samples in report["processes"].items():
        values, grown = samples["rss_mb"], report["growth"][role]
        trend = "" if grown is None else f", peaks {grown['peaks']:+.1f} %, trend {grown['trend']:+.1f} %"
        print(f"  {role}: {values[0]:.0f} MB at first, {max(values):.0f} at most, {values[-1]:.0f} at last{trend}")
    for name in ("failures", "errors_shown"):
        for text, count in report[name].items():
            print(f"  {name}: {text} ({count} times)")
    for line in report["log"][:SHOWN]:
        print(f"  log: {line}")
    for name, more, before in report["growing"][:SHOWN]:
        print(f"  grows: {name}, {before} after the first round, {more:+.0f} since warming up")
    for line in report.get("lines", []):
        print(f"  line: {line}")
    for one in report["late"]:
        print(f"  late: {one['action']}, {one['late']} of {one['fired']} times, {one['computing']} by computing alone, "
              f"{one['max_ms']:.0f} ms at most")  # fmt: skip
    for line in report["held"]:
        print(f"  held: {line}")
    for name, title in (("lateness_ms", "event loop late"), ("computing_ms", "of that computing")):
        print(f"  {title}: " + ", ".join(f"{share} {value} ms" for share, value in report[name].items()))
    for verdict in found:
        print(verdict.line)
    print(f"The whole report: {out / 'soak.json'}")
    return all(verdict.ok is not False for verdict in found)


def main() -> int:
    """Soak, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 minutes")
    parser.add_argument("--minutes", type=float, help="how long (default: 120)")
    parser.add_argument("--seed", type=int, default=0, help="of the walk (default: 0)")
    parser.add_argument("--renderer", choices=("auto", "gl", "software"), default="auto", help="how the cloud is drawn")
    parser.add_argument("--find", action="store_true", help="name the lines of code that ask for memory (slow)")
    parser.add_argument("--out", type=Path, help="folder for runs, logs and soak.json (default: a new one)")
    parser.add_argument("--walk", dest="runs", type=Path, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through what ends the processes
    if options.minutes is None:
        options.minutes = QUICK_MINUTES if options.quick else MINUTES
    if options.runs:
        return walk_window(options)
    options.out = (options.out or Path(tempfile.mkdtemp(prefix="isoline-soak-"))).resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    if any(options.out.iterdir()):
        print(f"soak: {options.out} is not empty; name another folder.", file=sys.stderr)
        return 2
    from explorer.tour.command import virtual_display

    places = {name: str(options.out / folder) for name, folder in FOLDERS.items()}
    environment = {**os.environ, **places, "PYTHONPATH": str(ROOT), "ISOLINE_ENGINE_LOG": "1"}
    with virtual_display(environment, (1920, 1080)) as problem:
        if problem:
            print(f"soak: {problem}", file=sys.stderr)
            return 2
        report = soak(options, environment)
    if "rounds" not in report:
        print("soak: the window ended before the first round did.", *report["log"], sep="\n", file=sys.stderr)
        return 1
    report.update(minutes=options.minutes, seed=options.seed, system=platform.platform(), cores=os.cpu_count())
    return 0 if write_report(report, options.out) else 1


FOLDERS = {"ISOLINE_RUNS": "runs", "ISOLINE_CONFIG": "config", "ISOLINE_LOGS": "logs", "HOME": "home"}

if __name__ == "__main__":
    sys.exit(main())
