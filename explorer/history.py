"""Undo and redo over everything that a person made or chose: the one place where the fields of ``Edited`` change.

A step is a whole ``Edited``, the state's values after it; steps share what they do not change. So going back is setting
values, never reversing an operation, and whatever the views show follows from the state.

A change is one of these:

- a step: ``commit``; or ``live`` while a hand moves, then ``settle``; or ``adjust`` for a control that is stepped;
- what follows from the step, or what the data or the program did just now: ``follow``, which belongs to that step;
- the same thing known better: ``refine``, in every step that has it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from core.projects.edited import (
    EDITED,
    Display,
    Document,
    Edited,
    PackedPositions,
    Playback,
    Step,
    Trace,
)
from explorer.state import State

LIMIT = 500
"""How many steps can be taken back."""
FARTHEST = 1e15  # of a coordinate: squares of such ones still have a sum in float32
PAUSE_MS = 500  # between two steps of a spin box, or of a slider by the arrow keys, that make one step of undo
UNNAMED = {
    "document": "edit",
    "display": "change display",
    "hidden": "change shown classes",
    "selected": "change selection",
    "selected_control": "choose control point",
    "groups": "change groups",
    "notes": "edit notes",
    "attributes": "change attributes",
    "plane": "choose axes of the plane",
    "transect": "choose transect",
    "transect_position": "move along transect",
    "trace": "choose kind of path",
    "playback": "change playback",
}
"""What a step is called if a field was set without a name."""
_PARTS = {"document": Document, "display": Display, "trace": Trace, "playback": Playback}
_AT_REST: dict[str, Any] = {"position": 0.0, "playing": False}  # of the playback: these are no steps
_PART_OF = {field.name: part for part, kind in _PARTS.items() for field in dataclasses.fields(kind)}


class Editing(QObject):
    """Changes what undo covers. ``fields`` are fields of ``Edited`` (``selected`` as in the state), or fields of its
    document, display, trace and playback by their own names: ``commit("colour by class", color_by="class")``."""

    changed = Signal()
    """The steps, or which of them is the present one, are others now."""
    refused = Signal(str)
    """A probe was to be put where nothing can be computed; it stays where it was."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._packed: tuple[np.ndarray | None, PackedPositions | None] = (None, None)  # the selection, and so again
        self._at_rest = Playback()
        self._steps = [Step("", self._present())]
        self._position = 0
        self._saved: int | None = None
        self._saving: int | None = None  # which step is being written
        self._live = ""
        self._writing = 0
        self.restoring = False
        """Whether the values of a step are being set, in which all that followed from it is already."""
        self._rest = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._rest.timeout.connect(self._on_rest)
        for name in EDITED:
            getattr(state.events, name).connect(partial(self._on_event, name))

    # changes

    def commit(self, label: str, *, joins: str = "", **fields: Any) -> None:
        """Set fields as one undoable step named ``label``; what had been undone is forgotten. No step if nothing
        changes. ``joins`` as of ``live``."""
        self.live(label, joins=joins, **fields)
        self.settle()

    def live(self, label: str, *, joins: str = "", **fields: Any) -> None:
        """Set fields while a gesture goes on; ``settle`` makes it one step, and so does a change of another name.

        ``joins``: the name that the gesture has had until it was known what it becomes: a press that turns into a drag.
        """
        if self._possible(fields):
            begun = label != self._live
            if begun and (not joins or joins != self._live):
                self.settle()
            self._live = label
            self._write(fields)
            if begun:
                self.changed.emit()

    def adjust(self, label: str, *, pause_ms: int = PAUSE_MS, **fields: Any) -> None:
        """Set fields by a control that is stepped: changes of one name without a longer pause are one step."""
        self.live(label, **fields)
        self._rest.start(pause_ms)

    def _on_rest(self) -> None:
        if QGuiApplication.mouseButtons():  # a hand that rests on a slider has not let go
            self._rest.start()
        else:
            self.settle()

    def settle(self) -> None:
        """The hand let go: what was changed live becomes one step."""
        label, self._live = self._live, ""
        self._rest.stop()
        if label:
            self._record(label)

    def follow(self, **fields: Any) -> None:
        """Set fields because something else has changed: it belongs to the present step, or to the gesture that goes
        on."""
        if self._possible(fields):
            self._write(fields)
            self._take_present()

    def refine(self, **fields: Any) -> None:
        """Set fields to what is known better, or only now, also in every step that has the present values of them."""
        if not self._possible(fields):
            return
        before = self._present()
        self._write(fields)
        after = self._present()
        known: dict[tuple[str, int], Any] = {}  # what steps have shared they share again
        self._steps = [
            Step(step.label, _refined(step.edited, tuple(fields), before, after, known)) for step in self._steps
        ]
        self._take_present()

    def begin(self, **fields: Any) -> None:
        """Start over, with another run: ``fields`` are set, and there is nothing to undo."""
        self._live = ""
        self._rest.stop()
        with self._restores():
            self._write(fields)
        self._steps, self._position = [Step("", self._present())], 0
        self._saved = self._saving = None
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

    # the steps

    @property
    def undo_label(self) -> str | None:
        """What undo would take back, or None."""
        return self._live or (self._steps[self._position].label if self._position else None)

    @property
    def redo_label(self) -> str | None:
        """What redo would do again, or None."""
        following = len(self._steps) if self._live else self._position + 1
        return self._steps[following].label if following < len(self._steps) else None

    def snapshot(self) -> tuple[tuple[Step, ...], int]:
        """All steps, oldest first, and which of them is the present one. A gesture that goes on is not in them."""
        return tuple(self._steps), self._position

    @property
    def saved(self) -> int | None:
        """Which of the steps the project file has as its present one; None: there is no file, or that step is gone."""
        return self._saved

    @property
    def is_saved(self) -> bool:
        """Whether what there is now is in the project file."""
        return self._saved == self._position and not self._live

    def begin_save(self) -> None:
        """What ``snapshot`` gives now is being written to the project file."""
        self._saving = self._position

    def end_save(self, done: bool) -> None:
        """It has been written, or could not be."""
        if done:
            self._saved = self._saving
            self.changed.emit()
        self._saving = None

    def restore(self, steps: tuple[Step, ...], position: int, saved: int | None = None) -> None:
        """Put back what ``snapshot`` and ``saved`` gave. Raises ``ValueError`` if there is no step at ``position``."""
        if not 0 <= position < len(steps):
            raise ValueError(f"Step {position} of {len(steps)} was to be shown: expected 0 to {len(steps) - 1}.")
        self._saved, self._saving = saved, None
        self._live = ""
        self._rest.stop()
        self._steps = list(steps)
        self._show(position)

    # how they are made

    def _present(self) -> Edited:
        """What there is now."""
        state = self._state
        if self._packed[0] is not state.selected:
            self._packed = state.selected, None if state.selected is None else PackedPositions.of(state.selected)
        values = {name: getattr(state, name) for name in EDITED}
        playback = dataclasses.replace(state.playback, **_AT_REST)
        if playback != self._at_rest:
            self._at_rest = playback
        return Edited(**{**values, "selected": self._packed[1], "playback": self._at_rest})

    def _record(self, label: str) -> None:
        present = self._present()
        if _same(present, self._steps[self._position].edited):
            self._take_present()  # equal, but perhaps another object
            self.changed.emit()  # a gesture that has been named so far has come to nothing
            return
        oldest = max(0, self._position + 1 - LIMIT)
        marks = self._saved, self._saving
        self._saved, self._saving = (
            None if mark is None or not oldest <= mark <= self._position else mark - oldest for mark in marks
        )
        self._steps = [*self._steps[oldest : self._position + 1], Step(label, present)]
        self._position = len(self._steps) - 1
        self.changed.emit()

    def _take_present(self) -> None:
        """What is there belongs to the present step, unless a gesture goes on."""
        if self._live:
            return
        step, present = self._steps[self._position], self._present()
        self._steps[self._position] = Step(step.label, present)
        if not _same(present, step.edited):
            self.changed.emit()

    def _show(self, position: int) -> None:
        self._position = position
        edited = self._steps[position].edited
        values = {name: getattr(edited, name) for name in EDITED}
        values["selected"] = None if edited.selected is None else edited.selected.positions
        state = self._state
        now = {"position": state.playback.position, "playing": state.playback.playing}
        values["playback"] = dataclasses.replace(edited.playback, **now)
        with self._restores():
            self._write(values)
        self._take_present()
        self.changed.emit()

    @contextlib.contextmanager
    def _restores(self) -> Iterator[None]:
        self.restoring = True
        try:
            yield
        finally:
            self.restoring = False

    def _write(self, fields: dict[str, Any]) -> None:
        """Set the state's fields, all before anybody hears of one."""
        state, values = self._state, {}
        for name, value in fields.items():
            part = None if name in EDITED else _PART_OF[name]
            if part is None:
                values[name] = value
            else:
                values[part] = dataclasses.replace(values.get(part, getattr(state, part)), **{name: value})
        before = {name: getattr(state, name) for name in EDITED if name in values}
        with contextlib.ExitStack() as unheard:
            for name in values:
                unheard.enter_context(getattr(state.events, name).blocked())
            for name, value in values.items():
                setattr(state, name, value)
        self._writing += 1
        try:
            for name, old in before.items():
                if not _equal(values[name], old):
                    getattr(state.events, name).emit(values[name], old)
        finally:
            self._writing -= 1

    def _on_event(self, name: str, *_: object) -> None:
        """A field was set by somebody else: that is a step, too, so that nothing is lost."""
        if self._writing or self._live:
            return
        if name == "playback" and dataclasses.replace(self._state.playback, **_AT_REST) == self._at_rest:
            return  # it is being played
        self._record(UNNAMED[name])

    def _possible(self, fields: dict[str, Any]) -> bool:
        """Whether the probe and the plane's cursor among ``fields`` are places that can be computed with."""
        for name in ("probe", "cursor"):
            place = np.asarray(fields[name], dtype=np.float64) if fields.get(name) is not None else np.zeros(0)
            if not (np.abs(place) <= FARTHEST).all():  # not so for NaN, either
                reason = f"its new place was not finite, or beyond {FARTHEST:g} in a dimension"
                self.refused.emit(f"The {name} stays where it was: {reason}.")
                return False
        return True


