"""The transect panel: which transect, how many points, its picture, and its export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QWidget

from explorer.views.transect.picture import TransectPicture
from explorer.widgets.controls import add_menu, label, named, set_choices, set_silently, spin_box, tool_button
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.plain_text import plain_tip

if TYPE_CHECKING:
    from core.analysis.transect import MeasuredTransect

FORMATS = {
    "png": "PNG picture…",
    "svg": "SVG picture…",
    "csv": "Measurements (CSV)…",
    "npz": "All arrays (NPZ)…",
}
SIDE_WIDTH = 150
LEAST_POINTS, MOST_POINTS = 2, 200


class TransectView(Panel):
    """Shows one of several transects. Setters are silent; signals, those of ``picture`` too, report what a hand did."""

    transect_chosen = Signal(int)
    points_changed = Signal(int)
    removed = Signal(int)
    export_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__("transect")
        self._removable = False
        self.picture = TransectPicture()
        row(self._make_side(), (self.picture, 1), spacing=8, margins=(8, 6, 8, 6), parent=self)
        self.set_transects([], None)

    def _make_side(self) -> QWidget:
        self._choice = named(
            QComboBox(),
            "transect.choice",
            tip="The line through the parameter plane; draw more in the Parameters panel",
            accessible="Transect",
        )
        self._choice.activated.connect(self.transect_chosen)
        self._remove = tool_button("transect.remove", "Remove", words=False, drawing="trash")
        self._remove.clicked.connect(self._on_remove)
        limits, words = (LEAST_POINTS, MOST_POINTS, 15), "Points along the transect"
        tip = f"{words}, {LEAST_POINTS} to {MOST_POINTS}, equally spaced"
        self._points = spin_box("transect.points", *limits, tip, words, " points")
        self._points.valueChanged.connect(self.points_changed)
        self._log = named(QCheckBox("Log"), "transect.log", tip="Show the excess BCE on a logarithmic scale")
        self._log.setChecked(True)
        self._log.toggled.connect(self._on_log)
        tip = "Save the picture or the numbers of this transect to a file"
        self._export = tool_button("transect.export", "Export", tip, drawing="export")
        add_menu(self._export, FORMATS, self.export_requested.emit)
        top_left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        self._summary = label("", "muted", "transect.summary", wrap=True, align=top_left)
        side = named(QWidget(), "transect.side")
        side.setFixedWidth(SIDE_WIDTH)
        choice = row((self._choice, 1), self._remove, spacing=4)
        last = row(self._log, 1, self._export, spacing=6)
        column(choice, self._points, last, (self._summary, 1), spacing=5, parent=side)
        return side

    # setters

    def set_transects(self, names: list[str], chosen: int | None) -> None:
        """Offer these transects; ``chosen`` is the one on show."""
        set_choices(self._choice, names, "" if chosen is None else names[chosen])
        self._enable()

    def set_removable(self, removable: bool) -> None:
        """Whether the transect on show may be removed: the published ones stay."""
        self._removable = removable
        self._enable()

    def set_measured(self, measured: MeasuredTransect | None, changed: Sequence[int] | None = None) -> None:
        """What is known of the transect on show; None: there is none.

        The images of the points ``changed`` have come; None: it is another transect.
        """
        self.picture.set_measured(measured, changed)
        if measured is not None and changed is None:
            set_silently(self._points.setValue, len(measured.transect))
            self.set_empty("")
        self._enable()

    def set_summary(self, text: str, punctured: bool = False) -> None:
        """A few words on the whole transect; ``punctured``: the training data have a hole, told apart in them."""
        self._summary.setText(text)
        points = "inside and outside the hole in the training data" if punctured else "that are measured"
        tip = f"Mean over the points {points}, with their number in brackets.\n{EXCESS_BCE}"
        self._summary.setToolTip(plain_tip(tip) if text else "")

    def set_empty(self, text: str) -> None:
        """Say why there is no picture and what to do; "": there is one."""
        self.picture.empty = text
        self._enable()
        self.picture.update()

    @property
    def complete(self) -> bool:
        """Whether every point has its images."""
        measured = self.picture.measured
        return measured is not None and bool(measured.known.all())

    # user input

    def _on_remove(self) -> None:
        if self._choice.currentIndex() >= 0:
            self.removed.emit(self._choice.currentIndex())

    def _on_log(self, on: bool) -> None:
        self.picture.log = on
        self.picture.update()

    def _enable(self) -> None:
        some = self.picture.measured is not None and not self.picture.empty
        self._choice.setEnabled(self._choice.count() > 0)
        for widget in (self._points, self._log):
            widget.setEnabled(some)
        self._remove.setEnabled(some and self._removable)
        self._remove.setToolTip(
            "Remove this transect (can be undone)" if self._removable else "The published transects cannot be removed"
        )
        self._export.setEnabled(some and self.complete)
