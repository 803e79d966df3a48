"""The canvas without OpenGL: grid by QPainter, points by numpy, into one image that is kept until something changes.

With Mesa's software rasteriser in OpenGL's place this is several times faster, and it needs no context at all. A crowd
is drawn in portions, of which a frame takes as many as its time allows; the rest follows while nothing else happens.
Densities are counted here on every computer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from core.rendering.crowd import CROWD, Crowd, Density, density_cell, density_colours, enlarged, point_side
from core.rendering.depth import depth_cue, fades, far_to_near, size_factors
from core.rendering.point_colours import plain_colour
from core.rendering.point_splatting import PAD, Discs, draw_discs, mix, pack
from explorer.views.cloud.scene import Scene
from explorer.widgets.theme import Themed

MOVING_CROWD = 40_000  # points, from which on they are drawn as a crowd is while the view turns
MOVING_SIDE = 3  # pixels of a point then, at most
FRAME_S = 0.014  # of drawing a crowd, in a frame that something has asked for
PART_S = 0.008  # of drawing more of it without returning to the event loop
SHOWN_EVERY = 8  # parts, which are shown together


class SoftwareCanvas(Themed, QWidget):
    """Draws grid and points of ``scene``; calls ``drawn()`` for each new picture.

    A crowd is complete after several: ``progress(drawn, count)`` is called with each.
    """

    def __init__(
        self,
        scene: Scene,
        drawn: Callable[[], None],
        progress: Callable[[int, int], None] = lambda drawn, count: None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._scene, self._drawn, self._progress = scene, drawn, progress
        self._image: QImage | None = None
        self._fresh = False
        self._crowd: Crowd | Density | None = None
        self._parts = 0
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._go_on)
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

    def rest(self) -> None:
        """The view has come to rest: of a crowd that is drawn already, or being drawn, nothing changes."""
        if not self._scene.density and self._scene.count <= CROWD:
            self.redraw()

    def hideEvent(self, event: QHideEvent) -> None:
        """Draw nothing more while nobody sees it."""
        super().hideEvent(event)
        self._timer.stop()
        self._fresh, self._crowd = False, None

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
            self._fresh = True
            self._draw_ground(image, ratio)
            self._begin(_pixels(image), ratio)
            self._drawn()
        with QPainter(self) as painter:
            painter.drawImage(QRectF(self.rect()), image, QRectF(PAD, PAD, width, height))

    def _begin(self, picture: np.ndarray, ratio: float) -> None:
        """Draw the points, or of a crowd as many as a frame allows."""
        scene = self._scene
        self._crowd, self._parts = None, 0
        if scene.density:
            self._crowd = self._new_density(picture, ratio)
        elif scene.count > (MOVING_CROWD if scene.moving else CROWD):
            self._crowd = self._new_crowd(picture, ratio)
        elif (discs := self._discs(ratio)) is not None:
            draw_discs(picture, discs, scene.moving, self._ground())
            picture |= np.uint32(0xFF000000)
        if self._crowd is not None:
            self._crowd.draw_for(FRAME_S)
            self._show_crowd(picture)

    def _go_on(self) -> None:
        """Draw more of the crowd."""
        if self._crowd is None or self._image is None or not self._fresh:
            return
        self._crowd.draw_for(PART_S)
        self._parts += 1
        if self._crowd.complete or self._parts % SHOWN_EVERY == 0:
            self._show_crowd(_pixels(self._image))
            self._drawn()
            self.update()
        else:
            self._timer.start()

    def _show_crowd(self, picture: np.ndarray) -> None:
        """Bring what has been drawn of the crowd to the picture; go on with it later if that is not all."""
        crowd, scene = self._crowd, self._scene
        if isinstance(crowd, Density):
            counts = crowd.counts
            most = int(counts.max(initial=0))
            colours, some = density_colours(counts, most, scene.density, self._theme.plot)
            cells = np.where(some, pack(colours.reshape(-1, 3)).reshape(counts.shape) | np.uint32(0xFF000000), 0)
            inner = picture[PAD:-PAD, PAD:-PAD]
            pixels = enlarged(cells, crowd.cell, (inner.shape[1], inner.shape[0]))
            np.copyto(inner, pixels, where=pixels > 0, casting="same_kind")
            scene.density_counted = crowd.cell, round(most * crowd.count / max(crowd.drawn, 1))  # once all are drawn
        if crowd is not None:
            self._progress(crowd.drawn, crowd.count)
            if crowd.complete:
                self._crowd = None
            else:
                self._timer.start()

    def _new_crowd(self, picture: np.ndarray, ratio: float) -> Crowd:
        scene = self._scene
        cue = depth_cue(scene.camera, scene.box) if scene.dims == 3 else None
        radius, colours = scene.point_radius() * ratio, self._colours()
        side = point_side(radius) if scene.count > CROWD else min(MOVING_SIDE, max(1, round(1.7 * radius)))
        return Crowd(
            picture, scene.columns, colours, scene.camera, cue, self._ground(), side, ratio, opacity=scene.opacity
        )

    def _new_density(self, picture: np.ndarray, ratio: float) -> Density:
        scene = self._scene
        size = picture.shape[1] - 2 * PAD, picture.shape[0] - 2 * PAD
        cell = density_cell(scene.point_radius() * ratio)
        return Density(size, scene.columns, self._colours(), scene.camera, cell, ratio)

    def _colours(self) -> np.ndarray:
        """Those of the points, uint8 (N, 4), or the plain one, (1, 4)."""
        colours = self._scene.colors
        return plain_colour(self._theme)[None] if colours is None or len(colours) != self._scene.count else colours

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

    def _discs(self, ratio: float) -> Discs | None:
        """The points to draw, from far to near; None if none is seen."""
        scene = self._scene
        screen = scene.screen()
        visible = np.flatnonzero(
            (screen.x > -40) & (screen.x < self.width() + 40) & (screen.y > -40) & (screen.y < self.height() + 40)
        )
        if not len(visible):
            return None
        order = visible[far_to_near(screen.depth[visible])] if scene.dims == 3 else visible
        depth, cue = screen.depth[order], depth_cue(scene.camera, scene.box)
        colors = scene.rgba(self._theme)[order]
        radius = size_factors(depth, cue) * np.float32(scene.point_radius() * ratio)
        rgb = mix(pack(colors), np.uint32(self._ground()), (fades(depth, cue) * 256).astype(np.uint32))
        return Discs(screen.x[order] * ratio, screen.y[order] * ratio, radius, rgb, colors[:, 3])


def _pixels(image: QImage) -> np.ndarray:
    """The image's own memory, packed colours uint32 (height, width)."""
    return np.frombuffer(image.bits(), dtype=np.uint32).reshape(image.height(), image.width())
