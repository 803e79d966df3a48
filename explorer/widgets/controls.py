"""Small controls that several views share: a slim slider with marks, a number field for any magnitude, labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from PySide6.QtCore import QEvent, QLocale, QObject, QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import (
    QAction,
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QValidator,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)

from explorer.widgets.icons import icon
from explorer.widgets.painting import dot, tint

HANDLE = 14
MARGIN = 8  # from the widget's edge to the handle's centre at either end
GROOVE = 4
_MOVES = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)

W = TypeVar("W", bound=QObject)


class WheelNotches:
    """Whole notches of a wheel. One of high resolution reports parts of a notch, which are added up."""

    NOTCH = 120  # eighths of a degree

    def __init__(self) -> None:
        self._rest = 0.0

    def turn(self, angle: float) -> int:
        """The wheel turned by ``angle`` eighths of a degree: the notches that this completes, negative backwards."""
        self._rest += angle
        notches = int(self._rest / self.NOTCH)  # towards 0: a thousandth of a notch backwards is none
        self._rest -= notches * self.NOTCH
        return notches


class MarkedSlider(QSlider):
    """A slim horizontal slider that jumps to where it is pressed and can carry marks.

    ``set_span`` draws a stronger stretch of the groove (shares 0 to 1), ``set_ticks`` short strokes under it.
    Colours come from the palette, so it needs no theme of its own.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._span: tuple[float, float] | None = None
        self._ticks: tuple[float, ...] = ()
        self._filled = True
        self._wheel = WheelNotches()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        claim_keys(self, lambda event: event.key() in _MOVES)  # arrows and Home move the slider

    def set_span(self, span: tuple[float, float] | None) -> None:
        """Emphasise the groove from share to share; None: nothing."""
        self._span = span
        self.update()

    def set_ticks(self, shares: tuple[float, ...]) -> None:
        """Strokes at these shares of the groove."""
        self._ticks = shares
        self.update()

    def set_filled(self, filled: bool) -> None:
        """Whether the groove is coloured up to the handle (a progress) or not (a coordinate)."""
        self._filled = filled
        self.update()

    def x_of(self, share: float) -> float:
        """Widget x in pixels of a share (0 to 1) of the range."""
        return MARGIN + share * max(0, self.width() - 2 * MARGIN)

    def share(self) -> float:
        """Where the handle stands, 0 to 1."""
        return (self.value() - self.minimum()) / max(1, self.maximum() - self.minimum())

    def sizeHint(self) -> QSize:
        return QSize(120, 22)

    def minimumSizeHint(self) -> QSize:
        return QSize(48, 22)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            # Pressed on the handle, it stays; elsewhere it jumps there.
            if abs(event.position().x() - self.x_of(self.share())) > HANDLE / 2:
                self._move_to(event.position().x())
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self._move_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.isSliderDown():
            self.setSliderDown(False)
            self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        # Only a focused slider listens: else scrolling a panel of sliders would change what passes under the mouse.
        if not self.hasFocus():
            event.ignore()
            return
        self.setValue(self.value() + self._wheel.turn(event.angleDelta().y()) * self.singleStep())
        event.accept()

    def _move_to(self, x: float) -> None:
        share = (x - MARGIN) / max(1, self.width() - 2 * MARGIN)
        share = min(1.0, max(0.0, share))
        self.setSliderPosition(round(self.minimum() + share * (self.maximum() - self.minimum())))

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            middle, handle = self.height() / 2, self.x_of(self.share())
            accent = self.palette().color(QPalette.ColorRole.Highlight)
            groove = self.palette().color(QPalette.ColorRole.Mid)
            self._stretch(painter, groove, self.x_of(0.0), self.x_of(1.0), middle)
            if self._span is not None:
                ink = self.palette().color(QPalette.ColorRole.PlaceholderText)
                strong = tint(ink, 0.55 if self.isEnabled() else 0.2)
                self._stretch(painter, strong, self.x_of(self._span[0]), self.x_of(self._span[1]), middle)
            if self._filled:
                self._stretch(painter, accent, self.x_of(0.0), handle, middle)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.PlaceholderText), 1))
            for share in self._ticks:
                x = round(self.x_of(share)) + 0.5
                painter.drawLine(QPointF(x, middle + 5), QPointF(x, middle + 9))
            self._paint_handle(painter, QPointF(handle, middle), accent)

    def _stretch(self, painter: QPainter, colour: QColor, left: float, right: float, middle: float) -> None:
        painter.setBrush(colour)
        painter.drawRoundedRect(QRectF(left, middle - GROOVE / 2, max(0.0, right - left), GROOVE), 2, 2)

    def _paint_handle(self, painter: QPainter, centre: QPointF, accent: QColor) -> None:
        text = self.palette().color(QPalette.ColorRole.WindowText)
        active = self.hasFocus() or self.isSliderDown()
        if self.hasFocus():
            dot(painter, centre.toTuple(), HANDLE / 2 + 1, tint(accent, 0.35))
        outline = QPen(self.palette().color(QPalette.ColorRole.Window), 1.5)
        dot(painter, centre.toTuple(), HANDLE / 2 - 2, accent if active else text, outline)


