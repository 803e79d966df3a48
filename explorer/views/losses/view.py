"""The losses panel: a check box for each curve, scale and smoothing, and the plot under them."""

from __future__ import annotations

import math
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QStackedLayout, QToolButton, QWidget

from core.protocol.figures import LossesFigure
from explorer.views.losses.data import CURVES, X_AXES, LossData, PlotSettings
from explorer.widgets.controls import MarkedSlider, label, named
from explorer.widgets.icons import icon
from explorer.widgets.layouts import FlowLayout, Panel, column, row

if TYPE_CHECKING:
    from explorer.views.losses.plot import LossPlot

_LABELS = {  # what the check box says, and what the curve is
    "loss": ("Total", "Total loss: reconstruction + β · KL + γ · entanglement; mean over the batch"),
    "reconstruction": ("Recon.", "Reconstruction term: error of the decoded images, mean over pixels and batch"),
    "kl": ("KL", "KL divergence of the encoder's distribution from the prior, before weighting by β; right-hand axis"),
    "entanglement": (
        "Entangl.",
        "Penalty on latent dimensions that vary together, before weighting by γ; right-hand axis",
    ),
    "validation": ("Validation", "Total loss on the validation images, after each epoch"),
}
_MAX_SMOOTHING = 0.999
LONG_S, REST = 0.015, 20.0
"""After drawing that has taken so long, nothing is drawn for so many times as long."""


