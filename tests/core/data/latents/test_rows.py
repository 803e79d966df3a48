"""Rows are taken block by block: what is not finite is dropped and said, and of very many some are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.data.latents.rows import LatentFileError, RowSample, check_dimensions

FILE = Path("z.npy")


def taken(z: np.ndarray, most: int = 100, blocks: int = 1, cells: list | None = None):
    sample = RowSample(FILE, z.shape[1], most)
    for places in np.array_split(np.arange(len(z)), blocks):
        sample.add(z[places], None if cells is None else [cells[i] for i in places])
    return sample.rows(columns=("kind",) if cells is not None else ())


def test_all_rows_come_as_they_are():
    z = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    found = taken(z)
    np.testing.assert_array_equal(found.latents, z)
    assert found.indices.tolist() == list(range(10))
    assert (found.total, found.notes) == (10, ())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_rows_that_are_not_finite_are_dropped_and_said(bad):
    z = np.arange(12.0).reshape(6, 2)
    z[3, 1] = bad
    found = taken(z, cells=[("a",), ("b",), ("c",), ("d",), ("e",), ("f",)])
    assert found.indices.tolist() == [0, 1, 2, 4, 5]
    assert found.columns["kind"].tolist() == ["a", "b", "c", "e", "f"]
    assert found.notes == ("1 row with NaN or infinite numbers left out.",)


def test_of_many_rows_some_are_drawn_alike_however_they_come_in():
    z = np.arange(20_000.0).reshape(-1, 2)
    found = taken(z, 50)
    assert len(found.latents) == 50
    assert (np.diff(found.indices) > 0).all()
    np.testing.assert_array_equal(found.latents, z[found.indices].astype(np.float32))
    assert "50 of 10,000 rows are shown, drawn at random" in found.notes[-1]
    np.testing.assert_array_equal(taken(z, 50, blocks=7).indices, found.indices)
    assert 3_000 < found.indices.mean() < 7_000


def test_dimensions_that_are_the_same_everywhere_are_said():
    assert taken(np.array([[1.0, 5.0], [2.0, 5.0]])).notes == ("The same in all rows: dimension 2.",)
    with pytest.raises(LatentFileError, match="all rows are the same"):
        taken(np.ones((4, 2)))


def test_fewer_than_two_rows_are_refused():
    with pytest.raises(LatentFileError, match=r"z.npy holds 1 row of finite numbers among 2"):
        taken(np.array([[np.nan, 1.0], [2.0, 3.0]]))


@pytest.mark.parametrize("d", [0, 1, 2049])
def test_two_to_2048_dimensions_are_shown(d):
    check_dimensions(FILE, 2, "it")
    check_dimensions(FILE, 2048, "it")
    with pytest.raises(LatentFileError, match="latents have 2 to 2,048"):
        check_dimensions(FILE, d, "it")
