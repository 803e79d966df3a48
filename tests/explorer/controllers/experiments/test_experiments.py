"""Experiments from the window: real folders, real processes that are started, cancelled, killed and found again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from event_loop import process_events_until
from fake_engine import FakeEngine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from core.config import RunConfig
from core.experiments.folder import ExperimentFolder, read_progress
from core.runs.directory import RunDirectory
from explorer.controllers.controller import Context
from explorer.controllers.experiments.experiments import (
    ExperimentsController,
    complaint,
    experiment_command,
    find_experiments,
    key_numbers,
    read_experiment,
    read_flags,
    read_request,
)
from explorer.state import State
from explorer.views.experiments import ExperimentsView

WAIT = 30_000
EXPERIMENT = """
import contextlib, sys, time
from pathlib import Path
from core.config import RunConfig
from core.experiments.folder import ExperimentFolder, Stopped
name, out, seeds, quick, how = sys.argv[1:]
print("begins", flush=True)
if how == "refuses":
    sys.exit("isoline experiment: error: seeds is 99; it must be 1 to 10.")
folder = ExperimentFolder(Path(out))
with contextlib.suppress(Stopped):
    with folder.begin(name, {"seeds": int(seeds), "quick": quick == "True"}):
        folder.report("default, seed 0", 0.25, "default-0", 100.0)
        for _ in range(600 if how == "waits" else 0):
            folder.check_stop()
            time.sleep(0.05)
        if how == "fails":
            raise ValueError("the hole swallows all images; make it smaller.")
        folder.html_path.write_text("<html></html>")
        folder.report_path.write_text('{"conclusions": ["It does not orient the sheet.", "It prefers diagonals."]}')
"""


@dataclass
class Desk:
    """A panel with its controller, what they said, and how the next experiment behaves."""

    view: ExperimentsView
    context: Context
    control: ExperimentsController
    folder: Path
    how: str = "waits"
    errors: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    opened: list[Path] = field(default_factory=list)

    def command(self, name: str, out: Path, seeds: int, quick: bool) -> list[str]:
        return [sys.executable, "-c", EXPERIMENT, name, str(out), str(seeds), str(quick), self.how]

    def open(self, path: Path) -> bool:
        self.opened.append(path)
        return True

    def settle(self) -> None:
        """Wait until all folders have been read, and everything has been started and written."""
        process_events_until(
            lambda: not (self.control._looks.busy or self.control._files.busy or self.control._choices.pending)
        )

    def tick(self) -> None:
        """Look now, at what is there by now."""
        self.settle()
        self.control._due = 0.0
        self.control.tick()
        self.settle()

    def refresh(self) -> None:
        self.control.refresh()
        self.settle()

    def start(self, name: str, seeds: int, quick: bool) -> Path | None:
        """The folder of an experiment that is started now; None if it is not."""
        before = find_experiments(self.folder)
        self.control.start(name, seeds, quick)
        self.settle()
        return next((path for path in find_experiments(self.folder) if path not in before), None)

    def act(self, action: str, path: Path) -> None:
        """Press the button of one experiment."""
        self.view.action_requested.emit(action, str(path))
        self.settle()

    def state(self, path: Path) -> str:
        self.tick()
        return next((one.state for one in self.control.experiments if one.path == path), "not listed")

    def text(self, path: Path) -> str:
        return self.view.row(str(path)).findChild(QObject, "experiments.text").text()


@pytest.fixture
def desk(qtbot, monkeypatch):
    monkeypatch.setattr("explorer.controllers.experiments.experiments.POLL_S", 0.05)
    view, context = ExperimentsView(), Context(State(), FakeEngine(), None)  # pyright: ignore[reportArgumentType]
    qtbot.addWidget(view)
    made = Desk(view, context, None, context.settings.runs_folder / "experiments")  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(
        "explorer.controllers.experiments.experiments.experiment_command", lambda *options: made.command(*options)
    )
    made.control = ExperimentsController(context, made, view)  # pyright: ignore[reportArgumentType]
    made.control.error_occurred.connect(made.errors.append)
    made.control.refused.connect(made.errors.append)
    made.control.finished.connect(made.finished.append)
    view.resize(720, 190)
    view.show()
    yield made
    for path in find_experiments(made.folder):
        end(path)


@pytest.fixture
def browser():
    """Takes what would be opened in the desktop's programs."""

    class Browser(QObject):
        def __init__(self) -> None:
            super().__init__()
            self.opened: list[str] = []

        @Slot(QUrl)
        def show(self, url: QUrl) -> None:
            self.opened.append(url.toLocalFile())

    made = Browser()
    QDesktopServices.setUrlHandler("file", made, "show")
    yield made
    QDesktopServices.unsetUrlHandler("file")


