"""The training loop: a generator of steps and epochs over Lightning Fabric. It knows neither files nor windows.

Whoever iterates is in charge: between two steps it may change ``state.hyperparameters``, save the state, wait as long
as it likes (a pause), or stop by closing the generator. Nothing runs in the background.

    fabric = make_fabric(config.training)
    fabric.launch()
    state = TrainingState(config)
    for event in train(state, dataset, fabric):
        ...
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import lightning_fabric
import numpy as np
import torch
from torch import Tensor

from core.config import RunConfig, TrainingConfig
from core.data.dataset import Dataset
from core.data.reading import read_ahead, read_images
from core.models.device import resolve_device, resolve_precision
from core.models.losses import TERM_NAMES, LossTerms, excess_bce, vae_loss
from core.training.accumulation import Part, backward, largest_part, least_part, parts_of
from core.training.device_step import DeviceSteps
from core.training.explosion import Exploded, LossGuard
from core.training.readings import Reading, Readings
from core.training.rendezvous import PrivateDDP
from core.training.schedule import fewest, learning_rate, next_batch, steps_left
from core.training.state import TrainingState, epoch_order, input_noise, step_noise
from core.training.threads import piece_counter
from core.training.workers import Workers

VALIDATION_BATCH = 32


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says at which step, what it means and what to do."""


class Diverged(TrainingError):
    """A loss or weights that are no longer finite, or that have grown beyond reason."""


@dataclass(frozen=True)
class Step:
    """One optimisation step, done; on an accelerator perhaps only given to it, as ``reading.ready`` says."""

    step: int
    """Steps done since the training began."""
    epoch: int
    """The epoch this step belongs to, from 1."""
    total_steps: int
    """Steps of the whole training."""
    reading: Reading
    """Its losses, in the order of ``core.models.losses.TERM_NAMES``."""
    learning_rate: float
    """The rate this step used."""
    images: int
    """Images of this step, on all ranks together."""
    ends_epoch: bool
    """Whether it is the last of its epoch: validation follows."""

    @property
    def losses(self) -> dict[str, float]:
        """``loss``, ``reconstruction``, ``kl``, ``entanglement``: means over the batch; waits for the device until this
        step is done."""
        return dict(zip(TERM_NAMES, self.reading.values, strict=False))  # more may follow


@dataclass(frozen=True)
class EpochEnd:
    """An epoch, done and validated."""

    epoch: int
    """Epochs done."""
    step: int
    """Steps done."""
    validation: dict[str, float]
    """``loss``, ``reconstruction``, ``kl``, ``entanglement`` and ``excess_bce``; see ``validate``."""
    suspicious: bool = False
    """Whether the loss of its last step was beyond reason, see ``core.training.explosion``."""


