"""The dataset page: what the chosen images are, what was made of them, and the settings that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QProgressBar, QPushButton, QStackedWidget, QWidget

from core.config import SETTINGS
from core.utils.text import NO_BREAK, counted, duration_text
from explorer.views.training.editors import make_editor
from explorer.widgets.contact_sheet import ContactSheet
from explorer.widgets.controls import label, named, push_button, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import Panel, column, form, row, scrolled
from explorer.widgets.painting import small_font, tint
from explorer.widgets.plain_text import plain_tip
from explorer.widgets.theme import Themed, ThemedWidget

EMPTY = "Drop a folder or a file of images here to see what it holds before you train on it."
MEASURING = "Measuring how long a training takes here …"
SHOWN_SETTINGS = (
    "data.image_size",
    "data.channels",
    "data.resize",
    "data.background",
    "data.frames",
    "data.labels",
    "data.hold_out",
    "training.batch_size",
    "training.epochs",
)
"""The settings that depend most on the images; the Training panel has all."""
TIMED = (
    "model.preset",
    "model.latent_dim",
    "model.variance",
    "loss.entanglement",
    "training.batch_size",
    "training.optimizer",
    "training.precision",
    "training.device",
)
"""Beside those of the images, the settings on which the time of an epoch depends."""
MACHINES = ("training.devices", "training.nodes")  # the time is measured on one
SHEET_HEIGHT = 190  # pixels at most: the first rows of the contact sheet
FEW, MOST_LINES = 12, 200
_PERMILLE = 1000


class DatasetView(Themed, Panel):
    """Shows one inspection, as ``core.data.inspection.Inspection.to_json`` gives it, or how far it is."""

    choose_requested = Signal(bool)
    """A folder (true) or a file is to be chosen."""
    stop_requested = Signal()
    again_requested = Signal()
    train_requested = Signal()
    setting_edited = Signal(str, object)
    """A setting, section.field, and its new value."""

    def __init__(self) -> None:
        super().__init__("dataset")
        self.setMinimumWidth(300)
        self._found: Mapping[str, Any] | None = None
        self._values: dict[str, Any] = {}
        self._reading = False
        self._path = named(ElidedLabel("heading"), "dataset.path")
        self._pages = QStackedWidget()
        self._pages.addWidget(self._make_empty())
        self._pages.addWidget(self._make_failed())
        self._pages.addWidget(self._make_found())
        self._pages.addWidget(QWidget())  # while the first ones are read
        parts = (self._path, self._make_progress(), (self._pages, 1))
        column(*parts, spacing=6, margins=(8, 8, 8, 8), parent=self)
        self.clear()

    def _make_progress(self) -> QWidget:
        self._progress = QWidget()
        self._doing = label("", "muted", "dataset.progress.text", wrap=True)
        self._bar = named(QProgressBar(), "dataset.progress")
        self._bar.setRange(0, _PERMILLE)
        self._bar.setTextVisible(False)
        stop = push_button("dataset.stop", "Stop", "Stop reading the images", self.stop_requested)
        column(row((self._doing, 1), stop, spacing=8), self._bar, spacing=4, parent=self._progress)
        return self._progress

    def _make_empty(self) -> QWidget:
        page = QWidget()
        text = label(EMPTY, "muted", "dataset.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        choices = [
            push_button(f"dataset.choose.{kind}", f"Choose a {kind}…", "", partial(self.choose_requested.emit, folder))
            for kind, folder in (("folder", True), ("file", False))
        ]
        column(1, text, row(1, *choices, 1, spacing=8), 1, spacing=12, margins=(16, 16, 16, 16), parent=page)
        return page

    def _make_failed(self) -> QWidget:
        page = QWidget()
        self._error = label("", "error", "dataset.error", wrap=True)
        self._error.setTextFormat(Qt.TextFormat.PlainText)
        self._error.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        again = push_button("dataset.again", "Read again", "", self.again_requested)
        column(self._error, row(again, 1), 1, spacing=8, parent=page)
        return page

    def _make_found(self) -> QWidget:
        page, body = QWidget(), QWidget()
        self._sheet = named(ContactSheet(SHEET_HEIGHT), "dataset.sheet")
        self._facts = self._text("facts")
        self._classes_title = label("", "heading", "dataset.classes.title")
        self._classes = named(_Bars(), "dataset.classes")
        self._more = named(QPushButton(""), "dataset.classes.more")
        self._more.clicked.connect(self._show_all_classes)
        self._split_title = label("Split", "heading")
        self._split = self._text("split")
        self._notes_title = label("", "heading", "dataset.notes.title")
        self._notes = self._text("notes")
        self._skipped_title = label("", "heading", "dataset.skipped.title")
        tip = "Copy all names with the reasons"
        self._copy = push_button("dataset.skipped.copy", "Copy list", tip, self._copy_skipped)
        self._skipped = self._text("skipped")
        skipped_head = row((self._skipped_title, 1), self._copy)
        settings = self._make_settings()
        self._estimate = label("", "muted", "dataset.estimate", wrap=True)
        parts = (
            *(self._sheet, self._facts, self._classes_title, self._classes, row(self._more, 1)),
            *(self._split_title, self._split, label("Settings that follow", "heading"), settings),
            self._estimate,
            *(self._notes_title, self._notes, skipped_head, self._skipped, 1),
        )
        column(*parts, spacing=8, margins=(0, 0, 8, 0), parent=body)
        self._train = push_button("dataset.train", "Train on these images", "", self.train_requested, primary=True)
        self._scroll = scrolled(body, "dataset.scroll")
        column((self._scroll, 1), self._train, spacing=8, parent=page)
        return page

    def _text(self, name: str) -> Any:
        made = label("", "", f"dataset.{name}", wrap=True)
        made.setTextFormat(Qt.TextFormat.RichText)
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return made

    def _make_settings(self) -> QWidget:
        holder = QWidget()
        rows = form(holder)
        self._editors = {}
        for name in SHOWN_SETTINGS:
            setting = SETTINGS[name]
            editor = make_editor(setting)
            text = label(setting.row.label, buddy=editor.control)
            editor.control.setObjectName(f"dataset.{name}")
            text.setToolTip(setting.help)
            rows.addRow(text, editor)
            editor.edited.connect(lambda name=name, editor=editor: self.setting_edited.emit(name, editor.value()))
            self._editors[name] = editor
        return holder

    @property
    def shows_images(self) -> bool:
        """Whether what was found is on show."""
        return self._pages.currentIndex() == 2

    # setters

    def clear(self) -> None:
        """Nothing is chosen."""
        self._found = None
        self._path.setText("No images chosen")
        self._pages.setCurrentIndex(0)
        self.set_reading(None)

    def set_path(self, path: str) -> None:
        """Which folder or file this is about."""
        self._path.setText(path)

    def set_reading(self, done: float | None, seconds: float = 0.0) -> None:
        """The share, 0 to 1, that has been read in so many ``seconds``; None: nothing is being read."""
        self._reading = done is not None
        self._progress.setVisible(self._reading)
        if done is not None:
            self._bar.setValue(round(_PERMILLE * done))
            left = seconds * (1.0 - done) / done if done > 0.01 else math.inf
            known = (
                f" · {done:.0%} · {duration_text(left)}{NO_BREAK}left"
                if math.isfinite(left) and seconds > 1.0
                else " …"
            )
            self._doing.setText(MEASURING if done >= 1.0 else f"Reading the images{known}")
            if self._pages.currentIndex() < 2:
                self._pages.setCurrentIndex(3)

    def set_error(self, text: str) -> None:
        """Why the images cannot be used, and what to do."""
        self._error.setText(text)
        self._pages.setCurrentIndex(1)
        self.set_reading(None)

    def set_found(self, found: Mapping[str, Any], sheet: QPixmap) -> None:
        """What was found, and a picture of some images."""
        self._found = found
        self._sheet.set_picture(sheet)
        self._show_classes(FEW)
        split = found.get("split")
        self._split_title.setVisible(bool(split))
        self._split.setVisible(bool(split))
        notes, skipped = found.get("notes", []), found.get("skipped", [])
        self._notes_title.setText(f"What was done ({len(notes):,})")
        self._notes.setText(_listed(notes))
        for widget in (self._notes_title, self._notes):
            widget.setVisible(bool(notes))
        self._skipped_title.setText(f"Skipped ({len(skipped):,})")
        self._skipped.setText(_listed(skipped_lines(skipped)))
        for widget in (self._skipped_title, self._skipped, self._copy):
            widget.setVisible(bool(skipped))
        set_role(self._skipped_title, "warning")
        self._show_tables()
        self._show_estimate()
        self._pages.setCurrentIndex(2)
        self.set_reading(None)

    def set_settings(self, values: Mapping[str, Any]) -> None:
        """Show the settings of the Training panel's form, by section.field."""
        for name, editor in self._editors.items():
            if name in values and editor.value() != values[name]:
                editor.set_value(values[name])
        self._values = dict(values)
        self._show_estimate()

    def set_trainable(self, obstacle: str) -> None:
        """Why no training can be started now; empty: it can."""
        self._train.setEnabled(not obstacle)
        self._train.setToolTip(
            plain_tip(obstacle) if obstacle else "Start a training with the settings of the Training panel"
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._show_tables()

    # showing

    def _show_tables(self) -> None:
        if self._found is not None:
            self._facts.setText(_table(facts(self._found), self._theme.muted))
            self._split.setText(_table(split_rows(self._found.get("split") or {}), self._theme.muted))

    def _show_estimate(self) -> None:
        text = "" if self._found is None else estimate(self._found, self._values)
        self._estimate.setText(text)
        self._estimate.setVisible(bool(text))

    def _show_classes(self, most: int) -> None:
        found = self._found or {}
        named_label = next((known for known in found.get("labels", []) if known["kind"] == "class"), None)
        counts = dict(found.get("classes") or {})
        for widget in (self._classes_title, self._classes):
            widget.setVisible(bool(counts))
        self._more.setVisible(len(counts) > most)
        if not counts:
            return
        several = counted(named_label["values"] if named_label else len(counts), "class", "classes")
        self._classes_title.setText(f"{named_label['name'] if named_label else 'class'} · {several}")
        self._classes.set_counts(list(counts.items())[:most])
        self._more.setText(f"Show all {len(counts):,}")

    def _show_all_classes(self) -> None:
        self._show_classes(10**9)

    def _copy_skipped(self) -> None:
        lines = skipped_lines((self._found or {}).get("skipped", []))
        QGuiApplication.clipboard().setText("\n".join(lines))


class _Bars(ThemedWidget):
    """How many images each class has: its name, a bar, the number."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: list[tuple[str, int]] = []

    def set_counts(self, counts: Sequence[tuple[str, int]]) -> None:
        """Names and numbers, in this order."""
        self._counts = list(counts)
        self.setAccessibleName(", ".join(f"{name}: {count}" for name, count in counts))
        self.updateGeometry()
        self.update()

    def _row(self) -> float:
        return QFontMetricsF(small_font(self.font())).height() + 4.0

    def sizeHint(self) -> QSize:
        return QSize(200, math.ceil(len(self._counts) * self._row()))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = self._theme
        with QPainter(self) as painter:
            painter.setFont(small_font(self.font()))
            metrics, height = QFontMetricsF(painter.font()), self._row()
            most = max((count for _, count in self._counts), default=1)
            names = min(
                max((metrics.horizontalAdvance(name) for name, _ in self._counts), default=0.0), 0.4 * self.width()
            )
            numbers = max((metrics.horizontalAdvance(f"{count:,}") for _, count in self._counts), default=0.0)
            room = max(8.0, self.width() - names - numbers - 16.0)
            middle = Qt.AlignmentFlag.AlignVCenter
            for place, (name, count) in enumerate(self._counts):
                top = place * height
                painter.setPen(QColor(theme.text))
                text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, names)
                painter.drawText(QRectF(0, top, names, height), Qt.AlignmentFlag.AlignLeft | middle, text)
                painter.fillRect(
                    QRectF(names + 8, top + 3, max(1.0, room * count / most), height - 6), tint(theme.accent, 0.55)
                )
                painter.setPen(QColor(theme.muted))
                box = QRectF(self.width() - numbers, top, numbers, height)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight | middle, f"{count:,}")


# what is said


def facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Kind, number, size, pixels, labels and what is repeated, as rows of a name and a text."""
    height, width = found["size"]
    others = found.get("different_sizes", 1) - 1
    sizes = f", {counted(others, 'other size')}" if others > 0 else ""
    pixels = found.get("pixels", {})
    kinds = ", ".join(f"{count:,} {kind}" if len(pixels) > 1 else kind for kind, count in pixels.items())
    low, high = found.get("values", (0, 0))
    rows = [
        ("Kind", found["kind"]),
        ("Images", f"{found['images']:,}, {'in colour' if found['channels'] == 3 else 'grey'}"),
        ("Size", f"{width} × {height} pixels{sizes}"),
        ("Pixels", f"{kinds}, values {low:g} to {high:g}"),
    ]
    for known in found.get("labels", []):
        rows.append((f"Label {known['name']}", label_text(known)))
    for name, key, what in (("Duplicates", "duplicates", "equal to another"), ("Constant", "constant", "of one level")):
        about = found.get(key) or {}
        if about.get("images"):
            example = about["examples"][0]
            such = f"{example[1]} and {example[0]}" if isinstance(example, list) else example
            rows.append((name, f"{counted(about['images'], 'image')} {what}, such as {such}"))
    return rows


def label_text(known: Mapping[str, Any]) -> str:
    """Of which type a label is, and how many values are not known."""
    if known["kind"] == "class":
        text = counted(known["values"], "class", "classes")
    else:
        text = "a number" if known["low"] is None else f"a number, {known['low']:g} to {known['high']:g}"
    return text + (f", {known['unknown']:,} not known" if known["unknown"] else "")


def split_rows(split: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How many images each side holds, and of how many classes; which classes a side has none of."""
    rows = []
    classes = split.get("classes") or {}
    everything = {name for side in classes.values() for name in side}
    for key, name in (("train", "Training"), ("validation", "Validation"), ("held_out", "Held out")):
        if not split or (key == "held_out" and not split.get(key)):
            continue
        has = set(classes.get(key, {}))
        missing = sorted(everything - has)
        text = counted(split[key], "image")
        if everything:
            text += f" of {counted(len(has), 'class', 'classes')}"
            if missing and key != "held_out":
                text += f"; none of {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}"
        rows.append((name, text))
    return rows


def estimate(found: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """How long a training with ``values``, by section.field, takes on this machine, and its memory.

    Empty where that is not known: where it was measured with other settings of those on which it depends.
    """
    settings, split = found.get("settings", {}), found.get("split")
    measured = settings.get("estimate")
    if not measured or not split:
        return ""
    for section in ("data", "model", "loss", "training"):
        for name, value in settings.get(section, {}).items():
            place = f"{section}.{name}"
            decides = place in (*TIMED, *MACHINES) or (section == "data" and name not in ("path", "source"))
            if decides and values.get(place, value) != value:
                return ""
    rate, memory = measured["images_per_second"], measured["memory_bytes"]
    seconds = values.get("training.epochs", 0) * split["train"] / rate
    return (
        f"On this machine about {duration_text(seconds)} at {rate:,.0f} images/s, with {memory / 1e9:.1f} GB of memory."
    )


def skipped_lines(skipped: Sequence[Mapping[str, str]]) -> list[str]:
    """Each skipped file with the reason."""
    return [f"{one['name']}: {one['reason']}" for one in skipped]


def _table(rows: Sequence[tuple[str, str]], muted: str) -> str:
    cells = "".join(
        f"<tr><td style='padding:1px 12px 1px 0' width='90'><span style='color:{muted}'>{escape(name)}</span></td>"
        f"<td style='padding:1px 0'>{escape(text)}</td></tr>"
        for name, text in rows
    )
    return f"<table cellspacing='0' width='100%'>{cells}</table>"


def _listed(lines: Sequence[str]) -> str:
    shown = "<br>".join(escape(line) for line in lines[:MOST_LINES])
    more = len(lines) - MOST_LINES
    return shown + (f"<br>… and {more:,} more; the list that is copied has them all" if more > 0 else "")
