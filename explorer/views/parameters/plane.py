"""The widget of the plane: its samples as a kept picture, marks painted over it, and the hand upon it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QFocusEvent,
    QFont,
    QHideEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy

from core.rendering.point_splatting import PAD
from explorer.views.parameters import gestures, marks
from explorer.views.parameters.gestures import Gesture, Pan, StraightLine, Tool
from explorer.views.parameters.points import picture, radius_of
from explorer.views.parameters.scene import PlaneBase
from explorer.widgets.theme import DARK, Theme

NOTCH = 120  # angle units of one step of a wheel
ZOOM = 1.2  # a step
NUDGE, STRIDE = 1 / 50, 1 / 10  # of a factor's range: an arrow key, and with Shift
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class ParameterPlane(PlaneBase):
    """Draws a ``PlaneScene``. Wheel zooms, right drag moves, double click or Home shows everything again."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("parameters.plane")
        self.setAccessibleName("Parameter plane")
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._theme, self._tool = DARK, Tool.CURSOR
        self._gesture: Gesture | None = None
        self._picture: QImage | None = None
        self._key: tuple | None = None
        self._hovered: int | None = None
        self._nudging = False

    def sizeHint(self) -> QSize:
        return QSize(420, 190)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self.redraw()

    def set_tool(self, tool: Tool) -> None:
        """What the left button does from now on."""
        self.cancel()
        self._tool = tool
        self._show_shape()

    def redraw(self) -> None:
        self._picture = None
        self.update()

    def reset(self) -> None:
        """Show the whole plane."""
        self.scene.frame.reset()
        self.redraw()

    def cancel(self) -> bool:
        """End the gesture without effect; whether there was one."""
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            gesture.cancel()
            self.update()
        return gesture is not None

    # painting

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.scene.frame.resize(self.width(), self.height())
        self.redraw()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint_picture(painter)
        painter.setFont(self._small_font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        scene, theme = self.scene, self._theme
        marks.draw_axes(painter, scene, theme)
        painter.setClipRect(marks.area_of(scene.frame).adjusted(0, 0, 1, 1))
        marks.draw_transects(painter, scene, theme)
        marks.draw_cursor(painter, scene, theme)
        marks.draw_rings(painter, scene, theme, radius_of(scene))
        marks.draw_holes(painter, scene, theme)
        if self._gesture is not None:
            self._gesture.paint(painter, theme)
        painter.setClipping(False)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(marks.pen(marks.tint(theme.accent, 0.7), 1.0))
            painter.drawRect(marks.area_of(scene.frame).adjusted(0.5, 0.5, 0.5, 0.5))

    def _paint_picture(self, painter: QPainter) -> None:
        ratio = self.devicePixelRatioF()
        if self._picture is None or self._key != (self.size(), ratio):
            self._picture = picture(self.scene, self._theme, (self.width(), self.height()), ratio)
            self._key = (self.size(), ratio)
        inner = QRectF(PAD, PAD, self._picture.width() - 2 * PAD, self._picture.height() - 2 * PAD)
        painter.drawImage(QRectF(self.rect()), self._picture, inner)

    def _small_font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(7.0, font.pointSizeF() * 0.9))
        return font

    # the mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._gesture is not None:
            return
        at = _pixel(event)
        if event.button() == Qt.MouseButton.LeftButton:
            self._gesture = gestures.begin(self, self._tool, at, event.modifiers())
        elif event.button() in (Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton):
            self._gesture = Pan(self, at)
        self._show_shape(at)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = _pixel(event)
        if self._gesture is None:
            self._hover(self.nearest(at) if self.scene.frame.holds(at) else None)
            self._show_shape(at)
            return
        if isinstance(self._gesture, StraightLine):
            self._gesture.level = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._gesture.move(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        gesture, self._gesture = self._gesture, None
        if gesture is not None:
            if gesture.at != _pixel(event):
                gesture.move(_pixel(event))
            gesture.release()
            self.update()
        self._show_shape(_pixel(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.cancel()
            self.reset()

    def wheelEvent(self, event: QWheelEvent) -> None:
        at = event.position()
        self.scene.frame.zoom(ZOOM ** (event.angleDelta().y() / NOTCH), (at.x(), at.y()))
        self.redraw()
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(None)

    def hideEvent(self, event: QHideEvent) -> None:
        """A gesture does not outlive the widget's visibility."""
        self.cancel()
        self._hover(None)
        super().hideEvent(event)

    def _hover(self, index: int | None) -> None:
        if index != self._hovered:
            self._hovered = index
            self.hovered.emit(-1 if index is None else index)

    def _show_shape(self, at: tuple[float, float] | None = None) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if isinstance(self._gesture, Pan):
            shape = Qt.CursorShape.ClosedHandCursor
        elif at is not None and self._tool is Tool.CURSOR and self.scene.handle_at(at) is not None:
            centre = self.scene.handle_at(at) == "centre"
            shape = Qt.CursorShape.SizeAllCursor if centre else Qt.CursorShape.SizeHorCursor
        elif at is None or self.scene.frame.holds(at):
            shape = Qt.CursorShape.CrossCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # keys

    def event(self, event: QEvent) -> bool:
        """Arrows, Home, and Escape during a gesture are the plane's while it has the focus, not the window's."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            mine = event.key() in ARROWS or event.key() == Qt.Key.Key_Home
            mine = mine and not event.modifiers() & Qt.KeyboardModifier.ControlModifier
            if mine or (event.key() == Qt.Key.Key_Escape and self._gesture is not None):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in ARROWS:
            self._nudge(*ARROWS[Qt.Key(event.key())], bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        elif event.key() == Qt.Key.Key_Home:
            self.reset()
        elif not (event.key() == Qt.Key.Key_Escape and self.cancel()):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() in ARROWS and not event.isAutoRepeat():
            self._end_nudge()
        else:
            super().keyReleaseEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A key that is released elsewhere is not held here any more."""
        self._end_nudge()
        self.update()
        super().focusOutEvent(event)

    def _nudge(self, across: int, up: int, far: bool) -> None:
        frame = self.scene.frame
        middle = (frame.seen_low + frame.seen_high) / 2
        before = np.array(self.scene.cursor if self.scene.cursor is not None else middle)
        step = (frame.high - frame.low) * (STRIDE if far else NUDGE)
        x, y = frame.clamp(before + step * np.array([across, up])).tolist()
        self._nudging = True
        self.cursor_moved.emit(x, y)

    def _end_nudge(self) -> None:
        if self._nudging:
            self._nudging = False
            self.cursor_released.emit()


def _pixel(event: QMouseEvent) -> tuple[float, float]:
    return event.position().x(), event.position().y()
