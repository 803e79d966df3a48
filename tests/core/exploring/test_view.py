"""A window opened from a program: a real window and engine, a person's own functions, and no process left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

import core.exploring.view
import isoline
from core.data.dataset import DatasetError
from core.exploring.functions import FunctionError
from core.models.inference import MissingPartError
from core.models.python_inference import PythonCallError, PythonInference
from core.protocol.python_channel import ADDRESS, CallFailed, ChannelListener, DecodeCall, ImagesReturned
from core.runs.directory import RunDirectory
from core.runs.imported import PythonFunctions
from core.training.opening import open_inference

RNG = np.random.default_rng(0)
LATENTS = RNG.standard_normal((60, 3)).astype(np.float32)
IMAGES = RNG.random((60, 8, 8))
KINDS = np.array(["left", "right"] * 30)
START_S = 60


def wait_for(condition: Callable[[], object], seconds: float = START_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.02)


class Decoder:
    """A function that remembers what it was asked, and fails or dawdles when it is told to."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []
        self.fails = False
        self.slow: list[float] | None = None  # what it does not answer before it is released
        self.release = threading.Event()

    def __call__(self, z: np.ndarray) -> np.ndarray:
        self.asked.append(z[0])
        if self.slow is not None and np.allclose(z[0], self.slow):
            self.release.wait(START_S)
        if self.fails:
            raise RuntimeError("out of order")
        return np.full((1, 8, 8), 0.5 + 0.1 * np.tanh(z[0, 0]))

    def was_asked(self, z: list[float]) -> bool:
        return any(np.allclose(asked, z) for asked in self.asked)


def test_a_window_asks_the_programs_functions_and_says_what_a_person_does():
    decode, moved, selected = Decoder(), [], []
    view = isoline.explore(LATENTS, images=IMAGES, labels={"kind": KINDS}, decode=decode)
    try:
        view.on_probe(moved.append)
        view.on_selection(selected.append)
        view.probe, view.selection = [0.25, 0.5, 0.75], [7]  # at once, as in a script: before there is a window
        assert "are taken as 0 to 1" in repr(view)
        run = isoline.open(view.run)
        np.testing.assert_array_equal(run.latents, LATENTS)
        np.testing.assert_array_equal(run.labels["kind"], KINDS)
        with pytest.raises(MissingPartError):  # another process has no part in it
            run.decode(LATENTS[:1])
        wait_for(lambda: decode.was_asked([0.25, 0.5, 0.75]))
        wait_for(lambda: np.array_equal(view.probe, [0.25, 0.5, 0.75]) and view.selection.tolist() == [7])
        for place in ([1.0, 2.0], [np.nan, 0.0, 0.0]):
            with pytest.raises(ValueError, match=r"probe is .* must be 3 finite numbers"):
                view.probe = place
        for rows in ([60], [-1], [0.5]):
            with pytest.raises(ValueError, match=r"selection is .* must be row numbers, 0 to 59"):
                view.selection = rows
        view.probe = [0.5, -0.5, 0.25]
        wait_for(lambda: decode.was_asked([0.5, -0.5, 0.25]))
        wait_for(lambda: np.array_equal(view.probe, [0.5, -0.5, 0.25]))
        wait_for(lambda: moved[-1].tolist() == [0.5, -0.5, 0.25])

        view.probe = decode.slow = [1.0, 0.0, 0.0]  # this call takes forever
        wait_for(lambda: decode.was_asked([1.0, 0.0, 0.0]))
        view.selection = [5, 40]  # and the window answers all the same
        wait_for(lambda: view.selection.tolist() == [5, 40], 10)
        wait_for(lambda: selected[-1].tolist() == [5, 40])
        decode.fails = True
        decode.release.set()
        view.probe = [0.0, 0.0, 1.0]
        wait_for(lambda: decode.was_asked([0.0, 0.0, 1.0]))
        decode.fails = False
        view.probe = [0.0, 1.0, 0.0]
        wait_for(lambda: decode.was_asked([0.0, 1.0, 0.0]))
        processes = [psutil.Process(view._process.pid), *psutil.Process(view._process.pid).children(recursive=True)]
        assert len(processes) >= 2  # window and engine
        if os.name == "posix":  # what interrupts the program does not interrupt them
            assert all(os.getpgid(process.pid) != os.getpgrp() for process in processes)
    finally:
        decode.release.set()
        view.close()
    assert view.closed
    assert view.wait(0)
    with pytest.raises(RuntimeError, match="has been closed"):
        view.probe = [0.0, 0.0, 0.0]
    assert not view.run.exists()
    psutil.wait_procs(processes, 5)
    assert not [process for process in processes if process.is_running()]


