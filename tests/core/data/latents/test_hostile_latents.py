"""Mutated files of every kind: refused in a sentence or read right, in little time and memory."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow
import pyarrow.parquet
import pytest

from core.data.dataset import DatasetError
from core.data.latents.opening import SUFFIXES, read_latent_rows

ROUNDS = 100
Z = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)


def originals(folder: Path) -> dict[str, bytes]:
    np.save(folder / "z.npy", Z)
    np.savez(folder / "z.npz", latents=Z, kind=np.arange(40))
    np.savez_compressed(folder / "packed.npz", latents=Z)
    (folder / "z.csv").write_text(
        "file,a,b,kind\n" + "".join(f"{i}.png,{x},{y},k{i % 3}\n" for i, (x, y, *_) in enumerate(Z))
    )
    (folder / "vectors.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in Z.tolist()))
    pyarrow.parquet.write_table(
        pyarrow.table({"z": [list(map(float, row)) for row in Z], "kind": ["a", "b"] * 20}), folder / "z.parquet"
    )
    (folder / "c.pbtxt").write_text('embeddings { tensor_path: "vectors.tsv" }')
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def mutated(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        place = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[place] = dice.randrange(256)
            case 1:
                data[place] ^= 1 << dice.randrange(8)
            case 2:
                del data[place : place + dice.randrange(1, 64)]
            case 3:
                data[place:place] = dice.choice((b"\0" * 16, b"9" * 40, b"\xff" * 8, b"\t", b"\n", b'"', b"{"))
            case _:
                data = data[: place + 1]
        data = data or bytearray(b"\n")
    return bytes(data)


@pytest.mark.parametrize("name", ["z.npy", "z.npz", "packed.npz", "z.csv", "vectors.tsv", "z.parquet", "c.pbtxt"])
def test_mutated_files_are_refused_or_read_right(tmp_path, name):
    contents = originals(tmp_path)
    read_latent_rows(tmp_path / name, 100)
    dice, process = random.Random(name), psutil.Process()
    before, slowest = process.memory_info().rss, 0.0
    for _ in range(ROUNDS):
        (tmp_path / name).write_bytes(mutated(contents[name], dice))
        begun, said = time.process_time(), ""
        try:
            found = read_latent_rows(tmp_path / name, 100)
        except DatasetError as error:
            found = None
            said = str(error)
        if found is None:
            assert len(said) > 20
        else:
            assert found.latents.dtype == np.float32
            assert np.isfinite(found.latents).all()
            assert len(found.latents) == len(found.indices) <= found.total
        slowest = max(slowest, time.process_time() - begun)
    assert slowest < 2.0
    assert process.memory_info().rss - before < 300 << 20


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
