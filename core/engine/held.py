"""Which labels a path holds while its target changes, for there may be more of them than a surface has dimensions.

Factors hold each other. An attribute that was measured depends on the factors, so on a surface that they span at most
all but one can be held with it: those that it depends on least.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.engine.sheet import Sheet
from core.geometry.factor_curves import UNKNOWN_HELD
from core.geometry.surface import Surface

_SAME = 0.9
"""Share of the samples that may have one value of a label that is worth holding."""


class Aim(NamedTuple):
    """``names``: the labels of the surface to steer on, target and held ones. ``note``: what that means, "" if
    everything else is held."""

    names: tuple[str, ...]
    note: str


def aim(sheet: Sheet, base: Surface, target: str) -> Aim:
    """The labels for changing ``target``; ``base`` is the surface of the factors.

    Raises ``core.engine.model.EngineError`` for an unknown target.
    """
    sheet.table((target,))
    others = _others(sheet, target)
    room = max(base.intrinsic - 1, 0)
    held = others if len(others) <= room else _least_dependent(sheet, target, others)[:room]
    missing = tuple(name for name in others if name not in held)
    if not others:
        return Aim((target,), UNKNOWN_HELD)
    kept = (target, *held)
    if target in sheet.factors and set(kept) == set(sheet.factors):
        return Aim(sheet.factors, "")
    note = f"not held: {', '.join(missing)}" if missing else ""
    return Aim(kept, f"held: {', '.join(held)}; {note}" if held and note else note)


def _others(sheet: Sheet, target: str) -> tuple[str, ...]:
    """Labels that may be held with the target: factors with a factor, anything else with an attribute."""
    candidates = sheet.factors if target in sheet.factors else sheet.targets
    return tuple(name for name in candidates if name != target and _varies(sheet.table((name,))[:, 0]))


def _varies(values: np.ndarray) -> bool:
    """Whether there is something to hold: a measure that is the same of nearly all samples tells them not apart."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return False
    _, counts = np.unique(known, return_counts=True)
    return bool(counts.max() <= _SAME * len(known))


def _least_dependent(sheet: Sheet, target: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """``others`` by rising correlation with the target, in size."""
    table = sheet.table((target, *others))
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 3:
        return others
    offsets = table - table.mean(axis=0)
    size = np.sqrt(np.square(offsets).sum(axis=0))
    likeness = np.abs(offsets[:, 1:].T @ offsets[:, 0]) / np.maximum(size[1:] * size[0], 1e-300)
    return tuple(others[i] for i in np.argsort(likeness, kind="stable"))
