"""Clicks on points of the real window, by real mouse events, and their limits in the same turns.

Arguments: a file for the result, clicks of a turn, turns, the window's size, whether a training runs later. Each
turn clicks points one after another, asks ``bare_click`` for as many round trips and blits, and drags the probe. A
click is followed in spans, by what the window's own objects are seen to do:

- ``event``: from the mouse press until the probe's controller is told which sample was chosen
- ``controller``: until the request is written to the engine
- ``channel``: until the engine begins to decode, and ``decode``
- ``back``: from the decoded image in the engine to the client's answer (with ``channel`` where the engine does not tell
  when it began)
- ``paint``: until the image has been painted
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

from benchmarks.processes import ROOT, VIRTUAL, Peer
from explorer.engine_client import EngineClient
from explorer.startup import make_application

SPANS = ("event", "controller", "channel", "decode", "back", "paint")
PAUSE_S = 0.05
DRAG_PLACES = 240
TICK_MS = 1
PACE_S = TICK_MS / 1000  # a place at each turn of the tour's clock: a slower hand would itself be the limit


class Trace:
    """When each click of the window ``explorer`` passed the ends of its spans. Watches by standing in for two methods
    of this window's objects."""

    def __init__(self, explorer: Any) -> None:
        self.clicks: list[dict[str, float]] = []
        self.decodes: list[float] = []
        self.paints: list[float] = []
        self._marks: dict[str, float] = {}
        self._choose, self._request = explorer.probe.choose, explorer.engine.request
        explorer.probe.choose = self._on_choose
        explorer.engine.request = self._on_request
        explorer.image.painted.connect(self._on_painted)

    def press(self) -> None:
        """The mouse is pressed now."""
        self._marks = {"pressed": monotonic()}

    @property
    def waits(self) -> bool:
        """Whether the image of the last click is not painted yet."""
        return bool(self._marks)

    def forget(self) -> None:
        """The click chose nothing."""
        self._marks = {}

    def _on_choose(self, sample: int) -> None:
        self._marks.setdefault("chosen", monotonic())
        self._choose(sample)

    def _on_request(self, message: Any, on_reply: Any = None, on_error: Any = None) -> Any:
        if type(message).__name__ != "Decode":
            return self._request(message, on_reply, on_error)
        marks = self._marks
        asked = self._request(message, partial(self._on_reply, marks, on_reply), on_error)
        if marks:
            marks["written"] = monotonic()
        return asked

    def _on_reply(self, marks: dict[str, float], on_reply: Callable[[Any], object], reply: Any) -> None:
        self.decodes.append(reply.milliseconds)
        if marks and marks is self._marks and "written" in marks:
            # The newest counts: while a training moves the clicked sample, its newer place is decoded instead.
            marks.update(answered=monotonic(), began=getattr(reply, "began", math.nan), decode=reply.milliseconds)
        on_reply(reply)

    def _on_painted(self) -> None:
        self.paints.append(perf_counter())
        marks = self._marks
        if "answered" not in marks:
            return
        painted, decode = monotonic(), marks["decode"]
        chosen = marks.get("chosen", marks["pressed"])
        spans = {
            "total": painted - marks["pressed"],
            "event": chosen - marks["pressed"],
            "controller": marks["written"] - chosen,
            "channel": marks["began"] - marks["written"],
            "back": marks["answered"] - marks["began"] - decode / 1000.0,
            "paint": painted - marks["answered"],
        }
        if math.isnan(marks["began"]):
            spans["channel"] = math.nan
            spans["back"] = marks["answered"] - marks["written"] - decode / 1000.0
        self.clicks.append({"decode": decode, **{name: 1000.0 * value for name, value in spans.items()}})
        self._marks = {}


