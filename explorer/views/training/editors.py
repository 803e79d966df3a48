"""The form's controls: one editor for each kind of value that a setting of ``core.config`` can have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Signal, SignalInstance
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QLineEdit,
    QRadioButton,
    QSpinBox,
    QWidget,
)

from core.config import Setting
from explorer.widgets.controls import MagnitudeSpinBox, SpinBox, combo_box, folder_or_file_menu, named, push_button
from explorer.widgets.dialogs import ask_file, ask_folder
from explorer.widgets.layouts import row

IMAGE_FILES = (
    *("*.npz", "*.npy", "*.h5", "*.hdf5", "*.hdf", "*.he5", "*.mat", "*.tif", "*.tiff", "*.gif", "*.webp", "*.apng"),
    *("*.avif", "*.gz", "*ubyte"),
)
_LARGEST_INTEGER = 2**31 - 1  # that a spin box can hold


def make_editor(setting: Setting) -> Editor:
    """The editor that fits the setting's type."""
    special = {"data.source": _source_editor, "data.path": PathEditor, "data.labels": TableEditor}
    if setting.name in special:
        return special[setting.name](setting)
    if setting.choices:
        box = combo_box("", letters=8)
        for choice in setting.choices:
            box.addItem(str(choice), choice)
        return Editor(
            setting, box, box.currentData, lambda value: box.setCurrentIndex(box.findData(value)), box.activated
        )
    if setting.optional:
        return _optional_number_editor(setting)
    if setting.kind is bool:
        tick = QCheckBox()
        return Editor(setting, tick, tick.isChecked, tick.setChecked, tick.clicked)
    if setting.kind is int:
        return _integer_editor(setting)
    if setting.kind is float:
        low = 1e-12 if setting.above else setting.low or 0.0
        number = MagnitudeSpinBox(low, 1e6 if setting.high is None else setting.high)
        return Editor(setting, number, number.value, number.setValue, number.committed)
    return TextEditor(setting)


class Editor(QWidget):
    """A control for one value. ``edited`` is emitted when a person changed it; ``set_value`` emits nothing.

    ``read``, from then on ``value``, gives what the control holds in the field's type, ``show`` shows such a value, and
    ``changed`` follows a person's hand.
    """

    edited = Signal()

    def __init__(
        self,
        setting: Setting,
        control: QWidget,
        read: Callable[[], Any],
        show: Callable[[Any], object],
        changed: SignalInstance,
    ) -> None:
        super().__init__()
        self.control, self.value, self._show_value = control, read, show
        control.setObjectName(f"training.{setting.name}")
        control.setToolTip(setting.help)
        control.setAccessibleName(setting.row.label)
        control.setAccessibleDescription(setting.help)
        self.row = row((control, 1), spacing=4, parent=self)
        self.setFocusProxy(control)
        changed.connect(lambda *_: self.edited.emit())

    def set_value(self, value: Any) -> None:
        """Show ``value``."""
        with QSignalBlocker(self.control):
            self._show_value(value)

    def set_invalid(self, invalid: bool) -> None:
        """Mark the control as holding a value that cannot be used."""
        if bool(self.control.property("invalid")) != invalid:
            self.control.setProperty("invalid", invalid)
            self.control.style().unpolish(self.control)
            self.control.style().polish(self.control)


def ask_images(
    window: QWidget, name: str, title: str, folder: bool, chosen: Callable[[str], object], place: Path | None
) -> None:
    """Ask for a ``folder`` of images, or for a file that holds many."""
    if folder:
        ask_folder(window, name, title, chosen, place)
    else:
        ask_file(window, name, title, f"Files of images ({' '.join(IMAGE_FILES)})", chosen, place)


def _integer_editor(setting: Setting) -> Editor:
    box = SpinBox()
    high = min(setting.high or _LARGEST_INTEGER, _LARGEST_INTEGER)
    box.setRange(int(setting.low or 0), int(high))
    box.setStepType(QSpinBox.StepType.AdaptiveDecimalStepType if high > 1000 else QSpinBox.StepType.DefaultStepType)
    return Editor(setting, box, box.value, box.setValue, box.valueChanged)


def _optional_number_editor(setting: Setting) -> Editor:
    """A number, or nothing."""
    line = QLineEdit()
    line.setPlaceholderText("not set")

    def number() -> float | None:
        try:
            return float(line.text()) if line.text().strip() else None
        except ValueError:
            return float("nan")  # fails the configuration's own check, whose message says what is right

    def show(value: float | None) -> None:
        line.setText("" if value is None else f"{value:g}")

    return Editor(setting, line, number, show, line.textEdited)


class TextEditor(Editor):
    """A short text."""

    def __init__(self, setting: Setting) -> None:
        self._line = line = QLineEdit()
        super().__init__(setting, line, lambda: line.text().strip(), line.setText, line.textEdited)


def _place_of(text: str) -> Path | None:
    """Where a dialog begins that asks for another file than ``text``."""
    from core.data.sources.listing import likely_place  # only here: the window is painted without

    return likely_place(text) if text else None


def _source_editor(setting: Setting) -> Editor:
    """What to train on: a person's own images, or the polar curves. Own images are a folder here; the path tells."""
    files = named(QRadioButton("Your images"), "training.data.source.files")
    curves = named(QRadioButton("Polar curves"), "training.data.source.curves")
    holder = QWidget()
    row(files, curves, 1, spacing=16, parent=holder)
    group = QButtonGroup(holder)
    for button in (files, curves):
        group.addButton(button)
    files.setToolTip("Train on a folder of image files, or on an array of images in an .npz file")
    curves.setToolTip("Train on the published study's synthetic curves, drawn when needed")
    editor = Editor(
        setting,
        holder,
        lambda: "curves" if curves.isChecked() else "files",
        lambda value: (curves if value == "curves" else files).setChecked(True),
        group.buttonClicked,
    )
    holder.setToolTip("")  # each button has its own
    editor.setFocusProxy(curves)
    return editor


class PathEditor(TextEditor):
    """A folder or file, typed or chosen. ``committed`` carries it once it is complete."""

    committed = Signal(str)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._committed = ""
        self._line.editingFinished.connect(self._commit)
        self._line.setPlaceholderText("Folder or file")
        tip = "Choose a folder of images, or a file that holds many"
        browse = push_button(f"training.{setting.name}.browse", "Browse…", tip)
        browse.setMenu(folder_or_file_menu(browse, f"training.{setting.name}", self._browse))
        self.row.addWidget(browse)

    def _browse(self, folder: bool) -> None:
        place = _place_of(self.value())
        ask_images(self.window(), "dataset", "Images to train on", folder, self._on_chosen, place)

    def _on_chosen(self, path: str) -> None:
        self.set_value(path)
        self._committed = ""
        self.edited.emit()
        self._commit()

    def set_value(self, value: str) -> None:
        super().set_value(value)
        self._committed = value

    def _commit(self) -> None:
        if self.value() != self._committed:
            self._committed = self.value()
            self.committed.emit(self._committed)


class TableEditor(TextEditor):
    """A table of labels, typed or chosen."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._line.setPlaceholderText("none")
        name, tip = f"training.{setting.name}.browse", "Choose a table with a row an image"
        self.row.addWidget(push_button(name, "Browse…", tip, self._browse))

    def _browse(self) -> None:
        from core.data.tables import SUFFIXES  # only here: the window is painted without

        kind = f"Tables ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
        place = _place_of(self.value())
        ask_file(self.window(), "labels", "Labels of the images", kind, self._on_chosen, place)

    def _on_chosen(self, path: str) -> None:
        self.set_value(path)
        self.edited.emit()
