"""The polar curves: parameter plane, hole, transects, and how a curve becomes pixels."""

import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.data import polar_curves


def crossings(profile: np.ndarray) -> tuple[float, float]:
    """Where a line of pixels first rises above, and last falls below, half white: pixel borders are whole numbers."""
    white = np.flatnonzero(profile > 127.5)
    first, last = int(white[0]), int(white[-1])
    rise = (profile[first] - 127.5) / (profile[first] - profile[first - 1])
    fall = (profile[last] - 127.5) / (profile[last] - profile[last + 1])
    return first + 0.5 - rise, last + 0.5 + fall


def ink(image: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is white, in pixels, to a fraction."""
    level = image.astype(float)
    left, right = crossings(level.max(axis=0))
    top, bottom = crossings(level.max(axis=1))
    return left, top, right, bottom


def drawn_by_pillow(a: float, b: float, size: int, fine: int = 8) -> np.ndarray:
    """The article's pipeline as it is told, step by step, on a canvas ``fine`` times finer: float (size, size)."""
    theta = np.linspace(0.0, 2.0 * np.pi, 500)
    radius = b * np.cos(5 * theta) + a
    x, y = 66.83 * radius * np.cos(theta), -66.83 * radius * np.sin(theta)
    x += 454.73 - (x.min() + x.max()) / 2
    y += 318.15 - (y.min() + y.max()) / 2
    canvas = Image.new("L", (875 * fine, 656 * fine))
    pen, width = ImageDraw.Draw(canvas), 8.33 * fine
    points = [(float(u) * fine - 0.5, float(v) * fine - 0.5) for u, v in zip(x, y, strict=True)]
    pen.line(points, fill=255, width=round(width))
    for u, v in points:  # round joins
        pen.ellipse((u - width / 2, v - width / 2, u + width / 2, v + width / 2), fill=255)
    full = np.asarray(canvas.reduce(fine), dtype=float)
    for axis, small in ((0, 172), (1, 229)):
        place = (np.arange(small) + 0.5) * full.shape[axis] / small - 0.5
        left = np.floor(place).astype(int)
        share = np.expand_dims(place - left, 1 - axis)
        full = full.take(left, axis) * (1 - share) + full.take(left + 1, axis) * share
    return np.asarray(Image.fromarray(full.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR))


def test_parameters_are_uniform_over_the_plane_and_depend_on_the_seed_alone():
    ab = polar_curves.draw_parameters(20_000, 3)
    assert ab.min(axis=0) == pytest.approx([0.5, 0.0], abs=1e-3)
    assert ab.max(axis=0) == pytest.approx([2.0, 2.0], abs=1e-3)
    assert ab.mean(axis=0) == pytest.approx([1.25, 1.0], abs=0.02)
    np.testing.assert_array_equal(ab, polar_curves.draw_parameters(20_000, 3))
    assert not np.array_equal(ab, polar_curves.draw_parameters(20_000, 4))


def test_the_grid_has_its_ends_and_b_runs_fastest():
    ab = polar_curves.grid(3, 2)
    np.testing.assert_allclose(ab, [[0.5, 0], [0.5, 2], [1.25, 0], [1.25, 2], [2, 0], [2, 2]])


@pytest.mark.parametrize("name", ["P1", "P2", "P3"])
def test_published_transects_pass_through_the_centre_of_the_hole(name):
    line = np.linspace(*polar_curves.TRANSECTS[name], 15)
    assert line.shape == (15, 2)
    np.testing.assert_allclose(line[7], [1.25, 1.0])
    np.testing.assert_allclose(np.diff(line, axis=0), np.broadcast_to(np.diff(line[:2], axis=0), (14, 2)))


def test_points_six_to_ten_of_p1_are_in_the_hole():
    inside = polar_curves.inside_hole(np.linspace(*polar_curves.TRANSECTS["P1"], 15))
    assert np.flatnonzero(inside).tolist() == [5, 6, 7, 8, 9]


def test_hole_membership_is_a_circle():
    ab = np.array([[1.25, 1.0], [1.54, 1.0], [1.56, 1.0], [1.25, 0.71], [1.25, 0.69], [1.47, 1.22]])
    assert polar_curves.inside_hole(ab).tolist() == [True, True, False, True, False, False]
    assert not polar_curves.inside_hole(ab, radius=0.0).any()


def test_a_curve_with_negative_radius_passes_through_the_origin():
    xy = polar_curves.outline(0.5, 2.0)
    assert np.linalg.norm(xy, axis=1).min() < 0.02
    assert np.linalg.norm(polar_curves.outline(1.0, 0.5), axis=1).min() == pytest.approx(0.5, abs=1e-3)


def test_without_petals_the_curve_is_a_circle():
    np.testing.assert_allclose(np.linalg.norm(polar_curves.outline(1.3, 0.0), axis=1), 1.3)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (1.5, 1.0), (0.7, 1.8)])
def test_article_geometry_places_the_bounding_box_where_the_published_plots_have_it(a, b):
    image = polar_curves.render_one(a, b)
    left, top, right, bottom = ink(image)
    points = polar_curves.outline(a, b) * polar_curves.CANVAS_UNIT
    width, height = np.ptp(points, axis=0) + polar_curves.CANVAS_STROKE
    across, down = 256 / 875, 256 / 656
    assert (left + right) / 2 == pytest.approx(454.73 * across, abs=0.6)
    assert (top + bottom) / 2 == pytest.approx(318.15 * down, abs=0.6)
    assert right - left == pytest.approx(width * across, abs=1.0)
    assert bottom - top == pytest.approx(height * down, abs=1.0)


