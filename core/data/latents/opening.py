"""From a path to the latents that it holds, whatever wrote them."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

from core.data.dataset import DatasetError, broken_as
from core.data.latents.arrays import latents_in_arrays, read_npy, read_npz
from core.data.latents.parquet import read_parquet
from core.data.latents.parts import is_parts, read_parts
from core.data.latents.projector import CONFIG, is_projector, read_projector
from core.data.latents.rows import LatentFileError, LatentRows
from core.data.latents.text import read_text

SUFFIXES = (".npy", ".npz", ".csv", ".tsv", ".txt", ".parquet", ".pbtxt")


def holds_latents(path: Path) -> bool:
    """Whether ``path`` is, by its name, what ``read_latent_rows`` reads."""
    if path.is_dir():
        return is_projector(path) or is_parts(path)
    return is_projector(path) or path.suffix.lower() in SUFFIXES


def is_meant_as_latents(path: Path) -> bool:
    """Whether ``path``, of which nothing else is known, is rather latents than images or anything else."""
    if path.suffix.lower() in (".npy", ".npz") and path.is_file():
        with contextlib.suppress(DatasetError):  # whoever reads it says what is wrong
            return latents_in_arrays(path)
        return False
    return holds_latents(path) and path.suffix.lower() != ".txt"


def read_latent_rows(path: Path, most: int, key: str = "") -> LatentRows:
    """The latents at ``path``: an NPY, NPZ, CSV, TSV or Parquet file, those of TensorBoard's projector, or the parts
    that ``isoline encode`` has written into a folder.

    All rows whose numbers are finite, or ``most`` of them, drawn at random and sorted. ``key`` names the array, column
    or tensor of a file with several. Raises ``LatentFileError`` or another ``DatasetError``.
    """
    path = Path(path)
    if not path.exists():
        raise LatentFileError(f"{path} does not exist; give a file of latents.")
    suffix = path.suffix.lower()
    if not holds_latents(path):
        raise LatentFileError(
            f"{path} ends in {path.suffix or 'nothing'!r}; latents are read from {', '.join(SUFFIXES[:-1])}, and from "
            f"the folder or {CONFIG} of TensorBoard's projector, or a folder that isoline encode wrote."
        )
    damaged = broken_as(lambda why: f"{path} cannot be read ({why}); it may be damaged, or of another kind.")
    with damaged, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of numpy, about headers of long ago
        if is_projector(path):
            return read_projector(path, most, key)
        if path.is_dir():
            return read_parts(path, most)
        if suffix in (".npz", ".parquet"):
            return read_npz(path, most, key) if suffix == ".npz" else read_parquet(path, most, key)
        if key:
            raise LatentFileError(f"{path} holds one table, so there is no {key!r} to choose; leave out --key.")
        return read_npy(path, most) if suffix == ".npy" else read_text(path, most)
