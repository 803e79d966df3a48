"""Sessions in real windows: what is kept, when, where, and what comes back."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from event_loop import open_run
from PySide6.QtCore import QPointF, Qt
from sample_projects import whole_project
from small_run import make_small_run
from window_alone import window_alone
from window_driver import notice

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.paths.saved_paths import saved_names
from core.projects.archive import read_about, read_project
from core.projects.edited import Group
from core.projects.sessions import claim
from core.protocol.messages import PathTraced
from core.runs.directory import RunDirectory
from explorer.controllers.app.open_run import bundled_run
from explorer.controllers.app.session import Found, SessionController
from explorer.controllers.path.tracing import _Traced
from explorer.engine_client import EngineClient
from explorer.session_store import sessions_folder
from explorer.tour.input_events import drag

SINGLE_SHOT = Qt.ConnectionType.SingleShotConnection


@pytest.fixture
def run(tmp_path) -> Path:
    return make_small_run(tmp_path / "small", metadata={"created": str(tmp_path)}).path


@pytest.fixture
def resume(program, qtbot):
    """Opens another window, which continues where the last one was; it has no engine."""
    return lambda: _resumed(program(None), qtbot)


@pytest.fixture
def begin(program, qtbot):
    """Opens another window on a run, which continues nothing."""
    return lambda run: _begun(program(None), run, qtbot)


@pytest.fixture(scope="module")
def _window_of_the_file(qapp):
    with window_alone(qapp, EngineClient()) as explorer:
        explorer.show()
        yield explorer


@pytest.fixture
def again(_window_of_the_file, qtbot):
    """As ``begin`` with a run and ``resume`` with None, in the one window of the file: each takes a second to build."""
    explorer = _window_of_the_file

    def renew(run: Path | None):
        finish(explorer)
        explorer.session.store.listed.disconnect()
        explorer.window.earlier_chosen.disconnect()
        explorer.window.set_earlier(())
        explorer.open_run.run = None
        explorer.window.notice.clear()
        explorer.session = explorer._add(
            SessionController(
                explorer._context, explorer.open_run, explorer.cloud_control, explorer.tracing, explorer.compare
            )
        )
        return _resumed(explorer, qtbot) if run is None else _begun(explorer, run, qtbot)

    yield renew
    finish(explorer)


def _resumed(explorer, qtbot):
    explorer.session.resume()
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.cloud.point_count > 0)
    return explorer


def _begun(explorer, run: Path, qtbot):
    explorer.session.begin()
    open_run(explorer, run)
    qtbot.waitUntil(lambda: explorer.cloud.point_count == len(explorer.state.embedding))
    return explorer


def finish(explorer) -> None:
    """The session is closed, and on the disk."""
    explorer.session.shut_down()
    explorer.session.finish(60.0)


def end(explorer) -> None:
    explorer.window.close()


def crash(explorer) -> None:
    """Its session stays as that of a killed window does."""
    explorer.session._active = False
    explorer.window.close()


def work(explorer) -> None:
    """Something of every kind."""
    means = explorer.state.embedding
    explorer.probe.choose(7)
    explorer.cloud_control.select(np.array([3, 4, 5]), False)
    explorer.editing.commit("draw path", path=LatentPath(means[:4]))
    explorer.editing.commit("colour by size", color_by="size", colormap="cividis")
    explorer.editing.commit("group", groups=(Group("group 1", np.array([1, 2])),))
    explorer.editing.commit("notes", notes="a ring")
    explorer.editing.undo()
    explorer.cloud.set_camera({**explorer.cloud.camera(), "azimuth": 10.0, "distance": 20.0})
    explorer.state.mode = "edit"
    explorer.window.docks["probe"].hide()


def stored(explorer):
    """What the session on the disk holds, once all is written."""
    explorer.session.save()
    return lambda: explorer.session.store.idle


def arranged(project):
    return dataclasses.replace(project, window=None)


def same(first, second) -> bool:
    from core.projects.archive import ProjectWriter

    writer = ProjectWriter()
    return writer.content(arranged(first)) == writer.content(arranged(second))


def test_everything_is_there_at_the_next_start(begin, resume, run):
    first = begin(run)
    work(first)
    before = first.session.snapshot()
    end(first)
    second = resume()
    assert second.open_run.run.path == run
    assert same(second.session.snapshot(), before)
    assert second.cloud.camera()["azimuth"] == 10.0
    assert second.editing.undo_label == "group"
    assert second.editing.redo_label == "notes"
    second.editing.redo()
    assert second.state.notes == "a ring"
    assert second.window.docks["probe"].isHidden()
    assert len(list(sessions_folder().glob("*.isoline"))) == 1
    assert notice(second) == ""


def test_the_whole_cloud_stays_in_sight_whatever_a_training_has_made_of_it(again, run, qtbot):
    explorer = again(run)
    explorer.cloud.look_from(10.0, 20.0)
    explorer.cloud_control.select(np.array([1]), False)
    finish(explorer)
    for file in (run / "embeddings").glob("*.npy"):
        np.save(file, np.load(file) / 1000)
    second = again(None)
    assert abs(second.state.embedding).max() < 0.1
    camera = second.cloud.camera()
    assert (camera["azimuth"], camera["elevation"]) == (10.0, 20.0)
    assert second.cloud.scene.left_view is False
    inside = second.cloud.screen_positions()[:, :2]
    assert ((inside > 0) & (inside < [second.cloud.width(), second.cloud.height()])).all()


def test_the_second_run_and_how_a_path_was_traced_are_there_at_the_next_start(again, run, tmp_path, qtbot):
    explorer = again(run)
    other = make_small_run(tmp_path / "other", weights=False, metadata={"created": "other"}).path
    explorer.compare.open(str(other))
    qtbot.waitUntil(lambda: explorer.compare.run is not None)
    explorer.compare_view.kind_chosen.emit("latent")
    start, end = explorer.state.embedding[:2]
    path = LatentPath(np.stack([start, end]), recipe=Recipe("geodesic", start, end))
    explorer.tracing._traced[path] = _traced_between(path, (0, 1))
    explorer.editing.commit("trace geodesic", path=path)
    before = explorer.session.snapshot()
    finish(explorer)
    explorer.tracing._traced.clear()
    explorer.compare.close()
    explorer.compare.choose_kind("image")
    second = again(None)
    assert second.compare.kind == "latent"
    assert same(second.session.snapshot(), before), "while the second run is being opened, too"
    qtbot.waitUntil(lambda: second.compare.run is not None and second.compare.run.path == other)
    assert same(second.session.snapshot(), before)
    open_run(second, run)
    qtbot.waitUntil(lambda: second.session.ready)
    assert same(second.session.snapshot(), before), "the same run opened again is compared with it still"
    known = second.tracing._known(second.state.document.path)
    assert (known.samples, known.answer.note, known.answer.off_share) == ((0, 1), "it goes around a gap", 0.5)
    finish(second)
    second.compare.close()
    other.rename(tmp_path / "moved")
    third = again(None)
    assert f"The run that this one was compared with, {other}, was not found" in notice(third)
    assert third.session.snapshot().second == before.second, "until a person says where it is now"
    assert third.compare_view.title.text() == "other (not found)"
    third.compare_view.locate_requested.emit(str(run))
    qtbot.waitUntil(lambda: "holds another run than the one" in third.compare_view.message.text())
    third.compare_view.locate_requested.emit(str(tmp_path / "moved"))
    qtbot.waitUntil(lambda: third.compare.run is not None)
    assert third.compare_view.title.text() == "moved"
    assert Path(third.session.snapshot().second.path) == tmp_path / "moved"


def _traced_between(path: LatentPath, samples: tuple[int, int]) -> _Traced:
    answer = PathTraced(
        kind="geodesic",
        points=path.control,
        stage="polished",
        labels=np.zeros((2, 0)),
        names=(),
        flagged=np.array([True, False]),
        note="it goes around a gap",
        milliseconds=1.0,
    )
    return _Traced(samples, 0, answer)


def test_after_a_crash_the_same_is_there_and_a_line_says_so(begin, resume, run, qtbot):
    first = begin(run)
    work(first)
    before = first.session.snapshot()
    qtbot.waitUntil(stored(first))
    crash(first)
    second = resume()
    assert same(second.session.snapshot(), before)
    assert notice(second).startswith("Isoline did not close properly last time. All is as it was at ")


def test_without_its_run_the_session_stays_and_can_be_gone_on_with(again, run, tmp_path, qtbot):
    explorer = again(run)
    work(explorer)
    before = explorer.session.snapshot()
    finish(explorer)
    (file,) = sessions_folder().glob("*.isoline")
    content = file.read_bytes()
    os.rename(run, tmp_path / "elsewhere")
    second = again(None)
    assert second.open_run.run.path == bundled_run()
    assert f"{run}, the run that was open last, is gone" in notice(second)
    assert str(file) in notice(second)
    second.session.save()
    qtbot.waitUntil(lambda: second.session.store.idle)
    assert list(sessions_folder().glob("*.isoline")) == [file]
    second.cloud_control.select(np.array([1]), False)
    qtbot.waitUntil(lambda: len(list(sessions_folder().glob("*.isoline"))) == 2)
    assert file.read_bytes() == content
    second.window.notice.clear()
    asked = []
    second.session.unlocated.connect(asked.append)
    second.session.open_earlier(file)
    qtbot.waitUntil(lambda: bool(asked))
    assert notice(second) == "", "a person is asked where the run is: that says all"
    os.rename(tmp_path / "elsewhere", run)
    second.session.open_earlier(file)
    qtbot.waitUntil(lambda: second.open_run.run.path == run and second.session.ready)
    assert same(second.session.snapshot(), before)


def test_a_session_with_nothing_in_it_does_not_displace_another(again, run, tmp_path):
    finish(again(run))
    (file,) = sessions_folder().glob("*.isoline")
    shutil.move(run, tmp_path / "elsewhere")
    finish(again(None))
    assert list(sessions_folder().glob("*.isoline")) == [file]
    assert again(None).window.earlier_menu.actions() == [], "nobody looks for a session in which nothing was made"


def test_two_windows_have_a_session_each(begin, again, run, qtbot):
    first, second = again(run), begin(run)
    first.cloud_control.select(np.array([1]), False)
    second.cloud_control.select(np.array([2, 3]), False)
    for explorer in (first, second):
        qtbot.waitUntil(stored(explorer))
    assert first.session.store.path != second.session.store.path
    assert read_project(first.session.store.path).edited.selected.positions.tolist() == [1]
    assert read_project(second.session.store.path).edited.selected.positions.tolist() == [2, 3]
    assert claim(first.session.store.path) is None
    first.session.list_earlier()  # as the File menu does when it opens
    listed = first.window.earlier_menu.actions
    qtbot.waitUntil(lambda: [action.text().endswith("open in another window") for action in listed()] == [True])
    assert not listed()[0].isEnabled()
    finish(first)
    end(second)
    assert again(None).state.selected.tolist() == [2, 3]


def test_two_windows_on_one_run_both_follow_steer_and_save(begin, again, run, qtbot):
    windows = again(run), begin(run)
    directory = RunDirectory.open(run)
    means = directory.read_embedding() + np.float32(1.0)
    directory.write_embedding(means)
    for explorer in windows:
        qtbot.waitUntil(lambda explorer=explorer: np.array_equal(explorer.state.embedding, means))
    for explorer in windows:
        explorer.training.step()
        explorer.editing.commit("draw path", path=LatentPath(means[:3]))
    qtbot.waitUntil(lambda: directory.read_control().steps == 2)
    for name, explorer in zip(("one", "two"), windows, strict=True):
        explorer.saved_paths.save(name)
    qtbot.waitUntil(lambda: sorted(saved_names(run)) == ["one", "two"])


def test_another_run_begins_another_session_and_the_earlier_one_opens_from_the_menu(again, run, tmp_path, qtbot):
    explorer = again(run)
    work(explorer)
    before = explorer.session.snapshot()
    other = make_small_run(tmp_path / "other", dim=4, weights=False, metadata={"created": "later"}).path
    open_run(explorer, other)
    qtbot.waitUntil(lambda: len(explorer.window.earlier_menu.actions()) == 1)
    (action,) = explorer.window.earlier_menu.actions()
    assert action.text().endswith(f"small · {len(before.steps) - 1} steps")
    assert read_about(Path(action.toolTip())).ended == "left"
    explorer.cloud_control.select(np.array([9]), False)  # else there is nothing to list
    action.trigger()
    qtbot.waitUntil(lambda: explorer.open_run.run.path == run and explorer.session.ready)
    assert same(explorer.session.snapshot(), before)
    qtbot.waitUntil(lambda: ["· other ·" in each.text() for each in explorer.window.earlier_menu.actions()] == [True])


def test_the_same_run_opened_again_keeps_what_was_made(again, run, qtbot):
    explorer = again(run)
    work(explorer)
    before = explorer.session.snapshot()
    open_run(explorer, run)
    qtbot.waitUntil(lambda: explorer.session.ready)
    assert same(explorer.session.snapshot(), before)


def test_a_gesture_is_on_the_disk_at_its_end_and_the_rest_soon(again, run, qtbot):
    explorer = again(run)
    qtbot.waitUntil(stored(explorer))
    saved = []
    explorer.session.store.saved.connect(saved.append)
    explorer.session._timer.setInterval(1_000_000)
    view = explorer.cloud
    for _ in drag(view, [QPointF(100.0 + 10 * step, 100.0) for step in range(9)]):
        pass
    qtbot.waitUntil(lambda: bool(saved) and saved[-1].camera.azimuth == view.camera()["azimuth"])
    explorer.session._timer.setInterval(10)
    explorer.state.mode = "select"
    qtbot.waitUntil(lambda: saved[-1].mode == "select")


def test_a_folder_that_cannot_be_written_is_said_once_and_tried_again(again, run, qtbot, monkeypatch):
    from explorer.controllers.app import session

    explorer = again(run)
    qtbot.waitUntil(stored(explorer))
    store, file = explorer.session.store, explorer.session.store.path
    explorer.session._again.setInterval(50)
    monkeypatch.setattr("core.projects.archive.atomic_file", _full_disk)
    told = []
    explorer.session.error_occurred.connect(told.append)
    for position in range(3):
        explorer.cloud_control.select(np.array([position]), False)
        qtbot.waitUntil(lambda: store.idle)
    qtbot.waitUntil(lambda: len(told) == 1)
    assert "cannot be kept in" in notice(explorer)
    assert "No space left on device" in notice(explorer)
    monkeypatch.undo()
    qtbot.waitUntil(lambda: read_project(file).edited.selected is not None)
    assert read_project(file).edited.selected.positions.tolist() == [2]
    assert len(told) == 1
    assert session.AGAIN_MS <= 10_000


def _full_disk(path):
    raise OSError(28, "No space left on device")


def test_what_does_not_fit_its_run_is_not_shown_and_not_lost(again, run, tmp_path, qtbot):
    explorer = again(run)
    work(explorer)
    finish(explorer)
    (file,) = sessions_folder().glob("*.isoline")
    content = file.read_bytes()
    shutil.rmtree(run)
    make_small_run(run, count=6, weights=False, metadata={"created": str(tmp_path)})
    second = again(None)
    assert "is not shown, because it is about" in notice(second)
    assert str(file) in notice(second)
    second.cloud_control.select(np.array([1]), False)
    qtbot.waitUntil(lambda: len(list(sessions_folder().glob("*.isoline"))) == 2)
    assert file.read_bytes() == content


def test_a_training_that_goes_on_comes_first(again, run, tmp_path, monkeypatch):
    from core.runs.directory import RunDirectory

    trained = make_small_run(tmp_path / "trained", weights=False, metadata={"created": "now"}).path
    explorer = again(run)
    work(explorer)
    explorer.session.note_training(trained)
    finish(explorer)
    status = RunDirectory.status
    monkeypatch.setattr(RunDirectory, "status", lambda self: "running" if self.path == trained else status(self))
    second = again(None)
    assert second.open_run.run.path == trained
    assert second.editing.undo_label is None
    finish(second)
    monkeypatch.undo()


def test_a_value_of_every_kind_is_shown_as_it_was_kept(again, run, qtbot):
    explorer = again(run)
    project = dataclasses.replace(whole_project(), epoch=None, file="", window=None)
    first, second = project.steps
    trace = dataclasses.replace(second.edited.trace, held=("area",))  # a number, which this run's samples have
    second = dataclasses.replace(second, edited=dataclasses.replace(second.edited, trace=trace))
    project = dataclasses.replace(project, steps=(first, second))
    explorer.session.show(Found(project, run))
    qtbot.waitUntil(lambda: explorer.session.ready)
    explorer.redraw()  # all who follow have seen it
    shown = explorer.session.snapshot()
    assert [step.label for step in shown.steps] == ["", "colour by class"]
    state, edited = explorer.state, project.edited
    assert (state.mode, state.gridlines_shown, state.notes) == ("trace", True, edited.notes)
    assert (state.document.path, state.document.cursor) == (edited.document.path, edited.document.cursor)
    assert (state.display, state.trace, state.hidden) == (edited.display, edited.trace, edited.hidden)
    assert state.selected.tolist() == [1, 5, 59]
    assert [group.name for group in state.groups] == ["group 1", "größte"]
    assert state.playback == dataclasses.replace(edited.playback, position=0.5)
    explorer.editing.undo()
    assert explorer.state.document.sample == 3


def test_an_epoch_that_is_still_being_read_is_the_one_that_is_kept(again, run, qtbot):
    stored = RunDirectory.open(run)
    stored.write_embedding(stored.newest_embedding(), 0)
    explorer = again(run)
    explorer.open_run.show_epoch(0)
    assert (explorer.state.epoch, explorer.session.snapshot().epoch) == (None, 0)
    qtbot.waitUntil(lambda: explorer.state.epoch == 0)
    explorer.open_run.show_epoch(None)
    assert (explorer.state.epoch, explorer.session.snapshot().epoch) == (0, None)
    qtbot.waitUntil(lambda: explorer.state.epoch is None)


def test_whether_the_next_start_continues_is_a_tick_in_the_menu(again, run):
    explorer = again(run)
    action = explorer.window.actions_by_name["resume"]
    before = explorer.settings.resumes
    assert action.isChecked() is before
    action.trigger()
    assert explorer.settings.resumes is not before
    assert action.isChecked() is not before
    action.trigger()


def test_a_window_that_was_not_told_to_begin_keeps_nothing(program, run, qtbot):
    explorer = program(None)
    open_run(explorer, run)
    qtbot.waitUntil(lambda: explorer.cloud.point_count > 0)
    work(explorer)
    end(explorer)
    assert not sessions_folder().exists()


def test_a_run_that_is_opened_again_before_its_cloud_is_there_has_a_probe(again, run, tmp_path, qtbot):
    other = Path(shutil.copytree(run, tmp_path / "other"))
    explorer = again(run)
    explorer.open_run.opened.connect(lambda _: explorer.open_run.open(other), SINGLE_SHOT)
    explorer.open_run.open(other)
    qtbot.waitUntil(lambda: explorer.state.embedding is None)
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.state.embedding is not None)
    assert explorer.state.document.probe is not None
