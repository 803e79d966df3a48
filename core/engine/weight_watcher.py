"""Taking over the weights that a training writes, without making a decode wait.

Reading, checking and rearranging weights takes tens of milliseconds, about once a second while a model is trained. A
background thread does it and hands over a model that is ready; the old one decodes until then. Weights that cannot be
used are reported once, the old ones stay, and the file is tried again.
"""

from __future__ import annotations

import copy
import traceback
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter

from core.engine.futures import in_thread
from core.models.inference import Inference
from core.models.vae import VAE
from core.runs.directory import RunDirectory
from core.training.checkpoint import CheckpointError, fitting_weights, read_stored

POLL_S = 0.2
RETRY_S = 1.0  # of a file that was no good and has not changed: a network folder may deliver it late


@dataclass(frozen=True)
class NewWeights:
    """A model with newer weights, of training step ``step``; or ``error``: why there is none."""

    inference: Inference | None = None
    step: int = 0
    error: str = ""


class WeightsFollower:
    """Follows one run's weights.

    ``inference`` holds those of ``model``, which were there when ``RunDirectory.weights_stamp()`` was ``stamp``.
    """

    def __init__(self, run: RunDirectory, model: VAE, inference: Inference, stamp: int | None) -> None:
        self._run, self._model, self._inference, self._stamp = run, model, inference, stamp
        self._reading: Future[NewWeights | None] | None = None
        self._next_look = 0.0
        self._failed_stamp: int | None = None
        self._failed_at = 0.0
        self._reported = ""

    def poll(self) -> NewWeights | None:
        """What is new since the last call, if anything. Cheap: call it between slices of work."""
        if self._reading is not None:
            if not self._reading.done():
                return None
            reading, self._reading = self._reading, None
            return reading.result()
        now = perf_counter()
        if now < self._next_look:
            return None
        self._next_look = now + POLL_S
        try:
            stamp = self._run.weights_stamp()
        except OSError:  # a network folder that is away for a moment; the next look will tell
            return None
        if stamp is None or stamp == self._stamp:
            return None
        if stamp == self._failed_stamp and now < self._failed_at + RETRY_S:
            return None
        self._reading = in_thread(lambda: self._renewed(stamp), "weights")
        return None

    def _renewed(self, stamp: int) -> NewWeights | None:
        try:
            stored = read_stored(self._run.weights_path)
            renewed = copy.copy(self._inference)  # reload replaces its parts; those of the one in use are not touched
            renewed.reload(fitting_weights(stored, self._model))
        except Exception as error:  # whatever it is, the old weights go on and a person hears of it
            if not isinstance(error, (CheckpointError, OSError)):
                traceback.print_exception(error)
            self._failed_stamp, self._failed_at = stamp, perf_counter()
            text = f"New weights could not be loaded; the previous ones remain in use: {error}"
            reported, self._reported = self._reported, text
            return NewWeights(error=text) if text != reported else None
        self._inference, self._stamp, self._reported = renewed, stamp, ""
        return NewWeights(renewed, stored.step)
