"""Means of very many samples with one set of weights, encoded a little at a time: the first ones, then more and more.

The samples stand in an order whose first ones are a fair sample of all (``probe_embedding.sample_order``), so means of
the first n of them can be shown and stored while the others are still to come.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from core.runs.directory import MAX_PROBE

WORTH_RECORDING = 20
"""Into about so many stretches very many samples are divided: the means are worth recording at the end of each."""


class Encoder(Protocol):
    """What encodes samples: ``probe_embedding.SampleEncoder``."""

    indices: np.ndarray
    latent_dim: int
    together: int

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """Means float32 (k, d) of the samples at ``places`` (k,)."""
        ...


class GrowingMeans:
    """The means of the first samples of an ``encoder``, as long as its weights stay; ``begin`` once they have changed.

    ``count`` is how many samples there are, ``done`` how many of them are encoded.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.count, self.done = len(encoder.indices), 0
        self._mu = np.empty((self.count, encoder.latent_dim), np.float32)  # takes memory as it is filled
        stretches = max(1, -(-self.count // (MAX_PROBE * WORTH_RECORDING)))
        self._stretch = stretches * MAX_PROBE

    def begin(self, mu: np.ndarray | None = None) -> None:
        """The weights are others now, with which the first samples have the means ``mu`` float32 (k, d); None: not
        known of any."""
        self.done = 0 if mu is None else len(mu)
        if mu is not None:
            self._mu[: len(mu)] = mu

    @property
    def complete(self) -> bool:
        """Whether all samples are encoded."""
        return self.done == self.count

    @property
    def means(self) -> np.ndarray:
        """Means float32 (k, d) of the first k samples, as far as whole parts of them are done: those of the first part,
        and of each after it, are spread over all. They change with the next ``begin``."""
        whole = self.done if self.complete else self.done // MAX_PROBE * MAX_PROBE
        return self._mu[:whole]

    def advance(self, seconds: float) -> np.ndarray | None:
        """Encode more for about ``seconds``: ``means``, if they are worth recording now, else None."""
        deadline = time.monotonic() + seconds
        while not self.complete and time.monotonic() < deadline:
            stop = self._next_stop()
            places = np.arange(self.done, min(self.done + self._encoder.together, stop))
            self._mu[places] = self._encoder(places)
            self.done += len(places)
            if self.done == stop:
                return self.means
        return None

    def _next_stop(self) -> int:
        """The number of samples at which the means are next worth recording."""
        if self.done < MAX_PROBE:
            return min(self.count, MAX_PROBE)
        return min(self.count, MAX_PROBE + ((self.done - MAX_PROBE) // self._stretch + 1) * self._stretch)
