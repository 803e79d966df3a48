"""What an encoder wants and gives: found by encoding images, and decoding what comes out, under each assumption."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import structs

from core.models.imported.decoder_findings import Decoded, check_range, data_of
from core.models.imported.onnx_graph import ImportedModelError, sha256_of
from core.models.imported.output_range import input_scale
from core.models.imported.parts import NAMES, Part, Search
from core.models.imported.pixel_format import (
    LOGITS,
    USUAL_RANGES,
    Placement,
    image_of,
    levels_of,
    placement_of,
    tensor_of,
    values_of,
)
from core.runs.imported import OnnxDecoder, OnnxEncoder, Pixels, Tensor

TRIED_IMAGES = 6
_CLEARLY = 0.8
"""Of the error of the mean image, which needs no latent: an assumption that does better than that tells something."""
ImagesFor = Callable[[Placement], np.ndarray | None]
"""Gives some images uint8 (n, S, S, C), n ≥ 1, as they are shown in that place; None: there are none."""
_Head = tuple[Tensor, int, int]
"""An output, the first of its elements that is mu, and how many are."""
_Guess = tuple[int, _Head]
"""The place of a range among those tried, and a head."""


class EncoderFindings:
    """Looks at the encoder ``part``, beside the decoder of the same model if there is one."""

    def __init__(self, search: Search, part: Part, decoded: Decoded | None) -> None:
        self._search, self._part, self._decoded = search, part, decoded
        self._decoder: OnnxDecoder | None = None if decoded is None else decoded.description

    def found(self, images: ImagesFor) -> tuple[OnnxEncoder, int]:
        """The encoder, and how many numbers its mean has. Raises ``ImportedModelError``."""
        part, search, known = self._part, self._search, self._decoder
        names = [value.name for value in part.graph.inputs]
        search.find("images in", part.input.name, "the input that latents are computed from", "--image-input", names)
        pixels = self._pixels()
        placement = placement_of(pixels.height, pixels.width, pixels.channels)
        levels = self._images(images(placement), placement)
        ranges, given_reason = self._ranges()
        trials = []
        for values in ranges:
            tensors = [tensor_of(values_of(level, values), pixels, part.input.shape) for level in levels]
            tensors = [np.rint(tensor) if part.input.dtype == "uint8" else tensor for tensor in tensors]
            trials.append([search.run(part, tensor) for tensor in tensors])
        again = search.run(part, tensor_of(values_of(levels[0], ranges[0]), pixels, part.input.shape))
        random = {name for name, value in again.items() if not np.array_equal(value, trials[0][0].get(name))}
        heads, names_reason = self._heads(random, None if known is None else int(np.prod(known.latent.shape)))
        scores = self._scores(trials, heads, levels)
        best = self._best(scores, ranges, heads, levels)
        self._explain(ranges, given_reason, heads, names_reason, scores, best, random)
        place, (mean, start, count) = best
        content = part.content if part.content is not None else part.graph.content
        encoder = OnnxEncoder(
            file="encoder.onnx", sha256=sha256_of(content), source=part.graph.path.name, data=data_of(part.graph),
            fixed=part.fixed, image=part.input, pixels=structs.replace(pixels, values=ranges[place]), mean=mean,
            start=start,
        )  # fmt: skip
        return encoder, count

    def _pixels(self) -> Pixels:
        """The axes and size of its images; its range is still to be found."""
        search, choices, known = self._search, self._search.choices, self._decoder
        like = None if known is None else known.pixels
        blank = [np.zeros(self._part.input.shape, np.float32)]
        axes, *size = search.layout(
            self._part.input, blank, choices.encoder_layout, "layout in", "--encoder-layout", like
        )
        drawn = size if like is None else [like.height, like.width, like.channels]
        if size != drawn:
            raise ImportedModelError(
                f"The encoder takes images of {' × '.join(map(str, size))}, and the decoder draws "
                f"{' × '.join(map(str, drawn))}. Import the decoder alone, or export an encoder for such images."
            )
        height, width, channels = size
        return Pixels(axes=axes, height=height, width=width, channels=channels, values="0:1")

    def _images(self, own: np.ndarray | None, placement: Placement) -> list[np.ndarray]:
        """Levels (H, W, C) of images to try."""
        if own is not None:
            some = own[:: max(1, len(own) // TRIED_IMAGES)][:TRIED_IMAGES]
            return [placement.original(image) for image in some]
        if self._decoded is not None:
            values = self._decoded.description.pixels.values
            return [levels_of(image, values) for image in self._decoded.samples[:TRIED_IMAGES]]
        shape = (4, placement.height, placement.width, placement.channels)
        return list(np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32))

    def _ranges(self) -> tuple[list[str], str]:
        """Ranges that the encoder may want, and why it is the first if nothing tells between them."""
        part, known = self._part, self._decoder
        said = self._search.choices.encoder_range
        if said is not None:
            check_range(said, "--encoder-range")
            return [said], "as you said"
        if part.input.dtype == "uint8":
            return ["0:255"], "it takes 8-bit values"
        if part.graph.stated_range is not None:
            return [part.graph.stated_range], "Isoline exported it"
        scale = input_scale(part.graph, part.input.name)
        if scale is not None and 1 / 300 < scale < 1 / 100:
            return ["0:255"], f"the first thing it does is multiply by {scale:.3g}, 1/{1 / scale:.4g}"
        usual = [values for values in USUAL_RANGES if values != LOGITS]
        if known is not None and known.pixels.values != LOGITS:
            usual = list(dict.fromkeys([known.pixels.values, *usual]))
        return usual, "assumed, for nothing tells" if known is None else "as the decoder's"

    def _heads(self, random: set[str], d: int | None) -> tuple[list[_Head], str]:
        """Candidates for the mean: (output, first element, how many), the likeliest first; and why."""
        part = self._part
        outputs = [value for value in part.outputs if value.dtype.startswith("float")] or list(part.outputs)
        said, _, begin = (self._search.choices.mean or "").partition("@")
        if said:
            chosen = [value for value in outputs if value.name == said]
            if not chosen:
                raise ImportedModelError(f"--mean is {said!r}; available: {', '.join(v.name for v in outputs)}.")
            size = int(np.prod(chosen[0].shape))
            start = int(begin) if begin.isdecimal() else 0
            count = d if d is not None else size - start
            if start + count > size:
                raise ImportedModelError(f"--mean is {said}@{start}; {said} has {size} numbers, and mu needs {count}.")
            return [(chosen[0], start, count)], "as you said"
        certain = [value for value in outputs if value.name not in random] or outputs
        if not any(value.name not in random for value in outputs):
            self._search.notes.append(
                "The encoder draws random numbers: one image gives another latent each time. Export its mean."
            )
        if self._search.structural_mean is not None:
            certain.sort(key=lambda value: value.name != self._search.structural_mean)
        else:
            certain.sort(
                key=lambda value: (bool(NAMES["variance"].search(value.name)), not NAMES["mean"].search(value.name))
            )
        heads: list[_Head] = []
        for value in certain:
            size = int(np.prod(value.shape))
            if d is None:
                heads.append((value, 0, size))
            elif size == d:
                heads.append((value, 0, d))
            elif size == 2 * d:
                heads += [(value, 0, d), (value, d, d)]
        if not heads:
            sizes = ", ".join(f"{value.name}: {int(np.prod(value.shape))}" for value in certain)
            raise ImportedModelError(
                f"{part.graph.path}: no output of the encoder has the decoder's {d} latent dimensions ({sizes}). Are "
                "they of one model?"
            )
        named = any(NAMES["mean"].search(head[0].name) for head in heads[:1])
        reason = "by its name" if named else "the first that fits"
        return heads, reason if len(heads) > 1 else "the only output that fits"

    def _scores(
        self, trials: list[list[dict[str, np.ndarray]]], heads: list[_Head], levels: list[np.ndarray]
    ) -> dict[_Guess, float]:
        """The mean squared error, of brightness 0 to 1, of the images that each range and head gives back; nothing
        where there is no choice, or no decoder to judge by.

        Images and not latents are compared: what a sample of the prior is decoded to may have another latent, far away,
        where the cloud does not follow the prior.
        """
        scores: dict[_Guess, float] = {}
        if self._decoded is None or len(trials) * len(heads) == 1:
            return scores
        decoder, known = self._decoded.part, self._decoded.description
        for place, results in enumerate(trials):
            for head in heads:
                value, start, count = head
                mu = np.stack([one[value.name].reshape(-1)[start : start + count] for one in results])
                if not np.isfinite(mu).all():
                    scores[place, head] = float("inf")
                    continue
                drawn = [image_of(self._search.run(decoder, point)[known.image.name], known.pixels) for point in mu]
                errors = [levels_of(a, known.pixels.values) - b for a, b in zip(drawn, levels, strict=True)]
                scores[place, head] = float(np.square(np.stack(errors) / 255.0).mean())
        return scores

    def _best(
        self, scores: dict[_Guess, float], ranges: list[str], heads: list[_Head], levels: list[np.ndarray]
    ) -> _Guess:
        """The place of the range, and the head, that do best; the likeliest if none does better than chance."""
        if not scores:
            return 0, heads[0]
        best = min(scores, key=lambda key: scores[key])
        chance = float(np.var(np.stack(levels) / 255.0, axis=0).mean())
        if scores[best] < _CLEARLY * chance:
            return best
        assumed = [f"the range that the encoder wants, {ranges[0]}"] if len(ranges) > 1 else []
        assumed += [f"the mean, {heads[0][0].name}"] if len(heads) > 1 else []
        self._search.notes.append(
            f"Encoded and decoded again, little is left of the images (a mean squared error of {scores[best]:.3g}; "
            f"their mean has {chance:.3g}), so this is assumed: {'; '.join(assumed)}. Are encoder and decoder of one "
            "trained model?"
        )
        scores.clear()
        return 0, heads[0]

    def _explain(
        self,
        ranges: list[str],
        given_reason: str,
        heads: list[_Head],
        names_reason: str,
        scores: dict[_Guess, float],
        best: _Guess,
        random: set[str],
    ) -> None:
        what = "images come back with a mean squared error of"
        reason = given_reason
        if len(ranges) > 1 and scores:
            others = [scores[key] for key in scores if key[0] != best[0] and key[1] == best[1]]
            reason = f"{what} {scores[best]:.3g}, the others {min(others):.3g} or more"
            if scores[best] > 0.8 * min(others):
                reason += ": hardly a difference, so look at the picture"
                self._search.notes.append(f"Which range the encoder wants is not certain; {ranges[best[0]]} does best.")
        elif len(ranges) > 1 and self._decoded is None:
            self._search.notes.append(f"Which range the encoder wants is not known; {ranges[0]} is assumed.")
        wanted = [values for values in USUAL_RANGES if values != LOGITS]
        self._search.find("range in", ranges[best[0]], reason, "--encoder-range", wanted)
        value, start, count = best[1]
        text = value.name if start == 0 and count == int(np.prod(value.shape)) else f"{value.name}@{start}"
        reason = names_reason
        if self._search.structural_mean == value.name:
            reason = "the latent is the sum of this and of noise"
        elif len(heads) > 1 and scores:
            others = [scores[key] for key in scores if key[1] != best[1] and key[0] == best[0]]
            reason = f"{what} {scores[best]:.3g}, from others {min(others):.3g} or more"
        elif len(heads) > 1:
            reason += f" (others: {', '.join(head[0].name for head in heads if head[0] is not value)})"
        if random:
            reason += f"; {', '.join(sorted(random))} {'is' if len(random) == 1 else 'are'} drawn at random"
        self._search.find("mean", text, reason, "--mean", self._means(count))

    def _means(self, count: int) -> Iterator[str]:
        """What --mean may say for a latent of ``count`` numbers, random outputs included."""
        for value in self._part.outputs:
            size = int(np.prod(value.shape))
            if size == count:
                yield value.name
            elif size == 2 * count:
                yield from (f"{value.name}@0", f"{value.name}@{count}")
