"""Whether a trained model is of use: what is measured at its end, and what is said where it is not.

A latent space may have collapsed: the posterior is then the same for all images, and the decoder draws one image for
all places (Bowman et al. 2016, "Generating sentences from a continuous space"; active units: Burda, Grosse and
Salakhutdinov 2016, "Importance weighted autoencoders", section 5.2). Or the model has learned nothing, or nothing but
its training images by heart. Each of these is a ``Finding`` with one remedy.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from core.config import SETTINGS, RunConfig, preset_config
from core.data.dataset import Dataset
from core.geometry.embedding_metrics import ACTIVE_SIGNAL, latent_signal
from core.models.vae import VAE
from core.training.loop import load_images

MAX_IMAGES = 128  # of training and of validation each, that are reconstructed
MAX_MEAN_IMAGES = 2048  # that the mean image is made of
_BATCH = 32

LEAST_GAIN = 0.05
"""A model whose squared error is not this share below that of the mean image has learned nothing of use."""
UNLIKE = 2.0
"""How many times the training images' error the validation images' may be."""
LARGE_WEIGHT = 1e-3
"""A KL or entanglement term with a larger weight than this can collapse a latent space: a reconstruction term is a mean
over pixels."""
HUGE_WEIGHT = 2e-2
"""And with a larger one than this, it is what keeps a model from learning."""
_HALF_A_LEVEL = 0.5 / 255.0

Kind = Literal["alike", "collapsed", "useless", "unlike"]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a model, and what helps: a sentence each.

    ``changes`` are the settings that help, by ``section.field``, for a new training if ``fresh``, else for this one to
    go on with; empty where settings do not help.
    """

    kind: Kind
    message: str
    remedy: str
    changes: dict[str, Any]
    fresh: bool

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, as ``metrics.jsonl`` has it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Measures:
    """Mean squared errors, of images in [0, 1], over some samples of each kind: of ``training`` and ``validation``
    images (NaN if there are none), and of the training set's mean image (``mean_image``: in place of the images that
    ``gain`` is about, validation where there is any; ``spread``: in place of the training images).

    ``signal`` float64 (d,): ``core.geometry.embedding_metrics.latent_signal`` of the latent dimensions.
    """

    training: float
    validation: float
    mean_image: float
    spread: float
    signal: np.ndarray

    @property
    def active(self) -> int:
        """How many latent dimensions tell images apart."""
        return int((self.signal > ACTIVE_SIGNAL).sum())

    @property
    def gain(self) -> float:
        """The share of the mean image's error that the model removes: 1 perfect, 0 no better than the mean image."""
        error = self.training if math.isnan(self.validation) else self.validation
        return 1.0 - error / self.mean_image if self.mean_image > 0.0 else math.nan


@torch.no_grad()
def measure(model: VAE, dataset: Dataset, mu: np.ndarray) -> Measures:
    """Measure a trained ``model``, on its device, by some images of ``dataset`` and the means ``mu`` (n, d) of many."""
    device = next(model.parameters()).device
    training, validation = _some(np.sort(dataset.train), MAX_IMAGES), _some(dataset.validation, MAX_IMAGES)
    mean = torch.zeros(1, device=device)
    chosen = _some(np.sort(dataset.train), MAX_MEAN_IMAGES)
    for part in _batches(chosen):
        mean = mean + load_images(dataset, part, device).sum(0) / len(chosen)
    was_training = model.training
    model.eval()

    def errors(indices: np.ndarray) -> tuple[float, float, Tensor]:
        """Of the reconstructions, of the mean image, and the mean posterior variance (d,)."""
        sums, variance = torch.zeros(2, device=device), torch.zeros(model.latent_dim, device=device)
        for part in _batches(indices):
            images = load_images(dataset, part, device)
            logits, _, log_variance = model(images)
            variance += log_variance.float().exp().sum(0)
            found = (torch.sigmoid(logits.float()) - images, mean - images)
            sums += torch.stack([error.square().flatten(1).mean(1).sum() for error in found])
        error, baseline = (sums / max(1, len(indices))).tolist()
        return error, baseline, variance / max(1, len(indices))

    error, spread, variance = errors(training)
    validation_error, mean_image = math.nan, spread
    if len(validation):
        validation_error, mean_image, variance = errors(validation)
    model.train(was_training)
    return Measures(error, validation_error, mean_image, spread, latent_signal(mu, variance.cpu().numpy()))


