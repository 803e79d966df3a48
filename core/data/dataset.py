"""What a training, the engine and the exports call a dataset: images with factors, sample weights and a split."""

from __future__ import annotations

import contextlib
import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.utils.text import reason
from core.utils.untrusted import refusal

if TYPE_CHECKING:
    from core.data.sources.source import Skipped

Progress = Callable[[float], None]
"""Called with the fraction that is done, 0 to 1."""
BROKEN = (
    OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, OverflowError, RuntimeError, RecursionError,
    NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip
"""What NumPy, zipfile and h5py raise for damaged files: headers are parsed as Python literals, members are inflated."""


class DatasetError(ValueError):
    """Images that cannot be used; the message names the file or setting, what is wrong and what would be right."""


@contextlib.contextmanager
def broken_as(message: Callable[[str], str]) -> Iterator[None]:
    """Raises ``DatasetError`` in place of any of ``BROKEN``, with the ``message`` that goes with its reason; of a file
    that may not be read, with what the system says."""
    try:
        yield
    except DatasetError:
        raise
    except BROKEN as error:
        raise DatasetError(refusal(error) or message(reason(error))) from error


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (N, H, W, C), read-only, perhaps a memory map; factors float32 (N, F) with ``factor_names``.

    A factor with ``categories`` (its names by factor, an empty tuple for a number) is a category: its values are places
    in these names. NaN stands for a value that is not known. ``names`` are the samples' names, N or none: for images
    from files the file's path below the folder, with ``#k`` for frame k of a file that holds several.
    ``notes`` say what was turned, scaled, left out, guessed or matched; ``skipped`` which files could not be read, and
    why. ``read_as`` are the settings of ``DataConfig`` that read other images alike: what was found where they say
    "auto". ``weights`` float32 (N,) multiply each sample's loss (all 1 when unweighted). ``train`` and ``validation``
    are int64 indices in file order, ``held_out`` those of samples that are kept from both on purpose. ``fingerprint``
    is the sha256 hex of what defines the content.
    """

    images: np.ndarray
    factors: np.ndarray
    factor_names: tuple[str, ...]
    weights: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    fingerprint: str
    categories: tuple[tuple[str, ...], ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    read_as: dict[str, str] = field(default_factory=dict)
    held_out: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        if not self.categories:
            object.__setattr__(self, "categories", ((),) * len(self.factor_names))

    def __len__(self) -> int:
        return len(self.images)
