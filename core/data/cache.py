"""Drawn images kept on disk, found again by what defines them.

A file is named by the hash of its recipe; the hash of its content lies beside it, so that a torn or altered file is
noticed and drawn again. It is read as a memory map: the check reads 300 MB in 0.2 s, but takes none of it into memory.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.utils.atomic_write import TEMPORARY_SUFFIX, atomic_file

_ABANDONED_S = 24 * 3600.0  # older than that, a temporary file has lost its writer


def cache_folder() -> Path:
    """The user's cache folder for Isoline; ``ISOLINE_CACHE`` moves it."""
    import platformdirs  # not for those who only ask for a fingerprint

    return Path(os.environ.get("ISOLINE_CACHE") or platformdirs.user_cache_dir("isoline", appauthor=False))


def fingerprint(*parts: object) -> str:
    """sha256 hex of a recipe; arrays count by dtype, shape and content."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def cached_images(
    recipe: str, shape: tuple[int, ...], make: Callable[[], np.ndarray], folder: Path | None = None
) -> np.ndarray:
    """Images uint8 ``shape``, read-only, from the cache, or from ``make`` which then fills it.

    A cache that cannot be written costs a warning and the time to draw again, nothing else.
    """
    folder = cache_folder() if folder is None else folder
    file, seal = folder / f"images-{recipe[:32]}.npy", folder / f"images-{recipe[:32]}.sha256"
    cached = _read(file, seal, shape)
    if cached is not None:
        return cached
    images = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with atomic_file(file) as stream:
            np.save(stream, images, allow_pickle=False)
        with atomic_file(seal) as stream:
            stream.write(_seal(images).encode())
    except OSError as error:
        warnings.warn(
            f"the image cache {folder} cannot be written ({error.strerror or error}); images are redrawn each time"
            ". Free some space, or name another folder in ISOLINE_CACHE.",
            stacklevel=2,
        )
        images.flags.writeable = False
        return images
    written = _read(file, seal, shape)  # from the file, so that the drawn copy leaves the memory
    return images if written is None else written


def _seal(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()


def _remove_abandoned(folder: Path) -> None:
    """Delete what a process that was killed while writing left behind, hundreds of megabytes each."""
    for leftover in folder.glob(f".images-*{TEMPORARY_SUFFIX}"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
            leftover.unlink(missing_ok=True)


def _read(file: Path, seal: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        images = np.load(file, mmap_mode="r", allow_pickle=False)
        if images.dtype != np.uint8 or images.shape != shape or seal.read_text().strip() != _seal(images):
            return None
    except (OSError, ValueError, EOFError):
        return None
    return images
