"""The probe's coordinates: one slider and one number for each latent dimension."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QWidget

from core.rendering.projection import axis_name
from explorer.widgets.controls import MarkedSlider, label, leave_wheel, named, push_button, set_silently
from explorer.widgets.layouts import Panel, column, row, scrolled

STEPS = 4000
MARGIN_SHARE = 0.15  # how far beyond the data's range a slider goes, as a share of that range


class ProbeView(Panel):
    """Sliders over the data's range of each dimension.

    On the groove the strong stretch is the 1st to 99th percentile of the data, the strokes its least and greatest
    value. ``value_changed`` carries float32 (d,) at every move, ``released`` follows when the hand lets go.
    """

    value_changed = Signal(object)
    released = Signal()
    center_requested = Signal()
    snap_requested = Signal()

    def __init__(self) -> None:
        super().__init__("probe")
        self._sliders: list[MarkedSlider] = []
        self._numbers: list[QDoubleSpinBox] = []
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(8, 4, 8, 8)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._scroll = scrolled(self._rows, "probe.scroll")
        text = "Open a run to move a probe through its latent space."
        self._empty = label(text, "muted", "probe.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        tip = "Move the probe to the mean of all samples"
        self._center = push_button("probe.center", "Centre", tip, self.center_requested)
        tip = "Move the probe to the nearest sample and compare its reconstruction with the original"
        self._snap = push_button("probe.snap", "Nearest sample", tip, self.snap_requested)
        buttons = row((self._center, 1), (self._snap, 1), spacing=8, margins=(8, 4, 8, 4))
        column(buttons, (self._empty, 1), (self._scroll, 1), margins=(0, 4, 0, 0), parent=self)
        self._build(0)

    # setters

    def set_ranges(self, low: np.ndarray, high: np.ndarray, q01: np.ndarray, q99: np.ndarray) -> None:
        """The data's least and greatest value and 1st and 99th percentile of each dimension, all (d,)."""
        if len(low) != len(self._sliders):
            self._build(len(low))
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        span = np.where(high > low, high - low, 1.0)
        self._low, self._high = low - MARGIN_SHARE * span, high + MARGIN_SHARE * span
        width = self._high - self._low
        for i, slider in enumerate(self._sliders):
            shares = [float((value[i] - self._low[i]) / width[i]) for value in (q01, q99, low, high)]
            slider.set_span((shares[0], shares[1]))
            slider.set_ticks((shares[2], shares[3]))
            slider.setToolTip(
                f"{axis_name(i)}: samples {low[i]:.3g} to {high[i]:.3g}, 98 % of them {q01[i]:.3g} to {q99[i]:.3g}"
            )
            set_silently(self._numbers[i].setSingleStep, float(f"{width[i] / 100:.1g}"))
        self._show_values()

    def set_values(self, z: np.ndarray) -> None:
        """The probe's place (d,)."""
        z = np.asarray(z, dtype=np.float32)
        if len(z) != len(self._sliders):
            self._build(len(z))
        self._z = z.copy()
        self._show_values()

    def clear(self) -> None:
        """No latent space is open."""
        self._build(0)

    def values(self) -> np.ndarray:
        """The place on show, float32 (d,)."""
        return self._z.copy()

    # building

    def _build(self, dimensions: int) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._sliders, self._numbers = [], []
        for i in range(dimensions):
            name = axis_name(i)
            slider = named(MarkedSlider(), f"probe.slider.{i}", accessible=name)
            number = _number(f"probe.value.{i}", name)
            slider.setRange(0, STEPS)
            slider.setSingleStep(STEPS // 200)
            slider.setPageStep(STEPS // 20)
            slider.set_filled(False)
            slider.valueChanged.connect(lambda value, i=i: self._on_slider(i, value))
            slider.sliderReleased.connect(self.released)
            number.valueChanged.connect(lambda value, i=i: self._on_number(i, value))
            for place, widget in enumerate((label(name, buddy=number), slider, number)):
                self._grid.addWidget(widget, i, place)
            self._grid.setRowStretch(i, 0)
            self._sliders.append(slider)
            self._numbers.append(number)
        self._grid.setRowStretch(dimensions, 1)
        self._z = np.zeros(dimensions, dtype=np.float32)
        self._low, self._high = np.full(dimensions, -3.0), np.full(dimensions, 3.0)
        any_row = dimensions > 0
        self._scroll.setVisible(any_row)
        self._empty.setVisible(not any_row)
        self._center.setEnabled(any_row)
        self._snap.setEnabled(any_row)

    # hands

    def _on_slider(self, i: int, value: int) -> None:
        self._z[i] = self._low[i] + value / STEPS * (self._high[i] - self._low[i])
        set_silently(self._numbers[i].setValue, float(self._z[i]))
        self.value_changed.emit(self._z.copy())
        if not self._sliders[i].isSliderDown():  # by key or wheel: there is no release
            self.released.emit()

    def _on_number(self, i: int, value: float) -> None:
        self._z[i] = value
        self._show_slider(i)
        self.value_changed.emit(self._z.copy())
        self.released.emit()

    def _show_values(self) -> None:
        for i, number in enumerate(self._numbers):
            set_silently(number.setValue, float(self._z[i]))
            self._show_slider(i)

    def _show_slider(self, i: int) -> None:
        slider = self._sliders[i]
        share = (float(self._z[i]) - self._low[i]) / (self._high[i] - self._low[i])
        place = round(STEPS * min(1.0, max(0.0, share)))
        if not slider.isSliderDown() and place != slider.value():
            set_silently(slider.setValue, place)
            slider.update()


def _number(name: str, axis: str) -> QDoubleSpinBox:
    """A field for the coordinate on ``axis``."""
    box = leave_wheel(named(QDoubleSpinBox(), name, None, f"{axis}, any finite value", axis))
    box.setLocale(QLocale.c())
    box.setDecimals(4)
    box.setRange(-1e6, 1e6)
    box.setKeyboardTracking(False)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.setFixedWidth(92)
    return box
