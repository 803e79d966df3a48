"""Processes that the benchmark starts: programs that measure from within, and peers that answer line by line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"
VIRTUAL = "BENCHMARK_VIRTUAL_SCREEN"
"""Set in the environment of a program whose screen is a virtual one."""
PATIENCE_S = 600.0  # with an answer, on a machine that is slow or busy
TAIL = 2000  # characters of what a failed process wrote


class ProgramFailed(RuntimeError):
    """A process ended without its result; the message has the end of what it wrote."""


def environment(tree: Path) -> dict[str, str]:
    """In which Python finds the packages of the checkout ``tree`` before installed ones, and this folder.

    Python keeps what it has compiled, as it does for an installed program: else each start would compile every module.
    """
    folders = (str(tree), str(ROOT / "scripts"))
    others = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**others, "PYTHONPATH": os.pathsep.join(folders), "PYTHONSAFEPATH": ""}


def measured_by(program: str, tree: Path, *arguments: str, others: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run ``programs/PROGRAM.py``, which writes its result to the JSON file that is its first argument.

    ``others``: variables of its environment; ``STARTED`` is the monotonic clock when it is started. Raises
    ``ProgramFailed``.
    """
    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, str(PROGRAMS / f"{program}.py"), str(result), *arguments]
        others = {**environment(tree), **(others or {}), "STARTED": repr(monotonic())}
        done = subprocess.run(command, cwd=tree, env=others, capture_output=True, text=True, check=False)
        if not result.is_file():
            raise ProgramFailed(f"{program} ended with status {done.returncode}: {(done.stdout + done.stderr)[-TAIL:]}")
        return json.loads(result.read_text(encoding="utf-8"))


class Peer:
    """A process that answers each line by a line of JSON, so that it can take turns with others; a context manager.

    ``python`` may be that of another environment; ``others`` are variables. A ``ProgramFailed`` says what it wrote
    before it ended.
    """

    def __init__(
        self, program: str, tree: Path, python: str = sys.executable, *arguments: str,
        others: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [python, str(PROGRAMS / f"{program}.py"), *arguments], cwd=tree, text=True,
            env={**environment(tree), **(others or {})},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        self._program = program

    def ask(self, line: str) -> Any:
        """Its answer to ``line``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: reading says so, too
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        patience = Timer(PATIENCE_S, self._process.kill)
        patience.start()
        answer = self._process.stdout.readline()
        patience.cancel()
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise ProgramFailed(f"{self._program} ended: {self._errors.read()[-TAIL:]}")
        return json.loads(answer)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()


def is_checkout(folder: Path) -> bool:
    """Whether ``folder`` holds the packages: else the installed ones would be measured instead."""
    return (folder / "explorer" / "__main__.py").is_file() and (folder / "core").is_dir()


@contextlib.contextmanager
def window_environment(size: tuple[int, int]) -> Iterator[dict[str, str]]:
    """Variables for a program with a window of ``size``: folders of its own, and a virtual screen where there is none.

    Raises ``ProgramFailed`` where none can be made.
    """
    from explorer.tour.command import virtual_display

    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as folder:
        own = {"ISOLINE_RUNS": f"{folder}/runs", "ISOLINE_CONFIG": f"{folder}/config", "ISOLINE_LOGS": f"{folder}/logs"}
        screen = {
            name: os.environ[name] for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM") if name in os.environ
        }
        before = dict(screen)
        with virtual_display(screen, size) as problem:
            if problem:
                raise ProgramFailed(problem)
            yield {**own, **screen, **({} if screen == before else {VIRTUAL: "1"})}


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The files of ``revision``, a commit of this repository, in a folder that is gone when the block ends; or the
    folder of another checkout. Raises ``ValueError`` for what is neither."""
    folder = Path(revision)
    if folder.is_dir():
        if not is_checkout(folder):
            raise ValueError(f"{folder} is no checkout of Isoline; give the folder that holds core and explorer.")
        yield folder.resolve()
        return
    known = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if known.returncode != 0:
        raise ValueError(f"{revision} is neither a commit of {ROOT} nor a folder.")
    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as place:
        tree = Path(place) / "tree"
        git = ["git", "-c", "core.hooksPath="]
        subprocess.run([*git, "worktree", "add", "--detach", "--quiet", str(tree), revision], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
