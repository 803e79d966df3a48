"""A picture of many small images, as wide as there is room."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap, QResizeEvent

from explorer.widgets.theme import ThemedWidget


class ContactSheet(ThemedWidget):
    """Shows a picture as wide as the widget and at most ``highest`` pixels of it; with ``whole_pixels`` one that is
    smaller is enlarged by a whole number, so that its pixels stay squares."""

    def __init__(self, highest: int, whole_pixels: bool = False) -> None:
        super().__init__()
        self._highest, self._whole_pixels = highest, whole_pixels
        self._picture = QPixmap()

    def set_picture(self, picture: QPixmap) -> None:
        """Show ``picture``; a null one: nothing."""
        self._picture = picture
        self.setVisible(not picture.isNull())
        self._fit()
        self.update()

    def _scale(self) -> float:
        scale = max(1, self.width()) / self._picture.width()
        return (
            max(1, math.floor(min(scale, self._highest / self._picture.height()))) if self._enlarges(scale) else scale
        )

    def _enlarges(self, scale: float) -> bool:
        return self._whole_pixels and scale >= 1.0

    def _fit(self) -> None:
        if not self._picture.isNull():
            self.setFixedHeight(min(self._highest, math.ceil(self._picture.height() * self._scale())))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            if not self._picture.isNull():
                scale = self._scale()
                size = QRectF(0, 0, self._picture.width() * scale, self._picture.height() * scale)
                painter.fillRect(size, QColor(self._theme.ground))
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not self._enlarges(scale))
                painter.drawPixmap(size, self._picture, QRectF(self._picture.rect()))
