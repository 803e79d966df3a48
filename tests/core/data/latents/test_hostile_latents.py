"""Files that hold no latents are refused in a sentence; damaged ones are tried in tests/scripts/test_fuzz.py."""

from __future__ import annotations

import os
import sys

import pytest

from core.data.dataset import DatasetError
from core.data.latents.opening import SUFFIXES, read_latent_rows


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_another_kind_are_refused(tmp_path, suffix):
    for content in (b"", b"\x80\x04}q\x00.", b"<html>", b"PK\x03\x04", bytes(range(256))):
        (tmp_path / f"z{suffix}").write_bytes(content)
        with pytest.raises(DatasetError, match="z\\" + suffix):
            read_latent_rows(tmp_path / f"z{suffix}", 100)
    with pytest.raises(DatasetError, match="does not exist"):
        read_latent_rows(tmp_path / "gone.npy", 100)
    (tmp_path / "z.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(DatasetError, match=r"latents are read from \.npy"):
        read_latent_rows(tmp_path / "z.pkl", 100)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".tsv", ".parquet"])
def test_a_pipe_is_refused_and_does_not_block(tmp_path, suffix):
    path = tmp_path / f"latents{suffix}"
    os.mkfifo(path)
    with pytest.raises(DatasetError, match="it is a pipe, not a file"):
        read_latent_rows(path, 100)
