"""What a person may say of a network, and what was found of it: each finding names the choice that says otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Choices:
    """What a person says of the networks; None: to be found. Flags of `isoline import` are made of it."""

    input: str | None = None
    """Name of the decoder's input that is the latent; of a value inside an autoencoder."""
    output: str | None = None
    """Name of the decoder's output that is the image."""
    layout: str | None = None
    """Axes of the decoder's image: NCHW, NHWC, NHW, CHW, HWC or HW; with N alone in front, a flat one."""
    range: str | None = None
    """What is black and white in the decoder's image: 0:1, -1:1, 0:255, other numbers LOW:HIGH, or logits."""
    image_input: str | None = None
    """Name of the encoder's input."""
    mean: str | None = None
    """Name of the encoder's output that is the latent mean; NAME@START if its elements begin at START."""
    encoder_layout: str | None = None
    """Axes of the encoder's image."""
    encoder_range: str | None = None
    """What the encoder wants as black and white."""
    image_size: str | None = None
    """Height and width in pixels, such as 64x64, where the file leaves them open."""
    fixed: tuple[str, ...] = ()
    """Further inputs that stay as they are, such as --fixed label=0 eps=0."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width. Raises ``ImportedModelError`` for an ``image_size`` that is none."""
        from core.models.imported.onnx_graph import (
            ImportedModelError,  # takes onnx, which a list of flags does not need
        )

        if self.image_size is None:
            return None
        match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", self.image_size)
        if match is None:
            raise ImportedModelError(f"--image-size is {self.image_size!r}; it must be such as 64x64.")
        return int(match[1]), int(match[2] or match[1])

    @property
    def constants(self) -> dict[str, float]:
        """The ``fixed`` inputs by name. Raises ``ImportedModelError`` for what is not NAME=NUMBER."""
        from core.models.imported.onnx_graph import ImportedModelError  # as above

        numbers = {}
        for text in self.fixed:
            name, _, number = text.rpartition("=")
            try:
                numbers[name] = float(number)
            except ValueError as error:
                raise ImportedModelError(f"--fixed is {text!r}; it must be NAME=NUMBER.") from error
        return numbers


@dataclass(frozen=True)
class Finding:
    """One thing that was found: what it is of, its value, why, and the flag that says otherwise.

    ``choice`` is what the flag would say for ``value``; ``options`` are what else it may say here, and that."""

    subject: str
    value: str
    reason: str
    flag: str
    choice: str
    options: tuple[str, ...]
