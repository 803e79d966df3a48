"""What panels say in place of what the open run cannot show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.config import DataConfig, RunConfig
from core.runs.directory import ProbeSet
from explorer.controllers.plane import missing_factors
from explorer.controllers.requirements import (
    NO_DECODER,
    NO_ORIGINALS,
    missing_decoder,
    missing_model,
    missing_reconstructions,
)
from explorer.state import Model, State


def _samples(*names: str) -> ProbeSet:
    factors = np.zeros((4, len(names)), dtype=np.float32)
    return ProbeSet(np.arange(4), factors, names, np.zeros((4, 32, 32, 1), np.uint8), np.zeros(4, np.uint8))


def test_a_model_is_missing_without_a_run_and_until_its_weights_are_there():
    state = State()
    assert missing_model(state, "see images") == "Open a run to see images."
    state.config = RunConfig()
    assert "weights" in missing_model(state, "see images")
    state.model = Model(Path("run"), 3, 16, 1)
    assert missing_model(state, "see images") == ""


@pytest.mark.parametrize(
    ("parts", "images", "reconstructions"),
    [
        ((True, True, True), "", ""),
        ((True, False, True), "", ""),
        ((False, True, True), NO_DECODER, NO_DECODER),
        ((True, True, False), "", NO_ORIGINALS),
    ],
)
def test_an_imported_model_may_lack_decoder_encoder_and_images(parts, images, reconstructions):
    state = State(config=RunConfig())
    state.model = Model(Path("run"), 3, 16, 1, *parts)
    assert missing_decoder(state, "see images") == images
    assert missing_reconstructions(state, "see images") == reconstructions


@pytest.mark.parametrize(
    ("source", "samples", "expected"),
    [
        ("files", None, "Waiting"),
        ("files", _samples(), "Measure attributes"),
        ("files", _samples("tilt"), "one (tilt)"),
        ("files", _samples("tilt", "width"), ""),
        ("curves", None, ""),
    ],
)
def test_a_plane_needs_two_known_factors(source, samples, expected):
    state = State()
    assert missing_factors(state, "see samples") == "Open a run to see samples."
    data = DataConfig(source=source, path="images" if source == "files" else "")
    state.config, state.samples = RunConfig(data=data), samples
    missing = missing_factors(state, "see samples")
    assert expected in missing
    assert bool(missing) == bool(expected)


def test_where_there_are_no_images_none_are_measured():
    state = State()
    state.config, state.samples = RunConfig(data=DataConfig(source="none")), _samples()
    state.model = Model(Path("run"), 3, 16, 1, True, True, False)
    assert missing_factors(state, "see samples") == (
        "Needs two known factors; these samples have none. Read attributes from a file to use instead."
    )
