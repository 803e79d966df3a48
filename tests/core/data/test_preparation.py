"""Preparing images: once, on disk, within a bound; given up without a trace; found again in no time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import DataConfig
from core.data.cache import ImageCache, Leftover, remembered
from core.data.dataset import DatasetError
from core.data.loading import load_dataset
from core.data.preparation import prepare

RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path) -> Path:
    for index in range(12):
        file = tmp_path / "in" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (16, 16), dtype=np.uint8)).save(file)
    return tmp_path / "in"


def config(path: Path, **settings: object) -> DataConfig:
    return DataConfig(path=str(path), image_size=16, **settings)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Every source that is opened leaves a word here."""
    from core.data import preparation

    calls: list[str] = []
    original = preparation.open_listing

    def counting(*arguments):
        calls.append("opened")
        return original(*arguments)

    monkeypatch.setattr(preparation, "open_listing", counting)
    return calls


def test_what_is_prepared_once_is_found_again(folder, tmp_path, opened):
    first, second = (prepare(config(folder), cache=tmp_path / "cache") for _ in range(2))
    assert len(opened) == 1
    np.testing.assert_array_equal(first.images, second.images)
    assert first.names == second.names
    assert first.labels[0].categories == second.labels[0].categories == ("a", "b")
    np.testing.assert_array_equal(first.labels[0].values, second.labels[0].values)
    assert (first.notes, first.skipped, first.statistics) == (second.notes, second.skipped, second.statistics)
    assert first.fingerprint == second.fingerprint


def test_images_are_a_read_only_memory_map(folder, tmp_path):
    images = prepare(config(folder), cache=tmp_path / "cache").images
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert images.any()


@pytest.mark.parametrize("change", ["another file", "a file written again", "a setting"])
def test_what_changes_is_prepared_anew(folder, tmp_path, opened, change):
    prepare(config(folder), cache=tmp_path / "cache")
    settings = {}
    if change == "another file":
        (folder / "a" / "0.png").rename(folder / "a" / "new.png")
    elif change == "a setting":
        settings = {"resize": "crop"}
    else:
        os.utime(folder / "a" / "0.png", (1, 1))
    prepare(config(folder, **settings), cache=tmp_path / "cache")
    assert len(opened) == 2


def test_the_fingerprint_follows_the_pixels_not_the_place(folder, tmp_path):
    before = prepare(config(folder), cache=tmp_path / "cache").fingerprint
    folder.rename(tmp_path / "moved")
    assert prepare(config(tmp_path / "moved"), cache=tmp_path / "cache").fingerprint == before
    Image.new("L", (16, 16)).save(tmp_path / "moved" / "a" / "0.png")
    assert prepare(config(tmp_path / "moved"), cache=tmp_path / "cache").fingerprint != before


def test_progress_rises_to_one(folder, tmp_path):
    heard: list[float] = []
    prepare(config(folder), heard.append, cache=tmp_path / "cache")
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@pytest.mark.parametrize("moment", [0.0, 0.5])
def test_giving_up_leaves_nothing_behind(tmp_path, moment):
    np.savez(tmp_path / "d.npz", imgs=RNG.random((4000, 32, 32)).astype(np.float32))

    def stop(fraction: float) -> None:
        if fraction >= moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(DataConfig(path=str(tmp_path / "d.npz"), image_size=32), stop, cache=tmp_path / "cache")
    left = (tmp_path / "cache").glob("*")  # what all images have in common may be known already
    assert {file.name.partition("-")[0] for file in left} <= {"survey"}


