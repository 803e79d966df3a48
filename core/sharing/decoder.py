"""The decoder of a page: an ONNX file, how the page uses it, and how far its images are from Isoline's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.models.imported.pixel_format import LOGITS, limits
from core.models.imported.sandbox_worker import session_of
from core.runs.directory import RunDirectory
from core.runs.imported import OnnxModel
from core.sharing.contents import ShareError

MOST_BYTES = 48 << 20
"""Of a decoder's file; a browser needs some four times that in memory, and telephones give a page no more."""
CHECKED_IMAGES = 16
MOST_DIFFERENCE = 2
"""Grey levels between the images of the page and Isoline's, both computed in float32."""
TYPES = ("float32", "float64", "float16", "int32", "int64", "uint8", "bool")
"""What a page can give to a graph."""
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Input:
    """An input of a graph: ``shape`` for one image, and ``dtype`` as numpy and ONNX Runtime Web call it. ``value``: of
    all its elements; None for the latents."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    value: float | None = None


@dataclass(frozen=True)
class Graph:
    """How a page uses an ONNX file; ``scripts/worker.js`` does what is said here.

    ``output`` holds one image of ``height`` × ``width`` × ``channels``, whose rows, columns and channels are
    ``strides`` elements apart, with ``low`` for black and ``high`` for white, after a sigmoid if ``logits``. It is
    shown as a square of ``side``: ``reduction`` × ``reduction`` pixels become one, with black margins where it is not
    square. Of two channels the first is shown, of four the first three.
    """

    inputs: tuple[Input, ...]
    output: str
    height: int
    width: int
    channels: int
    strides: tuple[int, int, int]
    side: int
    low: float = 0.0
    high: float = 1.0
    logits: bool = False
    reduction: int = 1


@dataclass(frozen=True)
class PageDecoder:
    """``content``, an ONNX file. ``difference`` is the largest one in grey levels to Isoline's own images at
    ``checked`` samples."""

    content: bytes
    graph: Graph
    difference: int
    checked: int


def page_decoder(run: RunDirectory, latents: np.ndarray, progress: Progress) -> PageDecoder | None:
    """The decoder of ``run``, compared with Isoline's at some of ``latents`` float32 (n, d); None if it has none.

    Raises ``ShareError`` if it is too large for a page or draws other images, ``CheckpointError`` without weights.
    """
    from core.models.inference import decode_images
    from core.training.opening import open_inference

    inference, _ = open_inference(run.path, precision="float32")
    if not inference.can_decode:
        return None
    content, graph = _imported(run, run.imported) if isinstance(run.imported, OnnxModel) else _own(run)
    progress(0.8)
    _check_size(run, len(content))
    some = latents[np.linspace(0, len(latents) - 1, min(CHECKED_IMAGES, len(latents))).astype(np.int64)]
    drawn = shown_images(content, graph, some)
    difference = int(np.abs(decode_images(inference, some).astype(np.int16) - drawn).max())
    if difference > MOST_DIFFERENCE:
        raise ShareError(
            f"the page's decoder of {run.path} draws images up to {difference} grey levels from Isoline's; at most "
            f"{MOST_DIFFERENCE} are allowed. Share it without its decoder (--no-decoder)."
        )
    progress(1.0)
    return PageDecoder(content, graph, difference, len(some))


def _check_size(run: RunDirectory, size: int) -> None:
    """Raise ``ShareError`` for a decoder of too many bytes."""
    if size > MOST_BYTES:
        raise ShareError(
            f"the decoder of {run.path} has {size / 2**20:.0f} MB; a page can hold {MOST_BYTES >> 20} MB. Share it "
            "without its decoder (--no-decoder)."
        )


def _own(run: RunDirectory) -> tuple[bytes, Graph]:
    """A decoder that was trained here."""
    from core.models.onnx_export import decoder_onnx
    from core.training.checkpoint import load_model

    network, _ = load_model(run.path)
    size, channels = network.image_size, network.channels
    latent = Input("z", (1, network.latent_dim))
    return decoder_onnx(network), Graph((latent,), "images", size, size, channels, (size, 1, size * size), size)


def _imported(run: RunDirectory, model: OnnxModel) -> tuple[bytes, Graph]:
    """A decoder that was imported as an ONNX file, its weights taken into it. Whoever opened it has checked the files.

    Raises ``ShareError`` for what a page cannot give it.
    """
    import onnx

    decoder = model.decoder
    assert decoder is not None, "a model that decodes has a decoder"
    names = (decoder.file, *(name for name, _ in decoder.data))
    _check_size(run, sum((run.model_path / name).stat().st_size for name in names))
    inputs = [Input(decoder.latent.name, decoder.latent.shape, decoder.latent.dtype)]
    inputs += [Input(tensor.name, tensor.shape, tensor.dtype, value) for tensor, value in decoder.fixed]
    if strange := [needed for needed in inputs if needed.dtype not in TYPES]:
        raise ShareError(
            f"the decoder of {run.path} takes {strange[0].name} as {strange[0].dtype}; a page can give it "
            f"{', '.join(TYPES)}. Share it without its decoder (--no-decoder)."
        )
    pixels = decoder.pixels
    sizes, strides, stride = {"H": pixels.height, "W": pixels.width, "C": pixels.channels}, {}, 1
    for axis in reversed([axis for axis in pixels.axes if axis in sizes]):
        strides[axis], stride = stride, stride * sizes[axis]
    low, high = limits(pixels.values)
    graph = Graph(
        tuple(inputs),
        decoder.image.name,
        pixels.height,
        pixels.width,
        pixels.channels,
        (strides["H"], strides["W"], strides.get("C", 0)),
        run.config.data.image_size,
        low,
        high,
        pixels.values == LOGITS,
        model.reduction,
    )
    return onnx.load(str(run.model_path / decoder.file)).SerializeToString(), graph


def shown_images(content: bytes, graph: Graph, latents: np.ndarray) -> np.ndarray:
    """What the page shows at ``latents`` float32 (n, d), computed here by the same runtime: int16 (n, S, S, 1 or 3)."""
    session, images = session_of(content), []
    for z in latents:
        feeds = {}
        for needed in graph.inputs:
            values = z.reshape(needed.shape) if needed.value is None else np.full(needed.shape, needed.value)
            feeds[needed.name] = values.astype(needed.dtype)
        images.append(
            _shown(np.ascontiguousarray(session.run([graph.output], feeds)[0], np.float32).reshape(-1), graph)
        )
    return np.stack(images)


def _shown(values: np.ndarray, graph: Graph) -> np.ndarray:
    """One image int16 (S, S, 1 or 3) of the elements ``values`` of the output."""
    place = np.ix_(
        *(
            np.arange(size) * stride
            for size, stride in zip(
                (graph.height, graph.width, 3 if graph.channels >= 3 else 1), graph.strides, strict=True
            )
        )
    )
    image = values[place[0] + place[1] + place[2]].astype(np.float64)
    if graph.logits:
        image = 1.0 / (1.0 + np.exp(-np.clip(image, -60.0, 60.0)))
    levels = np.nan_to_num(np.clip((image - graph.low) / (graph.high - graph.low), 0.0, 1.0)) * 255.0
    k = graph.reduction
    levels = np.pad(levels, ((0, -graph.height % k), (0, -graph.width % k), (0, 0)), mode="edge")
    height, width, channels = levels.shape[0] // k, levels.shape[1] // k, levels.shape[2]
    inner = np.rint(levels.reshape(height, k, width, k, channels).mean(axis=(1, 3))).astype(np.int16)
    square = np.zeros((graph.side, graph.side, channels), np.int16)
    top, left = (graph.side - height) // 2, (graph.side - width) // 2
    square[top : top + height, left : left + width] = inner
    return square
