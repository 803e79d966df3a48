"""Comparing path kinds: what is asked of the engine and when, and what becomes of its answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.projects.edited import Attributes, Display, Document
from core.protocol.messages import ComparePaths, Failed, PathCompared, WeightsChanged
from core.runs.directory import ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.path import comparison
from explorer.controllers.path.comparison import FIRST_KINDS, FRAMES, PathComparison
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.path_comparison import PathKindsView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

COUNT = 80
LEFT = Qt.MouseButton.LeftButton
START, END = np.array([0.0, 0.0, 0.0], np.float32), np.array([1.0, 1.0, 0.5], np.float32)


class Engine(FakeEngine):
    """What was asked of the engine; the test answers."""

    @property
    def questions(self) -> list[ComparePaths]:
        return self.of(ComparePaths)


def samples(names: tuple[str, ...] = ("a", "b")) -> ProbeSet:
    factors = np.random.default_rng(0).uniform(size=(COUNT, len(names))).astype(np.float32)
    thumbnails = np.zeros((COUNT, 32, 32, 1), np.uint8)
    return ProbeSet(np.arange(COUNT, dtype=np.int64), factors, names, thumbnails, np.zeros(COUNT, np.uint8))


def model(dims: int = 3) -> Model:
    return Model(Path("run"), dims, 16, 1)


@pytest.fixture
def desk(qtbot, monkeypatch) -> SimpleNamespace:
    """Cloud and panel on one state with an open run; the engine is the test's, and nothing waits."""
    monkeypatch.setattr(comparison, "EDIT_PAUSE_S", 0.0)
    state, engine = State(), Engine()
    cloud, view, points = CloudView("software"), PathKindsView(), PointsView()
    probe_view, image = ProbeView(), ImageView()
    for widget in (cloud, view, points, probe_view, image):
        qtbot.addWidget(widget)
    context = Context(state, engine, view)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = PathComparison(context, cloud_control, view)
    view.resize(1400, 320)
    cloud.show()
    view.show()
    qtbot.waitExposed(view)
    state.samples = samples()
    state.embedding = np.random.default_rng(1).normal(size=(COUNT, 3)).astype(np.float32)
    state.model = model()
    editing.begin(document=Document())
    cloud_control.tick()
    return SimpleNamespace(
        state=state, engine=engine, editing=editing, cloud=cloud, view=view, control=control, monkeypatch=monkeypatch
    )


def draw(desk, *places, **fields) -> None:
    """A path through ``places``."""
    desk.editing.commit("draw path", path=LatentPath(np.array(places or (START, END)), **fields))
    desk.control.tick()


def reply(request: ComparePaths, kind: str, **fields) -> PathCompared:
    """A straight line for the path of ``kind``, of a length of its own."""
    index = request.kinds.index(kind)
    bend = np.sin(np.linspace(0, np.pi, FRAMES))[:, None] * 0.1 * index
    points = (np.linspace(request.start, request.end, FRAMES) + bend).astype(np.float32)
    whole = {
        "points": points,
        "images": np.full((FRAMES, 16, 16, 1), 20 * index, np.uint8),
        "off_manifold_score": np.ones(FRAMES),
        "threshold": 1.5,
        "latent_length": 1.0,
        "image_length": 1.0 + index,
        "image_k": FRAMES,
        "off_share": 0.0,
        "achieved": 1.0,
        "leaks": np.array([np.nan, 0.1 * index]),
        "names": ("a", "b"),
        "truth": "curves",
        "residual": float("nan"),
        "note": "",
    }
    total = len(request.kinds)
    final = index + 1 == total
    return PathCompared(stamp=request.stamp, kind=kind, index=index, total=total, final=final, **(whole | fields))


def answer(desk, request: ComparePaths | None = None, kinds: tuple[str, ...] | None = None, **fields) -> None:
    request = request or desk.engine.questions[-1]
    for kind in kinds or request.kinds:
        desk.engine.deliver(reply(request, kind, **fields))
    desk.control.tick()


def filled(desk) -> list[str]:
    return [row.kind for row in desk.view.table.rows if row.path is not None and not row.stale]


# empty states


def test_without_a_path_it_says_how_to_get_one(desk):
    desk.control.tick()
    assert "Needs a path" in desk.view.empty
    assert not desk.engine.questions


def test_without_a_run_it_says_to_open_one(desk):
    desk.state.model = None
    desk.control.tick()
    assert "Open a run" in desk.view.empty


