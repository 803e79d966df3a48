"""All that a training must remember to go on exactly where it stopped, as tensors and plain JSON values.

Randomness is counted, not carried: the order of an epoch and the noise of a step are functions of (seed, epoch) and of
(seed, step, rank). So no generator's inner state has to be saved, and a resumed training sees the very same numbers as
an uninterrupted one; on the CPU the weights are then equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.config import RunConfig, TrainingConfig
from core.models.vae import VAE, build_model
from core.training.schedule import Cycle

TRANSLATED_SHARE = 0.8
"""Of a training's epochs, in which images are drawn away from their places; in the others, at low learning rates, the
decoder learns to draw them best where they are."""
ADAM_BETAS = (0.9, 0.99)  # a second moment of about 100 steps suits trainings of a few thousand
_ORDER, _NOISE, _INPUT_NOISE, _PLACES = 1, 2, 3, 4  # keep the streams of one seed apart


@dataclass
class Hyperparameters:
    """What may change while a training runs: read anew at every step."""

    learning_rate: float
    """The peak of a one-cycle schedule, or the constant rate."""
    beta: float
    """Weight of the KL term."""
    gamma: float
    """Weight of the entanglement term."""

    @classmethod
    def of(cls, config: RunConfig) -> Hyperparameters:
        """The values a configuration starts with."""
        return cls(config.training.learning_rate, config.loss.beta, config.loss.gamma)


class TrainingStateError(ValueError):
    """A saved state that does not fit this configuration; the message names the entry and both shapes."""


def _word(*key: int) -> int:
    """A generator's seed that depends only on ``key``; SeedSequence mixes it, so near keys give unrelated streams."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


def _generator(*key: int) -> torch.Generator:
    return torch.Generator().manual_seed(_word(*key))


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """int64 (count,): the order in which epoch number ``epoch`` (from 0) visits the training samples."""
    return torch.randperm(count, generator=_generator(seed, _ORDER, epoch)).numpy()


def step_noise(seed: int, step: int, rank: int, shape: tuple[int, int]) -> Tensor:
    """float32 ``shape``, standard normal: the reparametrisation noise of one step on one rank."""
    return torch.randn(shape, generator=_generator(seed, _NOISE, step, rank))


def input_noise(seed: int, step: int, rank: int, shape: tuple[int, ...]) -> Tensor:
    """float32 ``shape``, standard normal: the noise on the images that the encoder sees at one step on one rank."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(input_noise_seed(seed, step, rank)))


def input_noise_seed(seed: int, step: int, rank: int) -> int:
    """What a generator of any device is set to before it draws that noise."""
    return _word(seed, _INPUT_NOISE, step, rank)


def step_places(seed: int, step: int, rank: int, count: int, most: tuple[int, int]) -> Tensor:
    """int64 (count, 2): how far, at most ``most`` pixels (down, right), each image of one step on one rank is drawn
    from its place; every distance is as likely."""
    generator = _generator(seed, _PLACES, step, rank)
    return torch.stack([torch.randint(-side, side + 1, (count,), generator=generator) for side in most], dim=1)


def make_optimizer(model: VAE, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW, or Adam as published (Keras' defaults: betas 0.9, 0.999, epsilon 1e-7)."""
    # Fused: one pass over the parameters instead of a dozen; a small step is mostly such passes on a CPU.
    rate = config.learning_rate
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=rate, eps=1e-7, fused=True)
    decay = config.weight_decay
    return torch.optim.AdamW(model.parameters(), lr=rate, betas=ADAM_BETAS, weight_decay=decay, fused=True)


