"""Writing an export's file in a thread: compression takes long and lets go of the interpreter, so decoding goes on."""

from __future__ import annotations

import threading
import traceback

import numpy as np

from core.paths.export import ExportError, export_path
from core.protocol.messages import Export


class ExportWriter(threading.Thread):
    """Writes frames uint8 (n, H, W, C) of latents ``z`` float32 (n, d) as ``request`` says.

    ``fraction`` (0 to 1) tells how far it is, ``error`` why it could not; ``cancel`` makes it stop and leave nothing.
    """

    def __init__(self, request: Export, frames: np.ndarray, z: np.ndarray) -> None:
        super().__init__(name="export", daemon=True)
        self._request, self._frames, self._z = request, frames, z
        self._cancelled = threading.Event()
        self.fraction = 0.0
        self.error: Exception | None = None

    def cancel(self) -> None:
        """Stop before the next frame."""
        self._cancelled.set()

    def run(self) -> None:
        """The thread's work."""
        request = self._request
        try:
            export_path(
                request.path,
                request.format,  # pyright: ignore[reportArgumentType]  # checked there
                self._frames,
                self._z,
                request.fps,
                metadata=request.metadata,
                progress=self._progress,
                cancelled=self._cancelled.is_set,
            )
        except Exception as error:  # whatever it is, the job that waits for this thread raises it
            if not isinstance(error, (ExportError, OSError)):
                traceback.print_exception(error)
            self.error = error

    def _progress(self, fraction: float) -> None:
        self.fraction = fraction
