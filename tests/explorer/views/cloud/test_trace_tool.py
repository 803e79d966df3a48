"""The mouse mode "trace": clicks on samples, and the curve as a rail, by real mouse and wheel."""

from __future__ import annotations

import numpy as np
import pytest
from cloud_driver import PHASE, Heard, click, drag, empty_place, front_point, move, open_view, where
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from explorer.views.cloud import CloudView, Mode


@pytest.fixture
def view(qtbot) -> CloudView:
    made = open_view(qtbot, "software")
    made.set_mode(Mode.TRACE)
    return made


@pytest.fixture
def railed(view) -> CloudView:
    """A curve of 101 samples across the cloud, in front of it."""
    x = np.linspace(-0.8, 0.8, 101)
    view.set_path(np.stack([x, 0.3 * np.sin(3 * x), np.full(101, 0.9)], axis=1), None, None)
    return view


def wheel(view: CloudView, at: QPointF, angle: int) -> None:
    place = QPointF(at.toPoint())
    event = QWheelEvent(
        place,
        view.mapToGlobal(place),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        PHASE,
        False,
    )
    QApplication.sendEvent(view, event)


def test_a_click_on_a_sample_traces_and_a_drag_turns_the_view(view):
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    assert heard.named("traced") == [(index,)]
    before = view.camera()["azimuth"]
    start = empty_place(view)
    drag(view, [start, (start[0] + 20, start[1]), (start[0] + 60, start[1] + 5)])
    assert view.camera()["azimuth"] != before
    click(view, empty_place(view))
    assert len(heard.named("traced")) == 1


def test_near_the_curve_the_pointer_snaps_onto_it(railed):
    place = railed.project(railed.scene.curve[40])
    move(railed, place + QPointF(0, 5))
    assert np.abs(railed.scene.curve - railed.scene.ghost).sum(axis=1).argmin() == pytest.approx(40, abs=2)
    assert railed.scene.hover is None
    move(railed, place + QPointF(0, 60))
    assert railed.scene.ghost is None


def test_dragging_along_the_curve_moves_the_place_and_not_the_view(railed):
    heard, camera = Heard(railed), railed.camera()
    drag(railed, [railed.project(railed.scene.curve[i]) + QPointF(0, 12 * (i > 20)) for i in range(20, 71, 5)])
    shares = [share for (share,) in heard.named("rail_moved")]
    assert shares[0] == pytest.approx(0.2, abs=0.01)
    assert shares[-1] == pytest.approx(0.7, abs=0.05)  # the hand may leave the curve while it holds
    assert railed.camera() == camera
    assert not heard.named("traced")


def test_the_held_place_does_not_jump_to_another_turn_of_the_curve(view):
    t = np.linspace(0, 1, 201)
    there_and_back = np.stack([0.8 * np.cos(np.pi * t), 0.05 * np.sin(2 * np.pi * t), np.full(201, 0.9)], axis=1)
    there_and_back[100:] = there_and_back[100::-1] + np.array([0, 0.04, 0])
    view.set_path(there_and_back, None, None)
    heard = Heard(view)
    drag(view, [view.project(there_and_back[i]) for i in (10, 20, 30, 40)])
    shares = [share for (share,) in heard.named("rail_moved")]
    assert max(shares) < 0.3


def test_at_the_ends_of_the_curve_a_click_means_the_sample_there_and_a_drag_slides(view):
    first, last = front_point(view), 3
    ends = view.scene.points[[first, last]]
    view.set_path(ends[0] + np.linspace(0, 1, 101)[:, None] * (ends[1] - ends[0]), None, None)
    heard = Heard(view)
    click(view, where(view, first))
    assert heard.named("traced") == [(first,)]
    assert not heard.named("rail_moved")
    drag(view, [view.project(view.scene.curve[i]) for i in (0, 10, 20)])
    assert heard.named("rail_moved")[-1][0] == pytest.approx(0.2, abs=0.02)
    assert len(heard.named("traced")) == 1


def test_the_wheel_steps_along_the_curve_and_zooms_elsewhere(railed):
    heard, before = Heard(railed), railed.camera()["distance"]
    place = railed.project(railed.scene.curve[50])
    move(railed, place)
    for angle in (120, 40, 40, 40, -240):
        wheel(railed, place, angle)
    assert heard.named("rail_stepped") == [(1,), (1,), (-2,)]
    wheel(railed, place, -1)  # a hundredth of a notch is none, in either direction
    wheel(railed, place, -118)
    assert len(heard.named("rail_stepped")) == 3
    wheel(railed, place, -1)
    assert heard.named("rail_stepped")[-1] == (-1,)
    assert railed.camera()["distance"] == before
    wheel(railed, place + QPointF(0, 90), 120)
    assert railed.camera()["distance"] < before


def test_while_a_curve_is_proposed_the_other_one_is_no_rail(railed):
    railed.set_preview(railed.scene.curve + np.array([0, 0.5, 0]))
    move(railed, railed.project(railed.scene.curve[40]))
    assert railed.scene.ghost is None


def test_without_a_curve_and_in_two_dimensions_clicks_still_trace(view):
    view.set_axes(("μ₁", "μ₂"), 2)
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    assert len(heard.named("traced")) == 1
