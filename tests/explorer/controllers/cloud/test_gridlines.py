"""Gridlines in the program: laid by one key, laid again while a training goes on, never in the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from window_driver import press

from core.projects.edited import Attributes, Axes
from core.protocol.messages import ComputeGridlines, Failed, GridlinesComputed, WeightsChanged
from core.runs.directory import ProbeSet
from explorer.controllers.cloud import gridlines as net_module
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.gridlines import GridlinesController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

WAIT = 30_000


class Engine(FakeEngine):
    """Keeps what is asked; answers when told to."""

    @property
    def nets(self) -> list[ComputeGridlines]:
        return self.of(ComputeGridlines)

    def answer(self, dims: int = 3, note: str = "", request: ComputeGridlines | None = None) -> None:
        """Two lines of three points, one of each family."""
        request = request or self.nets[-1]
        self.deliver(
            GridlinesComputed(
                stamp=request.stamp,
                families=request.families,
                points=np.arange(6 * dims, dtype=np.float32).reshape(6, dims),
                starts=np.array([0, 3, 6]),
                family=np.array([0, 1]),
                values=np.array([0.5, 1.5]),
                note=note,
                milliseconds=12.4,
            )
        )


def _samples(names: tuple[str, ...] = ("scale", "depth")) -> ProbeSet:
    factors = np.random.default_rng(0).random((50, len(names))).astype(np.float32)
    return ProbeSet(np.arange(50), factors, names, np.zeros((50, 32, 32, 1), np.uint8), np.zeros(50, np.uint8))


@pytest.fixture
def made(qtbot, monkeypatch) -> SimpleNamespace:
    monkeypatch.setattr(net_module, "PAUSE_S", 0.0)
    state, engine = State(), Engine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    for widget in (cloud, points, image, probe_view):
        qtbot.addWidget(widget)
    context = Context(state, engine, points)  # pyright: ignore[reportArgumentType]
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    control = GridlinesController(context, cloud_control)

    def tick() -> None:
        cloud_control.tick()
        control.tick()

    return SimpleNamespace(
        state=state, engine=engine, cloud=cloud, control=control, tick=tick, net=lambda: cloud.scene.gridlines
    )


def _open(made: SimpleNamespace, samples: ProbeSet | None = None, dims: int = 3) -> None:
    made.state.samples = _samples() if samples is None else samples
    made.state.embedding = np.random.default_rng(1).normal(size=(50, dims)).astype(np.float32)
    made.state.model = Model(Path("run"), dims, 32, 1)
    made.tick()


@pytest.fixture
def laid(made) -> SimpleNamespace:
    _open(made)
    made.control.toggle()
    made.tick()
    made.engine.answer()
    made.tick()
    return made


def _train(made: SimpleNamespace) -> None:
    """The run writes other means and weights."""
    made.state.embedding = made.state.embedding + np.float32(0.1)
    made.engine.deliver(WeightsChanged(step=1))
    made.tick()


def test_nothing_is_asked_until_it_is_wanted(made):
    _open(made)
    assert made.engine.nets == []
    made.control.toggle()
    made.tick()
    assert [request.families for request in made.engine.nets] == [("scale", "depth")]
    assert "Tracing" in made.state.message


def test_the_answer_is_drawn_and_told_in_the_status_line(laid):
    assert laid.net().names == ("scale", "depth")
    np.testing.assert_array_equal(laid.net().points, np.arange(18).reshape(6, 3))
    assert laid.state.message == "Gridlines of scale and depth: 2 lines in 12 ms"


def test_it_goes_and_comes_back_at_once(laid):
    laid.control.toggle()
    laid.tick()
    assert laid.net() is None
    laid.control.toggle()
    laid.tick()
    assert laid.net() is not None
    assert len(laid.engine.nets) == 1


def test_a_training_has_it_laid_again_one_at_a_time(laid):
    _train(laid)
    _train(laid)
    assert len(laid.engine.nets) == 2
    assert laid.net() is not None  # the one before stays until the new one comes
    laid.engine.answer()
    laid.tick()
    assert len(laid.engine.nets) == 3  # what changed on the way
    laid.engine.answer()
    laid.tick()
    laid.tick()
    assert len(laid.engine.nets) == 3


def test_a_training_has_it_laid_at_most_once_a_second(laid, monkeypatch):
    monkeypatch.setattr(net_module, "PAUSE_S", 1.0)
    now = [monotonic() + 100.0]
    monkeypatch.setattr(net_module, "monotonic", lambda: now[0])
    asked = []
    for _ in range(40):
        now[0] += 0.1
        _train(laid)
        asked.append(len(laid.engine.nets))
        laid.engine.answer()
    assert asked[-1] - asked[0] == 3


def test_nothing_is_laid_again_while_it_is_hidden(laid):
    laid.control.toggle()
    _train(laid)
    assert len(laid.engine.nets) == 1
    laid.control.toggle()
    laid.tick()
    assert len(laid.engine.nets) == 2


def test_laying_again_says_nothing_but_news(laid):
    laid.state.message = "Exported path.gif"
    _train(laid)
    laid.engine.answer()
    assert laid.state.message == "Exported path.gif"
    _train(laid)
    laid.engine.answer(note="depth has gaps")
    assert laid.state.message == "Gridlines of scale and depth: depth has gaps"
    for lines in (5, 9):
        _train(laid)
        laid.engine.answer(note=f"{lines} of 14 lines could not be laid")
    assert "5 of 14" in laid.state.message


def test_answers_that_are_out_of_date_are_dropped(laid):
    _train(laid)
    laid.state.plane = (1, 0)
    laid.tick()
    old, new = laid.engine.nets[-2:]
    laid.engine.answer(request=old)
    laid.tick()
    assert laid.net() is None
    laid.engine.answer(request=new)
    laid.tick()
    assert laid.net().names == ("depth", "scale")


def test_the_plane_chooses_among_many_factors(made):
    _open(made, _samples(("shape", "scale", "angle")))
    made.state.plane = (2, 1)
    made.control.toggle()
    made.tick()
    assert made.engine.nets[-1].families == ("angle", "scale")


def test_they_run_on_a_surface_of_the_chosen_dimension(laid):
    laid.state.trace = dataclasses.replace(laid.state.trace, kind="straight")
    laid.tick()
    assert len(laid.engine.nets) == 1
    laid.state.trace = dataclasses.replace(laid.state.trace, dimension=2)
    laid.tick()
    assert [net.dimension for net in laid.engine.nets] == [0, 2]
    laid.engine.answer()
    laid.control.toggle()
    laid.state.trace = dataclasses.replace(laid.state.trace, dimension=None)
    laid.tick()
    laid.control.toggle()
    laid.tick()
    assert [net.dimension for net in laid.engine.nets] == [0, 2, 0]


def test_lines_on_a_surface_of_another_dimension_are_not_shown_as_those_that_are_wanted(laid):
    laid.state.trace = dataclasses.replace(laid.state.trace, dimension=2)
    laid.tick()
    assert not laid.control.complete
    assert laid.net() is None
    assert "Tracing" in laid.state.message
    laid.engine.answer()
    laid.tick()
    assert laid.control.complete
    assert laid.net() is not None
    assert laid.state.message == "Gridlines of scale and depth: 2 lines in 12 ms"


def test_a_factor_that_does_not_vary_is_passed_over(made):
    samples = _samples(("colour", "shape", "scale"))
    samples.factors[:, 0] = 1.0
    _open(made, samples)
    made.control.toggle()
    made.tick()
    assert made.engine.nets[-1].families == ("shape", "scale")


@pytest.mark.parametrize(
    ("names", "said"),
    [((), "none are known"), (("scale",), "only scale is known")],
)
def test_too_few_factors_are_told_of(made, names: tuple[str, ...], said: str):
    _open(made, _samples(names))
    made.control.toggle()
    made.tick()
    assert said in made.state.message
    assert made.engine.nets == []
    made.state.message = "Exported path.gif"
    _train(made)
    assert made.state.message == "Exported path.gif"  # once is enough


def test_an_attribute_can_be_the_second_factor(made):
    _open(made, _samples(("scale",)))
    made.control.toggle()
    made.tick()
    made.state.attributes = Attributes(("area",), np.random.default_rng(2).random((50, 1)))
    made.tick()
    assert made.engine.nets[-1].families == ("scale", "area")


def test_one_latent_dimension_has_no_net(made):
    _open(made, dims=1)
    made.control.toggle()
    made.tick()
    assert "two latent dimensions" in made.state.message
    assert made.engine.nets == []


def test_an_older_epoch_hides_it(laid):
    laid.state.epoch = 3
    laid.tick()
    assert laid.net() is None
    assert "newest cloud" in laid.state.message
    laid.state.epoch = None
    laid.tick()
    assert laid.net() is not None


def test_other_axes_turn_it_with_the_cloud(laid):
    laid.state.display = dataclasses.replace(laid.state.display, axes=Axes(dimensions=(2, 1, 0)))
    laid.tick()
    np.testing.assert_array_equal(laid.net().points, np.arange(18).reshape(6, 3)[:, ::-1])


@pytest.mark.parametrize("dims", [2, 8])
def test_any_number_of_dimensions_is_drawn(made, dims: int):
    _open(made, dims=dims)
    made.control.toggle()
    made.tick()
    made.engine.answer(dims)
    made.tick()
    assert made.net().points.shape == (6, 3)


def test_another_run_begins_anew(laid):
    laid.state.model = None
    laid.state.embedding = None
    laid.tick()
    assert laid.net() is None
    _open(laid, _samples(("x", "y")), dims=4)
    assert laid.engine.nets[-1].families == ("x", "y")
    laid.engine.answer(4)
    laid.tick()
    assert laid.net().names == ("x", "y")


def test_a_net_that_fails_is_tried_again_with_other_means_but_not_every_second(laid, monkeypatch):
    now = [monotonic() + 100.0]
    monkeypatch.setattr(net_module, "monotonic", lambda: now[0])
    _train(laid)
    laid.engine.deliver(Failed(stamp=laid.engine.nets[-1].stamp, message="no"))
    laid.tick()
    assert laid.net() is None
    count = len(laid.engine.nets)
    _train(laid)
    assert len(laid.engine.nets) == count
    now[0] += net_module.RETRY_S
    laid.tick()
    assert len(laid.engine.nets) == count + 1


def test_an_engine_that_was_started_again_is_asked_again(laid):
    _train(laid)
    laid.engine.die(deaths=2)
    laid.tick()
    assert len(laid.engine.nets) == 2
    laid.engine.loaded.emit(None)
    laid.tick()
    assert len(laid.engine.nets) == 3


# the whole program


def test_one_key_lays_the_net_over_the_cloud_and_takes_it_away(reopened, qtbot):
    press(reopened, "G")
    action = reopened.window.actions_by_name["gridlines"]
    assert action.isChecked()
    qtbot.waitUntil(lambda: reopened.cloud.scene.gridlines is not None, timeout=WAIT)
    assert reopened.cloud.scene.gridlines.names == ("a", "b")
    assert len(np.unique(reopened.cloud.scene.gridlines.values[reopened.cloud.scene.gridlines.family == 0])) > 3
    press(reopened, "G")
    qtbot.waitUntil(lambda: reopened.cloud.scene.gridlines is None, timeout=WAIT)
    assert not action.isChecked()


def test_the_key_works_over_the_cloud_and_its_button_shows_it(reopened, qtbot):
    reopened.cloud.setFocus()
    QTest.keyClick(reopened.cloud, Qt.Key.Key_G)
    assert reopened.state.gridlines_shown
    button = reopened.window.toolbar.widgetForAction(reopened.window.actions_by_name["gridlines"])
    assert button.isChecked()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert not reopened.state.gridlines_shown
