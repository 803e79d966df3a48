"""What goes into both models of a comparison: read off the document, by the kind that is chosen or the last gesture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.protocol.messages import CompareModels
from explorer.controllers.plane import factor_names, is_drawn, nearest_samples, shown_plane
from explorer.state import Document, State
from explorer.views.compare import Kind

CLICK = "Click a point of either cloud: its image goes into both models."


_NONE = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Question:
    """What to ask, the ``kind`` of input that it is, and the ``note`` that says so."""

    kind: Kind
    note: str
    message: CompareModels


@dataclass(frozen=True, eq=False)
class SharedInput:
    """All that the choice depends on: the state, both models' numbers of latent dimensions ``dims``, and ``hand``, the
    kind that the last gesture fed."""

    state: State
    dims: tuple[int, int]
    hand: Kind

    def reasons(self) -> dict[str, str]:
        """Why a kind cannot be chosen, for those that cannot."""
        found: dict[str, str] = {}
        samples = self.state.samples
        if samples is None:
            found[Kind.IMAGE] = "The open run has recorded no samples yet."
        if len(factor_names(self.state)) < 2:
            found[Kind.PARAMETERS] = "The open run's images have no factors, so there is no parameter plane."
        if self.dims[0] != self.dims[1]:
            found[Kind.LATENT] = (
                f"The runs have {self.dims[0]} and {self.dims[1]} latent dimensions, so they share no latent points."
            )
        return found

    def question(self, chosen: Kind) -> Question | None:
        """What to ask: by the ``chosen`` kind if the document has an input for it, else as the hand fed it."""
        for kind in (chosen, self.hand):
            asked = self._question(kind)
            if asked is not None:
                return asked
        return None

    def missing(self) -> str:
        """What to do when there is no question."""
        reason = self.reasons().get(Kind.LATENT, "") if self.hand is Kind.LATENT else ""
        return f"{reason} {CLICK}".strip()

    def _question(self, kind: Kind) -> Question | None:
        if kind in self.reasons():
            return None
        if kind is Kind.IMAGE:
            return self._of_sample(self.state.document.sample, kind)
        if kind is Kind.PARAMETERS:
            return self._of_cursor()
        probe = self.state.document.probe
        if probe is None or len(probe) != self.dims[0]:
            return None
        return Question(
            kind,
            "Both decoders at the probe",
            CompareModels(index=-1, factors=_NONE, z=np.asarray(probe, dtype=np.float32)),
        )

    def _of_sample(self, position: int | None, kind: Kind) -> Question | None:
        samples = self.state.samples
        if samples is None or position is None or not 0 <= position < len(samples.indices):
            return None
        index = int(samples.indices[position])
        values = (
            f"{name} = {value:.3g}" for name, value in zip(samples.factor_names, samples.factors[position], strict=True)
        )
        return Question(
            kind, " · ".join([f"Sample {index}", *values]), CompareModels(index=index, factors=_NONE, z=_NONE)
        )

    def _of_cursor(self) -> Question | None:
        cursor = self.state.document.cursor
        if cursor is None or self.hand is Kind.LATENT:  # the probe has left the place that the cursor marks
            return None
        if is_drawn(self.state):
            a, b = cursor
            message = CompareModels(index=-1, factors=np.array(cursor, dtype=np.float32), z=_NONE)
            return Question(Kind.PARAMETERS, f"a = {a:.3f} · b = {b:.3f}", message)
        # Where nothing draws images in between, the cursor stands on a sample.
        nearest = nearest_samples(self.state, np.array([cursor]), shown_plane(self.state))
        return self._of_sample(int(nearest[0]) if len(nearest) else None, Kind.PARAMETERS)


def hand_of(before: Document, now: Document, landed: np.ndarray | None, last: Kind) -> Kind:
    """The kind that the gesture between two documents fed; ``last`` where none did.

    ``landed`` float32 (d,) is where the cursor's image was last seen to land: a probe that goes there follows the
    cursor and is not moved by a hand.
    """
    if now.sample is not None:
        return Kind.IMAGE
    if now.cursor is not None and now.cursor != before.cursor:
        return Kind.PARAMETERS
    moved = now.probe is not None and not _same(before.probe, now.probe)
    return Kind.LATENT if moved and not _same(landed, now.probe) else last


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
