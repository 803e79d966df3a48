"""A display to draw on where there is none: Xvfb for the time of the tour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def virtual_display(environment: dict[str, str], size: tuple[int, int]) -> Iterator[str]:
    """Set DISPLAY in ``environment`` to a new virtual screen if it names no display; yields a problem or ""."""
    has_display = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if not sys.platform.startswith("linux") or has_display or environment.get("QT_QPA_PLATFORM"):
        yield ""
        return
    if shutil.which("Xvfb") is None:
        yield "there is no display and no Xvfb to make one; install it (Debian: apt-get install xvfb)."
        return
    reader, writer = os.pipe()
    screen = f"{max(size[0], 1920)}x{max(size[1], 1080)}x24"
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "+extension", "GLX", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        if not number:
            yield "Xvfb could not start a virtual display."
            return
        environment["DISPLAY"] = f":{number}"
        yield ""
    finally:
        server.terminate()
        server.wait()
