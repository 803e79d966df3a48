"""Isoline's cloud while it turns, and at rest: see ``point_cloud``.

Beside ``frame_ms`` it tells ``rest_ms``, from the view at rest until all points are drawn, ``pick_ms``, finding the
point under the mouse in a view that rests, ``pass_ms``, one pass over their places on screen, ``blit_ms``, painting an
image of the widget's size, and ``bytes``, the memory that each point takes.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import psutil
from point_cloud import SIZE, STEP, answer, colours, points
from PySide6.QtCore import QEventLoop, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from explorer.startup import make_application
from explorer.views.cloud.view import CloudView

QUIET_MS = 40  # without a new picture for so long, the view has drawn what it has to
PICKS = 20
PORTIONS = 150_000  # more points are drawn in portions


class Bare(QWidget):
    """Paints an image of its own size."""

    painted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage(*SIZE, QImage.Format.Format_RGB32)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.drawImage(0, 0, self.image)
        self.painted.emit()


class Turning:
    """Turns a view and measures it."""

    def __init__(self) -> None:
        self.view, self.bare, self.loop = CloudView(), Bare(), QEventLoop()
        self.view.resize(*SIZE)
        self.view.show()
        self.count, self.bytes, self.azimuth = 0, 0.0, 0.0
        self._heard: list[tuple[float, int, int]] = []  # when, and how many points of a crowd were drawn of how many
        self._tick = QTimer()
        self._tick.setInterval(0)

    def __call__(self, count: int, frames: int) -> dict[str, Any]:
        if count != self.count:
            self.fill(count)
        times = [self.frame() for _ in range(frames)]
        rest = self.rest()
        self.view.hide()
        self.bare.resize(*SIZE)
        self.bare.show()
        blits = [self.blit() for _ in range(max(3, frames))]
        self.bare.hide()
        self.view.show()
        return {
            "frame_ms": median(times), "rest_ms": rest, "blit_ms": median(blits[1:]), "bytes": self.bytes,
            **self.picks(), "renderer": self.view.renderer_name,
        }  # fmt: skip

    def fill(self, count: int) -> None:
        """Show so many points."""
        places, shades = points(count), colours(count)
        before = psutil.Process().memory_info().rss
        self.view.set_points(places)
        self.view.set_colors(shades)
        self.count = count
        self.frame()
        self.rest()
        self.bytes = (psutil.Process().memory_info().rss - before) / count

    def frame(self) -> float:
        """Milliseconds from turning the view until it is drawn."""
        drawn, begun = self.view.frames_drawn, perf_counter()
        self.azimuth += STEP
        self.view.set_camera({**self.view.camera(), "azimuth": self.azimuth})
        self.view.turned()
        self._wait(lambda: self.view.frames_drawn > drawn)
        return 1000.0 * (perf_counter() - begun)

    def rest(self) -> float:
        """Milliseconds from the view's coming to rest until its last picture; of a crowd, which does not wait for that
        but goes on drawing after each turn, from the last turn."""
        begun: list[float] = []
        turned, progressed = perf_counter(), getattr(self.view, "progressed", None)  # which earlier versions lack
        if progressed is not None and not self._heard:
            progressed.connect(lambda drawn, count: self._heard.append((perf_counter(), drawn, count)))
            self._heard.append((turned, 0, 0))
        settled = self.view.view_settled.connect(lambda: begun.append(perf_counter()))
        self.view.turned()
        self._wait(lambda: begun)
        self.view.view_settled.disconnect(settled)
        if self.count > PORTIONS and self._heard and self._heard[-1][0] > turned:
            self._wait(lambda: self._heard[-1][1] == self._heard[-1][2])
            return 1000.0 * (self._heard[-1][0] - turned)
        drawn, last = self.view.frames_drawn, perf_counter()

        def quiet() -> bool:
            nonlocal drawn, last
            if self.view.frames_drawn != drawn:
                drawn, last = self.view.frames_drawn, perf_counter()
            return 1000.0 * (perf_counter() - last) > QUIET_MS

        self._wait(quiet)
        return 1000.0 * (last - begun[-1])

    def picks(self) -> dict[str, float]:
        """How long it takes to find the point at a place, and to look at all places once."""
        scene = self.view.scene
        screen = scene.screen()
        places = np.random.default_rng(2).uniform(100, 700, (PICKS, 2)).tolist()
        found, passes = [], []
        for x, y in places:
            begun = perf_counter()
            scene.screen().nearest((x, y), 8.0)
            found.append(1000.0 * (perf_counter() - begun))
            begun = perf_counter()
            np.square(screen.x - np.float32(x)).argmin()
            passes.append(1000.0 * (perf_counter() - begun))
        return {"pick_ms": median(found), "pass_ms": median(passes)}

    def blit(self) -> float:
        """Milliseconds until the bare image is painted."""
        begun = perf_counter()
        self.bare.painted.connect(self.loop.quit)
        self.bare.update()
        self.loop.exec()
        self.bare.painted.disconnect(self.loop.quit)
        return 1000.0 * (perf_counter() - begun)

    def _wait(self, condition: Any) -> None:
        connection = self._tick.timeout.connect(lambda: self.loop.quit() if condition() else None)
        self._tick.start()
        self.loop.exec()
        self._tick.stop()
        self._tick.timeout.disconnect(connection)


if __name__ == "__main__":
    application = make_application([])
    answer(Turning())
