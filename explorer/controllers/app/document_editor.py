"""The document a person edits, with its history: the one place where probe, sample and path change."""

from __future__ import annotations

import dataclasses
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.paths.latent_path import LatentPath
from explorer.history import History
from explorer.state import Document, State


class Editing(QObject):
    """Changes ``state.document``; a change is either live (while a hand moves) or committed (one undo step)."""

    changed = Signal()  # undo or redo labels may differ now

    def __init__(self, state: State, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._history = History(state.document)
        self._live = ""

    def commit(self, label: str, **fields: Any) -> None:
        """Set document fields as one undoable step named ``label``."""
        self.live(label, **fields)
        self.settle()

    def live(self, label: str, **fields: Any) -> None:
        """Set document fields while a gesture goes on; ``settle`` makes it one step."""
        self._live = label
        self._state.document = dataclasses.replace(self._state.document, **fields)

    def settle(self) -> None:
        """The hand let go: what was changed live becomes one step."""
        if self._live:
            self._history.push(self._live, self._state.document)
            self._live = ""
            self.changed.emit()

    def follow(self, **fields: Any) -> None:
        """Set document fields because the data moved, not a person: no step of its own."""
        self._state.document = dataclasses.replace(self._state.document, **fields)

    def refine(self, before: LatentPath, path: LatentPath) -> None:
        """Put ``path`` where ``before`` is, now and in every step: the same, computed better. No step of its own."""

        def better(document: Document) -> Document:
            return dataclasses.replace(document, path=path) if document.path is before else document

        self._history.amend(better)
        self._state.document = better(self._state.document)

    def begin(self, document: Document) -> None:
        """Start over with another run's document."""
        self._live = ""
        self._state.document = document
        self._history.reset(document)
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step back."""
        self.settle()
        self._show(self._history.undo())

    def redo(self) -> None:
        """Do again what was undone."""
        self.settle()
        self._show(self._history.redo())

    def _show(self, document: Document | None) -> None:
        if document is None:
            return
        control = self._state.selected_control
        if control is not None and (document.path is None or control >= len(document.path.control)):
            self._state.selected_control = None
        self._state.document = document
        self.changed.emit()

    @property
    def undo_label(self) -> str | None:
        """What undo would take back."""
        return self._history.undo_label

    @property
    def redo_label(self) -> str | None:
        """What redo would do again."""
        return self._history.redo_label
