"""What every kind of file or folder gives: the images' names and labels at once, their pixels in a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.data.labels import LabelColumn

Result = TypeVar("Result")


@dataclass(frozen=True)
class Skipped:
    """A file, or a frame of one, that is left out; ``reason`` says what is wrong and what would help."""

    name: str
    reason: str


@dataclass(eq=False)
class ImageSource(ABC):
    """N images below one path, in natural order; opening one reads headers, never all pixels.

    ``kind`` says in words what it is. ``names`` are the images' names, N or none: the file's path below the folder,
    with ``#k`` for frame k of a file that holds several, as it can be shown (what is no UTF-8 is replaced).
    ``labels`` is what the source itself knows: classes of folders, arrays beside the images. ``given_split`` uint8
    (N,) is 0 for training and 1 for validation images where the source says so; ``groups`` int64 (N,) is the file of
    each frame where files hold several. ``sizes`` int32 (N, 2) are heights and widths as they are seen, turned by
    EXIF; ``pixels`` counts images by what a pixel is: {"8-bit colour": 12}. ``skipped`` grows while pixels are read.
    """

    path: Path
    kind: str
    sizes: np.ndarray
    names: tuple[str, ...] = ()
    labels: list[LabelColumn] = field(default_factory=list)
    given_split: np.ndarray | None = None
    groups: np.ndarray | None = None
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pixels: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sizes)

    @abstractmethod
    def blocks(
        self, apply: Callable[[np.ndarray], Result], least: int | None = None
    ) -> Iterator[tuple[range, Result | Skipped]]:
        """Every image once, in order: (its place, or those of several, and ``apply`` of the pixels).

        ``apply`` gets (n, H, W, C) of the file's own dtype and channels, turned by EXIF, n images of one size; it may
        run in several threads at once. What cannot be read comes as ``Skipped``. ``least`` allows pixels of fewer
        rows and columns, as long as the shorter side keeps that many: a JPEG is then decoded small.
        """
