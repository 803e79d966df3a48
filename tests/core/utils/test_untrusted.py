"""Files that anybody may have written: read right, or refused by one kind of error, without waiting or much memory."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.utils import untrusted
from core.utils.untrusted import (
    UnreadableError,
    decode_json,
    read_array,
    read_arrays,
    read_bytes,
    read_json,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3)
ARCHIVE = npz(mu=ARRAY, names=np.array(["a", "b"]))


def test_what_is_sound_comes_back_as_it_was(tmp_path):
    file = tmp_path / "file"
    for array in (ARRAY, np.asfortranarray(ARRAY), ARRAY[:0], np.array(3.0), np.array(["né", ""]), ARRAY > 3):
        file.write_bytes(npy(array))
        found = read_array(file, 1000)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    file.write_bytes(ARCHIVE)
    arrays = read_arrays(file, 1000, {"mu", "names", "split"})
    assert arrays.keys() == {"mu", "names"}
    np.testing.assert_array_equal(arrays["mu"], ARRAY)
    assert read_arrays(file, 1000, {"names"}).keys() == {"names"}
    file.write_text('{"a": [1, 2]}')
    assert read_json(file) == {"a": [1, 2]}
    assert read_json(file, dict[str, list[int]]) == {"a": [1, 2]}


@posix
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device"])
def test_only_regular_files_are_read_and_a_pipe_does_not_wait(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    path = Path("it")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("it")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises((UnreadableError, OSError), match=rf"a {kind}, not a file|No such device"):
        read_bytes(path, 1000)


def test_a_file_that_is_missing_or_may_not_be_read_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_array(tmp_path / "none.npy", 1000)


def test_no_more_is_read_than_is_expected(tmp_path):
    file = tmp_path / "file"
    with open(file, "wb") as stream:
        stream.truncate(3 << 30)  # takes no space on the disk
    for read in (
        lambda: read_bytes(file, 1000),
        lambda: read_json(file),
        lambda: read_arrays(file, 1000, {"mu"}),
    ):
        with pytest.raises(UnreadableError, match="at most"):
            read()
    file.write_bytes(b"x" * 10)
    assert read_bytes(file, 10) == b"x" * 10
    with pytest.raises(UnreadableError, match="10 bytes, and at most 9"):
        read_bytes(file, 9)


def forged(shape: tuple[int, ...], descr: str = "<f4", content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (forged((10**12, 3)), "at most 1,000 bytes"),
        (forged((4, 3), content=b"x" * 47), "do not hold float32"),
        (forged((4, 3), content=b"x" * 49), "do not hold float32"),
        (forged((-4, -3), content=b"x" * 48), "at most|damaged"),
        (forged((1,), "|O", b"x" * 8), "may run code"),
        (forged((10**12,), "|V0"), "unknown type"),
        (forged((1,), "<f4")[:40], "header is damaged"),
        (b"\x93NUMPY\x09\x00", "numpy's format 9.0"),
        (forged((1,), "<U1", (0x110000).to_bytes(4, "little")), "no character"),
        (forged((1,), ">U1", (0x110000).to_bytes(4, "big")), "no character"),
        (b"not an array", "header is damaged"),
        (b"", "header is damaged"),
    ],
)
def test_an_array_that_claims_what_it_is_not_is_refused(data, message, tmp_path):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(UnreadableError, match=message):
        read_array(tmp_path / "file", 1000)


def test_an_archive_that_unpacks_to_more_is_refused_before_it_is_unpacked(tmp_path):
    file = tmp_path / "file"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mu.npy", forged((5_000_000,), "|u1", bytes(5_000_000)))
    assert file.stat().st_size < 10_000
    with pytest.raises(UnreadableError, match="unpacks to 5,000"):
        read_arrays(file, 1_000_000, {"mu"})
    assert read_arrays(file, 1_000_000, {"other"}) == {}


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "[1, NaN]", "[1e999]", "\xff", ""])
def test_json_that_is_damaged_or_nested_without_end_is_refused(text):
    with pytest.raises(UnreadableError, match=r"JSON|out of range"):
        decode_json(text.encode("latin-1"))


def test_json_of_other_types_is_refused():
    with pytest.raises(UnreadableError, match=r"Expected `int`, got `str`"):
        decode_json(b'{"a": "x"}', dict[str, int])


@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_by_one_kind_of_error(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    for name, sound, read in (
        ("array", npy(ARRAY), lambda file: read_array(file, 1000)),
        ("archive", ARCHIVE, lambda file: read_arrays(file, 1000, {"mu", "names"})),
    ):
        content = bytearray(sound)
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        del content[data.draw(st.integers(0, len(content))) :]
        file = folder / name
        file.write_bytes(content)
        with contextlib.suppress(UnreadableError):
            read(file)


@pytest.mark.parametrize("most", [65_535, 2], ids=["small", "with the records of large archives"])
def test_an_archive_of_very_many_files_is_refused_before_they_are_listed(most, tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", most)  # beyond it such records are written
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for name in ("a", "b", "c"):
            archive.writestr(zipfile.ZipInfo(name), b"")
        archive.comment = b"a comment"
    assert (b"PK\x06\x06" in (tmp_path / "many.npz").read_bytes()) == (most == 2)
    size = 3 * (46 + 1)
    monkeypatch.setattr(untrusted, "MAX_LISTING", size)
    assert read_arrays(tmp_path / "many.npz") == {}
    monkeypatch.setattr(untrusted, "MAX_LISTING", size - 1)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UnreadableError, match=f"the list of its files takes {size} bytes"):
        read_arrays(tmp_path / "many.npz")
