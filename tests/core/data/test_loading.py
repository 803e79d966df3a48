"""Datasets: sources, splits, weights, the cache, and what is said about files that cannot be used."""

import io
import os
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.loading import curve_parameters, image_at, load_dataset, petal_weights, split

SMALL = DataConfig(image_size=32, count=60)


def test_the_published_splits():
    train, validation = split(5000, DataConfig(punctured=False))
    assert (len(train), len(validation)) == (4499, 501)
    train, validation = split(4510, DataConfig())
    assert (len(train), len(validation)) == (4299, 211)


def test_validation_is_the_last_share_in_file_order():
    train, validation = split(10, DataConfig(validation_fraction=0.3))
    assert train.tolist() == list(range(7))
    assert validation.tolist() == [7, 8, 9]


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_both_parts_always_have_a_sample(share):
    train, validation = split(2, DataConfig(validation_fraction=share))
    assert len(train) == len(validation) == 1


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
        next(tmp_path.glob("*.sha256")).unlink()
    assert drawn(monkeypatch, tmp_path) > 0
    np.testing.assert_array_equal(load_dataset(SMALL, cache=tmp_path).images, before)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 1.0])
def test_one_altered_pixel_anywhere_is_noticed(tmp_path, monkeypatch, place):
    load_dataset(SMALL, cache=tmp_path)
    (file,) = tmp_path.glob("*.npy")
    content = bytearray(file.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    file.write_bytes(content)
    assert drawn(monkeypatch, tmp_path) > 0


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


# folders


def picture(path, size=(40, 30), colour=(200, 30, 90)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def folder(path, **changes) -> DataConfig:
    return DataConfig(path=str(path), image_size=32, **changes)


def test_a_folder_gives_its_images_in_sorted_order_and_classes(tmp_path):
    for name, level in (("b/2.png", 20), ("a/1.png", 10), ("b/3.jpg", 30)):
        picture(tmp_path / name, colour=(level,) * 3)
    (tmp_path / "notes.txt").write_text("no image")
    data = load_dataset(folder(tmp_path))
    assert data.factor_names == ("class",)
    assert data.factors[:, 0].tolist() == [0, 1, 1]
    assert data.images[:, 16, 16, 0].tolist() == pytest.approx([10, 20, 30], abs=1)


def test_colour_images_keep_their_channels(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", colour=(1, 2, 3))
    data = load_dataset(folder(tmp_path, channels=3))
    assert data.images[0, 5, 5].tolist() == [200, 30, 90]
    assert data.factor_names == ()
    assert data.factors.shape == (2, 0)


def test_a_broken_image_is_named(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"b\.png is not an image that can be read"):
        load_dataset(folder(tmp_path))


def test_hidden_files_are_left_out(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves on foreign disks")
    picture(tmp_path / ".thumbnails" / "a.png")
    assert len(load_dataset(folder(tmp_path))) == 2


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    levels = np.array([0, 257, 32896, 65535], dtype=np.uint16)
    for index, level in enumerate(levels):
        Image.fromarray(np.full((32, 32), level, dtype=np.uint16)).save(tmp_path / f"{index}.{suffix}")
    assert load_dataset(folder(tmp_path)).images[:, 0, 0, 0].tolist() == [0, 1, 128, 255]


def test_images_of_unknown_range_are_refused(tmp_path):
    Image.fromarray(np.full((32, 32), 0.5, dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DatasetError, match=r"a\.tif has 32 bits per pixel, of unknown range"):
        load_dataset(folder(tmp_path))


def test_shrinking_averages(tmp_path):
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(board).save(tmp_path / name)
    inner = load_dataset(folder(tmp_path)).images[0, 2:-2, 2:-2].astype(float)
    assert np.abs(inner - 127.5).max() <= 1.0


def test_a_huge_image_is_refused_before_it_fills_the_memory(tmp_path):
    picture(tmp_path / "a.png")
    Image.new("1", (9000, 8000)).save(tmp_path / "b.png")
    with pytest.raises(DatasetError, match=r"b\.png has 9000 × 8000 pixels"):
        load_dataset(folder(tmp_path))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_a_missing_or_empty_folder_is_named(tmp_path, make):
    target = tmp_path / "images"
    make(target)
    with pytest.raises(DatasetError, match=r"images (does not exist|holds no image file)"):
        load_dataset(folder(target))


# npz


def npz(path, **arrays) -> DataConfig:
    np.savez(path, **arrays)
    return DataConfig(path=str(path), image_size=32)


def test_dsprites_keys_are_read_and_constant_factors_left_out(tmp_path):
    values = np.array([[1, 0.5, 3], [1, 0.7, 4]])
    images = np.zeros((2, 64, 64), np.uint8)
    images[1] = 1
    data = load_dataset(npz(tmp_path / "d.npz", imgs=images, latents_values=values))
    assert data.images.shape == (2, 32, 32, 1)
    assert data.images[1].min() == 255
    assert data.factor_names == ("factor2", "factor3")


@pytest.mark.parametrize("size", [32, 64])
def test_pixels_of_the_right_size_are_kept_as_they_are(tmp_path, size):
    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    config = npz(tmp_path / "d.npz", imgs=images)
    heard: list[float] = []
    data = load_dataset(DataConfig(path=config.path, image_size=size, channels=3), heard.append)
    assert data.images.shape == (300, size, size, 3)
    if size == 32:
        np.testing.assert_array_equal(data.images, images)
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_floats_are_scaled_and_grey_becomes_colour(tmp_path):
    config = npz(tmp_path / "d.npz", imgs=np.full((2, 32, 32), 0.5))
    data = load_dataset(DataConfig(path=config.path, image_size=32, channels=3))
    assert np.unique(data.images).tolist() == [128]


def test_written_names_come_back(tmp_path):
    config = npz(
        tmp_path / "d.npz",
        imgs=np.random.default_rng(0).random((3, 32, 32)),
        latents_values=np.arange(6).reshape(3, 2),
        latents_names=np.array(["size", "turn"]),
    )
    assert load_dataset(config).factor_names == ("size", "turn")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((2, 32, 32))}, "holds pictures; it must hold imgs"),
        ({"imgs": np.zeros((2, 32))}, r"imgs of .* is float64 \(2, 32\)"),
        ({"imgs": np.zeros((2, 32, 32, 2))}, "it must be"),
        ({"imgs": np.full((2, 32, 32), 7.0)}, r"must be in \[0, 1\]"),
        ({"imgs": np.full((2, 32, 32), np.nan)}, r"must be in \[0, 1\]"),
        ({"imgs": np.zeros((2, 32, 32), np.int64)}, "images must be uint8"),
        ({"imgs": np.zeros((2, 32, 32)), "latents_values": np.zeros((3, 1))}, r"it must be numbers \(2, F\)"),
        ({"imgs": np.zeros((2, 32, 32)), "latents_values": np.array([[np.inf], [1]])}, "not finite"),
        ({"imgs": np.zeros((1, 32, 32))}, "holds 1 image"),
    ],
)
def test_what_is_wrong_with_an_npz_is_said(tmp_path, arrays, message):
    with pytest.raises(DatasetError, match=message):
        load_dataset(npz(tmp_path / "d.npz", **arrays))


def test_a_pickled_array_is_never_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    with pytest.raises(DatasetError):
        load_dataset(npz(tmp_path / "d.npz", imgs=np.array([Bomb(), Bomb()], dtype=object)))
    assert not (tmp_path / "exploded").exists()


def read_damaged(file, content: bytes) -> None:
    """Read what may be damaged: fine, or a ``DatasetError`` that names the file; anything else fails."""
    file.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            load_dataset(DataConfig(path=str(file), image_size=32))
        except DatasetError as error:
            assert file.name in str(error)  # noqa: PT017  # reading may also succeed


fuzzed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(st.booleans(), st.integers(0, 4000), st.binary(min_size=1, max_size=24))
@example(True, 573, b"\x01")  # the archive then calls the member encrypted, of which zipfile says RuntimeError
def test_any_damage_to_an_npz_is_a_dataset_error_or_harmless(tmp_path, compressed, place, junk):
    stream = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(stream, imgs=np.arange(2048, dtype=np.uint8).reshape(2, 32, 32), latents_values=np.eye(2))
    content = bytearray(stream.getvalue())
    place %= len(content)
    content[place : place + len(junk)] = junk
    read_damaged(tmp_path / "damaged.npz", bytes(content))


def archive(member: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("imgs.npy", member)
    return stream.getvalue()


@fuzzed
@given(st.integers(0, 127), st.text("0123456789(){}[],:'<|xXuifbOVSUM \0", min_size=1, max_size=4))
def test_any_damage_to_an_array_header_is_a_dataset_error_or_harmless(tmp_path, place, junk):
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 32, 32), np.uint8))
    content = bytearray(stream.getvalue())
    content[place : place + len(junk)] = junk.encode()
    read_damaged(tmp_path / "damaged.npz", archive(bytes(content)))


@pytest.mark.parametrize(
    "member",
    [
        b"text",
        b"",
        b"\x93NUMPY\x01\x00\x0e\x00{'descr': '|u1'",
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 9999999), }".ljust(117)
        + b"\n",
    ],
    ids=["text", "nothing", "half a header", "a shape of a petabyte"],
)  # fmt: skip
def test_a_member_that_is_no_array_is_a_dataset_error(tmp_path, member):
    file = tmp_path / "odd.npz"
    file.write_bytes(archive(member))
    with pytest.raises(DatasetError, match=r"odd\.npz"):
        load_dataset(DataConfig(path=str(file), image_size=32))


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no images here")
    with pytest.raises(DatasetError, match=r"notes\.txt is neither a folder nor an \.npz file"):
        load_dataset(DataConfig(path=str(tmp_path / "notes.txt"), image_size=32))
