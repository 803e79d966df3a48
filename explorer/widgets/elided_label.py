"""A label that gives way where there is little room: to a shorter text, and at last to an ellipsis."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle

from explorer.widgets.plain_text import plain_tip


def fitting(texts: tuple[str, ...], metrics: QFontMetrics | QFontMetricsF, room: float) -> str:
    """The first of ``texts``, longest first, that fits into ``room`` pixels; else the last one, elided."""
    for text in texts:
        if metrics.horizontalAdvance(text) <= room:
            return text
    return metrics.elidedText(texts[-1], Qt.TextElideMode.ElideRight, int(room))


class ElidedLabel(QLabel):
    """Shows the longest of its texts that fits; ``text()`` is the longest.

    ``role`` is one of the style sheet, as in ``controls.label``. The tooltip has the whole text, unless ``setToolTip``
    has said something better.
    """

    def __init__(self, role: str = "") -> None:
        super().__init__()
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._shorter: tuple[str, ...] = ()
        self._explained = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def setText(self, text: str) -> None:
        """Show ``text``, elided where it has no room."""
        self.set_texts(text)

    def set_texts(self, text: str, *shorter: str) -> None:
        """``text``, and what to say instead of it where it has no room, longest first."""
        if text == self.text() and shorter == self._shorter:
            return  # else the window would be arranged anew
        self._shorter = shorter
        super().setText(text)
        if not self._explained:
            super().setToolTip(plain_tip(text))
        self.updateGeometry()

    def setToolTip(self, text: str) -> None:
        """What to say in place of the whole text."""
        self._explained = bool(text)
        super().setToolTip(text or plain_tip(self.text()))

    def sizeHint(self) -> QSize:
        margins = self.contentsMargins()
        # Rounded up, and a pixel more: a text that ends a fraction of one too far would lose its last word.
        width = self.fontMetrics().horizontalAdvance(self.text()) + margins.left() + margins.right() + 2
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(1, super().minimumSizeHint().height())

    @property
    def shown(self) -> str:
        """What can be read now."""
        return fitting((self.text(), *self._shorter), self.fontMetrics(), self.contentsRect().width())

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            flags = QStyle.visualAlignment(self.layoutDirection(), self.alignment())
            area, role = self.contentsRect(), self.foregroundRole()
            self.style().drawItemText(painter, area, int(flags), self.palette(), self.isEnabled(), self.shown, role)
