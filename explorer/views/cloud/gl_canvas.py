"""The canvas on OpenGL: pyqtgraph's view widget, with Isoline's camera and items in it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from pyqtgraph.opengl import GLViewWidget
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMatrix4x4
from PySide6.QtWidgets import QWidget

from explorer.views.cloud.gl_items import GridItem, PointsItem, to_qt
from explorer.views.cloud.scene import Scene
from explorer.widgets.theme import DARK, Theme


class GLCanvas(GLViewWidget):
    """Draws grid and points of ``scene``; calls ``drawn(milliseconds)`` for each new picture.

    ``failed`` carries the driver's words if it cannot draw; the view then goes on in software.
    """

    failed = Signal(str)

    def __init__(self, scene: Scene, name: str, drawn: Callable[[float], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._drawn, self.name = scene, drawn, name
        self._broken = False
        self.points = PointsItem(scene, self._fail)
        self.grid = GridItem(scene, self._fail)
        self.addItem(self.grid)
        self.addItem(self.points)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self.points.theme = self.grid.theme = theme
        self.setBackgroundColor(theme.plot)
        self.redraw()

    def redraw(self) -> None:
        """Something that this canvas draws has changed; at most one picture is drawn for each frame."""
        self.update()

    def viewMatrix(self) -> QMatrix4x4:
        """The scene's camera in place of pyqtgraph's."""
        return to_qt(self._scene.camera.view_matrix())

    def projectionMatrix(self, region: object = None, viewport: object = None) -> QMatrix4x4:
        """The scene's camera in place of pyqtgraph's."""
        return to_qt(self._scene.camera.projection_matrix())

    def paintGL(self) -> None:
        """Draw one picture."""
        begun = perf_counter()
        super().paintGL()
        self._drawn((perf_counter() - begun) * 1000)

    def _fail(self, reason: str) -> None:
        if not self._broken:  # every later frame would fail the same way
            self._broken = True
            self.failed.emit(reason)
