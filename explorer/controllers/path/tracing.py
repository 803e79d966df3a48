"""Traced curves: geodesics, factor curves and their like, from clicks and ends to the document's path.

The engine answers little by little, first roughly and at once. The first answer is the step that undo takes back; the
better ones take its place in that step. While the model learns, the curve is traced again; ends that were clicked stay
with their samples.

The newest request wins; one that follows a drag waits for the answer before it, so that there is one at all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from core.paths.latent_path import LatentPath
from core.paths.recipe import END_OF_DATA, JOINING, PATH_KINDS, Recipe, RecipeKind
from core.projects.edited import Document, Step, Trace
from core.projects.project import TracedPath
from core.protocol.messages import PathTraced
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.path.path import CURVE_POINTS, SELECT, PathController
from explorer.controllers.path.playback import PlaybackController
from explorer.state import Model

RETRACE_S = 1.0  # while the model learns, a curve is traced again at most this often
PATIENCE_S = 1.0  # a request that follows a drag waits so long for the answer before it
VOTERS = 15  # samples around a place that say which class it is
UNANIMOUS = 0.95  # of the votes from which on there is one class
OFF_DATA = " (extrapolated: off the data)"
Ends = tuple[int | None, int | None]
"""The samples at which a path starts and ends; None where a hand has placed it."""


class Purpose(Enum):
    """What becomes of an answer."""

    PREVIEW = "only shown"
    DRAG = "live, while an end is dragged"
    STEP = "an undo step of its own"
    REFINEMENT = "replaces the path in the same undo step"


@dataclass(frozen=True, eq=False)
class TraceRequest:
    """A path to be traced; ``samples`` at its start and end, which it follows; ``quiet``: no rough answers."""

    recipe: Recipe
    samples: Ends
    purpose: Purpose
    label: str = ""
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class _Traced:
    """What is known of a path: ``samples`` at its ends, the ``generation`` that traced it and the ``answer`` it is."""

    samples: Ends
    generation: int
    answer: PathTraced | None = None

    @cached_property
    def kept(self) -> TracedPath | None:
        """What a session keeps of it; None while nothing is known. The same object each time: it is written once."""
        answer = self.answer
        if answer is None:
            return None
        labels, flagged = np.asarray(answer.labels, np.float64), np.asarray(answer.flagged, np.uint8)
        return TracedPath(self.samples, answer.stage, answer.final, labels, answer.names, flagged, answer.note)


class TracingController(Controller):
    """Binds clicks in the mode "trace", the kinds of the path panel and the ends of computed paths to the engine."""

    def __init__(
        self, context: Context, cloud: CloudController, path: PathController, playback: PlaybackController
    ) -> None:
        super().__init__(context)
        self._path, self._playback, self._view = path, playback, path.view
        self._start: int | None = None  # the sample at which a curve was begun
        self._cloud = cloud
        self._preview: np.ndarray | None = None  # float (K, d): drawn dashed until a click makes it the path
        self._preview_answer: PathTraced | None = None  # None while there is only a place where it will start
        self._preview_projection: object = None  # along which it is drawn
        self._asked: TraceRequest | None = None  # its answers are awaited, or may still become something else
        self._next: TraceRequest | None = None
        self._sent_at, self._silent = 0.0, False
        self._refined = False  # a better answer than the graph's has come
        self._written: LatentPath | None = None
        self._traced: WeakKeyDictionary[LatentPath, _Traced] = WeakKeyDictionary()
        self._moved = False  # since a hand holds an end
        self._generation = 0  # how often the model or the cloud has changed
        self._asked_generation = -1  # when the engine was asked; -1: the path must be asked about again
        self._means, self._retrace_at = self._state.embedding, 0.0
        self._engine.weights_changed.connect(self._on_weights)
        view, events = self._view, self._state.events
        cloud.view.traced.connect(self.click)
        cloud.view.rail_moved.connect(self._on_rail)
        cloud.view.rail_stepped.connect(self._playback.step)
        self._path.end_moved.connect(self._on_end_moved)
        self._path.ends_released.connect(self._on_ends_released)
        self._path.shown.connect(self._show_kind)
        view.kinds.traced_chosen.connect(self.choose_kind)
        view.kinds.target_chosen.connect(lambda target: self.choose("target", target))
        view.kinds.penalty_changed.connect(lambda penalty: self.choose("penalty", penalty))
        view.kinds.hold.held_chosen.connect(lambda held: self.choose("held", held))
        view.kinds.hold.dimension_chosen.connect(lambda dimension: self.choose("dimension", dimension))
        events.document.connect(self._on_document)
        events.embedding.connect(self._on_embedding)
        events.model.connect(self._on_model)
        events.mode.connect(self._on_mode)
        events.hovered.connect(self._on_hovered)
        self._when((events.trace, events.samples, events.attributes, events.estimated_dimension), self._path.let_go)
        self._when((events.playback,), lambda: self._mark("note"))

    # what is chosen

    @property
    def _target(self) -> str:
        """The factor that the next curve changes."""
        names, wanted = color_targets.numbers(self._state), self._state.trace.target
        return wanted if wanted in names else (names[0] if names else "")

    def choose_kind(self, kind: str) -> None:
        """Trace this kind from now on; a path that there is becomes one of it, through its ends."""
        self.cancel()
        path, trace = self._state.document.path, dataclasses.replace(self._state.trace, kind=kind)  # pyright: ignore[reportArgumentType]  # the view offers these kinds
        alone = f"choose {kind_name(trace.kind)}"
        if path is None:
            self._editing.commit(alone, kind=kind)
            self._state.mode = "trace"
            return
        if trace.kind not in JOINING and not self._target:
            self._editing.commit(alone, kind=kind)
            self._path.let_go()
            return
        recipe = converted(path, trace, self._target)
        if recipe is None or recipe == path.recipe:
            self._editing.commit(alone, kind=kind)
        if recipe is None:
            self.refused.emit(
                f"A {kind_name(trace.kind)} joins two points, and the path has only one. Add another point (4)."
            )
        elif recipe != path.recipe:
            start, end = self._known(path).samples
            samples = (start, end if recipe.end is not None else None)
            if recipe.end is not None and (path.recipe is None or path.recipe.end is None):
                samples = (None, None)
            label = f"turn path into {kind_name(recipe.kind)}"
            self._editing.live(label, kind=kind)  # until the path is there: both are one step
            self._ask(TraceRequest(recipe, samples, Purpose.STEP, label))
        self._path.let_go()

    def choose(self, name: str, value: Any) -> None:
        """Trace with another ``target``, ``penalty``, ``held`` labels or ``dimension`` of the surface from now on (None
        for the last two: those that the engine chooses), and the path that there is, too, where its kind has it."""
        path = self._state.document.path
        recipe, changes = path.recipe if path is not None else None, {name: value}
        if name == "target":
            possible, label, changes["value"] = recipe is not None and not recipe.joins, f"change {value}", None
        elif name == "penalty":
            possible = recipe is not None and recipe.kind == "geodesic"
            label = "keep the geodesic on the data" if value else "let the geodesic leave the data"
        else:
            possible = recipe is not None and PATH_KINDS[recipe.kind].holds
            label = "choose what is held" if name == "held" else "choose the dimension"
        if path is None or recipe is None or not possible or getattr(recipe, name) == value:
            self._editing.commit(label, **{name: value})
        else:
            samples = self._known(path).samples
            self._editing.live(label, **{name: value})  # until the path is there: both are one step
            self._ask(TraceRequest(dataclasses.replace(recipe, **changes), samples, Purpose.STEP, label))

    # clicks

    def click(self, index: int) -> None:
        """Sample ``index`` was clicked: a path starts there, ends there, or passes through it."""
        means, trace = self._state.embedding, self._state.trace
        if means is None or not 0 <= index < len(means):
            return
        if trace.kind not in JOINING:
            if not self._target:
                self.refused.emit(
                    f"A {kind_name(trace.kind)} changes a factor, and this run has none. Choose a geodesic."
                )
                return
            recipe = Recipe(trace.kind, means[index], None, self._target, **chosen(trace))
            self._ask(TraceRequest(recipe, (index, None), Purpose.STEP, f"trace {kind_name(trace.kind)}"))
        elif self._start is None or self._start >= len(means):
            self._start = index
            self._show_preview(means[index][None])
        elif index != self._start:
            request = self._between(self._start, index, Purpose.STEP)
            self._start = None
            self._accept_preview(request)
        self._mark("note")

    def _between(self, start: int, end: int, purpose: Purpose) -> TraceRequest:
        means, trace = self._state.embedding, self._state.trace
        if means is None:
            raise RuntimeError("A curve is traced between samples, but there are none.")
        recipe = Recipe(trace.kind, means[start], means[end], penalty=trace.penalty)
        return TraceRequest(recipe, (start, end), purpose, f"trace {kind_name(trace.kind)}")

    def _accept_preview(self, request: TraceRequest) -> None:
        """The second click: what has been proposed becomes the path, if that is what was clicked."""
        asked = self._asked if self._next is None else None
        if asked is None or asked.purpose is not Purpose.PREVIEW or asked.recipe != request.recipe:
            self._ask(request)
            return
        self._written = self._state.document.path
        self._asked = step = dataclasses.replace(asked, purpose=Purpose.STEP)
        if self._preview_answer is not None:
            self._on_answer(step, self._preview_answer)

    def _on_hovered(self, index: int | None) -> None:
        if self._start is None or self._state.mode != "trace" or index is None or index == self._start:
            return
        means = self._state.embedding
        if means is not None and max(index, self._start) < len(means):
            self._ask(self._between(self._start, index, Purpose.PREVIEW))

    def cancel(self) -> bool:
        """Give up a curve that has a start and no end; whether there was one."""
        begun, self._start = self._start is not None, None
        if begun:
            self._asked_generation = -1
            self._drop(Purpose.PREVIEW)
            self._show_preview(None)
            self._mark("note")
        return begun

    def _on_mode(self, mode: str) -> None:
        if mode != "trace":
            self.cancel()
        self._path.let_go()

    # what a session keeps

    def traced(self, steps: Sequence[Step]) -> tuple[tuple[int, TracedPath], ...]:
        """How the computed paths of ``steps`` were traced, each by the first step that has it."""
        found: dict[int, tuple[int, TracedPath]] = {}
        for place, step in enumerate(steps):
            path = step.edited.document.path
            if path is not None and path.recipe is not None and id(path) not in found:
                kept = self._known(path).kept
                if kept is not None:
                    found[id(path)] = place, kept
        return tuple(found.values())

    def restore(self, steps: Sequence[Step], traced: Sequence[tuple[int, TracedPath]]) -> None:
        """Know again how the paths of ``steps`` were traced, as ``traced`` gave it; before they are shown."""
        for place, kept in traced:
            path = steps[place].edited.document.path
            if path is None or path.recipe is None or len(kept.labels) not in (0, len(path)):
                continue
            answer = PathTraced(
                kind=path.recipe.kind,
                points=path.control,
                stage=kept.stage,
                labels=kept.labels,
                names=kept.names,
                flagged=kept.flagged.astype(bool),
                note=kept.note,
                milliseconds=0.0,
                final=kept.final,
            )
            self._traced.pop(path, None)  # as in ``_write``
            self._traced[path] = _Traced(kept.samples, self._generation, answer)

    # the rail

    def _on_rail(self, share: float) -> None:
        path = self._state.document.path
        if path is not None and len(path) > 1:
            self._playback.seek(float(path.share(share * path.segments)))

    # the ends

    def _on_end_moved(self, index: int, place: np.ndarray, sample: int) -> None:
        path = self._state.document.path
        if path is None or path.recipe is None:
            return
        start, end = self._known(path).samples
        there = sample if sample >= 0 else None
        samples, recipe = (there, end) if index == 0 else (start, there), with_handle(path.recipe, index, place)
        self._ask(TraceRequest(recipe, samples, Purpose.DRAG, f"move end of {kind_name(recipe.kind)}"))

    def _on_ends_released(self) -> None:
        moved, self._moved = self._moved, False
        wanted = self._newest
        if moved or wanted is None or wanted.purpose is not Purpose.DRAG:
            self._editing.settle()  # else the path that is on its way settles the gesture
        if wanted is not None and wanted.purpose is Purpose.DRAG:
            wanted = dataclasses.replace(wanted, purpose=Purpose.REFINEMENT if moved else Purpose.STEP)
            if self._next is None:
                self._asked = wanted
            else:
                self._next = wanted
                self._send_due()
        elif wanted is None:
            self._path.let_go()

    # asking and answers

    @property
    def _newest(self) -> TraceRequest | None:
        """What is wanted now, asked for or about to be."""
        return self._next if self._next is not None else self._asked

    def _ask(self, request: TraceRequest) -> None:
        """Want ``request`` instead of anything else."""
        self._written = self._state.document.path
        self._preview_answer = None
        self._next = request
        self._send_due()

    def _drop(self, *purposes: Purpose) -> None:
        """Want nothing any more that has one of ``purposes``."""
        if self._next is not None and self._next.purpose in purposes:
            self._next = None
        if self._asked is not None and self._asked.purpose in purposes:
            self._asked = None

    def _send_due(self) -> None:
        """Ask the engine for what is wanted, if it is its turn."""
        request = self._next
        if request is None or self._state.model is None:
            return
        waiting = self._asked is not None and self._silent and monotonic() - self._sent_at < PATIENCE_S
        if waiting and request.purpose in (Purpose.PREVIEW, Purpose.DRAG):
            return
        self._asked, self._next, self._silent, self._sent_at = request, None, True, monotonic()
        self._refined = request.quiet
        self._engine.request(request.recipe.request(), self._on_traced, self._on_error)
        self._asked_generation = self._generation
        self._mark("note")

    def _on_error(self, _: str) -> None:
        self._silent = False
        request, self._asked = self._asked, None
        if request is not None:
            self._give_up(request)
        self._send_due()

    def _on_traced(self, reply: PathTraced) -> None:
        self._silent = False
        if self._asked is not None:
            rough = reply.stage == "graph" and not reply.final
            if not (rough and self._refined):  # of a better graph, before it is relaxed: worse than what is shown
                self._on_answer(self._asked, reply)
            self._refined = self._refined or not rough
        self._send_due()

    def _give_up(self, request: TraceRequest) -> None:
        """There is no such curve: everything is shown as it was."""
        if request.purpose is Purpose.STEP:
            self._editing.settle()  # what was chosen for it stays chosen
        if request.purpose in (Purpose.PREVIEW, Purpose.STEP):
            begun, means = self._start, self._state.embedding
            self._show_preview(means[begun][None] if begun is not None and means is not None else None)
        self._path.let_go()
        self._mark("note")

    def _on_answer(self, request: TraceRequest, reply: PathTraced) -> None:
        if len(reply.points) < 2:
            if reply.final:
                if request.purpose is not Purpose.PREVIEW:
                    self.refused.emit(
                        f"There is no {kind_name(request.recipe.kind)} here: {reply.note or 'it has no length'}."
                    )
                self._asked = None
                self._give_up(request)
            return
        path = LatentPath(reply.points, recipe=request.recipe)
        if request.purpose is Purpose.PREVIEW:
            self._show_preview(path.sample(CURVE_POINTS), reply)
        else:
            self._write(request, path, reply)
            if reply.final:
                self._asked = None
        self._mark("note")

    def _write(self, request: TraceRequest, path: LatentPath, reply: PathTraced) -> None:
        before = self._state.document.path
        if request.purpose is Purpose.REFINEMENT and before is not None and path == before:
            path = before  # nothing has become better: its frames are good
        self._traced.pop(path, None)  # an equal path's entry would go when that path goes
        self._traced[path] = _Traced(request.samples, self._asked_generation, reply)
        self._written = path
        if request.purpose is Purpose.DRAG:
            self._moved = True
            self._editing.live(request.label, joins=SELECT, path=path)
        elif request.purpose is Purpose.REFINEMENT and before is not None:
            self._editing.refine(path=path)
        else:
            if self._asked is not None:
                self._asked = dataclasses.replace(self._asked, purpose=Purpose.REFINEMENT)
            self._show_preview(None)
            trace = self._like(request.recipe)
            self._editing.commit(request.label, joins=SELECT, path=path, trace=trace)
            if request.recipe.end is None:
                self._playback.seek(path.nearest(request.recipe.start)[0])

    # what else changes

    def _on_document(self, document: Document) -> None:
        path = document.path
        if path is self._written:
            return
        self._written, self._moved, self._asked_generation = path, False, -1
        self._drop(Purpose.DRAG, Purpose.STEP, Purpose.REFINEMENT)  # they were for a path that is gone
        self._mark("note")
        if path is None or path.recipe is None:
            return
        self._traced.setdefault(path, self._known(path))
        if self._editing.restoring:  # the choice that was made with it comes back, too
            return
        self._editing.follow(trace=self._like(path.recipe))

    def _like(self, recipe: Recipe) -> Trace:
        """What is to be traced next after ``recipe``: the like."""
        trace = self._state.trace
        holding = recipe if PATH_KINDS[recipe.kind].holds else trace
        target = recipe.target or trace.target
        return Trace(recipe.kind, target, recipe.penalty, holding.held, holding.dimension)

    def _on_model(self, model: Model | None) -> None:
        if model is None:
            self._reset()
        elif (self._state.trace.dimension or 0) > model.latent_dim:  # chosen for a run with more
            self._editing.refine(dimension=None)

    def _on_weights(self) -> None:
        self._generation += 1

    def _known(self, path: LatentPath) -> _Traced:
        """How ``path`` was traced; one that comes from elsewhere is good as it is, until the model changes."""
        return self._traced.get(path, _Traced((None, None), self._generation))

    def _on_embedding(self, means: np.ndarray | None) -> None:
        if means is None:
            self._reset()
            return
        if self._start is not None and self._start < len(means):
            self._show_preview(means[self._start][None])
        if self._state.epoch is None and not (self._means is not None and np.array_equal(means, self._means)):
            self._means = means
            self._generation += 1

    def _reset(self) -> None:
        self.cancel()
        self._drop(*Purpose)
        self._means, self._moved = None, False
        self._mark("note")

    def _retrace(self) -> None:
        """Trace the path again: its weights are not the newest ones, or its tracing was broken off."""
        path, model, now, wanted = self._state.document.path, self._state.model, monotonic(), self._newest
        if now < self._retrace_at or model is None or path is None or path.recipe is None:
            return
        busy = self._start is not None or (wanted is not None and wanted.purpose is not Purpose.REFINEMENT)
        if busy or self._asked_generation == self._generation:
            return
        self._asked_generation = self._generation
        known, recipe = self._known(path), path.recipe
        rough = known.answer is not None and not known.answer.final
        again = known.generation != self._generation or (wanted is None and rough)
        if again and len(recipe.start) == model.latent_dim:
            self._retrace_at = now + RETRACE_S
            for index, sample in enumerate(known.samples):  # the ends go where their samples are now
                if sample is not None and self._means is not None and sample < len(self._means):
                    recipe = with_handle(recipe, index, self._means[sample])
            self._ask(TraceRequest(recipe, known.samples, Purpose.REFINEMENT, quiet=True))

    # showing

    def tick(self) -> None:
        """Send what is due, and show what has changed."""
        self._send_due()
        self._retrace()
        if self._preview_projection is not self._cloud.projection:  # the cloud is seen along other axes now
            self._show_preview(self._preview, self._preview_answer)
        if self._dirty:
            self._dirty.clear()
            self._show_note()

    @property
    def _pending(self) -> TraceRequest | None:
        """A curve that will be a step as soon as there is an answer."""
        wanted = self._newest
        return wanted if wanted is not None and wanted.purpose is Purpose.STEP else None

    def _show_kind(self) -> None:
        """What the path panel shows as the kind: of what is being traced, of the path, or of the next one."""
        state, path = self._state, self._state.document.path
        numbers = color_targets.numbers(state)
        if not set(state.trace.held or ()) <= set(numbers):  # another run has other labels
            self._editing.refine(held=None)
        self._view.kinds.set_targets(numbers)
        pending = self._pending
        recipe = pending.recipe if pending is not None else (path.recipe if path is not None else None)
        chosen_so = state.trace if recipe is None or not PATH_KINDS[recipe.kind].holds else recipe
        means, kinds = state.embedding, self._view.kinds
        kinds.hold.set_labels(numbers, chosen_so.held, (recipe and recipe.target) or self._target)
        most = means.shape[1] if means is not None else 0
        kinds.hold.set_dimension(chosen_so.dimension, most, state.estimated_dimension)
        if recipe is not None:
            self._view.kinds.show_traced(recipe.kind, recipe.target or self._target, recipe.penalty)
        elif path is None or state.mode == "trace":
            self._view.kinds.show_traced(state.trace.kind, self._target, state.trace.penalty)
        self._mark("note")

    def _show_note(self) -> None:
        state, path, trace = self._state, self._state.document.path, self._state.trace
        answer = self._known(path).answer if path is not None else None
        pending = self._pending
        if self._start is not None:
            self._view.set_note(end_note(trace.kind, self._preview_answer))
        elif pending is not None:
            self._view.set_note(f"Tracing the {kind_name(pending.recipe.kind)} …")
        elif path is not None and answer is not None:
            note = path_note(path, answer, self._playback.share, self._classes_on(path))
            self._view.set_note(note, warning=needs_attention(answer))
        elif state.mode == "trace" and (path is None or path.recipe is None):
            self._view.set_note(start_note(trace.kind, self._target))
        else:
            self._view.set_note(self._classes_on(path) if path is not None else "")

    def _classes_on(self, path: LatentPath) -> str:
        """Which classes the samples around the place that is shown have."""
        state, notes = self._state, []
        if state.embedding is None or state.samples is None or state.embedding.shape[1] != path.control.shape[1]:
            return ""
        place = path.at(self._playback.share)
        for name in color_targets.names(state):
            kinds, values = color_targets.categories(state, name), color_targets.values(state, name)
            if kinds and values is not None and len(values) == len(state.embedding):
                notes.append(class_note(name, kinds, values, state.embedding, place))
        return " · ".join(filter(None, notes))

    def _show_preview(self, points: np.ndarray | None, answer: PathTraced | None = None) -> None:
        """Propose a curve float (K, d); of one point, where it will start; None: nothing."""
        self._preview, self._preview_answer = points, answer
        self._preview_projection = projection = self._cloud.projection
        curve = projection.to_view(points) if points is not None and projection is not None else None
        self._cloud.view.set_preview(curve)


def with_handle(recipe: Recipe, index: int, place: np.ndarray) -> Recipe:
    """``recipe`` with its start (handle 0) or end moved to ``place`` (d,); the end then says how far it goes."""
    if index == 0:
        return dataclasses.replace(recipe, start=place)
    return dataclasses.replace(recipe, end=place, value=None)


def chosen(trace: Trace) -> dict[str, Any]:
    """What a person has chosen to be held, as a recipe takes it; nothing for a kind that holds nothing."""
    return {"held": trace.held, "dimension": trace.dimension} if PATH_KINDS[trace.kind].holds else {}


def converted(path: LatentPath, trace: Trace, target: str) -> Recipe | None:
    """The recipe that leads through the ends of ``path`` as ``trace`` says; None where it has but one and two are
    needed.

    A path that was laid from one place, as far as the data go, is laid from there again where the kind allows it.
    """
    kind, penalty, holds = trace.kind, trace.penalty, chosen(trace)
    joins = kind in JOINING
    target = "" if joins else target
    before = path.recipe
    if before is not None and before.end is None and not joins:
        return Recipe(kind, before.start, None, target, None, penalty, **holds)
    start, end = path.control[0], path.control[-1]
    if before is not None and before.end is not None:
        start, end = before.start, before.end
    if len(path) < 2 or np.array_equal(start, end):
        return None if joins else Recipe(kind, start, None, target, None, penalty, **holds)
    return Recipe(kind, start, end, target, None, penalty, **holds)


def kind_name(kind: RecipeKind) -> str:
    """The kind as a word within a sentence."""
    return PATH_KINDS[kind].text.lower()


def start_note(kind: RecipeKind, target: str) -> str:
    """What a click does, before the first one."""
    if PATH_KINDS[kind].joins:
        return f"{PATH_KINDS[kind].text}: click the sample where it starts"
    return f"{PATH_KINDS[kind].text} of {target}: click the sample it should pass through"


def end_note(kind: RecipeKind, answer: PathTraced | None) -> str:
    """What a click does when the start is chosen; ``answer``: the curve to the sample under the mouse."""
    parts = [f"{PATH_KINDS[kind].text}: click the sample where it ends (Esc: choose another start)"]
    if answer is not None and answer.off_share > 0.0:
        parts.append(f"{max(1, round(100 * answer.off_share))} % off the data")
    return " · ".join(parts + ([answer.note] if answer is not None and answer.note else []))


def class_note(name: str, kinds: tuple[str, ...], values: np.ndarray, means: np.ndarray, place: np.ndarray) -> str:
    """What the samples nearest to ``place`` (d,) are, by vote: a class is never averaged.

    ``values`` (N,) are places in ``kinds``, NaN where it is not known; ``means`` (N, d). "" where none is known.
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return ""
    away = ((means[known] - place) ** 2).sum(axis=1)
    nearest = known[np.argsort(away, kind="stable")[:VOTERS]]
    votes = np.bincount(values[nearest].astype(np.int64), minlength=len(kinds)) / len(nearest)
    first, second = np.argsort(-votes, kind="stable")[:2] if len(kinds) > 1 else (0, 0)
    if votes[first] >= UNANIMOUS:
        return f"{name} {kinds[first]}"
    return f"{name} between {kinds[first]} and {kinds[second]}: {votes[first]:.1f} / {votes[second]:.1f}"


