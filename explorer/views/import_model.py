"""Importing a model or latents: which files, what they seem to be, with a picture of what comes out, and the run's
name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from core.utils.text import counted
from explorer.widgets.contact_sheet import ContactSheet
from explorer.widgets.controls import (
    ComboBox,
    folder_or_file_menu,
    label,
    leave_drops,
    named,
    push_button,
    spin_box,
    tool_button,
)
from explorer.widgets.layouts import column, row, scrolled

EMPTY = (
    "Choose a decoder, an encoder or an autoencoder in an ONNX file, the folder of a model that pythae or diffusers "
    "saved, a PyTorch or safetensors file, or a file of latents. What it holds is found out and shown here before "
    "anything is imported."
)
SIZE, FILES_WIDTH, SHEET_HEIGHT = (980, 600), 290, 280  # pixels
MOST_SAMPLES = 20_000
_PERCENT = 100


@dataclass(frozen=True)
class Field:
    """What a flag of `isoline import` is called in the window, and what it says."""

    caption: str
    tip: str


CHOICES = {
    "--input": Field("Latent", "Input of the decoder that is the latent; in an autoencoder, the value inside it"),
    "--output": Field("Image", "Output of the decoder that is the image"),
    "--layout": Field("Image axes", "Order of the axes of the decoder's image: N batch, C channels, H height, W width"),
    "--range": Field("Image values", "Black and white of the decoder's image, LOW:HIGH; logits: before a sigmoid"),
    "--image-input": Field("Encoder input", "Input of the encoder that is the image"),
    "--encoder-layout": Field("Encoder axes", "Order of the axes of the encoder's image"),
    "--encoder-range": Field("Encoder values", "What the encoder takes as black and white, LOW:HIGH"),
    "--mean": Field("Latent mean", "Output of the encoder that is the mean; NAME@START: from that element on"),
    "--image-size": Field("Image size", "Height and width in pixels, such as 64x64, where the file leaves them open"),
    "--fixed": Field("Fixed inputs", "Other inputs and the number that each of them is kept at: label=0 eps=0"),
    "--maps": Field("Latent maps", "Of an AutoencoderKL: flattened, pca (of the images' maps), or pooled, undecoded"),
    "--components": Field("Components", "With pca: how many principal components of the maps are the latent"),
    "--key": Field("Array", "The array, column or tensor that holds the latents"),
}
"""The flags that say what a file holds."""
FILES = {
    "model": Field("Model or latents", "ONNX; a folder that pythae or diffusers saved, or a file in it; a PyTorch or "
                                       "safetensors file; or latents: NPY, NPZ, CSV, TSV, Parquet, or the projector's "
                                       "configuration"),
    "--model": Field("Python file", "Yours, which defines load(state): it gets the tensors by name and returns an "
                                    "object with latent_dim and decode(z), encode(x), or both. You are asked before "
                                    "it is run"),
    "--encoder": Field("Encoder", "The encoder, where it is a file of its own"),
    "--images": Field("Images", "A folder or file of images, which the encoder turns into latents, or row i of which "
                                "belongs to latent i"),
    "--latents": Field("Latents", "A file of latents: of the images in their order, or else decoded to show samples"),
    "--labels": Field("Labels", "A table with more about each image or latent, matched by file name or by order"),
    "--files": Field("Names", "A table or text with a file name for each latent, by which images and labels match"),
}  # fmt: skip
"""The files that can be given."""
_OTHER = {"--samples": "Samples of the prior", "--out": "Run folder"}
_OF_FOLDERS = {"model": "models", "--images": "images"}
"""The files in whose place a folder can be, and of what."""


@dataclass(frozen=True)
class ImportChoice:
    """What a person has chosen: paths by flag, how many samples are drawn, None if none are, and what the file is said
    to hold by flag."""

    model: str
    files: dict[str, str]
    samples: int | None
    choices: dict[str, str]


class ImportDialog(QDialog):
    """Asks what is imported. ``changed``: it has to be looked at anew; ``choose_requested`` carries a flag of ``FILES``
    and whether a folder is meant; ``import_requested`` the run's name; ``cancelled``: what goes on is given up."""

    changed = Signal()
    choose_requested = Signal(str, bool)
    import_requested = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("dialog.import")
        self.setWindowTitle("Import model")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._choices: dict[str, str] = {}
        self._findings: Sequence[Mapping[str, Any]] = ()
        self._suggested = ""
        self._ready = self._busy = False
        self._missing = EMPTY
        self._fields: dict[str, tuple[QWidget, QLineEdit]] = {}  # and the box with its caption
        for flag, field in FILES.items():
            self._fields[flag] = self._file_field(flag, field)
        tip = "Without images and latents, so many samples are drawn from the prior, a standard normal distribution"
        self._samples = spin_box("dialog.import.samples", 2, MOST_SAMPLES, 2000, tip, scrolled=True)
        self._samples_box = self._captioned("Samples of the prior", self._samples)
        self._name = named(QLineEdit(), "dialog.import.name", tip="Folder of the run, in the runs folder")
        self._name.textEdited.connect(self._show_ready)
        self._name_box = self._captioned("Run folder", self._name)
        self._pages = QStackedWidget()
        self._empty = label(EMPTY, "muted", "dialog.import.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._empty.setMargin(40)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._make_found())
        files = QWidget()
        files.setFixedWidth(FILES_WIDTH)
        boxes = [box for box, _ in self._fields.values()]
        column(*boxes, self._samples_box, 1, self._name_box, spacing=8, margins=(0, 0, 12, 0), parent=files)
        area = scrolled(files, "dialog.import.sources")
        area.setFixedWidth(FILES_WIDTH + 12)
        body = row(area, (self._pages, 1), spacing=16)
        column((body, 1), self._make_foot(), spacing=12, margins=(16, 16, 16, 12), parent=self)
        leave_drops(self)
        self.resize(*SIZE)
        self.set_fields(())
        self.set_progress(None)

    # what it is made of

    def _captioned(self, text: str, field: QWidget, holder: QWidget | None = None) -> QWidget:
        box = QWidget()
        caption = label(text, "muted", buddy=field)
        caption.setToolTip(field.toolTip())
        field.setAccessibleName(text)
        column(caption, holder or field, spacing=3, parent=box)
        return box

    def _file_field(self, flag: str, field: Field) -> tuple[QWidget, QLineEdit]:
        name = "dialog.import.program" if flag == "--model" else f"dialog.import.{flag.lstrip('-')}"
        edit = named(QLineEdit(), name, tip=field.tip)
        edit.setPlaceholderText("" if flag == "model" else "none")
        edit.editingFinished.connect(partial(self._on_typed, flag))
        edit.setProperty("looked", "")
        tip = f"{field.caption}: choose a {'folder or file' if flag in _OF_FOLDERS else 'file'}"
        button = tool_button(f"{name}.choose", "", tip, tip, words=False, drawing="open")
        if flag in _OF_FOLDERS:
            choose = partial(self.choose_requested.emit, flag)
            button.setMenu(folder_or_file_menu(button, name, choose, _OF_FOLDERS[flag]))
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        else:
            button.clicked.connect(partial(self.choose_requested.emit, flag, False))
        holder = QWidget()
        column(row((edit, 1), button, spacing=4), parent=holder)
        return self._captioned(field.caption, edit, holder), edit

    def _make_found(self) -> QWidget:
        page, body = QWidget(), QWidget()
        self._error = label("", "error", "dialog.import.error", wrap=True)
        self._error.setTextFormat(Qt.TextFormat.PlainText)
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._headline = label("", "heading", "dialog.import.headline", wrap=True)
        self._sheet = named(ContactSheet(SHEET_HEIGHT, whole_pixels=True), "dialog.import.sheet")
        self._shown = label("", "muted", "dialog.import.sheet.caption", wrap=True)
        self._table = named(QWidget(), "dialog.import.findings")
        self._notes_title = label("Notes", "heading")
        self._notes = label("", "", "dialog.import.notes", wrap=True)
        self._notes.setTextFormat(Qt.TextFormat.RichText)
        self._notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        tip = "Forget what was chosen here, and find everything from the file again"
        self._reset = push_button("dialog.import.reset", "Reset choices", tip, self._forget_choices)
        column(
            *(self._error, self._headline, self._sheet, self._shown, self._table, row(self._reset, 1)),
            *(self._notes_title, self._notes, 1),
            spacing=10,
            margins=(0, 0, 8, 0),
            parent=body,
        )
        grid = QGridLayout(self._table)
        grid.setContentsMargins(0, 4, 0, 4)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(6)
        grid.setColumnMinimumWidth(0, 104)
        grid.setColumnMinimumWidth(1, 170)
        grid.setColumnStretch(2, 1)
        self._grid = grid
        column((scrolled(body, "dialog.import.scroll"), 1), parent=page)
        return page

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        self._doing = label("", "muted", "dialog.import.doing")
        self._bar = named(QProgressBar(), "dialog.import.progress", accessible="Progress")
        self._bar.setTextVisible(False)
        self._progress = QWidget()
        column(self._doing, self._bar, spacing=4, parent=self._progress)
        kept = self._progress.sizePolicy()
        kept.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
        kept.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(kept)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setIcon(QIcon())  # some platforms have one, in black
        buttons.rejected.connect(self.reject)
        self._cancel = push_button("dialog.import.cancel", "Cancel", "", self.cancelled)
        self._import = push_button("dialog.import.import", "Import", "", self._request_import, primary=True)
        for button in (self._cancel, self._import):
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        row((self._progress, 1), buttons, spacing=16, parent=foot)
        return foot

    # what a person does

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return ends what is typed in a field, and nothing else: no button is pressed by it."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            return
        super().keyPressEvent(event)

    def _on_typed(self, flag: str) -> None:
        edit = self._fields[flag][1]
        if edit.text().strip() != edit.property("looked"):
            self.set_file(flag, edit.text().strip())
            self.changed.emit()

    def _choose(self, flag: str, text: str) -> None:
        """A person says ``text`` for ``flag``; nothing: it is to be found."""
        text = text.strip()
        if text == self._choices.get(flag, ""):
            return
        if text:
            self._choices[flag] = text
        else:
            del self._choices[flag]
        self.changed.emit()

    def _forget_choices(self) -> None:
        self._choices.clear()
        self.changed.emit()

    def _request_import(self) -> None:
        self.import_requested.emit(self._name.text().strip())

    # getters and setters

    def choice(self) -> ImportChoice:
        """What a person has chosen, of what applies."""
        files = {
            flag: edit.text().strip()
            for flag, (box, edit) in self._fields.items()
            if flag != "model" and not box.isHidden() and edit.text().strip()
        }
        samples = None if self._samples_box.isHidden() else self._samples.value()
        return ImportChoice(self._fields["model"][1].text().strip(), files, samples, dict(self._choices))

    def set_file(self, flag: str, path: str) -> None:
        """Another file was chosen for ``flag``; another model makes what was said of the last one void."""
        edit = self._fields[flag][1]
        edit.setText(path)
        edit.setProperty("looked", path)
        if flag == "model":
            self._choices.clear()
            if self._name.text() == self._suggested:
                self._name.clear()

    def set_fields(self, flags: Collection[str]) -> None:
        """Which files can be given beside the model or the latents: the others are not shown."""
        for flag, (box, _) in self._fields.items():
            box.setVisible(flag == "model" or flag in flags)
        given = self.choice().files
        self._samples_box.setVisible("--latents" in flags and not {"--images", "--latents"} & set(given))

    def set_progress(self, doing: str | None, share: float = 0.0) -> None:
        """What goes on, and how much of it is done, 0 to 1; None: nothing goes on."""
        self._busy = doing is not None
        self._doing.setText(doing or "")
        self._empty.setText("" if self._busy else self._missing)
        self._progress.setVisible(self._busy)
        self._bar.setRange(0, _PERCENT if share > 0.0 or doing is None else 0)  # without an end: it moves
        self._bar.setValue(round(_PERCENT * share))
        self._cancel.setVisible(self._busy)
        self._show_ready()

    def set_importing(self, importing: bool) -> None:
        """While a run is made nothing can be chosen."""
        boxes = [box for box, _ in self._fields.values()]
        for widget in (*boxes, self._samples, self._name, self._table, self._reset):
            widget.setEnabled(not importing)

    def set_empty(self, text: str = EMPTY) -> None:
        """Nothing can be looked at yet, for something has to be chosen or said first."""
        self._missing = text
        self._empty.setText(text)
        self._pages.setCurrentIndex(0)
        self._ready = False
        self._show_ready()

    def set_found(self, found: Mapping[str, Any], sheet: QPixmap) -> None:
        """What the file holds, as `isoline import --json` says it, and the picture of what comes out."""
        self._findings = found.get("findings", [])
        self._error.hide()
        self._headline.setText(headline(found))
        self._headline.show()
        self._sheet.set_picture(sheet)
        self._shown.setText(found.get("sheet", ""))
        self._shown.setVisible(bool(found.get("sheet")))
        notes = [in_words(note) for note in found.get("notes", [])]
        rows: list[tuple[str, Mapping[str, Any]]] = [(one["flag"], one) for one in self._findings]
        known = {flag for flag, _ in rows}
        offered = flags_in(" ".join(found.get("notes", [])))
        self._fill_table([*rows, *((flag, {}) for flag in offered if flag not in known)])
        self._notes.setText("".join(f"<p style='margin:0 0 4px 0'>{escape(note)}</p>" for note in notes))
        for widget in (self._notes_title, self._notes):
            widget.setVisible(bool(notes))
        self._suggest(found.get("name", ""))
        self._pages.setCurrentIndex(1)
        self._ready = True
        self._show_ready()

    def set_error(self, text: str) -> None:
        """Why this cannot be imported, with a field for each flag that the message names or that was chosen."""
        self.show_failure(text)
        for widget in (self._headline, self._sheet, self._shown, self._notes_title, self._notes):
            widget.hide()
        flags = [flag for flag in CHOICES if flag in self._choices or flag in flags_in(text)]
        found = {one["flag"]: one for one in self._findings}
        self._fill_table([(flag, found.get(flag, {})) for flag in flags])
        self._pages.setCurrentIndex(1)
        self._ready = False
        self._show_ready()

    def show_failure(self, text: str) -> None:
        """Why the run could not be made; what was found stays."""
        self._error.setText(in_words(text))
        self._error.show()

    def _suggest(self, name: str) -> None:
        if self._name.text() in ("", self._suggested):
            self._name.setText(name)
            self._name.setCursorPosition(0)
        self._suggested = name

    def _show_ready(self) -> None:
        ready = self._ready and not self._busy
        self._import.setEnabled(ready and bool(self._name.text().strip()))
        self._import.setToolTip("Make the run and open it" if ready else "Choose a file that can be imported first")

    # the table

    def _fill_table(self, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """A row of caption, value and reason for each flag; {} for one of which nothing is known."""
        while self._grid.count():
            taken = self._grid.takeAt(0)
            widget = None if taken is None else taken.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        shown = [flag for flag, _ in rows]
        rows = [*rows, *((flag, {}) for flag in self._choices if flag not in shown)]
        for place, (flag, found) in enumerate(rows):
            field = CHOICES[flag]
            value = self._value_widget(flag, found)
            value.setToolTip(field.tip)
            value.setAccessibleName(field.caption)
            caption = label(field.caption, "muted", buddy=value)
            caption.setToolTip(field.tip)
            stale = self._choices.get(flag, found.get("choice")) != found.get("choice")  # it is of another choice
            told = "" if stale else found.get("reason", "")
            reason = label(told, "muted", f"dialog.import.{flag.lstrip('-')}.reason", wrap=True)
            for across, widget in enumerate((caption, value, reason)):
                self._grid.addWidget(widget, place, across, Qt.AlignmentFlag.AlignVCenter)
                widget.show()  # now: of itself Qt shows it later, and keys that come first are lost
        self._table.setVisible(bool(rows))
        self._reset.setVisible(bool(self._choices))

    def _value_widget(self, flag: str, found: Mapping[str, Any]) -> QWidget:
        name, options = f"dialog.import.{flag.lstrip('-')}", found.get("options", [])
        chosen: Callable[[str], None] = partial(self._choose, flag)
        if not found or not options:
            given = found.get("choice", "")
            edit = named(QLineEdit(self._choices.get(flag, given)), name)
            edit.setPlaceholderText("found from the file")
            edit.editingFinished.connect(lambda: edit.text() != given and chosen(edit.text()))
            return edit
        if len(options) < 2:
            text: QLabel = label(found["value"], name=name, wrap=True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            return text
        box = named(ComboBox(), name)
        box.setMinimumContentsLength(8)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.addItems(options)
        box.setEditable(flag in ("--range", "--encoder-range", "--mean"))
        box.setCurrentText(self._choices.get(flag, str(found["choice"])))
        box.textActivated.connect(chosen)
        line = box.lineEdit()
        if line is not None:
            line.setAcceptDrops(False)
            line.editingFinished.connect(lambda: line.text() != found["choice"] and chosen(line.text()))
        return box


def headline(found: Mapping[str, Any]) -> str:
    """What a file holds, in one line."""
    parts = " and ".join(part for part in ("decoder", "encoder") if found.get(part))
    dimensions = counted(found["latent_dim"], "latent dimension")
    if not parts:
        labels = f", labels: {', '.join(found['labels'])}" if found.get("labels") else ""
        return f"{counted(found['shown'], 'sample')}, {dimensions}, no decoder{labels}"
    size = found["image_size"]
    images = f", {counted(found['images'], 'image')}" if found.get("images") else ""
    colour = "in colour" if found["channels"] == 3 else "grey"
    return f"{parts.capitalize()}, {dimensions}, shown as {size} × {size} pixels, {colour}{images}"


def flags_in(text: str) -> list[str]:
    """The flags of ``CHOICES`` that ``text`` names."""
    return [flag for flag in CHOICES if re.search(rf"{flag}\b(?!-)", text)]


def in_words(text: str) -> str:
    """``text`` with what the window calls each flag in place of the flag."""
    captions = {flag: field.caption for flag, field in {**CHOICES, **FILES}.items()} | _OTHER

    def worded(match: re.Match[str]) -> str:
        return f"“{captions[match[0]]}”" if match[0] in captions else match[0]

    return re.sub(r"`[^`]*`|--[a-z]+(?:-[a-z]+)*", worded, text)  # a command stays as it is
