"""Images of one's own with all that is known of them: classes of folders, a table, groups, what is held out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.config import DataConfig
from core.data.dataset import Dataset, DatasetError
from core.data.export import export_npz, export_png, write_contact_sheet
from core.data.labels import LabelColumn
from core.data.loading import dataset_of, load_dataset
from core.data.preparation import Prepared, Statistics
from core.training.probe_embedding import make_probe

FRAMES = 40


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """frame1.png to frame40.png: a bar that moves right with the number; and tables about them."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(1, FRAMES + 1):
        image = np.full((48, 48), 255, np.uint8)
        image[:, i : i + 6] = 0
        Image.fromarray(image).save(folder / f"frame{i}.png")
    rows = "".join(f"frame{i}.png,{i / 2},{'cat' if i % 2 else 'dog'},p{i // 5}\n" for i in range(1, FRAMES + 1))
    (tmp_path / "named.csv").write_text("file,x,species,patient\n" + rows)
    (tmp_path / "rows.csv").write_text("x\n" + "".join(f"{i / 2}\n" for i in range(1, FRAMES + 1)))
    return folder


def loaded(folder: Path, **settings) -> Dataset:
    return load_dataset(DataConfig(path=str(folder), image_size=32, **settings), cache=folder.parent / "cache")


def labelled(config: DataConfig, names: tuple[str, ...], labels: tuple[LabelColumn, ...] = ()) -> Dataset:
    images = np.zeros((len(names), 8, 8, 1), np.uint8)
    return dataset_of(config, Prepared(names, labels, None, None, (), (), Statistics(), "", {}, None, images))


def left_edge(dataset: Dataset) -> np.ndarray:
    """Where the bar begins, in pixels of the files."""
    return (dataset.images[:, 16, :, 0] < 128).argmax(axis=1) * 48 / 32


def test_a_table_beside_the_images_says_the_right_thing_of_each(frames):
    dataset = loaded(frames, labels="named.csv")
    assert dataset.factor_names == ("x", "species", "patient")
    assert dataset.categories[1] == ("cat", "dog")
    numbers = np.array([int(Path(name).stem[5:]) for name in dataset.names])
    np.testing.assert_allclose(dataset.factors[:, 0], numbers / 2)
    np.testing.assert_allclose(left_edge(dataset), numbers, atol=1.6)
    np.testing.assert_array_equal(dataset.factors[:, 1], np.where(numbers % 2, 0.0, 1.0))
    assert any("40 images joined by the column file" in note for note in dataset.notes)


def test_a_table_without_names_is_refused_unless_the_order_is_meant(frames):
    with pytest.raises(DatasetError, match=r'rows\.csv does not say which image .* data\.labels_by to "order"'):
        loaded(frames, labels=str(frames.parent / "rows.csv"))
    dataset = loaded(frames, labels=str(frames.parent / "rows.csv"), labels_by="order")
    np.testing.assert_allclose(dataset.factors[:, 0], np.arange(1, FRAMES + 1) / 2)  # natural order, as in the folder


def test_a_group_stays_together_and_a_class_is_held_out(frames):
    dataset = loaded(frames, labels="named.csv", group="patient", hold_out="species=dog, x=5:10")
    patients = dataset.factors[:, 2]
    assert not set(patients[dataset.train]) & set(patients[dataset.validation])
    held = dataset.factors[dataset.held_out]
    assert (held[:, 1] == 1.0).all()
    assert ((held[:, 0] >= 5) & (held[:, 0] <= 10)).all()
    assert len(dataset.held_out) == 6
    assert len(dataset.train) + len(dataset.validation) == FRAMES - 6
    probe = make_probe(dataset, 0)
    assert np.flatnonzero(probe.split == 2).tolist() == dataset.held_out.tolist()
    assert any("6 images held out" in note for note in dataset.notes)


