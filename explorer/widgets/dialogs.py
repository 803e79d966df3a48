"""Dialogs for files, for progress and for anything else. They block nothing: the window can be used behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon, QShowEvent
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QProgressDialog, QPushButton, QWidget


class _FileDialog(QFileDialog):
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.activateWindow()  # without a window manager nobody else gives it the keyboard


def file_dialog(window: QWidget, name: str, title: str, folder: Path | None = None) -> QFileDialog:
    """A dialog called ``dialog.name`` that begins in ``folder``, else in the home folder; show it with ``show``.

    Asked for again while it is open, it takes the place of the open one.
    """
    for open_one in window.findChildren(QFileDialog, f"dialog.{name}"):
        open_one.close()
    dialog = _FileDialog(window, title, str(folder if folder is not None and folder.is_dir() else Path.home()))
    dialog.setObjectName(f"dialog.{name}")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    return dialog


def save_dialog(window: QWidget, name: str, title: str, suggestion: str, filters: dict[str, str]) -> QFileDialog:
    """A dialog for a file to write; ``filters`` by suffix, of which the chosen one is added to a name without any."""
    dialog = file_dialog(window, name, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(list(filters.values()))
    dialog.setDefaultSuffix(next(iter(filters)))
    dialog.selectFile(suggestion)
    suffixes = {text: suffix for suffix, text in filters.items()}
    dialog.filterSelected.connect(lambda text: dialog.setDefaultSuffix(suffixes[text]))
    return dialog


def show_dialog(window: QWidget, dialog: QDialog) -> None:
    """Show ``dialog`` with the keyboard. It takes the place of an open one of the ``window`` with its name."""
    for other in window.findChildren(QDialog, dialog.objectName()):
        if other is not dialog:
            other.close()
    dialog.setWindowModality(Qt.WindowModality.NonModal)
    dialog.show()
    dialog.activateWindow()  # without a window manager nobody else gives it the keyboard


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
        super().__init__(text, "Cancel", 0, 100, window)
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
