"""Messages between the window and the engine process, and how they travel.

Requests go to the engine's standard input, replies come from its standard output. Each message is one frame: a
4-byte little-endian length, then MessagePack. Arrays travel as (dtype, shape, bytes); nothing in a frame can execute
code. This module imports no torch, so that both ends can.

Every request carries a ``stamp`` (increasing, unique in a session) and belongs to the channel named by its type:
a newer request of a channel replaces an older one that has not finished. Replies repeat the stamp.
"""

from __future__ import annotations

import struct
from typing import Any, Literal

import msgspec
import numpy as np

FRAME_HEADER = struct.Struct("<I")
MAX_FRAME = 1 << 30

_ARRAY = 1
_ALLOWED_DTYPES = ("uint8", "int64", "float32", "float64", "bool")


class ProtocolError(ValueError):
    """Bytes that are not a message of this protocol. Only this message is lost: the next one can be read."""


class FramingError(ProtocolError):
    """A length that no frame has: where messages begin is lost, and the stream must be closed."""


class _Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One message; ``stamp`` ties a reply to its request (0: unasked)."""

    stamp: int = 0


# Requests ---------------------------------------------------------------------------------------------------------


class Load(_Message, frozen=True):
    """Open a run directory or a weights file. Answered by ``Loaded``; then ``WeightsChanged`` as they change."""

    path: str


class Decode(_Message, frozen=True):
    """Decode one latent point, z float32 (d,). Answered by ``Decoded``. The probe's channel: newest wins."""

    z: np.ndarray


class Inspect(_Message, frozen=True):
    """Original, reconstruction and latent mean of sample ``index`` of the dataset. Answered by ``Inspected``."""

    index: int


class Reconstruct(_Message, frozen=True):
    """The first ``count`` validation samples beside their reconstructions. Answered by ``Reconstructed``."""

    count: int


class Score(_Message, frozen=True):
    """Reconstruction loss of samples ``indices`` int64 (n,). Answered by several ``Scored``."""

    indices: np.ndarray


class DecodePath(_Message, frozen=True):
    """Decode z float32 (n, d) in slices. Answered by several ``PathFrames``; a newer one replaces it."""

    z: np.ndarray


class Export(_Message, frozen=True):
    """Decode z float32 (n, d) and write ``path``; ``format`` is png, gif, mp4 or npz. ``metadata`` is JSON text.

    Answered by ``ExportProgress`` and finally ``Exported``.
    """

    z: np.ndarray
    path: str
    format: str
    fps: float = 30.0
    metadata: str = "{}"


class Locate(_Message, frozen=True):
    """Where a place of the parameter plane lands in latent space. Answered by ``Located``; newest wins.

    ``factors`` float32 (F,): curves are drawn there, also outside the plane. ``index`` ≥ 0 is the nearest sample, for
    data without a generator; curves ignore it.
    """

    factors: np.ndarray
    index: int = -1


class MeasureTransect(_Message, frozen=True):
    """Originals and reconstructions along ``points`` float64 (n, F), n from 2 to 200.

    Answered by several ``TransectMeasured``, in order. ``indices`` int64 (n,) are the nearest samples, for data
    without a generator; no entries for curves.
    """

    points: np.ndarray
    indices: np.ndarray


class LoadOther(_Message, frozen=True):
    """Open a second run, to compare with the first; an empty path closes it. Answered by ``OtherLoaded``.

    It stays when another first run is loaded; then ``OtherChanged`` as its weights change.
    """

    path: str


class CompareAt(_Message, frozen=True):
    """Both models at one input. Answered by ``Compared``; newest wins.

    ``index`` ≥ 0: sample of the first run's dataset, the same picture for both; otherwise ``factors`` float32 (F,) of a
    curve, each drawn as its own run draws; where both are missing (-1 and no entries), both decode the latent point
    ``z`` float32 (d,), which needs as many latent dimensions in both.
    """

    index: int
    factors: np.ndarray
    z: np.ndarray


class Cancel(_Message, frozen=True):
    """Drop the unfinished request whose stamp is ``request``."""

    request: int


class Follow(_Message, frozen=True):
    """Whether to reload the weights as a training writes them (on after ``Load``)."""

    enabled: bool


class Shutdown(_Message, frozen=True):
    """End the engine process."""


Request = (
    Load
    | Decode
    | Inspect
    | Reconstruct
    | Score
    | DecodePath
    | Export
    | Locate
    | MeasureTransect
    | LoadOther
    | CompareAt
    | Cancel
    | Follow
    | Shutdown
)

# Replies ----------------------------------------------------------------------------------------------------------


class Ready(_Message, frozen=True):
    """The engine has started: the device it computes on and torch's version."""

    device: str
    torch_version: str


