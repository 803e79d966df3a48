"""The parameter plane with its toolbar, its read-out and the images at the cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QStackedLayout,
    QToolButton,
    QWidget,
)

from explorer.views.parameters.plane import ParameterPlane, Tool
from explorer.views.parameters.scene import Hole, PlaneFrame
from explorer.widgets import image_conversion
from explorer.widgets.controls import label, named, set_role, tool_button
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE, ImageRow, Picture, difference_picture
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.plain_text import plain_tip

WIDE = 1.35  # width over height from which the images stand beside the plane, not below
IMAGES_SHARE = 0.5  # of the width that the images may take
SSIM = "SSIM: structural similarity of the two images (Wang et al. 2004); 1 for identical images."
NO_IMAGES = "Drag over the plane: the true image there appears here, beside the model's reconstruction."
TOOLS = {  # icon, name, tooltip
    Tool.CURSOR: (
        "probe",
        "Cursor",
        "Drag the cursor, click a sample, drag the hole by its handles (Ctrl: exact position)",
    ),
    Tool.SELECT: ("select", "Select", "Drag a rectangle to select samples (Shift adds)"),
    Tool.STRAIGHT: ("straight", "Straight transect", "Drag a straight transect (Shift: along an axis)"),
    Tool.DRAW: ("draw", "Freehand transect", "Draw a transect, freehand"),
}


class ParametersView(Panel):
    """Shows the plane of two factors; the signals of ``plane`` report what a hand does there. It starts nothing itself.

    ``hole_toggled`` asks for a hole to be cut, or not, for the next training; ``shown`` follows when the plane has
    become visible.
    """

    hole_toggled = Signal(bool)
    axes_changed = Signal(int, int)

    def __init__(self) -> None:
        super().__init__("parameters")
        self.setMinimumSize(360, 150)
        self._chosen = (0, 1)  # the factors on the axes
        self.plane = ParameterPlane()
        self.images = ImageRow("parameters.images", NO_IMAGES, smallest=48, preferred=120, lines=2)
        self.images.setAccessibleName("Images at the cursor")
        self._empty = label("", "muted", "parameters.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(24, 8, 24, 8)
        self._split = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._split.setSpacing(8)
        self._split.addWidget(self.plane, 1)
        self._split.addWidget(self.images)
        body = QWidget()
        right = column(self._make_head(), (self._split, 1), spacing=2)
        row(self._make_toolbar(), (right, 1), spacing=6, margins=(6, 4, 8, 4), parent=body)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(body)
        self._stack.addWidget(self._empty)
        self.set_hole(0.0, 0.0, None, False, "")

    def _make_toolbar(self) -> QWidget:
        """A column of buttons, so that a low dock keeps its height for the plane."""
        group = QButtonGroup(self)
        self._tools: dict[Tool, QToolButton] = {}
        for tool, (drawing, text, tip) in TOOLS.items():
            button = self._tools[tool] = _button(tool.value, text, tip, drawing, checkable=True)
            button.clicked.connect(lambda _=False, tool=tool: self.plane.set_tool(tool))
            group.addButton(button)
        self._tools[Tool.CURSOR].setChecked(True)
        self._hole = _button("hole", "Hole", "", "hole", checkable=True)
        self._hole.clicked.connect(self.hole_toggled)
        self._home = _button("home", "Whole plane", "Show the whole plane (double-click)", "home")
        self._home.clicked.connect(self.plane.reset)
        toolbar = named(QWidget(), "parameters.toolbar")
        buttons = column(*self._tools.values(), self._hole, self._home, 1, spacing=1, parent=toolbar)
        buttons.insertSpacing(len(self._tools), 5)
        return toolbar

    def _make_head(self) -> QHBoxLayout:
        self._boxes: list[QComboBox] = []
        choices: list[QWidget] = []
        for name, text in (("x", "x axis"), ("y", "y axis")):
            box = named(QComboBox(), f"parameters.axis.{name}", None, f"Factor on the {text}", f"{text}: factor")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(7)
            box.activated.connect(self._on_axes)
            choices += [label(text, "muted", buddy=box), box]
            self._boxes.append(box)
        self._axes = named(QWidget(), "parameters.axes")
        row(*choices, spacing=4, parent=self._axes)
        self._axes.hide()
        self._readout = named(ElidedLabel(alone=True), "parameters.readout")
        self.note = named(ElidedLabel("muted"), "parameters.note")
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._head = row(self._axes, (self._readout, 1), (self.note, 1), spacing=8)
        return self._head

    def _on_axes(self) -> None:
        """A factor was put on an axis; one that is on the other axis already changes places with it."""
        x, y = (box.currentIndex() for box in self._boxes)
        if x == y:
            before_x, before_y = self._chosen
            x, y = (x, before_x) if x != before_x else (before_y, y)
        self.axes_changed.emit(x, y)

    # setters

    def set_samples(self, xy: np.ndarray, split: np.ndarray) -> None:
        """The samples' places, float32 (n, 2), and their ``split`` uint8 (n,), see ``scene.PlaneScene``."""
        if xy.ndim != 2 or xy.shape[1] != 2 or len(split) != len(xy):
            raise ValueError(f"xy has shape {xy.shape}, split {split.shape}; wanted are (n, 2) and (n,).")
        scene = self.plane.scene
        scene.xy, scene.split = np.ascontiguousarray(xy, dtype=np.float32), np.asarray(split)
        scene.hovered = None
        self.plane.redraw()

    def set_colors(self, rgba: np.ndarray | None) -> None:
        """One colour a sample, uint8 (n, 4); None: all alike."""
        before = self.plane.scene.colors
        if before is None or rgba is None or not np.array_equal(before, rgba):
            self.plane.scene.colors = rgba
            self.plane.redraw()

    def set_names(self, x: str, y: str) -> None:
        """What the axes are called."""
        self.plane.scene.names = (x, y)
        self.plane.update()
        self._show_readout()

    def set_classes(self, x: tuple[str, ...], y: tuple[str, ...]) -> None:
        """The names of the places 0, 1, … on either axis, where classes are on it."""
        self.plane.scene.frame.classes = (x, y)
        self.plane.redraw()
        self._show_readout()

    def set_factors(self, names: Sequence[str], chosen: tuple[int, int] = (0, 1)) -> None:
        """The factors that can be put on the axes, and the two that are; none: the axes are fixed."""
        self._chosen = chosen
        for box, index in zip(self._boxes, chosen, strict=True):
            with QSignalBlocker(box):
                if [box.itemText(item) for item in range(box.count())] != list(names):
                    box.clear()
                    box.addItems(list(names))
                box.setCurrentIndex(index if names else -1)
        self._axes.setVisible(bool(names))

    def set_bounds(self, low: np.ndarray, high: np.ndarray) -> None:
        """The corners (2,) of the plane. Shows all of it if they have changed."""
        frame = self.plane.scene.frame
        fresh = PlaneFrame()
        fresh.set_bounds(low, high)
        if not (np.array_equal(frame.low, fresh.low) and np.array_equal(frame.high, fresh.high)):
            frame.set_bounds(low, high)
            self.plane.redraw()

    def set_hole(
        self, a: float, b: float, radius: float | None, editable: bool, note: str, wrong: bool = False
    ) -> None:
        """The hole's circle, None: no hole; with handles if ``editable``. ``note`` is about it, in red if ``wrong``."""
        scene = self.plane.scene
        scene.hole = None if radius is None else Hole(a, b, radius)
        scene.hole_editable = editable
        self._hole.setChecked(radius is not None)
        self._hole.setEnabled(editable)
        if not editable:
            tip = "The hole can be changed only while no training runs, and only for polar curves"
        elif radius is not None:
            tip = "The next training leaves out the samples in the hole"
        else:
            tip = "Cut a hole into the next training's data"
        self._hole.setToolTip(plain_tip(tip))
        self.note.setText(note)
        self.note.setToolTip(plain_tip(note))
        set_role(self.note, "error" if wrong else "muted")
        self._fit_head()
        self.plane.update()

    def set_hole_possible(self, possible: bool) -> None:
        """Whether the data on show are of the kind that can have a hole; else there is no button for one."""
        self._hole.setVisible(possible)

    def set_cursor(self, xy: tuple[float, float] | None) -> None:
        """Put the cross-hair there."""
        if xy != self.plane.scene.cursor:
            self.plane.scene.cursor = xy
            self.plane.update()
            self._show_readout()

    def set_hovered(self, index: int | None) -> None:
        """Ring the sample that is under the mouse, wherever the mouse is."""
        scene = self.plane.scene
        index = index if index is not None and 0 <= index < len(scene.xy) else None
        if index != scene.hovered:
            scene.hovered = index
            self.plane.update()
            self._show_readout()

    def set_images(self, original: np.ndarray | None, reconstruction: np.ndarray | None, caption: str) -> None:
        """Truth and reconstruction at the cursor, uint8 (H, W, C), and what is known of them; None: the empty state."""
        if original is None or reconstruction is None:
            self.images.set_pictures((), caption)
            return
        pictures = (
            Picture(image_conversion.to_image(original), (("true image", "true"),), tooltip="The true image"),
            Picture(
                image_conversion.to_image(reconstruction),
                (("reconstruction", "reconstr.", "rec."),),
                tooltip=f"The true image encoded and decoded by the model. {EXCESS_BCE} {SSIM}",
            ),
            difference_picture(original, reconstruction, "Reconstruction − true image"),
        )
        self.images.set_pictures(pictures, caption)

    def set_empty(self, text: str) -> None:
        """Why there is no plane, and what to do; empty: there is one."""
        self._empty.setText(text)
        self._stack.setCurrentIndex(1 if text else 0)

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does."""
        self._tools[tool].setChecked(True)
        self.plane.set_tool(tool)

    # showing

    def _show_readout(self) -> None:
        """The place of the hovered sample, or else of the cursor."""
        scene = self.plane.scene
        place, what = scene.cursor, ""
        if scene.hovered is not None:
            place, what = scene.xy[scene.hovered].tolist(), "sample at "
        values = list(zip(scene.names, place, strict=True)) if place is not None else []
        said = [scene.frame.text(axis, value) for axis, (_, value) in enumerate(values)]
        text = what + " · ".join(f"{name} = {value}" for (name, _), value in zip(values, said, strict=True))
        self._readout.set_texts(text, ", ".join(said))
        self._readout.setToolTip(plain_tip(text))
        self._fit_head()

    def _fit_head(self) -> None:
        """Share the line among read-out and note as their texts need it, in coarse steps so that nothing trembles."""
        for part in (self._readout, self.note):
            stretch = part.sizeHint().width() // 24 + 1
            if stretch != self._head.stretch(self._head.indexOf(part)):  # Qt would arrange the whole window anew
                self._head.setStretchFactor(part, stretch)
        self.note.setVisible(bool(self.note.text()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        """Images beside the plane where there is width, below it where there is height."""
        wide = self.width() >= WIDE * self.height()
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._split.direction() != direction:
            self._split.setDirection(direction)
        room, texts = self.width() - 54, self.images.text_height
        if wide:
            side = min(self.height() - 32 - texts, round(room * IMAGES_SHARE / 3))
        else:
            side = min(room // 3, round(self.height() * 0.45) - texts)
        self.images.set_preferred(max(0, side))

    def showEvent(self, event: QShowEvent) -> None:
        self._arrange()
        super().showEvent(event)

    def event(self, event: QEvent) -> bool:
        """Escape leaves a tool for the cursor before it means anything to the window."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self.plane.tool is not Tool.CURSOR:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self.set_tool(Tool.CURSOR)
                return True
        return super().event(event)


def _button(name: str, text: str, tip: str, drawing: str, checkable: bool = False) -> QToolButton:
    button = tool_button(f"parameters.{name}", text, tip, text, checkable, words=False, drawing=drawing)
    button.setIconSize(QSize(16, 16))
    button.setFixedSize(26, 24)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
