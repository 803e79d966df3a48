"""The original images of a run, one at a time, for the engine: drawn from factors, or read from their files.

Curves are drawn alone, in milliseconds, exactly as the training saw them; nothing else needs to be loaded for them.
Other sources are read whole in a background thread, so that decoding never waits for a disk.
"""

from __future__ import annotations

import threading
import traceback
from typing import Protocol

import numpy as np

from core.config import DataConfig
from core.data.dataset import Dataset, DatasetError
from core.data.loading import curve_parameters, image_at, load_dataset, split

KEPT_BYTES = 32 << 20  # of drawn curves: the same few are asked for again whenever the weights change


class Samples(Protocol):
    """Where samples come from; ``ready`` says whether they can be asked for yet."""

    def ready(self) -> bool:
        """False while images are still being read. Raises ``DatasetError`` if that failed."""
        ...

    def image(self, index: int) -> np.ndarray:
        """Sample ``index`` as uint8 (H, W, C). Raises ``DatasetError`` if there is none."""
        ...

    def factors(self, index: int) -> np.ndarray:
        """Its factors float32 (F,). Raises ``DatasetError`` if there is no such sample."""
        ...

    def validation(self) -> np.ndarray:
        """Indices int64 of the validation samples, in file order."""
        ...


class CurveSamples:
    """Samples of a ``curves`` dataset. Raises ``DatasetError`` if its hole leaves none."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._ab = curve_parameters(config)
        _, self._validation = split(len(self._ab), config)
        self._drawn: dict[int, np.ndarray] = {}
        self._most = max(1, KEPT_BYTES // (config.image_size**2 * config.channels))

    def ready(self) -> bool:
        """Always."""
        return True

    def image(self, index: int) -> np.ndarray:
        """Drawn now, or lately."""
        _check(index, len(self._ab))
        if index not in self._drawn:
            if len(self._drawn) >= self._most:
                self._drawn.pop(next(iter(self._drawn)))  # the oldest
            self._drawn[index] = image_at(self._config, self._ab, index)
        return self._drawn[index]

    def factors(self, index: int) -> np.ndarray:
        """(a, b)."""
        _check(index, len(self._ab))
        return self._ab[index].astype(np.float32)

    def validation(self) -> np.ndarray:
        """By the configuration's split."""
        return self._validation


class FileSamples:
    """Samples of a folder or an NPZ file, read in a thread that starts with the first question."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config
        self._dataset: Dataset | None = None
        self._error = ""
        self._thread: threading.Thread | None = None

    def ready(self) -> bool:
        """Whether the files have been read. Once that failed, opening the run again tries again."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="dataset", daemon=True)
            self._thread.start()
        if self._error:
            raise DatasetError(self._error)
        return self._dataset is not None

    def _read(self) -> None:
        try:
            self._dataset = load_dataset(self._config)
        except Exception as error:  # whatever it is, the thread that waits for the images must hear of it
            if not isinstance(error, (DatasetError, OSError)):
                traceback.print_exception(error)
            reason = str(error) or type(error).__name__
            self._error = f"The images of this run cannot be shown: {reason} Decoding works without them."

    def _loaded(self) -> Dataset:
        if self._dataset is None:
            raise DatasetError(f"{self._config.path} has not been read yet.")
        return self._dataset

    def image(self, index: int) -> np.ndarray:
        """From memory."""
        dataset = self._loaded()
        _check(index, len(dataset))
        return np.asarray(dataset.images[index])

    def factors(self, index: int) -> np.ndarray:
        """From memory."""
        dataset = self._loaded()
        _check(index, len(dataset))
        return dataset.factors[index]

    def validation(self) -> np.ndarray:
        """By the configuration's split."""
        return self._loaded().validation


def samples_of(config: DataConfig) -> Samples:
    """The samples that ``config`` describes. Raises ``DatasetError`` for a hole that swallows everything."""
    return CurveSamples(config) if config.drawn else FileSamples(config)


def _check(index: int, count: int) -> None:
    if not 0 <= index < count:
        raise DatasetError(f"sample {index} does not exist; this dataset has samples 0 to {count - 1}.")
