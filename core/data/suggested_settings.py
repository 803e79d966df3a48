"""The settings that follow from the images: what a training of one's own images uses if nothing else is chosen.

The loss is that of a Gaussian decoder: squared error plus ``KL_WEIGHT`` times the KL divergence, both summed over a
sample, which fixes the decoder's standard deviation at sqrt(KL_WEIGHT / 2) = 0.17 of full scale (Rybkin, Daniilidis
and Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders", arXiv 2006.13202, section 3). Here the
error is a mean over pixels, so the weight is divided by their number. No torch here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container

import numpy as np

from core.config import RunConfig
from core.data.dataset import Progress
from core.data.inspection import Inspection, inspect

KL_WEIGHT = 0.06
SIGMA = 0.05
"""Standard deviation of the posterior, a constant: a learned one left latent dimensions unused in two of four trainings
on scikit-learn's digits. With 0.2, positions in dSprites' images lie on lines that are more bent."""
EPOCHS = (1, 400)
SMALL = 32
"""Pixels a side up to which a step is mostly overhead, so that larger batches cost little: at 32² a core computes a
quarter more in the same time with 64 images than with 32. Digits are learned as well with them, at twice the rate."""
RATE = 2e-3
"""Learning rate, at its peak, for batches of ``BATCH`` images or fewer; in proportion for larger ones."""
BATCH, SMALL_BATCH = 32, 64
IMAGES_SEEN, SMALL_IMAGES_SEEN = 90_000, 135_000
"""Images that a training sees, however many there are: on two cores one to three minutes at 8² to 64² pixels."""


def suggested_config(inspection: Inspection, config: RunConfig, chosen: Container[str] = ()) -> RunConfig:
    """``config`` with the settings that follow from ``inspection``, but for those that are ``chosen``.

    Other networks than the compact one keep their published settings.
    """
    data = inspection.config
    if config.model.preset != "compact":
        return dataclasses.replace(config, data=data)
    pixels = data.image_size**2 * data.channels
    count = inspection.split.train
    small = data.image_size <= SMALL
    batch = int(np.clip(count // 8, 2, SMALL_BATCH if small else BATCH))
    suggested = {
        "model": {"sigma": SIGMA},
        "loss": {"reconstruction": "mse", "kl": "textbook", "beta": float(f"{KL_WEIGHT / pixels:.2g}")},
        "training": {
            "epochs": int(np.clip(round((SMALL_IMAGES_SEEN if small else IMAGES_SEEN) / count), *EPOCHS)),
            "batch_size": batch,
            "learning_rate": RATE * max(1.0, batch / BATCH),
        },
    }
    sections = {
        section: dataclasses.replace(
            getattr(config, section),
            **{name: value for name, value in values.items() if f"{section}.{name}" not in chosen},
        )
        for section, values in suggested.items()
    }
    return dataclasses.replace(config, data=data, **sections)


def settings_from_images(
    config: RunConfig, chosen: Container[str] = (), progress: Progress | None = None
) -> tuple[RunConfig, Inspection]:
    """``config`` with what follows from its images, all of them read and kept for the training, and what they are.

    What is ``chosen``, by ``section.field``, stays. Raises ``core.data.dataset.DatasetError``.
    """
    inspection = inspect(config.data, chosen, progress)
    return suggested_config(inspection, config, chosen), inspection
