"""The window's side of the engine: what it sends, what it lets through, and what it does when the engine dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import psutil
import pytest
from fake_engine import FakeEngine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from PySide6.QtCore import QEvent, QObject

from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.models.network_inference import NetworkInference
from core.models.vae import build_model
from core.protocol.messages import (
    CompareModels,
    Decode,
    Decoded,
    DecodePath,
    Done,
    EncodeFactors,
    EncodeSample,
    Export,
    Failed,
    Load,
    Loaded,
    LoadSecond,
    MeasureAttributes,
    MeasureLosses,
    PathFrames,
    Pong,
    Reply,
    Request,
    SampleEncoded,
    SetAttributes,
    TracePath,
    WeightsChanged,
)
from core.runs.directory import RunDirectory
from core.training.checkpoint import save_weights
from explorer import engine_client
from explorer.engine_client import MAX_RESTARTS, EngineClient, Outcome, PendingRequest
from explorer.engine_process import engine_arguments, start_python

TINY = RunConfig(
    data=DataConfig(image_size=32, count=60), model=ModelConfig(latent_dim=3), training=TrainingConfig(device="cpu")
)
Z = np.array([0.5, -1.0, 0.25], dtype=np.float32)
WAIT_MS = 60_000
SLACK_S = 2.0  # by which a busy machine may be late

posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends POSIX signals")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory.create(tmp_path_factory.mktemp("client") / "run", TINY, {})
    save_weights(run.weights_path, build_model(TINY).state_dict(), TINY, step=5)
    return run


class Listener:
    """A client, everything that it handed out, and every error."""

    def __init__(self, client: EngineClient, qtbot: Any) -> None:
        self.client, self._qtbot = client, qtbot
        self.replies: list[Any] = []
        self.errors: list[str] = []
        self.loads: list[Loaded] = []
        self.devices: list[str] = []
        client.error_occurred.connect(self.errors.append)
        client.loaded.connect(self.loads.append)
        client.ready.connect(self.devices.append)

    def request(self, message: Request) -> PendingRequest:
        return self.client.request(message, self.replies.append)

    def of(self, kind: type) -> list[Any]:
        return [reply for reply in self.replies if isinstance(reply, kind)]

    def until(self, condition: Callable[[], object]) -> None:
        self._qtbot.waitUntil(lambda: bool(condition()), timeout=WAIT_MS)

    def answer(self, message: Request) -> Any:
        """The last reply to ``message``; None if it ended otherwise."""
        replies: list[Any] = []
        pending = self.client.request(message, replies.append)
        self.until(lambda: pending.done)
        return replies[-1] if replies else None

    def load(self, run: RunDirectory) -> Any:
        return self.answer(Load(path=str(run.path)))

    def signal(self, number: int) -> None:
        os.kill(self.client.process_id, number)

    def disconnect(self) -> None:
        self.client.error_occurred.disconnect(self.errors.append)
        self.client.loaded.disconnect(self.loads.append)
        self.client.ready.disconnect(self.devices.append)


@pytest.fixture
def idle(qtbot) -> Iterator[Listener]:
    """A client whose engine has not been started."""
    client = EngineClient()
    yield Listener(client, qtbot)
    client.stop()
    client.deleteLater()


@pytest.fixture
def started(quick_starts: None, idle: Listener) -> Listener:
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
    listener.disconnect()


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
    started.request(Load(path=str(run.path)))
    decoded = started.answer(Decode(z=Z))
    np.testing.assert_array_equal(decoded.image, NetworkInference(build_model(TINY)).decode(Z[None])[0])
    assert len(started.devices) == 1
    assert [type(reply) for reply in started.replies] == [Loaded]
    assert started.loads == started.replies


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_engine_is_reached_by_pipes_alone_and_listens_nowhere(started):
    process = psutil.Process(started.client.process_id)
    for descriptor in (0, 1):
        assert os.readlink(f"/proc/{process.pid}/fd/{descriptor}").startswith("pipe:")
    assert [one for one in process.net_connections("all") if one.status == psutil.CONN_LISTEN or one.laddr] == []


def test_of_a_drag_the_newest_point_is_decoded_after_the_one_that_was_begun(loaded):
    asked = [loaded.request(Decode(z=Z + np.float32(i / 1000))) for i in range(300)]
    loaded.until(lambda: asked[-1].done)
    stamps = [reply.stamp for reply in loaded.replies]
    assert stamps == sorted(stamps)
    np.testing.assert_array_equal(loaded.replies[-1].z, Z + np.float32(0.299))
    answered = [pending.message.stamp for pending in asked if pending.outcome is Outcome.ANSWERED]
    left_out = [pending for pending in asked if pending.outcome is Outcome.SUPERSEDED]
    assert (answered, len(answered) + len(left_out)) == (stamps, len(asked))
    assert left_out


def test_what_waits_behind_a_decode_is_with_the_engine_already_and_ends_when_a_newer_one_is_answered():
    engine, answers = FakeEngine(), []
    first, second, third = (engine.request(Decode(z=Z + np.float32(i)), answers.append) for i in range(3))
    assert [message.stamp for message in engine.sent] == [pending.message.stamp for pending in (first, second, third)]
    engine.deliver(Done(stamp=first.message.stamp))
    assert (first.outcome, second.outcome, third.outcome) == (Outcome.ANSWERED, None, None)
    engine.deliver(Done(stamp=third.message.stamp))
    assert (second.outcome, third.outcome) == (Outcome.SUPERSEDED, Outcome.ANSWERED)
    assert [reply.stamp for reply in answers] == [first.message.stamp, third.message.stamp]


def test_a_decode_that_fails_lets_the_next_one_go(loaded):
    reasons: list[str] = []
    loaded.client.request(Decode(z=Z[:2]), None, reasons.append)
    loaded.until(lambda: reasons)
    assert isinstance(loaded.answer(Decode(z=Z)), Decoded)
    assert len(reasons) == 1
    assert reasons == loaded.errors


def test_a_decode_that_fails_once_begun_leaves_the_one_that_waits_behind_it():
    engine, answers, reasons = FakeEngine(), [], []
    first, second = (engine.request(Decode(z=Z + np.float32(i)), answers.append, reasons.append) for i in range(2))
    engine.deliver(Failed(stamp=first.message.stamp, message="no"))
    assert (first.outcome, second.outcome, reasons) == (Outcome.FAILED, None, ["no"])
    engine.deliver(Done(stamp=second.message.stamp))
    assert (second.outcome, len(answers)) == (Outcome.ANSWERED, 1)


def test_cancelling_the_decode_on_its_way_lets_the_next_one_go(loaded):
    pending = loaded.request(Decode(z=Z))
    pending.cancel()
    assert isinstance(loaded.answer(Decode(z=Z)), Decoded)
    assert (pending.outcome, loaded.replies) == (Outcome.CANCELLED, [])


def test_answers_to_superseded_requests_are_dropped(loaded):
    asked = [loaded.request(EncodeSample(index=index)) for index in range(5)]
    loaded.until(lambda: asked[-1].done)
    assert [reply.index for reply in loaded.of(SampleEncoded)] == [4]
    asked = [loaded.request(DecodePath(z=np.zeros((6, 3), np.float32))) for _ in range(3)]
    loaded.until(lambda: asked[-1].done)
    assert {reply.stamp for reply in loaded.of(PathFrames)} == {asked[-1].message.stamp}
    assert sum(len(reply.images) for reply in loaded.of(PathFrames)) == 6


def test_requests_of_two_channels_are_both_answered(loaded):
    z = np.zeros((6, 3), np.float32)
    one, other = loaded.request(DecodePath(z=z)), loaded.request(DecodePath(z=z, channel="other"))
    loaded.until(lambda: one.done and other.done)
    assert (one.outcome, other.outcome) == (Outcome.ANSWERED, Outcome.ANSWERED)


def test_images_of_the_model_before_are_dropped(loaded, run):
    old = loaded.request(Decode(z=Z))
    loaded.client.request(Load(path=str(run.path)))
    assert isinstance(loaded.answer(Decode(z=Z)), Decoded)
    assert (old.outcome, loaded.replies) == (Outcome.SUPERSEDED, [])


# when it dies


@posix
def test_an_engine_that_is_killed_is_started_again_with_the_same_run(idle, run):
    mortal = idle
    mortal.client.start()
    assert isinstance(mortal.load(run), Loaded)
    first = mortal.client.process_id
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.loads) == 2)
    assert mortal.errors == ["The engine was killed. It has been started again."]
    assert mortal.client.process_id not in (0, first)
    assert mortal.loads[0].path == mortal.loads[1].path
    assert isinstance(mortal.answer(Decode(z=Z)), Decoded)


@posix
def test_what_it_had_not_answered_is_answered_by_the_next_engine(mortal):
    mortal.signal(signal.SIGSTOP)
    asked = [mortal.request(Decode(z=Z)), mortal.request(EncodeSample(index=1))]
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: all(pending.done for pending in asked))
    assert {type(reply) for reply in mortal.replies} == {Decoded, SampleEncoded}


@posix
def test_what_a_second_engine_took_to_its_grave_ends_in_an_error(mortal):
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.loads) == 2)
    mortal.signal(signal.SIGSTOP)
    reasons: list[str] = []
    asked = [
        mortal.client.request(message, mortal.replies.append, reasons.append)
        for message in (Decode(z=Z), MeasureLosses(indices=np.arange(9)), MeasureAttributes(names=("area",)))
    ]
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.loads) == 3)
    assert [pending.outcome for pending in asked] == [Outcome.FAILED] * 3
    assert reasons == [mortal.errors[-1]] * 3
    assert mortal.errors[-1].endswith("It starts again in 1\u00a0s. The request in progress was lost.")
    assert mortal.replies == []
    assert isinstance(mortal.answer(Decode(z=Z)), Decoded)


@posix
def test_an_export_that_dies_with_it_is_reported_and_not_begun_again(mortal, tmp_path):
    mortal.signal(signal.SIGSTOP)
    reasons: list[str] = []
    mortal.client.request(Export(z=Z[None], path=str(tmp_path / "p.png"), format="png"), None, reasons.append)
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: reasons)
    assert "was lost" in reasons[0]
    assert isinstance(mortal.answer(Decode(z=Z)), Decoded)
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_run_that_could_not_be_opened_is_not_the_one_to_come_back_to(mortal, run, tmp_path):
    assert mortal.answer(Load(path=str(tmp_path))) is None
    mortal.signal(signal.SIGKILL)
    mortal.until(lambda: len(mortal.loads) == 2)
    assert mortal.loads[1].path == str(run.path)
    assert isinstance(mortal.answer(Decode(z=Z)), Decoded)


@posix
def test_an_engine_that_keeps_dying_is_given_up_until_a_run_is_opened(quick_starts, idle, run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("explorer.engine_client.sys.executable", script(tmp_path, "echo no memory >&2; exit 3"))
        patch.setattr("explorer.engine_client.RESTART_AFTER_S", (0.0, 0.0, 0.0))
        idle.client.start()
        idle.until(lambda: len(idle.errors) > MAX_RESTARTS)
    assert idle.errors[0] == "The engine ended with status 3 (no memory). It has been started again."
    assert (
        idle.errors[-1] == "The engine ended with status 3 (no memory), 4 times in a minute. Open a run to try again."
    )
    assert idle.client.process_id == 0
    assert idle.answer(Decode(z=Z)) is None
    assert idle.errors[-1] == "The engine is not running. Open a run to try again."
    assert isinstance(idle.load(run), Loaded)


@posix
def test_an_engine_that_sends_nonsense_is_ended(idle, tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.engine_client.sys.executable", script(tmp_path, "echo nonsense, far too long; cat"))
    idle.client.start()
    idle.until(lambda: idle.errors)
    assert idle.errors[0].startswith("The engine sent what is no message (a frame of ")
    assert "longer than the limit" in idle.errors[0]


def test_a_program_that_is_not_there_is_named(idle, tmp_path, monkeypatch):
    monkeypatch.setattr("explorer.engine_client.sys.executable", str(tmp_path / "python"))
    pending = idle.request(Decode(z=Z))
    idle.client.start()
    idle.until(lambda: idle.errors)
    assert "could not be started" in idle.errors[0]
    assert str(tmp_path / "python") in idle.errors[0]
    assert idle.client.process_id == 0
    assert pending.outcome is Outcome.FAILED


# when it hangs


def seconds_until(listener: Listener, condition: Callable[[], object]) -> float:
    began = monotonic()
    listener.until(condition)
    print(f"noticed after {(seconds := monotonic() - began):.1f} s")
    return seconds


@posix
def test_a_stopped_engine_is_noticed_within_two_seconds_and_answers_after_all(mortal):
    mortal.signal(signal.SIGSTOP)
    pending = mortal.request(EncodeSample(index=1))
    assert seconds_until(mortal, lambda: mortal.errors) < 2.0 + SLACK_S
    assert mortal.errors == ["The engine had been stopped. It has been started again."]
    mortal.until(lambda: pending.done)
    assert [type(reply) for reply in mortal.replies] == [SampleEncoded]


@posix
def test_an_engine_that_is_stopped_while_it_starts_is_replaced(idle, run):
    idle.client.start()
    idle.until(lambda: idle.client.process_id)
    first = idle.client.process_id
    idle.signal(signal.SIGSTOP)
    assert isinstance(idle.load(run), Loaded)
    assert idle.client.process_id != first


FAKE = """
import os, sys, threading, time
from core.protocol.messages import *

