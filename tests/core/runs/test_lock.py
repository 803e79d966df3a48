"""The lock of a run: nobody writes beside a trainer, whatever clocks and hosts do, and its beats say how it is.

Machines, clocks and process ids are faked where they matter; what is stopped and killed here is a real process.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
import pytest

from core.config import DataConfig, RunConfig
from core.runs import lock as locks
from core.runs.directory import RunDirectory, RunError
from core.runs.lock import HEARTBEAT_S, STALE_S, WATCH_S, Beat, Holder, LockReader, RunLock
from core.utils.untrusted import update_regular

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are named for sure on Linux")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunConfig(data=DataConfig(image_size=32)), {"created": "today"})


def dead_pid() -> int:
    """Id of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def hold_as_someone_else(run: RunDirectory, pid: int, host: str, age_s: float = 0.0, **known: object) -> None:
    """``known``: what else the holder says of itself; by itself it writes no more than earlier versions did."""
    run.lock_path.touch()
    if "boot" in known:
        known = {"inode": run.lock_path.stat().st_ino, "pids": locks._pids(), **known}
    run.lock_path.write_bytes(msgspec.json.encode(Holder(pid, host, "someone else", **known)))  # type: ignore[arg-type]
    then = time.time() - age_s
    os.utime(run.lock_path, (then, then))


def test_a_second_trainer_is_refused_while_the_first_lives(run: RunDirectory):
    with RunLock(run.lock_path):
        assert run.status() == "running"
        with pytest.raises(RunError, match=f"is being trained by process {os.getpid()}"):
            RunLock(run.lock_path).acquire()
    assert not run.lock_path.exists()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are watched for a moment only."""
    monkeypatch.setattr("core.runs.lock.WATCH_S", 0.1)
    monkeypatch.setattr("core.runs.lock.WATCH_EVERY_S", 0.01)


@pytest.mark.parametrize("pid", [dead_pid, os.getpid], ids=["dead", "used again, by ourselves"])
@pytest.mark.usefixtures("hasty")
def test_the_lock_of_a_dead_process_is_taken_over_after_a_look(run: RunDirectory, pid: Callable[[], int]):
    hold_as_someone_else(run, pid(), socket.gethostname(), age_s=0.2)
    assert run.status() == "interrupted"
    with RunLock(run.lock_path):
        assert run.status() == "running"


def test_the_last_beat_of_a_dead_process_is_soon_forgotten():
    assert 2 * HEARTBEAT_S < WATCH_S < 5.0


@pytest.mark.parametrize("pid", [dead_pid, os.getpid], ids=["not here", "one of ours here"])
@pytest.mark.parametrize("age_s", [0.0, 3600.0], ids=["now", "by a clock that was set back"])
def test_a_heart_that_beats_is_alive_though_its_process_is_in_another_container(
    run: RunDirectory, pid: Callable[[], int], age_s: float, monkeypatch: pytest.MonkeyPatch
):
    """Containers share the host's name, but not its process ids."""
    monkeypatch.setattr("core.runs.lock.WATCH_S", 1.0)
    hold_as_someone_else(run, pid(), socket.gethostname())
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.05):
            os.utime(run.lock_path, (time.time() - age_s, time.time() - age_s))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(RunError, match="is being trained by process"):
            RunLock(run.lock_path).acquire()
        run.status()
        time.sleep(0.1)
        assert run.status() == "running"
    finally:
        ended.set()
        heart.join()


