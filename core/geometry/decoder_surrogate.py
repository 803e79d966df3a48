"""A stand-in for the decoder that gives image-space values and Jacobians at many latents within milliseconds.

Geodesics need the derivative of the pooled image at every point of a path, dozens of times. The decoder is asked once,
at landmarks on the samples, beside them and between them; a cubic radial basis function through its main components
answers from then on, with exact derivatives of its own. numpy at import, scipy at first use, no torch: the decoder
comes in as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from core.geometry.local_fit import GeometryError, Neighbourhoods, check_points
from core.geometry.off_manifold import OffManifoldDetector
from core.paths.latent_path import pool
from core.utils.point_sets import farthest_points, principal_axes

LANDMARKS = 1600
HELD_OUT = 160  # samples that are no landmarks, decoded to measure the error
COMPONENTS = 64

_BESIDE, _BETWEEN = 0.25, 0.2  # shares of the landmarks
_REACH = 3.0  # of the samples' spacing: how far beside the surface landmarks lie
_BATCH = 32  # latents a call of the decoder
_CHUNK = 512  # latents evaluated at once: their distances to the landmarks stay in the cache
_SMOOTHING = 1e-9
_POOL = 20_000  # samples that landmarks are chosen from

Pooled = Callable[[np.ndarray], np.ndarray]
"""Latents float32 (n, d) to pooled images float (n, m), ψ(decode(z)); see ``pooled_decoder``."""


class ImageMap(Protocol):
    """A smooth map h from latents to a space whose distances are those of images."""

    def value(self, z: np.ndarray) -> np.ndarray:
        """h float64 (n, P) at z (n, d)."""
        ...

    def value_and_jacobian(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h float64 (n, P) and its derivatives float64 (n, P, d)."""
        ...


