"""The document a person edits, with undo and redo: the one place where probe, sample, path and transects change.

Each step is a whole ``Document``; they share their arrays, so a step costs a few bytes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.paths.latent_path import LatentPath
from core.projects.edited import Document
from explorer.state import State

LIMIT = 500
FARTHEST = 1e15  # of a coordinate: squares of such ones still have a sum in float32


class Editing(QObject):
    """Changes ``state.document``; a change is either live (while a hand moves) or committed (one undo step)."""

    changed = Signal()  # undo or redo labels may differ now
    refused = Signal(str)
    """A probe was to be put where nothing can be computed; it stays where it was."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._steps = [("", state.document)]  # what was done, and the document after it
        self._position = 0
        self._live = ""

    def commit(self, label: str, **fields: Any) -> None:
        """Set document fields as one undoable step named ``label``; what had been undone is forgotten."""
        self.live(label, **fields)
        self.settle()

    def live(self, label: str, **fields: Any) -> None:
        """Set document fields while a gesture goes on; ``settle`` makes it one step."""
        if self._possible(fields):
            self._live = label
            self.follow(**fields)

    def settle(self) -> None:
        """The hand let go: what was changed live becomes one step."""
        if self._live:
            self._steps = [*self._steps[: self._position + 1], (self._live, self._state.document)][-LIMIT:]
            self._position = len(self._steps) - 1
            self._live = ""
            self.changed.emit()

    def follow(self, **fields: Any) -> None:
        """Set document fields because the data moved, not a person: no step of its own."""
        if not self._possible(fields):
            return
        self._state.document = dataclasses.replace(self._state.document, **fields)

    def _possible(self, fields: dict[str, Any]) -> bool:
        """Whether the probe and the plane's cursor among ``fields`` are places that can be computed with."""
        for name in ("probe", "cursor"):
            place = np.asarray(fields[name], dtype=np.float64) if fields.get(name) is not None else np.zeros(0)
            if not (np.abs(place) <= FARTHEST).all():  # not so for NaN, either
                reason = f"its new place was not finite, or beyond {FARTHEST:g} in a dimension"
                self.refused.emit(f"The {name} stays where it was: {reason}.")
                return False
        return True

    def refine(self, before: LatentPath, path: LatentPath) -> None:
        """Put ``path`` where ``before`` is, now and in every step: the same, computed better. No step of its own."""

        def better(document: Document) -> Document:
            return dataclasses.replace(document, path=path) if document.path is before else document

        self._steps = [(label, better(document)) for label, document in self._steps]
        self._state.document = better(self._state.document)

    def begin(self, document: Document) -> None:
        """Start over with another run's document."""
        self._steps, self._position, self._live = [("", document)], 0, ""
        self._state.document = document
        self.changed.emit()

    def undo(self) -> None:
        """Take the last step back."""
        self.settle()
        if self._position > 0:
            self._show(self._position - 1)

    def redo(self) -> None:
        """Do again what was undone."""
        self.settle()
        if self._position + 1 < len(self._steps):
            self._show(self._position + 1)

    def _show(self, position: int) -> None:
        self._position = position
        _, document = self._steps[position]
        control = self._state.selected_control
        if control is not None and (document.path is None or control >= len(document.path.control)):
            self._state.selected_control = None
        self._state.document = document
        self.changed.emit()

    @property
    def undo_label(self) -> str | None:
        """What undo would take back, or None."""
        return self._steps[self._position][0] if self._position else None

    @property
    def redo_label(self) -> str | None:
        """What redo would do again, or None."""
        following = self._position + 1
        return self._steps[following][0] if following < len(self._steps) else None
