"""Reading an ONNX file without trusting it: nothing is run, no file but it and those beside it is opened.

``read_graph`` takes the file's structure apart: inputs, outputs, operators, opset, weights in files of their own. What
ONNX Runtime could not run, or should not be given, is refused here with a sentence: operators that no standard defines
(a library of custom operators is never loaded), weights outside the model's folder, tensors larger than the file that
declares them.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from core.utils.text import counted
from core.utils.untrusted import UnreadableError, read_bytes

LARGEST_FILE = 2**31 - 1
"""Bytes of one ONNX file: what its format, Protocol Buffers, can hold."""
MOST_NODES = 100_000
NEWEST_OPSET = onnx.defs.onnx_opset_version()
"""Of the standard operators, the newest that is known here; ONNX Runtime says which of its operators it lacks."""
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Those whose operators ONNX Runtime has built in."""
_SCHEMAS = ("", "ai.onnx", "ai.onnx.ml")  # of which onnx knows every operator
_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.DOUBLE: "float64",
    TensorProto.UINT8: "uint8",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.BOOL: "bool",
}
STATED_RANGES = {"0 to 1": "0:1", "-1 to 1": "-1:1"}
"""What ``value_range`` in the metadata of a file of ours means."""
PIXEL_TYPES = ("float32", "float16", "float64", "uint8")


class ImportedModelError(ValueError):
    """A model that cannot be imported or run; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True)
class Value:
    """An input, output or intermediate: its axes, None where the size is free, or no shape at all; ``dtype`` is "" if
    unknown or of no use here."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str

    def __str__(self) -> str:
        shape = "shape unknown" if self.shape is None else " × ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.name} ({shape or 'one number'}{f', {self.dtype}' if self.dtype != 'float32' else ''})"


@dataclass(frozen=True, eq=False)
class Graph:
    """A file that has been read: ``model`` without the weights of other files, which are ``data``, paths below
    ``folder``. ``values`` are the intermediates whose type is stated."""

    path: Path
    content: bytes
    model: ModelProto
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    data: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def size(self) -> int:
        """Bytes, those of its data included."""
        return len(self.content) + sum(file.stat().st_size for file in self.data)

    @property
    def opset(self) -> int:
        """Of the standard operators."""
        return max((entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")), default=1)

    @property
    def stated_range(self) -> str | None:
        """The range of its images, as ``core.runs.imported.Pixels`` has it, where a file that Isoline wrote says it."""
        metadata = {entry.key: entry.value for entry in self.model.metadata_props}
        return STATED_RANGES.get(metadata.get("value_range", "")) if "isoline_version" in metadata else None

    def depends(self, output: str) -> set[str]:
        """The inputs that ``output`` is computed from."""
        return self.reachable(output)[1]

    def reachable(self, output: str, stop: frozenset[str] = frozenset()) -> tuple[list[int], set[str]]:
        """Places of the nodes, in order, that ``output`` is computed from, back to inputs and ``stop``; and which of
        these inputs and stops."""
        inputs = {value.name for value in self.inputs} | stop
        makers = {name: place for place, node in enumerate(self.model.graph.node) for name in node.output if name}
        nodes: set[int] = set()
        reached: set[str] = set()
        waiting = [output]
        while waiting:
            name = waiting.pop()
            if name in inputs:
                reached.add(name)
            elif name in makers and makers[name] not in nodes:
                nodes.add(makers[name])
                waiting.extend(needs(self.model.graph.node[makers[name]]))
        return sorted(nodes), reached


def read_graph(path: Path) -> Graph:
    """Read and check file ``path``. Raises ``ImportedModelError``."""
    path = Path(path)
    content = _content(path)
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError, RecursionError, UnicodeDecodeError) as error:
        raise ImportedModelError(f"{path} is not an ONNX file, or damaged. {_other_kind(content)}".strip()) from error
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise ImportedModelError(f"{path} holds no ONNX network: it has no nodes, outputs or opset.")
    _check_names(path, model)
    data = _checked_tensors(path, model)
    _check_operators(path, model)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_value(value) for value in model.graph.input if value.name not in weights)
    return Graph(path, content, model, inputs, tuple(_value(value) for value in model.graph.output), data)


