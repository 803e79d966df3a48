"""Latents in NPY and NPZ files: which array holds them, and what the others say of the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from core.data.dataset import broken_as
from core.data.labels import says_names
from core.data.latents.rows import LatentFileError, LatentRows, RowSample, block_rows, check_dimensions
from core.data.sources.arrays import side_of_rows
from core.data.sources.members import Member, npy_members, npz_members

CERTAIN_KEYS = (
    "latents", "latent", "z", "mu", "means", "mean", "embeddings", "embedding", "codes", "code", "features", "zs",
)  # fmt: skip
KEYS = (*CERTAIN_KEYS, "x", "arr_0")
"""Names of arrays that are latents, those first that say so best; the last two may be of images as well."""
_IMAGE_KEYS = frozenset({"images", "image", "imgs", "img", "pictures", "x_images"})
_MOST_EXPANSION = 200
"""Times that the bytes of an archive may grow when it is unpacked: floating-point numbers shrink to a tenth at best."""
_SMALL = 1 << 26
_SHOWN = 8


def read_npy(file: Path, most: int) -> LatentRows:
    """The array of an ``.npy`` file. Raises ``DatasetError``."""
    return _rows(file, npy_members(file)[0], [], most, [])


def read_npz(file: Path, most: int, key: str = "") -> LatentRows:
    """The array ``key`` of an ``.npz`` file, else that which is called as latents are, or is the only one.

    Arrays (N,) of the same length say more about the rows; one of texts that is called files or the like names them.
    Raises ``DatasetError``.
    """
    notes: list[str] = []
    members = npz_members(file, notes)
    size = file.stat().st_size
    for member in members:
        if member.bytes > max(_SMALL, _MOST_EXPANSION * size):
            raise LatentFileError(
                f"{file} is damaged or made to fill the memory: {member.name} would take {member.bytes:,} bytes, the "
                f"file has {size:,}. Write it again with numpy.savez."
            )
    chosen = _chosen(file, members, key, notes)
    return _rows(file, chosen, [member for member in members if member is not chosen], most, notes)


def latents_in_arrays(file: Path) -> bool:
    """Whether an ``.npy`` or ``.npz`` file is meant as latents rather than as images, by its arrays' names and shapes.

    Raises ``DatasetError``.
    """
    members = npy_members(file) if file.suffix.lower() == ".npy" else npz_members(file, [])
    possible = [member for member in members if _may_be_latents(member)]
    if any(member.name.lower().rpartition("/")[2] in CERTAIN_KEYS for member in possible):
        return True
    images = any(len(member.shape) in (3, 4) or side_of_rows(member) for member in members)
    return bool(possible) and not images


def _chosen(file: Path, members: Sequence[Member], key: str, notes: list[str]) -> Member:
    by_name = {member.name: member for member in members}
    held = ", ".join(f"{one.name}: {one.dtype} {one.shape}" for one in members[:_SHOWN]) or "nothing that can be read"
    if key:
        if key not in by_name:
            raise LatentFileError(f"{file} has no array {key!r}; it holds {held}.")
        return by_name[key]
    possible = [member for member in members if _may_be_latents(member)]
    called = {member.name.lower().rpartition("/")[2]: member for member in possible}
    best = next((called[name] for name in KEYS if name in called), None)
    if best is None and len(possible) == 1:
        best = possible[0]
    if best is None:
        raise LatentFileError(
            f"{file}: which array holds the latents is not clear; it holds {held}. Name it with --key, or call it "
            "latents: numbers (n, d), a row a sample."
        )
    if len(possible) > 1:
        others = ", ".join(member.name for member in possible if member is not best)
        notes.append(f"The latents are the array {best.name}, because of its name, not {others}.")
    return best


def _may_be_latents(member: Member) -> bool:
    return member.dtype.kind in "iuf" and len(member.shape) == 2 and member.shape[1] > 1


def _rows(file: Path, member: Member, others: Sequence[Member], most: int, notes: list[str]) -> LatentRows:
    what = f"the array {member.name}" if member.name else "the array"
    if member.dtype.kind not in "iuf":
        raise LatentFileError(f"{file}: {member}; latents are integers or floating-point numbers.")
    if len(member.shape) != 2:
        flatten = " Flatten it first: numpy.reshape(z, (len(z), -1))." if len(member.shape) > 2 else ""
        raise LatentFileError(f"{file}: {member}; latents are (n, d), a row a sample.{flatten}")
    count, d = member.shape
    check_dimensions(file, d, what)
    sample = RowSample(file, d, most)
    with _reading(file):
        for block in member.blocks(block_rows(d)):
            sample.add(block)
        found = sample.rows(notes=notes)
        columns, names, said = _beside(others, count, found.indices)
        images = next((member.name for member in others if _holds_images(member, count)), "")
    return LatentRows(
        file, found.latents, found.indices, found.total, columns, names, images, None, (*found.notes, *said)
    )


def _beside(
    others: Sequence[Member], count: int, indices: np.ndarray
) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """What the other arrays say of the rows ``indices``: columns, names, and notes on what is not used."""
    columns: dict[str, np.ndarray] = {}
    names: tuple[str, ...] = ()
    notes = []
    for member in others:
        if _holds_images(member, count):
            continue
        if member.shape != (count,) or member.dtype.kind not in "biufUS":
            notes.append(f"{member} and is not used: labels are ({count},), one a row.")
            continue
        values = member.read()[indices]
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind == "U":
            texts = values.astype(object)
            if not names and says_names(member.name):
                names = tuple(texts.tolist())
                notes.append(f"The samples are named by the array {member.name}.")
            else:
                columns[member.name] = texts
        else:
            columns[member.name] = values.astype(np.float64)
    return columns, names, notes


def _holds_images(member: Member, count: int) -> bool:
    """(N, H, W), or with 1, 3 or 4 channels; called images, or bytes, which nothing else of that shape is."""
    shape = member.shape
    grey = len(shape) == 3 and min(shape[1:], default=0) >= 8
    colour = len(shape) == 4 and (shape[3] in (1, 3, 4) or shape[1] in (1, 3, 4))
    called = member.name.lower() in _IMAGE_KEYS or member.dtype == np.uint8
    return member.dtype.kind in "biuf" and bool(shape) and shape[0] == count and (grey or colour) and called


def _reading(file: Path) -> AbstractContextManager[None]:
    return broken_as(lambda why: f"{file} cannot be read ({why}); it may be damaged. Write it again with numpy.")
