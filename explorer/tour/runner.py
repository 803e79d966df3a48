"""Runs the stages one after another inside Qt's event loop, takes the pictures and writes ``tour.json``.

A stage is a generator: it acts, then yields ``Until`` (something a person would wait for), a number of seconds for
which a person would pause, or ``Lasting``. Nothing blocks, so the program lives between the steps as it does for a
person. A quick tour shortens the pauses.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from explorer.widgets.placement import screen_at

TICK_MS = 2
QUICK_PAUSE_S = 0.1  # the longest pause of a quick tour: enough to paint what was done


@dataclass(frozen=True)
class Until:
    """Wait for ``condition``; after ``timeout`` seconds the stage has failed to reach ``what``."""

    condition: Callable[[], object]
    what: str
    timeout: float = 120.0  # long, for a machine that is slow or busy: it costs nothing where all is well


@dataclass(frozen=True)
class Lasting:
    """Wait for ``seconds``, in a quick tour too: for what can only be seen in time, such as that nothing happens."""

    seconds: float


Stage = Generator[Until | Lasting | float, None, None]
NamedStage = tuple[str, Callable[["Director"], Stage]]


class StageFailed(RuntimeError):
    """Something that a stage waited for did not happen."""


class Director(QObject):
    """Owns the tour's clock, pictures and figures; stages use it as their context."""

    def __init__(self, application: QApplication, explorer: Any, options: argparse.Namespace) -> None:
        super().__init__()
        self.application, self.explorer, self.options = application, explorer, options
        self.window: QWidget = explorer.window
        self.figures: dict[str, Any] = {}
        self._results: list[dict[str, Any]] = []
        self._shots = 0

    def run(self, stages: list[NamedStage]) -> int:
        """Play all stages; returns 0 if each happened."""
        playing = self._play(stages)
        timer = QTimer(self)
        timer.timeout.connect(lambda: next(playing, None))
        timer.start(TICK_MS)
        self.application.exec()
        timer.stop()
        options = self.options
        content = {
            "size": list(options.size),
            "theme": options.theme,
            "renderer": self.explorer.cloud.renderer_name,
            "machine": platform.machine(),
            "system": platform.platform(),
            **self.figures,
            "stages": self._results,
        }
        (options.out / "tour.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return 0 if self._results and all(result["ok"] for result in self._results) else 1

    def shot(self, name: str) -> Path:
        """A picture of the screen where the window is, dialogs and all."""
        self._shots += 1
        path = self.options.out / f"{self._shots:02d}-{name}.png"
        frame = self.window.geometry()
        picture = screen_at(frame.center()).grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        if picture.isNull() or not picture.save(str(path)):
            raise StageFailed(f"the picture {path} could not be written")
        return path

    def _play(self, stages: list[NamedStage]) -> Generator[None, None, None]:
        """One stage after the other; yields whenever the program is to go on."""
        longest = QUICK_PAUSE_S if self.options.quick else math.inf
        for name, make in stages:
            print(f"{name} …", end=" ", flush=True)
            begun, error = perf_counter(), ""
            try:
                with closing(make(self)) as stage:
                    for step in stage:
                        yield from wait(min(step, longest) if isinstance(step, float | int) else step)
            except Exception as raised:
                error = str(raised) or type(raised).__name__
                if not isinstance(raised, StageFailed):
                    traceback.print_exception(raised)
            seconds = perf_counter() - begun
            self._results.append({"name": name, "ok": not error, "seconds": round(seconds, 3), "error": error})
            print(f"FAILED: {error}" if error else "ok", f"({seconds:.1f} s)", flush=True)
            if error:
                self.shot(f"failed-{name.replace(' ', '-')}")
            yield
        self.explorer.window.close()
        self.application.quit()


def wait(step: Until | Lasting | float) -> Generator[None, None, None]:
    """Yield until what ``step`` waits for has happened; ``StageFailed`` if it does not in time."""
    since = perf_counter()
    if not isinstance(step, Until):
        seconds = step.seconds if isinstance(step, Lasting) else step
        while perf_counter() < since + seconds:
            yield
        return
    while True:  # the program goes on at least once, even if the condition holds already
        yield
        if step.condition():
            return
        if perf_counter() - since > step.timeout:
            raise StageFailed(f"{step.what}: not within {step.timeout:g} s")


def up_to(last: str | None, stages: list[NamedStage]) -> list[NamedStage]:
    """The stages up to the one named ``last``; None: all. Exits with a message that lists them if there is none."""
    names = [name for name, _ in stages]
    if last is not None and last not in names:
        raise SystemExit(f"isoline tour: there is no stage {last!r}; the stages are: {', '.join(names)}.")
    return stages if last is None else stages[: names.index(last) + 1]
