"""The reconstructions panel: pairs in a grid, chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QSpinBox

from explorer.views.reconstructions import ReconstructionsView
from explorer.widgets.theme import LIGHT

LEFT = Qt.MouseButton.LeftButton


def _pairs(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    originals = np.full((count, 64, 64, 1), 200, np.uint8)
    return np.arange(count) + 4299, originals, originals // 2, np.linspace(0.001, 0.003, count)


def _rect(view: ReconstructionsView, place: int) -> QRect:
    return view.grid.visualItemRect(view.grid.item(place))


@pytest.fixture
def view(qtbot) -> ReconstructionsView:
    made = ReconstructionsView()
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show()
    qtbot.wait(1)
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.sample_chosen.connect(lambda index: heard.append(("sample", index)))
    view.count_changed.connect(lambda count: heard.append(("count", count)))
    return heard


def test_an_empty_panel_is_drawn_and_answers_nothing(view, said):
    view.set_empty("Open a run.")
    view.grab()
    QTest.mouseClick(view.grid.viewport(), LEFT, pos=QPoint(50, 50))
    assert said == []


def test_pairs_are_shown_silently(view, said, use_theme):
    view.set_pairs(*_pairs(20))
    assert view.grid.samples == list(range(4299, 4319))
    assert "0.002" in view.findChild(QLabel, "reconstructions.summary").text()
    use_theme(LIGHT)
    assert said == []


def test_the_original_is_left_and_the_reconstruction_right(view, qtbot):
    view.set_pairs(*_pairs(3))
    qtbot.wait(1)
    image, box = view.grid.viewport().grab().toImage(), _rect(view, 0)
    middle = round(box.top() + 40)
    assert image.pixelColor(round(box.left() + box.width() * 0.25), middle).red() == 200
    assert image.pixelColor(round(box.left() + box.width() * 0.75), middle).red() == 100


def test_a_click_chooses_the_sample(view, said, qtbot):
    view.set_pairs(*_pairs(20))
    qtbot.wait(1)
    for place in (0, 2, 5):
        QTest.mouseClick(view.grid.viewport(), LEFT, pos=_rect(view, place).center())
    assert said == [("sample", 4299), ("sample", 4301), ("sample", 4304)]


def test_the_gap_between_pairs_chooses_nothing(view, said, qtbot):
    view.set_pairs(*_pairs(20))
    qtbot.wait(1)
    QTest.mouseClick(view.grid.viewport(), LEFT, pos=QPoint(round(_rect(view, 0).right()) + 5, 40))
    assert said == []


def test_arrow_keys_and_enter_choose(view, said):
    view.set_pairs(*_pairs(20))
    view.grid.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Return):
        QTest.keyClick(view.grid, key)
    assert said == [("sample", 4300)]


def test_pairs_that_are_renewed_stay_where_they_were_scrolled_to(view, qtbot):
    view.set_pairs(*_pairs(60))
    bar = view.grid.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 100)
    bar.setValue(100)
    view.set_pairs(*_pairs(60))
    qtbot.wait(1)
    assert bar.value() == 100


def test_the_number_of_samples_is_typed(view, said):
    box = view.findChild(QSpinBox, "reconstructions.count")
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "50")
    assert said == []
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert said == [("count", 50)]


@pytest.mark.parametrize("width", [280, 640, 1400])
def test_pairs_fill_the_row_and_stay_inside(view, qtbot, width: int):
    view.resize(width, 300)
    view.set_pairs(*_pairs(20))
    qtbot.wait(1)
    boxes = [_rect(view, place) for place in range(20)]
    assert max(box.right() for box in boxes) <= view.grid.width()
    assert max(box.right() for box in boxes) + boxes[0].width() + 40 > view.grid.width()
    assert len({(box.x(), box.y()) for box in boxes}) == 20


def test_clearing_empties_the_panel(view):
    view.set_pairs(*_pairs(20))
    view.set_empty("Open a run.")
    assert view.grid.empty == "Open a run."
    assert view.grid.samples == []
    view.grab()


@pytest.mark.parametrize("size", [8, 28, 32, 64])
def test_small_images_fill_their_cells_at_whole_multiples(view, qtbot, size: int):
    images = np.full((6, size, size, 1), 200, np.uint8)
    view.set_pairs(np.arange(6), images, images, np.zeros(6))
    qtbot.wait(1)
    side = (_rect(view, 0).width() - 4) / 2
    assert side % size == 0
    assert 60 <= side <= 100
