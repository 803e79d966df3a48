"""Looking at images before a training: real drops on the real window, real processes, settings kept in one place."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from event_loop import open_run, process_events_until
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QSpinBox, QWidget

from explorer.controllers.training import dataset as module

WAIT = 60_000
COPY, LEFT, NONE = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Two classes of six images of 12 × 10 pixels, and a file that is none."""
    folder = tmp_path_factory.mktemp("data") / "my images"
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 255, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    (folder / "dog" / "broken.png").write_bytes(b"no image")
    return folder


def drop(program, path: Path) -> bool:
    """Drag ``path`` over the window, drop it, and wait until it has been looked at; whether the window took it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    window = program.window
    enter = QDragEnterEvent(QPoint(600, 300), COPY, data, LEFT, NONE)
    QApplication.sendEvent(window, enter)
    assert window.hint.isVisible() == enter.isAccepted()
    if not enter.isAccepted():
        return False
    QApplication.sendEvent(window, QDropEvent(QPointF(600, 300), COPY, data, LEFT, NONE))
    process_events_until(lambda: not (program.dropped.busy or program.dataset.looking))
    return not window.hint.isVisible()


def child(root: QWidget, name: str) -> QWidget:
    found = root.findChild(QWidget, name)
    assert found is not None, name
    return found


def commanded(script: str):
    """Takes the place of the command: python runs ``script``, with the arguments of the command after it."""
    return lambda *words: [sys.executable, "-c", script, *words[2:-2]]


def test_a_model_that_is_chosen_as_images_is_said_to_be_one(program, tmp_path, qtbot):
    explorer, file = program(None), tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.weights.h5", b"")
    weights = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(2, np.float32)}, weights)
    said: list[str] = []
    explorer.dataset.refused.connect(said.append)
    for chosen, advice in ((weights, "isoline import"), (file, "decoder.export")):
        explorer.dataset.choose(str(chosen))
        qtbot.waitUntil(lambda: not explorer.dataset.looking)
        assert not explorer.dataset.reading
        assert advice in said[-1]


def test_a_folder_that_is_dropped_is_read_and_shown_with_the_settings_that_follow(program, images, qtbot):
    explorer = program(None)
    assert drop(explorer, images)
    view = explorer.dataset_view
    assert view.isVisible()
    assert explorer.dataset.reading
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    assert child(view, "dataset.classes.title").text() == "class · 2 classes"
    assert child(view, "dataset.skipped.title").text() == "Skipped (1)"
    assert "broken.png" in child(view, "dataset.skipped").text()
    values = explorer.training_view.form.values()
    assert (values["data.path"], values["data.source"]) == (str(images), "files")
    assert (values["data.image_size"], values["data.channels"]) == (12, 3)
    size = child(view, "dataset.data.image_size")
    assert isinstance(size, QSpinBox)
    assert size.value() == 12
    estimate = child(view, "dataset.estimate")
    assert "On this machine about" in estimate.text()
    epochs = values["training.epochs"]
    batch = child(view, "dataset.training.batch_size")
    assert isinstance(batch, QSpinBox)
    batch.setValue(5)
    assert estimate.text() == "", "it was measured with another batch size"
    qtbot.waitUntil(lambda: explorer.dataset.reading, timeout=WAIT)
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    assert "On this machine about" in estimate.text()
    values = explorer.training_view.form.values()
    assert (values["training.batch_size"], values["training.epochs"]) == (5, epochs)


def test_the_folder_of_a_run_is_opened(program, tiny_run, qtbot):
    explorer = program(None)
    assert drop(explorer, tiny_run)
    qtbot.waitUntil(lambda: explorer.open_run.run is not None)
    assert explorer.open_run.run.path == tiny_run
    assert not explorer.dataset_view.isVisible()


@pytest.mark.parametrize("name", ["training.data.path", "training.data.hold_out", "training.training.epochs"])
def test_a_folder_can_be_dropped_on_a_field_too(program, images, name):
    explorer = program(None)
    QTest.mouseClick(child(explorer.training_view, "training.more.data"), LEFT)  # where hold_out is
    field = child(explorer.training_view, name)
    field = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(images))])
    data.setText(str(images))
    before, dropped = field.text(), []
    explorer.window.dropped.disconnect()
    explorer.window.dropped.connect(dropped.append)
    QApplication.sendEvent(field, QDragEnterEvent(QPoint(5, 5), COPY, data, LEFT, NONE))
    QApplication.sendEvent(field, QDropEvent(QPointF(5, 5), COPY, data, LEFT, NONE))
    assert (field.text(), dropped) == (before, [str(images)])


def test_a_folder_of_images_with_a_config_of_its_own_is_no_run(program, tmp_path, qtbot, monkeypatch):
    explorer = program(None)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "config.json").write_text('{"model_type": "something"}')
    monkeypatch.setattr(module, "isoline_command", commanded(FIXED))
    drop(explorer, tmp_path / "set")
    assert explorer.open_run.run is None
    assert explorer.dataset_view.isVisible()
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)


def test_other_things_are_not_taken(program):
    explorer = program(None)
    data = QMimeData()
    data.setText("a text")
    event = QDragEnterEvent(QPoint(600, 300), COPY, data, LEFT, NONE)
    event.ignore()
    QApplication.sendEvent(explorer.window, event)
    assert not event.isAccepted()
    assert not explorer.window.hint.isVisible()


def test_what_is_wrong_with_images_is_said_in_the_page(program, tmp_path, qtbot):
    explorer = program(None)
    (tmp_path / "empty").mkdir()
    drop(explorer, tmp_path / "empty")
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    error = child(explorer.dataset_view, "dataset.error")
    assert isinstance(error, QLabel)
    assert error.isVisible()
    assert "empty" in error.text()
    assert "error:" not in error.text()


def test_reading_that_takes_long_goes_on_and_is_stopped_by_hand_only(program, images, qtbot, monkeypatch):
    explorer = program(None)
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        module, "isoline_command", commanded("print('{\"progress\": 0.5}', flush=True); import time; time.sleep(100)")
    )
    drop(explorer, images)
    qtbot.waitUntil(lambda: explorer.dataset._done == 0.5, timeout=WAIT)
    now[0] += 7200.0
    explorer.dataset.tick()
    assert explorer.dataset.reading
    start = child(explorer.training_view, "training.start")
    assert not start.isEnabled(), "with the settings of other images"
    text = child(explorer.dataset_view, "dataset.progress.text")
    assert text.text() == "Reading the images · 50% · 2\xa0h\xa000\xa0min\xa0left"
    child(explorer.dataset_view, "dataset.stop").click()
    assert not explorer.dataset.reading
    assert start.isEnabled()
    assert "stopped" in child(explorer.dataset_view, "dataset.error").text()


FIXED = """
import json, sys
file = sys.argv[sys.argv.index("--json") + 1]
found = dict(kind="folder", images=2, size=[8, 8], channels=1, pixels={"8-bit grey": 2}, values=[0, 255], classes={},
             labels=[], split=None, skipped=[], notes=sys.argv[6:],
             settings={"data": {"image_size": 8, "resize": "fit"}, "training": {"epochs": 33}})
