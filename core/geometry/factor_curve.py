"""Factor curves: raise one label of the data and hold the others, along the surface that a model has learned.

A factor of a latent space is seldom an axis or any other straight line; it is a family of curves on the surface of the
samples, like the gridlines of polar coordinates. A factor curve runs along one of them. Through any place there is one
for every label, and ladders of them are the net of gridlines. Steering uses the samples' labels alone, never a decoder.

In the tangent plane, let g be the gradient of the target label and H the gradients of those that are held. The part of
g that is square to all of H, divided by its own slope, is the shortest motion that raises the target by one and leaves
the rest: T·Jᵀ(JJᵀ + λI)⁻¹e of the stacked gradients J, with the damping λ on the held rows alone, so that the target's
rate stays exactly one. A step, 0.7 of a neighbourhood's radius at most, is a second-order Runge-Kutta step inside the
local quadratic; the next local fit then projects it, and one Newton step puts all the labels back to what they should
be. All fronts of all curves step together, since a batch of fits costs little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.geometry.local_fit import GeometryError, LocalModel, check_place, unit
from core.geometry.surface import Surface
from core.paths.latent_path import Hermite
from core.paths.recipe import END_OF_DATA

OUT_OF_REACH = "the target value cannot be reached"
NOT_HELD = "the other factors cannot be held constant"

POINTS = 65  # of a curve whose values are not asked for
GRIDLINE_POINTS = 49
AT_EDGE = 0.15
"""How near to a label's least or greatest value, as a share of its range, a curve along it counts as whole."""
UNKNOWN_HELD = "no other factors are known, so none is held constant"
ILL_CONDITIONED = 10.0  # a sine of 0.1 between target and held labels: small errors of the labels become large steps

_MARGIN = 0.03  # of a label's samples left outside the outermost gridlines
_LEAST_MEMBERS = 8  # samples that a line is started from
_SETTLED = 0.05  # of a neighbourhood's radius: a correction as small is as good as none
_BEYOND = 0.05  # of the target's range: farther out its values are made up, however near samples are
_UNCOVERED = 0.12  # of a line's samples: if so many lie beyond its end, it goes on across the gap

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


@dataclass(frozen=True, eq=False)
class FactorCurve:
    """A curve along which ``target`` changes and the other labels do not.

    ``points`` float64 (m, d) on the surface; ``labels`` float64 (m, F), read from the local fits, so they say what was
    steered for and not what a decoder shows. Of values that were asked for, those within reach are the m points, in the
    order asked. ``stopped`` is empty if the curve went as far as it was asked to, else
    why it ended: ``END_OF_DATA``, ``OUT_OF_REACH`` (the label has an extremum, jumps, or never takes that
    value), ``NOT_HELD`` (their gradients leave no direction). ``extent`` is the range of the target
    that was reached. ``conditioning`` ≥ 1 is the largest 1 / sine of the angle between the target's gradient and the
    held ones.
    """

    points: np.ndarray
    labels: np.ndarray
    target: int
    target_name: str
    extent: tuple[float, float]
    stopped: str
    conditioning: float

    @property
    def values(self) -> np.ndarray:
        """The target label at each point, float64 (m,)."""
        return self.labels[:, self.target]

    @property
    def achieved(self) -> float:
        """The target's change from the first point to the last."""
        return float(self.values[-1] - self.values[0]) if len(self.labels) else 0.0

    @property
    def note(self) -> str:
        """What a person should know about the curve, "" if nothing."""
        notes = [UNKNOWN_HELD] if self.labels.shape[1] == 1 else []
        if self.conditioning > ILL_CONDITIONED:
            notes.append(f"{self.target_name} and the factors held constant are nearly indistinguishable here")
        return "; ".join(notes + ([self.stopped] if self.stopped else []))


