"""Images in NPZ and NPY files: which array they are, how its axes lie, what its numbers mean; labels; damage."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.preparation import Prepared, prepare
from core.data.sources.members import npy_members, npz_members
from core.utils.untrusted import UnreadableError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 16, 16), dtype=np.uint8)
IMAGES[:, 0, :2] = 0, 255
COLOUR = RNG.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
DIGITS = np.arange(60) % 10


def read(path: Path, **options: object) -> Prepared:
    return prepare(DataConfig(path=str(path), image_size=16, **options), cache=path.parent / "cache")


def npz(tmp_path: Path, **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / "d.npz", **arrays)  # pyright: ignore[reportArgumentType]
    return tmp_path / "d.npz"


def label(prepared: Prepared, name: str) -> list:
    """The values of a label, by their names where it has categories."""
    (found,) = (each for each in prepared.labels if each.name == name)
    if not found.categories:
        return found.values.tolist()
    return [None if np.isnan(value) else found.categories[int(value)] for value in found.values]


# which array


@pytest.mark.parametrize("key", ["imgs", "images", "X", "data", "arr_0", "my_pictures"])
def test_the_only_array_of_images_is_found_whatever_its_name(tmp_path, key):
    np.testing.assert_array_equal(read(npz(tmp_path, **{key: IMAGES})).images[..., 0], IMAGES)


def test_an_npy_file_is_an_array(tmp_path):
    np.save(tmp_path / "single.npy", IMAGES)
    np.testing.assert_array_equal(read(tmp_path / "single.npy").images[..., 0], IMAGES)


def test_of_several_arrays_one_is_known_or_named(tmp_path):
    assert len(read(npz(tmp_path, images=IMAGES, masks=IMAGES[:5])).images) == 60
    file = npz(tmp_path, left=IMAGES, right=IMAGES[:5])
    with pytest.raises(DatasetError, match=r"left uint8 \(60, 16, 16\), right .*Name one in data.array"):
        read(file)
    assert len(read(file, array="right").images) == 5
    with pytest.raises(DatasetError, match=r"may be the images: left_images .* right_images"):
        read(npz(tmp_path, left_images=IMAGES, right_images=IMAGES))
    file = npz(tmp_path, left=IMAGES, right=IMAGES[:5])
    with pytest.raises(DatasetError, match=r"no array 'middle' \(data.array\); it holds left"):
        read(file, array="middle")


@pytest.mark.parametrize(
    ("train", "test"), [("x_train", "x_test"), ("train_images", "val_images"), ("X_train", "X_valid")]
)
def test_training_and_test_arrays_follow_one_another_and_are_the_split(tmp_path, train, test):
    labels = {train.replace("x_", "y_").replace("X_", "y_").replace("images", "labels"): DIGITS[:40]}
    labels |= {test.replace("x_", "y_").replace("X_", "y_").replace("images", "labels"): DIGITS[40:]}
    prepared = read(npz(tmp_path, **{test: IMAGES[40:], train: IMAGES[:40]}, **labels))
    np.testing.assert_array_equal(prepared.images[..., 0], IMAGES)
    assert prepared.given_split is not None
    assert prepared.given_split.tolist() == [0] * 40 + [1] * 20
    assert label(prepared, "class") == [str(digit) for digit in DIGITS]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros(3)}, r"holds a float64 \(3,\); none of it is images, numbers \(N, H, W\)"),
        ({"a": np.zeros((16, 16))}, r"If each array is one image, .*numpy\.stack"),
        ({"imgs": np.zeros((2, 16, 3))}, "If it is one image, save several"),
        ({"imgs": np.zeros((2, 16, 16, 16))}, "Which axis is the channels cannot be told"),
        ({"imgs": np.zeros((0, 16, 16))}, "holds no image"),
        ({"imgs": np.zeros((2, 3072))}, "do not say in which order"),
        ({"imgs": np.zeros((2, 16, 16), complex)}, "none of it is images"),
        ({"x_train": IMAGES, "x_test": COLOUR}, "differ in shape or type"),
    ],
)
def test_what_is_wrong_with_an_array_is_said(tmp_path, arrays, said):
    with pytest.raises(DatasetError, match=said):
        read(npz(tmp_path, **arrays))


# axes and numbers


@pytest.mark.parametrize(
    "array",
    [IMAGES[:, None], IMAGES[..., None], IMAGES.reshape(60, -1), np.asfortranarray(IMAGES), IMAGES.astype(">i4")],
    ids=["N1HW", "NHW1", "rows", "Fortran order", "big-endian"],
)
def test_axes_may_lie_in_any_order(tmp_path, array):
    np.testing.assert_array_equal(read(npz(tmp_path, imgs=array)).images[..., 0], IMAGES)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read(tmp_path / "a.npy").images[..., 0], IMAGES)


def test_channels_before_rows(tmp_path):
    images = read(npz(tmp_path, imgs=np.moveaxis(COLOUR, -1, 1)), channels=3).images
    np.testing.assert_array_equal(images, COLOUR)


@pytest.mark.parametrize(
    "array",
    [
        IMAGES.astype(np.int64),
        IMAGES.astype(np.uint16) * 257,
        IMAGES.astype(np.float32),
        IMAGES.astype(np.float64) / 255,
        IMAGES.astype(np.float32) / 127.5 - 1,
        np.minimum(IMAGES.astype(np.float32) / 255 + 1e-6 * (IMAGES > 0), 1.0000001),
        IMAGES.astype(np.float32) * 37 - 4000,
        IMAGES.astype(np.int16) * 9 - 700,
    ],
    ids=["int64", "uint16", "0 to 255", "0 to 1", "-1 to 1", "a little above 1", "any float", "negative integers"],
)
def test_numbers_of_any_type_give_the_same_pixels(tmp_path, array):
    np.testing.assert_array_equal(read(npz(tmp_path, imgs=array)).images[..., 0], IMAGES)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_zero_and_one_are_black_and_white(tmp_path, dtype):
    drawn = read(npz(tmp_path, imgs=(IMAGES > 127).astype(dtype))).images[..., 0]
    np.testing.assert_array_equal(drawn, np.where(IMAGES > 127, 255, 0))


def test_black_stays_black_and_equal_images_are_counted(tmp_path):
    prepared = read(npz(tmp_path, imgs=np.zeros((60, 16, 16), np.uint8)))
    assert not prepared.images.any()
    assert prepared.statistics.constant == 60
    assert prepared.statistics.duplicates == 59
    assert prepared.statistics.duplicate_examples[0] == ("0", "1")


def test_pixels_that_are_not_finite_are_noted(tmp_path):
    images = IMAGES / 255.0
    images[3, 4, 5] = np.nan
    prepared = read(npz(tmp_path, imgs=images))
    assert prepared.images[3, 4, 5, 0] == 0
    assert any(note.startswith("1 value not finite") for note in prepared.notes)


def test_a_fourth_channel_that_looks_like_transparency_is_one(tmp_path):
    rgba = np.zeros((10, 16, 16, 4), np.uint8)
    rgba[:, 4:12, 4:12, 3] = 255  # a black square on a ground that is not there
    images = read(npz(tmp_path, imgs=rgba)).images
    assert images[0, 8, 8] == 0
    assert images[0, 0, 0] == 255
    deep = RNG.random((10, 16, 16, 4))
    notes = read(npz(tmp_path, imgs=deep), channels=3).notes
    assert "Of 4 channels the first three are taken as red, green and blue; data.planes chooses others." in notes


def test_channels_are_chosen(tmp_path):
    many = RNG.integers(0, 256, (20, 16, 16, 7), dtype=np.uint8)
    file = npz(tmp_path, imgs=many)
    np.testing.assert_array_equal(read(file, channels=3).images, many[..., :3])
    np.testing.assert_array_equal(read(file, channels=3, planes="6,2,4").images, many[..., [6, 2, 4]])
    np.testing.assert_array_equal(read(file, planes="5").images[..., 0], many[..., 5])
    two = read(file, channels=3, planes="1,0").images
    np.testing.assert_array_equal(two[..., :2], many[..., [1, 0]])
    assert not two[..., 2].any()
    with pytest.raises(DatasetError, match=r"has 7 channels, numbered from 0; data.planes is '7'"):
        read(file, planes="7")
    assert any("the first is taken" in note for note in read(npz(tmp_path, imgs=many[..., :2])).notes)


# labels


def test_dsprites_keys(tmp_path):
    prepared = read(
        npz(
            tmp_path,
            imgs=(IMAGES > 127).astype(np.uint8),
            latents_values=np.stack([np.ones(60), DIGITS % 3 + 1, RNG.random(60)], 1),
            latents_classes=np.zeros((60, 3), np.int64),
            latents_names=np.array([b"color", b"shape", b"scale"]),
            metadata=np.array({"title": "x"}, dtype=object),
        )
    )
    assert [each.name for each in prepared.labels] == ["shape", "scale"]
    assert label(prepared, "shape")[:4] == ["1", "2", "3", "1"]
    assert "A label that is the same for all: color." in prepared.notes
    assert any("metadata holds Python objects and is not read" in note for note in prepared.notes)


def test_the_columns_of_dsprites_have_their_names_where_the_file_does_not_tell(tmp_path):
    ones = np.ones(60)
    columns = [ones, DIGITS % 3 + 1, ones / 2, DIGITS / 10 * 6.28, DIGITS / 10, (DIGITS % 7) / 7]
    prepared = read(npz(tmp_path, imgs=IMAGES, latents_values=np.stack(columns, 1)))
    assert [each.name for each in prepared.labels] == ["shape", "orientation", "posX", "posY"]
    assert label(prepared, "shape")[:3] == ["square", "ellipse", "heart"]
    kept = read(npz(tmp_path, imgs=IMAGES, latents_values=np.stack(columns, 1)), number_labels="numbers")
    np.testing.assert_array_equal(label(kept, "shape"), DIGITS % 3 + 1)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (DIGITS, [str(digit) for digit in DIGITS]),
        (DIGITS.astype(np.uint8)[:, None], [str(digit) for digit in DIGITS]),
        (np.array([["cat"], ["dog"]] * 30), ["cat", "dog"] * 30),
        (np.array([b"cat", b""] * 29 + [b"d10", b"d9"]), ["cat", None] * 29 + ["d10", "d9"]),
        (DIGITS > 4, ["true" if digit > 4 else "false" for digit in DIGITS]),
        (np.eye(10)[DIGITS], [str(digit) for digit in DIGITS]),
        (np.array([3, 8] * 30), ["3", "8"] * 30),
    ],
    ids=["integers", "a column", "text", "bytes", "truth", "one-hot", "few with gaps"],
)
def test_labels_that_are_classes(tmp_path, array, expected):
    assert label(read(npz(tmp_path, images=IMAGES, labels=array)), "class") == expected


def test_names_of_classes_are_taken(tmp_path):
    names = np.array([f"kind {index}" for index in range(10)])
    prepared = read(npz(tmp_path, images=IMAGES, labels=DIGITS, class_names=names))
    assert label(prepared, "class")[:2] == ["kind 0", "kind 1"]


def test_numbers_stay_numbers_and_nan_stays_unknown(tmp_path):
    age = np.linspace(0, 99, 60)
    values = np.where(np.arange(60) == 5, np.nan, DIGITS)[:, None].astype(float)
    prepared = read(npz(tmp_path, imgs=IMAGES, latents_values=values, age=age, id=np.arange(60) * 7))
    np.testing.assert_array_equal(label(prepared, "factor1"), values[:, 0])
    np.testing.assert_allclose(label(prepared, "age"), age, rtol=1e-6)
    assert label(prepared, "id")[:3] == [0, 7, 14]


def test_what_does_not_fit_the_images_is_noted(tmp_path):
    prepared = read(npz(tmp_path, imgs=IMAGES, ids=np.arange(7), masks=IMAGES[:3], wide=np.zeros((60, 512))))
    assert not prepared.labels
    assert "Not taken as labels of 60 images: ids (7,), masks (3, 16, 16), wide (60, 512)." in prepared.notes


def test_index_arrays_of_an_export_are_its_split(tmp_path):
    order = RNG.permutation(60)
    split = read(npz(tmp_path, imgs=IMAGES, train=order[:50], validation=order[50:])).given_split
    assert split is not None
    assert set(np.flatnonzero(split)) == set(order[50:])


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_arrays_that_say_of_each_image_on_which_side_it_is_are_the_split(tmp_path, kind):
    side = np.repeat([0, 1, 2], [40, 12, 8])
    masks = {name: (side == place).astype(kind) for place, name in enumerate(("train", "validation", "held_out"))}
    every = read(npz(tmp_path, imgs=IMAGES, **masks))
    np.testing.assert_array_equal(every.given_split, side)
    assert not every.labels
    for name, expected in (("train", side > 0), ("validation", side == 1), ("held_out", 2 * (side == 2))):
        np.testing.assert_array_equal(read(npz(tmp_path, imgs=IMAGES, **{name: masks[name]})).given_split, expected)


def test_arrays_called_as_sides_that_do_not_fit_are_told(tmp_path):
    overlapping = {"train": np.arange(60) < 50, "held_out": np.arange(60) > 40}
    for arrays in (overlapping, {"train": np.arange(50)}, {"train": np.arange(60) / 2}, {"train": np.arange(0)}):
        prepared = read(npz(tmp_path, imgs=IMAGES, **arrays))
        assert prepared.given_split is None
        assert any(note.startswith("Not taken as the split: train (") for note in prepared.notes)


# damage


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_python_objects_are_never_loaded(tmp_path, suffix):
    array = np.array([Bomb(tmp_path / "exploded")] * 2, dtype=object)
    (np.savez if suffix == "npz" else np.save)(tmp_path / f"a.{suffix}", array)
    with pytest.raises(DatasetError, match=rf"a\.{suffix}"):
        read(tmp_path / f"a.{suffix}")
    assert not (tmp_path / "exploded").exists()


def read_damaged(file: Path, content: bytes) -> None:
    """Read what may be damaged: fine, or a ``DatasetError`` that names the file; anything else fails."""
    file.write_bytes(content)
    try:
        read(file)
    except DatasetError as error:
        assert file.name in str(error)  # noqa: PT017  # reading may also succeed


fuzzed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
@given(st.booleans(), st.integers(0, 127), st.text("0123456789(){}[],:'<|xXuifbOVSUM \0", min_size=1, max_size=4))
def test_any_damage_to_an_array_header_is_a_dataset_error_or_harmless(tmp_path, alone, place, junk):
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 32, 32), np.uint8))
    content = bytearray(stream.getvalue())
    content[place : place + len(junk)] = junk.encode()
    if alone:
        read_damaged(tmp_path / "damaged.npy", bytes(content))
    else:
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
        read(file)


def conversion(path: Path) -> list[str]:
    """The command that the refusal of ``path`` gives, with this Python."""
    with pytest.raises(DatasetError) as caught:
        read(path)
    command = str(caught.value).splitlines()[-1].strip()
    return [sys.executable, *shlex.split(command)[1:]]


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell's command")
def test_the_command_that_converts_a_file_runs_nothing_that_is_in_its_name(tmp_path):
    file = tmp_path / "a$(touch ran)'; touch ran; '`touch ran`.mat"
    file.write_bytes(b"")
    command = conversion(file)
    assert command[-1] == str(file)
    subprocess.run(["sh", "-c", f"true {shlex.join(command)}"], cwd=tmp_path, check=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["a dictionary", "a pair", "one tensor"])
def test_the_command_for_a_pytorch_file_writes_what_is_then_read(tmp_path, monkeypatch, kind):
    images, digits = torch.from_numpy(IMAGES), torch.from_numpy(DIGITS)
    made = {"a dictionary": {"x": images, "y": digits, "epoch": 3}, "a pair": (images, digits), "one tensor": images}
    torch.save(made[kind], tmp_path / "mine.pt")
    python, option, code, *arguments = conversion(tmp_path / "mine.pt")
    assert (python, option) == (sys.executable, "-c")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [option, *arguments])
    exec(code, {})  # here, where torch is loaded already
    found = read(tmp_path / "images.npz")
    np.testing.assert_array_equal(found.images[..., 0], IMAGES)
    assert [each.name for each in found.labels] == ([] if kind == "one tensor" else ["class"])


def test_the_command_for_a_matlab_file_writes_what_is_then_read(tmp_path):
    savemat(tmp_path / "mine.mat", {"X": IMAGES, "y": DIGITS, "names": np.array([["cell"]], dtype=object)})
    subprocess.run(conversion(tmp_path / "mine.mat"), cwd=tmp_path, check=True)
    np.testing.assert_array_equal(read(tmp_path / "images.npz").images[..., 0], IMAGES)


@pytest.mark.parametrize("name", ["a.pkl", "a.joblib", "pickled"])
def test_no_command_loads_a_pickle_of_unknown_origin(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(DatasetError, match=r"runs whatever code is in it.*where it was made: numpy\.savez") as caught:
        read(tmp_path / name)
    assert "load(" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.pt", r"(?s)a PyTorch file.*numpy\.savez"),
        ("a.mat", r"(?s)scipy\.io\.loadmat.*numpy\.savez"),
        ("a.tfrecord", r"where it was made: numpy\.savez"),
        ("a.zip", "Unpack it"),
        ("a.csv", "Give the folder of the images"),
        ("a.xyz", "nor a file with arrays"),
    ],
)
def test_files_of_another_kind_are_refused_with_what_to_do(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DatasetError, match=said):
        read(tmp_path / name)


def test_a_folder_of_npy_files_has_an_image_in_each(tmp_path):
    for place, image in ((0, IMAGES[0]), (2, COLOUR[1]), (10, np.moveaxis(COLOUR[2], -1, 0))):
        (tmp_path / "in").mkdir(exist_ok=True)
        np.save(tmp_path / "in" / f"{place}.npy", image)
    np.save(tmp_path / "in" / "11.npy", np.zeros(7))
    np.save(tmp_path / "in" / "12.npy", np.array([Bomb(tmp_path / "exploded")], dtype=object))
    prepared = prepare(DataConfig(path=str(tmp_path / "in"), image_size=16, channels=3), cache=tmp_path / "cache")
    assert prepared.names == ("0.npy", "2.npy", "10.npy")
    np.testing.assert_array_equal(prepared.images[0, ..., 2], IMAGES[0])
    np.testing.assert_array_equal(prepared.images[1:], COLOUR[1:3])
    assert [skipped.name for skipped in prepared.skipped] == ["11.npy", "12.npy"]
    assert not (tmp_path / "exploded").exists()


def test_pixels_that_lie_flat_beside_the_images_are_no_labels(tmp_path):
    file = npz(
        tmp_path, images=IMAGES, data=IMAGES.reshape(60, -1), target=DIGITS, target_names=np.array(list("abcdefghij"))
    )
    prepared = read(file)
    assert [each.name for each in prepared.labels] == ["class"]
    assert label(prepared, "class")[:2] == ["a", "b"]


def test_integers_of_a_factor_that_is_a_class_are_classes(tmp_path):
    found = read(npz(tmp_path, images=IMAGES, species=DIGITS[:, None], size=DIGITS[:, None]))
    assert label(found, "species") == [str(digit) for digit in DIGITS]
    assert label(found, "size") == DIGITS.tolist()


# names


@pytest.mark.parametrize("key", ["files", "filenames", "image_id", "names", "whatever"])
def test_names_of_files_are_the_names_of_the_images_and_no_classes(tmp_path, key):
    names = [f"a/{i}.png" for i in range(60)]
    prepared = read(npz(tmp_path, images=IMAGES, labels=DIGITS, **{key: np.array(names)}))
    assert prepared.names == tuple(names)
    assert [found.name for found in prepared.labels] == ["class"]
    assert f"The images have the names in {key}." in prepared.notes


def test_names_of_images_in_two_parts_follow_one_another(tmp_path):
    names = np.array([f"{i}.png" for i in range(60)])
    parts = {"train_files": names[:40], "test_files": names[40:]}
    prepared = read(npz(tmp_path, train_images=IMAGES[:40], test_images=IMAGES[40:], **parts))
    assert prepared.names == tuple(names)


def test_many_texts_of_which_no_two_are_the_same_are_no_classes(tmp_path):
    remarks = np.array([f"remark {i}" for i in range(60)])
    prepared = read(npz(tmp_path, images=IMAGES, remarks=remarks))
    assert not prepared.labels
    assert not prepared.names
    assert "Not taken as a label: remarks, which holds 60 different texts." in prepared.notes


def test_integers_of_an_array_that_is_called_as_a_class_can_stay_numbers(tmp_path):
    file = npz(tmp_path, images=IMAGES, labels=DIGITS)
    found = read(file)
    assert label(found, "class")[:3] == ["0", "1", "2"]
    assert any(note.startswith("The 10 different whole numbers in labels are taken as classes") for note in found.notes)
    kept = read(file, number_labels="numbers")
    assert label(kept, "class") == DIGITS.tolist()
    assert not any("taken as classes" in note for note in kept.notes)


def test_an_export_of_named_images_is_read_again_with_its_names(tmp_path):
    from core.data.export import export_npz
    from core.data.loading import load_dataset

    named = npz(tmp_path, images=IMAGES, labels=DIGITS, files=np.array([f"{i}.png" for i in range(60)]))
    config = DataConfig(path=str(named), image_size=16)
    dataset = load_dataset(config, cache=tmp_path / "cache")
    export_npz(dataset, tmp_path / "export.npz")
    again = load_dataset(DataConfig(path=str(tmp_path / "export.npz"), image_size=16), cache=tmp_path / "cache")
    assert again.names == dataset.names
    assert again.factor_names == ("class",)
    np.testing.assert_array_equal(again.validation, dataset.validation)


def test_labels_of_one_name_that_differ_are_both_kept(tmp_path):
    prepared = read(npz(tmp_path, images=IMAGES, y=DIGITS, labels=DIGITS // 5))
    assert [found.name for found in prepared.labels] == ["class", "class (2)"]
    assert prepared.labels[1].values.tolist() == (DIGITS // 5).tolist()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_texts_of_what_is_no_character_are_refused_in_whatever_order_they_lie(tmp_path, suffix, order):
    codes = np.full((3, 2), 0x110000, np.uint32, order=order)
    file = tmp_path / f"names{suffix}"
    texts = codes.view("<U1") if order == "C" else codes.T.view("<U1").T
    assert texts.flags[f"{order}_CONTIGUOUS"]
    (np.save if suffix == ".npy" else np.savez)(file, texts)
    (member,) = npy_members(file) if suffix == ".npy" else npz_members(file, [])
    with pytest.raises(UnreadableError, match="its texts hold what is no character"):
        member.read()
