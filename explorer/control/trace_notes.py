"""What is said about a traced curve, in one line: what to do next, which values it has, what to be careful about."""

from __future__ import annotations

import numpy as np

from core.paths import LatentPath
from core.protocol import PathTraced
from core.recipes import JOINING, RecipeKind
from explorer.kind_chooser import KIND_TEXTS

SUPPORT_LOST = "support lost"  # at the edge of the data, where every curve ends that goes as far as they do


def called(kind: RecipeKind) -> str:
    """The kind as a word within a sentence."""
    return KIND_TEXTS[kind].lower()


def invitation(kind: RecipeKind, target: str) -> str:
    """What a click does, before the first one."""
    if kind in JOINING:
        return f"{KIND_TEXTS[kind]}: click the sample where it starts"
    return f"{KIND_TEXTS[kind]} of {target}: click the sample that it is laid through"


def continuation(kind: RecipeKind, answer: PathTraced | None) -> str:
    """What a click does when the start is chosen; ``answer``: the curve to the sample under the mouse."""
    parts = [f"{KIND_TEXTS[kind]}: click the sample where it ends (Esc takes the start back)"]
    if answer is not None and answer.off_share > 0.0:
        parts.append(f"{max(1, round(100 * answer.off_share))} % beyond the data")
    return " · ".join(parts + ([answer.note] if answer is not None and answer.note else []))


def reading(path: LatentPath, answer: PathTraced, s: float) -> str:
    """The factors at the share ``s`` of the path, the range of the one that changes, and the engine's own note.

    Beyond the data the labels only go on as they did at its edge, and are said to be a guess.
    """
    parts = []
    labels, names = answer.labels, answer.names
    if len(labels) == len(path) > 1 and labels.shape[1] == len(names):
        u, places = float(path.parameter(s)), np.arange(len(path))
        here = [np.interp(u, places, labels[:, column]) for column in range(len(names))]
        known = [f"{name} {_number(value)}" for name, value in zip(names, here, strict=True) if np.isfinite(value)]
        beside = (
            answer.flagged[int(u) : int(np.ceil(u)) + 1] if len(answer.flagged) == len(path) else answer.flagged[:0]
        )
        if known and beside.any():
            parts.append(f"here perhaps {', '.join(known)}: it is beyond the data")
        elif known:
            parts.append(f"here {', '.join(known)}")
        target = path.recipe.target if path.recipe is not None else ""
        if target in names:
            ends = labels[[0, -1], names.index(target)]
            if np.isfinite(ends).all():
                parts.append(f"{target} from {_number(ends[0])} to {_number(ends[1])}")
    return " · ".join(parts + _remarks(answer))


def alarming(answer: PathTraced) -> bool:
    """Whether what the engine noted is a reason to be careful, and not what is usual or will pass."""
    return answer.final and bool(_remarks(answer))


def _remarks(answer: PathTraced) -> list[str]:
    return [part for part in answer.note.split("; ") if part not in ("", SUPPORT_LOST)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
