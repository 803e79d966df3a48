"""Everything that is drawn over the points, by one QPainter on a transparent widget, alike over both canvases.

Hovering repaints this layer alone: the points beneath are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from explorer.views.cloud.overlay_axes import draw_axes, draw_colorbar
from explorer.views.cloud.overlay_comparison import draw_kinds
from explorer.views.cloud.overlay_gridlines import SeenGridlines, draw_gridline_values, draw_gridlines, seen_gridlines
from explorer.views.cloud.overlay_marks import draw_axis_line, draw_hand, draw_path, draw_probe, draw_rings
from explorer.views.cloud.overlay_transect import draw_transect
from explorer.views.cloud.scene import Scene
from explorer.widgets.painting import halo_text, pen, small_font, tint
from explorer.widgets.theme import DARK, Theme

THUMBNAIL = 112  # pixels, about: a whole multiple of the picture's own size
NO_CLOUD = ("No latent cloud yet", "Open a run (Ctrl+O), or start a training: its samples appear here as points.")
AWAITED = ("Training has started", "Its samples appear here as points after the first step.")
OUTGROWN = "The cloud no longer fits this view: press Home to show all of it."


class _Kept:
    """A layer that is kept as a picture the second time that the same one is asked for."""

    def __init__(self) -> None:
        self._picture: QPixmap | None = None
        self._key: tuple | None = None

    def draw(self, painter: QPainter, widget: QWidget, key: tuple, layer: Callable[[QPainter], None]) -> None:
        """Draw ``layer`` over ``widget``; equal keys draw alike."""
        if key == self._key and self._picture is None:
            ratio = widget.devicePixelRatioF()
            self._picture = QPixmap(round(widget.width() * ratio), round(widget.height() * ratio))
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(Qt.GlobalColor.transparent)
            inner = QPainter(self._picture)
            inner.setRenderHint(QPainter.RenderHint.Antialiasing)
            inner.setFont(painter.font())
            layer(inner)
            inner.end()
        if key != self._key:
            self._key, self._picture = key, None
        if self._picture is not None:
            painter.drawPixmap(0, 0, self._picture)
        else:
            layer(painter)


class Overlay(QWidget):
    """Draws labels, marks and the hover card of ``scene``; calls ``painted(milliseconds)``."""

    def __init__(self, scene: Scene, painted: Callable[[float], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._painted = scene, painted
        self._theme: Theme = DARK
        self._axes, self._net, self._gridline_values = _Kept(), _Kept(), _Kept()
        self._seen: tuple[tuple, SeenGridlines | None] = ((), None)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw from back to front."""
        begun = perf_counter()
        scene, theme = self._scene, self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        layers: list[Callable[[QPainter], None]]
        if scene.count:
            layers = [
                lambda p: draw_axis_line(p, scene, theme) if scene.dims == 1 else None,
                lambda p: self._draw_gridlines(p, self._net, draw_gridlines),
                self._draw_fixed,
                lambda p: draw_probe(p, scene, theme),
                lambda p: self._draw_gridlines(p, self._gridline_values, draw_gridline_values),
                lambda p: draw_kinds(p, scene, theme),
                lambda p: draw_path(p, scene, theme),
                lambda p: draw_transect(p, scene, theme),
                lambda p: draw_rings(p, scene, theme),
                lambda p: draw_hand(p, scene, theme),
                self._draw_hint,
                self._draw_card,
            ]
        else:
            layers = [self._draw_empty]
        for layer in layers:
            painter.save()
            layer(painter)
            painter.restore()
        painter.end()
        self._painted((perf_counter() - begun) * 1000)

    def _draw_fixed(self, painter: QPainter) -> None:
        """Axes and colour bar. They stay as they are while only marks change, and are half of this layer's time."""
        self._axes.draw(painter, self, self._key(), self._draw_labels)

    def _draw_gridlines(
        self, painter: QPainter, kept: _Kept, part: Callable[[QPainter, Scene, SeenGridlines, Theme], None]
    ) -> None:
        """A part of the gridlines, which change with the camera, the points (what lies behind them) and the lines."""
        scene = self._scene
        if scene.gridlines is None:
            return
        key = (*self._key(), scene.version, scene.moving, scene.gridlines)
        if self._seen[0] != key:
            self._seen = key, seen_gridlines(scene)
        seen = self._seen[1]
        if seen is not None:
            kept.draw(painter, self, key, lambda p: part(p, scene, seen, self._theme))

    def _key(self) -> tuple:
        ratio = self.devicePixelRatioF()
        return self._scene.look(), self._theme.name, self.width(), self.height(), ratio, self.font().toString()

    def _draw_labels(self, painter: QPainter) -> None:
        painter.save()
        draw_axes(painter, self._scene, self._theme)
        painter.restore()
        self._draw_colorbar(painter)

    def _draw_colorbar(self, painter: QPainter) -> None:
        if self._scene.colorbar is not None:
            draw_colorbar(painter, self._scene.colorbar, self._theme, self.width(), self.height())

    def _draw_empty(self, painter: QPainter) -> None:
        middle = self.height() / 2
        title, text = AWAITED if self._scene.awaited else NO_CLOUD
        painter.setFont(small_font(painter.font(), 3.0, bold=True))
        painter.setPen(QColor(self._theme.text))
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
        painter.drawText(QRectF(16, middle - 60, self.width() - 32, 52), flags, title)
        painter.setFont(self.font())
        painter.setPen(QColor(self._theme.muted))
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(24, middle + 2, self.width() - 48, 80), int(flags), text)

    def _draw_hint(self, painter: QPainter) -> None:
        """What to do about a cloud that has grown out of the view."""
        if self._scene.left_view:
            rect = QRectF(12, self.height() - 30, self.width() - 24, 20)
            halo = tint(self._theme.plot, 0.9)
            halo_text(painter, rect, Qt.AlignmentFlag.AlignLeft, OUTGROWN, QColor(self._theme.muted), halo)

    def _draw_card(self, painter: QPainter) -> None:
        """The sample under the mouse: its picture and what is known of it."""
        scene, theme = self._scene, self._theme
        index = scene.hover
        if index is None or not 0 <= index < scene.count:
            return
        x, y = scene.camera.project(scene.place(index)[None])[0][0].tolist()
        picture = thumbnail(scene.thumbnails, index)
        lines = scene.hover_labels[index].split("\n") if scene.hover_labels and index < len(scene.hover_labels) else []
        if not np.isfinite(x) or (picture is None and not lines):
            return
        font = small_font(painter.font())
        metrics = QFontMetricsF(font)
        side = (0.0, 0.0)
        if picture is not None:
            scale = max(1, THUMBNAIL // max(picture.width(), picture.height()))
            side = (picture.width() * scale, picture.height() * scale)
        text_width = max((metrics.horizontalAdvance(line) for line in lines), default=0.0)
        width = max(side[0], text_width) + 16
        height = side[1] + 16 + (len(lines) * metrics.height() + (8 if picture is not None else 0) if lines else 0)
        left = x + 18 if x + 18 + width < self.width() - 8 else x - 18 - width
        left = max(8.0, left)
        top = min(max(8.0, y - height / 2), max(8.0, self.height() - height - 8))
        frame = QRectF(round(left) + 0.5, round(top) + 0.5, round(width), round(height))
        shape = QPainterPath()
        shape.addRoundedRect(frame, 5, 5)
        painter.fillPath(shape, tint(theme.raised, 0.97))
        painter.setPen(pen(QColor(theme.border), 1.0))
        painter.drawPath(shape)
        top = frame.top() + 7.5
        if picture is not None:
            target = QRectF(round(frame.center().x() - side[0] / 2), round(top), side[0], side[1])
            painter.fillRect(target, QColor(theme.ground))
            painter.drawImage(target, picture)
            top = target.bottom() + 8
        painter.setFont(font)
        for number, line in enumerate(lines):
            painter.setPen(QColor(theme.text if number == 0 else theme.muted))
            painter.drawText(QPointF(frame.left() + 8, top + metrics.ascent()), line)
            top += metrics.height()


def thumbnail(pictures: np.ndarray | None, index: int) -> QImage | None:
    """Picture ``index`` of uint8 (N, h, w, C), C 1 or 3, as an image of its own; None if there is none."""
    if pictures is None or not 0 <= index < len(pictures):
        return None
    picture = np.ascontiguousarray(pictures[index])
    height, width, channels = picture.shape
    kind = QImage.Format.Format_Grayscale8 if channels == 1 else QImage.Format.Format_RGB888
    return QImage(picture.tobytes(), width, height, width * channels, kind).copy()
