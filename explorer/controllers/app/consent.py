"""The yes to a person's Python file, asked for in the window before anything of it is run."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from core.exploring.consent import WARNING, Program, ProgramError, allow, has_changed, is_allowed
from explorer.widgets.dialogs import ask_question


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

    changed = " It has changed since you said yes to it." if has_changed(program) else ""
    question, about = f"Run {program.path.name}?{changed}", f"{WARNING}\n\n{program.described}"
    ask_question(window, "program", "Run a Python file", question, about, "Run", keep)
