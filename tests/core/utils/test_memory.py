"""What has been freed goes back to the system."""

from __future__ import annotations

import platform

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
