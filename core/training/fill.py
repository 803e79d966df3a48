"""The means of a run's samples that were not encoded with its newest weights: ``isoline encode RUN --fill``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from core.config import Device, Precision
from core.data.allowed_files import allowed_data
from core.data.loading import load_dataset
from core.runs.directory import RunDirectory
from core.runs.lock import RunError, RunLock
from core.training.checkpoint import load_model
from core.training.growing_means import GrowingMeans
from core.training.loop import make_fabric
from core.training.probe_embedding import SampleEncoder
from core.training.resume import check_same_data
from core.training.workers import Workers

SLICE_S = 0.2
WRITE_S = 10.0
"""Between two times that the means are written."""
CHECKED = 256
"""Recorded samples that are encoded again, to see whether their means are of these weights."""
ALIKE = 1e-3
"""How far those may differ, relative to the largest standard deviation: one device rounds otherwise than another."""


@dataclass(frozen=True)
class Filled:
    """How many samples of a run are ``recorded`` now, of how ``many``, and how many of them ``before``."""

    recorded: int
    many: int
    before: int


def fill_run(
    path: Path,
    device: Device = "auto",
    precision: Precision | None = None,
    report: Callable[[float], None] = lambda share: None,
    ended: Callable[[], bool] = lambda: False,
) -> Filled:
    """Encode the samples of the run in folder ``path`` that have no mean of its newest weights, until ``ended``.

    Means that are there and of these weights are kept, so the same call goes on where one was stopped. ``precision``
    None: that of the run. Nothing is written while the run is being trained.

    Raises ``RunError``, ``core.training.checkpoint.CheckpointError`` or ``core.data.dataset.DatasetError``.
    """
    run = RunDirectory.open(path)
    if run.imported is not None:
        raise RunError(f"{path} holds an imported model ({run.network}), all samples of which are recorded.")
    probe = run.read_probe()
    model, config = load_model(path)
    stamp = run.weights_stamp()
    with _alone(run):  # what cannot be written is not encoded first
        pass
    dataset = load_dataset(allowed_data(run), report)
    check_same_data(run, dataset)
    training = replace(config.training, device=device, devices=1, nodes=1)
    fabric = make_fabric(training if precision is None else replace(training, precision=precision))
    model.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    threads = torch.get_num_threads()
    on_cpu = fabric.device.type == "cpu"
    try:
        torch.set_num_threads(1 if on_cpu else threads)
        with Workers(threads if on_cpu else 1) as workers:
            encoder = SampleEncoder(probe.indices, dataset, model, fabric, workers)
            means, known = GrowingMeans(encoder), _known(run, encoder)
            means.begin(known)
            written, told = len(known), time.monotonic()
            while not means.complete and not ended():
                means.advance(SLICE_S)
                report(means.done / means.count)
                if len(means.means) > written and time.monotonic() - told >= WRITE_S:
                    written, told = _write(run, means.means, stamp), time.monotonic()
            if len(means.means) > written:
                written = _write(run, means.means, stamp)
    finally:
        torch.set_num_threads(threads)
    return Filled(written, means.count, len(known))


@contextlib.contextmanager
def _alone(run: RunDirectory) -> Iterator[None]:
    """Nobody else writes the run inside. Raises ``RunError`` if it is being trained."""
    lock = RunLock(run.lock_path)
    try:
        lock.acquire()
    except RunError as error:
        raise RunError(f"{run.path} is being trained. Encode its other samples once that has ended.") from error
    try:
        yield
    finally:
        lock.release()


def _known(run: RunDirectory, encoder: SampleEncoder) -> np.ndarray:
    """The newest means float32 (k, d) that are recorded, if they are of the weights of ``encoder``, else none."""
    none = np.empty((0, encoder.latent_dim), np.float32)
    if run.live_stamp() is None:
        return none
    mu = run.read_embedding()
    if len(mu) > len(encoder.indices):
        return none
    places = np.unique(np.linspace(0, len(mu) - 1, CHECKED).astype(np.int64))
    far = float(np.abs(encoder(places) - mu[places]).max())
    return mu if far <= ALIKE * float(mu.std(axis=0).max()) else none


def _write(run: RunDirectory, mu: np.ndarray, stamp: int | None) -> int:
    """Record ``mu`` as the newest means, and as those of the last epoch if its weights are the newest; returns how many
    they are. Raises ``RunError`` if the run has other weights than those of ``stamp`` or is being trained."""
    with _alone(run):  # for this moment: a training may begin whenever it is wanted
        if run.weights_stamp() != stamp:
            raise RunError(
                f"{run.path} has other weights by now, so no more of its samples are encoded. Do so once its training "
                "has ended."
            )
        epochs = run.embedding_epochs()
        last = run.read_embedding(epochs[-1]) if epochs else None
        run.write_embedding(mu)
        if last is not None and len(last) < len(mu) and np.array_equal(last, mu[: len(last)]):
            run.write_embedding(mu, epochs[-1])
    return len(mu)
