"""Tables as people have them: CSV of all countries, spreadsheets, Parquet, arrays; what is wrong is named by row."""

from __future__ import annotations

import csv
import datetime
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.data.tables import TableError, read_table

XS = [8.8, 9.6, 10.4, 11.2]


def written(tmp_path: Path, text: str | bytes, name: str = "mine.csv") -> Path:
    file = tmp_path / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def saved(tmp_path: Path, **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / "mine.npz", **arrays)  # pyright: ignore[reportArgumentType]  # none is its own allow_pickle
    return tmp_path / "mine.npz"


def numbers(file: Path, name: str) -> list:
    found = read_table(file).numbers(name)
    assert found is not None
    return found.tolist()


# text


def test_a_table_has_names_and_numbers(tmp_path):
    table = read_table(written(tmp_path, "age,mass\n1,0.5\n2,-1\n3,1e3\n4,0\n"))
    assert table.names == ("age", "mass")
    assert numbers(table.file, "mass") == [0.5, -1, 1000, 0]
    assert table.lines.tolist() == [2, 3, 4, 5]
    assert table.notes == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "bom_semicolon_comma.csv",
            ("\ufeffx;y\r\n" + "".join(f"{x:.1f};2\r\n".replace(".", ",") for x in XS)).encode(),
        ),
        ("utf16_tab.csv", ("x\ty\r\n" + "".join(f"{x:.1f}\t2\r\n".replace(".", ",") for x in XS)).encode("utf-16")),
        ("utf16_bare.csv", ("x\ty\r\n" + "".join(f"{x:.1f}\t2\r\n" for x in XS)).encode("utf-16-le")),
        ("cp1252.csv", ("x,Größe\n" + "".join(f"{x:.1f},2\n" for x in XS)).encode("cp1252")),
        ("sep.csv", b"sep=;\nx;y\n" + "".join(f"{x:.1f};2\n" for x in XS).encode()),
        ("tab.tsv", "x\ty\n" + "".join(f"{x:.1f}\t2\n" for x in XS)),
        ("bar.txt", "x|y\n" + "".join(f"{x:.1f}|2\n" for x in XS)),
        ("quoted.csv", '"x","y, z"\n' + "".join(f'"{x:.1f}","2"\n' for x in XS)),
        ("mac.csv", "x,y\r" + "".join(f"{x:.1f},2\r" for x in XS)),
        ("excel.csv", "x;y;;\n" + "".join(f"{x:.1f};2;;\n" for x in XS)),
        ("alone.csv", "x\n" + "".join(f"{x:.1f}\n".replace(".", ",") for x in XS)),
    ],
)
def test_csv_is_read_as_programs_and_countries_write_it(tmp_path, name, content):
    table = read_table(written(tmp_path, content, name))
    assert table.numbers("x") is not None
    assert numbers(table.file, "x") == XS
    assert len(table.columns) == (1 if name == "alone.csv" else 2)
    assert ("y" in table.columns or "Größe" in table.columns or "y, z" in table.columns) == (name != "alone.csv")


def test_what_was_guessed_is_said(tmp_path):
    assert "Windows-1252" in read_table(written(tmp_path, "Größe,x\n1,2\n".encode("cp1252"))).notes[0]
    assert "decimal" in read_table(written(tmp_path, "x;y\n0,5;1\n")).notes[0]


def test_commas_of_thousands_in_quotes_are_no_decimal_commas(tmp_path):
    table = read_table(written(tmp_path, 'x,y\n"1,234",1\n"12,345,678.5",2\n999,3\n'))
    assert numbers(table.file, "x") == [1234, 12345678.5, 999]
    assert "thousands" in table.notes[0]
    assert numbers(written(tmp_path, "x;y\n1.234,5;1\n"), "x") == [1234.5]


def test_a_single_column_needs_no_header(tmp_path):
    table = read_table(written(tmp_path, "1\n2\n3\n4\n"))
    assert table.names == ("mine",)
    assert numbers(table.file, "mine") == [1, 2, 3, 4]


def test_a_first_row_with_a_file_name_is_no_header(tmp_path):
    table = read_table(written(tmp_path, "frame1.png,3\nframe2.png,4\n"))
    assert (table.names, table.rows) == (("mine1", "mine2"), 2)


def test_columns_without_a_name_are_numbered(tmp_path):
    assert read_table(written(tmp_path, "1,2\n3,4\n")).names == ("mine1", "mine2")
    assert read_table(written(tmp_path, "age,\n3,4\n")).names == ("age", "column 2")


