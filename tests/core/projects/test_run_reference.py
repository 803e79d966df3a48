import dataclasses
import os
import shutil

import pytest
from small_run import make_small_run

from core.projects.run_reference import MOST_NEIGHBOURS, find_run, reference
from core.runs.directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    return make_small_run(tmp_path / "runs" / "small", weights=False, metadata={"created": "2026-11-28T10:00:00"})


def test_a_run_that_goes_on_stays_the_same_and_another_one_is_another(run, tmp_path):
    longer = dataclasses.replace(run.config, training=dataclasses.replace(run.config.training, epochs=99))
    assert run.rewrite(longer, run.metadata).fingerprint == run.fingerprint
    other = make_small_run(tmp_path / "other", weights=False, metadata={"created": "2026-11-28T10:00:01"})
    assert other.fingerprint != run.fingerprint


def test_a_run_that_has_stayed_is_found_where_it_was(run):
    assert find_run(reference(run)) == run.path


def test_a_project_and_its_run_that_moved_together_find_each_other(run, tmp_path):
    (tmp_path / "projects").mkdir()
    wanted = reference(run, tmp_path / "projects" / "p.isoline")
    assert wanted.relative == "../runs/small"
    (tmp_path / "new").mkdir()
    shutil.move(tmp_path / "runs", tmp_path / "new" / "runs")
    (tmp_path / "new" / "projects").mkdir()
    assert find_run(wanted, tmp_path / "new" / "projects" / "p.isoline") == tmp_path / "new" / "runs" / "small"


def test_a_run_that_was_moved_and_renamed_is_found_among_runs_and_beside_the_project(run, tmp_path):
    wanted = reference(run, tmp_path / "p.isoline")
    elsewhere = tmp_path / "archive" / "another name"
    elsewhere.parent.mkdir()
    os.rename(run.path, elsewhere)
    assert find_run(wanted, tmp_path / "p.isoline") is None
    assert find_run(wanted, tmp_path / "p.isoline", [tmp_path / "archive"]) == elsewhere
    assert find_run(wanted, tmp_path / "p.isoline", [elsewhere]) == elsewhere
    assert find_run(wanted, tmp_path / "archive" / "p.isoline") == elsewhere


def test_another_run_in_its_place_is_not_taken_for_it(run, tmp_path):
    wanted = reference(run)
    shutil.rmtree(run.path)
    make_small_run(run.path, weights=False, metadata={"created": "later"})
    assert find_run(wanted) is None
    (run.path / "config.json").write_text("{")
    assert find_run(wanted, places=[tmp_path / "missing"]) is None


def test_a_folder_of_many_is_not_searched_without_end(run, tmp_path, monkeypatch):
    wanted = reference(run)
    shutil.move(run.path, tmp_path / "old")
    many = tmp_path / "many"
    for number in range(MOST_NEIGHBOURS + 10):
        (many / str(number)).mkdir(parents=True)
    looked_at = []
    monkeypatch.setattr(RunDirectory, "exists", staticmethod(looked_at.append))
    assert find_run(wanted, places=[many]) is None
    assert len(looked_at) <= MOST_NEIGHBOURS + 10
