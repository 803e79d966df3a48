"""What every kind of file or folder gives: the images' names and labels at once, their pixels in a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.data.labels import LabelColumn

Result = TypeVar("Result")
Size = tuple[int, int]
"""(height, width)"""


@dataclass(frozen=True)
class Skipped:
    """A file, or a frame of one, that is left out; ``reason`` says what is wrong and what would help."""

    name: str
    reason: str


@dataclass(frozen=True)
class PixelKind:
    """What a pixel is stored as: bits a channel, colour or grey, with alpha or without, floating point or integer."""

    bits: int
    colour: bool = False
    alpha: bool = False
    real: bool = False

    def __str__(self) -> str:
        """ "8-bit colour with alpha" """
        number = "floating-point " if self.real else ""
        return f"{self.bits}-bit {number}{'colour' if self.colour else 'grey'}{' with alpha' if self.alpha else ''}"


@dataclass(frozen=True, eq=False)
class Pixels:
    """n images of one size, upright: ``values`` (n, H, W, 1 or 3) in the file's own dtype and range; ``alpha`` uint8
    (n, H, W), 0 transparent, or None."""

    values: np.ndarray
    alpha: np.ndarray | None = None


Blocks = Generator[tuple[range, list[Result] | Skipped], None, None]
"""Places of images, and what came of their pixels or why nothing did. Close it to stop reading."""


@dataclass(eq=False)
class ImageSource(ABC):
    """N images below one path, in natural order; opening one reads headers, never all pixels.

    ``kind`` says in words what it is. ``names`` are the images' names, N or none: the file's path below the folder,
    with ``#k`` for frame k of a file that holds several, as it can be shown (what is no UTF-8 is replaced).
    ``labels`` is what the source itself knows: classes of folders, arrays beside the images. ``given_split`` uint8
    (N,) is 0 for training, 1 for validation and 2 for held-out images where the source says so; ``groups`` int64 (N,)
    is the file of each frame where files hold several. ``sizes`` int32 (N, 2) are heights and widths as they are seen,
    turned by EXIF; ``kinds`` counts images by what a pixel is. ``skipped`` are files that give no image at all.
    """

    path: Path
    kind: str
    sizes: np.ndarray
    kinds: dict[PixelKind, int]
    names: tuple[str, ...] = ()
    labels: list[LabelColumn] = field(default_factory=list)
    given_split: np.ndarray | None = None
    groups: np.ndarray | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sizes)

    @abstractmethod
    def blocks(self, apply: Callable[[Pixels], Result], target: Callable[[Size], Size] | None = None) -> Blocks[Result]:
        """Every image once, in order: (the places of some, ``apply`` of their pixels in one part or several).

        ``apply`` may run in several threads at once. Images that cannot be read come as ``Skipped``. ``target`` tells
        to which size an image of a size will be scaled: a JPEG is then decoded small.
        """
