"""TIFF files of every make: stacks, OME-TIFF and ImageJ planes, channels, depths, compressions, orientations."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.preparation import Prepared, prepare
from core.data.sources.tiff import read_layout

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (6, 24, 24), dtype=np.uint8)
FRAMES[:, 0, :2] = 0, 255
COLOUR = np.moveaxis(FRAMES[:3], 0, -1)


def read(path: Path, channels: int = 1, **options: object) -> Prepared:
    return prepare(DataConfig(path=str(path), image_size=24, channels=channels, **options), cache=path.parent / "cache")


def written(tmp_path: Path, array: np.ndarray, name: str = "a.tif", **options: object) -> Path:
    tifffile.imwrite(tmp_path / name, array, **options)
    return tmp_path / name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True},
        {"bigtiff": True, "byteorder": ">"},
        {"imagej": True, "metadata": {"axes": "TYX"}},
    ],
    ids=["plain", "deflated", "big-endian BigTIFF", "ImageJ"],
)
def test_every_page_of_a_stack_is_an_image(tmp_path, options):
    plain = {} if "imagej" in options else {"photometric": "minisblack"}
    prepared = read(written(tmp_path, FRAMES, **plain, **options))
    np.testing.assert_array_equal(prepared.images[..., 0], FRAMES)
    assert prepared.names == tuple(f"a.tif#{frame}" for frame in range(6))


def test_pages_of_another_size_are_told_but_for_reduced_copies(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(FRAMES[0], metadata=None)
        file.write(FRAMES[0, ::2, ::2], metadata=None, subfiletype=1)
    assert not [note for note in read(tmp_path / "a.tif", frames="first").notes if "left out" in note]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (FRAMES[0], FRAMES[1, :20], FRAMES[2, :, :20]):
            file.write(page, metadata=None)
    prepared = read(tmp_path / "a.tif", frames="all")
    np.testing.assert_array_equal(prepared.images[..., 0], FRAMES[:1])
    assert any(note.startswith("2 pages of 1 TIFF file left out, of another size") for note in prepared.notes)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "group4"])
def test_stacks_of_other_programs_are_read_whatever_their_compression(tmp_path, compression):
    frames = FRAMES > 127 if compression == "group4" else FRAMES
    first, *others = map(Image.fromarray, frames)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression)
    expected = frames * 255 if frames.dtype == bool else frames
    np.testing.assert_array_equal(read(tmp_path / "a.tif").images[..., 0], expected)


def test_ome_tiff_has_frames_and_channels(tmp_path):
    planes = FRAMES.reshape(3, 2, 24, 24).astype(np.uint16) * 257
    file = written(tmp_path, planes, "a.ome.tif", metadata={"axes": "CTYX"})
    images = read(file, 3).images
    np.testing.assert_array_equal(images, np.moveaxis(FRAMES.reshape(3, 2, 24, 24), 0, -1))
    np.testing.assert_array_equal(read(file, planes="2").images[..., 0], FRAMES[4:])
    np.testing.assert_array_equal(read(file, frames="first").images[0, ..., 0].shape, (24, 24))


def test_imagej_hyperstacks_have_frames_and_channels(tmp_path):
    planes = np.stack([FRAMES, 255 - FRAMES], axis=1)
    prepared = read(written(tmp_path, planes, imagej=True, metadata={"axes": "TCYX"}))
    np.testing.assert_array_equal(prepared.images[..., 0], FRAMES)
    assert "Of 2 channels the first is taken; data.planes chooses others." in prepared.notes


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (COLOUR, {"photometric": "rgb"}),
        (FRAMES[:3], {"photometric": "rgb", "planarconfig": "separate"}),
        (COLOUR.astype(np.uint16) * 257, {"photometric": "rgb"}),
        (COLOUR[None].repeat(3, 0), {"photometric": "rgb"}),
    ],
    ids=["contiguous", "planes", "16 bits", "a stack"],
)
def test_colour(tmp_path, array, options):
    np.testing.assert_array_equal(read(written(tmp_path, array, **options), 3).images[0], COLOUR)


def test_transparency_that_the_file_declares(tmp_path):
    rgba = np.zeros((24, 24, 4), np.uint8)
    rgba[6:12, 6:12, 3] = 255
    (image,) = read(written(tmp_path, rgba, photometric="rgb", extrasamples=["unassalpha"])).images
    assert (image[0, 0, 0], image[8, 8, 0]) == (255, 0)


@pytest.mark.parametrize("options", [{}, {"photometric": "minisblack", "planarconfig": "contig"}])
def test_many_channels_are_chosen_from(tmp_path, options):
    many = RNG.integers(0, 256, (24, 24, 7), dtype=np.uint8)
    file = written(tmp_path, many, **options)
    np.testing.assert_array_equal(read(file, 3, planes="6,0,3").images[0], many[..., [6, 0, 3]])
    prepared = read(file, 3)
    np.testing.assert_array_equal(prepared.images[0], many[..., :3])
    assert any(note.startswith("Of 7 channels the first three") for note in prepared.notes)
    with pytest.raises(DatasetError, match=r"has 7 channels, numbered from 0; data\.planes is '7'"):
        read(file, planes="7")


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int16, np.float32, np.float64])
def test_deep_pixels_are_scaled_together(tmp_path, dtype):
    deep = FRAMES.astype(dtype) * dtype(17) - dtype(0 if np.dtype(dtype).kind == "u" else 99)
    np.testing.assert_array_equal(read(written(tmp_path, deep, photometric="minisblack")).images[..., 0], FRAMES)


def test_white_is_zero_is_turned(tmp_path):
    file = written(tmp_path, 65535 - FRAMES[0].astype(np.uint16) * 257, photometric="miniswhite")
    np.testing.assert_array_equal(read(file).images[0, ..., 0], FRAMES[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pages_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(FRAMES[0]).save(tmp_path / "a.png", exif=exif)
    written(tmp_path, FRAMES[0], photometric="minisblack", extratags=[(274, 3, 1, orientation, True)])
    as_png, as_tiff = (read(tmp_path / name).images for name in ("a.png", "a.tif"))
    np.testing.assert_array_equal(as_tiff, as_png)


def test_frames_behind_a_damaged_one_are_skipped_together(tmp_path):
    file = written(tmp_path, RNG.integers(0, 256, (6, 64, 64), np.uint8), photometric="minisblack", compression="zlib")
    content = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as tiff:
        offset, size = tiff.pages[4].dataoffsets[0], tiff.pages[4].databytecounts[0]
    content[offset : offset + size] = bytes(size)
    file.write_bytes(content)
    prepared = read(file)
    assert len(prepared.images) == 4
    (skipped,) = prepared.skipped
    assert skipped.name == "a.tif#4"
    assert "so are the 1 frames after it" in skipped.reason


@pytest.mark.parametrize("content", [b"II*\0" + bytes(100), b"II*\0\x08\0\0\0\x01\0", b""])
def test_a_file_that_is_no_tiff_is_refused(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.tif holds no image that can be read"):
        read(tmp_path / "a.tif")


def test_pages_in_a_circle_are_refused_and_end(tmp_path):
    file = written(tmp_path, FRAMES[:3], photometric="minisblack")
    content = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as tiff:
        first, last = tiff.pages[0].offset, tiff.pages[-1].offset
        next_page = last + 2 + 12 * len(tiff.pages[-1].tags)
    content[next_page : next_page + 4] = struct.pack("<L", first)
    file.write_bytes(content)
    with pytest.raises(ValueError, match="its pages lie within one another"):
        read_layout(str(file))
