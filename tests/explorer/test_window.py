"""The whole program: how it opens, how it trains, and what happens when things go wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget
from window_driver import notice

from core.config import DataConfig, RunConfig, TrainingConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics
from core.training.checkpoint import load_model
from core.training.trainer import run_training

PYTHON = sys.executable
WAIT = 30_000
LINE = 100  # characters that a panel at the bottom of the window has in one line


def test_a_run_opens_with_cloud_image_and_curves(opened, tiny_run, qtbot):
    assert opened.cloud.point_count == len(RunDirectory.open(tiny_run).read_embedding())
    assert opened.window.windowTitle().startswith("tiny")
    qtbot.waitUntil(lambda: opened.image.has_sample, timeout=WAIT)
    assert opened.state.epochs[-1] == 3
    assert str(tiny_run) in opened.settings.recent_runs


def test_the_loss_plot_does_not_delay_the_first_image(opened, qtbot):
    opened.image.set_image(None, "")
    opened.losses.plot = None
    opened.losses.append([])
    opened.losses._dirty = True
    opened._shown_at = time.perf_counter()
    opened.redraw()
    assert opened.losses.plot is None
    opened.image.set_image(np.zeros((8, 8, 1), dtype=np.uint8), "")
    opened.redraw()
    opened.redraw()  # at the first one it may wait for others
    assert opened.losses.plot is not None


def _empty_texts(program) -> dict[str, str]:
    """What stands in each panel that has nothing to show."""
    return {
        "parameters": program.parameters_view.findChild(QLabel, "parameters.empty").text(),
        "transects": program.transect_view.picture.empty,
        "kinds": program.kinds_view.empty,
        "reconstructions": program.reconstructions_view.grid.empty,
        "film": program.film.empty,
        "image": program.image.empty,
        "losses": program.losses.findChild(QLabel, "losses.empty").text(),
        "probe": program.probe_view.findChild(QLabel, "probe.empty").text(),
        "compare": program.compare_view.findChild(QLabel, "compare.empty").text(),
    }


def test_without_a_run_every_panel_asks_for_one_and_no_mouse_mode_raises_an_empty_panel(program, qtbot):
    program = program(None)
    program.window.open_dock("kinds")
    qtbot.waitUntil(lambda: all(text.startswith("Open a run") for text in _empty_texts(program).values()), timeout=WAIT)
    assert all(len(text) <= LINE for text in _empty_texts(program).values())
    program.window.open_dock("losses")
    program.state.mode = "trace"
    qtbot.wait(50)
    assert program.path_view.visibleRegion().isEmpty()


def test_a_run_of_plain_images_says_in_one_line_what_each_empty_panel_needs(program, tmp_path, qtbot):
    images, run = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    for number in range(24):
        picture = np.full((32, 32), 10 * number, dtype=np.uint8)
        Image.fromarray(picture).save(images / f"{number}.png")
    data = DataConfig(source="files", path=str(images), image_size=32)
    training = TrainingConfig(epochs=1, batch_size=8, device="cpu", precision="float32")
    run_training(RunConfig(data=data, training=training), run)
    (run / "metrics.jsonl").write_text("")
    program = program(run)
    qtbot.waitUntil(lambda: program.image.has_image, timeout=WAIT)
    program.window.open_dock("kinds")
    qtbot.waitUntil(lambda: program.kinds_view.empty.startswith("Needs a path"), timeout=WAIT)
    texts = _empty_texts(program)
    assert texts["film"] == texts["kinds"]
    assert texts["parameters"] == texts["transects"]
    assert texts["parameters"].startswith("Needs two known factors")
    assert texts["losses"].startswith("Needs a run with recorded losses")
    assert all(len(text) <= LINE for text in texts.values())
    program.state.mode = "trace"
    qtbot.waitUntil(lambda: not program.path_view.visibleRegion().isEmpty(), timeout=WAIT)


def test_docks_come_back_where_they_were(program, tiny_run, qtbot):
    first = program(tiny_run)
    first.window.docks["probe"].hide()
    first.window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, first.window.docks["image"])
    first.window.close()
    second = program(tiny_run)
    assert second.window.docks["probe"].isHidden()
    assert second.window.dockWidgetArea(second.window.docks["image"]) == Qt.DockWidgetArea.LeftDockWidgetArea


# what goes wrong


def test_weights_cut_short_are_reported_while_the_cloud_is_shown(program, tiny_run, tmp_path, qtbot):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_run, broken)
    weights = broken / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    explorer = program(broken)
    qtbot.waitUntil(lambda: "weights.safetensors is damaged or truncated" in notice(explorer), timeout=WAIT)
    qtbot.waitUntil(lambda: explorer.cloud.point_count > 0, timeout=WAIT)


def test_weights_of_another_architecture_are_named(program, tiny_run, tmp_path, qtbot):
    other = tmp_path / "other"
    shutil.copytree(tiny_run, other)
    content = json.loads((other / "config.json").read_text())
    content["config"]["model"]["latent_dim"] = 5
    (other / "config.json").write_text(json.dumps(content))
    explorer = program(other)
    qtbot.waitUntil(lambda: "does not fit this architecture" in notice(explorer), timeout=WAIT)
    assert explorer.window.isVisible()


def test_a_killed_engine_comes_back(opened, qtbot):
    os.kill(opened.engine.process_id, signal.SIGKILL)
    qtbot.waitUntil(lambda: "engine was killed" in notice(opened), timeout=WAIT)
    opened.probe.choose(3)
    with qtbot.waitSignal(opened.image.painted, timeout=WAIT):
        opened.probe.choose(9)


def slow_training(program, config) -> None:
    """Start a training that goes on long enough to be disturbed."""
    program.training.start(replace(config, training=replace(config.training, epochs=5000)))


def trainer_pid(program) -> int:
    return int(json.loads((program.open_run.run.path / "lock").read_text())["pid"])


def running(program) -> bool:
    return program.state.training == "running" and (program.open_run.run.path / "lock").is_file()


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or ") Z " in status.read_text():
            return
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_training_killed_midway_leaves_its_last_checkpoint_and_says_so(opened, qtbot, tiny_run, tiny_config):
    slow_training(opened, tiny_config)
    qtbot.waitUntil(lambda: opened.open_run.run.path != tiny_run and running(opened), timeout=60_000)
    run = opened.open_run.run
    qtbot.waitUntil(run.last_checkpoint_path.exists, timeout=60_000)
    end(trainer_pid(opened))
    qtbot.waitUntil(lambda: opened.state.training == "interrupted", timeout=WAIT)
    load_model(run.last_checkpoint_path)
    assert opened.window.isVisible()
    qtbot.waitUntil(opened.window.actions_by_name["train"].isEnabled, timeout=WAIT)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_training_goes_on_when_the_window_closes_and_is_found_again(
    program, tiny_run, tiny_config, monkeypatch, qtbot
):
    first = program(tiny_run)
    qtbot.waitUntil(lambda: first.state.model is not None, timeout=WAIT)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", PYTHON)  # the real one: the other tests take one that has torch already
        slow_training(first, tiny_config)
    qtbot.waitUntil(lambda: first.open_run.run.path != tiny_run and running(first), timeout=60_000)
    run, pid = first.open_run.run.path, trainer_pid(first)
    try:
        first.window.close()
        metrics = run / "metrics.jsonl"
        qtbot.waitUntil(metrics.exists, timeout=WAIT)  # the run is there, and locked, before its first record
        size = metrics.stat().st_size
        qtbot.waitUntil(lambda: metrics.stat().st_size > size, timeout=WAIT)
        second = program(run)
        qtbot.waitUntil(lambda: second.state.training == "running", timeout=WAIT)
        second.training.stop()
        qtbot.waitUntil(lambda: second.state.training == "stopped", timeout=WAIT)
    finally:
        end(pid)


def test_a_runs_folder_that_cannot_be_written_is_explained(opened, tiny_config, tmp_path, qtbot):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    opened.settings.runs_folder = blocked / "runs"
    slow_training(opened, tiny_config)
    qtbot.waitUntil(lambda: "cannot be written" in notice(opened))
    assert opened.state.training != "starting"


def test_a_finished_run_is_trained_further_from_the_window(program, tiny_run, tmp_path, qtbot):
    run = RunDirectory.open(shutil.copytree(tiny_run, tmp_path / "run"))
    explorer = program(run.path)
    qtbot.waitUntil(lambda: explorer.state.training == "finished", timeout=WAIT)
    window = explorer.window
    window.open_dock("training")
    QTest.mouseClick(window.findChild(QPushButton, "training.continue"), Qt.MouseButton.LeftButton)
    for name, text in (("epochs", "4"), ("learning_rate", "0.0005"), ("batch_size", "32")):
        edit = window.findChild(QWidget, f"training.continue.{name}").findChild(QLineEdit)
        edit.selectAll()
        QTest.keyClicks(edit, text)
        QTest.keyClick(edit, Qt.Key.Key_Return)
    QTest.mouseClick(window.findChild(QPushButton, "training.continue.start"), Qt.MouseButton.LeftButton)
    assert explorer.state.training == "starting"
    qtbot.waitUntil(lambda: explorer.state.epochs == (0, 1, 2, 3, 4), timeout=3 * WAIT)
    qtbot.waitUntil(lambda: explorer.state.training == "finished", timeout=WAIT)
    assert explorer.state.config.training.epochs == 4
    (mark,) = [r for r in read_metrics(run.metrics_path) if r.get("event") == "hyperparameters"]
    assert mark["changed"] == ["batch_size", "epochs", "learning_rate"]
    window.open_dock("losses")
    qtbot.waitUntil(lambda: explorer.losses.plot is not None and bool(explorer.losses.plot._marks), timeout=WAIT)
    assert "epochs 4" in explorer.losses.plot._marks[0].label.format


def test_a_collapsed_model_is_called_so_in_its_panel_and_no_place_on_the_data(program, tiny_config, tmp_path, qtbot):
    config = replace(tiny_config, loss=replace(tiny_config.loss, beta=1.0))
    run_training(config, tmp_path / "run")
    explorer = program(tmp_path / "run")
    qtbot.waitUntil(lambda: explorer.image.badge.text == "No verdict: the latent space is collapsed", timeout=WAIT)
    assert "says nothing of the image" in explorer.image.badge.toolTip()
    explorer.window.open_dock("training")
    texts = explorer.training_view.findChildren(QLabel)
    assert any("latent space is collapsed" in text.text() and text.isVisible() for text in texts)
    button = explorer.training_view.findChild(QPushButton, "training.advice.0.action")
    assert button.text() == "Start a new training with β 0.001"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: explorer.open_run.run.path != tmp_path / "run", timeout=3 * WAIT)
    assert explorer.state.config.loss.beta == 1e-3
    qtbot.waitUntil(lambda: explorer.state.training == "finished", timeout=WAIT)
    qtbot.waitUntil(lambda: explorer.image.badge.text.startswith("on the data"), timeout=WAIT)


def test_a_training_that_refuses_its_data_is_explained(opened, tiny_config, qtbot):
    opened.training.start(replace(tiny_config, data=replace(tiny_config.data, hole_radius=9.0)))
    qtbot.waitUntil(lambda: "make data.hole_radius smaller" in notice(opened), timeout=60_000)
    assert "isoline train" not in notice(opened), "the command line's own words are not the window's"
    assert opened.window.isVisible()


def test_a_loss_that_is_not_a_number_is_explained(opened, tiny_config, qtbot):
    training = replace(
        tiny_config.training, learning_rate=900.0, clip=0.0, schedule="constant", optimizer="adam", epochs=200
    )
    opened.training.start(replace(tiny_config, training=training))
    qtbot.waitUntil(lambda: "The training has paused: the loss is nan" in notice(opened), timeout=60_000)
    qtbot.waitUntil(lambda: opened.state.training == "paused", timeout=WAIT)
    opened.training.stop()
    qtbot.waitUntil(lambda: not opened.training.active, timeout=WAIT)


def test_without_opengl_the_window_opens_and_says_why(tiny_run, tmp_path):
    code = f"""
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from explorer.startup import make_application
from explorer.engine_client import EngineClient
application = make_application(["isoline"])
engine = EngineClient()
engine.start(1)
from explorer.app import Explorer
explorer = Explorer(application, engine)
explorer.show()
explorer.open_run.open(Path({str(tiny_run)!r}), remember=False)
def look():
    if not explorer.image.has_image:
        return
    picture = explorer.cloud.grab().toImage()
    colours = {{picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}}
    print(len(colours), "|", explorer.cloud.renderer_note, "|", explorer.window.status["device"].text())
    explorer.window.close()
    application.quit()
