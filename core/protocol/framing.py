"""How messages travel between window and engine: one frame each, a 4-byte little-endian length, then MessagePack.

Arrays travel as (dtype, shape, bytes). Nothing in a frame can execute code. This module imports no torch.
"""

from __future__ import annotations

import struct
from typing import Any, Literal, Union

import msgspec
import numpy as np

from core.protocol.messages import Message, Reply, Request

FRAME_HEADER = struct.Struct("<I")
MAX_FRAME = 1 << 30

_ARRAY = 1
_ALLOWED_DTYPES = ("uint8", "int64", "float32", "float64", "bool")


class ProtocolError(ValueError):
    """Bytes that are not a message of this protocol. Only this message is lost: the next one can be read."""


class FramingError(ProtocolError):
    """A length that no frame has: where messages begin is lost, and the stream must be closed."""


def _encode_extra(value: object) -> object:
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _ALLOWED_DTYPES:
            raise ProtocolError(f"an array of dtype {value.dtype} cannot be sent; use one of {_ALLOWED_DTYPES}.")
        head = msgspec.msgpack.encode((value.dtype.name, value.shape))
        return msgspec.msgpack.Ext(_ARRAY, struct.pack("<H", len(head)) + head + value.tobytes())
    raise ProtocolError(f"a {type(value).__name__} cannot be sent.")


def _decode_array(code: int, data: memoryview) -> np.ndarray:
    if code != _ARRAY or len(data) < 2:
        raise ProtocolError(f"unknown extension {code} in a message.")
    (size,) = struct.unpack("<H", data[:2])
    try:
        dtype, shape = msgspec.msgpack.decode(data[2 : 2 + size], type=tuple[str, tuple[int, ...]])
        if dtype not in _ALLOWED_DTYPES or min(shape, default=0) < 0:
            raise ProtocolError(f"an array {dtype!r} {shape} was sent; allowed are shapes of {_ALLOWED_DTYPES}.")
        return np.frombuffer(data[2 + size :], dtype=dtype).reshape(shape)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"a broken array in a message: {error}") from error


def _as_array(expected: type, value: Any) -> Any:
    if expected is np.ndarray and isinstance(value, np.ndarray):
        return value
    raise ProtocolError(f"a message holds a {type(value).__name__} where {expected} is expected.")


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_extra)


def _decoder(base: type[Message]) -> msgspec.msgpack.Decoder[Any]:
    """Reads messages of every class derived from ``base``, told apart by their names."""
    messages = Union[tuple(base.__subclasses__())]  # noqa: UP007  # made at run time, so that no list is kept by hand
    return msgspec.msgpack.Decoder(messages, dec_hook=_as_array, ext_hook=_decode_array)


_decoders = {"request": _decoder(Request), "reply": _decoder(Reply)}


def frame(message: Message) -> bytes:
    """The bytes of one message, length first."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"a message of {len(body)} bytes is longer than the limit of {MAX_FRAME}.")
    return FRAME_HEADER.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into messages. ``kind`` is "request" or "reply"."""

    def __init__(self, kind: Literal["request", "reply"]) -> None:
        self._decoder = _decoders[kind]
        self._buffer = bytearray()

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream; ``take`` gives the messages in them."""
        self._buffer += data

    def take(self) -> Any:
        """The next message that is whole; None if there is none yet.

        Raises ``ProtocolError`` for a frame that is no message (it is skipped, so ``take`` may be called again), or
        ``FramingError`` for a length that no frame has.
        """
        if len(self._buffer) < FRAME_HEADER.size:
            return None
        (size,) = FRAME_HEADER.unpack_from(self._buffer)
        if size > MAX_FRAME:
            raise FramingError(f"a frame of {size} bytes is longer than the limit of {MAX_FRAME}.")
        end = FRAME_HEADER.size + size
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[FRAME_HEADER.size : end])
        del self._buffer[:end]
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ProtocolError(f"a message could not be read: {error}") from error

    def feed(self, data: bytes) -> list[Any]:
        """Add bytes; return the messages that are now whole, in order. Raises what ``take`` raises."""
        self.add(data)
        messages = []
        while (message := self.take()) is not None:
            messages.append(message)
        return messages
