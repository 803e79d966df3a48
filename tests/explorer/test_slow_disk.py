"""A run, images or latents on a disk that answers slowly: the window waits for nothing.

``ISOLINE_SLOW_DISK`` sets how many seconds an access takes (up to three times as long), 0.05 otherwise.
"""

from __future__ import annotations

import os
import shutil
import sys
from time import perf_counter

import numpy as np
from disk_access import SlowDisk, watched
from PySide6.QtWidgets import QLabel

from core.paths.latent_path import LatentPath
from core.paths.saved_paths import saved_names
from explorer.controllers.training import dataset
from explorer.tour.measurements import loop_lateness

ACCESS_S = float(os.environ.get("ISOLINE_SLOW_DISK", "0.05"))
LATE_MS = 25.0
WAITS = "import sys; sys.stdin.read()"


def test_a_slow_disk_slows_no_part_of_the_window(opened, tiny_run, tmp_path, qtbot):
    """Opened, watched, an epoch chosen, a path saved; the window's own code looks for no file in the event loop."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    disk = SlowDisk(run, ACCESS_S, 3 * ACCESS_S)
    with watched(disk), loop_lateness() as late_ms:
        opened.open_run.open(run)
        qtbot.wait(20)
        assert opened.open_run.run.path == tiny_run, "the one before is there until the new one has been read"
        assert opened.cloud.point_count > 0
        qtbot.waitUntil(lambda: "Reading" in opened.state.message)
        qtbot.waitUntil(lambda: opened.open_run.run.path == run)
        assert opened.window.findChild(QLabel, "probe.empty").text() == "Opening the run …"
        assert opened.window.findChild(QLabel, "timeline.label").text() == "reading …"
        qtbot.waitUntil(lambda: opened.state.embedding is not None and not opened.state.reading)
        qtbot.waitUntil(lambda: opened.state.epochs != () and opened.state.training == "finished")
        opened.open_run.show_epoch(1)
        opened.editing.commit("draw path", path=LatentPath(opened.state.embedding[[0, 40]]))
        opened.saved_paths.save("slow")
        qtbot.waitUntil(lambda: opened.state.epoch == 1 and opened.saved_paths.current == "slow")
    p99 = float(np.percentile(late_ms, 99))
    print(f"{disk.accesses} accesses; lateness p99 {p99:.1f} ms, most {max(late_ms):.1f} ms of {len(late_ms)} ticks")
    assert saved_names(run) == ["slow"]
    assert disk.accesses > 30


def test_a_run_whose_disk_does_not_answer_is_given_up_for_another(opened, tiny_run, tmp_path, qtbot):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    disk = SlowDisk(run, 600.0, 600.0)
    with watched(disk):
        opened.open_run.open(run)
        qtbot.waitUntil(lambda: opened.state.message == f"Reading {run} …")
        begun = perf_counter()
        opened.open_run.open(tiny_run)
        qtbot.waitUntil(lambda: opened.state.message != f"Reading {run} …" and not opened.open_run.opening)
        assert perf_counter() - begun < 300.0
        disk.recover()
    assert opened.open_run.run.path == tiny_run


def test_what_is_dropped_typed_or_chosen_is_said_to_be_looked_at(program, tmp_path, qtbot, monkeypatch):
    """A folder is dropped, another path typed, a file chosen; none is looked for in the event loop."""
    explorer = program(None)
    monkeypatch.setattr(dataset, "isoline_command", lambda *_: [sys.executable, "-c", WAITS])
    explorer.importing._command = lambda _: [sys.executable, "-c", WAITS]
    images, latents = tmp_path / "mnt" / "images", tmp_path / "mnt" / "latents.npy"
    images.mkdir(parents=True)
    np.save(latents, np.eye(5))
    form = explorer.training_view.form

    disk = SlowDisk(tmp_path / "mnt", 600.0, 600.0)
    with watched(disk):
        explorer.window.dropped.emit(str(images))
        qtbot.waitUntil(lambda: explorer.state.message == f"Looking at {images} …")
        form.set_values({"data.source": "files", "data.path": str(images)})
        qtbot.waitUntil(lambda: "has not answered" in form.error)
        form.set_values({"data.path": str(tmp_path / "gone")})
        qtbot.waitUntil(lambda: "existing folder" in form.error)  # what lies elsewhere is known meanwhile
        disk.recover()
        qtbot.waitUntil(lambda: explorer.dataset.path == str(images))
    assert not explorer.state.message.startswith("Looking")
    qtbot.waitUntil(lambda: form.error == "")

    disk = SlowDisk(tmp_path / "mnt", 600.0, 600.0)
    with watched(disk):
        explorer.importing.choose(str(latents))
        doing = explorer.window.findChild(QLabel, "dialog.import.doing")
        assert doing.text() == f"Looking at {latents} …"
        qtbot.waitUntil(lambda: disk.accesses > 0)
        assert explorer.importing.looking
        disk.recover()
        qtbot.waitUntil(lambda: not explorer.importing.looking)
    assert doing.text() == "Looking at the file …"
