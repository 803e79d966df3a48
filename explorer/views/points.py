"""How the samples are drawn in the cloud: colours, size, opacity, and which axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap, QWheelEvent
from PySide6.QtWidgets import QComboBox, QSizePolicy, QToolButton, QWidget

from core.rendering import colormaps
from core.rendering.projection import axis_name
from explorer.widgets import image_conversion
from explorer.widgets.controls import MarkedSlider, add_menu, label, named
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.layouts import column, form, row, scrolled
from explorer.widgets.theme import Themed

SIZES = (1.0, 20.0)  # pixels
_TENTHS = 10


class PointsView(Themed, QWidget):
    """Display choices. ``axes_changed`` carries ("axes", (i, j, k)) or ("pca",)."""

    color_by_changed = Signal(str)
    colormap_changed = Signal(str)
    size_changed = Signal(float)
    opacity_changed = Signal(float)
    axes_changed = Signal(object)
    measure_requested = Signal()
    attributes_file_requested = Signal()
    attributes_cleared = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("points")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # else the window shows through
        self._dimensions = 0
        body = QWidget()
        self._form = form(body, margins=(8, 8, 8, 8))
        self._make_colours()
        self._make_attributes()
        self._make_sliders()
        self._make_axes()
        column(scrolled(body, "points.scroll"), parent=self)
        self.set_latent_dim(3)
        self.set_size(5.0)
        self.set_opacity(1.0)

    def _row(self, text: str, widget: QWidget) -> None:
        caption = label(text)
        caption.setMinimumWidth(72)
        caption.setBuddy(widget)
        caption.setToolTip(widget.toolTip())
        self._form.addRow(caption, widget)

    def _make_colours(self) -> None:
        self._color_by = _Choice("points.color_by", "Which value colours the points")
        self._color_by.setToolTip(f"<p>Which value colours the points. {EXCESS_BCE}</p>")
        self._color_by.setPlaceholderText("open a run first")
        self._color_by.activated.connect(lambda _: self.color_by_changed.emit(self._color_by.currentText()))
        self._map = _Choice("points.colormap", "Colour map; all are safe for colour blindness, twilight is cyclic")
        self._map.setIconSize(QSize(56, 12))
        self._map.addItems(colormaps.NAMES)
        self._map.activated.connect(lambda _: self.colormap_changed.emit(self._map.currentText()))
        self._show_swatches()
        self._row("Colour by", self._color_by)
        self._row("Colours", self._map)

    def _make_attributes(self) -> None:
        self._attributes = named(
            QToolButton(),
            "points.attributes",
            "Add",
            "Values besides the factors: measured on the images, or read from your own file",
            "Attributes of the samples",
        )
        signals = {
            "measure": self.measure_requested,
            "file": self.attributes_file_requested,
            "clear": self.attributes_cleared,
        }
        entries = {"measure": "Measure images…", "file": "Attributes from a file…", "clear": "Remove attributes"}
        actions = add_menu(self._attributes, entries, lambda name: signals[name].emit())
        self._clear_attributes = actions["clear"]
        self._attribute_names = named(ElidedLabel("muted"), "points.attributes.names")
        self._attributes_row = QWidget()
        self._attributes_row.setToolTip(self._attributes.toolTip())
        row((self._attribute_names, 1), self._attributes, spacing=8, parent=self._attributes_row)
        self._row("Attributes", self._attributes_row)
        self.set_attributes([])

    def _make_sliders(self) -> None:
        low, high = SIZES
        self._size = _Slider("points.size", "Diameter of a point in pixels, 1 to 20")
        self._size.slider.setRange(round(low * _TENTHS), round(high * _TENTHS))
        self._size.slider.setSingleStep(5)
        self._size.slider.valueChanged.connect(self._on_size)
        self._opacity = _Slider("points.opacity", "Opacity of the points in percent, 2 to 100")
        self._opacity.slider.setRange(2, 100)
        self._opacity.slider.setSingleStep(2)
        self._opacity.slider.valueChanged.connect(self._on_opacity)
        self._row("Size", self._size)
        self._row("Opacity", self._opacity)

    def _make_axes(self) -> None:
        self._kind = _Choice("points.axes", "Which three directions of latent space are drawn")
        self._kind.addItem("Dimensions", "axes")
        self._kind.addItem("Principal components", "pca")
        self._kind.activated.connect(lambda _: self._on_axes())
        self._three = QWidget()
        self._three.setToolTip("Latent dimensions on the axes; μ: mean of the encoder's distribution")
        self._axes = [
            _Choice(f"points.axis.{n}", f"Latent dimension on axis {'xyz'[n]}; μ: mean of the encoder's distribution")
            for n in range(3)
        ]
        for number, box in enumerate(self._axes):
            box.activated.connect(lambda _, number=number: self._on_axis(number))
            box.setMinimumContentsLength(1)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row(*((box, 1) for box in self._axes), spacing=4, parent=self._three)
        self._row("Axes", self._kind)
        self._row("x, y, z", self._three)

    # setters

    def set_color_options(self, names: list[str]) -> None:
        """What the points can be coloured by; the choice is kept if it is still there."""
        before = self._color_by.currentText()
        with QSignalBlocker(self._color_by):
            self._color_by.clear()
            self._color_by.addItems(names)
            self._color_by.setCurrentIndex(max(0, self._color_by.findText(before)) if names else -1)
        self._color_by.setEnabled(bool(names))

    def set_color_by(self, name: str) -> None:
        """Show that ``name`` colours the points."""
        with QSignalBlocker(self._color_by):
            self._color_by.setCurrentIndex(self._color_by.findText(name))

    def set_classes(self, classes: bool) -> None:
        """Whether classes colour the points: these have colours of their own, and no map."""
        self._map.setEnabled(not classes)

    def set_attributes(self, names: Sequence[str]) -> None:
        """What is known of the samples beside their factors."""
        self._attribute_names.setText(", ".join(names) or "none")
        self._clear_attributes.setEnabled(bool(names))

    def set_size(self, size: float) -> None:
        """Diameter of a point in pixels."""
        with QSignalBlocker(self._size.slider):
            self._size.slider.setValue(round(size * _TENTHS))
        self._size.text.setText(f"{size:.1f} px")

    def set_opacity(self, opacity: float) -> None:
        """0 to 1."""
        with QSignalBlocker(self._opacity.slider):
            self._opacity.slider.setValue(round(opacity * 100))
        self._opacity.text.setText(f"{round(opacity * 100)} %")

    def set_latent_dim(self, dimensions: int) -> None:
        """Number of latent dimensions d; axes are chosen only where there are more than three."""
        if dimensions != self._dimensions:
            self._dimensions = dimensions
            for number, box in enumerate(self._axes):
                with QSignalBlocker(box):
                    box.clear()
                    for i in range(dimensions):
                        box.addItem(axis_name(i), i)
                    box.setCurrentIndex(min(number, dimensions - 1))
        self._show_axes()

    def set_axes(self, choice: tuple) -> None:
        """("axes", (i, j, k)) or ("pca",)."""
        with QSignalBlocker(self._kind):
            self._kind.setCurrentIndex(self._kind.findData(choice[0]))
        if choice[0] == "axes":
            for box, dimension in zip(self._axes, choice[1], strict=False):
                with QSignalBlocker(box):
                    box.setCurrentIndex(dimension)
        self._show_axes()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show_swatches()

    def _show_swatches(self) -> None:
        """The colour maps as they are on the theme's ground."""
        for place, name in enumerate(colormaps.NAMES):
            self._map.setItemIcon(place, _swatch(name, self._theme.plot))

    # hands

    def _on_size(self, value: int) -> None:
        self._size.text.setText(f"{value / _TENTHS:.1f} px")
        self.size_changed.emit(value / _TENTHS)

    def _on_opacity(self, value: int) -> None:
        self._opacity.text.setText(f"{value} %")
        self.opacity_changed.emit(value / 100)

    def _on_axis(self, number: int) -> None:
        """No dimension on two axes: the other one takes what this one had."""
        chosen = [box.currentIndex() for box in self._axes]
        missing = next((i for i in range(self._dimensions) if i not in chosen), None)
        for other, box in enumerate(self._axes):
            if other != number and chosen[other] == chosen[number] and missing is not None:
                with QSignalBlocker(box):
                    box.setCurrentIndex(missing)
        self._on_axes()

    def _on_axes(self) -> None:
        self._show_axes()
        if self._kind.currentData() == "pca":
            self.axes_changed.emit(("pca",))
        else:
            self.axes_changed.emit(("axes", tuple(box.currentIndex() for box in self._axes)))

    def _show_axes(self) -> None:
        many = self._dimensions > 3
        self._form.setRowVisible(self._kind, many)
        self._form.setRowVisible(self._three, many and self._kind.currentData() == "axes")


class _Choice(QComboBox):
    """A combo box that lets the panel scroll under the mouse."""

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        named(self, name, None, tip, tip)
        self.setMinimumContentsLength(3)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class _Slider(QWidget):
    """A slider with its value in words beside it."""

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self.slider = named(MarkedSlider(), name, None, tip, tip)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self.text = label("", "muted", f"{name}.text", align=right)
        self.text.setFixedWidth(52)
        self.setToolTip(tip)  # of the number, too
        row((self.slider, 1), self.text, spacing=4, parent=self)


def _swatch(name: str, ground: str) -> QIcon:
    strip = np.ascontiguousarray(np.broadcast_to(colormaps.lut(name, ground)[None, ::2, :3], (24, 128, 3)))
    image: QImage = image_conversion.to_image(strip)
    return QIcon(QPixmap.fromImage(image.scaled(112, 24)))