def make_fabric(config: TrainingConfig) -> lightning_fabric.Fabric:
    """Fabric for the configured device, precision, number of devices and nodes. Raises ``DeviceError``.

    The caller launches it. More than one process trains by distributed data parallelism.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else it prints the precision
    device = resolve_device(config.device)
    bfloat16 = resolve_precision(config.precision, device) == torch.bfloat16
    return lightning_fabric.Fabric(
        accelerator=device,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=PrivateDDP() if config.devices * config.nodes > 1 else "auto",
        precision="bf16-mixed" if bfloat16 else "32-true",
    )


def train(
    state: TrainingState, dataset: Dataset, fabric: lightning_fabric.Fabric, workers: Workers | None = None
) -> Iterator[Step | EpochEnd | Exploded]:
    """Train from ``state`` to the configured number of epochs, yielding after each step and each validated epoch, and
    before a step whose loss has grown beyond reason (``core.training.explosion``).

    Whenever it yields, ``state`` is complete: saved there and loaded elsewhere, training goes on as if uninterrupted.
    With several processes each takes its part of every global batch of ``batch_size`` x processes images; all see the
    same (averaged) losses. A single image that an epoch leaves over joins the batch before it. Raises ``Diverged`` when
    the loss is no longer finite, ``TrainingError`` for a dataset that does not fit.
    """
    config, hyper = state.config, state.hyperparameters
    _check_dataset(config, dataset)
    workers = workers or Workers()
    model, optimizer = fabric.setup(state.model, state.optimizer)
    _move_moments(state, fabric.device)
    least = least_part(state.model)
    pieces = piece_counter(state, fabric.world_size, fabric.device.type)
    count, processes = len(dataset.train), fabric.world_size
    global_batch = config.training.batch_size * processes
    total_steps = state.step + steps_left(count - state.position, global_batch, processes)
    total_steps += (config.training.epochs - state.epoch - 1) * steps_left(count, global_batch, processes)
    unchecked: deque[Reading] = deque()
    on_device = DeviceSteps(state, dataset, fabric) if _fixed_steps(config.training, fabric) else None
    readings = Readings(fabric.device, len(TERM_NAMES))
    guard = LossGuard(config.training.loss_limit)

    while state.epoch < config.training.epochs:
        order = dataset.train[epoch_order(config.training.seed, state.epoch, count)]
        while state.position < count:
            size = next_batch(count - state.position, global_batch, processes)
            batch = order[state.position : state.position + size]
            mine = _part_of_rank(batch, order, fewest(global_batch, processes), fabric)
            ahead = order[state.position + size :][fabric.global_rank : global_batch : processes]
            parts = parts_of(len(mine), config.training.accumulation, least)
            place = state.epoch + state.position / count
            rate = learning_rate(config.training, hyper.learning_rate, place, state.cycle)
            norm: Tensor | None = None
            model.train()  # the consumer may have left it in evaluation mode
            try:
                if on_device is not None:
                    reading = on_device.run(mine, ahead, rate, hyper.beta, hyper.gamma)
                else:
                    read = _reader(dataset, mine, ahead, state, fabric)
                    for group in optimizer.param_groups:
                        group["lr"] = float(np.float32(rate))  # as it is where it is a tensor of the device's
                    optimizer.zero_grad(set_to_none=True)
                    terms = backward(fabric, model, parts, read, config.loss, hyper.beta, hyper.gamma, pieces, workers)
                    if processes > 1:
                        terms = cast(Tensor, fabric.all_reduce(terms, reduce_op="mean"))
                    if config.training.clip > 0:  # error_if_nonfinite would wait for the device
                        norm = fabric.clip_gradients(
                            model, optimizer, max_norm=config.training.clip, error_if_nonfinite=False
                        )
                    reading = readings.take(terms)
            except ValueError as error:  # batch normalisation cannot learn from a single value a channel
                if len(mine) > 1:
                    raise
                raise TrainingError(f"training.batch_size is 1, and {error}; it must be 2 or more here.") from error
            if guard.under((hyper.learning_rate, hyper.beta, hyper.gamma)):
                unchecked.clear()
            unchecked.append(reading)
            ends_epoch = state.position + len(batch) >= count
            # An accelerator's losses are looked at once they are there: it goes on meanwhile.
            while unchecked and (unchecked[0].ready or ends_epoch):
                value, *others = unchecked.popleft().values
                usual = guard.usual
                if guard.explodes(value):
                    size = others[-1] if on_device is not None else _norm(model, norm)
                    exploded = Exploded(state.step, state.epoch + 1, "the loss", value, usual, size, rate)
                    if config.training.loss_limit > 0:
                        yield exploded
                    if not exploded.finite:
                        raise Diverged(str(exploded))
                    guard.reset()
            if on_device is None:
                optimizer.step()

            state.step += 1
            state.position += len(batch)
            yield Step(state.step, state.epoch + 1, total_steps, reading, rate, len(batch), ends_epoch)

        validation = validate(model, dataset, state, fabric, workers)  # synchronises: it returns numbers
        if not math.isfinite(value := validation.get("loss", 0.0)):
            place = state.epoch + state.position / count
            rate = learning_rate(config.training, hyper.learning_rate, place, state.cycle)
            exploded = Exploded(state.step, state.epoch + 1, "the validation loss", value, guard.usual, math.nan, rate)
            if config.training.loss_limit > 0:
                yield exploded
            raise Diverged(str(exploded))
        state.epoch += 1
        state.position = 0
        yield EpochEnd(state.epoch, state.step, validation, guard.suspicious)


def validate(
    model: torch.nn.Module, dataset: Dataset, state: TrainingState, fabric: lightning_fabric.Fabric, workers: Workers
) -> dict[str, float]:
    """Mean losses over the validation samples, decoded at z = mu, and their ``excess_bce``; empty without samples.

    Samples count equally whatever their training weights, so that weighted and unweighted runs can be compared.
    ``model`` is ``state.model`` as ``fabric`` has set it up; each rank computes a part, and all get the same means.
    """
    loss, hyper, training = state.config.loss, state.hyperparameters, state.config.training
    batch = VALIDATION_BATCH
    if training.accumulation > 1:  # memory is short
        batch = min(batch, largest_part(training.batch_size, training.accumulation, 1))
    model.eval()
    mine = dataset.validation[fabric.global_rank :: fabric.world_size]

    @torch.no_grad()
    def values_of(start: int) -> Tensor:
        indices = mine[start : start + batch]
        images = load_images(dataset, indices, fabric.device)
        read_ahead(dataset.images, mine[start + batch :][:batch])
        logits, mu, log_variance = model(images)
        ones = torch.ones(len(indices), device=fabric.device)
        losses: LossTerms = vae_loss(logits, images, mu, log_variance, ones, loss, hyper.beta, hyper.gamma)
        excess = excess_bce(images, torch.sigmoid(logits.float())).mean()
        return torch.cat([losses.stacked(), excess[None], ones[:1]]) * len(indices)

    sums = torch.zeros(len(TERM_NAMES) + 2, device=fabric.device)
    for values in workers.map(values_of, range(0, len(mine), batch)):
        sums += values
    model.train()
    if fabric.world_size > 1:
        sums = cast(Tensor, fabric.all_reduce(sums, reduce_op="sum"))
    *totals, count = sums.tolist()  # the device synchronisation
    if count == 0:
        return {}
    return {name: total / count for name, total in zip((*TERM_NAMES, "excess_bce"), totals, strict=True)}


def load_images(dataset: Dataset, indices: np.ndarray, device: torch.device) -> Tensor:
    """Images (n, C, H, W) float32 in [0, 1] on ``device``, channels last; they cross over as bytes."""
    images = torch.from_numpy(read_images(dataset.images, indices))
    if device.type == "cuda":
        images = images.pin_memory()  # lets the copy overlap with the step before
    return images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255.0)


def _fixed_steps(config: TrainingConfig, fabric: lightning_fabric.Fabric) -> bool:
    """Whether a step is always the same operations of one accelerator."""
    return fabric.device.type != "cpu" and fabric.world_size == 1 and config.accumulation == 1


def _check_dataset(config: RunConfig, dataset: Dataset) -> None:
    size, channels = config.data.image_size, config.data.channels
    if dataset.images.shape[1:] != (size, size, channels):
        raise TrainingError(
            f"the dataset's images are {dataset.images.shape[1:]}; the configuration says ({size}, {size}, {channels}):"
            " load it with the same configuration."
        )
    if len(dataset.train) == 0:
        raise TrainingError("the dataset has no training samples; lower data.validation_fraction or add images.")


def _move_moments(state: TrainingState, device: torch.device) -> None:
    """Bring a loaded optimizer's state to the device, Adam's step counters too: a fused optimizer reads them there."""
    for moments in state.optimizer.state.values():
        for name, value in moments.items():
            moments[name] = value.to(device)


def _norm(model: torch.nn.Module, norm: Tensor | None) -> float:
    """The gradients' norm: that before clipping, if they were clipped."""
    if norm is None:
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
    return float(norm)


