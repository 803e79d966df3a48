"""How own images in large numbers are read and trained on: time, memory, and whether the training waits for them.

``isoline train`` runs in a process of its own, this file, which watches it from within and writes what it measured to
a JSON file. The images are 737,280 sprites in the format of dSprites, and photographs in colour as JPEG files.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from _made_images import write_all_sprites, write_photographs

PHOTOGRAPHS, FEW_PHOTOGRAPHS = 100_000, 10_000
TRAINED_S = 60.0
"""Seconds of training that are watched after the images were prepared; then the epoch's end is measured."""


@dataclass(frozen=True)
class Figure:
    """One measured number: at most (or, with ``at_least``, at least) ``bar`` is wanted; None: no bar."""

    name: str
    value: float | None
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """How it stands to its bar."""
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        return "ok" if (self.value >= self.bar if self.at_least else self.value <= self.bar) else "MISSED"

    @property
    def line(self) -> str:
        """Name, value, bar and verdict in columns."""
        value = "-" if self.value is None else f"{self.value:.2f}"
        bar = "" if self.bar is None else f"{'at least' if self.at_least else 'bar'} {self.bar:g}"
        return f"{self.name:<48}{value:>10} {self.unit:<14}{bar:<14}{self.verdict}"


def large_data_figures(quick: bool) -> list[Figure]:
    """Both data sets, made in a temporary folder (22 GB at most) and prepared there, then found ready."""
    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as place:
        folder = Path(place)
        write_all_sprites(folder / "sprites.npz")
        figures = _both_times(folder, folder / "sprites.npz", "sprites 64²", 64, 1.5, (60.0, 2.0), quick)
        write_photographs(folder / "photographs", FEW_PHOTOGRAPHS if quick else PHOTOGRAPHS)
        for size in (64, 256):
            name = f"photographs {size}²"
            figures += _both_times(folder, folder / "photographs", name, size, 3.0, (None, None), quick)
        return figures


def _both_times(
    folder: Path, path: Path, name: str, size: int, gigabytes: float, seconds: tuple[float | None, float | None],
    quick: bool,
) -> list[Figure]:  # fmt: skip
    """Train twice on the images at ``path``: with an empty cache to the end of an epoch, and once they are ready."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        first = _observed(Path(cache), path, size, TRAINED_S / 6 if quick else TRAINED_S, to_the_end=True)
        again = _observed(Path(cache), path, size, TRAINED_S / 6 if quick else TRAINED_S / 3, to_the_end=False)
    return [
        Figure(f"{name}: {first['images']:,} ready, first time", first["ready"], "s", seconds[0]),
        Figure(f"{name}: ready, afterwards", again["ready"], "s", seconds[1]),
        Figure(f"{name}: first step, first time", first["first_step"], "s"),
        Figure(f"{name}: first step, afterwards", again["first_step"], "s"),
        Figure(f"{name}: peak memory of the trainer", max(first["peak"], again["peak"]) / 1e9, "GB", gigabytes),
        Figure(f"{name}: compute, just prepared", 100 * first["compute"], "% of a step", 95.0, at_least=True),
        Figure(f"{name}: compute, afterwards", 100 * again["compute"], "% of a step", 95.0, at_least=True),
        Figure(f"{name}: compute, recording included", 100 * again["all"], "% of all time"),
        Figure(f"{name}: train", again["rate"], "images/s"),
    ]


def _observed(cache: Path, path: Path, size: int, seconds: float, *, to_the_end: bool) -> dict[str, Any]:
    """What ``watch`` measured of a training on ``path`` at ``size``, with images prepared in the folder ``cache``."""
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        flags = ["--out", str(Path(place) / "run"), "--data.image-size", str(size)]
        watched = [str(result), str(seconds), str(int(to_the_end))]
        command = [sys.executable, __file__, *watched, "train", str(path), *flags]
        environment = {**os.environ, "ISOLINE_CACHE": str(cache)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        return json.loads(result.read_text(encoding="utf-8"))


def watch(seconds: float, to_the_end: bool, arguments: list[str]) -> dict[str, Any]:
    """Run ``isoline`` with ``arguments`` in this process, and measure it:

    - ``ready``: seconds from the command, its libraries loaded, until the images are ready; ``first_step``: until the
      first step is done
    - ``compute``: the share of the time of a step that does not pass in getting its images; ``all``: the same of all
      time, with what is recorded between the steps; ``rate``: images a second
    - ``peak``: most bytes in memory, pages of files that were read included
    - ``images``

    After ``seconds`` of training it is stopped; ``to_the_end``, the rest of the epoch is skipped, and validation, the
    recording of its end and of the training's follow.
    """
    from core.cli.main import main
    from core.training import loop, trainer

    load_dataset, train = trainer.load_dataset, trainer.train
    measured: dict[str, Any] = {}
    waited = 0.0

    def timed_dataset(*given: Any) -> Any:
        dataset = load_dataset(*given)
        measured.update(ready=perf_counter() - begun, images=len(dataset))
        return dataset

    def waiting(read: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            nonlocal waited
            since = perf_counter()
            result = read(*given)
            waited += perf_counter() - since
            return result

        return timed

    def watched_steps(state: Any, dataset: Any, fabric: Any) -> Iterator[Any]:
        nonlocal waited
        events = train(state, dataset, fabric)
        yield next(events)  # warms caches
        began, spent, images, waited = perf_counter(), 0.0, 0, 0.0
        measured["first_step"] = began - begun
        while perf_counter() - began < seconds:
            since = perf_counter()
            step = next(events)
            spent += perf_counter() - since
            images += getattr(step, "images", 0)
            yield step
        whole = perf_counter() - began
        measured.update(compute=1.0 - waited / spent, all=(spent - waited) / whole, rate=images / whole)
        if not to_the_end:
            signal.raise_signal(signal.SIGTERM)
        else:
            state.position = len(dataset.train) - state.config.training.batch_size
        for event in events:
            yield event
            if isinstance(event, loop.EpochEnd):
                return

    trainer.load_dataset, trainer.train = timed_dataset, watched_steps
    loop.load_images, loop.read_ahead = waiting(loop.load_images), waiting(loop.read_ahead)
    begun = perf_counter()
    if main(arguments) != 0:
        raise RuntimeError(f"isoline {' '.join(arguments)} failed.")
    return {**measured, "peak": peak_memory()}


def peak_memory() -> int:
    """Most bytes of this process that were in memory at a time; on macOS, those that are now."""
    import psutil

    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


if __name__ == "__main__":
    target, trained, whole, *command = sys.argv[1:]
    Path(target).write_text(json.dumps(watch(float(trained), whole == "1", command)), encoding="utf-8")
