"""Open two windows, each a process of its own, on one run that is being trained, and use both at once.

    python scripts/two_windows.py                  # about half a minute
    python scripts/two_windows.py --rounds 20

Both follow the training. Both steer it at the same moment, and no command is lost. Both save a path of the same name at
the same moment, and both paths are there, whole. One window closes; the other and the training go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.paths.saved_paths import load_path, saved_names
from core.runs.directory import RunDirectory

PATIENCE_S = 120.0  # long, for a busy machine
EVERY_MS = 100  # a window says so often what it shows
_TRAINING = (
    *("--data.image-size=32", "--data.count=150", "--data.geometry=square"),
    *("--training.epochs=100000", "--training.device=cpu"),
)


class Window:
    """One of them: what it ``shows``, as it has said last, and commands to it."""

    def __init__(self, name: str, run: Path, folder: Path, environment: dict[str, str]) -> None:
        self.name, self.shows = name, {}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--window", str(run)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "ISOLINE_CONFIG": str(folder / name)},
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._rest = b""

    def do(self, **command: Any) -> None:
        """Have it do something now."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def read(self) -> None:
        """Take what it has said."""
        assert self._process.stdout is not None
        *lines, self._rest = (self._rest + (self._process.stdout.read() or b"")).split(b"\n")
        for line in lines:
            self.shows = json.loads(line)

    def wait(self, what: str, condition: Callable[[dict[str, Any]], object]) -> None:
        """Until it shows what ``condition`` asks for. Raises ``TimeoutError``."""
        end = time.monotonic() + PATIENCE_S
        while self.read() or not (self.shows and condition(self.shows)):
            if time.monotonic() > end or self._process.poll() is not None:
                raise TimeoutError(f"window {self.name} did not show {what}; it shows {self.shows}")
            time.sleep(0.01)

    def close(self) -> int:
        """Close it as a person does; its exit status. Raises ``subprocess.TimeoutExpired``."""
        self.do(close=True)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it in any case."""
        self._process.kill()
        self._process.wait()


def use_both(run: Path, windows: tuple[Window, Window], rounds: int) -> list[str]:
    """What was wrong, in sentences. The first window is closed then."""
    failures: list[str] = []
    directory = RunDirectory.open(run)
    for window in windows:
        window.wait("the training", lambda shows: shows["training"] == "running" and shows["points"])
    for number in range(rounds):
        for window in windows:
            seen = window.shows["epoch"]
            window.wait("later epochs", lambda shows, seen=seen: shows["epoch"] > seen)
        failures += _steer(directory, windows, number)
        failures += _save(run, windows, number)
    first, second = windows
    status = first.close()
    if status:
        failures.append(f"the window that was closed ended with status {status}")
    seen = second.shows["epoch"]
    second.wait("later epochs after the other had closed", lambda shows: shows["epoch"] > seen)
    second.do(steer={"state": "stopped"})
    second.wait("that the training has stopped", lambda shows: shows["training"] == "stopped")
    if left := [str(file) for file in run.rglob("*.writing")]:
        failures.append(f"there is left of writing: {', '.join(left)}")
    return failures


def _steer(run: RunDirectory, windows: tuple[Window, Window], number: int) -> list[str]:
    """One pauses, both see it; both change a value and step at once, nothing is lost; the other resumes."""
    first, second = windows if number % 2 == 0 else windows[::-1]
    before = run.read_control()
    first.do(steer={"state": "paused"})
    for window in windows:
        window.wait("the pause", lambda shows: shows["training"] == "paused")
    beta, rate = 1e-6 * (number + 2), 1e-4 * (number + 2)
    first.do(steer={"beta": beta, "advance": "step"})
    second.do(steer={"learning_rate": rate, "advance": "step"})
    live = {"beta": beta, "learning_rate": rate}
    for window in windows:
        window.wait(f"{live}", lambda shows: all(shows["live"].get(name) == value for name, value in live.items()))
    second.do(steer={"state": "running"})
    for window in windows:
        window.wait("that it goes on", lambda shows: shows["training"] == "running")
    control = run.read_control()
    if (control.steps, control.sequence) != (before.steps + 2, before.sequence + 4):
        return [f"round {number}: {control} is not {before} with the four commands of the two windows"]
    return []


def _save(run: Path, windows: tuple[Window, Window], number: int) -> list[str]:
    """Both save another path under the same name at once; both are there."""
    name = f"path of round {number}"
    for place, window in enumerate(windows):
        window.do(path=2 + place, name=name)
    for window in windows:
        window.wait("its path", lambda shows: shows["saved"].startswith(name))
    names = {window.shows["saved"] for window in windows}
    wanted = {name, f"{name} (2)"}
    if names != wanted or not wanted <= set(saved_names(run)):
        return [f"round {number}: the windows call their paths {sorted(names)}, there are {saved_names(run)}"]
    lengths = sorted(len(load_path(run, name).path) for name in wanted)
    return [] if lengths == [2, 3] else [f"round {number}: the saved paths have {lengths} points, not 2 and 3"]


# the window


def show(run: Path) -> int:
    """A window on ``run`` that does what it reads and says what it shows."""
    from explorer.startup import make_application

    application = make_application(sys.argv[:1])
    from PySide6.QtCore import QSocketNotifier, QTimer

    from core.paths.latent_path import LatentPath
    from explorer.app import Explorer
    from explorer.engine_client import EngineClient

    explorer = Explorer(application, EngineClient(), "software")
    explorer.window.resize(1280, 720)
    explorer.show()
    explorer.session.begin()
    explorer.open_run.open(run)

    def say() -> None:
        state = explorer.state
        shows = {
            "points": explorer.cloud.point_count,
            "training": state.training,
            "epoch": max(state.epochs, default=-1),
            "live": explorer.training._live,
            "saved": explorer.saved_paths.current,
            "notice": explorer.window.notice.text(),
        }
        os.write(1, json.dumps(shows).encode() + b"\n")

    def obey() -> None:
        for line in os.read(0, 1 << 16).splitlines():
            command = json.loads(line)
            if "steer" in command:
                explorer.training._steer(**command["steer"])
            if "path" in command:
                means = explorer.state.embedding
                assert means is not None
                explorer.editing.commit("draw path", path=LatentPath(means[: command["path"]].copy()))
                explorer.saved_paths.save(command["name"])
            if "close" in command:
                explorer.window.close()

    commands = QSocketNotifier(0, QSocketNotifier.Type.Read)
    commands.activated.connect(obey)
    timer = QTimer()
    timer.timeout.connect(say)
    timer.start(EVERY_MS)
    return application.exec()


def main(argv: list[str] | None = None) -> int:
    """Returns 1 if anything was lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often both follow, steer and save")
    parser.add_argument("--window", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.window is not None:
        return show(options.window)
    from explorer.tour.command import virtual_display

    environment = dict(os.environ)
    with virtual_display(environment, (1280, 720)) as problem, tempfile.TemporaryDirectory(prefix="isoline-") as folder:
        if problem:
            print(f"two_windows: {problem}", file=sys.stderr)
            return 2
        failures = _in_folder(Path(folder), environment, options.rounds)
    done = f"{options.rounds} rounds of two windows on one training. {len(failures)} failures."
    print("\n".join([*failures, done]))
    return int(bool(failures))


def _in_folder(folder: Path, environment: dict[str, str], rounds: int) -> list[str]:
    run = folder / "run"
    command = [sys.executable, "-m", "isoline", "train", "--out", str(run), "--nice", "10", *_TRAINING]
    windows: list[Window] = []
    with open(folder / "trainer.log", "wb") as log:
        trainer = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + PATIENCE_S
        while not RunDirectory.exists(run):
            if time.monotonic() > end or trainer.poll() is not None:
                return [f"the training did not begin: {(folder / 'trainer.log').read_text()}"]
            time.sleep(0.05)
        windows = [Window(name, run, folder, environment) for name in ("one", "two")]
        failures = use_both(run, (windows[0], windows[1]), rounds)
        if trainer.wait(PATIENCE_S):
            failures.append(f"the trainer ended with status {trainer.returncode}")
        return failures
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        return [str(error)]
    finally:
        for window in windows:
            window.kill()
        trainer.kill()
        trainer.wait()


if __name__ == "__main__":
    sys.exit(main())
