"""The canvas without OpenGL: grid by QPainter, points by numpy, into one image that is kept until something changes.

With Mesa's software rasteriser in OpenGL's place this is several times faster, and it needs no context at all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from core.rendering.depth import depth_cue, fades, far_to_near, size_factors
from core.rendering.point_splatting import PAD, Discs, draw_discs, mix, pack
from explorer.views.cloud.scene import Scene
from explorer.widgets.theme import Themed

MOVING_LIMIT = 60_000  # points drawn while the view turns; all of them when it rests
SLICE = 150_000  # points drawn without returning to the event loop


class SoftwareCanvas(Themed, QWidget):
    """Draws grid and points of ``scene``; calls ``drawn()`` for each new picture."""

    def __init__(self, scene: Scene, drawn: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._drawn = scene, drawn
        self._image: QImage | None = None
        self._fresh = False
        self._waiting: list[Discs] = []
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self.update)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.redraw()

    def redraw(self) -> None:
        """Something that this canvas draws has changed; at most one picture is drawn for each frame."""
        self._fresh = False
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a new picture if one is due, and show it."""
        ratio = self.devicePixelRatioF()
        width, height = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        size = (width + 2 * PAD, height + 2 * PAD)
        image = self._image
        if image is None or (image.width(), image.height()) != size:
            image = self._image = QImage(*size, QImage.Format.Format_RGB32)
            self._fresh = False
        if not self._fresh:
            self._draw_ground(image, ratio)
            self._waiting = self._slices(ratio)
        if not self._fresh or self._waiting:
            if self._waiting:
                picture = np.frombuffer(image.bits(), dtype=np.uint32).reshape(image.height(), image.width())
                draw_discs(picture, self._waiting.pop(0), self._scene.moving, self._ground())
                picture |= np.uint32(0xFF000000)
            self._fresh = True
            self._drawn()
            if self._waiting:
                self._timer.start()
        with QPainter(self) as painter:
            painter.drawImage(QRectF(self.rect()), image, QRectF(PAD, PAD, width, height))

    def _ground(self) -> int:
        return QColor(self._theme.plot).rgb() & 0xFFFFFF

    def _draw_ground(self, image: QImage, ratio: float) -> None:
        scene, theme = self._scene, self._theme
        image.fill(QColor(theme.plot))
        pixels, is_strong = scene.grid()
        with QPainter(image) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, scene.dims == 3)
            painter.translate(PAD, PAD)
            painter.scale(ratio, ratio)
            for strong in (False, True):
                colour = QColor(theme.grid)
                colour.setAlphaF(1.0 if strong else 0.7)
                painter.setPen(QPen(colour, 1.0))
                lines = pixels[is_strong == strong].tolist()
                painter.drawLines([QLineF(QPointF(*start), QPointF(*end)) for start, end in lines])

    def _slices(self, ratio: float) -> list[Discs]:
        """The points to draw, from far to near, in portions that each take a few hundredths of a second at most."""
        scene = self._scene
        screen = scene.screen()
        visible = np.flatnonzero(
            (screen.x > -40) & (screen.x < self.width() + 40) & (screen.y > -40) & (screen.y < self.height() + 40)
        )
        if scene.moving and len(visible) > MOVING_LIMIT:
            visible = visible[:: -(-len(visible) // MOVING_LIMIT)]
        if not len(visible):
            return []
        order = visible[far_to_near(screen.depth[visible])] if scene.dims == 3 else visible
        depth, cue = screen.depth[order], depth_cue(scene.camera, scene.box)
        colors = scene.rgba(self._theme)[order]
        radius = size_factors(depth, cue) * np.float32(scene.point_radius() * ratio)
        if len(order) > SLICE:
            radius = np.minimum(radius, np.float32(1.25 * ratio))
        rgb = mix(pack(colors), np.uint32(self._ground()), (fades(depth, cue) * 256).astype(np.uint32))
        discs = Discs(screen.x[order] * ratio, screen.y[order] * ratio, radius, rgb, colors[:, 3])
        return [
            Discs(*(part[start : start + SLICE] for part in (discs.x, discs.y, discs.radius, discs.rgb, discs.alpha)))
            for start in range(0, len(order), SLICE)
        ]
