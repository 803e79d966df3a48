"""Paths kept with a run: saved, opened, renamed and deleted by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from event_loop import process_events_until
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QMenu, QMessageBox, QPushButton

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.paths.saved_paths import SavedPath, load_path, save_path, saved_names
from core.projects.edited import Document, Speed
from core.protocol.messages import DecodePath, PathFrames, WeightsChanged
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.path import playback
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.path.saved_paths import SavedPathsController
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.path import PathView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.views.saved_paths import NameDialog
from explorer.widgets.theme import DARK, LIGHT

SIZE, DIMS = 32, 3


class Engine(FakeEngine):
    """Keeps what is asked; answers when told to."""

    def answer(self) -> None:
        """The newest path, whole: each image as bright as its latent is far from the middle, squared."""
        request = next(r for r in reversed(self.asked) if isinstance(r, DecodePath))
        level = np.clip(20.0 * (request.z**2).sum(axis=1), 0, 255).astype(np.uint8)
        images = np.broadcast_to(level[:, None, None, None], (len(level), SIZE, SIZE, 1)).copy()
        self.deliver(PathFrames(stamp=request.stamp, start=0, total=len(level), images=images))


class OpenRun(QObject):
    """Knows which run is open."""

    opened = Signal(object)

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.run = SimpleNamespace(path=run)


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def made(qtbot, monkeypatch, run) -> SimpleNamespace:
    monkeypatch.setattr(playback, "EDIT_PAUSE_S", 0.0)
    monkeypatch.setattr(playback, "WEIGHTS_PAUSE_S", 0.0)
    state, engine, open_run = State(), Engine(), OpenRun(run)
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    path, film = PathView(), FilmstripView()
    for widget in (cloud, points, image, probe_view, path, film):
        qtbot.addWidget(widget)
    context = Context(state, engine, path)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    play = PlaybackController(context, cloud_control, path, film, image)
    control = SavedPathsController(context, open_run, play, path.saved)  # pyright: ignore[reportArgumentType]
    errors: list[str] = []
    control.error_occurred.connect(errors.append)
    control.refused.connect(errors.append)
    path.resize(720, 190)
    path.show()
    state.model = Model(run, DIMS, SIZE, 1)
    state.embedding = np.random.default_rng(3).normal(size=(40, DIMS)).astype(np.float32)
    return SimpleNamespace(
        state=state,
        engine=engine,
        open_run=open_run,
        editing=editing,
        view=path,
        button=path.saved,
        playback=play,
        control=control,
        errors=errors,
    )


def some_path(made: SimpleNamespace, count: int = 4) -> LatentPath:
    return LatentPath(made.state.embedding[np.linspace(0, 39, count).astype(int)])


def draw(made: SimpleNamespace, path: LatentPath, frames: int = 12, speed: Speed = Speed.LATENT) -> None:
    made.view.frames_changed.emit(frames)
    made.view.unit_changed.emit(speed.value)
    made.editing.commit("draw path", path=path)


def decode(made: SimpleNamespace) -> None:
    """Let everything that is due be asked for and answered."""
    for _ in range(4):
        made.playback.tick()
        if any(isinstance(request, DecodePath) for request in made.engine.asked):
            made.engine.answer()
    settle(made)


def settle(made: SimpleNamespace) -> None:
    """Wait until files have been read and written."""
    process_events_until(lambda: not made.control._files.busy)


def dialog(made: SimpleNamespace, kind: type):
    return next(d for d in made.view.findChildren(kind) if d.isVisible())


def save_as(made: SimpleNamespace, name: str) -> None:
    menu(made).actions()[0].trigger()
    field = dialog(made, NameDialog).findChild(QLineEdit)
    field.selectAll()
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(made)


def menu(made: SimpleNamespace) -> QMenu:
    made.button.opening.emit()
    settle(made)
    return made.button.menu()


def choose(made: SimpleNamespace, verb: str, name: str) -> None:
    action = menu(made).findChild(QAction, f"path.saved.{verb}.{name}")
    assert action is not None
    action.trigger()
    settle(made)


@pytest.mark.parametrize("speed", [Speed.LATENT, Speed.IMAGE])
def test_the_latents_of_the_frames_are_saved(made, run, speed):
    draw(made, some_path(made), speed=speed)
    decode(made)
    save_as(made, "curve")
    saved = load_path(run, "curve")
    np.testing.assert_array_equal(saved.latents, made.engine.asked[-1].z)
    assert saved.speed == speed.value
    assert saved.path == made.state.document.path
    assert made.state.message == "Saved curve, 12 frames"


def test_frames_of_another_number_or_of_old_weights_do_not_decide_where_they_are(made):
    draw(made, some_path(made), frames=12, speed=Speed.IMAGE)
    decode(made)
    alone = made.playback.latents
    made.view.frames_changed.emit(40)
    made.playback.tick()
    made.view.frames_changed.emit(12)
    made.engine.answer()  # to what was asked for 40
    decode(made)
    np.testing.assert_array_equal(made.playback.latents, alone)
    made.engine.deliver(WeightsChanged(step=9))
    made.engine.answer()  # to what was asked of the weights before
    decode(made)
    np.testing.assert_array_equal(made.playback.latents, alone)


def test_a_path_whose_weights_change_faster_than_it_is_decoded_is_finished_each_time(made):
    draw(made, some_path(made), speed=Speed.IMAGE)
    made.playback.tick()
    for passes in (1, 2):  # evenly in latent length, then in the image length that was measured
        made.engine.deliver(WeightsChanged(step=passes))
        made.playback.tick()
        assert len(made.engine.of(DecodePath)) == passes  # it does not begin again
        made.engine.answer()
        assert made.playback.decoded is not None
        assert (made.playback.latents is not None) == (passes == 2)  # only then it can be saved
        made.engine.deliver(WeightsChanged(step=10 + passes))
        made.playback.tick()
    decode(made)
    assert len(made.engine.of(DecodePath)) == 4  # once more, both, of the last weights
    assert made.playback.decoded is not None


def test_opening_a_path_is_one_step_that_can_be_undone(made, qtbot):
    first, second = some_path(made, 3), some_path(made, 5)
    draw(made, first)
    save_as(made, "first")
    made.editing.commit("draw path", path=second)
    choose(made, "open", "first")
    assert made.state.document.path == first
    assert made.editing.undo_label == "open first"
    made.editing.undo()
    assert made.state.document.path == second
    made.editing.redo()
    assert made.state.document.path == first


def test_how_a_path_was_computed_is_saved_with_it(made, run, qtbot):
    ends = made.state.embedding[[0, 5]]
    draw(made, LatentPath(ends, recipe=Recipe("straight", ends[0], ends[1])))
    save_as(made, "line")
    assert load_path(run, "line").path.recipe == Recipe("straight", ends[0], ends[1])


def test_a_path_at_image_speed_is_saved_once_that_is_known(made, run, qtbot):
    draw(made, some_path(made), speed=Speed.IMAGE)
    made.control.save("later")  # before the first frame has come back
    assert made.playback.latents is None
    assert saved_names(run) == []
    decode(made)
    assert saved_names(run) == ["later"]
    np.testing.assert_array_equal(load_path(run, "later").latents, made.playback.latents)


def test_a_path_that_another_window_saves_meanwhile_under_the_same_name_stays(made, run, qtbot):
    refusals: list[str] = []
    made.control.refused.connect(refusals.append)
    draw(made, some_path(made))
    theirs = SavedPath("mine", some_path(made, 5), "latent", some_path(made, 5).resample(3))
    save_path(run, theirs)
    made.control.save("mine")
    settle(made)
    assert made.control.current == "mine (2)"
    assert load_path(run, "mine").frames == 3
    assert refusals == ["The path was saved as mine (2): another window or program has saved one named mine meanwhile."]


def test_a_path_that_changes_before_its_image_speed_is_known_is_not_saved(made, run, qtbot):
    draw(made, some_path(made), speed=Speed.IMAGE)
    made.control.save("later")
    made.editing.commit("draw path", path=some_path(made, 5))
    assert "later was not saved" in made.errors[-1]
    decode(made)
    assert saved_names(run) == []


def test_a_name_is_validated_while_it_is_typed(made, run, qtbot):
    draw(made, some_path(made))
    save_as(made, "mine")
    made.control.ask_save()
    asked = dialog(made, NameDialog)
    field, message = asked.findChild(QLineEdit), asked.findChild(QLabel, "dialog.name.message")
    accept = asked.findChild(QPushButton, "dialog.name.accept")
    assert field.text() == "mine"  # the path that there is was saved under this name
    assert "Replaces the saved path mine" in message.text()
    field.clear()
    assert not accept.isEnabled()
    QTest.keyClicks(field, "a/b")
    assert not accept.isEnabled()
    assert "'/'" in message.text()
    QTest.keyClick(field, Qt.Key.Key_Escape)
    assert saved_names(run) == ["mine"]


def test_the_menu_lists_what_is_saved_and_marks_what_is_open(made, qtbot):
    draw(made, some_path(made, 3))
    save_as(made, "b & c")
    made.editing.commit("draw path", path=some_path(made, 4))
    save_as(made, "Alpha")
    texts = {action.text(): action for action in menu(made).actions()}
    assert [text for text in texts if text in ("Alpha", "b && c")] == ["Alpha", "b && c"]
    assert texts["Alpha"].isChecked()
    assert not texts["b && c"].isChecked()
    choose(made, "open", "b & c")
    assert next(action for action in menu(made).actions() if action.text() == "b && c").isChecked()


def test_a_saved_path_is_renamed(made, run, qtbot):
    draw(made, some_path(made))
    save_as(made, "one")
    save_as(made, "two")
    choose(made, "rename", "one")
    asked = dialog(made, NameDialog)
    field = asked.findChild(QLineEdit)
    field.selectAll()
    QTest.keyClicks(field, "two")
    assert not asked.findChild(QPushButton, "dialog.name.accept").isEnabled()
    field.selectAll()
    QTest.keyClicks(field, "three")
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(made)
    assert saved_names(run) == ["three", "two"]
    assert load_path(run, "three").name == "three"


def test_a_saved_path_is_deleted_when_a_person_means_it(made, run, qtbot):
    draw(made, some_path(made))
    save_as(made, "gone")
    for answer, left in (("Cancel", ["gone"]), ("Delete", [])):
        choose(made, "delete", "gone")
        box = dialog(made, QMessageBox)
        button = next(b for b in box.buttons() if b.text().replace("&", "") == answer)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not made.view.findChildren(QMessageBox))
        settle(made)
        assert saved_names(run) == left
    assert made.state.document.path is not None


@pytest.mark.parametrize(("what", "kind"), [("rename", NameDialog), ("delete", QMessageBox)])
def test_a_question_about_a_path_blocks_nothing_and_goes_with_its_run(made, run, qtbot, tmp_path, what, kind):
    draw(made, some_path(made))
    save_as(made, "one")
    choose(made, what, "one")
    choose(made, what, "one")  # asked once, however often
    asked = [d for d in made.view.findChildren(kind) if d.isVisible()]
    assert [d.isModal() for d in asked] == [False]
    made.open_run.run = SimpleNamespace(path=tmp_path / "other")
    made.open_run.opened.emit(made.open_run.run)
    assert not any(d.isVisible() for d in made.view.findChildren(kind))


def test_a_damaged_file_is_named_and_changes_nothing(made, run):
    (run / "paths").mkdir()
    (run / "paths" / "bad.json").write_text("{")
    choose(made, "open", "bad")
    assert "bad.json" in made.errors[-1]
    assert made.state.document.path is None


def test_a_path_of_another_space_is_not_opened(made, run, qtbot):
    draw(made, some_path(made))
    save_as(made, "three")
    made.editing.begin(document=Document())
    made.state.model = Model(run, 2, SIZE, 1)
    choose(made, "open", "three")
    assert "leads through 3 dimensions, and this run's model has 2" in made.errors[-1]
    assert made.state.document.path is None


def test_a_folder_that_cannot_be_written_is_told(made, run, qtbot):
    (run / "paths").write_text("a file where the folder should be")
    draw(made, some_path(made))
    save_as(made, "curve")
    assert "curve was not saved" in made.errors[-1]
    assert "export the path instead" in made.errors[-1]


def test_a_name_that_differs_in_case_alone_replaces(made, run):
    draw(made, some_path(made))
    save_as(made, "Curve")
    save_as(made, "curve")
    assert saved_names(run) == ["curve"]


def test_another_run_has_its_own_paths(made, run, tmp_path, qtbot):
    draw(made, some_path(made))
    save_as(made, "curve")
    assert made.control.current == "curve"
    (tmp_path / "other").mkdir()
    made.open_run.run = SimpleNamespace(path=tmp_path / "other")
    made.open_run.opened.emit(made.open_run.run)
    assert made.control.current == ""
    assert "No path has been saved" in made.button.menu().actions()[2].text()


def test_a_computed_path_is_offered_a_name_that_says_what_it_is(made, run):
    start, end = made.state.embedding[:2]
    draw(made, LatentPath(np.stack([start, end]), recipe=Recipe("factor curve", start, end, "a/b")))
    made.control.ask_save()
    assert dialog(made, NameDialog).findChild(QLineEdit).text() == "path 1"  # a file cannot be called a/b
    dialog(made, NameDialog).reject()
    draw(made, LatentPath(np.stack([start, end]), recipe=Recipe("factor curve", start, end, "scale")))
    made.control.ask_save()
    assert dialog(made, NameDialog).findChild(QLineEdit).text() == "factor curve scale 1"
    dialog(made, NameDialog).reject()


def test_without_a_path_there_is_nothing_to_save(made):
    assert not menu(made).actions()[0].isEnabled()
    made.editing.commit("add control point", path=some_path(made, 1))
    assert not menu(made).actions()[0].isEnabled()
    made.editing.commit("add control point", path=some_path(made, 2))
    assert menu(made).actions()[0].isEnabled()
    made.editing.commit("clear path", path=None)
    made.control.ask_save()
    assert "There is no path to save" in made.errors[-1]


def test_it_takes_both_themes(made, use_theme):
    for theme in (DARK, LIGHT):
        use_theme(theme)
        assert not made.button.icon().isNull()
