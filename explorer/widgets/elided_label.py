"""A label that gives way where there is little room: to a shorter text, and at last to an ellipsis."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStyle


def fitting(texts: tuple[str, ...], metrics: object, room: float) -> str:
    """The first of ``texts``, longest first, that fits into ``room`` pixels; else the last one, elided.

    ``metrics`` is a ``QFontMetrics`` or ``QFontMetricsF``.
    """
    for text in texts:
        if metrics.horizontalAdvance(text) <= room:  # pyright: ignore[reportAttributeAccessIssue]
            return text
    return metrics.elidedText(texts[-1], Qt.TextElideMode.ElideRight, room)  # pyright: ignore[reportAttributeAccessIssue]


class ElidedLabel(QLabel):
    """Shows the longest of its texts that fits. It never asks for more width than it is given."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self._shorter: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def set_texts(self, text: str, *shorter: str) -> None:
        """``text``, and what to say instead of it where it has no room, longest first."""
        self._shorter = shorter
        self.setText(text)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    @property
    def shown(self) -> str:
        """What can be read now."""
        return fitting((self.text(), *self._shorter), self.fontMetrics(), self.contentsRect().width())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self.style().drawItemText(
            painter,
            self.contentsRect(),
            int(QStyle.visualAlignment(self.layoutDirection(), self.alignment())),
            self.palette(),
            self.isEnabled(),
            self.shown,
            self.foregroundRole(),
        )
