"""Tracing in the whole program, with the real engine: by keys, mouse and wheel."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QKeySequence, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

WAIT = 30_000


@pytest.fixture
def tracing(reopened):
    """The program with the small run open, in the mode "trace", for geodesics."""
    reopened.path_view.kinds.traced_chosen.emit("geodesic")
    reopened.redraw()
    press(reopened, "6")
    return reopened


def press(explorer, keys: str) -> None:
    QTest.keySequence(explorer.window.windowHandle(), QKeySequence(keys))


def place(explorer, at) -> QPoint:
    return explorer.cloud.mapTo(explorer.window, QPointF(*at).toPoint())


def click(explorer, index: int) -> None:
    at = explorer.cloud.screen_positions()[index, :2].tolist()
    QTest.mouseMove(explorer.window.windowHandle(), place(explorer, at))
    QTest.mouseClick(
        explorer.window.windowHandle(),
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        place(explorer, at),
    )
    QApplication.processEvents()


def seen(explorer, count: int) -> list[int]:
    """Samples that a click on them hits."""
    places = explorer.cloud.screen_positions()
    hits = (i for i in range(len(places)) if explorer.cloud.scene.screen().nearest(places[i, :2].tolist(), 12, 3) == i)
    found = list(hits)
    step = max(1, len(found) // count)
    return found[::step][:count]


def test_key_6_chooses_the_tool_and_escape_first_takes_a_start_back(tracing):
    assert tracing.state.mode == "trace"
    assert tracing.window.actions_by_name["trace"].isChecked()
    click(tracing, seen(tracing, 1)[0])
    tracing.redraw()
    assert tracing.cloud.scene.preview is not None
    press(tracing, "Esc")
    assert tracing.cloud.scene.preview is None
    assert tracing.state.mode == "trace"
    press(tracing, "Esc")
    assert tracing.state.mode == "orbit"


def test_a_geodesic_is_traced_between_two_clicks_and_its_frames_are_decoded(tracing, qtbot):
    start, *_, end = seen(tracing, 5)
    click(tracing, start)
    click(tracing, end)
    qtbot.waitUntil(lambda: tracing.state.document.path is not None, timeout=WAIT)
    path = tracing.state.document.path
    means = tracing.state.embedding
    np.testing.assert_allclose(path.control[[0, -1]], means[[start, end]], atol=1e-4)
    assert path.recipe.kind == "geodesic"
    qtbot.waitUntil(lambda: tracing.film.complete, timeout=WAIT)
    press(tracing, "Ctrl+Z")
    assert tracing.state.document.path is None


def test_a_rail_is_laid_and_ridden_by_wheel_and_arrow_keys(tracing, qtbot):
    tracing.path_view.kinds.traced_chosen.emit("factor curve")
    click(tracing, seen(tracing, 3)[1])
    qtbot.waitUntil(lambda: tracing.state.document.path is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: tracing.film.complete, timeout=WAIT)
    tracing.redraw()
    recipe = tracing.state.document.path.recipe
    assert (recipe.kind, recipe.end) == ("factor curve", None)
    assert tracing.path_view.note.text().startswith("here ")
    tracing.playback.scrub(0.5)
    tracing.redraw()
    at = tracing.cloud.project(tracing.cloud.scene.curve[128])
    QTest.mouseMove(tracing.window.windowHandle(), place(tracing, (at.x(), at.y())))
    QApplication.processEvents()
    event = QWheelEvent(
        at,
        tracing.cloud.mapToGlobal(at),
        QPoint(),
        QPoint(0, 360),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(tracing.cloud, event)
    assert tracing.state.playback.position == pytest.approx(0.5 + 3 / 64)
    press(tracing, "Left")
    assert tracing.state.playback.position == pytest.approx(0.5 + 2 / 64)
    assert tracing.image.has_image


def test_a_drawn_path_is_turned_into_every_kind_there_is(tracing, qtbot):
    from core.paths.latent_path import LatentPath
    from core.paths.recipe import RECIPE_KINDS

    drawn = LatentPath(tracing.state.embedding[[3, 40, 90]])
    for kind in RECIPE_KINDS:
        tracing.editing.commit("draw path", path=drawn)
        tracing.path_view.kinds.traced_chosen.emit(kind)
        qtbot.waitUntil(lambda kind=kind: is_traced(tracing, kind), timeout=WAIT)
    assert not tracing.window.notice.isVisible()


def is_traced(explorer, kind: str) -> bool:
    recipe = explorer.state.document.path.recipe
    return recipe is not None and recipe.kind == kind
