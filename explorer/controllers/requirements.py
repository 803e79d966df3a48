"""What a panel needs that the open run does not have, in one line; shown in place of what the panel would show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.utils.text import listed

if TYPE_CHECKING:
    from explorer.state import Model, State

MEASURE = "Measure attributes to use instead."
READ_ATTRIBUTES = "Read attributes from a file to use instead."
OPENING = "Opening the run …"
READING = "reading …"
NO_MODEL = "No model yet: the weights of the open run are being read, or could not be."
NO_STEP = "No model yet: its weights come with the first steps of the training."
NO_DECODER = "Needs a decoder; this run was imported without one."
NO_ORIGINALS = "Needs the samples' own images; this model was imported without any."
NO_FRAMES = "These latents have neither a decoder nor images; the panel Image names the samples nearest to a path."
PATH_NEEDED = "Needs a path: draw one (3), add points with Edit (4) or trace one (6)."


def missing_model(state: State, purpose: str) -> str:
    """Why no model can be asked; empty if one can. ``purpose``: what an open run is for here, "see …"."""
    if state.config is None:
        return OPENING if state.reading else f"Open a run to {purpose}."
    if state.model is not None:
        return ""
    return NO_STEP if state.is_training and state.embedding is None else NO_MODEL


def missing_cloud(state: State, purpose: str) -> str:
    """Why there are no latent means; empty if there are some. ``purpose`` as above."""
    if state.embedding is not None:
        return ""
    if state.config is None:
        return OPENING if state.reading else f"Open a run to {purpose}."
    return OPENING if state.reading else "No latent means yet: they come with the first steps of a training."


def missing_decoder(state: State, purpose: str) -> str:
    """Why no image can be decoded; empty if it can. ``purpose`` as above."""
    if state.model is None:
        return missing_model(state, purpose)
    return "" if state.model.can_decode else NO_DECODER


def missing_frames(state: State, purpose: str) -> str:
    """Why a path has no frames, neither decoded nor samples near it; empty if it has. ``purpose`` as above."""
    model = state.model
    if model is None:
        return missing_model(state, purpose)
    return "" if model.can_decode or model.has_originals else NO_FRAMES


def lacking_originals(model: Model) -> str:
    """Why the images of the samples of ``model`` are not known; empty if they are."""
    if model.unallowed:
        return f"The run wants to read {listed(model.unallowed)}; the panel Image asks whether it may."
    return "" if model.has_originals else NO_ORIGINALS


def missing_originals(state: State, purpose: str) -> str:
    """Why the samples' own images are not known; empty if they are. ``purpose`` as above."""
    if state.model is None:
        return missing_model(state, purpose)
    return lacking_originals(state.model)


def missing_reconstructions(state: State, purpose: str) -> str:
    """Why the samples' images cannot be reconstructed; empty if they can. ``purpose`` as above."""
    model = state.model
    if model is None:
        return missing_model(state, purpose)
    if not model.has_originals:
        return lacking_originals(model)
    return "" if model.can_decode else NO_DECODER  # without an encoder the recorded latents are decoded
