"""Choosing what kind of path there is: splines through control points, or curves that are computed.

Shared by what shows kinds of path, so that each is called by one name everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget

from core.paths.recipe import PATH_KINDS
from core.paths.splines import SplineKind
from explorer.widgets.controls import named

SPLINES: tuple[tuple[SplineKind, str, str], ...] = (
    ("catmull-rom", "Catmull-Rom", "A smooth curve through the control points, without cusps"),
    ("natural", "Natural cubic", "The smoothest curve through the control points"),
    ("straight", "Polygon", "Straight from control point to control point"),
)
NO_TARGETS = "needs a factor to change; this run has none. Measure the images, or load attributes from a file (Samples)"
TRACED_ROLE, VALUE_ROLE = int(Qt.ItemDataRole.UserRole) + 1, int(Qt.ItemDataRole.UserRole)


class KindChooser(QWidget):
    """A list of kinds, and what the chosen one needs: the factor that changes, or whether to keep to the data.

    The signals tell what a hand chose; choosing again what is chosen counts, too.
    """

    spline_chosen = Signal(str)
    traced_chosen = Signal(str)
    target_chosen = Signal(str)
    penalty_changed = Signal(bool)
    closed_changed = Signal(bool)

    def __init__(self, prefix: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._splines, self._targets = False, False
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self._kind = named(QComboBox(), f"{prefix}.kind")
        self._kind.setAccessibleName("Kind of path")
        self._kind.setToolTip("Kind of path: a spline through control points, or a computed curve")
        # As wide as a common name; the list itself is as wide as its longest.
        self._kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._kind.setMinimumContentsLength(11)
        self._kind.setMaxVisibleItems(len(SPLINES) + len(PATH_KINDS) + 2)
        self._fill()
        self._target = named(QComboBox(), f"{prefix}.target")
        self._target.setAccessibleName("Factor that changes")
        self._target.setToolTip("The factor or attribute that changes along the path")
        self._target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._target.setMaximumWidth(130)
        self._penalty = named(QCheckBox("Stay on data"), f"{prefix}.penalty")
        self._penalty.setToolTip(
            "On: leaving the data is penalised, so the geodesic goes around holes. Off: the geodesic may cut "
            "through them."
        )
        self._closed = named(QCheckBox("Closed"), f"{prefix}.closed")
        self._closed.setToolTip("Join the end to the beginning")
        for widget in (self._kind, self._target, self._penalty, self._closed):
            row.addWidget(widget)
        self._kind.activated.connect(self._on_kind)
        self._target.activated.connect(lambda _: self.target_chosen.emit(self._target.currentText()))
        self._penalty.toggled.connect(self.penalty_changed)
        self._closed.toggled.connect(self.closed_changed)
        self.set_splines(False)
        self.set_targets(())
        self.show_spline("catmull-rom", False)

    def _fill(self) -> None:
        for kind, text, tip in SPLINES:
            self._add(kind, text, tip, False)
        self._kind.insertSeparator(self._kind.count())
        joined = True
        for kind, about in PATH_KINDS.items():
            if joined and not about.joins:
                self._kind.insertSeparator(self._kind.count())
            joined = about.joins
            self._add(kind, about.text, about.description, True)

    def _add(self, kind: str, text: str, tip: str, traced: bool) -> None:
        self._kind.addItem(text, kind)
        place = self._kind.count() - 1
        self._kind.setItemData(place, traced, TRACED_ROLE)
        self._kind.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)

    def _item(self, place: int) -> QStandardItem:
        model = self._kind.model()
        if not isinstance(model, QStandardItemModel):
            raise TypeError(f"the list of kinds has become a {type(model).__name__}.")
        return model.item(place)

    def _place(self, kind: str, traced: bool) -> int:
        return next(
            place
            for place in range(self._kind.count())
            if self._kind.itemData(place) == kind and self._kind.itemData(place, TRACED_ROLE) == traced
        )

    # setters

    def set_splines(self, possible: bool) -> None:
        """Whether there is a path that can have another spline through its control points."""
        self._splines = possible
        for kind, _, _ in SPLINES:
            self._item(self._place(kind, False)).setEnabled(possible)

    def set_targets(self, names: Sequence[str]) -> None:
        """The factors and attributes that can be changed; without any, kinds that change one cannot be chosen."""
        if list(names) != [self._target.itemText(i) for i in range(self._target.count())]:
            before = self._target.currentText()
            with QSignalBlocker(self._target):
                self._target.clear()
                self._target.addItems(list(names))
                self._target.setCurrentIndex(max(0, self._target.findText(before)))
            self._target.updateGeometry()
        for kind, about in PATH_KINDS.items():
            if not about.joins:
                item = self._item(self._place(kind, True))
                item.setEnabled(bool(names))
                item.setToolTip(about.description if names else f"{about.text} {NO_TARGETS}")

    def show_spline(self, kind: str, closed: bool) -> None:
        """The path is a spline."""
        self._select(self._place(kind, False))
        with QSignalBlocker(self._closed):
            self._closed.setChecked(closed)
        self._show(traced=False)

    def show_traced(self, kind: str, target: str, penalty: bool) -> None:
        """The path is computed, or the next one will be: with ``target`` changing, kept to the data by ``penalty``."""
        self._select(self._place(kind, True))
        with QSignalBlocker(self._target):
            self._target.setCurrentIndex(max(0, self._target.findText(target)))
        with QSignalBlocker(self._penalty):
            self._penalty.setChecked(penalty)
        self._show(traced=True)

    def set_closable(self, possible: bool) -> None:
        """Whether there is a path whose end can be joined to its beginning."""
        self._closed.setEnabled(possible)

    def _select(self, place: int) -> None:
        with QSignalBlocker(self._kind):
            self._kind.setCurrentIndex(place)

    def _show(self, traced: bool) -> None:
        kind = self._kind.currentData()
        self._closed.setVisible(not traced)
        self._penalty.setVisible(traced and PATH_KINDS[kind].by_images)
        self._target.setVisible(traced and not PATH_KINDS[kind].joins)

    # hands

    def _on_kind(self, place: int) -> None:
        kind, traced = self._kind.itemData(place), self._kind.itemData(place, TRACED_ROLE)
        if traced:
            self._show(traced=True)
            self.traced_chosen.emit(kind)
        else:
            self._show(traced=False)
            self.spline_chosen.emit(kind)