class TrainingState:
    """Model, optimizer, hyperparameters and position of one training.

    Attributes: ``model``, ``optimizer``, ``hyperparameters``; ``cycle``, the stretch that the learning rate's schedule
    spans; ``step``, steps done; ``epoch``, epochs done; ``position``, images of the current epoch's order that all
    ranks together have seen. Only ``core.training.loop.train`` advances the last three.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.model = build_model(config).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimizer = make_optimizer(self.model, config.training)
        self.hyperparameters = Hyperparameters.of(config)
        self.cycle = Cycle()
        self.step = 0
        self.epoch = 0
        self.position = 0

    @property
    def farthest(self) -> tuple[int, int]:
        """Pixels (down, right) by which images are moved at most while they are drawn."""
        down, right = (min(self.config.training.translation, margin) for margin in self.model.margins)
        return down, right

    def places(self, rank: int, count: int) -> Tensor | None:
        """int64 (count, 2): how far (down, right) the next step draws each image of a rank from its place; None where
        no step of the training does."""
        if not any(self.farthest):
            return None
        start, end = self.cycle.start, self.config.training.epochs
        if self.epoch - start >= TRANSLATED_SHARE * (end - start):
            return torch.zeros(count, 2, dtype=torch.int64)
        return step_places(self.config.training.seed, self.step, rank, count, self.farthest)

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, JSON-ready values). Tensors are views of the live ones: copy or write them before going on.

        Names are ``model.…`` for parameters and buffers, ``optimizer.<parameter's name>.<moment>`` for the rest.
        """
        tensors = {f"model.{name}": value.detach() for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for moment, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{name}.{moment}"] = value.detach()
        meta = {
            "step": self.step,
            "epoch": self.epoch,
            "position": self.position,
            "cycle": [self.cycle.start, self.cycle.rate],
            "seed": self.config.training.seed,
            "optimizer": self.config.training.optimizer,
        }
        return tensors, meta

    def load_state_dict(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Take over a saved state. Raises ``TrainingStateError`` and changes nothing where it does not fit."""
        numbers = {name: meta.get(name) for name in ("step", "epoch", "position")}
        for name, value in numbers.items():
            if not isinstance(value, int) or value < 0:
                raise TrainingStateError(
                    f"the saved state's {name} is {value!r}; it must be a whole number, 0 or more."
                )
        for name, wanted in (("seed", self.config.training.seed), ("optimizer", self.config.training.optimizer)):
            if meta.get(name) != wanted:
                raise TrainingStateError(
                    f"the saved state's {name} is {meta.get(name)!r}, this configuration's is {wanted!r}; "
                    "resume with the configuration that the run was started with."
                )
        cycle = _cycle(meta.get("cycle"))
        weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        _check_tensors(weights, self.model.state_dict())
        moments = self._checked_moments(tensors)
        self.model.load_state_dict(weights)
        self.optimizer.state.clear()
        self.optimizer.state.update(moments)
        self.cycle = cycle
        self.step, self.epoch, self.position = (int(numbers[n]) for n in ("step", "epoch", "position"))  # type: ignore[arg-type]

    def _checked_moments(self, tensors: dict[str, Tensor]) -> dict[Tensor, dict[str, Tensor]]:
        """The optimizer's state by parameter, each moment laid out in memory as its parameter is."""
        moments: dict[Tensor, dict[str, Tensor]] = {}
        for name, parameter in self.model.named_parameters():
            prefix = f"optimizer.{name}."
            stored = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            if not stored:
                continue  # nothing was ever stepped: a state saved before the first step
            if set(stored) != {"step", "exp_avg", "exp_avg_sq"}:
                raise TrainingStateError(
                    f"the saved state holds {sorted(stored)} for {prefix}*; Adam needs three moments."
                )
            entry = {"step": stored["step"].detach().clone().float().reshape(())}
            for moment in ("exp_avg", "exp_avg_sq"):
                if stored[moment].shape != parameter.shape:
                    raise _shape_error(prefix + moment, stored[moment], parameter)
                entry[moment] = torch.empty_like(parameter, requires_grad=False).copy_(stored[moment])
            moments[parameter] = entry
        return moments


def _cycle(stored: object) -> Cycle:
    """The cycle that a saved state names; the first where it names none, as those of earlier versions."""
    match stored:
        case None:
            return Cycle()
        case [int() | float() as start, None | int() | float() as rate]:
            return Cycle(float(start), None if rate is None else float(rate))
        case _:
            raise TrainingStateError(f"the saved state's cycle is {stored!r}; it must be [epoch, learning rate].")


def _shape_error(name: str, stored: Tensor, wanted: Tensor) -> TrainingStateError:
    return TrainingStateError(
        f"the saved state's {name} has shape {tuple(stored.shape)}, this model's {tuple(wanted.shape)}: it belongs to "
        "another architecture, image size or latent dimension."
    )


def _check_tensors(stored: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, value in wanted.items():
        if name not in stored:
            raise TrainingStateError(f"the saved state has no tensor model.{name}: it belongs to another architecture.")
        if stored[name].shape != value.shape:
            raise _shape_error(f"model.{name}", stored[name], value)
    extra = sorted(set(stored) - set(wanted))
    if extra:
        raise TrainingStateError(f"the saved state has a tensor model.{extra[0]} that this architecture does not have.")