@pytest.mark.parametrize(("places", "said"), [((START,), "two points"), ((START, START), "same place")])
def test_a_path_without_two_ends_says_what_to_do(desk, places, said):
    draw(desk, *places)
    assert said in desk.view.empty
    assert "Edit (4)" in desk.view.empty
    assert not desk.engine.questions


def test_without_kinds_it_says_to_choose_some(desk):
    desk.control.choose_kinds(())
    draw(desk)
    assert "Choose the kinds" in desk.view.empty


def test_without_labels_only_paths_that_join_the_ends_are_compared(desk):
    desk.state.samples = samples(())
    draw(desk)
    asked = desk.engine.questions[-1]
    assert (asked.kinds, asked.target) == (("straight", "spherical", "geodesic"), "")
    answer(desk, leaks=np.empty(0), names=(), truth="", achieved=float("nan"))
    assert "No factor is known" in desk.view.message.text()
    desk.state.attributes = Attributes(("area",), np.zeros((COUNT, 1)))
    desk.control.tick()
    assert (desk.engine.questions[-1].kinds, desk.engine.questions[-1].target) == (FIRST_KINDS, "area")


# what is asked


def test_the_path_s_ends_are_compared_as_soon_as_there_is_one(desk):
    middle = np.array([0.2, 0.9, 0.1], np.float32)
    draw(desk, START, middle, END)
    (asked,) = desk.engine.questions
    np.testing.assert_array_equal(asked.start, START)
    np.testing.assert_array_equal(asked.end, END)
    assert (asked.kinds, asked.target, asked.frames) == (FIRST_KINDS, "a", FRAMES)


def test_a_computed_path_is_compared_between_the_ends_of_its_recipe(desk):
    short = np.linspace(START, END * 0.4, 5)
    draw(desk, *short, recipe=Recipe("factor curve", START, END, "b"))
    asked = desk.engine.questions[-1]
    np.testing.assert_array_equal(asked.end, END)
    assert asked.target == "b"


def test_nothing_is_asked_while_nobody_looks_and_once_somebody_does(desk, qtbot):
    desk.view.hide()
    desk.control.tick()
    draw(desk)
    assert not desk.engine.questions
    desk.view.show()
    qtbot.waitExposed(desk.view)
    desk.control.tick()
    assert len(desk.engine.questions) == 1
    desk.view.hide()
    desk.control.tick()
    desk.view.show()
    qtbot.waitExposed(desk.view)
    desk.control.tick()
    assert len(desk.engine.questions) == 1  # it is on show already


def test_a_hand_that_drags_an_end_is_waited_for(desk):
    draw(desk)
    desk.monkeypatch.setattr(comparison, "EDIT_PAUSE_S", 60.0)
    for x in (1.1, 1.2, 1.3):
        draw(desk, START, END * x)
    assert len(desk.engine.questions) == 1
    desk.monkeypatch.setattr(comparison, "EDIT_PAUSE_S", 0.0)
    draw(desk, START, END * 1.4)
    np.testing.assert_array_equal(desk.engine.questions[-1].end, END * np.float32(1.4))


def test_moving_the_middle_of_the_path_or_the_probe_asks_nothing(desk):
    draw(desk)
    draw(desk, START, END * 0.7, END)
    desk.editing.commit("move probe", probe=END)
    desk.control.tick()
    assert len(desk.engine.questions) == 1


def test_other_kinds_and_another_target_are_asked_for(desk):
    draw(desk)
    desk.view.kinds_chosen.emit(("regression", "straight"))
    desk.control.tick()
    assert desk.engine.questions[-1].kinds == ("straight", "regression")
    desk.view.target_chosen.emit("b")
    desk.control.tick()
    assert desk.engine.questions[-1].target == "b"


def test_the_newest_question_wins(desk):
    draw(desk)
    old = desk.engine.questions[-1]
    draw(desk, START, END * 2)
    answer(desk, old)
    assert not filled(desk)
    answer(desk)
    assert filled(desk) == list(FIRST_KINDS)


def test_other_weights_ask_again_once_the_last_answer_is_there_and_not_too_often(desk):
    draw(desk)
    desk.monkeypatch.setattr(comparison, "WEIGHTS_PAUSE_S", 0.0)
    desk.engine.deliver(WeightsChanged(step=10))
    desk.control.tick()
    assert len(desk.engine.questions) == 1  # the first one is let finish
    answer(desk)
    desk.control.tick()
    assert len(desk.engine.questions) == 2
    assert filled(desk) == list(FIRST_KINDS)  # what is on show stays as it is meanwhile
    answer(desk)
    desk.monkeypatch.setattr(comparison, "WEIGHTS_PAUSE_S", 60.0)
    desk.engine.deliver(WeightsChanged(step=11))
    desk.control.tick()
    assert len(desk.engine.questions) == 2