def path_note(path: LatentPath, answer: PathTraced, s: float, classes: str = "") -> str:
    """The factors at the share ``s`` of the path, the range of the one that changes, and the engine's own note.

    ``classes`` says the same of those. Off the data the labels are extrapolated from its edge, and the note says so.
    """
    here, whole = "", ""
    labels, names = answer.labels, answer.names
    if len(labels) == len(path) > 1 and labels.shape[1] == len(names):
        u, places = float(path.parameter(s)), np.arange(len(path))
        values = [np.interp(u, places, labels[:, column]) for column in range(len(names))]
        known = ", ".join(f"{n} {_number(v)}" for n, v in zip(names, values, strict=True) if np.isfinite(v))
        flagged = answer.flagged if len(answer.flagged) == len(path) else np.zeros(len(path), dtype=bool)
        guessed = bool(flagged[int(u) : int(np.ceil(u)) + 1].any())
        here = f"here {known}{OFF_DATA if guessed else ''}" if known else ""
        whole = _range(path, labels, names, bool(flagged[0] or flagged[-1]))
    return " · ".join(part for part in (here, classes, *_remarks(answer), whole) if part)


def _range(path: LatentPath, labels: np.ndarray, names: tuple[str, ...], guessed: bool) -> str:
    """From what to what the target goes, "" if the path has none."""
    target = path.recipe.target if path.recipe is not None else ""
    if target not in names:
        return ""
    first, last = labels[[0, -1], names.index(target)].tolist()
    if not np.isfinite([first, last]).all():
        return ""
    return f"{target} from {_number(first)} to {_number(last)}{OFF_DATA if guessed else ''}"


def needs_attention(answer: PathTraced) -> bool:
    """Whether what the engine noted is a reason to be careful, and not what is usual or will pass."""
    return answer.final and bool(_remarks(answer))


def _remarks(answer: PathTraced) -> list[str]:
    return [part for part in answer.note.split("; ") if part not in ("", END_OF_DATA)]


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
