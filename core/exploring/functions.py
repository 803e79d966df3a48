"""A person's own ``decode`` and ``encode``: what their images are like is found by a first call, then each call is
converted to and from what Isoline shows, 8-bit squares."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.data.python_arrays import as_array
from core.models.imported.pixel_format import (
    Placement,
    image_of,
    levels_of,
    limits,
    placement_notes,
    placement_of,
    tensor_of,
    values_of,
)
from core.runs.imported import Pixels

TRIED = 8
"""Latents that are decoded to see what comes out."""
NEAR = 0.25
"""How far beyond 0 to 1, or -1 to 1, values may reach and still be taken for such, cut off at its ends."""
AXES = ("NCHW", "NHWC", "NHW")
CHANNELS = (1, 2, 3, 4)

Function = Callable[[Any], Any]


class FunctionError(ValueError):
    """A function that raised, or whose result cannot be used; the message says what would be right."""


class ImageFunctions:
    """``decode`` and ``encode``, or one of them, ready to be asked; ``latents`` float32 (n, d) are tried.

    ``axes`` (NCHW, NHWC or NHW) and ``values`` (0:1, -1:1, 0:255, LOW:HIGH or logits) of the images are found from what
    ``decode`` returns where they are not given, without it from ``examples`` (n, …), which ``encode`` then takes.
    ``pixels`` says what was found, ``notes`` what was guessed. Raises ``FunctionError``.
    """

    def __init__(
        self,
        decode: Function | None,
        encode: Function | None,
        latents: np.ndarray,
        axes: str | None = None,
        values: str | None = None,
        examples: np.ndarray | None = None,
    ) -> None:
        for name, function in (("decode", decode), ("encode", encode)):
            if function is not None and not callable(function):
                raise FunctionError(f"{name} is {type(function).__name__}; it must be a function.")
        self._decode, self._encode = decode, encode
        self.latent_dim = latents.shape[1]
        self.notes: list[str] = []
        tried = latents if decode is not None else examples
        if tried is None:
            raise FunctionError("encode is given without decode or images, so what it takes is not known; give one.")
        places = np.unique(np.linspace(0, len(tried) - 1, min(TRIED, len(tried))).astype(np.int64))
        if decode is not None:
            results = [self._result(decode, "decode", tried[place][None]) for place in places]
        else:
            results = [tried[place][None] for place in places]
        self.pixels = pixels = self._pixels(results, axes, values)
        self.placement: Placement = placement_of(pixels.height, pixels.width, pixels.channels)
        self.notes += placement_notes(self.placement)
        self.image_size, self.channels = self.placement.side, self.placement.shown_channels

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) of z float32 (n, d), asked one by one. Raises ``FunctionError``."""
        if self._decode is None:
            raise FunctionError("There is no decode function.")
        images = np.empty((len(z), self.image_size, self.image_size, self.channels), np.uint8)
        for place, point in enumerate(z):
            images[place] = self._shown(self._result(self._decode, "decode", point[None].copy()))
        return images

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Means mu float32 (n, d) of shown images uint8 (n, S, S, C), asked one by one. Raises ``FunctionError``."""
        if self._encode is None:
            raise FunctionError("There is no encode function.")
        mu = np.empty((len(images), self.latent_dim), np.float32)
        shape = {"N": 1, "C": self.pixels.channels, "H": self.pixels.height, "W": self.pixels.width}
        for place, image in enumerate(images):
            # What is black and white is the same for logits as for the probabilities that they stand for.
            low, high = limits(self.pixels.values)
            values = values_of(self.placement.original(image), f"{low}:{high}")
            tensor = tensor_of(values, self.pixels, tuple(shape[axis] for axis in self.pixels.axes))
            mean = self._result(self._encode, "encode", tensor)
            if mean.size != self.latent_dim:
                raise FunctionError(
                    f"encode returned shape {mean.shape} for one image; it must be the mean, (1, {self.latent_dim}), "
                    "or a tuple that begins with it."
                )
            mu[place] = mean.reshape(-1)
        return mu

    def _result(self, function: Function, name: str, argument: np.ndarray) -> np.ndarray:
        try:
            value = function(argument)
        except (Exception, SystemExit) as error:  # whatever a person's function raises is told, and nothing ends
            raise FunctionError(f"{name} raised {type(error).__name__}: {error}{_line_of(error)}") from error
        if isinstance(value, tuple | list) and value:  # of mean and log-variance, or of an image and more
            value = value[0]
        try:
            array = as_array(value)
        except (TypeError, ValueError) as error:
            raise FunctionError(f"{name} returned {type(value).__name__}; it must be an array of numbers.") from error
        if array.dtype.kind not in "biuf":
            raise FunctionError(f"{name} returned {array.dtype}; it must be an array of numbers.")
        if not np.isfinite(array).all():
            raise FunctionError(f"{name} returned numbers that are not finite (NaN or infinity).")
        return array

    def _pixels(self, results: list[np.ndarray], axes: str | None, values: str | None) -> Pixels:
        shapes = {result.shape for result in results}
        if len(shapes) != 1:
            raise FunctionError(f"decode returned images of different shapes, {sorted(shapes)}; they must be equal.")
        (shape,) = shapes
        if axes is not None and axes not in AXES:
            raise FunctionError(f"axes is {axes!r}; it must be {', '.join(AXES[:-1])} or {AXES[-1]}.")
        named = axes or self._axes(shape)
        sizes = dict(zip(named, shape, strict=False))
        fits = len(named) == len(shape) and shape[0] == 1 and sizes.get("C", 1) in CHANNELS
        if not fits or min(shape) < 1:
            whose = "an image has" if self._decode is None else f"for one latent (1, {self.latent_dim}) decode returned"
            taken = "" if axes is None else f", taken as {axes}"
            raise FunctionError(
                f"{whose} shape {shape}{taken}; it must be (1, C, H, W), (1, H, W, C) or (1, H, W), with 1 to 4 "
                "channels C."
            )
        values = values or self._values(results)
        try:
            limits(values)
        except ValueError as error:
            raise FunctionError(f"values is {values!r}; it must be 0:1, -1:1, 0:255, LOW:HIGH or logits.") from error
        return Pixels(axes=named, height=sizes["H"], width=sizes["W"], channels=sizes.get("C", 1), values=values)

    def _axes(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 4:
            return "NHW"
        first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
        if first and last:
            self.notes.append(f"Images of shape {shape} are taken as NCHW; axes='NHWC' takes them the other way.")
        return "NHWC" if last and not first else "NCHW"

    def _values(self, results: list[np.ndarray]) -> str:
        if results[0].dtype == np.uint8:
            return "0:255"
        if results[0].dtype.kind == "b":
            return "0:1"
        low, high = (float(end([end(result) for result in results])) for end in (np.min, np.max))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise FunctionError("images hold numbers that are not finite (NaN or infinity).")
        if low >= -NEAR and high <= 1.0 + NEAR:
            found = "0:1"
        elif low >= -1.0 - NEAR and high <= 1.0 + NEAR:
            found = "-1:1"
        elif low >= 0.0 and high <= 256.0:
            found = "0:255"
        else:
            found = "logits"
        taken = "logits, of which a sigmoid makes 0 to 1" if found == "logits" else found.replace(":", " to ")
        note = f"Values of decoded images, {low:.3g} to {high:.3g} in {len(results)} of them, are taken as {taken}"
        self.notes.append(f"{note}; values='LOW:HIGH' says otherwise.")
        return found

    def _shown(self, result: np.ndarray) -> np.ndarray:
        try:
            return self.placement.shown(levels_of(image_of(result, self.pixels), self.pixels.values))
        except ValueError as error:
            raise FunctionError(
                f"decode returned shape {result.shape}; before, it returned images of {self.pixels.axes} with "
                f"{self.pixels.height} × {self.pixels.width} pixels and {self.pixels.channels} channels."
            ) from error


def _line_of(error: BaseException) -> str:
    """Where in the person's file it was raised, in brackets: the deepest line in the file of the function itself."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call here
    theirs = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
