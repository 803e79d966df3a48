"""Parquet: a column of lists, or a column for each dimension."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from core.data.latents.parquet import read_parquet
from core.data.latents.rows import LatentFileError

Z = np.arange(12.0).reshape(4, 3)


def stored(tmp_path, **columns):
    file = tmp_path / "z.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file


@pytest.mark.parametrize("kind", [None, pyarrow.list_(pyarrow.float16(), 3), pyarrow.large_list(pyarrow.int32())])
def test_lists(tmp_path, kind):
    numbers = Z.astype(np.float16 if kind is not None and kind.value_type == pyarrow.float16() else Z.dtype)
    rows = [list(row) for row in numbers]
    if kind is not None and kind.value_type == pyarrow.int32():
        rows = [[int(value) for value in row] for row in rows]
    column = pyarrow.array(rows, kind)
    file = stored(tmp_path, e=column, file=[f"{i}.png" for i in range(4)], kind=["a", "b", "a", "b"], age=[1, 2, 3, 4])
    found = read_parquet(file, 100)
    np.testing.assert_array_equal(found.latents, Z)
    assert list(found.columns) == ["kind", "age"]
    assert found.names[0] == "0.png"


def test_columns(tmp_path):
    file = stored(
        tmp_path, z0=Z[:, 0], z1=Z[:, 1].astype(np.int16), kind=["a", None, "b", "b"], nothing=[[{"x": 1}]] * 4
    )
    found = read_parquet(file, 2)
    assert found.latents.shape == (2, 2)
    np.testing.assert_array_equal(found.latents, Z[found.indices, :2])
    assert any("nothing" in note for note in found.notes)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"e": [[1.0, 2.0], [3.0]]}, "different lengths"),
        ({"e": [[1.0, 2.0], None]}, "different lengths or missing"),
        ({"e": [[1.0, 2.0]] * 2, "f": [[1.0, 2.0]] * 2}, "several columns of lists .e, f.; name one with --key"),
        ({"e": ["a", "b"]}, "0 dimensions"),
        ({"e": pyarrow.array([], pyarrow.list_(pyarrow.float32()))}, "no rows"),
    ],
)
def test_what_is_no_table_of_latents_is_refused(tmp_path, columns, fault):
    with pytest.raises(LatentFileError, match=fault):
        read_parquet(stored(tmp_path, **columns), 100)