@dataclass(frozen=True, eq=False)
class Gridline:
    """A line of the net: ``family`` is the label that is constant on it, at ``value``; ``points`` float64 (m, d).

    A line that crosses a gap in the data comes as several pieces of one value.
    """

    family: str
    value: float
    points: np.ndarray


def factor_curve(
    surface: Surface,
    start: np.ndarray,
    target: int | str,
    values: np.ndarray | None = None,
    points: int = POINTS,
) -> FactorCurve:
    """The curve through ``start`` (d,), projected onto the surface, along which ``target`` changes.

    ``values`` (m,) are the target's, in its own unit and any order; left out, the curve has ``points`` points equally
    spaced in length over the whole extent in both directions, until the data end. All other labels are held.

    Raises ``GeometryError`` for an unknown or constant label, values that are not finite, or a start that does not fit.
    """
    columns = _aims(surface, target)
    target = columns[0]
    wanted = None if values is None else np.asarray(values, dtype=np.float64)
    if wanted is not None and (wanted.ndim != 1 or not len(wanted) or not np.isfinite(wanted).all()):
        raise GeometryError(f"values have shape {wanted.shape}; they must be one or more finite numbers (m,).")
    at = surface.project(check_place(start, "start", surface.dim)[None])
    aims, goals = np.array([columns]), at.labels[:, columns] / surface.spread[columns]
    asked = None if wanted is None else wanted / surface.spread[target]
    limit = np.array([-np.inf, np.inf] if asked is None else [min(*asked, goals[0, 0]), max(*asked, goals[0, 0])])
    both = [0, 0]
    back, forth = integrate(surface, at.surface[both], aims[both], goals[both], limit)
    if asked is None:
        _end_with_samples(surface, target, back, forth)
    trace = joined(back, forth)
    if asked is None:
        inside = even_taus(trace, max(points, 2))
    else:
        slack = 1e-9 * max(1.0, float(np.abs(asked).max()))  # the limit itself is met to rounding
        inside = asked[(asked >= trace.tau[0] - slack) & (asked <= trace.tau[-1] + slack)]
        inside = np.clip(inside, trace.tau[0], trace.tau[-1])
    place, labels = _refined(surface, [(trace, inside, columns, goals[0])])[0]
    stopped = _reason(surface, target, wanted, len(inside), back, forth)
    low, high = trace.tau[0] * surface.spread[target], trace.tau[-1] * surface.spread[target]
    return FactorCurve(
        place,
        labels,
        target,
        surface.names[target],
        (float(low), float(high)),
        stopped,
        trace.conditioning,
    )


def tangent(surface: Surface, start: np.ndarray, target: int | str) -> tuple[np.ndarray, np.ndarray, float]:
    """The factor curve at its start: place (d,) on the surface, motion (d,) per unit of the target, target there."""
    columns = _aims(surface, target)
    target = columns[0]
    at = surface.project(check_place(start, "start", surface.dim)[None])
    aims, goals = np.array([columns]), at.labels[:, columns] / surface.spread[columns]
    (trace,) = integrate(surface, at.surface, aims, goals, goals[:, 0])  # it ends where it begins
    return trace.nodes[0], trace.velocity[0] / surface.spread[target], float(at.labels[0, target])