def _value(edited: Edited, name: str) -> Any:
    return getattr(edited, name) if name in EDITED else getattr(getattr(edited, _PART_OF[name]), name)


def _refined(
    edited: Edited, names: tuple[str, ...], before: Edited, after: Edited, known: dict[tuple[str, int], Any]
) -> Edited:
    """``edited`` with the values of ``names`` as they are ``after``, where it has those of ``before``.

    ``known``: what has become of a part of other steps, by field and identity.
    """
    for name in names:
        if not _equal(_value(edited, name), _value(before, name)):
            continue
        if name in EDITED:
            edited = dataclasses.replace(edited, **{name: getattr(after, name)})
        else:
            part = _PART_OF[name]
            old = getattr(edited, part)
            if (name, id(old)) not in known:
                known[name, id(old)] = dataclasses.replace(old, **{name: _value(after, name)})
            edited = dataclasses.replace(edited, **{part: known[name, id(old)]})
    return edited


def _same(edited: Edited, other: Edited) -> bool:
    """Whether both hold the same, whoever made it."""
    for name in EDITED:
        mine, theirs = getattr(edited, name), getattr(other, name)
        if name in _PARTS and mine is not theirs:
            if not all(_equal(getattr(mine, f.name), getattr(theirs, f.name)) for f in dataclasses.fields(mine)):
                return False
        elif not _equal(mine, theirs):
            return False
    return True


def _equal(value: Any, other: Any) -> bool:
    if value is other:
        return True
    if isinstance(value, np.ndarray) or isinstance(other, np.ndarray):
        return value is not None and other is not None and np.array_equal(value, other)
    return bool(value == other)
