"""Messages about curved paths: tracing one, laying the net of factor curves, comparing kinds, attributes as factors.

Part of core.protocol.messages, which joins them with the others. Imports no torch.
"""

from __future__ import annotations

import numpy as np

from core.protocol.message import Message

# Requests ---------------------------------------------------------------------------------------------------------


class TracePath(Message, frozen=True):
    """A path of a ``kind`` of core.paths.recipe. Answered by ``PathTraced``, again as it gets better; newest wins.

    ``start`` float32 (d,); ``end`` float32 (d,), no entries where the kind needs none; ``target`` the name of the
    factor or attribute that changes ("": none); ``value`` what the target is to reach (NaN: what ``end`` has, or as far
    as the data go); ``penalty`` False lets a geodesic leave the data; ``points`` how many the path has.
    """

    kind: str
    start: np.ndarray
    end: np.ndarray
    target: str = ""
    value: float = float("nan")
    penalty: bool = True
    points: int = 33


class LayNet(Message, frozen=True):
    """The net of factor curves of two factors, ``counts`` lines of each. Answered by ``NetLaid``; newest wins."""

    families: tuple[str, ...]
    counts: int = 7


class ComparePaths(Message, frozen=True):
    """Paths of several ``kinds`` from ``start`` to ``end`` (both float32 (d,)), changing ``target``.

    Answered by one ``PathCompared`` a kind, in order. All that change the target are cut at the same achieved change.
    """

    kinds: tuple[str, ...]
    start: np.ndarray
    end: np.ndarray
    target: str
    frames: int = 17


class SetAttributes(Message, frozen=True):
    """Attributes beside the factors, one value a recorded sample: values float64 (N, A), ``names`` A of them.

    They become targets as factors are. No entries: there are none any more. Not answered unless it fails.
    """

    names: tuple[str, ...]
    values: np.ndarray


class MeasureAttributes(Message, frozen=True):
    """Measure ``names`` of core.data.image_attributes on the original of every recorded sample.

    Answered by several ``AttributesProgress`` and an ``AttributesMeasured``; newest wins.
    """

    names: tuple[str, ...]


# Replies ----------------------------------------------------------------------------------------------------------


class PathTraced(Message, frozen=True):
    """A path as it stands: points float32 (m, d); ``final``: it gets no better.

    ``stage``: "graph", "relaxed", "polished", or "exact" for kinds that come at once. ``labels`` float64 (m, F) of the
    surface there, called ``names``; no columns where nothing is labelled. ``flagged`` bool (m,): the points that the
    badge flags, whose labels are guesses; empty if nothing is known. ``note``: what a person should know, such as
    "other factors unknown: not held"; "" if nothing.
    """

    kind: str
    points: np.ndarray
    stage: str
    final: bool
    labels: np.ndarray
    names: tuple[str, ...]
    flagged: np.ndarray
    note: str
    milliseconds: float

    @property
    def off_share(self) -> float:
        """The share of points that the badge flags; NaN if nothing is known."""
        return float(self.flagged.mean()) if len(self.flagged) else float("nan")


class NetLaid(Message, frozen=True):
    """The net: line i is points[starts[i]:starts[i + 1]], on which families[family[i]] is values[i].

    points float32 (P, d), starts int64 (L + 1,), family int64 (L,), values float64 (L,). ``note``: "" if all is well.
    """

    families: tuple[str, ...]
    points: np.ndarray
    starts: np.ndarray
    family: np.ndarray
    values: np.ndarray
    note: str
    milliseconds: float


class PathCompared(Message, frozen=True):
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


class AttributesProgress(Message, frozen=True):
    """Share of the samples that are measured, 0 to 1."""

    fraction: float


class AttributesMeasured(Message, frozen=True):
    """values float64 (N, A) of the attributes ``names``, one row a recorded sample; NaN where one is undefined."""

    names: tuple[str, ...]
    values: np.ndarray
