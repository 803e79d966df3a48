"""pyqtgraph's own scatter while it turns: see ``point_cloud``."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from OpenGL import GL
from point_cloud import SIZE, STEP, answer, colours, points
from pyqtgraph.opengl import GLScatterPlotItem, GLViewWidget
from PySide6.QtCore import QEventLoop, Signal
from PySide6.QtWidgets import QApplication


class View(GLViewWidget):
    """Tells when a frame is drawn, really drawn."""

    drawn = Signal()

    def paintGL(self, *given: Any, **named: Any) -> None:
        super().paintGL(*given, **named)
        GL.glFinish()
        self.drawn.emit()


class Turning:
    """Turns a view and measures it."""

    def __init__(self) -> None:
        self.view, self.loop, self.count = View(), QEventLoop(), 0
        self.view.resize(*SIZE)
        self.view.setCameraPosition(distance=4)
        self.item = GLScatterPlotItem(pos=points(2), size=4, pxMode=True)
        self.view.addItem(self.item)
        self.view.drawn.connect(self.loop.quit)
        self.view.show()
        self.loop.exec()

    def __call__(self, count: int, frames: int) -> dict[str, Any]:
        if count != self.count:
            self.item.setData(pos=points(count), color=colours(count).astype(np.float32) / 255, size=4)
            self.item.setGLOptions("opaque")
            self.count = count
            self.frame()
        name = GL.glGetString(GL.GL_RENDERER)
        return {"frame_ms": median([self.frame() for _ in range(frames)]), "renderer": str(name)}

    def frame(self) -> float:
        """Milliseconds from turning the view until it is drawn."""
        begun = perf_counter()
        self.view.orbit(STEP, 0)
        self.view.update()
        self.loop.exec()
        return 1000.0 * (perf_counter() - begun)


if __name__ == "__main__":
    application = QApplication([])
    answer(Turning())
