"""Whole files, written so that a reader sees the old one or the new one, never half of one.

Write to a temporary file in the same folder, fsync, rename over the target (POSIX and Windows both replace). A crash,
a full disk or a killed process leaves the old file as it was, at worst beside a temporary one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

TEMPORARY_SUFFIX = ".writing"
_REPLACE_ATTEMPTS = 50
_REPLACE_PAUSE_S = 0.01


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Replace the content of ``path`` by ``data``. Raises ``OSError``; ``path`` is then as it was before."""
    with atomic_file(path) as file:
        file.write(data)


def write_new(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole, unless there is such a file. Raises ``OSError``: ``FileExistsError`` then."""
    with atomic_file(path, _put) as file:
        file.write(data)


@contextlib.contextmanager
def atomic_file(path: Path, put: Callable[[Path, Path], None] | None = None) -> Iterator[IO[bytes]]:
    """A binary file that becomes ``path`` when the block ends, and vanishes when the block raises. ``put`` moves it
    there; None: over what is there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        (put or replace)(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the reason why writing failed matters, not this
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target``. Windows refuses while a reader has the target open: try again shortly."""
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(_REPLACE_PAUSE_S)


def _put(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, which may not be there: of several programs that do so one succeeds."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links: then another program may come in between
        if os.path.lexists(target):
            raise FileExistsError(f"{target} is there already") from None
        replace(source, target)
    else:
        source.unlink()


def remove_temporaries(folder: Path) -> None:
    """Delete what processes that died while writing left in ``folder``; only its owner may call this."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # The rename itself survives a power cut only once the folder is written; Windows cannot open a folder for this.
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems have no fsync of folders: the file itself is safe
        return
    finally:
        os.close(descriptor)
