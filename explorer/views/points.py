"""The samples: how they are drawn in the cloud, along which axes, and the groups that a person makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QRect, QSignalBlocker, QSize, Qt, QTimer, Signal, SignalInstance
from PySide6.QtGui import QIcon, QImage, QKeyEvent, QPixmap, QStandardItemModel
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from core.rendering import colormaps
from core.rendering.projection import axis_name
from core.utils.text import counted
from explorer.widgets import image_conversion
from explorer.widgets.controls import (
    MarkedSlider,
    add_menu,
    claim_keys,
    combo_box,
    label,
    named,
    set_choices,
    set_silently,
)
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE
from explorer.widgets.layouts import Panel, column, form, row, scrolled
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import Themed

DENSITY = "Density: how many samples each place on the screen has, on a logarithmic scale, whatever lies in front."
GROUP_KEYS = (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete)
GROUP_GESTURES = "Click: select its samples. Double-click or F2: rename. Delete: delete the group."
GROUP_ROWS = 6
"""Of the list of groups; it scrolls where there are more."""


class PointsView(Themed, Panel):
    """Display choices. ``axes_changed`` carries ("axes", (i, j, k)), ("pca",), ("umap",) or ("pacmap",)."""

    color_by_changed = Signal(str)
    colormap_changed = Signal(str)
    size_changed = Signal(float)
    opacity_changed = Signal(float)
    axes_changed = Signal(object)
    informative_requested = Signal()
    layout_cancelled = Signal()
    measure_requested = Signal()
    attributes_file_requested = Signal()
    attributes_cleared = Signal()
    group_requested = Signal()
    """The selected samples are to be a group."""
    group_chosen = Signal(int)
    group_renamed = Signal(int, str)
    group_removed = Signal(int)

    def __init__(self) -> None:
        super().__init__("points")
        self._dimensions, self._note, self._laying_out = 0, "", False
        self._body, rows = QWidget(), QWidget()
        self._form = form(rows, margins=(8, 8, 8, 8))
        column(rows, 1, parent=self._body)  # in a high panel the rows stay together
        self._make_colours()
        self._make_attributes()
        self._make_groups()
        self._make_sliders()
        self._make_axes()
        self._scroll = scrolled(self._body, "points.scroll")
        column(self._scroll, parent=self)
        self.set_latent_dim(3)

    def _row(self, text: str, widget: QWidget) -> None:
        caption = label(text, buddy=widget)
        caption.setMinimumWidth(72)
        caption.setToolTip(widget.toolTip())
        self._form.addRow(caption, widget)

    def _make_colours(self) -> None:
        tip = "Which value colours the points"
        self._color_by = combo_box("points.color_by", tip, tip)
        self._color_by.setToolTip(f"<p>Which value colours the points. {EXCESS_BCE} {DENSITY}</p>")
        self._color_by.setPlaceholderText("open a run first")
        self._color_by.activated.connect(lambda _: self.color_by_changed.emit(self._color_by.currentText()))
        tip = "Colour map; all are safe for colour blindness, twilight is cyclic"
        self._map = combo_box("points.colormap", tip, tip)
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
        self._clear_attributes, self._measure = actions["clear"], actions["measure"]
        self._attribute_names = named(ElidedLabel("muted"), "points.attributes.names")
        self._attributes_row = QWidget()
        self._attributes_row.setToolTip(self._attributes.toolTip())
        row((self._attribute_names, 1), self._attributes, spacing=8, parent=self._attributes_row)
        self._row("Attributes", self._attributes_row)
        self.set_attributes([])

    def _make_groups(self) -> None:
        tip = "Named sets of samples, kept with your work; a sample can be in several"
        button = named(QToolButton(), "points.groups.edit", "Edit", tip, "Edit groups of samples")
        entries = {"make": "Group selected samples", "rename": "Rename group", "remove": "Delete group"}
        actions = add_menu(button, entries, self._on_group)
        self._make_group, self._of_group = actions["make"], (actions["rename"], actions["remove"])
        actions["rename"].setToolTip("Type another name for the group that is marked in the list (F2)")
        actions["remove"].setToolTip("Delete the group that is marked in the list; its samples stay (Delete)")
        self._groups_note = named(ElidedLabel("muted"), "points.groups.note")
        self._groups = GroupList()
        self._groups_row = QWidget()
        self._groups_row.setToolTip(tip)
        row((self._groups_note, 1), button, spacing=8, parent=self._groups_row)
        self._row("Groups", self._groups_row)
        self._form.addRow(self._groups)
        self._groups.chosen.connect(self.group_chosen)
        self._groups.renamed.connect(self.group_renamed)
        self._groups.removed.connect(self.group_removed)
        self._groups.currentItemChanged.connect(lambda *_: self._show_groups())
        self.set_groups(())
        self.set_groupable(0)

    def _on_group(self, entry: str) -> None:
        if entry == "make":
            self.group_requested.emit()
        elif entry == "rename":
            self.rename_group(self._groups.current)
        else:
            self.group_removed.emit(self._groups.current)

    def _make_sliders(self) -> None:
        size = ("points.size", "Diameter of a point in pixels, 1 to 20", (10, 200), 5, 10, "{:.1f} px")
        self._size, holder = self._slider(5.0, self.size_changed, *size)
        self._row("Size", holder)
        opacity = ("points.opacity", "Opacity of the points in percent, 2 to 100", (2, 100), 2, 100, "{:.0%}")
        self._opacity, holder = self._slider(1.0, self.opacity_changed, *opacity)
        self._row("Opacity", holder)

    def _slider(
        self,
        value: float,
        changed: SignalInstance,
        name: str,
        tip: str,
        steps: tuple[int, int],
        step: int,
        unit: int,
        form: str,
    ) -> tuple[MarkedSlider, QWidget]:
        """A slider over ``steps``, ``unit`` of which are 1, and what holds it, its value in words beside it."""
        slider, holder = named(MarkedSlider(), name, None, tip, tip), QWidget()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        text = label("", "muted", f"{name}.text", align=right)
        text.setFixedWidth(52)
        holder.setToolTip(tip)  # of the number, too
        row((slider, 1), text, spacing=4, parent=holder)
        slider.setRange(*steps)
        slider.setSingleStep(step)
        slider.valueChanged.connect(lambda place: text.setText(form.format(place / unit).replace("%", " %")))
        slider.setValue(round(value * unit))
        slider.valueChanged.connect(lambda place: changed.emit(place / unit))
        return slider, holder

    def _make_axes(self) -> None:
        tip = "Which three directions of latent space are drawn"
        self._kind = combo_box("points.axes", tip, tip)
        self._kind.addItem("Dimensions", "axes")
        self._kind.addItem("Principal components", "pca")
        self._kind.addItem("Most informative", "informative")
        self._kind.addItem("UMAP layout", "umap")
        self._kind.addItem("PaCMAP layout", "pacmap")
        self._kind.activated.connect(lambda _: self._on_axes())
        self._three = QWidget()
        self._three.setToolTip("Latent dimensions on the axes; μ: mean of the encoder's distribution")
        self._axes: list[QComboBox] = []
        for number, name in enumerate("xyz"):
            tip = f"Latent dimension on axis {name}; μ: mean of the encoder's distribution"
            box = combo_box(f"points.axis.{number}", tip, tip, 1)
            self._axes.append(box)
            box.activated.connect(lambda _, number=number: self._on_axis(number))
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row(*((box, 1) for box in self._axes), spacing=4, parent=self._three)
        self._row("Axes", self._kind)
        self._row("x, y, z", self._three)
        self._axes_note = label("", "muted", "points.axes.note", wrap=True)
        self._bar = named(QProgressBar(), "points.layout.bar", None, "Laying out, epoch by epoch, the newest first")
        self._bar.setTextVisible(False)
        cancel = named(QToolButton(), "points.layout.cancel", "Cancel", "Stop laying out; what is done is kept")
        cancel.clicked.connect(self.layout_cancelled)
        self._layout_row = QWidget()
        row((self._bar, 1), cancel, spacing=6, parent=self._layout_row)
        self._form.addRow(self._layout_row)
        self._form.addRow(self._axes_note)
        self._recorded = label("", "muted", "points.recorded", wrap=True)
        self._form.addRow(self._recorded)
        self.set_recorded("")
        self.set_layout_progress(None)
        self.set_axes_note("")
        self.set_informative("")

    # setters

    def set_color_options(self, names: list[str]) -> None:
        """What the points can be coloured by; the choice is kept if it is still there."""
        set_choices(self._color_by, names, self._color_by.currentText())
        self._color_by.setEnabled(bool(names))

    def set_color_by(self, name: str) -> None:
        """Show that ``name`` colours the points."""
        set_silently(self._color_by.setCurrentIndex, self._color_by.findText(name))

    def set_look(self, colormap: str, size: float, opacity: float) -> None:
        """The colour map by name, the diameter of a point in pixels, and its opacity, 0 to 1."""
        set_silently(self._map.setCurrentIndex, self._map.findText(colormap))
        with QSignalBlocker(self):
            self._size.setValue(round(10 * size))
            self._opacity.setValue(round(100 * opacity))

    def set_mapped(self, mapped: bool) -> None:
        """Whether the colour map colours the points: classes have colours of their own, and one colour needs no map."""
        self._map.setEnabled(mapped)

    def set_measurable(self, missing: str) -> None:
        """Why the images cannot be measured; empty if they can."""
        self._measure.setEnabled(not missing)
        self._measure.setToolTip(plain_tip(missing))

    def set_attributes(self, names: Sequence[str]) -> None:
        """What is known of the samples beside their factors."""
        self._attribute_names.setText(", ".join(names) or "none")
        self._clear_attributes.setEnabled(bool(names))

    def set_groups(self, groups: Sequence[tuple[str, int, int]]) -> None:
        """The name and number of samples of each group, and how many of them are in a group before it, too."""
        self._groups.set_groups(groups)
        self._groups_note.setText(counted(len(groups), "group") if groups else "none")
        self._form.setRowVisible(self._groups, bool(groups))
        self._show_groups()

    def _show_groups(self) -> None:
        for action in self._of_group:
            action.setEnabled(self._groups.current >= 0)

    def set_groupable(self, count: int) -> None:
        """How many samples are selected and could be a group."""
        self._make_group.setEnabled(count > 0)
        some = f"Keep the {counted(count, 'selected sample')} as a group (Ctrl+G)"
        self._make_group.setToolTip(some if count else "Select the samples of a group first (5)")

    def rename_group(self, number: int) -> None:
        """Let a person type another name for a group."""
        self._groups.edit_name(number)
        QTimer.singleShot(0, self, self._bring_group_into_view)  # once a new row has its place

    def _bring_group_into_view(self) -> None:
        row = self._groups.current_row()
        place = self._groups.viewport().mapTo(self._body, row.center())
        self._scroll.ensureVisible(place.x(), place.y(), 0, row.height())

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
        set_silently(self._kind.setCurrentIndex, self._kind.findData(choice[0]))
        if choice[0] == "axes":
            for box, dimension in zip(self._axes, choice[1], strict=False):
                set_silently(box.setCurrentIndex, dimension)
        self._show_axes()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show_swatches()

    def _show_swatches(self) -> None:
        """The colour maps as they are on the theme's ground."""
        for place, name in enumerate(colormaps.NAMES):
            self._map.setItemIcon(place, _swatch(name, self._theme.plot))

    def set_recorded(self, text: str, command: str = "") -> None:
        """How many of the samples are drawn, where not all are; "": all are. ``command`` adds the others."""
        self._recorded.setText(text)
        self._recorded.setToolTip(plain_tip(f"This command encodes the others once nothing trains the run:\n{command}"))
        self._form.setRowVisible(self._recorded, bool(text))

    def set_axes_note(self, text: str) -> None:
        """What a person should know about the axes; "": nothing."""
        self._note = text
        self._axes_note.setText(text)
        self._show_axes()

    def set_layout_progress(self, share: float | None) -> None:
        """How much of a layout is done, 0 to 1; None: none is being made."""
        self._laying_out = share is not None
        self._bar.setRange(0, 0 if share == 0.0 else 100)
        self._bar.setValue(round(100 * (share or 0.0)))
        self._show_axes()

    def set_informative(self, label: str) -> None:
        """By which label the most informative dimensions are chosen; "": there is none."""
        measure = "nearest neighbours in these three dimensions alone predict it best"
        self._set_choice(
            "informative",
            f"Most informative about {label}" if label else "Most informative",
            "" if label else "Needs a label. Measure the images, or load attributes from a file.",
            f"The three dimensions that tell most about {label}, which colours the points: {measure}",
        )

    def set_layout_missing(self, method: str, reason: str) -> None:
        """Why the layout ``method`` cannot be made; empty if it can."""
        tip = "A non-linear layout of the samples: it shows neighbours, not latent distances"
        self._set_choice(method, self._kind.itemText(self._kind.findData(method)), reason, tip)

    def _set_choice(self, name: str, text: str, missing: str, tip: str) -> None:
        place, model = self._kind.findData(name), self._kind.model()
        self._kind.setItemText(place, text)
        self._kind.setItemData(place, plain_tip(missing or tip), Qt.ItemDataRole.ToolTipRole)
        if isinstance(model, QStandardItemModel):
            model.item(place).setEnabled(not missing)

    # hands

    def _on_axis(self, number: int) -> None:
        """No dimension on two axes: the other one takes what this one had."""
        chosen = [box.currentIndex() for box in self._axes]
        missing = next((i for i in range(self._dimensions) if i not in chosen), None)
        for other, box in enumerate(self._axes):
            if other != number and chosen[other] == chosen[number] and missing is not None:
                set_silently(box.setCurrentIndex, missing)
        self._on_axes()

    def _on_axes(self) -> None:
        self._show_axes()
        kind = self._kind.currentData()
        if kind == "informative":
            self.informative_requested.emit()
        elif kind != "axes":
            self.axes_changed.emit((kind,))
        else:
            self.axes_changed.emit(("axes", tuple(box.currentIndex() for box in self._axes)))

    def _show_axes(self) -> None:
        many = self._dimensions > 3
        self._form.setRowVisible(self._kind, many)
        self._form.setRowVisible(self._three, many and self._kind.currentData() == "axes")
        self._form.setRowVisible(self._axes_note, many and bool(self._note))
        self._form.setRowVisible(self._layout_row, many and self._laying_out)


