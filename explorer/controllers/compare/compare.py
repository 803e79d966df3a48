"""Comparing the open run with a second one: two clouds that turn together, and one input that goes into both models.

What a hand does last decides the input: a clicked sample is the same image for both, the cursor of the parameter plane
the same parameters, the dragged probe the same latent point. A kind that a person chooses is kept wherever the document
has an input for it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal

from core.projects.edited import Document
from core.projects.project import RunReference
from core.protocol.figures import Colouring
from core.protocol.messages import CompareModels, LoadSecond, ModelsCompared, SecondLoaded, frame
from core.rendering.point_colours import DENSITY, SPLIT, point_colours, value_range
from core.rendering.projection import Projection
from core.runs.directory import ProbeSet, RunDirectory, RunError
from explorer.controllers.app.open_run import read_samples, run_name
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController, make_projection
from explorer.controllers.controller import Context, Controller
from explorer.controllers.plane import factor_names, is_drawn, nearest_samples, shown_plane
from explorer.controllers.requirements import lacking_originals
from explorer.engine_client import Outcome, PendingRequest
from explorer.run_watcher import ModelFiles, RunWatcher
from explorer.state import State
from explorer.views.cloud import CloudView
from explorer.views.compare import CompareView, Kind
from explorer.weak_callback import ignore
from explorer.widgets.controls import on_screen

NO_WEIGHTS = "This run has no weights yet: images appear as soon as its training has saved some."
OPENING = "Opening the model…"
NO_SAMPLES = "One of the runs has recorded no samples yet, so no point of one cloud can be found in the other."
NOTHING_SHARED = (
    "The runs were trained on different images and share no factors: no point of one cloud can be found in the other."
)
CHOOSE_SECOND = "Choose a second run: its cloud turns with that of the open run, and one probe moves through both."
OPEN_FIRST = "Open a run, then choose a second one: their clouds turn together, and one probe moves through both."
ONE_WITHOUT_DECODER = "One of the models was imported without a decoder, so it has no images to compare."
ONE_WITHOUT_ENCODER = "One of the models was imported without an encoder, so an image cannot go into both."
ANGLES = ("azimuth", "elevation")
CLICK = "Click a point of either cloud: its image goes into both models."
NO_VALUES = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Question:
    """What to ask, the ``kind`` of input that it is, and the ``note`` that says so."""

    kind: Kind
    note: str
    message: CompareModels


class CompareController(Controller):
    """Owns the second run. ``sample_chosen`` is a position among the open run's samples that a hand chose here."""

    sample_chosen = Signal(int)
    second_changed = Signal()
    """``run``, the second one, is another, or there is none any more."""
    kind_changed = Signal()

    def __init__(self, context: Context, cloud: CloudController, other_cloud: CloudView, view: CompareView) -> None:
        super().__init__(context)
        self._cloud_control, self._cloud, self._view = cloud, other_cloud, view
        self.run: RunDirectory | None = None
        self._missing: RunReference | None = None  # a second run that was not found
        self._runs, self._files, self._first_files = self._background(), self._background(), self._background()
        self._model_there: bool | None = None  # whether the second run can be opened; None: not known yet
        self._second_fingerprint: str | None = None  # the fingerprint of the second run's data
        self._samples: ProbeSet | None = None
        self._recorded: ProbeSet | None = None  # all, of which those are the first that have a mean yet
        self._means: np.ndarray | None = None
        self._projection: Projection | None = None
        self._model: SecondLoaded | None = None
        self._loading: PendingRequest | None = None  # opens the second model
        self._fingerprint: str | None = None  # of the open run's data
        self._matching = SampleMatching(None, None, False)
        self._kind = self._hand = Kind.IMAGE
        self._seen = self._state.document
        self._asked: tuple[Kind, bytes] | None = None
        self._second_watcher = RunWatcher(view)  # what fills the view ends with it
        self._lock = CameraLock(cloud.view, other_cloud)
        # After the event that asks for it, so that a cursor and the probe that follows it are seen as one gesture.
        self._due = QTimer(view, singleShot=True, interval=0)
        self._due.timeout.connect(self._ask)
        events = self._state.events
        view.runs_wanted.connect(self._offer_runs)
        view.run_chosen.connect(self.open)
        view.locate_requested.connect(self.locate)
        view.close_requested.connect(self.close)
        view.kind_chosen.connect(self._on_kind)
        view.shown.connect(self._due.start)
        self._cloud.clicked.connect(self._on_click)
        self._cloud.hovered.connect(self._on_hover)
        self._second_watcher.files.connect(self._on_files)
        self._second_watcher.embedding.connect(self._on_embedding)
        self._second_watcher.failed.connect(view.set_message)
        self._when((events.model,), self._on_model)
        self._when((events.config,), self._show_empty)
        self._when((events.samples,), self._match)
        self._when((events.display,), self._show_points)
        self._when((events.hidden, events.theme), self._show_colours)
        self._when((events.document,), self._due.start)
        events.hovered.connect(self._show_hovered)
        self._when((self._engine.weights_changed, self._engine.second_weights_changed), self._renew)
        self._on_model()
        self._show_empty()

    # the second run

    def _show_empty(self) -> None:
        self._view.set_empty(OPEN_FIRST if self._state.config is None else CHOOSE_SECOND)

    def _offer_runs(self) -> None:
        here = str(self.run.path) if self.run is not None else ""
        self._view.set_recent([path for path in self._settings.recent_runs if path != here])

    def open(self, path: str) -> None:
        """Compare with the run in folder ``path``; a folder that is none changes nothing and is said to be so."""
        self._runs.drop()
        self._view.set_message(f"Reading {path} …", error=False)
        failed = partial(self._on_unreadable, path)
        self._runs.read(partial(RunDirectory.open, Path(path)), self._on_read, failed)

    def _on_unreadable(self, path: str, error: Exception) -> None:
        self._view.set_message(str(error))
        forget = self._settings.forget_recent_run
        self._runs.read(Path(path).exists, lambda there: None if there else forget(path))

    def set_missing(self, reference: RunReference) -> None:
        """The second run is not where it was, and a person may know where it is."""
        self._missing = reference
        self._view.set_missing(reference.path)

    def forget_missing(self) -> None:
        """Another run is open, which was not compared with it."""
        if self._missing is not None:
            self._missing = None
            self._view.set_run(None)
            self._view.set_message("")

    def locate(self, path: str) -> None:
        """The second run that was not found is in folder ``path``, if that holds the same run."""
        missing = self._missing
        if missing is not None:
            self._runs.drop()
            self._view.set_message(f"Reading {path} …", error=False)
            work = partial(_read_same, missing, Path(path))
            self._runs.read(work, self._on_read, lambda error: self._view.set_message(str(error)))

    def _on_read(self, run: RunDirectory) -> None:
        self._forget()
        self._missing = None
        self.run, self._second_fingerprint = run, fingerprint_of(run)
        self._settings.add_recent_run(run.path)
        model, data = run.config.model, run.config.data
        details = f"{run.network} · d = {model.latent_dim} · {data.image_size}²"
        self._view.set_run(str(run.path), details, run_name(run.path))
        self._view.set_message(OPENING, error=False)
        self._files.read(partial(read_samples, run), self._on_samples, self._on_no_samples)
        self.second_changed.emit()

    def _on_samples(self, samples: ProbeSet | None) -> None:
        self._take_samples(samples)
        self._second_watcher.watch(self.run)  # brings what there is of its model, and the newest means

    def _on_no_samples(self, error: Exception) -> None:
        self._view.set_message(str(error))
        self._second_watcher.watch(self.run)

    def shut_down(self) -> None:
        """Watch the second run no longer."""
        self._second_watcher.watch(None)

    def close(self) -> None:
        """End the comparison."""
        self._runs.drop()
        if self.run is None and self._missing is None:
            return
        self._forget()
        self._missing = None
        self._view.set_run(None)
        self._engine.request(LoadSecond(path=""))
        self.second_changed.emit()

    def _forget(self) -> None:
        self._second_watcher.watch(None)
        self._files.drop()
        self._model_there = self._second_fingerprint = None
        self.run = self._samples = self._recorded = self._means = self._projection = self._model = None
        self._asked = None
        self._cancel_request()
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None
        self._view.set_message("")
        self._view.set_note("")
        self._view.set_images(None, None)
        self._cloud.set_points(np.empty((0, 3), dtype=np.float32))
        self._cloud.set_thumbnails(None)
        self._cloud.set_hover_label(None)
        self._cloud.set_probe(None)
        self._cloud.set_selected(None)
        self._match()

    def _take_samples(self, samples: ProbeSet | None) -> None:
        self._recorded = self._samples = samples
        if samples is not None:
            self._cloud.set_thumbnails(samples.thumbnails)
            self._match()

    def _on_files(self, files: ModelFiles) -> None:
        before, self._model_there = self._model_there, files.openable
        if files.openable != before and not self._opening:
            self._load()

    @property
    def reading(self) -> bool:
        """Whether a run is being read: the second one, or what marks the data of the first."""
        return self._runs.busy or self._files.busy or self._first_files.busy

    @property
    def _opening(self) -> bool:
        return self._loading is not None and not self._loading.done

    def _load(self) -> None:
        if self.run is None:
            return
        if not self._model_there:
            self._view.set_message(NO_WEIGHTS, error=False)
            return
        self._view.set_message(OPENING, error=False)
        message = LoadSecond(path=str(self.run.path))
        self._loading = self._engine.request(message, self._on_second_loaded, self._view.set_message)

    def _on_embedding(self, means: np.ndarray) -> None:
        self._means = means
        if self._samples is None and self.run is not None and not self._files.busy:
            self._files.read(partial(read_samples, self.run), self._on_late_samples, self._on_late_failure)
        if self._model is None and not self._opening:
            self._load()
        self._show_points()

    def _fit_samples(self, means: np.ndarray) -> None:
        """Of very many samples as many may be encoded as ``means`` has rows, or others than before."""
        known = self._samples
        if self.run is None or known is None or self._recorded is None or len(known.indices) == len(means):
            return
        with contextlib.suppress(RunError):  # of another run: they are drawn without colours
            self._samples = self.run.samples_of(self._recorded, means)
            self._match()

    def _on_late_samples(self, samples: ProbeSet | None) -> None:
        self._take_samples(samples)
        self._show_points()

    def _on_late_failure(self, error: Exception) -> None:
        self._view.set_message(str(error))

    def _match(self) -> None:
        """The samples of either run have changed."""
        same = self._second_fingerprint is not None and self._second_fingerprint == self._fingerprint
        self._matching = SampleMatching(self._state.samples, self._samples, same)
        self._show_colours()
        self._due.start()

    # the second cloud

    def _show_points(self) -> None:
        means, display, cloud = self._means, self._state.display, self._cloud
        if means is None:
            return
        self._fit_samples(means)
        first = not cloud.point_count
        self._projection = make_projection(display.axes, means.shape[1], means)
        cloud.set_axes(self._projection.labels, self._projection.dims)
        cloud.set_point_size(display.point_size)
        cloud.set_opacity(display.opacity)
        cloud.set_points(self._projection.to_view(means))
        if first:
            self._lock.align()
        else:
            self._lock.grown()
        self._show_colours()
        self._show_selected()

    def _show_colours(self) -> None:
        """By the same factor and over the same range as the first cloud, so that a colour means one thing in both."""
        if self._means is None:
            return
        count = len(self._means)
        colouring = self._colouring(count)
        self._cloud.set_density(colouring.colormap if colouring.density else "")
        self._cloud.set_colors(point_colours(colouring, count, self._state.theme))

    def _colouring(self, count: int) -> Colouring:
        state, name, samples = self._state, self._state.display.color_by, self._samples
        if samples is None or len(samples.indices) != count:
            return Colouring()
        classes, values = color_targets.classes(state, name), samples.factor(name)
        if classes and values is not None:
            values = _renumbered(values, samples.categories[samples.factor_names.index(name)], classes)
        elif name == SPLIT:
            values = samples.split
        if values is None and name == DENSITY:
            return Colouring(colormap=state.display.colormap, density=True)
        if values is None:
            return Colouring()
        first = state.samples.factor(name) if state.samples is not None else None
        known = [column for column in (first, values) if column is not None and np.isfinite(column).any()]
        low, high = value_range(known[0]) if known else (0.0, 1.0)
        hidden = tuple(state.hidden) if classes else ()
        return Colouring(name, values.astype(np.float64), low, high, state.display.colormap, classes, hidden)

    def _show_selected(self) -> None:
        sample = self._state.document.sample
        self._cloud.set_selected(None if sample is None else self._matching.in_second(sample))

    def _show_hovered(self, index: int | None) -> None:
        if not self._cloud.underMouse():
            self._cloud.set_hovered(None if index is None else self._matching.in_second(index))

    def _on_hover(self, index: int) -> None:
        found = self._matching.in_first(index) if index >= 0 else None
        self._cloud_control.hover(-1 if found is None else found)

    def _on_click(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        found = self._matching.in_first(index)
        if found is None:
            self._view.set_note(self._matching.reason or "This point has no counterpart in the open run.")
        elif modifiers & Qt.KeyboardModifier.ShiftModifier:
            self._cloud_control.select(np.array([found]), True)
        else:
            self.sample_chosen.emit(found)

    # one input for both

    @property
    def kind(self) -> str:
        """What a person has chosen to go into both models."""
        return str(self._kind)

    def choose_kind(self, kind: str) -> None:
        """Choose what goes into both models; one that is unknown changes nothing."""
        if kind in set(Kind) and kind != self._kind:
            self._on_kind(kind)

    def _on_kind(self, kind: str) -> None:
        self._kind = Kind(kind)
        self._asked = None
        self._due.start()
        self.kind_changed.emit()

    def _on_model(self) -> None:
        """Another open run, or other weights of it."""
        model = self._state.model
        self._fingerprint = None
        self._first_files.drop()
        if model is not None:  # perhaps a file of weights by itself, which has none
            self._first_files.read(partial(RunDirectory.open, model.path), self._on_first_run, ignore)
        self._asked = None
        self._cancel_request()
        if model is None:
            self._view.set_images(None, None)
            self._cloud.set_probe(None)
        self._match()

    def _on_first_run(self, run: RunDirectory) -> None:
        self._fingerprint = fingerprint_of(run)
        self._match()

    def _ask(self) -> None:
        """Ask for both images of what the document holds now, if they are not on show already."""
        document = self._state.document
        self._hand = hand_of(self._seen, document, self._state.cursor_mu, self._hand)
        self._seen = document
        self._show_selected()
        model = self._state.model
        if self._model is None or model is None or not on_screen(self._view):
            return
        shared = SharedInput(
            self._state,
            (model.latent_dim, self._model.latent_dim),
            self._hand,
            can_decode=model.can_decode and self._model.can_decode,
            can_encode=model.can_encode and self._model.can_encode,
        )
        self._view.set_kinds(shared.reasons())
        question = shared.question(self._kind)
        if question is None:
            self._asked = None
            self._view.set_note("")
            self._view.set_images(None, None, text=shared.missing())
            self._cloud.set_probe(None)
            return
        self._view.set_kind(question.kind)
        asked = question.kind, frame(question.message)
        if asked != self._asked:
            self._asked = asked
            self._request = self._engine.request(question.message, partial(self._on_compared, question), self._on_error)

    # the engine

    def _on_second_loaded(self, reply: SecondLoaded) -> None:
        self._model = reply
        self._view.set_message("")
        self._renew()

    def _on_engine_loaded(self, loaded: object) -> None:
        if self.run is not None and self._loading is not None and self._loading.outcome is Outcome.FAILED:
            self._load()
        super()._on_engine_loaded(loaded)

    def _renew(self) -> None:
        self._asked = None
        self._due.start()

    def _on_error(self, text: str) -> None:
        self._view.set_note("")
        self._view.set_images(None, None, text=text)

    def _on_compared(self, question: Question, reply: ModelsCompared) -> None:
        model = self._state.model
        if self._asked is None or self.run is None or model is None:
            return
        self._view.set_note(question.note)
        self._view.set_images(
            reply.first,
            reply.second,
            (run_name(model.path), run_name(self.run.path)),
            (reply.first_mu, reply.second_mu),
            (reply.first_excess_bce, reply.second_excess_bce),
        )
        if self._projection is not None and len(self._projection.origin) == len(reply.second_mu):
            self._cloud.set_probe(self._projection.to_view(reply.second_mu))


def _renumbered(values: np.ndarray, names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    """Classes (N,), places in ``names``, as places in ``known``; NaN for what is not among these."""
    places = np.array([known.index(name) if name in known else np.nan for name in names] + [np.nan])
    return places[np.where(np.isfinite(values), values, len(names)).astype(np.int64)]


class CameraLock(QObject):
    """Turns ``second`` when a hand turns ``first``, and the other way round.

    Distance and centre are each cloud's own, for two models spread their clouds differently; the second is kept whole
    in its view until a hand zooms or shifts it.
    """

    def __init__(self, first: CloudView, second: CloudView) -> None:
        super().__init__(second)
        self._first, self._second = first, second
        self._framed: tuple = ()
        self._own_frame = False
        first.view_changed.connect(lambda: self._follow(first, second))
        second.view_changed.connect(self._on_second)
        second.installEventFilter(self)

    def align(self) -> None:
        """Another cloud is in the second view: show it whole, from where the first is seen."""
        self._own_frame = False
        self._follow(self._first, self._second)
        self.fill()

    def grown(self) -> None:
        """The second cloud has changed: keep it in its view."""
        if self._second.scene.outgrown():
            self.fill()

    def fill(self) -> None:
        """Show the second cloud whole, unless a hand has chosen what is seen of it."""
        if self._own_frame or not self._second.point_count:
            return
        self._second.scene.fit(orient=False)
        self._second.set_camera(self._second.camera())
        self._framed = _frame(self._second)

    def _on_second(self) -> None:
        if _frame(self._second) != self._framed:
            self._own_frame = True
        self._follow(self._second, self._first)

    def _follow(self, led: CloudView, follower: CloudView) -> None:
        angles = {name: led.camera()[name] for name in ANGLES}
        camera = follower.camera()
        if follower.point_count and any(camera[name] != angles[name] for name in ANGLES):
            follower.set_camera({**camera, **angles})

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """After a change of size, and after the view itself has heard of it."""
        if event.type() == QEvent.Type.Resize:
            QTimer.singleShot(0, self, self.fill)
        return super().eventFilter(watched, event)


def _frame(cloud: CloudView) -> tuple:
    camera = cloud.camera()
    return camera["distance"], tuple(camera["target"])


def fingerprint_of(run: RunDirectory) -> str | None:
    """What marks the data that ``run`` was trained on; None where that is not known."""
    dataset = run.metadata.get("dataset")
    mark = dataset.get("fingerprint") if isinstance(dataset, dict) else None
    return mark if isinstance(mark, str) else None


class SampleMatching:
    """Finds samples of ``first`` among those of ``second`` and the other way round. All positions are in ``ProbeSet``.

    ``same_data``: both runs were trained on the same images, so equal indices are the same image; so are equal names of
    files. Else it is the sample with the nearest factors, where all are known; a class is the same or it is not.
    ``reason`` says why nothing can be found, and is empty otherwise.
    """

    def __init__(self, first: ProbeSet | None, second: ProbeSet | None, same_data: bool) -> None:
        self._first, self._second, self._same = first, second, same_data
        self._names: tuple[str, ...] = ()
        self.reason = ""
        if first is None or second is None:
            self.reason = NO_SAMPLES
            return
        if set(first.factor_names) == set(second.factor_names):
            self._names = first.factor_names
        self._files = frozenset(first.names) & frozenset(second.names)
        if not same_data and not self._names and not self._files:
            self.reason = NOTHING_SHARED

    def in_second(self, position: int) -> int | None:
        """The second run's sample that is the first's ``position``; None if there is none."""
        return self._find(position, self._first, self._second)

    def in_first(self, position: int) -> int | None:
        """The first run's sample that is the second's ``position``; None if there is none."""
        return self._find(position, self._second, self._first)

    def _find(self, position: int, here: ProbeSet | None, there: ProbeSet | None) -> int | None:
        if self.reason or here is None or there is None or not 0 <= position < len(here.indices):
            return None
        if self._same:
            found = np.flatnonzero(there.indices == here.indices[position])
            if len(found):
                return int(found[0])
        if here.names and here.names[position] in self._files:
            return there.names.index(here.names[position])
        return self._nearest(position, here, there)

    def _nearest(self, position: int, here: ProbeSet, there: ProbeSet) -> int | None:
        """The sample of ``there`` with the nearest numbers, each in units of its range, and the same classes.

        None where a factor of this one is not known.
        """
        possible = np.ones(len(there.indices), dtype=bool)
        numbers = []
        for name in self._names:
            value, values = _one(here, name)[position], _one(there, name).astype(np.float64)
            kinds, theirs = _classes(here, name), _classes(there, name)
            if not np.isfinite(value):
                return None
            if kinds and theirs:
                kind = kinds[int(value)]
                possible &= values == (theirs.index(kind) if kind in theirs else -1)
            elif not kinds and not theirs:
                possible &= np.isfinite(values)
                numbers.append(values - value)
        if not possible.any() or not self._names:
            return None
        away = np.stack(numbers, axis=1)[possible] if numbers else np.zeros((int(possible.sum()), 1))
        span = np.ptp(away, axis=0)
        nearest = ((away / np.where(span > 0, span, 1.0)) ** 2).sum(axis=1).argmin()
        return int(np.flatnonzero(possible)[nearest])


def _one(samples: ProbeSet, name: str) -> np.ndarray:
    return samples.factors[:, samples.factor_names.index(name)]


def _classes(samples: ProbeSet, name: str) -> tuple[str, ...]:
    return samples.categories[samples.factor_names.index(name)]


@dataclass(frozen=True, eq=False)
class SharedInput:
    """All that the choice depends on: the state, both models' numbers of latent dimensions ``dims``, ``hand``, the kind
    that the last gesture fed, and whether both have a decoder and both an encoder."""

    state: State
    dims: tuple[int, int]
    hand: Kind
    can_decode: bool = True
    can_encode: bool = True

    def reasons(self) -> dict[str, str]:
        """Why a kind cannot be chosen, for those that cannot."""
        if not self.can_decode:
            return dict.fromkeys(Kind, ONE_WITHOUT_DECODER)
        found: dict[str, str] = {}
        samples, model = self.state.samples, self.state.model
        if samples is None:
            found[Kind.IMAGE] = "The open run has recorded no samples yet."
        elif not self.can_encode:
            found[Kind.IMAGE] = ONE_WITHOUT_ENCODER
        elif model is not None and not model.has_originals:
            found[Kind.IMAGE] = lacking_originals(model)
        if len(factor_names(self.state)) < 2:
            found[Kind.PARAMETERS] = "The open run's images have no factors, so there is no parameter plane."
        elif Kind.IMAGE in found and samples is not None:
            found[Kind.PARAMETERS] = found[Kind.IMAGE]
        if self.dims[0] != self.dims[1]:
            found[Kind.LATENT] = (
                f"The runs have {self.dims[0]} and {self.dims[1]} latent dimensions, so they share no latent points."
            )
        return found

    def question(self, chosen: Kind) -> Question | None:
        """What to ask: by the ``chosen`` kind if the document has an input for it, else as the hand fed it."""
        kinds = [chosen, self.hand]
        if Kind.IMAGE in self.reasons():
            kinds.append(Kind.LATENT)  # a sample that was clicked has a place, if no image
        for kind in kinds:
            asked = self._question(kind)
            if asked is not None:
                return asked
        return None

    def missing(self) -> str:
        """What to do when there is no question."""
        if not self.can_decode:
            return ONE_WITHOUT_DECODER
        reason = self.reasons().get(Kind.LATENT, "") if self.hand is Kind.LATENT else ""
        return f"{reason} {CLICK}".strip()

    def _question(self, kind: Kind) -> Question | None:
        if kind in self.reasons():
            return None
        if kind is Kind.IMAGE:
            return self._of_sample(self.state.document.sample, kind)
        if kind is Kind.PARAMETERS:
            return self._of_cursor()
        probe = self.state.document.probe
        if probe is None or len(probe) != self.dims[0]:
            return None
        return Question(
            kind,
            "Both decoders at the probe",
            CompareModels(index=-1, factors=NO_VALUES, z=np.asarray(probe, dtype=np.float32)),
        )

    def _of_sample(self, position: int | None, kind: Kind) -> Question | None:
        samples = self.state.samples
        if samples is None or position is None or not 0 <= position < len(samples.indices):
            return None
        index = int(samples.indices[position])
        values = (
            f"{name} = {value:.3g}" for name, value in zip(samples.factor_names, samples.factors[position], strict=True)
        )
        return Question(
            kind, " · ".join([f"Sample {index}", *values]), CompareModels(index=index, factors=NO_VALUES, z=NO_VALUES)
        )

    def _of_cursor(self) -> Question | None:
        cursor = self.state.document.cursor
        if cursor is None or self.hand is Kind.LATENT:  # the probe has left the place that the cursor marks
            return None
        if is_drawn(self.state):
            a, b = cursor
            message = CompareModels(index=-1, factors=np.array(cursor, dtype=np.float32), z=NO_VALUES)
            return Question(Kind.PARAMETERS, f"a = {a:.3f} · b = {b:.3f}", message)
        # Where nothing draws images in between, the cursor stands on a sample.
        nearest = nearest_samples(self.state, np.array([cursor]), shown_plane(self.state))
        return self._of_sample(int(nearest[0]) if len(nearest) else None, Kind.PARAMETERS)


def _read_same(missing: RunReference, folder: Path) -> RunDirectory:
    """The run in ``folder``. For a thread. Raises ``RunError``, also if it is not the one that is ``missing``."""
    run = RunDirectory.open(folder)
    if run.fingerprint != missing.fingerprint:
        raise RunError(
            f"{folder} holds another run than the one that was compared with, {Path(missing.path).name}. Choose the "
            "folder that it has been moved to, or another run to compare with."
        )
    return run


def hand_of(before: Document, now: Document, landed: np.ndarray | None, last: Kind) -> Kind:
    """The kind that the gesture between two documents fed; ``last`` where none did.

    ``landed`` float32 (d,) is where the cursor's image was last seen to land: a probe that goes there follows the
    cursor and is not moved by a hand.
    """
    if now.sample is not None:
        return Kind.IMAGE
    if now.cursor is not None and now.cursor != before.cursor:
        return Kind.PARAMETERS
    moved = now.probe is not None and not _same(before.probe, now.probe)
    return Kind.LATENT if moved and not _same(landed, now.probe) else last


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
