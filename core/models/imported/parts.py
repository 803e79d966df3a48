"""Which way through an ONNX file is a decoder, which an encoder: from shapes and names, and by trying each once.

An autoencoder in one file is taken apart where all of the image goes through one value. What a person has said
(``Choices``) comes before what is found, and what is found is a ``Finding``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.models.imported.bottleneck import is_random, mean_of_sum, passages
from core.models.imported.choices import Choices, Finding
from core.models.imported.onnx_graph import (
    PIXEL_TYPES,
    Graph,
    ImportedModelError,
    Value,
    extracted,
)
from core.models.imported.pixel_format import LEAST_SIDE, MOST_PIXELS, image_of, layouts_of
from core.models.imported.sandbox import Sandbox
from core.runs.imported import Pixels, Tensor
from core.utils.text import counted

MOST_LATENTS = 2048
"""Latent dimensions of a model that can be shown."""
NAMES = {
    "image": re.compile(r"(^|[^a-z])(x_?hat|recon\w*|image\w*|img\w*|pixel\w*|decoded|output|x)([^a-z]|$)", re.I),
    "variance": re.compile(r"var|sigma|std|scale|logs", re.I),
    "mean": re.compile(r"(^|[^a-z])(z_?)?(mu|mean|means|loc)([^a-z]|$)", re.I),
    "latent": re.compile(r"(^|[^a-z])(z|latent\w*|code\w*|embedding\w*|z_\w+)([^a-z]|$)", re.I),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """A way from an input to outputs: its graph as it will be stored, and the shapes of one sample's tensors."""

    graph: Graph
    content: bytes | None
    """None: the file as it is."""
    input: Tensor
    outputs: tuple[Tensor, ...]
    fixed: tuple[tuple[Tensor, float], ...]
    key: str
    cut_out: bool = False
    """Of an autoencoder, whose image and latent are known by then."""

    def feeds(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """All inputs, of what this one is to be."""
        others = {tensor.name: np.full(tensor.shape, number, tensor.dtype) for tensor, number in self.fixed}
        return {self.input.name: np.asarray(array, self.input.dtype).reshape(self.input.shape), **others}


class Search:
    """What is known so far: of which ``graphs``, what a person has said, and what was found. ``known_size`` is the
    height and width of images once a decoder has drawn some; ``structural_mean`` the value to which noise is added."""

    def __init__(self, graphs: list[Graph], choices: Choices, sandbox: Sandbox) -> None:
        self.graphs, self.choices, self._sandbox = graphs, choices, sandbox
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.known_size: tuple[int, int] | None = None
        self.structural_mean: str | None = None
        self._parts = 0

    def find(
        self, subject: str, value: str, reason: str, flag: str, options: Iterable[str] = (), choice: str = ""
    ) -> None:
        """Note one finding; ``choice`` where the flag does not say it as ``value`` does."""
        choice = choice or value
        self.findings.append(Finding(subject, value, reason, flag, choice, tuple(dict.fromkeys((*options, choice)))))

    # which file is what

    def roles(self) -> tuple[Part | None, Part | None]:
        """Decoder and encoder, as far as there are. Raises ``ImportedModelError`` if there is neither."""
        self._check_names()
        decoder: Part | None = None
        encoder: Part | None = None
        for graph in self.graphs:
            made, read = self._roles_of(graph)
            decoder, encoder = decoder or made, encoder or read
            if decoder is not None:
                options = layouts_of(decoder.outputs[0].shape, self.choices.size)
                self.known_size = options[0][1:3] if options else None
            if len(self.graphs) == 2 and graph is self.graphs[1] and read is None:
                raise ImportedModelError(f"{graph.path} was given as the encoder, but takes no images to latents.")
        if decoder is None and encoder is None:
            raise self._no_role()
        return decoder, encoder

    def _check_names(self) -> None:
        """Raise ``ImportedModelError`` for a name that a person has said and no file has."""
        inputs = [value.name for graph in self.graphs for value in graph.inputs]
        inside = {name for graph in self.graphs for node in graph.model.graph.node for name in node.output}
        said = [("--input", self.choices.input, inside), ("--image-input", self.choices.image_input, set())]
        said += [("--fixed", name, set()) for name in self.choices.constants]
        for flag, name, others in said:
            if name is not None and name not in inputs and name not in others:
                raise ImportedModelError(f"{flag} is {name!r}, which is no input; available: {', '.join(inputs)}.")

    def _no_role(self) -> ImportedModelError:
        graph = self.graphs[0]
        inputs, outputs = ("; ".join(map(str, values)) for values in (graph.inputs, graph.outputs))
        return ImportedModelError(
            f"{graph.path} is neither a decoder (latents to images) nor an encoder (images to latents). Its inputs: "
            f"{inputs}. Its outputs: {outputs}. Name them with --input and --output, or --image-input and --mean."
        )

    def _roles_of(self, graph: Graph) -> tuple[Part | None, Part | None]:
        """Decoder and encoder of one file, as far as it has them."""
        candidates = [value for value in graph.inputs if value.name not in self.choices.constants]
        if not candidates:
            raise ImportedModelError(
                f"{graph.path} has no inputs: it draws one and the same thing. Export it with one."
            )
        wanted = [name for name in (self.choices.input, self.choices.image_input) if name]
        named = [value for value in candidates if value.name in wanted]
        decoder = encoder = None
        for value in named or [value for value in candidates if value.dtype in PIXEL_TYPES]:
            outputs = [out for out in graph.outputs if value.name in graph.depends(out.name)]
            alone = [out for out in outputs if graph.depends(out.name) - set(self.choices.constants) == {value.name}]
            if outputs and not alone and decoder is None and encoder is None:
                self._refuse_several(graph, value, outputs[0])
            if not alone:
                continue
            part = self._part(graph, value, [out.name for out in alone])
            small = int(np.prod(part.input.shape))
            grown = [out for out in part.outputs if np.prod(out.shape) > small and _imageable(out, self.choices)]
            same = [out for out in part.outputs if np.prod(out.shape) == small and _imageable(out, self.choices)]
            shrunk = [out for out in part.outputs if np.prod(out.shape) < small]
            told_latent = value.name == self.choices.input
            if (grown or told_latent) and value.name != self.choices.image_input and small <= MOST_LATENTS:
                kept = grown or list(part.outputs)
                decoder = decoder or dataclasses.replace(part, outputs=tuple(kept))
            elif same and _imageable(part.input, self.choices) and value.name != self.choices.image_input:
                made, read = self._autoencoder(graph, part, same, shrunk)
                decoder, encoder = decoder or made, encoder or read
            elif shrunk:
                encoder = encoder or dataclasses.replace(part, outputs=tuple(shrunk))
        return decoder, encoder

    def _refuse_several(self, graph: Graph, value: Value, output: Value) -> None:
        others = sorted(graph.depends(output.name) - {value.name} - set(self.choices.constants))
        raise ImportedModelError(
            f"{graph.path}: {output.name} is computed from {counted(len(others) + 1, 'input')}: "
            f"{'; '.join(str(one) for one in graph.inputs)}. Say with --input which is the latent, and keep the others "
            f"as they are, such as --fixed {others[0]}=0."
        )

    def _part(self, graph: Graph, value: Value, outputs: list[str]) -> Part:
        """What leads from ``value`` to ``outputs``, tried once, with the shapes that come out."""
        shape = self._concrete(graph, value)
        others = {one.name: one for one in graph.inputs}
        needed = {name for out in outputs for name in graph.depends(out)}
        fixed = tuple(
            (Tensor(name=name, shape=self._concrete(graph, others[name]), dtype=others[name].dtype), number)
            for name, number in self.choices.constants.items()
            if name in needed
        )
        whole = len(graph.inputs) == 1 + len(fixed) and len(graph.outputs) == len(outputs)
        content = None
        if not whole and not graph.data:
            kinds = {one.name: one.type.tensor_type.elem_type for one in graph.model.graph.input}
            inputs = [(value.name, list(shape), kinds[value.name])]
            inputs += [(tensor.name, list(tensor.shape), kinds[tensor.name]) for tensor, _ in fixed]
            content = extracted(graph, inputs, outputs)
        return self._tried(graph, content, Tensor(name=value.name, shape=shape, dtype=value.dtype), outputs, fixed)

    def _tried(
        self,
        graph: Graph,
        content: bytes | None,
        value: Tensor,
        outputs: list[str],
        fixed: tuple[tuple[Tensor, float], ...] = (),
    ) -> Part:
        """The same, of what is already cut out."""
        self._parts += 1
        key = f"part {self._parts}"
        try:
            part = Part(graph, content, value, (), fixed, key)
            stored = content if content is not None else (graph.path if graph.data else graph.content)
            results = self._sandbox.attempt(key, graph.model, stored, part.feeds(np.zeros(value.shape)))
        except ImportedModelError as error:
            raise ImportedModelError(f"{graph.path} {error}") from error
        made = tuple(
            Tensor(name=name, shape=tuple(results[name].shape), dtype=results[name].dtype.name)
            for name in outputs
            if name in results and results[name].size
        )
        return dataclasses.replace(part, outputs=made)

    def _concrete(self, graph: Graph, value: Value) -> tuple[int, ...]:
        """The shape of one sample of an input. Raises ``ImportedModelError`` where its file leaves axes free."""
        if value.shape is None:
            raise ImportedModelError(
                f"{graph.path}: {value.name} has no shape. Export it with one, only the batch axis left free."
            )
        shape = [1 if place == 0 and n is None else n for place, n in enumerate(value.shape)]
        free = [place for place, n in enumerate(shape) if n is None]
        size = self.choices.size
        if free and len(shape) in (3, 4) and len(free) == 2:
            if size is None and self.known_size is not None:
                size = self.known_size
            if size is None:
                raise ImportedModelError(
                    f"{graph.path}: {value} leaves the size of its images free. Say it with --image-size, such as "
                    "--image-size 64x64."
                )
            shape[free[0]], shape[free[1]] = size
            free = []
        sizes = [int(n) for n in shape if n is not None]
        if free or min(sizes, default=1) < 1:
            raise ImportedModelError(
                f"{graph.path}: {value} leaves axes free that are no batch. Export it with their sizes stated."
            )
        if np.prod(sizes, dtype=float) > 4 * MOST_PIXELS**2:
            raise ImportedModelError(
                f"{graph.path}: {value} is too large: an image may have up to {MOST_PIXELS} × {MOST_PIXELS} pixels."
            )
        return tuple(sizes)

    def _autoencoder(
        self, graph: Graph, part: Part, images: list[Tensor], others: list[Tensor]
    ) -> tuple[Part | None, Part | None]:
        """Decoder and encoder of a network from images to images: taken apart where all goes through one value."""
        image = self.named_output(images, self.choices.output)
        small = int(np.prod(part.input.shape))
        through = passages(graph, part.input.name, image.name)
        if self.choices.input and self.choices.input not in through:
            raise ImportedModelError(
                f"--input is {self.choices.input!r}, which does not have all of the image; available: "
                f"{', '.join(through) or 'none'}."
            )
        possible = through
        through = [self.choices.input] if self.choices.input else through
        if not through:
            raise ImportedModelError(
                f"{graph.path} takes images to images, and no value between them has all of it (there are connections "
                "around it, as in a U-Net). Export decoder and encoder as a file each."
            )
        kind = graph.model.graph.input[0].type.tensor_type.elem_type
        given = [(part.input.name, list(part.input.shape), kind)]
        stages = self._tried(graph, extracted(graph, given, through), part.input, through)
        sizes = [(int(np.prod(value.shape)), -place, value) for place, value in enumerate(stages.outputs)]
        fitting = [size for size in sizes if size[0] < small]
        if not fitting:
            raise ImportedModelError(f"{graph.path} takes images to images without a narrower value between them.")
        latent = min(fitting, key=lambda size: size[:2])[2]
        outer = {value.name for value in graph.outputs}
        self.find(
            "latent",
            latent.name,
            f"the narrowest value that all of the image goes through, {counted(int(np.prod(latent.shape)), 'number')}",
            "--input",
            possible,
        )
        types = {"float32": 1, "float16": 10, "float64": 11}
        content = extracted(graph, [(latent.name, list(latent.shape), types.get(latent.dtype, 1))], [image.name])
        decoder = dataclasses.replace(self._tried(graph, content, latent, [image.name]), cut_out=True)
        mean = mean_of_sum(graph, latent.name, part.input.name)
        heads = [value.name for value in others]
        if mean is not None:
            heads = list(dict.fromkeys([mean, *heads]))
        elif not is_random(graph, latent.name, part.input.name):
            heads = [latent.name]
        elif latent.name not in outer:
            heads = [*heads, latent.name]
        encoder = self._tried(graph, extracted(graph, given, heads), part.input, heads)
        if mean is not None:
            self.structural_mean = mean
        return decoder, encoder

    # the decoder

    def named_output(self, outputs: list[Tensor], wanted: str | None) -> Tensor:
        """The output that is the image. Raises ``ImportedModelError`` for a name that is none of them."""
        names = [value.name for value in outputs]
        if wanted is not None:
            if wanted not in names:
                raise ImportedModelError(f"--output is {wanted!r}; available: {', '.join(names)}.")
            reason = "as you said"
            chosen = outputs[names.index(wanted)]
        else:
            likely = [value for value in outputs if not NAMES["variance"].search(value.name)] or outputs
            named = [value for value in likely if NAMES["image"].search(value.name)]
            chosen = (named or likely)[0]
            others = f" (others: {', '.join(name for name in names if name != chosen.name)})" if len(names) > 1 else ""
            reason = ("the only output that is an image" if len(names) == 1 else "by its name and place") + others
        self.find("image", chosen.name, reason, "--output", names)
        return chosen

    def run(self, part: Part, array: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of ``part`` by name, of all elements of its input. Raises ``ImportedModelError``."""
        try:
            return self._sandbox.run(part.key, part.feeds(array))
        except ImportedModelError as error:
            raise ImportedModelError(f"{part.graph.path} {error}") from error

    def layout(
        self,
        value: Tensor,
        raw: list[np.ndarray],
        wanted: str | None,
        subject: str,
        flag: str,
        like: Pixels | None = None,
    ) -> tuple[str, int, int, int]:
        """Axes, height, width and channels of an image tensor; rather those of ``like`` than others."""
        options = layouts_of(value.shape, self.choices.size)
        shown = " × ".join(map(str, value.shape))
        if wanted is not None:
            fitting = [option for option in options if option[0].replace("(", "").replace(")", "") == wanted]
            if not fitting:
                names = ", ".join(option[0] for option in options) or "none"
                raise ImportedModelError(f"{flag} is {wanted}; {value.name} ({shown}) can be: {names}.")
            chosen, reason = fitting[0], "as you said"
        elif not options:
            raise ImportedModelError(
                f"{value.name} ({shown}) is no image: it needs 1, 3 or 4 channels, and height and width of "
                f"{LEAST_SIDE} to {MOST_PIXELS}. A flat one that is not square needs --image-size."
            )
        elif fitting := [option for option in options if like is not None and option[1:] == _size(like)]:
            same = [option for option in fitting if like is not None and option[0].endswith(like.axes[-4:])]
            chosen = (same or fitting)[0]
            reason = f"{shown}, as large as what the decoder draws"
        elif len(options) == 1:
            chosen, reason = options[0], f"{shown} has one place for channels"
        else:
            roughness = [_roughness(raw, option) for option in options]
            best = int(np.argmin(roughness))
            chosen = options[best]
            reason = f"{shown} could also be {' or '.join(o[0] for o in options if o is not chosen)}; smoothest so"
        if max(chosen[1:3]) > MOST_PIXELS:
            raise ImportedModelError(
                f"{value.name}: images of {chosen[1]} × {chosen[2]} pixels; up to {MOST_PIXELS} a side can be shown."
            )
        flat = [option[0].replace("(", "").replace(")", "") for option in (chosen, *options)]
        text = f"{chosen[0]}: {chosen[1]} × {chosen[2]}, {counted(chosen[3], 'channel')}"
        self.find(subject, text, reason, flag, sorted(flat[1:]), flat[0])
        return chosen


def _size(pixels: Pixels) -> tuple[int, int, int]:
    return pixels.height, pixels.width, pixels.channels


def _imageable(value: Tensor, choices: Choices) -> bool:
    return value.dtype in PIXEL_TYPES and bool(layouts_of(value.shape, choices.size))


def _roughness(raw: list[np.ndarray], option: tuple[str, int, int, int]) -> float:
    """How much neighbouring pixels differ, if the tensors are read so, beside how much all pixels do."""
    axes, height, width, channels = option
    pixels = Pixels(axes=axes, height=height, width=width, channels=channels, values="0:1")
    images = np.stack([image_of(one, pixels) for one in raw]).astype(np.float64)
    spread = images.std() or 1.0
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean()) / spread
