"""Messages between the window and the engine process.

Requests go to the engine's standard input, replies come from its standard output; how they become bytes is the business
of core.protocol.framing. This module imports no torch, so that both ends can.

What concerns curved paths is in core.protocol.curve_messages.

Every request carries a ``stamp`` (increasing, unique in a session) and belongs to the channel named by its type:
a newer request of a channel replaces an older one that has not finished. Replies repeat the stamp.
"""

from __future__ import annotations

import numpy as np
from msgspec import field

from core.protocol.curve_messages import (
    AttributesMeasured,
    AttributesProgress,
    ComparePaths,
    LayNet,
    MeasureAttributes,
    NetLaid,
    PathCompared,
    PathTraced,
    SetAttributes,
    TracePath,
)
from core.protocol.message import Message

# Requests ---------------------------------------------------------------------------------------------------------


class Load(Message, frozen=True):
    """Open a run directory or a weights file. Answered by ``Loaded``; then ``WeightsChanged`` as they change."""

    path: str


class Decode(Message, frozen=True):
    """Decode one latent point, z float32 (d,). Answered by ``Decoded``. The probe's channel: newest wins."""

    z: np.ndarray


class Inspect(Message, frozen=True):
    """Original, reconstruction and latent mean of sample ``index`` of the dataset. Answered by ``Inspected``."""

    index: int


class Reconstruct(Message, frozen=True):
    """The first ``count`` validation samples beside their reconstructions. Answered by ``Reconstructed``."""

    count: int


class Score(Message, frozen=True):
    """Reconstruction loss of samples ``indices`` int64 (n,). Answered by several ``Scored``."""

    indices: np.ndarray


class DecodePath(Message, frozen=True):
    """Decode z float32 (n, d) in slices. Answered by several ``PathFrames``; a newer one replaces it."""

    z: np.ndarray


class Export(Message, frozen=True):
    """Decode z float32 (n, d) and write ``path``; ``format`` is png, gif, mp4 or npz. ``metadata`` is JSON text.

    Answered by ``ExportProgress`` and finally ``Exported``.
    """

    z: np.ndarray
    path: str
    format: str
    fps: float = 30.0
    metadata: str = "{}"


class Locate(Message, frozen=True):
    """Where a place of the parameter plane lands in latent space. Answered by ``Located``; newest wins.

    ``factors`` float32 (F,): curves are drawn there, also outside the plane. ``index`` ≥ 0 is the nearest sample, for
    data without a generator; curves ignore it.
    """

    factors: np.ndarray
    index: int = -1


class MeasureTransect(Message, frozen=True):
    """Originals and reconstructions along ``points`` float64 (n, F), n from 2 to 200.

    Answered by several ``TransectMeasured``, in order. ``indices`` int64 (n,) are the nearest samples, for data
    without a generator; no entries for curves.
    """

    points: np.ndarray
    indices: np.ndarray


class LoadOther(Message, frozen=True):
    """Open a second run, to compare with the first; an empty path closes it. Answered by ``OtherLoaded``.

    It stays when another first run is loaded; then ``OtherChanged`` as its weights change.
    """

    path: str


class CompareAt(Message, frozen=True):
    """Both models at one input. Answered by ``Compared``; newest wins.

    ``index`` ≥ 0: sample of the first run's dataset, the same picture for both; otherwise ``factors`` float32 (F,) of a
    curve, each drawn as its own run draws; where both are missing (-1 and no entries), both decode the latent point
    ``z`` float32 (d,), which needs as many latent dimensions in both.
    """

    index: int
    factors: np.ndarray
    z: np.ndarray


class Cancel(Message, frozen=True):
    """Drop the unfinished request whose stamp is ``request``."""

    request: int


class Follow(Message, frozen=True):
    """Whether to reload the weights as a training writes them (on after ``Load``)."""

    enabled: bool


class Shutdown(Message, frozen=True):
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
    | TracePath
    | LayNet
    | ComparePaths
    | SetAttributes
    | MeasureAttributes
    | Cancel
    | Follow
    | Shutdown
)

# Replies ----------------------------------------------------------------------------------------------------------


class Ready(Message, frozen=True):
    """The engine has started: the device it computes on and torch's version."""

    device: str
    torch_version: str


class Loaded(Message, frozen=True):
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


class WeightsChanged(Message, frozen=True):
    """The loaded run wrote new weights, now in use."""

    step: int


class OtherChanged(Message, frozen=True):
    """The second run wrote new weights, now in use."""

    step: int


class Decoded(Message, frozen=True):
    """image uint8 (H, W, C) of z float32 (d,); ``milliseconds`` is the decoder's own time.

    ``off_manifold_score`` there, ``threshold`` the value above which a place is off the data and ``gap`` the distance
    to the nearest sample in radii of the cloud; all NaN where the run recorded no samples.
    """

    z: np.ndarray
    image: np.ndarray
    milliseconds: float
    off_manifold_score: float = float("nan")
    threshold: float = float("nan")
    gap: float = float("nan")


class Inspected(Message, frozen=True):
    """A sample: original and reconstruction uint8 (H, W, C), mu float32 (d,), factors float32 (F,)."""

    index: int
    original: np.ndarray
    reconstruction: np.ndarray
    mu: np.ndarray
    factors: np.ndarray
    excess_bce: float


class Reconstructed(Message, frozen=True):
    """indices int64 (n,); originals and reconstructions uint8 (n, H, W, C); excess_bce float32 (n,)."""

    indices: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    excess_bce: np.ndarray
    step: int


class Scored(Message, frozen=True):
    """Losses ``start`` to ``start + n`` of ``total``: excess_bce float32 (n,)."""

    start: int
    total: int
    excess_bce: np.ndarray


class Located(Message, frozen=True):
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


class TransectMeasured(Message, frozen=True):
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


class OtherLoaded(Message, frozen=True):
    """The second run is ready; an empty path: there is none any more."""

    path: str
    latent_dim: int
    image_size: int
    channels: int
    preset: str


class Compared(Message, frozen=True):
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


class PathFrames(Message, frozen=True):
    """Frames ``start`` to ``start + n`` of ``total``: images uint8 (n, H, W, C).

    ``off_manifold_score`` and ``gap`` float64 (n,) and ``threshold`` as in ``Decoded``; no entries where nothing
    is known.
    """

    start: int
    total: int
    images: np.ndarray
    off_manifold_score: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gap: np.ndarray = field(default_factory=lambda: np.zeros(0))
    threshold: float = float("nan")


class ExportProgress(Message, frozen=True):
    """Share of an export that is done, 0 to 1."""

    fraction: float


class Exported(Message, frozen=True):
    """An export was written whole to ``path``."""

    path: str


class Failed(Message, frozen=True):
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
    | PathTraced
    | NetLaid
    | PathCompared
    | AttributesProgress
    | AttributesMeasured
    | ExportProgress
    | Exported
    | Failed
)
