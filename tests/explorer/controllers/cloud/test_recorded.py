"""A run of very many samples, of which only the first ones are encoded with the weights that are shown."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from event_loop import finish_look
from fake_engine import FakeEngine
from PySide6.QtWidgets import QLabel
from small_run import make_small_run

from core.projects.edited import Attributes, Group
from core.protocol.messages import EncodeSample
from core.runs.directory import RunDirectory, RunError
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.color_targets import values
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.cloud.recorded import RecordedController
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView

COUNT, FIRST = 60, 20


@pytest.fixture
def desk(qtbot, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A run of 60 samples is open that has recorded two epochs and the means of the first 20."""
    monkeypatch.setattr("core.runs.directory.MAX_PROBE", FIRST)
    run = make_small_run(tmp_path / "run", count=COUNT)
    means = run.read_embedding()
    for epoch in (1, 2, None):
        run.write_embedding(means[:FIRST], epoch)
    run.metrics_path.write_text(f"{json.dumps({'kind': 'epoch', 'epoch': 2, 'step': 5})}\n", encoding="utf-8")
    state, engine = State(), FakeEngine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    for widget in (cloud, points, image, probe_view):
        qtbot.addWidget(widget)
    context = Context(state, engine, points)  # pyright: ignore[reportArgumentType]
    open_run = OpenRun(context)
    probe = ProbeController(context, probe_view, image)
    control = CloudController(context, probe, cloud, points)
    controllers = open_run, probe, control, RecordedController(context, open_run, points)

    def look() -> None:
        for _ in range(2):  # epochs that are new are looked into at the next look
            finish_look(context.watcher)
        qtbot.waitUntil(lambda: not open_run.reading_epoch)
        control.tick()

    open_run.open(run.path)
    qtbot.waitUntil(lambda: not open_run.opening)
    look()
    label = points.findChild(QLabel, "points.recorded")
    yield SimpleNamespace(
        run=run, means=means, state=state, engine=engine, cloud=cloud, control=control, open_run=open_run, look=look,
        label=label, editing=context.editing, image=image, controllers=controllers, points=points,
    )  # fmt: skip
    context.watcher.watch(None)


def note(desk: SimpleNamespace) -> str:
    return desk.label.text() if desk.label.isVisibleTo(desk.points) else ""


def test_samples_without_a_mean_are_drawn_nowhere_and_counted_in_the_panel(desk):
    assert desk.cloud.point_count == len(desk.state.samples.indices) == FIRST
    assert note(desk) == "20 of 60 samples recorded with these weights. isoline encode RUN --fill adds the others."
    assert f"isoline encode {desk.run.path} --fill" in html.unescape(desk.label.toolTip())
    desk.state.training = "running"
    assert note(desk) == "20 of 60 samples recorded so far with the newest weights. A pause adds the others."
    desk.state.training = "paused"
    desk.run.write_embedding(desk.means[:40])
    desk.look()
    assert note(desk) == "40 of 60 samples recorded so far with the newest weights."
    desk.run.write_embedding(desk.means)
    desk.look()
    assert desk.cloud.point_count == len(desk.state.samples.indices) == COUNT
    assert note(desk) == ""


def test_the_newest_epoch_grows_on_screen_and_older_ones_say_that_they_do_not(desk):
    desk.state.training = "running"
    desk.run.write_embedding(desk.means[:40], 2)
    desk.look()
    assert note(desk).endswith("newest weights; 40 with those of epoch 2 (timeline). A pause adds the others.")
    desk.open_run.show_epoch(2)
    desk.look()
    assert desk.cloud.point_count == 40
    assert note(desk) == "40 of 60 samples recorded so far with the weights of epoch 2."
    desk.run.write_embedding(desk.means, 2)
    desk.look()
    assert desk.state.epoch == 2
    assert desk.cloud.point_count == COUNT
    assert note(desk) == ""
    desk.open_run.show_epoch(1)
    desk.look()
    assert desk.cloud.point_count == FIRST
    assert note(desk) == "20 of 60 samples are drawn: older epochs keep no more."


def test_what_was_made_with_more_samples_stays_when_fewer_are_drawn(desk):
    desk.run.write_embedding(desk.means)
    desk.look()
    desk.state.model = Model(desk.run.path, 3, 32, 1)
    desk.control._probe.choose(50)
    desk.control.select(np.array([5, 50]), False)
    groups = (Group("two", np.array([7, 59])),)
    measured = Attributes(("area",), np.arange(COUNT, dtype=float)[:, None])
    desk.editing.commit("measure", groups=groups, attributes=measured, color_by="area")
    desk.control.tick()
    desk.run.write_embedding(desk.means[:FIRST])
    desk.look()
    assert desk.cloud.point_count == FIRST
    assert desk.state.document.sample == 50
    np.testing.assert_array_equal(desk.state.document.probe, desk.means[50])
    assert desk.engine.of(EncodeSample)[-1].index == 100  # its image is that of the sample all the same
    assert values(desk.state, "area").tolist() == list(range(FIRST))  # pyright: ignore[reportOptionalMemberAccess]
    for name in ("groups", "area", "size"):
        desk.editing.follow(color_by=name)
        desk.control.tick()
        assert len(desk.control.colours) == FIRST
    desk.run.write_embedding(desk.means)
    desk.look()
    assert values(desk.state, "area").tolist() == list(range(COUNT))  # pyright: ignore[reportOptionalMemberAccess]
    assert len(desk.control.colours) == COUNT


def test_means_of_another_run_are_not_shown_as_its_first_samples(desk):
    problems: list[str] = []
    desk.open_run.error_occurred.connect(problems.append)
    desk.run.write_embedding(desk.means[: FIRST - 1])
    desk.look()
    assert desk.cloud.point_count == FIRST
    assert "holds means of 19 samples, and 60 samples" in problems[0]


def test_how_many_means_a_file_holds_is_told_by_its_header(desk):
    run: RunDirectory = desk.run
    assert [run.recorded_count(), run.recorded_count(1)] == [FIRST, FIRST]
    with pytest.raises(RunError, match=r"epoch-000009.npy does not exist"):
        run.recorded_count(9)
    run.embedding_path(1).write_bytes(b"\x93NUMPY no header")
    with pytest.raises(RunError, match=r"epoch-000001.npy is damaged"):
        run.recorded_count(1)
