"""A process of a training that fails: the others are told, and end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

import core.training.rank_failure as rank_failure
from core.training.rank_failure import Failure, FailureWatch, await_children


@pytest.fixture
def store() -> TCPStore:
    return TCPStore("127.0.0.1", 0, 2, True, wait_for_workers=False)


@pytest.fixture
def watch() -> Iterator[Callable[..., FailureWatch]]:
    """Makes watches, which note in ``events`` what they do."""
    made: list[FailureWatch] = []

    def make(store: Any, rank: int, children: Any = (), events: list[object] | None = None) -> FailureWatch:
        noted = [] if events is None else events
        made.append(FailureWatch(store, rank, children, lambda: noted.append("given up"), noted.append))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_S", "GRACE_S", "SHORT_GRACE_S"):
        monkeypatch.setattr(rank_failure, name, 0.01)


def child(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", program])


def test_the_first_failure_is_what_the_others_are_told(store: TCPStore, watch: Callable[..., FailureWatch]):
    zero, one, two = watch(store, 0), watch(store.clone(), 1), watch(store.clone(), 2)
    assert zero.failure_of_another() is None
    two.report("memory is full", True)
    one.report("a connection was closed", False)
    told = zero.failure_of_another()
    assert told is not None
    assert (told.rank, told.message, told.out_of_memory) == (2, "memory is full", True)
    assert str(told) == "rank 2 of this training failed: memory is full"
    assert one.failure_of_another() == told
    assert two.failure_of_another() is None, "it is its own"


def test_a_failure_on_another_host_names_it():
    assert Failure(3, "memory is full", "node-2").where == "rank 3 on node-2"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("rank", [0, 2])
def test_who_waits_for_one_that_failed_is_interrupted_and_then_ended(
    store: TCPStore, watch: Callable[..., FailureWatch], rank: int
):
    events: list[object] = []
    waiting = watch(store, rank, (), events)
    watch(store.clone(), 1).report("memory is full", True)
    waiting._thread.join(20)
    assert events == ["given up", waiting.seen]
    assert waiting.seen is not None
    assert waiting.seen.rank == 1


def test_who_ends_by_itself_is_left_alone(
    store: TCPStore, watch: Callable[..., FailureWatch], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rank_failure, "POLL_S", 0.01)
    events: list[object] = []
    waiting = watch(store, 0, (), events)
    watch(store.clone(), 1).report("memory is full", True)
    waiting.close()
    assert not waiting._thread.is_alive()
    assert events == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            "was ended by SIGKILL, as the system does when memory is full",
        ),
        ("raise SystemExit(3)", "ended with status 3; what it wrote above may say why"),
    ],
)
def test_a_process_that_dies_without_a_word_is_noticed_by_who_has_started_it(
    watch: Callable[..., FailureWatch], program: str, said: str
):
    with child("") as sound, child(program) as dead:
        failure = watch(None, 0, (sound, dead)).failure_of_another(20)
    assert failure is not None
    assert (failure.rank, failure.message) == (2, f"its process {said}")


def test_the_end_of_rank_zero_is_noticed_by_all(watch: Callable[..., FailureWatch]):
    server = TCPStore("127.0.0.1", 0, 2, True, wait_for_workers=False)
    one = watch(TCPStore("127.0.0.1", server.port, 2, False, wait_for_workers=False), 1)
    assert one.failure_of_another() is None
    del server
    assert one.failure_of_another(20) == Failure(0, "its process has ended")


def test_processes_that_do_not_end_are_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rank_failure, "LEAVING_S", 0.05)
    with child("import time; time.sleep(600)") as hung, child("") as sound:
        await_children((hung, sound))
        assert hung.returncode is not None
        assert sound.returncode is not None
