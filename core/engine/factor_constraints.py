"""Which labels a path holds while its target changes, for there may be more of them than a surface has dimensions.

Factors hold each other. An attribute that was measured depends on the factors, so on a surface that they span at most
all but one can be held with it: those that it depends on least. Labels that do not follow the surface, noise say, would
be chosen by that, and holding them would lead nowhere: they are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.engine.snapshot import EmbeddingSnapshot
from core.geometry.factor_curve import UNKNOWN_HELD
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import SCORE_NEIGHBOURS
from core.geometry.surface import Surface

_CHECKED = 500  # samples by which it is decided whether a label follows the surface
_SAME = 0.9
"""Share of the samples that may have one value of a label that is worth holding."""


class FactorConstraints(NamedTuple):
    """``names``: the labels of the surface to steer on, target and held ones. ``note``: what that means, "" if
    everything else is held."""

    names: tuple[str, ...]
    note: str


def choose_constraints(snapshot: EmbeddingSnapshot, base: Surface, target: str) -> FactorConstraints:
    """The labels for changing ``target``; ``base`` is the surface of the factors.

    Raises ``core.engine.open_model.EngineError`` for an unknown target.
    """
    snapshot.table((target,))
    others = _others(snapshot, target)
    room = max(base.intrinsic - 1, 0)
    held = others
    if len(others) > room:
        candidates = others if set(others) <= set(snapshot.factors) else _following(snapshot, others)
        held = _least_dependent(snapshot, target, candidates)[:room]
    missing = tuple(name for name in others if name not in held)
    if not others:
        return FactorConstraints((target,), UNKNOWN_HELD)
    kept = (target, *held)
    if target in snapshot.factors and set(kept) == set(snapshot.factors):
        return FactorConstraints(snapshot.factors, "")
    note = f"not held constant: {', '.join(missing)}" if missing else ""
    return FactorConstraints(kept, f"held constant: {', '.join(held)}; {note}" if held and note else note)


def _others(snapshot: EmbeddingSnapshot, target: str) -> tuple[str, ...]:
    """Labels that may be held with the target: factors with a factor, anything else with an attribute."""
    candidates = snapshot.factors if target in snapshot.factors else snapshot.targets
    return tuple(name for name in candidates if name != target and _varies(snapshot.table((name,))[:, 0]))


def _varies(values: np.ndarray) -> bool:
    """Whether there is something to hold: a measure that is the same of nearly all samples tells them not apart."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return False
    _, counts = np.unique(known, return_counts=True)
    return bool(counts.max() <= _SAME * len(known))


def _following(snapshot: EmbeddingSnapshot, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``names`` that neighbours on the surface share: the mean of eight tells half of a sample's variance."""
    table = snapshot.table(names)
    known = np.isfinite(table).all(axis=1)
    if known.sum() <= SCORE_NEIGHBOURS:
        return names
    table, samples = table[known], Neighbourhoods(snapshot.mu[known])
    members = np.arange(0, len(samples), max(1, len(samples) // _CHECKED))
    _, nearest = samples.of_samples(SCORE_NEIGHBOURS, members)
    missed = np.square(table[members] - table[nearest].mean(axis=1)).mean(axis=0)
    follows = missed < 0.5 * table.var(axis=0)
    return tuple(name for name, follow in zip(names, follows.tolist(), strict=True) if follow)


def _least_dependent(snapshot: EmbeddingSnapshot, target: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """``others`` by rising correlation with the target, in size."""
    table = snapshot.table((target, *others))
    table = table[np.isfinite(table).all(axis=1)]
    if len(table) < 3:
        return others
    offsets = table - table.mean(axis=0)
    size = np.sqrt(np.square(offsets).sum(axis=0))
    likeness = np.abs(offsets[:, 1:].T @ offsets[:, 0]) / np.maximum(size[1:] * size[0], 1e-300)
    return tuple(others[i] for i in np.argsort(likeness, kind="stable"))
