"""``isoline`` run in this process and watched from within.

Arguments: a file for the result, seconds of training, whether it goes to the end, and those of ``isoline``.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any


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

    def watched_steps(state: Any, dataset: Any, *given: Any) -> Iterator[Any]:
        nonlocal waited
        events = train(state, dataset, *given)
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
