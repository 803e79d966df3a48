"""*Save figure*: what is on screen, drawn by a process of its own, shown while it is set up, written to a file.

What is on screen is looked at a few times a second while the dialog is open; only what has changed is drawn again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtGui import QPixmap
from shiboken6 import isValid

from core.protocol.figures import AnyFigure, Page, page_problem, same
from core.protocol.messages import FigurePreviewed, FigureSaved, PreviewFigure, SaveFigure
from core.runs.directory import RunDirectory
from core.utils.text import reason as error_text
from core.utils.text import size_text
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.figures import contents
from explorer.controllers.figures.client import FigureClient
from explorer.controllers.figures.contents import Sources
from explorer.engine_client import PendingRequest
from explorer.views.figure import FigureChoice, FigureDialog, FigureKind
from explorer.widgets.dialogs import ask_folder, show_dialog

LOOK_S = 0.4  # from one look at what is on screen to the next
PREVIEW_PIXELS = 1100


@dataclass(frozen=True)
class _Kind:
    """``text`` of the chooser, ``word`` of the file's name; why there is ``missing`` something, and what is shown."""

    text: str
    word: str
    missing: Callable[[Sources], str]
    make: Callable[[Sources, FigureChoice, str], AnyFigure | None]


KINDS = {
    "cloud": _Kind("Cloud", "cloud", contents.missing_cloud, contents.cloud_figure),
    "losses": _Kind("Losses", "losses", contents.missing_losses, contents.losses_figure),
    "film": _Kind("Film strip of the path", "path", contents.missing_film, contents.film_figure),
    "kinds": _Kind("Path kinds", "path-kinds", contents.missing_kinds, contents.kinds_figure),
    "transect": _Kind("Transect", "transect", contents.missing_transect, contents.transect_figure),
    "plane": _Kind("Parameter plane", "parameters", contents.missing_plane, contents.plane_figure),
}