def run():
    channel, reader, began = os.fdopen(os.dup(1), "wb", buffering=0), FrameReader("request"), time.monotonic()
    channel.write(frame(Ready(device="cpu", torch_version="")))
    while data := os.read(0, 1 << 16):
        for message in reader.feed(data):
            if isinstance(message, Ping):
                ANSWER
"""
STUCK = "channel.write(frame(Pong(seconds=time.monotonic() - began, request=1)))"


def fake(answer: str) -> Callable[[int], list[str]]:
    """The arguments of a program in the engine's place that does ``answer`` to a ping, and nothing else."""
    return lambda _: ["-c", FAKE.replace("ANSWER", answer) + "run()"]


def test_an_endless_step_is_told_of_within_two_seconds_and_given_up_by_a_click(quick_starts, idle, monkeypatch):
    stalls: list[str] = []
    idle.client.stalled.connect(stalls.append)
    reasons: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(idle.client, "_arguments", fake(STUCK))
        endless = idle.client.request(Decode(z=Z), None, reasons.append)
        waiting = idle.request(Decode(z=Z, channel="other"))
        idle.client.start()
        idle.until(lambda: idle.devices)
        assert seconds_until(idle, lambda: stalls) < 2.0 + SLACK_S
    assert len(stalls) == 1
    assert re.fullmatch(
        r"The engine has been at one step for about \d\u00a0s so far\. Should it .*, restart it\.", stalls[0]
    )
    assert idle.errors == []
    assert not endless.done
    idle.client.restart()
    idle.until(lambda: waiting.done)  # by the real engine, which has no run open
    assert endless.outcome is Outcome.FAILED
    assert reasons == ["The engine was restarted. The request in progress was lost."]
    assert reasons[0] == idle.errors[0]


