"""Project files in a real window: saved, handed on, moved, opened."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from event_loop import open_run
from PySide6.QtWidgets import QCheckBox, QFileDialog, QLabel, QMessageBox, QPushButton
from small_run import make_small_run
from window_alone import window_alone
from window_driver import notice

from core.paths.latent_path import LatentPath
from core.projects.archive import read_project
from core.projects.panel import Panel
from explorer.engine_client import EngineClient
from explorer.tour.input_events import drag_file, drop_file


@pytest.fixture(scope="module")
def window(qapp):
    """One window for the file: it takes a second to build."""
    with window_alone(qapp, EngineClient()) as explorer:
        explorer.show()
        explorer.session.begin()
        yield explorer


@pytest.fixture
def explorer(window, tmp_path, qtbot):
    """The window with a run open in which something has been made, and no project."""
    window.window.notice.clear()
    window.settings.runs_folder = tmp_path / "runs"
    run = make_small_run(tmp_path / "work" / "small", metadata={"created": str(tmp_path)}).path
    open_run(window, run)
    qtbot.waitUntil(lambda: window.session.ready and window.cloud.point_count > 0)
    window.cloud_control.select(np.array([1, 2]), False)
    window.editing.commit("draw path", path=LatentPath(window.state.embedding[:3]))
    window.window.docks["probe"].show()
    return window


def save(explorer, file: Path, qtbot, embeds: bool = False) -> Path:
    explorer.project._save(file, embeds)
    qtbot.waitUntil(lambda: explorer.state.message.startswith("Saved "))
    return file


def leave(explorer, tmp_path, qtbot) -> None:
    """Another run is opened."""
    other = make_small_run(tmp_path / "other", dim=2, metadata={"created": "other"}).path
    open_run(explorer, other)
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.state.embedding.shape[1] == 2)


def is_shown(explorer) -> bool:
    """Whether what was made in the run of the test is there again."""
    if not explorer.session.ready or explorer.open_run.run.path.name != "small":
        return False
    return explorer.state.document.path is not None and explorer.editing.undo_label == "draw path"


def test_a_project_opens_with_all_that_was_made_and_the_panels_as_they_were(explorer, tmp_path, qtbot):
    explorer.window.docks["probe"].hide()
    file = save(explorer, tmp_path / "mine.isoline", qtbot)
    assert explorer.window.windowTitle() == "mine[*] · small · Isoline"
    assert not explorer.window.isWindowModified()
    explorer.editing.commit("notes", notes="later")
    assert explorer.window.isWindowModified(), "the file is older than what is on screen"
    explorer.editing.undo()
    assert not explorer.window.isWindowModified()
    assert read_project(file).window is None
    assert read_project(file).panels["probe"] == Panel(False, "right")
    leave(explorer, tmp_path, qtbot)
    assert explorer.window.windowTitle() == "other · Isoline"
    explorer.window.docks["probe"].show()
    explorer.window.recent_menu.actions()[0].trigger()
    qtbot.waitUntil(lambda: is_shown(explorer))
    assert explorer.state.selected.tolist() == [1, 2]
    assert explorer.window.docks["probe"].isHidden()
    assert explorer.session.project_file == str(file)


def test_saving_again_writes_the_same_file_without_asking(explorer, tmp_path, qtbot):
    file = save(explorer, tmp_path / "mine.isoline", qtbot)
    explorer.cloud_control.select(np.array([5]), False)
    explorer.state.message = ""
    explorer.window.actions_by_name["save_project"].trigger()
    qtbot.waitUntil(lambda: explorer.state.message.startswith("Saved "))
    assert read_project(file).edited.selected.positions.tolist() == [5]


def test_the_dialog_states_what_the_model_takes_and_the_chosen_file_holds_it(explorer, tmp_path, qtbot):
    explorer.window.actions_by_name["save_project_as"].trigger()
    qtbot.waitUntil(lambda: explorer.window.findChild(QCheckBox, "dialog.project.embeds") is not None)
    box = explorer.window.findChild(QCheckBox, "dialog.project.embeds")
    assert box.text().startswith("&Put the model into the file (")
    about = explorer.window.findChild(QLabel, "dialog.project.what")
    assert str(explorer.open_run.run.path) in about.text()
    box.click()
    assert about.text().startswith("With the model the project opens on any computer.")
    explorer.window.findChild(QPushButton, "dialog.project.accept").click()
    dialog = explorer.window.findChild(QFileDialog, "dialog.project_file")
    dialog.fileSelected.emit(str(tmp_path / "given.isoline"))
    dialog.close()
    qtbot.waitUntil(lambda: explorer.state.message.startswith("Saved "))
    assert explorer.session.embeds
    assert (tmp_path / "given.isoline").stat().st_size > explorer.open_run.run.weights_path.stat().st_size


def test_a_project_handed_to_somebody_brings_its_model(explorer, tmp_path, qtbot):
    file = save(explorer, tmp_path / "given.isoline", qtbot, embeds=True)
    leave(explorer, tmp_path, qtbot)
    shutil.rmtree(tmp_path / "work")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "given").mkdir()
    drag_file(explorer.window, file)
    drop_file(explorer.window, file)
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.open_run.run.path == tmp_path / "runs" / "given (2)")
    assert explorer.state.selected.tolist() == [1, 2]
    assert notice(explorer) == f"The model of given has been unpacked into {tmp_path / 'runs' / 'given (2)'}"
    assert list((tmp_path / "runs" / "given").iterdir()) == []
    leave(explorer, tmp_path / "again", qtbot)
    explorer.project.open(file)
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.open_run.run.path == tmp_path / "runs" / "given (2)")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["given", "given (2)"]


def test_a_run_that_moved_with_its_project_is_found(explorer, tmp_path, qtbot):
    save(explorer, tmp_path / "work" / "mine.isoline", qtbot)
    leave(explorer, tmp_path, qtbot)
    os.rename(tmp_path / "work", tmp_path / "elsewhere")
    explorer.project.open(tmp_path / "elsewhere" / "mine.isoline")
    qtbot.waitUntil(lambda: is_shown(explorer))
    assert explorer.open_run.run.path == tmp_path / "elsewhere" / "small"


def test_a_run_that_is_nowhere_is_asked_for_and_another_one_is_not_taken_for_it(explorer, tmp_path, qtbot):
    file = save(explorer, tmp_path / "mine.isoline", qtbot)
    leave(explorer, tmp_path, qtbot)
    (tmp_path / "far" / "away").mkdir(parents=True)
    os.rename(tmp_path / "work" / "small", tmp_path / "far" / "away" / "small")
    explorer.project.open(file)
    qtbot.waitUntil(lambda: explorer.window.findChild(QMessageBox, "box.locate_run") is not None)
    question = explorer.window.findChild(QMessageBox, "box.locate_run")
    assert "mine.isoline" in question.text()
    assert str(tmp_path / "work" / "small") in question.informativeText()
    explorer.window.findChild(QPushButton, "box.locate_run.accept").click()
    dialog = explorer.window.findChild(QFileDialog, "dialog.locate_run")
    dialog.fileSelected.emit(str(tmp_path / "other"))
    dialog.close()

    def asked_again() -> QMessageBox | None:
        boxes = explorer.window.findChildren(QMessageBox, "box.locate_run")
        wrong = "holds another run than the one that was asked for, small"
        return next((box for box in boxes if wrong in box.informativeText()), None)

    qtbot.waitUntil(lambda: asked_again() is not None)
    assert explorer.open_run.run.path == tmp_path / "other"
    asked_again().findChild(QPushButton, "box.locate_run.accept").click()
    dialog = explorer.window.findChildren(QFileDialog, "dialog.locate_run")[-1]
    dialog.fileSelected.emit(str(tmp_path / "far" / "away" / "small"))
    dialog.close()
    qtbot.waitUntil(lambda: is_shown(explorer))


def test_a_damaged_project_and_a_full_disk_are_said_and_change_nothing(explorer, tmp_path, qtbot, monkeypatch):
    file = save(explorer, tmp_path / "mine.isoline", qtbot)
    content = file.read_bytes()
    (tmp_path / "damaged.isoline").write_bytes(content[:-100])
    explorer.project.open(tmp_path / "damaged.isoline")
    qtbot.waitUntil(lambda: "damaged.isoline is damaged" in notice(explorer))
    assert is_shown(explorer)

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.projects.archive.atomic_file", full)
    explorer.project.save()
    qtbot.waitUntil(lambda: "mine.isoline could not be written: No space left on device" in notice(explorer))
    assert file.read_bytes() == content


def test_a_file_that_could_not_be_written_is_not_the_project(explorer, tmp_path, qtbot):
    file = tmp_path / "nowhere" / "mine.isoline"
    explorer.project._save(file, False)
    said = f"{file} could not be written: there is no folder {file.parent}; choose another one."
    qtbot.waitUntil(lambda: notice(explorer) == said)
    assert explorer.session.project_file == ""
    assert explorer.window.windowTitle() == "small · Isoline"


def test_a_new_project_begins_with_the_run_again_and_keeps_what_was(explorer, tmp_path, qtbot):
    save(explorer, tmp_path / "mine.isoline", qtbot)
    explorer.window.actions_by_name["new_project"].trigger()
    qtbot.waitUntil(lambda: explorer.session.ready and explorer.editing.undo_label is None)
    assert explorer.state.document.path is None
    assert explorer.session.project_file == ""
    qtbot.waitUntil(lambda: any("· small ·" in action.text() for action in explorer.window.earlier_menu.actions()))