def test_blank_lines_and_a_byte_order_mark_do_not_count(tmp_path):
    assert numbers(written(tmp_path, "\ufeffage\n\n1\n2\n\n3\n4\n"), "age") == [1, 2, 3, 4]


def test_a_line_break_in_quotes_belongs_to_its_entry(tmp_path):
    table = read_table(written(tmp_path, 'file,x\n"line\nbreak.png",1\nb.png,2\n'))
    assert table.texts("file").tolist() == ["line\nbreak.png", "b.png"]
    assert table.lines.tolist() == [3, 4]


@pytest.mark.parametrize("nothing", ["", "NA", "nan", "NaN", " ", "n/a", "NULL"])
def test_an_empty_entry_is_not_known(tmp_path, nothing):
    table = read_table(written(tmp_path, f"file,age,kind\na,1,cat\nb,{nothing},{nothing}\nc,3,dog\nd,3,dog\n"))
    np.testing.assert_array_equal(table.numbers("age"), [1, np.nan, 3, 3])
    places, names = table.classes("kind")
    assert names == ("cat", "dog")
    np.testing.assert_array_equal(places, [0, np.nan, 1, 1])


@pytest.mark.parametrize("mark", ["-", "?", ".", "missing", "#DIV/0!", "None"])
def test_a_mark_among_numbers_is_not_known_and_told(tmp_path, mark):
    table = read_table(written(tmp_path, f'x;"y"\n1,5;a\n{mark};b\n2,5;a\n3;b\n'))
    assert str(table.numbers("x").tolist()) == "[1.5, nan, 2.5, 3.0]"
    assert f"mine.csv: 1 entry '{mark}' of column x, of numbers, taken as not known." in table.notes


def test_commas_of_thousands_are_none_of_decimals_beside_a_mark(tmp_path):
    assert numbers(written(tmp_path, 'x,y\n"1,234",1\n-,2\n"5,678",3\n'), "x")[::2] == [1234.0, 5678.0]


def test_a_mark_among_words_is_a_word(tmp_path):
    _, names = read_table(written(tmp_path, "kind,n\ncat,1\nunknown,2\ncat,3\n")).classes("kind")
    assert names == ("cat", "unknown")


def test_numbers_that_are_read_as_classes_for_a_word_are_told(tmp_path):
    table = read_table(written(tmp_path, "grade,n\n1,1\n2,2\n1,3\n2b,4\n"))
    assert (
        "mine.csv: column grade is read as classes, not numbers: row 5, column grade: the entry is '2b'"
        in (table.notes[0])
    )


def test_a_nameless_first_column_that_counts_the_rows_is_no_label(tmp_path):
    assert "counts the rows" in read_table(written(tmp_path, ",x\n0,5\n1,7\n2,6\n")).refusal("column 1")


def test_classes_are_in_natural_order(tmp_path):
    table = read_table(written(tmp_path, "kind\nclass 10\nclass 2\nclass 10\nclass 2\n"))
    assert table.classes("kind")[1] == ("class 2", "class 10")


# what is no label


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["a1", "b2", "c3", "d4"], "4 different texts"),
        (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], "4 different dates"),
        (["1.2.2024 10:30", "2.2.2024 10:30", "3.2.2024 10:30"], "3 different dates"),
        (["1", "2", "old", "4"], "row 4, column kind: the entry is 'old'; it must be a finite number"),
        (["1", "inf", "3", "4"], "row 3, column kind: the entry is 'inf'"),
        (["cat", "cat", "cat"], "the same in all rows"),
        (["5", "5", ""], "the same in all rows"),
        (["", "", "NA"], "empty"),
        ([f"{i // 3 if i < 90 else i}x" for i in range(200)], "140 different texts"),
    ],
)
def test_what_is_no_label_is_told(tmp_path, entries, said):
    table = read_table(written(tmp_path, "kind,x\n" + "".join(f"{entry},{i}\n" for i, entry in enumerate(entries))))
    assert said in table.refusal("kind")
    assert table.refusal("x") == ""


def test_text_that_recurs_is_a_class_even_among_numbers(tmp_path):
    table = read_table(written(tmp_path, "grade,x\n1,0\n2,1\n3a,2\n3a,3\n1,4\n"))
    assert table.refusal("grade") == ""
    assert table.numbers("grade") is None
    assert table.classes("grade")[1] == ("1", "2", "3a")


# spreadsheets, Parquet and arrays