def end(path: Path) -> None:
    """Kill the experiment's process, if it has one here, and wait until it is gone."""
    progress = read_progress(path)
    if progress is None or progress.host != socket.gethostname() or progress.pid == os.getpid():
        return
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            os.kill(progress.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        status = Path(f"/proc/{progress.pid}/stat")
        if status.exists() and ") Z " in status.read_text():
            return
        time.sleep(0.02)


def write_progress(folder: Path, name: str = "transects-20260102-030405", **changes: object) -> Path:
    """An experiment's folder as its process would have left it."""
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    progress = {
        "schema": 1,
        "experiment": "transects",
        "state": "running",
        "message": "default, seed 1",
        "fraction": 0.5,
        "run": None,
        "eta_seconds": 61.0,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "updated": time.time(),
    }
    (path / "progress.json").write_text(json.dumps(progress | changes))
    options = {"schema": 1, "experiment": "transects", "options": {"seeds": 3, "quick": False}}
    (path / "options.json").write_text(json.dumps(options))
    return path


def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# from start to report


def test_an_experiment_is_started_in_a_folder_of_its_own_and_followed_to_its_report(desk, qtbot, browser):
    desk.how = "works"
    desk.view.form.start_requested.emit("entanglement", 2, False)
    desk.settle()
    (path,) = find_experiments(desk.folder)
    assert path.name.startswith("entanglement-20")
    assert desk.state(path) in ("starting", "running", "finished")
    qtbot.waitUntil(lambda: desk.state(path) == "finished", timeout=WAIT)
    assert desk.finished == ["Entanglement: the report is ready"]
    assert desk.text(path) == "It does not orient the sheet."
    assert "begins" in (path / "experiment.log").read_text()
    with qtbot.waitSignal(desk.control.report_opened) as opened:
        desk.act("report", path)
    assert opened.args == [str(path / "report.html")]
    desk.act("folder", path)
    assert browser.opened == [str(path / "report.html"), str(path)]
    assert desk.errors == []


def test_while_one_runs_no_other_starts(desk, qtbot):
    path = desk.start("transects", 1, True)
    assert desk.start("transects", 1, True) is None
    assert "is running" in desk.errors[0]
    qtbot.waitUntil(lambda: desk.state(path) == "running", timeout=WAIT)
    assert not desk.view.findChild(QObject, "experiments.start").isEnabled()
    assert len(find_experiments(desk.folder)) == 1


def test_cancel_keeps_what_is_done_and_resume_goes_on_with_the_same_options(desk, qtbot):
    path = desk.start("transects", 2, True)

    def tell() -> str:
        desk.tick()
        return desk.text(path)

    qtbot.waitUntil(lambda: desk.state(path) == "running", timeout=WAIT)
    qtbot.waitUntil(lambda: "default" in tell(), timeout=WAIT)
    assert tell() == "25% · 1\xa0min\xa040\xa0s\xa0left · default, seed 0"
    desk.act("cancel", path)
    assert desk.state(path) in ("stopping", "stopped")
    qtbot.waitUntil(lambda: desk.state(path) == "stopped", timeout=WAIT)
    assert "25% done and saved" in desk.text(path)
    desk.how = "works"
    desk.act("resume", path)
    assert desk.state(path) in ("starting", "running", "finished")
    qtbot.waitUntil(lambda: desk.state(path) == "finished", timeout=WAIT)
    assert json.loads((path / "options.json").read_text())["options"] == {"seeds": 2, "quick": True}
    assert desk.errors == []


def test_one_that_is_cancelled_while_it_starts_stops_as_soon_as_it_runs(desk, qtbot):
    path = desk.start("transects", 1, True)
    desk.act("cancel", path)
    qtbot.waitUntil(lambda: desk.state(path) == "stopped", timeout=WAIT)


def test_one_that_is_cancelled_while_its_first_words_are_read_stops_too(desk, qtbot, monkeypatch):
    path, read_so_far = desk.start("transects", 1, True), []

    def slowly(path: Path):
        read_so_far.append(read_experiment(path))
        end = time.monotonic() + WAIT / 1000
        while read_progress(path) is None and time.monotonic() < end:
            time.sleep(0.02)
        return read_so_far[-1]

    monkeypatch.setattr("explorer.controllers.experiments.experiments.read_experiment", slowly)
    desk.act("cancel", path)
    qtbot.waitUntil(lambda: desk.state(path) == "stopped", timeout=WAIT)


def test_a_killed_one_is_interrupted_and_can_be_resumed(desk, qtbot):
    path = desk.start("transects", 1, True)
    qtbot.waitUntil(lambda: desk.state(path) == "running", timeout=WAIT)
    end(path)
    qtbot.waitUntil(lambda: desk.state(path) == "interrupted", timeout=WAIT)
    assert "interrupted" in desk.errors[0]
    desk.how = "works"
    desk.act("resume", path)
    qtbot.waitUntil(lambda: desk.state(path) == "finished", timeout=WAIT)


def test_a_failure_is_told_with_its_reason_and_the_log(desk, qtbot):
    desk.how = "fails"
    path = desk.start("transects", 1, True)
    qtbot.waitUntil(lambda: desk.state(path) == "failed", timeout=WAIT)
    assert "the hole swallows all images" in desk.errors[0]
    assert desk.text(path) == "the hole swallows all images; make it smaller."
    qtbot.waitUntil(lambda: "ValueError" in read_experiment(path).log, timeout=WAIT)


def test_a_command_that_refuses_its_options_is_explained(desk, qtbot):
    desk.how = "refuses"
    path = desk.start("transects", 1, True)
    qtbot.waitUntil(lambda: desk.state(path) == "failed", timeout=WAIT)
    assert desk.text(path) == "seeds is 99; it must be 1 to 10."
    assert "seeds is 99" in desk.errors[0]


def test_one_starts_for_as_long_as_its_process_lives_and_is_silent(desk, qtbot, tmp_path):
    end = tmp_path / "end"
    script = "import sys, time; from pathlib import Path\nwhile not Path(sys.argv[1]).exists(): time.sleep(0.02)"
    desk.command = lambda *_: [sys.executable, "-c", script, str(end)]
    path = desk.start("transects", 1, True)
    assert desk.state(path) == "starting"
    end.touch()
    qtbot.waitUntil(lambda: desk.state(path) == "failed", timeout=WAIT)
    assert desk.errors == ["The experiment Transects failed: Its process ended without a word."]


def test_a_resumed_one_that_is_refused_keeps_saying_so(desk, qtbot):
    path = write_progress(desk.folder, state="stopped")
    desk.how = "refuses"
    desk.refresh()
    desk.act("resume", path)
    qtbot.waitUntil(lambda: desk.state(path) == "failed", timeout=WAIT)
    desk.refresh()
    assert desk.state(path) == "failed"
    assert "seeds is 99" in desk.text(path)


def test_a_program_that_is_not_there_is_explained(desk):
    desk.command = lambda *_: [str(desk.folder / "no such program")]
    path = desk.start("transects", 1, True)
    assert "could not be started" in desk.errors[0]
    assert desk.view.row(str(path)).item.state == "failed"


def test_it_goes_on_without_the_window_and_is_found_again(desk, qtbot):
    path = desk.start("transects", 1, True)
    qtbot.waitUntil(lambda: desk.state(path) == "running", timeout=WAIT)
    desk.control.deleteLater()
    desk.control = ExperimentsController(desk.context, desk, desk.view)
    assert desk.state(path) == "running"
    desk.act("cancel", path)
    qtbot.waitUntil(lambda: desk.state(path) == "stopped", timeout=WAIT)


# what stands on the disk


def test_experiments_are_found_newest_first_whoever_started_them(desk):
    write_progress(desk.folder, "transects-20260102-030405", state="stopped")
    write_progress(desk.folder, "entanglement-20260301-000000", state="stopped")
    write_progress(desk.folder, "transects-20260102-030406-2", state="stopped")
    (desk.folder / "something else").mkdir()
    desk.tick()
    assert [Path(key).name for key in desk.view.listed] == [
        "entanglement-20260301-000000",
        "transects-20260102-030406-2",
        "transects-20260102-030405",
    ]


def test_one_that_a_terminal_starts_appears_by_itself(desk, qtbot):
    desk.tick()
    path = write_progress(desk.folder, "by hand")
    qtbot.waitUntil(lambda: desk.state(path) == "running", timeout=WAIT)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"pid": -1}, "interrupted"),
        ({"updated": 0.0}, "interrupted"),
        ({"host": "another", "pid": -1}, "running"),
        ({"host": "another", "updated": 0.0}, "interrupted"),
        ({"state": "stopped", "pid": -1}, "stopped"),
        ({"state": "failed", "pid": -1}, "failed"),
        ({"state": "finished", "pid": -1}, "finished"),
    ],
    ids=str,
)
def test_a_state_is_what_the_folder_and_its_process_say(tmp_path, changes, state: str):
    if changes.get("pid") == -1:
        changes = changes | {"pid": dead_pid()}
    assert read_experiment(write_progress(tmp_path, **changes)).state == state


