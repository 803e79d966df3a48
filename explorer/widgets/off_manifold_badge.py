"""The badge of a decoded image: a word, a sign and a colour for how the place stands towards the data, and a number."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.geometry.off_manifold import OffManifoldScore, Verdict
from core.utils.text import sentence
from explorer.widgets.elided_label import fitting
from explorer.widgets.painting import dot, pen, plate, tint
from explorer.widgets.theme import Theme, ThemedWidget

_PAD, _SIGN, _GAP = 9.0, 8.0, 6.0
DASH = 3  # pixels, and as many between dashes


def verdict_colour(theme: Theme, verdict: Verdict) -> str:
    """The theme's colour for a verdict. Words or signs stand beside it: colour is never the only one to tell."""
    return {"on the data": theme.series[2], "extrapolating": theme.warning, "off the data": theme.danger}[verdict]


def draw_verdict_bar(painter: QPainter, theme: Theme, verdict: Verdict, bar: QRect) -> None:
    """A line under frames that are not on the data: whole off the data, dashed where the decoder extrapolates."""
    ink = QColor(verdict_colour(theme, verdict))
    if verdict == "off the data":
        painter.fillRect(bar, ink)
    elif verdict == "extrapolating":
        for x in range(bar.left(), bar.right() + 1, 2 * DASH):
            painter.fillRect(QRect(x, bar.top(), DASH, bar.height()) & bar, ink)


class OffManifoldBadge(ThemedWidget):
    """Shows an ``OffManifoldScore``; empty, but as high, where nothing is known. The tooltip defines its numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._score: OffManifoldScore | None = None

    def set_score(self, score: OffManifoldScore | None) -> None:
        """Show it; None: nothing is known."""
        if score == self._score:
            return
        self._score = score
        lines = score.explanation.splitlines() if score is not None else []
        self.setToolTip("".join(f"<p>{escape(line)}</p>" for line in lines))  # rich text is wrapped, plain text is not
        self.setAccessibleName(self.text)
        self.update()

    @property
    def text(self) -> str:
        """What it says, "" where nothing is known."""
        return self._score.short if self._score is not None else ""

    def sizeHint(self) -> QSize:
        """As high as a line of text with its frame."""
        return QSize(200, self.fontMetrics().height() + 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A pill in the middle: sign, verdict, distance."""
        if not self.text:
            return
        verdict = self._score.verdict if self._score is not None else None
        ink = QColor(self._theme.muted if verdict is None else verdict_colour(self._theme, verdict))
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            metrics = QFontMetricsF(painter.font())
            room = self.width() - 2 * _PAD - _SIGN - _GAP - 1
            doubt = self._score.doubt if self._score is not None else ""
            shorter = (verdict,) if verdict is not None else (sentence(doubt), "No verdict")
            text = fitting((self.text, *shorter), metrics, room)
            width = min(2 * _PAD + _SIGN + _GAP + metrics.horizontalAdvance(text) + 1, self.width() - 1.0)
            frame = QRectF(round((self.width() - width) / 2) + 0.5, 0.5, round(width), self.height() - 1.0)
            plate(painter, frame, frame.height() / 2, tint(ink, 0.14), QPen(ink, 1.0))
            _draw_sign(painter, verdict, QPointF(frame.left() + _PAD + _SIGN / 2, frame.center().y()), ink)
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            left = frame.left() + _PAD + _SIGN + _GAP
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(left, frame.top(), frame.right() - left, frame.height()), int(flags), text)


def _draw_sign(painter: QPainter, verdict: Verdict | None, middle: QPointF, ink: QColor) -> None:
    """A dot on the data, a triangle where the decoder guesses, a cross off the data, a ring where nothing is known."""
    half = _SIGN / 2
    if verdict is None:
        dot(painter, middle.toTuple(), half - 1.0, None, QPen(ink, 1.5))
    elif verdict == "on the data":
        dot(painter, middle.toTuple(), half - 0.5, ink)
    elif verdict == "extrapolating":
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        corners = (QPointF(0, -half), QPointF(half, half - 0.5), QPointF(-half, half - 0.5))
        painter.drawPolygon(QPolygonF([middle + corner for corner in corners]))
    else:
        painter.setPen(pen(ink, 2.0))
        reach = half - 1.0
        painter.drawLine(middle + QPointF(-reach, -reach), middle + QPointF(reach, reach))
        painter.drawLine(middle + QPointF(-reach, reach), middle + QPointF(reach, -reach))
