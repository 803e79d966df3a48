"""HDF5 files: the keys of published data sets and any others; nothing that lies in other files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.preparation import Prepared, prepare

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)


def read(path: Path, **options: object) -> Prepared:
    return prepare(DataConfig(path=str(path), image_size=16, channels=3, **options), cache=path.parent / "cache")


def written(tmp_path: Path, name: str = "a.h5", **arrays: object) -> Path:
    with h5py.File(tmp_path / name, "w") as file:
        for key, array in arrays.items():
            file[key.replace("__", "/")] = array
    return tmp_path / name


def test_the_keys_of_3dshapes(tmp_path):
    labels = np.stack([
        RNG.integers(0, 10, 40) / 10, RNG.integers(0, 10, 40) / 10, RNG.integers(0, 10, 40) / 10,
        RNG.choice([0.75, 1.25], 40), np.arange(40) % 4, RNG.integers(-30, 31, 40),
    ], 1)  # fmt: skip
    prepared = read(written(tmp_path, "3dshapes.h5", images=IMAGES, labels=labels))
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert [label.name for label in prepared.labels] == [
        "floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation",
    ]  # fmt: skip
    assert prepared.labels[4].categories == ("cube", "cylinder", "sphere", "capsule")
    np.testing.assert_allclose(prepared.labels[0].values, labels[:, 0], rtol=1e-6)


def test_groups_for_training_and_test_are_the_split(tmp_path):
    names = {"train__images": IMAGES[:30], "test__images": IMAGES[30:]}
    labels = {"train__labels": np.arange(30) % 3, "test__labels": np.arange(10) % 3}
    prepared = read(written(tmp_path, "a.hdf5", **names, **labels))
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert prepared.given_split is not None
    assert prepared.given_split.sum() == 10
    assert prepared.labels[0].categories == ("0", "1", "2")


def test_any_array_by_name_in_chunks_and_texts_as_classes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/left", data=IMAGES, chunks=(7, 16, 16, 3), compression="gzip")
        file["deep/right"] = IMAGES[::-1]
        file["species"] = ["cat", "dög"] * 20
    with pytest.raises(DatasetError, match=r"deep/left uint8 .*Name one in data\.array"):
        read(tmp_path / "a.h5")
    prepared = read(tmp_path / "a.h5", array="deep/left")
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert prepared.labels[0].categories == ("cat", "dög")


def test_arrays_of_one_name_in_two_groups_are_not_chosen_between(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["left/x"], file["right/x"] = IMAGES, IMAGES[::-1]
    with pytest.raises(DatasetError, match=r"left/x uint8 .* right/x uint8 .*Name one in data\.array"):
        read(tmp_path / "a.h5")


def test_labels_are_called_as_they_are_in_their_groups(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/frames"] = IMAGES
        file["run/labels/shape"] = np.arange(40) % 3
        file["run/labels/size"] = np.arange(40) / 40
    shape, size = read(tmp_path / "a.h5").labels
    assert (shape.name, shape.categories) == ("shape", ("0", "1", "2"))
    assert (size.name, size.categories) == ("size", ())


def test_what_lies_in_other_files_is_not_followed(tmp_path):
    written(tmp_path, "other.h5", secret=np.zeros(40))
    file = written(tmp_path, images=IMAGES)
    (tmp_path / "raw.bin").write_bytes(bytes(40))
    with h5py.File(file, "a") as opened:
        opened["elsewhere"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
        opened["loop"] = h5py.SoftLink("/")
        opened.create_dataset("outside", (40,), "u1", external=[(str(tmp_path / "raw.bin"), 0, 40)])
    prepared = read(file)
    assert len(prepared.images) == 40
    assert not prepared.labels
    assert sum("not followed" in note for note in prepared.notes) == 2
    assert "outside lies in other files and is not read." in prepared.notes


@pytest.mark.parametrize("cut", [0, 4, 600, -100])
def test_damaged_files_are_refused(tmp_path, cut):
    file = written(tmp_path, images=IMAGES)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DatasetError, match=r"a\.h5"):
        read(file)
