"""The dialog that saves a figure: which one, on what page, where to; and how it will look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QKeyEvent, QPainter, QPaintEvent, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QLineEdit,
    QSpinBox,
    QToolButton,
    QWidget,
)

from core.protocol.figures import FORMATS, LEAST_CM, LEAST_DPI, LEAST_FONT, MOST_CM, MOST_DPI, MOST_FONT, Scaling
from explorer.widgets.controls import add_menu, combo_box, label, leave_drops, named, push_button, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import column, form, row, scrolled
from explorer.widgets.painting import empty_text
from explorer.widgets.theme import ThemedWidget

S = TypeVar("S", QSpinBox, QDoubleSpinBox)
FORM_WIDTH = 330
THEMES = {"window": "As the window", "light": "Light", "dark": "Dark", "print": "Print"}
FORMAT_TEXTS = {"png": "PNG (pixels)", "svg": "SVG (vectors)", "pdf": "PDF (vectors)"}
FORMAT_TIPS = {
    "png": "Pixels: centimetres × resolution ÷ 2.54",
    "svg": "Axes and text are vectors. Text stays text, its font (a subset of DejaVu Sans) is inside the file.",
    "pdf": "Axes and text are vectors. Text stays text, its fonts are inside the file as TrueType (type 42).",
}
SCALINGS: dict[Scaling, str] = {"nearest": "Nearest (sharp pixels)", "bicubic": "Bicubic (smooth)"}
SIZES = {
    "8.5 × 0": "One column of a paper: 8.5 cm",
    "12 × 0": "One and a half columns: 12 cm",
    "17.5 × 0": "Two columns: 17.5 cm",
    "25.4 × 14.29": "Slide, 16 : 9: 25.4 × 14.29 cm",
    "16 × 12": "Slide, 4 : 3: 16 × 12 cm",
}
MOST_FRAMES = 64


class FigureChoice(msgspec.Struct, frozen=True):
    """What a person has chosen; remembered from one figure to the next. ``height`` 0: as high as the figure needs."""

    kind: str = "cloud"
    theme: str = "print"
    width: float = 16.0
    height: float = 0.0
    font: float = 8.0
    format: str = "png"
    dpi: int = 300
    title: bool = True
    frames: int = 9
    columns: int = 9
    scaling: Scaling = "nearest"
    positions: bool = True
    labels: bool = False


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be saved: its ``name``, what it is called, and why there is none now (``missing``)."""

    name: str
    text: str
    missing: str = ""


class Preview(ThemedWidget):
    """A picture as large as fits, or words in its place."""

    def __init__(self) -> None:
        super().__init__()
        named(self, "figure.preview", accessible="Preview of the figure")
        self.setMinimumSize(300, 240)
        self.picture: QPixmap | None = None
        self.words = ""

    def sizeHint(self) -> QSize:
        return QSize(560, 460)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(self._theme.ground))
            if self.picture is None or self.words:
                empty_text(painter, self.rect(), self.words or "Drawing…", self._theme)
                return
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            room = QRectF(self.rect()).adjusted(12, 12, -12, -12)
            size = self.picture.size().scaled(room.size().toSize(), Qt.AspectRatioMode.KeepAspectRatio)
            target = QRectF(0, 0, size.width(), size.height())
            target.moveCenter(room.center())
            painter.drawPixmap(target, self.picture, QRectF(self.picture.rect()))
            painter.setPen(QColor(self._theme.border))
            painter.drawRect(target.adjusted(-0.5, -0.5, 0.5, 0.5))


