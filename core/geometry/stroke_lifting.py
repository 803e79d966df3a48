"""From a stroke drawn on the screen to a curve on the data: which depth did the hand mean?

A pixel is a ray through the cloud, and the front-most sample on it is often not the one meant: a sheet folds, and the
nearest fold hides the one that the stroke follows. So every stroke point keeps several samples as candidates, and
dynamic programming (Viterbi, 1967) picks the sequence that stays close to the stroke *and* never leaps in depth; of
several such sequences it prefers the visible one. The picked samples are then moved along the data's surface until they
lie under the stroke, projected onto it, smoothed and projected again. numpy at import, scipy at first use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.geometry.embedding_metrics import intrinsic_dimension
from core.geometry.local_fit import DEFAULT_NEIGHBOURS, GeometryError, Neighbourhoods, check_points, kd_tree, project
from core.paths.latent_path import LatentPath
from core.utils.point_sets import interpolated, nearest_on_polyline

SPACING = 8.0  # pixels between the points at which a stroke is lifted
MAX_POINTS = 96
CANDIDATES = 48  # samples kept for one stroke point, at most
MIN_RADIUS, MAX_RADIUS = 12.0, 60.0  # pixels within which a sample is under the stroke
REACH = 2.5  # candidates are taken from so many radii, lest a gap in the meant sheet force a leap to another
FRONT_BIAS = 60.0  # squared pixels from the nearest candidate to the cloud's far side: the visible sheet is meant
FREE_SLOPE = 2.0  # depth may change so much faster than the hand moves, at little cost: a sheet seen obliquely
MAX_SAMPLES = 20_000  # of a larger cloud a random part is used: more samples would not change the surface
SMOOTHING = 1.5  # standard deviation of the smoothing, in stroke points
MIN_LENGTH = 4.0  # pixels: less is a click
TOLERANCE = 0.01  # of a curve's length: how far a path may leave it
CONTROL_POINTS = range(4, 17)


@dataclass(frozen=True, eq=False)
class ScreenCamera:
    """How view coordinates become pixels.

    ``projection`` float64 (4, 4) maps columns (x, y, z, 1) to clip coordinates, OpenGL's convention; ``viewport`` is
    (width, height) in pixels, y down from the top. Works for perspective and orthographic matrices.
    """

    projection: np.ndarray
    viewport: tuple[float, float]

    def clip(self, view: np.ndarray) -> np.ndarray:
        """Clip coordinates float64 (n, 4) of view (n, 3)."""
        return view @ self.projection[:, :3].T + self.projection[:, 3]

    def to_screen(self, view: np.ndarray) -> np.ndarray:
        """Pixels float64 (n, 2) of view (n, 3); not a number for points behind the eye."""
        clip = self.clip(view)
        w = np.where(clip[:, 3] > 1e-9, clip[:, 3], np.nan)
        half = 0.5 * np.asarray(self.viewport)
        return half + clip[:, :2] / w[:, None] * half * (1.0, -1.0)

    def jacobian(self, view: np.ndarray) -> np.ndarray:
        """Pixels per unit of view (n, 3): float64 (n, 2, 3)."""
        clip = self.clip(view)
        w = np.maximum(clip[:, 3], 1e-9)
        half = 0.5 * np.asarray(self.viewport) * (1.0, -1.0)
        ratio = clip[:, :2] / w[:, None]
        rows = self.projection[None, :2, :3] - ratio[:, :, None] * self.projection[3, :3]
        return half[:, None] * rows / w[:, None, None]

    def depth(self, view: np.ndarray) -> np.ndarray:
        """Distance along the line of sight float64 (n,), in view units, larger is farther; its zero is arbitrary."""
        row = self.projection[3] if np.linalg.norm(self.projection[3, :3]) > 1e-9 else self.projection[2]
        norm = np.linalg.norm(row[:3])
        return view @ (row[:3] / norm) if norm > 0.0 else np.zeros(len(view))


def lift_stroke(stroke: np.ndarray, latents: np.ndarray, view: np.ndarray, camera: ScreenCamera) -> np.ndarray:
    """The curve float32 (K, d) on the samples latents (N, d) that stroke (S, 2), in pixels, means; they are drawn at
    view (N, 3).

    ``view`` is a linear map of the latents (three of the dimensions, principal components; unused axes 0). Where the
    stroke crosses empty background it is interpolated between the ends of the gap; its own ends over background are
    cut off.

    Raises ``GeometryError`` if the stroke is too short, if nothing or a single place is under it, or if the cloud is
    not finite.
    """
    try:
        samples = Neighbourhoods(latents)
        view = check_points(view, "view", 3)
    except GeometryError as error:  # a diverged training's cloud, say
        raise GeometryError(f"Nothing can be drawn on this cloud: {error}") from error
    if len(view) != len(samples):
        raise GeometryError(f"view has {len(view)} points and latents {len(samples)}; they must be the same samples.")
    if len(samples) > MAX_SAMPLES:
        part = np.sort(np.random.default_rng(0).choice(len(samples), MAX_SAMPLES, replace=False))
        samples, view = Neighbourhoods(samples.points[part]), view[part]
    points = _even_stroke(stroke)
    candidates, cost = _candidates(points, view, camera)
    covered = np.flatnonzero(np.isfinite(cost[:, 0]))
    if len(covered) < 2:
        raise GeometryError("No samples lie under the stroke. Draw over the cloud, or rotate it first.")
    offsets = samples.points - samples.points.mean(axis=0)
    linear, *_ = np.linalg.lstsq(offsets.T @ offsets, offsets.T @ (view - view.mean(axis=0)), rcond=1e-10)  # to view
    slopes = np.linalg.norm(camera.jacobian(view[candidates[covered, 0]]), axis=(1, 2))
    pixels_per_unit = float(np.median(slopes)) / np.sqrt(2.0)  # across the line of sight
    # What the screen does not show of each sample: its depth, and the latent directions that are not drawn.
    rank = np.linalg.matrix_rank(linear)
    undrawn = np.linalg.svd(linear)[0][:, rank:]
    hidden = np.hstack([camera.depth(view)[:, None], samples.points @ undrawn])
    chosen = _viterbi(candidates[covered], cost[covered], covered, hidden * pixels_per_unit)
    span = np.arange(covered[0], covered[-1] + 1)
    z = interpolated(span, covered, samples.points[chosen])
    intrinsic = intrinsic_dimension(samples, 3)

    def on_surface(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fit = project(samples, z, DEFAULT_NEIGHBOURS, intrinsic)
        return fit.surface, fit.tangent

    offset = view.mean(axis=0) - samples.points.mean(axis=0) @ linear
    for _ in range(2):
        z, tangent = on_surface(z)
        z = z + _towards(points[span], z @ linear + offset, linear, tangent, camera, pixels_per_unit)
    z, _ = on_surface(_smooth(z))
    if not np.any(np.ptp(z, axis=0) > 0.0):
        raise GeometryError("Only one point of the cloud lies under the stroke. Draw over more of it.")
    return z.astype(np.float32)


def _even_stroke(stroke: np.ndarray) -> np.ndarray:
    """The stroke's polyline at equal steps of about ``SPACING`` pixels."""
    stroke = np.asarray(stroke, dtype=np.float64)
    if stroke.ndim != 2 or stroke.shape[1] != 2 or not np.isfinite(stroke).all():
        raise GeometryError(f"stroke has shape {stroke.shape}; it must be (S, 2) finite numbers.")
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(stroke, axis=0), axis=1))])
    if len(stroke) < 2 or arc[-1] < MIN_LENGTH:
        raise GeometryError("The stroke is too short. Hold the button down and draw a line over the cloud.")
    count = int(np.clip(np.ceil(arc[-1] / SPACING) + 1, 5, MAX_POINTS))
    at = np.linspace(0.0, arc[-1], count)
    return interpolated(at, arc, stroke)


