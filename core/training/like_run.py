"""Reading other images as those of a run were read, and saying in what they differ from them."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import DataConfig
from core.data.pixels import Survey, survey
from core.data.preparation import Prepared, like, pixel_notes, prepared_once
from core.data.sources.source import ImageSource
from core.runs.directory import RunDirectory, RunError
from core.utils.text import reason

LOOKED_AT = 300
"""Images whose mean brightness stands for that of all."""
FAR = 64
"""Levels of 255 by which the mean brightness differs from the run's if that is worth a word."""


@dataclass(frozen=True)
class Found:
    """What was found out about images: how they are read, as the run's were; what they have in common; they themselves;
    and in what they are ``unlike`` those of the run, in a sentence, empty if they are not."""

    data: DataConfig
    common: Survey
    prepared: Prepared
    unlike: str


def look_at(model: Path, source: ImageSource, data: DataConfig) -> Found:
    """Read the images of ``source`` as those of ``model`` were read. Raises ``RunError`` for a damaged run,
    ``DatasetError``."""
    run = RunDirectory.open(model) if model.is_dir() else None
    stored = None if run is None else run.metadata.get("dataset")
    stored = stored if isinstance(stored, dict) else {}
    usual, read_as = data.intensity, stored.get("read_as") or {}
    try:
        dataclasses.replace(data, **read_as)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{model / 'config.json'} is damaged in what it says of the images ({reason(error)}). Restore it from a "
            "copy of the run."
        ) from error
    data = like(data, read_as, source)
    common = survey(source, data)
    prepared = prepared_once(source, data, common)
    known = stored.get("notes")
    unlike = _new(pixel_notes(source, data, common), list(map(str, known)) if isinstance(known, list) else [])
    if "intensity" in read_as and usual in ("auto", "range"):
        unlike += _beyond(common, read_as["intensity"], data.intensity)
    if run is not None:
        unlike += _brightness(prepared.images, run)
    about = "As these images are read" if run is None else "Unlike those of the run"
    return Found(data, common, prepared, f"{about}: {' '.join(unlike)}" if unlike else "")


def _new(notes: list[str], known: list[str]) -> list[str]:
    """Those of ``notes`` on the pixels that the run does not have of its own, with another count or another reason."""
    without = re.compile(r"^\d[\d,]* \w+ | \([^()]*\)\.$|\.$")  # 12 images with transparency laid on white (…).
    return [note for note in notes if not any(without.sub("", note) in other for other in known)]


def _beyond(common: Survey, usual: str, used: str) -> list[str]:
    """What is said of values that the ``usual`` range of the run's intensities does not reach, or that are not scaled
    by it: those of 8 bits."""
    low, high = map(float, usual.split(":"))
    if used != usual:
        of_run = f"those of the run are scaled from {low:g} to {high:g}."
        as_they_are = (common.low8, common.high8) == (0.0, 255.0)  # else a note on the pixels says what becomes of them
        return [f"8-bit values stay as they are; {of_run}" if as_they_are else f"The values are 8-bit; {of_run}"]
    margin = 0.01 * (high - low)
    if low - margin <= common.lowest and common.highest <= high + margin:
        return []
    return [f"Values are {common.lowest:g} to {common.highest:g}, and cut off at {low:g} and {high:g} as for the run."]


def _brightness(images: np.ndarray, run: RunDirectory) -> list[str]:
    """What is said of images whose mean level is far from that of the run's samples."""
    try:
        usual = float(run.read_probe().thumbnails.mean())
    except RunError:  # none are recorded: nothing to compare with
        return []
    mean = float(images[:: -(-len(images) // LOOKED_AT)].mean())
    if abs(mean - usual) < FAR:
        return []
    swapped = "; dark and light may be swapped" if abs(255 - mean - usual) < abs(mean - usual) else ""
    return [f"Mean brightness {mean:.0f} of 255, in the run {usual:.0f}{swapped}."]