def test_a_slow_step_is_told_of_until_it_ends_and_not_again_for_the_next_that_is_as_slow(idle, monkeypatch):
    stalls: list[str] = []
    over: list[str] = []
    client = idle.client
    client.stalled.connect(stalls.append)
    client.error_resolved.connect(over.append)
    for step in (1, 2):
        for seconds in (0.4, 1.2, 2.0, 2.8):
            client._deliver(Pong(seconds=seconds, request=step))
        assert len(stalls) == 1
    client._deliver(Pong(seconds=0.0))
    assert over == stalls
    assert client.process_id == 0


def test_a_computer_that_slept_blames_no_step_for_it(idle):
    stalls: list[str] = []
    idle.client.stalled.connect(stalls.append)
    for seconds in (0.4, 3600.0):  # the engine was at the step when all processes were stopped
        idle.client._deliver(Pong(seconds=seconds, request=1))
    idle.client._deliver(Pong(seconds=0.0))
    assert stalls == []


def test_a_computer_that_slept_takes_no_idle_engine_for_dead(monkeypatch):
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        vital, later = engine_client._Vital(sleeper.pid), monotonic() + 3600.0
        vital.look()

        monkeypatch.setattr(engine_client, "monotonic", lambda: later)
        assert vital.look()[1] < 1.0
    finally:
        sleeper.communicate(b"")


