"""What this machine can do: matrix products, memory, and how soon Python, Qt and torch are there.

The other parts measure the limits that they need again, in the same turns as what they compare with them.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.processes import ROOT, measured_by, window_environment
from benchmarks.timing import rates, torch_threads, turns

SIDE = 1024  # of the square matrices
COPIED = 64 << 20  # bytes, more than a cache holds
WINDOW = (1920, 1080)


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Rates of this machine, without bars."""
    return [*compute(5 if quick else 40), *starting(1 if quick else 6, tree)]


def compute(rounds: int) -> list[Figure]:
    """Matrix products in float32 and bfloat16, with one thread and with all, and copies of memory."""
    import numpy as np
    import torch

    found = []
    for threads in sorted({1, os.cpu_count() or 1}):
        matrices = {dtype: torch.randn(SIDE, SIDE).to(dtype) for dtype in (torch.float32, torch.bfloat16)}
        with torch_threads(threads):
            times = turns(
                {str(dtype): lambda matrix=matrix: matrix @ matrix for dtype, matrix in matrices.items()}, rounds
            )
        for name, milliseconds in times.items():
            text = f"matrix products, {name.removeprefix('torch.')}, {threads} thread{'s' if threads > 1 else ''}"
            found.append(Figure(text, "GFLOP/s", rates(milliseconds, 2 * SIDE**3 / 1e9)))
    source, target = np.ones(COPIED, np.uint8), np.empty(COPIED, np.uint8)
    copied = turns({"copy": lambda: np.copyto(target, source)}, rounds)["copy"]
    return [*found, Figure("memory copied, read and written, one thread", "GB/s", rates(copied, 2 * COPIED / 1e9))]


def starting(rounds: int, tree: Path) -> list[Figure]:
    """From the start of a process until Qt, a window, torch and weights are there."""
    taken: dict[str, list[float]] = {}
    with window_environment(WINDOW) as others:
        for number in range(rounds + 1):
            times = bare_times(tree, others)
            if number:  # the first fills caches
                for name, value in times.items():
                    taken.setdefault(name, []).append(value)
    texts = {
        "qt_s": "Python with Qt imported",
        "window_s": "an empty window of Qt, pyqtgraph imported",
        "torch_s": "Python with torch imported",
        "weights_s": "and the bundled model's weights loaded",
    }
    return [Figure(text, "s", tuple(taken[name])) for name, text in texts.items()]


def bare_times(tree: Path, others: dict[str, str]) -> dict[str, float]:
    """Seconds of one start of each bare program."""
    size = map(str, WINDOW)
    window = measured_by("bare_window", ROOT, *size, others=others)
    network = measured_by("bare_torch", ROOT, str(tree / "resources" / "model" / "weights.safetensors"), others=others)
    return {name: window[name] for name in ("qt_s", "window_s")} | {
        name: network[name] for name in ("torch_s", "weights_s")
    }