def test_one_that_ends_while_its_folder_is_read_was_not_interrupted(tmp_path, monkeypatch):
    path = write_progress(tmp_path, pid=dead_pid())
    abandoned = ExperimentFolder.abandoned

    def end_meanwhile(folder: ExperimentFolder, progress) -> bool:
        write_progress(tmp_path, state="failed", message="no images", pid=progress.pid)
        return abandoned(folder, progress)

    monkeypatch.setattr(ExperimentFolder, "abandoned", end_meanwhile)
    read = read_experiment(path)
    assert (read.state, read.message) == ("failed", "no images")


def test_an_experiment_elsewhere_does_not_keep_this_machine_from_starting_one(desk):
    write_progress(desk.folder, host="another")
    desk.tick()
    assert desk.view.row(str(desk.folder / "transects-20260102-030405")).item.subtitle.endswith("elsewhere")
    assert desk.view.findChild(QObject, "experiments.start").isEnabled()


def test_one_whose_options_are_not_known_is_not_resumed_blindly(desk):
    path = write_progress(desk.folder, state="stopped")
    (path / "options.json").write_text("{")
    desk.refresh()
    desk.act("resume", path)
    assert "does not record its options" in desk.errors[0]
    assert desk.state(path) == "stopped"


def test_watching_opens_the_run_in_training(desk):
    path = write_progress(desk.folder, run="runs/default-0")
    desk.act("watch", path)
    assert desk.opened == []
    assert "not training a model" in desk.errors[0]
    RunDirectory.create(path / "runs" / "default-0", RunConfig(), {})
    desk.refresh()
    assert desk.view.row(str(path)).item.run == path / "runs" / "default-0"
    desk.act("watch", path)
    assert desk.opened == [path / "runs" / "default-0"]


