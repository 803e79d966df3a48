"""Three images side by side, each under its title and over its numbers: first model, second model, difference."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QImage, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from explorer.widgets import image_conversion
from explorer.widgets.theme import DARK, Theme

GAP = 8
SMALLEST, LIKED = 72, 160  # side of an image
LINES = 2  # of numbers under an image


@dataclass(frozen=True, eq=False)
class Pane:
    """One image, its ``title`` above, ``lines`` below (two at most), and all of it in words as the ``hint``."""

    image: QImage
    title: str
    lines: tuple[str, ...] = ()
    hint: str = ""


class ComparePanes(QWidget):
    """Paints the panes; without any, a text that says how to get them, in the same room."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("compare.images")
        self.setAccessibleName("What both models make of it")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.panes: tuple[Pane, ...] = ()
        self._text = ""
        self._theme = DARK

    def set_panes(self, panes: tuple[Pane, ...], text: str) -> None:
        """Show ``panes``; none: ``text``."""
        self.panes, self._text = panes, text
        self.setAccessibleDescription(" ".join(pane.hint for pane in panes) if panes else text)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take the ground of ``theme``."""
        self._theme = theme
        self.update()

    # room

    def sizeHint(self) -> QSize:
        """Comfortable images."""
        return QSize(3 * LIKED + 2 * GAP, LIKED + self._above() + self._below())

    def minimumSizeHint(self) -> QSize:
        """Three small images."""
        return QSize(3 * SMALLEST + 2 * GAP, SMALLEST + self._above() + self._below())

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs other room."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def _above(self) -> int:
        return self.fontMetrics().height() + 4

    def _below(self) -> int:
        return LINES * self.fontMetrics().height() + 4

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The panes, or the text."""
        painter = QPainter(self)
        if not self.panes:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(24, 4, -24, -4), flags, self._text)
            return
        for number, pane in enumerate(self.panes):
            self._paint(painter, pane, self._column(number))

    def _column(self, number: int) -> QRectF:
        width = (self.width() - 2 * GAP) / 3
        return QRectF(number * (width + GAP), 0, width, self.height())

    def _paint(self, painter: QPainter, pane: Pane, column: QRectF) -> None:
        above, below = self._above(), self._below()
        box = column.adjusted(0, above, 0, -below)
        painter.fillRect(box, QColor(self._theme.ground))
        image_conversion.draw(painter, pane.image, box, self.devicePixelRatioF())
        strong = QFont(self.font())
        strong.setWeight(QFont.Weight.DemiBold)
        top = QRectF(column.left(), 0, column.width(), above)
        self._write(painter, strong, QPalette.ColorRole.WindowText, top, pane.title)
        small = QFont(self.font())
        small.setPointSizeF(small.pointSizeF() * 0.9)
        step = (below - 4) / LINES
        for row, line in enumerate(pane.lines):
            place = QRectF(column.left(), box.bottom() + 3 + row * step, column.width(), step)
            self._write(painter, small, QPalette.ColorRole.PlaceholderText, place, line)

    def _write(self, painter: QPainter, font: QFont, role: QPalette.ColorRole, box: QRectF, text: str) -> None:
        painter.setFont(font)
        painter.setPen(self.palette().color(role))
        shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, shown)

    def event(self, event: QEvent) -> bool:
        """The whole of what may have been cut off, as a tooltip."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            found = [pane for i, pane in enumerate(self.panes) if self._column(i).contains(event.pos().toPointF())]
            if found:
                QToolTip.showText(event.globalPos(), found[0].hint, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)
