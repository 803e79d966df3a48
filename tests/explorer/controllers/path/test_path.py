"""What a stroke over the cloud becomes, and when."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest

from core.paths.latent_path import LatentPath
from explorer.views.cloud import StrokeGesture

STROKE = StrokeGesture(np.zeros((5, 2)), np.eye(4), (100.0, 100.0))
PATH = LatentPath(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], np.float32))


@pytest.fixture
def lifting(monkeypatch):
    """Set to let strokes be lifted: to ``PATH``."""
    event = Event()
    monkeypatch.setattr("explorer.controllers.path.path.lifted", lambda *_: event.wait(30.0) and PATH)
    yield event
    event.set()


def test_a_stroke_becomes_a_path_beside_the_event_loop_unless_another_run_is_opened_meanwhile(opened, lifting, qtbot):
    opened.path._on_stroke(STROKE)
    assert opened.state.document.path is None
    lifting.set()
    qtbot.waitUntil(lambda: opened.state.document.path is PATH)
    opened.path.clear()
    lifting.clear()
    opened.path._on_stroke(STROKE)
    opened.open_run.open(opened.open_run.run.path)
    qtbot.waitUntil(lambda: not opened.path._lifting.busy)
    lifting.set()
    qtbot.waitUntil(lambda: opened.state.embedding is not None and not opened.open_run.opening)
    assert opened.state.document.path is None


def test_a_stroke_that_means_no_curve_says_why(opened, qtbot):
    errors: list[str] = []
    opened.path.error_occurred.connect(errors.append)
    opened.path._on_stroke(STROKE)
    qtbot.waitUntil(lambda: bool(errors))
    assert "stroke" in errors[0]
    assert opened.state.document.path is None
