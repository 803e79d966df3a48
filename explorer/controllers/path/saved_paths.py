"""Paths that are kept with the run by name: saved with the very latents of their frames, opened, renamed, deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from PySide6.QtWidgets import QDialog

from core.paths.latent_path import LatentPath
from core.paths.saved_paths import (
    SavedPath,
    SavedPathError,
    checked_name,
    delete_path,
    existing_name,
    load_path,
    rename_path,
    save_path,
    saved_names,
)
from core.projects.edited import Document, Speed
from core.utils.text import sentence
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.controllers.path.playback import PlaybackController
from explorer.views.path import SavedPathsButton
from explorer.views.saved_paths import NameDialog, NameValidator
from explorer.widgets.dialogs import ask_question, show_dialog

FRAMES = (2, 1025)  # that the panel can play


class SavedPathsController(Controller):
    """Binds the button "Paths" to the folder "paths" of the open run. ``error_occurred`` is for a person."""

    def __init__(
        self, context: Context, open_run: OpenRun, playback: PlaybackController, button: SavedPathsButton
    ) -> None:
        super().__init__(context)
        self._open_run, self._playback, self._button = open_run, playback, button
        self._current: tuple[LatentPath, str] | None = None  # the path that was saved or opened last, and its name
        self._pending: tuple[LatentPath, str] | None = None  # saved as soon as it is known where its frames are
        button.opening.connect(self._show_names)
        button.save_requested.connect(self.ask_save)
        button.open_requested.connect(self.open)
        button.rename_requested.connect(self.ask_rename)
        button.delete_requested.connect(self.ask_delete)
        playback.placed.connect(self._save_pending)
        open_run.opened.connect(self._on_opened)
        self._state.events.document.connect(self._on_document)

    # what there is

    @property
    def current(self) -> str:
        """The name under which the path that there is was saved or opened; "": none."""
        path = self._state.document.path
        return self._current[1] if self._current is not None and path == self._current[0] else ""

    def _on_opened(self, _run: object) -> None:
        self._current = self._pending = None
        for name in ("dialog.name", "box.delete"):  # what they ask is about the run before
            for dialog in self._window.findChildren(QDialog, name):
                dialog.close()
        self._show_names()

    def _on_document(self, document: Document) -> None:
        self._button.set_savable(_playable(document.path))
        if self._pending is not None and not _same(document.path, self._pending[0]):
            name, self._pending = self._pending[1], None
            self.error_occurred.emit(
                f"{name} was not saved: the path was changed before its image speed was known. Save again."
            )

    def _show_names(self) -> None:
        run = self._open_run.run
        self._button.set_names(saved_names(run.path) if run is not None else (), self.current)
        self._button.set_savable(run is not None and _playable(self._state.document.path))

    # saving

    def ask_save(self) -> None:
        """Ask for a name and save the path."""
        run, path = self._open_run.run, self._state.document.path
        if run is None or not _playable(path):
            self.refused.emit("There is no path to save. Draw one with Draw (3), or trace one with Trace (6).")
            return

        def validate(name: str) -> tuple[bool, str]:
            try:
                taken = existing_name(run.path, name)
            except SavedPathError as error:
                return False, sentence(str(error))
            return True, f"Replaces the saved path {taken}." if taken is not None else f"Saved in {run.path / 'paths'}"

        self._ask_name("Save path", "Save", self.current or self._free_name(), validate).chosen.connect(self.save)

    def _free_name(self) -> str:
        """A name that says what kind of path it is, and is not taken."""
        run, path = self._open_run.run, self._state.document.path
        taken = {name.casefold() for name in saved_names(run.path)} if run is not None else set()
        recipe = path.recipe if path is not None else None
        stem = "path" if recipe is None else f"{recipe.kind} {recipe.target}".strip()
        try:
            stem = checked_name(stem)
        except SavedPathError:  # a factor may be called anything, a file may not
            stem = "path"
        return next(name for i in range(1, len(taken) + 2) if (name := f"{stem} {i}").casefold() not in taken)

    def save(self, name: str) -> None:
        """Save the path that there is as ``name``, in place of one that has this name."""
        path = self._state.document.path
        if path is None or not _playable(path):
            self.error_occurred.emit(f"{name} was not saved: the path no longer exists.")
            return
        self._pending = (path, name)
        if self._playback.latents is None:
            self._state.message = f"{name} will be saved as soon as its image speed has been measured"
        self._save_pending()

    def _save_pending(self) -> None:
        latents, path, run = self._playback.latents, self._state.document.path, self._open_run.run
        if self._pending is None or latents is None or path is None or run is None:
            return
        name, self._pending = self._pending[1], None
        with self._errors_shown(f"{name} was not saved. "):
            taken = existing_name(run.path, name)
            saved = SavedPath(name, path, self._state.playback.speed.value, latents)
            save_path(run.path, saved)
            if taken is not None and taken != saved.name:
                delete_path(run.path, taken)  # it differed in upper and lower case, which not every system tells apart
            self._current = (path, saved.name)
            self._state.message = f"Saved {saved.name}, {saved.frames} frames"
            self.succeeded.emit()
            self._show_names()

    @contextlib.contextmanager
    def _errors_shown(self, before: str = "") -> Iterator[None]:
        """A file that cannot be read or written ends the block; why is shown, after the words ``before``."""
        try:
            yield
        except SavedPathError as error:
            self.error_occurred.emit(before + sentence(str(error)))

    # opening

    def open(self, name: str) -> None:
        """Make the saved path ``name`` the document's, as one step that can be undone, in as many frames as it has."""
        run, model = self._open_run.run, self._state.model
        if run is None:
            return
        with self._errors_shown():
            saved = load_path(run.path, name)
            if model is not None and saved.path.dim != model.latent_dim:
                self.error_occurred.emit(
                    f"{name} leads through {saved.path.dim} dimensions, and this run's model has {model.latent_dim}."
                )
                return
            frames = min(max(saved.frames, FRAMES[0]), FRAMES[1])
            self._current = (saved.path, saved.name)
            before = self._state.document.path
            path = before if saved.path == before else saved.path  # the frames of an equal one are good
            speed, label = Speed(saved.speed), f"open {saved.name}"
            self._editing.commit(label, path=path, frames=frames, speed=speed, selected_control=None)
            self._state.message = f"Opened {saved.name}"
            self._show_names()

    # renaming and deleting

    def ask_rename(self, name: str) -> None:
        """Ask for another name for the saved path ``name``."""
        run = self._open_run.run
        if run is None:
            return

        def validate(new: str) -> tuple[bool, str]:
            try:
                taken = existing_name(run.path, new)
            except SavedPathError as error:
                return False, sentence(str(error))
            if taken is not None and taken != name:
                return False, f"There is a path named {taken} already."
            return checked_name(new) != name, ""

        dialog = self._ask_name(f"Rename {name}", "Rename", name, validate)
        dialog.chosen.connect(lambda new: self.rename(name, new))

    def rename(self, name: str, new: str) -> None:
        """Call the saved path ``name`` ``new``."""
        run = self._open_run.run
        if run is None:
            return
        with self._errors_shown():
            new = rename_path(run.path, name, new).stem
            if self._current is not None and self._current[1] == name:
                self._current = (self._current[0], new)
            self._state.message = f"{name} is now named {new}"
            self._show_names()

    def ask_delete(self, name: str) -> None:
        """Delete the saved path ``name``, if a person means it."""
        question, delete = f"Delete the saved path {name}?", partial(self.delete, name)
        about = "Its file is removed from the run. A path that is open stays open."
        ask_question(self._window, "delete", "Delete path", question, about, "Delete", delete)

    def delete(self, name: str) -> None:
        """Remove the saved path ``name`` from the run; a path that is open stays open."""
        run = self._open_run.run
        if run is None:
            return
        with self._errors_shown():
            delete_path(run.path, name)
            if self._current is not None and self._current[1] == name:
                self._current = None
            self._state.message = f"Deleted {name}"
            self._show_names()

    def _ask_name(self, title: str, verb: str, name: str, validate: NameValidator) -> NameDialog:
        dialog = NameDialog(title, verb, name, validate, self._window)
        show_dialog(self._window, dialog)
        return dialog


def _playable(path: LatentPath | None) -> bool:
    return path is not None and len(path) > 1


def _same(path: LatentPath | None, before: LatentPath) -> bool:
    """Whether ``path`` is ``before``, perhaps computed better meanwhile."""
    if path is None:
        return False
    return path == before or (path.recipe is not None and path.recipe == before.recipe)
