"""HDF5 files: the keys of published data sets and any others; nothing that lies in other files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.preparation import Prepared, prepare
from core.data.sources.hdf5 import hdf5_members

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _looked_at_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """These files are sound: no process need look at them first."""
    monkeypatch.setattr("core.data.sources.hdf5.check_ends", lambda *_: None)


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
    said = "links are not followed, such as elsewhere: they may lead into other files, or to what is read already."
    assert f"2 {said}" in prepared.notes
    assert "1 array lies in other files and is not read, such as outside." in prepared.notes


@pytest.mark.parametrize("cut", [0, 4, 600, -100])
def test_damaged_files_are_refused(tmp_path, cut):
    file = written(tmp_path, images=IMAGES)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(DatasetError, match=r"a\.h5"):
        read(file)


# a dataset for each image


def of_many(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return tmp_path / "many.h5"


def test_datasets_that_are_an_image_each_are_read_in_natural_order_with_their_names(tmp_path):
    arrays = {f"images/{i}": IMAGES[i] for i in range(40)}
    file = of_many(tmp_path, arrays | {"labels": np.arange(40) % 3, "mean": IMAGES.mean(axis=0)})
    with h5py.File(file, "a") as opened:
        opened["images/0"].attrs.update({"CLASS": "IMAGE", "IMAGE_VERSION": "1.2", "stage": 3})
    prepared = read(file)
    assert prepared.names == tuple(f"images/{i}" for i in range(40))
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert not prepared.labels  # nothing says which row is about which image
    table = "a table that data.labels names can give labels."
    assert f"2 arrays are not taken as images or labels: labels (40,), mean (16, 16, 3); {table}" in prepared.notes
    assert f"Attributes of the images are not read: stage; {table}" in prepared.notes


def test_their_shapes_channels_and_depths_may_differ(tmp_path):
    wide = RNG.integers(0, 4096, (16, 24), dtype=np.uint16)
    file = of_many(
        tmp_path,
        {"7": IMAGES[0], "8": np.moveaxis(IMAGES[1], -1, 0), "9": IMAGES[2, ..., :1], "10": wide.astype(">u2")},
    )
    prepared = read(file)
    assert prepared.names == ("7", "8", "9", "10")
    np.testing.assert_array_equal(prepared.images[:2], IMAGES[:2])
    np.testing.assert_array_equal(prepared.images[2], np.repeat(IMAGES[2, ..., :1], 3, -1))
    assert any(note.startswith("Images of 2 sizes") for note in prepared.notes)


@pytest.mark.parametrize("form", ["{group}/{i}", "{group}/{i:03d}/image", "all/{group}/{i}.png", "{group}/a{i}f"])
def test_groups_are_classes_and_the_split_as_folders_are(tmp_path, form):
    classes = of_many(tmp_path, {form.format(group="cat" if i % 2 else "dog", i=i): IMAGES[i] for i in range(40)})
    (label,) = read(classes).labels
    assert (label.name, label.categories) == ("class", ("cat", "dog"))
    assert label.values.tolist() == [0.0] * 20 + [1.0] * 20
    split = of_many(tmp_path, {form.format(group="test" if i % 4 else "train", i=i): IMAGES[i] for i in range(40)})
    given = read(split).given_split
    assert given is not None
    assert given.sum() == 30


def test_of_an_image_and_a_mask_in_each_group_the_image_is_taken_or_what_is_named(tmp_path):
    images = {f"{i:04d}/image": IMAGES[i] for i in range(40)}
    masks = {f"{i:04d}/mask1": np.uint8(255) * (IMAGES[i, ..., 0] > 99) for i in range(40)}
    file = of_many(tmp_path, images | masks)
    np.testing.assert_array_equal(read(file).images, IMAGES)
    assert read(file).names[:2] == ("0000", "0001")
    assert set(np.unique(read(file, array="mask1").images)) == {0, 255}


def test_a_stack_or_rows_beside_numbered_arrays_are_the_images(tmp_path):
    numbered = {"embedding1": RNG.random((40, 16)), "embedding2": RNG.random((40, 16))}
    np.testing.assert_array_equal(read(of_many(tmp_path, {"images": IMAGES} | numbered)).images, IMAGES)
    rows = read(of_many(tmp_path, {"x": IMAGES[..., 0].reshape(40, 256)} | numbered))
    np.testing.assert_array_equal(rows.images[..., 0], IMAGES[..., 0])


def test_a_damaged_dataset_is_skipped_with_its_name(tmp_path):
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as opened:
        for i in range(4):
            opened.create_dataset(f"images/{i}", data=IMAGES[i], chunks=(16, 16, 3), compression="gzip")
        place = opened["images/2"].id.get_chunk_info(0).byte_offset
    content = bytearray(file.read_bytes())
    content[place : place + 20] = bytes(20)
    file.write_bytes(content)
    prepared = read(file)
    assert prepared.names == ("images/0", "images/1", "images/3")
    assert [skipped.name for skipped in prepared.skipped] == ["images/2"]
    assert prepared.skipped[0].reason.startswith("damaged or cut off")


def test_a_class_or_a_side_of_the_split_may_have_a_single_image(tmp_path):
    split = of_many(tmp_path, {"train/a.png": IMAGES[0], "train/b.png": IMAGES[1], "test/c.png": IMAGES[2]})
    assert read(split).names == ("test/c.png", "train/a.png", "train/b.png")
    assert read(split).given_split.tolist() == [1, 0, 0]
    classes = of_many(tmp_path, {"cat/1": IMAGES[0], "cat/2": IMAGES[1], "dog/1": IMAGES[2]})
    assert read(classes).labels[0].categories == ("cat", "dog")


@pytest.mark.parametrize("name", ["x", "data", "frames", "arr_0"])
def test_classes_that_are_called_as_arrays_often_are_lose_no_image(tmp_path, name):
    file = of_many(tmp_path, {f"{group}/{i}": IMAGES[i] for group in ("w", name, "y") for i in range(3)})
    prepared = read(file)
    assert len(prepared.images) == 9
    assert prepared.labels[0].categories == tuple(sorted(("w", name, "y")))


def test_several_arrays_of_each_image_are_not_mixed(tmp_path):
    names = [f"{i}/{kind}" for i in range(9) for kind in ("depth", "rgb")]
    file = of_many(tmp_path, {name: IMAGES[i] for i, name in enumerate(names)})
    said = r"several kinds of arrays .*: \*/depth \(9\), \*/rgb \(9\)\. Name one in data\.array, such as depth\."
    with pytest.raises(DatasetError, match=said):
        read(file)
    np.testing.assert_array_equal(read(file, array="rgb").images, IMAGES[1:18:2])
    deeper = of_many(tmp_path, {f"{name}/raw": IMAGES[i] for i, name in enumerate(names)})
    with pytest.raises(DatasetError, match=r"such as depth\."):
        read(deeper)
    assert len(read(deeper, array="rgb").images) == 9
    folds = of_many(tmp_path, {f"fold{i % 2}/{'cat' if i % 4 else 'dog'}/{i}": IMAGES[i] for i in range(40)})
    assert len(read(folds).images) == 40


def test_which_arrays_are_taken_as_images_is_said(tmp_path):
    weights = {f"dense_{i}/kernel": RNG.random((98 - 8 * i, 64)) for i in range(2)}
    assert "Taken as an image each: */kernel (2)." in read(of_many(tmp_path, weights)).notes


def test_links_are_counted_in_one_note(tmp_path):
    file = of_many(tmp_path, {f"images/{i}": IMAGES[i] for i in range(40)})
    with h5py.File(file, "a") as opened:
        for i in range(300):
            opened[f"linked/{i}"] = h5py.SoftLink(f"/images/{i % 40}")
    notes = read(file).notes
    assert next(note for note in notes if "link" in note).startswith("300 links are not followed, such as linked/0:")
    assert len(notes) < 6


def test_a_group_that_holds_itself_is_read_once(tmp_path):
    file = of_many(tmp_path, {f"images/{i}": IMAGES[i] for i in range(40)})
    with h5py.File(file, "a") as opened:
        for name in ("loop", "again", "root"):
            opened[f"images/{name}"] = opened["/" if name == "root" else "images"]
        opened["other"] = opened["images"]
    prepared = read(file)
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert any(note.startswith("4 links are not followed") for note in prepared.notes)


def test_looking_through_many_arrays_can_be_cancelled(tmp_path):
    class Cancelled(Exception):
        pass

    def cancel(_: float) -> None:
        raise Cancelled

    file = of_many(tmp_path, {f"images/{i}": IMAGES[i] for i in range(4)})
    with pytest.raises(Cancelled):
        hdf5_members(file, [], cancel)


def test_an_array_beside_more_that_are_an_image_each_is_no_stack(tmp_path):
    file = of_many(tmp_path, {f"img_{i:03d}": IMAGES[i] for i in range(40)} | {"calib": RNG.random((9, 9, 9))})
    prepared = read(file)
    np.testing.assert_array_equal(prepared.images, IMAGES)
    assert any(note.startswith("1 array is not taken as images or labels: calib (9, 9, 9)") for note in prepared.notes)


def test_the_arrays_of_a_group_that_is_named_may_have_any_names(tmp_path):
    file = of_many(tmp_path, {"photos/cat": IMAGES[0], "photos/dog2": IMAGES[1], "photos/fox": IMAGES[2]})
    prepared = read(file, array="photos")
    assert prepared.names == ("photos/cat", "photos/dog2", "photos/fox")
    np.testing.assert_array_equal(prepared.images, IMAGES[:3])
