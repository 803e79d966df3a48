"""Reading from large memory maps: what is read in advance, and that it need not count as memory of the process."""

from __future__ import annotations

import mmap

import numpy as np
import psutil
import pytest

from core.data import reading


class _Advised(mmap.mmap):
    """A memory map that notes for which bytes it is told that they will be needed."""

    def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
        assert start % mmap.PAGESIZE == 0
        if option == mmap.MADV_WILLNEED:
            self.ranges = [*getattr(self, "ranges", []), range(start, start + length)]
        super().madvise(option, start, length)


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr(reading, "LARGE_MAP", 0)
    monkeypatch.setattr(reading, "_half_of_memory", lambda: 0)


@pytest.fixture
def content() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (100, 50, 50, 3), np.uint8)


@pytest.fixture
def images(content, tmp_path) -> np.ndarray:
    np.save(tmp_path / "images.npy", content)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system keeps what was mapped")
def test_pages_of_a_large_map_that_were_read_can_be_let_go_of(tmp_path, monkeypatch):
    np.save(tmp_path / "images.npy", np.ones((64, 1 << 20), np.uint8))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert images.sum() == images.size
    before = psutil.Process().memory_info().rss
    reading.read_images(images, np.array([3]))  # too small to be worth it
    assert psutil.Process().memory_info().rss > before - images.nbytes // 2
    monkeypatch.setattr(reading, "LARGE_MAP", 0)
    monkeypatch.setattr(reading, "LARGE_PROCESS", 0)
    monkeypatch.setattr(reading, "LOOK_EVERY", 0)
    assert reading.read_images(images[1:], np.array([5, 2])).shape == (2, 1 << 20)
    assert psutil.Process().memory_info().rss < before - images.nbytes // 2
    assert images.sum() == images.size


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="the system cannot be told what will be needed")
def test_the_disk_is_asked_for_the_images_that_are_read_and_no_others(content, images, tmp_path, all_are_large):
    with open(tmp_path / "images.npy", "rb") as file:
        mapped = _Advised(file.fileno(), 0, access=mmap.ACCESS_READ)
    part = np.ndarray(content.shape, np.uint8, mapped, 128)[10:]
    places = np.array([70, 3, 41])
    np.testing.assert_array_equal(reading.read_images(part, places), content[10:][places])
    size = content[0].nbytes
    reading.read_ahead(part, places[:1])
    assert mapped.ranges[3:] == mapped.ranges[:1]
    for asked, place in zip(mapped.ranges[:3], places, strict=True):
        start = 128 + size * (10 + int(place))
        assert start - mmap.PAGESIZE < asked.start <= start
        assert asked.stop == start + size


def test_of_a_file_that_fits_into_memory_the_disk_is_asked_for_nothing(content, images, tmp_path):
    with open(tmp_path / "images.npy", "rb") as file:
        mapped = _Advised(file.fileno(), 0, access=mmap.ACCESS_READ)
    part = np.ndarray(content.shape, np.uint8, mapped, 128)
    np.testing.assert_array_equal(reading.read_images(part, np.array([2])), content[[2]])
    assert not hasattr(mapped, "ranges")


@pytest.mark.parametrize(
    ("own", "limits", "half"),
    [
        ("0::/\n", {".": "4096"}, 2048),
        ("9:cpu:/\n0::/job/step\n", {"job/step": "2048", "job": "max"}, 1024),
        ("0::/job/step\n", {"job/step": "max\n", "job": "8192\n"}, 4096),
        ("0::/outside\n", {".": "6000"}, 3000),
        (None, {}, None),
        ("0::/\n", {".": "max"}, None),
        ("0::/\n", {".": str(1 << 60)}, None),
    ],
)
def test_memory_is_what_a_container_or_a_job_may_use(tmp_path, monkeypatch, own, limits, half):
    if own is not None:
        (tmp_path / "own").write_text(own)
    for group, limit in limits.items():
        (tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / group / "memory.max").write_text(limit)
    monkeypatch.setattr(reading, "_OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(reading, "_GROUPS", tmp_path / "groups")
    assert reading._half_of_memory.__wrapped__() == (half or psutil.virtual_memory().total // 2)


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize("view", ["all", "part", "grey as colour", "in memory"])
def test_any_view_of_images_is_read_as_it_is(content, images, view):
    wanted = {"part": content[7:50], "grey as colour": np.broadcast_to(content[..., :1], content.shape)}
    views = {
        "part": images[7:50],
        "grey as colour": np.broadcast_to(images[..., :1], content.shape),
        "in memory": content,
    }
    places = np.array([20, 0, 42, 20])
    read = reading.read_images(views.get(view, images), places)
    np.testing.assert_array_equal(read, wanted.get(view, content)[places])
