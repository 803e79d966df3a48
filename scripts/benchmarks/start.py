"""How soon the window and its first image are there, beside the least that any such program takes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.limits import WINDOW, bare_times
from benchmarks.processes import measured_by, window_environment

WINDOW_BAR, IMAGE_BAR = 1.3, 1.2


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Each start is that of a new process; bare and own ones take turns."""
    window, image, bare, weights = [], [], [], []
    with window_environment(WINDOW) as others:
        for number in range((2 if quick else 15) + 1):
            own: dict[str, float] = {}
            least: dict[str, float] = {}
            for which in ("own", "bare") if number % 2 else ("bare", "own"):
                if which == "own":
                    own = measured_by("opening", tree, *map(str, WINDOW), others=others)
                else:
                    least = bare_times(tree, others)
            if number:  # the first one filled caches
                window.append(own["window_s"])
                image.append(own["image_s"])
                bare.append(least["window_s"])
                weights.append(least["weights_s"])
    return [
        Figure("window visible", "s", tuple(window), "an empty window, pyqtgraph imported", tuple(bare), WINDOW_BAR),
        Figure("first image", "s", tuple(image), "torch imported, weights loaded", tuple(weights), IMAGE_BAR),
    ]
