"""Loss curves as arrays: growing without copying each time, smoothed, and thinned to what a screen can show.

A run of 10^5 steps has more points than a plot has pixels. ``envelope`` keeps, for each pixel column, the least and
the greatest value, so that no peak is lost and no more than two points a column are drawn.
"""

from __future__ import annotations

import numpy as np

_FIRST = 1024


class Column:
    """A float64 array that grows at its end in amortised constant time."""

    def __init__(self) -> None:
        self._store = np.empty(_FIRST)
        self._count = 0

    def extend(self, values: np.ndarray) -> None:
        """Append ``values`` (n,)."""
        stop = self._count + len(values)
        if stop > len(self._store):
            grown = np.empty(max(stop, 2 * len(self._store)))
            grown[: self._count] = self._store[: self._count]
            self._store = grown
        self._store[self._count : stop] = values
        self._count = stop

    def clear(self) -> None:
        """Forget everything."""
        self._count = 0

    @property
    def values(self) -> np.ndarray:
        """A view of what was appended; valid until the next ``extend``."""
        return self._store[: self._count]

    def __len__(self) -> int:
        return self._count


class Smoother:
    """Exponential moving average of a growing curve, corrected for its start (as in Adam: Kingma & Ba 2015, eq. 4).

    y_t = (1 - w) sum_k w^k x_(t-k) / (1 - w^(t+1)) with ``weight`` w in [0, 1) on the past. Values that are not
    finite are skipped: the average stands still there. Only values that are new since the last call are worked on.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._out = Column()
        self._total = self._mass = 0.0

    def follow(self, values: np.ndarray) -> np.ndarray:
        """The average of ``values`` (n,), a curve that begins with what was given before; float64 (n,)."""
        new = values[len(self._out) :]
        if len(new):
            good = np.isfinite(new)
            total = _decayed_sum(np.where(good, new, 0.0), good, self.weight, self._total)
            mass = _decayed_sum(good.astype(np.float64), good, self.weight, self._mass)
            self._total, self._mass = float(total[-1]), float(mass[-1])
            with np.errstate(invalid="ignore", divide="ignore"):
                self._out.extend(np.where(mass > 0.0, total / mass, np.nan))
        return self._out.values


def _decayed_sum(values: np.ndarray, good: np.ndarray, weight: float, carry: float) -> np.ndarray:
    """s_t = w s_(t-1) + x_t where ``good``, s_(t-1) elsewhere; in blocks short enough that w^-k stays finite."""
    if weight <= 0.0:
        return values
    block = max(1, int(-200.0 / np.log10(weight)))
    out = np.empty(len(values))
    for start in range(0, len(values), block):
        stop = min(start + block, len(values))
        growth = weight ** -np.cumsum(good[start:stop]).astype(np.float64)
        out[start:stop] = (carry + np.cumsum(values[start:stop] * growth)) / growth
        carry = out[stop - 1]
    return out


def envelope(x: np.ndarray, y: np.ndarray, low: float, high: float, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of (``x``, ``y``) between ``low`` and ``high``, thinned to at most two for each of ``columns``.

    ``x`` ascends. Returns (x, y) with the least and greatest y of each column, in the order in which they occur; one
    neighbour on either side is kept so that lines leave the picture correctly. Values that are not finite are left out.
    """
    start = max(0, int(np.searchsorted(x, low, "left")) - 1)
    stop = min(len(x), int(np.searchsorted(x, high, "right")) + 1)
    x, y = x[start:stop], y[start:stop]
    finite = np.isfinite(y)
    if not finite.all():
        x, y = x[finite], y[finite]
    if len(x) <= 2 * columns:
        return x, y
    edges = np.searchsorted(x, np.linspace(x[0], x[-1], columns + 1)[:-1])
    edges = np.unique(edges)
    return _extremes(x, y, edges)


def _extremes(x: np.ndarray, y: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.append(starts, len(y))
    lows, highs = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    group = np.repeat(np.arange(len(starts)), np.diff(bounds))
    first_low = _first(y == lows[group], group, len(starts))
    first_high = _first(y == highs[group], group, len(starts))
    keep = np.unique(np.concatenate([first_low, first_high]))
    return x[keep], y[keep]


def _first(hit: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """The first true place of each group; every group has one."""
    places = np.flatnonzero(hit)[::-1]
    first = np.empty(count, dtype=np.int64)
    first[group[places]] = places  # written back to front, so the first place of each group stays
    return first


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` round numbers (1, 2 or 5 times a power of ten) from ``low`` to ``high``."""
    span = high - low
    if not np.isfinite(span) or span <= 0 or most < 1:
        return []
    raw = span / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = np.ceil(low / step - 1e-9)
    last = np.floor(high / step + 1e-9)
    return [float(k * step) for k in np.arange(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers for a logarithmic axis from ``low`` to ``high`` (both above 0): decades, or 1-2-5 where few."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    decades = [10.0**k for k in range(first, last + 1) if low <= 10.0**k <= high]
    if len(decades) > most:
        stride = -(-len(decades) // most)
        return decades[::stride]
    fine = [m * 10.0**k for k in range(first, last + 1) for m in (1, 2, 5)]
    fine = [value for value in fine if low <= value <= high]
    if len(fine) <= most:
        return fine if len(fine) >= 2 else linear_ticks(low, high, most)
    return decades if len(decades) >= 2 else fine[:: -(-len(fine) // most)]
