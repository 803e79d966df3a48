"""The search for damaged files that no reader takes well: a part of it, and that it would find one."""

from __future__ import annotations

import builtins
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import fuzz
finally:
    sys.path.remove(str(SCRIPTS))

CASES = 500


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    fuzz.make_originals(folder)
    return folder


@pytest.mark.parametrize("reader", fuzz.readers(), ids=lambda reader: reader.name)
def test_damaged_files_are_read_right_or_refused(reader: fuzz.Reader, originals: Path):
    outcome = fuzz.try_reader(reader, originals, round(CASES * reader.weight), seed=0)
    assert outcome.failures == []


@pytest.mark.parametrize("reader", fuzz.readers(), ids=lambda reader: reader.name)
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    reader: fuzz.Reader, originals: Path, monkeypatch: pytest.MonkeyPatch
):
    denied, open_file, open_descriptor = str(originals / reader.file), builtins.open, os.open

    def refuse(path: Any) -> None:
        if not isinstance(path, int) and os.fspath(path) == denied:
            raise PermissionError(errno.EACCES, "Permission denied", denied)

    monkeypatch.setattr(builtins, "open", lambda path, *args, **more: refuse(path) or open_file(path, *args, **more))
    monkeypatch.setattr(os, "open", lambda path, *args, **more: refuse(path) or open_descriptor(path, *args, **more))
    monkeypatch.setenv("ISOLINE_CACHE", str(originals))
    error = ""
    try:
        reader.read(originals / reader.file)
    except Exception as raised:
        error = str(raised)
    assert not error or "permission denied" in error.lower()
    assert "damaged" not in error


def test_a_reader_that_lets_another_error_through_or_changes_the_file_has_failed(tmp_path: Path):
    file = tmp_path / "file.json"
    file.write_text('{"a": [1, 2]}')
    first = fuzz.Reader("first", file.name, lambda path: json.loads(path.read_text("latin-1"))["a"])
    outcome = fuzz.try_reader(first, tmp_path, 50, seed=0, kept=tmp_path / "kept")
    assert 0 < outcome.read < 50
    assert any("JSONDecodeError" in failure for failure in outcome.failures)
    assert any("KeyError" in failure for failure in outcome.failures)
    assert len(list((tmp_path / "kept").iterdir())) == len(outcome.failures)
    assert file.read_text() == '{"a": [1, 2]}'
    second = fuzz.Reader("second", file.name, lambda path: path.write_text("{}"))
    assert fuzz.try_reader(second, tmp_path, 3, seed=0).failures == [
        f"case {i}: the file was changed" for i in range(3)
    ]
