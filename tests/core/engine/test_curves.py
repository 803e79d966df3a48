"""Curved paths through the engine: known surfaces, worked slice by slice, and what is answered where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_driver import TINY, Steps, seeded, write_weights

import core.engine.snapshot
from core.config import ModelConfig
from core.data.polar_curves import render
from core.geometry.decoder_surrogate import landmark_places
from core.geometry.factor_curve import OUT_OF_REACH
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import OffManifoldDetector
from core.geometry.path_kinds import straight
from core.models.inference import NO_ENCODER, Inference, MissingPartError
from core.models.network_inference import NetworkInference
from core.paths.recipe import END_OF_DATA, RECIPE_KINDS
from core.protocol.messages import (
    Cancel,
    ComparePaths,
    ComputeGridlines,
    Decode,
    Decoded,
    DecodePath,
    Done,
    Failed,
    GridlinesComputed,
    Load,
    PathCompared,
    PathTraced,
    SetAttributes,
    TracePath,
)
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory

NOWHERE = np.zeros(0, np.float32)
ANGLE, HEIGHT = "angle", "height"


def recorded(
    path: Path, mu: np.ndarray, factors: np.ndarray, names: tuple[str, ...], size: int = 32, seed: int = 0
) -> RunDirectory:
    """A run whose samples have the means ``mu``, whatever its (untrained) model would encode."""
    config = replace(TINY, model=ModelConfig(latent_dim=mu.shape[1]), data=replace(TINY.data, image_size=size))
    run = RunDirectory.create(path, config, {})
    write_weights(run, seed, 5)
    generator = np.random.default_rng(0)
    shades = np.clip(128 + 40 * mu @ generator.normal(size=(mu.shape[1], THUMBNAIL_SIZE**2)) / 8, 0, 255)
    thumbnails = shades.astype(np.uint8).reshape(-1, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1)
    indices, split = np.arange(len(mu), dtype=np.int64), np.zeros(len(mu), np.uint8)
    run.write_probe(ProbeSet(indices, factors.astype(np.float32), names, thumbnails, split))
    run.write_embedding(mu.astype(np.float32))
    return run


def cylinder(count: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Means (N, 3) on three quarters of a cylinder of radius 1, and their labels (angle, height)."""
    generator = np.random.default_rng(1)
    labels = generator.uniform([0.0, 0.0], [1.5 * np.pi, 2.0], (count, 2))
    return np.column_stack([np.cos(labels[:, 0]), np.sin(labels[:, 0]), labels[:, 1]]), labels


def on_cylinder(angle: float, height: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle), height], np.float32)


