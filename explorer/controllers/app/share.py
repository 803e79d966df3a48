"""Sharing the open run as a page, by the very command that a person would type, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from shiboken6 import isValid

from core.sharing.contents import PageChoice
from explorer.controllers.app.session import Session
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import STOP_MS, Command, isoline_command
from explorer.views.share import ShareDialog
from explorer.widgets.dialogs import ask_save, show_dialog


def share_command(arguments: list[str]) -> list[str]:
    """The command line that writes a page; ``arguments`` are those of ``isoline share``."""
    return isoline_command("share", *arguments, "--progress", "json")


def page_arguments(run: Path, path: Path, choice: PageChoice) -> list[str]:
    """The arguments of ``isoline share`` for the page ``path`` of the run in folder ``run``."""
    chosen = {"decoder": choice.decoder, "pictures": choice.pictures, "names": choice.names}
    flags = [f"--no-{name}" for name, wanted in chosen.items() if not wanted]
    # With "=", for a title may begin with a minus sign.
    return [str(run), "--out", str(path), f"--title={choice.title}", f"--notes={choice.notes}", *flags]


class ShareController(Controller):
    """Shows the dialog and writes the page, one at a time; ``exported`` carries its path."""

    exported = Signal(str)

    def __init__(
        self, context: Context, session: Session, command: Callable[[list[str]], list[str]] = share_command
    ) -> None:
        super().__init__(context)
        self._session, self._command = session, command
        self._dialog: ShareDialog | None = None
        self._running: Command | None = None
        self._path = Path()

    def ask(self) -> None:
        """Show the dialog; while a page is being written, the one that shows how far it is."""
        run = self._session.run
        if run is None:
            self.refused.emit("No run is open that could be shared. Open a run, or start a training.")
            return
        if self._running is not None and self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        self._dialog = dialog = ShareDialog(self._window, run.path.name)
        dialog.write_requested.connect(lambda: self._choose_file(run.path))
        dialog.cancelled.connect(self.cancel)
        dialog.finished.connect(lambda _: self.cancel())
        dialog.open_requested.connect(self.open_page)
        show_dialog(self._window, dialog)

    def write(self, run: Path, path: Path) -> None:
        """Write the page of the run in folder ``run`` to ``path``, as the dialog asks for."""
        if self._running is not None or self._dialog is None:
            return
        self._path = path
        self._dialog.show_result("", 0)
        self._dialog.set_busy(True)
        self._running = running = Command(self._command(page_arguments(run, path, self._dialog.choice())), self)
        running.progress.connect(self._on_progress)
        running.finished.connect(self._on_finished)

    def cancel(self) -> None:
        """Give the page up; no file is left. Returns at once."""
        if self._running is not None:
            self._running.cancel()

    def open_page(self) -> None:
        """Open the page that was written, with what the system opens pages with."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._path.absolute()))):
            self.refused.emit(f"The system knows no program that opens {self._path}.")

    def shut_down(self) -> None:
        """The window closes: end the process. Returns when it is gone."""
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_MS)

    def _choose_file(self, run: Path) -> None:
        filters = {"html": "Web page (*.html)"}
        ask_save(self._window, "page", "Share", f"{run.name}.html", filters, lambda name: self.write(run, Path(name)))

    def _shown(self) -> ShareDialog | None:
        """The dialog, if a person has not closed it."""
        return self._dialog if self._dialog is not None and isValid(self._dialog) else None

    def _on_progress(self, fraction: float) -> None:
        if dialog := self._shown():
            dialog.set_progress(fraction)

    def _on_finished(self, failure: str) -> None:
        running, self._running = self._running, None
        remarks = running.remarks if running is not None else ""
        cancelled = running is not None and running.cancelled
        if running is not None:
            running.stop()
        if dialog := self._shown():
            dialog.set_busy(False)
        if failure:
            if not cancelled:
                self.error_occurred.emit(f"The page could not be written: {failure}")
            return
        if dialog:
            dialog.show_result(self._path.name, self._path.stat().st_size, remarks)
        self.exported.emit(str(self._path))
