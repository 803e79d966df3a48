"""The points that each program of the comparison draws, and how it is asked to: one line, one turn.

A line is the number of points and of frames. The answer has ``frame_ms``, the median of a turn's frames; what a program
can tell besides comes with it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

SIZE = (1000, 800)
STEP = 3.0  # degrees that the view turns by for each frame


def points(count: int) -> np.ndarray:
    """A folded sheet in space, float32 (count, 3)."""
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, count)).astype(np.float32)
    return np.stack([u, v, 0.5 * np.sin(4 * u) * np.cos(3 * v)], axis=1)


def colours(count: int) -> np.ndarray:
    """Their colours, uint8 (count, 4), opaque."""
    shades = np.random.default_rng(1).integers(60, 256, (count, 4), np.uint8)
    shades[:, 3] = 255
    return shades


def answer(turn: Callable[[int, int], dict[str, Any]]) -> None:
    """Answer each line of standard input by what ``turn`` measures of (points, frames)."""
    for line in sys.stdin:
        count, frames = map(int, line.split())
        print(json.dumps(turn(count, frames)), flush=True)