class ComboBox(QComboBox):
    """A list of choices that leaves the wheel to the panel that scrolls under the mouse."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SpinBox(QSpinBox):
    """A whole number that no wheel changes while a panel is scrolled, but when it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # which a wheel does not give

    def wheelEvent(self, event: QWheelEvent) -> None:
        super().wheelEvent(event) if self.hasFocus() else event.ignore()


class DoubleSpinBox(QDoubleSpinBox):
    """A number that no wheel changes while a panel is scrolled, but when it has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # which a wheel does not give

    def wheelEvent(self, event: QWheelEvent) -> None:
        super().wheelEvent(event) if self.hasFocus() else event.ignore()


class MagnitudeSpinBox(DoubleSpinBox):
    """A field for numbers of any magnitude (3e-5, 0.002, 40): shown with ``%g``, stepped by factors.

    ``committed`` is emitted with the value after Enter, a step, or when the focus leaves a changed field, never
    while typing. A step multiplies or divides by ``10 ** (1/5)``, rounded to two digits, so that a step up makes it
    greater whatever its sign; between ±``smallest`` there is only 0.
    """

    committed = Signal(float)

    def __init__(self, low: float, high: float, smallest: float = 1e-6, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._smallest = smallest
        self._last = 0.0
        self.setLocale(QLocale.c())
        self.setDecimals(12)
        self.setRange(low, high)
        self.setKeyboardTracking(False)
        self.setMinimumWidth(72)
        self.editingFinished.connect(self._commit)
        claim_keys(self, lambda event: event.key() == Qt.Key.Key_Escape and self.being_typed)

    def setValue(self, value: float) -> None:
        self._last = value
        super().setValue(value)

    def textFromValue(self, value: float) -> str:
        return f"{value:.6g}"

    def valueFromText(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return self.value()

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        try:
            value = float(text)
        except ValueError:
            partial = all(letter in "0123456789.eE+-" for letter in text)
            return (QValidator.State.Intermediate if partial else QValidator.State.Invalid), text, position
        inside = math.isfinite(value) and self.minimum() <= value <= self.maximum()
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, position

    def stepBy(self, steps: int) -> None:
        value = self.value()
        if value == 0.0:
            value = math.copysign(self._smallest, steps)
        else:
            value = float(f"{value * 10 ** (math.copysign(steps, value * steps) / 5):.2g}")
            if abs(value) < self._smallest:
                value = 0.0
        super().setValue(value)  # within the range
        self._commit()

    def sizeHint(self) -> QSize:
        return QSize(88, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(72, super().minimumSizeHint().height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.being_typed:  # takes back what was typed
            super().setValue(self._last)
            self.lineEdit().setText(self.textFromValue(self._last))
            self.lineEdit().setModified(False)
            event.accept()
            return
        super().keyPressEvent(event)

    @property
    def being_typed(self) -> bool:
        """Whether the field holds text that nobody has committed yet."""
        return self.lineEdit().isModified()

    def _commit(self) -> None:
        self.lineEdit().setModified(False)
        if self.value() != self._last:
            self._last = self.value()
            self.committed.emit(self._last)


class _KeyFilter(QObject):
    def __init__(self, widget: QWidget, claims: Callable[[QKeyEvent], bool]) -> None:
        super().__init__(widget)
        self._claims = claims

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self._claims(event):
            event.accept()
            return True
        return False


def claim_keys(widget: QWidget, claims: Callable[[QKeyEvent], bool]) -> None:
    """While ``widget`` has the focus, keys that it ``claims`` are its own, even where the window has a shortcut."""
    widget.installEventFilter(_KeyFilter(widget, claims))


def combo_box(name: str, tip: str = "", accessible: str = "", letters: int = 3) -> QComboBox:
    """A list of choices as wide as its room but for so many letters, which leaves the wheel to its panel."""
    box = named(ComboBox(), name, None, tip, accessible)
    box.setMinimumContentsLength(letters)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def spin_box(
    name: str,
    low: int,
    high: int,
    value: int,
    tip: str = "",
    accessible: str = "",
    unit: str = "",
    scrolled: bool = False,
) -> QSpinBox:
    """A whole number that changes when it has been typed, not while; ``unit`` stands behind it. ``scrolled``: it is in
    a panel to which the wheel belongs."""
    box = named(SpinBox() if scrolled else QSpinBox(), name, None, tip, accessible)
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(unit)
    box.setKeyboardTracking(False)
    return box


def push_button(
    name: str,
    text: str,
    tip: str = "",
    clicked: Callable[[], object] | SignalInstance | None = None,
    primary: bool = False,
) -> QPushButton:
    """A button that calls or emits ``clicked``; ``primary``: the one that a panel is about."""
    button = named(QPushButton(text), name, tip=tip)
    if primary:
        button.setProperty("primary", True)
    if clicked is not None:
        button.clicked.connect(clicked if isinstance(clicked, SignalInstance) else lambda: clicked())
    return button


def label(
    text: str,
    role: str = "",
    name: str = "",
    wrap: bool = False,
    align: Qt.AlignmentFlag | None = None,
    buddy: QWidget | None = None,
) -> QLabel:
    """A label in a role of the style sheet: "muted", "heading", "error", "warning"; ``wrap``: in several lines; it is
    the caption of its ``buddy``. The text is plain, whatever it looks like."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if buddy is not None:
        made.setBuddy(buddy)
    if name:
        made.setObjectName(name)
    if role:
        made.setProperty("role", role)
    if align is not None:
        made.setAlignment(align)
    made.setWordWrap(wrap)
    return made


