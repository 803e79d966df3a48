"""The original images of a run, one at a time, for the engine: drawn from factors, or read from their files.

Curves are drawn alone, in milliseconds, exactly as the training saw them; nothing else needs to be loaded for them.
Other sources are read whole, for which the engine has a thread, so that decoding never waits for a disk.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.loading import curve_parameters, image_at, load_dataset, split

KEPT_BYTES = 32 << 20  # of drawn curves: the same few are asked for again whenever the weights change


@dataclass(frozen=True, eq=False)
class Samples:
    """``images`` gives sample i as uint8 (H, W, C); ``all_factors`` float32 (N, F); ``validation`` int64: the
    validation samples, in file order."""

    images: Callable[[int], np.ndarray]
    all_factors: np.ndarray
    validation: np.ndarray

    def image(self, index: int) -> np.ndarray:
        """Sample ``index`` as uint8 (H, W, C). Raises ``DatasetError`` if there is none."""
        self._check(index)
        return self.images(index)

    def factors(self, index: int) -> np.ndarray:
        """Its factors float32 (F,). Raises ``DatasetError`` if there is no such sample."""
        self._check(index)
        return self.all_factors[index]

    def _check(self, index: int) -> None:
        count = len(self.all_factors)
        if not 0 <= index < count:
            raise DatasetError(f"sample {index} does not exist; this dataset has samples 0 to {count - 1}.")


def read_samples(config: DataConfig) -> Samples:
    """The samples that ``config`` describes, read if they are files.

    Raises ``DatasetError``, also for a hole that swallows everything.
    """
    if config.drawn:
        ab = curve_parameters(config)
        kept = lru_cache(max(1, KEPT_BYTES // (config.image_size**2 * config.channels)))
        _, validation = split(len(ab), config)
        return Samples(kept(partial(image_at, config, ab)), ab.astype(np.float32), validation)
    try:
        dataset = load_dataset(config)
    except Exception as error:  # whatever it is, whoever asks for an image must hear of it
        if not isinstance(error, (DatasetError, OSError)):
            traceback.print_exception(error)
        reason = str(error) or type(error).__name__
        raise DatasetError(f"The images of this run cannot be shown: {reason} Decoding works without them.") from error
    return Samples(lambda index: np.asarray(dataset.images[index]), dataset.factors, dataset.validation)
