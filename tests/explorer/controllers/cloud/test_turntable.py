"""The turntable from the window: the film looks as the cloud does, tells its progress, and can be given up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from PIL import Image

from core.config import RunConfig
from core.projects.edited import Attributes, Axes, Display
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory
from explorer.controllers.cloud import turntable
from explorer.controllers.cloud.cloud import EXCESS_BCE, NO_COLOUR, SPLIT
from explorer.controllers.cloud.turntable import TurntableController
from explorer.controllers.controller import Context
from explorer.controllers.processes import isoline_command
from explorer.state import State
from explorer.widgets.theme import LIGHT

COUNT = 40
WAIT_MS = 120_000
SMALL: dict[str, Any] = {"seconds": 0.5, "fps": 6.0, "size": 120}


class OpenRun:
    """What the controller knows of OpenRun: the run that is open."""

    def __init__(self, run: RunDirectory | None) -> None:
        self.run = run


class Film:
    """A controller and everything it said."""

    def __init__(self, run: RunDirectory | None) -> None:
        self.state = State(embedding=run.read_embedding() if run is not None else None)
        self.commands: list[list[str]] = []

        self.control = TurntableController(Context(self.state, FakeEngine(), None), OpenRun(run))  # pyright: ignore[reportArgumentType]
        self.shares: list[float] = []
        self.exported: list[str] = []
        self.errors: list[str] = []
        self.control.progress.connect(self.shares.append)
        self.control.exported.connect(self.exported.append)
        self.control.error_occurred.connect(self.errors.append)
        self.control.refused.connect(self.errors.append)

    def option(self, name: str) -> str | None:
        """The value of a flag of the last command; None if it was not given."""
        words = [part for word in self.commands[-1] for part in word.split("=", 1)]
        return words[words.index(name) + 1] if name in words else None


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory.create(tmp_path / "run", RunConfig(), {})
    means = np.random.default_rng(0).normal(size=(COUNT, 3)).astype(np.float32)
    thumbnails = np.zeros((COUNT, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1), dtype=np.uint8)
    split = np.zeros(COUNT, dtype=np.uint8)
    factors = np.linspace(0, 1, COUNT, dtype=np.float32)[:, None]
    run.write_probe(ProbeSet(np.arange(COUNT), factors, ("a",), thumbnails, split))
    run.write_embedding(means)
    run.write_embedding(means, 2)
    return run


@pytest.fixture
def film(run: RunDirectory, qapp: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Film]]:
    """Makes a controller of ``run``; ``command`` stands in for the real one."""
    made: list[Film] = []

    def make(command: Callable[..., list[str]] = isoline_command, opened: bool = True) -> Film:
        made.append(new := Film(run if opened else None))

        def noted(*words: str) -> list[str]:
            new.commands.append(list(words))
            return command(*words)

        monkeypatch.setattr(turntable, "isoline_command", noted)
        return new

    yield make
    for each in made:
        each.control.shut_down()
        each.control.deleteLater()


def waiting(*_: str) -> list[str]:
    """A process that tells some progress and goes on until its input is closed."""
    program = """
