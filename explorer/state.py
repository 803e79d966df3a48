"""Everything the window knows, as plain evented data: no widget, no Qt.

Controllers write it, views never see it. Setting a field to a new value emits ``state.events.<field>``; arrays are
compared by content, so setting an equal one is silent. Arrays in the state are never changed in place. What a person
made or chose, the fields of ``Edited``, is set through ``explorer.history.Editing`` alone, so that undo brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from psygnal import SignalGroupDescriptor

from core.analysis.transect import MeasuredTransect
from core.config import RunConfig
from core.projects.edited import Attributes, Display, Document, Group, Playback, Trace
from core.rendering.themes import DARK, Theme
from core.runs.directory import ProbeSet

ACTIVE_TRAINING = ("starting", "running", "paused", "stopping")
"""What ``State.training`` is while a training goes on."""


@dataclass(frozen=True)
class Model:
    """What the engine has loaded: d latent dimensions, images of ``image_size``² × ``channels``.

    ``can_decode``, ``can_encode``: whether it has a decoder and an encoder; ``has_originals``: whether the samples' own
    images are there; ``unallowed``: the places that the run would read them from and may not.
    """

    path: Path
    latent_dim: int
    image_size: int
    channels: int
    can_decode: bool = True
    can_encode: bool = True
    has_originals: bool = True
    unallowed: tuple[str, ...] = ()


def hold_the_same(after: np.ndarray | None, before: np.ndarray | None) -> bool:
    """Whether both are None, or arrays with the same content; nothing more is compared if their first rows differ.
    (psygnal by itself compares the first array of all, element by element, with the None before it.)"""
    if after is None or before is None:
        return after is before
    return np.array_equal(after[:1], before[:1]) and np.array_equal(after, before)


_ARRAYS = ("embedding", "layout", "losses", "selected", "cursor_mu")


@dataclass
class State:
    """The evented whole."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(
        equality_operators=dict.fromkeys(_ARRAYS, hold_the_same)
    )

    reading: bool = False  # a run is being opened, and what there is of it has not all been read
    model: Model | None = None
    config: RunConfig | None = None
    samples: ProbeSet | None = None  # those drawn in the cloud, one for each row of ``embedding``
    recorded: ProbeSet | None = None  # all of the run, of which ``samples`` are the first that have a mean yet
    attributes: Attributes | None = None
    embedding: np.ndarray | None = None  # float32 (N, d): means, of the epoch shown or the newest
    epochs: tuple[int, ...] = ()
    epoch: int | None = None  # None: the newest ("live")
    layout: np.ndarray | None = None  # float32 (N, 2 or 3): where the chosen layout has the samples of ``embedding``
    losses: np.ndarray | None = None  # float32 (N,) excess BCE of each sample, where it is known
    display: Display = field(default_factory=Display)
    hidden: frozenset[int] = frozenset()  # places of the classes that colour the points and are not shown; -1: unknown
    mode: str = "orbit"
    document: Document = field(default_factory=Document)
    selected: np.ndarray | None = None  # int64, ascending: positions of the selected samples
    groups: tuple[Group, ...] = ()  # a sample in several has the colour of the first
    notes: str = ""  # a person's own, on the open run
    selected_control: int | None = None
    hovered: int | None = None  # position of the sample under the pointer, in the cloud or in the plane
    plane: tuple[int, int] | None = None  # the factors chosen for the axes of the parameter plane
    cursor_mu: np.ndarray | None = None  # float32 (d,): the mean of the image at the plane's cursor, where it is known
    transect: int | None = None  # the chosen one of document.transects
    transect_position: int = 0  # its point that is shown
    measured: MeasuredTransect | None = None
    playback: Playback = field(default_factory=Playback)
    trace: Trace = field(default_factory=Trace)
    estimated_dimension: float | None = None  # of the cloud, by TwoNN
    gridlines_shown: bool = False  # gridlines over the cloud
    training: str = "idle"
    message: str = ""
    theme: Theme = DARK

    @property
    def all_samples(self) -> ProbeSet | None:
        """All samples of the run. Whoever looks for one by its position looks here: it may be of a cloud that had more
        of them than the one that is drawn."""
        return self.samples if self.recorded is None else self.recorded

    @property
    def is_training(self) -> bool:
        """Whether a training goes on."""
        return self.training in ACTIVE_TRAINING
