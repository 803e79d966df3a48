"""The cache of prepared images: what is mapped need not count as memory of the process."""

from __future__ import annotations

import mmap

import numpy as np
import psutil
import pytest

from core.data import cache


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system keeps what was mapped")
def test_pages_of_a_large_map_that_were_read_can_be_let_go_of(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.ones((64, 1 << 20), np.uint8))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert images.sum() == images.size
    before = psutil.Process().memory_info().rss
    cache.release(images)  # too small to be worth it
    monkeypatch.setattr(cache, "_SMALL_MAP", 0)
    monkeypatch.setattr(cache, "LARGE_PROCESS", 0)
    cache.release(images[1:])
    assert psutil.Process().memory_info().rss < before - images.nbytes // 2
    assert images.sum() == images.size
