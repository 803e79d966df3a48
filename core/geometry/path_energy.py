"""Gauss-Newton on the energy of a path: inner points move until the image changes evenly, and least, along it.

One step solves a block-tridiagonal system. It is damped where the model of the energy is no good (Levenberg), so that
a step that fails is tried again with more damping, and a path is never called relaxed because its steps failed.
numpy at import, scipy at first use.
"""

from __future__ import annotations

import numpy as np

from core.geometry.decoder_surrogate import ImageMap
from core.geometry.off_manifold_penalty import OffManifoldPenalty

_FIRST_DAMPING = 1e-3  # of the system's mean diagonal
_LATER_DAMPING = 1e-6  # of a path that is nearly at rest; more would hold its longest waves
_LEAST_DAMPING = 1e-9
_MOST_DAMPING = 1e6  # a step of a millionth of the gradient's: below it there is none
_HONEST_DAMPING = 0.1  # what a step would save is judged with no more: any point looks at rest to a tiny step
_ROUNDING = 1e-14  # of the cost: a step that seems to rise by so little is as good as any
_TRIALS = 10  # dampings in one iteration
_POOR, _GOOD = 0.25, 0.75  # shares of the promised decrease that a step makes


class Relaxation:
    """Relaxes a path ``z`` float64 (K, d), whose images are ``values`` (K, P); both only ever improve.

    The cost is n Σ|h(t+1) - h(t)|² + penalty · L²/n Σ x(z)², n = K - 1, L² the energy at the beginning. ``saving`` is
    the share of the cost that is still to be saved, as far as one step can tell; inf before the first. ``stuck`` says
    that steps of whatever damping fail to go down, though they should.
    """

    def __init__(
        self, h: ImageMap, off_manifold: OffManifoldPenalty, z: np.ndarray, values: np.ndarray, penalty: float
    ) -> None:
        self._h, self._off_manifold = h, off_manifold
        self.z, self.values = z, values
        self._count = len(z) - 1
        # A path of no image length has no energy to set the penalty against: then it is absolute.
        energy = self._energy(values)
        self._weight = penalty * (energy if energy > 0.0 else 1.0) / self._count
        self._damping = _FIRST_DAMPING
        self.saving = np.inf
        self.stuck = False

    def iterate(self, frame: np.ndarray | None = None) -> float:
        """One step down, or none; the ``saving`` after it. ``frame`` (K - 2, d, q) are the inner points' directions."""
        values, slopes = self._h.value_and_jacobian(self.z)
        outside, outward = self._leaving(self.z, values, slopes)
        before = self._cost(values, outside)
        inner = slopes[1:-1]
        if frame is not None:
            inner, outward = inner @ frame, (np.swapaxes(frame, 1, 2) @ outward[:, :, None])[:, :, 0]
        gradient, bands = self._system(values, inner, outside, outward)
        if not before > 0.0 or not bands[-1].max() > 0.0:  # no image changes anywhere: every path is as short
            self.saving = 0.0
            return 0.0
        for _ in range(_TRIALS):
            step = _solved(bands, gradient, self._damping)
            promised = float(gradient @ step)
            trial = self.z.copy()
            step = step.reshape(len(inner), -1)
            trial[1:-1] -= step if frame is None else (frame @ step[:, :, None])[:, :, 0]
            trial_values = self._h.value(trial)
            decrease = before - self._cost(trial_values, self._leaving(trial, trial_values, None)[0])
            if decrease >= -_ROUNDING * before:
                self.z, self.values = trial, trial_values
                told = self._damping <= _HONEST_DAMPING
                self.saving = (max(decrease, 0.0) if told else self._promise(bands, gradient, promised)) / before
                self._adapt(decrease / promised if promised > 0.0 else 1.0)
                return self.saving
            self._damping *= 10.0
        self.stuck = self._damping > _MOST_DAMPING
        self.saving = self._promise(bands, gradient, 0.0) / before
        return self.saving

    def _promise(self, bands: np.ndarray, gradient: np.ndarray, known: float) -> float:
        """What a step of an honest damping would save by the model of the cost: 0 only where the gradient is."""
        if known > 0.0 and self._damping <= _HONEST_DAMPING:
            return known
        return float(gradient @ _solved(bands, gradient, _HONEST_DAMPING))

    def _adapt(self, share: float) -> None:
        """Damp the next step less where this one kept its promise, more where it hardly did (Marquardt 1963)."""
        factor = 0.1 if share > _GOOD else (1.0 if share > _POOR else 4.0)
        self._damping = max(self._damping * factor, _LEAST_DAMPING)

    def _cost(self, values: np.ndarray, outside: np.ndarray) -> float:
        return self._energy(values) + self._weight * float(np.square(outside).sum())

    def _energy(self, values: np.ndarray) -> float:
        return float(self._count * np.square(np.diff(values, axis=0)).sum())

    def _leaving(self, z: np.ndarray, values: np.ndarray, slopes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The penalty of the inner points (K - 2,) and its slopes (K - 2, d); ``slopes`` are those of ``values``."""
        if self._weight == 0.0:
            return np.zeros(len(z) - 2), np.zeros_like(z[1:-1])
        return self._off_manifold.value_and_slope(z[1:-1], values[1:-1], None if slopes is None else slopes[1:-1])

    def replace(self, z: np.ndarray) -> None:
        """Go on from z (K, d)."""
        self.z, self.values = z, self._h.value(z)
        self._damping, self.stuck = _LATER_DAMPING, False

    def _system(
        self, values: np.ndarray, inner: np.ndarray, outside: np.ndarray, outward: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Half the gradient ((K - 2) d,) and the Gauss-Newton matrix, block-tridiagonal, as upper bands (2 d, …).

        ``inner`` (K - 2, P, d) are the slopes of the inner points' values.
        """
        n = self._count
        bend = 2.0 * values[1:-1] - values[:-2] - values[2:]
        gradient = n * np.einsum("kpd,kp->kd", inner, bend)
        gradient += self._weight * outside[:, None] * outward
        blocks = 2.0 * n * (np.swapaxes(inner, 1, 2) @ inner)
        blocks += self._weight * outward[:, :, None] * outward[:, None, :]
        beside = -n * (np.swapaxes(inner[:-1], 1, 2) @ inner[1:])
        return gradient.ravel(), _bands(blocks, beside)


def _bands(blocks: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Upper bands (2 d, K d) for ``solveh_banded`` of blocks (K, d, d) and those right of them (K - 1, d, d)."""
    count, d = blocks.shape[:2]
    bands = np.zeros((2 * d, count * d))
    top = 2 * d - 1
    for i in range(d):
        for j in range(d):
            if j >= i:
                bands[top - (j - i), j::d] = blocks[:, i, j]
            bands[top - (d + j - i), d + j :: d] = beside[:, i, j]
    return bands


def _solved(bands: np.ndarray, right: np.ndarray, damping: float) -> np.ndarray:
    """The solution of the banded system, its diagonal raised by ``damping`` times its mean, or by as much as it takes.

    A system that is singular, across a surface that the decoder does not see say, is not positive definite when
    rounded.
    """
    from scipy.linalg import LinAlgError, solveh_banded

    size = float(bands[-1].mean())
    while True:
        damped = bands.copy()
        damped[-1] += damping * size
        try:
            return solveh_banded(damped, right, check_finite=False)
        except LinAlgError:
            damping *= 100.0
