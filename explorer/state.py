"""Everything the window knows, as plain evented data: no widget, no Qt.

Controllers write it, views never see it. Setting a field to a new value emits ``state.events.<field>``; arrays are
compared by content, so setting an equal one is silent. Arrays in the state are never changed in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from psygnal import SignalGroupDescriptor

from core.analysis.layouts import Method
from core.analysis.transect import MeasuredTransect, Transect
from core.config import RunConfig
from core.paths.latent_path import LatentPath
from core.paths.recipe import RecipeKind
from core.rendering.themes import DARK, Theme
from core.runs.directory import ProbeSet

AxesKind = Literal["dimensions", "principal", "umap", "pacmap"]
ACTIVE_TRAINING = ("starting", "running", "paused", "stopping")
"""What ``State.training`` is while a training goes on."""


class Speed(StrEnum):
    """What stays constant while a path is played: latent length or image length a second."""

    LATENT = "latent"
    IMAGE = "image"


@dataclass(frozen=True)
class Model:
    """What the engine has loaded: d latent dimensions, images of ``image_size``² × ``channels``.

    ``can_decode``, ``can_encode``: whether it has a decoder and an encoder; ``has_originals``: whether the samples' own
    images are there.
    """

    path: Path
    latent_dim: int
    image_size: int
    channels: int
    can_decode: bool = True
    can_encode: bool = True
    has_originals: bool = True


@dataclass(frozen=True, eq=False)
class Attributes:
    """What is known of the samples beside their factors: ``values`` float64 (N, A) of the A ``names``, NaN where one is
    undefined. They colour the cloud, and a path can change them as it can a factor; ``categories`` as of factors."""

    names: tuple[str, ...]
    values: np.ndarray
    categories: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.categories:
            object.__setattr__(self, "categories", ((),) * len(self.names))


@dataclass(frozen=True)
class Axes:
    """Which three directions of latent space are drawn: dimensions, principal components, or a layout, which has none
    and is called umap or pacmap."""

    kind: AxesKind = "dimensions"
    dimensions: tuple[int, ...] = (0, 1, 2)

    @property
    def principal(self) -> bool:
        """Whether principal components are drawn."""
        return self.kind == "principal"

    @property
    def layout(self) -> Method | None:
        """The method of the layout that is drawn; None: none is."""
        return self.kind if self.kind == "umap" or self.kind == "pacmap" else None


@dataclass(frozen=True)
class Display:
    """How the cloud is drawn."""

    color_by: str = ""
    colormap: str = "viridis"
    point_size: float = 5.0
    opacity: float = 1.0
    axes: Axes = field(default_factory=Axes)


@dataclass(frozen=True, eq=False)
class Document:
    """What a person makes, and what undo brings back: the probe, the chosen sample, the path, the plane's cursor.

    ``probe`` float32 (d,) or None; ``sample`` a position among the samples or None; ``cursor`` a place in the plane of
    the two factors on its axes, or None; ``transects`` lines through the plane, the published ones first.
    """

    probe: np.ndarray | None = None
    sample: int | None = None
    path: LatentPath | None = None
    cursor: tuple[float, float] | None = None
    transects: tuple[Transect, ...] = ()


@dataclass(frozen=True)
class Playback:
    """How a path is played; ``position`` is 0 to 1 along it in the chosen unit."""

    position: float = 0.0
    playing: bool = False
    loop: bool = True
    rate: float = 1.0
    speed: Speed = Speed.LATENT
    frames: int = 65


@dataclass(frozen=True)
class Trace:
    """Which kind of path is traced next: ``target`` is the factor or attribute that changes, "" for the first one;
    ``penalty`` keeps a geodesic to the data; ``held`` are the labels that a factor curve holds, None for those that the
    engine chooses; ``dimension`` is that of the surface, None for the estimated one."""

    kind: RecipeKind = "geodesic"
    target: str = ""
    penalty: bool = True
    held: tuple[str, ...] | None = None
    dimension: int | None = None


@dataclass
class State:
    """The evented whole."""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    model: Model | None = None
    config: RunConfig | None = None
    samples: ProbeSet | None = None  # those drawn in the cloud
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
    selected: np.ndarray | None = None  # int64: positions picked by rectangle
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
