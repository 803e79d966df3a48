"""The path panel: transport, what kind of path there is, paths that are saved, and its export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QLocale, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QResizeEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from core.paths.recipe import PATH_KINDS
from core.protocol.figures import LEAST_FRAME, MOST_FRAME, SCALINGS, FrameLook
from explorer.widgets.controls import (
    MarkedSlider,
    add_menu,
    combo_box,
    label,
    named,
    set_choices,
    set_role,
    set_silently,
    spin_box,
    tool_button,
)
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.icons import icon
from explorer.widgets.layouts import FlowLayout, Panel, column, form, row
from explorer.widgets.plain_text import plain_tip

if TYPE_CHECKING:
    from core.paths.latent_path import SplineKind

SPLINES: tuple[tuple[SplineKind, str, str], ...] = (
    ("catmull-rom", "Catmull-Rom", "A smooth curve through the control points, without cusps"),
    ("natural", "Natural cubic", "The smoothest curve through the control points"),
    ("straight", "Polygon", "Straight from control point to control point"),
)
NO_TARGETS = "needs a factor to change; this run has none. Measure the images, or load attributes from a file (Samples)"
TRACED_ROLE, VALUE_ROLE = int(Qt.ItemDataRole.UserRole) + 1, int(Qt.ItemDataRole.UserRole)
MOST_DIMENSIONS = 8  # of a surface: more than any local fit can tell
UNITS = (("latent", "Latent speed"), ("image", "Image speed"))
FORMATS = {"png": "PNG strip…", "gif": "GIF…", "mp4": "MP4 video…", "npz": "Latents and frames (NPZ)…"}
_SCRUB = 10_000
_WIDE = 760  # pixels in which there is room for the buttons' words, too
_LENGTHS = (
    "Latent length: length of the path in units of latent space. Image length: how far the decoded image changes along "
    "it, summed over K frames at equal steps, pooled to 16 × 16 cells, in units of a cell's full brightness; it grows "
    "with K, the number of frames, so K is shown beside it."
)
_DIMENSION = (
    "Intrinsic dimension of the surface of the data, on which factor curves and gridlines run. Geodesics, Compare path "
    "kinds and the off-data badge always use the estimated one (TwoNN)."
)
_UNIT = "What advances evenly during playback: latent length or image length."
_EXPORT = "Write the path's frames to a file"
_EMPTY = "No path yet: draw one (3), add points (4) or trace a curve (6)"


class HoldButton(QToolButton):
    """What a factor curve holds constant, and the dimension of the surface it runs on: a checklist behind a button.

    Only one label fewer than the surface has dimensions can be held.
    """

    held_chosen = Signal(object)
    """Names of labels, a tuple; None: those that vary most independently."""
    dimension_chosen = Signal(object)
    """An int; None: the estimated one."""

    def __init__(self) -> None:
        super().__init__()
        tip = "Which labels stay constant along the curve, and how many dimensions the surface of the data has"
        named(self, "path.hold", "Hold…", tip, "Labels that are held constant")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._names: tuple[str, ...] = ()
        self._boxes: dict[str, QCheckBox] = {}
        self._automatic = named(QCheckBox("Chosen automatically"), "path.hold.automatic")
        self._automatic.setToolTip("Those that vary most independently of what changes, as many as have room")
        self._automatic.clicked.connect(self._on_automatic)
        self._list = QVBoxLayout()
        self._list.setSpacing(4)
        self._dimension = named(QComboBox(), "path.hold.dimension", None, _DIMENSION)
        self._dimension.activated.connect(lambda _: self.dimension_chosen.emit(self._dimension.currentData()))
        self._panel = QWidget()
        caption = label("Dimensions of the surface", buddy=self._dimension)
        parts = (label("Hold constant", "heading"), self._automatic, self._list, caption, self._dimension)
        column(*parts, spacing=6, margins=(10, 8, 10, 8), parent=self._panel)
        menu = named(QMenu(self), "path.hold.menu")
        action = QWidgetAction(menu)
        action.setDefaultWidget(self._panel)  # its boxes do not close the menu
        menu.addAction(action)
        self.setMenu(menu)
        self.set_dimension(None, 3, None)

    def set_labels(self, names: Sequence[str], held: tuple[str, ...] | None, target: str) -> None:
        """The labels that can be held while ``target`` changes, and those that are; None: chosen automatically."""
        names = tuple(name for name in names if name != target)
        if names != self._names:
            self._names = names
            for box in self._boxes.values():
                self._list.removeWidget(box)
                box.hide()
                box.deleteLater()
            self._boxes = {name: named(QCheckBox(name), f"path.hold.label.{name}") for name in names}
            for box in self._boxes.values():
                box.clicked.connect(self._on_label)
                self._list.addWidget(box)
        self._automatic.setChecked(held is None)
        for name, box in self._boxes.items():
            box.setChecked(held is not None and name in held)
        self.setText("Hold…" if held is None else f"Hold {sum(name in self._boxes for name in held)}")

    def set_dimension(self, chosen: int | None, most: int, estimated: float | None) -> None:
        """The dimension that is chosen of 1 to ``most``, None: the ``estimated`` one, where that is known."""
        known = "estimated" if estimated is None else f"estimated ({estimated:.1f})"
        with QSignalBlocker(self._dimension):
            self._dimension.clear()
            self._dimension.addItem(known, None)
            for dimension in range(1, min(most, MOST_DIMENSIONS) + 1):
                self._dimension.addItem(str(dimension), dimension)
            self._dimension.setCurrentIndex(max(0, self._dimension.findData(chosen)) if chosen is not None else 0)

    def _on_automatic(self) -> None:
        self.held_chosen.emit(None if self._automatic.isChecked() else ())

    def _on_label(self) -> None:
        self.held_chosen.emit(tuple(name for name, box in self._boxes.items() if box.isChecked()))


class KindChooser(QWidget):
    """A list of kinds, and what the chosen one needs: the factor that changes, or whether to keep to the data.

    The signals report what a hand chose; choosing again what is chosen counts, too.
    """

    spline_chosen = Signal(str)
    traced_chosen = Signal(str)
    """A kind that is computed, one of ``core.paths.recipe.RECIPE_KINDS``."""
    target_chosen = Signal(str)
    penalty_changed = Signal(bool)
    closed_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._splines, self._targets = False, False
        tip = "Kind of path: a spline through control points, or a computed curve"
        self._kind = named(QComboBox(), "path.kind", None, tip, "Kind of path")
        # As wide as a common name; the list itself is as wide as its longest.
        self._kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._kind.setMinimumContentsLength(11)
        self._kind.setMaxVisibleItems(len(SPLINES) + len(PATH_KINDS) + 2)
        self._fill()
        tip = "The factor or attribute that changes along the path"
        self._target = named(QComboBox(), "path.target", None, tip, "Factor that changes")
        self._target.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._target.setMaximumWidth(130)
        self._penalty = named(QCheckBox("Stay on data"), "path.penalty")
        self._penalty.setToolTip(
            "On: leaving the data is penalised, so the geodesic goes around holes. Off: the geodesic may cut "
            "through them."
        )
        self._closed = named(QCheckBox("Closed"), "path.closed", tip="Join the end to the beginning")
        self.hold = HoldButton()
        row(self._kind, self._target, self.hold, self._penalty, self._closed, spacing=6, parent=self)
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
            set_choices(self._target, names, self._target.currentText())
            self._target.updateGeometry()
        for kind, about in PATH_KINDS.items():
            if not about.joins:
                item = self._item(self._place(kind, True))
                item.setEnabled(bool(names))
                item.setToolTip(about.description if names else f"{about.text} {NO_TARGETS}")

    def show_spline(self, kind: str, closed: bool) -> None:
        """The path is a spline."""
        self._select(self._place(kind, False))
        set_silently(self._closed.setChecked, closed)
        self._show(traced=False)

    def show_traced(self, kind: str, target: str, penalty: bool) -> None:
        """The path is computed, or the next one will be: with ``target`` changing, kept to the data by ``penalty``."""
        self._select(self._place(kind, True))
        set_silently(self._target.setCurrentIndex, max(0, self._target.findText(target)))
        set_silently(self._penalty.setChecked, penalty)
        self._show(traced=True)

    def set_closable(self, possible: bool) -> None:
        """Whether there is a path whose end can be joined to its beginning."""
        self._closed.setEnabled(possible)

    def _select(self, place: int) -> None:
        set_silently(self._kind.setCurrentIndex, place)

    def _show(self, traced: bool) -> None:
        kind = self._kind.currentData()
        self._closed.setVisible(not traced)
        self._penalty.setVisible(traced and PATH_KINDS[kind].by_images)
        self._target.setVisible(traced and not PATH_KINDS[kind].joins)
        self.hold.setVisible(traced and PATH_KINDS[kind].holds)

    # hands

    def _on_kind(self, place: int) -> None:
        kind, traced = self._kind.itemData(place), self._kind.itemData(place, TRACED_ROLE)
        if traced:
            self._show(traced=True)
            self.traced_chosen.emit(kind)
        else:
            self._show(traced=False)
            self.spline_chosen.emit(kind)


class SavedPathsButton(QToolButton):
    """Keeps paths by name: saves the one that there is, opens, renames or deletes those that are saved.

    ``opening`` comes before the menu is shown: now ``set_names``.
    """

    opening = Signal()
    save_requested = Signal()
    open_requested = Signal(str)
    rename_requested = Signal(str)
    delete_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        named(self, "path.saved", "Paths", "Paths saved with the run: save this one, open another")
        self.setIcon(icon("bookmark"))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._menu = named(QMenu(self), "path.saved.menu")
        self._menu.setToolTipsVisible(True)
        tip = "Save this path and its frames with the run, under a name"
        self._save = named(QAction("Save as…", self), "path.saved.save", tip=tip)  # a menu's own would be deleted
        self._save.triggered.connect(lambda _=False: self.save_requested.emit())
        self._rename = named(QMenu("Rename", self._menu), "path.saved.rename")
        self._delete = named(QMenu("Delete", self._menu), "path.saved.delete")
        self._menu.aboutToShow.connect(self.opening)
        self.setMenu(self._menu)
        self.set_names((), "")
        self.set_savable(False)

    def set_names(self, names: Sequence[str], current: str) -> None:
        """The saved paths, and which of them is the one that there is ("": none)."""
        for menu in (self._menu, self._rename, self._delete):
            menu.clear()
        self._menu.addAction(self._save)
        self._menu.addSeparator()
        for name in names:
            action = self._add(self._menu, "open", name, "", self.open_requested.emit)
            action.setToolTip(plain_tip(f"Open {name} with the number of frames it was saved with"))
            action.setCheckable(True)
            action.setChecked(name == current)
            self._add(self._rename, "rename", name, "…", self.rename_requested.emit)
            self._add(self._delete, "delete", name, "…", self.delete_requested.emit)
        if not names:
            self._menu.addAction("No path has been saved with this run yet").setEnabled(False)
            return
        self._menu.addSeparator()
        self._menu.addMenu(self._rename)
        self._menu.addMenu(self._delete)

    def _add(self, menu: QMenu, verb: str, name: str, after: str, chosen: Callable[[str], None]) -> QAction:
        action = named(QAction(name.replace("&", "&&") + after, menu), f"path.saved.{verb}.{name}")
        action.triggered.connect(lambda _=False: chosen(name))
        menu.addAction(action)
        return action

    def set_savable(self, savable: bool) -> None:
        """Whether there is a path that could be saved."""
        self._save.setEnabled(savable)


class _MenuPart(QWidget):
    """Fields inside a menu: Return ends typing there, and chooses no entry."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)