def test_a_report_that_was_deleted_is_named(desk, browser):
    path = write_progress(desk.folder, state="finished")
    desk.act("report", path)
    assert "report.html does not exist" in desk.errors[0]
    assert browser.opened == []


def test_a_folder_that_cannot_be_written_is_explained(desk):
    desk.folder.parent.parent.mkdir(parents=True, exist_ok=True)
    desk.folder.parent.write_text("in the way")
    assert desk.start("transects", 1, True) is None
    assert "cannot be written" in desk.errors[0]


def test_the_runs_folder_may_change(desk, tmp_path):
    write_progress(desk.folder, state="stopped")
    desk.refresh()
    assert len(desk.view.listed) == 1
    desk.context.settings.runs_folder = tmp_path / "other"
    control = ExperimentsController(desk.context, desk, desk.view)
    control.tick()
    process_events_until(lambda: not control._looks.busy)
    assert desk.view.listed == []
    assert str(tmp_path / "other") in desk.view.findChild(QObject, "experiments.empty").text()


# words and numbers


def test_the_command_is_the_one_a_person_would_type(tmp_path):
    command = experiment_command("transects", tmp_path, 3, False)
    assert command[1:] == [
        *("-P", "-m", "core.cli", "experiment", "--nice", "10", "transects", "--out", str(tmp_path), "--seeds", "3")
    ]
    assert "--quick" in experiment_command("entanglement", tmp_path, 1, True)


