"""Images side by side, each at a whole number of screen pixels for a pixel, with a title, captions and a tooltip."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QHelpEvent, QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QToolTip

from core.rendering.colormaps import signed_difference
from explorer.widgets import image_conversion
from explorer.widgets.elided_label import fitting
from explorer.widgets.painting import empty_text, small_font
from explorer.widgets.theme import ThemedWidget

GAP = 6
EXCESS_BCE = (
    "Excess BCE: binary cross-entropy between image x and reconstruction x̂ beyond that of x with itself, "
    "BCE(x, x̂) − BCE(x, x), mean over pixels, in nats; 0 for a perfect copy."
)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, the ``lines`` under it (each what it says, longest text first), the ``title`` above, and a tooltip."""

    image: QImage
    lines: tuple[tuple[str, ...], ...] = ()
    title: str = ""
    tooltip: str = ""


def difference_picture(original: np.ndarray, other: np.ndarray, names: str, title: str = "") -> Picture:
    """The picture of ``other`` - ``original``, uint8 (H, W, C) each; ``names`` says in words what is subtracted."""
    difference, ends = signed_difference(original, other)
    tooltip = f"{names}, from −{ends:g} (blue) to +{ends:g} (orange) of full scale"
    return Picture(
        image_conversion.to_image(difference), ((f"diff. ±{ends:g}", f"±{ends:g}"),), title=title, tooltip=tooltip
    )


class ImageRow(ThemedWidget):
    """Three pictures in a row over a line about them all; without pictures, a text in the same room.

    ``smallest`` and ``preferred`` are the side of an image in pixels; ``lines`` the most
    lines under it, the one about all included.
    """

    def __init__(
        self, name: str, empty: str, *, smallest: int, preferred: int, lines: int = 1, titled: bool = False
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.pictures: tuple[Picture, ...] = ()
        self.text = empty
        self._empty, self._lines, self._titled = empty, lines, titled
        self._smallest, self._preferred = smallest, preferred

    def set_pictures(self, pictures: tuple[Picture, ...], text: str = "") -> None:
        """Show ``pictures`` over ``text``; without pictures, ``text`` alone, or what is usual in the empty state."""
        self.pictures, self.text = pictures, text or ("" if pictures else self._empty)
        self.setAccessibleDescription(" ".join(picture.tooltip for picture in pictures) or self.text)
        self.update()

    # room

    def _line(self) -> float:
        return QFontMetricsF(small_font(self.font())).height() + 1

    def _above(self) -> int:
        return round(self._line()) + 4 if self._titled else 0

    def _below(self) -> int:
        return round(self._lines * self._line()) + 4

    @property
    def text_height(self) -> int:
        """Pixels that the texts over and under the images take."""
        return self._above() + self._below()

    def set_preferred(self, side: int) -> None:
        """Ask for room for images of ``side`` pixels."""
        if side != self._preferred:
            self._preferred = side
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Images of the preferred size."""
        return QSize(3 * self._preferred + 2 * GAP, self._preferred + self.text_height)

    def minimumSizeHint(self) -> QSize:
        """Images of the smallest size."""
        return QSize(3 * self._smallest + 2 * GAP, self._smallest + self.text_height)

    def hasHeightForWidth(self) -> bool:
        """Square images decide it."""
        return True

    def heightForWidth(self, width: int) -> int:
        """As high as three images side by side are in ``width``, between the smallest and the preferred size."""
        side = min(self._preferred, (width - 2 * GAP) // 3)
        return max(self._smallest, side) + self.text_height

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The pictures and their texts, or the text of the empty state."""
        with QPainter(self) as painter:
            if not self.pictures:
                empty_text(painter, self.rect(), self.text, self._theme, 0)
                return
            bottom = max(self._paint(painter, picture, self._column(i)) for i, picture in enumerate(self.pictures))
            font, whole = small_font(self.font()), QRectF(0, bottom, self.width(), self._line())
            self._write(painter, font, QPalette.ColorRole.WindowText, whole, (self.text,))

    def _column(self, number: int) -> QRectF:
        width = (self.width() - 2 * GAP) / 3
        return QRectF(number * (width + GAP), 0, width, self.height())

    def _paint(self, painter: QPainter, picture: Picture, column: QRectF) -> float:
        """Paint one picture with its texts; returns where they end."""
        room = column.adjusted(0, self._above(), 0, -self._below())
        image = image_conversion.draw(painter, picture.image, room, self.devicePixelRatioF())
        strong = small_font(self.font())
        strong.setWeight(QFont.Weight.DemiBold)
        line, bottom = self._line(), min(image.bottom() + 2, room.bottom() + 2)
        above = QRectF(column.left(), image.top() - line - 2, column.width(), line)
        self._write(painter, strong, QPalette.ColorRole.WindowText, above, (picture.title,))
        for row, texts in enumerate(picture.lines):
            below = QRectF(column.left(), bottom + row * line, column.width(), line)
            self._write(painter, small_font(self.font()), QPalette.ColorRole.PlaceholderText, below, texts)
        return bottom + len(picture.lines) * line

    def _write(
        self, painter: QPainter, font: QFont, role: QPalette.ColorRole, box: QRectF, texts: tuple[str, ...]
    ) -> None:
        painter.setFont(font)
        painter.setPen(self.palette().color(role))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, fitting(texts, QFontMetricsF(font), box.width()))

    def event(self, event: QEvent) -> bool:
        """The tooltip of the picture under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            at = event.pos().toPointF()
            tooltips = [p.tooltip for number, p in enumerate(self.pictures) if self._column(number).contains(at)]
            text = "".join(
                f"<p>{escape(tooltip)}</p>" for tooltip in tooltips
            )  # rich text is wrapped, plain text is not
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
