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
on scikit-learn's digits. With 0.2 a linear model read the factors of sprites a little worse (R² 0.34 instead of 0.35;
one and two seeds)."""
EPOCHS = (1, 400)
RATE = 2e-3
"""Learning rate, at its peak, for batches of ``BATCH`` images or fewer; in proportion for larger ones."""
BATCH, SMALL_BATCH = 32, 64
SMALL = 32
"""Pixels a side up to which a step is mostly overhead, so that larger batches cost little: at 32² a core computes a
quarter more in the same time with 64 images than with 32."""
INPUT_NOISE = 0.1
"""Noise on the images that the encoder of ``TINY`` images sees (denoising VAE: Im, Ahn, Memisevic and Bengio 2017,
arXiv 1511.06406). Without it digits are learned by heart: from 83 to 250 epochs the error of the validation images
rises from 0.0212 to 0.0220, and a linear model reads 86 instead of 87 % of the classes. With it and 250 epochs they
are 0.0187 and 90 % (four seeds, d = 3). At 64² it did harm (one seed of each of two data sets)."""
TINY = 16
IMAGES_SEEN = ((TINY, 400_000), (SMALL, 135_000), (512, 90_000))
"""Images that a training sees, however many there are, by their size: on two cores half a minute to two minutes."""


def suggested_config(inspection: Inspection, config: RunConfig, chosen: Container[str] = ()) -> RunConfig:
    """``config`` with the settings that follow from ``inspection``, but for those that are ``chosen``.

    Other networks than the compact one keep their published settings.
    """
    data = inspection.config
    if config.model.preset != "compact":
        return dataclasses.replace(config, data=data)
    pixels = data.image_size**2 * data.channels
    count = inspection.split.train
    batch = int(np.clip(count // 8, 2, SMALL_BATCH if data.image_size <= SMALL else BATCH))
    seen = next(images for size, images in IMAGES_SEEN if data.image_size <= size)
    suggested = {
        "model": {"sigma": SIGMA, "global_colour": data.channels == 3},
        "loss": {"reconstruction": "mse", "kl": "textbook", "beta": float(f"{KL_WEIGHT / pixels:.2g}")},
        "training": {
            "epochs": int(np.clip(round(seen / count), *EPOCHS)),
            "batch_size": batch,
            "learning_rate": RATE * max(1.0, batch / BATCH),
            "input_noise": INPUT_NOISE if data.image_size <= TINY else 0.0,
            "translation": 0,  # tried for the curves alone
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
