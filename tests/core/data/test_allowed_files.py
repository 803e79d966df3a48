"""A run from anybody reads no file of this computer that nobody here has agreed to."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_driver import TINY, Steps, make_run
from PIL import Image

from core.cli.main import main
from core.config import DataConfig
from core.data.allowed_files import NotAllowedError, allow, allowed_data, has_earlier, unallowed
from core.exploring.trained_run import open_run
from core.protocol.messages import EncodeSample, Failed, FindNearest, NearestFound, SampleEncoded
from core.runs.directory import RunDirectory

_watched: list[tuple[Path, list[str]]] = []


def _on_audit(event: str, arguments: tuple) -> None:
    for folder, accesses in _watched:
        if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith(str(folder)):
            accesses.append(f"{event} {arguments[0]}")


sys.addaudithook(_on_audit)


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "mine" / "pictures"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((32, 32), 60 * number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def accesses(folder):
    """What is opened or listed below ``folder`` in this process."""
    found: list[str] = []
    _watched.append((folder, found))
    yield found
    _watched.clear()


@pytest.fixture
def foreign(tmp_path, folder, monkeypatch) -> RunDirectory:
    """A run that was made elsewhere and names ``folder``."""
    run = make_run(tmp_path / "downloads" / "run", replace(TINY, data=DataConfig(path=str(folder), image_size=32)))
    run.write_embedding(np.eye(4, 3, dtype=np.float32))
    monkeypatch.setenv("ISOLINE_CONFIG", str(tmp_path / "of somebody else"))
    return run


def test_the_engine_reads_nothing_until_it_is_allowed_to(foreign, folder, accesses):
    answer = Steps(foreign).ask(EncodeSample, index=0)
    assert isinstance(answer, Failed)
    assert f"wants to read {folder}" in answer.message
    assert "isoline dataset allow" in answer.message
    assert isinstance(Steps(foreign).ask(FindNearest, z=np.zeros((1, 3), np.float32), count=1), NearestFound)
    assert accesses == []
    allow(foreign)
    assert isinstance(Steps(foreign).ask(EncodeSample, index=0), SampleEncoded)
    assert accesses


def test_neither_info_nor_a_python_program_nor_going_on_reads_it(foreign, folder, accesses, capsys):
    assert main(["info", str(foreign.path)]) == 0
    with pytest.raises(NotAllowedError, match="wants to read"):
        _ = open_run(foreign.path).files
    assert main(["train", "--resume", "--out", str(foreign.path)]) == 2
    assert f'isoline dataset allow "{foreign.path}"' in capsys.readouterr().err
    assert accesses == []


def test_the_command_asks_says_what_is_read_and_keeps_the_yes(foreign, folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["dataset", "allow", str(foreign.path)]) == 2
    assert str(folder) in capsys.readouterr().err
    assert unallowed(foreign) == (str(folder),)
    assert main(["dataset", "allow", str(foreign.path), "--yes"]) == 0
    assert unallowed(foreign) == ()
    assert main(["dataset", "allow", str(foreign.path)]) == 0


def test_a_yes_is_to_that_run_and_that_place(foreign, folder):
    allow(foreign)
    elsewhere = RunDirectory(foreign.path, replace(TINY, data=DataConfig(path="/", image_size=32)), foreign.metadata)
    assert unallowed(elsewhere) == ("/",)
    labelled = replace(foreign.config, data=replace(foreign.config.data, labels="/etc/passwd"))
    assert unallowed(RunDirectory(foreign.path, labelled, foreign.metadata)) == ("/etc/passwd",)
    assert unallowed(RunDirectory(foreign.path, foreign.config, {"created": "another time"})) == (str(folder),)


def test_a_yes_holds_when_the_run_is_moved_with_its_images(tmp_path, foreign, folder):
    relative = {"dataset": {"relative_path": "../../mine/pictures", "fingerprint": "f"}}
    run = foreign.rewrite(foreign.config, relative)
    allow(run)
    moved = tmp_path / "disk"
    moved.mkdir()
    for name in ("downloads", "mine"):
        (tmp_path / name).rename(moved / name)
    assert allowed_data(RunDirectory.open(moved / "downloads" / "run")).path == str(moved / "mine" / "pictures")


def test_where_a_run_says_its_images_lie_beside_it_is_asked_about_as_well(tmp_path, foreign):
    run = RunDirectory(foreign.path, foreign.config, {"dataset": {"relative_path": "../../../.."}})
    assert str(Path(foreign.path / "../../../..").resolve()) in unallowed(run)


def test_a_file_in_the_run_needs_no_yes_but_a_folder_or_a_link_does(foreign, folder):
    def of(path: Path) -> tuple[str, ...]:
        data = DataConfig(path=str(path), image_size=32)
        return unallowed(RunDirectory(foreign.path, replace(TINY, data=data), {}))

    inside = foreign.path / "images.npy"
    np.save(inside, np.zeros((4, 32, 32), np.uint8))
    assert of(inside) == ()
    assert of(foreign.path / "sub" / ".." / "images.npy") == ()
    assert of(foreign.path / ".." / "images.npy") != ()
    (foreign.path / "pictures").mkdir()
    assert of(foreign.path / "pictures") != ()
    (foreign.path / "link.npy").symlink_to(folder / "0.png")
    assert of(foreign.path / "link.npy") != ()


def test_a_damaged_list_of_answers_asks_again_and_is_written_anew(foreign, folder):
    allow(foreign, earlier=True)
    file = Path(os.environ["ISOLINE_CONFIG"]) / "allowed_files.json"
    file.write_text("{")
    assert unallowed(foreign) == (str(folder),)
    assert not has_earlier()
    allow(foreign)
    assert unallowed(foreign) == ()
