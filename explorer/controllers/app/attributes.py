"""Attributes without labels: measured on the images, or read from a person's own file; targets like factors after that.

They belong to the samples of the open run: another epoch keeps them, another run drops them. The engine gets them when
they change, and whenever a run has been opened.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PySide6.QtCore import QThreadPool, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from core.data.attribute_table import SUFFIXES, AttributeFileError, AttributeTable, read_attributes
from core.data.image_attributes import MEASURES
from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    MeasureAttributes,
    SetAttributes,
)
from explorer.controllers.app.session import Session
from explorer.controllers.cloud.cloud import RESERVED_NAMES
from explorer.controllers.controller import Controller
from explorer.engine_client import EngineClient, PendingRequest
from explorer.state import Attributes, State
from explorer.views.attributes import AttributeChoice, ChoiceDialog
from explorer.views.points import PointsView
from explorer.widgets.dialogs import ProgressDialog, file_dialog

USUAL = ("area", "brightness", "contour length", "symmetry order")  # chosen to begin with
STOP_MS = 10_000


class AttributesController(Controller):
    """Makes ``state.attributes``. ``error_occurred`` is for a person."""

    _read = Signal(object)  # AttributeTable or an error, from the thread that reads

    def __init__(
        self, state: State, engine: EngineClient, session: Session, points: PointsView, window: QWidget
    ) -> None:
        super().__init__()
        self._state, self._engine, self._points, self._window = state, engine, points, window
        self._measuring: PendingRequest | None = None
        self._progress: ProgressDialog | None = None
        self._file = Path()
        self._sent: Attributes | None = None
        self._pool = QThreadPool(self)  # a large file must not stop the window
        self._pool.setMaxThreadCount(1)
        self._read.connect(self._on_read)
        state.events.model.connect(lambda *_: self._on_model())
        session.opened.connect(lambda _: self._on_opened())
        points.measure_requested.connect(self.ask_measures)
        points.attributes_file_requested.connect(self.ask_file)
        points.attributes_cleared.connect(self.clear)
        state.events.attributes.connect(lambda *_: self._on_attributes())

    def shut_down(self) -> None:
        """Wait for a file that is being read."""
        self._pool.waitForDone(STOP_MS)

    def _on_opened(self) -> None:
        self._end()
        self._file = Path()
        self._state.attributes = None

    # measuring

    def ask_measures(self) -> None:
        """Ask which measures to take of the images."""
        if self._state.samples is None or self._state.model is None:
            self.refused.emit("There are no images to measure yet. Open a run, or wait until its training has begun.")
            return
        known = self._state.attributes.names if self._state.attributes is not None else ()
        grey = self._state.model.channels == 1
        choices = [
            AttributeChoice(
                measure.name, measure.definition, measure.name in (known or USUAL), not (grey and measure.colour)
            )
            for measure in MEASURES
        ]
        dialog = ChoiceDialog(
            "Measure images",
            f"Measured on the original of each of the {len(self._state.samples.indices):,} samples. Measured values "
            "can colour the cloud and be changed along a path, like factors.",
            "Measure",
            choices,
            self._window,
        )
        dialog.chosen.connect(self.measure)
        dialog.show()

    def measure(self, names: tuple[str, ...]) -> None:
        """Measure ``names`` of ``core.data.image_attributes`` on all samples; a progress with Cancel blocks nothing."""
        self._end()
        message = MeasureAttributes(names=tuple(names))
        self._measuring = self._engine.request(message, self._on_measured, self._on_error)
        self._progress = ProgressDialog(self._window, "measuring", "Measure images", "Measuring the images")
        self._progress.canceled.connect(self.cancel)

    def cancel(self) -> None:
        """Give the measuring up; the attributes stay as they are."""
        if self._measuring is not None:
            self._state.message = "Measuring was cancelled"
        self._end()

    def _end(self) -> None:
        """Nothing is being measured any more."""
        if self._measuring is not None:
            self._measuring.cancel()
            self._measuring = None
        progress, self._progress = self._progress, None
        if progress is not None:
            progress.end()

    def _on_error(self, _: str) -> None:
        self._end()  # why is on screen

    def _on_measured(self, reply: AttributesProgress | AttributesMeasured) -> None:
        if isinstance(reply, AttributesMeasured):
            self._end()
            self._add(reply.names, reply.values, "measured")
        elif self._progress is not None:
            self._progress.setValue(round(100 * reply.fraction))

    # files

    def ask_file(self) -> None:
        """Ask for a file with attributes of the samples."""
        if self._state.samples is None:
            self.refused.emit("There are no samples for a file to describe. Open a run first.")
            return
        dialog = file_dialog(self._window, "attributes", "Attributes from a file")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        dialog.setNameFilters([f"Tables and arrays ({patterns})", "All files (*)"])
        dialog.fileSelected.connect(lambda name: self.read(Path(name)))
        dialog.show()

    def read(self, file: Path) -> None:
        """Read ``file`` in a thread; then its columns are asked for, if there is a choice."""
        self._file = file

        def work() -> None:
            try:
                self._read.emit(read_attributes(file))
            except AttributeFileError as error:
                self._read.emit(error)

        self._pool.start(work)

    def _on_read(self, found: AttributeTable | AttributeFileError) -> None:
        if isinstance(found, AttributeFileError):
            self.error_occurred.emit(str(found))
            return
        if found.file != self._file or self._state.samples is None:  # another file or run has been opened meanwhile
            return
        if len(found.names) == 1:
            self._take(found, found.names)
            return
        numeric, factors = set(found.numeric), set(self._state.samples.factor_names)
        choices = [
            AttributeChoice(name, _column_text(found, name), name in numeric - factors, name in numeric)
            for name in found.names
        ]
        dialog = ChoiceDialog(
            "Attributes from a file",
            f"{found.file.name} has {found.rows:,} rows. The values can colour the cloud and be changed along a "
            "path, like factors.",
            "Read",
            choices,
            self._window,
        )
        dialog.chosen.connect(lambda names: self._take(found, names))
        dialog.show()

    def _take(self, table: AttributeTable, names: tuple[str, ...]) -> None:
        samples = self._state.samples
        if samples is None or table.file != self._file:
            return
        try:
            values = table.values(names, samples.indices)
        except AttributeFileError as error:
            self.error_occurred.emit(str(error))
            return
        self._add(names, values, "file")

    # what is known

    def clear(self) -> None:
        """Forget all attributes."""
        if self._state.attributes is not None:
            self._state.attributes = None
            self._state.message = "The attributes were removed"

    def _add(self, names: tuple[str, ...], values: np.ndarray, origin: str) -> None:
        """Add columns float64 (N, A), in place of those that have their names; what says nothing is left out."""
        samples, before = self._state.samples, self._state.attributes
        if samples is None or len(values) != len(samples.indices):
            return
        self.succeeded.emit()
        taken = {*samples.factor_names, *RESERVED_NAMES}
        columns = dict(zip(before.names, before.values.T, strict=True)) if before is not None else {}
        added, constant = [], []
        for name, column in zip(names, values.T, strict=True):
            known = column[np.isfinite(column)]
            if not len(known) or known.min() == known.max():
                constant.append(name)
                continue
            unique = f"{name} ({origin})" if name in taken else name
            columns[unique] = column
            added.append(unique)
        said = [f"{', '.join(constant)}: the same for all samples, left out"] if constant else []
        if added:
            self._state.attributes = Attributes(tuple(columns), np.stack(list(columns.values()), axis=1))
            self._state.display = dataclasses.replace(self._state.display, color_by=added[0])
            said.insert(0, f"{', '.join(added)}: coloured by {added[0]}")
        self._state.message = " · ".join(said)

    def _on_attributes(self) -> None:
        attributes = self._state.attributes
        self._points.set_attributes(attributes.names if attributes is not None else ())
        self._send()

    def _on_model(self) -> None:
        self._sent = None
        self._send()

    def _send(self) -> None:
        """Give the engine the attributes, once for each model that it has loaded."""
        attributes, model = self._state.attributes, self._state.model
        if model is None or attributes is self._sent:
            return
        self._sent = attributes
        names, values = ((), np.zeros((0, 0))) if attributes is None else (attributes.names, attributes.values)
        self._engine.request(SetAttributes(names=names, values=np.ascontiguousarray(values)))


def _column_text(table: AttributeTable, name: str) -> str:
    """What is wrong with a column, else its range."""
    trouble = table.trouble(name)
    if trouble:
        return trouble
    column = table.columns[name].astype(np.float64)
    return f"{column.min():.4g} to {column.max():.4g}"
