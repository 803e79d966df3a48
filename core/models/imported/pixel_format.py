"""From a foreign tensor to an image that is shown, and back: axes, range of values, size and channels.

What is shown is square, at most ``LARGEST`` pixels wide, in 8 bits, grey or in colour (``Placement``). What the network
has is whatever ``core.runs.imported.Pixels`` says of its tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.runs.imported import Pixels

LARGEST, SMALLEST = 512, 8
"""Sides of the images that are shown, in pixels."""
LOGITS = "logits"
USUAL_RANGES = ("0:1", "-1:1", "0:255", LOGITS)
MOST_PIXELS, LEAST_SIDE = 1024, 4
"""Sides of images that a network may have, in pixels."""


def limits(values: str) -> tuple[float, float]:
    """What is black and what is white, of ``Pixels.values``; of logits: of what the sigmoid makes of them.

    Raises ``ValueError`` for what is neither "logits" nor LOW:HIGH.
    """
    if values == LOGITS:
        return 0.0, 1.0
    low, _, high = values.partition(":")
    ends = float(low), float(high)
    if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] < ends[1]):
        raise ValueError(f"{values!r} is no range")
    return ends


def image_of(tensor: np.ndarray, pixels: Pixels) -> np.ndarray:
    """One image float32 (H, W, C) as the network made it, from its output. Raises ``ValueError`` if it does not fit."""
    sizes = {"N": 1, "C": pixels.channels, "H": pixels.height, "W": pixels.width}
    letters = [axis for axis in pixels.axes if axis.isalpha()]
    with np.errstate(over="ignore"):  # a number too large for float32 is as good as infinite
        image = np.asarray(tensor, np.float32)
    image = image.reshape([sizes[axis] for axis in letters])
    kept = [axis for axis in letters if axis != "N"]
    image = image.reshape([sizes[axis] for axis in kept])
    if "C" not in kept:
        return image[..., None]
    return image.transpose([kept.index(axis) for axis in "HWC"])


def tensor_of(image: np.ndarray, pixels: Pixels, shape: tuple[int, ...]) -> np.ndarray:
    """The input ``shape`` of the network float32, from one image (H, W, C)."""
    kept = [axis for axis in pixels.axes if axis in "HWC"]
    if "C" not in kept:
        image = image[..., 0]
        order = ["HW".index(axis) for axis in kept]
    else:
        order = ["HWC".index(axis) for axis in kept]
    return np.ascontiguousarray(image.transpose(order), np.float32).reshape(shape)


def levels_of(image: np.ndarray, values: str) -> np.ndarray:
    """Float levels 0 to 255, not rounded, of values in the network's range; NaN is black."""
    image = np.nan_to_num(np.asarray(image, np.float32), nan=-np.inf if values == LOGITS else limits(values)[0])
    if values == LOGITS:
        return np.float32(255.0) / (np.float32(1.0) + np.exp(-np.clip(image, -60.0, 60.0)))
    low, high = limits(values)
    image = np.clip(image, np.float32(low), np.float32(high))
    return (image - np.float32(low)) * np.float32(255.0 / (high - low))


def values_of(levels: np.ndarray, values: str) -> np.ndarray:
    """Values float32 in the network's range, of levels 0 to 255."""
    low, high = limits(values)
    return np.asarray(levels, np.float32) * np.float32((high - low) / 255.0) + np.float32(low)


