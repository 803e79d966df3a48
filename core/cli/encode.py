"""`isoline encode`: where images land in latent space."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from core.utils.text import counted, reason

if TYPE_CHECKING:
    import numpy as np

    from core.config import DataConfig
    from core.data.pixels import Survey
    from core.data.sources.source import ImageSource
    from core.runs.directory import RunDirectory

LOOKED_AT = 300
"""Images whose mean brightness stands for that of all."""
FAR = 64
"""Levels of 255 by which the mean brightness differs from the run's if that is worth a word."""


@dataclass(frozen=True)
class Options:
    """Encode images to their latent means, exactly as the window does on the same machine.

    Images are read as those of the run were: in colour or grey, resized in the same way, in the same range of
    intensities. In what they differ from those is printed.
    """

    model: tyro.conf.Positional[Path]
    """A run folder or a .safetensors file."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, folders of images, or one file with arrays (NPZ, NPY, HDF5, MNIST's IDX)."""
    out: Path
    """A .npz (keys latents, files), .npy or .csv file; `isoline decode --latents` reads all three."""


def run(options: Options) -> int:
    """Encode and write; returns 0. Raises ``LatentsError``, ``CheckpointError``, ``RunError`` or ``DatasetError``."""
    from core.paths.latents_file import LatentsError, write_latents

    if options.out.suffix.lower() not in (".npz", ".npy", ".csv"):
        raise LatentsError(f"--out is {options.out}; its name must end in .npz, .npy or .csv.")
    if not options.images:
        raise LatentsError("no images were given; name image files, a folder, or a file with arrays.")
    mu, names = _encoded(options)
    write_latents(options.out, mu, names)
    print(f"{counted(len(mu), 'image')} encoded in {options.out}")
    return 0


def _encoded(options: Options) -> tuple[np.ndarray, list[str]]:
    """Means mu float32 (n, d) and the images' names."""
    from core.data.pixels import survey
    from core.data.preparation import like, pixel_notes, prepared_once
    from core.models.inference import encode_images
    from core.runs.directory import RunDirectory, RunError
    from core.training.opening import open_inference

    inference, config = open_inference(options.model)
    inference.check_can_encode()
    run = RunDirectory.open(options.model) if options.model.is_dir() else None
    stored = None if run is None else run.metadata.get("dataset")
    stored = stored if isinstance(stored, dict) else {}
    data = dataclasses.replace(config.data, source="files", path=str(options.images[0]), array="")
    read_as = stored.get("read_as") or {}
    try:
        dataclasses.replace(data, **read_as)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{options.model / 'config.json'} is damaged in what it says of the images ({reason(error)}). Restore it "
            "from a copy of the run."
        ) from error
    source = _source(options.images, data)
    data = like(data, read_as, source)
    common = survey(source, data)
    prepared = prepared_once(source, data, common)
    for skipped in prepared.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}")
    known = stored.get("notes")
    unlike = _new(pixel_notes(source, data, common), list(map(str, known)) if isinstance(known, list) else [])
    if "intensity" in read_as and config.data.intensity in ("auto", "range"):
        unlike += _beyond(common, read_as["intensity"], data.intensity)
    if run is not None:
        unlike += _brightness(prepared.images, run)
    if unlike:
        print(f"{'As these images are read' if run is None else 'Unlike those of the run'}: {' '.join(unlike)}")
    names = list(prepared.names) or [str(index) for index in range(len(prepared.images))]
    return encode_images(inference, prepared.images), names


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
    from core.runs.directory import RunError

    try:
        usual = float(run.read_probe().thumbnails.mean())
    except RunError:  # none are recorded: nothing to compare with
        return []
    mean = float(images[:: -(-len(images) // LOOKED_AT)].mean())
    if abs(mean - usual) < FAR:
        return []
    swapped = "; dark and light may be swapped" if abs(255 - mean - usual) < abs(mean - usual) else ""
    return [f"Mean brightness {mean:.0f} of 255, in the run {usual:.0f}{swapped}."]


def _source(sources: tuple[Path, ...], data: DataConfig) -> ImageSource:
    """The images of one folder or file, or of several one after the other, named by the paths as they were given."""
    from core.data.sources.listing import Listing, in_natural_order, listed
    from core.data.sources.opening import holds_arrays, open_listing, open_pictures
    from core.data.sources.pictures import is_picture
    from core.paths.latents_file import LatentsError

    if len(sources) == 1 and (sources[0].is_dir() or not is_picture(sources[0].suffix.lower())):
        return open_listing(listed(sources[0]), data)
    for source in sources:
        if holds_arrays(source):
            raise LatentsError(f"{source} holds arrays and must be the only one; encode the others separately.")
    listings = [listed(source) for source in sources]
    together = Listing(listings[0].root)
    for source, listing in zip(sources, listings, strict=True):
        below = "" if source.is_file() else f"{source.as_posix().rstrip('/')}/"
        for file in in_natural_order(listing.files, lambda file: file.name):
            together.files.append(dataclasses.replace(file, name=f"{below}{file.name}" if below else str(source)))
        together.skipped += [dataclasses.replace(one, name=f"{below}{one.name}") for one in listing.skipped]
    return open_pictures(together, data)
