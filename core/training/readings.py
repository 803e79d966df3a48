"""The losses of steps, read without making an accelerator wait: each is copied to the host behind its own step."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

SLOTS = 256
"""Steps that an accelerator may be behind before who gives it more waits: 0.1 s and more of them."""


class Reading:
    """Some numbers of one step. Reading them waits for that step, and for none after it."""

    def __init__(self, values: Tensor, done: torch.cuda.Event | torch.mps.Event | None) -> None:
        self._tensor: Tensor | None = values
        self._done = done
        self._values: list[float] = []

    @property
    def ready(self) -> bool:
        """Whether reading them will not wait."""
        return self._tensor is None or self._done is None or self._done.query()

    @property
    def values(self) -> list[float]:
        """The numbers; waits for the device if they are not ``ready``."""
        if self._tensor is not None:
            if self._done is not None:
                self._done.synchronize()
            self._values, self._tensor = self._tensor.tolist(), None
        return self._values


class Readings:
    """Makes the readings of steps on ``device``, of ``width`` numbers each."""

    def __init__(self, device: torch.device, width: int) -> None:
        self._device = device
        # CUDA copies into pinned memory by itself; elsewhere the numbers stay where they are until they are read.
        self._ring = torch.empty(SLOTS, width, pin_memory=True) if device.type == "cuda" else None
        self._taken: deque[Reading] = deque(maxlen=SLOTS)
        self._count = 0

    def take(self, values: Tensor) -> Reading:
        """A reading of ``values`` (width,) float32 as they will be once what the device has to do until now is done."""
        if self._device.type == "cpu":
            return Reading(values.clone(), None)
        if self._ring is None:
            copy = values.clone()
        else:
            if len(self._taken) == SLOTS:
                _ = self._taken.popleft().values  # it is read now: its slot is used again
            copy = self._ring[self._count % SLOTS]
            copy.copy_(values, non_blocking=True)
        self._count += 1
        done = torch.cuda.Event() if self._ring is not None else torch.mps.Event()
        done.record()
        reading = Reading(copy, done)
        self._taken.append(reading)
        return reading
