"""Opening runs: from a folder on disk to a filled state, and the engine that decodes for it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal

from core.data.allowed_files import NotKeptError, allow, has_earlier, unallowed
from core.projects.edited import Edited
from core.protocol.messages import Load, Loaded
from core.runs.directory import ProbeSet, RunDirectory, RunError
from core.utils.point_sets import most_central
from explorer.controllers.choices import Choice
from explorer.controllers.controller import Context, Controller
from explorer.controllers.waiting import Waiting
from explorer.engine_client import PendingRequest
from explorer.run_watcher import ModelFiles, ready_means
from explorer.state import Model

OF_A_RUN = {
    field.name: getattr(Edited(), field.name)
    for field in dataclasses.fields(Edited)
    if field.name not in ("display", "trace", "playback", "plane")  # those go on for the next run
}
"""What a run has to begin with of all that a person makes or chooses."""
MOST_EARLIER = 2000
"""Runs of earlier versions that are looked at, about 0.3 ms each."""


@cache
def bundled_run() -> Path:
    """The run directory that comes with the package."""
    return Path(os.path.abspath(str(files("resources")))) / "model"


def is_bundled(path: Path) -> bool:
    """Whether ``path`` is the run directory that comes with the package."""
    return os.path.abspath(path) == str(bundled_run())


def run_name(path: Path) -> str:
    """What the run in folder ``path`` is called in lists and file names."""
    return "Bundled model" if is_bundled(path) else Path(os.path.abspath(path)).name


class OpenRun(Controller):
    """Owns which run is open. A folder that cannot be opened changes nothing and says why.

    All files are read beside the event loop, for a disk may take long to answer; ``opened`` comes as soon as the
    configuration has been read, and before anything else of the run is, so that what shows the old one is cleared.
    """

    leaving = Signal(object)  # RunDirectory: the one that is about to take the place of the open one
    opened = Signal(object)  # RunDirectory
    not_opened = Signal(object)  # Path: it could not be

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.run: RunDirectory | None = None
        self.unallowed: tuple[str, ...] = ()
        """The places that the open run would read and may not, as it was opened."""
        self._recent, self._samples, self._epochs = self._background(), self._background(), self._background()
        self._look: Choice | None = None
        self._files: ModelFiles | None = None
        self._loading: PendingRequest | None = None
        self._wanted: int | None = None  # the epoch that is being read
        self._waiting = Waiting(self._state, self)
        self._engine.loaded.connect(self._on_loaded)
        self._watcher.embedding.connect(self._on_embedding)
        self._watcher.files.connect(self._on_files)
        self._watcher.status.connect(self._check_weights)
        self._watcher.reopened.connect(self._on_reopened)
        self._watcher.epochs.connect(lambda epochs: setattr(self._state, "epochs", epochs))

    def shut_down(self) -> None:
        """Nothing is read any more."""
        self._waiting.end()
        self._choices.drop()

    # opening

    @property
    def opening(self) -> bool:
        """Whether a run is being read: not open yet, or open without its samples."""
        return (self._look is not None and self._look.pending) or self._samples.busy

    def open(self, path: Path, *, remember: bool = True) -> None:
        """Open the run in folder ``path``, or say by ``error_occurred`` why not."""
        path = Path(path)
        work = partial(read_run, path, self._settings.runs_folder)
        opened, failed = partial(self._on_read, remember), partial(self._on_unreadable, path, remember)
        given_up = partial(self._on_given_up, path)
        self._look = self._choices.look(str(path), work, opened, failed, (RunError, OSError), given_up=given_up)
        self._state.reading = self._state.reading or self.run is None

    def _on_given_up(self, path: Path, newer: str) -> None:
        self._state.reading = self._state.reading and self.run is not None
        if newer != str(path):
            self.not_opened.emit(path)

    def _on_unreadable(self, path: Path, remember: bool, error: Exception) -> None:
        self._state.reading = False
        self.error_occurred.emit(str(error))
        self.not_opened.emit(path)
        if remember:
            forget = self._settings.forget_recent_run
            self._recent.read(path.exists, lambda there: None if there else forget(str(path)))

    def _on_read(self, remember: bool, found: tuple[RunDirectory, tuple[str, ...]]) -> None:
        run, unallowed_places = found
        self.leaving.emit(run)
        self.run, self._files, self._loading, self._wanted = run, None, None, None
        self.unallowed = unallowed_places
        self._samples.drop()
        self._epochs.drop()
        self._watcher.watch(None)
        state = self._state
        state.reading = True
        state.model = None
        state.samples, state.recorded, state.embedding, state.losses = None, None, None, None
        state.epochs, state.epoch = (), None
        state.hovered, state.measured = None, None
        state.config = run.config
        self._editing.begin(**OF_A_RUN)
        if remember:
            self._settings.add_recent_run(run.path)
        self.opened.emit(run)
        self._waiting.begin(f"Reading {run.path} …")
        self._samples.read(partial(read_samples, run), self._on_samples, self._on_no_samples)

    def _on_samples(self, samples: ProbeSet | None) -> None:
        self._waiting.end()
        self._state.recorded = self._state.samples = samples
        self._follow()

    def _on_no_samples(self, error: Exception) -> None:
        self._waiting.end()
        self.error_occurred.emit(str(error))
        self._follow()

    def _follow(self) -> None:
        if self.run is not None:
            name = "the bundled model" if is_bundled(self.run.path) else run_name(self.run.path)
            self._state.message = f"Opened {name}"
            self._watcher.watch(self.run)
            self._watcher.look(partial(setattr, self._state, "reading", False))

    def _on_reopened(self, run: RunDirectory) -> None:
        """A run that goes on may have other settings."""
        self.run = run
        self._state.config = run.config

    # epochs

    @property
    def reading_epoch(self) -> bool:
        """Whether the means of an epoch are being read."""
        return self._epochs.busy

    @property
    def wanted_epoch(self) -> int | None:
        """The one that is shown, or that is being read to be shown; None: the newest."""
        return self._wanted if self._epochs.busy else self._state.epoch

    def show_epoch(self, epoch: int | None) -> None:
        """Show the cloud as it was after ``epoch``, None: the newest, as soon as its means have been read."""
        run = self.run
        if run is None or (self._epochs.busy and epoch == self._wanted):
            return
        self._wanted = epoch
        self._epochs.drop()
        self._waiting.begin("Reading the newest means …" if epoch is None else f"Reading epoch {epoch} …")
        self._epochs.read(partial(ready_means, run, epoch), partial(self._on_epoch, epoch), self._on_unreadable_epoch)

    def _on_epoch(self, epoch: int | None, means: np.ndarray) -> None:
        self._waiting.end()
        self._state.epoch = epoch
        self._set_embedding(means)

    def _on_unreadable_epoch(self, error: Exception) -> None:
        self._waiting.end()
        self.error_occurred.emit(str(error))

    # the model

    def _on_files(self, files: ModelFiles) -> None:
        before, self._files = self._files, files
        if files.openable and (before is None or not before.openable):
            self._load_engine()

    def _load_engine(self) -> None:
        if self.run is not None and self._files is not None and self._files.openable:
            self._loading = self._engine.request(Load(path=str(self.run.path)))

    def _check_weights(self, status: str) -> None:
        """Say of a run that is not being trained that its weights are missing."""
        run, files = self.run, self._files
        if run is None or files is None or run.imported is not None or status in ("running", "paused", "gone"):
            return
        if files.weights:
            return
        missing = f"{run.weights_path} is missing, or is no file"
        if files.openable:
            self.refused.emit(f"{missing}; images are decoded by the weights of a checkpoint.")
        else:
            self.error_occurred.emit(
                f"{missing}, and there is no checkpoint, so no image can be decoded or encoded. Restore that file from "
                "a copy of the run, or train it again."
            )

    # the means

    def _on_embedding(self, means: np.ndarray) -> None:
        if self._state.model is None and (self._loading is None or self._loading.done):
            self._load_engine()
        if self._state.samples is None and self.run is not None:  # a training that has just begun
            taken = partial(self._on_first_samples, means)
            failed = partial(self._on_first_failure, means)
            self._samples.read(partial(read_samples, self.run), taken, failed)
        elif self._state.epoch is None:
            self._set_embedding(means)

    def _on_first_samples(self, means: np.ndarray, samples: ProbeSet | None) -> None:
        if self._state.samples is None:
            self._state.recorded = self._state.samples = samples
        if self._state.epoch is None:
            self._set_embedding(means)

    def _on_first_failure(self, means: np.ndarray, error: Exception) -> None:
        self.error_occurred.emit(str(error))
        self._on_first_samples(means, None)

    def _set_embedding(self, means: np.ndarray) -> None:
        state = self._state
        if self.run is not None and state.recorded is not None and state.samples is not None:
            try:
                drawn = self.run.samples_of(state.recorded, means)
            except RunError as error:
                self.error_occurred.emit(str(error))
                return
            if len(drawn.indices) != len(state.samples.indices):
                state.samples = drawn
        first = state.embedding is None
        state.embedding = means
        document = state.document
        if first and document.probe is None:
            self.place_probe()
        elif document.sample is not None and document.sample < len(means):
            self._editing.refine(probe=means[document.sample])

    def place_probe(self) -> None:
        """Put the probe, which nobody has placed, on the sample in the middle of the cloud."""
        means = self._state.embedding
        if means is not None:
            centre = most_central(means)
            self._editing.refine(probe=means[centre], sample=centre)

    def _on_loaded(self, loaded: Loaded) -> None:
        self._state.model = Model(
            Path(loaded.path),
            loaded.latent_dim,
            loaded.image_size,
            loaded.channels,
            loaded.can_decode,
            loaded.can_encode,
            loaded.has_originals,
            loaded.unallowed,
        )


def read_run(path: Path, runs_folder: Path) -> tuple[RunDirectory, tuple[str, ...]]:
    """The run in folder ``path``, and the places that it would read and may not. The first one that names images lets
    those in ``runs_folder`` read theirs.

    Raises ``RunError`` or ``OSError`` if it cannot be read.
    """
    run = RunDirectory.open(path)
    if run.config.data.path and not has_earlier():  # before anybody asks whether it may read them
        _allow_earlier(runs_folder)
    return run, unallowed(run)


def _allow_earlier(folder: Path) -> None:
    """The runs that are in the folder for new ones were made, or put there, before the window asked."""
    runs: list[RunDirectory] = []
    for path in sorted(folder.iterdir())[:MOST_EARLIER] if folder.is_dir() else ():
        with contextlib.suppress(RunError, OSError):  # other folders may be there, too
            runs.append(RunDirectory.open(path))
    with contextlib.suppress(NotKeptError):  # then these runs ask, as any other
        allow(*runs, earlier=True)


def read_samples(run: RunDirectory) -> ProbeSet | None:
    """The samples that ``run`` has recorded; one that has just started has none before its first embedding.

    Raises ``RunError`` or ``OSError`` if they cannot be read.
    """
    return run.read_probe() if os.path.lexists(run.probe_path) else None
