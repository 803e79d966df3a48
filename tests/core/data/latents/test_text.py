"""CSV and TSV: columns of numbers are dimensions, others labels, and one may name the samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data.latents.rows import LatentFileError
from core.data.latents.text import LONGEST_LINE, read_text


def read(tmp_path: Path, text: str, name: str = "z.csv", encoding: str = "utf-8"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return read_text(tmp_path / name, 100)


def test_numbers_are_dimensions_text_is_a_label_and_files_name_the_samples(tmp_path):
    found = read(tmp_path, "file,a,b,kind\n1.png,0.5,1,cat\n2.png,1e-3,-2,dog\n3.png,7,8,cat\n")
    np.testing.assert_allclose(found.latents, [[0.5, 1], [1e-3, -2], [7, 8]])
    assert found.columns["kind"].tolist() == ["cat", "dog", "cat"]
    assert found.names == ("1.png", "2.png", "3.png")
    assert found.notes == ("2 dimensions: a, b.", "The samples are named by the column file.")


def test_columns_called_as_latents_are_come_alone_and_other_numbers_are_labels(tmp_path):
    found = read(tmp_path, "z1,z2,age\n0,1,30\n2,3,40\n")
    assert found.latents.tolist() == [[0, 1], [2, 3]]
    assert found.columns["age"].tolist() == ["30", "40"]


def test_what_pandas_writes(tmp_path):
    found = read(tmp_path, ",0,1,label\n0,0.5,1.5,3\n1,2.5,3.5,4\n")
    assert found.latents.tolist() == [[0.5, 1.5], [2.5, 3.5]]
    assert list(found.columns) == ["label"]
    assert any("numbers the rows" in note for note in found.notes)
    assert read(tmp_path, "0,1\n0.5,1.5\n2.5,3.5\n").latents.tolist() == [[0.5, 1.5], [2.5, 3.5]]


@pytest.mark.parametrize(
    ("text", "name", "encoding"),
    [
        ("1 2\n3 4.5\n", "z.txt", "utf-8"),
        ("1\t2\n3\t4.5\n", "z.tsv", "utf-8"),
        ("a;b\n1;2\n3;4,5\n", "z.csv", "utf-8-sig"),
        ("a,b\r\n1,2\r\n3,4.5\r\n", "z.csv", "utf-16"),
        ('"a","b"\n"1","2"\n\n"3","4.5"\n', "z.csv", "utf-8"),
    ],
)
def test_however_it_is_written(tmp_path, text, name, encoding):
    assert read(tmp_path, text, name, encoding).latents.tolist() == [[1, 2], [3, 4.5]]


def test_a_first_row_with_labels_and_fractions_is_no_header(tmp_path):
    found = read(tmp_path, "0.1,0.2,cat\n0.3,0.4,dog\n")
    assert len(found.latents) == 2
    assert found.columns["column 3"].tolist() == ["cat", "dog"]
    assert "No row names the columns." in found.notes


def test_empty_cells_drop_their_row_and_words_among_numbers_are_named(tmp_path):
    found = read(tmp_path, "a,b\n1,2\n3,NA\n5,6\n")
    assert found.latents.tolist() == [[1, 2], [5, 6]]
    rows = "".join(f"{i},{i}\n" for i in range(300))
    with pytest.raises(LatentFileError, match=r"row 302, column b: the entry is 'oops'; it must be a number"):
        read(tmp_path, f"a,b\n{rows}1,oops\n")


def test_windows_letters_are_read_and_said(tmp_path):
    found = read(tmp_path, "a,b,Größe\n1,2,groß\n3,4,klein\n", encoding="cp1252")
    assert found.columns["Größe"].tolist() == ["groß", "klein"]
    assert "Windows-1252" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is empty"),
        ("a,b\n", "and no other"),
        ("a,b\n1,2\n3\n", r"row 3: it has 1 entries; the first row has 2"),
        ("a,b\nx,y\nu,v\n", r"0 dimensions; latents have 2"),
        ("a\n1\n2\n", "1 dimension; latents have 2"),
        ("a,b\n1,2\0\n", "zero bytes"),
        ("a,b\n1," + "2" * 200_000 + "\n", "not a table"),
    ],
)
def test_what_is_no_table_of_latents_is_refused(tmp_path, text, fault):
    with pytest.raises(LatentFileError, match=fault):
        read(tmp_path, text)


def test_a_line_without_end_is_refused_after_its_first_part(tmp_path):
    with open(tmp_path / "z.tsv", "wb") as file:
        file.truncate(1 << 33)  # sparse: 8 GB of zero bytes
        file.write(b"1\t2\t" * (LONGEST_LINE // 2))
    with pytest.raises(LatentFileError, match=r"longer than 4 MiB"):
        read_text(tmp_path / "z.tsv", 100)