def findings(measures: Measures, config: RunConfig, best_epoch: int) -> list[Finding]:
    """What is wrong with a model, the cause before what follows from it; nothing if it is of use.

    ``best_epoch`` had the least validation loss.
    """
    if measures.spread < _HALF_A_LEVEL**2:
        message = "The training images are all alike: they differ by less than half a grey level."
        return [Finding("alike", message, "Train on images that differ.", {}, True)]
    count = len(measures.signal)
    numbers = f"squared error {_error(measures)}, the mean image's {measures.mean_image:.3g}"
    if measures.active == 0:
        message = (
            f"The latent space is collapsed: none of its {count} dimensions tells images apart, so all of them are "
            f"decoded alike ({numbers})."
        )
        return [Finding("collapsed", message, *_cause(measures, config))]
    if not measures.gain > LEAST_GAIN:
        message = f"The reconstructions are no better than the mean image of the training set ({numbers})."
        return [Finding("useless", message, *_cause(measures, config))]
    worse = measures.validation - measures.training
    if measures.validation > UNLIKE * measures.training and worse > 0.1 * measures.mean_image:
        message = (
            f"Validation images come out {measures.validation / measures.training:.1f} times worse than training "
            f"images (squared error {measures.validation:.3g}, {measures.training:.3g}): what was learned does not "
            "hold for other images."
        )
        if 0 < best_epoch < 0.8 * config.training.epochs:
            return [Finding("unlike", message, *_new({"training.epochs": best_epoch}))]
        remedy = "Train on more images, of all the kinds that validation has."
        return [Finding("unlike", message, remedy, {}, True)]
    return []


def _error(measures: Measures) -> str:
    return f"{measures.training if math.isnan(measures.validation) else measures.validation:.3g}"


def _cause(measures: Measures, config: RunConfig) -> tuple[str, dict[str, Any], bool]:
    """Why a model has learned nothing: a remedy, its settings, and whether they need a new training."""
    weights = {"loss.beta": config.loss.beta}
    if config.loss.entanglement != "none":
        weights["loss.gamma"] = config.loss.gamma
    name, weight = max(weights.items(), key=lambda item: item[1])
    if weight > (HUGE_WEIGHT if measures.active else LARGE_WEIGHT):
        return _new({name: float(f"{weight / 1000.0:.3g}")}, f"{_label(name)} ({weight:g}) is too large. ")
    rate, usual = config.training.learning_rate, preset_config(config.model.preset).training.learning_rate
    if rate > 5.0 * usual:
        return _new({"training.learning_rate": usual}, f"The learning rate ({rate:g}) is too high. ")
    changes: dict[str, Any] = {"training.epochs": 3 * config.training.epochs}
    if rate < usual / 5.0:
        changes |= {"training.learning_rate": usual}
    values = ", ".join(f"{_label(name)} {value:g}" for name, value in changes.items())
    return f"It has learned too little. Continue with {values}.", changes, False


def _new(changes: dict[str, Any], why: str = "") -> tuple[str, dict[str, Any], bool]:
    values = ", ".join(f"{_label(name)} {value:g}" for name, value in changes.items())
    return f"{why}Start a new training with {values}.", changes, True


def _label(name: str) -> str:
    return {"loss.beta": "β", "loss.gamma": "γ"}.get(name, SETTINGS[name].row.label.lower())


def _some(indices: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` of them, evenly spread."""
    return indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).round().astype(int))]


def _batches(indices: np.ndarray) -> list[np.ndarray]:
    return [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
