"""The probe's coordinates: one slider and one number for each latent dimension."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QWidget

from core.rendering.projection import axis_name
from explorer.widgets.controls import DoubleSpinBox, MarkedSlider, SpinBox, label, named, push_button, set_silently
from explorer.widgets.layouts import Panel, column, row, scrolled

STEPS = 4000
MOST_ROWS = 64
"""Rows at a time: building one takes a millisecond, and nobody reads hundreds."""
MARGIN_SHARE = 0.15  # how far beyond the data's range a slider goes, as a share of that range


class ProbeView(Panel):
    """Sliders over the data's range of each dimension; of more than 64 of them 64 at a time, from a chosen one on.

    On the groove the strong stretch is the 1st to 99th percentile of the data, the strokes its least and greatest
    value. ``value_changed`` carries float32 (d,) at every move, ``released`` follows when the hand lets go.
    """

    value_changed = Signal(object)
    released = Signal()
    center_requested = Signal()
    snap_requested = Signal()

    def __init__(self) -> None:
        super().__init__("probe")
        self._sliders: dict[int, MarkedSlider] = {}  # by dimension, of those that are shown
        self._numbers: dict[int, QDoubleSpinBox] = {}
        self._z = np.zeros(0, np.float32)
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(8, 4, 8, 8)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._scroll = scrolled(self._rows, "probe.scroll")
        self._empty = label("", "muted", "probe.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        tip = "Move the probe to the mean of all samples"
        self._center = push_button("probe.center", "Centre", tip, self.center_requested)
        tip = "Move the probe to the nearest sample and compare its reconstruction with the original"
        self._snap = push_button("probe.snap", "Nearest sample", tip, self.snap_requested)
        self._pages = self._make_pages()
        buttons = row((self._center, 1), (self._snap, 1), spacing=8, margins=(8, 4, 8, 4))
        column(buttons, self._pages, (self._empty, 1), (self._scroll, 1), margins=(0, 4, 0, 0), parent=self)
        self._set_dimensions(0)

    def set_empty(self, text: str) -> None:
        """Why there are no sliders, said as long as there are none."""
        self._empty.setText(text)

    def _make_pages(self) -> QWidget:
        pages = QWidget()
        tip = f"The first of the {MOST_ROWS} latent dimensions whose sliders are shown"
        self._from = named(SpinBox(), "probe.first", None, tip, "First dimension shown")
        self._from.setSingleStep(MOST_ROWS)
        self._from.setKeyboardTracking(False)
        self._from.valueChanged.connect(self._on_page)
        self._to = label("", "muted", "probe.last")
        row(
            label("Dimensions", buddy=self._from),
            self._from,
            (self._to, 1),
            spacing=6,
            margins=(8, 0, 8, 4),
            parent=pages,
        )
        return pages

    # setters

    def set_ranges(self, low: np.ndarray, high: np.ndarray, q01: np.ndarray, q99: np.ndarray) -> None:
        """The data's least and greatest value and 1st and 99th percentile of each dimension, all (d,)."""
        if len(low) != len(self._z):
            self._set_dimensions(len(low))
        self._set_usable(len(low) > 0)
        low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        span = np.where(high > low, high - low, 1.0)
        self._low, self._high = low - MARGIN_SHARE * span, high + MARGIN_SHARE * span
        self._marks = np.stack([q01, q99, low, high])
        self._show_ranges()
        self._show_values()

    def set_values(self, z: np.ndarray) -> None:
        """The probe's place (d,)."""
        z = np.asarray(z, dtype=np.float32)
        if len(z) != len(self._z):
            self._set_dimensions(len(z))
        self._z = z.copy()
        self._show_values()

    def wait(self) -> None:
        """Another latent space is being read: the rows stay, greyed, and most often fit that one, too."""
        self._set_usable(False)

    def clear(self) -> None:
        """No latent space is open."""
        self._set_dimensions(0)

    def values(self) -> np.ndarray:
        """The place on show, float32 (d,)."""
        return self._z.copy()

    # building

    def _set_dimensions(self, dimensions: int) -> None:
        self._z = np.zeros(dimensions, dtype=np.float32)
        self._low, self._high = np.full(dimensions, -3.0), np.full(dimensions, 3.0)
        self._marks = np.zeros((4, 0))
        set_silently(self._from.setRange, 1, max(1, dimensions - MOST_ROWS + 1))
        set_silently(self._from.setValue, 1)
        self._pages.setVisible(dimensions > MOST_ROWS)
        self._build()
        any_row = dimensions > 0
        self._scroll.setVisible(any_row)
        self._empty.setVisible(not any_row)
        self._set_usable(any_row)

    def _set_usable(self, usable: bool) -> None:
        for part in (self._scroll, self._pages, self._center, self._snap):
            part.setEnabled(usable)

    @property
    def _shown(self) -> range:
        """The dimensions that have a row."""
        first = self._from.value() - 1
        return range(first, min(first + MOST_ROWS, len(self._z)))

    def _build(self) -> None:
        """A row for each dimension that is to have one. While there is no dimension, rows wait out of sight: the next
        run may have as many."""
        self._to.setText(f"to {self._shown.stop:,} of {len(self._z):,}")
        if [*self._shown] == [*self._sliders] or not self._shown:
            return
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._sliders, self._numbers = {}, {}
        for place, i in enumerate(self._shown):
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
            for side, widget in enumerate((label(name, buddy=number), slider, number)):
                self._grid.addWidget(widget, place, side)
            self._grid.setRowStretch(place, 0)
            self._sliders[i], self._numbers[i] = slider, number
        self._grid.setRowStretch(len(self._sliders), 1)

    def _show_ranges(self) -> None:
        if not self._marks.size:
            return
        width = self._high - self._low
        for i in self._shown:
            slider = self._sliders[i]
            q01, q99, low, high = self._marks[:, i]
            shares = ((self._marks[:, i] - self._low[i]) / width[i]).tolist()
            slider.set_span((shares[0], shares[1]))
            slider.set_ticks((shares[2], shares[3]))
            slider.setToolTip(f"{axis_name(i)}: samples {low:.3g} to {high:.3g}, 98 % of them {q01:.3g} to {q99:.3g}")
            set_silently(self._numbers[i].setSingleStep, float(f"{width[i] / 100:.1g}"))

    # hands

    def _on_page(self, _: int) -> None:
        self._build()
        self._show_ranges()
        self._show_values()

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
        for i in self._shown:
            set_silently(self._numbers[i].setValue, float(self._z[i]))
            self._show_slider(i)

    def _show_slider(self, i: int) -> None:
        slider = self._sliders[i]
        share = (float(self._z[i]) - self._low[i]) / (self._high[i] - self._low[i])
        place = round(STEPS * min(1.0, max(0.0, share)))
        if not slider.isSliderDown() and place != slider.value():
            set_silently(slider.setValue, place)
            slider.update()


def _number(name: str, axis: str) -> DoubleSpinBox:
    """A field for the coordinate on ``axis``."""
    box = named(DoubleSpinBox(), name, None, f"{axis}, any finite value", axis)
    box.setLocale(QLocale.c())
    box.setDecimals(4)
    box.setRange(-1e6, 1e6)
    box.setKeyboardTracking(False)
    box.setFixedWidth(92)
    return box
