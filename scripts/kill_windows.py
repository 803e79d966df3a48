"""Kill windows at random while somebody works in them, and see that nothing of the work is lost.

    python scripts/kill_windows.py                 # 200 walks
    python scripts/kill_windows.py --count 1000 --seed 7

Each walk is a window in a process of its own: it continues where the one before was killed, and a seeded hand clicks,
drags, draws, selects, undoes and types in it by real events, until SIGKILL comes at a random moment. Its session must
then hold what the last gesture left whose write was acknowledged, or what a later one left, and the next window must
show exactly that.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.projects.archive import ProjectWriter, read_project
from core.projects.project import Project

START_S = 120.0
"""Within which a window must have shown what was kept; long, for a busy machine."""
WORK_S = 1.5  # the longest that a walk goes on
WITH_ENGINE = 10  # every so manieth walk has an engine, which starts for seconds
EARLY = 10  # every so manieth is killed while it starts


def digest(project: Project) -> str:
    """What a person made and arranged, but for where the window stands, as a number."""
    project = dataclasses.replace(project, window=None, panels={})
    return hashlib.blake2b(_writer.content(project)[0], digest_size=8).hexdigest()


_writer = ProjectWriter()


@dataclass
class Report:
    """Of all walks."""

    walks: int = 0
    early: int = 0
    gestures: int = 0
    unwritten: list[int] = field(default_factory=list)  # by kill: saves that were begun, and not on the disk then
    failures: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For a person."""
        whole = sum(count == 0 for count in self.unwritten)
        return (
            f"{self.walks} windows killed, {self.early} of them while they started, after {self.gestures} saves at the "
            f"ends of gestures. The session held the newest state after {whole} kills, and after the other "
            f"{len(self.unwritten) - whole} one from at most {max(self.unwritten, default=0)} gestures before. "
            f"{len(self.failures)} failures."
        )


