"""The window's side of the process that draws figures; it lives while the dialog is open."""

from __future__ import annotations

from PySide6.QtCore import QProcess

from explorer.engine_client import EngineClient


class FigureClient(EngineClient):
    """Sends previews and figures to draw. It holds nothing worth waiting for: what it writes is whole or not there."""

    NAME = "process that draws figures"
    AGAIN = "Close the dialog and open it again to start it anew."
    BEATS = False  # it draws one figure at a time, and nobody waits for it

    def _arguments(self, threads: int) -> list[str]:
        return ["-m", "core.figures"]

    def stop(self) -> None:
        """End the process at once: the window must not wait for a picture that nobody will see."""
        if self._process is not None and self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.kill()
        super().stop()
