"""A window opened from a Python program: ``isoline.explore``.

The window is a process of its own, and so is its engine. Both talk to the program over a private channel
(``core.protocol.python_channel``), each served by a thread here: the engine asks for images, the window says what a
person does. So nothing that the program does, or is slow to do, stops the window.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.exploring.functions import FunctionError, ImageFunctions
from core.protocol.python_channel import (
    TEMPORARY,
    CallFailed,
    Channel,
    ChannelError,
    ChannelListener,
    ChannelMessage,
    CloseWindow,
    DecodeCall,
    EncodeCall,
    ImagesReturned,
    MeansReturned,
    PathChanged,
    ProbeMoved,
    Role,
    SelectionChanged,
)
from core.runs.directory import RunDirectory

STOP_S = 5.0
"""How long a window that was told to close has to do so."""
_TAIL = 2000
_open: weakref.WeakSet[View] = weakref.WeakSet()

Callback = Callable[[NDArray[np.float32]], object]


class View:
    """A window that is open, and what is selected in it. Made by ``isoline.explore``.

    Attributes: ``run``, the run folder behind it; ``notes``, what was guessed about the arrays and functions.
    """

    def __init__(
        self,
        run: Path,
        rows: NDArray[np.int64],
        functions: ImageFunctions | None = None,
        session: str = "",
        notes: tuple[str, ...] = (),
        temporary: Path | None = None,
    ) -> None:
        self.run, self.notes = run, notes
        self._rows, self._functions, self._temporary = rows, functions, temporary
        self._lock = Lock()
        self._probe: NDArray[np.float32] | None = None
        self._selection = np.zeros(0, np.int64)
        self._path: NDArray[np.float32] | None = None
        self._callbacks: dict[type[ChannelMessage], list[Callable[[Any], object]]] = {}
        self._latent_dim = RunDirectory.open(run).config.model.latent_dim
        self._window: Channel | None = None
        self._early: dict[type[ChannelMessage], ChannelMessage] = {}  # set before the window is there, the newest
        self._ended = Event()
        self._listener = ChannelListener(session)
        command = [sys.executable, "-m", "explorer", str(run)]
        environment = {**os.environ, **self._listener.variables, TEMPORARY: str(temporary or "")}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl+C at a prompt, or the interrupt of a notebook, is not meant for the window
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )  # fmt: skip
        for work in (self._accept, self._wait_for_end):
            Thread(target=work, name="isoline.explore", daemon=True).start()
        _open.add(self)

    def __repr__(self) -> str:
        notes = "".join(f"\n  {note}" for note in self.notes)
        return f"<isoline.View of {str(self.run)!r}: {'closed' if self.closed else 'open'}>{notes}"

    # what a person does in the window

    @property
    def probe(self) -> NDArray[np.float32] | None:
        """The probe's place (d,); None before the window is there. Setting it moves the probe, as soon as the window is
        there and has opened the model.

        Raises ``ValueError`` for another number of dimensions or numbers that are not finite, and ``RuntimeError`` once
        the window is closed.
        """
        return self._probe

    @probe.setter
    def probe(self, z: ArrayLike) -> None:
        place = np.asarray(z, np.float32).reshape(-1)
        if len(place) != self._latent_dim or not np.isfinite(place).all():
            raise ValueError(f"probe is {place.tolist()}; it must be {self._latent_dim} finite numbers.")
        self._send(ProbeMoved(z=place))

    @property
    def selection(self) -> NDArray[np.int64]:
        """Rows of the latents that are selected, int64 (k,). Setting it selects those of them that are shown: all, or
        of more than 20,000 as many, drawn at random. Raises as ``probe`` does, for what is no row.
        """
        return self._selection

    @selection.setter
    def selection(self, rows: ArrayLike) -> None:
        chosen = np.asarray(rows).reshape(-1)
        if chosen.size and (chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() > self._rows.max()):
            raise ValueError(f"selection is {chosen.tolist()[:8]}; it must be row numbers, 0 to {self._rows.max()}.")
        self._send(SelectionChanged(positions=np.flatnonzero(np.isin(self._rows, chosen))))

    @property
    def path(self) -> NDArray[np.float32] | None:
        """The latents (K, d) of the path in hand, one a frame; None without a path."""
        return self._path

    def on_probe(self, callback: Callback) -> Callback:
        """Call ``callback(z)`` with the probe's place (d,) whenever it has moved, in a thread of this view.

        Of many moves in a short time the newest counts. Returns ``callback``, so that it may be a decorator.
        """
        return self._on(ProbeMoved, callback)

    def on_selection(self, callback: Callable[[NDArray[np.int64]], object]) -> Callable[[NDArray[np.int64]], object]:
        """The same with the selected rows."""
        return self._on(SelectionChanged, callback)

    def on_path(self, callback: Callback) -> Callback:
        """The same with the path's latents (K, d); (0, d) once there is none."""
        return self._on(PathChanged, callback)

    # its end

    @property
    def closed(self) -> bool:
        """Whether the window has been closed, or has failed."""
        return self._ended.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the window is closed, or for ``timeout`` seconds; returns whether it is.

        A script that opens a window ends with this, for the window closes with the program.
        """
        return self._ended.wait(timeout)

    def close(self) -> None:
        """Close the window; returns when its processes have ended."""
        with contextlib.suppress(ChannelError):
            if self._window is not None:
                self._window.send(CloseWindow())
        if self._window is None or not self._ended.wait(STOP_S):
            self._process.terminate()
            if not self._ended.wait(STOP_S):
                self._process.kill()
                self._ended.wait(STOP_S)

    # threads

    def _on(self, kind: type[ChannelMessage], callback: Any) -> Any:
        with self._lock:
            self._callbacks.setdefault(kind, []).append(callback)
        return callback

    def _send(self, message: ChannelMessage) -> None:
        with self._lock:
            window = self._window
            if window is None and not self.closed:
                self._early[type(message)] = message
                return
        try:
            if window is None or self.closed:
                raise ChannelError("the other process has ended.")
            window.send(message)
        except ChannelError as error:
            raise RuntimeError("The window has been closed; isoline.explore opens another.") from error

    def _accept(self) -> None:
        with contextlib.suppress(ChannelError):
            while True:
                accepted = self._listener.accept()
                if accepted is not None:
                    role, channel = accepted
                    Thread(target=self._serve, args=(role, channel), name=f"isoline {role}", daemon=True).start()

    def _serve(self, role: Role, channel: Channel) -> None:
        with contextlib.suppress(ChannelError):
            if role == "window":
                with self._lock:
                    self._window = channel
                    for message in self._early.values():
                        channel.send(message)
            while True:
                message = channel.receive()
                if isinstance(message, DecodeCall | EncodeCall):
                    channel.send(self._answer(message))
                else:
                    self._take(message)
        channel.close()

    def _answer(self, message: DecodeCall | EncodeCall) -> ChannelMessage:
        try:
            if self._functions is None:
                raise FunctionError("This view has no functions.")
            if isinstance(message, DecodeCall):
                return ImagesReturned(images=self._functions.decode(message.z))
            return MeansReturned(mu=self._functions.encode(message.images))
        except FunctionError as error:
            return CallFailed(reason=str(error))

    def _take(self, message: ChannelMessage) -> None:
        """What a person did; callbacks are called if it is news."""
        if isinstance(message, ProbeMoved):
            value, before = message.z, self._probe
            self._probe = value if value.size else None
        elif isinstance(message, SelectionChanged):
            inside = message.positions[(message.positions >= 0) & (message.positions < len(self._rows))]
            value, before = self._rows[inside], self._selection
            self._selection = value
        elif isinstance(message, PathChanged):
            value, before = message.z, self._path
            self._path = value if value.size else None
        else:
            return
        before = np.zeros(0, value.dtype) if before is None else before
        if value.size == before.size and np.array_equal(value.reshape(-1), before.reshape(-1)):
            return
        with self._lock:
            callbacks = list(self._callbacks.get(type(message), []))
        for callback in callbacks:
            try:
                callback(value)
            except Exception as error:  # it is shown, and the window goes on
                traceback.print_exception(error)

    def _wait_for_end(self) -> None:
        _, errors = self._process.communicate()
        self._listener.close()
        status = self._process.returncode
        if status not in (0, -signal.SIGTERM):
            text = errors[-_TAIL:].decode(errors="replace").strip()
            print(f"isoline.explore: the window ended with status {status}.\n{text}", file=sys.stderr)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        _open.discard(self)
        self._ended.set()


@atexit.register
def close_all() -> None:
    """Close the windows that are still open: no process outlives the program."""
    for view in list(_open):
        if view._window is None and not view.closed:
            text = "the program has ended before its window was there; a script waits for it by view.wait()"
            print(f"isoline.explore: {text}.", file=sys.stderr)
        view.close()
