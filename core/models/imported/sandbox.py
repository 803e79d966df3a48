"""Foreign networks run in a process of their own, which may crash, hang or ask for too much without harm.

``Sandbox`` starts ``core.models.imported.sandbox_worker`` and asks it. What takes more processor time or memory than it
should ends the process and raises ``ImportedModelError``; so does a crash. Processor time, not time on the clock, so
that a busy machine refuses no sound model.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import psutil
from onnx import ModelProto

from core.models.imported.onnx_graph import ImportedModelError, with_shapes
from core.models.imported.sandbox_worker import HEADER, pack_array, unpack_array

SECONDS = 1.5
"""Processor time that one question may take; more for large files."""
SECONDS_PER_BYTE = 1e-7
MEMORY = 1 << 30
"""Bytes that a model may take beside its weights, of which three copies may be there at once."""
_POLL_S = 0.02
_WALL_FACTOR = 40.0  # a process that computes nothing is not waited for for ever


class Sandbox:
    """One process. Use it as a context; after an error it is gone, and the next question starts another.

    ``largest`` are the bytes of the largest file that it is to open, its data included: time and memory grow with it.
    """

    def __init__(self, largest: int) -> None:
        self._seconds = SECONDS + SECONDS_PER_BYTE * largest
        self._memory = MEMORY + 3 * largest
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._opened: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def attempt(
        self, key: str, model: ModelProto, content: bytes | Path, feeds: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Have the network ``model``, whose file is ``content``, ready as ``key``, and what it makes of ``feeds``.

        Raises ``ImportedModelError`` for one that crashes, or takes too much time or memory; its shapes, which tell
        that beforehand, are worked out first.
        """
        self.infer(with_shapes(model, {name: list(one.shape) for name, one in feeds.items()}).SerializeToString())
        self.open(key, content)
        return self.run(key, feeds)

    def infer(self, model: bytes) -> dict[str, list[int | None]]:
        """Shapes of the values of a network, by name, as shape inference finds them; {} if it finds nothing."""
        return self._ask({"do": "infer", "model": model}, "its shapes are worked out")

    def open(self, key: str, model: bytes | Path) -> None:
        """Have the network ready as ``key``. Raises ``ImportedModelError`` with what ONNX Runtime says."""
        request = {"do": "open", "key": key}
        request |= {"model": model} if isinstance(model, bytes) else {"path": str(model)}
        self._ask(request, "it is loaded")
        self._opened[key] = request

    def run(self, key: str, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of network ``key`` by name; one that is no numeric tensor is left out."""
        if self._process is None and key in self._opened:
            self._ask(self._opened[key], "it is loaded")
        packed = {name: pack_array(array) for name, array in feeds.items()}
        answer = self._ask({"do": "run", "key": key, "feeds": packed}, "it is run")
        return {name: unpack_array(array) for name, array in answer.items()}

    def _ask(self, request: dict[str, Any], doing: str) -> Any:
        process = self._started()
        assert process.stdin is not None
        meter = psutil.Process(process.pid)
        before, begun = _processor_time(meter), time.monotonic()
        body = msgspec.msgpack.encode(request)
        try:
            process.stdin.write(HEADER.pack(len(body)) + body)
            process.stdin.flush()
        except OSError as error:
            self.close()
            raise ImportedModelError(f"ONNX Runtime ended while {doing}.") from error
        for answer in self._waiting():
            if answer is not None:
                break
            used = _processor_time(meter) - before
            if used > self._seconds or time.monotonic() - begun > _WALL_FACTOR * self._seconds:
                self.close()
                raise ImportedModelError(
                    f"takes more than {self._seconds:.1f} s of processor time while {doing}; that is too slow to look "
                    "at. Export a smaller model, or one without loops."
                )
            if _memory(meter) > self._memory + self._baseline:
                self.close()
                raise ImportedModelError(
                    f"takes more than {self._memory / 2**30:.1f} GiB of memory while {doing}. Export a smaller model, "
                    "or one for smaller images."
                )
        else:
            answer = None
        if not isinstance(answer, dict):
            code = process.wait()
            self.close()
            raise ImportedModelError(f"makes ONNX Runtime crash while {doing} (exit code {code}); it is not opened.")
        if "error" in answer:
            raise ImportedModelError(str(answer["error"]))
        return answer["result"]

    def _waiting(self) -> Iterator[Any]:
        """None each time that nothing has come, then the answer; ends when the process has."""
        while True:
            try:
                answer = self._answers.get(timeout=_POLL_S)
            except queue.Empty:
                yield None
                continue
            if answer is _END:
                return
            yield answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        command = [sys.executable, "-m", "core.models.imported.sandbox_worker", str(self._memory)]
        self._answers = answers = queue.SimpleQueue()
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._process = process
        threading.Thread(target=_read, args=(process, answers), name="sandbox", daemon=True).start()
        ready = answers.get()  # Python and ONNX Runtime have been loaded: what follows is the model's
        if ready is _END:
            self.close()
            raise ImportedModelError("ONNX Runtime cannot be started; install Isoline again.")
        self._baseline = _memory(psutil.Process(process.pid))
        return process


_END = object()


def _read(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[Any]) -> None:
    """Hand on what the process writes, and ``_END`` at its end."""
    stream = process.stdout
    assert stream is not None
    try:
        while len(head := stream.read(HEADER.size)) == HEADER.size:
            (size,) = HEADER.unpack(head)
            answers.put(msgspec.msgpack.decode(stream.read(size)))
    except (OSError, ValueError, msgspec.DecodeError):  # closed under its hands, or cut off by a crash
        pass
    answers.put(_END)


def _processor_time(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended; that is seen elsewhere
        return 0.0
    return times.user + times.system


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0
