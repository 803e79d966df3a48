"""`isoline encode`: where images land in latent space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from core.utils.text import counted

if TYPE_CHECKING:
    import numpy as np

    from core.config import RunConfig


@dataclass(frozen=True)
class Options:
    """Encode images to their latent means, exactly as the window does on the same machine.

    Images of another size are resized to the model's.
    """

    model: tyro.conf.Positional[Path]
    """A run folder or a .safetensors file."""
    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, folders of images, or one .npz file with the key imgs."""
    out: Path
    """A .npz (keys latents, files), .npy or .csv file; `isoline decode --latents` reads all three."""


def run(options: Options) -> int:
    """Encode and write; returns 0. Raises ``LatentsError``, ``CheckpointError``, ``RunError`` or ``DatasetError``."""
    from core.paths.latents_file import LatentsError, write_latents

    if options.out.suffix.lower() not in (".npz", ".npy", ".csv"):
        raise LatentsError(f"--out is {options.out}; its name must end in .npz, .npy or .csv.")
    if not options.images:
        raise LatentsError("no images were given; name image files, a folder, or an .npz file with the key imgs.")
    mu, names = _encoded(options)
    write_latents(options.out, mu, names)
    print(f"{counted(len(mu), 'image')} encoded in {options.out}")
    return 0


def _encoded(options: Options) -> tuple[np.ndarray, list[str]]:
    """Means mu float32 (n, d) and the images' names."""
    from core.models.inference import Inference, encode_images
    from core.training.checkpoint import load_model

    model, config = load_model(options.model)
    images, names = _images(options.images, config)
    return encode_images(Inference(model), images), names


def _images(sources: tuple[Path, ...], config: RunConfig) -> tuple[Iterable[np.ndarray], list[str]]:
    """Images uint8 (H, W, C) as the model wants them, read one by one, and their names."""
    import dataclasses

    from core.data.file_sources import image_files, read_image, read_npz
    from core.paths.latents_file import LatentsError

    if any(source.suffix.lower() == ".npz" for source in sources):
        if len(sources) != 1:
            raise LatentsError("an .npz file of images must be the only one; encode the others separately.")
        images, _, _ = read_npz(dataclasses.replace(config.data, source="files", path=str(sources[0])))
        return images, [str(index) for index in range(len(images))]
    files: list[Path] = []
    names: list[str] = []
    for source in sources:
        source_files = image_files(source) if source.is_dir() else [source]
        files += source_files
        names += [file.relative_to(source).as_posix() if source.is_dir() else str(file) for file in source_files]
    size, channels = config.data.image_size, config.data.channels
    return (read_image(file, size, channels) for file in files), names