def test_an_engine_that_works_without_answering_is_left_to_the_person(idle, monkeypatch):
    stalls: list[str] = []
    idle.client.stalled.connect(stalls.append)
    monkeypatch.setattr(idle.client, "_arguments", fake("sum(range(1 << 62))"))
    monkeypatch.setattr("explorer.engine_client.DEAD_S", 0.1)
    idle.client.start()
    idle.until(lambda: idle.devices)
    assert seconds_until(idle, lambda: stalls) < 2.0 + SLACK_S
    assert stalls == ["The engine does not answer. It may be busy; if that lasts, restart it."]
    assert idle.errors == []


def test_an_engine_that_neither_answers_nor_works_is_replaced(idle, monkeypatch):
    monkeypatch.setattr(idle.client, "_arguments", fake("time.sleep(60)"))
    monkeypatch.setattr("explorer.engine_client.DEAD_S", 0.5)
    idle.client.start()
    idle.until(lambda: idle.devices)
    first = idle.client.process_id
    idle.until(lambda: idle.errors)
    assert re.fullmatch(
        r"The engine neither answered nor worked for \d\u00a0s\. It has been started again\.", idle.errors[0]
    )
    idle.until(lambda: idle.client.process_id not in (0, first))


def test_an_engine_that_was_given_up_starts_again_by_a_click_with_what_was_to_be_opened(qapp):
    engine = FakeEngine()
    engine.request(Load(path="a"))
    engine.die(deaths=MAX_RESTARTS + 1)
    assert engine.given_up
    engine.sent.clear()
    engine.restart()
    assert [type(message) for message in engine.sent] == [Load]
    assert not engine.given_up


