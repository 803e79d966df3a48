"""The engine with a model that lacks a part: what needs none works, all else is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from core.protocol.messages import (
    CompareModels,
    ComparePaths,
    Decode,
    DecodePath,
    EncodeSample,
    Failed,
    Load,
    LoadSecond,
    MeasureLosses,
    TracePath,
)
from tests.helpers.engine_driver import Steps, make_latents_run, make_run

START, END = np.full(3, -0.5, np.float32), np.full(3, 0.5, np.float32)


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Steps:
    return Steps(make_latents_run(tmp_path_factory.mktemp("imported") / "run", count=200))


def test_says_what_it_is(latents):
    loaded = latents.ask(Load, path=str(latents.engine.context.model.path))
    assert (loaded.preset, loaded.latent_dim, loaded.samples) == ("latents only", 3, 200)
    assert not (loaded.can_decode)
    assert not (loaded.can_encode)
    assert not (loaded.has_originals)


@pytest.mark.parametrize("kind", ["straight", "geodesic", "factor curve"])
def test_paths_are_traced_without_a_decoder(latents, kind):
    traced = latents.ask(TracePath, kind=kind, start=START, end=END, target="" if kind != "factor curve" else "x")
    assert traced.final
    assert len(traced.points) >= 3
    assert np.isfinite(traced.points).all()
    if kind == "geodesic":
        assert "distances are those of latent space" in traced.note
        assert traced.stage == "polished"


@pytest.mark.parametrize(
    "request_fields",
    [
        (Decode, {"z": START}),
        (DecodePath, {"z": np.stack([START, END])}),
        (ComparePaths, {"kinds": ("straight",), "start": START, "end": END, "target": ""}),
    ],
)
def test_what_needs_a_decoder_is_refused(latents, request_fields):
    kind, fields = request_fields
    reply = latents.ask(kind, **fields)
    assert isinstance(reply, Failed)
    assert "has no decoder" in reply.message


@pytest.mark.parametrize(
    "request_fields", [(EncodeSample, {"index": 0}), (MeasureLosses, {"indices": np.arange(2, dtype=np.int64)})]
)
def test_what_needs_images_is_refused(latents, request_fields):
    kind, fields = request_fields
    reply = latents.ask(kind, **fields)
    assert isinstance(reply, Failed)
    assert "imported without any" in reply.message


def test_two_models_are_not_compared_where_one_cannot_decode(latents, tmp_path):
    second = latents.ask(LoadSecond, path=str(make_run(tmp_path / "run").path))
    assert second.can_decode
    reply = latents.ask(CompareModels, index=-1, factors=np.zeros(0, np.float32), z=START)
    assert isinstance(reply, Failed)
    assert "has no decoder" in reply.message