class LossesView(Panel):
    """Curves named ``loss``, ``reconstruction``, ``kl``, ``entanglement`` and ``validation``, from metrics records.

    ``append`` only stores; ``redraw``, called by the program's clock, draws what has changed.
    """

    def __init__(self) -> None:
        super().__init__("losses")
        self._data, self._dirty = LossData(), False
        self._rests_until = 0.0  # by the monotonic clock
        self._undrawn = False  # records have come that are to be drawn with those that follow
        self.settings = PlotSettings()  # how the curves are drawn now
        self.plot: LossPlot | None = None  # made when there is something to draw: see its module
        self._empty = label("", "muted", "losses.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._empty)
        column(self._make_controls(), (self._stack, 1), spacing=4, margins=(8, 6, 8, 4), parent=self)
        self._show_zoom()

    def _make_controls(self) -> FlowLayout:
        self._checks: dict[str, QCheckBox] = {}
        for name in CURVES:
            text, meaning = _LABELS[name]
            box = self._checks[name] = named(QCheckBox(text), f"losses.show.{name}", None, meaning, meaning)
            box.setChecked(True)
            box.toggled.connect(lambda on, name=name: self._on_shown(name, on))
        self._log = named(QCheckBox("Log"), "losses.log", tip="Logarithmic loss axes")
        self._log.setChecked(self.settings.log)
        self._log.toggled.connect(self._on_log)
        tip = "Weight of earlier values in the moving average, 0 (raw values) to 0.999"
        self._smoothing = named(MarkedSlider(), "losses.smoothing", None, tip)
        self._smoothing.setFixedWidth(76)
        self._smoothing.setRange(0, 1000)
        self._smoothing.setValue(_to_slider(self.settings.smoothing))
        self._smoothing.valueChanged.connect(self._on_smoothing)
        self._weight = label(f"{self.settings.smoothing:.3f}", "muted", "losses.smoothing.value")
        self._weight.setMinimumWidth(36)
        self._axis = named(QComboBox(), "losses.axis", tip="Quantity on the horizontal axis")
        self._axis.addItems([f"by {name}" for name in X_AXES])
        self._axis.activated.connect(self._on_axis)
        tip = "Show all: reset the zoom (double-click in the plot)"
        self._reset = named(QToolButton(), "losses.reset", "Show all", tip)
        self._reset.setIcon(icon("home"))
        self._reset.clicked.connect(self._reset_zoom)
        smoothing, axis = QWidget(), QWidget()
        row(label("Smooth", buddy=self._smoothing), self._smoothing, self._weight, spacing=6, parent=smoothing)
        row(self._axis, self._reset, spacing=6, parent=axis)
        flow = FlowLayout()
        for widget in (*self._checks.values(), self._log, smoothing, axis):
            flow.addWidget(widget)
        return flow

    # setters

    def append(self, records: list[dict[str, Any]], more: bool = False) -> None:
        """Store records of ``metrics.jsonl``: "step" and "epoch" give curves, changed hyperparameters give marks.
        ``more`` are about to come: they are drawn together."""
        self._data.append(records)
        self._undrawn = self._undrawn or bool(records)
        self._dirty = self._dirty or (self._undrawn and not more)

    def clear(self) -> None:
        """Forget the run; the settings stay."""
        self._data.clear()
        self._rests_until = 0.0
        if self.plot is not None:
            self.plot.reset_zoom()
        self._dirty = True

    def set_empty(self, text: str) -> None:
        """What is needed for there to be curves."""
        self._empty.setText(text)

    @property
    def has_curves(self) -> bool:
        """Whether there is anything to draw."""
        return len(self._data) > 0

    def figure(self, title: str) -> LossesFigure | None:
        """The curves as they are drawn now; None without any."""
        if self.plot is None or self._dirty:
            self._dirty = False
            self._refresh()
        return self.plot.figure(title) if self.plot is not None and self.has_curves else None

    def redraw(self) -> None:
        """Draw what has changed since the last call; costs nothing if nothing has. Curves of some 100,000 steps, which
        take long, are drawn the less often: the program has the rest of the time."""
        if self._dirty and self.isVisible() and monotonic() >= self._rests_until:
            self._dirty = self._undrawn = False
            drawn_before, begun = self.plot is not None, thread_time()  # its import takes long but once
            self._refresh()
            took = thread_time() - begun
            if drawn_before and took > LONG_S:
                self._rests_until = monotonic() + REST * took

    def _refresh(self) -> None:
        if self.plot is None and self.has_curves:
            from explorer.views.losses.plot import LossPlot

            self.plot = LossPlot(self._data, self.settings)
            self.plot.zoom_changed.connect(self._show_zoom)
            self._stack.addWidget(self.plot)
        elif self.plot is not None:
            self.plot.refresh()
        self._stack.setCurrentIndex(1 if self.has_curves else 0)

    # gestures

    def _on_shown(self, name: str, on: bool) -> None:
        (self.settings.shown.add if on else self.settings.shown.discard)(name)
        self._apply()

    def _on_log(self, on: bool) -> None:
        self.settings.log = on
        self._apply(rescale=True)

    def _on_smoothing(self, value: int) -> None:
        self.settings.smoothing = _from_slider(value)
        self._weight.setText(f"{self.settings.smoothing:.3f}")
        self._dirty, self._rests_until = True, 0.0  # a drag brings more values than pictures

    def _on_axis(self, place: int) -> None:
        self.settings.axis = X_AXES[place]
        self._apply(rescale=True)

    def _apply(self, rescale: bool = False) -> None:
        """Draw with the changed settings; a zoom is left where the axes are no longer the same."""
        self._refresh()
        if rescale:
            self._reset_zoom()

    def _reset_zoom(self) -> None:
        if self.plot is not None:
            self.plot.reset_zoom()

    def _show_zoom(self) -> None:
        self._reset.setVisible(self.plot is not None and self.plot.zoomed)


def _from_slider(value: int) -> float:
    """0 to 1000 becomes 0 to 0.999, finer towards the end, where it matters."""
    return min(_MAX_SMOOTHING, round(1.0 - 10.0 ** (-3.0 * value / 1000), 3))


def _to_slider(weight: float) -> int:
    return round(-1000.0 / 3.0 * math.log10(1.0 - min(weight, _MAX_SMOOTHING)))