class FigureDialog(QDialog):
    """Setters are silent; ``changed`` follows when a person has changed a setting, ``save_requested`` has the file.

    ``choice`` is what is set now. ``closed`` comes however the dialog ends.
    """

    changed = Signal()
    folder_requested = Signal()
    save_requested = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.figure")
        self.setWindowTitle("Save figure")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._folder, self._suggestion, self._height = Path(), "", 0.0
        self._saved: set[Path] = set()  # by this dialog: replacing these needs no warning
        self._taken = Path()  # the last target that was there already
        self.finished.connect(lambda _: self.closed.emit())
        self.preview = Preview()
        self.notes = label("", "muted", "figure.notes", wrap=True)
        self.status = label("", "muted", "figure.status", wrap=True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        body = QWidget()
        self._make_form(body)
        left = scrolled(body, "figure.form")
        left.setFixedWidth(FORM_WIDTH)
        right = column((self.preview, 1), self.notes, self._make_target(), self.status, self._make_buttons(), spacing=8)
        row(left, (right, 1), spacing=12, margins=(14, 14, 14, 14), parent=self)
        leave_drops(self)
        self.resize(960, 600)
        self.set_choice(FigureChoice())

    # making

    def _make_form(self, body: QWidget) -> None:
        self._form = lines = form(body, margins=(0, 0, 10, 0))
        self._kind = self._combo("kind", {}, "What is saved")
        self._title = self._box("title", "Title", "Name of the run and epoch, at the upper left")
        self._frames = self._spin(QSpinBox(), "frames", 2, MOST_FRAMES, "Frames, equally spaced; both ends among them")
        self._columns = self._spin(QSpinBox(), "columns", 1, MOST_FRAMES, "Frames beside one another in a row")
        tip = "How small images are enlarged; what is too large is always reduced smoothly"
        self._scaling = self._combo("scaling", SCALINGS, tip)
        tip = "Position along the path below each frame, 0 to 1, in the unit in which the path is played"
        self._positions = self._box("positions", "Position along the path", tip)
        tip = "Below each frame: numbers are means over the 8 nearest samples, classes that of the nearest one"
        self._labels = self._box("labels", "Values of labels", tip)
        self._theme_box = self._combo(
            "theme", THEMES, "Print: white ground, dark ink, colours safe for colour blindness"
        )
        self._width = self._spin(QDoubleSpinBox(), "width", LEAST_CM, MOST_CM, "Width of the page", " cm")
        self._tall = self._spin(
            QDoubleSpinBox(), "height", 0.0, MOST_CM, "Height of the page; below 2: what the figure needs", " cm"
        )
        self._tall.setSpecialValueText("as needed")
        self._font = self._spin(QDoubleSpinBox(), "font", LEAST_FONT, MOST_FONT, "Size of text, in points", " pt")
        self._format = self._combo("format", FORMAT_TEXTS, "Kind of file")
        tip = "Pixels an inch: of a PNG, and of pictures inside an SVG or PDF"
        self._dpi = self._spin(QSpinBox(), "dpi", LEAST_DPI, MOST_DPI, tip, " dpi")
        self._dpi.setSingleStep(50)
        sizes = named(QToolButton(), "figure.sizes", "…", "Usual sizes", "Usual sizes")
        add_menu(sizes, SIZES, self._on_size)
        self._pixels = label("", "muted", "figure.pixels")
        captions = column(self._positions, self._labels, spacing=4)
        self._rows: dict[str, tuple[str, ...]] = {}
        for text, field, kinds in (
            ("Figure", self._kind, ()),
            ("", self._title, ("cloud", "losses", "film", "kinds", "plane")),
            ("Frames", self._frames, ("film", "kinds")),
            ("In a row", self._columns, ("film",)),
            ("Images", self._scaling, ("film", "kinds", "transect")),
            ("Captions", captions, ("film",)),
            ("Theme", self._theme_box, ()),
            ("Width", row((self._width, 1), sizes, spacing=4), ()),
            ("Height", self._tall, ()),
            ("Text", self._font, ()),
            ("Format", self._format, ()),
            ("Resolution", self._dpi, ()),
            ("", self._pixels, ()),
        ):
            lines.addRow(text, field)
            if kinds:
                self._rows[str(lines.rowCount() - 1)] = kinds

    def _combo(self, name: str, entries: dict, tip: str) -> QComboBox:
        box = combo_box(f"figure.{name}", tip, tip)
        for value, text in entries.items():
            box.addItem(text, value)
        box.activated.connect(self._on_changed)
        return box

    def _box(self, name: str, text: str, tip: str) -> QCheckBox:
        box = named(QCheckBox(text), f"figure.{name}", None, tip)
        box.toggled.connect(self._on_changed)
        return box

    def _spin(self, box: S, name: str, low: float, high: float, tip: str, unit: str = "") -> S:
        named(box, f"figure.{name}", None, f"{tip} ({low:g} to {high:g})", tip)
        box.setRange(int(low), int(high)) if isinstance(box, QSpinBox) else box.setRange(low, high)
        if isinstance(box, QDoubleSpinBox):
            box.setDecimals(2 if unit == " cm" else 1)
            box.setStepType(QAbstractSpinBox.StepType.DefaultStepType)
            box.setSingleStep(0.5)
        box.setSuffix(unit)
        box.setKeyboardTracking(False)
        box.valueChanged.connect(self._on_changed)
        return box

    def _make_target(self) -> QWidget:
        """Where the file will be: its folder, and its name."""
        self._place = named(ElidedLabel("muted"), "figure.folder")
        tip = "Choose the folder for figures"
        change = push_button("figure.folder.change", "Folder…", tip, self.folder_requested)
        change.setAutoDefault(False)
        self._name = named(
            QLineEdit(), "figure.name", tip="Name of the file, without its ending", accessible="File name"
        )
        self._name.textEdited.connect(lambda _: self._show_target())
        self._ending = label("", "muted", "figure.ending")
        target = QWidget()
        column(
            row((self._place, 1), change, spacing=8),
            row((self._name, 1), self._ending, spacing=4),
            spacing=4,
            parent=target,
        )
        return target

    def _make_buttons(self) -> QDialogButtonBox:
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Close)
        self._save = buttons.button(QDialogButtonBox.StandardButton.Save)
        named(self._save, "dialog.figure.accept")
        self._save.setDefault(True)
        for button in buttons.buttons():
            button.setIcon(QIcon())  # some platforms would put a picture on it that no theme of ours knows
        buttons.accepted.connect(lambda: self.save_requested.emit(str(self.target)))
        buttons.rejected.connect(self.reject)
        return buttons

    # setters

    def set_kinds(self, kinds: Sequence[FigureKind]) -> None:
        """What can be saved; one that cannot says why."""
        chosen = self._kind.currentData()
        with QSignalBlocker(self._kind):
            model = QStandardItemModel(self._kind)
            for kind in kinds:
                item = QStandardItem(kind.text)
                item.setData(kind.name, Qt.ItemDataRole.UserRole)
                item.setToolTip(kind.missing)
                item.setEnabled(not kind.missing)
                if kind.missing:
                    item.setText(f"{kind.text} – not now")
                model.appendRow(item)
            self._kind.setModel(model)
            self._kind.setCurrentIndex(max(0, self._kind.findData(chosen)))

    def set_choice(self, choice: FigureChoice) -> None:
        """Show these settings."""
        values = (
            (self._width, choice.width),
            (self._tall, choice.height),
            (self._font, choice.font),
            (self._dpi, choice.dpi),
            (self._frames, choice.frames),
            (self._columns, choice.columns),
        )
        for box, value in values:
            with QSignalBlocker(box):
                box.setValue(value)  # pyright: ignore[reportArgumentType]  # whole numbers for whole fields
        ticks = ((self._title, choice.title), (self._positions, choice.positions), (self._labels, choice.labels))
        for box, ticked in ticks:
            with QSignalBlocker(box):
                box.setChecked(ticked)
        combos = (
            (self._kind, choice.kind),
            (self._theme_box, choice.theme),
            (self._format, choice.format),
            (self._scaling, choice.scaling),
        )
        for box, name in combos:
            with QSignalBlocker(box):
                box.setCurrentIndex(max(0, box.findData(name)))
        self._show()

    def set_target(self, folder: Path, suggestion: str) -> None:
        """The folder, and a name for the file; one that a person has typed, or is about to type, stays."""
        if not (self._suggestion and self._name.hasFocus()):
            if self._name.text() in ("", self._suggestion):
                self._name.setText(suggestion)
            self._suggestion = suggestion
        self._folder = folder
        self._show_target()

    def set_taken(self, target: Path, taken: bool) -> None:
        """Whether there is a file at ``target`` already."""
        if taken != (self._taken == target):
            self._taken = target if taken else Path()
            self._show_target()

    def replaces(self, target: Path) -> bool:
        """Whether the dialog says, or need not say, that the file at ``target`` is replaced."""
        return target in (self._taken, *self._saved)

    def set_preview(self, picture: QPixmap, height: float, notes: Sequence[str]) -> None:
        """How the figure looks; the page is ``height`` cm high."""
        self.preview.picture, self.preview.words, self._height = picture, "", height
        self.preview.update()
        self.notes.setText(" ".join(notes))
        self._show_pixels()
        self._save.setEnabled(True)

    def set_missing(self, reason: str) -> None:
        """There is nothing to show: why."""
        self.preview.words = reason
        self.preview.update()
        self.notes.setText("")
        self._save.setEnabled(False)

    def set_saving(self, saving: bool) -> None:
        """Whether a file is being written."""
        self._save.setEnabled(not saving)
        if saving:
            self._say("Saving…", "muted")

    def set_saved(self, path: Path, text: str) -> None:
        """The file has been written."""
        self._saved.add(path)
        self._say(text, "muted")
        self._show_target()

    def set_error(self, text: str) -> None:
        """What went wrong."""
        self._say(text, "error")

    # what is set

    @property
    def choice(self) -> FigureChoice:
        """The settings."""
        height = self._tall.value()
        return FigureChoice(
            kind=self._kind.currentData() or "",
            theme=self._theme_box.currentData(),
            width=self._width.value(),
            height=height if height >= LEAST_CM else 0.0,
            font=self._font.value(),
            format=self._format.currentData(),
            dpi=self._dpi.value(),
            title=self._title.isChecked(),
            frames=self._frames.value(),
            columns=self._columns.value(),
            scaling=self._scaling.currentData(),
            positions=self._positions.isChecked(),
            labels=self._labels.isChecked(),
        )

    @property
    def target(self) -> Path:
        """The file to write."""
        return self._folder / f"{self._name.text().strip() or self._suggestion}.{self._format.currentData()}"

    # showing

    def _on_size(self, size: str) -> None:
        width, height = (float(side) for side in size.split(" × "))
        for box, value in ((self._width, width), (self._tall, height)):
            with QSignalBlocker(box):
                box.setValue(value)
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        kind = self._kind.currentData()
        for line, kinds in self._rows.items():
            self._form.setRowVisible(int(line), kind in kinds)
        self._format.setToolTip(FORMAT_TIPS[self._format.currentData() or FORMATS[0]])
        self._show_pixels()
        self._show_target()

    def _show_pixels(self) -> None:
        """The size of a PNG; of the others, how high the page is where that is not said."""
        height = self._tall.value() if self._tall.value() >= LEAST_CM else self._height
        words = "" if not height else f"{self._width.value():g} × {height:.1f} cm"
        if words and self._format.currentData() == "png":
            wide, high = (round(side / 2.54 * self._dpi.value()) for side in (self._width.value(), height))
            words += f" = {wide:,} × {high:,} pixels"
        self._pixels.setText(words)

    def _show_target(self) -> None:
        self._place.setText(str(self._folder))
        self._ending.setText(f".{self._format.currentData()}")
        replaces = self._folder != Path() and self.target not in self._saved and self.target == self._taken
        self._save.setText("Replace" if replaces else "Save")
        if replaces:
            self._say("There is a file of this name in the folder: it would be replaced.", "warning")
        elif self.status.property("role") == "warning":
            self._say("", "muted")

    def _say(self, text: str, role: str) -> None:
        set_role(self.status, role)
        self.status.setText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return saves, but not from a number that is being typed: there it ends the typing."""
        typing = isinstance(self.focusWidget(), QAbstractSpinBox)
        if not (typing and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)):
            super().keyPressEvent(event)
