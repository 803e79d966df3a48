"""The badge of a decoded image: a word, a sign and a colour for how the place stands towards the data, and a number."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.geometry.off_manifold_status import Standing, Verdict
from explorer.widgets.theme import DARK, Theme

_PAD, _SIGN, _GAP = 9.0, 8.0, 6.0


def colour(theme: Theme, verdict: Verdict) -> str:
    """The theme's colour for a verdict. Words or signs stand beside it: colour is never the only one to tell."""
    return {"on the data": theme.series[2], "extrapolating": theme.warning, "off the data": theme.danger}[verdict]


class Badge(QWidget):
    """Shows a ``Standing``; empty, but as high, where nothing is known. The tool tip defines its numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._standing: Standing | None = None
        self._theme: Theme = DARK

    def set_standing(self, standing: Standing | None) -> None:
        """Show it; None: nothing is known."""
        if standing == self._standing:
            return
        self._standing = standing
        lines = standing.explanation.splitlines() if standing is not None else []
        self.setToolTip("".join(f"<p>{line}</p>" for line in lines))  # rich text is wrapped, plain text is not
        self.setAccessibleName(self.text)
        self.update()

    @property
    def text(self) -> str:
        """What it says, "" where nothing is known."""
        return self._standing.short if self._standing is not None else ""

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        """As high as a line of text with its frame."""
        return QSize(200, self.fontMetrics().height() + 6)

    def changeEvent(self, event: QEvent) -> None:
        """Another font needs another height."""
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """A pill in the middle: sign, verdict, distance."""
        verdict = self._standing.verdict if self._standing is not None else None
        if verdict is None:
            return
        ink = QColor(colour(self._theme, verdict))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = QFontMetricsF(painter.font())
        room = self.width() - 2 * _PAD - _SIGN - _GAP - 1
        text = metrics.elidedText(self.text, Qt.TextElideMode.ElideRight, room)
        width = min(2 * _PAD + _SIGN + _GAP + metrics.horizontalAdvance(text) + 1, self.width() - 1.0)
        frame = QRectF(round((self.width() - width) / 2) + 0.5, 0.5, round(width), self.height() - 1.0)
        ground = QColor(ink)
        ground.setAlphaF(0.14)
        painter.setBrush(ground)
        painter.setPen(QPen(ink, 1.0))
        painter.drawRoundedRect(frame, frame.height() / 2, frame.height() / 2)
        _draw_sign(painter, verdict, QPointF(frame.left() + _PAD + _SIGN / 2, frame.center().y()), ink)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        left = frame.left() + _PAD + _SIGN + _GAP
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(left, frame.top(), frame.right() - left, frame.height()), int(flags), text)


def _draw_sign(painter: QPainter, verdict: Verdict, middle: QPointF, ink: QColor) -> None:
    """A dot on the data, a triangle where the decoder guesses, a cross off the data."""
    half = _SIGN / 2
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    if verdict == "on the data":
        painter.drawEllipse(middle, half - 0.5, half - 0.5)
    elif verdict == "extrapolating":
        corners = (QPointF(0, -half), QPointF(half, half - 0.5), QPointF(-half, half - 0.5))
        painter.drawPolygon(QPolygonF([middle + corner for corner in corners]))
    else:
        painter.setPen(QPen(ink, 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        reach = half - 1.0
        painter.drawLine(middle + QPointF(-reach, -reach), middle + QPointF(reach, reach))
        painter.drawLine(middle + QPointF(-reach, reach), middle + QPointF(reach, -reach))
