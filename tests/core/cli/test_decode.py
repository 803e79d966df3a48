"""`isoline decode` and `isoline encode`: the window's own pixels and latents, from the command line."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from core.cli.main import main
from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.models.inference import THREADS, decode_each, encode_each
from core.models.network_inference import NetworkInference
from core.models.vae import build_model
from core.paths.export import export_npz
from core.paths.latent_path import LatentPath
from core.paths.latents_file import LatentsError, parse_points, read_latents, write_latents
from core.paths.saved_paths import SavedPath, save_path
from core.runs.directory import RunDirectory
from core.training.checkpoint import save_weights

TINY = RunConfig(
    data=DataConfig(image_size=32, count=60), model=ModelConfig(latent_dim=3), training=TrainingConfig(device="cpu")
)
Z = np.array([[0.5, -1.0, 0.25], [-2.0, 0.125, 1.0], [0.0, 0.0, 0.0]], dtype=np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory.create(tmp_path_factory.mktemp("decode") / "run", TINY, {})
    save_weights(run.weights_path, build_model(TINY).state_dict(), TINY)
    return run.path


@pytest.fixture(scope="module")
def inference() -> NetworkInference:
    return NetworkInference(build_model(TINY))


@pytest.fixture
def refused(capsys) -> Callable[..., str]:
    """Run a command that must be refused; its message."""

    def call(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err

    return call


def isoline(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def strip(inference: NetworkInference, z: np.ndarray) -> np.ndarray:
    """What a .png of the images at ``z`` holds."""
    return np.concatenate(list(decode_each(inference, z)), axis=1)[..., 0]


# decoding


def test_points_of_the_command_line_become_one_picture(run, inference, tmp_path):
    isoline("decode", run, "--z", "0.5,-1,0.25", "0,0,0", "--out", tmp_path / "o.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), strip(inference, Z[[0, 2]]))


def test_a_point_may_begin_with_a_minus_sign(run, inference, tmp_path):
    isoline("decode", run, "--out", tmp_path / "o.png", "--z=-2,0.125,1")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "o.png")), strip(inference, Z[[1]]))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_latents_of_a_file_are_decoded_to_an_npz(run, inference, tmp_path, suffix):
    write_latents(tmp_path / f"z{suffix}", Z, ["0", "1", "2"])
    isoline("decode", run, "--latents", tmp_path / f"z{suffix}", "--out", tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["latents"], Z)
        np.testing.assert_array_equal(data["frames"], np.stack(list(decode_each(inference, Z))))


def test_an_exported_path_is_decoded_to_the_very_same_frames(run, inference, tmp_path):
    frames = np.stack(list(decode_each(inference, Z)))
    export_npz(tmp_path / "path.npz", Z, frames)
    isoline("decode", run, "--path", tmp_path / "path.npz", "--out", tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["frames"], frames)


def test_a_path_saved_with_the_run_is_decoded_at_the_latents_it_was_saved_with(run, inference, tmp_path):
    path = LatentPath(Z)
    save_path(run, SavedPath("curve", path, "image", Z))  # not where latent speed would put three frames
    isoline("decode", run, "--path", run / "paths" / "curve.json", "--out", tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz", allow_pickle=False) as data:
        np.testing.assert_array_equal(data["latents"], Z)
        np.testing.assert_array_equal(data["frames"], np.stack(list(decode_each(inference, Z))))
        np.testing.assert_array_equal(data["control"], Z)
        assert json.loads(str(data["metadata"])) == {"path": path.to_dict(), "speed": "image"}


def test_a_saved_path_that_cannot_be_decoded_is_named(run, tmp_path, refused):
    out = tmp_path / "o.png"
    assert "absent.json does not exist" in refused("decode", run, "--path", tmp_path / "absent.json", "--out", out)
    (tmp_path / "bad.json").write_text("{}")
    assert "bad.json is not a saved path" in refused("decode", run, "--path", tmp_path / "bad.json", "--out", out)
    save_path(tmp_path, SavedPath("flat", LatentPath(Z[:, :2]), "latent", Z[:, :2]))
    file = tmp_path / "paths" / "flat.json"
    assert "2 dimensions" in refused("decode", run, "--path", file, "--out", out)
    assert not out.exists()


def test_without_a_suffix_a_folder_of_pictures_is_written(run, inference, tmp_path):
    np.save(tmp_path / "z.npy", Z)
    isoline("decode", run, "--latents", tmp_path / "z.npy", "--out", tmp_path / "new" / "images")
    written = sorted((tmp_path / "new" / "images").iterdir())
    assert [file.name for file in written] == ["0000.png", "0001.png", "0002.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(written[1])), strip(inference, Z[[1]]))


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_films_are_written(run, tmp_path, suffix):
    np.save(tmp_path / "z.npy", Z)
    isoline("decode", run, "--latents", tmp_path / "z.npy", "--out", tmp_path / f"film{suffix}", "--fps", "5")
    assert (tmp_path / f"film{suffix}").stat().st_size > 100


def test_an_image_does_not_depend_on_its_neighbours(inference):
    alone = next(decode_each(inference, Z[1:2]))
    np.testing.assert_array_equal(list(decode_each(inference, Z))[1], alone)
    mu = next(encode_each(inference, [alone]))
    np.testing.assert_array_equal(list(encode_each(inference, [alone[::-1], alone]))[1], mu)


def test_the_command_computes_on_as_many_threads_as_the_window_and_returns_them(run, tmp_path, monkeypatch):
    threads: list[int] = []
    decode, encode = NetworkInference.decode, NetworkInference.encode
    count = lambda: threads.append(torch.get_num_threads())  # noqa: E731
    monkeypatch.setattr(NetworkInference, "decode", lambda self, z: count() or decode(self, z))
    monkeypatch.setattr(NetworkInference, "encode", lambda self, images: count() or encode(self, images))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        isoline("decode", run, "--z", "0,0,0", "--out", tmp_path / "o.png")
        isoline("encode", run, tmp_path / "o.png", "--out", tmp_path / "o.npy")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert threads == [THREADS, THREADS]


# what is refused


def test_decode_says_what_is_wrong(run, tmp_path, refused):
    out = tmp_path / "o.png"
    assert "exactly one way" in refused("decode", run, "--out", out)
    assert "exactly one way" in refused("decode", run, "--z", "0,0,0", "--path", "p.npz", "--out", out)
    assert "2 dimensions" in refused("decode", run, "--z", "0,0", "--out", out)
    assert "'0,x,0' is not a latent point" in refused("decode", run, "--z", "0,x,0", "--out", out)
    assert "different numbers" in refused("decode", run, "--z", "0,0,0", "0,0", "--out", out)
    assert "must end in one of" in refused("decode", run, "--z", "0,0,0", "--out", tmp_path / "o.tiff")
    assert "absent.npy does not exist" in refused("decode", run, "--latents", tmp_path / "absent.npy", "--out", out)
    assert "is not a run" in refused("decode", tmp_path, "--z", "0,0,0", "--out", out)
    assert not out.exists()


def test_a_folder_that_cannot_be_made_is_named(run, tmp_path, refused):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refused("decode", run, "--z", "0,0,0", "--out", tmp_path / "file" / "images")


def test_encode_says_what_is_wrong(run, tmp_path, refused):
    assert "must end in .npz, .npy or .csv" in refused("encode", run, tmp_path, "--out", tmp_path / "o.txt")
    assert "holds no image file" in refused("encode", run, tmp_path, "--out", tmp_path / "o.csv")
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert "broken.png" in refused("encode", run, tmp_path, "--out", tmp_path / "o.csv")
    both = refused("encode", run, tmp_path / "a.npz", tmp_path / "b.png", "--out", tmp_path / "o.csv")
    assert "must be the only one" in both


# encoding


@pytest.fixture
def pictures(tmp_path, inference) -> np.ndarray:
    """Three images uint8 (3, 32, 32, 1), also as files in two sub-folders of ``pictures``."""
    images = np.stack(list(decode_each(inference, Z)))
    for name, image in zip(("a/0.png", "a/1.png", "b/0.png"), images, strict=True):
        file = tmp_path / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(file)
    return images


def test_a_folder_of_images_is_encoded_with_names(run, inference, pictures, tmp_path):
    isoline("encode", run, tmp_path / "pictures", "--out", tmp_path / "mu.npz")
    with np.load(tmp_path / "mu.npz", allow_pickle=False) as data:
        assert list(data["files"]) == ["a/0.png", "a/1.png", "b/0.png"]
        np.testing.assert_array_equal(data["latents"], np.stack(list(encode_each(inference, pictures))))


def test_images_of_several_folders_keep_their_folders_in_their_names(run, inference, pictures, tmp_path):
    folders = [tmp_path / "pictures" / name for name in "ab"]
    isoline("encode", run, *folders, "--out", tmp_path / "mu.npz")
    with np.load(tmp_path / "mu.npz", allow_pickle=False) as data:
        assert list(data["files"]) == [
            (folders[0] / "0.png").as_posix(),
            (folders[0] / "1.png").as_posix(),
            (folders[1] / "0.png").as_posix(),
        ]
        np.testing.assert_array_equal(data["latents"], np.stack(list(encode_each(inference, pictures))))


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_what_encode_writes_decode_reads(run, inference, pictures, tmp_path, suffix):
    files = sorted((tmp_path / "pictures").rglob("*.png"))
    isoline("encode", run, *files, "--out", tmp_path / f"mu{suffix}")
    np.testing.assert_array_equal(
        read_latents(tmp_path / f"mu{suffix}"), np.stack(list(encode_each(inference, pictures)))
    )
    isoline("decode", run, "--latents", tmp_path / f"mu{suffix}", "--out", tmp_path / "o.png")


def test_images_of_an_npz_file_are_encoded(run, inference, pictures, tmp_path):
    np.savez(tmp_path / "images.npz", imgs=pictures)
    isoline("encode", run, tmp_path / "images.npz", "--out", tmp_path / "mu.csv")
    expected = np.stack(list(encode_each(inference, pictures)))
    np.testing.assert_array_equal(read_latents(tmp_path / "mu.csv"), expected)


def test_images_of_an_idx_file_are_encoded(run, inference, pictures, tmp_path):
    header = struct.pack(">HBB3I", 0, 8, 3, *pictures.shape[:3])
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pictures.tobytes()))
    isoline("encode", run, tmp_path / "t10k-images-idx3-ubyte.gz", "--out", tmp_path / "mu.csv")
    expected = np.stack(list(encode_each(inference, pictures)))
    np.testing.assert_array_equal(read_latents(tmp_path / "mu.csv"), expected)


# files of latents


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_latents_come_back_bit_for_bit(tmp_path, suffix, latents):
    write_latents(tmp_path / f"z{suffix}", latents, [str(i) for i in range(len(latents))])
    np.testing.assert_array_equal(read_latents(tmp_path / f"z{suffix}"), latents)


def test_the_beginning_of_an_archive_is_refused_and_closed(tmp_path):
    (tmp_path / "z.npy").write_bytes(b"PK\x03\x04")
    with pytest.raises(LatentsError, match=r"z\.npy cannot be read"):
        read_latents(tmp_path / "z.npy")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='0123456789.,-e"\nmu\x00', max_size=60).map(str.encode))
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
def test_a_file_of_anything_is_latents_or_a_clear_refusal(tmp_path, suffix, content):
    file = tmp_path / f"z{suffix}"
    file.write_bytes(content)
    try:
        latents = read_latents(file)
    except LatentsError as error:
        assert str(file) in str(error)  # noqa: PT017  # either outcome is right
    else:
        assert (latents.ndim, latents.dtype) == (2, np.float32)
        assert np.isfinite(latents).all()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("x,y\n1,2\n", [[1, 2]]),
        ("file,mu1,mu2\n7,1,2\n", [[1, 2]]),
        ("Z_1,label,Z_2\n1,9,2\n", [[1, 2]]),
        ("\ufeff1,2\r\n\r\n3,4", [[1, 2], [3, 4]]),
    ],
)
def test_tables_with_and_without_a_header(tmp_path, text, wanted):
    (tmp_path / "z.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_latents(tmp_path / "z.csv"), np.array(wanted, np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("mu1,mu2\n", "holds no rows"),
        ("1,2\n3\n", "row 2: it has 1 entries; the first row has 2"),
        ("file,mu1\na,oops\n", "row 2"),
        ("1,1e39\n", "too large"),
    ],
)
def test_a_table_that_is_none_is_refused_by_row(tmp_path, text, message):
    (tmp_path / "z.csv").write_text(text)
    with pytest.raises(LatentsError, match=message):
        read_latents(tmp_path / "z.csv")


def test_python_objects_are_never_loaded(tmp_path):
    np.save(tmp_path / "z.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(LatentsError, match="cannot be read"):
        read_latents(tmp_path / "z.npy")


def test_an_archive_without_latents_lists_what_it_holds(tmp_path):
    np.savez(tmp_path / "z.npz", imgs=np.zeros(3))
    with pytest.raises(LatentsError, match="holds imgs; it must hold the key latents"):
        read_latents(tmp_path / "z.npz")


def test_a_point_of_the_command_line_must_be_finite():
    with pytest.raises(LatentsError, match="not finite"):
        parse_points(["0,inf,1"])


def test_decode_writes_images_of_the_size_that_is_asked_for(run, tmp_path, capsys):
    arguments = ["decode", str(run), "--z", "0.5,-1,0.25", "--out", str(tmp_path / "one.png")]
    for extra, side in ((["--size", "300"], 288), (["--size", "300", "--scaling", "bicubic"], 300)):
        assert main([*arguments, *extra]) == 0
        with Image.open(tmp_path / "one.png") as image:
            assert image.size == (side, side)
    assert main([*arguments, "--size", "3"]) == 2
    assert "--size is 3; it must be 0, or 16 to 2160" in capsys.readouterr().err