def needs(node: NodeProto) -> Iterator[str]:
    """Names of all that a node reads, what the bodies of its loops and branches take from outside included."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for body in (*([attribute.g] if attribute.type == AttributeProto.GRAPH else []), *attribute.graphs):
            inside = {value.name for value in (*body.input, *body.initializer)}
            inside |= {name for inner in body.node for name in inner.output}
            used = {name for inner in body.node for name in needs(inner)} | {value.name for value in body.output}
            yield from used - inside


def extracted(graph: Graph, inputs: list[tuple[str, list[int], int]], outputs: list[str]) -> bytes:
    """The content of an ONNX file with what leads from ``inputs``, (name, shape, type), to ``outputs`` and no more.

    Raises ``ImportedModelError`` if an output also needs something else, or its weights are in other files.
    """
    given = frozenset(name for name, _, _ in inputs)
    places: set[int] = set()
    for output in outputs:
        nodes, reached = graph.reachable(output, given)
        if not reached <= given:
            others = ", ".join(sorted(reached - given))
            raise ImportedModelError(f"{graph.path}: {output} is computed from {others}, too, not from z alone.")
        places |= set(nodes)
    if graph.data:
        raise ImportedModelError(
            f"{graph.path} keeps its weights in other files, so it cannot be taken apart. Export decoder and encoder "
            "as a file each, or all weights in one file."
        )
    model = ModelProto()
    model.CopyFrom(graph.model)
    old = graph.model.graph
    new = model.graph
    del new.node[:], new.input[:], new.output[:], new.initializer[:], new.value_info[:]
    new.node.extend(old.node[place] for place in sorted(places))
    used = {name for node in new.node for name in needs(node)} | set(outputs)
    new.initializer.extend(tensor for tensor in old.initializer if tensor.name in used and tensor.name not in given)
    new.input.extend(onnx.helper.make_tensor_value_info(name, kind, shape) for name, shape, kind in inputs)
    typed = {value.name: value for value in old.output}
    for output in outputs:
        new.output.append(typed.get(output) or ValueInfoProto(name=output))
    return model.SerializeToString()


def without_bodies(model: ModelProto) -> ModelProto:
    """A copy of ``model`` with its shapes and without the bytes of its weights: what shape inference needs."""
    small = ModelProto()
    small.CopyFrom(model)
    for tensor in small.graph.initializer:
        if math.prod(tensor.dims) > 64:
            dims, kind, name = list(tensor.dims), tensor.data_type, tensor.name
            tensor.Clear()
            tensor.dims.extend(dims)
            tensor.data_type, tensor.name = kind, name
    return small


def sha256_of(content: bytes) -> str:
    """Its hash, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The hash of a file's content, hexadecimal. Raises ``OSError``."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ImportedModelError(
                f"{path} is a folder, but none that pythae or diffusers saved. Give one of those, or an ONNX file."
            )
        if size > LARGEST_FILE:
            raise ImportedModelError(
                f"{path} has {size / 2**30:.1f} GiB; a file of this format holds 2 at most. Export the model with its "
                "weights as external data."
            )
        content = read_bytes(path, LARGEST_FILE)
    except UnreadableError as error:
        raise ImportedModelError(f"{path} cannot be read: {error}. Give an ONNX file.") from error
    except FileNotFoundError as error:
        raise ImportedModelError(f"{path} does not exist; give an ONNX file.") from error
    except OSError as error:
        raise ImportedModelError(f"{path} cannot be read ({error.strerror or error}).") from error
    if not content:
        raise ImportedModelError(f"{path} is empty; export the model again.")
    if content.startswith(b"version https://git-lfs"):
        raise ImportedModelError(f"{path} only says where the file is kept (Git LFS). Fetch it with `git lfs pull`.")
    return content