open(file, "w").write(json.dumps(found))
"""


def test_a_setting_is_one_in_page_and_form_and_what_a_person_chose_is_kept(program, images, qtbot, monkeypatch):
    explorer = program(None)
    explorer.dataset._again.setInterval(0)
    monkeypatch.setattr(module, "isoline_command", commanded(FIXED))
    drop(explorer, images)
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    page, form = explorer.dataset_view, explorer.training_view
    assert form.form.values()["training.epochs"] == 33, "whatever settings follow are taken"
    there = child(form, "training.data.image_size")
    assert isinstance(there, QSpinBox)
    here = child(page, "dataset.data.image_size")
    assert isinstance(here, QSpinBox)
    here.setValue(64)
    assert there.value() == 64
    qtbot.waitUntil(lambda: explorer.dataset.reading, timeout=WAIT)
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    assert there.value() == 64, "not what follows from the images"
    assert "--data.image-size=64" in child(page, "dataset.notes").text()
    there.setValue(32)
    assert here.value() == 32
    qtbot.waitUntil(lambda: explorer.dataset.reading, timeout=WAIT)
    explorer.dataset.stop()
    assert child(page, "dataset.facts").isVisible(), "what is on show stays"


@pytest.mark.parametrize(
    ("name", "value", "flags"),
    [
        ("training.learning_rate", 0.1, None),
        ("training.devices", 2, None),
        ("training.batch_size", 5, ["--training.batch-size=5"]),
        ("model.latent_dim", 2, ["--model.latent-dim=2"]),
        (
            "model.preset",
            "article",
            ["--model.preset=article", "--loss.entanglement=product", "--training.batch-size=8"],
        ),
    ],
)
def test_time_is_measured_again_for_the_settings_that_it_depends_on(
    program, images, qtbot, name, value, flags, monkeypatch
):
    explorer = program(None)
    explorer.dataset._again.setInterval(0)
    monkeypatch.setattr(module, "isoline_command", commanded(FIXED.replace('"image_size": 8', '"image_size": 256')))
    drop(explorer, images)
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    QTest.mouseClick(child(explorer.training_view, f"training.more.{name.partition('.')[0]}"), LEFT)
    editor = explorer.training_view.form._editors[name]
    editor.set_value(value)
    editor.edited.emit()
    assert explorer.dataset._again.isActive() == (flags is not None)
    if flags is not None:
        qtbot.waitUntil(lambda: explorer.dataset.reading, timeout=WAIT)
        qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
        notes = child(explorer.dataset_view, "dataset.notes").text().split("<br>")
        assert set(flags) <= set(notes)
        assert explorer.training_view.form.values()[name] == value


def test_a_page_about_other_images_goes_when_a_run_is_opened(program, images, tiny_run, qtbot, monkeypatch):
    explorer = program(None)
    monkeypatch.setattr(module, "isoline_command", commanded(FIXED))
    drop(explorer, images)
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)
    assert child(explorer.dataset_view, "dataset.train").isVisible()
    started = []
    explorer.training_view.start_requested.disconnect()
    explorer.training_view.start_requested.connect(started.append)
    child(explorer.training_view, "training.data.source.curves").click()
    child(explorer.dataset_view, "dataset.train").click()
    assert started[0].data.path == str(images), "these images, whatever the form says meanwhile"
    open_run(explorer, tiny_run)
    assert child(explorer.dataset_view, "dataset.empty").isVisible()
    assert not child(explorer.dataset_view, "dataset.train").isVisible()


def test_a_path_that_is_typed_is_looked_at_once_it_is_left(program, images, qtbot, monkeypatch):
    explorer = program(None)
    monkeypatch.setattr(module, "isoline_command", commanded(FIXED))
    line = child(explorer.training_view, "training.data.path")
    assert isinstance(line, QLineEdit)
    child(explorer.training_view, "training.data.source.files").click()
    line.setFocus()
    qtbot.keyClicks(line, str(images))
    assert not explorer.dataset.reading
    start = child(explorer.training_view, "training.start")
    qtbot.waitUntil(start.isEnabled)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert not start.isEnabled(), "settings follow from what is there"
    qtbot.waitUntil(lambda: explorer.dataset.path == str(images))
    qtbot.waitUntil(lambda: not explorer.dataset.reading, timeout=WAIT)


def test_the_page_takes_its_room_from_the_cloud_and_gives_it_back(program, qtbot):
    explorer = program(None)
    docks = explorer.window.docks
    explorer.window.arrange()
    qtbot.waitUntil(lambda: docks["training"].width() == 288, timeout=WAIT)
    cloud = explorer.cloud.width()
    explorer.window.open_dock("dataset")
    qtbot.waitUntil(lambda: explorer.cloud.width() < cloud - 100 and docks["dataset"].width() >= 300, timeout=WAIT)
    docks["dataset"].close()
    qtbot.waitUntil(lambda: docks["training"].width() == 288 and explorer.cloud.width() == cloud, timeout=WAIT)