# no request stays unanswered


class Recorded:
    """A request to a client without a process, and how often it was answered for good."""

    def __init__(self, engine: FakeEngine, message: Request) -> None:
        self.final = self.errors = 0
        self.pending = engine.request(message, self._on_reply, self._on_error)

    def _on_reply(self, reply: Any) -> None:
        assert self.final == self.errors == 0
        self.final += reply.final

    def _on_error(self, text: str) -> None:
        assert text
        self.errors += 1

    def check(self) -> None:
        """It has ended, once."""
        outcome = self.pending.outcome
        assert outcome is not None, self.pending.message
        assert (self.final, self.errors) == (outcome is Outcome.ANSWERED, outcome is Outcome.FAILED)


MESSAGES = st.sampled_from(
    [
        Load(path="a"),
        LoadSecond(path="b"),
        Decode(z=Z),
        Decode(z=Z, channel="other"),
        EncodeFactors(factors=Z[:2]),
        CompareModels(index=0, factors=Z[:2], z=Z),
        DecodePath(z=Z[None]),
        Export(z=Z[None], path="p", format="png"),
        SetAttributes(names=(), values=np.zeros((0, 0))),
        MeasureLosses(indices=np.arange(3)),
    ]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), MESSAGES),
        st.tuples(st.sampled_from(["reply", "final", "fail", "cancel"]), st.integers(0, 30)),
        st.tuples(st.just("die"), st.integers(1, MAX_RESTARTS + 1)),
    ),
    max_size=30,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
def test_every_request_ends_once_in_a_reply_an_error_superseded_or_cancelled(qapp, events):
    engine = FakeEngine()
    recorded: list[Recorded] = []
    for kind, value in events:
        if kind == "ask":
            recorded.append(Recorded(engine, value))
        elif kind == "die":
            engine.die(deaths=value)
        elif engine.sent:  # whatever was sent may be answered, also late or twice
            stamp = engine.sent[value % len(engine.sent)].stamp
            if kind == "cancel":
                for item in recorded:
                    if item.pending.message.stamp == stamp:
                        item.pending.cancel()
            else:
                engine.deliver(
                    Failed(stamp=stamp, message="no") if kind == "fail" else Done(stamp=stamp, final=kind == "final")
                )
    qapp.processEvents()  # what was asked of an engine that had been given up
    for _ in range(len(recorded) + 1):  # the engine answers all that it was asked
        for message in list(engine.sent):
            engine.deliver(Done(stamp=message.stamp))
    for item in recorded:
        item.check()
    engine.deleteLater()


def test_what_is_superseded_or_cancelled_lets_go_of_what_waited_for_it():
    engine, answers = FakeEngine(), []
    first = engine.request(EncodeSample(index=0), answers.append, answers.append)
    engine.request(EncodeSample(index=1)).cancel()
    engine.deliver(Done(stamp=first.message.stamp))
    engine.deliver(Failed(stamp=first.message.stamp, message="no"))
    assert (first.outcome, answers) == (Outcome.SUPERSEDED, [])
    assert first.on_reply is not answers.append


