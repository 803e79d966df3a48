"""Where sessions are written: a thread of its own that never holds up the window, and never writes what is outdated.

A window has one session at a time (``core.projects.sessions``). Of several saves that wait for the disk only the last
is done. What cannot be written is said once, and whoever saves tries again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from PySide6.QtCore import QObject, QStandardPaths, Signal

from core.projects.archive import Ending, ProjectWriter
from core.projects.project import Project
from core.projects.sessions import SessionFile, claim_new, earlier_sessions

PAUSE_S = 1e-4


def sessions_folder() -> Path:
    """Where this user's sessions are (``ISOLINE_CONFIG`` moves it)."""
    folder = os.environ.get("ISOLINE_CONFIG") or QStandardPaths.writableLocation(
        QStandardPaths.StandardLocation.AppLocalDataLocation
    )
    return Path(folder) / "sessions"


@dataclass(frozen=True)
class Save:
    """A project to be written to the window's session; ``run_name`` for lists."""

    project: Project
    run_name: str
    ended: Ending = ""


class SessionStore(QObject):
    """Owns the window's session file. Its methods return at once, but for ``finish``."""

    saved = Signal(object)
    """The project that is on the disk now."""
    failed = Signal(str)
    """Why the last save could not be done."""
    listed = Signal(object)
    """tuple[EarlierSession, ...]: the sessions of other windows and earlier runs."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = sessions_folder()
        self.path: Path | None = None
        """The session's file, once it has one."""
        self.seconds: list[float] = []  # that the last writes took
        self._session: SessionFile | None = None
        # Else the event loop would wait up to 5 ms for Python's lock at each call into Qt, while hundreds of steps are
        # looked through.
        self._writer = ProjectWriter(lambda: sleep(PAUSE_S))
        self._wanted = threading.Condition()
        self._jobs: list[Save | Callable[[], None]] = []
        self._ends = self._working = False
        self._thread: threading.Thread | None = None

    def save(self, wanted: Save) -> None:
        """Write it as soon as the disk is free, in place of one that still waits."""
        with self._wanted:
            if self._jobs and isinstance(self._jobs[-1], Save):
                self._jobs[-1] = wanted
                return
        self._add(wanted)

    def leave(self, save: Save | None) -> None:
        """This window's next save begins another session. The present one ends with ``save``; None: as it is now, and
        it is deleted if nothing was ever written to it."""
        if save is not None:
            self.save(save)
        self._add(lambda: self._release(remove=False))

    def discard(self) -> None:
        """The same for a session with nothing in it that anybody made: its file is deleted."""
        with self._wanted:
            if self._jobs and isinstance(self._jobs[-1], Save):
                self._jobs.pop()
        self._add(lambda: self._release(remove=True))

    def take(self, session: SessionFile) -> None:
        """Go on with ``session``, which has been claimed."""
        self._add(lambda: self._take(session))

    @property
    def idle(self) -> bool:
        """Whether everything has been done."""
        with self._wanted:
            return not self._jobs and not self._working

    def run(self, job: Callable[[], None]) -> None:
        """Do ``job`` in the thread, after what waits."""
        self._add(job)

    def end(self) -> None:
        """What waits is still done; then the thread ends."""
        with self._wanted:
            self._ends = True
            self._wanted.notify()

    def finish(self, seconds: float) -> bool:
        """Wait until the thread has ended, for ``seconds`` at most; whether it has."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))
        return self._thread is None or not self._thread.is_alive()

    # in the thread

    def _add(self, job: Save | Callable[[], None]) -> None:
        with self._wanted:
            self._jobs.append(job)
            self._wanted.notify()
        if self._thread is None:
            # A daemon: a disk that has stalled does not keep the program from ending.
            self._thread = threading.Thread(target=self._work, name="sessions", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._wanted:
                self._working = False
                while not self._jobs and not self._ends:
                    self._wanted.wait()
                if not self._jobs:
                    break
                job, self._working = self._jobs.pop(0), True
            if isinstance(job, Save):
                self._write(job)
            else:
                job()
        if self._session is not None:
            self._session.release()

    def _write(self, save: Save) -> None:
        begun = perf_counter()
        try:
            if self._session is None:
                self._take(claim_new(self.folder))
            assert self._session is not None
            self._writer.write(self._session.path, save.project, ended=save.ended, run_name=save.run_name)
        except OSError as error:
            self.failed.emit(
                f"What you do cannot be kept in {self.folder} ({error.strerror or error}); this is tried every few "
                "seconds. Free some space there, or save the project somewhere else."
            )
            return
        self.seconds = [*self.seconds[-255:], perf_counter() - begun]
        self.saved.emit(save.project)

    def _take(self, session: SessionFile) -> None:
        self._release(remove=False)
        self._session, self.path = session, session.path
        self.list_earlier()

    def _release(self, remove: bool) -> None:
        session, self._session, self.path = self._session, None, None
        if session is not None:
            try:
                session.release(remove=remove or not session.path.exists())
            except OSError:  # it stays, and is listed: no harm
                return
        self.list_earlier()

    def list_earlier(self) -> None:
        """``listed`` with what is in the folder now. Takes a moment: for the thread."""
        own = self.path
        found = [earlier for earlier in earlier_sessions(self.folder) if earlier.path != own]
        # In one without a step nothing was made that anybody would look for.
        self.listed.emit(tuple(earlier for earlier in found if earlier.about.steps or earlier.problem))
