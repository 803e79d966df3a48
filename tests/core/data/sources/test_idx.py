"""MNIST's own files: images, their labels found by name, packed or not, as a folder with a split."""

from __future__ import annotations

import gzip
import pickle
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.preparation import Prepared, prepare

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 28, 28), dtype=np.uint8)
DIGITS = (np.arange(50) % 10).astype(np.uint8)


def write(file: Path, array: np.ndarray) -> None:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def read(path: Path) -> Prepared:
    return prepare(DataConfig(path=str(path), image_size=28), cache=path.parent / "cache")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    ],
)
def test_images_find_their_labels_by_name_and_say_so(tmp_path, images, labels):
    write(tmp_path / images, IMAGES)
    write(tmp_path / labels, DIGITS)
    prepared = read(tmp_path / images)
    np.testing.assert_array_equal(prepared.images[..., 0], IMAGES)
    assert prepared.labels[0].name == "class"
    assert prepared.labels[0].values.tolist() == DIGITS.tolist()
    assert f"Classes of {images} are read from {labels} beside it." in prepared.notes


def test_labels_that_change_are_read_again(tmp_path):
    write(tmp_path / "images-idx3-ubyte", IMAGES)
    assert not read(tmp_path / "images-idx3-ubyte").labels
    write(tmp_path / "labels-idx1-ubyte", DIGITS)
    assert read(tmp_path / "images-idx3-ubyte").labels


def test_a_folder_of_both_parts_is_one_data_set_with_its_split(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, part in (("t10k", slice(40, 50)), ("train", slice(0, 40))):
        write(folder / f"{name}-images-idx3-ubyte.gz", IMAGES[part])
        write(folder / f"{name}-labels-idx1-ubyte.gz", DIGITS[part])
    prepared = read(folder)
    np.testing.assert_array_equal(prepared.images[..., 0], IMAGES)
    assert prepared.labels[0].name == "class"
    assert prepared.labels[0].categories == tuple("0123456789")
    assert prepared.labels[0].values.tolist() == DIGITS.tolist()
    assert prepared.given_split is not None
    assert prepared.given_split.tolist() == [0] * 40 + [1] * 10


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, suffix):
    file = tmp_path / f"images-idx3-ubyte{suffix}"
    write(file, IMAGES)
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DatasetError, match="images-idx3-ubyte"):
        read(file)


def test_a_header_of_a_petabyte_takes_no_memory(tmp_path):
    header = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**31, 999, 999)
    (tmp_path / "a-images-idx3-ubyte.gz").write_bytes(gzip.compress(header))
    with pytest.raises(DatasetError, match="damaged or cut off in images after 0 images"):
        read(tmp_path / "a-images-idx3-ubyte.gz")


def test_cifars_pickles_are_refused_and_a_command_converts_its_binary_version(tmp_path):
    command: list[str] = []
    pickles, binary = tmp_path / "cifar-10-batches-py", tmp_path / "cifar-10-batches-bin"
    pickles.mkdir()
    binary.mkdir()
    pixels = RNG.integers(0, 256, (6, 4, 3072), dtype=np.uint8)
    for name, data in zip([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], pixels, strict=True):
        (pickles / name).write_bytes(pickle.dumps({"data": data, "labels": [0, 1, 2, 3]}, protocol=2))
        labels = np.arange(4, dtype=np.uint8)[:, None]
        (binary / f"{name}.bin").write_bytes(np.concatenate([labels, data], axis=1).tobytes())
    for path in (pickles, pickles / "data_batch_1"):
        with pytest.raises(DatasetError, match=r"(?s)run whatever code is in them.*cifar-10-binary") as caught:
            read(path)
        assert "pickle.load" not in str(caught.value)
        assert shlex.split(str(caught.value).splitlines()[-1])[-1] == binary.name
    for path in (binary, binary / "test_batch.bin"):
        with pytest.raises(DatasetError, match="CIFAR-10's binary version") as caught:
            read(path)
        command = shlex.split(str(caught.value).splitlines()[-1])
        assert command[-1] == str(binary)
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    found = prepare(DataConfig(path=str(tmp_path / "cifar10.npz"), image_size=32, channels=3), cache=tmp_path / "cache")
    np.testing.assert_array_equal(found.images, np.moveaxis(pixels.reshape(24, 3, 32, 32), 1, -1))
    assert found.given_split is not None
    assert np.array_equal(found.given_split, [0] * 20 + [1] * 4)


def test_damage_inside_a_packed_file_is_named(tmp_path):
    file = tmp_path / "images-idx3-ubyte.gz"
    write(file, IMAGES)
    content = bytearray(file.read_bytes())
    content[12:16] = b"\xff\xff\xff\xff"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"images-idx3-ubyte\.gz"):
        read(file)
