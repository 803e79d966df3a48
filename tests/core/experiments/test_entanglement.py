"""Experiment B: its plan, what penalties make of turned clouds, the statistics, the words, and a small run of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.analysis.axis_alignment import Alignment, rotation_null
from core.config import Entanglement
from core.experiments.entanglement import options
from core.experiments.entanglement import report as report_module
from core.experiments.entanglement.analysis import (
    Analysis,
    Cloud,
    Group,
    Model,
    Unknown,
    group_null,
    holm,
    measure,
)
from core.experiments.entanglement.figures import alignment_figure, own_cloud_figure, rectangle_figure
from core.experiments.entanglement.options import PENALTIES, Options, Variant
from core.experiments.entanglement.report import conclusions, make_page, make_report
from core.experiments.entanglement.rotations import (
    by_angle,
    chance_of_ranks,
    diagonal_crossover,
    orientation_rank,
    penalty,
    plane_rotation,
    preferred_orientation,
    random_rotations,
    uniform_rectangle,
)
from core.experiments.options import ExperimentError
from core.experiments.runner import run

OPTIONS = Options(Path("unused"))


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def box(random: np.random.Generator, count: int = 400) -> np.ndarray:
    """A box along the axes, with three different sides."""
    return (random.uniform(-1.0, 1.0, (count, 3)) * (5.0, 2.0, 0.7)).astype(np.float32)


# the plan


def test_every_setting_is_trained_equally_long_on_the_full_unweighted_set():
    planned = OPTIONS.plan()
    assert len({one.name for one in planned}) == len(planned) == 3 * len(OPTIONS.variants())
    assert {one.config.training.epochs for one in planned} == {6}
    assert {one.config.data.image_size for one in planned} == {128}
    assert not any(one.config.data.punctured or one.config.data.weighted for one in planned)
    assert {one.config.training.seed for one in planned} == {0, 1, 2}
    assert {one.group for one in planned} == {variant.name for variant in OPTIONS.variants()}


def test_all_penalties_at_several_gammas_and_the_published_pair_are_tried():
    found = [(v.entanglement, v.gamma, v.beta) for v in OPTIONS.variants()]
    assert found[0][0] == "none"
    for form in PENALTIES:
        assert len({gamma for name, gamma, beta in found if name == form and beta < 1e-3}) == 3
    assert ("none", 0.0, 1e-3) in found
    assert ("product", 1e-4, 1e-3) in found


def test_quick_is_one_seed_and_one_gamma_a_penalty():
    planned = Options(Path("unused"), seeds=5, quick=True).plan()
    assert [one.config.loss.entanglement for one in planned] == ["none", *PENALTIES, "none", "product"]
    assert {one.config.training.seed for one in planned} == {0}
    assert {one.config.data.image_size for one in planned} == {32}


def test_only_a_training_with_a_penalty_may_diverge():
    assert {one.config.loss.entanglement for one in OPTIONS.plan() if one.required} == {"none"}


@pytest.mark.parametrize("bad", [{"seeds": 0}, {"product": (0.0,)}, {"dip": (1e-3, 1e-3)}, {"covariance": (math.nan,)}])
def test_bad_options_are_named(bad: dict):
    with pytest.raises(ExperimentError, match=next(iter(bad))):
        Options(Path("unused"), **bad)


def test_an_experiment_that_an_earlier_version_began_has_the_same_settings():
    """Stored in its folder; another value would refuse to resume it."""
    assert Options(Path("unused"), seeds=5, quick=True).settings()["seeds"] == 5


def test_settings_leave_the_folder_out():
    assert "out" not in OPTIONS.settings()
    json.dumps(OPTIONS.settings())


# penalties of turned clouds


def test_product_prefers_the_diagonals_of_a_square_and_covariance_does_not_care():
    square = uniform_rectangle()
    assert by_angle(square, np.array([0.0, 45.0, 90.0]), "product") == pytest.approx([1 / 4, 1 / 6, 1 / 4], abs=1e-4)
    assert by_angle(square, np.linspace(0.0, 90.0, 7), "covariance") == pytest.approx(np.zeros(7), abs=1e-9)


def test_both_prefer_the_axes_of_an_elongated_rectangle():
    for form in ("product", "covariance"):
        values = by_angle(uniform_rectangle(3.0), np.linspace(0.0, 90.0, 19), form)
        assert values.argmin() in (0, 18)


def test_batches_see_noise_where_the_whole_has_none():
    square = uniform_rectangle()
    straight, diagonal = by_angle(square, np.array([0.0, 45.0]), "covariance", batch=16)
    assert straight > diagonal > 0.01
    assert penalty(square, "product", 16) == pytest.approx(1 / 4, abs=0.01)  # a mean of samples: no such noise


def test_the_ratio_of_sides_at_which_product_turns_to_the_axes():
    # E|r u² - v²/r| / 2 = 1/4 for uniform u and v, which is r³ - 1.5 r² - r + 1 = 0
    expected = max(root.real for root in np.roots([1.0, -1.5, -1.0, 1.0]) if abs(root.imag) < 1e-9)
    assert diagonal_crossover() == pytest.approx(expected, abs=2e-3)


def test_a_plane_rotation_turns_one_axis_towards_the_other():
    rotation = plane_rotation(3, (0, 2), 90.0)
    assert rotation @ [1.0, 0.0, 0.0] == pytest.approx([0.0, 0.0, 1.0])
    assert rotation @ [0.0, 1.0, 0.0] == pytest.approx([0.0, 1.0, 0.0])


def test_random_rotations_are_orthogonal():
    rotations = random_rotations(4, 20)
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(4), (20, 4, 4)), abs=1e-12)


def test_a_cloud_in_the_orientation_that_its_penalty_wants_has_rank_zero(random: np.random.Generator):
    cloud = box(random)
    _, axes = np.linalg.eigh(np.cov(cloud.T))
    aligned = cloud @ axes
    assert orientation_rank(aligned, "covariance") == 0.0
    turned = aligned @ plane_rotation(3, (0, 2), 45.0).T
    assert orientation_rank(turned, "covariance") > 0.1


def test_ranks_of_randomly_turned_clouds_are_spread_evenly(random: np.random.Generator):
    cloud = box(random, 100)
    ranks = [orientation_rank(cloud @ rotation.T, "product", seed=1) for rotation in random_rotations(3, 40, seed=2)]
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.17)
    assert np.std(ranks) == pytest.approx(math.sqrt(1 / 12), abs=0.1)


def test_one_dimension_cannot_be_turned():
    assert orientation_rank(np.arange(20.0)[:, None], "product") == 0.5


def test_the_orientation_that_covariance_prefers_lies_along_the_axes(random: np.random.Generator):
    cloud = box(random) @ random_rotations(3, 1, seed=4)[0].T
    found = preferred_orientation(cloud, "covariance")
    assert found.trained == pytest.approx(penalty(cloud, "covariance"))
    assert found.lowest < 0.02 * found.trained
    assert found.alignment == pytest.approx(1.0, abs=0.01)
    assert found.rank > 0.0


# statistics


def test_chance_of_ranks():
    assert chance_of_ranks([0.05]) == pytest.approx(0.05)
    assert chance_of_ranks([0.1, 0.1]) == pytest.approx(0.02)  # the triangle's corner: 0.2² / 2
    assert chance_of_ranks([0.5, 0.5, 0.5]) == pytest.approx(0.5)
    assert chance_of_ranks([0.0]) == 0.0
    assert chance_of_ranks([1.0, 1.0]) == pytest.approx(1.0)
    assert chance_of_ranks([0.5] * 30) == pytest.approx(0.5)
    assert chance_of_ranks([0.4] * 12) == pytest.approx(chance_of_ranks([0.4] * 13), abs=0.03)


def test_holms_correction():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_the_null_of_a_mean_is_narrower_than_that_of_one():
    one = Alignment(0.9, 0.8, 0.95, 0.54, 0.89, 0.05, 2000)
    single, three = group_null([one], [3]), group_null([one] * 3, [3] * 3)
    assert single is not None
    assert three is not None
    assert single.mean == pytest.approx(rotation_null(3).mean(), abs=0.01)
    assert three.mean == pytest.approx(single.mean, abs=0.01)
    assert three.high - three.low < 0.7 * (single.high - single.low)
    assert three.p_value < single.p_value
    assert group_null([], []) is None


# measured clouds


def test_what_is_measured_of_a_cloud(random: np.random.Generator):
    mu = box(random)
    cloud = measure(mu, mu[:, :2].copy(), ("a", "b"), 0.1)
    assert isinstance(cloud.alignment, Alignment)
    assert cloud.alignment.value > 0.95
    assert isinstance(cloud.factor_alignment, Alignment)
    assert cloud.factor_alignment.value > 0.95
    assert cloud.covariance == pytest.approx(np.cov(mu.T), rel=1e-5)
    assert cloud.spread == pytest.approx(math.sqrt(np.trace(cloud.covariance) / 3))
    assert cloud.active.tolist() == [True, True, True]
    assert set(cloud.ranks) == set(PENALTIES)


def test_too_few_samples_are_said_and_do_not_crash(random: np.random.Generator, html_of: Callable[[Analysis], str]):
    cloud = measure(box(random, 6), random.random((6, 2)).astype(np.float32), ("a", "b"), 0.1)
    for value in (cloud.alignment, cloud.factor_alignment, cloud.two_nn, cloud.levina_bickel, cloud.directions):
        assert isinstance(value, Unknown)
    assert "too few samples" in html_of(_analysis({"none": [cloud], "product": [cloud]}))


def test_a_collapsed_dimension_is_not_active(random: np.random.Generator):
    mu = box(random) * np.array([1.0, 1.0, 0.001], np.float32)
    cloud = measure(mu, mu[:, :2].copy(), ("a", "b"), 0.1)
    assert cloud.active.tolist() == [True, True, False]
    assert cloud.correlation is not None
    assert cloud.correlation < 0.2


# words


def _analysis(clouds: dict[Entanglement, list], failed: str | None = None) -> Analysis:
    groups = []
    for form, found in clouds.items():
        variant = Variant(form, 0.0 if form == "none" else 1e-3, 3e-6)
        models = []
        for seed, cloud in enumerate(found):
            config = next(one.config for one in OPTIONS.plan() if one.config.loss.entanglement == form)
            excess = 0.003 + 0.0001 * seed
            models.append(Model(f"{variant.name}-seed{seed}", config, variant, seed, [], 60.0, excess, cloud, failed))
        groups.append(Group(variant, tuple(models)))
    return Analysis(tuple(groups), {})


@pytest.fixture
def html_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Analysis], str]:
    """The page of an analysis, its figures left empty: they take seconds and have tests of their own."""
    figures = ("alignment_figure", "rectangle_figure", "loss_surfaces_figure", "own_cloud_figure", "covariance_figure")
    for name in (*figures, "embedding_figure", "loss_curves"):
        monkeypatch.setattr(report_module, name, lambda *_: None)
    for name in ("svg", "png"):
        monkeypatch.setattr(report_module, name, lambda *_: b"<svg/>")
    return lambda analysis: make_page(analysis, make_report(OPTIONS, analysis))


@cache
def cloud_of(seed: int, turned: bool) -> Cloud:
    """A box along the axes, or turned at random."""
    mu = box(np.random.default_rng(seed), 200)
    if turned:
        mu = (mu @ random_rotations(3, 1, seed)[0].T).astype(np.float32)
    return measure(mu, mu[:, :2].copy(), ("a", "b"), 0.1)


def _turned(*seeds: int) -> list:
    return [cloud_of(seed, True) for seed in seeds]


def _aligned(*seeds: int) -> list:
    return [cloud_of(seed, False) for seed in seeds]


def test_the_words_say_that_a_loss_orients_when_it_does():
    analysis = _analysis({"none": _turned(5, 6, 7), "product": _aligned(1, 2, 3)})
    text = " ".join(conclusions(analysis))
    assert "product orients the cloud, and along the axes" in text
    assert "one seed" not in text


def test_the_words_say_that_there_is_no_evidence_when_there_is_none():
    analysis = _analysis({"none": _turned(5, 6, 7), "product": _turned(8, 9, 10)})
    assert "no evidence here that product orients the cloud" in " ".join(conclusions(analysis))


def test_one_seed_is_said_to_have_no_interval(html_of: Callable[[Analysis], str]):
    analysis = _analysis({"none": _turned(5), "product": _turned(8)})
    assert "one seed: no interval" in " ".join(conclusions(analysis))
    assert "One seed: no interval between trainings." in html_of(analysis)


def test_a_training_that_diverged_is_reported(html_of: Callable[[Analysis], str]):
    analysis = _analysis({"none": _turned(5), "dip": [None]}, failed="the loss is not finite")
    assert "dip-0.001-seed0 (the loss is not finite)" in " ".join(conclusions(analysis))
    assert "the loss is not finite" in html_of(analysis)


def test_the_numbers_behind_the_preference_for_diagonals_are_measured():
    analysis = _analysis({"none": _turned(5), "product": _turned(8)})
    text = " ".join(conclusions(analysis))
    assert "0.250" in text
    assert "0.167 at 45°" in text


# figures


def test_the_figures_show_every_curve(random: np.random.Generator):
    square, rectangle = rectangle_figure().axes[:2]
    assert len(square.lines) == len(rectangle.lines) == 3
    panels = own_cloud_figure(box(random, 100)).axes
    assert [len(panel.lines) for panel in panels] == [4, 4, 4]  # three planes, and the line at 0°
    groups = _analysis({"none": _turned(5, 6), "product": _turned(8, 9)}).groups
    (axes,) = alignment_figure(groups).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "product, γ = 0.001"]


# all of it


def test_a_small_experiment_from_beginning_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(options, "QUICK_COUNT", 300)
    monkeypatch.setattr(report_module, "_EMBEDDING_DPI", 40)
    lines: list[str] = []
    chosen = Options(
        tmp_path / "experiment", quick=True, epochs=1, product=(1e-3,), covariance=(), dip=(), article=False
    )
    report = run(chosen, lines.append)
    stored = json.loads((chosen.out / "report.json").read_text())
    assert [model["name"] for model in stored["models"]] == ["none-seed0", "product-0.001-seed0"]
    for model in stored["models"]:
        assert np.shape(model["covariance"]) == (3, 3)
        assert {"value", "low", "high", "null_mean", "null_95", "p_value"} <= model["alignment"].keys()
        assert {"value", "low", "high"} <= model["two_nn"].keys()
        assert model["train_s"] > 0
        assert model["validation_excess_bce"] > 0
    assert stored["schema"] == 1
    assert stored["experiment"] == "entanglement"
    assert stored["conclusions"] == report["conclusions"]
    assert "torch" in stored["versions"]
    html = (chosen.out / "report.html").read_text(encoding="utf-8")
    assert html.count("<img ") >= 7
    assert str(chosen.out / "report.html") in lines[-1]
    monkeypatch.setattr(report_module, "make_page", lambda *_: html)
    run(chosen, lines.append)  # trained already: only measured again
    assert sum("trained already" in line for line in lines) == 2
