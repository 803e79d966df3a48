"""Path measures: what a path achieved, what leaked beside it; paths are compared at the same achieved change."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.image_regressor import ImageRegressor
from core.analysis.path_metrics import (
    CurveTruth,
    PathMeasures,
    Reading,
    common_change,
    cut_at_change,
    leak,
    measure,
)
from core.data import polar_curves
from core.data.polar_curve_inverse import curve_inverse

SIZE = 64
RANGES = np.array([1.0, 2.0])


def measured(path: np.ndarray, target: int | None = None, change: float | None = None) -> PathMeasures:
    """Of a path in the plane, whose places are the factors that its images show."""
    path = np.asarray(path, dtype=np.float64)
    return measure(path, np.zeros((len(path), 16, 16, 1), np.uint8), Reading(path, None), RANGES, target, change)


def test_a_path_that_changes_one_factor_alone_has_no_leak():
    found = measured(np.linspace([0.2, 0.5], [0.8, 0.5], 13), 0)
    assert found.achieved == pytest.approx(0.6)
    np.testing.assert_allclose(found.leaks, [np.nan, 0.0])
    assert found.latent_length == pytest.approx(0.6)
    assert found.image_length == 0.0
    assert np.isnan(found.residual)


def test_leak_is_the_largest_departure_over_the_factors_range():
    path = [[0.2, 0.5], [0.4, 0.7], [0.6, 0.9], [0.8, 0.5]]  # there and back again
    assert measured(path, 0).leaks[1] == pytest.approx(0.2)  # 0.4 of a range of 2


def test_leak_is_taken_at_the_achieved_change_that_is_asked_for():
    path = np.linspace([0.2, 0.1], [0.8, 0.7], 7)
    found = measured(path, 0, 0.25)
    assert found.leaks[1] == pytest.approx(0.125)
    assert found.achieved == pytest.approx(0.6)  # the whole path's
    assert measured(path, 0, 0.7).leaks[1] == pytest.approx(0.3)  # never there: all of it


@pytest.mark.parametrize(("change", "end"), [(0.25, 0.21), (-0.25, 0.8), (0.0, 0.8)])
def test_a_path_that_hardly_changes_its_target_or_the_other_way_has_no_leak(change, end):
    found = measured(np.linspace([0.2, 0.1], [end, 0.7], 7), 0, change)
    assert np.isnan(found.leaks).all()
    assert found.achieved == pytest.approx(end - 0.2)


def test_without_a_target_nothing_is_achieved_and_nothing_leaks():
    found = measured(np.linspace([0.5, 0.5], [0.5, 2.0], 9))
    assert np.isnan([found.achieved, *found.leaks]).all()


def test_cutting_interpolates_the_last_row_and_follows_the_sign_of_the_change():
    values = np.array([[0.0, 0.0], [-1.0, 2.0], [-3.0, 6.0]])
    np.testing.assert_allclose(cut_at_change(values, -2.0), [[0.0, 0.0], [-1.0, 2.0], [-2.0, 4.0]])
    np.testing.assert_allclose(cut_at_change(values, 2.0), values)  # never reached: all of it
    np.testing.assert_allclose(cut_at_change(values, 3.0, target=1), [[0.0, 0.0], [-1.0, 2.0], [-1.5, 3.0]])
    np.testing.assert_allclose(cut_at_change(np.array([[1.0], [2.0], [4.0]]), 2.0), [[1.0], [2.0], [3.0]])


def test_a_path_that_comes_back_is_cut_at_its_first_arrival():
    values = np.array([[0.0], [2.0], [0.0], [2.0]])
    np.testing.assert_allclose(cut_at_change(values, 1.0), [[0.0], [1.0]])


def test_the_common_change_is_what_the_shortest_path_achieves():
    one, two = np.array([[0.0], [1.0], [0.5]]), np.array([[0.0], [3.0]])
    assert common_change([one, two]) == 1.0
    assert common_change([-two, -one]) == -1.0
    assert common_change([two, -one]) == 0.0


def test_a_perfect_decoder_of_polar_curves_leaks_nothing_and_leaves_no_residual():
    truth = CurveTruth(curve_inverse("article", SIZE))
    path = np.linspace([0.9, 0.3], [0.9, 1.5], 9)
    images = polar_curves.render(path, SIZE)[..., None]  # the latents are a and b themselves
    found = measure(path, images, truth.read(images), truth.ranges, truth.names.index("b"))
    assert found.achieved == pytest.approx(1.2, abs=3e-3)
    assert found.leaks[0] < 1e-3
    assert found.residual < 2e-4
    assert found.image_length > 0.0


def test_leak_of_a_constant_factor_is_finite():
    np.testing.assert_allclose(leak(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0]), 0), [np.nan, 0.0])


# The image regressor ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regressor():
    ab = polar_curves.draw_parameters(900, 1)
    return ImageRegressor(polar_curves.render(ab, SIZE)[..., None], ab, ["a", "b"])


def test_the_regressor_reads_images_that_it_has_not_seen(regressor):
    ab = polar_curves.draw_parameters(60, 2)
    read = regressor.read(polar_curves.render(ab, SIZE)[..., None])
    assert read.residual is None
    assert (np.median(np.abs(read.factors - ab), axis=0) / regressor.ranges).max() < 0.02
    assert (regressor.r2 > 0.98).all()
    assert (regressor.error < 0.02).all()


def test_labels_that_images_do_not_show_have_no_r2(regressor):
    generator = np.random.default_rng(3)
    ab = polar_curves.draw_parameters(400, 3)
    labels = np.column_stack([ab[:, 0], generator.normal(size=400), np.ones(400)])
    mixed = ImageRegressor(polar_curves.render(ab, SIZE)[..., None], labels, ["a", "noise", "constant"])
    assert mixed.r2[0] > 0.97
    assert mixed.r2[1] < 0.2
    assert mixed.r2[2] == 0.0
    np.testing.assert_allclose(mixed.ranges[2], 1.0)


def test_the_regressor_is_the_same_every_time():
    ab = polar_curves.draw_parameters(100, 4)
    images = polar_curves.render(ab, SIZE)[..., None]
    one, two = (ImageRegressor(images, ab, ["a", "b"]).read(images[:5]).factors for _ in range(2))
    np.testing.assert_array_equal(one, two)
