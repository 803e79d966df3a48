"""What a person makes and arranges: plain values that undo brings back, that a session keeps and a project file holds.

Arrays are never changed in place, so steps share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Literal

import numpy as np

from core.analysis.layouts import Method
from core.analysis.transect import Transect
from core.paths.latent_path import LatentPath
from core.paths.recipe import RecipeKind

AxesKind = Literal["dimensions", "principal", "umap", "pacmap"]


class Speed(StrEnum):
    """What stays constant while a path is played: latent length or image length a second."""

    LATENT = "latent"
    IMAGE = "image"


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


@dataclass(frozen=True, eq=False)
class Group:
    """A named set of samples: ``positions`` int64 (k,), ascending, read-only, are their places in the cloud."""

    name: str
    positions: np.ndarray


@dataclass(frozen=True, eq=False)
class PackedPositions:
    """Ascending positions of samples, a bit each: 2.5 kB of 20,000, not 160.

    ``bits`` uint8, as ``np.packbits`` makes them, of a mask of ``count`` samples, which ends with the last position.
    """

    bits: np.ndarray
    count: int

    @classmethod
    def of(cls, positions: np.ndarray) -> PackedPositions:
        """Of ``positions`` int (k,)."""
        mask = np.zeros(int(positions.max(initial=-1)) + 1, dtype=bool)
        mask[positions] = True
        return cls(np.packbits(mask), len(mask))

    @property
    def positions(self) -> np.ndarray:
        """They themselves, int64 (k,), read-only."""
        positions = np.flatnonzero(np.unpackbits(self.bits, count=self.count)).astype(np.int64)
        positions.setflags(write=False)
        return positions

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackedPositions) and np.array_equal(self.bits, other.bits)

    def __hash__(self) -> int:
        return hash(self.bits.tobytes())


@dataclass(frozen=True, eq=False)
class Edited:
    """What a person made or chose, as undo brings it back; the fields are those of the window's state.

    ``selected`` is packed, because 500 steps may hold as many selections. ``playback`` is at its start and at rest:
    where it is, is not undone.
    """

    document: Document = field(default_factory=Document)
    display: Display = field(default_factory=Display)
    hidden: frozenset[int] = frozenset()
    selected: PackedPositions | None = None
    selected_control: int | None = None
    groups: tuple[Group, ...] = ()
    notes: str = ""
    attributes: Attributes | None = None
    plane: tuple[int, int] | None = None
    transect: int | None = None
    transect_position: int = 0
    trace: Trace = field(default_factory=Trace)
    playback: Playback = field(default_factory=Playback)


EDITED = tuple(part.name for part in fields(Edited))
"""The fields that undo covers."""


@dataclass(frozen=True, eq=False)
class Step:
    """What was done, as the menu names it ("" for the first), and what there was after it."""

    label: str
    edited: Edited
