"""What the engine knows of the samples that a run recorded: off-manifold scores, the data's surface, neighbour graphs.

Means and weights belong together: an ``EmbeddingSnapshot`` is one embedding under one set of weights, and whatever is
computed from it is kept with it. A training writes both about once a second; a newer snapshot is made when one is asked
for, and work that has begun goes on with the one it has. Threads do all that takes longer than one image does.

Geodesics measure images by the samples' thumbnails at once, by the decoder itself as soon as it has been asked: a
surrogate of it needs some 1,760 decoded images, which are seconds of work, made one by one when nothing else is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import cached_property
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from core.engine.futures import any_running, failed, in_thread, result_of
from core.engine.open_model import EngineError
from core.geometry.decoder_surrogate import ImageMap, Landmarks, LatentMap, Surrogate, landmark_places, surrogate_of
from core.geometry.embedding_metrics import ACTIVE_SIGNAL, latent_signal
from core.geometry.geodesic import LatentGraph
from core.geometry.local_fit import Neighbourhoods
from core.geometry.off_manifold import UNKNOWN, OffManifoldDetector, OffManifoldScores
from core.geometry.surface import Surface
from core.models.inference import Inference, decode_each
from core.paths.latent_path import pool
from core.runs.directory import MAX_PROBE, ProbeSet, RunDirectory, RunError
from core.runs.metrics_log import final_report
from core.utils.point_sets import farthest_points

T = TypeVar("T")

POLL_S = 0.2  # between looks at the embedding's file
RETRY_S = 1.0  # of samples that could not be read
HOLD_S = 5.0  # so long a snapshot that has answered nothing yet is used in place of a newer one
SETTLED_S = 3.0  # weights that stay for so long are worth a few seconds of decoding


MANY_DIMENSIONS = 64
"""In more latent dimensions all samples are not compared with all (in 2,048 that takes minutes for 20,000), and a
geodesic is not relaxed, for its equations grow with their cube."""
LANDMARKS = 5000
"""Samples that stand for all there, drawn at random."""
THUMBNAILS = 600
"""Samples whose thumbnails the first map is fitted to."""
_CHOSEN_FROM = 4 * THUMBNAILS
_DISTANCES = 400  # samples from which the usual distance to the next one is estimated


DOUBTS = {
    "alike": "the images are all alike",
    "collapsed": "the latent space is collapsed",
    "useless": "images come out no better than the mean image",
}
"""What a finding of the final report says of the distance from the samples, by its kind."""


class Attributes(NamedTuple):
    """Values float64 (N, A) of the attributes ``names``, one row a recorded sample; NaN where one is undefined."""

    names: tuple[str, ...]
    values: np.ndarray


class WholeCloud(NamedTuple):
    """All samples of a run that are not held out: their neighbourhoods, places int64 (N,) among those that the run
    recorded, and indices int64 (N,) in the dataset."""

    neighbourhoods: Neighbourhoods
    places: np.ndarray
    indices: np.ndarray


NO_ATTRIBUTES = Attributes((), np.zeros((0, 0)))


def _landmarks(count: int, d: int) -> np.ndarray:
    """Places int64 (L,) of the samples that geometry looks at: all, or so many of them that it takes seconds."""
    if d <= MANY_DIMENSIONS or count <= LANDMARKS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, LANDMARKS, replace=False))


def thumbnail_map(mu: np.ndarray, thumbnails: np.ndarray) -> ImageMap:
    """A smooth map through the pooled ``thumbnails`` uint8 (N, S, S, C) of samples spread over mu float (N, d).

    The identity where they are all alike, or the samples too few: then only latent length is left.
    """
    some = np.arange(0, len(mu), max(1, len(mu) // _CHOSEN_FROM))
    chosen = some[farthest_points(mu[some], THUMBNAILS)]
    places, features = mu[chosen], pool(thumbnails[chosen])
    if len(np.unique(places, axis=0)) < places.shape[1] + 2 or not _vary(features):
        return LatentMap()
    return Surrogate(places, features)


def doubt_about(run: RunDirectory, mu: np.ndarray) -> str:
    """Why a place near the means ``mu`` (N, d) of ``run`` says nothing of its image; empty if it does.

    Told by the final report, or, as long as there is none, by the means alone: by how far they differ beside a constant
    posterior variance, or beside that of the prior, which a learned one takes where nothing is encoded. What was
    imported has neither: unit vectors of many dimensions hardly vary in any of them. Only one place for all tells it.
    """
    if run.imported is not None:
        return "" if np.ptp(mu, axis=0).any() else DOUBTS["collapsed"]
    model = run.config.model
    if model.variance == "constant":
        collapsed = latent_signal(mu, np.full(mu.shape[1], model.sigma**2)) < ACTIVE_SIGNAL
    else:
        collapsed = latent_signal(mu, np.ones(mu.shape[1])) < 0.1 * ACTIVE_SIGNAL  # Burda's 0.01
    report = final_report(run.metrics_path)
    if report is not None and "findings" in report:
        kinds = [finding.get("kind") for finding in report["findings"]]
        return next((DOUBTS[kind] for kind in kinds if kind in DOUBTS), "")
    return DOUBTS["collapsed"] if collapsed.all() else ""


def _vary(features: np.ndarray) -> bool:
    return bool(np.ptp(features, axis=0).max(initial=0.0) > 0.0)


class DecoderMap:
    """The surrogate of ``inference`` about a surface, made slice by slice: call ``advance`` until ``ready``."""

    def __init__(self, inference: Inference, surface: Future[Surface]) -> None:
        self._inference, self._surface = inference, surface
        self._places = in_thread(self._landmarks, "landmarks")
        self._features: list[np.ndarray] = []
        self._map: Future[ImageMap] | None = None

    def _landmarks(self) -> Landmarks:
        surface = self._surface.result()
        return landmark_places(surface.samples, intrinsic=surface.intrinsic)

    @property
    def ready(self) -> bool:
        """Whether ``result`` has an answer."""
        return (self._map is not None and self._map.done()) or failed(self._places)

    def result(self) -> ImageMap:
        """The map. Raises ``core.geometry.local_fit.GeometryError`` where the samples determine none."""
        if self._map is None:
            self._places.result()
            raise RuntimeError("The landmarks have not been decoded yet.")
        return self._map.result()

    def advance(self) -> bool:
        """Decode one landmark; False while a thread is waited for, or if there is nothing left to do."""
        if self._map is not None or not self._places.done() or failed(self._places):
            return False
        chosen = self._places.result()
        (image,) = decode_each(self._inference, chosen.places[len(self._features)][None])
        self._features.append(pool(image[None])[0])
        if len(self._features) == len(chosen.places):
            features = np.stack(self._features)
            # The identity for a decoder that draws one image everywhere.
            self._map = in_thread(
                lambda: surrogate_of(chosen, features) if _vary(features) else LatentMap(), "surrogate"
            )
        return True


class EmbeddingSnapshot:
    """The means ``mu`` float32 (N, d) of the samples of ``probe``, which ``inference`` decodes if it has a decoder.

    Of more than ``MAX_PROBE`` it knows the first ones, which have been drawn at random.
    Samples that are held out are not among them: where they lie, there is a gap. ``factors`` are the names of those
    labels that came with the data and are numbers known for every sample; those that are known for some join the
    ``attributes`` as further targets. Classes are none: they have no places between.
    """

    def __init__(self, mu: np.ndarray, probe: ProbeSet, inference: Inference, doubt: str = "") -> None:
        self._recorded = mu, probe
        mu, probe = mu[:MAX_PROBE], probe.first(MAX_PROBE)  # what is drawn at random from more stands for them
        self._seen = probe.seen
        self.mu, self.probe, self.inference = mu[self._seen], probe.part(self._seen), inference
        mu, factors = self.mu, self.probe.factors.astype(np.float64)
        numbers = [i for i, categories in enumerate(probe.categories) if not categories]
        known = [i for i in numbers if np.isfinite(factors[:, i]).all()]
        partly = [i for i in numbers if i not in known and np.isfinite(factors[:, i]).any()]
        self.factors = tuple(probe.factor_names[i] for i in known)
        """Names of the labels that came with the data."""
        self._partly = tuple(probe.factor_names[i] for i in partly)
        self._table = factors[:, [*known, *partly]]
        self._classes = {probe.factor_names[i]: names for i, names in enumerate(probe.categories) if names}
        self.places = np.flatnonzero(self._seen)
        """Places int64 (N,) of these samples among all that the run recorded."""
        self.neighbourhoods = Neighbourhoods(mu)
        self.landmarks = _landmarks(*mu.shape)
        """Places int64 (L,) among these samples of those that stand for all where each is compared with each."""
        all_of_them = len(self.landmarks) == len(mu)
        self.geometry = self.neighbourhoods if all_of_them else Neighbourhoods(mu[self.landmarks])
        """The neighbourhoods of the landmarks."""
        self.off_manifold = OffManifoldDetector(self.geometry, doubt)
        self.attributes = NO_ATTRIBUTES
        self._surfaces: dict[tuple[tuple[str, ...], int], Future[Surface]] = {}

    @cached_property
    def whole(self) -> WholeCloud:
        """All samples, also those for which the first ones stand elsewhere."""
        mu, probe = self._recorded
        if len(mu) <= MAX_PROBE:
            return WholeCloud(self.neighbourhoods, self.places, self.probe.indices)
        places = np.flatnonzero(probe.seen)
        return WholeCloud(Neighbourhoods(mu[places]), places, probe.indices[places])

    @cached_property
    def usual_distance(self) -> float:
        """The median distance from a sample to its nearest one, estimated from some of them."""
        whole = self.whole.neighbourhoods
        step = max(1, len(whole) // _DISTANCES)
        distances, _ = whole.query(whole.points[::step], 2)
        return float(np.median(distances[:, -1]))

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of all that can be changed: factors, those known for some samples, then attributes."""
        return self.factors + self._partly + self.attributes.names

    def set_attributes(self, attributes: Attributes) -> None:
        """Have these attributes from now on."""
        if attributes is not self.attributes:
            self.attributes = attributes
            known = set(self.factors)
            self._surfaces = {key: made for key, made in self._surfaces.items() if set(key[0]) <= known}

    def table(self, names: tuple[str, ...]) -> np.ndarray:
        """Values float64 (N, F) of targets, one row per sample. Raises ``EngineError`` for an unknown one."""
        attributes = self.attributes
        columns = (
            np.hstack([self._table, attributes.values[: len(self._seen)][self._seen]])
            if attributes.names
            else self._table
        )
        for name in names:
            if name in self._classes:
                raise EngineError(
                    f"{name} is a class ({', '.join(self._classes[name][:3])}, …); nothing lies between two classes, "
                    "so no path can change it step by step. Choose a number, or trace a geodesic from one to another."
                )
            if name not in self.targets:
                known = ", ".join(self.targets) or "none, because the images have no factors; measure attributes first"
                raise EngineError(f"target is {name!r}; available: {known}.")
        return columns[:, [self.targets.index(name) for name in names]]

    def unknown(self, names: tuple[str, ...]) -> int:
        """The number of samples of which one of these targets is not known: they are not on the surface with them."""
        return int((~np.isfinite(self.table(names)).all(axis=1)).sum())

    def surface(self, names: tuple[str, ...] | None = None, dimension: int = 0) -> Future[Surface]:
        """The surface with these labels, the factors if left out; without the samples in which one is undefined.

        ``dimension`` is its intrinsic one, 0: estimated.
        """
        names = self.factors if names is None else names
        if (names, dimension) not in self._surfaces:
            table = self.table(names)[self.landmarks]

            def make() -> Surface:
                known = np.isfinite(table).all(axis=1)
                if known.sum() < 2:
                    raise EngineError(
                        f"{', '.join(names)}: known together for {known.sum()} samples; a surface needs 2 or more."
                    )
                samples = self.geometry if known.all() else self.geometry.points[known]
                return Surface(samples, table[known], names, dimension or None)

            self._surfaces[names, dimension] = in_thread(make, "surface")
        return self._surfaces[names, dimension]

    @cached_property
    def rough_graph(self) -> Future[LatentGraph]:
        """The graph weighted by the samples' thumbnails."""
        surface = self.surface()

        def make() -> LatentGraph:
            images = thumbnail_map(self.mu, self.probe.thumbnails)  # beside the surface
            return LatentGraph(surface.result(), images)

        return in_thread(make, "graph")

    @cached_property
    def decoder_map(self) -> DecoderMap:
        """The decoder's surrogate, to be made by ``DecoderMap.advance``."""
        return DecoderMap(self.inference, self.surface())

    @property
    def graph(self) -> Future[LatentGraph] | None:
        """The graph weighted by the decoder's images; None until the surrogate is there."""
        return self._decoder_graph if self.decoder_map.ready else None

    @cached_property
    def _decoder_graph(self) -> Future[LatentGraph]:
        return in_thread(lambda: LatentGraph(self.surface().result(), self.decoder_map.result()), "graph")


