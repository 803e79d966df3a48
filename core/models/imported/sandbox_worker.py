"""The process in which a foreign network is tried: ``python -m core.models.imported.sandbox_worker BYTES``.

It reads questions from standard input and writes answers to standard output, a length and MessagePack each. It limits
its own memory where the system can. See ``core.models.imported.sandbox``.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    import onnxruntime

HEADER = struct.Struct("<Q")
MOST_ELEMENTS = 1 << 28
"""Elements of one intermediate, as far as shape inference knows, that are too many to be computed."""


def session_of(model: bytes | str) -> onnxruntime.InferenceSession:
    """A session on one thread and the CPU, the same here and where the window and the command line decode."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what goes wrong is raised, and then said by us
    options.enable_cpu_mem_arena = False  # else a model that needed much once keeps it
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def pack_array(array: np.ndarray) -> list[Any]:
    """``array`` as MessagePack can hold it."""
    return [array.dtype.name, list(array.shape), np.ascontiguousarray(array).tobytes()]


def unpack_array(packed: list[Any]) -> np.ndarray:
    """What ``pack_array`` made."""
    dtype, shape, data = packed
    return np.frombuffer(data, dtype).reshape(shape)


def advice(error: Exception) -> str:
    """What ONNX Runtime says, in one sentence, and what to do about it."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"/\S+/onnxruntime/\S+ \S+ ?", "", text)
    text = text[:300]
    if isinstance(error, MemoryError) or re.search("bad_alloc|[Ff]ailed to allocate|std::length_error", text):
        return f"needs more memory than a model to look at should ({text})."
    missing = re.search(r"Could not find an implementation for (\w+)\((\d+)\)", text)
    if missing:
        return (
            f"needs the operator {missing[1]} of opset {missing[2]} in a form that ONNX Runtime does not have on the "
            "CPU. Export the model in float32, or with another opset."
        )
    if "IR version" in text or "opset" in text:
        return f"is of a version that ONNX Runtime does not know ({text}). Export it with a lower opset, such as 18."
    return f"is refused by ONNX Runtime: {text}"


def infer(model: bytes) -> dict[str, list[int | None]]:
    """Shapes of all values by name. Raises ``ValueError`` for one that is too large."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model), data_prop=True)
    shapes = {}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            shape = [axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim]
            if np.prod([float(n or 1) for n in shape]) > MOST_ELEMENTS:
                raise ValueError(
                    f"its value {value.name} would have the shape {' × '.join(map(str, shape))}, too large to be "
                    "computed. Export a smaller model, or one for smaller images."
                )
            shapes[value.name] = shape
    return shapes


def _answer(request: dict[str, Any], sessions: dict[str, onnxruntime.InferenceSession]) -> Any:
    if request["do"] == "infer":
        import onnx

        try:
            return infer(request["model"])
        except (onnx.shape_inference.InferenceError, RuntimeError):  # ONNX Runtime will say what is wrong
            return {}
    if request["do"] == "open":
        sessions[request["key"]] = session_of(request.get("model") or request["path"])
        return None
    session = sessions[request["key"]]
    feeds = {name: unpack_array(array) for name, array in request["feeds"].items()}
    outputs = zip(session.get_outputs(), session.run(None, feeds), strict=True)
    return {
        out.name: pack_array(value) for out, value in outputs if isinstance(value, np.ndarray) and value.dtype != "O"
    }


def main() -> int:
    """Answer until standard input ends."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import onnxruntime  # noqa: F401  # loaded before memory is limited

    _limit_memory(int(sys.argv[1]))
    sessions: dict[str, onnxruntime.InferenceSession] = {}
    answer: dict[str, Any] = {"result": None}
    while True:
        body = msgspec.msgpack.encode(answer)
        channel.write(HEADER.pack(len(body)) + body)
        channel.flush()
        head = sys.stdin.buffer.read(HEADER.size)
        if len(head) < HEADER.size:
            return 0
        request = msgspec.msgpack.decode(sys.stdin.buffer.read(HEADER.unpack(head)[0]))
        try:
            answer = {"result": _answer(request, sessions)}
        except ValueError as error:
            answer = {"error": str(error)}
        except Exception as error:  # whatever a foreign file makes ONNX Runtime raise
            answer = {"error": advice(error)}


def _limit_memory(size: int) -> None:
    """Let the process take ``size`` bytes more than it has."""
    if sys.platform != "linux":  # elsewhere the one who started it looks at what it takes
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        has = int(file.read().split()[0]) * resource.getpagesize()
    with contextlib.suppress(ValueError, OSError):  # a lower limit stands already
        resource.setrlimit(resource.RLIMIT_AS, (has + size, has + size))


if __name__ == "__main__":
    sys.exit(main())