import sys
print('{"progress": 0.25}', 'no json', '{"progress": 0.5}', sep="\\n", flush=True)
sys.stdin.read()
print('{"progress": 0.75}', flush=True)
sys.exit(2)
"""
    return [sys.executable, "-c", program]


def failing(*_: str) -> list[str]:
    program = "import sys; sys.exit('isoline turntable: error: the disk is full.')"
    return [sys.executable, "-c", program]


def silent(*_: str) -> list[str]:
    return [sys.executable, "-c", "pass"]


def test_a_film_is_written_and_its_progress_told(film, qtbot, tmp_path: Path):
    made, out = film(), tmp_path / "turn.gif"
    assert made.control.export(str(out), **SMALL)
    assert made.control.active
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        pass
    assert made.exported == [str(out)]
    assert made.errors == []
    assert made.shares == sorted(made.shares)
    assert made.shares[-1] == 1.0
    assert not made.control.active
    with Image.open(out) as image:
        assert image.size == (120, 120)


def test_it_can_be_given_up_and_leaves_no_file(film, qtbot, tmp_path: Path):
    made, out = film(), tmp_path / "films" / "turn.mp4"
    out.parent.mkdir()
    made.control.export(str(out), seconds=60.0, size=240)
    with qtbot.waitSignal(made.control.progress, timeout=WAIT_MS):
        pass
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.cancel()
        assert made.control.active  # it does not wait
    assert list(out.parent.iterdir()) == []
    assert (made.exported, made.errors) == ([], [])


def test_a_second_film_waits_for_the_first(film, qtbot, tmp_path: Path):
    made = film(waiting)
    assert made.control.export(str(tmp_path / "first.gif"))
    assert not made.control.export(str(tmp_path / "second.gif"))
    assert "first.gif is still being filmed" in made.errors[0]
    assert len(made.commands) == 1
    qtbot.waitUntil(lambda: len(made.shares) == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.cancel()
    assert made.shares == [0.25, 0.5]  # nothing after the cancellation
    assert made.control.export(str(tmp_path / "third.gif"))


def test_a_process_that_does_not_heed_a_cancellation_is_ended(film, qtbot, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("explorer.controllers.processes.CANCEL_MS", 50)
    made = film(lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])
    made.control.export(str(tmp_path / "turn.gif"))
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.cancel()
    assert made.errors == []


def test_the_process_ends_with_the_window(film, tmp_path: Path):
    made = film(waiting)
    made.control.export(str(tmp_path / "turn.gif"))
    made.control.shut_down()
    assert not made.control.active


def test_what_went_wrong_is_said_in_the_commands_words(film, qtbot, tmp_path: Path):
    made = film(failing)
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(tmp_path / "turn.gif"))
    assert made.errors == ["The film could not be made: the disk is full."]


def test_a_wrong_name_is_refused_by_the_command(film, qtbot, tmp_path: Path):
    made = film()
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(tmp_path / "turn.avi"))
    assert "must end in .mp4 or .gif" in made.errors[0]


def test_a_command_that_cannot_be_started_says_so(film, qtbot, tmp_path: Path):
    made = film(lambda *_: [str(tmp_path / "missing"), "x"])
    made.control.export(str(tmp_path / "turn.gif"))
    qtbot.waitUntil(lambda: bool(made.errors), timeout=WAIT_MS)
    assert "could not be started" in made.errors[0]
    assert not made.control.active


def test_without_a_run_there_is_nothing_to_film(film, tmp_path: Path):
    made = film(opened=False)
    assert not made.control.export(str(tmp_path / "turn.gif"))
    assert "Open a run" in made.errors[0]


@pytest.mark.parametrize(("color_by", "named"), [("a", "a"), (SPLIT, "split"), (NO_COLOUR, "none"), ("", "")])
def test_the_film_looks_as_the_cloud_does(film, qtbot, tmp_path: Path, color_by: str, named: str):
    made = film(silent)
    made.state.display = Display(color_by, "inferno", 7.5, 0.5, Axes(dimensions=(2, 0, 1)))
    made.state.epoch = 2
    made.state.theme = LIGHT
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(tmp_path / "turn.mp4"), seconds=4.0, fps=25.0, size=480)
    wanted = {
        "--color-by": named,
        "--colormap": "inferno",
        "--point-size": "7.5",
        "--opacity": "0.5",
        "--axes": "3,1,2",
        "--theme": "light",
        "--epoch": "2",
        "--seconds": "4",
        "--fps": "25",
        "--size": "480",
        "--values": None,
    }
    assert {name: made.option(name) for name in wanted} == wanted


def test_losses_go_along_as_numbers_and_are_removed_afterwards(film, qtbot, tmp_path: Path):
    made = film()
    made.state.display = Display(EXCESS_BCE, axes=Axes("principal"))
    made.state.losses = np.linspace(0, 1, COUNT, dtype=np.float32)
    out = tmp_path / "turn.gif"
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(out), **SMALL)
    assert (made.exported, made.errors) == ([str(out)], [])
    assert made.option("--color-by") == EXCESS_BCE
    assert made.option("--axes") == "pca"
    values = made.option("--values")
    assert values is not None
    assert not Path(values).exists()


def test_classes_keep_their_names_and_those_that_are_hidden_are_not_filmed(film, qtbot, tmp_path: Path):
    out, stored = tmp_path / "turn.gif", {}

    def command(*words: str) -> list[str]:
        with np.load(words[words.index("--values") + 1]) as file:
            stored.update(file)
        return isoline_command(*words)

    made, kinds = film(command), np.arange(COUNT) % 3.0
    kinds[0] = np.nan
    made.state.attributes = Attributes(("kind",), kinds[:, None], (("cat", "dog", "eel"),))
    made.state.display = Display("kind")
    made.state.hidden = frozenset({-1, 1})
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(out), **SMALL)
    assert (made.exported, made.errors) == ([str(out)], [])
    assert [word for word in made.commands[-1] if word.startswith("--hide")] == ["--hide=unknown", "--hide=dog"]
    assert stored["categories"].tolist() == ["cat", "dog", "eel"]
    np.testing.assert_array_equal(stored["values"], kinds)


def test_while_no_loss_is_known_the_points_have_one_colour(film, qtbot, tmp_path: Path):
    made = film(silent)
    made.state.display = Display(EXCESS_BCE)
    made.state.losses = np.full(COUNT, np.nan, dtype=np.float32)
    with qtbot.waitSignal(made.control.finished, timeout=WAIT_MS):
        made.control.export(str(tmp_path / "turn.gif"))
    assert made.option("--color-by") == "none"