class SnapshotCache:
    """The newest snapshot of a run, made when it is asked for. ``run`` None: a weights file, which has no samples.

    Tell it of newer weights (``set_inference``) and let it look at the embedding's file now and then (``poll``).
    """

    def __init__(self, run: RunDirectory | None, inference: Inference) -> None:
        self._run, self._inference = run, inference
        self._stamp: object = None
        self._snapshot: Future[EmbeddingSnapshot] | None = None
        self._read_at = 0.0
        self._probe: ProbeSet | None = None
        self._off_manifold: OffManifoldDetector | None = None
        self._unanswered: EmbeddingSnapshot | None = None  # handed out, with no answer yet
        self._unanswered_since = 0.0
        self._attributes = NO_ATTRIBUTES
        self._next_look = 0.0
        self._weights_at = -SETTLED_S
        self._wanted: DecoderMap | None = None
        self._cached: dict[object, Future[Any]] = {}

    def set_inference(self, inference: Inference) -> None:
        """The run wrote other weights, now in use."""
        self._inference, self._snapshot = inference, None
        self._weights_at = perf_counter()

    def set_attributes(self, attributes: Attributes) -> None:
        """Have these attributes from now on, one row a recorded sample; snapshots get them when handed out."""
        self._attributes, self._cached = attributes, {}

    def poll(self) -> None:
        """Notice means that are newer than the snapshot. Cheap."""
        now = perf_counter()
        if self._run is None or self._snapshot is None or now < self._next_look:
            return
        self._next_look = now + POLL_S
        retry = failed(self._snapshot) and now - self._read_at > RETRY_S
        if retry or _stamp(self._run) != self._stamp:
            self._snapshot = None

    def newest(self) -> Generator[bool, None, EmbeddingSnapshot]:
        """The newest snapshot, in slices. Raises ``EngineError`` or ``RunError`` where the run has no samples."""
        snapshot = yield from result_of(self._newest())
        snapshot.set_attributes(self._attributes)
        return snapshot

    def newest_or_none(self) -> Generator[bool, None, EmbeddingSnapshot | None]:
        """The same, or None where there is none."""
        try:
            return (yield from self.newest())
        except (EngineError, RunError):
            return None

    def unanswered(self) -> EmbeddingSnapshot | None:
        """A snapshot that is older than the newest but was asked for lately, and has not led to an answer.

        Who is asked again before the first answer goes on with it: else a training that writes faster than paths are
        traced would never let one be seen.
        """
        snapshot, newest = self._unanswered, self._snapshot
        if snapshot is None or perf_counter() - self._unanswered_since >= HOLD_S:
            return None
        if newest is not None and newest.done() and not failed(newest) and newest.result() is snapshot:
            return None
        snapshot.set_attributes(self._attributes)
        return snapshot

    def start(self, snapshot: EmbeddingSnapshot) -> None:
        """``snapshot`` is being worked on."""
        if snapshot is not self._unanswered:
            self._unanswered, self._unanswered_since = snapshot, perf_counter()

    def finish(self, snapshot: EmbeddingSnapshot) -> None:
        """``snapshot`` has led to an answer."""
        if snapshot is self._unanswered:
            self._unanswered = None

    def cached(self, key: object, compute: Callable[[], T]) -> Future[T]:
        """What ``compute`` returns, once for all embeddings of the run, and again when the attributes change."""
        if key not in self._cached:
            self._cached[key] = in_thread(compute, "cached value")
        return self._cached[key]

    def _newest(self) -> Future[EmbeddingSnapshot]:
        if self._run is None:
            raise EngineError("A weights file has no recorded samples. Open the folder of the run it belongs to.")
        if self._snapshot is None:
            run, inference = self._run, self._inference
            self._stamp, self._read_at = _stamp(run), perf_counter()
            self._snapshot = in_thread(lambda: self._read(run, inference), "samples")
        return self._snapshot

    def _read(self, run: RunDirectory, inference: Inference) -> EmbeddingSnapshot:
        if self._probe is None:
            self._probe = run.read_probe()
        probe = self._probe
        mu = run.newest_embedding()
        probe = run.samples_of(probe, mu)
        if mu.shape[1] != inference.latent_dim or len(mu) < 2:
            raise EngineError(
                f"{run.path} has means of shape {mu.shape} for a model of {inference.latent_dim} dimensions; paths "
                "need 2 samples or more."
            )
        if probe.seen.sum() < 2:
            raise EngineError(f"{run.path} recorded fewer than 2 samples that are not held out; paths need 2 or more.")
        return EmbeddingSnapshot(mu, probe, inference, doubt_about(run, mu))

    # off-manifold scores

    def off_manifold_scores(self, z: np.ndarray) -> OffManifoldScores:
        """The scores of places z (n, d), as far as is known by now."""
        if self._run is not None and self._newest().done():
            self._off_manifold = None if failed(self._newest()) else self._newest().result().off_manifold
        return UNKNOWN if self._off_manifold is None else self._off_manifold.at(z)

    def off_manifold_scores_when_known(self, z: np.ndarray) -> Generator[bool, None, OffManifoldScores]:
        """The same as ``off_manifold_scores``, in slices, once all is known."""
        if self._run is None:
            return UNKNOWN
        snapshot = self._newest()  # one, however often a training writes another
        while not snapshot.done():
            yield False
        return UNKNOWN if failed(snapshot) else snapshot.result().off_manifold.at(z)

    # the decoder's surrogate, made while nothing else is to do

    def prepare(self, decoder: DecoderMap) -> None:
        """Have this surrogate made when nothing else is to do."""
        self._wanted = decoder

    @property
    def has_idle_work(self) -> bool:
        """Whether a surrogate is wanted, and the weights have been the same for a while: no training changes them."""
        if self._wanted is not None and self._wanted.ready:
            self._wanted = None
        return self._wanted is not None and perf_counter() - self._weights_at >= SETTLED_S

    def do_idle_work(self) -> bool:
        """Decode one landmark, if any is wanted; False if nothing was done."""
        return self.has_idle_work and not any_running() and self._wanted is not None and self._wanted.advance()


def _stamp(run: RunDirectory) -> object:
    try:
        return run.live_stamp()
    except OSError:  # a network folder that is away for a moment; the next look will tell
        return None
