"""The turntable from the window: runs the very command a person would type, with what the cloud shows as its options.

Drawing a film takes a minute; in a process of its own it delays nothing. The process reads our end of its standard
input: when that closes, because a person cancels or because the window is gone, it stops and leaves no file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal

from core.projects.edited import Axes
from core.rendering.class_colours import UNKNOWN
from core.rendering.point_colours import SPLIT
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import EXCESS_BCE, NO_COLOUR
from explorer.controllers.cloud.color_targets import GROUPS
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import STOP_MS, Command, isoline_command
from explorer.widgets.dialogs import ProgressDialog, ask_save

FILTERS = {"mp4": "MP4 video (*.mp4)", "gif": "GIF (*.gif)"}


class TurntableController(Controller):
    """Films the open run, one film at a time. ``progress`` is a share from 0 to 1, ``exported`` the film's path;
    ``finished`` comes after every film, however it ended."""

    progress = Signal(float)
    exported = Signal(str)
    finished = Signal()

    def __init__(self, context: Context, open_run: OpenRun) -> None:
        super().__init__(context)
        self._open_run = open_run
        self._running: Command | None = None
        self._path = Path()
        self._values: tempfile.TemporaryDirectory[str] | None = None
        self._dialog: ProgressDialog | None = None

    @property
    def active(self) -> bool:
        """Whether a film is being made."""
        return self._running is not None

    def ask(self) -> None:
        """Ask for a file name, whose ending decides the format, and film; a progress with Cancel blocks nothing."""
        ask_save(self._window, "film", "Film the cloud", "cloud.mp4", FILTERS, self.film)

    def film(self, path: str) -> None:
        """Film into ``path`` and show how far it is."""
        if self.export(path):
            text = f"Filming the cloud: {Path(path).name}"
            self._dialog = ProgressDialog(self._window, "filming", "Film the cloud", text)
            self._dialog.canceled.connect(self.cancel)

    def export(self, path: str, seconds: float = 6.0, fps: float = 30.0, size: int = 720) -> bool:
        """Start filming into ``path``, an .mp4 or .gif; False and ``error_occurred`` if that cannot be."""
        run = self._open_run.run
        if self._running is not None:
            self.refused.emit(f"{self._path.name} is still being filmed. Wait for it, or cancel it.")
            return False
        if run is None or self._state.embedding is None:
            self.refused.emit("There is no latent cloud to film yet. Open a run, or start a training.")
            return False
        if self._state.display.axes.layout is not None:
            self.refused.emit("A layout cannot be filmed. Choose dimensions or principal components as Axes (Samples).")
            return False
        self._path = Path(path)
        try:
            arguments = [str(run.path), "--out", str(path), *self._look()]
        except OSError as error:
            self._end()
            self.error_occurred.emit(f"The values of the points cannot be written ({error.strerror or error}).")
            return False
        arguments += ["--seconds", f"{seconds:g}", "--fps", f"{fps:g}", "--size", str(size)]
        self._running = running = Command(isoline_command("turntable", *arguments, "--progress", "json"), self)
        running.progress.connect(self._on_progress)
        running.finished.connect(self._on_finished)
        return True

    def cancel(self) -> None:
        """Give the film up; no file is left. Returns at once."""
        if self._running is not None:
            self._running.cancel()

    def shut_down(self) -> None:
        """The window closes: end the process, politely, then by force."""
        self._end()

    def _look(self) -> list[str]:
        """The options that make the film look as the cloud does now."""
        state, display = self._state, self._state.display
        arguments = [] if state.epoch is None else ["--epoch", str(state.epoch)]
        values = state.losses if display.color_by == EXCESS_BCE else None
        groups = display.color_by == GROUPS and GROUPS not in color_targets.names(state)
        if groups or (state.attributes is not None and display.color_by in state.attributes.names):
            values = color_targets.values(state, display.color_by)
        classes = color_targets.classes(state, display.color_by)
        if values is not None and np.isfinite(values).any():
            self._values = tempfile.TemporaryDirectory(prefix="isoline-")
            file = Path(self._values.name) / "values.npz"
            np.savez(file, values=values, categories=np.array(classes, dtype=str))
            arguments += ["--values", str(file), f"--color-by={display.color_by}"]
        else:
            name = {SPLIT: "split", NO_COLOUR: "none", EXCESS_BCE: "none"}.get(display.color_by, display.color_by)
            arguments.append(f"--color-by={name}")
        arguments += [f"--hide={UNKNOWN if place < 0 else classes[place]}" for place in sorted(state.hidden)]
        arguments += ["--axes", _axes_option(display.axes, state.embedding), "--theme", state.theme.name]
        arguments += ["--colormap", display.colormap, "--opacity", f"{display.opacity:g}"]
        return [*arguments, "--point-size", f"{display.point_size:g}"]

    def _on_progress(self, done: float) -> None:
        self.progress.emit(done)
        if self._dialog is not None:
            self._dialog.setValue(round(100 * done))

    def _on_finished(self, failure: str) -> None:
        cancelled = self._running is not None and self._running.cancelled
        self._end()
        if not failure:
            self.exported.emit(str(self._path))
        elif not cancelled:
            self.error_occurred.emit(f"The film could not be made: {failure}")
        self.finished.emit()

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop(STOP_MS)
        if self._dialog is not None:
            self._dialog.end()
            self._dialog = None
        if self._values is not None:
            self._values.cleanup()
            self._values = None


def _axes_option(axes: Axes, means: np.ndarray | None) -> str:
    if axes.principal:
        return "pca"
    latent_dim = 3 if means is None else means.shape[1]
    chosen = [index for index in dict.fromkeys(axes.dimensions) if 0 <= index < latent_dim]
    chosen += [index for index in range(latent_dim) if index not in chosen]
    return ",".join(str(index + 1) for index in chosen[:3])
