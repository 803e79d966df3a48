"""The inverse of the polar curves: which (a, b) an image shows, and how far the image is from that curve.

It measures what a decoder drew with the dataset's own geometry, so it takes part in nothing that it judges. A table
of rendered curves, blurred until neighbouring ones overlap, gives the image a start by its nearest entry; Gauss-Newton
on a spline of the table refines that; and a few corrections against curves that are really rendered take away what
the spline misses. numpy at import, scipy at first use.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from core.data import polar_curves
from core.data.polar_curves import Geometry

MARGIN = 0.1  # of each range: an image may show a curve a little outside the plane that the data were drawn from

_STEP = 0.075  # between the table's curves, in units of R: a stroke then moves by less than the blur
_CELLS = 64  # a side, of the blurred image
_BLUR = 4.0 / 256.0  # standard deviation, of the image's side
_COMPONENTS = 96
_STARTS = 3  # nearest entries that are tried: a broken image may resemble two curves
_ITERATIONS = 8
_CORRECTIONS = 4
_FAINT = 0.2  # of a rendered stroke's brightness: fainter ones would make the steps too long


class Recovered(NamedTuple):
    """``ab`` float64 (n, 2): the curves nearest to the images.

    ``residual`` float64 (n,): the mean square of image minus that curve over all pixels, of full scale squared.
    """

    ab: np.ndarray
    residual: np.ndarray


class CurveInverse:
    """Recovers (a, b) from images of one ``geometry`` and ``size`` (side in pixels, 32 to 512); see ``curve_inverse``.

    Building it renders 825 curves: about a second at 256². Recovering takes some 10 ms an image, nearly all of it for
    rendering. Rendered curves are met to 1e-3 of each factor's range.
    """

    def __init__(self, geometry: Geometry = "article", size: int = 256) -> None:
        from scipy.interpolate import NdBSpline, make_interp_spline

        self.geometry: Geometry = geometry
        self.size = size
        self._blur = _blur(size)
        axes = [_axis(*polar_curves.SCALE_RANGE), _axis(*polar_curves.DEPTH_RANGE)]
        self.low = np.array([axis[0] for axis in axes])
        self.high = np.array([axis[-1] for axis in axes])
        self._grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        blurred = self._blurred(polar_curves.render(self._grid, size, geometry))
        self._basis = _principal(blurred)
        self._table = blurred @ self._basis
        self._even = self._basis.sum(axis=0)  # what an even grey adds to the features
        along_a = make_interp_spline(axes[0], self._table.reshape(len(axes[0]), len(axes[1]), -1), k=3)
        along_b = make_interp_spline(axes[1], np.swapaxes(along_a.c, 0, 1), k=3)
        self._spline: Any = NdBSpline((along_a.t, along_b.t), np.swapaxes(along_b.c, 0, 1), 3)

    def recover(self, images: np.ndarray) -> Recovered:
        """The curves nearest to images uint8 (n, size, size) or (n, size, size, C); channels are averaged.

        Nearest in the mean square of blurred images, whatever the stroke's brightness and the ground's: a decoder
        dims strokes that it is unsure of, and that must not pass for a change of shape. Curves are looked for up to
        a tenth of a range outside the plane; an image of a curve beyond that, or of none at all, shows in its
        residual.
        """
        grey = self._grey(images)
        wanted = self._features(grey)
        ab = self._nearest(wanted)
        residual = np.full(len(grey), np.inf)
        best, trial, least = ab.copy(), ab, np.full(len(grey), np.inf)
        for _ in range(_CORRECTIONS):
            drawn = polar_curves.render(trial, self.size, self.geometry).astype(np.float32)
            step, error = self._step(wanted, self._features(drawn), trial)
            better = error < least
            best[better], least[better] = trial[better], error[better]
            residual[better] = np.square((grey[better] - drawn[better]) / 255.0).mean(axis=(1, 2))
            trial = np.clip(trial + step, self.low, self.high)
        return Recovered(best, residual)

    def residual(self, images: np.ndarray, ab: np.ndarray) -> np.ndarray:
        """Mean square float64 (n,) of images, as ``recover`` takes them, minus the curves ab (n, 2)."""
        grey = self._grey(images)
        drawn = polar_curves.render(ab, self.size, self.geometry).astype(np.float32)
        return np.square((grey - drawn) / 255.0).mean(axis=(1, 2), dtype=np.float64)

    def _nearest(self, wanted: np.ndarray) -> np.ndarray:
        """(a, b) (n, 2) of the spline's place nearest to the features wanted (n, P)."""
        table, _ = _without(self._table, self._even)
        sought, _ = _without(wanted, self._even)
        likeness = sought @ (table / np.linalg.norm(table, axis=1, keepdims=True)).T
        starts = np.argpartition(-likeness, _STARTS - 1, axis=1)[:, :_STARTS]
        wanted = np.repeat(wanted, _STARTS, axis=0)
        place = self._grid[starts.ravel()].copy()
        best, least = place.copy(), np.full(len(place), np.inf)
        for _ in range(_ITERATIONS):
            step, error = self._step(wanted, self._spline(place), place)
            better = error < least
            best[better], least[better] = place[better], error[better]
            place = np.clip(place + np.clip(step, -_STEP, _STEP), self.low, self.high)
        chosen = least.reshape(-1, _STARTS).argmin(axis=1)
        return best.reshape(-1, _STARTS, 2)[np.arange(len(chosen)), chosen]

    def _step(self, wanted: np.ndarray, drawn: np.ndarray, ab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Newton steps (n, 2) from ab (n, 2), whose features are drawn (n, P), and the squared errors (n,) there.

        Brightness and ground are fitted on the way: both are projected out of the error and of the slopes (variable
        projection; Golub and Pereyra 1973). The slopes are multiplied by the brightness.
        """
        slopes = np.stack([self._spline(ab, nu=(1, 0)), self._spline(ab, nu=(0, 1))], axis=1)
        shape, _ = _without(drawn, self._even)
        missing, brightness = _without(_without(wanted, self._even)[0], shape)
        slopes, _ = _without(_without(slopes, self._even)[0], shape[:, None])
        slopes *= np.maximum(brightness, _FAINT)[:, :, None]
        normal = slopes @ np.swapaxes(slopes, 1, 2)
        normal += (1e-9 * np.trace(normal, axis1=1, axis2=2) + 1e-12)[:, None, None] * np.eye(2)
        step = np.linalg.solve(normal, slopes @ missing[:, :, None])[:, :, 0]
        return step, np.square(missing).sum(axis=1)

    def _blurred(self, images: np.ndarray) -> np.ndarray:
        blurred = np.empty((len(images), len(self._blur) ** 2), np.float32)
        for row, image in zip(blurred, images, strict=True):  # one image at a time stays in the cache
            row[:] = (self._blur @ image.astype(np.float32) @ self._blur.T).ravel()
        return blurred / np.float32(255.0)

    def _features(self, images: np.ndarray) -> np.ndarray:
        return self._blurred(images) @ self._basis

    def _grey(self, images: np.ndarray) -> np.ndarray:
        return (images if images.ndim == 3 else images.mean(axis=3)).astype(np.float32)


@lru_cache(maxsize=4)
def curve_inverse(geometry: Geometry = "article", size: int = 256) -> CurveInverse:
    """The inverse for images of this geometry and size, built once."""
    return CurveInverse(geometry, size)


def _axis(low: float, high: float) -> np.ndarray:
    margin = MARGIN * (high - low)
    return np.linspace(low - margin, high + margin, round((high - low + 2.0 * margin) / _STEP) + 1)


def _blur(size: int) -> np.ndarray:
    """float32 (cells, size): Gaussian averages of a line of pixels around equally spaced places."""
    cells = min(_CELLS, size)
    centre = (np.arange(cells) + 0.5) * size / cells - 0.5
    weight = np.exp(-0.5 * np.square((np.arange(size) - centre[:, None]) / max(_BLUR * size, 1.0)))
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


def _principal(table: np.ndarray) -> np.ndarray:
    """An orthonormal basis float32 (cells², P) of the table's main directions and of an even grey.

    Found through the small matrix of the products of its rows.
    """
    _, mixtures = np.linalg.eigh((table @ table.T).astype(np.float64))
    main = table.T @ mixtures[:, ::-1][:, :_COMPONENTS].astype(np.float32)
    basis, _ = np.linalg.qr(np.hstack([np.ones((len(main), 1), np.float32), main]))
    return basis


def _without(vectors: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """vectors (…, P) less their parts along direction (…, P), and the factors (…, 1) of the direction in them."""
    factor = (vectors * direction).sum(axis=-1, keepdims=True) / np.square(direction).sum(axis=-1, keepdims=True)
    return vectors - factor * direction, factor
