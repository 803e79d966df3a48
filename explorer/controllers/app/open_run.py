"""Opening runs: from a folder on disk to a filled state, and the engine that decodes for it."""

from __future__ import annotations

import dataclasses
from importlib.resources import files
from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal

from core.projects.edited import Edited
from core.protocol.messages import Load, Loaded
from core.runs.directory import ProbeSet, RunDirectory, RunError
from explorer.controllers.controller import Context, Controller
from explorer.state import Model

OF_A_RUN = {
    field.name: getattr(Edited(), field.name)
    for field in dataclasses.fields(Edited)
    if field.name not in ("display", "trace", "playback", "plane")  # those go on for the next run
}
"""What a run has to begin with of all that a person makes or chooses."""


def bundled_run() -> Path:
    """The run directory that comes with the package."""
    return Path(str(files("resources"))) / "model"


class OpenRun(Controller):
    """Owns which run is open. A folder that cannot be opened changes nothing and says why."""

    leaving = Signal(object)  # RunDirectory: the one that is about to take the place of the open one
    opened = Signal(object)  # RunDirectory
    not_opened = Signal(object)  # Path: it could not be

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.run: RunDirectory | None = None
        self._engine.loaded.connect(self._on_loaded)
        self._watcher.embedding.connect(self._on_embedding)
        self._watcher.status.connect(self._check_weights)
        self._watcher.epochs.connect(lambda epochs: setattr(self._state, "epochs", epochs))

    def open(self, path: Path, *, remember: bool = True) -> bool:
        """Open the run in folder ``path``; False and ``error_occurred`` if it cannot be."""
        try:
            run = RunDirectory.open(path)
        except (RunError, OSError) as error:
            self.error_occurred.emit(str(error))
            self.not_opened.emit(path)
            if remember and not Path(path).exists():
                self._settings.forget_recent_run(str(path))
            return False
        self.leaving.emit(run)
        self.run = run
        state = self._state
        state.model = None
        state.samples, state.embedding, state.losses = None, None, None
        state.epochs, state.epoch = (), None
        state.hovered, state.measured = None, None
        state.config = run.config
        self._editing.begin(**OF_A_RUN)
        if remember:
            self._settings.add_recent_run(run.path)
        state.message = f"Opened {run.path.name}"
        self.opened.emit(run)  # before anything of the new run is read, so that what shows the old one is cleared
        self._read_samples(run)
        self._watcher.watch(run)
        self._load_engine(run)
        return True

    def reload(self) -> None:
        """Read the open run's settings again: a run that goes on may have others."""
        if self.run is not None:
            try:
                self.run = RunDirectory.open(self.run.path)
            except (RunError, OSError) as error:
                self.error_occurred.emit(str(error))
                return
            self._state.config = self.run.config

    def show_epoch(self, epoch: int | None) -> None:
        """Show the cloud as it was after ``epoch``; None: the newest."""
        if self.run is None:
            return
        try:
            means = self.run.read_embedding(epoch)
        except (RunError, OSError) as error:
            self.error_occurred.emit(str(error))
            return
        self._state.epoch = epoch
        self._set_embedding(means)

    def _read_samples(self, run: RunDirectory) -> None:
        try:
            self._state.samples = read_samples(run)
        except (RunError, OSError) as error:
            self.error_occurred.emit(str(error))

    def _load_engine(self, run: RunDirectory) -> None:
        if run.can_be_opened:
            self._engine.request(Load(path=str(run.path)))

    def _check_weights(self, status: str) -> None:
        """Say of a run that is not being trained that its weights are missing."""
        run = self.run
        if run is None or run.imported is not None or status in ("running", "paused", "gone"):
            return
        if run.weights_path.exists():
            return
        missing = f"{run.weights_path} is missing"
        if run.can_be_opened:
            self._state.message = f"{missing}; images are decoded by the weights of a checkpoint"
        else:
            self.error_occurred.emit(
                f"{missing}, and there is no checkpoint, so no image can be decoded or encoded. Restore that file from "
                "a copy of the run, or train it again."
            )

    def _on_embedding(self, means: np.ndarray) -> None:
        if self.run is not None and self._state.model is None:
            self._load_engine(self.run)
        if self._state.epoch is None:
            self._set_embedding(means)

    def _set_embedding(self, means: np.ndarray) -> None:
        state = self._state
        if state.samples is None and self.run is not None:
            self._read_samples(self.run)
        if self.run is not None and state.samples is not None:
            try:
                self.run.check_cloud(state.samples, means)
            except RunError as error:
                self.error_occurred.emit(str(error))
                return
        first = state.embedding is None
        state.embedding = means
        document = state.document
        if first and document.probe is None:
            centre = int(((means - means.mean(axis=0)) ** 2).sum(axis=1).argmin())
            self._editing.refine(probe=means[centre], sample=centre)
        elif document.sample is not None and document.sample < len(means):
            self._editing.refine(probe=means[document.sample])

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


def read_samples(run: RunDirectory) -> ProbeSet | None:
    """The samples that ``run`` has recorded; one that has just started has none before its first embedding.

    Raises ``RunError`` or ``OSError`` if they cannot be read.
    """
    return run.read_probe() if run.probe_path.exists() else None
