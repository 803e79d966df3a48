"""Locate…: a run whose images were moved says so, and shows them again once it knows where they are."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from engine_driver import TINY, make_run
from event_loop import open_run, process_events_until
from PIL import Image
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from core.config import DataConfig
from core.data.allowed_files import allow
from core.data.loading import load_dataset
from core.protocol.messages import EncodeSample
from core.runs.directory import RunDirectory
from explorer.views.training.editors import IMAGE_FILES

WAIT = 60_000


def test_images_that_were_moved_are_located(program, tmp_path, qtbot):
    folder = tmp_path / "before"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    data = DataConfig(path=str(folder), image_size=32)
    run = make_run(tmp_path / "run", replace(TINY, data=data))
    stored = {"fingerprint": load_dataset(data).fingerprint, "samples": 4, "notes": []}
    allow(run.rewrite(run.config, {"dataset": stored}))
    run.write_embedding(np.eye(4, 3, dtype=np.float32))
    shutil.move(folder, tmp_path / "after")

    explorer = program(run.path)
    missing = explorer.image.findChild(QWidget, "image.missing")
    qtbot.waitUntil(missing.isVisible)
    assert str(folder) in missing.text()
    qtbot.waitUntil(lambda: explorer.state.model is not None, timeout=WAIT)
    explorer.image.findChild(QAction, "image.locate.folder").trigger()
    dialog = explorer.window.findChild(QFileDialog, "dialog.locate")
    dialog.fileSelected.emit(str(tmp_path / "after"))
    dialog.close()
    qtbot.waitUntil(lambda: not missing.isVisible(), timeout=WAIT)
    assert RunDirectory.open(run.path).config.data.path == str(tmp_path / "after")
    qtbot.waitUntil(lambda: explorer.state.model is not None and explorer.image.has_sample, timeout=WAIT)


def test_a_run_from_elsewhere_asks_before_it_reads_a_folder(program, tmp_path, qtbot, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((32, 32), 60 * number, np.uint8)).save(folder / f"{number}.png")
    run = make_run(tmp_path / "run", replace(TINY, data=DataConfig(path=str(folder), image_size=32)))
    run.write_embedding(np.eye(4, 3, dtype=np.float32))
    monkeypatch.setenv("ISOLINE_CONFIG", str(tmp_path / "of somebody else"))

    explorer = program(run.path)
    asked = explorer.image.findChild(QWidget, "image.missing")
    allow_button = explorer.image.findChild(QPushButton, "image.allow")
    qtbot.waitUntil(allow_button.isVisible)
    assert asked.isVisible()
    assert asked.text() == f"This run wants to read {folder}."
    assert not explorer.training_view.form.values()["data.path"]
    qtbot.waitUntil(lambda: explorer.state.model is not None and explorer.image.has_image, timeout=WAIT)
    assert str(folder) in explorer.reconstructions_view.grid.empty
    failures = []
    explorer.engine.request(EncodeSample(index=0), lambda _: failures.append("read"), failures.append)
    qtbot.waitUntil(lambda: bool(failures), timeout=WAIT)
    assert f"wants to read {folder}" in failures[0]

    allow_button.click()
    qtbot.waitUntil(lambda: not asked.isVisible())
    qtbot.waitUntil(lambda: explorer.image.has_sample, timeout=WAIT)
    assert explorer.training_view.form.values()["data.path"] == str(folder)


def test_runs_that_lay_in_the_own_folder_when_nothing_asked_go_on_without_a_question(program, tmp_path):
    config = replace(TINY, data=DataConfig(path=str(tmp_path / "images"), image_size=32))
    folder = Path(os.environ["ISOLINE_RUNS"])
    earlier = RunDirectory.create(folder / "earlier", config, {"created": "then"})
    explorer = program(None)
    allow_button = explorer.image.findChild(QPushButton, "image.allow")
    open_run(explorer, earlier.path)
    process_events_until(lambda: not explorer.locate._files.busy)
    assert allow_button.isHidden()
    later = RunDirectory.create(folder / "later", config, {"created": "now"})
    open_run(explorer, later.path)
    process_events_until(lambda: not allow_button.isHidden())


def test_what_was_moved_may_be_a_folder_or_a_file_whatever_its_name(program, tmp_path):
    explorer = program(None)
    for name in ("scans.he5", "images.MAT", "images", "v1.2", "film.avif"):
        data = DataConfig(path=str(tmp_path / "gone" / name), image_size=32)
        open_run(explorer, make_run(tmp_path / f"run of {name}", replace(TINY, data=data)).path)
        menu = explorer.image.findChild(QPushButton, "image.locate").menu()
        modes = {}
        for action in menu.actions():
            action.trigger()
            dialog = explorer.window.findChildren(QFileDialog, "dialog.locate")[-1]
            modes[action.text()] = dialog.fileMode()
        assert modes == {
            "Folder of images…": QFileDialog.FileMode.Directory,
            "File of images…": QFileDialog.FileMode.ExistingFile,
        }, name


def test_files_that_hold_many_images_are_shown_in_the_dialog():
    from core.data.sources.opening import ARRAYS

    assert {f"*{suffix}" for suffix in ARRAYS} <= set(IMAGE_FILES)
