"""Writing a measured transect to a file: asks for the name, works in a thread, says how it went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QThreadPool, Signal
from PySide6.QtWidgets import QWidget

from core.analysis.transect import TransectResult
from explorer.widgets.dialogs import save_dialog

FILTERS = {
    "png": "PNG picture (*.png)",
    "svg": "SVG picture (*.svg)",
    "csv": "Measurements, one row per point (*.csv)",
    "npz": "All arrays (*.npz)",
}
STOP_MS = 10_000


class TransectFiles(QObject):
    """Exports one transect at a time. ``written`` names the file; ``error_occurred`` is for a person."""

    written = Signal(str)
    error_occurred = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # A pool of one: matplotlib's first import and a large picture take seconds, and two exports may name one file.
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)

    def ask(self, kind: str, result: TransectResult, window: QWidget) -> None:
        """Ask for a file name and write ``result`` there; the name's ending decides the format."""
        name = result.transect.name
        filters = {kind: FILTERS[kind], **FILTERS}
        dialog = save_dialog(window, "transect", f"Export transect {name}", f"{name}.{kind}", filters)
        dialog.fileSelected.connect(lambda path: self.write(Path(path), result))
        dialog.show()

    def write(self, path: Path, result: TransectResult) -> None:
        """Write ``result`` to ``path`` in a thread; ``written`` or ``error_occurred`` follows."""
        self._pool.start(_task(path, result, self.written.emit, self.error_occurred.emit))

    def stop(self) -> None:
        """Wait for a file that is being written."""
        self._pool.waitForDone(STOP_MS)


def _task(
    path: Path, result: TransectResult, written: Callable[[str], None], report_error: Callable[[str], None]
) -> Callable[[], None]:
    def work() -> None:
        # matplotlib, which draws the pictures, takes most of a second to import: not before the first export.
        from core.analysis.transect_export import export_transect
        from core.paths.export import ExportError

        try:
            export_transect(path, result)
        except (ExportError, OSError, MemoryError) as error:
            report_error(f"Transect {result.transect.name} was not exported. {error}")
            return
        written(str(path))

    return work