timer = QTimer(interval=50)
timer.timeout.connect(look)
timer.start()
sys.exit(application.exec())
"""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    colours, note, device = (part.strip() for part in result.stdout.split("|"))
    assert int(colours) > 50
    assert note
    assert "software" in device


@pytest.mark.parametrize(("width", "height", "scale"), [(1366, 768, "1"), (1600, 1000, "1.5"), (1280, 720, "1")])
def test_the_first_window_fits_the_screen_and_gives_half_of_it_to_the_cloud(tmp_path, width, height, scale):
    screen = {"name": "one", "x": 0, "y": 0, "width": width, "height": height, "logicalDpi": 96, "dpr": 1}
    (tmp_path / "screen.json").write_text(json.dumps({"screens": [screen]}))
    code = """
import json
import numpy as np
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QSlider
from explorer.startup import make_application
from explorer.engine_client import EngineClient
application = make_application(["isoline"])
from explorer.app import Explorer
explorer = Explorer(application, EngineClient(), "software")
explorer.show()
QTest.qWait(300)
window = explorer.window
low = -np.ones(3)
explorer.probe_view.set_ranges(low, -low, low / 2, -low / 2)
QTest.qWait(100)
def layout():
    names = ("training", "points", "image", "probe", "losses")
    docks = {name: window.docks[name].geometry().getRect() for name in names}
    hidden = sorted(name for name, dock in window.docks.items() if dock.isHidden())
    sliders = [explorer.probe_view.findChild(QSlider, f"probe.slider.{i}") for i in range(3)]
    whole = [slider.visibleRegion().boundingRect() == slider.rect() for slider in sliders]
    return {
        "window": window.geometry().getRect(),
        "cloud": explorer.cloud.width(),
        "docks": docks,
        "hidden": hidden,
        "sliders": whole,
    }
