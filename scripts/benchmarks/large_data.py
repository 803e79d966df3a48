"""How own images in large numbers are read and trained on: time, memory, and whether the training waits for them.

`isoline train` runs in a process of its own, which watches it from within (``programs/watched_training.py``). The
images are 737,280 sprites in the format of dSprites, and photographs in colour as JPEG files.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from _made_images import write_all_sprites, write_photographs
from benchmarks.figures import Figure
from benchmarks.processes import measured_by

PHOTOGRAPHS, FEW_PHOTOGRAPHS = 100_000, 10_000
SOME = 300  # photographs whose decoding stands for that of all
AGAIN_BAR = 1.0 / 30.0
TRAINED_S = 60.0
"""Seconds of training that are watched after the images were prepared; then the epoch's end is measured."""


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Both data sets, made in a temporary folder (22 GB at most) and prepared there, then found ready."""
    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as place:
        folder = Path(place)
        write_all_sprites(folder / "sprites.npz")
        unpacked = _seconds(lambda: _unpack(folder / "sprites.npz"))
        sprites, limit = folder / "sprites.npz", "the file unpacked"
        found = _both_times(tree, folder, sprites, "sprites 64²", 64, 1.5, limit, unpacked, quick)
        count = FEW_PHOTOGRAPHS if quick else PHOTOGRAPHS
        write_photographs(folder / "photographs", count)
        decoded = _seconds(lambda: _decode_some(folder / "photographs")) * count / SOME / (os.cpu_count() or 1)
        for size in (64, 256):
            name, limit = f"photographs {size}²", "decoded by Pillow on all cores"
            found += _both_times(tree, folder, folder / "photographs", name, size, 3.0, limit, decoded, quick)
        return found


def _seconds(action: Callable[[], object]) -> float:
    begun = perf_counter()
    action()
    return perf_counter() - begun


def _unpack(file: Path) -> None:
    with np.load(file) as arrays:
        arrays["imgs"].sum(dtype=np.int64)


def _decode_some(folder: Path) -> None:
    for file in itertools.islice(folder.rglob("*.jpg"), SOME):
        with Image.open(file) as image:
            image.load()


def _both_times(
    tree: Path, folder: Path, path: Path, name: str, size: int, gigabytes: float, limit: str, limit_s: float,
    quick: bool,
) -> list[Figure]:  # fmt: skip
    """Train twice on the images at ``path``: with an empty cache to the end of an epoch, and once they are ready."""
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        first = observed(tree, Path(cache), path, size, TRAINED_S / 6 if quick else TRAINED_S, to_the_end=True)
        again = observed(tree, Path(cache), path, size, TRAINED_S / 6 if quick else TRAINED_S / 3, to_the_end=False)
    peak = max(first["peak"], again["peak"]) / 1e9
    text = f"{name}: {first['images']:,} ready"
    return [
        Figure(f"{text}, first time", "s", (first["ready"],), limit, (limit_s,)),
        Figure(f"{text}, afterwards", "s", (again["ready"],), "the first time", (first["ready"],), AGAIN_BAR),
        Figure(f"{name}: first step, first time", "s", (first["first_step"],)),
        Figure(f"{name}: first step, afterwards", "s", (again["first_step"],)),
        Figure(f"{name}: peak memory of the trainer", "GB", (peak,), bar=gigabytes),
        Figure(f"{name}: compute, just prepared", "% of a step", (100 * first["compute"],), bar=95.0, at_least=True),
        Figure(f"{name}: compute, afterwards", "% of a step", (100 * again["compute"],), bar=95.0, at_least=True),
        Figure(f"{name}: compute, recording included", "% of all time", (100 * again["all"],)),
        Figure(f"{name}: train", "images/s", (again["rate"],)),
    ]


def observed(tree: Path, cache: Path, path: Path, size: int, seconds: float, *, to_the_end: bool) -> dict[str, Any]:
    """What was seen of a training on ``path`` at ``size``, with images prepared in the folder ``cache``."""
    with tempfile.TemporaryDirectory() as place:
        flags = ["--out", str(Path(place) / "run"), "--data.image-size", str(size)]
        watched = [str(seconds), str(int(to_the_end)), "train", str(path), *flags]
        return measured_by("watched_training", tree, *watched, others={"ISOLINE_CACHE": str(cache)})
