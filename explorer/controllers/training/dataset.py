"""The dataset page: whoever chooses images sees what they are before training on them.

Images are read by the very command that a person would type, `isoline dataset inspect`, in a process of its own: it can
take long, it can be stopped, and what it has prepared is there when the training starts. It is given up for nothing but
its own end.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QTimer

from core.config import SETTINGS, ConfigError, DataConfig
from core.data.sources.listing import located, stored_place
from core.runs.directory import RunDirectory, RunError, folder_of
from core.runs.foreign import foreign_model
from core.utils.text import sentence
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.choices import Choice
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import Command, isoline_command, read_findings
from explorer.controllers.waiting import SLOW_MS
from explorer.views.training import DatasetView, TrainingView
from explorer.views.training.dataset import TIMED
from explorer.views.training.editors import ask_images

SETTLE_MS = 700  # after a setting was changed, before the images are read again
_CURVES = ("data.source", ("curves",))
READING = tuple(
    name
    for name, setting in SETTINGS.items()
    if setting.section == "data" and name not in ("data.source", "data.path") and _CURVES not in setting.row.when
)
"""The settings that decide what is read from files and what is made of it."""
LEARNING = tuple(name for name, setting in SETTINGS.items() if setting.section != "data")


HOLD_IMAGES = ("latents", "hdf5")
"""Kinds of foreign files that can hold images as well: arrays, tables and HDF5."""


@dataclass(frozen=True)
class Place:
    """What is at a path: ``run``, the folder of one, or a ``foreign`` model, in words; images, perhaps, if neither."""

    path: Path
    run: Path | None = None
    foreign: str = ""


def look_at(path: str) -> Place:
    """What is at ``path``, as a person has written it. For a thread: its disk may not answer."""
    place = located(path)
    folder = folder_of(place)
    with contextlib.suppress(RunError, OSError):  # other folders have a config.json, too
        RunDirectory.open(folder)
        return Place(place, run=folder)
    foreign = foreign_model(folder)
    return Place(place, foreign=str(foreign) if foreign is not None and foreign.kind not in HOLD_IMAGES else "")


def is_there(path: str) -> bool:
    """Whether there is anything at ``path``, as a person has written it. For a thread."""
    return located(path).exists()


class DatasetController(Controller):
    """Binds the dataset page and the form of the Training panel: a setting is one and the same in both."""

    def __init__(self, context: Context, open_run: OpenRun, view: DatasetView, training: TrainingView) -> None:
        super().__init__(context)
        self._open_run, self._view, self._training = open_run, view, training
        self.path, self._place = "", Path()  # as it was chosen, and where that is
        self._look: Choice | None = None  # of what was chosen last
        self._checks, self._checked = self._background(), ""  # looks at what the form shows
        self._unread = False  # the settings that follow from the images are not there yet
        self._slow = QTimer(self, singleShot=True, interval=SLOW_MS)  # to check what the form shows
        self._slow.timeout.connect(self._on_slow)
        self._edited: set[str] = set()  # settings that a person has chosen for these images
        self._running: Command | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._done, self._since = 0.0, 0.0
        self._again = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._again.timeout.connect(self.read)
        training.form.path_chosen.connect(self.choose)
        training.form.edited.connect(self._on_edited)
        training.form.path_changed.connect(self._on_path_changed)
        view.setting_edited.connect(self._on_edited_here)
        view.choose_requested.connect(self.ask)
        view.stop_requested.connect(self.stop)
        view.again_requested.connect(self.read)
        view.train_requested.connect(self._train)
        self._when((self._state.events.training,), self._show_trainable)
        open_run.opened.connect(lambda _: self._on_opened())
        self._show_trainable()

    @property
    def looking(self) -> bool:
        """Whether it is not known yet what is at the path that was chosen."""
        return self._look is not None and self._look.pending

    @property
    def reading(self) -> bool:
        """Whether images are being read."""
        return self._running is not None

    # choosing

    def ask(self, folder: bool) -> None:
        """Ask for a folder, or for a file, of images."""
        title = "Open a folder of images" if folder else "Open a file of images"
        ask_images(self._window, "images", title, folder, self.choose, self._place.parent if self.path else None)

    def choose(self, path: str) -> None:
        """Look at the images at ``path``; a run is opened instead, by its folder or by its weights."""
        self._look = self._choices.look(
            path,
            partial(look_at, path),
            partial(self._on_looked, path),
            self._on_failed,
            (RunError, OSError),
            f"Looking at {path} …",
            partial(self._on_given_up, path),
        )
        self._show_awaited()

    def _on_given_up(self, path: str, newer: str) -> None:
        """No training starts with settings that may not fit the images of ``path``."""
        if newer != path == self._training.form.path:
            self._training.form.set_values({"data.path": ""})
        self._show_awaited()

    def _on_failed(self, error: Exception) -> None:
        self._show_awaited()
        self.error_occurred.emit(str(error))

    def _show_awaited(self) -> None:
        """No training starts with the settings of other images; a path that was typed is in the form before it has been
        looked at."""
        look = self._look
        looking = look is not None and look.pending and self._training.form.path == look.name
        self._training.set_awaits_images(self._unread or looking)

    def _on_looked(self, path: str, place: Place) -> None:
        self._show_awaited()
        if place.run is not None:
            self._open_run.open(place.run)
            return
        if place.foreign:
            self.refused.emit(place.foreign)
            return
        if self._state.is_training:
            self.refused.emit("A training is running. Stop it before choosing other images.")
            return
        self.path, self._place = path, place.path
        self._edited = set()
        fresh = {name: getattr(DataConfig(), SETTINGS[name].field.name) for name in READING}
        self._training.form.set_values({**fresh, "data.source": "files", "data.path": path})
        self._view.clear()
        self._window.open_dock("dataset")
        self.read()
        self._unread = True
        self._show_awaited()

    def _on_opened(self) -> None:
        """The form has the settings of the run that was opened: a page about other images would not fit them."""
        values = self._training.form.values()
        if self.path and (values["data.source"] != "files" or stored_place(values["data.path"]) != self._place):
            self._end()
            self.path, self._place, self._edited = "", Path(), set()
            self._view.clear()
        self._show_settings()

    # settings

    def _on_path_changed(self, path: str) -> None:
        self._check_path(path)
        self._show_awaited()

    def _check_path(self, path: str) -> None:
        """Look whether there is anything where the form says. While a path is typed, one look waits for the other."""
        if not path:
            self._slow.stop()
            return
        self._slow.start()
        if not self._checks.busy:
            self._checked = path
            self._checks.read(partial(is_there, path), self._on_checked, lambda _: self._on_checked(False))

    def _on_checked(self, there: bool) -> None:
        shown = self._training.form.path
        if self._checked != shown:  # another has been written meanwhile
            self._check_path(shown)
            return
        self._slow.stop()
        self._training.form.set_found(shown, there)

    def _on_slow(self) -> None:
        """A disk does not answer: it holds up no path on another one."""
        shown = self._training.form.path
        self._training.form.set_looking(shown)
        if self._checked != shown:
            self._checks.drop()
            self._check_path(shown)

    def _on_edited(self, name: str) -> None:
        self._check_path(self._training.form.path)  # it may have come, or gone
        if self.path:
            self._edited.update(LEARNING if name == "model.preset" else (name,))  # a preset brings the others
            if self._training.form.values()["data.path"] == self.path and (name in READING or self._can_time(name)):
                self._again.start()
        self._show_settings()

    def _can_time(self, name: str) -> bool:
        """Whether ``name`` changes how long a training takes, and there can be one with the settings."""
        try:
            self._training.form.config()
        except ConfigError:  # the form says why
            return False
        return name in TIMED

    def _on_edited_here(self, name: str, value: object) -> None:
        self._training.form.set_values({name: value})
        self._on_edited(name)

    def _show_settings(self) -> None:
        self._view.set_settings(self._training.form.values())

    def _show_trainable(self) -> None:
        active = self._state.is_training
        self._view.set_trainable("A training is running. Stop it before starting another." if active else "")

    def _train(self) -> None:
        self._training.form.set_values({"data.source": "files", "data.path": self.path})
        self._training.request_start()
        if self._state.is_training:
            self._window.docks["dataset"].hide()  # its room goes to the cloud that is coming

    # reading

    def read(self) -> None:
        """Read the images, with the settings that a person has chosen and the suggested ones for the rest."""
        self._again.stop()
        self._end()
        self._folder = tempfile.TemporaryDirectory(prefix="isoline-")
        values = self._training.form.values()
        flags = [
            f"--{name.replace('_', '-')}={values[name]}"
            for name in (*READING, *TIMED)
            if name in self._edited and values[name] is not None
        ]
        folder = Path(self._folder.name)
        outputs = ["--json", str(folder / "found.json"), "--sheet", str(folder / "sheet.png")]
        command = isoline_command("dataset", "inspect", str(self._place), *outputs, *flags, "--progress", "json")
        self._done, self._since = 0.0, monotonic()
        self._view.set_path(self.path)
        self._view.set_reading(0.0)
        self._running = running = Command(command, self)
        running.progress.connect(self._on_progress)
        running.finished.connect(self._on_finished)

    def stop(self) -> None:
        """Give the reading up; what is on show stays."""
        if self._running is None:
            return
        self._end()
        if not self._view.shows_images:
            self._view.set_error(f"Reading {self.path} was stopped.")

    def shut_down(self) -> None:
        """The window closes: end the process."""
        self._slow.stop()
        self._end()

    def _end(self) -> None:
        """End the process, and forget what it was to write."""
        running, self._running = self._running, None
        folder, self._folder = self._folder, None
        self._view.set_reading(None)
        self._unread = False
        self._show_awaited()
        if running is not None and folder is not None:
            running.stop(then=folder.cleanup)  # it may be writing there

    def tick(self) -> None:
        """Show how long it will take, ten times a second."""
        if self._running is not None:
            self._view.set_reading(self._done, monotonic() - self._since)

    def _on_progress(self, done: float) -> None:
        self._done = done

    def _on_finished(self, failure: str) -> None:
        found, sheet, failure = read_findings(Path(self._folder.name if self._folder is not None else ""), failure)
        self._end()
        if found is None:
            self._view.set_error(sentence(failure))
            return
        self._take(found)
        self._view.set_found(found, sheet)

    def _take(self, found: dict[str, Any]) -> None:
        """Fill the form with the settings that follow, but for those that a person has chosen."""
        values = {
            f"{section}.{name}": value
            for section, fields in found.get("settings", {}).items()
            if isinstance(fields, dict)
            for name, value in fields.items()
        }
        kept = self._edited | {"data.path", "data.source"}
        self._training.form.set_values({name: v for name, v in values.items() if name in SETTINGS and name not in kept})
        self._show_settings()
