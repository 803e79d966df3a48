"""Messages between the window and the engine process.

Requests go to the engine's standard input, replies come from its standard output, each in a frame of its own (``frame``
and ``FrameReader``). Nothing in a frame can execute code. This module imports no torch, so that both ends can.

A request that is not superseded or cancelled ends in exactly one final reply, which is ``Failed`` if it could not be
carried out. To add a request, write its class and those of its replies here and its handler in core.engine.handlers.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Literal, Union

import msgspec
import numpy as np
from msgspec import field

from core.protocol.figures import AnyFigure, FrameLook, Page


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One message; ``stamp`` ties a reply to its request (0: a reply that nobody asked for)."""

    stamp: int = 0


class Request(Message, frozen=True, kw_only=True):
    """What the window asks for; its ``stamp`` is unique in a session.

    A newer request of the same type and ``channel`` supersedes an unfinished one. Two that ask for the same type of
    message and need both answers use different channels.
    """

    follows_pointer: ClassVar[bool] = False
    """Sent while the mouse is dragged: what has begun is finished, and of those that wait only the newest is begun."""
    repeatable: ClassVar[bool] = True
    """Asked again if the engine dies before it has answered."""

    channel: str = ""


class Reply(Message, frozen=True, kw_only=True):
    """What the engine answers; ``final``: nothing more follows to the same request."""

    final: bool = True


def supersedes(newer: Request, older: Request) -> bool:
    """Whether ``older``, unfinished, is dropped when ``newer`` is asked: it gets neither a reply nor an error. What
    follows the pointer is dropped only until it has begun."""
    if isinstance(newer, Load):  # the others were about the model before; the second model stays
        return not isinstance(older, LoadSecond)
    if isinstance(newer, LoadSecond) and isinstance(older, CompareModels):
        return True
    return type(newer) is type(older) and newer.channel == older.channel


# Requests ---------------------------------------------------------------------------------------------------------


class Load(Request, frozen=True):
    """Open a run directory or a weights file. Answered by ``Loaded``; then ``WeightsChanged`` as they change."""

    path: str


class Decode(Request, frozen=True):
    """Decode one latent point, z float32 (d,). Answered by ``Decoded``."""

    follows_pointer: ClassVar[bool] = True

    z: np.ndarray


class EncodeSample(Request, frozen=True):
    """Original, reconstruction and latent mean of sample ``index`` of the dataset. Answered by ``SampleEncoded``."""

    index: int


class EstimateDimension(Request, frozen=True):
    """Intrinsic dimension of the open run's newest means. Answered by ``DimensionEstimated``."""


class ReconstructValidation(Request, frozen=True):
    """The first ``count`` validation samples beside their reconstructions. Answered by ``ValidationReconstructed``."""

    count: int


class MeasureLosses(Request, frozen=True):
    """Reconstruction loss of samples ``indices`` int64 (n,). Answered by several ``LossesMeasured``."""

    indices: np.ndarray


class DecodePath(Request, frozen=True):
    """Decode z float32 (n, d) in slices. Answered by several ``PathFrames``."""

    z: np.ndarray


class FindNearest(Request, frozen=True):
    """The ``count`` recorded samples nearest to each of z float32 (n, d), and their images, where a run has some.

    Answered by several ``NearestFound``. It stands in for decoding where there is no decoder.
    """

    follows_pointer: ClassVar[bool] = True

    z: np.ndarray
    count: int = 1


class FindThumbnail(Request, frozen=True):
    """A small picture of sample ``index`` of the dataset, for a run that stores none of it. Answered by
    ``ThumbnailFound``."""

    follows_pointer: ClassVar[bool] = True

    index: int


class FindInformative(Request, frozen=True):
    """The latent dimensions that tell most about a label. Answered by ``InformativeFound``.

    ``values`` float64 (N,) of the recorded samples, NaN where one is not known; ``classes``: they number classes.
    """

    values: np.ndarray
    classes: bool


class Export(Request, frozen=True):
    """Decode z float32 (n, d) and write ``path``; ``format`` is png, gif, mp4 or npz. ``metadata`` is JSON text.

    Pictures and films are scaled as ``look`` says, with ``captions`` below: lines of text for each frame, or nothing.
    An npz has the frames as they were decoded.

    Without a decoder the frames are the images of the nearest samples, and ``metadata`` says so.

    Answered by ``ExportProgress`` and finally ``Exported``. A file that the engine's end left half-written is not begun
    again unasked.
    """

    repeatable: ClassVar[bool] = False

    z: np.ndarray
    path: str
    format: str
    fps: float = 30.0
    metadata: str = "{}"
    look: FrameLook = FrameLook()
    captions: tuple[tuple[str, ...], ...] = ()


