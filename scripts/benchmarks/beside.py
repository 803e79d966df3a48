"""Training beside one process that never waits: the usual case, for a window and an engine run, too."""

from __future__ import annotations

from pathlib import Path

import _beside_other_work
from benchmarks.figures import Figure

NICE = 10  # as the window starts a training


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Images a second of each size and number of threads, in turns with the same training alone."""
    rows = _beside_other_work.measure(3 if quick else 8, 0.8 if quick else 1.5, NICE)
    found = []
    for row in rows:
        threads = f"{row.threads} thread{'s' if row.threads > 1 else ''}"
        limit, free = "the free share of its rate alone", row.alone * row.free_share
        spread = f"± {row.spread / row.free_share:.2f} from turn to turn"
        text = f"train at {row.size}², {threads}, beside a busy process"
        # The ratio is the median of the turns' own, not that of the medians.
        values = (row.of_free * free,)
        found.append(
            Figure(text, "images/s", values, limit, (free,), _beside_other_work.BAR, at_least=True, note=spread)
        )
    return found
