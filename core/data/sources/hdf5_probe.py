"""Looks once at all that an HDF5 file lists, in a process of its own: a damaged one can keep HDF5's library, which
nothing interrupts, busy for ever, or end its process.

Run as a program it prints a byte whenever it has got on; ``check_ends`` runs it.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 5.0
"""Seconds without getting on after which a file is given up. The first look is longer: a program has to start."""
START_S = 15.0
_LOOK_S = 0.2
_DEEPEST, _MOST = 16, 1_000_000


class StuckError(RuntimeError):
    """A file that HDF5's library does not get on with; the message says how."""


def check_ends(path: Path, progress: Callable[[float], None] | None = None) -> None:
    """Raise ``StuckError`` if looking at the file does not get on for ``PATIENCE_S`` seconds, or ends the process that
    does so. An exception that ``progress``, which is called meanwhile, raises ends the look. What is wrong otherwise is
    found by whoever reads the file."""
    command = [sys.executable, "-P", __file__, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _follow(process, progress)
        finally:
            process.kill()
    if process.returncode not in (0, 1):  # 1: an error of Python's, which the reader will have, too
        raise StuckError(f"HDF5's library ends its process over it, with status {process.returncode}")


def _follow(process: subprocess.Popen[bytes], progress: Callable[[float], None] | None) -> None:
    """Return when ``process`` has ended its output; raise ``StuckError`` if it does not get on."""
    beats: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        while beat := process.stdout.read(1):
            beats.put(beat)
        beats.put(b"")

    threading.Thread(target=read, name="hdf5-probe", daemon=True).start()
    last, patience = time.monotonic(), START_S
    while True:
        try:
            if not beats.get(timeout=_LOOK_S):
                process.wait()
                return
            last, patience = time.monotonic(), PATIENCE_S
        except queue.Empty:
            if time.monotonic() - last > patience:
                raise StuckError(f"HDF5's library did not get on with it for {patience:g} s") from None
        if progress is not None:
            progress(0.0)


def look(path: Path) -> None:
    """Ask for all that the file lists, as those who read it do, and print a byte whenever that has got on."""
    import h5py
    from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]  # compiled, and without types

    def get_on() -> None:
        nonlocal last
        if time.monotonic() - last > _LOOK_S:
            last = time.monotonic()
            sys.stdout.buffer.write(b".")
            sys.stdout.buffer.flush()

    last = 0.0
    get_on()  # a program has started
    seen: set[int] = set()

    def visit(group: h5py.Group, depth: int) -> None:
        for key in group:
            get_on()
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            item = group[key]
            address = h5o.get_info(item.id).addr
            if address in seen or len(seen) > _MOST:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group) and depth < _DEEPEST:
                visit(item, depth + 1)
            elif isinstance(item, h5py.Dataset):
                _ = item.shape, item.dtype, item.chunks, item.is_virtual, item.external, len(item.attrs)

    with h5py.File(path, "r") as file:
        seen.add(h5o.get_info(file.id).addr)
        visit(file, 0)


if __name__ == "__main__":
    look(Path(sys.argv[1]))