PROGRAM = """
import sys, time, numpy as np, isoline
view = isoline.explore(np.random.default_rng(0).standard_normal((20, 2)), decode=lambda z: np.zeros((1, 8, 8)))
while view.probe is None:
    time.sleep(0.02)
print(view._process.pid, view.run, flush=True)
time.sleep(600)
"""


def test_a_program_that_is_killed_takes_its_window_and_its_temporary_folder_along():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        number, run = program.stdout.readline().split(maxsplit=1)
        window = psutil.Process(int(number))
        processes = [window, *window.children(recursive=True)]
        program.kill()
        _, alive = psutil.wait_procs(processes, 20)
    assert not alive
    assert not Path(run.strip()).parent.exists()


def test_a_script_that_does_not_wait_for_its_window_hears_of_it(monkeypatch, capsys):
    closed = []
    ended = [
        SimpleNamespace(_window=window, closed=False, close=lambda: closed.append(1)) for window in (None, object())
    ]
    monkeypatch.setattr(core.exploring.view, "_open", ended)
    core.exploring.view.close_all()
    assert len(closed) == 2
    assert capsys.readouterr().err.count("before its window was there; a script waits for it by view.wait()") == 1


def test_a_run_that_is_kept_shows_its_latents_when_the_program_has_ended(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("core.exploring.explore.View", lambda run, *_: run)  # no window
    decode = Decoder()
    isoline.explore(LATENTS, labels=KINDS, files=[f"{i}.png" for i in range(60)], decode=decode, out=tmp_path / "kept")
    run = RunDirectory.open(tmp_path / "kept")
    assert isinstance(run.imported, PythonFunctions)
    assert run.read_probe().names[1] == "1.png"
    assert (run.config.data.image_size, run.config.data.channels) == (8, 1)
    inference, _ = open_inference(run.path)
    assert not inference.can_decode
    with pytest.raises(isoline.RunError, match="already holds a run"):
        isoline.explore(LATENTS, out=tmp_path / "kept")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"latents": [[1.0], [2.0]]}, DatasetError, r"latents are float64 \(2, 1\); they must be numbers"),
        ({"latents": "no such run"}, isoline.RunError, "does not exist"),
        ({"latents": [object()]}, DatasetError, "latents cannot be used"),
        ({"latents": LATENTS, "images": IMAGES[:3]}, DatasetError, "there are 3 images and 60 latents"),
        ({"latents": LATENTS, "files": ["a"]}, DatasetError, "there are 1 files and 60 latents"),
        ({"latents": LATENTS, "labels": {"latents": np.zeros(60)}}, DatasetError, "a label is called latents"),
        ({"latents": LATENTS, "decode": lambda z: 1 / 0}, FunctionError, "decode raised ZeroDivisionError"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_a_window_opens(arguments, error, message, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(error, match=message):
        isoline.explore(**arguments)
    assert not list(tmp_path.iterdir())


def test_an_error_in_a_function_is_told_and_the_next_call_answered(monkeypatch):
    listener = ChannelListener()
    for name, value in listener.variables.items():
        monkeypatch.setenv(name, value)
    answers = [
        CallFailed(reason="decode raised ValueError: no"),
        ImagesReturned(images=np.zeros((1, 8, 8, 1), np.uint8)),
    ]

    def serve():
        accepted = listener.accept()
        assert accepted is not None
        for answer in answers:
            assert isinstance(accepted[1].receive(), DecodeCall)
            accepted[1].send(answer)
        accepted[1].receive()
        accepted[1].send(ImagesReturned(images=np.zeros((1, 9, 9, 1), np.uint8)))
        accepted[1].receive()
        accepted[1].close()

    threading.Thread(target=serve, daemon=True).start()
    inference = PythonInference(PythonFunctions(session="", decodes=True), 3, 8, 1)
    with pytest.raises(PythonCallError, match="decode raised ValueError: no"):
        inference.decode(LATENTS[:1])
    assert inference.decode(LATENTS[:1]).shape == (1, 8, 8, 1)
    with pytest.raises(PythonCallError, match="answered decode by something else"):
        inference.decode(LATENTS[:1])
    with pytest.raises(MissingPartError):
        inference.encode(np.zeros((1, 8, 8, 1), np.uint8))
    with pytest.raises(PythonCallError, match="has ended, and its functions with it"):
        inference.decode(LATENTS[:1])
    listener.close()
    monkeypatch.setenv(ADDRESS, str(Path("/nonexistent/socket")))
    with pytest.raises(PythonCallError, match="has ended"):
        PythonInference(PythonFunctions(session="", decodes=True), 3, 8, 1)
