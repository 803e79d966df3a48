"""The samples of a run as the rows of a table: what is known about each, in columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.runs.directory import SPLIT_NAMES, RunDirectory


@dataclass(frozen=True)
class Samples:
    """The recorded samples of a run, n rows, in the order of its dataset up to 20,000 samples.

    ``latents`` float32 (n, d); ``columns`` arrays (n,) by name: ``file`` if images have names, the labels, and
    ``split``, but for an imported run of which none is known; ``sample``, the places in the dataset, if there is none
    of these, or if the rows have another order. Texts are "" and numbers NaN where nothing is known. ``thumbnails``
    uint8 (n, 32, 32, C), None where not all have one.
    """

    latents: np.ndarray
    columns: dict[str, np.ndarray]
    thumbnails: np.ndarray | None


def read_samples(run: RunDirectory) -> Samples:
    """Raises ``core.runs.directory.RunError`` if none are recorded yet or a file is damaged."""
    probe, latents = run.read_cloud()
    own = ["file"] if probe.names else []
    taken = [*own, "split", *(f"z{place}" for place in range(latents.shape[1]))]
    columns = {"file": np.asarray(probe.names)} if probe.names else {}
    for name, values in probe.labels.items():
        columns[free_name(name, [*taken, *columns])] = values
    if run.imported is None or probe.split.any():  # an import that is told no split calls all samples training ones
        columns["split"] = np.array(SPLIT_NAMES)[probe.split]
    if not columns or (np.diff(probe.indices) < 0).any():
        columns[free_name("sample", [*taken, *columns])] = probe.indices
    pictured = probe.has_thumbnails and len(probe.thumbnails) == len(latents)
    return Samples(latents, columns, probe.thumbnails if pictured else None)


def free_name(name: str, taken: Iterable[str]) -> str:
    """``name``, or "label NAME" if that is taken, as often as that takes."""
    while name in taken:
        name = f"label {name}"
    return name
