"""What is written of a transect, read back: the numbers exactly, the picture by its size and what stands where."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from core.analysis.transect import Transect, TransectResult
from core.analysis.transect_export import FORMATS, export_transect, transect_figure
from core.paths.export import ExportError


def result_of(
    count: int = 15, channels: int = 1, size: int = 32, name: str = "P1", hole: slice | None = None
) -> TransectResult:
    """A transect with images that all differ and numbers that have no short decimal form."""
    random = np.random.default_rng(count)
    originals = np.zeros((count, size, size, channels), dtype=np.uint8)
    originals[:, 8:24, 10:22] = random.integers(60, 256, size=(count, 16, 12, channels))
    reconstructions = (0.9 * originals).astype(np.uint8)
    in_hole = np.zeros(count, dtype=bool)
    in_hole[slice(count // 3, 2 * count // 3) if hole is None else hole] = True
    points = np.linspace((1.25, 0.0), (1.25, 2.0), count)
    return TransectResult(
        Transect(name, points),
        originals,
        reconstructions,
        random.normal(size=(count, 3)).astype(np.float32),
        random.random(count) / 500,
        1 - random.random(count) / 100,
        random.random(count) / 3,
        in_hole,
    )


# CSV and NPZ ----------------------------------------------------------------------------------------------------------


def test_csv_has_one_row_a_point_in_full_precision(tmp_path):
    result = result_of()
    text = export_transect(tmp_path / "p1.csv", result).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["point", "a", "b", "in_hole", "excess_bce", "ssim", "distance", "mu1", "mu2", "mu3"]
    assert [row["point"] for row in rows] == [str(i) for i in range(1, 16)]
    assert [row["in_hole"] for row in rows] == [str(int(hole)) for hole in result.in_hole]
    for name, values in (
        ("a", result.transect.points[:, 0]),
        ("b", result.transect.points[:, 1]),
        ("excess_bce", result.excess_bce),
        ("ssim", result.ssim),
        ("distance", result.distance),
        ("mu2", result.mu[:, 1]),
    ):
        np.testing.assert_array_equal(np.array([float(row[name]) for row in rows], dtype=values.dtype), values)


@pytest.mark.parametrize(
    ("axes", "files", "columns"),
    [
        (("distance", "ssim"), (), ["point", "distance (factor)", "ssim (factor)", "in_hole"]),
        (("point", "mu2"), (), ["point", "point (factor)", "mu2 (factor)", "in_hole"]),
        (("file", "b"), (), ["point", "file", "b", "in_hole"]),
        (("file", "b"), ("1.png", "2.png"), ["point", "file", "file (factor)", "b", "in_hole"]),
        (("ssim", "ssim (factor)"), (), ["point", "ssim (factor)", "ssim (factor) (factor)", "in_hole"]),
    ],
)
def test_each_column_of_the_csv_has_a_name_of_its_own(tmp_path, axes, files, columns):
    path = export_transect(tmp_path / "t.csv", replace(result_of(2), axes=axes, files=files))
    (header, row, _) = csv.reader(io.StringIO(path.read_text()))
    assert header == [*columns, "excess_bce", "ssim", "distance", "mu1", "mu2", "mu3"]
    assert len(row) == len(header)


def test_npz_holds_every_array_and_nothing_that_runs(tmp_path):
    result = result_of(channels=3)
    with np.load(export_transect(tmp_path / "p1.npz", result), allow_pickle=False) as read:
        for name in ("originals", "reconstructions", "mu", "excess_bce", "ssim", "distance", "in_hole"):
            np.testing.assert_array_equal(read[name], getattr(result, name))
            assert read[name].dtype == getattr(result, name).dtype
        np.testing.assert_array_equal(read["points"], result.transect.points)
        assert (str(read["name"]), int(read["schema"])) == ("P1", 1)


# the picture ----------------------------------------------------------------------------------------------------------


def boxes(figure) -> np.ndarray:
    return np.array([axes.get_position().bounds for axes in figure.axes])


@pytest.mark.parametrize("count", [2, 15, 60])
def test_png_is_a_whole_picture(tmp_path, count):
    with Image.open(export_transect(tmp_path / "p1.PNG", result_of(count))) as image:
        image.load()
        assert image.width > 1200
        assert image.height > 800


def test_svg_is_well_formed(tmp_path):
    root = ElementTree.parse(export_transect(tmp_path / "p1.svg", result_of(6))).getroot()
    assert root.tag.endswith("svg")


def test_images_are_square_and_stand_above_their_values():
    figure = transect_figure(result_of(15))
    width, height = figure.get_size_inches()
    truth, curve = figure.axes[0], figure.axes[-1]
    assert truth.get_xlim() == curve.get_xlim() == (0.5, 15.5)
    (x, _, wide, high), (curve_x, _, curve_wide, _) = truth.get_position().bounds, curve.get_position().bounds
    assert (x, wide) == (curve_x, curve_wide)
    assert wide * width / 15 == pytest.approx(high * height)


def test_rows_stand_tight_together():
    figure = transect_figure(result_of(15))
    truth, reconstruction = figure.axes[:2]
    assert truth.get_position().y0 == pytest.approx(reconstruction.get_position().y1)


@pytest.mark.parametrize("count", [2, 3, 15, 21, 61, 200])
def test_everything_lies_on_the_page(count):
    figure = transect_figure(result_of(count))
    found = boxes(figure)
    assert (found[:, :2] >= 0).all()
    assert (found[:, :2] + found[:, 2:] <= 1 + 1e-9).all()
    page = figure.bbox
    for text in figure.texts:
        extent = text.get_window_extent()
        assert page.x0 <= extent.x0, text.get_text()
        assert extent.x1 <= page.x1, text.get_text()


def images_shown(figure) -> int:
    (image,) = figure.axes[0].get_images()
    height, width = image.get_size()
    return width // height


@pytest.mark.parametrize(("count", "shown"), [(2, 2), (20, 20), (21, 11), (61, 16), (200, 20)])
def test_of_a_long_transect_every_kth_image_is_shown(count, shown):
    assert images_shown(transect_figure(result_of(count))) == shown


def test_all_points_of_a_long_transect_are_in_its_curves():
    (line,) = transect_figure(result_of(200)).axes[-1].get_lines()
    assert line.get_xdata().tolist() == list(range(1, 201))  # type: ignore[union-attr]


def test_the_title_speaks_of_the_hole_only_where_a_point_lies_in_it():
    note = transect_figure(result_of(15, hole=slice(5, 10))).texts[1].get_text()
    assert "in the hole" in note
    assert "outside" in note
    note = transect_figure(result_of(15, hole=slice(0, 0))).texts[1].get_text()
    assert "mean excess BCE" in note
    assert "hole" not in note
    assert "outside" not in note


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_neighbouring_points_in_the_hole_share_a_frame():
    figure = transect_figure(result_of(15, hole=slice(5, 10)))
    (frame,) = figure.axes[2].patches
    assert (frame.get_x(), frame.get_width()) == (5.5, 5.0)  # type: ignore[attr-defined]
    assert texts(figure).count("in the hole") == 1


def test_two_stretches_in_the_hole_have_two_frames():
    result = result_of(15, hole=slice(0, 2))
    result.in_hole[9] = True
    figure = transect_figure(result)
    assert [patch.get_x() for patch in figure.axes[2].patches] == [0.5, 9.5]  # type: ignore[attr-defined]
    assert texts(figure).count("in the hole") == 2


def test_without_a_point_in_the_hole_nothing_is_framed():
    figure = transect_figure(result_of(15, hole=slice(0, 0)))
    assert not figure.axes[2].patches
    assert "in the hole" not in texts(figure)


def test_blank_images_and_equal_values_can_be_drawn():
    result = result_of(4)
    for array in (result.originals, result.reconstructions, result.excess_bce, result.distance):
        array[:] = 0
    result.ssim[:] = 1.0
    transect_figure(result).draw_without_rendering()


def test_a_name_is_shown_as_it_is_written():
    figure = transect_figure(result_of(4, name=r"$\frac{broken$ & <b>"))
    figure.draw_without_rendering()
    assert figure.texts[0].get_text() == r"$\frac{broken$ & <b>"


@pytest.mark.parametrize("axes", [(r"a$\foo$", "b"), (r"$\frac{", "_{$x$}")])
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_names_of_factors_are_no_formulas(tmp_path, axes, ending):
    export_transect(tmp_path / f"t.{ending}", replace(result_of(2), axes=axes))
    figure = transect_figure(replace(result_of(2), axes=axes))
    assert f"2 points, ({axes[0]}, {axes[1]}) = (" in figure.texts[1].get_text()
    assert "\n".join(("point", *axes)) in texts(figure)


@pytest.mark.parametrize("letter", ["i", "x", "W"])
@pytest.mark.parametrize("count", [2, 15, 61])
def test_long_names_of_factors_leave_the_numbers_on_the_page(count, letter):
    figure = transect_figure(replace(result_of(count), axes=(55 * letter, f"b{54 * letter}")))
    note = figure.texts[1]
    assert f"({letter}{letter}" in note.get_text()
    assert "mean excess BCE" in note.get_text()
    for text in (note, *(text for axes in figure.axes for text in axes.texts)):
        extent = text.get_window_extent()
        assert figure.bbox.x0 <= extent.x0
        assert extent.x1 <= figure.bbox.x1


# what cannot be written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p1.jpg", "p1", "p1.csv.gz"])
def test_other_endings_are_refused_with_those_that_do(tmp_path, name):
    with pytest.raises(ExportError, match=r"\.png, \.svg, \.csv, \.npz"):
        export_transect(tmp_path / name, result_of(2))


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_folder_that_is_not_there_is_named(tmp_path, ending):
    path = tmp_path / "nowhere" / f"p1.{ending}"
    with pytest.raises(ExportError, match=r"nowhere.*cannot be written.*another folder"):
        export_transect(path, result_of(2))


def test_nothing_is_left_beside_the_files(tmp_path):
    for ending in FORMATS:
        export_transect(tmp_path / f"p1.{ending}", result_of(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"p1.{ending}" for ending in FORMATS)
