"""Path measures: what a path achieved, what leaked beside it; paths are compared at the same achieved change."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.image_regressor import ImageRegressor
from core.analysis.path_metrics import (
    CurveTruth,
    MeasureError,
    Reading,
    common_change,
    cut_at_change,
    leak,
    measure,
)
from core.data import polar_curves
from core.data.polar_curve_inverse import curve_inverse
from core.geometry.factor_curve import Surface
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import OffManifoldDetector

SIZE = 64


class Planted:
    """A truth that reads two factors planted in the images' first pixels."""

    names = ("one", "two")
    ranges = np.array([1.0, 2.0])

    def read(self, images):
        return Reading(images[:, 0, :2, 0] / 100.0, None)


def planted(z):
    images = np.zeros((len(z), 8, 8, 1), np.uint8)
    images[:, 0, :2, 0] = np.rint(100.0 * z[:, :2])
    return images


@pytest.fixture(scope="module")
def square():
    return np.random.default_rng(0).random((600, 2))


@pytest.fixture(scope="module")
def detector(square):
    return OffManifoldDetector(Neighbourhoods(square))


def polar_decoder(z):
    """A perfect decoder: the latents are a and b themselves."""
    return polar_curves.render(z.astype(float), SIZE)[..., None]


def test_a_path_that_changes_one_factor_alone_has_no_leak(detector):
    path = np.linspace([0.2, 0.5], [0.8, 0.5], 13)
    found = measure(path, planted, detector, truth=Planted(), target="one")
    assert found.achieved == pytest.approx(0.6)
    assert found.leak == {"two": pytest.approx(0.0)}
    assert found.largest_leak == pytest.approx(0.0)
    assert found.latent_length == pytest.approx(0.6)
    assert found.image_k == 13
    assert found.off_manifold_score.shape == (13,)
    assert found.off_share == 0.0


def test_leak_is_the_largest_departure_over_the_factors_range(detector):
    path = np.array([[0.2, 0.5], [0.4, 0.7], [0.6, 0.9], [0.8, 0.5]])  # there and back again
    found = measure(path, planted, detector, truth=Planted(), target=0)
    assert found.leak["two"] == pytest.approx(0.2)  # 0.4 of a range of 2


def test_leak_is_taken_at_the_achieved_change_that_is_asked_for(detector):
    path = np.linspace([0.2, 0.1], [0.8, 0.7], 7)
    found = measure(path, planted, detector, truth=Planted(), target=0, change=0.25)
    assert found.measured_change == pytest.approx(0.25)
    assert found.leak["two"] == pytest.approx(0.125)
    assert found.achieved == pytest.approx(0.6)  # the whole path's
    assert found.reached
    short = measure(path, planted, detector, truth=Planted(), target=0, change=0.7)
    assert not short.reached
    assert short.measured_change == pytest.approx(0.6)


def test_cutting_interpolates_the_last_row_and_follows_the_sign_of_the_change():
    values = np.array([[0.0, 0.0], [-1.0, 2.0], [-3.0, 6.0]])
    np.testing.assert_allclose(cut_at_change(values, -2.0), [[0.0, 0.0], [-1.0, 2.0], [-2.0, 4.0]])
    np.testing.assert_allclose(cut_at_change(values, 2.0), values)  # never reached: all of it
    np.testing.assert_allclose(cut_at_change(values, 3.0, target=1), [[0.0, 0.0], [-1.0, 2.0], [-1.5, 3.0]])
    np.testing.assert_allclose(cut_at_change(np.array([1.0, 2.0, 4.0]), 2.0), [1.0, 2.0, 3.0])


def test_a_path_that_comes_back_is_cut_at_its_first_arrival():
    values = np.array([0.0, 2.0, 0.0, 2.0])
    np.testing.assert_allclose(cut_at_change(values, 1.0), [0.0, 1.0])


