"""The status bar: its numbers, and the definition of each in its tooltip."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QWidget

from core.protocol.messages import DimensionEstimated, EstimateDimension
from explorer.controllers.app import status as status_module
from explorer.controllers.app.status import StatusController
from explorer.controllers.controller import Context
from explorer.main_window import STATUS
from explorer.state import State


@pytest.fixture
def bar(qtbot, monkeypatch):
    monkeypatch.setattr(status_module, "ESTIMATE_AFTER_MS", 0)
    monkeypatch.setattr(status_module, "LASTING_MS", 0)
    window = QWidget()
    qtbot.addWidget(window)
    window.status = {name: QLabel(window) for name in STATUS}
    window.message = QLabel(window)
    state, engine = State(), FakeEngine()
    cloud = Cloud()
    controller = StatusController(Context(state, engine, window), cloud)  # pyright: ignore[reportArgumentType]
    return SimpleNamespace(state=state, engine=engine, window=window, cloud=cloud, controller=controller)


class Cloud(QObject):
    """What the status bar knows of the cloud's view."""

    progressed = Signal(int, int)
    renderer_note = renderer_name = ""


def tip(bar) -> str:
    return bar.window.status["points"].toolTip()


def test_the_tooltip_of_the_points_says_how_many_dimensions_they_fill(qtbot, bar):
    bar.state.model = SimpleNamespace()
    bar.engine.loaded.emit(None)
    qtbot.waitUntil(lambda: bool(bar.engine.of(EstimateDimension)))
    assert tip(bar) == STATUS["points"]
    (request,) = bar.engine.of(EstimateDimension)
    bar.engine.deliver(DimensionEstimated(stamp=request.stamp, dimension=1.96, low=1.89, high=2.03))
    assert "1.96, 95 % interval 1.89 to 2.03" in tip(bar)


def test_a_crowd_that_is_long_in_being_drawn_is_counted(qtbot, bar, monkeypatch):
    points = bar.window.status["points"]
    bar.state.embedding = np.zeros((40, 3), np.float32)
    bar.cloud.progressed.emit(10, 40)
    assert points.text() == "40 points"
    qtbot.waitUntil(lambda: "10" in points.text() and "drawn" in points.text())
    bar.cloud.progressed.emit(40, 40)
    assert points.text() == "40 points"


def test_why_there_is_no_estimate_is_said_there_too(qtbot, bar):
    bar.state.model = SimpleNamespace()
    bar.engine.loaded.emit(None)
    qtbot.waitUntil(lambda: bool(bar.engine.of(EstimateDimension)))
    (request,) = bar.engine.of(EstimateDimension)
    nan = math.nan
    bar.engine.deliver(DimensionEstimated(stamp=request.stamp, dimension=nan, low=nan, high=nan, note="too few"))
    assert tip(bar).endswith("too few")


def test_a_cloud_that_is_being_trained_is_not_estimated(qtbot, bar):
    bar.state.model = SimpleNamespace()
    bar.state.training = "running"
    bar.engine.loaded.emit(None)
    qtbot.wait(50)
    assert not bar.engine.of(EstimateDimension)