def test_a_preliminary_path_is_asked_for_again(desk):
    desk.monkeypatch.setattr(comparison, "BETTER_PAUSE_S", 0.0)
    draw(desk)
    answer(desk, note="estimated: from thumbnails")
    desk.control.tick()
    assert len(desk.engine.questions) == 2
    answer(desk)
    desk.control.tick()
    assert len(desk.engine.questions) == 2


def test_an_engine_that_was_started_anew_is_asked_again(desk):
    desk.monkeypatch.setattr(comparison, "WEIGHTS_PAUSE_S", 0.0)
    draw(desk)
    desk.engine.die(deaths=2)
    assert "was lost" in desk.view.message.text()
    desk.control.tick()
    assert len(desk.engine.questions) == 1
    desk.engine.loaded.emit(None)
    desk.control.tick()
    assert len(desk.engine.questions) == 2


# what comes


def test_rows_come_one_by_one(desk):
    draw(desk)
    assert desk.view.message.text() == "Comparing 5 kinds…"
    assert not desk.view.empty
    answer(desk, kinds=("straight", "spherical"))
    assert filled(desk) == ["straight", "spherical"]
    assert desk.view.message.text() == "Compared 2 of 5…"
    answer(desk, kinds=("geodesic", "factor curve", "mean difference"))
    assert filled(desk) == list(FIRST_KINDS)
    assert "17 frames each" in desk.view.message.text()
    assert "exact inverse" in desk.view.message.text()


def test_trouble_is_said_and_the_next_path_is_compared_all_the_same(desk):
    draw(desk)
    stamp = desk.engine.questions[-1].stamp
    desk.engine.deliver(Failed(stamp=stamp, message="target is 'c'; there is a, b."))
    assert desk.view.message.text() == "target is 'c'; there is a, b."
    draw(desk, START, END * 2)
    answer(desk)
    assert filled(desk) == list(FIRST_KINDS)


def test_a_path_that_is_missing_keeps_its_reason(desk):
    draw(desk)
    nothing = {"points": np.zeros((0, 3), np.float32), "images": np.zeros((0, 32, 32, 1), np.uint8)}
    answer(desk, kinds=("geodesic",), off_manifold_score=np.zeros(0), note="the cloud is in 3 parts", **nothing)
    row = desk.view.table.rows[2]
    assert row.path is not None
    assert not row.usable
    assert row.path.note == "the cloud is in 3 parts"
    desk.control.take("geodesic")
    desk.control.choose_frame("geodesic", 0)
    assert desk.state.document.path.recipe is None


def test_without_its_path_the_comparison_is_gone(desk):
    draw(desk)
    answer(desk)
    desk.editing.commit("clear path", path=None)
    desk.control.tick()
    assert "Needs a path" in desk.view.empty
    assert desk.cloud.scene.kinds is None
    desk.editing.undo()
    desk.control.tick()
    assert len(desk.engine.questions) == 2


def test_another_run_begins_anew(desk):
    draw(desk)
    old = desk.engine.questions[-1]
    desk.state.model = model(2)
    desk.editing.begin(document=Document())
    desk.control.tick()
    answer(desk, old)
    assert "Needs a path" in desk.view.empty
    assert not desk.view.table.rows


# the cloud


def test_each_kind_is_drawn_in_the_cloud_while_the_panel_is_seen(desk):
    draw(desk)
    answer(desk)
    curves = dict(desk.cloud.scene.kinds.curves)
    assert list(curves) == list(FIRST_KINDS)
    np.testing.assert_allclose(curves["straight"][[0, -1]], [START, END], atol=1e-6)
    desk.view.hide()
    desk.control.tick()
    assert desk.cloud.scene.kinds is None


def test_the_row_under_the_mouse_comes_forward_in_the_cloud(desk):
    draw(desk)
    answer(desk)
    table = desk.view.table
    place = table.viewport().mapTo(desk.view, table.cell_rect(2, 1).center().toPoint())
    QTest.mouseMove(desk.view.windowHandle(), place)
    desk.control.tick()
    assert desk.cloud.scene.kinds.forward == "geodesic"
    QTest.mouseMove(desk.view.windowHandle(), QPoint(4, 4))
    desk.control.tick()
    assert desk.cloud.scene.kinds.forward == ""


