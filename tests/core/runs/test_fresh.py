"""A run that is made at once is whole in its place, or not there."""

from __future__ import annotations

import pytest

from core.config import RunConfig
from core.runs.directory import RunDirectory, RunError
from core.runs.fresh import made_beside


def test_a_run_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "runs" / "one"
    with made_beside(out) as fresh:
        RunDirectory.create(fresh, RunConfig(), {})
        assert not out.exists()
    assert RunDirectory.exists(out)
    assert [path.name for path in out.parent.iterdir()] == ["one"]


def test_nothing_is_left_of_one_that_fails(tmp_path):
    out = tmp_path / "one"

    def fail() -> None:
        with made_beside(out) as fresh:
            (fresh / "half").write_text("")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path):
    with made_beside(tmp_path / "one") as fresh:
        RunDirectory.create(fresh, RunConfig(), {})
    with pytest.raises(RunError, match="already holds a run"), made_beside(tmp_path / "one"):
        pass
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "mine").write_text("")
    with pytest.raises(RunError, match="is not empty"), made_beside(tmp_path / "two"):
        pass
    (tmp_path / "empty").mkdir()
    with made_beside(tmp_path / "empty") as fresh:
        RunDirectory.create(fresh, RunConfig(), {})
    assert RunDirectory.exists(tmp_path / "empty")
