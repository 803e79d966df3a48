"""The window's side of the engine: what it sends, what it lets through, and what it does when the engine dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.models.inference import Inference
from core.models.vae import build_model
from core.protocol.messages import (
    Cancel,
    Decode,
    Decoded,
    DecodePath,
    Export,
    ExportProgress,
    Failed,
    Inspect,
    Inspected,
    Load,
    Loaded,
    PathFrames,
    Ready,
    Reply,
)
from core.runs.directory import RunDirectory
from core.training.checkpoint import save_weights
from explorer.engine_client import MAX_RESTARTS, EngineClient

TINY = RunConfig(
    data=DataConfig(image_size=32, count=60), model=ModelConfig(latent_dim=3), training=TrainingConfig(device="cpu")
)
Z = np.array([0.5, -1.0, 0.25], dtype=np.float32)
WAIT_MS = 60_000

posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends POSIX signals")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory.create(tmp_path_factory.mktemp("client") / "run", TINY, {})
    save_weights(run.weights_path, build_model(TINY).state_dict(), TINY, step=5)
    return run


class Listener:
    """A client and everything it said."""

    def __init__(self, client: EngineClient, qtbot: Any) -> None:
        self.client, self._qtbot = client, qtbot
        self.replies: list[Reply] = []
        self.deaths: list[str] = []
        client.replied.connect(self.replies.append)
        client.died.connect(self.deaths.append)

    def of(self, kind: type) -> list[Any]:
        return [reply for reply in self.replies if isinstance(reply, kind)]

    def until(self, condition: Callable[[], object]) -> None:
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=WAIT_MS)

    def answer(self, stamp: int) -> Any:
        self.until(lambda: any(reply.stamp == stamp for reply in self.replies))
        return next(reply for reply in self.replies if reply.stamp == stamp)

    def load(self, run: RunDirectory) -> Any:
        return self.answer(self.client.send(Load, path=str(run.path)))

    def signal(self, number: int) -> None:
        os.kill(self.client.process_id, number)


@pytest.fixture
def idle(qtbot) -> Iterator[Listener]:
    """A client whose engine has not been started."""
    client = EngineClient()
    yield Listener(client, qtbot)
    client.stop()
    client.deleteLater()


@pytest.fixture
def started(idle: Listener) -> Listener:
    """A client with an engine of the test's own, which may do with it what it likes."""
    idle.client.start(threads=1)
    return idle


@pytest.fixture
def mortal(started: Listener, run: RunDirectory) -> Listener:
    """The same, with the tiny run open."""
    assert isinstance(started.load(run), Loaded)
    return started


@pytest.fixture(scope="module")
def shared_client(qapp: object) -> Iterator[EngineClient]:
    client = EngineClient()
    client.start(threads=1)
    yield client
    client.stop()
    client.deleteLater()


@pytest.fixture
def loaded(shared_client: EngineClient, qtbot, run: RunDirectory) -> Iterator[Listener]:
    """A client with the tiny run open; the engine is shared by the tests that leave it as it was."""
    listener = Listener(shared_client, qtbot)
    assert isinstance(listener.load(run), Loaded)
    yield listener
    shared_client.replied.disconnect(listener.replies.append)
    shared_client.died.disconnect(listener.deaths.append)


def script(tmp_path: Path, text: str) -> str:
    """A program to start in the engine's place."""
    path = tmp_path / "engine.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# requests and replies


def test_requests_sent_before_the_engine_is_ready_are_answered(started, run):
    started.client.send(Load, path=str(run.path))
    decoded = started.answer(started.client.send(Decode, z=Z))
    np.testing.assert_array_equal(decoded.image, Inference(build_model(TINY)).decode(Z[None])[0])
    assert [type(reply) for reply in started.replies] == [Ready, Loaded, Decoded]


def test_of_a_drag_only_the_first_and_the_newest_point_are_decoded(loaded):
    stamps = [loaded.client.send(Decode, z=Z + np.float32(i / 1000)) for i in range(300)]
    last = loaded.answer(stamps[-1])
    np.testing.assert_array_equal(last.z, Z + np.float32(0.299))
    assert [reply.stamp for reply in loaded.of(Decoded)] == [stamps[0], stamps[-1]]


def test_a_decode_that_fails_lets_the_next_one_go(loaded):
    bad = loaded.client.send(Decode, z=Z[:2])
    good = loaded.client.send(Decode, z=Z)
    assert isinstance(loaded.answer(good), Decoded)
    assert isinstance(loaded.answer(bad), Failed)


def test_cancelling_the_decode_on_its_way_lets_the_next_one_go(loaded):
    loaded.client.send(Cancel, request=loaded.client.send(Decode, z=Z))
    assert isinstance(loaded.answer(loaded.client.send(Decode, z=Z)), Decoded)


def test_answers_to_replaced_requests_are_dropped(loaded):
    stamps = [loaded.client.send(Inspect, index=index) for index in range(5)]
    loaded.answer(stamps[-1])
    assert [reply.index for reply in loaded.of(Inspected)] == [4]
    paths = [loaded.client.send(DecodePath, z=np.zeros((6, 3), np.float32)) for _ in range(3)]
    loaded.until(lambda: sum(len(reply.images) for reply in loaded.of(PathFrames)) == 6)
    assert {reply.stamp for reply in loaded.of(PathFrames)} == {paths[-1]}


