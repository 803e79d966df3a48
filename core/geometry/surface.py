"""The data's surface with the samples' labels on it: how large a neighbourhood describes both, and where it ends.

A local fit over too few samples follows their noise, over too many it cuts across bends; which is which depends on the
model and on the labels. So the neighbourhood is chosen by leave-one-out error: every candidate predicts samples that
it has not seen, in their labels and in their place along the normal.

The off-manifold score asks eight samples: one place in a hundred is doubtful, and a curve looks at hundreds. Where it
doubts, sixteen are asked, among the labels if these tell one place from another. An encoder that saw nothing in a gap
of the data often draws its rims together, so that a gap may be two samples wide among the latents, no more than a
sparse spot; among the labels it is as wide as it is in the data. numpy at import, scipy at first use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.geometry.embedding_metrics import intrinsic_dimension
from core.geometry.local_fit import (
    DEFAULT_NEIGHBOURS,
    GeometryError,
    LocalFit,
    LocalModel,
    Neighbourhoods,
    check_points,
    local_model,
    project,
)
from core.geometry.off_manifold import SCORE_NEIGHBOURS, OffManifoldDetector, SmoothOffManifoldScore

CANDIDATES = (24, 48, 96, 192, 384, 768, 1536)  # neighbourhoods that are tried, if there are so many samples
TOLERANCE = 0.05  # the largest neighbourhood within 5 % of the least error is chosen: the smoothest that is as good
MAX_LANDMARKS = 20_000
MAX_INTRINSIC = 8  # a quadratic in more dimensions has more coefficients than a neighbourhood can tell

DOUBT = 0.8  # of the threshold: below it a place is on the manifold
CERTAIN = 2.5  # of it: above it a place is off the data, whatever the labels say

_LEVEL = 1.0  # of x, which is 0 at a straight edge of the data
_SEEN = 0.95  # of the samples must not lie in a gap of the labels, or the labels cannot tell

_CHUNK = 1 << 20  # neighbours fitted at once
_JUDGED = 160  # samples whose error is measured
_MOST_NUMBERS = 1 << 25  # in their neighbourhoods; in many dimensions larger ones would fill the memory
_HOPELESS = 3.0  # times the least error: larger neighbourhoods are not tried
_ERROR_FLOOR = 3e-4  # of a standard deviation: below it all neighbourhoods are equally good


class LooError(NamedTuple):
    """Leave-one-out errors of one neighbourhood, means of absolute values over the judged samples.

    ``labels``: of each label, in its standard deviations; ``normal``: of the place along the normal, in the cloud's
    standard deviation; ``score``: the mean of all of them, each over its least among the neighbourhoods, so 1 is best.
    """

    neighbours: int
    labels: tuple[float, ...]
    normal: float
    score: float


class Surface:
    """The surface of the samples mu (N, d), or of those of known neighbourhoods, and their ``labels`` (N, F), called
    ``names``; build it once an embedding.

    ``intrinsic`` is its dimension q; left out, it is estimated. Of more than 20,000 samples a random part of that size,
    drawn by ``seed``, stands for all. ``samples`` are those, ``table`` float64 (N, F) their labels, ``spread`` float64
    (F,) the labels' standard deviations (1 where a label is constant), ``neighbours`` the chosen neighbourhood k and
    ``loo_errors`` the table it was chosen from. ``detector`` scores places against the same samples.

    Samples that coincide count as one, with the mean of their labels.

    Raises ``GeometryError`` for labels or names that do not fit, ``core.geometry.local_fit.GeometryError`` for samples
    that are not finite or fewer than 2.
    """

    def __init__(
        self,
        mu: np.ndarray | Neighbourhoods,
        labels: np.ndarray | None = None,
        names: Sequence[str] | None = None,
        intrinsic: int | None = None,
        seed: int = 0,
    ) -> None:
        given = mu if isinstance(mu, Neighbourhoods) else Neighbourhoods(check_points(mu, "mu"))
        points = given.points
        table = _table(labels, len(points))
        self.names = _names(names, table.shape[1])
        generator = np.random.default_rng(seed)
        if len(points) > MAX_LANDMARKS:
            part = np.sort(generator.choice(len(points), MAX_LANDMARKS, replace=False))
            points, table = points[part], table[part]
        points, table = _merged(points, table)
        self.samples = given if points is given.points else Neighbourhoods(points)
        self.dim = points.shape[1]
        self.table = table
        self.detector = OffManifoldDetector(self.samples)
        self.intrinsic = intrinsic_dimension(self.samples, MAX_INTRINSIC) if intrinsic is None else int(intrinsic)
        if not 1 <= self.intrinsic <= self.dim:
            raise GeometryError(f"intrinsic is {intrinsic}; a surface in {self.dim} dimensions has 1 to {self.dim}.")
        deviation = table.std(axis=0)
        varies = deviation > 1e-9 * np.abs(table).max(axis=0, initial=0.0)
        self.constant = ~varies  # bool (F,): labels that say nothing
        self.spread = np.where(varies, deviation, 1.0)
        self.low, self.high = table.min(axis=0), table.max(axis=0)
        self._judged = generator.permutation(len(points))[:_JUDGED]
        self.loo_errors = _leave_one_out(self.samples, table / self.spread, self.intrinsic, self._judged, varies)
        self.neighbours = chosen_neighbours(self.loo_errors, len(points))

    def index(self, label: int | str) -> int:
        """The column of a label given by name or number. Raises ``GeometryError`` if there is none."""
        if isinstance(label, str) and label in self.names:
            return self.names.index(label)
        if isinstance(label, int | np.integer) and 0 <= label < len(self.names):
            return int(label)
        known = ", ".join(self.names) or "none: give labels"
        raise GeometryError(f"label is {label!r}; the labels are {known}.")

    def project(self, z: np.ndarray) -> LocalFit:
        """The surface nearest z (Q, d), with the labels there; see ``core.geometry.local_fit.project``."""
        return project(self.samples, z, self.neighbours, self.intrinsic, self.table)

    def labels_at(self, z: np.ndarray) -> np.ndarray:
        """The labels float64 (Q, F) where z (Q, d) meets the surface."""
        part = max(1, _CHUNK // self.neighbours)
        return np.concatenate([self.project(z[i : i + part]).labels for i in range(0, max(len(z), 1), part)])

    def relabelled(self, encoded: np.ndarray, members: np.ndarray) -> Surface:
        """The same surface with the labels of what the *decoder draws* there, as its own encoder reads them.

        A decoder does not return quite the factors of the sample whose mean it is given, so a curve that holds the
        samples' labels lets the images' labels drift by that much. ``encoded`` (M, d) are the means of the decoded
        ``samples`` (encode(decode(samples.points))); ``members`` int (M,) says of which. A thousand spread over the
        cloud do, since the difference between the two labels is smooth. Nothing else than the model and the samples'
        labels takes part. Raises ``GeometryError`` if few are encoded on the data.
        """
        encoded = check_points(encoded, "encoded", self.dim)
        known = self.samples.points[members]
        usable = ~self.in_gap(encoded)  # a broken image is encoded anywhere
        if usable.sum() < max(SCORE_NEIGHBOURS, 0.5 * len(members)):
            raise GeometryError(
                f"of {len(members)} decoded samples only {usable.sum()} are encoded on the data; labels of the rest "
                "would be guesses. Train the model for longer, or use the samples' own labels."
            )
        shift = self.labels_at(encoded[usable]) - self.labels_at(known[usable])
        if len(self.names):
            drawn = Surface(known[usable], shift, self.names, self.intrinsic)
            shift = drawn.labels_at(self.samples.points)
        else:
            shift = np.zeros_like(self.table)
        return Surface(self.samples.points, self.table + shift, self.names, self.intrinsic)

    def model(self, z: np.ndarray) -> LocalModel:
        """The local quadratics around z (Q, d), labels in units of their spread; ``neighbours`` + 1 nearest."""
        nearest = self.samples.query(z, self.neighbours + 1)
        return local_model(self.samples.points, nearest, self.intrinsic, self._scaled)

    @cached_property
    def _scaled(self) -> np.ndarray:
        return self.table / self.spread

    def in_gap(self, z: np.ndarray) -> np.ndarray:
        """Whether each of z (Q, d) lies in a gap of the samples or outside of them: bool (Q,).

        Stricter evidence than the off-manifold score: a curve must not end at the one place in a hundred that is a
        little sparse.
        """
        return self.gaps.contains(self.detector.score(z), lambda doubtful: self._read(z[doubtful]))

    def in_gap_near(self, model: LocalModel, place: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The same of ``place`` (Q, d), where ``model`` says ``labels`` (Q, F): its neighbours tell most places."""
        score = self.detector.score_from(model.distances, model.indices)
        return self.gaps.contains(score, lambda doubtful: (place[doubtful], self._varying(labels[doubtful])))

    def _read(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z (Q, d) and its varying labels by one local fit, in standard deviations."""
        model = self.model(z)
        return z, self._varying(model.evaluate(model.coordinates(z))[1])

    def _varying(self, labels: np.ndarray) -> np.ndarray:
        return labels[:, ~self.constant]

    @cached_property
    def gaps(self) -> Gaps:
        """Where curves end."""
        judged, points = self._judged, self.samples.points
        nearest = self.samples.of_samples(self.neighbours + 1, judged)
        model = local_model(points, nearest, self.intrinsic, self._scaled)
        predicted = model.evaluate(model.coordinates(points[judged]))[1]
        labels, predicted = self._varying(self._scaled), self._varying(predicted)
        return Gaps(self.samples, self.intrinsic, self.detector, labels, predicted)


class Gaps:
    """Gaps among ``samples`` (N, d), a surface of ``intrinsic`` dimensions q, and their labels ``table`` (N, F).

    A place is in a gap, or outside of the data, if the off-manifold score is above 2.5 times its threshold, or above
    0.8 of it and x > 1, x as ``core.geometry.off_manifold.SmoothOffManifoldScore`` has it. That is the labels'
    x if they tell one place from another: then there are q of them, and of those that the local fits ``predicted`` (n,
    F) for some samples that they have not seen, 95 % have x ≤ 1, which repeated labels have not. Else it is the
    latents'.
    """

    def __init__(
        self,
        samples: Neighbourhoods,
        intrinsic: int,
        detector: OffManifoldDetector,
        table: np.ndarray,
        predicted: np.ndarray,
    ) -> None:
        self._detector = detector
        self.asks_labels = False
        """Whether the labels tell gaps."""
        if table.shape[1] >= intrinsic and len(predicted):
            self._score = SmoothOffManifoldScore(Neighbourhoods(table), intrinsic)
            self.asks_labels = bool(np.mean(self._score.value(predicted) <= _LEVEL) >= _SEEN)
        if not self.asks_labels:
            self._score = SmoothOffManifoldScore(samples, intrinsic)

    def contains(self, score: np.ndarray, ask: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Whether each of Q places, with ``score`` (Q,), is in a gap: bool (Q,).

        Of the doubtful ones, given by their numbers int (n,), ``ask`` returns places (n, d) and labels (n, F).
        """
        inside = np.zeros(len(score), dtype=bool)
        doubtful = np.flatnonzero(score > DOUBT * self._detector.threshold)
        if len(doubtful):
            z, labels = ask(doubtful)
            beyond = self._score.value(labels if self.asks_labels else z) > _LEVEL
            inside[doubtful] = beyond | (score[doubtful] > CERTAIN * self._detector.threshold)
        return inside


def chosen_neighbours(errors: Sequence[LooError], samples: int) -> int:
    """The largest neighbourhood within 5 % of the best score; all other samples where there were too few to try."""
    if not errors:
        return max(1, min(DEFAULT_NEIGHBOURS, samples - 1))
    best = min(error.score for error in errors)
    return max(error.neighbours for error in errors if error.score <= (1.0 + TOLERANCE) * best)


def _leave_one_out(
    samples: Neighbourhoods, table: np.ndarray, q: int, judged: np.ndarray, varies: np.ndarray
) -> tuple[LooError, ...]:
    z, spread = samples.points[judged], float(np.sqrt(samples.points.var(axis=0).mean())) or 1.0
    found: list[tuple[int, np.ndarray]] = []
    coefficients = 1 + q + q * (q + 1) // 2
    for k in CANDIDATES:
        if k < 1.5 * coefficients:
            continue
        if k + 1 > len(samples) - 1 or (found and k * len(judged) * samples.dim > _MOST_NUMBERS):
            break
        model = local_model(samples.points, samples.of_samples(k + 1, judged), q, table)
        surface, labels = model.evaluate(model.coordinates(z))
        missed = surface - z
        along = (missed[:, None, :] @ model.plane)[:, 0]
        normal = np.sqrt(np.maximum(np.square(missed).sum(axis=1) - np.square(along).sum(axis=1), 0.0)) / spread
        error = np.append(np.abs(labels - table[judged]).mean(axis=0), normal.mean())
        found.append((k, np.maximum(error, _ERROR_FLOOR)))
        least = np.min([error for _, error in found], axis=0)
        if np.mean(found[-1][1] / least) > _HOPELESS:
            break
    if not found:
        return ()
    least = np.min([error for _, error in found], axis=0)
    counted = np.append(varies, q < samples.dim)  # a constant label says nothing, nor a normal that isn't there
    counted = counted if counted.any() else np.ones_like(counted)
    return tuple(
        LooError(k, tuple(error[:-1].tolist()), float(error[-1]), float(np.mean((error / least)[counted])))
        for k, error in found
    )


def _merged(points: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples that coincide become one, whose labels are their mean: a neighbourhood of copies has no extent."""
    distinct, first, belongs, count = np.unique(
        points, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    if not 1 < len(distinct) < len(points):
        return points, table
    sums = np.zeros((len(distinct), table.shape[1]))
    np.add.at(sums, belongs.ravel(), table)
    order = np.argsort(first, kind="stable")
    return distinct[order], (sums / count[:, None])[order]


def _table(labels: np.ndarray | None, count: int) -> np.ndarray:
    if labels is None:
        return np.zeros((count, 0))
    table = np.asarray(labels, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != count:
        raise GeometryError(f"labels have shape {np.shape(labels)}; they must be ({count}, F), one row per sample.")
    broken = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(broken):
        raise GeometryError(f"labels hold a number that is not finite, in row {broken[0]}; leave such samples out.")
    return table


def _names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    chosen = tuple(f"factor {i + 1}" for i in range(count)) if names is None else tuple(names)
    if len(chosen) != count or len(set(chosen)) != count:
        raise GeometryError(f"names are {chosen}; there must be {count} different ones, one per label.")
    return chosen
