"""Measures of an image, against shapes whose measures are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.data.image_attributes import (
    MEASURES,
    ImageAttributeError,
    chosen_measures,
    contour_length,
    measure_image,
)
from core.data.polar_curves import render_one

SIZE, FINE = 96, 8  # each pixel is the mean of 8 × 8 points: an antialiased drawing

MEASURE_NAMES = [measure.name for measure in MEASURES]


def draw(inside, size: int = SIZE) -> np.ndarray:
    """uint8 (size, size, 1) of the points (x to the right, y up, in pixels from the middle) where ``inside`` holds."""
    at = (np.arange(size * FINE) + 0.5) / FINE - size / 2
    mask = np.broadcast_to(inside(at[None, :], -at[:, None]), (size * FINE, size * FINE))
    return np.rint(255 * mask.reshape(size, FINE, size, FINE).mean((1, 3))).astype(np.uint8)[..., None]


def disc(radius: float, x0: float = 0.0, y0: float = 0.0):
    return lambda x, y: (x - x0) ** 2 + (y - y0) ** 2 < radius**2


def box(width: float, height: float, x0: float = 0.0, y0: float = 0.0):
    return lambda x, y: (abs(x - x0) < width / 2) & (abs(y - y0) < height / 2)


def flower(n: int, depth: float = 8.0, radius: float = 26.0, turn: float = 0.3, stretch: float = 1.0):
    def inside(x, y):
        r, angle = np.hypot(x, y / stretch), np.arctan2(y / stretch, x)
        return r < radius + depth * np.cos(n * (angle - turn))

    return inside


def measured(image: np.ndarray) -> dict[str, float]:
    return dict(zip(MEASURE_NAMES, measure_image(image, MEASURES).tolist(), strict=True))


def test_a_disc():
    found = measured(draw(disc(30.0, 5.0, -8.0)))
    area = np.pi * 30.0**2 / SIZE**2
    assert found["area"] == pytest.approx(area, rel=2e-3)
    assert found["filled area"] == pytest.approx(area, rel=2e-3)
    assert found["brightness"] == pytest.approx(area, rel=2e-3)
    assert found["contour length"] == pytest.approx(2 * np.pi * 30.0 / SIZE, rel=1e-2)
    assert found["centroid x"] == pytest.approx(5.0 / SIZE, abs=1e-4)
    assert found["centroid y"] == pytest.approx(-8.0 / SIZE, abs=1e-4)
    assert found["extent width"] == pytest.approx(60.0 / SIZE, abs=0.2 / SIZE)
    assert found["extent height"] == pytest.approx(60.0 / SIZE, abs=0.2 / SIZE)
    assert found["spread"] == pytest.approx(30.0 / np.sqrt(2.0) / SIZE, rel=2e-3)
    assert found["elongation"] == pytest.approx(0.0, abs=1e-3)
    assert found["compactness"] == pytest.approx(1.0, abs=0.02)
    assert found["angular variation"] < 2e-3
    assert np.isnan(found["symmetry order"])
    assert found["symmetry strength"] == 1.0
    assert (found["parts"], found["holes"]) == (1.0, 0.0)


def test_a_box():
    found = measured(draw(box(40.0, 20.0, -4.0, 6.0)))
    assert found["area"] == pytest.approx(800.0 / SIZE**2, rel=1e-6)
    assert found["contour length"] == pytest.approx(120.0 / SIZE, rel=1e-2)
    assert found["extent width"] == pytest.approx(40.0 / SIZE, abs=1e-6)
    assert found["extent height"] == pytest.approx(20.0 / SIZE, abs=1e-6)
    assert found["centroid x"] == pytest.approx(-4.0 / SIZE, abs=1e-9)
    assert found["centroid y"] == pytest.approx(6.0 / SIZE, abs=1e-9)
    assert found["spread"] == pytest.approx(np.sqrt((40.0**2 + 20.0**2) / 12.0) / SIZE, rel=1e-3)
    assert found["elongation"] == pytest.approx(0.5, abs=1e-3)
    assert found["compactness"] == pytest.approx(4 * np.pi * 800.0 / 120.0**2, rel=0.03)


def test_edges_between_pixels_are_measured_to_a_tenth_of_a_pixel():
    for width in np.linspace(30.0, 32.0, 9):
        found = measured(draw(box(width, 30.0)))
        assert found["extent width"] == pytest.approx(width / SIZE, abs=0.2 / SIZE)


def test_a_ring_has_a_hole_and_two_contours():
    found = measured(draw(lambda x, y: disc(30.0)(x, y) & ~disc(18.0)(x, y)))
    assert (found["parts"], found["holes"]) == (1.0, 1.0)
    assert found["contour length"] == pytest.approx(2 * np.pi * 48.0 / SIZE, rel=1e-2)
    assert found["filled area"] == pytest.approx(np.pi * 30.0**2 / SIZE**2, rel=5e-3)
    assert found["area"] == pytest.approx(np.pi * (30.0**2 - 18.0**2) / SIZE**2, rel=5e-3)
    assert found["compactness"] == pytest.approx(1.0, abs=0.02)  # of what it encloses


def test_parts_and_holes_are_counted():
    three = draw(lambda x, y: disc(8.0, -25.0)(x, y) | disc(8.0, 25.0)(x, y) | box(10.0, 10.0, 0.0, 30.0)(x, y))
    assert measured(three)["parts"] == 3.0
    two = draw(lambda x, y: box(60.0, 40.0)(x, y) & ~disc(8.0, -15.0)(x, y) & ~disc(8.0, 15.0)(x, y))
    assert measured(two)["holes"] == 2.0
    frame = draw(lambda x, y: box(200.0, 20.0)(x, y))  # cuts the image in two, but encloses nothing
    assert measured(frame)["holes"] == 0.0


@pytest.mark.parametrize("n", range(2, 13))
def test_the_order_of_a_flower_is_its_number_of_petals(n):
    found = measured(draw(flower(n), 128))
    assert found["symmetry order"] == n
    assert found["symmetry strength"] > 0.95


@pytest.mark.parametrize("n", [3, 5, 6])
def test_stretching_does_not_hide_a_symmetry(n):
    assert measured(draw(flower(n, stretch=1.3), 128))["symmetry order"] == n


def test_a_square_is_of_order_four_though_of_order_two_as_well():
    assert measured(draw(box(40.0, 40.0)))["symmetry order"] == 4.0


def test_a_shape_without_symmetry_is_of_order_one():
    found = measured(draw(lambda x, y: flower(3)(x, y) | box(20.0, 9.0, 34.0, 16.0)(x, y) & (y < 3 * x)))
    crooked = measured(draw(lambda x, y: box(60.0, 8.0)(x, y) | box(8.0, 30.0, -26.0, 15.0)(x, y)))
    assert found["symmetry strength"] < 0.97
    assert crooked["symmetry order"] == 1.0
    assert crooked["symmetry strength"] < 0.5


@pytest.mark.parametrize("geometry", ["article", "square"])
def test_the_polar_curves_have_five_petals_and_vary_more_the_deeper_they_are(geometry):
    found = [measured(render_one(1.25, b, 128, geometry)[..., None]) for b in (0.0, 0.2, 0.6, 1.2, 1.8)]
    assert np.isnan(found[0]["symmetry order"])
    assert [one["symmetry order"] for one in found[1:]] == [5.0] * 4
    lengths = [one["contour length"] for one in found]
    assert lengths == sorted(lengths)
    assert found[1]["angular variation"] > found[0]["angular variation"]


def test_dark_on_light_measures_as_light_on_dark():
    image = draw(flower(5))
    light, dark = measured(image), measured(255 - image)
    for name in MEASURE_NAMES:
        if name == "brightness":
            assert dark[name] == pytest.approx(1.0 - light[name])
        else:
            assert dark[name] == pytest.approx(light[name], abs=1e-9, nan_ok=True)


def test_the_same_drawing_at_another_size_measures_the_same():
    small = measured(draw(flower(5), 96))
    large = measured(draw(lambda x, y: flower(5)(x / 2, y / 2), 192))
    for name in MEASURE_NAMES:
        assert large[name] == pytest.approx(small[name], rel=0.02, abs=0.02), name


def test_colours_do_not_hide_a_shape():
    shape = draw(disc(20.0))[..., 0] > 127
    image = np.empty((SIZE, SIZE, 3), np.uint8)
    image[:] = (10, 120, 30)
    image[shape] = (120, 10, 30)  # as bright as what is around it
    found = measured(image)
    assert found["area"] == pytest.approx(shape.mean(), rel=1e-6)
    assert found["saturation"] == pytest.approx(110 / 255, rel=1e-6)
    assert measured(draw(disc(20.0)))["saturation"] == 0.0
    assert [measure.name for measure in MEASURES if measure.colour] == ["saturation"]


def test_a_blank_image_has_no_shape():
    found = measured(np.full((32, 32, 1), 77, np.uint8))
    assert found["brightness"] == pytest.approx(77 / 255)
    assert [found[name] for name in ("area", "contour length", "extent width", "parts", "holes")] == [0.0] * 5
    undefined = ("centroid x", "spread", "elongation", "compactness", "angular variation", "symmetry order")
    assert all(np.isnan(found[name]) for name in undefined)


def test_contours_are_straight_between_where_the_sides_are_crossed():
    plane = np.add.outer(np.arange(5.0), np.zeros(7))
    assert contour_length(plane, 1.25) == pytest.approx(6.0)
    slope = np.add.outer(np.arange(6.0), np.arange(6.0))
    assert contour_length(slope, 4.5) == pytest.approx(4.5 * np.sqrt(2.0))
    corner = np.array([[1.0, 0.0], [0.0, 1.0]])  # a saddle: which pair belongs together is decided by the mean
    assert contour_length(corner, 0.4) == pytest.approx(2 * 0.4 * np.sqrt(2.0))
    assert contour_length(corner, 0.6) == pytest.approx(2 * 0.4 * np.sqrt(2.0))
    assert contour_length(np.zeros((4, 4)), 0.5) == 0.0


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])),
        elements=st.sampled_from([0, 1, 90, 200, 255]),
    )
)
def test_every_image_can_be_measured(image):
    found = measured(image)
    for name in ("brightness", "area", "filled area", "symmetry strength", "angular variation", "elongation"):
        assert np.isnan(found[name]) or -1e-9 <= found[name] <= 1.0 + 1e-9
    assert not np.isinf(list(found.values())).any()


def test_measures_are_chosen_by_name_in_any_order():
    chosen = chosen_measures(["holes", "area"])
    assert [measure.name for measure in chosen] == ["holes", "area"]
    assert len(set(MEASURE_NAMES)) == len(MEASURE_NAMES)
    assert all(0 < len(text) <= 90 and "\n" not in text for text in (measure.definition for measure in MEASURES))
    with pytest.raises(ImageAttributeError, match="'colour'; it must be one of brightness"):
        chosen_measures(["area", "colour"])
    with pytest.raises(ImageAttributeError, match="none"):
        chosen_measures([])


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1)), np.zeros((0, 4, 1), np.uint8)])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ImageAttributeError, match="must be uint8"):
        measure_image(image, MEASURES)