def test_an_error_is_over_once_the_same_is_answered():
    engine, errors, resolved = FakeEngine(), [], []
    engine.error_occurred.connect(errors.append)
    engine.error_resolved.connect(resolved.append)

    def ask(reply: Reply, **fields: Any) -> None:
        pending = engine.request(Decode(z=np.zeros(3, np.float32), **fields))
        engine.deliver(structs.replace(reply, stamp=pending.message.stamp))

    ask(Failed(message="raised at 1"))
    assert (errors, resolved) == (["raised at 1"], [])
    ask(Failed(message="raised at 2"))  # in place of the first
    assert (errors[-1], resolved) == ("raised at 2", ["raised at 1"])
    ask(Done(), channel="other")
    assert resolved == ["raised at 1"]
    ask(Done())
    assert resolved == ["raised at 1", "raised at 2"]
    engine.die()
    engine.deliver(WeightsChanged(step=1))
    assert resolved[-1] == errors[-1] == "The engine was killed. It has been started again."


class Asker(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.replies: list[Any] = []

    def take(self, reply: Any) -> None:
        self.setObjectName("answered")
        self.replies.append(reply)

    def take_with(self, _: int, reply: Any) -> None:
        self.take(reply)


def test_a_reply_to_an_object_that_is_gone_is_dropped(qapp):
    engine, deleted, forgotten = FakeEngine(), Asker(), Asker()
    kept, reference = deleted.replies, weakref.ref(forgotten)
    asked = [
        engine.request(EncodeSample(index=0), deleted.take),
        engine.request(EncodeSample(index=0, channel="b"), partial(deleted.take_with, 3)),
        engine.request(EncodeSample(index=0, channel="c"), forgotten.take),
    ]
    deleted.deleteLater()
    qapp.sendPostedEvents(deleted, QEvent.Type.DeferredDelete)
    del forgotten
    assert reference() is None
    for pending in asked:
        engine.deliver(Done(stamp=pending.message.stamp))
    assert [pending.outcome for pending in asked] == [Outcome.ANSWERED] * 3
    assert kept == []


def test_attributes_and_the_second_model_come_back_with_the_engine():
    engine = FakeEngine()
    messages = [LoadSecond(path="b"), Load(path="a"), SetAttributes(names=("c",), values=np.zeros((4, 1)))]
    for message in messages:
        engine.deliver(Done(stamp=engine.request(message).message.stamp))
    trace = engine.request(TracePath(kind="factor curve", start=Z, end=Z[:0], target="c"))
    engine.sent.clear()
    engine.die()
    assert [type(message) for message in engine.sent] == [LoadSecond, Load, SetAttributes, TracePath]
    assert not trace.done
    engine.deliver(Done(stamp=engine.request(Load(path="d")).message.stamp))  # another run: no attributes of the first
    engine.sent.clear()
    engine.die(deaths=2)
    assert [type(message) for message in engine.sent] == [LoadSecond, Load]


# how it ends


def test_stopping_ends_the_process_and_is_no_death(mortal):
    pid = mortal.client.process_id
    mortal.client.stop()
    assert not alive(pid)
    assert (mortal.client.process_id, mortal.errors) == (0, [])
    mortal.client.stop()


@posix
def test_an_engine_that_does_not_listen_is_stopped_by_force(idle):
    idle.client.start()
    idle.until(lambda: idle.devices)
    pid = idle.client.process_id
    idle.signal(signal.SIGSTOP)
    began = monotonic()
    idle.client.stop()
    assert monotonic() - began < 1.0 + SLACK_S
    assert not alive(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_the_engine_ends_when_the_window_is_killed(qtbot):
    code = (
        "import sys\nfrom PySide6.QtCore import QCoreApplication, QTimer\n"
        "from explorer.engine_client import EngineClient\n"
        "application = QCoreApplication([])\nclient = EngineClient()\nclient.start()\n"
        "client.ready.connect(lambda _: print(client.process_id, flush=True))\napplication.exec()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as window:
        assert window.stdout is not None
        pid = int(window.stdout.readline())
        assert alive(pid)
        window.kill()
    qtbot.waitUntil(lambda: not alive(pid), timeout=WAIT_MS)


def test_a_process_that_could_not_be_started_before_the_client_had_it_is_an_error(idle, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", "")  # which Qt refuses at once
        process = start_python(engine_arguments(1), 1)
    idle.client.attach(process, 1)
    assert idle.client.given_up
    assert "could not be started" in idle.errors[0]


def test_a_folder_named_core_where_it_was_started_is_not_taken_for_ours(idle, run, tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('somebody else')")
    monkeypatch.chdir(tmp_path)
    idle.client.start()
    assert isinstance(idle.load(run), Loaded)


def test_imports_no_torch():
    code = "import explorer.engine_client, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