class EncodeFactors(Request, frozen=True):
    """The image at a place of the parameter plane, encoded and reconstructed. Answered by ``FactorsEncoded``.

    ``factors`` float32 (F,): curves are drawn there, also outside the plane. ``index`` ≥ 0 is the nearest sample, for
    data without a generator; curves ignore it.
    """

    follows_pointer: ClassVar[bool] = True

    factors: np.ndarray
    index: int = -1


class MeasureTransect(Request, frozen=True):
    """Originals and reconstructions along ``points`` float64 (n, F), n from 2 to 200.

    Answered by several ``TransectMeasured``, in order. ``indices`` int64 (n,) are the nearest samples, for data
    without a generator; no entries for curves.
    """

    points: np.ndarray
    indices: np.ndarray


class LoadSecond(Request, frozen=True):
    """Open a second run, to compare with the first; an empty path closes it. Answered by ``SecondLoaded``.

    It stays when another first run is loaded; then ``SecondWeightsChanged`` as its weights change.
    """

    path: str


class CompareModels(Request, frozen=True):
    """Both models at one input. Answered by ``ModelsCompared``.

    ``index`` ≥ 0: sample of the first run's dataset, the same picture for both; otherwise ``factors`` float32 (F,) of a
    curve, each drawn as its own run draws; where both are missing (-1 and no entries), both decode the latent point
    ``z`` float32 (d,), which needs as many latent dimensions in both.
    """

    follows_pointer: ClassVar[bool] = True

    index: int
    factors: np.ndarray
    z: np.ndarray


class TracePath(Request, frozen=True):
    """A path of a ``kind`` of core.paths.recipe. Answered by ``PathTraced``, again as it gets better.

    ``start`` float32 (d,); ``end`` float32 (d,), no entries where the kind needs none; ``target`` the name of the
    factor or attribute that changes ("": none); ``value`` what the target is to reach (NaN: what ``end`` has, or as far
    as the data go); ``penalty`` False lets a geodesic leave the data; ``points`` how many the path has. ``held`` are
    the targets that a factor curve holds constant, None for those that vary most independently of it; ``dimension`` is
    that of the surface it runs on, 0 for the estimated one.
    """

    kind: str
    start: np.ndarray
    end: np.ndarray
    target: str = ""
    value: float = float("nan")
    penalty: bool = True
    points: int = 33
    held: tuple[str, ...] | None = None
    dimension: int = 0


class ComputeGridlines(Request, frozen=True):
    """Factor curves of two factors, ``counts`` of each, over the whole cloud. Answered by ``GridlinesComputed``.

    ``dimension`` is that of the surface, 0 for the estimated one.
    """

    families: tuple[str, ...]
    counts: int = 7
    dimension: int = 0


class ComparePaths(Request, frozen=True):
    """Paths of several ``kinds`` from ``start`` to ``end`` (both float32 (d,)), changing ``target``.

    Answered by one ``PathCompared`` a kind, in order. All that change the target are cut at the same achieved change.
    """

    kinds: tuple[str, ...]
    start: np.ndarray
    end: np.ndarray
    target: str
    frames: int = 17


class SetAttributes(Request, frozen=True):
    """Attributes beside the factors, one value a recorded sample: values float64 (N, A), ``names`` A of them.

    They become targets as factors are. No entries: there are none any more. Answered by ``Done``.
    """

    names: tuple[str, ...]
    values: np.ndarray


class MeasureAttributes(Request, frozen=True):
    """Measure ``names`` of core.data.image_attributes on the original of every recorded sample.

    Answered by several ``AttributesProgress`` and an ``AttributesMeasured``.
    """

    names: tuple[str, ...]


class PreviewFigure(Request, frozen=True):
    """Draw ``figure`` on ``page`` as a PNG of at most ``pixels`` on its longer side. Answered by ``FigurePreviewed``.

    This and ``SaveFigure`` are for the process of ``core.figures``, not for the engine.
    """

    follows_pointer: ClassVar[bool] = True

    figure: AnyFigure
    page: Page
    pixels: int


class SaveFigure(Request, frozen=True):
    """Draw ``figure`` on ``page`` and write it to ``path``, whole or not at all. Answered by ``FigureSaved``."""

    repeatable: ClassVar[bool] = False

    figure: AnyFigure
    page: Page
    path: str


class Cancel(Request, frozen=True):
    """Drop the unfinished request whose stamp is ``request``."""

    request: int


class Ping(Request, frozen=True):
    """Is anybody there? Answered by ``Pong``, out of turn: while other requests are worked on, and before ``Ready``."""


class Shutdown(Request, frozen=True):
    """End the engine process."""


# Replies ----------------------------------------------------------------------------------------------------------


class Ready(Reply, frozen=True):
    """The process has started: the device it computes on and torch's version, empty where it needs none."""

    device: str
    torch_version: str


