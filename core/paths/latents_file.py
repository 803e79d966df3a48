"""Latents on disk: reading points to decode, writing points that were encoded. No pickle, no torch."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.data.tables import TableError, read_table
from core.paths.saved_paths import read_saved_path
from core.utils.atomic_write import atomic_file, write_atomic
from core.utils.text import reason
from core.utils.untrusted import UnreadableError, read_numpy, refusal

_LATENT_COLUMN = re.compile(r"(mu|z)_?\d+", re.IGNORECASE)


class LatentsError(ValueError):
    """Latents or options that cannot be used; the message names them and what would be right."""


def parse_points(texts: Sequence[str]) -> np.ndarray:
    """Points float32 (n, d) from texts such as "0.1,0.2,-3"; all must have the same number of coordinates."""
    rows = []
    for text in texts:
        try:
            rows.append([float(part) for part in text.split(",")])
        except ValueError as error:
            raise LatentsError(
                f"--z {text!r} is not a latent point; separate the numbers with commas, such as 0.1,0.2,-3."
            ) from error
    if len({len(row) for row in rows}) != 1:
        raise LatentsError(f"--z {' '.join(texts)}: the points have different numbers of coordinates.")
    return _checked(np.array(rows), "--z")


def read_latents(path: Path) -> np.ndarray:
    """Latents float32 (n, d) of a .npy, .npz (key ``latents``) or .csv file. Raises ``LatentsError``.

    A .csv may open with a header. If it names columns mu1, mu2, … (or z1, …), those are read; else all columns are.
    """
    try:
        if path.suffix.lower() == ".csv":
            return _checked(_read_csv(path), path)
        found = read_numpy(path)
        if isinstance(found, np.ndarray):
            return _checked(found, path)
        if "latents" not in found:
            raise LatentsError(f"{path} holds {', '.join(found) or 'nothing'}; it must hold the key latents.")
        return _checked(found["latents"], path)
    except LatentsError:
        raise
    except FileNotFoundError as error:
        raise LatentsError(f"{path} does not exist; give a .npy, .npz or .csv file with latents.") from error
    except (OSError, UnreadableError, MemoryError) as error:
        other = f"{path} cannot be read ({reason(error)}); give a .npy, .npz or .csv file with latents."
        raise LatentsError(refusal(error) or other) from error


def read_path(path: Path) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Latents float32 (n, d) of a path's frames, its control points float32 (m, d) and what else is known, as JSON.

    ``path`` is a .json file that was saved with a run, or an .npz exported from a path (or any other file of latents:
    its control points are not known, None). Raises ``LatentsError`` or ``core.paths.saved_paths.SavedPathError``.
    """
    if path.suffix.lower() == ".json":
        saved = read_saved_path(path)
        metadata = json.dumps({"path": saved.path.to_dict(), "speed": saved.speed})
        return saved.latents.copy(), saved.path.control, metadata  # a copy: torch takes no read-only arrays
    return read_latents(path), None, "{}"


def _read_csv(path: Path) -> np.ndarray:
    try:
        table = read_table(path)
    except TableError as error:
        raise LatentsError(f"{error} A row is one latent point.") from error
    columns = []
    for name in [name for name in table.names if _LATENT_COLUMN.fullmatch(name)] or table.names:
        numbers = table.numbers(name)
        if numbers is None:
            raise LatentsError(f"{path}, {table.trouble(name)}.")
        columns.append(numbers)
    return np.stack(columns, axis=1)


def _checked(z: np.ndarray, origin: object) -> np.ndarray:
    if z.ndim != 2 or z.dtype.kind not in "iuf" or 0 in z.shape:
        raise LatentsError(f"{origin} holds {z.dtype} {z.shape}; latents are numbers (n, d), n and d at least 1.")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused below
        latents = z.astype(np.float32)
    if not np.isfinite(latents).all():
        raise LatentsError(f"{origin} holds numbers that are not finite, or too large for a latent.")
    return latents


def write_latents(path: Path, latents: np.ndarray, names: Sequence[str]) -> None:
    """Write latents float32 (n, d), one a name: .npz (keys latents, files), .npy, or .csv (file, mu1, mu2, …).

    Atomic. Raises ``LatentsError`` if the file cannot be written.
    """
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["file", *(f"mu{i + 1}" for i in range(latents.shape[1]))])
            writer.writerows([name, *map(str, row)] for name, row in zip(names, latents, strict=True))  # shortest exact
            write_atomic(path, text.getvalue().encode())
            return
        with atomic_file(path) as file:
            if kind == ".npy":
                np.save(file, latents, allow_pickle=False)
            else:
                np.savez(file, latents=latents, files=np.array(list(names), dtype=np.str_))
    except OSError as error:
        raise LatentsError(f"{path} cannot be written ({error.strerror or error}); choose another place.") from error
