"""Asking for folders and files: which run to open, where trainings go, where a path or the selection is written."""

from __future__ import annotations

import csv
import io
import os
from functools import partial
from pathlib import Path

from core.protocol.figures import FrameLook
from core.utils.atomic_write import write_atomic
from core.utils.text import counted
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud.color_targets import said
from explorer.controllers.controller import Context, Controller
from explorer.controllers.path.playback import PlaybackController
from explorer.widgets.dialogs import ask_folder, ask_save

PATH_FILTERS = {
    "png": "PNG strip (*.png)",
    "gif": "GIF (*.gif)",
    "mp4": "MP4 video (*.mp4)",
    "npz": "Latents and frames (*.npz)",
}


class FilesController(Controller):
    """Asks for names, and does what they were asked for."""

    def __init__(self, context: Context, open_run: OpenRun, playback: PlaybackController) -> None:
        super().__init__(context)
        self._open_run, self._playback = open_run, playback
        self._files = self._background()

    def open_run(self) -> None:
        """Ask for a run folder."""
        place = self._settings.runs_folder
        ask_folder(self._window, "open", "Open run", lambda folder: self._open_run.open(Path(folder)), place)

    def choose_runs_folder(self) -> None:
        """Ask where trainings are written."""
        ask_folder(self._window, "runs", "Runs folder", self._set_runs_folder, self._settings.runs_folder)

    def _set_runs_folder(self, folder: str) -> None:
        self._settings.runs_folder = Path(folder)
        self._state.message = f"New runs will be written to {folder}"

    def export_path(self, kind: str) -> None:
        """Ask for a file name and export the path; the name's ending decides the format."""
        filters = {kind: PATH_FILTERS[kind], **PATH_FILTERS}
        title = f"Export path ({look_text(self._playback.look)})"
        ask_save(self._window, "export", title, self._named(f"path.{kind}"), filters, self._export_path)

    def _named(self, name: str) -> str:
        """``name`` with that of the run before it."""
        run = self._open_run.run
        return name if run is None else f"{Path(os.path.abspath(run.path)).name}-{name}"

    def _export_path(self, name: str) -> None:
        suffix = Path(name).suffix.lstrip(".").lower()
        if suffix in PATH_FILTERS:
            self._playback.export(Path(name), suffix)
        else:
            formats = ", ".join(f".{suffix}" for suffix in PATH_FILTERS)
            self.refused.emit(f"{name} does not end in {formats}. Choose one of these formats.")

    def export_selection(self) -> None:
        """Ask for a file name and write the selected samples as CSV: index, file, factors, groups, means."""
        title, filters = "Export selected samples", {"csv": "CSV (*.csv)"}
        ask_save(self._window, "export_selection", title, self._named("samples.csv"), filters, self._export_selection)

    def _export_selection(self, name: str) -> None:
        state = self._state
        if state.selected is None or state.samples is None or state.embedding is None:
            return
        samples, means = state.samples, state.embedding
        text = io.StringIO()
        writer = csv.writer(text)
        file = ["file"] if samples.names else []
        grouped = ["groups"] if state.groups else []
        latents = [f"mu{i + 1}" for i in range(means.shape[1])]
        writer.writerow(["index", *file, *samples.factor_names, *grouped, *latents])
        drawn = state.selected[state.selected < len(means)]
        for place in drawn.tolist():
            known = zip(samples.factors[place].tolist(), samples.categories, strict=True)
            labels = [said(value, names) if names else value for value, names in known]
            named = [samples.names[place]] if samples.names else []
            groups = ["; ".join(group.name for group in state.groups if place in group.positions)] if grouped else []
            writer.writerow([int(samples.indices[place]), *named, *labels, *groups, *map(float, means[place])])
        written = f"{counted(len(drawn), 'sample')} written to {name}"
        if left := len(state.selected) - len(drawn):
            written += f"; {left:,} more are selected that have no mean in this cloud"
        write = partial(write_atomic, Path(name), text.getvalue().encode())
        self._files.write(write, lambda _: self._on_written(written), partial(self._on_unwritable, name))

    def _on_written(self, message: str) -> None:
        self._state.message = message
        self.succeeded.emit()

    def _on_unwritable(self, name: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        self.error_occurred.emit(f"{name} could not be written: {reason}. Choose another place.")


def look_text(look: FrameLook) -> str:
    """How pictures and films of a path are written, in words."""
    size = f"{look.size} pixels, {look.scaling}" if look.size else "as decoded"
    below = [text for text, there in (("positions", look.positions), ("labels", look.labels)) if there]
    return f"pictures {size}" + (f", with {' and '.join(below)}" if below else "")