def test_images_of_the_model_before_are_dropped(loaded, run):
    loaded.client.send(Decode, z=Z)
    loaded.client.send(Load, path=str(run.path))
    new = loaded.client.send(Decode, z=Z)
    loaded.answer(new)
    assert [reply.stamp for reply in loaded.of(Decoded)] == [new]


# when it dies


@posix
def test_an_engine_that_is_killed_is_started_again_with_the_same_run(mortal):
    first = mortal.client.process_id
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.of(Loaded)) == 2)
    assert mortal.deaths == ["The engine was killed. It has been started again."]
    assert mortal.client.process_id not in (0, first)
    assert mortal.of(Loaded)[0].path == mortal.of(Loaded)[1].path
    assert isinstance(mortal.answer(mortal.client.send(Decode, z=Z)), Decoded)


@posix
def test_what_it_had_not_answered_is_answered_by_the_next_engine(mortal):
    mortal.signal(signal.SIGSTOP)
    decode, inspect = mortal.client.send(Decode, z=Z), mortal.client.send(Inspect, index=1)
    mortal.signal(signal.SIGKILL)
    assert isinstance(mortal.answer(decode), Decoded)
    assert isinstance(mortal.answer(inspect), Inspected)


@posix
def test_an_export_that_dies_with_it_is_reported_and_not_begun_again(mortal, tmp_path):
    mortal.signal(signal.SIGSTOP)
    export = mortal.client.send(Export, z=Z[None], path=str(tmp_path / "p.png"), format="png")
    mortal.signal(signal.SIGKILL)
    failed = mortal.answer(export)
    assert isinstance(failed, Failed)
    assert "Export again" in failed.message
    mortal.answer(mortal.client.send(Decode, z=Z))
    assert mortal.of(ExportProgress) == []


@posix
def test_a_run_that_could_not_be_opened_is_not_the_one_to_come_back_to(mortal, run, tmp_path):
    assert isinstance(mortal.answer(mortal.client.send(Load, path=str(tmp_path))), Failed)
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.of(Loaded)) == 2)
    assert mortal.of(Loaded)[1].path == str(run.path)
    assert isinstance(mortal.answer(mortal.client.send(Decode, z=Z)), Decoded)


@posix
def test_an_engine_that_keeps_dying_is_given_up_until_a_run_is_opened(idle, run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("explorer.engine_client.sys.executable", script(tmp_path, "echo no memory >&2; exit 3"))
        idle.client.start()
        idle.until(lambda: len(idle.deaths) > MAX_RESTARTS)
    assert idle.deaths[0] == "The engine ended with status 3 (no memory). It has been started again."
    assert (
        idle.deaths[-1] == "The engine ended with status 3 (no memory), 4 times in a minute. Open a run to try again."
    )
    assert idle.client.process_id == 0
    assert isinstance(idle.load(run), Loaded)


@posix
def test_an_engine_that_sends_nonsense_is_ended(idle, tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.engine_client.sys.executable", script(tmp_path, "echo nonsense, far too long; cat"))
    idle.client.start()
    idle.until(lambda: idle.deaths)
    assert "longer than the limit" in idle.deaths[0]


def test_a_program_that_is_not_there_is_named(idle, tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.engine_client.sys.executable", str(tmp_path / "python"))
    idle.client.start()
    idle.until(lambda: idle.deaths)
    assert "could not be started" in idle.deaths[0]
    assert str(tmp_path / "python") in idle.deaths[0]
    assert idle.client.process_id == 0


# how it ends


def test_stopping_ends_the_process_and_is_no_death(mortal):
    pid = mortal.client.process_id
    mortal.client.stop()
    assert not alive(pid)
    assert (mortal.client.process_id, mortal.deaths) == (0, [])
    mortal.client.stop()


@posix
def test_an_engine_that_does_not_listen_is_stopped_by_force(started):
    started.until(lambda: started.replies)
    pid = started.client.process_id
    started.signal(signal.SIGSTOP)
    started.client.stop()
    assert not alive(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_the_engine_ends_when_the_window_is_killed(qtbot):
    code = (
        "import sys\nfrom PySide6.QtCore import QCoreApplication, QTimer\n"
        "from explorer.engine_client import EngineClient\n"
        "application = QCoreApplication([])\nclient = EngineClient()\nclient.start()\n"
        "client.replied.connect(lambda _: print(client.process_id, flush=True))\napplication.exec()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as window:
        assert window.stdout is not None
        pid = int(window.stdout.readline())
        assert alive(pid)
        window.kill()
    qtbot.waitUntil(lambda: not alive(pid), timeout=WAIT_MS)


def test_a_folder_named_core_where_it_was_started_is_not_taken_for_ours(idle, run, tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('somebody else')")
    monkeypatch.chdir(tmp_path)
    idle.client.start()
    assert isinstance(idle.load(run), Loaded)


def test_imports_no_torch():
    code = "import explorer.engine_client, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
