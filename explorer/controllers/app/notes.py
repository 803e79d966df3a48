"""A person's notes on the open run."""

from __future__ import annotations

from explorer.controllers.controller import Context, Controller
from explorer.views.notes import NotesView

REST_MS = 2000  # of typing, until what was typed is a step of undo
LONGEST = 1_000_000  # characters, which a project file takes


class NotesController(Controller):
    """Binds the panel of notes to ``state.notes``. What is typed is there at once; it is one step when typing rests."""

    def __init__(self, context: Context, view: NotesView) -> None:
        super().__init__(context)
        self._view = view
        view.edited.connect(self._on_edited)
        view.left.connect(self._editing.settle)
        self._state.events.notes.connect(lambda _: self._show())
        self._when((self._state.events.config,), self._show)
        self._show()

    def _on_edited(self, text: str) -> None:
        if len(text) > LONGEST:
            self.refused.emit(f"The notes hold at most {LONGEST:,} characters; what was added to them is left out.")
            self._show()
            return
        self._editing.adjust("edit notes", pause_ms=REST_MS, notes=text)

    def _show(self) -> None:
        self._view.set_text(self._state.notes)
        self._view.set_open(self._state.config is not None)
