"""Reading some of the images of a data set that need not fit into memory: a large memory map.

What was read does not count as memory of the process for long. And of a file that the memory cannot hold, the disk is
told in advance which images are needed: all of a batch at once, while the step before is computed.
"""

from __future__ import annotations

import contextlib
import mmap
from functools import lru_cache
from pathlib import Path

import numpy as np
import psutil

LARGE_MAP = 256 << 20
"""Bytes from which on pages of a file are let go of: what is smaller is read as any array."""
LARGE_PROCESS = 1 << 30
"""Bytes of this process above which it lets go of what it read."""
LOOK_EVERY = 16 << 20
"""Bytes read between two looks at the process: a look takes 0.3 ms, as long as a batch of small images."""
_FAULT = 64 << 10  # bytes of a file that Linux maps at least where one is read, if they are in its cache
_OWN_GROUP, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_read_since = 0


def read_images(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Copies of the images (N, ...) at ``places`` (n,): (n, ...)."""
    read_ahead(images, places)
    chosen = images[places]
    if images.nbytes >= LARGE_MAP:
        _let_go(images, len(places))
    return chosen


def _let_go(images: np.ndarray, count: int) -> None:
    """Give back the pages of a memory map of which ``count`` images were read, once this process is large: they stay in
    the system's cache, but are no longer memory of this process, which a cluster may limit."""
    global _read_since
    mapped = _map_of(images)
    if mapped is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    _read_since += count * max(images.strides[0], _FAULT)
    if _read_since >= LOOK_EVERY:
        _read_since = 0
        if psutil.Process().memory_info().rss >= LARGE_PROCESS:
            mapped.madvise(mmap.MADV_DONTNEED)


def read_ahead(images: np.ndarray, places: np.ndarray) -> None:
    """Have the disk read the images at ``places`` while this process goes on, if the memory cannot hold all of them.

    Without that, each one is waited for, and with it comes what lies around it in the file: megabytes, as some systems
    are set. Measured where that is 8 MB, with 20,000 images from a file of 20 GB: 80 s, and 9 s. Of a smaller file that
    is welcome, for soon all of it is in memory.
    """
    if images.nbytes < _half_of_memory() or not hasattr(mmap, "MADV_WILLNEED"):
        return
    mapped, size = _map_of(images), images.strides[0]
    if mapped is None:
        return
    first = images.__array_interface__["data"][0] - np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    for start in (first + places * size).tolist():
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        with contextlib.suppress(OSError):  # it is advice
            mapped.madvise(mmap.MADV_WILLNEED, page, start + size - page)


@lru_cache
def _half_of_memory() -> int:
    """Half of what this process may use: of the machine's memory, or of less if a cgroup (version 2) of it or a group
    around that has a limit, as in a container or in a job of a cluster."""
    limits, own = [psutil.virtual_memory().total], ""
    with contextlib.suppress(OSError):  # no Linux
        lines = _OWN_GROUP.read_text().splitlines()
        own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    folder = _GROUPS / own
    for group in (folder, *folder.parents):
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            limits.append(int((group / "memory.max").read_text()))
    return min(limits) // 2


def _map_of(images: np.ndarray) -> mmap.mmap | None:
    """The memory map that ``images`` is a view of, if it is one."""
    base = images
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
