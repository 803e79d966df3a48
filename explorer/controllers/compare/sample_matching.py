"""Which sample of one run is which of another's: the same image where both were trained on the same data, else the
nearest factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.runs.directory import RunDirectory, RunError
from explorer.state import Samples

NO_SAMPLES = "One of the runs has recorded no samples yet, so no point of one cloud can be found in the other."
NOTHING_SHARED = (
    "The runs were trained on different images and share no factors: no point of one cloud can be found in the other."
)


def fingerprint_of(path: Path) -> str | None:
    """What marks the data that the run in folder ``path`` was trained on; None where that is not known."""
    try:
        dataset = RunDirectory.open(path).metadata.get("dataset")
    except (RunError, OSError):  # a weights file by itself, or a folder that has gone: it is opened by somebody else
        return None
    mark = dataset.get("fingerprint") if isinstance(dataset, dict) else None
    return mark if isinstance(mark, str) else None


class Counterparts:
    """Finds samples of ``first`` among those of ``second`` and the other way round. All positions are in ``Samples``.

    ``same_data``: both runs were trained on the same images, so equal indices are the same image. ``reason`` says why
    nothing can be found, and is empty otherwise.
    """

    def __init__(self, first: Samples | None, second: Samples | None, same_data: bool) -> None:
        self._first, self._second, self._same = first, second, same_data
        self._names: tuple[str, ...] = ()
        self.reason = ""
        if first is None or second is None:
            self.reason = NO_SAMPLES
            return
        if set(first.factor_names) == set(second.factor_names):
            self._names = first.factor_names
        if not same_data and not self._names:
            self.reason = NOTHING_SHARED

    def in_second(self, position: int) -> int | None:
        """The second run's sample that is the first's ``position``; None if there is none."""
        return self._find(position, self._first, self._second)

    def in_first(self, position: int) -> int | None:
        """The first run's sample that is the second's ``position``; None if there is none."""
        return self._find(position, self._second, self._first)

    def _find(self, position: int, here: Samples | None, there: Samples | None) -> int | None:
        if self.reason or here is None or there is None or not 0 <= position < len(here.indices):
            return None
        if self._same:
            found = np.flatnonzero(there.indices == here.indices[position])
            if len(found):
                return int(found[0])
        return self._nearest(_columns(here, self._names)[position], there) if self._names else None

    def _nearest(self, factors: np.ndarray, there: Samples) -> int | None:
        """The sample with the nearest factors, each in units of its range."""
        values = _columns(there, self._names)
        known = np.isfinite(values).all(axis=1)
        if not known.any() or not np.isfinite(factors).all():
            return None
        span = np.ptp(values[known], axis=0)
        away = (values - factors) / np.where(span > 0, span, 1.0)
        return int(np.where(known, np.einsum("nf,nf->n", away, away), np.inf).argmin())


def _columns(samples: Samples, names: tuple[str, ...]) -> np.ndarray:
    """Factors float64 (N, F) in the order of ``names``."""
    return samples.factors[:, [samples.factor_names.index(name) for name in names]].astype(np.float64)
