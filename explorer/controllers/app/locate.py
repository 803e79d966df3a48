"""Where the images of the open run are: a person says whether it may read them, and where they were moved to.

The command that knows checks whether those at the new place are the same.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from core.data.allowed_files import NotKeptError, allow, allowed_data, unallowed
from core.data.sources.listing import located, stored_place
from core.runs.directory import RunDirectory
from core.utils.text import sentence
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Command, isoline_command
from explorer.views.image import ImageView
from explorer.views.training.editors import ask_images
from explorer.widgets.dialogs import ProgressDialog


def images_of(run: RunDirectory) -> tuple[str, tuple[str, ...]]:
    """Where the images of ``run`` should be, if they are not there, else empty; and the places that it would read and
    may not."""
    places = unallowed(run)
    path = "" if places else allowed_data(run).path
    return path if path and not located(path).exists() else "", places


class LocateController(Controller):
    """Binds the image panel's *Locate…* and *Allow* to the open run."""

    def __init__(self, context: Context, open_run: OpenRun, view: ImageView) -> None:
        super().__init__(context)
        self._open_run, self._view = open_run, view
        self._files, self._answers = self._background(), self._background(NotKeptError)
        self._running: Command | None = None
        self._dialog: ProgressDialog | None = None
        view.locate_requested.connect(self.ask)
        view.allow_requested.connect(self.allow)
        self._when((open_run.opened,), self._look)

    def _look(self) -> None:
        """Whether the run that has been opened may read its images, and whether they are where it says."""
        self._end()
        run = self._open_run.run
        self._view.set_missing("")
        self._view.set_unallowed(())
        self._files.drop()
        if run is not None and run.config.data.path:
            self._files.read(partial(images_of, run), self._on_looked)

    def _on_looked(self, found: tuple[str, tuple[str, ...]]) -> None:
        missing, places = found
        self._view.set_missing(missing)
        self._view.set_unallowed(places)

    def allow(self) -> None:
        """Let the open run read the images that it names, from now on."""
        run = self._open_run.run
        if run is not None:
            self._answers.write(partial(allow, run), partial(self._on_allowed, run.path), self._on_not_kept)

    def _on_allowed(self, run: Path, _: None) -> None:
        self.succeeded.emit()
        self._read_again(run)

    def _on_not_kept(self, error: Exception) -> None:
        self.error_occurred.emit(str(error))

    def ask(self, folder: bool) -> None:
        """Ask for the ``folder``, or for the file, that the images are in now."""
        run = self._open_run.run
        if run is None:
            return
        before = stored_place(run.config.data.path)
        beside = None if self._open_run.unallowed else before  # a dialog would list what is there
        ask_images(self._window, "locate", f"Locate {before.name}", folder, self.locate, beside)

    def locate(self, path: str) -> None:
        """The images of the open run are at ``path``, if they are the same."""
        run = self._open_run.run
        if run is None:
            return
        self._end()
        name = Path(path).name
        self._dialog = ProgressDialog(self._window, "locating", "Locate images", f"Comparing the images in {name}")
        self._dialog.canceled.connect(self._end)
        command = isoline_command("dataset", "locate", str(run.path), path, "--progress", "json")
        self._running = running = Command(command, self)
        running.progress.connect(lambda done: self._dialog.setValue(round(100 * done)) if self._dialog else None)
        running.finished.connect(lambda failure: self._on_finished(run.path, failure))

    def _on_finished(self, run: Path, failure: str) -> None:
        self._end()
        if failure:
            self.error_occurred.emit(sentence(failure))
        elif self._open_run.run is not None and self._open_run.run.path == run:
            self.succeeded.emit()
            self._read_again(run)

    def _read_again(self, run: Path) -> None:
        """If it is still open, and nothing else is about to be."""
        if self._open_run.run is not None and self._open_run.run.path == run and not self._choices.pending:
            self._open_run.open(run)

    def _end(self) -> None:
        running, self._running = self._running, None
        dialog, self._dialog = self._dialog, None
        if running is not None:
            running.stop()
        if dialog is not None:
            dialog.end()

    def shut_down(self) -> None:
        """The window closes: end the process."""
        self._end()
