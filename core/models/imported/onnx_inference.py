"""An imported ONNX model, decoding and encoding: ONNX Runtime on the CPU, one thread, one image at a time.

The same session options everywhere make window and command line equal bit for bit.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.models.imported.onnx_graph import ImportedModelError, sha256_of_file
from core.models.imported.pixel_format import Placement, image_of, levels_of, tensor_of, values_of
from core.models.imported.sandbox_worker import advice, session_of
from core.models.imported.trial import check_description, ensure_tried
from core.models.inference import NO_DECODER, NO_ENCODER, Inference, MissingPartError
from core.runs.imported import OnnxDecoder, OnnxEncoder, OnnxFile, OnnxModel

if TYPE_CHECKING:
    import onnxruntime


class OnnxInference(Inference):
    """The networks of ``model`` in ``folder``. Raises ``ImportedModelError`` unless they are as they were imported, and
    for one that fails its trial, which takes seconds where this computer has not tried it yet."""

    precision = "float32"

    def __init__(self, folder: Path, model: OnnxModel, latent_dim: int, image_size: int, channels: int) -> None:
        self.latent_dim, self.image_size, self.channels = latent_dim, image_size, channels
        self.can_decode, self.can_encode = model.has_decoder, model.has_encoder
        self._folder, self._decoder, self._encoder = folder, model.decoder, model.encoder
        part = model.decoder or model.encoder
        if part is None:
            raise ImportedModelError(f"{folder} holds neither decoder nor encoder; import the model again.")
        pixels = part.pixels
        self._placement = Placement(pixels.height, pixels.width, pixels.channels, model.reduction, image_size)
        try:
            check_description(model, latent_dim, (image_size, image_size, channels))
        except ImportedModelError as error:
            raise ImportedModelError(f"{folder.parent}: {error}") from error
        for file in (model.decoder, model.encoder):
            if file is not None:
                _check(folder, file)
                ensure_tried(folder, file)

    def decode(self, z: np.ndarray) -> np.ndarray:
        z = np.asarray(z, np.float32)
        self.check_latents(z)
        if self._decoder is None:
            raise MissingPartError(NO_DECODER)
        images = np.empty((len(z), self.image_size, self.image_size, self.channels), np.uint8)
        latent, values = self._decoder.latent, self._decoder.pixels.values
        for place, point in enumerate(z):
            feeds = {latent.name: point.reshape(latent.shape).astype(latent.dtype), **self._fixed(self._decoder)}
            tensor = _run(self._decoding, self._decoder.image.name, feeds, self._folder / self._decoder.file)
            images[place] = self._placement.shown(levels_of(image_of(tensor, self._decoder.pixels), values))
        return images

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.check_images(images)
        if self._encoder is None:
            raise MissingPartError(NO_ENCODER)
        mu = np.empty((len(images), self.latent_dim), np.float32)
        part = self._encoder
        for place, image in enumerate(images):
            values = values_of(self._placement.original(image), part.pixels.values)
            tensor = tensor_of(
                np.rint(values) if part.image.dtype == "uint8" else values, part.pixels, part.image.shape
            )
            feeds = {part.image.name: tensor.astype(part.image.dtype), **self._fixed(part)}
            heads = _run(self._encoding, part.mean.name, feeds, self._folder / part.file)
            mu[place] = heads.reshape(-1)[part.start : part.start + self.latent_dim]
        return mu

    @cached_property
    def _decoding(self) -> onnxruntime.InferenceSession:
        assert self._decoder is not None
        return _session(self._folder / self._decoder.file)

    @cached_property
    def _encoding(self) -> onnxruntime.InferenceSession:
        assert self._encoder is not None
        return _session(self._folder / self._encoder.file)

    def _fixed(self, part: OnnxDecoder | OnnxEncoder) -> dict[str, np.ndarray]:
        return {tensor.name: np.full(tensor.shape, value, tensor.dtype) for tensor, value in part.fixed}


def _check(folder: Path, file: OnnxFile) -> None:
    """Raise ``ImportedModelError`` unless ``file`` and its data are what was imported."""
    for name, wanted in ((file.file, file.sha256), *file.data):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ImportedModelError(f"{folder.parent / 'config.json'} names a file outside its folder, {name!r}.")
        try:
            found = sha256_of_file(folder / name)
        except OSError as error:
            raise ImportedModelError(
                f"{folder / name} cannot be read ({error.strerror or error}). Restore it, or import the model again."
            ) from error
        if found != wanted:
            raise ImportedModelError(
                f"{folder / name} is not the file that was imported: it has changed since, or is damaged. Restore it, "
                "or import the model again."
            )


def _session(path: Path) -> onnxruntime.InferenceSession:
    try:
        return session_of(str(path))
    except Exception as error:
        raise ImportedModelError(f"{path} {advice(error)}") from error


def _run(session: onnxruntime.InferenceSession, output: str, feeds: dict[str, np.ndarray], path: Path) -> np.ndarray:
    try:
        (value,) = session.run([output], feeds)
    except Exception as error:
        raise ImportedModelError(f"{path} {advice(error)}") from error
    return np.asarray(value)
