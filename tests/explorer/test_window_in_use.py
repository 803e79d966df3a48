"""The whole program in use: what a person clicks, presses, plays, exports and opens. One program serves all tests."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from engine_driver import make_latents_run
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog
from window_driver import notice, press

from core.paths.latent_path import LatentPath

WAIT = 30_000


def test_a_click_on_a_point_decodes_it(reopened, qtbot):
    places = reopened.cloud.screen_positions()
    index = int(np.abs(places[:, :2] - [reopened.cloud.width() / 2, reopened.cloud.height() / 2]).sum(axis=1).argmin())
    point = QPoint(*np.rint(places[index, :2]).astype(int).tolist())
    with qtbot.waitSignal(reopened.image.painted, timeout=WAIT):
        QTest.mouseClick(reopened.cloud, Qt.MouseButton.LeftButton, pos=point)
    sample = reopened.state.document.sample
    assert sample is not None
    np.testing.assert_array_equal(reopened.state.document.probe, reopened.state.embedding[sample])


def test_what_is_to_be_redrawn_gives_way_to_an_image_on_its_way_for_a_frame_at_most(reopened, monkeypatch, qtbot):
    redrawn: list[float] = []
    monkeypatch.setattr(type(reopened.probe), "expects_image", True)
    monkeypatch.setattr(reopened.probe, "tick", lambda: redrawn.append(time.monotonic()))
    reopened._timer.stop()
    reopened.redraw()
    reopened._on_frame()
    assert len(redrawn) == 1
    reopened._on_frame()
    assert len(redrawn) == 2, "the image has not come"
    reopened._on_frame()
    reopened.image.set_image(np.zeros((8, 8, 1), np.uint8), "")
    qtbot.waitUntil(lambda: len(redrawn) == 3)
    reopened.image.set_image(np.ones((8, 8, 1), np.uint8), "")  # nothing has given way to this one
    QApplication.processEvents()
    assert len(redrawn) == 3
    reopened._timer.start()


def test_digits_choose_the_mouse_mode_and_escape_leaves_it(reopened):
    for digit, mode in enumerate(("orbit", "probe", "draw", "edit", "select"), start=1):
        press(reopened, str(digit))
        assert reopened.state.mode == mode
        assert reopened.window.actions_by_name[mode].isChecked()
    press(reopened, "Esc")
    assert reopened.state.mode == "orbit"


def test_enter_over_the_cloud_finishes_editing(reopened):
    press(reopened, "4")
    reopened.cloud.setFocus()
    press(reopened, "Return")
    assert reopened.state.mode == "orbit"


def test_probe_and_path_are_undone_and_redone(reopened):
    first = reopened.state.document.probe
    reopened.probe.choose(5)
    path = LatentPath(reopened.state.embedding[:4])
    reopened.editing.commit("draw path", path=path)
    press(reopened, "Ctrl+Z")
    assert reopened.state.document.path is None
    press(reopened, "Ctrl+Z")
    np.testing.assert_array_equal(reopened.state.document.probe, first)
    press(reopened, "Ctrl+Shift+Z")
    press(reopened, "Ctrl+Shift+Z")
    assert reopened.state.document.path == path


def test_a_path_is_decoded_played_and_exported(reopened, qtbot, tmp_path):
    reopened.editing.commit("draw path", path=LatentPath(reopened.state.embedding[[0, 40, 80]]))
    qtbot.waitUntil(lambda: reopened.film.complete, timeout=WAIT)
    press(reopened, "Space")
    assert reopened.state.playback.playing
    qtbot.waitUntil(lambda: reopened.state.playback.position > 0.05, timeout=WAIT)
    press(reopened, "Space")
    here = reopened.state.playback.position
    press(reopened, "Right")
    assert reopened.state.playback.position > here
    with qtbot.waitSignal(reopened.playback.exported, timeout=WAIT):
        reopened.playback.export(tmp_path / "path.npz", "npz")
    with np.load(tmp_path / "path.npz", allow_pickle=False) as data:
        assert data["frames"].shape == (65, 32, 32, 1)
        ends = data["latents"][[0, -1]]
    np.testing.assert_allclose(ends, reopened.state.embedding[[0, 80]], atol=1e-5)


def test_what_a_computer_slept_through_was_not_played(reopened):
    reopened.editing.commit("draw path", path=LatentPath(reopened.state.embedding[[0, 40, 80]]))
    reopened.playback.scrub(0.0)
    reopened.playback.set_playing(True)
    reopened.playback._last_tick -= 3600.9
    reopened.playback.tick()
    assert 0.0 < reopened.state.playback.position < 0.1
    reopened.playback.set_playing(False)


def test_an_export_that_cannot_be_written_is_explained(reopened, qtbot, tmp_path):
    reopened.editing.commit("draw path", path=LatentPath(reopened.state.embedding[[0, 40]]))
    reopened.playback.export(tmp_path / "no such folder" / "path.gif", "gif")
    qtbot.waitUntil(lambda: "path.gif" in notice(reopened), timeout=WAIT)


def test_colouring_by_loss_fills_in(reopened, qtbot):
    reopened.points.color_by_changed.emit("excess BCE")
    qtbot.waitUntil(
        lambda: reopened.state.losses is not None and np.isfinite(reopened.state.losses).all(), timeout=WAIT
    )
    assert (reopened.state.losses > 0).all()


def test_the_epochs_are_replayed(reopened, qtbot):
    reopened.timeline_view.play_toggled.emit(True)
    qtbot.waitUntil(lambda: reopened.state.epoch == reopened.state.epochs[0], timeout=WAIT)
    qtbot.waitUntil(lambda: reopened.state.epoch is None, timeout=WAIT)


def test_reconstructions_are_shown_and_open_in_the_image(reopened, qtbot):
    reopened.window.raise_dock("reconstructions")
    qtbot.waitUntil(lambda: len(reopened.reconstructions_view.grid.samples) > 0, timeout=WAIT)
    index = reopened.reconstructions_view.grid.samples[0]
    reopened.reconstructions_view.sample_chosen.emit(index)
    assert reopened.state.samples.indices[reopened.state.document.sample] == index


def test_the_loss_plot_waits_one_tick_for_what_else_takes_long(reopened, monkeypatch):
    def compute() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    drawn: list[int] = []
    monkeypatch.setattr(reopened.cloud_control, "tick", compute)
    monkeypatch.setattr(reopened.losses, "redraw", lambda: drawn.append(1))
    reopened._losses_wait = False
    reopened.redraw()
    assert not drawn
    reopened.redraw()
    assert drawn


def test_the_size_of_a_panel_is_kept(reopened):
    window = reopened.window

    def stands_as_kept() -> bool:
        place = reopened.session.snapshot().window
        return place is not None and place.docks == window.arrangement()[1]

    assert stands_as_kept()
    dock = window.docks["training"]
    before = dock.width()
    window.resizeDocks([dock], [before + 40], Qt.Orientation.Horizontal)  # as a dragged separator does
    QApplication.processEvents()
    assert dock.width() > before
    assert stands_as_kept()


def test_panels_that_stand_as_they_were_kept_are_left_alone(reopened):
    shown: list[str] = []
    panels = [reopened.losses, reopened.probe_view, reopened.training_view]
    for panel in panels:
        panel.shown.connect(lambda panel=panel: shown.append(panel.objectName()))
    reopened.window.set_panels(reopened.window.panels())
    QApplication.processEvents()
    assert not shown


def test_behind_a_panel_that_is_closed_comes_the_one_that_was_seen_before(reopened, qtbot):
    docks = reopened.window.docks

    def in_front(name):
        return not docks[name].visibleRegion().isEmpty()

    reopened.window.raise_dock("path")
    qtbot.waitUntil(lambda: in_front("path"), timeout=WAIT)
    reopened.window.open_dock("kinds")
    qtbot.waitUntil(lambda: in_front("kinds"), timeout=WAIT)
    docks["kinds"].toggleViewAction().trigger()
    qtbot.waitUntil(lambda: in_front("path"), timeout=WAIT)
    docks["kinds"].toggleViewAction().trigger()  # of the menu View: shown again, it is seen
    qtbot.waitUntil(lambda: in_front("kinds"), timeout=WAIT)
    docks["kinds"].toggleViewAction().trigger()
    qtbot.waitUntil(lambda: in_front("path"), timeout=WAIT)
    docks["kinds"].toggleViewAction().trigger()
    qtbot.waitUntil(lambda: in_front("kinds"), timeout=WAIT)
    docks["kinds"].close()
    reopened.window.open_dock("parameters")  # at once: what was asked for last stays
    qtbot.waitUntil(lambda: in_front("parameters"), timeout=WAIT)
    qtbot.wait(50)
    assert in_front("parameters")


def test_a_run_that_was_never_trained_begins_with_a_panel_that_shows_something(reopened, tiny_run, qtbot, tmp_path):
    def shown(run):
        reopened.open_run.open(run)
        qtbot.waitUntil(lambda: reopened.open_run.run.path == run and reopened.state.model is not None, timeout=WAIT)
        return reopened.window.front

    reopened.window.raise_dock("losses")
    latents = make_latents_run(tmp_path / "latents").path
    assert shown(latents) == "path"
    assert shown(tiny_run) == "losses"
    reopened.window.raise_dock("transects")  # chosen by hand: it stays
    assert shown(latents) == "transects"
    assert shown(tiny_run) == "transects"


def test_a_path_is_saved_where_the_last_file_was_and_named_after_its_run(reopened, qtbot, tmp_path):
    reopened.editing.commit("draw path", path=LatentPath(reopened.state.embedding[[0, 40]]))
    press(reopened, "Ctrl+S")
    dialog = reopened.window.findChild(QFileDialog, "dialog.export")
    name = f"{reopened.open_run.run.path.name}-path.mp4"
    assert Path(dialog.selectedFiles()[0]) == Path.home() / name
    dialog.fileSelected.emit(str(tmp_path / "mine.npz"))
    dialog.reject()
    qtbot.waitUntil((tmp_path / "mine.npz").exists, timeout=WAIT)
    reopened.cloud.setFocus()
    press(reopened, "Ctrl+S")
    again = reopened.window.findChildren(QFileDialog, "dialog.export")[-1]
    qtbot.waitUntil(lambda: Path(again.directory().path()) == tmp_path)
    assert Path(again.selectedFiles()[0]) == tmp_path / name
    again.reject()


def test_a_missing_run_is_refused_and_the_open_one_stays(reopened, tmp_path, qtbot):
    before = reopened.open_run.run
    reopened.open_run.open(tmp_path / "nowhere")
    qtbot.waitUntil(lambda: "nowhere does not exist" in notice(reopened))
    assert reopened.open_run.run is before
    assert reopened.cloud.point_count > 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda run: (run / "config.json").write_text('{"schema": 1, "conf'),
            "config.json is damaged: it is not valid",
        ),
        (lambda run: (run / "config.json").unlink(), "is not a run"),
    ],
)
def test_a_truncated_run_is_refused(reopened, tiny_run, tmp_path, qtbot, damage, message):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_run, broken)
    damage(broken)
    reopened.open_run.open(broken)
    qtbot.waitUntil(lambda: message in notice(reopened))
    assert reopened.open_run.run.path == tiny_run