def stages(options: argparse.Namespace, trace: Trace, bare: Peer) -> list[tuple[str, Any]]:
    """What is done with the window, in order."""
    from PySide6.QtCore import QPointF

    from explorer.tour import input_events, scenario_cloud, scenario_runs
    from explorer.tour.measurements import visible_points
    from explorer.tour.runner import Director, Stage, StageFailed, Until

    def clicks(tour: Director, name: str) -> Stage:
        for _ in range(options.rounds):
            trace.clicks.clear()
            missed = 0
            while len(trace.clicks) < options.clicks:
                at = visible_points(tour, 1, len(trace.clicks) + 1000 * (missed + len(tour.figures.get(name, ()))))[0]
                input_events.move(tour.explorer.cloud, at)
                yield 0.02
                before = tour.explorer.state.document
                trace.press()
                input_events.click(tour.explorer.cloud, at)
                if tour.explorer.state.document is before:
                    trace.forget()
                    missed += 1
                    if missed > options.clicks:
                        raise StageFailed(f"{missed} clicks on points chose none")
                    continue
                yield Until(lambda: not trace.waits, "the clicked point's image is painted")
                yield PAUSE_S
            turn = {key: [click[key] for click in trace.clicks] for key in ("total", *SPANS)}
            tour.figures.setdefault(name, []).append({**turn, **bare.ask(str(options.clicks))})

    def drags(tour: Director) -> Stage:
        explorer, cloud = tour.explorer, tour.explorer.cloud
        input_events.key(cloud, "2")
        yield Until(lambda: explorer.state.mode == "probe", "key 2 chooses Probe")
        for _ in range(options.rounds):
            start = cloud.probe_position()
            if start is None:
                raise StageFailed("the probe is not on screen")
            trace.paints.clear()
            trace.decodes.clear()
            angles = [2 * math.pi * step / DRAG_PLACES for step in range(DRAG_PLACES + 1)]
            places = [start + QPointF(90 * math.sin(a), 60 * (1 - math.cos(a))) for a in angles]
            begun = perf_counter()
            yield from input_events.drag(cloud, places, PACE_S)
            moved = DRAG_PLACES / (perf_counter() - begun)
            yield 0.1
            if len(trace.paints) > 2:
                rate = (len(trace.paints) - 1) / (trace.paints[-1] - trace.paints[0])
                turn = {"painted": rate, "decodes": 1000.0 / median(trace.decodes), "moves": moved}
                tour.figures.setdefault("drags", []).append(turn)
        input_events.key(cloud, "1")
        yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit")

    idle = [
        ("open", scenario_cloud.open_window),
        ("clicks", partial(clicks, name="idle")),
        ("drags", drags),
    ]
    if not options.training:
        return idle
    return [
        *idle,
        ("start training", scenario_runs.start_training),
        ("watch the cloud", scenario_runs.watch_cloud),
        ("clicks while training", partial(clicks, name="training")),
        ("stop training", scenario_runs.stop_training),
    ]


def main() -> int:
    """Open the window as the program does, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("clicks", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("height", type=int)
    parser.add_argument("training", type=int)
    options = parser.parse_args()
    options.theme, options.size = "dark", (options.width, options.height)
    options.quick = False  # a quick tour trains on smaller images, which are decoded sooner
    application, engine = make_application(sys.argv[:1]), EngineClient()
    engine.start(threads=1)
    from explorer.app import Explorer
    from explorer.controllers.app.open_run import bundled_run
    from explorer.tour import runner
    from explorer.tour.command import virtual_display

    explorer = Explorer(application, engine, "auto")
    explorer.choose_theme(options.theme)
    explorer.window.resize(*options.size)
    explorer.window.move(0, 0)
    explorer.show()
    # A virtual screen has one window at a time: what is behind another is not drawn, and takes no time.
    elsewhere: dict[str, str] = {}
    screen = virtual_display(elsewhere, options.size) if os.environ.get(VIRTUAL) else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as folder, screen:
        options.out = Path(folder)
        runner.TICK_MS = TICK_MS
        director = runner.Director(application, explorer, options)
        director.figures["window_s"] = 0.0  # measured elsewhere; the first stage waits for it
        size = (str(options.width), str(options.height))
        with Peer("bare_click", ROOT, sys.executable, *size, others=elsewhere) as bare:
            trace = Trace(explorer)
            explorer.open_run.open(bundled_run(), remember=False)
            status = director.run(stages(options, trace, bare))
        found = json.loads((options.out / "tour.json").read_text(encoding="utf-8"))
    options.result.write_text(json.dumps(found), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