@pytest.mark.usefixtures("hasty")
def test_a_lock_that_is_released_while_it_is_watched_is_free(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    hold_as_someone_else(run, dead_pid(), socket.gethostname())
    watch = LockReader.watch
    monkeypatch.setattr(LockReader, "watch", lambda self: (run.lock_path.unlink(), watch(self))[1])
    with RunLock(run.lock_path):
        assert run.status() == "running"


@pytest.mark.usefixtures("hasty")
def test_of_two_that_take_over_the_second_is_refused(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    hold_as_someone_else(run, dead_pid(), socket.gethostname())
    watch = LockReader.watch

    def overtaken(self: LockReader) -> Holder | None:
        found = watch(self)
        hold_as_someone_else(run, 1, "another-host")
        return found

    monkeypatch.setattr(LockReader, "watch", overtaken)
    with pytest.raises(RunError, match="another trainer has just taken this run over"):
        RunLock(run.lock_path).acquire()
    assert run.status() == "running"


def test_a_trainer_that_was_suspended_looks_before_it_writes(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.runs.lock.HEARTBEAT_S", 300.0)
    with RunLock(run.lock_path) as lock:
        hold_as_someone_else(run, 1, "another-host")
        assert lock.lost == ""
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 60)
        assert "another trainer (process 1 on another-host) has taken this run over" in lock.lost


@pytest.mark.parametrize(
    ("remove", "reason"),
    [
        (lambda run: shutil.rmtree(run.path), "is gone: it was deleted or moved"),
        (lambda run: run.path.rename(run.path.with_name("elsewhere")), "is gone: it was deleted or moved"),
        (lambda run: run.lock_path.unlink(), "lock was removed or damaged, so another training may begin here"),
    ],
    ids=["deleted", "moved", "lock removed"],
)
def test_who_loses_the_lock_knows_why(run: RunDirectory, remove: Callable[[RunDirectory], None], reason: str):
    with RunLock(run.lock_path) as lock:
        remove(run)
        lock._look()
        assert reason in lock.lost


def test_a_pause_that_could_not_be_shown_is_shown_with_a_later_beat(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.runs.lock.HEARTBEAT_S", 0.01)
    update = update_regular
    failures = iter([OSError(28, "No space left on device")] * 2)

    def full(path: Path) -> IO[bytes]:
        if error := next(failures, None):
            raise error
        return update(path)

    monkeypatch.setattr("core.runs.lock.update_regular", full)
    with RunLock(run.lock_path) as lock:
        lock.set_state("paused")
        deadline = time.monotonic() + 300
        while run.status() != "paused":
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lock_of_another_host_lives_as_long_as_its_heart_beats(run: RunDirectory):
    hold_as_someone_else(run, 1, "another-host")
    assert run.status() == "running"
    with pytest.raises(RunError, match="on another-host"):
        RunLock(run.lock_path).acquire()


@pytest.mark.usefixtures("hasty")
def test_a_lock_of_another_host_whose_heart_stopped_is_taken_over(run: RunDirectory):
    hold_as_someone_else(run, 1, "another-host", age_s=STALE_S + 1)
    assert run.status() == "interrupted"
    with RunLock(run.lock_path):
        assert run.status() == "running"


def test_a_heart_that_beats_by_a_wrong_clock_is_alive(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    hold_as_someone_else(run, 1, "another-host", age_s=10 * STALE_S)
    assert run.status() == "interrupted"
    hold_as_someone_else(run, 1, "another-host", age_s=10 * STALE_S - 1)
    assert run.status() == "running"


@pytest.mark.usefixtures("hasty")
def test_a_torn_lock_file_is_no_holder(run: RunDirectory):
    run.lock_path.write_bytes(b'{"pid": 12')
    with RunLock(run.lock_path):
        assert run.status() == "running"


def test_who_was_taken_over_notices_and_leaves_the_new_lock_alone(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.runs.lock.HEARTBEAT_S", 0.01)
    lock = RunLock(run.lock_path)
    lock.acquire()
    hold_as_someone_else(run, 1, "another-host")
    deadline = time.monotonic() + 300
    while not lock.lost and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lock.lost
    lock.release()
    assert run.lock_path.exists()


# who is surely there or gone


TRAINER = """
import sys, time
from pathlib import Path
from core.runs.lock import RunLock
with RunLock(Path(sys.argv[1])) as lock:
    lock.moved("step", 7)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def trainer(run: RunDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of ``run``."""
    command = [sys.executable, "-c", TRAINER, str(run.lock_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.send_signal(signal.SIGKILL)


@needs_proc
def test_a_trainer_that_is_stopped_is_told_within_two_seconds_and_keeps_its_run(
    run: RunDirectory, trainer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
):
    pulse = run.pulse()
    assert pulse is not None
    assert (pulse.process, pulse.holder.pid) == ("here", trainer.pid)
    trainer.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    while (pulse := run.pulse()) is None or pulse.process != "stopped":
        assert time.monotonic() - began < 2.0
        time.sleep(0.02)
    print(f"told after {time.monotonic() - began:.2f} s")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * STALE_S)  # as if it had been stopped for a minute
    pulse = RunDirectory.open(run.path).pulse()
    assert pulse is not None
    assert pulse.silent_s > STALE_S
    slept = run.pulse()  # who has not looked meanwhile blames nobody
    assert slept is not None
    assert slept.silent_s == 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now + 2 * STALE_S + 5.0)
    awake = run.pulse()
    assert awake is not None
    assert awake.silent_s == 5.0
    with pytest.raises(RunError, match=rf"process {trainer.pid} on .*It was stopped .as by Ctrl.Z.: let it go on with"):
        RunLock(run.lock_path).acquire()
    trainer.send_signal(signal.SIGCONT)


@needs_proc
def test_a_trainer_that_was_killed_is_gone_at_once(run: RunDirectory, trainer: subprocess.Popen[bytes]):
    assert run.status() == "running"
    trainer.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, trainer.pid, os.WEXITED | os.WNOWAIT)  # as one that nobody takes note of
    assert run.status() == "interrupted"
    began = time.monotonic()
    with RunLock(run.lock_path):
        assert time.monotonic() - began < WATCH_S / 2, "what is surely gone is not watched"


@needs_proc
def test_a_process_with_the_same_number_is_not_the_trainer(run: RunDirectory, trainer: subprocess.Popen[bytes]):
    """It began at another time: the machine was started since, or has gone through all numbers."""
    holder = locks.read_holder(run.lock_path)
    assert holder is not None
    trainer.send_signal(signal.SIGSTOP)
    hold_as_someone_else(run, trainer.pid, holder.host, boot=holder.boot, began=holder.began - 1)
    assert run.status() == "interrupted"


@needs_proc
def test_a_copy_of_a_run_that_is_being_trained_is_not(
    run: RunDirectory, trainer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "WATCH_S", 0.1)
    copy = RunDirectory.open(Path(shutil.copytree(run.path, run.path.with_name("copy"))))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_S + (time.perf_counter() - began))
    began = time.perf_counter()
    assert copy.status() == "interrupted"
    with RunLock(copy.lock_path):
        assert run.status() == "running"


# clocks and hosts


class Machine:
    """A host as the lock's code sees it: ``go`` lets the code that follows run on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, boot: str, ahead_s: float = 0.0) -> None:
        self._patch, self.name, self.boot, self.ahead_s = monkeypatch, name, boot, ahead_s
        self.asleep_s = 0.0

    def go(self) -> None:
        wall, monotonic, boottime = REAL_CLOCKS
        self._patch.setattr(socket, "gethostname", lambda: self.name)
        self._patch.setattr(locks, "_boot", lambda: self.boot)
        self._patch.setattr(time, "time", lambda: wall() + self.ahead_s + self.asleep_s)
        self._patch.setattr(time, "monotonic", lambda: monotonic() + hash(self.boot) % 10_000)
        self._patch.setattr(locks, "_clocks", lambda: (wall() + self.ahead_s, boottime() + self.asleep_s))


REAL_CLOCKS = time.time, time.monotonic, time.monotonic


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, "one", "first-boot")


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, "other", "second-boot")


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0, -3600.0], ids=["same time", "ahead", "behind"])
@pytest.mark.usefixtures("hasty")
def test_a_trainer_on_another_host_is_refused_by_its_host_and_process_whatever_the_time_is_there(
    run: RunDirectory, one: Machine, other: Machine, ahead_s: float, monkeypatch: pytest.MonkeyPatch
):
    """Its heart may even be late: the age of its last beat is told by the clock of the disk that both use."""
    monkeypatch.setattr(locks, "HEARTBEAT_S", 300.0)
    one.go()
    with RunLock(run.lock_path):
        other.ahead_s = ahead_s
        other.go()
        with pytest.raises(RunError, match=f"is being trained by process {os.getpid()} on one"):
            RunLock(run.lock_path).acquire()
        one.go()


@pytest.mark.usefixtures("hasty")
def test_a_clock_that_happens_to_agree_keeps_no_dead_lock_alive(run: RunDirectory, other: Machine):
    hold_as_someone_else(run, 1, "one", age_s=3600.0, boot="first-boot")
    other.ahead_s = -3600.0
    other.go()
    with RunLock(run.lock_path):
        assert run.status() == "running"


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0], ids=["set forward", "set back"])
def test_a_clock_that_is_set_while_one_looks_on_makes_no_difference(
    run: RunDirectory, one: Machine, other: Machine, ahead_s: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.02)
    one.go()
    with RunLock(run.lock_path) as lock:
        assert run.status() == "running"
        one.ahead_s = ahead_s  # here
        assert run.status() == "running"
        assert lock.lost == ""
        other.go()  # and there
        run.status()
        time.sleep(0.1)
        other.ahead_s = ahead_s
        assert run.status() == "running"
        one.go()


@pytest.mark.parametrize("set_back", [False, True], ids=["woken", "woken with its clock set back"])
@pytest.mark.usefixtures("hasty")
def test_a_host_that_slept_has_lost_its_run_to_another_and_knows_it_before_it_writes(
    run: RunDirectory, one: Machine, other: Machine, set_back: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 300.0)
    one.go()
    with RunLock(run.lock_path) as slept:
        then = time.time() - 2 * STALE_S
        os.utime(run.lock_path, (then, then))
        other.go()
        with RunLock(run.lock_path):
            one.asleep_s, one.ahead_s = 2 * STALE_S, -2 * STALE_S if set_back else 0.0
            one.go()
            slept._write()  # a beat that had begun before it fell asleep
            other.go()
            assert run.status() == "running"
            holder = locks.read_holder(run.lock_path)
            assert holder is not None
            assert holder.host == "other"
            one.go()
            assert f"another trainer (process {os.getpid()} on other) has taken this run over" in slept.lost
            other.go()


def test_a_computer_that_slept_with_its_trainer_believes_in_it(run: RunDirectory, one: Machine):
    """The monotonic clock stands still while it sleeps: the last beat is as old as before."""
    one.go()
    beat = Beat(clock=time.monotonic())
    hold_as_someone_else(run, 1, "a container", age_s=3600.0, boot="first-boot", pids="another", beat=beat)
    assert run.status() == "running"
    hold_as_someone_else(run, 1, "a container", boot="first-boot", pids="another", beat=replaced(beat, -2 * STALE_S))
    assert RunDirectory.open(run.path).status() == "interrupted"


def replaced(beat: Beat, later_s: float) -> Beat:
    return msgspec.structs.replace(beat, clock=beat.clock + later_s)


def test_two_that_take_over_at_once_do_not_both_get_it(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "WATCH_S", 0.05)
    for round in range(8):
        hold_as_someone_else(run, 1, "another-host", age_s=2 * STALE_S + round)
        contenders, won = [RunLock(run.lock_path) for _ in range(2)], []
        start = threading.Barrier(2)

        def contend(contender: RunLock, start=start, won=won) -> None:
            start.wait()
            try:
                contender.acquire()
            except RunError:
                return
            won.append(contender)

        threads = [threading.Thread(target=contend, args=(contender,)) for contender in contenders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        won[0].release()
        assert not run.lock_path.exists()


# what the beats say


def test_a_beat_says_for_how_long_the_main_loop_has_been_at_its_step(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 300.0)
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with RunLock(run.lock_path) as lock:
        for step in range(4):  # two seconds a step
            lock.moved("step", step)
            clock[0] += 2.0
        lock.moved("step", 4)
        clock[0] += 50.0
        lock._write()
        clock[0] += 0.25
        pulse = run.pulse()
    assert pulse is not None
    assert (pulse.holder.beat.activity, pulse.holder.beat.step) == ("step", 4)
    assert pulse.holder.beat.usually == pytest.approx(2.0)
    assert pulse.busy_s == pytest.approx(50.0)
    assert pulse.silent_s == pytest.approx(0.25 if pulse.holder.boot else 0.0)


def test_a_lock_of_an_earlier_version_says_nothing_of_its_steps(run: RunDirectory):
    run.lock_path.write_bytes(b'{"pid": 1, "host": "another-host", "token": "0", "state": "running"}')
    pulse = run.pulse()
    assert pulse is not None
    assert pulse.busy_s is None
    assert pulse.process == "unknown"


def test_a_beat_is_read_whole_though_it_is_written_into_the_file(run: RunDirectory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.0)
    with RunLock(run.lock_path) as lock:
        end = time.monotonic() + 0.3
        step = 0
        while time.monotonic() < end:
            step += 997
            lock.moved("step", step)
            assert run.pulse() is not None
