"""Dialogs for files, for progress and for anything else. They block nothing: the window can be used behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QMessageBox, QProgressDialog, QPushButton, QWidget
from shiboken6 import isValid

from explorer.background import Background
from explorer.weak_callback import ignore
from explorer.widgets.controls import label

_SAVED_IN = "saved in"  # a property of the window


class _FileDialog(QFileDialog):
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.activateWindow()  # without a window manager nobody else gives it the keyboard


def ask_folder(
    window: QWidget, name: str, title: str, chosen: Callable[[str], object], place: Path | None = None
) -> None:
    """Ask for a folder in a dialog called ``dialog.name``; ``chosen`` gets its path.

    It begins in ``place``, or in the nearest folder above that is there, as soon as its disk has answered; until then,
    and else, in the home folder. Asked for again while it is open, it takes the place of the open one.
    """
    _dialog(window, name, title, QFileDialog.FileMode.Directory, [], chosen, place).show()


def ask_file(
    window: QWidget, name: str, title: str, kind: str, chosen: Callable[[str], object], place: Path | None = None
) -> None:
    """Ask for a file like ``ask_folder``; ``kind`` says which are usual: "Tables (*.csv)"."""
    _dialog(window, name, title, QFileDialog.FileMode.ExistingFile, [kind, "All files (*)"], chosen, place).show()


def ask_save(
    window: QWidget,
    name: str,
    title: str,
    suggestion: str,
    filters: Mapping[str, str],
    chosen: Callable[[str], object],
) -> None:
    """Ask for a file to write; ``filters`` by suffix, of which the chosen one is added to a name without any.

    It begins in the folder of the last file that was written from this ``window``, else in the home folder.
    """

    def choose(path: str) -> None:
        window.setProperty(_SAVED_IN, str(Path(path).parent))
        chosen(path)

    last = window.property(_SAVED_IN)
    place = None if last is None else Path(last)
    dialog = _dialog(window, name, title, QFileDialog.FileMode.AnyFile, list(filters.values()), choose, place)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(next(iter(filters)))
    dialog.selectFile(suggestion)
    suffixes = {text: suffix for suffix, text in filters.items()}
    dialog.filterSelected.connect(lambda text: dialog.setDefaultSuffix(suffixes[text]))
    dialog.show()


def _dialog(
    window: QWidget,
    name: str,
    title: str,
    mode: QFileDialog.FileMode,
    filters: list[str],
    chosen: Callable[[str], object],
    place: Path | None = None,
) -> QFileDialog:
    for previous in window.findChildren(QFileDialog, f"dialog.{name}"):
        previous.close()
    dialog = _FileDialog(window, title, str(Path.home()))
    dialog.setObjectName(f"dialog.{name}")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    dialog.setFileMode(mode)
    dialog.setNameFilters(filters)
    dialog.fileSelected.connect(chosen)
    if place is not None:
        Background(OSError).read(partial(_nearest, place), partial(_begin_in, dialog), ignore)
    return dialog


def _nearest(place: Path) -> Path:
    """``place``, or the nearest folder above that is there. For a thread: its disk may not answer."""
    return next((folder for folder in (place, *place.parents) if folder.is_dir()), Path.home())


def _begin_in(dialog: QFileDialog, folder: Path) -> None:
    if isValid(dialog) and Path(dialog.directory().absolutePath()) == Path.home():  # a person has not gone elsewhere
        written = dialog.selectedFiles()[0] if dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave else ""
        dialog.setDirectory(str(folder))
        if written:
            dialog.selectFile(Path(written).name)


def show_dialog(window: QWidget, dialog: QDialog) -> None:
    """Show ``dialog`` with the keyboard. It takes the place of an open one of the ``window`` with its name."""
    for other in window.findChildren(QDialog, dialog.objectName()):
        if other is not dialog:
            other.close()
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    dialog.show()
    dialog.activateWindow()  # without a window manager nobody else gives it the keyboard


def ask_question(
    window: QWidget, name: str, title: str, question: str, about: str, verb: str, accepted: Callable[[], object]
) -> None:
    """Ask in a dialog called ``box.name`` whether what ``verb`` says is to be done; ``about`` says what that means."""
    box = QMessageBox(window)
    box.setObjectName(f"box.{name}")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setInformativeText(about)
    box.setIcon(QMessageBox.Icon.Warning)
    box.addButton(verb, QMessageBox.ButtonRole.AcceptRole).setObjectName(f"box.{name}.accept")
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    cancel.setIcon(QIcon())  # some platforms would put a picture on it that no theme of ours knows
    box.setDefaultButton(cancel)
    box.accepted.connect(accepted)
    show_dialog(window, box)


def ok_and_cancel(dialog: QDialog, verb: str, accepted: Callable[[], object]) -> tuple[QDialogButtonBox, QPushButton]:
    """The buttons of ``dialog``, and the one that says ``verb``, which calls ``accepted``."""
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    accept = buttons.button(QDialogButtonBox.StandardButton.Ok)
    accept.setObjectName(f"{dialog.objectName()}.accept")
    accept.setText(verb)
    for button in buttons.buttons():
        button.setIcon(QIcon())  # some platforms would put a picture on it that no theme of ours knows
    buttons.accepted.connect(accepted)
    buttons.rejected.connect(dialog.reject)
    return buttons, accept


class ProgressDialog(QProgressDialog):
    """Percent of something that goes on elsewhere; ``canceled`` when a person gives it up, and only then."""

    def __init__(self, window: QWidget, name: str, title: str, text: str) -> None:
        super().__init__("", "Cancel", 0, 100, window)
        self.setLabel(label(text))
        self.setObjectName(f"dialog.{name}")
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.setMinimumDuration(0)
        self.setAutoClose(False)
        self.setAutoReset(False)
        self.setValue(0)
        self.show()

    def end(self) -> None:
        """It is done, or has failed."""
        self.blockSignals(True)  # closing it would cancel what has ended
        self.close()
        self.deleteLater()
