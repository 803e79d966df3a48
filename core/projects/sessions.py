"""The folder of sessions: a file for each window and run, so that windows never write over one another.

A file belongs to the window that has its lock; the system gives the lock back when that window ends, however it does.
No Qt, no torch.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from core.projects.archive import SUFFIX, About, read_about
from core.projects.project import ProjectError

if TYPE_CHECKING:
    import filelock

MOST = 100
"""Sessions that are kept; the oldest ones go."""
CLAIM_S = 0.05
"""Another window that makes its list of sessions has the lock of each for a moment."""
_LOCK = ".lock"


@dataclass(frozen=True)
class EarlierSession:
    """A session in the folder: ``used`` at a time in seconds since the epoch; ``problem``: why it cannot be read;
    ``is_open``: in a window."""

    path: Path
    used: float
    about: About = field(default_factory=About)
    problem: str = ""
    is_open: bool = False


class SessionFile:
    """A session that is this window's until ``release``."""

    def __init__(self, path: Path, lock: filelock.BaseFileLock) -> None:
        self.path, self._lock = path, lock

    def release(self, *, remove: bool = False) -> None:
        """Give it back; ``remove`` deletes it first. Raises ``OSError`` if that cannot be."""
        try:
            if remove:
                self.path.unlink(missing_ok=True)
                _lock_of(self.path).unlink(missing_ok=True)
        finally:
            self._lock.release()


def claim_new(folder: Path) -> SessionFile:
    """A new session in ``folder``, which is made if need be; the oldest sessions beyond ``MOST`` are deleted.

    Raises ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _prune(folder)
    path = folder / f"{datetime.now():%Y-%m-%d %H-%M-%S} {secrets.token_hex(3)}{SUFFIX}"
    return SessionFile(path, _locked(path))


def claim(path: Path) -> SessionFile | None:
    """The session ``path``, if no other window has it. Raises ``OSError``."""
    import filelock

    try:
        return SessionFile(path, _locked(path))
    except filelock.Timeout:
        return None


def claim_latest(folder: Path) -> tuple[SessionFile, About] | None:
    """The session that was used last, of those that ended with their window or with a crash; None if there is none."""
    for earlier in earlier_sessions(folder):
        if earlier.about.ended != "left" and not earlier.problem:
            session = claim(earlier.path)
            if session is not None:
                return session, earlier.about
    return None


def earlier_sessions(folder: Path) -> list[EarlierSession]:
    """All sessions in ``folder``, those in use among them; the last used one first."""
    found = []
    for path, used in _files(folder):
        try:
            about = read_about(path)
            found.append(EarlierSession(path, used, about, is_open=not about.ended and _is_open(path)))
        except ProjectError as error:
            found.append(EarlierSession(path, used, problem=str(error)))
    return found


def _is_open(path: Path) -> bool:
    try:
        session = claim(path)
        if session is not None:
            session.release()
    except OSError:  # what cannot be claimed cannot be opened either, and says why then
        return False
    return session is None


def _files(folder: Path) -> list[tuple[Path, float]]:
    try:
        with os.scandir(folder) as entries:
            found = [(Path(entry.path), entry.stat().st_mtime) for entry in entries if entry.name.endswith(SUFFIX)]
    except OSError:  # there is none until the first session is written
        return []
    return sorted(found, key=lambda item: item[1], reverse=True)


def _prune(folder: Path) -> None:
    for path, _ in _files(folder)[MOST:]:
        session = claim(path)
        if session is not None:
            session.release(remove=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


def _locked(path: Path) -> filelock.BaseFileLock:
    import filelock  # here, in the thread that needs it: its import would hold up the window's start

    lock = filelock.FileLock(_lock_of(path), thread_local=False)
    lock.acquire(timeout=CLAIM_S, poll_interval=CLAIM_S / 5)
    return lock
