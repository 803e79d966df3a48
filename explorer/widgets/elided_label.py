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

    ``role`` is one of the style sheet, as in ``controls.label``. ``alone``: it has a line, or a share of one, that does
    not depend on its text. The tooltip has the whole text, unless ``setToolTip`` has said something better.
    """

    def __init__(self, role: str = "", alone: bool = False) -> None:
        super().__init__(" ")  # QLabel would have the whole window arranged anew for each text: it keeps this one
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._texts = ("",)
        self._alone = alone
        self._explained = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def text(self) -> str:
        """The longest of its texts."""
        return self._texts[0]

    def setText(self, text: str) -> None:
        """Show ``text``, elided where it has no room."""
        self.set_texts(text)

    def set_texts(self, text: str, *shorter: str) -> None:
        """``text``, and what to say instead of it where it has no room, longest first."""
        if (text, *shorter) == self._texts:
            return
        self._texts = (text, *shorter)
        self.setAccessibleName(text)
        if not self._explained:
            super().setToolTip(plain_tip(text))
        if not self._alone:
            self.updateGeometry()
        self.update()

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
        return fitting(self._texts, self.fontMetrics(), self.contentsRect().width())

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            flags = QStyle.visualAlignment(self.layoutDirection(), self.alignment())
            area, role = self.contentsRect(), self.foregroundRole()
            self.style().drawItemText(painter, area, int(flags), self.palette(), self.isEnabled(), self.shown, role)