def test_a_spreadsheet_is_read(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["file", "age", "kind", "day"])
    for i in range(4):
        book.active.append(
            [f"{i}.png", None if i == 2 else i / 2, "cat" if i % 2 else "dog", datetime.date(2024, 1, 1 + i)]
        )
    book.create_sheet("more")
    book.save(tmp_path / "mine.xlsx")
    table = read_table(tmp_path / "mine.xlsx")
    np.testing.assert_array_equal(table.numbers("age"), [0, 0.5, np.nan, 1.5])
    assert table.classes("kind")[1] == ("cat", "dog")
    assert "dates" in table.refusal("day")
    assert table.lines.tolist() == [2, 3, 4, 5]
    assert "more" in table.notes[0]


def test_parquet_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"file": ["a.png", "b.png"], "age": [1.5, None], "kind": ["cat", None], "boxes": [[1], [2]], "n": [1, 2]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "mine.parquet")
    table = read_table(tmp_path / "mine.parquet")
    assert table.names == ("file", "age", "kind", "n")
    np.testing.assert_array_equal(table.numbers("age"), [1.5, np.nan])
    assert table.texts("kind").tolist() == ["cat", ""]
    assert "boxes" in table.notes[0]


@pytest.mark.parametrize(("name", "package"), [("mine.xlsx", "openpyxl"), ("mine.parquet", "pyarrow")])
def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TableError, match=rf"without {package}, .*isoline\[tables\]"):
        read_table(written(tmp_path, b"PK", name))


def test_arrays_are_columns(tmp_path):
    file = saved(tmp_path, age=np.arange(4), fit=np.ones((4, 2), np.float32), kind=np.array([b"cat", b"dog"] * 2))
    table = read_table(file)
    assert table.names == ("age", "fit1", "fit2", "kind")
    assert numbers(file, "age") == [0, 1, 2, 3]
    assert table.classes("kind")[1] == ("cat", "dog")


def test_images_beside_the_values_are_left_out(tmp_path):
    file = saved(tmp_path, imgs=np.zeros((4, 8, 8), np.uint8), age=np.arange(4.0), schema=np.array(1))
    assert read_table(file).names == ("age",)


def test_a_single_array_is_named_like_its_file(tmp_path):
    np.save(tmp_path / "score.npy", np.arange(4.0))
    assert numbers(tmp_path / "score.npy", "score") == [0, 1, 2, 3]


# files that are none


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("index\n1\n", "no column of values"),
        ("age,mass\n", "holds no rows"),
        ("age,mass\n1,2\n3\n", "row 3: it has 1 entries; the first row has 2"),
        ("age,age\n1,2\n", "two columns are named 'age'"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, said):
    with pytest.raises(TableError, match=said):
        read_table(written(tmp_path, text))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(TableError, match=r"ends in '\.pkl'; give a file that is \.csv, \.tsv"):
        read_table(tmp_path / "labels.pkl")
    with pytest.raises(TableError, match="is not text"):
        read_table(written(tmp_path, b"\x81\x8d\xff,\n1\n"))
    with pytest.raises(TableError, match="cannot be read"):
        read_table(written(tmp_path, b"PK\x03\x04nothing", "broken.npz"))
    with pytest.raises(TableError, match="cannot be read"):
        read_table(written(tmp_path, b"PK\x03\x04nothing", "broken.xlsx"))
    with pytest.raises(TableError, match="cannot be read"):
        read_table(written(tmp_path, b"PAR1nothingPAR1", "broken.parquet"))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path / "objects.npy")
    with pytest.raises(TableError, match=r"different lengths \(a 3, b 4\)"):
        read_table(saved(tmp_path, a=np.zeros(3), b=np.zeros(4)))
    with pytest.raises(TableError, match="256 columns"):
        read_table(saved(tmp_path, a=np.zeros((2, 300))))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_number_that_python_writes_is_read(tmp_path, values):
    with open(tmp_path / "mine.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["place", "value"])
        writer.writerows([i, repr(value)] for i, value in enumerate(values))
    assert numbers(tmp_path / "mine.csv", "value") == values


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=2, max_size=9))
def test_every_text_that_python_writes_is_read(tmp_path, texts):
    with open(tmp_path / "mine.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["place", "text"])
        writer.writerows([i, text] for i, text in enumerate(texts))
    table = read_table(tmp_path / "mine.csv")
    assert table.written("text") == [text.strip() for text in texts]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from([".csv", ".tsv", ".npy", ".npz", ".xlsx", ".parquet"]))
@example(b"x\n-", ".csv")
def test_any_bytes_are_read_or_refused(tmp_path, content, suffix):
    (tmp_path / f"any{suffix}").write_bytes(content)
    try:
        table = read_table(tmp_path / f"any{suffix}")
    except TableError:  # and no other error
        return
    for name in table.columns:
        assert (table.numbers(name) is None) == bool(table.trouble(name))
        assert len(table.texts(name)) == table.rows
        table.refusal(name)