def _other_kind(content: bytes) -> str:
    if content.startswith(b"PK\x03\x04"):
        return "It is a ZIP archive: a .keras, .npz or PyTorch file. Export the model to ONNX in its own framework."
    if content.startswith(b"\x89HDF"):
        return "It is an HDF5 file, perhaps of Keras. Export the model to ONNX there: model.export(…, format='onnx')."
    if content[8:9] == b"{":
        return "It is a safetensors file of Isoline, or damaged; `isoline open` opens the run of such a file."
    return "Export the model again."


# tensors


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """All constants, also those inside nodes, loops and branches."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: object) -> Iterator[TensorProto]:
    for node in nodes:  # pyright: ignore[reportGeneralTypeIssues]  # protobuf's containers have no type
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.TENSOR, AttributeProto.TENSORS):
                yield attribute.t
                yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            if attribute.type == AttributeProto.GRAPH:
                yield from _tensors(attribute.g)
            for body in attribute.graphs:
                yield from _tensors(body)


def _checked_tensors(path: Path, model: ModelProto) -> tuple[Path, ...]:
    """The files, below the folder of ``path``, with weights. Raises ``ImportedModelError`` for one that must not be
    read or is not there, and for a tensor that is larger than what is stored of it."""
    files: dict[Path, None] = {}
    every = [*_tensors(model.graph)]
    for function in model.functions:
        every += _tensors_of_nodes(function.node)
    for tensor in every:
        if min(tensor.dims, default=1) < 0:
            raise ImportedModelError(f"{path} is damaged: its tensor {tensor.name} has the shape {list(tensor.dims)}.")
        if tensor.data_location == TensorProto.EXTERNAL:
            files[_external(path, tensor)] = None
        elif tensor.HasField("raw_data"):
            wanted = _bytes_of(tensor)
            if wanted is not None and len(tensor.raw_data) != wanted:
                raise ImportedModelError(
                    f"{path} is damaged: its tensor {tensor.name} {tuple(tensor.dims)} has {len(tensor.raw_data):,} "
                    f"bytes, not {wanted:,}."
                )
        elif math.prod(tensor.dims) > max(1, 8 * _numbers_in(tensor)):
            raise ImportedModelError(
                f"{path} is damaged: its tensor {tensor.name} {tuple(tensor.dims)} has only "
                f"{counted(_numbers_in(tensor), 'number')}."
            )
    return tuple(files)


def _numbers_in(tensor: TensorProto) -> int:
    fields = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
    return max(len(getattr(tensor, field)) for field in fields)


def _bytes_of(tensor: TensorProto) -> int | None:
    """Bytes that its shape and type ask for; None for a type whose size is not known."""
    try:
        item = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, ValueError, TypeError):
        return None
    if tensor.data_type in _PACKED:
        return None
    return math.prod(tensor.dims) * item


_PACKED = tuple(
    getattr(TensorProto, name)
    for name in ("INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2", "STRING", "UNDEFINED")
    if hasattr(TensorProto, name)
)


def _external(path: Path, tensor: TensorProto) -> Path:
    """The file with a tensor's bytes, below the folder of ``path``."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    told = f"{path} keeps its weights in another file, {location!r}"
    parts = location.replace("\\", "/").split("/")
    absolute = location.startswith(("/", "\\")) or (len(location) > 1 and location[1] == ":")
    if not location or absolute or ".." in parts or "\0" in location:
        raise ImportedModelError(
            f"{told}; it must lie in the folder of the model or below it. Export the model again, in one file or with "
            "its weights beside it."
        )
    folder = path.parent
    file = folder / location
    if not os.path.realpath(file).startswith(os.path.join(os.path.realpath(folder), "")):
        raise ImportedModelError(f"{told}, a link that leads out of the model's folder. Put the file itself there.")
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise FileNotFoundError
    except OSError as error:
        raise ImportedModelError(f"{told}, which is missing beside it. Put both files into one folder.") from error
    offset, length = entries.get("offset", "0"), entries.get("length", "")
    wanted = _bytes_of(tensor)
    if not offset.isdecimal() or not (length or "0").isdecimal() or len(offset + length) > 38:
        raise ImportedModelError(f"{path} is damaged: it says that {tensor.name} begins at {offset[:40]!r}.")
    stored = int(length) if length else (wanted or 0)
    if int(offset) + stored > size or (wanted is not None and stored != wanted):
        raise ImportedModelError(
            f"{folder / location} does not belong to {path.name}, or is cut off: {tensor.name} {tuple(tensor.dims)} "
            f"would be bytes {int(offset):,} to {int(offset) + stored:,} of {size:,}. Copy both files again."
        )
    return file