def _flow(*widgets: QWidget, spacing: int) -> FlowLayout:
    flow = FlowLayout(horizontal=spacing)
    for widget in widgets:
        flow.addWidget(widget)
    return flow


class PathView(Panel):
    """Plays a path and says what it is; ``kinds`` chooses that. Positions are 0 to 1 along it in the chosen unit."""

    play_toggled = Signal(bool)
    scrubbed = Signal(float)
    loop_toggled = Signal(bool)
    speed_changed = Signal(float)
    unit_changed = Signal(str)
    frames_changed = Signal(int)
    clear_requested = Signal()
    export_requested = Signal(str)
    cancel_export_requested = Signal()
    look_changed = Signal(object)
    """A ``FrameLook``: how exported frames are scaled, and what stands below them."""

    def __init__(self) -> None:
        super().__init__("path")
        self._points, self._info, self._size = 0, "", ""
        self._missing_frames = ""
        parts = (self._make_transport(), self._make_settings(), self._make_words())
        column(*parts, spacing=4, margins=(8, 6, 8, 4), parent=self)
        self.set_path(None)
        self.set_export_progress(None)

    def _make_transport(self) -> FlowLayout:
        self._previous = self._button("previous", "One frame back (Left)")
        self._previous.clicked.connect(lambda: self._step(-1))
        self._play = self._button("play", "Play (Space)", checkable=True)
        self._play.toggled.connect(self._on_play)
        self._next = self._button("next", "One frame forward (Right)")
        self._next.clicked.connect(lambda: self._step(1))
        self._loop = self._button("loop", "Loop: continue from the start when the end is reached", checkable=True)
        self._loop.toggled.connect(self.loop_toggled)
        self._scrub = named(
            MarkedSlider(), "path.scrub", None, "Position along the path, 0 to 1", "Position along the path"
        )
        self._scrub.setRange(0, _SCRUB)
        self._scrub.setSingleStep(_SCRUB // 100)
        self._scrub.setPageStep(_SCRUB // 10)
        self._scrub.valueChanged.connect(self._on_scrub)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self._frame = label("", "muted", "path.frame", align=right)
        self._frame.setMinimumWidth(60)
        self._clear = self._button("clear", "Remove the path", text="Clear", drawing="trash")
        self._clear.clicked.connect(self.clear_requested)
        self.saved = SavedPathsButton()
        self._export = self._button("export", _EXPORT, text="Export")
        add_menu(self._export, FORMATS, self.export_requested.emit)
        self._make_look(self._export.menu())
        buttons = self._previous, self._play, self._next, self._loop
        return _flow(*buttons, self._scrub, self._frame, self._clear, self.saved, self._export, spacing=4)

    def _make_words(self) -> QHBoxLayout:
        self.info, self.note = named(ElidedLabel("muted"), "path.info"), named(ElidedLabel("muted"), "path.note")
        self.info.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.note.setVisible(False)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(96)
        tip = "Cancel the export; no file is left on disk"
        cancel = named(QToolButton(), "path.export.cancel", "Cancel", tip)
        cancel.clicked.connect(self.cancel_export_requested)
        self._progress = named(QWidget(), "path.progress")
        row(label("Exporting", "muted"), self._bar, cancel, spacing=6, parent=self._progress)
        self._progress.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self._words = row(self.info, (self.note, 1), self._progress, spacing=20)
        return self._words

    def _make_settings(self) -> FlowLayout:
        self.kinds = KindChooser()
        self._unit = named(QComboBox(), "path.unit", None, _UNIT)
        for value, text in UNITS:
            self._unit.addItem(text, value)
        self._unit.currentIndexChanged.connect(lambda _: self.unit_changed.emit(self._unit.currentData()))
        tip = "K: number of frames along the path, 2 to 1025"
        self._frames = spin_box("path.frames", 2, 1025, 65, tip, unit=" frames")
        self._frames.setFixedWidth(104)
        self._frames.valueChanged.connect(self._on_frames)
        self._speed = named(QDoubleSpinBox(), "path.speed", None, "Playback speed, 0.05 to 20 times normal speed")
        self._speed.setLocale(QLocale.c())
        self._speed.setFixedWidth(78)
        self._speed.setRange(0.05, 20.0)
        self._speed.setDecimals(2)
        self._speed.setSingleStep(0.25)
        self._speed.setValue(1.0)
        self._speed.setPrefix("× ")
        self._speed.setKeyboardTracking(False)
        self._speed.valueChanged.connect(self.speed_changed)
        return _flow(self.kinds, self._unit, self._frames, self._speed, spacing=6)

    def _make_look(self, menu: QMenu) -> None:
        """How exported frames look, below the formats; choosing leaves the menu open."""
        tip = f"Longer side of exported frames, {LEAST_FRAME} to {MOST_FRAME} pixels. Below: as they are decoded"
        self._frame_size = spin_box("path.export.size", 0, MOST_FRAME, 0, tip, "Size of exported frames", " px")
        self._frame_size.setSpecialValueText("as decoded")
        self._frame_size.setSingleStep(64)
        self._frame_size.valueChanged.connect(lambda _: self._on_look())
        tip = "Nearest enlarges by whole numbers: each pixel stays a sharp square. Bicubic interpolates"
        self._scaling = combo_box("path.export.scaling", tip, "Scaling of exported frames", letters=8)
        for scaling in SCALINGS:
            self._scaling.addItem(scaling.capitalize(), scaling)
        self._scaling.activated.connect(lambda _: self._on_look())
        tip = "Below each frame: its position along the path, 0 to 1, in the unit in which it is played"
        self._positions = named(QCheckBox("Position along the path"), "path.export.positions", tip=tip)
        tip = "Below each frame: numbers are means over the 8 nearest samples, classes that of the nearest one"
        self._labels = named(QCheckBox("Values of labels"), "path.export.labels", tip=tip)
        for box in (self._positions, self._labels):
            box.toggled.connect(lambda _: self._on_look())
        body = _MenuPart()
        rows = form(body, margins=(12, 6, 12, 8))
        rows.addRow(label("Pictures and films", "heading"))
        rows.addRow("Size", self._frame_size)
        rows.addRow("Scaling", self._scaling)
        rows.addRow("Captions", column(self._positions, self._labels, spacing=3))
        action = QWidgetAction(menu)
        action.setDefaultWidget(body)
        menu.addSeparator()
        menu.addAction(action)

    def _button(self, name: str, tip: str, checkable: bool = False, text: str = "", drawing: str = "") -> QToolButton:
        short = text or tip.split(" (")[0]
        return tool_button(f"path.{name}", short, tip, "", checkable, bool(text), drawing or name)

    # setters

    def set_path(
        self, kind: str | None, closed: bool = False, points: int = 0, length: float = 0.0, computed: bool = False
    ) -> None:
        """Which spline runs through how many control points, and its latent length; None: there is no path.

        ``computed``: not a hand but a computation has placed these points.
        """
        self._points = points if kind is not None else 0
        self.kinds.set_splines(kind is not None)
        self.kinds.set_closable(kind is not None)
        if kind is not None and not computed:  # hidden for a moment, the list of targets would lose the keyboard
            self.kinds.show_spline(kind, closed)
        noun = f"{'' if computed else 'control '}point{'s' if points != 1 else ''}"
        self._size = f"{points} {noun} · length {length:.3g}"
        self._show()

    def set_note(self, text: str, warning: bool = False) -> None:
        """What a person should know about the curve, or is to do next; "": nothing."""
        set_role(self.note, "warning" if warning else "muted")
        self._words.setStretchFactor(self.info, 1 if warning and text else 0)  # a warning gets half of a narrow line
        self.note.setText(text)
        self.note.setVisible(bool(text))
        self._show()

    def set_position(self, position: float) -> None:
        """Where the marker is, 0 to 1."""
        if not self._scrub.isSliderDown():
            set_silently(self._scrub.setValue, round(_SCRUB * min(1.0, max(0.0, position))))
            self._scrub.update()
        self._show_frame()

    def set_playback(self, playing: bool, loop: bool, rate: float, unit: str, frames: int) -> None:
        """Whether the path is being played and starts again at its end; the speed as a multiple of the usual one and
        what it is even in, latent or image; the number of frames K."""
        set_silently(self._play.setChecked, playing)
        set_silently(self._loop.setChecked, loop)
        set_silently(self._speed.setValue, rate)
        set_silently(self._unit.setCurrentIndex, self._unit.findData(unit))
        set_silently(self._frames.setValue, frames)
        self._show_play()
        self._show_frame()

    def set_missing(self, decoder: str, frames: str) -> None:
        """Why images are not decoded, and why there are no frames at all; empty where it is otherwise."""
        self._missing_frames = frames
        model = self._unit.model()
        item = model.item(self._unit.findData("image")) if isinstance(model, QStandardItemModel) else None
        if item is not None:
            item.setEnabled(not decoder)
            item.setToolTip(plain_tip(decoder))
        self._unit.setToolTip(f"{_UNIT} {decoder}".rstrip())
        self._show()

    def set_info(self, text: str) -> None:
        """Length read-outs."""
        self._info = text
        self._show()

    def set_look(self, look: FrameLook) -> None:
        """How exported frames look."""
        set_silently(self._frame_size.setValue, look.size)
        set_silently(self._scaling.setCurrentIndex, self._scaling.findData(look.scaling))
        for box, ticked in ((self._positions, look.positions), (self._labels, look.labels)):
            set_silently(box.setChecked, ticked)

    def set_export_progress(self, fraction: float | None) -> None:
        """How much of an export is done, 0 to 1; None: there is none."""
        self._progress.setVisible(fraction is not None)
        self._bar.setValue(round(1000 * (fraction or 0.0)))
        self._show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where the row is short, buttons go without their words."""
        super().resizeEvent(event)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        for button in (self._clear, self.saved, self._export):
            button.setToolButtonStyle(style if self.width() >= _WIDE else Qt.ToolButtonStyle.ToolButtonIconOnly)

    # hands

    def _on_play(self, playing: bool) -> None:
        self._show_play()
        self.play_toggled.emit(playing)

    def _on_scrub(self, value: int) -> None:
        self._show_frame()
        self.scrubbed.emit(value / _SCRUB)

    def _on_frames(self, frames: int) -> None:
        self._show_frame()
        self.frames_changed.emit(frames)

    def _on_look(self) -> None:
        size = self._frame_size.value() if self._frame_size.value() >= LEAST_FRAME else 0
        captions = self._positions.isChecked(), self._labels.isChecked()
        self.look_changed.emit(FrameLook(size, self._scaling.currentData(), *captions))

    def _step(self, by: int) -> None:
        last = self._frames.value() - 1
        here = round(self._scrub.value() / _SCRUB * last)
        self.scrubbed.emit(min(last, max(0, here + by)) / last)

    # showing

    def _show_play(self) -> None:
        playing = self._play.isChecked()
        self._play.setIcon(icon("pause" if playing else "play"))
        self._play.setToolTip("Pause (Space)" if playing else "Play (Space)")

    def _show_frame(self) -> None:
        count = self._frames.value()
        here = round(self._scrub.value() / _SCRUB * (count - 1)) + 1
        self._frame.setText(f"frame {here} of {count}" if self._points > 1 else "")

    def _show(self) -> None:
        some, playable = self._points > 0, self._points > 1
        for widget in (self._previous, self._play, self._next, self._scrub):
            widget.setEnabled(playable)
        self._clear.setEnabled(some)
        self._export.setEnabled(playable and self._progress.isHidden() and not self._missing_frames)
        self._export.setToolTip(plain_tip(self._missing_frames or _EXPORT))
        text = (self._info or self._size) if some else _EMPTY
        if text != self.info.text():
            self.info.setText(text)
            self.info.setToolTip(f"<p>{escape(text)}</p><p>{_LENGTHS}</p>" if some else "")
        self.info.setVisible(some or self.note.isHidden())
        self._show_frame()