def _reader(
    dataset: Dataset, mine: np.ndarray, ahead: np.ndarray, state: TrainingState, fabric: lightning_fabric.Fabric
) -> Callable[[slice], Part]:
    """What gives a part of the images ``mine`` of a rank's batch, and has those ``ahead`` read meanwhile. Noise and
    places are drawn for the whole batch, so that they are the same in whatever parts."""
    config, device = state.config.training, fabric.device
    drawn = step_noise(config.seed, state.step, fabric.global_rank, (len(mine), state.config.model.latent_dim))
    places = state.places(fabric.global_rank, len(mine))
    blur: Tensor | None = None
    if config.input_noise > 0:
        shape = len(mine), state.config.data.channels, *[state.config.data.image_size] * 2
        blur = input_noise(config.seed, state.step, fabric.global_rank, shape)

    def read(place: slice) -> Part:
        images = load_images(dataset, mine[place], device)
        if place.stop == len(mine):
            read_ahead(dataset.images, ahead)
        seen = images
        if blur is not None:
            seen = images + config.input_noise * blur[place].to(device, non_blocking=True)
        weights = torch.from_numpy(dataset.weights[mine[place]]).to(device, non_blocking=True)
        moved = None if places is None else places[place].to(device, non_blocking=True)
        return Part(images, seen, drawn[place].to(device, non_blocking=True), weights, moved)

    return read


def _part_of_rank(batch: np.ndarray, order: np.ndarray, least: int, fabric: lightning_fabric.Fabric) -> np.ndarray:
    """This rank's part of a global batch: equal parts for all, of ``least`` images together or more.

    A short one is filled up from the epoch's start: a last one of several ranks, or what is left of an epoch that was
    begun with another batch size.
    """
    missing = max(-len(batch) % fabric.world_size, least - len(batch))
    filled = np.concatenate([batch, np.resize(order, missing)]) if missing else batch
    return filled[fabric.global_rank :: fabric.world_size]
