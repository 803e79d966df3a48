"""The yes to a person's Python file, asked for in the window before anything of it is run."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMessageBox, QWidget

from core.exploring.consent import WARNING, Program, ProgramError, allow, has_changed, is_allowed
from explorer.widgets.dialogs import show_dialog


def with_consent(
    window: QWidget, program: Program, allowed: Callable[[], object], failed: Callable[[str], object]
) -> None:
    """Call ``allowed``, at once if a person has said yes to ``program`` as it is now, else once they do.

    ``failed`` gets the reason if the yes cannot be kept. A no calls nothing.
    """
    if is_allowed(program):
        allowed()
        return

    def keep() -> None:
        try:
            allow(program)
        except ProgramError as error:
            failed(str(error))
            return
        allowed()

    box = QMessageBox(window)
    box.setObjectName("box.program")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("Run a Python file")
    changed = " It has changed since you said yes to it." if has_changed(program) else ""
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(f"Run {program.path.name}?{changed}")
    box.setInformativeText(f"{WARNING}\n\n{program.described}")
    box.setIcon(QMessageBox.Icon.Warning)
    box.addButton("Run", QMessageBox.ButtonRole.AcceptRole).setObjectName("box.program.accept")
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    cancel.setIcon(QIcon())  # some platforms would put a picture on it that no theme of ours knows
    box.setDefaultButton(cancel)
    box.accepted.connect(keep)
    show_dialog(window, box)