def test_the_common_change_is_what_the_shortest_path_achieves():
    one, two = np.array([[0.0], [1.0], [0.5]]), np.array([[0.0], [3.0]])
    assert common_change([one, two]) == 1.0
    assert common_change([-two, -one]) == -1.0
    assert common_change([two, -one]) == 0.0


@pytest.mark.parametrize("change", [0.0, np.nan, np.inf])
def test_a_change_that_cuts_nothing_is_refused(change):
    with pytest.raises(MeasureError, match="change is"):
        cut_at_change(np.arange(3.0), change)


def test_a_perfect_decoder_of_polar_curves_leaks_nothing_and_leaves_no_residual():
    ab = polar_curves.draw_parameters(400, 0)
    truth = CurveTruth(curve_inverse("article", SIZE))
    path = np.linspace([0.9, 0.3], [0.9, 1.5], 9)
    found = measure(path, polar_decoder, OffManifoldDetector(Neighbourhoods(ab)), truth=truth, target="b")
    assert found.achieved == pytest.approx(1.2, abs=3e-3)
    assert found.leak["a"] < 1e-3
    assert found.residual is not None
    assert found.residual.max() < 2e-4
    assert found.factors.shape == (9, 2)


def test_the_off_manifold_score_along_a_path_rises_where_it_leaves_the_data(detector):
    inside = measure(np.linspace([0.3, 0.5], [0.7, 0.5], 9), planted, detector)
    outside = measure(np.linspace([0.5, 0.5], [0.5, 2.0], 9), planted, detector)
    assert inside.off_share == 0.0
    assert outside.off_share > 0.5
    assert outside.off_manifold_score[-1] > 4.0 * inside.off_manifold_score.max()
    assert (outside.achieved, outside.leak, outside.residual) == (None, {}, None)


def test_without_a_truth_the_surfaces_labels_are_read(square, detector):
    surface = Surface(square, square, ["x", "y"], intrinsic=2)
    found = measure(np.linspace([0.3, 0.5], [0.7, 0.5], 9), planted, detector, surface, target="x")
    assert found.achieved == pytest.approx(0.4, abs=1e-3)
    assert found.leak["y"] < 1e-3


def test_frames_that_are_there_already_are_not_decoded_again(detector):
    path = np.linspace([0.2, 0.5], [0.8, 0.5], 4)

    def never(_):
        raise AssertionError("decoded again")

    found = measure(path, never, detector, truth=Planted(), target=0, images=planted(path))
    assert found.achieved == pytest.approx(0.6)


@pytest.mark.parametrize("target", ["three", 2, -1])
def test_an_unknown_target_is_refused_with_the_known_ones(detector, target):
    with pytest.raises(MeasureError, match="one, two"):
        measure(np.zeros((2, 2)) + 0.5, planted, detector, truth=Planted(), target=target)


def test_a_target_without_anything_to_read_it_is_refused(detector):
    with pytest.raises(MeasureError, match="give a truth"):
        measure(np.zeros((2, 2)) + 0.5, planted, detector, target=0)


def test_too_few_points_and_images_that_do_not_match_are_refused(detector):
    with pytest.raises(MeasureError, match="2 or more"):
        measure(np.zeros((1, 2)), planted, detector)
    with pytest.raises(MeasureError, match="3 images for 2 points"):
        measure(np.zeros((2, 2)), planted, detector, images=planted(np.zeros((3, 2))))


def test_leak_of_a_constant_factor_is_finite():
    assert leak(np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([1.0, 0.0]), ("x", "y"), 0) == {"y": 0.0}


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


def test_too_few_images_and_labels_that_do_not_fit_are_refused():
    images = np.zeros((50, 8, 8, 1), np.uint8)
    with pytest.raises(MeasureError, match="40 images"):
        ImageRegressor(images[:10], np.zeros((10, 1)), ["a"])
    with pytest.raises(MeasureError, match=r"\(50, 2\) and 1 names"):
        ImageRegressor(images, np.zeros((50, 2)), ["a"])
    with pytest.raises(MeasureError, match="finite"):
        ImageRegressor(images, np.full((50, 1), np.nan), ["a"])
