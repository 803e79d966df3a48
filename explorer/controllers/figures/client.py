"""The window's side of the process that draws figures; it lives while the dialog is open."""

from __future__ import annotations

from explorer.engine_client import EngineClient


class FigureClient(EngineClient):
    """Sends previews and figures to draw. It holds nothing worth waiting for: what it writes is whole or not there."""

    NAME = "process that draws figures"
    AGAIN = "Close the dialog and open it again to start it anew."
    REMEDY = "close the dialog and open it again"
    SLOW_S = SLOWEST_S = 15.0  # a figure of many points as vectors takes its time

    def _arguments(self, threads: int) -> list[str]:
        return ["-m", "core.figures"]

    def _step_text(self, took: str) -> str:
        return f"One figure has been drawn {took}. Should it never end, {self.REMEDY}."

    def stop(self, patience_ms: int = 0) -> None:
        """End the process at once: the window must not wait for a picture that nobody will see."""
        super().stop(patience_ms)
