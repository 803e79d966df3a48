"""From a click on a point to its painted image, and the image that follows a dragged probe, in the real window."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, quantile
from benchmarks.limits import WINDOW
from benchmarks.processes import measured_by, window_environment

SPANS = ("event", "controller", "channel", "decode", "back", "paint")
LIMIT = "decode + empty round trip + bare blit"
BARS = {("idle", 0.5): 1.5, ("idle", 0.95): 2.0, ("training", 0.5): 3.0}
NAMES = {0.5: "median", 0.95: "p95"}
FRAME_MS = 1000.0 / 60.0
LATE_FRAMES = 1.5


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Clicks idle and while a training runs, in turns with their limits; drags beside the decoder's own rate."""
    clicks, rounds = (6, 3) if quick else (20, 8)
    with window_environment(WINDOW) as others:
        arguments = map(str, (clicks, rounds, *WINDOW, 1))
        found = measured_by("clicks", tree, *arguments, others=others)
    failed = [f"{stage['name']}: {stage['error']}" for stage in found["stages"] if not stage["ok"]]
    idle, training = found.get("idle", []), found.get("training", [])
    # What a click cannot do without is what it is on an idle machine, whatever runs beside it.
    return [
        *clicked("idle", idle, idle, "; ".join(failed)),
        *clicked("training", training, idle, "; ".join(failed)),
        *dragged(found.get("drags", [])),
        lateness(found.get("loop_ms_p99_training")),
    ]


def clicked(state: str, turns: list[dict[str, Any]], limits: list[dict[str, Any]], failed: str = "") -> list[Figure]:
    """The figures of ``turns`` (each with lists of ``total``, the spans, ``round_trip_ms`` and ``blit_ms``)."""
    least = tuple(least_ms(turn) for turn in limits)
    if turns is not limits and least:
        least = (median(least),)  # not of the same turns
    found = []
    for share, name in NAMES.items():
        values = tuple(quantile(turn["total"], share) for turn in turns)
        text, bar = f"click to pixels, {name} of a turn, {state}", BARS.get((state, share))
        found.append(Figure(text, "ms", values, LIMIT, least, bar, note="" if values else failed))
    for span in SPANS:
        values = tuple(median(turn[span]) for turn in turns)
        if values and not math.isnan(values[0]):
            found.append(Figure(f"· of that, {span}, {state}", "ms", values))
    if state == "idle" and turns:
        found.append(Figure("· limit: empty round trip", "ms", tuple(median(turn["round_trip_ms"]) for turn in turns)))
        found.append(Figure("· limit: bare blit", "ms", tuple(median(turn["blit_ms"]) for turn in turns)))
    return found


def least_ms(turn: dict[str, Any]) -> float:
    """The sum of the medians of what a click cannot do without."""
    return median(turn["decode"]) + median(turn["round_trip_ms"]) + median(turn["blit_ms"])


def dragged(turns: list[dict[str, float]]) -> list[Figure]:
    """Images a second while the probe is dragged, and places that the hand passes: no more images than these."""
    painted, decodes, moves = (tuple(turn[name] for turn in turns) for name in ("painted", "decodes", "moves"))
    text, beside = "images while the probe is dragged", "the decode's own rate"
    return [
        Figure(text, "/s", painted, beside, decodes, 0.9, at_least=True),
        Figure("· places that the hand passes", "/s", moves),
    ]


def lateness(p99_ms: float | None) -> Figure:
    """How late events are while a training runs."""
    values = () if p99_ms is None else (p99_ms,)
    return Figure(
        "event loop's lateness while training, p99",
        "ms",
        values,
        "a frame of a 60 Hz display",
        (FRAME_MS,),
        LATE_FRAMES,
    )
