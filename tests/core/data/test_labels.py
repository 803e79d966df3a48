"""Tables joined to images: by file name, by index, by order if a person says so; what does not fit is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data.labels import Join, UnmatchedTable, join, label_columns
from core.data.tables import Table, TableError, read_table

FRAMES = tuple(sorted(f"frame{i}.png" for i in range(1, 41)))  # frame1, frame10, frame11, …: not in natural order


def table(tmp_path: Path, text: str) -> Table:
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    return read_table(tmp_path / "mine.csv")


def joined(found: Table, *names: str, **options) -> Join:
    return join(found, names, np.arange(len(names)), **options)


# by name


def test_rows_find_their_images_whatever_the_order_of_both(tmp_path):
    rows = "".join(f"frame{i}.png,{8 + 0.8 * i:.1f},{'cat' if i % 2 else 'dog'}\n" for i in range(1, 41))
    found = table(tmp_path, "file,x,species\n" + rows)
    how = joined(found, *FRAMES)
    labels, left_out = label_columns(found, how)
    numbers = [int(name[5:-4]) for name in FRAMES]
    assert (how.by, left_out) == ("file", {})
    assert how.notes == ("mine.csv: 40 images joined by the column file.",)
    assert [label.name for label in labels] == ["x", "species"]
    np.testing.assert_allclose(labels[0].values, [8 + 0.8 * number for number in numbers], atol=0.05)
    assert labels[1].categories == ("cat", "dog")
    assert labels[1].values.tolist() == [0.0 if number % 2 else 1.0 for number in numbers]


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("frame1.png", "frame1.png"),
        ("frame1", "frame1.png"),
        ("frame1.png", "cats/frame1.png"),
        ("cats/frame1", "cats/frame1.png"),
        (r"cats\frame1.png", "cats/frame1.png"),
        ("./cats/frame1.png", "cats/frame1.png"),
        ("/home/me/photos/cats/frame1.png", "cats/frame1.png"),
        ("frame1.jpg", "frame1.png"),
        ("FRAME1.PNG", "frame1.png"),
        ("u\u0308.png", "ü.png"),
        ("caf\u00e9.png", "caf\N{REPLACEMENT CHARACTER}.png"),
        ("a.b.c", "a.b.c.png"),
        ("x#y.png", "x#y.png"),
        ("comma,name.png", "comma,name.png"),
    ],
)
def test_a_name_may_be_path_name_or_stem(tmp_path, entry, name):
    found = table(tmp_path, f'x,photo\n1,"{entry}"\n2,other.png\n')
    assert joined(found, "unknown.png", name).rows.tolist() == [-1, 0]


def test_few_whole_numbers_in_a_column_called_class_are_classes(tmp_path):
    rows = "".join(f"{i}.png,{i % 3 + 1},{i % 3 + 1},{i}\n" for i in range(30))
    found = table(tmp_path, "file,Label,size,type\n" + rows)
    label, size, type_ = label_columns(found, joined(found, *(f"{i}.png" for i in range(30))))[0]
    assert label.categories == ("1", "2", "3")
    assert label.values.tolist() == [i % 3 for i in range(30)]
    assert size.categories == type_.categories == ()


def test_a_number_finds_the_file_whose_zeros_a_spreadsheet_took(tmp_path):
    names = [f"{i:05d}.png" for i in (1, 2, 10)]
    how = joined(table(tmp_path, "id,x\n10,7\n1,5\n2,6\n"), *names)
    assert how.rows.tolist() == [1, 2, 0]
    assert "mine.csv: numbers are taken as those of the files, such as 10 for 00010.png." in how.notes
    how = joined(table(tmp_path, "id,x\n00010,7\n00001,5\n00002,6\n"), *names)
    assert how.rows.tolist() == [1, 2, 0]
    assert len(how.notes) == 1


def test_a_number_that_may_be_several_files_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"row 2: '1' may be 'a/001\.png' or 'b/001\.png'"):
        joined(table(tmp_path, "id,x\n1,7\n2,5\n"), "a/001.png", "b/001.png", "a/002.png")


def test_a_path_of_another_folder_is_no_match(tmp_path):
    found = table(tmp_path, "file,x\ncats/1.png,1\nbirds/1.png,2\n")
    how = joined(found, "cats/1.png", "dogs/1.png")
    assert how.rows.tolist() == [0, -1]
    assert how.notes[1:] == (
        "1 row of mine.csv without image: birds/1.png.",
        "1 image without row in mine.csv: dogs/1.png.",
    )


def test_the_column_of_names_is_found_by_matching(tmp_path):
    found = table(tmp_path, "note,what\nb.png,a.png\na nice one,b.png\nanother,c.png\n")
    assert joined(found, "a.png", "b.png", "c.png").by == "what"


def test_numbers_are_names_only_in_a_column_that_says_so(tmp_path):
    assert joined(table(tmp_path, "id,x\n0002,5\n0001,6\n"), "0001.png", "0002.png").rows.tolist() == [1, 0]
    with pytest.raises(UnmatchedTable):
        joined(table(tmp_path, "x,y\n1,5\n2,6\n"), "1.png", "2.png")


def test_an_image_without_row_is_unknown(tmp_path):
    found = table(tmp_path, "file,x,kind\na.png,1,cat\nc.png,3,dog\nd.png,3,dog\n")
    x, kind = label_columns(found, joined(found, "a.png", "b.png", "c.png"))[0]
    np.testing.assert_array_equal(x.values, [1, np.nan, 3])
    np.testing.assert_array_equal(kind.values, [0, np.nan, 1])


def test_classes_are_those_of_the_images(tmp_path):
    rows = [("a", "cat"), ("b", "dog"), ("z", "yak"), ("c", "cat"), ("y", "yak")]
    found = table(tmp_path, "file,kind\n" + "".join(f"{name}.png,{kind}\n" for name, kind in rows))
    (kind,), _ = label_columns(found, joined(found, "c.png", "b.png", "a.png"))
    assert kind.categories == ("cat", "dog")
    assert kind.values.tolist() == [0, 1, 0]
    left_out = label_columns(found, joined(found, "a.png", "c.png"))[1]
    assert left_out == {"kind": "it is the same for all images"}


def test_frames_have_the_row_of_their_file_or_their_own(tmp_path):
    names = ("a.gif#0", "a.gif#1", "b.gif#0", "b.gif#1")
    assert joined(table(tmp_path, "file,x\nb.gif,1\na.gif,2\n"), *names).rows.tolist() == [1, 1, 0, 0]
    assert joined(table(tmp_path, "file,x\nb.gif,1\nb.gif#1,2\na,3\n"), *names).rows.tolist() == [2, 2, 0, 1]


def test_a_name_that_two_images_have_is_told_with_examples(tmp_path):
    found = table(tmp_path, "file,x\n1.png,1\n2.png,2\n")
    with pytest.raises(
        TableError, match=r"row 2: '1\.png' may be 'cat/1\.png' or 'dog/1\.png'; 1 row as unclear.*paths"
    ):
        joined(found, "cat/1.png", "dog/1.png", "dog/2.png")


def test_two_rows_for_one_image_are_told(tmp_path):
    found = table(tmp_path, "file,x\n1.png,1\n2.png,2\n1,2\n")
    with pytest.raises(TableError, match=r"row 4: '1' already has row 2"):
        joined(found, "1.png", "2.png")


def test_a_table_that_names_no_image_is_refused_with_the_remedy(tmp_path):
    found = table(tmp_path, "x\n" + "1\n" * 40)
    with pytest.raises(UnmatchedTable, match=r"file names such as 'frame1\.png', or set data\.labels_by to \"order\""):
        joined(found, *FRAMES)
    with pytest.raises(UnmatchedTable, match="these images have no names"):
        join(found, (), np.arange(40))


# by order, if a person says so


def test_by_order_row_i_is_about_image_i(tmp_path):
    found = table(tmp_path, "x\n3\n1\n2\n")
    how = joined(found, "a.png", "b.png", "c.png", by="order")
    assert (how.rows.tolist(), how.by) == ([0, 1, 2], "")
    assert "row i is about image i" in how.notes[0]


def test_names_that_contradict_a_chosen_order_are_noted(tmp_path):
    found = table(tmp_path, "file,x\nb.png,3\na.png,1\n")
    assert "say otherwise" in joined(found, "a.png", "b.png", by="order").notes[1]
    assert len(joined(found, "b.png", "a.png", by="order").notes) == 1


def test_by_order_as_many_rows_as_images_are_wanted(tmp_path):
    with pytest.raises(TableError, match=r"mine\.csv has 3 rows; there are 4 images.*column index"):
        joined(table(tmp_path, "age\n1\n2\n3\n"), *"abcd", by="order")
    with pytest.raises(TableError, match="3 rows, and 2 blank rows, the first of them row 3; there are 4"):
        joined(table(tmp_path, "age\n1\n\n3\n\n5\n\n"), *"abcd", by="order")
    with pytest.raises(TableError, match="shows only part of its dataset"):
        join(table(tmp_path, "age\n1\n2\n3\n"), (), np.array([10, 12, 15]), "order")


# by index


def test_an_index_says_which_sample_a_row_is_about(tmp_path):
    found = table(tmp_path, "Index,age\n15,1\n10,2\n11,3\n12,4\n")
    how = join(found, (), np.array([10, 12, 15]))
    assert label_columns(found, how)[0][0].values.tolist() == [2, 4, 1]


def test_a_sample_without_row_is_unknown(tmp_path):
    how = join(table(tmp_path, "index,age\n10,1\n12,2\n"), (), np.array([10, 12, 15]))
    assert how.rows.tolist() == [0, 1, -1]
    assert "1 image without row in mine.csv, the first is sample 15" in how.notes[1]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,1\n2,2\n", "no row for any of the 3 samples"),
        ("10,1\n12,2\n15,3\n12,4\n", "row 5: sample 12 already has a row"),
        ("10,1\n12.5,2\n15,3\n", "row 3: index is 12.5; it must be a whole number"),
        ("10,1\n-1,2\n15,3\n", "row 3: index is -1"),
        ("10,1\n,2\n15,3\n", "row 3: index is empty"),
        ("10,1\n-,2\n-,3\n", "row 3, column index: the entry is '-'; it must be a finite number"),
        ("10,1\nten,2\n15,3\n", "row 3, column index: the entry is 'ten'"),
    ],
)
def test_an_index_that_makes_no_sense_is_named(tmp_path, rows, said):
    with pytest.raises(TableError, match=said):
        join(table(tmp_path, f"index,age\n{rows}"), (), np.array([10, 12, 15]))
