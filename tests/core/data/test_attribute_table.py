"""A person's own values for the samples: CSV, NPZ and NPY, by order or by index; what is wrong is named by row."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.attribute_table import AttributeFileError, read_attributes

ALL = np.arange(4)
SOME = np.array([10, 12, 15])


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    return tmp_path / "mine.csv"


def saved(tmp_path: Path, **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / "mine.npz", **arrays)  # pyright: ignore[reportArgumentType]  # none is its own allow_pickle
    return tmp_path / "mine.npz"


def values(file: Path, samples: np.ndarray, *names: str) -> list:
    table = read_attributes(file)
    return table.values(names or table.names, samples).tolist()


# by order


def test_row_i_is_about_sample_i(tmp_path):
    file = written(tmp_path, "age,mass\n1,0.5\n2,-1\n3,1e3\n4,0\n")
    assert read_attributes(file).names == ("age", "mass")
    assert values(file, ALL) == [[1, 0.5], [2, -1], [3, 1000], [4, 0]]
    assert values(file, ALL, "mass") == [[0.5], [-1], [1000], [0]]


def test_a_single_column_needs_no_header(tmp_path):
    file = written(tmp_path, "1\n2\n3\n4\n")
    assert read_attributes(file).names == ("mine",)
    assert values(file, ALL) == [[1], [2], [3], [4]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_separated_as_the_first_row_does(tmp_path, separator):
    file = written(tmp_path, "age,mass\n1,5\n2,6\n3,7\n4,8\n".replace(",", separator))
    assert values(file, ALL, "mass") == [[5], [6], [7], [8]]


def test_columns_without_a_name_are_numbered(tmp_path):
    assert read_attributes(written(tmp_path, "1,2\n3,4\n")).names == ("mine1", "mine2")
    assert read_attributes(written(tmp_path, "age,\n3,4\n")).names == ("age", "column 2")


def test_blank_lines_and_a_byte_order_mark_do_not_count(tmp_path):
    assert values(written(tmp_path, "﻿age\n\n1\n2\n\n3\n4\n"), ALL) == [[1], [2], [3], [4]]


def test_blank_entries_of_a_single_column_are_named_where_the_rows_do_not_fit(tmp_path):
    table = read_attributes(written(tmp_path, "age\n1\n\n3\n\n5\n\n"))
    with pytest.raises(
        AttributeFileError, match="has 3 rows, and 2 blank rows, the first of them row 3; the run has 4"
    ):
        table.values(("age",), ALL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age;mass\n1;0,5\n2;1\n3;1\n4;1\n", "row 2, column mass: the entry is '0,5'; .* with a decimal point"),
        ("mass\n1\n0,5\n", "row 3: it has 2 entries; the first row has 1. .* with a decimal point"),
    ],
)
def test_a_decimal_comma_is_recognised_and_said(tmp_path, text, said):
    with pytest.raises(AttributeFileError, match=said):
        values(written(tmp_path, text), ALL, "mass")


def test_what_is_wrong_with_one_of_several_columns_is_told_by_row(tmp_path):
    table = read_attributes(written(tmp_path, "age,mass\n1,2\n,3\n"))
    assert table.trouble("age") == "row 3, column age: the entry is empty; it must be a finite number"
    assert table.trouble("mass") == ""


def test_arrays_are_columns(tmp_path):
    file = saved(tmp_path, age=np.arange(4), fit=np.ones((4, 2), np.float32), ok=np.array([True, False, True, True]))
    assert read_attributes(file).names == ("age", "fit1", "fit2", "ok")
    assert values(file, ALL, "ok", "age") == [[1, 0], [0, 1], [1, 2], [1, 3]]


def test_images_beside_the_values_are_left_out(tmp_path):
    file = saved(tmp_path, imgs=np.zeros((4, 8, 8), np.uint8), age=np.arange(4.0), schema=np.array(1))
    assert read_attributes(file).names == ("age",)


def test_a_single_array_is_named_like_its_file(tmp_path):
    np.save(tmp_path / "score.npy", np.arange(4.0))
    assert read_attributes(tmp_path / "score.npy").names == ("score",)
    assert values(tmp_path / "score.npy", ALL) == [[0], [1], [2], [3]]


def test_as_many_rows_as_samples_are_wanted(tmp_path):
    with pytest.raises(AttributeFileError, match=r"mine\.csv has 3 rows; the run has 4 samples.*column index"):
        values(written(tmp_path, "age\n1\n2\n3\n"), ALL)
    with pytest.raises(AttributeFileError, match="shows only part of its dataset"):
        values(written(tmp_path, "age\n1\n2\n3\n"), SOME)


# by index


def test_an_index_says_which_sample_a_row_is_about(tmp_path):
    file = written(tmp_path, "Index,age\n15,1\n10,2\n11,3\n12,4\n")
    assert read_attributes(file).names == ("age",)
    assert values(file, SOME) == [[2], [4], [1]]


def test_arrays_may_have_an_index_too(tmp_path):
    assert values(saved(tmp_path, index=np.array([12, 15, 10]), age=np.array([1.0, 2.0, 3.0])), SOME) == [[3], [1], [2]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("10,1\n12,2\n", "no row for 1 of the run's 3 samples; the first is sample 15"),
        ("10,1\n12,2\n15,3\n12,4\n", "row 5: sample 12 already has a row"),
        ("10,1\n12.5,2\n15,3\n", "row 3: index is 12.5; it must be a whole number"),
        ("10,1\n-1,2\n15,3\n", "row 3: index is -1"),
        ("10,1\nten,2\n15,3\n", "row 3, column index: the entry is 'ten'"),
    ],
)
def test_an_index_that_makes_no_sense_is_named(tmp_path, rows, said):
    with pytest.raises(AttributeFileError, match=said):
        values(written(tmp_path, f"index,age\n{rows}"), SOME)


# what is no number


@pytest.mark.parametrize(
    ("entry", "said"), [("old", "'old'"), ("", "empty"), ("nan", "'nan'"), ("inf", "'inf'"), ("1;2", "'1;2'")]
)
def test_an_entry_that_is_no_finite_number_is_named_with_its_row_and_column(tmp_path, entry, said):
    file = written(tmp_path, f"name,age\na,1\n\nb,2\nc,{entry}\nd,4\n")
    with pytest.raises(AttributeFileError, match=rf"mine\.csv, row 5, column age: the entry is {said}"):
        values(file, ALL, "age")


def test_arrays_that_hold_no_number_are_named_too(tmp_path):
    file = saved(tmp_path, age=np.array([1.0, np.nan, 2.0, 3.0]), name=np.array(["a", "b", "c", "d"]))
    assert read_attributes(file).numeric == ()
    with pytest.raises(AttributeFileError, match="row 1, column age: the entry is 'nan'"):
        values(file, ALL, "age")
    with pytest.raises(AttributeFileError, match="row 0, column name: the entry is 'a'"):
        values(file, ALL, "name")


def test_text_beside_numbers_does_not_spoil_them(tmp_path):
    table = read_attributes(written(tmp_path, "file,age\na.png,1\nb.png,2\nc.png,3\nd.png,4\n"))
    assert (table.names, table.numeric) == (("file", "age"), ("age",))
    assert table.values(("age",), ALL).tolist() == [[1], [2], [3], [4]]


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
    with pytest.raises(AttributeFileError, match=said):
        read_attributes(written(tmp_path, text))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(AttributeFileError, match="does not exist"):
        read_attributes(tmp_path / "absent.csv")
    with pytest.raises(AttributeFileError, match=r"ends in '\.xlsx'; give a file that is \.csv, \.npz, \.npy"):
        read_attributes(tmp_path / "book.xlsx")
    (tmp_path / "latin.csv").write_bytes(b"gr\xf6\xdfe\n1\n")
    with pytest.raises(AttributeFileError, match="not UTF-8"):
        read_attributes(tmp_path / "latin.csv")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(AttributeFileError, match="cannot be read"):
        read_attributes(tmp_path / "broken.npz")
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(AttributeFileError, match="cannot be read"):
        read_attributes(tmp_path / "objects.npy")
    with pytest.raises(AttributeFileError, match=r"different lengths \(a 3, b 4\)"):
        read_attributes(saved(tmp_path, a=np.zeros(3), b=np.zeros(4)))
    with pytest.raises(AttributeFileError, match="256 columns"):
        read_attributes(saved(tmp_path, a=np.zeros((2, 300))))


def test_only_columns_that_there_are_can_be_read(tmp_path):
    table = read_attributes(written(tmp_path, "age\n1\n2\n3\n4\n"))
    with pytest.raises(AttributeFileError, match="no column 'mass'; there are age"):
        table.values(("mass",), ALL)
    with pytest.raises(AttributeFileError, match="none of the columns"):
        table.values((), ALL)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.randoms())
def test_every_number_that_python_writes_is_read_whatever_the_order(tmp_path, numbers, random):
    order = list(range(len(numbers)))
    random.shuffle(order)
    with open(tmp_path / "mine.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "value"])
        writer.writerows([i, repr(numbers[i])] for i in order)
    assert values(tmp_path / "mine.csv", np.arange(len(numbers))) == [[number] for number in numbers]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from([".csv", ".npy", ".npz"]))
def test_any_bytes_are_read_or_refused(tmp_path, content, suffix):
    (tmp_path / f"any{suffix}").write_bytes(content)
    try:
        table = read_attributes(tmp_path / f"any{suffix}")
        found = table.values(table.names, np.arange(table.rows))
    except AttributeFileError:  # and no other error
        return
    assert found.shape == (table.rows, len(table.names))
    assert np.isfinite(found).all()
