"""The cloud of 10⁴, 10⁵ and 10⁶ points: while it turns, at rest and under the mouse, beside two other programs."""

from __future__ import annotations

import importlib.metadata
import os
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from _peer_environment import peer_python
from benchmarks.figures import Figure, growth
from benchmarks.processes import ROOT, Peer, ProgramFailed, window_environment

SIZES = (10_000, 100_000, 1_000_000)
FRAMES, QUICK_FRAMES, LARGEST_FRAMES = 12, 5, 3
SMOOTH = 30.0
"""Frames a second that look like movement; an eye is the limit here, not a machine."""
AT_REST_S = 0.5
PICK_BAR = 3.0
SLOWEST_S = 4.0
"""A peer that would take longer for a frame is not asked for it."""
BYTES_BAR = 64.0
INSTALL = "ISOLINE_BENCHMARK_INSTALL"
VISPY = "vispy==0.17.0"


def vispy_python() -> Path | None:
    """The Python that has vispy; it is installed if the benchmark was asked to."""
    from core.data.cache import cache_folder

    packages = [VISPY, *(f"{name}=={importlib.metadata.version(name)}" for name in ("PySide6-Essentials", "numpy"))]
    return peer_python(cache_folder() / "vispy", packages, install=bool(os.environ.get(INSTALL)))


def figures(quick: bool, tree: Path) -> list[Figure]:
    """All programs are open at once, each with a screen of its own, and take turns."""
    rounds = 2 if quick else 9
    own: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    peers: dict[str, dict[int, list[float]]] = {}
    missing = {}
    with ExitStack() as stack:

        def opened(program: str, checkout: Path, python: str | None = None) -> Peer:
            others = stack.enter_context(window_environment((1920, 1080)))
            return stack.enter_context(Peer(program, checkout, *([python] if python else []), others=others))

        isoline = opened("cloud_isoline", tree)
        programs = {"pyqtgraph's scatter": opened("cloud_pyqtgraph", ROOT)}
        python = vispy_python()
        if python is None:
            missing["vispy's markers"] = "not installed; --install makes an environment with it"
        else:
            programs["vispy's markers"] = opened("cloud_vispy", ROOT, str(python))
        for size in SIZES:
            frames = LARGEST_FRAMES if size == SIZES[-1] else QUICK_FRAMES if quick else FRAMES
            asked = {name: fit for name, times in peers.items() if (fit := fitting(frames, times, size)) > 0}
            for number in range(rounds):
                if number % 2 == 0:
                    own[size].append(isoline.ask(f"{size} {frames}"))
                for name, program in list(programs.items()):
                    if size != SIZES[0] and name not in asked:
                        continue
                    try:
                        answer = program.ask(f"{size} {asked.get(name, frames)}")
                    except ProgramFailed as failure:
                        missing[name] = str(failure).strip().splitlines()[-1]
                        del programs[name]
                        continue
                    peers.setdefault(name, {}).setdefault(size, []).append(answer["frame_ms"])
                if number % 2:
                    own[size].append(isoline.ask(f"{size} {frames}"))
    return measured(own, peers, missing)


def fitting(frames: int, times: dict[int, list[float]], size: int) -> int:
    """How many of ``frames`` a peer is asked for at ``size``, which took ``times`` (ms) at smaller ones; 0: none, for
    they would take too long."""
    if not times:
        return frames
    largest = max(times)
    expected_s = median(times[largest]) / 1000.0 * size / largest
    return 0 if expected_s > SLOWEST_S else max(1, min(frames, int(SLOWEST_S / max(expected_s, 1e-9))))


def measured(
    own: dict[int, list[dict[str, float]]], peers: dict[str, dict[int, list[float]]], missing: dict[str, str]
) -> list[Figure]:
    """The figures of what ``own`` view and ``peers`` measured, by the number of points."""
    found = []
    for size in SIZES:
        text, turns = f"frames while {size:,} points turn", own[size]
        rates = tuple(1000.0 / turn["frame_ms"] for turn in turns)
        bar = 1.0 if size == SIZES[-1] else None
        found.append(Figure(text, "/s", rates, "smooth to the eye", (SMOOTH,), bar, at_least=True))
        found.append(Figure(text, "/s", rates, "a bare blit", tuple(1000.0 / turn["blit_ms"] for turn in turns)))
        for name, times in peers.items():
            theirs = tuple(1000.0 / time for time in times.get(size, ()))
            why = missing.get(name, "") if theirs else f"a frame of it would take more than {SLOWEST_S:g} s"
            found.append(Figure(text, "/s", rates, name, theirs, 1.0, at_least=True, note=why))
        found += [Figure(text, "/s", rates, name, note=why) for name, why in missing.items() if name not in peers]
        rest = tuple(turn["rest_ms"] / 1000.0 for turn in turns)
        found.append(Figure(f"all {size:,} drawn after rest", "s", rest, "a glance", (AT_REST_S,), 1.0))
        picks, passes = (tuple(turn[name] for turn in turns) for name in ("pick_ms", "pass_ms"))
        pick_bar = PICK_BAR if size == SIZES[-1] else None  # of few points the calls themselves are what takes time
        found.append(
            Figure(f"point under the mouse of {size:,}", "ms", picks, "a pass over their places", passes, pick_bar)
        )
    exponents = tuple(
        growth(SIZES, [turn["rest_ms"] for turn in turns]) for turns in zip(*(own[size] for size in SIZES), strict=True)
    )
    memory = (own[SIZES[-1]][0]["bytes"],)
    return [
        *found,
        Figure("· drawing all grows with the number of points to the power of", "", exponents),
        Figure("memory of a point of the largest cloud", "bytes", memory, bar=BYTES_BAR),
    ]