class Pong(Reply, frozen=True):
    """The engine lives. Its newest step has taken ``seconds`` so far, 0 while it waits for requests; ``request`` is the
    stamp of the one that the step is for, 0: of none."""

    seconds: float
    request: int = 0


class Loaded(Reply, frozen=True):
    """A model is ready. ``step`` is the training step of its weights; ``samples`` how many the run recorded.

    ``preset`` names its network, the format of an imported one. ``can_decode``, ``can_encode``: whether it has a
    decoder and an encoder; ``has_originals``: whether the samples' own images can be shown; ``unallowed``: the places
    that the run would read them from and may not.
    """

    path: str
    latent_dim: int
    image_size: int
    channels: int
    step: int
    samples: int
    factor_names: tuple[str, ...]
    preset: str
    precision: str
    can_decode: bool = True
    can_encode: bool = True
    has_originals: bool = True
    unallowed: tuple[str, ...] = ()


class DimensionEstimated(Reply, frozen=True):
    """TwoNN's ``dimension`` with its 95 % interval, ``low`` to ``high``; NaN where the ``note`` says why.

    ``samples``: of so many it was estimated, which are not all in many latent dimensions.
    """

    dimension: float
    low: float
    high: float
    samples: int = 0
    note: str = ""


class WeightsChanged(Reply, frozen=True):
    """The loaded run wrote new weights, now in use."""

    step: int


class SecondWeightsChanged(Reply, frozen=True):
    """The second run wrote new weights, now in use."""

    step: int


class Decoded(Reply, frozen=True):
    """image uint8 (H, W, C) of z float32 (d,); ``milliseconds`` is the decoder's own time, which began at ``began`` of
    the monotonic clock that all processes of a machine share.

    ``off_manifold_score`` there, ``threshold`` the value above which a place is off the data and ``gap`` the distance
    to the nearest sample in radii of the cloud; all NaN where the run recorded no samples, or where ``doubt`` says why
    its samples are no measure.
    """

    z: np.ndarray
    image: np.ndarray
    milliseconds: float
    began: float = float("nan")
    off_manifold_score: float = float("nan")
    threshold: float = float("nan")
    gap: float = float("nan")
    doubt: str = ""


class SampleEncoded(Reply, frozen=True):
    """A sample: original and reconstruction uint8 (H, W, C), mu float32 (d,), factors float32 (F,)."""

    index: int
    original: np.ndarray
    reconstruction: np.ndarray
    mu: np.ndarray
    factors: np.ndarray
    excess_bce: float


class ValidationReconstructed(Reply, frozen=True):
    """indices int64 (n,); originals and reconstructions uint8 (n, H, W, C); excess_bce float32 (n,)."""

    indices: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    excess_bce: np.ndarray
    step: int


class LossesMeasured(Reply, frozen=True):
    """Losses ``start`` to ``start + n`` of ``total``: excess_bce float32 (n,)."""

    start: int
    total: int
    excess_bce: np.ndarray


class FactorsEncoded(Reply, frozen=True):
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


class TransectMeasured(Reply, frozen=True):
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


class SecondLoaded(Reply, frozen=True):
    """The second run is ready; an empty path: there is none any more. Its fields are those of ``Loaded``."""

    path: str
    latent_dim: int
    image_size: int
    channels: int
    preset: str
    can_decode: bool = True
    can_encode: bool = True


class ModelsCompared(Reply, frozen=True):
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


class PathFrames(Reply, frozen=True):
    """Frames ``start`` to ``start + n`` of ``total``: images uint8 (n, H, W, C).

    ``off_manifold_score`` and ``gap`` float64 (n,), ``threshold`` and ``doubt`` as in ``Decoded``; no entries where
    nothing is known.
    """

    start: int
    total: int
    images: np.ndarray
    off_manifold_score: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gap: np.ndarray = field(default_factory=lambda: np.zeros(0))
    threshold: float = float("nan")
    doubt: str = ""


class NearestFound(Reply, frozen=True):
    """Recorded samples near n places: ``places`` int64 (n, k) among them, nearest first, with their Euclidean
    ``distances`` float32 (n, k) in latent space. ``usual`` is the median distance from a sample to its nearest one.

    ``images`` uint8 (m, S, S, C) are those of the samples ``image_places`` int64 (m,), each sent once: the nearest of
    every place, in the order of the places. None in the first reply, nor where a run has no images.
    """

    places: np.ndarray
    distances: np.ndarray
    usual: float
    image_places: np.ndarray
    images: np.ndarray


class ThumbnailFound(Reply, frozen=True):
    """``image`` uint8 (32, 32, C) of sample ``index`` of the dataset."""

    index: int
    image: np.ndarray


class InformativeFound(Reply, frozen=True):
    """The fields are those of ``core.analysis.informative_dimensions.Informative``."""

    dimensions: tuple[int, ...]
    score: float
    all_score: float
    chance: float
    measure: str


