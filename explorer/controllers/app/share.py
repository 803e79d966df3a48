"""Sharing the open run as a page, by the very command that a person would type, in a process of its own."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from shiboken6 import isValid

from core.sharing.contents import PageChoice
from explorer.controllers.app.session import Session
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import NO_COLOUR, SPLIT
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
    if choice.attributes is not None:
        flags += ["--attributes", str(choice.attributes)]
    # With "=", for what a person has written may begin with a minus sign.
    texts = (f"--title={choice.title}", f"--notes={choice.notes}", f"--color-by={choice.color_by}")
    return [str(run), "--out", str(path), *texts, *flags]


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
        self._attributes: tempfile.TemporaryDirectory[str] | None = None

    def ask(self) -> None:
        """Show the dialog; while a page is being written, the one that shows how far it is."""
        run = self._session.run
        if run is None:
            self.refused.emit("No run is open that could be shared. Open a run, or start a training.")
            return
        if self._running is not None:
            if dialog := self._shown():
                dialog.raise_()
                dialog.activateWindow()
            else:
                self.refused.emit(f"{self._path.name} is still being given up. Try again in a moment.")
            return
        self._dialog = dialog = ShareDialog(self._window, run.path.name)
        dialog.start_requested.connect(lambda: self._choose_file(run.path, dialog.choice()))
        dialog.cancelled.connect(self.cancel)
        dialog.finished.connect(lambda _: self.cancel())
        dialog.open_requested.connect(self.open_page)
        show_dialog(self._window, dialog)

    def write(self, run: Path, path: Path, choice: PageChoice) -> None:
        """Write the page of the run in folder ``run`` to ``path``; with the measured attributes if it is still open."""
        if self._running is not None:
            return
        self._path = path
        if self._session.run is not None and self._session.run.path == run:
            try:
                choice = self._coloured(choice)
            except OSError as error:
                self._end()
                self.error_occurred.emit(f"The attributes cannot be written ({error.strerror or error}).")
                return
        if dialog := self._shown():
            dialog.show_result("", 0)
            dialog.set_busy(True)
        self._running = running = Command(self._command(page_arguments(run, path, choice)), self)
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
        self._end()

    def _choose_file(self, run: Path, choice: PageChoice) -> None:
        filters = {"html": "Web page (*.html)"}
        name = f"{run.name}.html"
        ask_save(self._window, "page", "Share", name, filters, lambda name: self.write(run, Path(name), choice))

    def _coloured(self, choice: PageChoice) -> PageChoice:
        """``choice`` with the open run's attributes, in a file, and coloured as the cloud is. Raises ``OSError``."""
        state, name = self._state, self._state.display.color_by
        others = {SPLIT: "split", NO_COLOUR: "none"}  # the losses, too, are none of the page's
        choice = replace(choice, color_by=name if name in color_targets.names(state) else others.get(name, ""))
        if state.attributes is None:
            return choice
        self._attributes = tempfile.TemporaryDirectory(prefix="isoline-")
        file = Path(self._attributes.name) / "attributes.npz"
        with zipfile.ZipFile(file, "w") as archive:  # not np.savez, which takes no attribute called "file"
            for name, values, classes in zip(
                state.attributes.names, state.attributes.values.T, state.attributes.categories, strict=True
            ):
                places = np.where(np.isfinite(values), values, len(classes)).astype(int)
                column = np.array([*classes, ""])[places] if classes else values
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, column, allow_pickle=False)
        return replace(choice, attributes=file)

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_MS)
        if self._attributes is not None:
            self._attributes.cleanup()
            self._attributes = None

    def _shown(self) -> ShareDialog | None:
        """The dialog, if a person has not closed it."""
        return self._dialog if self._dialog is not None and isValid(self._dialog) else None

    def _on_progress(self, fraction: float) -> None:
        if dialog := self._shown():
            dialog.set_progress(fraction)

    def _on_finished(self, failure: str) -> None:
        running = self._running
        remarks, cancelled = (running.remarks, running.cancelled) if running is not None else ("", False)
        self._end()
        if dialog := self._shown():
            dialog.set_busy(False)
        if failure:
            if not cancelled:
                self.error_occurred.emit(f"The page could not be written: {failure}")
            return
        if dialog:
            dialog.show_result(self._path.name, self._path.stat().st_size, remarks)
        self.exported.emit(str(self._path))
