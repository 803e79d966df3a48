"""Which channels of images with many are taken, by a person's choice or by custom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.data.dataset import DatasetError
from core.utils.text import counted


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
