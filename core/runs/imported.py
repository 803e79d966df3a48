"""What a run says of a model that was not trained here: ``metadata["imported"]`` of its ``config.json``.

Such a run has no weights of ours and no training. What computes its images, and from which files, is said by one class
for each format, told apart by ``format``. A new format is a class here, a member of ``Imported`` and a branch of
``core.training.opening.imported_inference``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

KEY = "imported"


class ImportedModel(msgspec.Struct, frozen=True, kw_only=True, tag_field="format"):
    """``notes`` say what was guessed, scaled or left out."""

    network: ClassVar[str]
    """What it is called where the network of a run stands."""

    notes: tuple[str, ...] = ()

    @property
    def has_decoder(self) -> bool:
        return False

    @property
    def has_encoder(self) -> bool:
        return False


class LatentsOnly(ImportedModel, frozen=True, kw_only=True, tag="latents"):
    """Latents alone, which nothing decodes."""

    network: ClassVar[str] = "latents only"


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of a file: its ``name``, its ``shape`` for one sample, batch axis and all, and its ``dtype``."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


class Pixels(msgspec.Struct, frozen=True, kw_only=True):
    """How a tensor holds one image of ``height`` × ``width`` × ``channels``.

    ``axes`` names its axes in order, N being the batch of one: NCHW, NHWC, NHW, CHW, HWC, HW; in brackets those that
    are flattened into one, N(CHW) or N(HWC). ``values``: what is black and what is white, "0:1", "-1:1", "0:255" or
    other numbers; "logits" are what a sigmoid makes 0 to 1 of.
    """

    axes: str
    height: int
    width: int
    channels: int
    values: str


class OnnxFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file below the run's ``model/``, and what it was made of.

    ``source`` is the name of the file that was given, ``sha256`` the hash of the one in the run; ``data`` are the files
    with its weights, each (name, sha256), if it keeps them apart. ``fixed`` are the values of inputs that stay as they
    are, one for all elements of each.
    """

    file: str
    sha256: str
    source: str
    data: tuple[tuple[str, str], ...] = ()
    fixed: tuple[tuple[Tensor, float], ...] = ()


class OnnxDecoder(OnnxFile, frozen=True, kw_only=True):
    """``latent`` is the input, all of whose elements are z; ``image`` the output, which ``pixels`` describes."""

    latent: Tensor
    image: Tensor
    pixels: Pixels


class OnnxEncoder(OnnxFile, frozen=True, kw_only=True):
    """``image`` is the input, which ``pixels`` describes; ``mean`` the output, whose d elements from ``start`` on are
    mu."""

    image: Tensor
    pixels: Pixels
    mean: Tensor
    start: int = 0


class OnnxModel(ImportedModel, frozen=True, kw_only=True, tag="onnx"):
    """Networks in ONNX files, run by ONNX Runtime on one thread.

    Their images are shown as squares of the run's ``data.image_size``: ``reduction`` × ``reduction`` pixels become one,
    and what is not square gets black margins, as far as possible the same on either side.
    """

    network: ClassVar[str] = "ONNX"

    decoder: OnnxDecoder | None = None
    encoder: OnnxEncoder | None = None
    reduction: int = 1

    @property
    def has_decoder(self) -> bool:
        return self.decoder is not None

    @property
    def has_encoder(self) -> bool:
        return self.encoder is not None


class PythonFunctions(ImportedModel, frozen=True, kw_only=True, tag="python"):
    """Functions of the Python program that opened the window, in its ``session``; once it has ended, latents alone."""

    network: ClassVar[str] = "Python functions"

    session: str
    decodes: bool = False
    encodes: bool = False

    @property
    def has_decoder(self) -> bool:
        return self.decodes

    @property
    def has_encoder(self) -> bool:
        return self.encodes


Imported = LatentsOnly | OnnxModel | PythonFunctions
"""Any of the formats."""


def imported_model(metadata: dict[str, Any]) -> ImportedModel | None:
    """What ``metadata`` of a run says; None: it was trained here. Raises ``msgspec.ValidationError`` if damaged."""
    value = metadata.get(KEY)
    return None if value is None else msgspec.convert(value, Imported)


def stored_form(model: ImportedModel) -> Any:
    """``model`` as ``metadata[KEY]`` holds it."""
    return msgspec.to_builtins(model)
