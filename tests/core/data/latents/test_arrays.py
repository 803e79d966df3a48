"""NPY and NPZ: which array holds the latents, and what the others say of the same rows."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from core.data.latents.arrays import read_npy, read_npz
from core.data.latents.rows import LatentFileError

Z = np.arange(24.0).reshape(8, 3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_kind(tmp_path, dtype, order):
    np.save(tmp_path / "z.npy", np.asarray(Z, dtype, order=order))
    found = read_npy(tmp_path / "z.npy", 100)
    assert found.latents.dtype == np.float32
    np.testing.assert_array_equal(found.latents, Z)


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.zeros((4, 1)), "1 dimension; latents have 2"),
        (np.zeros(4), r"latents are \(n, d\)"),
        (np.zeros((4, 2, 3, 3)), "Flatten it first"),
        (np.zeros((4, 2), complex), "integers or floating-point"),
        (np.zeros((4, 2), bool), "integers or floating-point"),
        (np.full((4, 2), "1"), "integers or floating-point"),
        (np.array([[{}, 1]] * 4), "Python objects"),
    ],
)
def test_what_is_no_latent_is_refused(tmp_path, array, fault):
    np.save(tmp_path / "z.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=fault):
        read_npy(tmp_path / "z.npy", 100)


@pytest.mark.parametrize("key", ["latents", "z", "mu", "embeddings", "arr_0", "Codes"])
def test_the_key_is_known_by_its_name(tmp_path, key):
    np.savez(tmp_path / "z.npz", **{"other": Z * 0 + 1, key: Z})
    found = read_npz(tmp_path / "z.npz", 100)
    np.testing.assert_array_equal(found.latents, Z)
    assert f"The latents are the array {key}" in found.notes[0]


def test_a_key_that_is_named_comes_first_and_one_that_is_missing_is_refused(tmp_path):
    np.savez(tmp_path / "z.npz", latents=Z, mine=Z + 1)
    np.testing.assert_array_equal(read_npz(tmp_path / "z.npz", 100, "mine").latents, Z + 1)
    with pytest.raises(LatentFileError, match=r"no array 'yours'; it holds latents: float64 \(8, 3\), mine"):
        read_npz(tmp_path / "z.npz", 100, "yours")
    np.savez(tmp_path / "z.npz", a=Z, b=Z)
    with pytest.raises(LatentFileError, match=r"not clear.*Name it with --key"):
        read_npz(tmp_path / "z.npz", 100)


def test_other_arrays_are_labels_names_and_images(tmp_path):
    kind, files = np.array(["a", "b"] * 4), np.array([f"{i}.png" for i in range(8)])
    images = np.zeros((8, 16, 16), np.uint8)
    np.savez(tmp_path / "z.npz", z=Z, kind=kind, age=np.arange(8), files=files, images=images, wrong=np.zeros(5))
    found = read_npz(tmp_path / "z.npz", 100)
    assert found.columns["kind"].tolist() == kind.tolist()
    assert found.columns["age"].tolist() == list(range(8))
    assert found.names == tuple(files)
    assert found.images == "images"
    assert any(note.startswith("wrong is float64 (5,) and is not used") for note in found.notes)


def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "bomb.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("z.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (5 * 10**6, 4)})
        for _ in range(80):
            member.write(bytes(10**6))
    with pytest.raises(LatentFileError, match="made to fill the memory: z would take 80,000,000 bytes"):
        read_npz(file, 100)


def test_a_header_that_claims_petabytes_is_refused(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**14, 16)})
    (tmp_path / "z.npy").write_bytes(head.getvalue() + bytes(512))
    with pytest.raises(ValueError, match="cut off"):
        read_npy(tmp_path / "z.npy", 100)
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("z.npy", head.getvalue() + bytes(512))
    with pytest.raises(ValueError, match="but has"):
        read_npz(tmp_path / "z.npz", 100)