class FiguresController(Controller):
    """Owns the dialog and the process that draws. ``saved`` has the path of each file that has been written."""

    saved = Signal(str)

    def __init__(self, context: Context, open_run: OpenRun, sources: Sources) -> None:
        super().__init__(context)
        self._open_run, self._sources = open_run, sources
        self._dialog: FigureDialog | None = None
        self._client: FigureClient | None = None
        self._shown: tuple[AnyFigure, Page] | None = None  # what the preview shows, or will
        self._look_at = 0.0
        self._files, self._targets = self._background(OSError), self._background(OSError)
        self._saving: PendingRequest | None = None

    def open(self, kind: str = "") -> None:
        """Show the dialog, for the figure ``kind`` ("": that of the last time)."""
        dialog = self._open_dialog
        if dialog is None:
            self._dialog = dialog = FigureDialog(self._window)
            dialog.set_kinds(self._kinds())
            dialog.set_choice(self._remembered())
            dialog.changed.connect(self._on_changed)
            dialog.folder_requested.connect(self._ask_folder)
            dialog.save_requested.connect(self.save)
            dialog.closed.connect(self._on_closed)
            self._shown = None
            if self._client is None:
                self._client = FigureClient(self)
                self._client.stalled.connect(self._on_stalled)
                self._client.start()
        if kind:
            dialog.set_choice(msgspec.structs.replace(dialog.choice, kind=kind))
        elif self._reason(dialog.choice.kind):
            available = next((name for name in KINDS if not self._reason(name)), dialog.choice.kind)
            dialog.set_choice(msgspec.structs.replace(dialog.choice, kind=available))
        show_dialog(self._window, dialog)
        self._look_at = 0.0

    def shut_down(self) -> None:
        """End the process."""
        if self._client is not None:
            self._client.stop()
            self._client.deleteLater()
            self._client = None

    @property
    def _open_dialog(self) -> FigureDialog | None:
        return self._dialog if self._dialog is not None and isValid(self._dialog) else None

    # settings

    def _remembered(self) -> FigureChoice:
        try:
            choice = msgspec.json.decode(self._settings.figure, type=FigureChoice)
        except msgspec.MsgspecError:  # nothing yet, or of another version
            return FigureChoice()
        return choice if not page_problem(self._page(choice)) else FigureChoice()

    def _on_changed(self) -> None:
        dialog = self._open_dialog
        if dialog is not None:
            self._settings.figure = msgspec.json.encode(dialog.choice).decode()
        self._look_at = 0.0

    def _ask_folder(self) -> None:
        ask_folder(self._window, "figures", "Folder for figures", self._set_folder, self._settings.figures_folder)

    def _set_folder(self, folder: str) -> None:
        self._settings.figures_folder = Path(folder)
        self._look_at = 0.0

    def _page(self, choice: FigureChoice) -> Page:
        theme = self._state.theme.name if choice.theme == "window" else choice.theme
        return Page(choice.width, choice.height, choice.format, choice.dpi, theme, choice.font)

    # what there is

    def _reason(self, kind: str) -> str:
        return KINDS[kind].missing(self._sources)

    def _kinds(self) -> list[FigureKind]:
        return [FigureKind(name, kind.text, self._reason(name)) for name, kind in KINDS.items()]

    def _title(self) -> str:
        run, epoch = self._open_run.run, self._epoch
        parts = (_name(run), f"epoch {epoch}" if epoch is not None else "")
        return " · ".join(filter(None, parts))

    @property
    def _epoch(self) -> int | None:
        """The epoch that is shown; None while a training is between two."""
        state = self._state
        finished = state.epochs and not state.is_training
        return state.epochs[-1] if state.epoch is None and finished else state.epoch

    def _suggestion(self, kind: str) -> str:
        """A name that says which run, what of it, and with which settings."""
        state, run = self._state, self._open_run.run
        details: list[str] = []
        if kind in ("cloud", "plane"):
            details.append(self._sources.cloud.colouring.name)
        if kind == "plane":
            details += self._sources.plane.plane.scene.names
        if kind == "transect" and state.measured is not None:
            details.append(state.measured.transect.name)
        path = state.document.path
        if kind == "film" and path is not None:
            details.append(path.recipe.kind if path.recipe is not None else path.kind)
        if kind in ("cloud", "film", "kinds") and self._epoch is not None:
            details.append(f"epoch-{self._epoch}")
        parts = [_name(run), KINDS[kind].word, *details]
        return "-".join(filter(None, (re.sub(r"[^\w.]+", "-", part).strip("-.") for part in parts)))

    def _figure(self, choice: FigureChoice) -> AnyFigure | None:
        title = self._title() if choice.title else ""
        return KINDS[choice.kind].make(self._sources, choice, title)

    # each tick

    def tick(self) -> None:
        """Look at what is on screen, and have it drawn if it has changed."""
        dialog, client = self._open_dialog, self._client
        if dialog is None or client is None or monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOK_S
        dialog.set_kinds(self._kinds())
        choice = dialog.choice
        dialog.set_target(self._settings.figures_folder, self._suggestion(choice.kind))
        if not self._targets.busy:
            target = dialog.target
            self._targets.read(partial(os.path.lexists, target), partial(self._on_checked, target))
        missing = self._reason(choice.kind)
        figure = None if missing else self._figure(choice)
        if figure is None:
            self._shown = None
            dialog.set_missing(missing or contents.NO_CLOUD)
            return
        page = self._page(choice)
        if self._shown is not None and same(self._shown[1], page) and same(self._shown[0], figure):
            return
        self._shown = figure, page
        message = PreviewFigure(figure=figure, page=page, pixels=PREVIEW_PIXELS)
        self._request = client.request(message, self._on_previewed, self._on_preview_failed)

    def _on_checked(self, target: Path, taken: bool) -> None:
        if (dialog := self._open_dialog) is not None:
            dialog.set_taken(target, taken)

    def _on_previewed(self, reply: FigurePreviewed) -> None:
        dialog, picture = self._open_dialog, QPixmap()
        if dialog is None or self._awaiting:
            return
        picture.loadFromData(reply.png)
        dialog.set_preview(picture, reply.height, reply.notes)

    def _on_stalled(self, text: str) -> None:
        if (dialog := self._open_dialog) is not None:
            dialog.set_error(text)

    def _on_preview_failed(self, text: str) -> None:
        if self._open_dialog is not None:
            self._open_dialog.set_missing(text)

    # the file

    def save(self, path: str) -> None:
        """Draw what is shown and write it to ``path``; ``saved`` follows, or the dialog says what went wrong."""
        dialog, client = self._open_dialog, self._client
        if dialog is None or client is None or self._shown is None:
            return
        figure, page = self._shown
        dialog.set_saving(True)
        message = SaveFigure(figure=figure, page=page, path=path)
        target = Path(path)
        self._files.read(
            partial(_make_room, target), partial(self._on_room, message), partial(self._on_no_room, target)
        )

    def _on_no_room(self, target: Path, error: Exception) -> None:
        self._on_save_failed(f"{target.parent} cannot be made: {error_text(error)}. Choose another folder.")

    def _on_room(self, message: SaveFigure, taken: bool) -> None:
        """There is a folder to save into; a file of that name is ``taken`` if nobody has been told that it would be
        replaced."""
        dialog, client, target = self._open_dialog, self._client, Path(message.path)
        if client is None:
            return
        if dialog is not None and taken and not dialog.replaces(target):
            dialog.set_saving(False)
            dialog.set_taken(target, True)
            return
        self._saving = client.request(message, self._on_saved, self._on_save_failed)

    def _on_saved(self, reply: FigureSaved) -> None:
        self._saving = None
        self._state.message = f"Saved {reply.path}"
        dialog = self._open_dialog
        if dialog is not None:
            dialog.set_saving(False)
            dialog.set_saved(Path(reply.path), f"Saved {reply.path} ({size_text(reply.size)})")
        else:
            self.shut_down()
        self.saved.emit(reply.path)

    def _on_save_failed(self, text: str) -> None:
        self._saving = None
        dialog = self._open_dialog
        if dialog is not None:
            dialog.set_saving(False)
            dialog.set_error(text)
        else:
            self.shut_down()
            self.error_occurred.emit(text)

    def _on_closed(self) -> None:
        """The process ends with the dialog, once it has written what it is writing."""
        self._dialog, self._shown = None, None
        self._targets.drop()
        if self._saving is None and not self._files.busy:
            self.shut_down()


def _make_room(target: Path) -> bool:
    """Make the folder of ``target``; whether there is such a file already. For a thread. Raises ``OSError``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return os.path.lexists(target)


def _name(run: RunDirectory | None) -> str:
    """The name of a run's folder; "" without a run."""
    return "" if run is None else Path(os.path.abspath(run.path)).name
