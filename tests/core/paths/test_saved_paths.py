"""Paths kept with a run: they come back bit for bit, under names that any system can keep; bad files are refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.paths import saved_paths
from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.paths.saved_paths import (
    SavedPath,
    SavedPathError,
    checked_name,
    delete_path,
    existing_name,
    load_path,
    path_file,
    read_saved_path,
    rename_path,
    save_new_path,
    save_path,
    saved_names,
)

CONTROL = np.array([[0.1, -2.0], [3.0, 0.7], [1e-7, 1e7]], dtype=np.float32)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100)


def some_path(name: str = "curve", frames: int = 5) -> SavedPath:
    path = LatentPath(CONTROL)
    return SavedPath(name, path, "latent", path.resample(frames))


@pytest.fixture
def run(tmp_path) -> Path:
    return tmp_path


def test_what_is_saved_is_loaded(run):
    path = LatentPath(CONTROL, recipe=Recipe("geodesic", CONTROL[0], CONTROL[-1], penalty=False))
    save_path(run, SavedPath("curve", path, "image", path.resample(7)))
    loaded = load_path(run, "curve")
    assert (loaded.name, loaded.speed, loaded.frames, loaded.path) == ("curve", "image", 7, path)
    np.testing.assert_array_equal(loaded.latents, path.resample(7))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.just(3)), elements=FLOATS))
def test_every_float32_comes_back_bit_for_bit(run, latents):
    save_path(run, SavedPath("p", LatentPath(latents[:1]), "latent", latents))
    loaded = load_path(run, "p")
    assert loaded.latents.tobytes() == latents.tobytes()
    assert loaded.path.control.tobytes() == latents[:1].tobytes()


def test_saving_again_replaces(run):
    save_path(run, some_path(frames=5))
    save_path(run, some_path(frames=9))
    assert load_path(run, "curve").frames == 9
    assert [file.name for file in (run / "paths").iterdir()] == ["curve.json"]  # nothing temporary is left


@pytest.mark.parametrize("links", [True, False])
def test_a_new_path_replaces_none_whoever_was_faster(run, links, monkeypatch):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    assert save_new_path(run, some_path(frames=5)).name == "curve"
    assert save_new_path(run, some_path("CURVE", frames=7)).name == "CURVE (2)"
    monkeypatch.setattr(saved_paths, "existing_name", lambda *_: None)  # others are saved after this was looked at
    assert save_new_path(run, some_path(frames=9)).name == "curve (2)"
    assert save_new_path(run, some_path(frames=11)).name == "curve (3)"
    assert {name: load_path(run, name).frames for name in saved_names(run)} == {
        "curve": 5, "curve (2)": 9, "CURVE (2)": 7, "curve (3)": 11,
    }  # fmt: skip
    assert len(list((run / "paths").iterdir())) == 4, "nothing temporary is left"


def no_links(*_):
    raise OSError("not supported")


def test_names_are_listed_in_alphabetical_order(run):
    assert saved_names(run) == []
    for name in ("b", "Ä", "a 1.5", "C"):
        save_path(run, some_path(name))
    (run / "paths" / "notes.txt").write_text("not a path")
    (run / "paths" / ".hidden.json").write_text("{}")
    (run / "paths" / "folder.json").mkdir()
    assert saved_names(run) == ["a 1.5", "b", "C", "Ä"]


def test_a_name_is_taken_in_upper_and_lower_case_alike(run):
    save_path(run, some_path("Curve"))
    assert existing_name(run, "cURVE") == "Curve"
    assert existing_name(run, "other") is None


def test_accents_are_one_letter_however_a_system_writes_them(run):
    save_path(run, some_path("Ä"))  # A and its dots apart
    assert saved_names(run) == ["Ä"]
    path_file(run, "Ä").rename(run / "paths" / "Ä.json")  # as a copy from another system may have it
    assert saved_names(run) == ["Ä"]
    assert load_path(run, "Ä").frames == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "needs a name"),
        ("   ", "needs a name"),
        ("a/b", "'/'"),
        ("a\\b", "leave it out"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("end.", "dot"),
        ("a\nb", "leave it out"),
        ("what?", r"'\?'"),
        ("x" * 101, "101 characters"),
        ("ж" * 100, "100 characters"),
        ("CON", "device"),
        ("nul.old", "device"),
        (3, "must be text"),
    ],
)
def test_a_name_that_no_file_can_have_is_refused(run, name, said):
    with pytest.raises(SavedPathError, match=said):
        path_file(run, name)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_a_name_is_refused_or_stays_within_the_folder(run, name):
    try:
        file = path_file(run, name)
    except SavedPathError:
        return
    assert file.parent == run / "paths"
    assert file.suffix == ".json"
    assert checked_name(file.stem) == file.stem


def test_blanks_around_a_name_do_not_count(run):
    assert path_file(run, "  curve ").name == "curve.json"


def test_renaming_and_deleting(run):
    save_path(run, some_path("one"))
    save_path(run, some_path("two", 9))
    with pytest.raises(SavedPathError, match="named 'two' already"):
        rename_path(run, "one", "TWO")
    assert rename_path(run, "one", "three") == path_file(run, "three")
    assert saved_names(run) == ["three", "two"]
    assert json.loads(path_file(run, "three").read_text())["name"] == "three"
    rename_path(run, "three", "Three")
    assert saved_names(run) == ["Three", "two"]
    delete_path(run, "two")
    assert saved_names(run) == ["Three"]
    with pytest.raises(SavedPathError, match="does not exist"):
        delete_path(run, "two")
    with pytest.raises(SavedPathError, match="does not exist"):
        rename_path(run, "two", "four")


def test_whoever_renames_the_file_renames_the_path(run):
    file = save_path(run, some_path("one"))
    assert read_saved_path(file.rename(file.with_name("two.json"))).name == "two"
    odd = (run / "paths" / "two.json").rename(run / "a:b.json")
    assert read_saved_path(odd).name == "one"  # a file may be called so here, a path may not


def test_a_folder_that_cannot_be_made_is_named(run):
    (run / "paths").write_text("")
    with pytest.raises(SavedPathError, match=r"curve\.json cannot be written .* export the path instead"):
        save_path(run, some_path())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema 2"),
        ({"frames": 4}, "4 frames and holds 5"),
        ({"speed": "warp"}, "'warp'"),
        ({"speed": []}, "speed"),
        ({"latents": "none"}, "list of points"),
        ({"latents": [[1.0, 2.0], [1.0]], "frames": 2}, "list of points"),
        ({"latents": [[True, False]], "frames": 1}, "list of points"),
        ({"latents": [[1.0, 2.0, 3.0]], "frames": 1}, r"\(1, 3\)"),
        ({"latents": [[1e300, 2.0]], "frames": 1}, "not finite"),
        ({"latents": [[10**400, 2.0]], "frames": 1}, "large"),
        ({"latents": [], "frames": 0}, "K from 1"),
        ({"path": {}}, "schema is None"),
        ({"path": 7}, "JSON object"),
        ({"more": 1}, "is not a saved path"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(run, change, said):
    file = save_path(run, some_path())
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(SavedPathError, match=said) as caught:
        load_path(run, "curve")
    assert "curve.json" in str(caught.value)


def test_files_that_are_none_are_refused(run):
    file = save_path(run, some_path())
    for content in (b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null", b"[" * 100_000, b'{"schema": NaN}'):
        file.write_bytes(content)
        with pytest.raises(SavedPathError, match=r"curve\.json"):
            load_path(run, "curve")
    with pytest.raises(SavedPathError, match="does not exist"):
        load_path(run, "absent")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused_or_read_as_a_path(run, data):
    file = save_path(run, some_path())
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    file.write_bytes(bytes(content))
    try:
        loaded = load_path(run, "curve")
    except SavedPathError:  # and no other error
        return
    assert np.isfinite(loaded.latents).all()


def test_what_makes_no_sense_cannot_be_made():
    path = LatentPath(CONTROL)
    with pytest.raises(SavedPathError, match="speed is 'fast'"):
        SavedPath("p", path, "fast", path.resample(3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(SavedPathError, match=r"must be \(K, 2\)"):
        SavedPath("p", path, "latent", np.zeros((4, 3), np.float32))
    assert not SavedPath("p", path, "latent", path.resample(3)).latents.flags.writeable
