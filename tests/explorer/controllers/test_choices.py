"""Of what is chosen to be opened the last counts, whichever disk answers first."""

from __future__ import annotations

import shutil
from contextlib import ExitStack

from disk_access import SlowDisk, watched


def test_what_is_on_a_disk_that_does_not_answer_opens_nothing_over_a_later_choice(program, tiny_run, tmp_path, qtbot):
    """A folder is dropped, images, a run, a program, a project are chosen; each time something else is opened before
    the disk answers. It is said that the first was given up."""
    explorer = program(None)
    hung = tmp_path / "mnt"
    shutil.copytree(tiny_run, hung)
    (hung / "model.py").write_text("model = None")
    (hung / "run.isoline").write_bytes(b"")
    (model := tmp_path / "decoder.onnx").write_bytes(b"")
    choices, lanes = explorer._context.choices, []

    def leave_hanging(choose, path, then, newer):
        choose(path)
        qtbot.waitUntil(lambda: explorer.state.message in (f"Looking at {path} …", f"Reading {path} …"))
        lanes.append(choices.latest.background._lane)
        then(newer)
        assert f"{path} is not opened: {newer} was chosen" in explorer.window.notice.text()
        explorer.window.notice.clear()

    disk = SlowDisk(hung, 600.0, 600.0)
    with watched(disk), ExitStack() as at_last:
        at_last.callback(disk.recover)
        leave_hanging(explorer.open_run.open, hung, explorer.importing.choose, str(model))
        assert not explorer.state.reading
        leave_hanging(explorer.window.dropped.emit, str(hung), explorer.open_run.open, tiny_run)
        qtbot.waitUntil(lambda: explorer.open_run.run is not None and not explorer.open_run.opening)
        leave_hanging(explorer.dataset.choose, str(hung), explorer.open_run.open, tiny_run)
        qtbot.waitUntil(lambda: not explorer.open_run.opening)
        leave_hanging(explorer.programs.choose, str(hung / "model.py"), explorer.open_run.open, tiny_run)
        qtbot.waitUntil(lambda: not explorer.open_run.opening)
        leave_hanging(explorer.project.open, hung / "run.isoline", explorer.open_run.open, tiny_run)
        disk.recover()
        qtbot.waitUntil(lambda: not any(lane.open for lane in lanes) and not explorer.open_run.opening)
    assert explorer.open_run.run.path == tiny_run
    assert explorer.window.docks["dataset"].isHidden()
    assert explorer.dataset.path == ""
    assert explorer.window.notice.text() == ""
