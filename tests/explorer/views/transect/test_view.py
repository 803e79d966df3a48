"""The transect panel: a picture of rows and curves, one position through both, chosen by mouse and keys."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QAction, QColor, QFont, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLabel, QSpinBox, QToolButton

from core.analysis.transect import MeasuredTransect, Transect
from explorer.views.transect import TransectView
from explorer.views.transect.picture import (
    LEAST_SIDE,
    TransectPicture,
    _hole_boxes,
    arrange,
    bounds,
    hole_stretches,
    normalised,
)
from explorer.widgets.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton
COUNT = 15


@pytest.fixture
def view(qtbot) -> TransectView:
    made = TransectView()
    qtbot.addWidget(made)
    made.resize(720, 190)
    made.show()
    qtbot.wait(1)
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.transect_chosen.connect(lambda index: heard.append(("chosen", index)))
    view.points_changed.connect(lambda count: heard.append(("points", count)))
    view.picture.position_changed.connect(lambda place: heard.append(("position", place)))
    view.picture.released.connect(lambda: heard.append(("released",)))
    view.removed.connect(lambda index: heard.append(("removed", index)))
    view.export_requested.connect(lambda kind: heard.append(("export", kind)))
    return heard


def _images(count: int, grey: int) -> np.ndarray:
    return np.full((count, 64, 64, 1), grey, np.uint8)


def _measured(count: int = COUNT) -> MeasuredTransect:
    """Truth is grey 200, the model 100; the points in the middle third are in the hole."""
    return MeasuredTransect(
        Transect("P1", np.stack([np.full(count, 1.25), np.linspace(0, 2, count)], axis=1)),
        _images(count, 200),
        _images(count, 100),
        np.zeros((count, 3), np.float32),
        np.linspace(1e-3, 3e-3, count),
        np.full(count, 0.98),
        np.linspace(0, 0.3, count),
        np.abs(np.linspace(-1, 1, count)) < 0.3,
        np.ones(count, bool),
    )


def _fill(view: TransectView) -> None:
    view.set_transects(["P1", "P2", "T1"], 0)
    view.set_measured(_measured())


# numbers


@pytest.mark.parametrize("size", [(540, 170), (1000, 250), (700, 600), (280, 150)])
@pytest.mark.parametrize("total", [2, 15, 60, 200])
def test_every_point_has_its_place_inside_the_picture(size: tuple[int, int], total: int):
    layout = arrange(*size, total)
    assert len(layout.x) == total
    assert (np.diff(layout.x) > 0).all()
    columns = [layout.column(place) for place in layout.shown]
    assert columns[0].left() >= 0
    assert columns[-1].right() <= size[0]
    assert all(left.right() <= right.left() for left, right in pairwise(columns))
    assert layout.side >= LEAST_SIDE
    assert layout.rows_bottom < layout.lanes[0][0].top() < layout.bottom <= size[1]
    assert [layout.nearest(x) for x in layout.x] == list(range(total))


def test_fifteen_points_all_have_room_in_the_dock_and_tall_panels_split_the_curves():
    assert arrange(546, 178, 15).shown == tuple(range(15))
    assert len(arrange(1000, 250, 15).lanes) == 1
    assert [names for _, names in arrange(700, 600, 15).lanes] == [("excess_bce",), ("ssim",), ("distance",)]


def test_scales_end_at_round_numbers():
    values = np.array([0.0009, np.nan, 0.0247])
    assert bounds("excess_bce", values, log=True) == (0.0005, 0.05)
    assert bounds("excess_bce", values, log=False) == (0.0, 0.05)
    assert bounds("ssim", np.array([0.87, 0.99]), log=False) == (pytest.approx(0.85), 1.0)
    assert bounds("distance", np.full(3, np.nan), log=False) == (0.0, 1.0)
    assert normalised(np.array([0.001, 0.01, 0.0]), 1e-4, 1e-2, log=True)[:2] == pytest.approx([0.5, 1.0])
    assert np.isnan(normalised(np.array([0.0]), 1e-4, 1e-2, log=True))


def test_one_scale_of_differences_serves_the_whole_transect(qtbot):
    picture = TransectPicture()
    qtbot.addWidget(picture)
    models = np.concatenate([_images(1, 102), _images(1, 140)])
    measured = replace(_measured(2), originals=_images(2, 100), reconstructions=models)
    picture.set_measured(measured)
    assert picture.ends(measured, 32) == 0.25
    assert picture._pixels(measured, 2, 0, 32).shape == (32, 32, 3)
    assert not np.array_equal(picture._pixels(measured, 2, 0, 32), picture._pixels(measured, 2, 1, 32))
    better = replace(measured, reconstructions=np.concatenate([models[:1], _images(1, 100)]))
    picture.set_measured(better, [1])
    assert picture.ends(better, 32) == 0.05


def test_points_in_the_hole_form_stretches():
    assert hole_stretches(np.zeros(3, bool)) == []
    assert hole_stretches(np.array([True, True, False, True])) == [(0, 1), (3, 3)]


# showing


def test_an_empty_panel_says_what_to_do_and_answers_nothing(view, said):
    view.set_empty("Open a run.")
    view.grab()
    QTest.mouseClick(view.picture, LEFT, pos=QPoint(300, 80))
    assert said == []
    assert not view.findChild(QToolButton, "transect.export").isEnabled()


def test_what_is_set_is_shown_silently(view, said, use_theme):
    _fill(view)
    view.picture.set_position(7)
    view.set_summary("hole 0.0016")
    use_theme(LIGHT)
    assert view.complete
    assert view.picture.position == 7
    assert view.findChild(QSpinBox, "transect.points").value() == COUNT
    assert view.findChild(QComboBox, "transect.choice").currentText() == "P1"
    assert "0.0016" in view.findChild(QLabel, "transect.summary").text()
    assert said == []


def test_rows_are_truth_model_and_difference(view):
    _fill(view)
    view.picture.set_position(None)
    image, layout = view.picture.grab().toImage(), view.picture.layout_now()
    column = layout.column(2)
    colours = [image.pixelColor(round(column.center().x()), top + layout.side // 2) for top in layout.tops]
    assert [colour.red() for colour in colours[:2]] == [200, 100]
    assert colours[2].blue() > colours[2].red()  # darker than the truth: blue


def test_hole_points_are_framed_in_the_accent_colour(view):
    _fill(view)
    image, layout = view.picture.grab().toImage(), view.picture.layout_now()
    first = int(np.flatnonzero(_measured().in_hole)[0])
    left = round(float(layout.x[first]) - layout.half())
    ours = {image.pixelColor(x, layout.tops[1] + 5).name() for x in range(left - 2, left + 3)}
    assert QColor(DARK.accent).name() in ours


class _Recorder(QPainter):
    """Notes where texts are written."""

    def __init__(self, image: QImage) -> None:
        self._image = image  # a painter does not keep it alive
        super().__init__(image)
        self.texts: dict[str, QRectF] = {}

    def drawText(self, box: QRectF, flags: Qt.AlignmentFlag, text: str) -> None:
        if text:
            self.texts[text] = self.boundingRect(box, flags, text)


@pytest.mark.parametrize("width", [280, 330, 380, 500, 900])
def test_the_captions_under_the_curves_never_overlap(view, width):
    _fill(view)
    image = QImage(width, 170, QImage.Format.Format_RGB32)
    layout, painter = arrange(width, 170, COUNT), _Recorder(image)
    view.picture._paint_captions(painter, layout, _hole_boxes(_measured(), layout), _measured())
    painter.end()
    boxes = sorted(painter.texts.values(), key=lambda box: box.left())
    assert any("hole" in text for text in painter.texts)
    assert all(left.right() < right.left() for left, right in pairwise(boxes))
    assert ("(a, b) = (1.25, 0)" in painter.texts) == (width >= 500)


@pytest.mark.parametrize(("width", "first"), [(340, "8 of 15"), (900, "point 8 of 15")])
def test_position_and_legend_fit_above_the_images(view, width, first):
    _fill(view)
    view.picture.set_position(7)
    view.picture.resize(width, 170)
    painter = _Recorder(QImage(width, 170, QImage.Format.Format_RGB32))
    painter.setFont(QFont(painter.font().family(), 8))
    view.picture._paint_header(painter, 7, _measured())
    painter.end()
    assert first in painter.texts
    assert max(box.right() for box in painter.texts.values()) <= width
    assert any("0.98" in text for text in painter.texts)


def test_images_that_have_not_come_are_quiet(view, said):
    view.set_transects(["P1"], 0)
    unknown = np.full(200, np.nan)
    known = np.arange(200) >= 196
    begun = replace(_measured(200), excess_bce=unknown, ssim=unknown, distance=unknown, known=np.zeros(200, bool))
    view.set_measured(begun)
    view.picture.set_position(150)
    view.grab()
    view.set_measured(replace(begun, known=known), range(196, 200))
    view.grab()
    assert not view.complete
    view.set_measured(None)
    view.grab()
    assert not view.complete


# hands


def test_click_and_drag_move_the_position_through_rows_and_curves(view, said):
    _fill(view)
    layout = view.picture.layout_now()
    at = [QPoint(round(x), y) for x, y in ((layout.x[3], 40), (layout.x[5], 90), (layout.x[9], 140))]
    QTest.mousePress(view.picture, LEFT, pos=at[0])
    QTest.mouseMove(view.picture, at[1])
    QTest.mouseMove(view.picture, at[2])
    QTest.mouseRelease(view.picture, LEFT, pos=at[2])
    assert said == [("position", 3), ("position", 5), ("position", 9), ("released",)]


def test_arrows_step_and_stop_at_the_ends(view, said):
    _fill(view)
    view.picture.set_position(1)
    view.picture.setFocus()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_End, Qt.Key.Key_Right, Qt.Key.Key_Home):
        QTest.keyClick(view.picture, key)
    assert [value for kind, *value in said if kind == "position"] == [[0], [14], [0]]
    assert said.count(("released",)) == 5


def test_the_number_of_points_is_typed(view, said):
    _fill(view)
    box = view.findChild(QSpinBox, "transect.points")
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "60")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert said == [("points", 60)]


def test_another_transect_is_chosen_and_a_drawn_one_removed(view, said):
    _fill(view)
    choice = view.findChild(QComboBox, "transect.choice")
    choice.setFocus()
    QTest.keyClick(choice, Qt.Key.Key_Down)
    assert said == [("chosen", 1)]
    remove = view.findChild(QToolButton, "transect.remove")
    QTest.mouseClick(remove, LEFT)
    assert said == [("chosen", 1)]
    view.set_transects(["P1", "P2", "T1"], 2)
    view.set_removable(True)
    QTest.mouseClick(remove, LEFT)
    assert said[-1] == ("removed", 2)


def test_every_format_is_offered_once_the_transect_is_whole(view, said):
    _fill(view)
    assert view.findChild(QToolButton, "transect.export").isEnabled()
    for kind in ("png", "svg", "csv", "npz"):
        view.findChild(QAction, f"transect.export.{kind}").trigger()
    assert said == [("export", kind) for kind in ("png", "svg", "csv", "npz")]
