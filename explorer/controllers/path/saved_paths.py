"""Paths that are kept with the run by name: saved with the very latents of their frames, opened, renamed, deleted."""

from __future__ import annotations

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
    save_new_path,
    save_path,
    saved_names,
    taken_name,
)
from core.projects.edited import Document, Speed
from core.runs.directory import RunDirectory
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
        self._files = self._background(SavedPathError)
        self._names: list[str] = []  # of the paths of the open run, as they were last seen
        self._current: tuple[LatentPath, str] | None = None  # the path that was saved or opened last, and its name
        # Saved as soon as it is known where its frames are: the path, its name, and whether that was known as taken.
        self._pending: tuple[LatentPath, str, bool] | None = None
        button.opening.connect(self._look)
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
        self._names = []
        self._files.drop()
        self._look()

    def _on_document(self, document: Document) -> None:
        self._button.set_savable(_playable(document.path))
        if self._pending is not None and not _same(document.path, self._pending[0]):
            name, self._pending = self._pending[1], None
            self.error_occurred.emit(
                f"{name} was not saved: the path was changed before its image speed was known. Save again."
            )

    def _look(self) -> None:
        """Show the names that are known, and those that there are as soon as the disk has told."""
        self._show_names()
        run = self._open_run.run
        if run is not None:
            self._files.read(partial(saved_names, run.path), self._on_names)

    def _on_names(self, names: list[str]) -> None:
        if names != self._names:
            self._names = names
            self._show_names()

    def _show_names(self) -> None:
        self._button.set_names(self._names, self.current)
        self._button.set_savable(self._open_run.run is not None and _playable(self._state.document.path))

    def _is_open(self, run: RunDirectory) -> bool:
        return self._open_run.run is not None and self._open_run.run.path == run.path

    # saving

    def ask_save(self) -> None:
        """Ask for a name and save the path."""
        run, path = self._open_run.run, self._state.document.path
        if run is None or not _playable(path):
            self.refused.emit("There is no path to save. Draw one with Draw (3), or trace one with Trace (6).")
            return

        def validate(name: str) -> tuple[bool, str]:
            try:
                taken = taken_name(self._names, name)
            except SavedPathError as error:
                return False, sentence(str(error))
            return True, f"Replaces the saved path {taken}." if taken is not None else f"Saved in {run.path / 'paths'}"

        self._look()
        self._ask_name("Save path", "Save", self.current or self._free_name(), validate).chosen.connect(self.save)

    def _free_name(self) -> str:
        """A name that says what kind of path it is, and is not taken."""
        path = self._state.document.path
        taken = {name.casefold() for name in self._names}
        recipe = path.recipe if path is not None else None
        stem = "path" if recipe is None else f"{recipe.kind} {recipe.target}".strip()
        try:
            stem = checked_name(stem)
        except SavedPathError:  # a factor may be called anything, a file may not
            stem = "path"
        return next(name for i in range(1, len(taken) + 2) if (name := f"{stem} {i}").casefold() not in taken)

    def save(self, name: str) -> None:
        """Save the path that there is as ``name``, in place of one that has been seen to have this name. One that has
        come since is left alone, and the path gets another name."""
        path = self._state.document.path
        if path is None or not _playable(path):
            self.error_occurred.emit(f"{name} was not saved: the path no longer exists.")
            return
        self._pending = (path, name, taken_name(self._names, name) is not None)
        if self._playback.latents is None:
            self._state.message = f"{name} will be saved as soon as its image speed has been measured"
        self._save_pending()

    def _save_pending(self) -> None:
        latents, path, run = self._playback.latents, self._state.document.path, self._open_run.run
        if self._pending is None or latents is None or path is None or run is None:
            return
        (_, name, replaces), self._pending = self._pending, None
        try:
            saved = SavedPath(name, path, self._state.playback.speed.value, latents)
        except SavedPathError as error:
            self._fail(f"{name} was not saved. ", error)
            return
        failed = partial(self._fail, f"{name} was not saved. ")
        self._files.write(partial(_save, run, saved, replaces), partial(self._on_saved, run, saved.name), failed)

    def _on_saved(self, run: RunDirectory, name: str, done: tuple[SavedPath, list[str]]) -> None:
        saved, names = done
        if self._is_open(run):
            self._current, self._names = (saved.path, saved.name), names
            self._show_names()
        self._state.message = f"Saved {saved.name}, {saved.frames} frames"
        self.succeeded.emit()
        if saved.name != name:
            self.refused.emit(
                f"The path was saved as {saved.name}: another window or program has saved one named {name} meanwhile."
            )

    def _fail(self, before: str, error: Exception) -> None:
        """Say why a file could not be read or written, after the words ``before``."""
        self.error_occurred.emit(before + sentence(str(error)))

    # opening

    def open(self, name: str) -> None:
        """Make the saved path ``name`` the document's, as one step that can be undone, in as many frames as it has."""
        run = self._open_run.run
        if run is not None:
            self._files.read(partial(load_path, run.path, name), self._on_loaded, partial(self._fail, ""))

    def _on_loaded(self, saved: SavedPath) -> None:
        model = self._state.model
        if model is not None and saved.path.dim != model.latent_dim:
            self.error_occurred.emit(
                f"{saved.name} leads through {saved.path.dim} dimensions, and this run's model has {model.latent_dim}."
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

        self._look()

        def validate(new: str) -> tuple[bool, str]:
            try:
                taken = taken_name(self._names, new)
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
        self._files.write(
            partial(_rename, run, name, new), partial(self._on_renamed, run, name), partial(self._fail, "")
        )

    def _on_renamed(self, run: RunDirectory, name: str, done: tuple[str, list[str]]) -> None:
        new, names = done
        if self._is_open(run):
            if self._current is not None and self._current[1] == name:
                self._current = (self._current[0], new)
            self._names = names
            self._show_names()
        self._state.message = f"{name} is now named {new}"

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
        self._files.write(partial(_delete, run, name), partial(self._on_deleted, run, name), partial(self._fail, ""))

    def _on_deleted(self, run: RunDirectory, name: str, names: list[str]) -> None:
        if self._is_open(run):
            if self._current is not None and self._current[1] == name:
                self._current = None
            self._names = names
            self._show_names()
        self._state.message = f"Deleted {name}"

    def _ask_name(self, title: str, verb: str, name: str, validate: NameValidator) -> NameDialog:
        dialog = NameDialog(title, verb, name, validate, self._window)
        show_dialog(self._window, dialog)
        return dialog


def _save(run: RunDirectory, saved: SavedPath, replaces: bool) -> tuple[SavedPath, list[str]]:
    """Save a path, and put it in place of the one with its name if it ``replaces`` that; returns it as it is called
    then, and the names that there are. Raises ``SavedPathError``."""
    if not replaces:
        return save_new_path(run.path, saved), saved_names(run.path)
    taken = existing_name(run.path, saved.name)
    save_path(run.path, saved)
    if taken is not None and taken != saved.name:
        delete_path(run.path, taken)  # it differed in upper and lower case, which not every system tells apart
    return saved, saved_names(run.path)


def _rename(run: RunDirectory, name: str, new: str) -> tuple[str, list[str]]:
    return rename_path(run.path, name, new).stem, saved_names(run.path)


def _delete(run: RunDirectory, name: str) -> list[str]:
    delete_path(run.path, name)
    return saved_names(run.path)


def _playable(path: LatentPath | None) -> bool:
    return path is not None and len(path) > 1


def _same(path: LatentPath | None, before: LatentPath) -> bool:
    """Whether ``path`` is ``before``, perhaps computed better meanwhile."""
    if path is None:
        return False
    return path == before or (path.recipe is not None and path.recipe == before.recipe)
