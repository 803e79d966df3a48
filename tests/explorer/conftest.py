"""A small trained run, and the whole program opened on it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from core.config import DataConfig, RunConfig, TrainingConfig

TINY = RunConfig(
    data=DataConfig(image_size=32, count=150, geometry="square"),
    # Small batches: of fewer steps the reconstructions are no better than the mean image, which the program would say.
    training=TrainingConfig(epochs=3, batch_size=4, device="cpu", precision="float32"),
)


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    """The configuration of ``tiny_run``."""
    return TINY


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """A finished run of 32² images. Copy it before changing it."""
    from core.training.trainer import run_training

    return run_training(TINY, tmp_path_factory.mktemp("runs") / "tiny").run.path


@pytest.fixture(autouse=True)
def _dark_theme() -> Iterator[None]:
    """The theme is that of the whole process: each test begins in the dark one."""
    yield
    if (module := sys.modules.get("explorer.widgets.theme")) is not None:
        module.Themed._theme = module.DARK


@pytest.fixture
def use_theme(qapp) -> Iterator[Callable]:
    """Call it with a theme: everything is drawn in it until the test ends."""
    from explorer.widgets.theme import apply_theme

    before = qapp.palette(), qapp.styleSheet()
    yield partial(apply_theme, qapp)
    qapp.setPalette(before[0])
    qapp.setStyleSheet(before[1])


@contextmanager
def _quick_starts(python) -> Iterator[None]:
    """Engines and commands that the window starts have torch imported already: see ``PreloadedPython``."""
    with pytest.MonkeyPatch.context() as patch:
        python.use(patch.setattr)
        yield


@pytest.fixture
def quick_starts(preloaded_python) -> Iterator[None]:
    """The engines and commands of the test have torch imported already; for tests that are not about how they start."""
    with _quick_starts(preloaded_python):
        yield


@contextmanager
def _programs(qapp, folder: Path) -> Iterator[Callable]:
    """Opens the whole program on a run folder, as often as it is called; closes all of them at the end.

    Meanwhile the window may look for nothing of the tests' ``folder`` in the event loop, but for its own settings,
    sessions and logs: a disk may not answer.
    """
    from disk_access import refuse_in_event_loop, watched
    from event_loop import open_run
    from window_alone import close_programs

    from explorer.app import Explorer
    from explorer.engine_client import EngineClient

    opened = []

    def open_program(run: Path | None, renderer: str = "software"):
        engine = EngineClient()
        if run is not None:  # without a run it would only import torch
            engine.start(threads=1)
        qapp.setStyleSheet("")  # under the style sheet of an earlier one, a window takes many times as long to build
        explorer = Explorer(qapp, engine, renderer)
        explorer.window.resize(1280, 720)
        opened.append(explorer)
        explorer.show()
        if run is not None:
            open_run(explorer, run)
        return explorer

    with watched(refuse_in_event_loop(folder)):
        yield open_program
    close_programs(qapp, opened)


@pytest.fixture
def program(qtbot, qapp, monkeypatch, tmp_path, tmp_path_factory, quick_starts) -> Iterator[Callable]:
    """Call it with a run folder: the whole program, window shown, engine started; None: no run, no engine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with _programs(qapp, tmp_path_factory.getbasetemp()) as open_program:
        yield open_program


def _wait_for_image(explorer, qtbot) -> None:
    qtbot.waitUntil(lambda: explorer.image.has_image, timeout=30_000)
    explorer.window.activateWindow()
    qtbot.waitUntil(explorer.window.isActiveWindow, timeout=30_000)


@pytest.fixture
def opened(program, tiny_run, qtbot):
    """The program with the small run open and its first image on screen."""
    explorer = program(tiny_run)
    _wait_for_image(explorer, qtbot)
    return explorer


@pytest.fixture(scope="module")
def _program_of_the_file(qapp, tiny_run, tmp_path_factory, preloaded_python) -> Iterator:
    folder = tmp_path_factory.mktemp("program")
    with _quick_starts(preloaded_python), _programs(qapp, tmp_path_factory.getbasetemp()) as open_program:
        with pytest.MonkeyPatch.context() as patch:
            for variable in ("HOME", "ISOLINE_CONFIG", "ISOLINE_RUNS"):
                patch.setenv(variable, str(folder / variable))
            explorer = open_program(tiny_run)
        yield explorer, str(folder / "ISOLINE_CONFIG")


@pytest.fixture
def reopen(_program_of_the_file, monkeypatch) -> Callable:
    """Call it with a run folder: the program of the file, which opens it. One program for all tests that take this.

    Window and engine take two or three seconds to start. For tests that harm neither them nor the settings, in files
    whose other tests open no program.
    """
    from event_loop import open_run

    from core.projects.edited import Display

    explorer, config = _program_of_the_file
    monkeypatch.setenv("ISOLINE_CONFIG", config)  # else the engine would not know what the test lets runs read

    def open_in_it(run: Path):
        explorer.state.mode, explorer.state.display = "orbit", Display()
        explorer.window.notice.hide()
        open_run(explorer, run)
        return explorer

    return open_in_it


@pytest.fixture
def reopened(reopen, tiny_run, qtbot):
    """As ``opened``, in the program of the file."""
    explorer = reopen(tiny_run)
    _wait_for_image(explorer, qtbot)
    return explorer
