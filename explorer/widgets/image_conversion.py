"""Images on screen, pixel-exact: arrays to QImage, and where an image stands in a box.

A pixel of the image becomes a whole number of pixels of the screen wherever it fits, by nearest neighbour; only an
image that is too large is shrunk, and then smoothly.
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPixmap


def to_image(pixels: np.ndarray) -> QImage:
    """uint8 (H, W, C) with C 1 or 3, as a QImage that owns its memory (one copy).

    Raises ``ValueError`` for another shape or dtype.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"image is {pixels.dtype} {pixels.shape}; it must be uint8 (H, W, C) with C 1 or 3.")
    height, width, channels = pixels.shape
    kind = QImage.Format.Format_Grayscale8 if channels == 1 else QImage.Format.Format_RGB888
    solid = np.ascontiguousarray(pixels)
    # copy(): the QImage would otherwise point into an array that the caller may free or change.
    return QImage(solid.data, width, height, width * channels, kind).copy()


def place(size: QSize, box: QRectF, ratio: float) -> QRectF:
    """Where an image of ``size`` pixels stands centred in ``box``, on the screen's own pixel grid.

    ``ratio`` is screen pixels for each device-independent pixel. Enlarged by a whole number of screen pixels, or
    shrunk to fit.
    """
    fit = min(box.width() * ratio / size.width(), box.height() * ratio / size.height())
    zoom = math.floor(fit) if fit >= 1.0 else fit
    width, height = max(1, round(size.width() * zoom)), max(1, round(size.height() * zoom))
    left = round(box.x() * ratio + (box.width() * ratio - width) / 2)
    top = round(box.y() * ratio + (box.height() * ratio - height) / 2)
    return QRectF(left / ratio, top / ratio, width / ratio, height / ratio)


def scaled(image: QImage, target: QRectF, ratio: float) -> QPixmap:
    """``image`` at the size of ``target`` in screen pixels: nearest neighbour when enlarged, smooth when shrunk."""
    width, height = max(1, round(target.width() * ratio)), max(1, round(target.height() * ratio))
    if (width, height) != (image.width(), image.height()):
        shrinks = width < image.width() or height < image.height()
        mode = Qt.TransformationMode.SmoothTransformation if shrinks else Qt.TransformationMode.FastTransformation
        image = image.scaled(width, height, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
    made = QPixmap.fromImage(image)
    made.setDevicePixelRatio(ratio)
    return made


def draw(painter: QPainter, image: QImage, box: QRectF, ratio: float) -> QRectF:
    """Draw ``image`` centred in ``box`` as ``place`` says; returns where it stands."""
    target = place(image.size(), box, ratio)
    painter.drawPixmap(target.topLeft(), scaled(image, target, ratio))
    return target


class Thumbnail:
    """An image that is painted again and again: as large as it last was it stays, and goes with it. (Qt's own cache
    would keep those of images that are long gone, up to its limit.)

    ``pixels`` is uint8 (H, W, C), C 1 or 3; another raises ``ValueError``.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self._image = to_image(pixels)
        self._scaled: QPixmap | None = None
        self._drawn: tuple[float, float, float] | None = None  # width, height, and the screen's pixels for each

    def size(self) -> QSize:
        """In the image's own pixels."""
        return self._image.size()

    def draw(self, painter: QPainter, box: QRectF, ratio: float) -> QRectF:
        """As ``draw`` does."""
        target = place(self.size(), box, ratio)
        drawn = (target.width(), target.height(), ratio)
        if self._scaled is None or drawn != self._drawn:
            self._scaled, self._drawn = scaled(self._image, target, ratio), drawn
        painter.drawPixmap(target.topLeft(), self._scaled)
        return target