@pytest.fixture(autouse=True)
def _few_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A surrogate of 150 decoded images is as good for these models, and quicker."""
    monkeypatch.setattr(core.engine.snapshot, "landmark_places", partial(landmark_places, count=150))


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return recorded(tmp_path_factory.mktemp("curves") / "run", *cylinder(), (ANGLE, HEIGHT))


@pytest.fixture
def steps(rolled: RunDirectory) -> Steps:
    return Steps(rolled)


def trace(steps: Steps, kind: str, start: np.ndarray, end: np.ndarray = NOWHERE, **fields: Any) -> PathTraced:
    reply = steps.ask(TracePath, kind=kind, start=start, end=end, **fields)
    assert isinstance(reply, PathTraced), reply
    return reply


def refusal(steps: Steps, request: type, /, **fields: Any) -> str:
    reply = steps.ask(request, **fields)
    assert isinstance(reply, Failed), reply
    return reply.message


def radius(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, :2], axis=1)


def angle(points: np.ndarray) -> np.ndarray:
    return np.unwrap(np.arctan2(points[:, 1], points[:, 0]))


# kinds that come at once


def test_a_straight_path_joins_its_ends_and_says_how_much_of_it_is_off_the_data(steps: Steps) -> None:
    start, end = on_cylinder(0.5, 1.0), on_cylinder(2.5, 1.0)
    path = trace(steps, "straight", start, end, points=9)
    assert path.final
    assert path.stage == "exact"
    np.testing.assert_allclose(path.points, straight(start, end, 9), atol=1e-6)
    assert path.names == (ANGLE, HEIGHT)
    assert path.labels.shape == (9, 2)
    assert 0.5 < path.off_share < 1.0  # a chord leaves the cylinder


def test_a_factor_curve_reaches_the_end_s_angle_and_keeps_height_and_radius(steps: Steps) -> None:
    path = trace(steps, "factor curve", on_cylinder(0.6, 0.7), on_cylinder(3.0, 1.5), target=ANGLE)
    assert path.final
    assert path.note == ""
    assert path.points.shape == (33, 3)
    np.testing.assert_allclose(radius(path.points), 1.0, atol=2e-3)
    np.testing.assert_allclose(path.points[:, 2], 0.7, atol=2e-3)
    np.testing.assert_allclose(angle(path.points), np.linspace(0.6, 3.0, 33), atol=5e-3)
    np.testing.assert_allclose(path.labels[:, 0], np.linspace(0.6, 3.0, 33), atol=5e-3)
    assert path.off_share < 0.1


def test_a_value_says_how_far_a_factor_curve_goes(steps: Steps) -> None:
    path = trace(steps, "factor curve", on_cylinder(2.0, 0.4), target=HEIGHT, value=1.6, points=5)
    np.testing.assert_allclose(path.points[:, 2], [0.4, 0.7, 1.0, 1.3, 1.6], atol=2e-3)
    np.testing.assert_allclose(angle(path.points), 2.0, atol=2e-3)


@pytest.mark.parametrize("kind", ["factor curve", "isoline", "tangent line", "mean difference", "regression"])
def test_without_an_end_a_rail_passes_through_its_start_as_far_as_the_data_go(steps: Steps, kind: str) -> None:
    start = on_cylinder(2.0, 1.0)
    path = trace(steps, kind, start, target=HEIGHT)
    assert np.linalg.norm(path.points - start, axis=1).min() < 0.06
    assert path.points[:, 2].min() < 0.15
    assert path.points[:, 2].max() > 1.85
    assert np.abs(path.points).max() < 3.0


def test_a_spherical_path_keeps_its_distance_from_the_data_s_mean(steps: Steps) -> None:
    mean = cylinder()[0].mean(axis=0)
    start = (mean + np.array([1.0, 0.0, 0.0])).astype(np.float32)
    path = trace(steps, "spherical", start, (mean + np.array([0.0, 0.6, 0.8])).astype(np.float32), points=17)
    np.testing.assert_allclose(np.linalg.norm(path.points - mean, axis=1), 1.0, atol=1e-4)


def test_a_value_out_of_reach_gives_the_part_that_is_and_says_why(steps: Steps) -> None:
    path = trace(steps, "factor curve", on_cylinder(2.0, 0.4), target=HEIGHT, value=9.0)
    assert 2 <= len(path.points) < 33
    assert END_OF_DATA in path.note or OUT_OF_REACH in path.note


# geodesics


def test_a_geodesic_comes_in_stages_and_a_last_time_with_the_decoder_s_own_images(steps: Steps) -> None:
    start, end = on_cylinder(0.5, 0.5), on_cylinder(4.0, 1.5)
    last = trace(steps, "geodesic", start, end)
    told = [reply for reply in steps.replies if isinstance(reply, PathTraced)]
    assert last is told[-1]
    assert [reply.final for reply in told] == [False] * (len(told) - 1) + [True]
    stages = [reply.stage for reply in told]
    first = stages.index("polished") + 1
    assert stages[0] == stages[first] == "graph"
    assert stages[-1] == "polished"
    assert all(reply.note.startswith("estimated") for reply in told[:first])
    assert all(reply.note == "" for reply in told[first:])
    for reply in told:
        np.testing.assert_array_equal(reply.points[[0, -1]], [start, end])
        assert reply.points.shape == (33, 3)
        assert reply.labels.shape == (33, 2)
        np.testing.assert_allclose(radius(reply.points), 1.0, atol=0.15)  # round the gap, over the samples
    np.testing.assert_allclose(radius(last.points), 1.0, atol=0.02)
    again = trace(steps, "geodesic", start, end)
    np.testing.assert_allclose(again.points, last.points, atol=1e-6)
    later = [reply for reply in steps.replies if isinstance(reply, PathTraced) and reply.stamp == again.stamp]
    assert all(reply.note == "" for reply in later)  # the decoder is asked once


def test_without_the_penalty_a_geodesic_may_leave_the_data(steps: Steps) -> None:
    start, end = on_cylinder(0.2, 1.0), on_cylinder(4.4, 1.0)
    kept = trace(steps, "geodesic", start, end)
    free = trace(steps, "geodesic", start, end, penalty=False)
    assert kept.off_share < 0.1
    assert free.off_share > 0.5
    assert radius(free.points).min() < 0.9


def test_the_probe_is_served_while_the_decoder_is_asked_for_its_landmarks(steps: Steps) -> None:
    asked = TracePath(stamp=101, kind="geodesic", start=on_cylinder(0.5, 0.5), end=on_cylinder(4.0, 1.5))
    steps.do(asked, slices=60)
    assert steps.engine.busy
    steps.do(Decode(stamp=102, z=on_cylinder(1.0, 1.0)), slices=1)
    assert isinstance(steps.replies[-1], Decoded)


def test_the_newest_trace_replaces_one_that_has_not_finished(steps: Steps) -> None:
    old = TracePath(stamp=101, kind="geodesic", start=on_cylinder(0.5, 0.5), end=on_cylinder(4.0, 1.5))
    steps.do(old, slices=50)
    steps.do(TracePath(stamp=102, kind="straight", start=on_cylinder(0.5, 0.5), end=on_cylinder(4.0, 1.5)))
    assert not any(reply.final for reply in steps.replies if reply.stamp == 101)
    assert steps.replies[-1].stamp == 102
    steps.replies.clear()
    steps.do(replace_stamp(old, 103), Cancel(request=103))
    assert steps.replies == []


def replace_stamp(request: TracePath, stamp: int) -> TracePath:
    return TracePath(stamp=stamp, kind=request.kind, start=request.start, end=request.end)


def test_parts_that_are_not_connected_are_never_bridged(tmp_path: Path) -> None:
    mu, labels = cylinder(300)
    mu = np.vstack([mu, mu + np.array([50.0, 0.0, 0.0])])
    steps = Steps(recorded(tmp_path / "run", mu, np.vstack([labels, labels]), (ANGLE, HEIGHT)))
    text = refusal(steps, TracePath, kind="geodesic", start=mu[0], end=mu[-1])
    assert "not connected" in text


def test_while_weights_change_the_decoder_is_not_asked_for_landmarks(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.ask(Decode, z=on_cylinder(1.0, 1.0))
    monkeypatch.setattr(core.engine.snapshot, "SETTLED_S", 1e9)
    asked = TracePath(stamp=101, kind="geodesic", start=on_cylinder(0.5, 0.5), end=on_cylinder(4.0, 1.5))
    steps.engine.accept(asked)
    for _ in range(3000):
        if not steps.engine.advance():
            time.sleep(0.002)
        if any(reply.stamp == 101 and reply.stage == "polished" for reply in steps.replies):
            break
    told = [reply for reply in steps.replies if reply.stamp == 101]
    assert told[-1].stage == "polished"
    assert not told[-1].final
    assert not any(steps.engine.advance() for _ in range(50))  # it waits, and works at nothing
    monkeypatch.setattr(core.engine.snapshot, "SETTLED_S", 0.0)
    steps.do()
    assert steps.replies[-1].final


# the badge


def test_decodes_carry_the_badge_s_numbers(steps: Steps) -> None:
    mu = cylinder()[0].astype(np.float32)
    steps.do(DecodePath(stamp=900, z=mu[:2]))  # waits for what the badge needs
    inside = steps.ask(Decode, z=mu[7])
    detector = OffManifoldDetector(Neighbourhoods(mu))
    assert inside.off_manifold_score == pytest.approx(detector.score(mu[7][None].astype(np.float64))[0])
    assert inside.threshold == pytest.approx(detector.threshold)
    assert inside.gap == 0.0
    outside = steps.ask(Decode, z=np.array([0.0, 0.0, 1.0], np.float32))
    assert outside.off_manifold_score > outside.threshold
    size = np.sqrt(mu.var(axis=0).sum())
    assert outside.gap == pytest.approx(np.linalg.norm(mu - [0.0, 0.0, 1.0], axis=1).min() / size, rel=1e-5)


def test_frames_of_a_path_carry_them_too(steps: Steps) -> None:
    z = straight(on_cylinder(0.5, 1.0), on_cylinder(3.5, 1.0), 7).astype(np.float32)
    steps.do(DecodePath(stamp=5, z=z))
    scores = np.concatenate([reply.off_manifold_score for reply in steps.replies])
    gap = np.concatenate([reply.gap for reply in steps.replies])
    index = OffManifoldDetector(Neighbourhoods(cylinder()[0].astype(np.float32)))
    np.testing.assert_allclose(scores, index.at(z).score)
    np.testing.assert_allclose(gap, index.at(z).gap)


@pytest.mark.parametrize("dim", [2, 12, 32])
def test_the_badge_is_the_same_in_any_number_of_dimensions(dim: int) -> None:
    generator = np.random.default_rng(0)
    mu, z = generator.normal(size=(300, dim)).astype(np.float32), generator.normal(size=(9, dim)) * 1.5
    detector = OffManifoldDetector(Neighbourhoods(mu))
    np.testing.assert_allclose(detector.at(z).score, detector.score(z))
    every = np.linalg.norm(mu.astype(np.float64) - z[:, None], axis=2)
    np.testing.assert_allclose(detector.at(z).gap, every.min(axis=1) / detector.radius)


def test_newer_means_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.engine.snapshot, "POLL_S", 0.0)
    mu, labels = cylinder(300)
    run = recorded(tmp_path / "run", mu, labels, (ANGLE, HEIGHT))
    steps = Steps(run)
    assert trace(steps, "straight", mu[0], mu[1]).off_share < 1.0
    run.write_embedding((mu + 100.0).astype(np.float32))
    steps.engine.poll_weights()
    assert trace(steps, "straight", mu[0], mu[1]).off_share == 1.0


def test_means_that_come_faster_than_paths_do_not_keep_one_from_being_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.engine.snapshot, "POLL_S", 0.0)
    mu, labels = cylinder(300)
    run = recorded(tmp_path / "run", mu, labels, (ANGLE, HEIGHT))
    steps = Steps(run)
    ask = partial(TracePath, kind="isoline", start=on_cylinder(2.0, 1.0), end=NOWHERE, target=HEIGHT)
    steps.engine.accept(ask(stamp=101))
    snapshots = steps.engine.context.snapshots
    assert snapshots is not None
    while snapshots._unanswered is None:
        if not steps.engine.advance():
            time.sleep(0.002)
    run.write_embedding((mu * [1.0, 1.0, 3.0]).astype(np.float32))
    steps.engine.poll_weights()
    steps.do(ask(stamp=102))
    told = [reply for reply in steps.replies if reply.stamp == 102]
    assert [reply.final for reply in told] == [False, True]
    assert told[0].points[:, 2].max() < 3.0  # on the means that were there when it was first asked
    assert told[1].points[:, 2].max() > 5.0
    assert len([reply for reply in steps.replies if reply.stamp == 101]) == 0
    steps.do(ask(stamp=103))
    assert [reply.final for reply in steps.replies if reply.stamp == 103] == [True]


def test_an_attribute_just_added_is_a_target_at_once_though_a_training_writes_faster_than_paths_are_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.engine.snapshot, "POLL_S", 0.0)
    mu, labels = cylinder(300)
    run = recorded(tmp_path / "run", mu, labels, (ANGLE, HEIGHT))
    steps = Steps(run)
    steps.engine.accept(TracePath(stamp=101, kind="isoline", start=on_cylinder(2.0, 1.0), end=NOWHERE, target=HEIGHT))
    while steps.engine.context.snapshots._unanswered is None:
        if not steps.engine.advance():
            time.sleep(0.002)
    run.write_embedding((mu * [1.0, 1.0, 3.0]).astype(np.float32))
    steps.engine.poll_weights()
    added = SetAttributes(stamp=102, names=("height squared",), values=np.square(labels[:, 1:]))
    start = on_cylinder(2.0, 1.0)
    steps.do(added, TracePath(stamp=103, kind="isoline", start=start, end=NOWHERE, target="height squared"))
    assert [type(reply) for reply in steps.replies if reply.stamp == 103] == [PathTraced, PathTraced]


# the net


def test_a_net_is_two_families_of_lines_on_each_of_which_one_factor_is_constant(steps: Steps) -> None:
    net = steps.ask(ComputeGridlines, families=(ANGLE, HEIGHT), counts=5)
    assert isinstance(net, GridlinesComputed)
    assert net.note == ""
    assert net.points.dtype == np.float32
    assert len(net.starts) == len(net.family) + 1 == len(net.values) + 1
    assert net.starts[-1] == len(net.points)
    for i, (family, value) in enumerate(zip(net.family, net.values, strict=True)):
        line = net.points[net.starts[i] : net.starts[i + 1]]
        held = angle(line) if family == 0 else line[:, 2]
        np.testing.assert_allclose(np.sin(held - value), 0.0, atol=0.03)  # an angle is known up to whole turns
        np.testing.assert_allclose(radius(line), 1.0, atol=0.02)
    assert [int(np.sum(net.family == i)) for i in (0, 1)] == [5, 5]


def test_a_net_runs_on_a_surface_of_the_dimension_that_is_asked_for(steps: Steps) -> None:
    ask = partial(steps.ask, ComputeGridlines, families=(ANGLE, HEIGHT), counts=3)
    estimated, flat, solid = ask(), ask(dimension=2), ask(dimension=3)
    np.testing.assert_array_equal(estimated.points, flat.points)
    assert solid.points.shape != flat.points.shape or not np.array_equal(solid.points, flat.points)
    assert "dimension is 4" in refusal(steps, ComputeGridlines, families=(ANGLE, HEIGHT), dimension=4)


@pytest.mark.parametrize("families", [(ANGLE,), (ANGLE, ANGLE), ()])
def test_a_net_needs_two_different_families(steps: Steps, families: tuple[str, ...]) -> None:
    assert "two different" in refusal(steps, ComputeGridlines, families=families)


def test_a_net_of_unknown_factors_is_refused(steps: Steps) -> None:
    assert "nothing such" in refusal(steps, ComputeGridlines, families=(ANGLE, "nothing such"))


# attributes


def test_attributes_become_targets_that_leave_no_more_held_than_the_surface_allows(steps: Steps) -> None:
    labels = cylinder()[1]
    turned = np.column_stack([labels[:, 0] ** 2, labels[:, 1]])
    steps.do(SetAttributes(stamp=300, names=("square", "copy"), values=turned))
    assert [type(reply) for reply in steps.replies] == [Done]
    path = trace(steps, "factor curve", on_cylinder(1.0, 0.7), on_cylinder(2.0, 0.7), target="square")
    assert path.names[0] == "square"
    assert len(path.names) == 2  # a surface of two dimensions holds one
    assert path.note.startswith("held constant: ")
    assert ANGLE in path.note.split("not held constant: ")[1]
    np.testing.assert_allclose(path.points[:, 2], 0.7, atol=5e-3)
    np.testing.assert_allclose(angle(path.points) ** 2, path.labels[:, 0], atol=0.02)
    steps.do(SetAttributes(stamp=400, names=(), values=np.zeros((0, 0))))
    assert "square" in refusal(steps, TracePath, kind="isoline", start=on_cylinder(1, 1), end=NOWHERE, target="square")


def test_an_attribute_that_is_nearly_always_the_same_is_not_held(steps: Steps) -> None:
    labels = cylinder()[1]
    same = np.full(len(labels), 5.0)
    same[::20] = 4.0
    steps.do(SetAttributes(stamp=300, names=("square", "same"), values=np.column_stack([labels[:, 0] ** 2, same])))
    path = trace(steps, "factor curve", on_cylinder(1.0, 0.7), on_cylinder(2.0, 0.7), target="square")
    assert path.names == ("square", HEIGHT)
    assert "same" not in path.note


def test_noise_is_not_held_though_nothing_depends_on_it_less(steps: Steps) -> None:
    labels = cylinder()[1]
    noise = np.random.default_rng(0).normal(size=len(labels))
    steps.do(SetAttributes(stamp=300, names=("square", "noise"), values=np.column_stack([labels[:, 0] ** 2, noise])))
    path = trace(steps, "factor curve", on_cylinder(1.0, 0.7), on_cylinder(2.0, 0.7), target="square")
    assert path.names == ("square", HEIGHT)
    assert "noise" in path.note.split("not held constant: ")[1]


def test_a_label_that_moves_in_steps_is_told_to_do_so(steps: Steps) -> None:
    stepped = np.round(2.0 * cylinder()[1][:, 1])
    steps.do(SetAttributes(stamp=300, names=("steps",), values=stepped[:, None]))
    path = trace(steps, "factor curve", on_cylinder(2.0, 1.0), on_cylinder(2.0, 0.2), target="steps")
    assert f"steps takes only {len(np.unique(stepped))} distinct values, so it changes in steps" in path.note


def test_a_curve_that_ends_before_the_data_do_says_where(tmp_path: Path) -> None:
    points, labels = cylinder()
    gap = np.abs(labels[:, 1] - 1.2) < 0.6
    steps = Steps(recorded(tmp_path / "run", points[~gap], labels[~gap], (ANGLE, HEIGHT)))
    path = trace(steps, "isoline", on_cylinder(2.0, 0.4), target=HEIGHT)
    assert f"ends within the data's range, at {HEIGHT} = 0." in path.note
    whole = trace(steps, "isoline", on_cylinder(2.0, 0.4), target=ANGLE)
    assert "ends within" not in whole.note


def test_samples_in_which_an_attribute_is_undefined_are_left_out(steps: Steps) -> None:
    values = cylinder()[1][:, :1].copy()
    values[::3] = np.nan
    steps.do(SetAttributes(stamp=300, names=("partly",), values=values))
    path = trace(steps, "factor curve", on_cylinder(1.0, 0.7), on_cylinder(2.0, 0.7), target="partly")
    np.testing.assert_allclose(angle(path.points)[[0, -1]], [1.0, 2.0], atol=0.01)


@pytest.mark.parametrize(
    ("names", "values", "wanted"),
    [
        (("x",), np.zeros((3, 1)), "900"),
        ((HEIGHT,), np.zeros((900, 1)), "two attributes or factors"),
        (("x", "x"), np.zeros((900, 2)), "two attributes or factors"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(
    steps: Steps, names: tuple[str, ...], values: np.ndarray, wanted: str
) -> None:
    assert wanted in refusal(steps, SetAttributes, names=names, values=values)


def test_a_single_attribute_says_that_nothing_is_held(tmp_path: Path) -> None:
    mu, labels = cylinder(400)
    steps = Steps(recorded(tmp_path / "run", mu, np.zeros((400, 0)), ()))
    start, end = on_cylinder(1.0, 1.0), on_cylinder(2.0, 1.0)
    text = refusal(steps, TracePath, kind="factor curve", start=start, end=end, target=ANGLE)
    assert "measure attributes first" in text
    steps.do(SetAttributes(stamp=300, names=(ANGLE,), values=labels[:, :1]))
    path = trace(steps, "factor curve", start, end, target=ANGLE)
    assert path.note == "no other factors are known, so none is held constant"
    assert trace(steps, "geodesic", start, end).labels.shape == (33, 0)


# comparing


class Drawn(Inference):
    """A decoder whose truth is known: latent (a, b, …) is the curve of those factors."""

    latent_dim, image_size, channels, precision, can_encode = 3, 64, 1, "float64", False

    def decode(self, z: np.ndarray) -> np.ndarray:
        return render(z[:, :2].astype(np.float64), 64, "article")[..., None]

    def encode(self, images: np.ndarray) -> np.ndarray:
        raise MissingPartError(NO_ENCODER)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    generator = np.random.default_rng(3)
    ab = generator.uniform([0.5, 0.0], [2.0, 2.0], (600, 2))
    mu = np.column_stack([ab, np.zeros(600)])
    return recorded(tmp_path_factory.mktemp("plane") / "run", mu, ab, ("a", "b"), size=64)


def compared(steps: Steps, **fields: Any) -> list[PathCompared]:
    steps.do(ComparePaths(stamp=77, **fields))
    replies = [reply for reply in steps.replies if reply.stamp == 77]
    assert all(isinstance(reply, PathCompared) for reply in replies), replies
    return replies


def drawing(run: RunDirectory) -> Steps:
    steps = Steps(run)
    snapshots = steps.engine.context.snapshots
    assert snapshots is not None
    snapshots._inference = Drawn()
    return steps


def test_compared_paths_have_the_leak_that_their_images_show(plane: RunDirectory) -> None:
    steps = drawing(plane)
    start, end = np.array([0.8, 0.6, 0.0], np.float32), np.array([1.6, 1.4, 0.0], np.float32)
    rows = compared(steps, kinds=RECIPE_KINDS, start=start, end=end, target="a", frames=9)
    assert [row.kind for row in rows] == list(RECIPE_KINDS)
    assert [(row.index, row.total) for row in rows] == [(i, 8) for i in range(8)]
    by_kind = {row.kind: row for row in rows}
    direct, curve = by_kind["straight"], by_kind["factor curve"]
    assert direct.points.shape == (9, 3)
    assert direct.images.shape == (9, 64, 64, 1)
    assert direct.off_manifold_score.shape == (9,)
    assert direct.latent_length == pytest.approx(np.sqrt(2 * 0.8**2), rel=1e-5)
    assert direct.names == ("a", "b")
    assert direct.truth == "curves"
    assert direct.achieved == pytest.approx(0.8, abs=0.02)
    # Both are cut at a change of 0.8 of a: straight, b has then changed by as much, of a range of 2.
    assert direct.leaks[1] == pytest.approx(0.4, abs=0.02)
    assert curve.leaks[1] < 0.02
    assert np.isnan(curve.leaks[0])
    assert curve.achieved == pytest.approx(0.8, abs=0.02)
    assert curve.off_share == 0.0
    assert curve.residual < 1e-4
    assert curve.image_k == 9
    assert curve.image_length > 0.0
    assert by_kind["geodesic"].note.startswith("estimated")
    steps.do()  # the landmarks
    steps.replies.clear()
    assert compared(steps, kinds=("geodesic",), start=start, end=end, target="a", frames=9)[0].note == ""


def test_a_kind_that_cannot_be_is_missing_with_its_reason_and_the_others_are_there(plane: RunDirectory) -> None:
    steps = drawing(plane)
    start = np.array([0.8, 0.6, 0.0], np.float32)
    end = np.array([1.6, 1.4, 0.0], np.float32)
    rows = compared(steps, kinds=("straight", "factor curve"), start=start, end=end, target="", frames=5)
    assert len(rows[0].points) == 5
    assert np.isnan(rows[0].achieved)
    assert np.isnan(rows[0].leaks).all()
    assert rows[1].points.shape == (0, 3)
    assert rows[1].images.shape == (0, 64, 64, 1)
    assert "choose one" in rows[1].note


def test_an_attribute_is_read_off_by_a_regressor_that_did_not_steer(steps: Steps) -> None:
    labels = cylinder()[1]
    steps.do(SetAttributes(stamp=300, names=("sum",), values=labels.sum(axis=1)[:, None]))
    start, end = on_cylinder(1.0, 0.7), on_cylinder(2.0, 0.7)
    (row,) = compared(steps, kinds=("factor curve",), start=start, end=end, target="sum", frames=5)
    assert row.truth == "regressor"
    assert row.names == (ANGLE, HEIGHT, "sum")
    assert np.isnan(row.residual)
    assert np.isfinite(row.achieved)


# other models


@pytest.mark.parametrize("dim", [1, 2, 8, 12])
def test_any_number_of_latent_dimensions(tmp_path: Path, dim: int) -> None:
    generator = np.random.default_rng(4)
    labels = np.column_stack([generator.permutation(np.linspace(-1.0, 1.0, 500)), generator.uniform(-1.0, 1.0, 500)])
    turn = np.linalg.qr(generator.normal(size=(dim, min(dim, 2))))[0]
    mu = labels[:, : min(dim, 2)] @ turn.T
    steps = Steps(recorded(tmp_path / "run", mu, labels, ("x", "y")))
    start, end = mu[np.argmin(np.abs(labels + 0.5).sum(axis=1))], mu[np.argmin(np.abs(labels - 0.5).sum(axis=1))]
    start, end = start.astype(np.float32), end.astype(np.float32)
    for kind in RECIPE_KINDS:
        if dim == 1 and kind == "spherical":
            continue  # there are only opposite ends
        path = trace(steps, kind, start, end, target="x")
        assert path.final
        assert path.points.shape[1] == dim
        assert len(path.points) >= 2
        assert np.isfinite(path.points).all()
    assert steps.ask(Decode, z=start).off_manifold_score > 0.0
    if dim == 1:
        assert "two latent dimensions" in refusal(steps, ComputeGridlines, families=("x", "y"))
    else:
        assert len(steps.ask(ComputeGridlines, families=("x", "y"), counts=3).values) >= 6


def weights_file(run: RunDirectory) -> Path:
    return run.weights_path


def bare_run(run: RunDirectory) -> Path:
    """Without samples."""
    run.probe_path.unlink()
    return run.path


@pytest.mark.parametrize("opened", [weights_file, bare_run])
def test_without_recorded_samples_only_straight_paths_are_traced(
    tmp_path: Path, opened: Callable[[RunDirectory], Path]
) -> None:
    run = recorded(tmp_path / "run", *cylinder(60), (ANGLE, HEIGHT))
    steps = Steps(run)
    steps.ask(Load, path=str(opened(run)))
    start, end = on_cylinder(0.5, 1.0), on_cylinder(2.5, 1.0)
    path = trace(steps, "straight", start, end)
    assert path.final
    assert path.labels.shape == (33, 0)
    assert np.isnan(path.off_share)
    for kind in RECIPE_KINDS[1:]:
        assert "samples" in refusal(steps, TracePath, kind=kind, start=start, end=end, target=ANGLE)
    assert "samples" in refusal(steps, ComputeGridlines, families=(ANGLE, HEIGHT))
    decoded = steps.ask(Decode, z=start)
    assert np.isnan([decoded.off_manifold_score, decoded.threshold, decoded.gap]).all()
    assert steps.ask(DecodePath, z=start[None]).off_manifold_score.shape == (0,)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"kind": "bent", "end": on_cylinder(1, 1)}, "kind is 'bent'"),
        ({"kind": "straight", "end": np.zeros(2, np.float32)}, "shape"),
        ({"kind": "straight", "end": NOWHERE}, "give an end"),
        ({"kind": "geodesic", "end": NOWHERE}, "give an end"),
        ({"kind": "straight", "end": on_cylinder(1, 1), "points": 1}, "points is 1"),
        ({"kind": "isoline", "end": NOWHERE, "target": "no such"}, "no such"),
        ({"kind": "tangent line", "end": on_cylinder(2, 1), "target": ""}, "target is ''"),
        ({"kind": "geodesic", "end": np.full(3, np.nan, np.float32)}, "not finite"),
        ({"kind": "isoline", "end": NOWHERE, "target": ANGLE, "held": ("no such",)}, "no such"),
        ({"kind": "isoline", "end": NOWHERE, "target": ANGLE, "dimension": 4}, "dimension is 4"),
        ({"kind": "isoline", "end": NOWHERE, "target": ANGLE, "held": (HEIGHT,), "dimension": 1}, "where 0 can be"),
    ],
)
def test_requests_that_make_no_sense_are_refused(steps: Steps, fields: dict[str, Any], wanted: str) -> None:
    assert wanted in refusal(steps, TracePath, start=on_cylinder(2.0, 1.0), **fields)


def test_a_person_says_which_labels_a_curve_holds(tmp_path: Path) -> None:
    mu, labels = cylinder()
    tilt = labels[:, 1] + 0.5 * labels[:, 0]
    steps = Steps(recorded(tmp_path / "run", mu, np.column_stack([labels, tilt]), (ANGLE, HEIGHT, "tilt")))
    start = on_cylinder(2.0, 0.7)

    def changes(**fields: Any) -> dict[str, float]:
        """How far each label changes along the curve, and how much of that the note admits."""
        path = trace(steps, "factor curve", start, NOWHERE, target=ANGLE, value=2.4, **fields)
        at = {name: path.labels[:, place] for place, name in enumerate(path.names)}
        end = path.points[-1]
        height = float(end[2])
        return {HEIGHT: abs(height - 0.7), "tilt": abs(height + 0.5 * float(at[ANGLE][-1]) - 0.7 - 1.0)}

    assert changes(held=(HEIGHT,))[HEIGHT] < 0.03
    assert changes(held=("tilt",))["tilt"] < 0.05
    assert changes(held=("tilt",))[HEIGHT] > 0.15
    both = refusal(steps, TracePath, kind="isoline", start=start, end=NOWHERE, target=ANGLE, held=(HEIGHT, "tilt"))
    assert "these are 2 labels" in both
    assert "surface of 2 dimensions" in both
    free = trace(steps, "isoline", start, NOWHERE, target=ANGLE, held=())
    assert HEIGHT in free.note


def test_the_badge_costs_a_decode_no_image(steps: Steps) -> None:
    """Decoded images are those of the model, with and without the badge."""
    z = on_cylinder(1.0, 1.0)
    np.testing.assert_array_equal(steps.ask(Decode, z=z).image, NetworkInference(seeded(TINY, 0)).decode(z[None])[0])


# what is held out, not known, or a class


def relabelled(path: Path, mu: np.ndarray, factors: np.ndarray, names: tuple[str, ...], **fields: Any) -> Steps:
    """A recorded run whose probe set has other ``fields``."""
    run = recorded(path, mu, factors, names)
    run.write_probe(replace(run.read_probe(), **fields))
    return Steps(run)


def test_where_samples_are_held_out_is_a_gap(tmp_path):
    mu, labels = cylinder(1500)
    inside = np.hypot(labels[:, 0] - 2.2, labels[:, 1] - 1.0) < 0.45
    steps = relabelled(tmp_path / "run", mu, labels, (ANGLE, HEIGHT), split=np.where(inside, 2, 0).astype(np.uint8))
    start, end = on_cylinder(1.2, 1.0), on_cylinder(3.2, 1.0)
    straight_on = trace(steps, "isoline", start, target=ANGLE)
    assert angle(straight_on.points).max() < 2.0  # it ends at the gap
    assert END_OF_DATA in straight_on.note
    around = trace(steps, "geodesic", start, end)
    crossed = np.hypot(angle(around.points) - 2.2, around.points[:, 2] - 1.0) < 0.35
    assert not crossed.any()
    assert not around.flagged.any()


def test_samples_of_unknown_value_are_left_out_and_that_is_said(tmp_path):
    mu, labels = cylinder()
    labels = np.column_stack([labels, labels[:, 1] * 2.0])
    labels[:300, 2] = np.nan
    steps = relabelled(tmp_path / "run", mu, labels, (ANGLE, HEIGHT, "weight"))
    known = trace(steps, "isoline", on_cylinder(1.5, 1.0), target=HEIGHT)
    assert known.names == (ANGLE, HEIGHT)
    assert "unknown" not in known.note
    partly = trace(steps, "isoline", on_cylinder(1.5, 1.0), target="weight")
    assert "without 300 samples of unknown weight" in partly.note
    np.testing.assert_allclose(partly.labels[:, partly.names.index("weight")], 2.0 * partly.points[:, 2], atol=0.1)


def test_no_path_changes_a_class_step_by_step(tmp_path):
    mu, labels = cylinder()
    kinds = (labels[:, 0] > 2.0).astype(np.float64)
    steps = relabelled(
        tmp_path / "run",
        mu,
        np.column_stack([kinds, labels]),
        ("kind", ANGLE, HEIGHT),
        categories=(("cat", "dog"), (), ()),
    )
    said = refusal(steps, TracePath, kind="isoline", start=on_cylinder(1.5, 1.0), end=NOWHERE, target="kind")
    assert "kind is a class (cat, dog" in said
    assert trace(steps, "isoline", on_cylinder(1.5, 1.0), target=ANGLE).names == (ANGLE, HEIGHT)


def test_classes_alone_leave_the_paths_that_need_no_factor(tmp_path):
    mu, labels = cylinder()
    kinds = (labels[:, :1] > 2.0).astype(np.float64)
    steps = relabelled(tmp_path / "run", mu, kinds, ("kind",), categories=(("cat", "dog"),))
    path = trace(steps, "geodesic", on_cylinder(1.0, 1.0), on_cylinder(3.0, 1.0))
    assert path.names == ()
    assert not path.flagged.any()
    assert trace(steps, "straight", on_cylinder(1.0, 1.0), on_cylinder(3.0, 1.0)).labels.shape[1] == 0
    ends = {"start": on_cylinder(1.0, 1.0), "end": on_cylinder(3.0, 1.0)}
    compared = steps.ask(ComparePaths, kinds=("straight", "geodesic"), target="", frames=9, **ends)
    assert isinstance(compared, PathCompared), compared
