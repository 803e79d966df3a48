"""The parameter plane with its toolbar, its read-out and the images at the cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from explorer.views.parameters.gestures import Tool
from explorer.views.parameters.plane import ParameterPlane
from explorer.views.parameters.scene import Hole
from explorer.views.parameters.toolbar import PlaneToolbar
from explorer.widgets import image_conversion
from explorer.widgets.controls import label, named, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE, ImageRow, Picture, difference_picture
from explorer.widgets.theme import DARK, Theme

WIDE = 1.35  # width over height from which the images stand beside the plane, not below
IMAGES_SHARE = 0.5  # of the width that the images may take
SSIM = "SSIM: structural similarity of the two images (Wang et al. 2004); 1 for identical images."
NO_IMAGES = "Drag over the plane: the true image there appears here, beside the model's reconstruction."


class ParametersView(QWidget):
    """Shows the plane of two factors and what a hand does there. It starts nothing itself.

    ``hole_toggled`` asks for a hole to be cut, or not, for the next training; ``shown`` follows when the plane has
    become visible.
    """

    cursor_moved = Signal(float, float)
    cursor_released = Signal()
    hovered = Signal(int)
    picked = Signal(object, bool)
    sample_clicked = Signal(int)
    hole_moved = Signal(float, float, float)
    hole_released = Signal()
    hole_toggled = Signal(bool)
    axes_changed = Signal(int, int)
    stroke_drawn = Signal(object)
    shown = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("parameters")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # else the window shows through
        self.setMinimumSize(360, 150)
        self._theme = DARK
        self._chosen = (0, 1)  # the factors on the axes
        self.plane = ParameterPlane()
        self.images = ImageRow("parameters.images", NO_IMAGES, smallest=48, preferred=120, lines=2)
        self.images.setAccessibleName("Images at the cursor")
        self._toolbar = PlaneToolbar()
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._make_body())
        self._empty = label("", "muted", "parameters.empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(24, 8, 24, 8)
        self._stack.addWidget(self._empty)
        self._connect()
        self.set_theme(DARK)
        self.set_hole(0.0, 0.0, None, False, "")

    def _make_body(self) -> QWidget:
        body = QWidget()
        row = QHBoxLayout(body)
        row.setContentsMargins(6, 4, 8, 4)
        row.setSpacing(6)
        row.addWidget(self._toolbar)
        column = QVBoxLayout()
        column.setSpacing(2)
        column.addLayout(self._make_head())
        self._split = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._split.setSpacing(8)
        self._split.addWidget(self.plane, 1)
        self._split.addWidget(self.images)
        column.addLayout(self._split, 1)
        row.addLayout(column, 1)
        return body

    def _make_head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(8)
        self._axes = named(QWidget(), "parameters.axes")
        choices = QHBoxLayout(self._axes)
        choices.setContentsMargins(0, 0, 0, 0)
        choices.setSpacing(4)
        self._boxes = []
        for name, text in (("x", "x axis"), ("y", "y axis")):
            box = named(QComboBox(), f"parameters.axis.{name}")
            box.setToolTip(f"Factor on the {text}")
            box.setAccessibleName(f"{text}: factor")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(7)
            caption = label(text, "muted")
            caption.setBuddy(box)
            choices.addWidget(caption)
            choices.addWidget(box)
            self._boxes.append(box)
        self._readout = named(ElidedLabel(), "parameters.readout")
        self._note = named(ElidedLabel(), "parameters.note")
        self._note.setProperty("role", "muted")
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self._axes)
        head.addWidget(self._readout, 1)
        head.addWidget(self._note, 1)
        self._head = head
        self._axes.hide()
        return head

    def _connect(self) -> None:
        for name in (
            "cursor_moved",
            "cursor_released",
            "hovered",
            "picked",
            "sample_clicked",
            "hole_moved",
            "hole_released",
            "stroke_drawn",
        ):
            getattr(self.plane, name).connect(getattr(self, name))
        self._toolbar.tool_chosen.connect(lambda name: self.plane.set_tool(Tool(name)))
        self._toolbar.hole_toggled.connect(self.hole_toggled)
        self._toolbar.home_requested.connect(self.plane.reset)
        for box in self._boxes:
            box.activated.connect(lambda _: self._on_axes())

    def _on_axes(self) -> None:
        """A factor was put on an axis; one that is on the other axis already changes places with it."""
        x, y = (box.currentIndex() for box in self._boxes)
        if x == y:
            before_x, before_y = self._chosen
            x, y = (x, before_x) if x != before_x else (before_y, y)
        self.axes_changed.emit(x, y)

    # setters

    def set_samples(self, xy: np.ndarray, split: np.ndarray) -> None:
        """The samples' places, float32 (n, 2), and their ``split`` uint8 (n,), 1 for validation."""
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
        before = (frame.low, frame.high)
        fresh = type(frame)()
        fresh.set_bounds(low, high)
        if not (np.array_equal(before[0], fresh.low) and np.array_equal(before[1], fresh.high)):
            frame.set_bounds(low, high)
            self.plane.redraw()

    def set_hole(
        self, a: float, b: float, radius: float | None, editable: bool, note: str, wrong: bool = False
    ) -> None:
        """The hole's circle, None: no hole; with handles if ``editable``. ``note`` is about it, in red if ``wrong``."""
        scene = self.plane.scene
        scene.hole = None if radius is None else Hole(a, b, radius)
        scene.hole_editable = editable
        self._toolbar.set_hole(radius is not None, editable)
        self._note.setText(note)
        self._note.setToolTip(note)
        set_role(self._note, "error" if wrong else "muted")
        self._fit_head()
        self.plane.update()

    def set_hole_possible(self, possible: bool) -> None:
        """Whether the data on show are of the kind that can have a hole; else there is no button for one."""
        self._toolbar.hole.setVisible(possible)

    def set_run_hole(self, hole: tuple[float, float, float] | None) -> None:
        """The open run's hole (a, b, radius) where it differs from the one that is shown; dashed."""
        self.plane.scene.run_hole = None if hole is None else Hole(*hole)
        self.plane.update()

    def set_cursor(self, xy: tuple[float, float] | None) -> None:
        """Put the cross-hair there."""
        self.plane.scene.cursor = xy
        self.plane.update()
        self._show_readout()

    def set_selected(self, index: int | None) -> None:
        """Ring the chosen sample."""
        self.plane.scene.selected = index
        self.plane.update()

    def set_highlight(self, indices: np.ndarray | None) -> None:
        """Draw these samples on top of the others."""
        self.plane.scene.highlight = indices
        self.plane.redraw()

    def set_hovered(self, index: int | None) -> None:
        """Ring the sample that is under the mouse, wherever the mouse is."""
        scene = self.plane.scene
        index = index if index is not None and 0 <= index < len(scene.xy) else None
        if index != scene.hovered:
            scene.hovered = index
            self.plane.update()
            self._show_readout()

    def set_transects(self, transects: list[tuple[str, np.ndarray]], chosen: int | None) -> None:
        """Lines through the plane: names with points float64 (n, 2), and the one that is thick."""
        self.plane.scene.transects = [(name, np.asarray(points, dtype=np.float64)) for name, points in transects]
        self.plane.scene.chosen = chosen
        self.plane.update()

    def set_transect_position(self, position: int | None) -> None:
        """The point of the chosen transect that is shown."""
        self.plane.scene.position = position
        self.plane.update()

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

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        for part in (self.plane, self.images, self._toolbar):
            part.set_theme(theme)

    @property
    def tool(self) -> Tool:
        """What the left button does."""
        return self._toolbar.tool

    def set_tool(self, tool: Tool) -> None:
        """Choose what the left button does."""
        self._toolbar.set_tool(tool)
        self.plane.set_tool(tool)

    @property
    def note(self) -> str:
        """The line about the hole."""
        return self._note.text()

    # showing

    def _show_readout(self) -> None:
        """The place of the hovered sample, or else of the cursor."""
        scene = self.plane.scene
        place, what = scene.cursor, ""
        if scene.hovered is not None:
            place, what = scene.xy[scene.hovered].tolist(), "sample at "
        values = list(zip(scene.names, place, strict=True)) if place is not None else []
        text = what + " · ".join(f"{name} = {value:.3f}" for name, value in values)
        self._readout.set_texts(text, ", ".join(f"{value:.3f}" for _, value in values))
        self._readout.setToolTip(text)
        self._fit_head()

    def _fit_head(self) -> None:
        """Share the line among read-out and note as their texts need it, in coarse steps so that nothing trembles."""
        for part in (self._readout, self._note):
            self._head.setStretchFactor(part, part.sizeHint().width() // 24 + 1)
        self._note.setVisible(bool(self._note.text()))

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
        super().showEvent(event)
        self._arrange()
        self.shown.emit()

    def event(self, event: QEvent) -> bool:
        """Escape leaves a tool for the cursor before it means anything to the window."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self.tool is not Tool.CURSOR:
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self.set_tool(Tool.CURSOR)
                return True
        return super().event(event)