def test_the_stroke_has_the_published_width():
    """On the middle row a circle's stroke is crossed at right angles, twice. The reduction reads a few pixels only, so
    that one circle's white is off by up to a fifth; the mean of many is not."""
    middle = round(318.15 * 256 / 656)
    white = [polar_curves.render_one(a, 0.0)[middle].sum() / 255 / 2 for a in np.linspace(1.0, 2.0, 60)]
    assert np.mean(white) == pytest.approx(8.33 * 256 / 875, rel=0.02)


@pytest.mark.parametrize(("a", "b"), [(1.5, 1.0), (0.5, 2.0)])
def test_article_images_equal_an_independent_drawing_of_the_published_pipeline(a, b):
    difference = polar_curves.render_one(a, b).astype(float) - drawn_by_pillow(a, b, 256)
    assert np.mean(difference**2) / 255**2 < 2e-5  # what is left is Pillow's: it falls with the canvas's fineness


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ("article", [0, 0, 0, 0, 0, 4910, 5894, 0, 0, 4117, 5469, 0, 0, 0, 0, 0]),
        ("square", [0, 0, 0, 0, 0, 9526, 9777, 63, 0, 9526, 9777, 63, 0, 0, 0, 0]),
    ],
)
def test_pixels_stay_what_they_are(geometry, expected):
    """Trained models, cached images and fingerprints rely on them: who changes pixels changes the recipe's version."""
    image = polar_curves.render_one(1.2, 0.9, 64, geometry)
    assert image.reshape(4, 16, 4, 16).sum(axis=(1, 3)).ravel().tolist() == pytest.approx(expected, abs=16)


def test_article_images_are_stretched_vertically():
    left, top, right, bottom = ink(polar_curves.render_one(1.5, 0.0))
    assert (bottom - top) / (right - left) == pytest.approx(875 / 656, abs=0.04)


def test_square_geometry_is_round_and_centred():
    left, top, right, bottom = ink(polar_curves.render_one(1.5, 0.0, 256, "square"))
    assert right - left == bottom - top
    assert (left + right) / 2 == pytest.approx(128, abs=0.51)


@pytest.mark.parametrize("geometry", ["article", "square"])
def test_the_largest_curve_fits_into_the_image(geometry):
    image = polar_curves.render_one(2.0, 2.0, 256, geometry)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert image.max() > 200
    assert border.max() == 0


def test_coverage_of_a_stroke_adds_up_to_its_area():
    raster = polar_curves._Raster(np.arange(200) + 0.5, np.arange(200) + 0.5, 8.33)
    points = np.array([[40.0, 60.0], [150.0, 130.0]])
    length = float(np.hypot(*(points[1] - points[0])))
    area = length * 8.33 + np.pi * (8.33 / 2) ** 2
    assert polar_curves._coverage(points, raster).sum() == pytest.approx(area, rel=0.01)


def test_a_horizontal_stroke_has_its_exact_profile():
    raster = polar_curves._Raster(np.arange(60) + 0.5, np.arange(40) + 0.5, 4.0)
    column = polar_curves._coverage(np.array([[10.0, 20.25], [50.0, 20.25]]), raster)[:, 30]
    np.testing.assert_allclose(column[17:24], [0.0, 0.75, 1, 1, 1, 0.25, 0], atol=1e-5)


@pytest.mark.parametrize("geometry", ["article", "square"])
def test_one_image_has_the_same_pixels_alone_and_in_a_batch(geometry):
    ab = polar_curves.draw_parameters(6, 1)
    images = polar_curves.render(ab, 96, geometry)
    for index in range(6):
        np.testing.assert_array_equal(images[index], polar_curves.render_one(*ab[index], 96, geometry))


@pytest.mark.parametrize("size", [32, 100, 256, 512])
def test_every_size_shows_the_same_share_of_white(size):
    share = polar_curves.render_one(1.5, 1.0, size).mean() / 255
    assert share == pytest.approx(polar_curves.render_one(1.5, 1.0, 256).mean() / 255, rel=0.04)


def test_progress_rises_to_one():
    heard: list[float] = []
    polar_curves.render(polar_curves.draw_parameters(130, 0), 32, "square", heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_drawing_can_be_given_up_at_once():
    """An error in ``progress`` ends it: nothing is drawn behind the caller's back."""

    def give_up(share: float) -> None:
        raise InterruptedError

    images = np.zeros((3000, 32, 32), dtype=np.uint8)
    with pytest.raises(InterruptedError):
        polar_curves.render(polar_curves.draw_parameters(3000, 0), 32, "square", give_up, images)
    done = images.any(axis=(1, 2)).sum()
    assert done < 3000
    time.sleep(0.05)
    assert images.any(axis=(1, 2)).sum() == done


@pytest.mark.parametrize("size", [31, 513])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(ValueError, match=f"size is {size}"):
        polar_curves.render(polar_curves.draw_parameters(1, 0), size)


def test_parameters_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        polar_curves.render(np.array([[np.nan, 1.0]]), 32)