@dataclass(frozen=True)
class Placement:
    """Where an image of ``height`` × ``width`` × ``channels`` stands in the square of ``side`` that is shown.

    ``reduction`` × ``reduction`` pixels of the image become one. Of two channels the first is shown, of four the first
    three: the fourth is taken for transparency.
    """

    height: int
    width: int
    channels: int
    reduction: int
    side: int

    @property
    def shown_channels(self) -> int:
        """1 or 3."""
        return 3 if self.channels >= 3 else 1

    @property
    def shown_shape(self) -> tuple[int, int, int]:
        """(side, side, 1 or 3)"""
        return self.side, self.side, self.shown_channels

    def shown(self, levels: np.ndarray) -> np.ndarray:
        """uint8 (side, side, 1 or 3) of levels 0 to 255 float (height, width, channels)."""
        levels = levels[..., : self.shown_channels]
        k = self.reduction
        if k > 1:  # rows and columns at the far edges that fill no block are repeated
            levels = np.pad(levels, ((0, -self.height % k), (0, -self.width % k), (0, 0)), mode="edge")
            height, width, channels = levels.shape
            levels = levels.reshape(height // k, k, width // k, k, channels).mean(axis=(1, 3))
        image = np.rint(levels).astype(np.uint8)
        if image.shape[:2] == (self.side, self.side):
            return image
        square = np.zeros((self.side, self.side, image.shape[2]), np.uint8)
        top, left = self._corner
        square[top : top + image.shape[0], left : left + image.shape[1]] = image
        return square

    def original(self, image: np.ndarray) -> np.ndarray:
        """Levels float32 (height, width, channels) for the network, of a shown image uint8 (side, side, 1 or 3)."""
        k = self.reduction
        top, left = self._corner
        inner = image[top : top + -(-self.height // k), left : left + -(-self.width // k)]
        levels = inner.astype(np.float32).repeat(k, axis=0).repeat(k, axis=1)[: self.height, : self.width]
        if self.channels == 2:
            return np.concatenate([levels, np.zeros_like(levels)], axis=-1)
        if self.channels == 4:
            return np.concatenate([levels, np.full_like(levels[..., :1], 255.0)], axis=-1)
        return levels

    @property
    def _corner(self) -> tuple[int, int]:
        k = self.reduction
        return (self.side - -(-self.height // k)) // 2, (self.side - -(-self.width // k)) // 2


def placement_of(height: int, width: int, channels: int) -> Placement:
    """The smallest square that shows such images whole, with the smallest reduction that is needed."""
    reduction = -(-max(height, width) // LARGEST)
    side = max(-(-height // reduction), -(-width // reduction), SMALLEST)
    return Placement(height, width, channels, reduction, side)


def placement_notes(placement: Placement) -> list[str]:
    """What is said of images that are not shown as they are."""
    notes = []
    height, width, k, side = placement.height, placement.width, placement.reduction, placement.side
    if k > 1:
        notes.append(f"Images of {height} × {width} are shown {k} times smaller: {k} × {k} pixels averaged to one.")
    if -(-height // k) != side or -(-width // k) != side:
        notes.append(f"Images are {-(-height // k)} × {-(-width // k)}, shown with black margins as {side} × {side}.")
    if placement.channels == 2:
        notes.append("Images have two channels; the first is shown, and the second is 0 where one is encoded.")
    if placement.channels == 4:
        notes.append("Images have four channels; the fourth, taken for transparency, is left out.")
    return notes


def layouts_of(shape: tuple[int, ...], size: tuple[int, int] | None = None) -> list[tuple[str, int, int, int]]:
    """What an image tensor of ``shape`` can be: (axes, height, width, channels), the usual first.

    ``size`` is the height and width, which a flat one that is not square needs.
    """
    batch, rest = ("N", shape[1:]) if len(shape) > 1 and shape[0] == 1 else ("", shape)
    options: list[tuple[str, int, int, int]] = []
    if len(rest) == 3:
        if rest[0] in (1, 2, 3, 4):
            options.append((f"{batch}CHW", rest[1], rest[2], rest[0]))
        if rest[2] in (1, 2, 3, 4):
            options.append((f"{batch}HWC", rest[0], rest[1], rest[2]))
    elif len(rest) == 2:
        options.append((f"{batch}HW", rest[0], rest[1], 1))
    elif len(rest) == 1:
        for channels in (1, 3):
            pixels, left = divmod(rest[0], channels)
            side = round(pixels**0.5)
            height, width = size or (side, side)
            if not left and height * width == pixels:
                orders = ("CHW",) if channels == 1 else ("CHW", "HWC")
                options += [(f"{batch}({order})", height, width, channels) for order in orders]
    return [option for option in options if min(option[1:3]) >= LEAST_SIDE]
