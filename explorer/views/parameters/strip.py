"""Truth, reconstruction and their difference at the cursor, side by side."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.rendering.colormaps import signed_difference
from explorer.widgets import image_conversion
from explorer.widgets.theme import DARK, Theme

GAP = 6
SMALLEST = 48  # pixels, the side of an image
EMPTY = "Drag over the plane: the true image there appears here, beside what the model makes of it."


class ImageStrip(QWidget):
    """Three images with a word under each, and a line about them. Its room is kept when it is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("parameters.images")
        self.setAccessibleName("Images at the cursor")
        # It gets the size that is wanted for it and gives way where there is less; the plane takes the rest.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._wanted = QSize(self.width_for(190), 160)
        self.images: list[tuple[QImage, str]] = []
        self.caption = ""
        self._theme = DARK

    def sizeHint(self) -> QSize:
        return self._wanted

    def set_wanted(self, size: QSize) -> None:
        """The size to take if there is room."""
        if size != self._wanted:
            self._wanted = size
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        return QSize(3 * SMALLEST + 2 * GAP, SMALLEST + self._text_height())

    def width_for(self, height: int) -> int:
        """The width at which the images fill ``height`` pixels."""
        return 3 * max(SMALLEST, height - self._text_height()) + 2 * GAP

    def height_for(self, width: int) -> int:
        """The height that three images side by side take in ``width`` pixels."""
        return max(SMALLEST, (width - 2 * GAP) // 3) + self._text_height()

    def set_images(self, original: np.ndarray | None, reconstruction: np.ndarray | None, caption: str) -> None:
        """Both uint8 (H, W, C), and what is known of them; None: the empty state, with ``caption`` as its text."""
        self.caption = caption
        if original is None or reconstruction is None:
            self.images = []
            self.setToolTip("")
        else:
            difference, ends = signed_difference(original, reconstruction)
            self.images = [
                (image_conversion.to_image(original), "truth"),
                (image_conversion.to_image(reconstruction), "reconstruction"),
                (image_conversion.to_image(difference), f"diff. ±{ends:g}"),
            ]
            self.setToolTip(
                f"The true image, the reconstruction, and reconstruction - truth from -{ends:g} (blue) to +{ends:g} "
                "(orange) of full scale. Excess BCE: mean over pixels of BCE(x, x̂) - BCE(x, x). SSIM: structural "
                "similarity, 1 for equal images."
            )
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take the ground of ``theme``."""
        self._theme = theme
        self.update()

    def _line(self) -> int:
        return QFontMetricsF(self._font()).height().__ceil__() + 2

    def _text_height(self) -> int:
        return 2 * self._line() + 2

    def _font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.9))
        return font

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if not self.images:
            painter.setPen(QColor(self._theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(16, 0, -16, 0), flags, self.caption or EMPTY)
            return
        painter.setFont(self._font())
        metrics, line = QFontMetricsF(painter.font()), self._line()
        side = min((self.width() - 2 * GAP) / 3, self.height() - self._text_height())
        left = (self.width() - 3 * side - 2 * GAP) / 2
        top = (self.height() - side - self._text_height()) / 2
        painter.setPen(QColor(self._theme.muted))
        for number, (image, word) in enumerate(self.images):
            box = QRectF(left + number * (side + GAP), top, side, side)
            painter.fillRect(box, QColor(self._theme.ground))
            image_conversion.draw(painter, image, box, self.devicePixelRatioF())
            word = metrics.elidedText(word, Qt.TextElideMode.ElideRight, side)
            painter.drawText(QRectF(box.left(), box.bottom() + 1, side, line), Qt.AlignmentFlag.AlignCenter, word)
        painter.setPen(QColor(self._theme.text))
        below = QRectF(0, top + side + 1 + line, self.width(), line)
        caption = metrics.elidedText(self.caption, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, caption)
