"""The cloud of a figure is the window's: the same projection, the same colours, the same points."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec import structs
from sample_figures import EYE, cloud
from svg_reader import points, words

from core.figures import cloud as cloud_module
from core.figures.drawing import draw, encode
from core.figures.style import POINTS_PER_CM, style_of
from core.protocol.figures import Colouring, Page, same
from core.rendering import colormaps
from core.rendering.camera import Camera
from core.rendering.point_colours import FAINT_ALPHA, point_colours
from core.rendering.themes import DARK

PAGE = Page(width=16.0, height=11.0, format="svg")


def discs(figure, page=PAGE) -> np.ndarray:
    """Places (n, 2) of the points in an SVG, in points from the upper left corner, far to near."""
    return points(ElementTree.fromstring(encode(draw(figure, page), page)))


def test_points_stand_where_the_windows_camera_sees_them():
    figure = cloud(30)
    places = discs(figure)
    camera = Camera(np.array(EYE.target), EYE.distance, EYE.azimuth, EYE.elevation, False, EYE.viewport)
    pixels, depth = camera.project(figure.points)
    size = PAGE.width * POINTS_PER_CM, PAGE.height * POINTS_PER_CM
    expected = cloud_module.placement(figure, *size, style_of(PAGE))(pixels)[np.argsort(-depth)]
    np.testing.assert_allclose(places, expected, atol=2e-4)
    # One scale for both axes, and the same from point to point as in the window.
    away = np.linalg.norm(np.diff(pixels[np.argsort(-depth)], axis=0), axis=1)
    ratios = np.linalg.norm(np.diff(places, axis=0), axis=1) / away
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-3)


def test_the_whole_box_lies_on_the_page_beside_what_explains_the_colours():
    for width, height in ((8.5, 6.0), (17.5, 6.0), (8.5, 17.0)):
        page = structs.replace(PAGE, width=width, height=height)
        places = discs(cloud(200), page)
        assert (places >= 0).all()
        assert (places <= np.array([width, height]) * POINTS_PER_CM).all()


def test_what_a_magnified_window_does_not_show_is_not_in_the_figure():
    figure = cloud(200, eye=structs.replace(EYE, distance=2.5))
    places = discs(figure)
    assert 0 < len(places) < 200


def test_points_behind_the_eye_are_left_out():
    eye = structs.replace(EYE, distance=0.5)
    camera = cloud_module.camera_of(eye)
    seen = np.isfinite(camera.project(cloud(200).points)[0]).all(axis=1)
    assert not seen.all()
    places = discs(cloud(200, eye=eye, curves=(), control=np.empty((0, 3)), probe=np.empty((0, 3))))
    assert len(places) <= seen.sum()


def test_colours_are_those_of_the_window_on_its_ground():
    figure = cloud(25)
    expected = colormaps.colours(figure.points[:, 0], "viridis", -1.0, 1.0, DARK.plot)
    np.testing.assert_array_equal(point_colours(figure.colouring, 25, DARK), expected)


@pytest.mark.parametrize("hidden", [(), (0,), (0, -1)])
def test_hidden_classes_are_absent(hidden):
    values = np.array([0.0, 1.0, np.nan] * 10)
    colouring = Colouring("kind", values, classes=("first", "second"), hidden=hidden)
    figure = cloud(30, colouring=colouring)
    places = discs(figure)
    assert len(places) == 30 - 10 * len(hidden)
    root = ElementTree.fromstring(encode(draw(figure, PAGE), PAGE))
    found = words(root)
    assert ("first" in found, "unknown" in found) == (0 not in hidden, -1 not in hidden)
    assert "second" in found


def test_what_is_not_selected_is_faint():
    colouring = structs.replace(cloud(5).colouring, selected=np.array([1, 3]))
    assert point_colours(colouring, 5, DARK)[:, 3].tolist() == [FAINT_ALPHA, 255, FAINT_ALPHA, 255, FAINT_ALPHA]


@pytest.mark.parametrize("dims", [1, 2])
def test_a_flat_cloud_has_ordinary_axes(dims):
    flat = cloud(20).points * np.array([1, dims > 1, 0], np.float32)
    eye = structs.replace(EYE, target=(0.0, 0.0, 0.0), flat=True)
    figure = cloud(20, points=flat, dims=dims, eye=eye, curves=(), control=np.empty((0, 3)))
    places = discs(figure)
    assert len(places) == 20
    axes = draw(figure, PAGE).figure.axes[1]
    assert axes.get_xlabel() == "μ₁"
    assert axes.get_ylabel() == ("μ₂" if dims == 2 else "")
    expected = axes.transData.transform(flat[:, :2]) * 72.0 / axes.figure.dpi
    expected[:, 1] = PAGE.height * POINTS_PER_CM - expected[:, 1]
    np.testing.assert_allclose(places, expected, atol=1e-3)


def test_equal_descriptions_are_known_as_such():
    assert same(cloud(), cloud())
    assert not same(cloud(), cloud(point_size=6.0))
    assert not same(cloud(), cloud(points=cloud().points + 1))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_density_is_one_picture_with_a_scale_of_counts(dims):
    figure = cloud(3000, dims=dims, colouring=Colouring(colormap="inferno", density=True, selected=np.arange(500)))
    if dims == 2:
        figure = structs.replace(figure, eye=structs.replace(EYE, flat=True), points=figure.points * (1, 1, 0))
    cell, counts = cloud_module.window_density(figure)
    assert (cell, int(counts.sum())) == (2, 500)
    sheet = draw(figure, PAGE)
    root = ElementTree.fromstring(encode(sheet, PAGE))
    assert {"selected per 2 × 2 px", "1", str(counts.max())} <= set(words(root))
    assert any("500 points, counted in cells of 2 × 2" in note for note in sheet.notes)
