"""What a person makes and arranges: plain values that undo brings back, that a session keeps and a project file holds.

Arrays are never changed in place, so steps share them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
