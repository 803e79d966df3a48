"""What menus, toolbar and keys do: each action of ``explorer.actions`` bound to a controller."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox

import core
from core.utils.atomic_write import write_atomic
from explorer.actions import COMMANDS, MODES
from explorer.controllers.app.attributes import AttributesController
from explorer.controllers.app.document_editor import Editing
from explorer.controllers.app.session import Session
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.gridlines import NetController
from explorer.controllers.cloud.turntable import TurntableController
from explorer.controllers.cloud.turntable_dialog import Filming
from explorer.controllers.path.path import PathController
from explorer.controllers.path.playback import PlaybackController
from explorer.controllers.path.saved_paths import SavedPathsController
from explorer.controllers.path.tracing import TracingController
from explorer.controllers.training.training import TrainingController
from explorer.main_window import MainWindow
from explorer.settings import Settings
from explorer.state import State
from explorer.views.cloud import CloudView
from explorer.views.path import PathView
from explorer.views.training import TrainingView

FILTERS = {
    "png": "PNG strip (*.png)",
    "gif": "GIF (*.gif)",
    "mp4": "MP4 video (*.mp4)",
    "npz": "Latents and frames (*.npz)",
}


@dataclass(frozen=True)
class Controllers:
    """Those whom a command may reach."""

    session: Session
    editing: Editing
    cloud: CloudController
    path: PathController
    playback: PlaybackController
    training: TrainingController
    turntable: TurntableController
    net: NetController
    tracing: TracingController
    saved_paths: SavedPathsController
    attributes: AttributesController


class Commands(QObject):
    """Connects the window's actions; asks for file names."""

    error_occurred = Signal(str)

    def __init__(
        self,
        window: MainWindow,
        state: State,
        settings: Settings,
        controllers: Controllers,
        cloud: CloudView,
        path: PathView,
        training: TrainingView,
        bundled: Path,
    ) -> None:
        super().__init__()
        self._window, self._state, self._settings, self._to = window, state, settings, controllers
        self._cloud, self._training, self._bundled = cloud, training, bundled
        self._filming = Filming(window, controllers.turntable)
        path.export_requested.connect(self.export_path)
        handlers = {
            "open": self.open_run,
            "bundled": lambda: controllers.session.open(bundled, remember=False),
            "export": lambda: self.export_path("mp4"),
            "export_selection": self.export_selection,
            "save_path": controllers.saved_paths.ask_save,
            "measure": controllers.attributes.ask_measures,
            "attributes": controllers.attributes.ask_file,
            "turntable": self._filming.ask,
            "runs_folder": self.choose_runs_folder,
            "quit": window.close,
            "undo": controllers.editing.undo,
            "redo": controllers.editing.redo,
            "clear_path": controllers.path.clear,
            "remove": lambda: controllers.path.remove_control(state.selected_control),
            "train": training.request_start,
            "pause": controllers.training.pause_or_resume,
            "step": controllers.training.step,
            "stop": controllers.training.stop,
            "experiments": lambda: window.open_dock("experiments"),
            "plane": lambda: window.open_dock("parameters"),
            "transects": lambda: window.open_dock("transects"),
            "compare": lambda: window.open_dock("compare"),
            "kinds": lambda: window.open_dock("kinds"),
            "home": cloud.home,
            "net": controllers.net.toggle,
            "play": controllers.playback.toggle,
            "previous": lambda: controllers.playback.step(-1),
            "next": lambda: controllers.playback.step(1),
            "cancel": self.cancel,
            "keys": self.show_keys,
            "about": self.show_about,
        }
        for name, handler in handlers.items():
            window.actions_by_name[name].triggered.connect(lambda _=False, handler=handler: handler())
        for name in MODES:
            window.actions_by_name[name].triggered.connect(lambda _=False, name=name: self._set_mode(name))
        window.recent_chosen.connect(lambda name: controllers.session.open(Path(name)))
        cloud.space_tapped.connect(controllers.playback.toggle)
        cloud.finished.connect(self.finish)
        state.events.mode.connect(lambda mode: window.actions_by_name[mode].setChecked(True))
        state.events.net_shown.connect(lambda shown: window.actions_by_name["net"].setChecked(shown))
        for event in (
            state.events.training,
            state.events.document,
            state.events.selected,
            state.events.selected_control,
            state.events.embedding,
        ):
            event.connect(self._enable)
        controllers.editing.changed.connect(self._enable)
        window.actions_by_name[state.mode].setChecked(True)
        self._enable()

    def _set_mode(self, name: str) -> None:
        self._state.mode = name

    def _enable(self, *_: object) -> None:
        """A command that would do nothing now is grey."""
        actions, state, editing = self._window.actions_by_name, self._state, self._to.editing
        training, path = state.training, state.document.path
        playable = path is not None and len(path.control) > 1
        enabled = {
            "train": not self._to.training.active,
            "pause": training in ("running", "paused"),
            "step": training in ("running", "paused"),
            "stop": training in ("running", "paused"),
            "undo": editing.undo_label is not None,
            "redo": editing.redo_label is not None,
            "play": playable,
            "previous": playable,
            "next": playable,
            "export": playable,
            "save_path": playable,
            "measure": state.embedding is not None,
            "attributes": state.embedding is not None,
            "clear_path": path is not None,
            "remove": state.selected_control is not None,
            "export_selection": state.selected is not None,
            "turntable": state.embedding is not None,
        }
        for name, value in enabled.items():
            actions[name].setEnabled(value)
        actions["pause"].setText("Resume" if training == "paused" else "Pause")
        actions["undo"].setText(f"Undo {editing.undo_label}" if editing.undo_label else "Undo")
        actions["redo"].setText(f"Redo {editing.redo_label}" if editing.redo_label else "Redo")

    def finish(self) -> None:
        """Enter over the cloud: the path is as it should be."""
        if self._state.mode in ("draw", "edit", "trace"):
            self._state.selected_control = None
            self._state.mode = "orbit"

    def cancel(self) -> None:
        """Esc: first a curve that is half traced, then the selection, then the tool."""
        if self._to.tracing.cancel():
            return
        if self._state.selected is not None:
            self._state.selected = None
        elif self._state.selected_control is not None:
            self._state.selected_control = None
        else:
            self._state.mode = "orbit"

    # files

    def open_run(self) -> None:
        """Ask for a run folder."""
        runs = self._settings.runs_folder
        dialog = self._dialog("Open run", runs if runs.is_dir() else Path.home())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda folder: self._to.session.open(Path(folder)))
        dialog.open()

    def choose_runs_folder(self) -> None:
        """Ask where trainings are written."""
        runs = self._settings.runs_folder
        dialog = self._dialog("Runs folder", runs if runs.is_dir() else Path.home())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._set_runs_folder)
        dialog.open()

    def _set_runs_folder(self, folder: str) -> None:
        self._settings.runs_folder = Path(folder)
        self._state.message = f"Trainings are written to {folder}"

    def export_path(self, kind: str) -> None:
        """Ask for a file name and export the path; the name's ending decides the format."""
        dialog = self._dialog("Export path", Path.home())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([FILTERS[kind], *(text for name, text in FILTERS.items() if name != kind)])
        dialog.setDefaultSuffix(kind)
        dialog.selectFile(f"path.{kind}")
        dialog.filterSelected.connect(
            lambda chosen: dialog.setDefaultSuffix(next(k for k, text in FILTERS.items() if text == chosen))
        )
        dialog.fileSelected.connect(self._export_path)
        dialog.open()

    def _export_path(self, name: str) -> None:
        suffix = Path(name).suffix.lstrip(".").lower()
        if suffix in FILTERS:
            self._to.playback.export(Path(name), suffix)
        else:
            self.error_occurred.emit(
                f"{name} ends in {suffix or 'nothing'!r}; a path is exported as {', '.join(FILTERS)}."
            )

    def export_selection(self) -> None:
        """Ask for a file name and write the selected samples as CSV: index, factors, means."""
        dialog = self._dialog("Export selected samples", Path.home())
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("CSV (*.csv)")
        dialog.setDefaultSuffix("csv")
        dialog.selectFile("samples.csv")
        dialog.fileSelected.connect(self._export_selection)
        dialog.open()

    def _export_selection(self, name: str) -> None:
        state = self._state
        if state.selected is None or state.samples is None or state.embedding is None:
            return
        samples, means = state.samples, state.embedding
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["index", *samples.factor_names, *(f"mu{i + 1}" for i in range(means.shape[1]))])
        for place in state.selected:
            row = [int(samples.indices[place]), *map(float, samples.factors[place]), *map(float, means[place])]
            writer.writerow(row)
        try:
            write_atomic(Path(name), text.getvalue().encode())
        except OSError as error:
            self.error_occurred.emit(f"{name} could not be written: {error.strerror or error}. Choose another place.")
            return
        state.message = f"{len(state.selected)} samples written to {name}"

    def _dialog(self, title: str, folder: Path) -> QFileDialog:
        # Shown with open(), never exec(): the cloud goes on moving behind it.
        dialog = QFileDialog(self._window, title, str(folder))
        dialog.setObjectName(f"dialog.{title.split()[0].lower()}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog

    # help

    def show_keys(self) -> None:
        """F1: the list of keys."""
        rows = "".join(
            f"<tr><td style='padding:2px 24px 2px 0'><b>{command.key}</b></td><td>{command.text.rstrip('…')}</td></tr>"
            for command in COMMANDS
            if command.key
        )
        extra = (
            ("Space held, drag", "Orbit in any mode"),
            ("Wheel", "Zoom; over a curve in Trace mode, slide along it"),
            ("Right drag", "Pan"),
            ("X, Y, Z held", "Drag the probe along one axis"),
            ("Shift click", "Add to the selection"),
            ("Enter", "Finish"),
        )
        rows += "".join(f"<tr><td style='padding:2px 24px 2px 0'><b>{k}</b></td><td>{v}</td></tr>" for k, v in extra)
        self._box("Keys", f"<table>{rows}</table>")

    def show_about(self) -> None:
        """Name, version, licence."""
        self._box(
            "About Isoline",
            f"<b>Isoline {core.__version__}</b><p>Explore latent spaces: train a VAE, watch its cloud fold, click a "
            "point, trace a curved path.</p><p>MIT licence.</p>",
        )

    def _box(self, title: str, text: str) -> None:
        box = QMessageBox(self._window)
        box.setObjectName(f"box.{title.split()[0].lower()}")
        box.setWindowTitle(title)
        box.setText(text)
        box.setStandardButtons(QMessageBox.StandardButton.Close)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()
