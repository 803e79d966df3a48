"""Python files that a person has said yes to: only those are run, and only as they were then.

A program can do all that its person can, so the window and the command line ask before anything of it is executed, and
keep the answer as path and SHA-256 in ``programs.json`` beside the other settings. A file that has changed since is
asked about again. This module only reads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.utils.atomic_write import write_atomic
from core.utils.text import counted
from core.utils.untrusted import UnreadableError, read_bytes, read_json
from core.utils.user_folders import config_folder

LARGEST = 10 << 20
"""Bytes of a program."""
WARNING = (
    "It is a Python program: once it runs, it and what it imports can do all that you can do on this computer. "
    "Nothing of it has been run yet."
)


class ProgramError(RuntimeError):
    """A program that cannot be read or run; the message names the file, and the line where one is to blame."""


@dataclass(frozen=True)
class Program:
    """A file as it was read: what is run is this ``content``, whatever the file says by then."""

    path: Path
    content: bytes
    sha256: str

    @property
    def described(self) -> str:
        """Path, size and hash, for whoever decides."""
        return f"{self.path}\n{counted(len(self.content), 'byte')}, SHA-256 {self.sha256}"


def read_program(path: Path) -> Program:
    """Read the file at ``path``; nothing is run. Raises ``ProgramError``."""
    path = Path(path).absolute()
    try:
        content = read_bytes(path, LARGEST)
    except OSError as error:
        raise ProgramError(f"{path} cannot be read ({error.strerror or error}).") from error
    except UnreadableError as error:
        raise ProgramError(f"{path} is no program: {error}. Give a Python file, and keep data in others.") from error
    return Program(path, content, hashlib.sha256(content).hexdigest())


def is_allowed(program: Program) -> bool:
    """Whether a person has said yes to this very file."""
    return _answers().get(str(program.path)) == program.sha256


def has_changed(program: Program) -> bool:
    """Whether the yes was to another content of the file."""
    return _answers().get(str(program.path)) not in (None, program.sha256)


def allow(program: Program) -> None:
    """Keep a person's yes to ``program``. Raises ``ProgramError`` if it cannot be kept."""
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        answers = _answers() | {str(program.path): program.sha256}
        write_atomic(file, msgspec.json.format(msgspec.json.encode(answers), indent=2) + b"\n")
    except OSError as error:
        raise ProgramError(f"{file} cannot be written ({error.strerror or error}), so the yes is not kept.") from error


def _answers() -> dict[str, str]:
    """Hashes by path. A file that is missing or damaged has no answers, so all is asked again."""
    try:
        return read_json(_file(), dict[str, str])
    except (OSError, UnreadableError):
        return {}


def _file() -> Path:
    return config_folder() / "programs.json"
