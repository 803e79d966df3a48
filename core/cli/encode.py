"""`isoline encode`: where images land in latent space."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from core.utils.text import counted

if TYPE_CHECKING:
    import numpy as np

    from core.config import DataConfig
    from core.data.sources.source import ImageSource


@dataclass(frozen=True)
class Options:
    """Encode images to their latent means, exactly as the window does on the same machine.

    Images are read as those of the run were: in colour or grey, resized in the same way.
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
    from core.data.preparation import like, prepared_once
    from core.models.inference import Inference, encode_images
    from core.training.checkpoint import load_model

    model, config = load_model(options.model)
    data = dataclasses.replace(config.data, source="files", path=str(options.images[0]), array="")
    source = _source(options.images, data)
    prepared = prepared_once(source, like(data, _read_as(options.model), source))
    for skipped in prepared.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}")
    names = list(prepared.names) or [str(index) for index in range(len(prepared.images))]
    return encode_images(Inference(model), prepared.images), names


def _read_as(model: Path) -> dict[str, str]:
    """How the images of a run were read, where its settings say "auto"; nothing of a weights file."""
    from core.runs.directory import RunDirectory

    stored = RunDirectory.open(model).metadata.get("dataset") if model.is_dir() else None
    read_as = stored.get("read_as") if isinstance(stored, dict) else None
    return read_as if isinstance(read_as, dict) else {}


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
