"""The film strip under a path: its decoded frames from beginning to end, with the current place marked."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from core.geometry.off_manifold import OffManifoldScore, Verdict
from explorer.widgets.controls import WheelNotches
from explorer.widgets.image_conversion import Thumbnail, place
from explorer.widgets.off_manifold_badge import draw_verdict_bar
from explorer.widgets.painting import border, empty_text
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import Themed

_PAD, _GAP = 8, 3
_LEAST = 24  # pixels that a frame is high at least
_BAR = 3  # pixels, of the bar under frames that are not on the data


class FilmstripView(Themed, QAbstractScrollArea):
    """As many frames as fit, evenly chosen; the wheel stretches the strip until every frame has its place.

    ``frame_chosen`` carries the place (0 to 1) of the frame that was pressed or dragged to; ``frame_hovered`` the
    frame's number under the mouse, -1 for none.
    """

    frame_chosen = Signal(float)
    frame_hovered = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("film")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(56)
        self.viewport().setMouseTracking(True)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)
        self.empty = ""
        self._images: list[Thumbnail | None] = []
        self._known: set[int] = set()
        self._scores: list[OffManifoldScore | None] = []
        self._captions: list[str] = []
        self._position, self._zoom, self._hovered = 0.0, 1.0, -1

    def sizeHint(self) -> QSize:
        return QSize(600, 110)

    # setters

    def set_frames(self, total: int) -> None:
        """There will be ``total`` frames. Those of before stay, faded, until theirs arrive."""
        self._known.clear()
        self._scores = [None] * total
        self._captions = []
        if total != len(self._images):
            self._images = [None] * total
            self._zoom = 1.0
        self._layout()

    def set_images(self, start: int, images: np.ndarray) -> None:
        """Frames ``start`` onwards, uint8 (n, H, W, C)."""
        for number, image in enumerate(images, start):
            if 0 <= number < len(self._images):
                self._images[number] = Thumbnail(image)
                self._known.add(number)
        self._layout()

    def set_scores(self, start: int, scores: list[OffManifoldScore | None]) -> None:
        """How frames ``start`` onwards stand towards the data: what is not on them gets a bar below, dashed where the
        decoder guesses, whole off the data. Frames without room in the strip have theirs between their neighbours'."""
        for number, score in enumerate(scores, start):
            if 0 <= number < len(self._scores):
                self._scores[number] = score
        self.viewport().update()

    def set_captions(self, captions: list[str]) -> None:
        """What is said of each frame under the mouse, beside its number; none: nothing."""
        self._captions = captions

    def set_position(self, position: float) -> None:
        """Mark the place ``position``, 0 to 1."""
        if position != self._position:
            self._position = position
            self.viewport().update()

    def set_empty(self, text: str) -> None:
        """What is needed for there to be frames."""
        self.empty = text
        self.viewport().update()

    @property
    def complete(self) -> bool:
        """Whether every frame has its image."""
        return bool(self._images) and len(self._known) == len(self._images)

    # geometry: the first frame's centre is place 0, the last one's place 1

    def _thumb(self) -> QSize:
        """The size of a frame: that of its image, small ones at a whole number of the screen's pixels for each."""
        height = max(_LEAST, self.viewport().height() - 2 * _PAD)
        size = next((image.size() for image in self._images if image is not None), QSize(height, height))
        target = place(size, QRectF(0, 0, 8 * height, height), self.devicePixelRatioF())
        return QSize(math.ceil(target.width()), math.ceil(target.height()))

    def _top(self, size: QSize) -> int:
        return max(_PAD, (self.viewport().height() - size.height()) // 2)

    def _content(self) -> float:
        return max(1.0, (self.viewport().width() - 2 * _PAD) * self._zoom)

    def _most_zoom(self) -> float:
        needed = len(self._images) * (self._thumb().width() + _GAP)
        return max(1.0, needed / max(1, self.viewport().width() - 2 * _PAD))

    def _shown(self) -> list[int]:
        """The frames that have room, first and last among them."""
        total = len(self._images)
        room = max(1, int((self._content() + _GAP) // (self._thumb().width() + _GAP)))
        count = min(total, room)
        if count < 2:
            return [0] if total else []
        return [round(k * (total - 1) / (count - 1)) for k in range(count)]

    def _lefts(self, width: int) -> dict[int, int]:
        """Frame number to left edge, for those that have room: evenly spaced, each within half a frame of its place."""
        shown = self._shown()
        last = max(1, len(shown) - 1)
        return {number: round(self._x(k / last) - width / 2) for k, number in enumerate(shown)}

    def _span(self) -> float:
        """Distance from the first frame's centre to the last one's."""
        shown, width = len(self._shown()), self._thumb().width()
        packed = (shown - 1) * (width + _GAP)
        stretched = self._content() - width
        return packed if shown == len(self._images) and packed < stretched else stretched

    def _x(self, position: float) -> float:
        return _PAD + self._thumb().width() / 2 + position * self._span() - self.horizontalScrollBar().value()

    def _position_at(self, x: float) -> float:
        """The place of the frame that is nearest to ``x``."""
        shown = self._shown()
        if len(shown) < 2:
            return 0.0
        share = (x - self._x(0.0)) / max(1.0, self._span())
        return round(min(1.0, max(0.0, share)) * (len(self._images) - 1)) / (len(self._images) - 1)

    def _layout(self) -> None:
        bar, view = self.horizontalScrollBar(), self.viewport().width()
        bar.setPageStep(view)
        bar.setSingleStep(self._thumb().width())
        bar.setRange(0, max(0, round(self._content() + 2 * _PAD - view)))
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._zoom = min(self._zoom, self._most_zoom())
        self._layout()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().update()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self.viewport()) as painter:
            painter.fillRect(self.viewport().rect(), QColor(self._theme.ground))
            if not self._images:
                empty_text(painter, self.viewport().rect(), self.empty, self._theme, 4)
                return
            size, ratio, width = self._thumb(), self.devicePixelRatioF(), self.viewport().width()
            last = max(1, len(self._images) - 1)
            here = round(self._position * last)
            for number, left in self._lefts(size.width()).items():
                if left + size.width() >= 0 and left <= width:
                    self._paint_frame(
                        painter, number, QRectF(left, self._top(size), size.width(), size.height()), ratio
                    )
            self._paint_scores(painter, size)
            self._paint_place(painter, here, size)

    def _paint_frame(self, painter: QPainter, number: int, box: QRectF, ratio: float) -> None:
        image = self._images[number]
        if image is None:
            border(painter, box.adjusted(0.5, 0.5, -0.5, -0.5), QPen(QColor(self._theme.grid), 1, Qt.PenStyle.DotLine))
            return
        painter.setOpacity(1.0 if number in self._known else 0.35)
        image.draw(painter, box, ratio)
        painter.setOpacity(1.0)
        if number == self._hovered:
            border(painter, box.adjusted(-0.5, -0.5, 0.5, 0.5), QPen(QColor(self._theme.muted), 1))

    def _paint_scores(self, painter: QPainter, size: QSize) -> None:
        runs: list[tuple[int, int, Verdict]] = []  # first and last frame of each that is not on the data
        for number, score in enumerate(self._scores):
            verdict = score.verdict if score is not None else None
            if verdict is None or verdict == "on the data":
                continue
            if runs and runs[-1][1] == number - 1 and runs[-1][2] == verdict:
                runs[-1] = (runs[-1][0], number, verdict)
            else:
                runs.append((number, number, verdict))
        top = self._top(size) + size.height() + _GAP
        for start, end, verdict in runs:
            left, right = self._edges(start, size.width())[0], self._edges(end, size.width())[1]
            draw_verdict_bar(painter, self._theme, verdict, QRect(left, top, right - left, _BAR))

    def _edges(self, number: int, width: int) -> tuple[int, int]:
        """Where a frame's part of the strip begins and ends: half-way to its neighbours; outermost ones at theirs."""
        last = max(1, len(self._images) - 1)
        left = self._x(0.0) - width / 2 if number == 0 else self._x((number - 0.5) / last)
        right = self._x(1.0) + width / 2 if number == last else self._x((number + 0.5) / last)
        return round(left), round(right)

    def _paint_place(self, painter: QPainter, here: int, size: QSize) -> None:
        accent = QColor(self._theme.accent)
        x, top = round(self._x(self._position)), self._top(size)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        left = self._lefts(size.width()).get(here)
        if left is not None:
            border(painter, QRectF(left - 1, top - 1, size.width() + 2, size.height() + 2), QPen(accent, 2))
        painter.fillRect(QRectF(x - 1, 0, 2, top - 2), accent)
        painter.fillRect(QRectF(x - 1, top + size.height() + 2, 2, top - 2), accent)
        if self.hasFocus():
            painter.setPen(QPen(accent, 1))
            painter.drawRect(self.viewport().rect().adjusted(0, 0, -1, -1))

    # hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._images:
            self.frame_chosen.emit(self._position_at(event.position().x()))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._images:
            return
        position = self._position_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.frame_chosen.emit(position)
        self._hover(round(position * (len(self._images) - 1)))

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._hover(-1)
        return super().viewportEvent(event)

    def _hover(self, number: int) -> None:
        if number != self._hovered:
            self._hovered = number
            score = self._scores[number] if number >= 0 else None
            caption = self._captions[number] if 0 <= number < len(self._captions) else ""
            parts = [f"frame {number + 1} of {len(self._images)}", caption, score.short if score is not None else ""]
            tip = " · ".join([*filter(None, parts), "wheel: show more frames"])
            self.viewport().setToolTip(plain_tip(tip) if number >= 0 else "")
            self.frame_hovered.emit(number)
            self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._images:
            return
        turn, side = event.angleDelta().y(), event.angleDelta().x()
        if side or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() - (side or turn))
            return
        x = event.position().x()
        under = (x - self._x(0.0)) / max(1.0, self._span())
        self._zoom = min(self._most_zoom(), max(1.0, self._zoom * 1.25 ** (turn / WheelNotches.NOTCH)))
        self._layout()
        bar = self.horizontalScrollBar()  # what was under the mouse stays there
        bar.setValue(round(bar.value() + self._x(under) - x))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        last = len(self._images) - 1
        ends = {Qt.Key.Key_Home: 0.0, Qt.Key.Key_End: 1.0}
        if last > 0 and event.key() in ends:
            self.frame_chosen.emit(ends[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)
