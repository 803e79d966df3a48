"""Attributes without labels: measured on the images, or read from a person's own file; targets like factors after that.

They belong to the samples of the open run: another epoch keeps them, another run drops them. The engine gets them when
they change, and whenever a run has been opened.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from core.data.image_attributes import MEASURES
from core.data.labels import Join, LabelColumn, UnmatchedTable, join, label_columns
from core.data.tables import SUFFIXES, Table, TableError, read_table
from core.projects.edited import Attributes
from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    MeasureAttributes,
    SetAttributes,
)
from core.runs.directory import ProbeSet
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud.cloud import RESERVED_NAMES
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import lacking_originals
from explorer.views.attributes import AttributeChoice, ChoiceDialog
from explorer.views.points import PointsView
from explorer.widgets.dialogs import ProgressDialog, ask_file

USUAL = ("area", "brightness", "contour length", "symmetry order")  # chosen to begin with
SHOWN_CLASSES = 4


class AttributesController(Controller):
    """Makes ``state.attributes``. ``error_occurred`` is for a person."""

    def __init__(self, context: Context, open_run: OpenRun, points: PointsView) -> None:
        super().__init__(context)
        self._points = points
        self._progress: ProgressDialog | None = None
        self._file = Path()
        self._sent: Attributes | None = None
        self._files = self._background(TableError)
        events = self._state.events
        self._when((events.model,), self._on_model)
        self._when((events.attributes,), self._on_attributes)
        self._when((open_run.opened,), self._on_opened)
        points.measure_requested.connect(self.ask_measures)
        points.attributes_file_requested.connect(self.ask_file)
        points.attributes_cleared.connect(self.clear)

    def _on_opened(self) -> None:
        self._end()
        self._file = Path()

    # measuring

    def ask_measures(self) -> None:
        """Ask which measures to take of the images."""
        samples = self._state.all_samples
        if samples is None or self._state.model is None:
            self.refused.emit("There are no images to measure yet. Open a run, or wait until its training has begun.")
            return
        if not self._state.model.has_originals:
            self.refused.emit(lacking_originals(self._state.model))
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
            f"Measured on the original of each of the {len(samples.indices):,} samples. Measured values "
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
        self._request = self._engine.request(message, self._on_measured, self._on_error)
        self._progress = ProgressDialog(self._window, "measuring", "Measure images", "Measuring the images")
        self._progress.canceled.connect(self.cancel)

    def cancel(self) -> None:
        """Give the measuring up; the attributes stay as they are."""
        if self._request is not None:
            self._state.message = "Measuring was cancelled"
        self._end()

    def _end(self) -> None:
        """Nothing is being measured any more."""
        self._cancel_request()
        self._request = None
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
        if self._state.all_samples is None:
            self.refused.emit("There are no samples for a file to describe. Open a run first.")
            return
        kind = f"Tables and arrays ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
        ask_file(self._window, "attributes", "Attributes from a file", kind, lambda name: self.read(Path(name)))

    def read(self, file: Path) -> None:
        """Read ``file`` in a thread; then its columns are asked for, if there is a choice."""
        self._file = file

        self._files.drop()
        self._files.read(partial(read_table, file), self._on_read, self._on_unreadable)

    def _on_unreadable(self, error: Exception) -> None:
        self.error_occurred.emit(str(error))

    def _on_read(self, found: Table) -> None:
        samples = self._state.all_samples
        if found.file != self._file or samples is None:  # another file or run has been opened meanwhile
            return
        whole = len(samples.indices) == int(samples.indices.max(initial=-1)) + 1
        try:
            try:
                joined = join(found, samples.names, samples.indices, whole=whole)
            except UnmatchedTable:
                joined = join(found, samples.names, samples.indices, "order")
        except TableError as error:
            self.error_occurred.emit(str(error))
            return
        labels, left_out = label_columns(found, joined)
        if joined.by and len(labels) == 1 and not left_out:  # there is no choice
            self._take(found, joined, labels, (labels[0].name,))
            return
        if not labels:
            self.error_occurred.emit(f"{found.file} gives these samples no label: {_left_out_text(left_out)}.")
            return
        factors = set(samples.factor_names)
        texts = {label.name: _column_text(label) for label in labels} | left_out
        choices = [
            AttributeChoice(name, texts[name], name not in factors, name not in left_out)
            for name in found.names
            if name != joined.by
        ]
        dialog = ChoiceDialog(
            "Attributes from a file",
            f"{_joined_text(found, joined, samples)} The values can colour the cloud; numbers can be changed along a "
            "path, like factors.",
            "Read" if joined.by else "Read in this order",
            choices,
            self._window,
        )
        dialog.chosen.connect(lambda names: self._take(found, joined, labels, names))
        dialog.show()

    def _take(self, table: Table, joined: Join, labels: list[LabelColumn], names: tuple[str, ...]) -> None:
        samples = self._state.all_samples
        if samples is None or table.file != self._file or len(joined.rows) != len(samples.indices):
            return
        chosen = [label for label in labels if label.name in names]
        values = np.stack([label.values.astype(np.float64) for label in chosen], axis=1)
        categories = tuple(label.categories for label in chosen)
        self._add(tuple(label.name for label in chosen), values, "file", categories, (*table.notes, *joined.notes))

    # what is known

    def clear(self) -> None:
        """Forget all attributes."""
        if self._state.attributes is not None:
            self._editing.commit("remove attributes", attributes=None)
            self._state.message = "The attributes were removed"

    def _add(
        self,
        names: tuple[str, ...],
        values: np.ndarray,
        origin: str,
        categories: tuple[tuple[str, ...], ...] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        """Add columns float64 (N, A), in place of those that have their names; what says nothing is left out.

        ``categories`` name the values of those that are classes; ``notes`` are about how they were read.
        """
        samples, before = self._state.all_samples, self._state.attributes
        if samples is None or len(values) != len(samples.indices):
            return
        self.succeeded.emit()
        taken = {*samples.factor_names, *RESERVED_NAMES}
        known = Attributes((), np.empty((len(values), 0))) if before is None else before
        columns = dict(zip(known.names, zip(known.values.T, known.categories, strict=True), strict=True))
        added, constant = [], []
        for name, column, classes in zip(names, values.T, categories or ((),) * len(names), strict=True):
            finite = column[np.isfinite(column)]
            if not len(finite) or finite.min() == finite.max():
                constant.append(name)
                continue
            unique = f"{name} ({origin})" if name in taken else name
            columns[unique] = column, classes
            added.append(unique)
        said = [f"{', '.join(constant)}: the same for all samples, left out"] if constant else []
        if added:
            table = np.stack([column for column, _ in columns.values()], axis=1)
            attributes = Attributes(tuple(columns), table, tuple(names for _, names in columns.values()))
            label = f"add {', '.join(added)}" if len(added) < 3 else f"add {len(added)} attributes"
            self._editing.commit(label, attributes=attributes, color_by=added[0], hidden=frozenset())
            said.insert(0, f"{', '.join(added)}: coloured by {added[0]}")
        self._state.message = " · ".join([*said, *(note.rstrip(".") for note in notes)])

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
        names, values = (), np.zeros((0, 0))
        if attributes is not None:
            numbers = [i for i, categories in enumerate(attributes.categories) if not categories]
            names, values = tuple(attributes.names[i] for i in numbers), attributes.values[:, numbers]
        self._engine.request(SetAttributes(names=names, values=np.ascontiguousarray(values)))


def _column_text(label: LabelColumn) -> str:
    """A column's range or classes, and how many values are not known."""
    known = label.values[np.isfinite(label.values)]
    if label.categories:
        shown = ", ".join(label.categories[:SHOWN_CLASSES]) + (" …" if len(label.categories) > SHOWN_CLASSES else "")
        text = f"{len(label.categories):,} classes: {shown}"
    else:
        text = f"{known.min():.4g} to {known.max():.4g}"
    unknown = len(label.values) - len(known)
    return f"{text} · {unknown:,} unknown" if unknown else text


def _joined_text(table: Table, joined: Join, samples: ProbeSet) -> str:
    """How the rows of a table were given to samples, in one or two sentences."""
    if joined.by:
        return " ".join((*table.notes, *joined.notes))
    names = samples.names or ("sample 0", f"sample {table.rows - 1}")
    return (
        f"{table.file.name} has {table.rows:,} rows and does not say which image each is about. Read in this order, "
        f"its first row is about {names[0]}, its last about {names[-1]}."
    )


def _left_out_text(left_out: dict[str, str]) -> str:
    return "; ".join(f"column {name}: {reason}" for name, reason in left_out.items())
