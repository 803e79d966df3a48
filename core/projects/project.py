"""What a session and a project file hold, as plain values, and what must be true of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.projects.edited import Attributes, Display, Document, Edited, Group, PackedPositions, Playback, Step, Trace
from core.projects.panel import Panel
from core.rendering import colormaps
from core.runs.directory import MAX_MEAN, MAX_SAMPLES
from core.utils.untrusted import UnreadableError

MOST_STEPS = 501
"""The first state, and 500 that can be taken back."""
LONGEST_TEXT = 1_000_000  # characters, of notes


class ProjectError(ValueError):
    """A project that cannot be read, written or used; the message names the file, the fault and the remedy."""


@dataclass(frozen=True)
class RunReference:
    """Which run it is about. ``path`` is where its folder was; ``relative`` the same from the project file's folder, ""
    if that is unknown; ``fingerprint`` knows the run again wherever it lies (``core.projects.run_reference``).

    ``bundled``: the model that comes with Isoline.
    """

    path: str = ""
    relative: str = ""
    fingerprint: str = ""
    bundled: bool = False


@dataclass(frozen=True)
class CameraView:
    """Where the cloud is seen from: see ``core.rendering.camera.Camera``.

    ``whole``: all of it is in view, however it changes, so that target and distance follow from the cloud and say
    nothing here.
    """

    target: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float
    whole: bool = False


@dataclass(frozen=True, eq=False)
class TracedPath:
    """How a path was traced: between which ``samples``, by their positions (None: from or to no sample), and what the
    engine said of it: ``labels`` float64 (m, F), called ``names``, ``flagged`` uint8 (m,), ``note``, ``stage`` and
    ``final`` as of ``core.protocol.messages.PathTraced``."""

    samples: tuple[int | None, int | None]
    stage: str
    final: bool
    labels: np.ndarray
    names: tuple[str, ...]
    flagged: np.ndarray
    note: str


@dataclass(frozen=True)
class WindowPlace:
    """Geometry and panels of the window in Qt's own form, which is taken from nobody but this computer's sessions."""

    geometry: bytes
    docks: bytes


@dataclass(frozen=True, eq=False)
class Project:
    """All of it. ``steps[position]`` is what there is now; the steps after it can be done again.

    ``mode``: what the left mouse button does; ``epoch``: of the cloud that is shown, None for the newest; ``played``:
    where the path is, 0 to 1; ``panels`` by name; ``second``: the run that it is compared with; ``comparison``: what
    goes into both models, "" for what is usual; ``traced``: of steps, by their place, how their paths were traced. Of a
    session: ``window``; ``file``, the project file that it is saved to; ``trainings``, folders of runs whose training
    was started from the window; ``embeds``, whether the model goes into the project file; ``saved``, which step that
    file has as its present one, None if none of these.
    """

    run: RunReference = field(default_factory=RunReference)
    steps: tuple[Step, ...] = (Step("", Edited()),)
    position: int = 0
    camera: CameraView | None = None
    mode: str = "orbit"
    epoch: int | None = None
    gridlines: bool = False
    played: float = 0.0
    panels: dict[str, Panel] = field(default_factory=dict)
    window: WindowPlace | None = None
    file: str = ""
    embeds: bool = False
    trainings: tuple[str, ...] = ()
    second: RunReference | None = None
    traced: tuple[tuple[int, TracedPath], ...] = ()
    comparison: str = ""
    saved: int | None = None

    @property
    def edited(self) -> Edited:
        """What there is now."""
        return self.steps[self.position].edited

    @property
    def has_work(self) -> bool:
        """Whether a person made or chose anything."""
        return len(self.steps) > 1 or bool(self.edited.notes or self.edited.groups)


def check(project: Project) -> None:
    """Raise ``UnreadableError`` for values that could not be shown or computed with."""
    _require(1 <= len(project.steps) <= MOST_STEPS, f"it has {len(project.steps)} steps, not 1 to {MOST_STEPS}")
    _require(0 <= project.position < len(project.steps), f"position {project.position} is none of its steps")
    saved = project.saved
    _require(saved is None or 0 <= saved < len(project.steps), f"step {saved}, said to be saved, is none of its steps")
    _require(project.epoch is None or 0 <= project.epoch < 10**9, f"epoch {project.epoch} cannot be")
    _require(0.0 <= project.played <= 1.0, f"played is {project.played}, not 0 to 1")
    camera = project.camera
    if camera is not None:
        numbers = (*camera.target, camera.distance, camera.azimuth, camera.elevation)
        _require(all(abs(number) <= MAX_MEAN for number in numbers), "its camera is not at a finite place")
        _require(camera.distance > 0.0, "its camera has no distance")
    known: set[int] = set()
    for step in project.steps:
        _check_edited(step.edited, known)
    for place, traced in project.traced:
        _require(0 <= place < len(project.steps), f"a path was traced in step {place}, which is none of its steps")
        _check_traced(traced)


def _check_traced(traced: TracedPath) -> None:
    labels, flagged = traced.labels, traced.flagged
    right = labels.dtype == np.float64 and labels.ndim == 2 and not np.isinf(labels).any()
    _require(bool(right), f"the labels of a traced path are {labels.dtype} {labels.shape}, not float64 (m, F)")
    right = flagged.dtype == np.uint8 and flagged.ndim == 1 and len(flagged) in (0, len(labels))
    _require(right, f"its flags are {flagged.dtype} {flagged.shape}, not uint8 ({len(labels)},)")
    for sample in traced.samples:
        _require(sample is None or 0 <= sample < MAX_SAMPLES, f"a path cannot end at sample {sample}")


def _check_edited(edited: Edited, known: set[int]) -> None:
    """``known``: identities of the parts that have been checked, for steps share them."""
    for name, checked in _CHECKS.items():
        value = getattr(edited, name)
        if value is not None and id(value) not in known:
            known.add(id(value))
            checked(value)


def misfit(project: Project, samples: int, latent_dim: int) -> str:
    """Why ``project`` cannot be shown on a run of so many ``samples`` and dimensions; "" if it can."""
    known: set[int] = set()
    for step in project.steps:
        edited = step.edited
        parts = edited.document, edited.selected, edited.groups, edited.attributes
        if all(id(part) in known for part in parts):
            continue
        known.update(map(id, parts))
        document = edited.document
        points = [] if document.probe is None else [document.probe]
        if document.path is not None:
            points += [document.path.control[0]]
            points += [] if document.path.recipe is None else [document.path.recipe.start]
        dims = [len(point) for point in points if len(point) != latent_dim]
        if dims:
            return f"it is about {dims[0]} latent dimensions, and the run has {latent_dim}"
        last = max(
            -1 if document.sample is None else document.sample,
            -1 if edited.selected is None else edited.selected.count - 1,
            *(int(group.positions[-1]) if len(group.positions) else -1 for group in edited.groups),
            -1,
        )
        if last >= samples:
            return f"it is about {last + 1:,} samples or more, and the run has {samples:,}"
        if edited.attributes is not None and len(edited.attributes.values) != samples:
            return f"it has attributes of {len(edited.attributes.values):,} samples, and the run has {samples:,}"
    return ""


def _require(right: bool, wrong: str) -> None:
    if not right:
        raise UnreadableError(wrong)


def _check_document(document: Document) -> None:
    probe, cursor = document.probe, document.cursor
    if probe is not None:
        fits = probe.dtype == np.float32 and probe.ndim == 1 and len(probe) > 0
        _require(
            fits and bool((np.abs(probe) <= MAX_MEAN).all()),
            f"its probe is {probe.dtype} {probe.shape}, not float32 (d,), finite",
        )
    _require(document.sample is None or 0 <= document.sample < MAX_SAMPLES, f"sample {document.sample} cannot be")
    _require(cursor is None or all(abs(place) <= MAX_MEAN for place in cursor), "its cursor is not at a finite place")
    for transect in document.transects:
        _require(min(transect.plane) >= 0, f"the plane of {transect.name} is {transect.plane}")


def _check_attributes(attributes: Attributes) -> None:
    values, count = attributes.values, len(attributes.names)
    fits = values.dtype == np.float64 and values.ndim == 2 and values.shape[1] == count == len(attributes.categories)
    _require(fits, f"its attributes are {values.dtype} {values.shape} for {count} names, not float64 (n, {count})")
    _require(len(values) <= MAX_SAMPLES, f"it has attributes of {len(values):,} samples")
    _require(len(set(attributes.names)) == count, "two of its attributes have the same name")
    for name, column, classes in zip(attributes.names, values.T, attributes.categories, strict=True):
        known = column[~np.isnan(column)]
        right = np.isin(known, np.arange(len(classes))).all() if classes else np.isfinite(known).all()
        _require(bool(right), f"the attribute {name} has a value that is no class of it, or not finite")


def _check_display(display: Display) -> None:
    _require(display.colormap in colormaps.NAMES, f"its colours are those of {display.colormap!r}, which is unknown")
    _require(0.5 <= display.point_size <= 100.0, f"its points have a size of {display.point_size} pixels")
    _require(0.0 <= display.opacity <= 1.0, f"its points have an opacity of {display.opacity}")
    axes = display.axes.dimensions
    _require(len(axes) <= 3 and all(0 <= axis < 10**6 for axis in axes), f"its axes are {axes}")


def _check_selected(selected: PackedPositions) -> None:
    bits, count = selected.bits, selected.count
    _require(0 <= count <= MAX_SAMPLES, f"its selection is one of {count:,} samples")
    right = bits.dtype == np.uint8 and bits.shape == (-(-count // 8),)
    _require(right and (not count or int(selected.positions[-1:].sum()) == count - 1), "its selection is damaged")


def _check_groups(groups: tuple[Group, ...]) -> None:
    _require(len({group.name for group in groups}) == len(groups), "two of its groups have the same name")
    for group in groups:
        positions = group.positions
        right = positions.dtype == np.int64 and positions.ndim == 1 and bool((np.diff(positions) > 0).all())
        right = right and (not len(positions) or (positions[0] >= 0 and positions[-1] < MAX_SAMPLES))
        _require(bool(right), f"the group {group.name} does not hold positions of samples, int64, ascending")


def _check_trace(trace: Trace) -> None:
    _require(trace.dimension is None or 1 <= trace.dimension <= 10**6, f"its surface has {trace.dimension} dimensions")


def _check_playback(playback: Playback) -> None:
    _require(
        math.isfinite(playback.rate) and 0.0 < playback.rate <= 1e3, f"its path is played {playback.rate} times as fast"
    )
    _require(2 <= playback.frames <= 100_000, f"its path has {playback.frames} frames")
    _require(0.0 <= playback.position <= 1.0, f"its path is at {playback.position}, not 0 to 1")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "document": _check_document,
    "display": _check_display,
    "hidden": lambda hidden: _require(all(-1 <= place < 10**6 for place in hidden), "it hides classes that cannot be"),
    "selected": _check_selected,
    "selected_control": lambda control: _require(0 <= control < 10**6, f"control point {control} cannot be"),
    "groups": _check_groups,
    "notes": lambda notes: _require(len(notes) <= LONGEST_TEXT, f"its notes have {len(notes):,} characters"),
    "attributes": _check_attributes,
    "plane": lambda plane: _require(min(plane) >= 0 and max(plane) < 10**6, f"its plane is {plane}"),
    "transect": lambda transect: _require(0 <= transect < 10**6, f"transect {transect} cannot be"),
    "transect_position": lambda place: _require(0 <= place < 10**6, f"point {place} of its transect cannot be"),
    "trace": _check_trace,
    "playback": _check_playback,
}
