"""What a panel needs that the open run does not have, in one line; shown in place of what the panel would show."""

from __future__ import annotations

from explorer.controllers.plane import factor_names
from explorer.state import State

MEASURE = "Measure attributes to use instead."
PATH_NEEDED = "Needs a path: draw one (3), add points with Edit (4) or trace one (6)."


def missing_model(state: State, purpose: str) -> str:
    """Why no image can be decoded or encoded; empty if it can. ``purpose``: what an open run is for here, "see …"."""
    if state.config is None:
        return f"Open a run to {purpose}."
    return "" if state.model is not None else "Waiting for the weights of the open run."


def missing_factors(state: State, purpose: str) -> str:
    """Why the samples have no place in a plane of two factors; empty if they have one. ``purpose`` as above."""
    if state.config is None:
        return f"Open a run to {purpose}."
    names = factor_names(state)
    if len(names) >= 2:
        return ""
    if state.samples is None:
        return "Waiting for the samples of the open run."
    if names:
        return f"Needs two known factors; these images have one ({names[0]}). {MEASURE}"
    return f"Needs two known factors; these images have none. {MEASURE}"