def test_kinds_are_painted_and_follow_the_axes(desk):
    draw(desk)
    desk.cloud.repaint()
    before = desk.cloud.grab().toImage()
    answer(desk)
    assert desk.cloud.grab().toImage() != before
    first = desk.cloud.scene.kinds
    desk.state.display = Display(axes=type(desk.state.display.axes)("principal"))
    desk.control.tick()
    assert desk.cloud.scene.kinds is not first


# hands


def test_a_pressed_frame_moves_the_probe_there_as_one_step(desk):
    draw(desk)
    answer(desk)
    table = desk.view.table
    way = [table.viewport().mapTo(desk.view, table.frame_rect(1, n).center().toPoint()) for n in (4, 5, 6)]
    window = desk.view.windowHandle()
    QTest.mousePress(window, LEFT, pos=way[0])
    for place in way[1:]:
        QTest.mouseMove(window, place)
    QTest.mouseRelease(window, LEFT, pos=way[-1])
    points = reply(desk.engine.questions[-1], "spherical").points
    np.testing.assert_array_equal(desk.state.document.probe, points[6])
    assert desk.editing.undo_label == comparison.PROBE
    desk.editing.undo()
    assert desk.state.document.probe is None
    desk.control.tick()
    assert len(desk.engine.questions) == 1


def test_the_frame_at_which_the_probe_is_is_marked(desk):
    draw(desk)
    answer(desk)
    points = reply(desk.engine.questions[-1], "geodesic").points
    desk.editing.commit("move probe", probe=points[3])
    desk.control.tick()
    assert desk.view.table.mark == ("geodesic", 3)
    desk.editing.commit("move probe", probe=points[3] + 1)
    desk.control.tick()
    assert desk.view.table.mark is None


def test_a_click_on_a_name_makes_it_the_path_and_undo_brings_the_old_one_back(desk):
    draw(desk)
    before = desk.state.document.path
    answer(desk)
    table = desk.view.table
    names = table.verticalHeader()
    QTest.mouseClick(names.viewport(), LEFT, pos=QPoint(40, names.sectionViewportPosition(3) + 10))
    path = desk.state.document.path
    np.testing.assert_array_equal(path.control, reply(desk.engine.questions[0], "factor curve").points)
    assert path.recipe == Recipe("factor curve", START, END, "a")
    desk.control.tick()
    assert table.current == "factor curve"
    assert len(desk.engine.questions) == 1  # the same comparison goes on
    desk.editing.undo()
    assert desk.state.document.path is before


def test_a_joining_path_has_no_target(desk):
    draw(desk)
    answer(desk)
    desk.control.choose_target("b")
    desk.control.take("geodesic")
    assert desk.state.document.path.recipe == Recipe("geodesic", START, END)
    desk.control.tick()
    assert desk.engine.questions[-1].target == "b"


# the whole program


def test_the_engine_s_answer_stands_in_the_window(program, qtbot, tiny_run):
    explorer = program(tiny_run)
    qtbot.waitUntil(lambda: explorer.state.model is not None and explorer.state.embedding is not None, timeout=20_000)
    dock = explorer.window.docks["kinds"]
    assert dock.isHidden()
    explorer.window.actions_by_name["kinds"].trigger()
    qtbot.waitUntil(lambda: bool(explorer.kinds_view.empty))
    assert "Needs a path" in explorer.kinds_view.empty
    means = explorer.state.embedding
    explorer.editing.commit("draw path", path=LatentPath(means[[0, 1]]))
    table = explorer.kinds_view.table
    qtbot.waitUntil(lambda: len(filled(SimpleNamespace(view=explorer.kinds_view))) == 5, timeout=30_000)
    straight = table.rows[0].path
    assert straight is not None
    assert straight.images.shape == (FRAMES, 32, 32, 1)
    assert np.isclose(straight.latent_length, np.linalg.norm(means[1] - means[0]), rtol=1e-3)
    qtbot.waitUntil(lambda: explorer.cloud.scene.kinds is not None)
    QTest.mouseClick(table.viewport(), LEFT, pos=table.frame_rect(0, FRAMES - 1).center().toPoint())
    np.testing.assert_allclose(explorer.state.document.probe, means[1], atol=1e-6)
