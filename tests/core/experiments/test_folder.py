"""The folder of an experiment: whose it is, how far it is, how it is stopped, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.experiments import folder as experiment_folder
from core.experiments.folder import ExperimentFolder, Progress, Stopped, read_progress
from core.experiments.options import ExperimentError
from core.runs.lock import RunError

OPTIONS: dict[str, Any] = {"seeds": 3, "epochs": None, "gammas": (1e-4, 1e-3)}


def progress_of(folder: ExperimentFolder) -> Progress:
    found = read_progress(folder.path)
    assert found is not None
    return found


def until(look: Any, what: str, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def during(folder: ExperimentFolder, action: Callable[[], Any]) -> None:
    """Do ``action`` while the experiment runs."""
    with folder.begin("transects", {}):
        action()


@pytest.fixture(autouse=True)
def _quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment_folder, "BEAT_S", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> ExperimentFolder:
    return ExperimentFolder(tmp_path / "experiment")


# whose it is


def test_the_same_options_go_on(folder: ExperimentFolder):
    for _ in range(2):
        with folder.begin("transects", OPTIONS):
            assert folder.runs_path.is_dir()
    stored = msgspec.json.decode(folder.options_path.read_bytes())
    assert stored == {
        "schema": 1,
        "experiment": "transects",
        "options": {"seeds": 3, "epochs": None, "gammas": [1e-4, 1e-3]},
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({**OPTIONS, "seeds": 2}, "seeds is 2, but"),
        ({**OPTIONS, "epochs": 5}, "epochs is 5, but"),
        ({**OPTIONS, "gammas": (1e-4,)}, "gammas is"),
        ({**OPTIONS, "more": 1}, "more is 1, but"),
    ],
)
def test_other_options_are_refused_by_name(folder: ExperimentFolder, options: dict[str, Any], said: str):
    with folder.begin("transects", OPTIONS):
        pass
    before = folder.options_path.read_bytes()
    with pytest.raises(ExperimentError, match=said), folder.begin("transects", options):
        pytest.fail("it must not begin")
    assert folder.options_path.read_bytes() == before


def test_another_experiment_is_refused(folder: ExperimentFolder):
    with folder.begin("transects", OPTIONS):
        pass
    with pytest.raises(ExperimentError, match="holds the experiment 'transects'"), folder.begin("entanglement", {}):
        pytest.fail("it must not begin")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not valid JSON"),
        (b"[]", "is not the options of an experiment"),
        (b'{"schema": 9, "experiment": "transects", "options": {}}', "schema version 9"),
    ],
)
def test_a_damaged_options_file_is_refused(folder: ExperimentFolder, content: bytes, said: str):
    folder.path.mkdir()
    folder.options_path.write_bytes(content)
    with pytest.raises(ExperimentError, match=said), folder.begin("transects", {}):
        pytest.fail("it must not begin")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    blocked = ExperimentFolder(tmp_path / "file" / "experiment")
    with pytest.raises(ExperimentError, match="cannot be written"), blocked.begin("transects", {}):
        pytest.fail("it must not begin")


def test_only_one_process_runs_it(folder: ExperimentFolder):
    other = ExperimentFolder(folder.path)
    with folder.begin("transects", {}):
        with pytest.raises(RunError, match=f"process {os.getpid()}"), other.begin("transects", {}):
            pytest.fail("it must not begin")
        assert progress_of(folder).state == "running"


# how far it is


def test_progress_is_what_was_reported(folder: ExperimentFolder):
    with folder.begin("transects", {}):
        folder.report("training", 0.25, "default-0", 90.0)
        until(lambda: progress_of(folder).message == "training", "the report")
        found = progress_of(folder)
        assert (found.schema, found.experiment, found.state) == (1, "transects", "running")
        assert (found.fraction, found.run, found.eta_seconds) == (0.25, "runs/default-0", 90.0)
        assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
        assert abs(found.updated - time.time()) < 60
        assert not folder.abandoned(found)


def test_progress_is_written_again_and_again(folder: ExperimentFolder):
    with folder.begin("transects", {}):
        first = progress_of(folder).updated
        until(lambda: progress_of(folder).updated > first, "another writing")


@pytest.mark.parametrize("fraction", [0.1, float("nan"), -1.0, None])
def test_the_fraction_never_falls(folder: ExperimentFolder, fraction: float | None):
    with folder.begin("transects", {}):
        folder.report("one", 0.5)
        folder.report("two", fraction, eta_seconds=float("nan"))
        until(lambda: progress_of(folder).message == "two", "the report")
        assert progress_of(folder).fraction == 0.5
        assert progress_of(folder).eta_seconds is None


def test_it_ends_finished(folder: ExperimentFolder):
    with folder.begin("transects", {}):
        folder.report("training", 0.5, "default-0", 10.0)
    found = progress_of(folder)
    assert (found.state, found.fraction, found.run, found.eta_seconds) == ("finished", 1.0, None, None)
    assert not (folder.path / "lock").exists()


def test_it_ends_failed_with_the_reason(folder: ExperimentFolder):
    def overheat() -> None:
        folder.report("training", 0.5)
        raise ValueError("too hot")

    with pytest.raises(ValueError, match="too hot"):
        during(folder, overheat)
    found = progress_of(folder)
    assert (found.state, found.message, found.fraction) == ("failed", "too hot", 0.5)


def test_a_process_that_is_gone_has_abandoned_it(folder: ExperimentFolder):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder.path.mkdir()
    for pid, state, expected in (
        (gone.pid, "running", True),
        (gone.pid, "finished", False),
        (os.getpid(), "running", False),
    ):
        content = {"schema": 1, "experiment": "transects", "state": state, "message": "", "fraction": 0.5, "run": None}
        content |= {"eta_seconds": None, "pid": pid, "host": socket.gethostname(), "updated": time.time()}
        folder.progress_path.write_bytes(msgspec.json.encode(content))
        assert folder.abandoned(progress_of(folder)) is expected


def test_no_progress_is_none(tmp_path: Path):
    assert read_progress(tmp_path) is None
    assert read_progress(tmp_path / "nowhere") is None


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=200) | st.builds(msgspec.json.encode, st.dictionaries(st.text(), st.integers())))
def test_a_file_that_is_no_progress_is_none(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.mktemp("progress")
    (path / "progress.json").write_bytes(content)
    assert read_progress(path) is None


# how it is stopped


def test_a_stop_file_stops_it_between_two_parts(folder: ExperimentFolder):
    def ask() -> None:
        folder.check_stop()
        folder.request_stop()
        assert folder.stop_requested
        folder.check_stop()
        pytest.fail("it must have stopped")

    with pytest.raises(Stopped):
        during(folder, ask)
    assert progress_of(folder).state == "stopped"


def test_a_stop_file_calls_whoever_listens(folder: ExperimentFolder):
    called = threading.Event()
    with folder.begin("transects", {}), folder.on_stop(called.set):
        folder.request_stop()
        assert called.wait(300)


def test_starting_again_forgets_the_stop(folder: ExperimentFolder):
    folder.path.mkdir()
    folder.request_stop()
    with folder.begin("transects", {}):
        folder.check_stop()
    assert progress_of(folder).state == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it(folder: ExperimentFolder, number: signal.Signals):
    before = signal.getsignal(number)
    with pytest.raises(Stopped):
        during(folder, lambda: signal.raise_signal(number))
    assert progress_of(folder).state == "stopped"
    assert signal.getsignal(number) is before


def test_following_an_experiment_loads_no_torch():
    program = "import core.experiments.folder, core.experiments.runner, sys; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
