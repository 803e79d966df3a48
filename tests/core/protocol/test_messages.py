"""Messages: every one survives the wire, arrays keep type and shape, and no bytes do anything but fail."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.protocol.figures import AnyFigure, FrameLook, LossCurve, LossesFigure, Page, Part, same
from core.protocol.messages import (
    FRAME_HEADER,
    MAX_FRAME,
    Cancel,
    Decode,
    Decoded,
    Export,
    Failed,
    FrameReader,
    FramingError,
    Load,
    PathFrames,
    ProtocolError,
    Reply,
    Request,
    frame,
)

CURVES = LossesFigure((LossCurve("total", np.arange(3.0), np.ones(3), 0),), "step", True, (0, 2), (1, 2), (1, 2))
VALUES: dict[Any, Any] = {
    str: "Blüten/µ.npz",
    int: 7,
    float: 0.25,
    bool: True,
    tuple[int, ...]: (3, 1),
    tuple[str, ...]: ("a", "b"),
    tuple[str, ...] | None: ("a", "b"),
    FrameLook: FrameLook(64),
    tuple[tuple[str, ...], ...]: (("a", "µ"), ("b", "c")),
    bytes: b"\0\xff",
    AnyFigure: CURVES,
    Page: Page(width=8.5),
    np.ndarray: np.arange(6, dtype=np.float32).reshape(2, 3),
}


def example(kind: type) -> Any:
    """A message of ``kind`` with a value in every field."""
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: VALUES[field.type] for field in fields})


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    for field in msgspec.structs.fields(type(one)):
        if isinstance(getattr(one, field.name), Part):
            assert same(getattr(one, field.name), getattr(other, field.name))
        else:
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize("kind", Request.__subclasses__())
def test_every_request_arrives_as_it_was_sent(kind):
    (got,) = FrameReader("request").feed(frame(example(kind)))
    assert_same(got, example(kind))


@pytest.mark.parametrize("kind", Reply.__subclasses__())
def test_every_reply_arrives_as_it_was_sent(kind):
    (got,) = FrameReader("reply").feed(frame(example(kind)))
    assert_same(got, example(kind))


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_arrays_keep_dtype_shape_and_every_bit(array):
    (got,) = FrameReader("reply").feed(frame(PathFrames(start=0, total=1, images=array)))
    assert (got.images.dtype, got.images.shape) == (array.dtype, array.shape)
    assert got.images.tobytes() == array.tobytes()


def test_an_array_in_another_memory_order_arrives_the_same():
    z = np.arange(12, dtype=np.float32).reshape(3, 4).T
    (got,) = FrameReader("request").feed(frame(Decode(z=z)))
    np.testing.assert_array_equal(got.z, z)


@given(st.lists(st.sampled_from(["a", "b/c", ""]), max_size=5), st.integers(1, 40))
def test_messages_come_out_whole_however_the_stream_is_cut(paths, piece):
    stream = b"".join(frame(Load(stamp=i, path=path)) for i, path in enumerate(paths))
    reader, got = FrameReader("request"), []
    for start in range(0, len(stream), piece):
        got += reader.feed(stream[start : start + piece])
    assert [(message.stamp, message.path) for message in got] == list(enumerate(paths))


@given(st.binary(max_size=200), st.sampled_from(["request", "reply"]))
def test_a_frame_of_garbage_is_refused_and_the_next_message_is_read(garbage, kind):
    message = Cancel(request=3) if kind == "request" else Failed(message="no")
    reader = FrameReader(kind)
    reader.add(FRAME_HEADER.pack(len(garbage)) + garbage + frame(message))
    with pytest.raises(ProtocolError):
        reader.take()
    assert_same(reader.take(), message)
    assert reader.take() is None


@given(st.binary(max_size=400))
def test_a_stream_of_garbage_raises_nothing_but_protocol_errors(garbage):
    reader = FrameReader("request")
    reader.add(garbage)
    with contextlib.suppress(ProtocolError):  # and nothing else
        while reader.take() is not None:
            pass


@given(st.data())
def test_a_damaged_message_is_a_message_or_a_protocol_error(data):
    body = bytearray(frame(Decode(stamp=3, z=np.ones(3, np.float32)))[FRAME_HEADER.size :])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    reader = FrameReader("request")
    reader.add(FRAME_HEADER.pack(len(body)) + body)
    with contextlib.suppress(ProtocolError):  # and nothing else
        reader.take()


@pytest.mark.parametrize("shape", [(-1,), (2**63,), (5,), (0, -3)])
def test_an_array_with_a_false_shape_is_refused(shape):
    head = msgspec.msgpack.encode(("float32", shape))
    array = msgspec.msgpack.Ext(1, len(head).to_bytes(2, "little") + head + bytes(8))
    body = msgspec.msgpack.encode({"type": "Decode", "stamp": 1, "z": array})
    with pytest.raises(ProtocolError, match="array"):
        FrameReader("request").feed(FRAME_HEADER.pack(len(body)) + body)


def test_objects_cannot_be_sent_nor_received():
    with pytest.raises(ProtocolError, match="dtype object"):
        frame(Decode(z=np.array([object()])))
    head = msgspec.msgpack.encode(("object", (1,)))
    array = msgspec.msgpack.Ext(1, len(head).to_bytes(2, "little") + head + bytes(8))
    body = msgspec.msgpack.encode({"type": "Decode", "z": array})
    with pytest.raises(ProtocolError, match="object"):
        FrameReader("request").feed(FRAME_HEADER.pack(len(body)) + body)


def test_deeply_nested_bytes_are_refused():
    body = b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(ProtocolError):
        FrameReader("request").feed(FRAME_HEADER.pack(len(body)) + body)


def test_a_length_that_no_frame_has_ends_the_stream():
    with pytest.raises(FramingError, match="longer than the limit"):
        FrameReader("request").feed(FRAME_HEADER.pack(MAX_FRAME + 1))


def test_a_reply_is_no_request():
    reply = Decoded(z=np.zeros(1, np.float32), image=np.zeros((1, 1, 1), np.uint8), milliseconds=1.0)
    with pytest.raises(ProtocolError, match="Decoded"):
        FrameReader("request").feed(frame(reply))


def test_a_field_of_another_type_is_refused():
    body = msgspec.msgpack.encode({"type": "Cancel", "request": "three"})
    with pytest.raises(ProtocolError, match="request"):
        FrameReader("request").feed(FRAME_HEADER.pack(len(body)) + body)
    assert FrameReader("request").feed(frame(Cancel(request=3)))[0].request == 3


def test_defaults_of_an_export():
    (got,) = FrameReader("request").feed(frame(Export(z=np.zeros((1, 2), np.float32), path="p.gif", format="gif")))
    assert (got.fps, got.metadata) == (30.0, "{}")


def test_imports_no_torch():
    code = "import core.protocol.messages, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
