"""Following one label across the data's surface while the others keep their values: the integrator of factor curves.

In the tangent plane, let g be the gradient of the target label and H the gradients of those that are held. The part of
g that is square to all of H, divided by its own slope, is the shortest motion that raises the target by one and leaves
the rest: T·Jᵀ(JJᵀ + λI)⁻¹e of the stacked gradients J, with the damping λ on the held rows alone, so that the target's
rate stays exactly one. A step, 0.7 of a neighbourhood's radius at most, is a second-order Runge-Kutta step inside the
local quadratic; the next local fit then projects it, and one Newton step puts all the labels back to what they should
be. All fronts of all curves step together, since a batch of fits costs little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.geometry.local_fit import LocalModel, unit
from core.geometry.surface import Surface
from core.paths.recipe import END_OF_DATA
from core.paths.splines import Hermite

OUT_OF_REACH = "the target value cannot be reached"
NOT_HELD = "the other factors cannot be held constant"

STEP = 0.7  # of a neighbourhood's radius, at most
LEAST_STEP = 1.0 / 16.0  # of it: a step that fails is halved down to here, which is how closely an edge is met
LEAST_SINE = 0.02  # between the target's gradient and the span of the held ones: below it they cannot be told apart
LEAST_SLOPE = 1e-3  # standard deviations of the target over a neighbourhood's radius: below it the label is flat

_SLACK = 0.125  # of a radius, that a correction may always move: neighbouring fits differ by as much where labels bend
_FARTHEST = 1e100
_DAMPING = 1e-8  # of the squared gradients
_CAUTION = 6  # steps after one that left the data, in which they do not grow: the edge is probably near
_MOST_STEPS = 400
_CHECKS = 4  # places in each step that are checked
_REFINEMENTS = 4
_AT_REST = 1e-4  # of a neighbourhood's radius


@dataclass(eq=False)
class Trajectory:
    """Where one front went: the target label ``tau`` of each node, in standard deviations, rising or falling.

    ``nodes`` are (d,) places on the surface and ``velocity`` their derivatives by tau; ``stopped`` is why it ended
    before its limit ("" if it did not), ``conditioning`` the largest 1 / sine between target and held gradients.
    """

    tau: list[float] = field(default_factory=list)
    nodes: list[np.ndarray] = field(default_factory=list)
    velocity: list[np.ndarray] = field(default_factory=list)
    stopped: str = ""
    conditioning: float = 1.0

    def cut(self, nodes: int, stopped: str) -> None:
        """Keep the first ``nodes``."""
        del self.tau[nodes:], self.nodes[nodes:], self.velocity[nodes:]
        self.stopped = stopped


@dataclass(frozen=True, eq=False)
class _Direction:
    """For Q places: ``step`` (Q, q) in plane coordinates that raises the target by one, and its ``velocity`` (Q, d).

    ``speed`` (Q,) is the velocity's length, ``sine`` (Q,) that of the angle between the target's gradient and the held
    ones, ``slope`` (Q,) the target's whole gradient.
    """

    step: np.ndarray
    velocity: np.ndarray
    speed: np.ndarray
    sine: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True, eq=False)
class _Gradients:
    """``surface`` (Q, d, q): the surface's slopes by u. ``raised`` (Q, q, 1 + H): in u, the labels' gradients.

    ``gram`` (Q, 1 + H, 1 + H): products of the gradients along the surface, per unit of length.
    """

    surface: np.ndarray
    raised: np.ndarray
    gram: np.ndarray


def integrate(
    surface: Surface, start: np.ndarray, columns: np.ndarray, targets: np.ndarray, limit: np.ndarray
) -> list[Trajectory]:
    """Follow Q fronts from start (Q, d), places on the surface, until tau meets ``limit`` (Q,), which may be infinite.

    ``columns`` int (Q, 1 + H): the target's column and the held ones'. ``targets`` float64 (Q, 1 + H): their values at
    the start, in standard deviations.
    """
    integrator = _Integrator(surface, start, columns, targets, limit)
    for _ in range(_MOST_STEPS):
        if not len(integrator.active):
            break
        integrator.step()
    _cut_at_gaps(surface, integrator.trajectories)
    return integrator.trajectories


class _Integrator:
    """Fronts that step together: those that are still on their way, and the trajectories of all."""

    def __init__(
        self, surface: Surface, start: np.ndarray, columns: np.ndarray, targets: np.ndarray, limit: np.ndarray
    ) -> None:
        self.trajectories = [Trajectory() for _ in start]
        self.active = np.arange(len(start))
        self._surface, self._columns, self._targets, self._limit = surface, columns, targets.copy(), limit
        self._sign = np.where(limit >= targets[:, 0], 1.0, -1.0)
        self._reach = np.full(len(start), STEP)  # of a radius
        self._caution = np.zeros(len(start), dtype=np.int64)
        self._x = start.copy()  # where a front tries to be; targets[:, 0] is the target's value that is due there

    def step(self) -> None:
        """One local fit for every active front: correct it, judge it, record it, and send it on or halfway back."""
        front = self.active
        model = self._surface.model(self._x[front])
        u = model.coordinates(self._x[front])
        gradients = _gradients(model, u, self._columns[front])
        u, moved = _corrected(model, u, gradients, self._columns[front], self._targets[front])
        place, labels = model.evaluate(u)
        begun = np.array([len(self.trajectories[i].nodes) > 0 for i in front])
        left = self._surface.in_gap_near(model, place, labels) & begun
        diverged = ~(moved <= np.maximum(0.5 * self._reach[front], _SLACK) * model.scale) & begun
        failed = left | diverged
        direction = _direction(gradients)  # the correction is too small to change it
        ended = failed.copy()
        for row in np.flatnonzero(failed):
            ended[row] = self._backtrack(int(front[row]), END_OF_DATA if left[row] else OUT_OF_REACH)
        for row in np.flatnonzero(~failed):
            ended[row] = self._record(int(front[row]), place[row], direction, int(row), float(model.scale[row]))
        self._midpoint_step(model, u, direction, ~failed & ~ended)
        self.active = front[~ended]

    def _backtrack(self, front: int, reason: str) -> bool:
        """Try half the step; whether that would be too short to be worth it."""
        trajectory = self.trajectories[front]
        self._reach[front] *= 0.5
        self._caution[front] = _CAUTION if reason == END_OF_DATA else 0
        self._x[front] = 0.5 * (self._x[front] + trajectory.nodes[-1])
        self._targets[front, 0] = 0.5 * (self._targets[front, 0] + trajectory.tau[-1])
        if self._reach[front] < LEAST_STEP:
            trajectory.stopped = reason
            return True
        return False

    def _record(self, front: int, place: np.ndarray, direction: _Direction, row: int, radius: float) -> bool:
        """Keep the node; whether the front ends there."""
        trajectory = self.trajectories[front]
        trajectory.tau.append(float(self._targets[front, 0]))
        trajectory.nodes.append(place)
        trajectory.velocity.append(direction.velocity[row])
        trajectory.conditioning = max(trajectory.conditioning, 1.0 / max(float(direction.sine[row]), 1e-12))
        if direction.slope[row] * radius < LEAST_SLOPE:
            trajectory.stopped = OUT_OF_REACH
        elif direction.sine[row] < LEAST_SINE:
            trajectory.stopped = NOT_HELD
        return bool(trajectory.stopped) or trajectory.tau[-1] == self._limit[front]

    def _midpoint_step(self, model: LocalModel, u: np.ndarray, direction: _Direction, going: np.ndarray) -> None:
        """The midpoint rule, inside each local quadratic, for the fronts that go on."""
        front = self.active
        left = np.abs(self._limit[front] - self._targets[front, 0])
        stride = self._reach[front] * model.scale / np.maximum(direction.speed, 1e-300)
        last = stride >= left
        change = self._sign[front] * np.where(last, left, stride)
        middle = u + 0.5 * change[:, None] * direction.step
        at_middle = _direction(_gradients(model, middle, self._columns[front]))
        following, _ = model.evaluate(u + change[:, None] * at_middle.step)
        due = np.where(last, self._limit[front], self._targets[front, 0] + change)
        self._x[front[going]] = following[going]
        self._targets[front[going], 0] = due[going]
        growth = np.where(self._caution[front[going]] > 0, 1.0, 1.5)
        self._reach[front[going]] = np.minimum(growth * self._reach[front[going]], STEP)
        self._caution[front[going]] -= 1


def _corrected(
    model: LocalModel, u: np.ndarray, gradients: _Gradients, columns: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One Newton step from u (Q, q) towards labels ``targets`` (Q, 1 + H): (u, length of the step (Q,)).

    Least squares where the labels cannot all be met; never longer than 0.7 of the neighbourhood's radius.
    """
    missing = targets - model.evaluate(u)[1][np.arange(len(u))[:, None], columns]
    gram = gradients.gram
    damped = _damped(gram, np.trace(gram, axis1=1, axis2=2))
    share = np.linalg.solve(damped, missing[:, :, None])
    # Of samples that all but coincide a label's unit is next to nothing, and what is missing next to infinite.
    share = np.clip(np.nan_to_num(share), -_FARTHEST, _FARTHEST)
    length = np.sqrt(np.maximum((share * (gram @ share)).sum(axis=(1, 2)), 0.0))
    motion = (gradients.raised @ share)[:, :, 0]
    return u + motion * np.minimum(1.0, STEP * model.scale / np.maximum(length, 1e-300))[:, None], length