def _candidates(points: np.ndarray, view: np.ndarray, camera: ScreenCamera) -> tuple[np.ndarray, np.ndarray]:
    """Samples (S, C) near each stroke point and their squared distances in pixels; infinite where there are fewer."""
    screen = camera.to_screen(view)
    with np.errstate(invalid="ignore"):
        margin = REACH * MAX_RADIUS
        inside = (screen >= points.min(axis=0) - margin) & (screen <= points.max(axis=0) + margin)
    near = np.flatnonzero(inside.all(axis=1))
    if not len(near):
        raise GeometryError("No samples lie under the stroke. Draw over the cloud, or rotate it first.")
    tree = kd_tree(screen[near])
    # A sparse cloud needs a wider radius: twice the usual distance on the screen to the fourth neighbour.
    usual, _ = tree.query(screen[near[:: max(1, len(near) // 256)]], k=[min(5, len(near))])
    radius = float(np.clip(2.0 * np.median(usual), MIN_RADIUS, MAX_RADIUS))
    count = min(CANDIDATES, len(near))
    distance, index = tree.query(points, k=np.arange(1, count + 1), distance_upper_bound=REACH * radius)
    distance[distance[:, 0] > radius] = np.inf
    found = np.isfinite(distance)
    chosen = near[np.where(found, index, 0)]
    depth = camera.depth(view[chosen])
    nearest = np.min(np.where(found, depth, np.inf), axis=1, keepdims=True)
    spread = np.ptp(camera.depth(view[near])) or 1.0
    with np.errstate(invalid="ignore"):
        behind = np.where(found, (depth - nearest) / spread, 0.0)
    return chosen, np.square(distance) + FRONT_BIAS * behind


def _viterbi(candidates: np.ndarray, cost: np.ndarray, place: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The sample (S,) for each stroke point that minimises the sum of ``cost`` (S, C) and of the leaps between them.

    ``hidden`` (N, e), in pixels, is what the screen does not show of a sample. A change of it costs its square beyond
    ``FREE_SLOPE`` and a tenth of it below; over a gap in ``place`` (S,) it may be spread over the missing points.
    """
    total = cost[0]
    origin = np.zeros(candidates.shape, dtype=np.int64)
    for i in range(1, len(candidates)):
        change = np.linalg.norm(hidden[candidates[i]][:, None] - hidden[candidates[i - 1]][None], axis=2)
        gap = place[i] - place[i - 1]
        leap = np.maximum(change - FREE_SLOPE * SPACING * gap, 0.0)
        step = (np.square(leap) + 0.1 * np.square(change)) / gap + total
        origin[i] = step.argmin(axis=1)
        total = cost[i] + step[np.arange(len(step)), origin[i]]
    path = np.empty(len(candidates), dtype=np.int64)
    last = int(total.argmin())
    for i in range(len(candidates) - 1, -1, -1):
        path[i] = candidates[i, last]
        last = origin[i, last]
    return path


def _towards(
    wanted: np.ndarray, view: np.ndarray, linear: np.ndarray, tangent: np.ndarray, camera: ScreenCamera, scale: float
) -> np.ndarray:
    """Steps (K, d) along the surface that bring each place under its stroke point on the screen.

    Damped least squares: where the surface is seen edge-on, no step along it moves far on the screen, and none is
    made.
    """
    missing = wanted - camera.to_screen(view)
    slope = np.einsum("kpv,dv,kdq->kpq", camera.jacobian(view), linear, tangent)
    normal = np.einsum("kpq,krq->kpr", slope, slope) + np.square(0.2 * scale) * np.eye(2)
    step = np.einsum("kpq,kp->kq", slope, np.linalg.solve(normal, missing[:, :, None])[:, :, 0])
    return np.einsum("kdq,kq->kd", tangent, np.nan_to_num(step))


def _smooth(curve: np.ndarray) -> np.ndarray:
    """Gaussian smoothing along the curve; mirrored through its ends, which therefore stay, as straight lines do."""
    reach = min(int(np.ceil(3.0 * SMOOTHING)), len(curve) - 1)
    padded = np.pad(curve, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / SMOOTHING))
    kernel /= kernel.sum()
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], axis=1)


def simplify_stroke(curve: np.ndarray) -> LatentPath:
    """A path with few control points near curve (K, d).

    Control points are taken from the curve, denser where it turns: of ``CONTROL_POINTS`` the fewest that keep within
    ``TOLERANCE``; if none do, those that come closest.
    """
    curve = check_points(curve, "curve")
    chords = np.diff(curve, axis=0)
    arc = np.linalg.norm(chords, axis=1)
    direction = chords / np.where(arc > 0.0, arc, 1.0)[:, None]
    turns = np.zeros(len(arc) + 1)
    turns[1:-1] = np.arccos(np.clip((direction[1:] * direction[:-1]).sum(axis=1), -1.0, 1.0))
    turning = 0.5 * (turns[1:] + turns[:-1])  # along each chord: half of the turns at its two ends
    spread = [_equal_shares(arc, turning, weight) for weight in (0.5, 0.7)]
    best, best_deviation = [0, len(curve) - 1] if len(curve) > 1 else [0], np.inf
    for count in CONTROL_POINTS:
        for shares in spread:
            chosen = np.unique(np.abs(shares[:, None] - np.linspace(0.0, 1.0, count)).argmin(axis=0)).tolist()
            deviation = float(_deviation(curve, chosen).max())
            if deviation < best_deviation:
                best, best_deviation = chosen, deviation
        if best_deviation <= TOLERANCE * arc.sum():
            break
    return LatentPath(curve[best].astype(np.float32))


def _equal_shares(arc: np.ndarray, turning: np.ndarray, weight: float) -> np.ndarray:
    """Rising shares (K,) from 0 to 1 of the curve's length and, by ``weight``, of all its turning."""
    total, turned = max(float(arc.sum()), 1e-300), float(turning.sum())
    step = arc / total if turned <= 1e-3 else (1.0 - weight) * arc / total + weight * turning / turned
    shares = np.concatenate([[0.0], np.cumsum(step)])
    return shares / max(shares[-1], 1e-300)


def _deviation(curve: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Distance (K,) of each curve point from the path through the chosen ones."""
    drawn = LatentPath(curve[chosen].astype(np.float32)).sample(16 * max(len(chosen) - 1, 1) + 1).astype(np.float64)
    return nearest_on_polyline(drawn, curve)[2]
