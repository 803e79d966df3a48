"""`isoline encode`: where images land in latent space; `--fill`: those of a run's samples that are not recorded yet."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from core.config import Device, Precision
from core.utils.text import counted

if TYPE_CHECKING:
    import numpy as np

    from core.config import DataConfig
    from core.data.sources.source import ImageSource


_PARTS = ("shard", "workers", "format", "precision", "device", "batch_size", "per_part")
"""Options that a single file of latents does not have."""


@dataclass(frozen=True)
class Options:
    """Encode images to their latent means: exactly as the window does on the same machine, or very many of them in
    batches, into a folder of parts.

    Images are read as those of the run were: in colour or grey, resized in the same way, in the same range of
    intensities. In what they differ from those is printed.

    A folder of parts is written by any number of processes on any number of machines, each of which encodes one shard;
    the same command goes on where it was stopped. `isoline import` reads the folder.

    With `--fill`, and neither images nor `--out`: encode those of the run's own samples of which no mean is recorded
    with its newest weights, as a training of very many images leaves some that was stopped.
    """

    model: tyro.conf.Positional[Path]
    """A run folder or a .safetensors file."""
    images: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Image files, folders of images, or one file with arrays (NPZ, NPY, HDF5, MNIST's IDX); into parts, several files
    with arrays, or folders of them."""
    out: Path | None = None
    """A .npz (keys latents, files), .npy or .csv file, which `isoline decode --latents` reads. Without a suffix: a
    folder of parts."""
    fill: bool = False
    """Record the means of the run's own samples that are missing; the same command goes on where it was stopped."""
    shard: str = ""
    """Of a folder of parts: encode shard I of N, such as 3/16. In a SLURM array it follows from SLURM_ARRAY_TASK_ID."""
    workers: int = 1
    """Of a folder of parts: so many processes on this machine, each with its share of the processors, or a GPU."""
    format: Literal["parquet", "npy"] = "parquet"
    """Of a folder of parts: what each part is written as. Parquet needs pyarrow (pip install "isoline[tables]")."""
    precision: Precision = "auto"
    """Of a folder of parts and of --fill: the number type of the large products. auto: bfloat16 where the device
    computes it fast, else float32, or that of the run. For parts, what it changes is printed, and kept in
    manifest.json."""
    device: Device = "auto"
    """Of a folder of parts and of --fill: auto takes the first available of cuda, mps and cpu."""
    batch_size: int | None = None
    """Of a folder of parts: images that are encoded at a time. Not given: as many as are fastest in a short trial."""
    per_part: int | None = None
    """Of a folder of parts: images in each, 65,536 if it is not given and their means are not too large."""


def run(options: Options) -> int:
    """Encode and write; returns 0, or 1 if another worker failed.

    Raises ``LatentsError``, ``CheckpointError``, ``RunError`` or ``DatasetError``.
    """
    from core.paths.latents_file import LatentsError, write_latents

    if options.fill:
        return _fill(options)
    if options.out is None:
        raise LatentsError("--out is missing; it names the file, or the folder of parts, that the latents go into.")
    if not options.images:
        raise LatentsError("no images were given; name image files, a folder, or a file with arrays.")
    if not options.out.suffix or options.out.is_dir():
        from core.cli.encode_parts import run_parts

        return run_parts(options, options.out)
    if options.out.suffix.lower() not in (".npz", ".npy", ".csv"):
        raise LatentsError(
            f"--out is {options.out}; its name must end in .npz, .npy or .csv, or have no suffix for a folder of parts."
        )
    for name in _PARTS:
        if getattr(options, name) != getattr(Options, name):
            raise LatentsError(f"--{name.replace('_', '-')} is for a folder of parts; --out is the file {options.out}.")
    mu, names = _encoded(options)
    write_latents(options.out, mu, names)
    print(f"{counted(len(mu), 'image')} encoded in {options.out}")
    return 0


def _fill(options: Options) -> int:
    from core.cli.progress import progress_bar
    from core.paths.latents_file import LatentsError
    from core.runs.commands import fill_command
    from core.training.control import StopSignals
    from core.training.fill import fill_run

    given = [name for name in _PARTS if name not in ("precision", "device")]
    given = [name for name in ("images", "out", *given) if getattr(options, name) != getattr(Options, name)]
    if given:
        what = given[0] if given[0] == "images" else f"--{given[0].replace('_', '-')}"
        raise LatentsError(f"{what} cannot be given with --fill, which encodes the run's own samples into the run.")
    precision = None if options.precision == "auto" else options.precision
    with StopSignals() as signals, progress_bar("encoding") as report:
        found = fill_run(options.model, options.device, precision, report, lambda: bool(signals.received))
    added = counted(found.recorded - found.before, "sample")
    print(f"{added} encoded; {found.recorded:,} of {found.many:,} are recorded in {options.model}")
    if found.recorded < found.many:
        print(f"stopped; go on by {fill_command(options.model)}")
    return 0


def _encoded(options: Options) -> tuple[np.ndarray, list[str]]:
    """Means mu float32 (n, d) and the images' names."""
    from core.models.inference import encode_images
    from core.training.like_run import look_at
    from core.training.opening import open_inference

    inference, config = open_inference(options.model)
    inference.check_can_encode()
    data = dataclasses.replace(config.data, source="files", path=str(options.images[0]), array="")
    source = _source(options.images, data)
    found = look_at(options.model, source, data)
    for skipped in found.prepared.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}")
    if found.unlike:
        print(found.unlike)
    names = list(found.prepared.names) or [str(index) for index in range(len(found.prepared.images))]
    return encode_images(inference, found.prepared.images), names


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
