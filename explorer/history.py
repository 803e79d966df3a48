"""Undo and redo over immutable documents.

Each entry is a whole ``Document``; they share their arrays, so a step costs a few bytes. A gesture (a drag) becomes
one entry, made when the hand lets go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from explorer.state import Document

LIMIT = 500


@dataclass(frozen=True)
class Entry:
    """A document as it was after ``label`` happened."""

    label: str
    document: Document


class History:
    """A line of documents and a place on it."""

    def __init__(self, first: Document) -> None:
        self._entries = [Entry("", first)]
        self._place = 0

    @property
    def undo_label(self) -> str | None:
        """What undo would take back, or None."""
        return self._entries[self._place].label if self._place else None

    @property
    def redo_label(self) -> str | None:
        """What redo would do again, or None."""
        following = self._place + 1
        return self._entries[following].label if following < len(self._entries) else None

    def push(self, label: str, document: Document) -> None:
        """Record ``document`` as the outcome of ``label``; what had been undone is forgotten."""
        self._entries = [*self._entries[: self._place + 1], Entry(label, document)][-LIMIT:]
        self._place = len(self._entries) - 1

    def amend(self, change: Callable[[Document], Document]) -> None:
        """Put ``change`` of each document in its place: the same steps, of something that is known better now."""
        self._entries = [Entry(entry.label, change(entry.document)) for entry in self._entries]

    def undo(self) -> Document | None:
        """Step back; returns the document to show, or None at the beginning."""
        if self._place == 0:
            return None
        self._place -= 1
        return self._entries[self._place].document

    def redo(self) -> Document | None:
        """Step forward; returns the document to show, or None at the end."""
        if self._place + 1 >= len(self._entries):
            return None
        self._place += 1
        return self._entries[self._place].document

    def reset(self, document: Document) -> None:
        """Forget everything; ``document`` is the new beginning."""
        self._entries = [Entry("", document)]
        self._place = 0
