"""What has been freed goes back to the system, or is there for all threads."""

from __future__ import annotations

import platform
import subprocess
import sys

import psutil
import pytest

from core.utils.memory import release_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries give memory back by themselves")
def test_freed_memory_between_pieces_in_use_goes_back():
    process = psutil.Process()
    blocks = [bytes(100_000) for _ in range(600)]
    for number, block in enumerate(blocks):
        blocks[number] = bytearray(block)  # written, so that it takes real memory
    full = process.memory_info().rss
    blocks = blocks[::30]  # those at the top of the heap among them
    before = process.memory_info().rss
    release_memory()
    after = process.memory_info().rss
    assert full - after > 40e6
    assert before - after > 10e6
    assert len(blocks) == 20


ARENAS = """
import ctypes, sys, threading
from core.utils.memory import share_arenas
if sys.argv[1] == "shared":
    share_arenas()
together = threading.Barrier(6)
def allocate():
    block = bytearray(100_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no arenas")
def test_threads_share_two_arenas():
    counts = {
        how: subprocess.run([sys.executable, "-c", ARENAS, how], check=True, capture_output=True).stdout.count(b"<heap")
        for how in ("shared", "own")
    }
    assert counts["shared"] <= 2
    assert counts["own"] > 2