def _gradients(model: LocalModel, u: np.ndarray, columns: np.ndarray) -> _Gradients:
    surface_slopes, label_slopes = model.slopes(u)
    metric = np.swapaxes(surface_slopes, 1, 2) @ surface_slopes
    size = np.trace(metric, axis1=1, axis2=2)
    rows = label_slopes[np.arange(len(u))[:, None], columns]
    # Coinciding samples have no metric: the damping then makes a label's gradient what it is in u.
    damped = metric + (1e-12 * size + np.where(size > 0.0, 0.0, 1.0))[:, None, None] * unit(metric.shape[1])
    raised = np.linalg.solve(damped, np.swapaxes(rows, 1, 2))
    return _Gradients(surface_slopes, raised, rows @ raised)


def _direction(gradients: _Gradients) -> _Direction:
    gram, raised = gradients.gram, gradients.raised
    square = gram[:, 0, 0]
    step, rate, free = raised[:, :, 0], square, square
    if gram.shape[1] > 1:
        held = gram[:, 1:, 1:]
        scale = np.trace(gram, axis1=1, axis2=2)
        share = np.linalg.solve(_damped(held, scale), gram[:, 1:, :1])
        step = step - (raised[:, :, 1:] @ share)[:, :, 0]
        rate = square - (gram[:, :1, 1:] @ share)[:, 0, 0]
        free = rate - (np.swapaxes(share, 1, 2) @ (gram[:, 1:, :1] - held @ share))[:, 0, 0]
    rate, free = np.maximum(rate, 1e-300), np.maximum(free, 0.0)
    step = step / rate[:, None]
    velocity = (gradients.surface @ step[:, :, None])[:, :, 0]
    sine = np.sqrt(free / np.maximum(square, 1e-300))
    return _Direction(step, velocity, np.sqrt(free) / rate, sine, np.sqrt(np.maximum(square, 0.0)))