def gridlines(
    surface: Surface,
    counts: int | tuple[int, int] = 7,
    families: tuple[int | str, int | str] = (0, 1),
    points: int = GRIDLINE_POINTS,
) -> list[Gridline]:
    """The net of two labels: ``counts`` lines of each on which it is constant, at equal steps of it.

    On each line the other label of the two runs from end to end. Further labels are held only if the surface has
    dimensions left for them. Raises ``GeometryError`` for unknown, equal or constant labels.
    """
    one, two = (surface.index(label) for label in families)
    rest = [i for i in range(len(surface.names)) if i not in (one, two)] if surface.intrinsic > 2 else []
    if one == two:
        raise GeometryError(f"{surface.names[one]} cannot be both changed and held; choose two different labels.")
    for label in (one, two):
        _aims(surface, label)  # refuses what cannot be followed
    lines: list[_Line] = []
    for family, other, count in zip((one, two), (two, one), np.broadcast_to(counts, 2), strict=True):
        low, high = np.quantile(surface.table[:, family], [_MARGIN, 1.0 - _MARGIN])
        width = 0.5 * (high - low) / max(int(count) - 1, 4)
        lines += [_Line(surface, family, other, rest, v, width) for v in np.linspace(low, high, int(count))]
    pieces = _trace_lines(surface, lines, [line.seed(0.5) for line in lines])
    again = [(line, seed) for line, trace in zip(lines, pieces, strict=True) for seed in line.beyond(trace)]
    more = _trace_lines(surface, [line for line, _ in again], [seed for _, seed in again])
    found = list(zip(lines, pieces, strict=True)) + [(line, t) for (line, _), t in zip(again, more, strict=True)]
    found = [(line, trace) for line, trace in found if trace is not None and len(trace.tau) > 1]
    jobs = [(trace, even_taus(trace, points), line.columns, line.goals()) for line, trace in found]
    placed = _refined(surface, jobs)
    return [
        Gridline(surface.names[line.family], line.value, z) for (line, _), (z, _) in zip(found, placed, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Line:
    """One line of the net to be: where ``family`` is ``value``, and samples within ``width`` of that value."""

    surface: Surface
    family: int
    other: int
    rest: list[int]
    value: float
    width: float

    @property
    def columns(self) -> list[int]:
        """The label that changes, then those that are held."""
        return [self.other, self.family, *self.rest]

    def goals(self, other: float = 0.0) -> np.ndarray:
        """Values of ``columns`` (1 + H,), in standard deviations as ``other`` is; further labels at their medians."""
        medians = np.median(self.surface.table[:, self.rest], axis=0)
        return np.append(other, np.array([self.value, *medians]) / self.surface.spread[self.columns[1:]])

    @cached_property
    def members(self) -> np.ndarray:
        """Samples near the line, by rising ``other``."""
        table = self.surface.table / self.surface.spread
        away = np.abs(table[:, [self.family, *self.rest]] - self.goals()[1:]).max(axis=1)
        near = np.flatnonzero(away <= self.width / self.surface.spread[self.family])
        if len(near) < _LEAST_MEMBERS:
            near = np.argsort(away, kind="stable")[:_LEAST_MEMBERS]
        return near[np.argsort(table[near, self.other], kind="stable")]

    def seed(self, share: float, low: float = -np.inf, high: float = np.inf) -> int:
        """A sample at about ``share`` of the line's part between ``low`` and ``high`` of the other label."""
        other = self.surface.table[self.members, self.other] / self.surface.spread[self.other]
        part = self.members[(other >= low) & (other <= high)]
        middle, reach = share * (len(part) - 1), max(0.1 * len(part), 1.0)
        near = part[max(0, int(middle - reach)) : int(middle + reach) + 1]
        return int(near[np.abs(self.surface.table[near, self.family] - self.value).argmin()])

    def beyond(self, trace: Trajectory | None) -> list[int]:
        """Samples to start from again: in what ``trace`` left out at either end, if that is much."""
        if trace is None:  # its middle is in a gap
            return [self.seed(0.15), self.seed(0.85)]
        other = self.surface.table[self.members, self.other] / self.surface.spread[self.other]
        seeds = [self.seed(0.5, high=trace.tau[0])] if np.mean(other < trace.tau[0]) > _UNCOVERED else []
        return seeds + ([self.seed(0.5, low=trace.tau[-1])] if np.mean(other > trace.tau[-1]) > _UNCOVERED else [])


def _trace_lines(surface: Surface, lines: list[_Line], seeds: list[int]) -> list[Trajectory | None]:
    """Each line from its seed sample in both directions; None where the seed cannot be moved onto the line."""
    if not lines:
        return []
    aims = np.array([line.columns for line in lines])
    scaled = surface.table[seeds] / surface.spread
    goals = np.stack([line.goals(scaled[i, line.other]) for i, line in enumerate(lines)])
    place, _, moved = refine(surface, surface.samples.points[seeds], aims, goals)
    usable = np.flatnonzero((moved < _SETTLED) & ~surface.in_gap(place))
    both = np.concatenate([usable, usable])
    limit = np.repeat([-np.inf, np.inf], len(usable))
    traces = integrate(surface, place[both], aims[both], goals[both], limit) if len(usable) else []
    found: list[Trajectory | None] = [None] * len(lines)
    for i, line in enumerate(usable):
        _end_with_samples(surface, lines[line].other, traces[i], traces[i + len(usable)])
        found[line] = joined(traces[i], traces[i + len(usable)])
    return found


def _refined(
    surface: Surface, jobs: list[tuple[Trajectory, np.ndarray, list[int], np.ndarray]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places and labels of (trace, taus, columns, goals) jobs, all in one batch; goals[0] is replaced by the taus."""
    if not sum(len(taus) for _, taus, _, _ in jobs):
        return [(np.empty((0, surface.dim)), np.empty((0, len(surface.names)))) for _ in jobs]
    rough = np.concatenate([place_at(trace, taus) for trace, taus, _, _ in jobs])
    aims = np.concatenate([np.tile(columns, (len(taus), 1)) for _, taus, columns, _ in jobs])
    goals = np.concatenate([np.tile(goal, (len(taus), 1)) for _, taus, _, goal in jobs])
    goals[:, 0] = np.concatenate([taus for _, taus, _, _ in jobs])
    place, labels, moved = refine(surface, rough, aims, goals)
    unsettled = moved >= _SETTLED  # beside a jump of a label, say: there the integration is more accurate
    place[unsettled] = rough[unsettled]
    ends = np.cumsum([len(taus) for _, taus, _, _ in jobs])[:-1]
    return list(zip(np.split(place, ends), np.split(labels * surface.spread, ends), strict=True))


def _aims(surface: Surface, target: int | str) -> list[int]:
    """[target's column, held columns…]: all other labels but constant ones, which are held by themselves."""
    column = surface.index(target)
    if surface.constant[column]:
        raise GeometryError(f"{surface.names[column]} is the same for all samples; choose a label that varies.")
    return [column, *(i for i in range(len(surface.names)) if i != column and not surface.constant[i])]


def _end_with_samples(surface: Surface, target: int, *traces: Trajectory) -> None:
    """Cut whole curves where the target leaves the samples' range by more than a little."""
    low, high = surface.low[target], surface.high[target]
    room = _BEYOND * (high - low)
    for trace in traces:
        tau = np.array(trace.tau[1:]) * surface.spread[target]
        beyond = np.flatnonzero((tau < low - room) | (tau > high + room))
        if len(beyond):
            trace.cut(int(beyond[0]) + 1, END_OF_DATA)


def _reason(
    surface: Surface, target: int, wanted: np.ndarray | None, met: int, back: Trajectory, forth: Trajectory
) -> str:
    """Why a curve ended: without values the first reason but the edge of the data, which every whole curve meets."""
    if wanted is None:
        low, high = float(surface.low[target]), float(surface.high[target])
        usual = {"", END_OF_DATA}
        reasons = set()
        for trace, edge in ((back, low), (forth, high)):
            # Where the data end, a label's slope often does as well.
            whole = abs(trace.tau[-1] * surface.spread[target] - edge) <= AT_EDGE * (high - low)
            reasons |= {trace.stopped} - (usual | {OUT_OF_REACH} if whole else usual)
        return min(reasons, default=END_OF_DATA)
    if met == len(wanted):
        return ""
    if wanted.min() < surface.low[target] or wanted.max() > surface.high[target]:
        return OUT_OF_REACH
    return forth.stopped or back.stopped


# The integrator -----------------------------------------------------------------------------------------------------


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
