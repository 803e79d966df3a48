"""What a decoder takes and draws: found by decoding samples of the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import structs

from core.models.imported.onnx_graph import Graph, ImportedModelError, sha256_of, sha256_of_file
from core.models.imported.output_range import output_interval
from core.models.imported.parts import Part, Search
from core.models.imported.pixel_format import LOGITS, USUAL_RANGES, image_of, limits
from core.runs.imported import OnnxDecoder, Pixels, Tensor

PRIOR_SAMPLES = 16
"""Decoded to look at what comes out."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoder, and what it makes float32 (n, H, W, C) of ``z`` float32 (n, d) as its network has it."""

    part: Part
    description: OnnxDecoder
    z: np.ndarray
    samples: np.ndarray


class DecoderFindings:
    """Looks at the decoder ``part``."""

    def __init__(self, search: Search, part: Part) -> None:
        self._search, self._part = search, part

    def found(self) -> Decoded:
        """The decoder, and samples of the prior. Raises ``ImportedModelError``."""
        part, search = self._part, self._search
        names = [value.name for value in part.graph.inputs]
        if part.input.name in names:
            reason = "the only input" if len(names) == 1 else "the input that images are computed from"
            search.find("latent", part.input.name, reason, "--input", names)
        image = part.outputs[0] if part.cut_out else search.named_output(list(part.outputs), search.choices.output)
        z, raw = self._prior(image)
        axes, height, width, channels = search.layout(image, raw, search.choices.layout, "layout", "--layout")
        pixels = Pixels(axes=axes, height=height, width=width, channels=channels, values="0:1")
        samples = np.stack([image_of(one, pixels) for one in raw])
        pixels = structs.replace(pixels, values=self._range(image, samples))
        if len(part.input.shape) > 2:
            shape = " × ".join(map(str, part.input.shape))
            search.notes.append(f"The latent of shape {shape} is taken as {z.shape[1]} numbers in a row.")
        content = part.content if part.content is not None else part.graph.content
        description = OnnxDecoder(
            file="decoder.onnx", sha256=sha256_of(content), source=part.graph.path.name, data=data_of(part.graph),
            fixed=part.fixed, latent=part.input, image=image, pixels=pixels,
        )  # fmt: skip
        search.known_size = height, width
        return Decoded(part, description, z, samples)

    def _prior(self, image: Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
        """Samples z float32 (n, d) of the prior, and the output ``image`` of each."""
        part, notes = self._part, self._search.notes
        d = int(np.prod(part.input.shape))
        z = np.random.default_rng(0).standard_normal((PRIOR_SAMPLES, d)).astype(np.float32)
        raw = [self._search.run(part, point)[image.name] for point in z]
        if not all(np.isfinite(one).all() for one in raw):
            raise ImportedModelError(
                f"{part.graph.path} decodes samples of the prior to values that are not finite. Check it where it was "
                "exported."
            )
        if not np.array_equal(self._search.run(part, z[0])[image.name], raw[0]):
            notes.append(
                "The decoder draws random numbers: one latent gives another image each time. Export it in evaluation "
                "mode."
            )
        elif np.ptp(np.stack(raw).astype(np.float64), axis=0).max() == 0.0:
            notes.append("All samples of the prior are decoded to the same image.")
        return z, raw

    def _range(self, image: Tensor, samples: np.ndarray) -> str:
        """The range of the decoder's values."""
        low, high = float(samples.min()), float(samples.max())
        seen = f"samples have {low:.3g} to {high:.3g}"
        said = self._search.choices.range
        if said is not None:
            check_range(said, "--range")
            values, reason = said, "as you said"
        elif image.dtype == "uint8":
            values, reason = "0:255", "they are 8-bit"
        else:
            values, reason = _range_by_operators(self._part.graph, image.name, low, high, seen)
        self._search.find("range", values, reason, "--range", USUAL_RANGES)
        if values != LOGITS:
            ends = limits(values)
            span = ends[1] - ends[0]
            outside = float(((samples < ends[0] - 0.01 * span) | (samples > ends[1] + 0.01 * span)).mean())
            if outside > 0.001:
                self._search.notes.append(
                    f"{outside:.1%} of the values lie outside the range {values} and are cut off ({seen})."
                )
        return values

    # the encoder


def check_range(text: str, flag: str) -> None:
    """Raise ``ImportedModelError`` for what is no range."""
    try:
        limits(text)
    except ValueError as error:
        raise ImportedModelError(
            f"{flag} is {text!r}; it must be 0:1, -1:1, 0:255, logits, or other numbers LOW:HIGH."
        ) from error


def _range_by_operators(graph: Graph, output: str, low: float, high: float, seen: str) -> tuple[str, str]:
    interval, operator = output_interval(graph, output)
    if graph.stated_range is not None:
        return graph.stated_range, "Isoline exported it"
    for ends in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        if interval.bounded and np.allclose(interval, ends, atol=1e-3 * ends[1]):
            return f"{ends[0]:g}:{ends[1]:g}", f"the last operators are a {operator} and what follows it"
    if interval.bounded and interval.high > interval.low and interval.high - interval.low < 1e4:
        return f"{interval.low:g}:{interval.high:g}", f"the last operators, {operator} among them, give these values"
    if high > 20.0 and low > -0.05 * high:
        return "0:255", f"nothing bounds it, and {seen}"
    if low < -1.5 and high > -1.5 and (high > 1.5 or low < -4.0):
        return LOGITS, f"nothing bounds it, and {seen}: taken for what a sigmoid follows"
    if low < -0.25:
        return "-1:1", f"nothing bounds it, and {seen}"
    return "0:1", f"nothing bounds it, and {seen}"


def data_of(graph: Graph) -> tuple[tuple[str, str], ...]:
    """The files with the weights of a network: names below its folder, and hashes."""
    return tuple((str(file.relative_to(graph.folder)), sha256_of_file(file)) for file in graph.data)