class PathTraced(Reply, frozen=True):
    """A path as it stands: points float32 (m, d); ``final``: it gets no better.

    ``stage``: "graph", "relaxed", "polished", or "exact" for kinds that come at once. ``labels`` float64 (m, F) of the
    surface there, called ``names``; no columns where nothing is labelled. ``flagged`` bool (m,): the points that are
    not on the data, whose labels are guesses; empty if nothing is known. ``note``: what a person should know, such as
    "no other factors are known, so none is held constant"; "" if nothing.
    """

    kind: str
    points: np.ndarray
    stage: str
    labels: np.ndarray
    names: tuple[str, ...]
    flagged: np.ndarray
    note: str
    milliseconds: float

    @property
    def off_share(self) -> float:
        """The fraction of points that are not on the data; NaN if nothing is known."""
        return float(self.flagged.mean()) if len(self.flagged) else float("nan")


class GridlinesComputed(Reply, frozen=True):
    """Line i is points[starts[i]:starts[i + 1]], on which families[family[i]] is values[i].

    points float32 (P, d), starts int64 (L + 1,), family int64 (L,), values float64 (L,). ``note``: "" if all is well.
    """

    families: tuple[str, ...]
    points: np.ndarray
    starts: np.ndarray
    family: np.ndarray
    values: np.ndarray
    note: str
    milliseconds: float


class PathCompared(Reply, frozen=True):
    """Path ``index`` of ``total`` of a comparison, and its measures.

    points float32 (m, d), images uint8 (m, H, W, C), off_manifold_score float64 (m,). ``image_length`` was measured on
    ``image_k`` frames. ``achieved``: the target's change on decoded images; ``leaks`` float64 (F,) of the factors
    ``names`` (the target's own is NaN): the greatest change of each, as a share of its range. ``truth`` says what read
    the factors off the images: "curves" (the data's true inverse), "regressor" or "" (nothing could). ``residual``:
    mean square against the nearest true curve, worst frame (NaN where there is none). ``note``: why the path is missing
    (then it has no points), or what a person should know.
    """

    kind: str
    index: int
    total: int
    points: np.ndarray
    images: np.ndarray
    off_manifold_score: np.ndarray
    threshold: float
    latent_length: float
    image_length: float
    image_k: int
    off_share: float
    achieved: float
    leaks: np.ndarray
    names: tuple[str, ...]
    truth: str
    residual: float
    note: str


class AttributesProgress(Reply, frozen=True, kw_only=True):
    """Fraction of the samples that are measured, 0 to 1."""

    fraction: float
    final: bool = False


class AttributesMeasured(Reply, frozen=True):
    """values float64 (N, A) of the attributes ``names``, one row a recorded sample; NaN where one is undefined."""

    names: tuple[str, ...]
    values: np.ndarray


class ExportProgress(Reply, frozen=True, kw_only=True):
    """Fraction of an export that is done, 0 to 1."""

    fraction: float
    final: bool = False


class Exported(Reply, frozen=True):
    """An export was written whole to ``path``."""

    path: str


class FigurePreviewed(Reply, frozen=True):
    """``png`` of a figure; ``height`` in centimetres where the page has none of its own.

    ``notes``: what a person should know of the file, such as how its points are drawn.
    """

    png: bytes
    height: float
    notes: tuple[str, ...] = ()


class FigureSaved(Reply, frozen=True):
    """A figure was written whole to ``path``; ``size`` in bytes, ``notes`` as of its preview."""

    path: str
    size: int
    notes: tuple[str, ...] = ()


class Failed(Reply, frozen=True):
    """The request could not be carried out; the engine lives on. ``message`` is for a person.

    Nobody asked (``stamp`` 0): newer weights or a message could not be read.
    """

    message: str


class Done(Reply, frozen=True):
    """The request was carried out, and there is nothing more to say."""


# Frames: a message each, a 4-byte little-endian length, then MessagePack; arrays as (dtype, shape, bytes) ------------

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


encoder = msgspec.msgpack.Encoder(enc_hook=_encode_extra)
"""Writes a message, arrays and all."""


def decoder_of(base: type[msgspec.Struct]) -> msgspec.msgpack.Decoder[Any]:
    """Reads messages of every class derived from ``base``, told apart by their names."""
    messages = Union[tuple(base.__subclasses__())]  # noqa: UP007  # made at run time, so that no list is kept by hand
    return msgspec.msgpack.Decoder(messages, dec_hook=_as_array, ext_hook=_decode_array)


_decoders = {"request": decoder_of(Request), "reply": decoder_of(Reply)}


def frame(message: Message) -> bytes:
    """The bytes of one message, length first."""
    body = encoder.encode(message)
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