def walk(count: int, seed: int, folder: Path, environment: dict[str, str]) -> Report:
    """Kill so many windows one after another; ``folder`` gets their sessions."""
    report, kept = Report(), ""
    environment = {**environment, "ISOLINE_CONFIG": str(folder / "config"), "ISOLINE_RUNS": str(folder / "runs")}
    for number in range(count + 1):  # the last one only shows what the one before left
        dice = random.Random(f"{seed} {number}")
        early = number < count and dice.randrange(EARLY) == 0
        arguments = [
            "--walk",
            str(number),
            "--seed",
            str(seed),
            *(["--engine"] if dice.randrange(WITH_ENGINE) == 0 else []),
        ]
        with subprocess.Popen(
            [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, env=environment
        ) as window:
            lines: list[list[str]] = []
            if early:
                time.sleep(dice.uniform(0.0, 1.5))
            else:
                lines = _until_open(window)
                time.sleep(dice.uniform(0.0, WORK_S) if number < count else 0.0)
            window.send_signal(signal.SIGKILL)
            lines += _lines(window)
        _judge(report, number, lines, kept, early)
        (file,) = (folder / "config" / "sessions").glob("*.isoline") if kept or lines else (None,)
        now = digest(read_project(file)) if file is not None else ""
        _compare(report, number, lines, kept, now)
        kept = now
        report.walks, report.early = report.walks + (number < count), report.early + early
    return report


def _until_open(window: subprocess.Popen[bytes]) -> list[list[str]]:
    """Wait until the window shows what was kept; what it has said."""
    assert window.stdout is not None
    lines: list[list[str]] = []
    with selectors.DefaultSelector() as selector:
        selector.register(window.stdout, selectors.EVENT_READ)
        end = time.monotonic() + START_S
        while not any(line[0] == "open" for line in lines):
            if not selector.select(max(0.0, end - time.monotonic())):
                break
            line = window.stdout.readline()
            if not line:
                break
            lines.append(line.decode().split())
    return lines


def _lines(window: subprocess.Popen[bytes]) -> list[list[str]]:
    assert window.stdout is not None
    return [line.decode().split() for line in window.stdout.read().splitlines()]


def _judge(report: Report, number: int, lines: list[list[str]], kept: str, early: bool) -> None:
    opened = next((line[1:] for line in lines if line[0] == "open"), None)
    if opened is None and not early:
        report.failures.append(f"walk {number}: the window did not open")
    elif opened is not None and kept and kept not in opened:
        report.failures.append(f"walk {number}: {opened[0]} is shown, and {kept} was kept")


def _compare(report: Report, number: int, lines: list[list[str]], kept: str, now: str) -> None:
    ended = [line[1] for line in lines if line[0] == "settled"]
    saved = [line[1] for line in lines if line[0] == "saved"]
    report.gestures += len(ended)
    least = _last(ended, saved[-1]) if saved else -1
    place = _last(ended, now)
    if place < 0 and now == kept:
        place = -1  # nothing was written in this walk
    elif place < 0:
        report.failures.append(f"walk {number}: the session holds {now}, which no gesture left")
    if place < least:
        report.failures.append(f"walk {number}: gesture {least} was acknowledged, and the session holds {place}")
    if ended:
        report.unwritten.append(len(ended) - 1 - place)


def _last(items: list[str], wanted: str) -> int:
    return max((place for place, item in enumerate(items) if item == wanted), default=-1)


# the window


def work(seed: str, with_engine: bool) -> int:
    """A window that continues, and the hand in it."""
    from explorer.startup import make_application

    application = make_application(sys.argv[:1])
    from PySide6.QtCore import QTimer

    from explorer.app import Explorer
    from explorer.engine_client import EngineClient

    engine = EngineClient()
    if with_engine:
        engine.start(threads=1)
    explorer = Explorer(application, engine, "software")
    store, save = explorer.session.store, explorer.session.store.save

    def say(word: str, *projects: Project) -> None:
        os.write(1, " ".join([word, *map(digest, projects), "\n"]).encode())

    def note_and_save(wanted: Any) -> None:
        say("settled", wanted.project)
        save(wanted)

    store.save = note_and_save
    store.saved.connect(lambda project: say("saved", project))
    explorer.window.resize(1280, 720)
    explorer.show()
    explorer.session.resume()
    steps = _hand(explorer, random.Random(seed))
    timer = QTimer()
    timer.timeout.connect(lambda: next(steps, None))

    def begin() -> None:
        if explorer.session.ready and explorer.cloud.point_count:
            opening.stop()
            shown = explorer.session.snapshot()
            say("open", shown, dataclasses.replace(shown, camera=None))  # none was kept before there was a cloud
            timer.start(5)

    opening = QTimer()
    opening.timeout.connect(begin)
    opening.start(5)
    return application.exec()


def _hand(explorer: Any, dice: random.Random) -> Generator[None, None, None]:
    """Real events without end, one gesture after another."""
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication

    from explorer.tour import input_events

    cloud = explorer.cloud

    def place() -> QPointF:
        return QPointF(dice.uniform(0.2, 0.8) * cloud.width(), dice.uniform(0.2, 0.8) * cloud.height())

    def line(count: int) -> list[QPointF]:
        start, end = place(), place()
        return [start + (end - start) * (step / count) for step in range(count + 1)]

    while True:
        match dice.randrange(8):
            case 0 | 1:
                input_events.key(cloud, str(dice.randrange(1, 7)))
            case 2 | 3:
                for _ in input_events.drag(cloud, line(dice.randrange(3, 20))):
                    yield
            case 4:
                index = dice.randrange(cloud.point_count)
                at = QPointF(*map(float, cloud.screen_positions()[index, :2]))
                input_events.click(cloud, at if cloud.rect().contains(at.toPoint()) else place())
            case 5:
                at = place()
                turned = QPoint(0, dice.choice((-120, 120)))
                where = QPointF(cloud.mapToGlobal(at))
                buttons, held, phase = (
                    Qt.MouseButton.NoButton,
                    Qt.KeyboardModifier.NoModifier,
                    Qt.ScrollPhase.NoScrollPhase,
                )
                QApplication.sendEvent(cloud, QWheelEvent(at, where, QPoint(), turned, buttons, held, phase, False))
            case 6:
                input_events.key(
                    cloud, dice.choice(("Ctrl+Z", "Ctrl+Z", "Ctrl+Shift+Z", "Delete", "Escape", "Return", "G"))
                )
            case _:
                box = explorer.window.findChild(object, "points.color_by")
                if box is not None and box.isVisible():
                    box.setFocus()
                    QTest.keyClick(box, dice.choice((Qt.Key.Key_Up, Qt.Key.Key_Down)))
        for _ in range(dice.randrange(1, 6)):
            yield


def main(argv: list[str] | None = None) -> int:
    """Returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="windows to kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--walk", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.walk is not None:
        return work(f"{options.seed} {options.walk}", options.engine)
    from explorer.tour.command import virtual_display

    environment = dict(os.environ)
    with virtual_display(environment, (1280, 720)) as problem, tempfile.TemporaryDirectory(prefix="isoline-") as folder:
        if problem:
            print(f"kill_windows: {problem}", file=sys.stderr)
            return 2
        report = walk(options.count, options.seed, Path(folder), environment)
    print("\n".join([*report.failures, report.text()]))
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
