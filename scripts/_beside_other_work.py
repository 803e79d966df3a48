"""How fast `isoline train` is beside a busy process: the usual case, as a window, an engine and a browser run too.

    python scripts/_beside_other_work.py                   256² and 64², as the window starts a training (niceness 10)
    python scripts/_beside_other_work.py --nice 0 --json beside.json

A training alone and the same training beside one process that never waits take turns, second by second, so that what
else the machine does falls on both. With n cores the free share is (n - 1) / n; wanted is 0.8 of that share of the rate
alone. The rate on one thread, alone and beside, is what the threads are worth. A load average far above what is made
here says that other programs ran.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
SIZES = (256, 64)
BAR = 0.8
SETTLE_S = 0.3
"""After the busy process starts or stops: by then the system has moved threads from core to core."""


@dataclass(frozen=True)
class Beside:
    """Images a second of one training; medians over the rounds."""

    size: int
    threads: int
    alone: float
    beside: float
    ratio: float
    """Median over the rounds of beside / alone, each pair measured one after the other."""
    spread: float
    """Median distance of a round's ratio from that."""
    free_share: float
    """Of the cores, beside one busy process."""

    @property
    def of_free(self) -> float:
        """Rate beside the busy process, in units of the free share of the rate alone."""
        return self.ratio / self.free_share

    @property
    def line(self) -> str:
        """The row of the table."""
        verdict = "ok" if self.of_free >= BAR else "MISSED"
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"train at {self.size}², {threads:<10}{self.alone:9.1f} alone{self.beside:9.1f} beside"
            f"   {self.of_free:.2f} ± {self.spread / self.free_share:.2f} of the free share (bar {BAR:g}) {verdict}"
        )


def compare(size: int, threads: int, pairs: list[tuple[float, float]], cores: int) -> Beside:
    """The row of ``pairs`` of rates, (alone, beside), one a round."""
    ratios = [beside / alone for alone, beside in pairs]
    ratio = median(ratios)
    spread = median(abs(one - ratio) for one in ratios)
    alone, beside = (median(rates) for rates in zip(*pairs, strict=True))
    return Beside(size, threads, alone, beside, ratio, spread, (cores - 1) / cores if cores > 1 else 0.5)


def measure(rounds: int, seconds: float, nice: int, sizes: tuple[int, ...] = SIZES) -> list[Beside]:
    """Each of ``sizes`` with the threads that `isoline train` takes here, and with one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = sorted({1, cores}, reverse=True)
    rows = []
    with _busy_process() as busy:
        for size in sizes:
            with contextlib.ExitStack() as stack:
                rates = {count: stack.enter_context(_training(size, count, nice)) for count in counts}
                pairs: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
                for number in range(rounds):
                    for count in counts:
                        measured = {}
                        for works in (False, True) if number % 2 == 0 else (True, False):
                            busy(works)
                            measured[works] = rates[count](seconds)
                        pairs[count].append((measured[False], measured[True]))
            rows += [compare(size, count, pairs[count], cores) for count in counts]
    return rows


@contextlib.contextmanager
def _busy_process() -> Iterator[Callable[[bool], None]]:
    """A process that never waits, in a session of its own as other programs are, and what starts and stops it."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)

    def works(on: bool) -> None:
        process.send_signal(signal.SIGCONT if on else signal.SIGSTOP)
        time.sleep(SETTLE_S)

    try:
        works(False)
        yield works
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _training(size: int, threads: int, nice: int) -> Iterator[Callable[[float], float]]:
    """A training in a process of its own; what is given trains for some seconds, and says how many images a second."""
    command = [sys.executable, __file__, "--train", str(size), "--threads", str(threads), "--nice", str(nice)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    write, read = process.stdin, process.stdout

    def rate(seconds: float) -> float:
        write.write(f"{seconds}\n")
        write.flush()
        return float(read.readline())

    try:
        rate(0.5)  # the first steps choose kernels and take memory
        yield rate
    finally:
        write.close()
        process.wait()
        read.close()


def _train(size: int, threads: int, nice: int) -> None:
    """Train as long as each line on standard input says, and answer with images a second."""
    import torch

    from core.config import DataConfig, RunConfig, TrainingConfig
    from core.data.loading import load_dataset
    from core.data.source_resolution import resolve_native_size
    from core.training.loop import Step, make_fabric, train
    from core.training.state import TrainingState
    from core.training.threads import training_threads
    from core.utils.process_priority import lower_priority

    lower_priority(nice)
    torch.set_num_threads(threads)
    config = RunConfig(DataConfig(count=400, image_size=size), training=TrainingConfig(epochs=100_000, device="cpu"))
    dataset = load_dataset(config.data)
    config = resolve_native_size(config, dataset)
    state, fabric = TrainingState(config), make_fabric(config.training)
    fabric.launch()
    with training_threads(state, fabric.world_size, "cpu") as workers:
        events = train(state, dataset, fabric, workers)
        for line in sys.stdin:
            began, images = time.perf_counter(), 0
            while images == 0 or time.perf_counter() - began < float(line):
                event = next(events)
                images += event.images if isinstance(event, Step) else 0
            print(images / (time.perf_counter() - began), flush=True)


def main() -> int:
    """Measure, print, and write the JSON file if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each turn")
    parser.add_argument("--nice", type=int, default=10, help="of the training; the window starts it with 10")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through what ends the processes
    if options.train is not None:
        _train(options.train, options.threads, options.nice)
        return 0
    before = os.getloadavg()[0]
    rows = measure(options.rounds, options.seconds, options.nice)
    for row in rows:
        print(row.line)
    print(f"load average {before:.1f} before, {os.getloadavg()[0]:.1f} after; 2 to 3 of the latter are made here")
    if options.json is not None:
        content = {"load_before": before, "load_after": os.getloadavg()[0], "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
