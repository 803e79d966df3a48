"""Decoding and encoding: beside the network's own products, eager PyTorch and ONNX Runtime, on one thread."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.figures import Figure, growth
from benchmarks.products import Products
from benchmarks.timing import rates, torch_threads, turns

if TYPE_CHECKING:
    from core.models.inference import Inference
    from core.models.vae import VAE

SIZES = (64, 128, 256)
BATCH = 32
PRODUCTS = "its layers as matrix products"
IMPORTED_BAR, ENCODE_BAR = 1.5, 0.8


def figures(quick: bool, tree: Path) -> list[Figure]:
    """One image as the window decodes it, by preset and by size, and images encoded in bulk."""
    import torch

    torch.manual_seed(0)
    with torch_threads(1):
        return [
            *decoded("compact", 15 if quick else 60),
            *decoded("article", 3 if quick else 12),
            *sizes(10 if quick else 40),
            *encoded(3 if quick else 12),
            encoded_in_bulk(tree, *((2, 1024) if quick else (5, 8192))),
        ]


def network(preset: str, size: int = 256) -> VAE:
    """A fresh network, ready to decode; what it has learnt does not change how long it takes."""
    from core.config import DataConfig, ModelConfig, RunConfig
    from core.models.vae import build_model

    config = RunConfig(DataConfig(image_size=size), ModelConfig(preset=preset))  # pyright: ignore[reportArgumentType]
    return build_model(config).eval().requires_grad_(False)


def decoded(preset: str, rounds: int) -> list[Figure]:
    """One image of 256² of the network ``preset``, beside its limit and the same work of others."""
    import numpy as np
    import onnxruntime
    import torch

    from core.models.network_inference import NetworkInference
    from core.models.onnx_export import decoder_onnx

    model = network(preset)
    inference = NetworkInference(model, "cpu")
    z = np.zeros((1, model.latent_dim), np.float32)
    tensor = torch.from_numpy(z)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(decoder_onnx(model), options, ["CPUExecutionProvider"])

    def eager() -> None:
        with torch.inference_mode():
            (torch.sigmoid(model.decode_logits(tensor)) * 255).round().to(torch.uint8).numpy()

    def by_onnx() -> None:
        (np.asarray(session.run(None, {"z": z})[0]) * 255).round().astype(np.uint8)

    products = Products(model.decode_logits, tensor, dtype=inference.dtype, backward=False)
    actions = {
        "own": lambda: inference.decode(z),
        PRODUCTS: products.run,
        "eager PyTorch": eager,
        "ONNX Runtime": by_onnx,
    }
    if preset == "compact":
        imported = imported_again(model)
        actions["imported"] = lambda: imported.decode(z)
    times = turns(actions, rounds)
    name = f"decode one image of 256², {preset}"
    found = [
        Figure(name, "ms", times["own"], other, times[other]) for other in (PRODUCTS, "eager PyTorch", "ONNX Runtime")
    ]
    if preset == "compact":
        text = "the same model, imported as ONNX"
        found.append(Figure(text, "ms", times["imported"], "as trained here", times["own"], IMPORTED_BAR))
    return found


def imported_again(model: VAE) -> Inference:
    """``model``, exported to ONNX and imported as that of another program."""
    from core.models.imported.choices import Choices
    from core.models.imported.onnx_inference import OnnxInference
    from core.models.imported.proposal import propose
    from core.models.onnx_export import decoder_onnx

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "decoder.onnx").write_bytes(decoder_onnx(model))
        proposal = propose(folder / "decoder.onnx", None, Choices())
        inference = OnnxInference(folder, proposal.model, proposal.latent_dim, model.image_size, model.channels)
        inference.decode(proposal.z[:1])  # the file has been read
    return inference


def sizes(rounds: int) -> list[Figure]:
    """How the time of one image grows with its pixels."""
    import numpy as np

    from core.models.network_inference import NetworkInference

    inferences = {size: NetworkInference(network("compact", size), "cpu") for size in SIZES}
    z = np.zeros((1, 3), np.float32)
    times = turns({str(size): lambda i=inference: i.decode(z) for size, inference in inferences.items()}, rounds)
    found = [Figure(f"decode one image of {size}², compact", "ms", times[str(size)]) for size in SIZES]
    exponents = tuple(
        growth([size**2 for size in SIZES], turn) for turn in zip(*(times[str(size)] for size in SIZES), strict=True)
    )
    return [*found, Figure("· grows with the number of pixels to the power of", "", exponents)]


def encoded(rounds: int) -> list[Figure]:
    """Many images as `isoline encode` and the window encode them, beside the encoder's own rate in batches."""
    import numpy as np
    import torch

    from core.models.inference import encode_images
    from core.models.network_inference import NetworkInference

    model = network("compact")
    inference = NetworkInference(model, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (4 * BATCH, 256, 256, 1), np.uint8)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
    encoder = model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def batches() -> None:
        with torch.inference_mode():
            for part in pixels.split(BATCH):
                encoder(part)

    products = Products(encoder, pixels[:BATCH], dtype=torch.float32, backward=False)
    times = turns(
        {"one by one": lambda: encode_images(inference, images), "batches": batches, PRODUCTS: products.run}, rounds
    )
    own = rates(times["batches"], len(images))
    single = rates(times["one by one"], len(images))
    return [
        Figure("encode images of 256², one by one, as the window", "/s", single, "the same in batches of 32", own),
        Figure("the encoder's own rate, batches of 32", "/s", own, PRODUCTS, rates(times[PRODUCTS], BATCH)),
    ]


def encoded_in_bulk(tree: Path, rounds: int, count: int) -> Figure:
    """``count`` images of a file, by `isoline encode` into a folder, beside the encoder alone, which it tries first."""
    import numpy as np

    from core.cli.main import main
    from core.training import bulk_encoding

    seen: list[bulk_encoding.Progress] = []
    encode_shard = bulk_encoding.encode_shard

    def watched(*given: Any, **named: Any) -> bulk_encoding.Progress:
        seen.append(encode_shard(*given, **named))
        return seen[-1]

    with tempfile.TemporaryDirectory() as name, patch.object(bulk_encoding, "encode_shard", watched):
        file = Path(name) / "images.npy"
        np.save(file, np.random.default_rng(0).integers(0, 256, (count, 256, 256), np.uint8))
        for number in range(rounds):
            out = str(Path(name) / str(number))
            with contextlib.redirect_stdout(io.StringIO()), torch_threads(os.cpu_count() or 1):
                status = main(["encode", str(tree / "resources" / "model"), str(file), "--out", out])
            if status != 0:
                return Figure("encode", "/s", note=f"isoline encode ended with status {status}")
    rate, alone = tuple(one.rate for one in seen), tuple(one.alone for one in seen)
    text = f"encode {count:,} images of 256² into a folder"
    return Figure(text, "/s", rate, "the encoder alone", alone, ENCODE_BAR, at_least=True)