class LatentMap:
    """The identity: without a decoder, length is length in latent space."""

    def value(self, z: np.ndarray) -> np.ndarray:
        """z float64 (n, d) itself."""
        return np.asarray(z, dtype=np.float64)

    def value_and_jacobian(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """z itself and unit matrices (n, d, d)."""
        z = np.asarray(z, dtype=np.float64)
        return z, np.broadcast_to(np.eye(z.shape[1]), (len(z), z.shape[1], z.shape[1]))


class Surrogate:
    """h ≈ ψ∘decode, up to a rotation: a cubic radial basis function with a linear tail through landmarks.

    ``places`` float (L, d), different ones, L ≥ d + 2, and their pooled images ``features`` float (L, m). Only
    64 main components P of the features are kept; distances between values are those between pooled
    images, less what these leave out. ``error``, nan before ``measure``, is the relative error.

    scipy's RBFInterpolator is as quick for values, but has no derivatives, and a geodesic needs hardly anything else.
    Value and derivatives at 33 points cost one product of (33, L) by (L, P (1 + d)). Cubic functions are determined
    in any number of dimensions (Wendland, "Scattered data approximation", 2004, section 8.3). With d well above 8 and
    samples that fill it, 1600 landmarks are few: look at ``error``.

    Raises ``GeometryError`` for numbers that are not finite, or places that all lie in one plane and coincide.
    """

    def __init__(self, places: np.ndarray, features: np.ndarray) -> None:
        places, features = check_points(places, "places"), check_points(features, "features")
        places, kept = np.unique(places, axis=0, return_index=True)
        features = features[kept]
        if len(places) < places.shape[1] + 2:
            raise GeometryError(
                f"there are {len(places)} distinct points; a surrogate in {places.shape[1]} dimensions needs "
                f"{places.shape[1] + 2} or more."
            )
        self._origin = places.mean(axis=0)
        self._scale = float(np.sqrt(np.square(places - self._origin).sum(axis=1).mean()))
        self._places = (places - self._origin) / self._scale
        self.dim = places.shape[1]
        self._mean, variances, axes = principal_axes(features)
        varying = int(np.count_nonzero(variances > 1e-13 * variances[0]))  # what is less is rounding
        self._basis = axes[:, : max(1, min(COMPONENTS, varying))]
        self._weights, self._tail = _fit(self._places, (features - self._mean) @ self._basis)
        # The weights times each coordinate of their place: derivatives are then products of the same distances.
        parts = [self._weights, *(self._weights * column[:, None] for column in self._places.T)]
        self._stacked = np.hstack(parts)
        self.error = float("nan")

    def value(self, z: np.ndarray) -> np.ndarray:
        """h float64 (n, P) at z (n, d)."""
        x = (np.asarray(z, dtype=np.float64) - self._origin) / self._scale
        value = np.empty((len(x), self._basis.shape[1]))
        for start in range(0, len(x), _CHUNK):
            part = x[start : start + _CHUNK]
            r = self._distances(part)
            value[start : start + len(part)] = (r * r * r) @ self._weights + self._tail[0] + part @ self._tail[1:]
        return value

    def value_and_jacobian(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """h float64 (n, P) and its derivatives by z float64 (n, P, d)."""
        x = (np.asarray(z, dtype=np.float64) - self._origin) / self._scale
        r = self._distances(x)
        components = self._basis.shape[1]
        value = (r * r * r) @ self._weights + self._tail[0] + x @ self._tail[1:]
        # d(r³)/dx = 3 r (x - place)
        moments = (3.0 * r @ self._stacked).reshape(len(x), 1 + self.dim, components)
        slopes = x[:, :, None] * moments[:, :1] - moments[:, 1:] + self._tail[1:]
        return value, np.swapaxes(slopes, 1, 2) / self._scale

    def measure(self, places: np.ndarray, features: np.ndarray) -> float:
        """The relative error at places (n, d) that took no part, and whose pooled images are features (n, m).

        Root mean square of the difference to the whole features, over theirs about their mean. Kept as ``error``.
        """
        missed = self.value(places) @ self._basis.T + self._mean - features
        spread = np.sqrt(np.square(features - self._mean).sum(axis=1).mean())
        self.error = float(np.sqrt(np.square(missed).sum(axis=1).mean()) / spread) if spread > 0.0 else 0.0
        return self.error

    def _distances(self, x: np.ndarray) -> np.ndarray:
        from scipy.spatial.distance import cdist

        return cdist(x, self._places)


class Landmarks(NamedTuple):
    """``places`` float32 (n, d) to decode, of which the last ``held_out`` take no part in the fit."""

    places: np.ndarray
    held_out: int


def landmark_places(samples: Neighbourhoods, count: int = LANDMARKS, intrinsic: int | None = None) -> Landmarks:
    """Where to ask the decoder, ``count`` landmarks or fewer and the held-out samples.

    55 % on the samples, spread by farthest-point sampling; 25 % beside them, up to three spacings along the surface's
    normal (in any direction where ``intrinsic``, its dimension, is d); 20 % between pairs of samples, for a
    path that leaves the data must learn what is there. Then up to 160 samples, at most a tenth of the rest, that are
    no landmarks: ``surrogate_of`` measures the error on them. Samples may coincide or be fewer than asked for.
    """
    generator = np.random.default_rng(0)
    points = samples.points
    if len(points) > _POOL:
        points = points[np.sort(generator.choice(len(points), _POOL, replace=False))]
    if len(points) < 2:
        raise GeometryError("there is 1 sample; landmarks need 2 or more.")
    beside, between = round(_BESIDE * count), round(_BETWEEN * count)
    middle = int(np.square(points - points.mean(axis=0)).sum(axis=1).argmin())
    chosen = np.sort(farthest_points(points, count - beside - between, middle))
    on, rest = points[chosen], np.delete(points, chosen, axis=0)
    around = on[generator.integers(len(on), size=beside)]
    normal = _normals(samples, around, intrinsic, generator)
    spacing = OffManifoldDetector(Neighbourhoods(samples.points[:: max(1, len(samples) // _POOL)])).spacing
    spacing = spacing or float(np.sqrt(samples.points.var(axis=0).sum())) / len(samples)
    around = around + normal * (_REACH * spacing * generator.uniform(-1.0, 1.0, (beside, 1)))
    first, second = points[generator.integers(len(points), size=(2, between))]
    chords = first + generator.random((between, 1)) * (second - first)
    landmarks = np.vstack([on, around, chords])
    held_out = min(HELD_OUT, len(rest), len(landmarks) // 10)
    judged = rest[generator.choice(len(rest), held_out, replace=False)]
    return Landmarks(np.vstack([landmarks, judged]).astype(np.float32), held_out)


def fit_surrogate(
    samples: Neighbourhoods, pooled: Pooled, count: int = LANDMARKS, intrinsic: int | None = None
) -> Surrogate:
    """A surrogate of ``pooled`` around the samples, its error measured on 160 further samples.

    Takes ``count`` + 160 decoded images and a dense solve of ``count``³. Who must answer others meanwhile decodes
    ``landmark_places`` in slices and calls ``surrogate_of``.
    """
    chosen = landmark_places(samples, count, intrinsic)
    parts = np.split(chosen.places, range(_BATCH, len(chosen.places), _BATCH))
    return surrogate_of(chosen, np.concatenate([np.asarray(pooled(part), dtype=np.float64) for part in parts]))


def surrogate_of(chosen: Landmarks, features: np.ndarray) -> Surrogate:
    """The surrogate through the pooled images ``features`` (n, m) of all chosen places, its error measured."""
    kept = len(chosen.places) - chosen.held_out
    surrogate = Surrogate(chosen.places[:kept], features[:kept])
    if chosen.held_out:
        surrogate.measure(chosen.places[kept:], features[kept:])
    return surrogate


def pooled_decoder(decode: Callable[[np.ndarray], np.ndarray]) -> Pooled:
    """ψ∘decode of a ``decode``: latents float32 (n, d) to images uint8 (n, H, W, C); ψ is
    ``core.paths.latent_path.pool``."""
    return lambda z: pool(decode(np.asarray(z, dtype=np.float32)))


def _fit(places: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (L, P) and linear tail (1 + d, P) of the interpolant Σ wₗ |x - placeₗ|³ + tail."""
    from scipy.linalg import LinAlgError, solve
    from scipy.spatial.distance import cdist

    count, d = places.shape
    tail = np.hstack([np.ones((count, 1)), places])
    system = np.zeros((count + d + 1, count + d + 1))
    system[:count, :count] = cdist(places, places) ** 3
    system[:count, count:], system[count:, :count] = tail, tail.T
    # Rounded images are not smooth to the last bit, nor do places in a plane determine the tail across it.
    diagonal = np.arange(len(system))
    system[diagonal, diagonal] += np.where(diagonal < count, _SMOOTHING * count, -_SMOOTHING)
    right = np.vstack([targets, np.zeros((d + 1, targets.shape[1]))])
    try:
        solution = solve(system, right, assume_a="sym", overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise GeometryError(f"no surrogate can be fitted to the landmarks ({error}); choose other samples.") from error
    return solution[:count], solution[count:]


def _normals(
    samples: Neighbourhoods, places: np.ndarray, intrinsic: int | None, generator: np.random.Generator
) -> np.ndarray:
    """Unit vectors (n, d) away from the surface at places (n, d), in a random one of its normal directions."""
    direction = generator.normal(size=places.shape)
    d = samples.dim
    q = min(2, d) if intrinsic is None else intrinsic
    if q < d and len(samples) > q + 1:
        _, indices = samples.query(places, max(12, 2 * d))
        near = samples.points[indices]
        near = near - near.mean(axis=1, keepdims=True)
        _, vectors = np.linalg.eigh(np.swapaxes(near, 1, 2) @ near)
        across = vectors[:, :, : d - q]  # by rising variance: the directions that the samples hardly take
        direction = (across @ (np.swapaxes(across, 1, 2) @ direction[:, :, None]))[:, :, 0]
    return direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
