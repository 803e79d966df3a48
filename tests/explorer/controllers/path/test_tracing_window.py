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
def opened(program, tiny_run, qtbot):
    """The program with the small run open, in the mode "trace"."""
    explorer = program(tiny_run)
    qtbot.waitUntil(lambda: explorer.state.model is not None and explorer.cloud.point_count > 0, timeout=WAIT)
    explorer.window.activateWindow()
    qtbot.waitUntil(explorer.window.isActiveWindow, timeout=WAIT)
    explorer.redraw()
    press(explorer, "6")
    return explorer


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


def test_key_6_chooses_the_tool_and_escape_first_takes_a_start_back(opened):
    assert opened.state.mode == "trace"
    assert opened.window.actions_by_name["trace"].isChecked()
    click(opened, seen(opened, 1)[0])
    opened.redraw()
    assert opened.cloud.scene.preview is not None
    press(opened, "Esc")
    assert opened.cloud.scene.preview is None
    assert opened.state.mode == "trace"
    press(opened, "Esc")
    assert opened.state.mode == "orbit"


def test_a_geodesic_is_traced_between_two_clicks_and_its_frames_are_decoded(opened, qtbot):
    start, *_, end = seen(opened, 5)
    click(opened, start)
    click(opened, end)
    qtbot.waitUntil(lambda: opened.state.document.path is not None, timeout=WAIT)
    path = opened.state.document.path
    means = opened.state.embedding
    np.testing.assert_allclose(path.control[[0, -1]], means[[start, end]], atol=1e-4)
    assert path.recipe.kind == "geodesic"
    qtbot.waitUntil(lambda: opened.film.complete, timeout=WAIT)
    press(opened, "Ctrl+Z")
    assert opened.state.document.path is None


def test_a_rail_is_laid_and_ridden_by_wheel_and_arrow_keys(opened, qtbot):
    opened.path_view.kinds.traced_chosen.emit("factor curve")
    click(opened, seen(opened, 3)[1])
    qtbot.waitUntil(lambda: opened.state.document.path is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: opened.film.complete, timeout=WAIT)
    opened.redraw()
    recipe = opened.state.document.path.recipe
    assert (recipe.kind, recipe.end) == ("factor curve", None)
    assert opened.path_view.note.text().startswith("here ")
    opened.playback.scrub(0.5)
    opened.redraw()
    at = opened.cloud.project(opened.cloud.scene.curve[128])
    QTest.mouseMove(opened.window.windowHandle(), place(opened, (at.x(), at.y())))
    QApplication.processEvents()
    event = QWheelEvent(
        at,
        opened.cloud.mapToGlobal(at),
        QPoint(),
        QPoint(0, 360),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(opened.cloud, event)
    assert opened.state.playback.position == pytest.approx(0.5 + 3 / 64)
    press(opened, "Left")
    assert opened.state.playback.position == pytest.approx(0.5 + 2 / 64)
    assert opened.image.has_image


def test_a_drawn_path_is_turned_into_every_kind_there_is(opened, qtbot):
    from core.paths.latent_path import LatentPath
    from core.paths.recipe import RECIPE_KINDS

    drawn = LatentPath(opened.state.embedding[[3, 40, 90]])
    for kind in RECIPE_KINDS:
        opened.editing.commit("draw path", path=drawn)
        opened.path_view.kinds.traced_chosen.emit(kind)
        qtbot.waitUntil(lambda kind=kind: is_traced(opened, kind), timeout=WAIT)
    assert not opened.window.notice.isVisible()


def is_traced(explorer, kind: str) -> bool:
    recipe = explorer.state.document.path.recipe
    return recipe is not None and recipe.kind == kind