def leave_drops(widget: QWidget) -> None:
    """Leave what is dropped on the text fields in ``widget`` to the window: a folder of images is meant for it."""
    for field in widget.findChildren(QLineEdit):
        field.setAcceptDrops(False)


def named(widget: W, name: str, text: str | None = None, tip: str = "", accessible: str = "") -> W:
    """``widget`` with its objectName, by which tests and style sheets find it; its text, tooltip, accessible name.

    Actions have all but the last one.
    """
    widget.setObjectName(name)
    if text is not None:
        widget.setProperty("text", text)
    if tip and isinstance(widget, QWidget | QAction):
        widget.setToolTip(tip)
    if accessible and isinstance(widget, QWidget):
        widget.setAccessibleName(accessible)
    return widget


def folder_or_file_menu(button: QWidget, name: str, chosen: Callable[[bool], object], subject: str = "images") -> QMenu:
    """A menu for a ``button`` that asks for images, or another ``subject``, with actions ``name.folder`` and
    ``name.file``; ``chosen`` gets whether a folder is meant."""
    menu = QMenu(button)
    for kind, text, folder in (("folder", f"Folder of {subject}…", True), ("file", f"File of {subject}…", False)):
        action = named(menu.addAction(text), f"{name}.{kind}")
        action.triggered.connect(lambda _=False, folder=folder: chosen(folder))
    return menu


def tool_button(
    name: str,
    text: str,
    tip: str = "",
    accessible: str = "",
    checkable: bool = False,
    words: bool = True,
    drawing: str = "",
) -> QToolButton:
    """A tool button that the Tab key reaches; ``words``: its text stands beside its icon, which is ``drawing``."""
    button = named(QToolButton(), name, text, tip, accessible)
    if drawing:
        button.setIcon(icon(drawing))
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
    button.setToolButtonStyle(beside if words else alone)
    return button


def add_menu(button: QToolButton, entries: Mapping[str, str], chosen: Callable[[str], object]) -> dict[str, QAction]:
    """Let ``button`` open a menu of ``entries`` (name: text); ``chosen`` gets the name of the entry that is chosen."""
    menu, actions = QMenu(button), {}
    menu.setToolTipsVisible(True)
    for name, text in entries.items():
        action = actions[name] = named(menu.addAction(text), f"{button.objectName()}.{name}")
        action.triggered.connect(lambda _=False, name=name: chosen(name))
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return actions


def set_silently(setter: Callable[..., object], *values: object) -> None:
    """Call the ``setter`` of a widget, ``slider.setValue``, without its signals."""
    with QSignalBlocker(setter.__self__):  # pyright: ignore[reportFunctionMemberAccess]
        setter(*values)


def set_choices(box: QComboBox, names: Sequence[str], chosen: str) -> None:
    """Let ``box`` offer ``names``, of which it shows ``chosen``, or the first; without its signals."""
    with QSignalBlocker(box):
        box.clear()
        box.addItems(list(names))
        box.setCurrentIndex(max(0, box.findText(chosen)))


def set_role(widget: QWidget, role: str) -> None:
    """Change the style sheet's role of a widget that is already on screen."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def on_screen(widget: QWidget) -> bool:
    """Whether any of ``widget`` can be seen. Behind another tab of its dock, Qt still calls a widget visible."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()
