"""Sharing the open run as a page, by ``isoline share``."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.runs.directory import RunDirectory
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.app.task import TaskController
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import NO_COLOUR, SPLIT
from explorer.controllers.controller import Context
from explorer.controllers.processes import isoline_command
from explorer.widgets.dialogs import ask_save

if TYPE_CHECKING:  # the dialog is imported when it is asked for: else each window would open later
    from core.sharing.contents import PageChoice
    from explorer.views.share import ShareDialog


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


class ShareController(TaskController["ShareDialog"]):
    """Writes the open run as a page, with the measured attributes and the colours of the cloud."""

    DONE = "shared"

    def __init__(
        self, context: Context, open_run: OpenRun, command: Callable[[list[str]], list[str]] = share_command
    ) -> None:
        super().__init__(context, open_run, command)
        self._attributes: tempfile.TemporaryDirectory[str] | None = None

    def _make_dialog(self, run: RunDirectory) -> ShareDialog:
        from explorer.views.share import ShareDialog

        return ShareDialog(self._window, run.path.name)

    def _start(self, run: RunDirectory) -> None:
        if dialog := self._shown():
            choice, filters = dialog.choice(), {"html": "Web page (*.html)"}
            write = partial(self._write, run.path, choice)
            ask_save(self._window, "page", "Share", f"{run.path.name}.html", filters, write)

    def _write(self, run: Path, choice: PageChoice, name: str) -> None:
        """Write the page of the run in folder ``run``; with the measured attributes if it is still open."""
        if self._running is None:  # else one that was given up is still ending
            self._target = Path(name)
            if self._open_run.run is not None and self._open_run.run.path == run:
                try:
                    choice = self._coloured(choice)
                except OSError as error:
                    self._end()
                    self._fail(f"the attributes cannot be written ({error.strerror or error}).")
                    return
        self._run(page_arguments(run, Path(name), choice))

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
        super()._end()
        if self._attributes is not None:
            self._attributes.cleanup()
            self._attributes = None