# operators


def _check_names(path: Path, model: ModelProto) -> None:
    """Raise ``ImportedModelError`` for a name that is no UTF-8, which comes as bytes: Protocol Buffers lets it be."""
    names: list[object] = [model.producer_name, model.producer_version]
    names += [text for entry in model.metadata_props for text in (entry.key, entry.value)]
    names += [entry.domain for entry in model.opset_import]
    names += [value.name for value in (*model.graph.input, *model.graph.output, *model.graph.value_info)]
    names += [name for function in model.functions for name in (function.name, function.domain)]
    for node in _nodes(model):
        names += [node.op_type, node.domain, node.name, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    every = [*_tensors(model.graph)]
    for function in model.functions:
        every += _tensors_of_nodes(function.node)
    names += [tensor.name for tensor in every]
    names += [text for tensor in every for entry in tensor.external_data for text in (entry.key, entry.value)]
    wrong = next((name for name in names if not isinstance(name, str)), None)
    if wrong is not None:
        raise ImportedModelError(f"{path} is damaged: one of its names is {wrong!r}, which is no text.")


def _check_operators(path: Path, model: ModelProto) -> None:
    """Raise ``ImportedModelError`` for operators that no version has that we run."""
    versions = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in model.opset_import}
    if versions.get("", 1) > NEWEST_OPSET:
        raise ImportedModelError(
            f"{path} uses opset {versions['']}; {NEWEST_OPSET} is the newest that can be run here. Export the model "
            "with a lower one, such as opset_version=18."
        )
    for domain, version in versions.items():
        if not 1 <= version < 2**31:
            raise ImportedModelError(f"{path} is damaged: it uses version {version} of the operators {domain!r}.")
    functions = {(function.domain, function.name) for function in model.functions}
    count = 0
    for node in _nodes(model):
        count += 1
        if count > MOST_NODES:
            raise ImportedModelError(f"{path} has more than {MOST_NODES:,} operators; that many are not read.")
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (node.domain, node.op_type) in functions:
            continue
        called = f"the operator {node.op_type}{f' of {node.domain}' if node.domain else ''}"
        if domain not in DOMAINS:
            raise ImportedModelError(
                f"{path} needs {called}, which is not one of ONNX's own. Libraries of custom operators are never "
                "loaded; export the model with standard operators only."
            )
        if domain in _SCHEMAS and not onnx.defs.has(node.op_type, versions.get(domain, 1), domain):
            raise ImportedModelError(
                f"{path} needs {called}, which opset {versions.get(domain, 1)} does not have: its exporter had no "
                "translation for it. Export the model with another opset, or without that part, such as random "
                "sampling."
            )


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    waiting = [*model.graph.node]
    for function in model.functions:
        waiting.extend(function.node)
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            waiting.extend(attribute.g.node)
            for body in attribute.graphs:
                waiting.extend(body.node)


def _value(value: ValueInfoProto) -> Value:
    if not value.type.HasField("tensor_type"):
        return Value(value.name, None, "")
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim)
    return Value(value.name, shape, _TYPES.get(tensor.elem_type, ""))


def with_shapes(model: ModelProto, shapes: dict[str, list[int]]) -> ModelProto:
    """A copy without weights whose inputs have these ``shapes``, ready for shape inference."""
    small = without_bodies(model)
    for value in small.graph.input:
        if value.name in shapes:
            kind = value.type.tensor_type.elem_type
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, shapes[value.name]))
    return small
