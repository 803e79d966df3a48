"""What is said about a traced curve, in one line: what to do next, which values it has, what to be careful about."""

from __future__ import annotations

import numpy as np

from core.paths.latent_path import LatentPath
from core.paths.recipe import END_OF_DATA, PATH_KINDS, RecipeKind
from core.protocol.messages import PathTraced

OFF_DATA = " (extrapolated: off the data)"


def called(kind: RecipeKind) -> str:
    """The kind as a word within a sentence."""
    return PATH_KINDS[kind].text.lower()


def invitation(kind: RecipeKind, target: str) -> str:
    """What a click does, before the first one."""
    if PATH_KINDS[kind].joins:
        return f"{PATH_KINDS[kind].text}: click the sample where it starts"
    return f"{PATH_KINDS[kind].text} of {target}: click the sample that it is laid through"


def continuation(kind: RecipeKind, answer: PathTraced | None) -> str:
    """What a click does when the start is chosen; ``answer``: the curve to the sample under the mouse."""
    parts = [f"{PATH_KINDS[kind].text}: click the sample where it ends (Esc takes the start back)"]
    if answer is not None and answer.off_share > 0.0:
        parts.append(f"{max(1, round(100 * answer.off_share))} % off the data")
    return " · ".join(parts + ([answer.note] if answer is not None and answer.note else []))


def reading(path: LatentPath, answer: PathTraced, s: float) -> str:
    """The factors at the share ``s`` of the path, the range of the one that changes, and the engine's own note.

    Beyond the data the labels only go on as they did at its edge, and are marked as extrapolated.
    """
    here, whole = "", ""
    labels, names = answer.labels, answer.names
    if len(labels) == len(path) > 1 and labels.shape[1] == len(names):
        u, places = float(path.parameter(s)), np.arange(len(path))
        values = [np.interp(u, places, labels[:, column]) for column in range(len(names))]
        known = ", ".join(f"{n} {_number(v)}" for n, v in zip(names, values, strict=True) if np.isfinite(v))
        flagged = answer.flagged if len(answer.flagged) == len(path) else np.zeros(len(path), dtype=bool)
        guessed = bool(flagged[int(u) : int(np.ceil(u)) + 1].any())
        here = f"here {known}{OFF_DATA if guessed else ''}" if known else ""
        whole = _range(path, labels, names, bool(flagged[0] or flagged[-1]))
    return " · ".join(part for part in (here, *_remarks(answer), whole) if part)


def _range(path: LatentPath, labels: np.ndarray, names: tuple[str, ...], guessed: bool) -> str:
    """From what to what the target goes, "" if the path has none."""
    target = path.recipe.target if path.recipe is not None else ""
    if target not in names:
        return ""
    first, last = labels[[0, -1], names.index(target)].tolist()
    if not np.isfinite([first, last]).all():
        return ""
    return f"{target} from {_number(first)} to {_number(last)}{OFF_DATA if guessed else ''}"


def alarming(answer: PathTraced) -> bool:
    """Whether what the engine noted is a reason to be careful, and not what is usual or will pass."""
    return answer.final and bool(_remarks(answer))


def _remarks(answer: PathTraced) -> list[str]:
    return [part for part in answer.note.split("; ") if part not in ("", END_OF_DATA)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
