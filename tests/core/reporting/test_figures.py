"""A report's figures: what they draw, and that the loss surfaces are the loss functions."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from core.experiments.entanglement.figures import (
    batch_surface,
    cross_entropy_surface,
    rest_of_batch,
    sample_surface,
)
from core.rendering.projection import axis_name
from core.reporting.figures import covariance_figure, dataset_figure, embedding_figure, loss_curves
from core.reporting.plot_style import new_figure, png, svg

RECORDS = [
    {"kind": "event", "event": "started", "step": 0, "epoch": 0},
    *({"kind": "step", "step": step, "epoch": (step + 9) // 10, "loss": 1.0 / step} for step in range(1, 21)),
    {"kind": "epoch", "epoch": 1, "step": 10, "validation": {"excess_bce": 0.02}},
    {"kind": "epoch", "epoch": 2, "step": 20, "validation": {"excess_bce": 0.01}},
]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_figure_becomes_a_picture_file():
    figure = new_figure(2.0, 1.0)
    figure.subplots().plot([0, 1], [0, 1])
    assert ElementTree.fromstring(svg(figure)).tag.endswith("svg")
    data = png(figure, 100)
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 200
    assert int.from_bytes(data[20:24], "big") == 100


def test_validation_curves_are_over_epochs():
    (axes,) = loss_curves({"one": RECORDS, "two": RECORDS}).axes
    assert [line.get_label() for line in axes.lines] == ["one", "two"]
    assert axes.lines[0].get_xdata() == pytest.approx([1, 2])
    assert axes.lines[0].get_ydata() == pytest.approx([0.02, 0.01])
    assert axes.get_yscale() == "log"


def test_training_curves_are_over_fractions_of_epochs():
    (axes,) = loss_curves({"one": RECORDS}, "loss").axes
    assert axes.lines[0].get_xdata() == pytest.approx(np.arange(1, 21) / 10)


def test_long_training_curves_are_averaged_in_blocks():
    records = [{"kind": "step", "step": step, "epoch": 1, "loss": 2.0} for step in range(1, 1001)]
    (axes,) = loss_curves({"one": records}, "loss").axes
    assert 300 <= len(np.asarray(axes.lines[0].get_xdata())) <= 400
    assert axes.lines[0].get_ydata() == pytest.approx(2.0)


@pytest.mark.parametrize(
    "records", [[], [{"kind": "epoch", "epoch": 1, "step": 3, "validation": {"excess_bce": None}}]]
)
def test_a_run_without_values_is_no_line(records: list):
    (axes,) = loss_curves({"one": records}).axes
    assert len(axes.lines) == 0
    assert [text.get_text() for text in axes.texts] == ["no values recorded"]


def test_the_datasets_hole_is_a_circle_and_its_images_are_framed(random: np.random.Generator):
    ab = random.uniform((0.5, 0.0), (2.0, 2.0), (50, 2))
    plane, pictures = dataset_figure(ab[:40], ab[40:], (1.25, 1.0, 0.3)).axes
    assert [patch.get_label() for patch in plane.patches] == ["the hole"]
    assert len(pictures.patches) == 3  # of the 7 × 5 grid: a = 1, 1.25, 1.5 at b = 1
    without = dataset_figure(ab[:40], ab[40:]).axes
    assert len(without[0].patches) == len(without[1].patches) == 0


@pytest.mark.parametrize(("dimensions", "sides"), [(1, 1), (2, 1), (3, 3), (8, 3)])
def test_a_cloud_is_drawn_from_its_sides(random: np.random.Generator, dimensions: int, sides: int):
    mu = random.normal(size=(60, dimensions)) * np.arange(1, dimensions + 1)
    figure = embedding_figure(
        mu, random.random((60, 2)), ("a", "b"), np.eye(dimensions)[:2] if dimensions > 1 else None
    )
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert len(panels) == 2 * sides
    if dimensions == 8:  # the three dimensions of the largest variance
        assert panels[0].get_xlabel() == axis_name(5)
        assert panels[2].get_ylabel() == axis_name(7)
    svg(figure)


def test_both_axes_of_a_side_have_one_scale(random: np.random.Generator):
    figure = embedding_figure(random.normal(size=(60, 3)) * (10, 1, 1), random.random((60, 1)), ("a",))
    for axes in figure.axes[:3]:
        assert np.ptp(axes.get_xlim()) == pytest.approx(np.ptp(axes.get_ylim()))


def test_factor_arrows_point_along_their_directions(random: np.random.Generator):
    mu = random.normal(size=(60, 3))
    figure = embedding_figure(mu, random.random((60, 1)), ("a",), np.array([[0.0, 1.0, 0.0]]))
    arrows = [[text for text in axes.texts if text.get_text() == "a"] for axes in figure.axes[:3]]
    assert [len(found) for found in arrows] == [1, 0, 1]  # seen from the second side it points at the reader
    x, y = arrows[0][0].get_position()
    assert x == pytest.approx(mu[:, 0].mean())
    assert y > mu[:, 1].mean()


def test_factor_arrows_of_a_lopsided_cloud_end_where_they_are_seen(random: np.random.Generator):
    mu = np.concatenate([random.normal(size=(90, 3)), [[0.0, 0.0, 12.0]]])  # its mean is far from the middle
    directions = np.array([[0.0, 0.6, -0.8], [1.0, 0.0, 0.0]])
    figure = embedding_figure(mu, random.random((91, 2)), ("a", "b"), directions)
    names = [(axes, text) for axes in figure.axes for text in axes.texts if text.get_text() in ("a", "b")]
    assert names
    for axes, text in names:
        x, y = text.get_position()
        assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
        assert axes.get_ylim()[0] < y < axes.get_ylim()[1]


def test_covariances_are_numbers_coloured_by_correlation():
    matrix = np.array([[4.0, -1.0], [-1.0, 1.0]])
    axes = covariance_figure({"": matrix}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["4", "−1", "−1", "1"]
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(np.array([[1.0, -0.5], [-0.5, 1.0]]))


def test_a_dimension_that_does_not_vary_has_no_correlation():
    axes = covariance_figure({"": np.diag([1.0, 0.0])}).axes[0]
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(np.diag([1.0, 0.0]))


def test_names_of_dimensions():
    assert [axis_name(0), axis_name(11)] == ["μ₁", "μ₁₂"]


def test_the_product_surface_is_the_product():
    places = np.array([-2.0, 0.0, 1.5])
    assert sample_surface(places) == pytest.approx(np.abs(np.outer(places, places)))


def test_the_covariance_surface_is_the_batchs():
    places, rest = np.array([-1.0, 0.0, 2.0]), rest_of_batch(slanted=True)
    surface = batch_surface(places, rest, "covariance")
    batch = np.vstack([rest, [2.0, -1.0]])
    assert surface[0, 2] == pytest.approx(abs(np.cov(batch.T)[0, 1]))


def test_the_rest_of_the_batch_is_centred_and_correlated_only_if_slanted():
    for slanted in (False, True):
        rest = rest_of_batch(slanted)
        assert rest.mean(axis=0) == pytest.approx(np.zeros(2), abs=1e-12)
        assert bool(abs(np.cov(rest.T)[0, 1]) > 0.1) is slanted


def test_cross_entropy_is_least_where_the_prediction_is_the_truth():
    values = np.linspace(0.0, 1.0, 21)
    surface = cross_entropy_surface(values)
    assert surface.argmin(axis=0).tolist() == list(range(21))
    assert surface[10, 10] == pytest.approx(math.log(2.0))
    assert surface[0, 20] == pytest.approx(math.log(512.0), rel=1e-4)  # clipped: not infinite