first = layout()
window.docks["image"].close()
window.docks["training"].setFloating(True)
window.docks["compare"].show()
QTest.qWait(100)
window.actions_by_name["reset_layout"].trigger()
assert not explorer.experiments_view.visibleRegion().isEmpty()  # what shows something without a run
window.raise_dock("losses")
QTest.qWait(300)
available = window.screen().availableGeometry().getRect()
print(json.dumps({"available": available, "first": first, "again": layout()}))
window.close()
"""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": f"offscreen:configfile={tmp_path / 'screen.json'}",
        "QT_SCALE_FACTOR": scale,
        "ISOLINE_CONFIG": str(tmp_path / "config"),
    }
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    seen = json.loads(result.stdout)
    assert seen["available"][2:] == [round(width / float(scale)), round(height / float(scale))]
    for layout in (seen["first"], seen["again"]):
        assert layout["window"][2] <= seen["available"][2]
        assert layout["window"][3] <= seen["available"][3]
        assert layout["cloud"] >= layout["window"][2] / 2
        assert layout["sliders"] == [True, True, True]
        for left, top, wide, high in layout["docks"].values():
            assert left + wide <= layout["window"][2]
            assert top + high <= layout["window"][3]
    assert seen["again"]["docks"] == seen["first"]["docks"]
    assert seen["again"]["hidden"] == seen["first"]["hidden"]