def test_a_cache_that_cannot_be_written_costs_a_warning_only(folder, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.warns(UserWarning, match="image cache .* cannot be written"):
        prepared = prepare(config(folder), cache=blocked)
    assert len(prepared.images) == 12
    assert prepared.images.any()


# the bound


def entry(store: ImageCache, recipe: str, count: int = 10) -> np.ndarray:
    with store.writing(recipe, count, (100,)) as writer:
        writer.append(np.full((count, 100), 7, np.uint8))
        writer.finish(b"\xc0")
    cached = store.find(recipe)
    assert cached is not None
    return cached.images


def kept(store: ImageCache) -> set[str]:
    return {file.name[len("images-") :][0] for file in store.folder.glob("*.npy")}


def test_the_least_recently_used_go_first_but_none_in_use(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOLINE_CACHE_GB", "3.5e-6")  # three entries of 1,128 bytes
    store = ImageCache(tmp_path)
    in_use = entry(store, "a")
    for place, recipe in enumerate("bc"):
        entry(store, recipe)
        os.utime(tmp_path / f"images-{recipe}.record", (time.time() + place - 50,) * 2)
    os.utime(tmp_path / "images-a.record", (1, 1))
    entry(store, "d")
    assert kept(store) == {"a", "c", "d"}
    assert (in_use == 7).all()
    del in_use
    entry(store, "e")
    assert kept(store) == {"c", "d", "e"}


def test_a_cache_is_emptied_but_for_what_is_in_use(tmp_path):
    store = ImageCache(tmp_path)
    in_use = entry(store, "a")
    entry(store, "b")
    (tmp_path / "native-a.msgpack").write_bytes(b"\xc0")
    assert store.size == 2 * 1128
    assert store.clear() == Leftover(in_use=True)
    assert store.size == 1128
    assert kept(store) == {"a"}
    assert not (tmp_path / "native-a.msgpack").exists()
    assert (in_use == 7).all()
    del in_use
    assert store.clear() == Leftover()
    assert store.size == 0


def test_images_of_a_killed_preparation_count_and_are_removed_but_none_that_are_being_written(tmp_path):
    store = ImageCache(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    left = tmp_path / f".images-a.npy.{process.pid}-0a1b2c3d.writing"
    left.write_bytes(bytes(500))
    assert store.size == 500
    with store.writing("b", 3, (100,)) as writer:
        writer.append(np.full((3, 100), 7, np.uint8))
        (temporary,) = tmp_path.glob(".images-b.*")
        elsewhere = temporary.rename(temporary.with_name(f".images-b.npy.{process.pid}-0a1b2c3d.writing"))
        assert store.clear() == Leftover(in_use=True), "open in a process of another host or container"
        elsewhere.rename(temporary)
        assert store.clear() == Leftover(in_use=True)
        assert not left.exists()
        writer.finish(b"\xc0")
    images = store.find("b")
    assert images is not None
    assert (images.images == 7).all()


def test_what_could_not_be_removed_is_told_from_what_is_in_use(tmp_path, monkeypatch):
    store = ImageCache(tmp_path)
    entry(store, "a")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        left = store.clear()
    assert not left.in_use
    assert left.error is not None
    assert left.error.strerror == "Read-only file system"
    assert store.clear() == Leftover()


def test_using_an_entry_makes_it_recent(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOLINE_CACHE_GB", "2.4e-6")
    store = ImageCache(tmp_path)
    for recipe in "ab":
        entry(store, recipe)
        os.utime(tmp_path / f"images-{recipe}.record", (1 if recipe == "a" else 2,) * 2)
    assert store.find("a") is not None
    entry(store, "c")
    assert kept(store) == {"a", "c"}


def test_more_than_the_bound_is_refused_with_what_to_do(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ISOLINE_CACHE_GB", "1e-6")
    with pytest.raises(DatasetError, match=r"the cache may take 1e-06; allow it more \(ISOLINE_CACHE_GB, or"):
        prepare(config(folder), cache=tmp_path / "cache")
    monkeypatch.setenv("ISOLINE_CACHE_GB", "much")
    with pytest.raises(DatasetError, match="ISOLINE_CACHE_GB is 'much'; it must be a number of gigabytes"):
        prepare(config(folder), cache=tmp_path / "cache")


def test_a_full_disk_is_said_before_anything_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("core.data.cache.shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(DatasetError, match="GB free; free some space, name another folder in ISOLINE_CACHE"):
        prepare(config(folder), cache=tmp_path / "cache")


# what a training gets


def test_a_dataset_of_files_carries_names_classes_notes_and_what_was_skipped(folder, tmp_path):
    (folder / "a" / "broken.png").write_bytes(b"")
    dataset = load_dataset(config(folder), cache=tmp_path / "cache")
    assert len(dataset) == len(dataset.names) == 12
    assert dataset.factor_names == ("class",)
    assert dataset.categories == (("a", "b"),)
    assert [one.name for one in dataset.skipped] == ["a/broken.png"]
    assert dataset.images.shape == (12, 16, 16, 1)


def test_one_image_is_too_few_to_train_on(tmp_path):
    np.savez(tmp_path / "one.npz", imgs=np.zeros((1, 16, 16), np.uint8))
    with pytest.raises(DatasetError, match=r"one\.npz holds 1 image that can be read; a training needs 2 or more"):
        load_dataset(config(tmp_path / "one.npz"), cache=tmp_path / "cache")


def test_headers_and_what_images_have_in_common_are_found_once(folder, tmp_path, monkeypatch):
    from core.data.sources import folder as module

    read: list[str] = []
    original = module.read_header
    monkeypatch.setattr(module, "read_header", lambda path, suffix: read.append(path) or original(path, suffix))
    for size in (16, 8):
        prepare(DataConfig(path=str(folder), image_size=size), cache=tmp_path / "cache")
    assert len(read) == 12


@pytest.mark.parametrize("suffix", ["npy", "record"])
def test_images_whose_cache_was_damaged_are_read_again_and_that_is_noted(tmp_path: Path, suffix: str):
    (folder := tmp_path / "images").mkdir()
    for index in range(3):
        Image.new("L", (16, 16), 60 * index).save(folder / f"{index}.png")
    config = DataConfig(path=str(folder), image_size=16)
    before = prepare(config, cache=tmp_path / "cache")
    images = np.array(before.images)
    (file,) = (tmp_path / "cache").glob(f"images-*.{suffix}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    again = prepare(config, cache=tmp_path / "cache")
    assert "images in the cache were damaged" in again.notes[-1]
    np.testing.assert_array_equal(again.images, images)
    assert again.fingerprint == before.fingerprint
    assert prepare(config, cache=tmp_path / "cache").notes == before.notes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
@pytest.mark.parametrize("suffix", ["npy", "record"])
def test_a_pipe_in_the_cache_is_not_waited_for(folder: Path, tmp_path: Path, suffix: str):
    images = np.array(prepare(config(folder), cache=tmp_path / "cache").images)
    (file,) = (tmp_path / "cache").glob(f"images-*.{suffix}")
    file.unlink()
    os.mkfifo(file)
    np.testing.assert_array_equal(prepare(config(folder), cache=tmp_path / "cache").images, images)


@pytest.mark.parametrize("content", [None, b"", b"\xc1", b"\xa3one", b"\x92\x00\x91\x07"])
def test_what_was_found_is_remembered_by_its_recipe_and_looked_for_again_if_torn(tmp_path: Path, content: bytes | None):
    found: list[int] = []

    def find() -> list[int]:
        found.append(len(found))
        return found.copy()

    assert remembered(tmp_path / "new", "numbers", "recipe", list[int], find) == [0]
    assert remembered(tmp_path / "new", "numbers", "recipe", list[int], find) == [0]
    assert remembered(tmp_path / "new", "numbers", "another", list[int], find) == [0, 1]
    if content is not None:
        (tmp_path / "new" / "numbers-recipe.msgpack").write_bytes(content)
        assert remembered(tmp_path / "new", "numbers", "recipe", list[int], find) == [0, 1, 2]
