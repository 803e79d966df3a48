"""What every kind of file or folder gives: the images' names and labels at once, their pixels in a stream, and of these
the channels that are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.data.dataset import DatasetError
from core.data.labels import LabelColumn
from core.utils.text import counted

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


def chosen_channels(wanted: str, channels: int, place: str, notes: list[str]) -> tuple[int, ...]:
    """The channels to take of ``channels``, by ``wanted`` (``data.planes``), and a note if not all are.

    Raises ``DatasetError`` that names ``place`` for one that does not exist.
    """
    if wanted:
        planes = tuple(int(number) for number in wanted.split(","))
        if max(planes) >= channels:
            raise DatasetError(
                f"{place} has {counted(channels, 'channel')}, numbered from 0; data.planes is {wanted!r}."
            )
        if planes != tuple(range(channels)):
            notes.append(f"Of {counted(channels, 'channel')} {wanted} {'are' if len(planes) > 1 else 'is'} taken.")
        return planes
    if channels in (1, 3):
        return tuple(range(channels))
    which = "the first is taken" if channels == 2 else "the first three are taken as red, green and blue"
    notes.append(f"Of {channels} channels {which}; data.planes chooses others.")
    return (0,) if channels == 2 else (0, 1, 2)


def taken(images: np.ndarray, planes: Sequence[int]) -> np.ndarray:
    """Channels ``planes`` of images (n, H, W, C): one is grey, three are red, green and blue; of two, blue is 0."""
    if len(planes) != 2 and tuple(planes) == tuple(range(images.shape[-1])):
        return images
    channels = images[..., list(planes)]
    return np.concatenate([channels, np.zeros_like(channels[..., :1])], axis=-1) if len(planes) == 2 else channels


def bytes_of_alpha(values: np.ndarray, opaque: float) -> np.ndarray:
    """uint8 transparency, 255 where ``values`` are ``opaque`` or more."""
    if values.dtype == np.uint8 and opaque == 255.0:
        return np.ascontiguousarray(values)
    return np.rint(np.clip(values.astype(np.float64) / opaque, 0, 1) * 255).astype(np.uint8)