def test_a_group_may_be_a_column_that_is_no_label(tmp_path):
    rows = "".join(f"{i}.png,{i % 3},{i // 2}p\n" for i in range(200))
    (tmp_path / "table.csv").write_text("file,x,plate\n" + rows)
    names = [f"{i}.png" for i in range(200)]
    config = DataConfig(path=str(tmp_path), labels=str(tmp_path / "table.csv"), group="plate")
    found = labelled(config, tuple(names))
    assert not set(found.train // 2) & set(found.validation // 2)


def test_labels_of_files_and_table_are_told_apart(tmp_path):
    (tmp_path / "table.csv").write_text("file,class\na.png,1\nb.png,2\n")
    config = DataConfig(path=str(tmp_path), labels="table.csv")
    found = labelled(config, ("a.png", "b.png"), (LabelColumn("class", np.zeros(2, np.float32), ("cat", "dog")),))
    assert found.factor_names == ("class", "class (table)")
    assert any("class (table)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"group": "plate"}, r"data\.group is 'plate', which is no label; there are class"),
        ({"labels": "absent.csv"}, r"absent\.csv does not exist"),
        ({"labels": "table.pkl"}, r"ends in '\.pkl'"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, settings, said):
    config = DataConfig(path=str(tmp_path), **settings)
    with pytest.raises(DatasetError, match=said):
        labelled(config, ("a.png", "b.png"), (LabelColumn("class", np.zeros(2, np.float32), ("cat", "dog")),))


def test_an_export_says_files_classes_and_what_is_held_out(frames, tmp_path):
    dataset = loaded(frames, labels="named.csv", hold_out="species=dog, x=5:10")
    export_png(dataset, tmp_path / "out")
    with open(tmp_path / "out" / "parameters.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == list(dataset.names)
    assert [row["split"] == "held out" for row in rows] == np.isin(np.arange(FRAMES), dataset.held_out).tolist()
    assert {row["species"] for row in rows} == {"cat", "dog"}
    export_npz(dataset, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as data:
        assert data["files"].tolist() == list(dataset.names)
        assert data["species"].tolist() == [row["species"] for row in rows]
        np.testing.assert_array_equal(data["held_out"], dataset.held_out)


def test_small_images_are_as_sharp_in_a_contact_sheet_as_they_are(frames, tmp_path):
    dataset = loaded(frames)
    write_contact_sheet(dataset, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        first = np.asarray(sheet)[4:100, 4:100, 0]
    np.testing.assert_array_equal(first, dataset.images[0, ..., 0].repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("kind", ["npz", "folder", "folder and its table"])
def test_an_export_is_read_again_with_its_split_and_what_was_held_out(frames, tmp_path, kind):
    dataset = loaded(frames, labels="named.csv", hold_out="species=dog, x=5:10", seed=3)
    if kind == "npz":
        export_npz(dataset, tmp_path / "out.npz")
        again = loaded(tmp_path / "out.npz")
    else:
        export_png(dataset, tmp_path / "out")
        again = loaded(tmp_path / "out", labels="parameters.csv" if kind == "folder and its table" else "")
    for side in ("train", "validation", "held_out"):
        np.testing.assert_array_equal(getattr(again, side), getattr(dataset, side))
    assert {"The split that the files give was kept.", "6 images held out, as the files say."} <= set(again.notes)
    assert "split" not in again.factor_names


def test_another_file_that_is_called_as_an_export_s_table_does_no_harm(frames):
    for content in ("", "split\ntrain\nval\n", "file,split\nelsewhere1.png,train\nelsewhere2.png,val\n"):
        (frames / "parameters.csv").write_text(content)
        dataset = loaded(frames)
        assert len(dataset) == FRAMES
        assert not any("split is given" in note for note in dataset.notes)


def test_a_column_split_of_a_table_says_who_trains(frames):
    sides = ["Train", "val", "test", "train", ""]
    rows = "".join(f"frame{i}.png,{i},{sides[i % 5]}\n" for i in range(1, FRAMES))  # and nothing about the last
    (frames.parent / "sides.csv").write_text("file,x,split\n" + rows)
    dataset = loaded(frames, labels="sides.csv")
    assert dataset.factor_names == ("x",)
    numbers = np.arange(1, FRAMES + 1)
    np.testing.assert_array_equal(dataset.validation, np.flatnonzero(np.isin(numbers % 5, (1, 2))))
    assert "sides.csv: the split is given by the column split." in dataset.notes
    drawn = loaded(frames, labels="sides.csv", split="random")
    assert len(drawn.validation) == 4
    assert not any("the split is given" in note for note in drawn.notes)


@pytest.mark.parametrize("word", ["held out", "held_out", "Held-Out"])
def test_a_column_may_hold_images_out_without_naming_validation_images(frames, word):
    rows = "".join(f"frame{i}.png,{word if i <= 5 else 'train'}\n" for i in range(1, FRAMES + 1))
    (frames.parent / "sides.csv").write_text("file,split\n" + rows)
    dataset = loaded(frames, labels="sides.csv")
    assert dataset.held_out.tolist() == list(range(5))
    assert not dataset.factor_names
    assert len(dataset.validation) == 4
    assert "5 images held out, as the files say." in dataset.notes
    said = "The split that the files give has only training images beside those held out; it was not used."
    assert said in dataset.notes


def test_the_entry_that_spoils_a_column_of_sides_is_told(frames):
    sides = ["train", "val", "held out"]
    rows = "".join(f"frame{i}.png,{sides[i % 3] if i != 7 else 'maybe'}\n" for i in range(1, FRAMES + 1))
    (frames.parent / "sides.csv").write_text("file,set\n" + rows)
    said = "sides.csv, row 8: 'maybe' in the column set is none of train, validation and held out"
    assert any(note.startswith(said) for note in loaded(frames, labels="sides.csv").notes)
    (frames.parent / "kinds.csv").write_text("file,set\n" + "".join(f"frame{i}.png,{i % 3}p\n" for i in range(1, 41)))
    assert not any("none of train" in note for note in loaded(frames, labels="kinds.csv").notes)


def test_images_of_which_a_column_of_sides_says_nothing_are_named(frames):
    rows = "".join(f"frame{i}.png,{'val' if i % 4 else 'train'}\n" for i in range(1, FRAMES - 1))
    (frames.parent / "sides.csv").write_text("file,split\n" + rows + "frame39.png,\n")
    said = "2 images without entry in the column split of sides.csv train: frame39.png, frame40.png."
    assert said in loaded(frames, labels="sides.csv").notes
    assert said not in loaded(frames, labels="sides.csv", split="random").notes


def test_a_column_of_sides_is_a_label_where_it_is_asked_for_as_one(frames):
    rows = "".join(f"frame{i}.png,{i},{'val' if i % 4 else 'train'}\n" for i in range(1, FRAMES + 1))
    (frames.parent / "sides.csv").write_text("file,x,split\n" + rows)
    assert loaded(frames, labels="sides.csv").factor_names == ("x",)
    drawn = loaded(frames, labels="sides.csv", split="random")
    assert drawn.factor_names == ("x", "split")
    held = loaded(frames, labels="sides.csv", hold_out="split=val, x=0:10")
    assert len(held.held_out) == 8


@pytest.mark.parametrize("split", ["random", "last"])
def test_what_an_export_held_out_is_not_used_in_silence(frames, tmp_path, split):
    export_png(loaded(frames, labels="named.csv", hold_out="species=dog, x=5:10"), tmp_path / "out")
    notes = loaded(tmp_path / "out", split=split).notes
    said = f"6 images that the files hold out are used, as data.split is {split}; data.split auto keeps them out."
    assert said in notes
    assert said in loaded(frames, labels=str(tmp_path / "out" / "parameters.csv"), split=split, labels_by="order").notes
    assert not any("the files hold out are used" in note for note in loaded(tmp_path / "out").notes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("000003.png,", "000002.png,", "not used for the split: parameters.csv, row 5: '000002.png' already has row 4"),
        (
            ",train,",
            ",perhaps,",
            "not used for the split: parameters.csv, row 2: 'perhaps' in the column split is none",
        ),
        ("file,split", "file,part", "not used for the split: no column puts images on two sides"),
        ("000003.png,", "lost.png,", "1 image without entry in the column split of parameters.csv trains: 000003.png."),
    ],
)
def test_an_export_whose_table_was_changed_says_what_became_of_its_split(frames, tmp_path, old, new, said):
    export_png(loaded(frames, labels="named.csv", hold_out="species=dog, x=5:10"), tmp_path / "out")
    table = tmp_path / "out" / "parameters.csv"
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new), encoding="utf-8")
    assert any(said in note for note in loaded(tmp_path / "out").notes)


def test_numbers_of_a_column_that_is_called_as_a_class_can_stay_numbers(frames):
    (frames.parent / "kinds.csv").write_text(
        "file,label,x\n" + "".join(f"frame{i}.png,{i % 3},{i % 3}\n" for i in range(1, FRAMES + 1))
    )
    dataset = loaded(frames, labels="kinds.csv")
    assert dataset.categories == (("0", "1", "2"), ())
    note = "kinds.csv: the 3 different whole numbers in label are taken as classes, because of its name; "
    assert note + "data.number_labels numbers keeps them numbers." in dataset.notes
    kept = loaded(frames, labels="kinds.csv", number_labels="numbers")
    assert kept.categories == ((), ())
    np.testing.assert_array_equal(kept.factors[:, 0], kept.factors[:, 1])


def test_unknown_labels_can_be_exported(frames, tmp_path):
    (frames.parent / "few.csv").write_text("file,x,kind\nframe1.png,1,cat\nframe2.png,2,dog\nframe3.png,3,dog\n")
    dataset = loaded(frames, labels="few.csv")
    assert np.isnan(dataset.factors).sum() == 2 * (FRAMES - 3)
    export_npz(dataset, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as data:
        assert "latents_classes" not in data.files
        assert data["kind"].tolist()[3:] == [""] * (FRAMES - 3)
    write_contact_sheet(dataset, tmp_path / "sheet.png")


@pytest.mark.parametrize("name", ["labels", "group"])
def test_curves_have_neither_table_nor_groups(name):
    with pytest.raises(DatasetError, match=rf"data\.{name} is 'mine', which curves do not have"):
        load_dataset(DataConfig(count=10, **{name: "mine"}))


def test_images_on_both_sides_of_the_split_are_told(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=images[:30], x_test=images[20:])
    notes = loaded(tmp_path / "a.npz").notes
    said = "10 of 20 validation images are the same as training images: the validation error looks better than it is."
    assert said in notes
    np.savez(tmp_path / "b.npz", x_train=images[:30], x_test=images[30:])
    assert not [note for note in loaded(tmp_path / "b.npz").notes if "same as" in note]