def test_going_on_repeats_every_option_that_it_was_begun_with(tmp_path):
    path = write_progress(tmp_path)
    options = {"seeds": 3, "quick": True, "ablations": False, "hole_a": -1.5, "epochs": None, "gammas": [0.1, 1.0]}
    (path / "options.json").write_text(json.dumps({"experiment": "transects", "options": options}))
    assert read_request(path) == ("transects", 3, True)
    assert read_flags(path) == ["--no-ablations", "--hole-a=-1.5", "--gammas", "0.1", "1.0"]


def _model(hole: float, outside: float, group: str = "default") -> dict:
    return {"group": group, "hole_excess_bce": {"P1": hole, "P2": 9}, "outside_excess_bce": {"P1": outside, "P2": 9}}


def test_transects_are_summed_up_by_the_default_model_on_p1():
    report = {"models": [_model(0.0010, 0.0008), _model(0.0012, 0.0008), _model(0.5, 0.5, "ablation")]}
    line, tip = key_numbers("transects", report, quick=False)
    assert line == "Excess BCE on P1: in the hole 0.0011 ± 0.0001, outside 0.0008 ± 0.0000"
    assert "over 2 seeds" in tip
    assert "0.0247" in tip


def test_one_seed_has_no_interval_and_small_images_no_published_figure_beside_them():
    line, tip = key_numbers("transects", {"models": [_model(0.0010, 0.0008)]}, quick=True)
    assert line == "Excess BCE on P1: in the hole 0.0010, outside 0.0008"
    assert "one seed: no interval" in tip
    assert "0.0247" not in tip


def _leaks(curve: object, vector: object) -> dict:
    kinds = {"factor curve": {"median": {"value": curve}}, "mean difference": {"median": {"value": vector}}}
    return {"summary": {"leak": {"both": kinds}}, "conclusions": ["A curve leaks less.", "Across the hole …"]}


def test_curves_are_summed_up_by_the_median_leak_along_curves_and_along_lines():
    line, tip = key_numbers("curves", _leaks(0.0034, 0.2512), quick=False)
    assert line == "Leak along factor curves 0.34 %, along the mean-difference vector 25 %"
    assert tip.startswith("A curve leaks less.\nAcross the hole …\nLeak: largest deviation of the other factor")


@pytest.mark.parametrize("broken", [None, "0.1", float("nan"), True])
def test_leaks_that_are_no_numbers_leave_the_words_alone(broken: object):
    assert key_numbers("curves", _leaks(0.0034, broken), quick=False)[0] == "A curve leaks less."


_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
_factors = st.dictionaries(st.sampled_from(["P1", "P2"]), _leaf, max_size=2)
_models = st.fixed_dictionaries(
    {},
    optional={"group": st.just("default") | _leaf, "hole_excess_bce": _factors | _leaf, "outside_excess_bce": _factors},
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    report=st.fixed_dictionaries(
        {}, optional={"models": st.lists(_models | _leaf, max_size=3) | _leaf, "conclusions": st.lists(_leaf) | _leaf}
    ),
    name=st.sampled_from(["transects", "entanglement", "curves"]),
)
def test_any_report_is_summed_up_or_passed_over(report, name: str):
    line, tip = key_numbers(name, report, quick=False)
    assert isinstance(line, str)
    assert bool(line) <= bool(tip)


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=80), files=st.sets(st.sampled_from(["progress.json", "options.json", "report.json"])))
def test_torn_files_make_no_window_fall(tmp_path_factory, content: bytes, files: set[str]):
    path = tmp_path_factory.mktemp("torn")
    for file in files:
        (path / file).write_bytes(content)
    assert read_experiment(path).state == "interrupted"


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", ""),
        ("all is well\n", ""),
        ("isoline experiment: error: seeds is 99.\n", "seeds is 99."),
        ("Traceback …\n  File …\nMemoryError: out of memory\n\n", "MemoryError: out of memory"),
    ],
)
def test_the_reason_of_an_end_is_found_in_the_log(log: str, reason: str):
    assert complaint(log) == reason


def test_a_folder_is_read_by_the_same_names_as_it_is_written(tmp_path):
    folder = ExperimentFolder(tmp_path / "transects-20260102-030405")
    with folder.begin("transects", {"seeds": 4, "quick": True}):
        folder.report("working", 0.5)
    found = read_experiment(folder.path)
    assert (found.name, found.seeds, found.quick, found.state) == ("transects", 4, True, "finished")
    assert f"{found.begun:%Y-%m-%d %H:%M:%S}" == "2026-01-02 03:04:05"