def _damped(square: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return square + (_DAMPING * scale + 1e-300)[:, None, None] * unit(square.shape[1])


def _cut_at_gaps(surface: Surface, trajectories: list[Trajectory]) -> None:
    """End each trajectory before the first step that leaves the samples between its two nodes."""
    begins, places = [], []
    for trajectory in trajectories:
        steps = len(trajectory.nodes) - 1
        begins.append(steps)
        if steps > 0:
            u = (np.arange(steps * _CHECKS) + 0.5) / _CHECKS
            places.append(_spline(trajectory).evaluate(u))
    if not places:
        return
    left = surface.in_gap(np.concatenate(places))
    at = 0
    for trajectory, steps in zip(trajectories, begins, strict=True):
        own = np.flatnonzero(left[at : at + steps * _CHECKS])
        at += steps * _CHECKS
        if len(own):
            trajectory.cut(int(own[0]) // _CHECKS + 1, END_OF_DATA)


def _spline(trajectory: Trajectory) -> Hermite:
    """The nodes and their velocities as a cubic, with node i at u = i."""
    nodes, velocity = np.stack(trajectory.nodes), np.stack(trajectory.velocity)
    return Hermite(nodes, nodes[1:], np.diff(trajectory.tau), velocity[:-1], velocity[1:])


def joined(back: Trajectory, forth: Trajectory) -> Trajectory:
    """Two trajectories from one start, the first towards smaller tau, as one that rises."""
    return Trajectory(
        back.tau[:0:-1] + forth.tau,
        back.nodes[:0:-1] + forth.nodes,
        back.velocity[:0:-1] + forth.velocity,
        forth.stopped or back.stopped,
        max(back.conditioning, forth.conditioning),
    )


def place_at(trajectory: Trajectory, tau: np.ndarray) -> np.ndarray:
    """Places (m, d) of a rising trajectory at ``tau`` (m,) within it, to the accuracy of the cubic."""
    if len(trajectory.tau) == 1:
        return np.repeat(trajectory.nodes[0][None], len(tau), axis=0)
    return _spline(trajectory).evaluate(np.interp(tau, trajectory.tau, np.arange(len(trajectory.tau))))


def even_taus(trajectory: Trajectory, count: int) -> np.ndarray:
    """``count`` values of tau, rising, equally spaced in the length of a rising trajectory; its ends are among them."""
    if len(trajectory.tau) == 1:
        return np.array(trajectory.tau)
    u = np.linspace(0.0, len(trajectory.tau) - 1, 8 * (len(trajectory.tau) - 1) + 1)
    chords = np.linalg.norm(np.diff(_spline(trajectory).evaluate(u), axis=0), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(chords)])
    at = np.interp(np.linspace(0.0, arc[-1], count), arc, u)
    return np.interp(at, np.arange(len(trajectory.tau)), trajectory.tau)


def refine(
    surface: Surface, z: np.ndarray, columns: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Move z (m, d) along the surface until its labels are ``targets`` (m, 1 + H) of the ``columns``.

    Returns the places, all their labels in standard deviations (m, F), and how far the last correction moved each, in
    neighbourhood radii.
    """
    moved, labels = np.zeros(len(z)), np.zeros((len(z), surface.table.shape[1]))
    for _ in range(_REFINEMENTS):
        model = surface.model(z)
        u = model.coordinates(z)
        u, moved = _corrected(model, u, _gradients(model, u, columns), columns, targets)
        z, labels = model.evaluate(u)
        moved = moved / model.scale
        if np.all(moved <= _AT_REST):
            break
    return z, labels, moved
