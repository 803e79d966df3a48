"""The decoder of a page: an ONNX file, how the page uses it, and how far its images are from Isoline's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.runs.directory import RunDirectory
from core.sharing.contents import ShareError

MOST_BYTES = 48 << 20
"""Of a decoder's file; a browser needs some four times that in memory, and telephones give a page no more."""
CHECKED_IMAGES = 16
Progress = Callable[[float], None]


@dataclass(frozen=True)
class PageDecoder:
    """``content``, an ONNX file that takes ``input`` float32 (1, d) and gives ``output`` float32.

    That is (1, C, H, W) or (1, H, W, C), as ``layout`` says; a pixel is ``scale`` · value + ``offset`` in [0, 1], of
    the value's sigmoid if ``sigmoid``. ``difference`` is the largest one in grey levels to Isoline's own images at
    ``checked`` samples.
    """

    content: bytes
    input: str
    output: str
    height: int
    width: int
    channels: int
    layout: str
    scale: float
    offset: float
    sigmoid: bool
    difference: int
    checked: int


def page_decoder(run: RunDirectory, latents: np.ndarray, progress: Progress) -> PageDecoder | None:
    """The decoder of ``run``, compared with Isoline's at some of ``latents`` float32 (n, d); None if it has none.

    Raises ``ShareError`` if it is too large for a page, ``CheckpointError`` without weights.
    """
    from core.models.inference import decode_images
    from core.models.onnx_export import decoder_onnx
    from core.training.checkpoint import load_model
    from core.training.opening import open_inference

    inference, _ = open_inference(run.path)
    if not inference.can_decode:
        return None
    network, _ = load_model(run.path)
    content = decoder_onnx(network)
    progress(0.8)
    if len(content) > MOST_BYTES:
        raise ShareError(
            f"the decoder of {run.path} has {len(content) / 2**20:.0f} MB; a page can hold "
            f"{MOST_BYTES >> 20} MB. Share it without its decoder (--no-decoder)."
        )
    some = latents[np.linspace(0, len(latents) - 1, min(CHECKED_IMAGES, len(latents))).astype(np.int64)]
    own = decode_images(inference, some)
    drawn = _drawn(content, some)
    difference = int(np.abs(own.astype(np.int16) - drawn).max())
    size = inference.image_size
    progress(1.0)
    return PageDecoder(
        content, "z", "images", size, size, inference.channels, "NCHW", 1.0, 0.0, False, difference, len(some)
    )


def _drawn(content: bytes, latents: np.ndarray) -> np.ndarray:
    """The page's images int16 (n, S, S, C), computed here by the same runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    images = np.concatenate([np.asarray(session.run(["images"], {"z": z[None]})[0]) for z in latents])
    return np.rint(images * 255.0).astype(np.int16).transpose(0, 2, 3, 1)
