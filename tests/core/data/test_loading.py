"""Datasets of polar curves: splits, weights and the cache."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.config import DataConfig
from core.data.cache import ImageCache
from core.data.dataset import DatasetError
from core.data.loading import curve_parameters, image_at, load_dataset, petal_weights

SMALL = DataConfig(image_size=32, count=60)


def test_punctured_data_has_nothing_in_the_hole():
    ab = curve_parameters(DataConfig(count=3000, hole_a=1.0, hole_b=0.5, hole_radius=0.2))
    assert np.hypot(ab[:, 0] - 1.0, ab[:, 1] - 0.5).min() >= 0.2
    assert len(curve_parameters(DataConfig(count=3000, punctured=False))) == 3000


def test_a_hole_that_swallows_everything_is_refused():
    with pytest.raises(DatasetError, match=r"radius 9 .* leaves 0 of 50 samples; make data.hole_radius smaller"):
        load_dataset(DataConfig(count=50, hole_radius=9.0))


def test_weights_by_hand():
    ab = np.array([[1.0, 0.0], [1.0, 0.5], [1.0, 2.0]])
    np.testing.assert_allclose(petal_weights(ab), [2.0, 1.5, 0.0])
    np.testing.assert_array_equal(petal_weights(ab[:1]), [1.0])


def test_a_curves_dataset_keeps_factors_with_each_image(tmp_path):
    data = load_dataset(SMALL, cache=tmp_path)
    assert data.images.shape == (len(data), 32, 32, 1)
    assert data.images.dtype == np.uint8
    assert data.factor_names == ("a", "b")
    np.testing.assert_allclose(data.factors, curve_parameters(SMALL), rtol=1e-6)
    np.testing.assert_array_equal(data.weights, 1.0)
    np.testing.assert_array_equal(image_at(SMALL, curve_parameters(SMALL), 7), data.images[7])


def test_colour_repeats_the_grey_image(tmp_path):
    data = load_dataset(DataConfig(image_size=32, count=10, channels=3), cache=tmp_path)
    assert data.images.shape[-1] == 3
    np.testing.assert_array_equal(data.images[..., 0], data.images[..., 2])


def test_the_fingerprint_tells_contents_apart(tmp_path):
    marks = {
        load_dataset(config, cache=tmp_path).fingerprint
        for config in (SMALL, DataConfig(image_size=32, count=70), DataConfig(image_size=40, count=60))
    }
    assert len(marks) == 3
    assert load_dataset(SMALL, cache=tmp_path).fingerprint in marks


def drawn(monkeypatch, cache) -> int:
    """How many images are drawn by loading once more."""
    from core.data import polar_curves

    count = 0
    render = polar_curves.render

    def counting(ab, *rest):
        nonlocal count
        count += len(ab)
        return render(ab, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(polar_curves, "render", counting)
        load_dataset(SMALL, cache=cache)
    return count


def test_the_second_time_nothing_is_drawn(tmp_path, monkeypatch):
    assert drawn(monkeypatch, tmp_path) > 0
    assert drawn(monkeypatch, tmp_path) == 0


@pytest.mark.parametrize("damage", ["truncate", "flip", "no seal", "garbage"])
def test_a_damaged_cache_is_drawn_again(tmp_path, monkeypatch, damage):
    before = np.array(load_dataset(SMALL, cache=tmp_path).images)
    (file,) = tmp_path.glob("*.npy")
    content = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[300] ^= 0xFF
        file.write_bytes(content)
    elif damage == "garbage":
        file.write_bytes(b"not an array")
    else:
        next(tmp_path.glob("*.record")).unlink()
    assert drawn(monkeypatch, tmp_path) > 0
    np.testing.assert_array_equal(load_dataset(SMALL, cache=tmp_path).images, before)


def flip(file: Path, place: float) -> None:
    """Another bit at this share of the file."""
    content = bytearray(file.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("place", [0.0, 0.0008, 0.1, 0.5, 1.0], ids=["header", "shape", "pixel", "pixel", "last pixel"])
def test_one_altered_bit_anywhere_is_noticed_and_said(tmp_path, monkeypatch, place):
    before = np.array(load_dataset(SMALL, cache=tmp_path).images)
    (file,) = tmp_path.glob("*.npy")
    flip(file, place)
    dataset = load_dataset(SMALL, cache=tmp_path)
    np.testing.assert_array_equal(dataset.images, before)
    assert [note for note in dataset.notes if "images in the cache were damaged (the checksum of block 1 of 1" in note]
    assert drawn(monkeypatch, tmp_path) == 0
    assert not any("damaged" in note for note in load_dataset(SMALL, cache=tmp_path).notes)


def test_a_flipped_bit_in_any_byte_of_the_record_fails_nothing(tmp_path, monkeypatch):
    """Of own images it holds names, labels and more: whatever it says is checked before it is believed."""
    load_dataset(SMALL, cache=tmp_path)
    (record,) = tmp_path.glob("*.record")
    sound = record.read_bytes()
    for place in range(len(sound)):
        record.write_bytes(sound[:place] + bytes([sound[place] ^ 1 << place % 8]) + sound[place + 1 :])
        assert ImageCache(tmp_path).find(record.stem.removeprefix("images-")) is None


def test_an_entry_of_an_earlier_version_is_made_anew_without_a_word(tmp_path, monkeypatch):
    load_dataset(SMALL, cache=tmp_path)
    (record,) = tmp_path.glob("*.record")
    record.write_bytes(msgspec.msgpack.encode({"shape": [1], "seal": "0" * 64, "about": None}))
    assert not any("damaged" in note for note in load_dataset(SMALL, cache=tmp_path).notes)
    assert drawn(monkeypatch, tmp_path) == 0


def test_of_a_file_larger_than_is_checked_each_time_other_blocks_are(tmp_path, monkeypatch):
    monkeypatch.setattr("core.data.cache._BLOCK", 1024)
    monkeypatch.setattr("core.data.cache._CHECKED", 4 * 1024)
    load_dataset(SMALL, cache=tmp_path)
    assert drawn(monkeypatch, tmp_path) == 0
    (file,) = tmp_path.glob("*.npy")
    flip(file, 0.5)
    noticed = [ImageCache(tmp_path).find(file.stem.removeprefix("images-")) is None for _ in range(200)]
    assert any(noticed)
    assert not all(noticed)


def test_cached_images_cannot_be_written_to(tmp_path):
    for _ in range(2):
        assert not load_dataset(SMALL, cache=tmp_path).images.flags.writeable


def test_what_a_killed_writer_left_in_the_cache_is_removed_a_day_later(tmp_path):
    old, recent = tmp_path / ".images-a.npy.1-x.writing", tmp_path / ".images-b.npy.2-y.writing"
    old.touch()
    recent.touch()
    os.utime(old, (0, 0))
    load_dataset(SMALL, cache=tmp_path)
    assert not old.exists()
    assert recent.exists()


def test_images_that_do_not_fit_into_the_memory_are_refused(tmp_path, monkeypatch):
    def too_many(*_):
        raise MemoryError

    monkeypatch.setattr("core.data.polar_curves.render", too_many)
    with pytest.raises(
        DatasetError, match=r"60 curves at 32 × 32 × 1 do not fit .* reduce data.count or data.image_size"
    ):
        load_dataset(SMALL, cache=tmp_path)


def test_an_unwritable_cache_costs_a_warning_only(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.warns(UserWarning, match="image cache .* cannot be written"):
        data = load_dataset(SMALL, cache=blocked)
    assert len(data) > 40
