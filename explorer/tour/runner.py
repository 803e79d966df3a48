"""Runs the stages one after another inside Qt's event loop, takes the pictures and writes ``tour.json``.

A stage is a generator: it acts, then yields ``Until`` (something a person would wait for) or a number of seconds.
Nothing blocks, so the program lives between the steps as it does for a person.
"""

from __future__ import annotations

import argparse
import json
import platform
import traceback
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from explorer.tour.measurements import LoopLateness

TICK_MS = 2


@dataclass(frozen=True)
class Until:
    """Wait for ``condition``; after ``timeout`` seconds the stage has failed to reach ``what``."""

    condition: Callable[[], object]
    what: str
    timeout: float = 20.0


Stage = Generator[Until | float, None, None]
NamedStage = tuple[str, Callable[["Director"], Stage]]


class StageFailed(RuntimeError):
    """Something that a stage waited for did not happen."""


@dataclass(frozen=True)
class StageResult:
    """One stage's outcome; ``error`` is empty if it happened."""

    name: str
    ok: bool
    seconds: float
    error: str = ""


class Director(QObject):
    """Owns the tour's clock, pictures and figures; stages use it as their context."""

    def __init__(self, application: QApplication, explorer: Any, options: argparse.Namespace) -> None:
        super().__init__()
        self.application, self.explorer, self.options = application, explorer, options
        self.window: QWidget = explorer.window
        self.figures: dict[str, Any] = {}
        self.results: list[StageResult] = []
        self.loop = LoopLateness()
        self.shots = 0
        self._stages: list[NamedStage] = []
        self._current: Stage | None = None
        self._wait: Until | None = None
        self._since = self._begun = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def run(self, stages: list[NamedStage]) -> int:
        """Play all stages; returns 0 if each happened."""
        self._stages = list(stages)
        self._timer.start()
        self.application.exec()
        self._write()
        return 0 if self.results and all(result.ok for result in self.results) else 1

    def shot(self, name: str) -> Path:
        """A picture of the screen where the window is, dialogs and all."""
        self.shots += 1
        path = self.options.out / f"{self.shots:02d}-{name}.png"
        screen = self.window.screen()
        frame = self.window.geometry()
        picture = screen.grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        if picture.isNull() or not picture.save(str(path)):
            raise StageFailed(f"the picture {path} could not be written")
        return path

    # the clock

    def _tick(self) -> None:
        if self._current is None:
            self._next()
            return
        if self._wait is not None:
            try:
                reached = self._wait.condition()
            except Exception as error:
                self._end(error)
                return
            if not reached:
                if perf_counter() - self._since > self._wait.timeout:
                    self._end(StageFailed(f"{self._wait.what}: not within {self._wait.timeout:g} s"))
                return
        self._resume(self._current)

    def _next(self) -> None:
        if not self._stages:
            self._timer.stop()
            self.explorer.window.close()
            self.application.quit()
            return
        name, make = self._stages[0]
        print(f"{name} …", end=" ", flush=True)
        self._begun = perf_counter()
        self._current = make(self)
        self._resume(self._current)

    def _resume(self, stage: Stage) -> None:
        try:
            step = next(stage)
        except StopIteration:
            self._end(None)
            return
        except Exception as error:
            self._end(error)
            return
        self._since = perf_counter()
        if isinstance(step, Until):
            self._wait = step
        else:
            until = self._since + step
            self._wait = Until(lambda: perf_counter() >= until, "time passes", step + 60)

    def _end(self, error: Exception | None) -> None:
        name, _ = self._stages.pop(0)
        seconds = perf_counter() - self._begun
        text = "" if error is None else str(error) or type(error).__name__
        self.results.append(StageResult(name, error is None, round(seconds, 3), text))
        print("ok" if error is None else f"FAILED: {text}", f"({seconds:.1f} s)", flush=True)
        if error is not None and not isinstance(error, StageFailed):
            traceback.print_exception(error)
        self._current = self._wait = None
        if error is not None:
            self.shot(f"failed-{name.replace(' ', '-')}")

    def _write(self) -> None:
        options = self.options
        content = {
            "size": list(options.size),
            "theme": options.theme,
            "renderer": self.explorer.cloud.renderer_name,
            "machine": platform.machine(),
            "system": platform.platform(),
            **self.figures,
            "stages": [asdict(result) for result in self.results],
        }
        (options.out / "tour.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def up_to(last: str | None, stages: list[NamedStage]) -> list[NamedStage]:
    """The stages up to the one named ``last``; None: all. Exits with a message that lists them if there is none."""
    names = [name for name, _ in stages]
    if last is not None and last not in names:
        raise SystemExit(f"isoline tour: there is no stage {last!r}; the stages are: {', '.join(names)}.")
    return stages if last is None else stages[: names.index(last) + 1]
