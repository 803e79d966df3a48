"""One trained model as experiment C sees it: its samples, their surface, its decoder, and the truth about images."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from core.analysis.path_metrics import CurveTruth
from core.config import RunConfig
from core.data.polar_curve_inverse import curve_inverse
from core.data.polar_curves import DEPTH_RANGE, FACTOR_NAMES, SCALE_RANGE, inside_hole
from core.experiments.folder import ExperimentError
from core.geometry.decoder_surrogate import Surrogate, fit_surrogate, pooled_decoder
from core.geometry.geodesic import LatentGraph
from core.geometry.local_fit import GeometryError, Neighbourhoods
from core.geometry.surface import Surface
from core.models.inference import Inference
from core.runs.directory import RunDirectory
from core.training.opening import open_inference

REDRAWN = 1000
"""Samples that are decoded and encoded again, to learn which labels the decoder draws."""
BESIDE = 8
"""Trained samples that say how well the decoder draws about a place in the plane of a and b."""
_RANGES = np.array([SCALE_RANGE[1] - SCALE_RANGE[0], DEPTH_RANGE[1] - DEPTH_RANGE[0]])


class ModelUnderTest:
    """A run to be measured, ``name`` fit for a file, ``label`` for a person. Expensive parts are computed at first use.

    Raises ``ExperimentError`` for a run whose images have no true inverse, ``core.runs.directory.RunError`` if it lacks
    a file.
    """

    def __init__(self, name: str, label: str, run: RunDirectory, seed: int) -> None:
        self.name, self.label, self.run, self.seed = name, label, run, seed
        self.config: RunConfig = run.config
        if not self.config.data.drawn:
            raise ExperimentError(
                f"{run.path} was trained on {self.config.data.path}; this experiment reads factors off images of "
                "curves. Give runs that were trained on curves."
            )
        probe = run.read_probe()
        self.mu = run.read_embedding()
        self.factors = probe.factors.astype(np.float64)
        self.trained = probe.split == 0
        self._residuals = np.full(len(self.mu), np.nan)
        if len(self.mu) != len(self.factors) or probe.factor_names != FACTOR_NAMES:
            raise ExperimentError(f"{run.path} has no means of its samples of a and b; let its training end first.")

    @cached_property
    def inference(self) -> Inference:
        """The newest weights, in float32."""
        return open_inference(self.run.path, device="cpu", precision="float32")[0]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Images uint8 (n, S, S, C) of latents (n, d)."""
        return self.inference.decode(np.asarray(z, dtype=np.float32))

    @cached_property
    def truth(self) -> CurveTruth:
        """Reads a and b off images."""
        return CurveTruth(curve_inverse(self.config.data.geometry, self.config.data.image_size))

    @cached_property
    def surface(self) -> Surface:
        """The surface of the samples with their own labels."""
        return Surface(self.mu, self.factors, FACTOR_NAMES)

    @cached_property
    def redrawn(self) -> Surface | None:
        """The same with the labels of what the decoder draws; None where the model's images don't tell them."""
        points = self.surface.samples.points
        members = np.arange(0, len(points), max(1, len(points) // REDRAWN))
        encoded = self.inference.encode(self.decode(points[members]))
        try:
            return self.surface.relabelled(encoded, members)
        except GeometryError:
            return None

    @cached_property
    def surrogate(self) -> Surrogate:
        """A quick stand-in for the decoder's pooled images."""
        return fit_surrogate(self.surface.samples, pooled_decoder(self.decode), intrinsic=self.surface.intrinsic)

    @cached_property
    def graph(self) -> LatentGraph:
        """The neighbour graph, weighted by image distance."""
        return LatentGraph(self.surface, self.surrogate)

    @cached_property
    def usual_residual(self) -> float:
        """Median of a decoded training sample's mean square from the nearest true curve, of full scale squared."""
        generator = np.random.default_rng(0)
        trained = np.flatnonzero(self.trained)
        chosen = generator.permutation(trained)[:200]
        return float(np.median(self.read(self.mu[chosen])[1]))

    def read(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(a, b) float64 (n, 2) that the decoded latents z (n, d) show, and their residuals (n,)."""
        reading = self.truth.read(self.decode(z))
        if reading.residual is None:
            raise ExperimentError("these images have no known residual; only polar curves do.")
        return reading.factors, reading.residual

    def residual_beside(self, ab: np.ndarray) -> np.ndarray:
        """Median residual float64 (n,) of the decoded ``BESIDE`` trained samples whose a and b, in units of their
        ranges, are nearest to each of ``ab`` (n, 2)."""
        _, nearest = self._by_factors.query(np.asarray(ab) / _RANGES, BESIDE)
        members = np.flatnonzero(self.trained)[nearest]
        unread = np.setdiff1d(members, np.flatnonzero(np.isfinite(self._residuals)))
        if len(unread):
            self._residuals[unread] = self.read(self.mu[unread])[1]
        return np.median(self._residuals[members], axis=1)

    @cached_property
    def _by_factors(self) -> Neighbourhoods:
        return Neighbourhoods(self.factors[self.trained] / _RANGES)

    @property
    def hole(self) -> tuple[tuple[float, float], float] | None:
        """Centre (a, b) and radius of the hole in the data; None if there is none."""
        data = self.config.data
        return ((data.hole_a, data.hole_b), data.hole_radius) if data.punctured else None

    def in_hole(self, ab: np.ndarray) -> np.ndarray:
        """Whether each (a, b) of (n, 2) lies in the hole: bool (n,)."""
        return np.zeros(len(ab), dtype=bool) if self.hole is None else inside_hole(ab, *self.hole)

    def description(self) -> dict[str, Any]:
        """JSON-ready: the surface and what stands in for the decoder."""
        errors = [{"neighbours": error.neighbours, "score": error.score} for error in self.surface.loo_errors]
        return {
            "samples": len(self.surface.samples),
            "intrinsic_dimension": self.surface.intrinsic,
            "neighbours": self.surface.neighbours,
            "leave_one_out": errors,
            "labels_as_drawn": self.redrawn is not None,
            "surrogate_error": error if math.isfinite(error := self.surrogate.error) else None,
            "usual_residual": self.usual_residual,
        }