class GroupList(QTreeWidget):
    """Names of groups and their numbers of samples. A click chooses one; its name is edited in place."""

    chosen = Signal(int)
    renamed = Signal(int, str)
    removed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        named(self, "points.groups", accessible="Groups of samples")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setHeaderHidden(True)
        self.setColumnCount(2)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QTreeWidget.EditTrigger.EditKeyPressed | QTreeWidget.EditTrigger.DoubleClicked)
        self.header().setStretchLastSection(False)
        self.header().setMinimumSectionSize(0)
        self.header().setSectionResizeMode(0, self.header().ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, self.header().ResizeMode.ResizeToContents)
        self.itemClicked.connect(lambda item: self.chosen.emit(self.indexOfTopLevelItem(item)))
        self.itemChanged.connect(self._on_renamed)
        claim_keys(self, lambda event: event.key() in GROUP_KEYS and not event.modifiers())

    @property
    def current(self) -> int:
        """Which group is marked; -1: none."""
        item = self.currentItem()
        return -1 if item is None else self.indexOfTopLevelItem(item)

    def set_groups(self, groups: Sequence[tuple[str, int, int]]) -> None:
        """The name and number of samples of each, and how many of them are in a group before it, too."""
        with QSignalBlocker(self):
            while self.topLevelItemCount() > len(groups):
                self.takeTopLevelItem(self.topLevelItemCount() - 1)
            while self.topLevelItemCount() < len(groups):
                item = QTreeWidgetItem(self)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for number, (name, count, also) in enumerate(groups):
                item = self.topLevelItem(number)
                if item is None:
                    raise RuntimeError(f"Row {number} of {len(groups)} is missing.")
                item.setText(0, name)
                item.setText(1, f"{count:,}")
                shared = f"; {also:,} of them have the colour of a group above" if also else ""
                text = f"{name}: {counted(count, 'sample')}{shared}"
                item.setData(0, Qt.ItemDataRole.AccessibleTextRole, text)
                for column in (0, 1):
                    item.setToolTip(column, plain_tip(f"{text}\n{GROUP_GESTURES}"))
        rows = min(max(1, len(groups)), GROUP_ROWS)
        self.setFixedHeight(rows * max(1, self.sizeHintForRow(0)) + 2 * self.frameWidth())

    def current_row(self) -> QRect:
        """Where the group that is marked is, in the viewport; empty if none is."""
        item = self.currentItem()
        return QRect() if item is None else self.visualItemRect(item)

    def edit_name(self, number: int) -> None:
        """Let a person type another name for a group."""
        item = self.topLevelItem(number)
        if item is not None:
            self.setCurrentItem(item)
            self.editItem(item, 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        number = self.current
        if number < 0 or event.key() not in GROUP_KEYS:
            super().keyPressEvent(event)
        elif event.key() == Qt.Key.Key_Delete:
            self.removed.emit(number)
        else:
            self.chosen.emit(number)

    def _on_renamed(self, item: QTreeWidgetItem, column: int) -> None:
        self.renamed.emit(self.indexOfTopLevelItem(item), item.text(column))


def _swatch(name: str, ground: str) -> QIcon:
    strip = np.ascontiguousarray(np.broadcast_to(colormaps.lut(name, ground)[None, ::2, :3], (24, 128, 3)))
    image: QImage = image_conversion.to_image(strip)
    return QIcon(QPixmap.fromImage(image.scaled(112, 24)))
