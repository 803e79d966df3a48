"""A run whose images have been moved: a person says where they are, and the command that knows checks it."""

from __future__ import annotations

from pathlib import Path

from core.data.loading import present_data
from core.data.sources.listing import located
from core.utils.text import sentence
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Command, isoline_command
from explorer.views.image import ImageView
from explorer.views.training.editors import ask_images
from explorer.widgets.dialogs import ProgressDialog


class LocateController(Controller):
    """Binds the image panel's *Locate…* to the open run."""

    def __init__(self, context: Context, open_run: OpenRun, view: ImageView) -> None:
        super().__init__(context)
        self._open_run, self._view = open_run, view
        self._running: Command | None = None
        self._dialog: ProgressDialog | None = None
        view.locate_requested.connect(self.ask)
        self._when((open_run.opened,), self._look)

    def _look(self) -> None:
        """Whether the images of the run that has been opened are where it says."""
        self._end()
        run = self._open_run.run
        missing = ""
        if run is not None and run.config.data.path:
            path = present_data(run.config.data, run.path, run.metadata).path
            missing = "" if located(path).exists() else path
        self._view.set_missing(missing)

    def ask(self, folder: bool) -> None:
        """Ask for the ``folder``, or for the file, that the images are in now."""
        run = self._open_run.run
        if run is None:
            return
        before = located(run.config.data.path)
        ask_images(self._window, "locate", f"Locate {before.name}", folder, self.locate, before)

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
            self._open_run.open(run)

    def _end(self) -> None:
        running, self._running = self._running, None
        dialog, self._dialog = self._dialog, None
        if running is not None:
            running.stop()
        if dialog is not None:
            dialog.end()

    def shut_down(self) -> None:
        """The window closes: end the process. Returns when it is gone."""
        self._end()