class Loaded(_Message, frozen=True):
    """A model is ready. ``step`` is the training step of its weights; ``samples`` how many the run recorded."""

    path: str
    latent_dim: int
    image_size: int
    channels: int
    step: int
    samples: int
    factor_names: tuple[str, ...]
    preset: str
    precision: str


class WeightsChanged(_Message, frozen=True):
    """The loaded run wrote new weights, now in use."""

    step: int


class OtherChanged(_Message, frozen=True):
    """The second run wrote new weights, now in use."""

    step: int


class Decoded(_Message, frozen=True):
    """image uint8 (H, W, C) of z float32 (d,); ``milliseconds`` is the decoder's own time."""

    z: np.ndarray
    image: np.ndarray
    milliseconds: float


class Inspected(_Message, frozen=True):
    """A sample: original and reconstruction uint8 (H, W, C), mu float32 (d,), factors float32 (F,)."""

    index: int
    original: np.ndarray
    reconstruction: np.ndarray
    mu: np.ndarray
    factors: np.ndarray
    excess_bce: float


class Reconstructed(_Message, frozen=True):
    """indices int64 (n,); originals and reconstructions uint8 (n, H, W, C); excess_bce float32 (n,)."""

    indices: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    excess_bce: np.ndarray
    step: int


class Scored(_Message, frozen=True):
    """Losses ``start`` to ``start + n`` of ``total``: excess_bce float32 (n,)."""

    start: int
    total: int
    excess_bce: np.ndarray


class Located(_Message, frozen=True):
    """A place of the parameter plane: original and reconstruction uint8 (H, W, C), mu float32 (d,).

    ``factors`` float32 (F,) are those of the original (of the nearest sample, where nothing draws one).
    """

    factors: np.ndarray
    index: int
    original: np.ndarray
    reconstruction: np.ndarray
    mu: np.ndarray
    excess_bce: float
    ssim: float


class TransectMeasured(_Message, frozen=True):
    """Points ``start`` to ``start + n`` of ``total`` along a transect.

    ``originals`` and ``reconstructions`` uint8 (n, H, W, C); ``mu`` float32 (n, d); ``excess_bce`` and ``ssim``
    float64 (n,).
    """

    start: int
    total: int
    originals: np.ndarray
    reconstructions: np.ndarray
    mu: np.ndarray
    excess_bce: np.ndarray
    ssim: np.ndarray


class OtherLoaded(_Message, frozen=True):
    """The second run is ready; an empty path: there is none any more."""

    path: str
    latent_dim: int
    image_size: int
    channels: int
    preset: str


class Compared(_Message, frozen=True):
    """Both models at one input: images uint8 (H, W, C) of ``first`` and ``second``, their mu float32 (d,).

    Where the runs differ in image size or channels, curves are drawn at each model's size and other images resized to
    the second's; each loss is measured at its own model's size. ``second`` has been resized to the first's afterwards.
    ``original`` uint8 (H, W, C) is what the first was given; it has no pixels (0, 0, C) where both decoded one latent
    point; the losses are then NaN.
    """

    original: np.ndarray
    first: np.ndarray
    second: np.ndarray
    first_mu: np.ndarray
    second_mu: np.ndarray
    first_excess_bce: float
    second_excess_bce: float


class PathFrames(_Message, frozen=True):
    """Frames ``start`` to ``start + n`` of ``total``: images uint8 (n, H, W, C)."""

    start: int
    total: int
    images: np.ndarray


class ExportProgress(_Message, frozen=True):
    """Share of an export that is done, 0 to 1."""

    fraction: float


class Exported(_Message, frozen=True):
    """An export was written whole to ``path``."""

    path: str


class Failed(_Message, frozen=True):
    """The request failed; the engine lives on. ``message`` is for a person."""

    request: str
    message: str


Reply = (
    Ready
    | Loaded
    | WeightsChanged
    | Decoded
    | Inspected
    | Reconstructed
    | Scored
    | PathFrames
    | Located
    | TransectMeasured
    | OtherLoaded
    | OtherChanged
    | Compared
    | ExportProgress
    | Exported
    | Failed
)


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
_request_decoder = msgspec.msgpack.Decoder(Request, dec_hook=_as_array, ext_hook=_decode_array)
_reply_decoder = msgspec.msgpack.Decoder(Reply, dec_hook=_as_array, ext_hook=_decode_array)


def frame(message: Request | Reply) -> bytes:
    """The bytes of one message, length first."""
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise ProtocolError(f"a message of {len(body)} bytes is longer than the limit of {MAX_FRAME}.")
    return FRAME_HEADER.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into messages. ``kind`` is "request" or "reply"."""

    def __init__(self, kind: Literal["request", "reply"]) -> None:
        self._decoder = _request_decoder if kind == "request" else _reply_decoder
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
