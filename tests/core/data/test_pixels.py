"""Pixels of files of every depth: upright, on the right ground, one range for all images, colour where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_source import open_source
from PIL import Image

from core.config import DataConfig
from core.data.pixels import Survey, survey
from core.data.preparation import Prepared, prepare

SIZE = 48


def read(path: Path, **options: object) -> Prepared:
    return prepare(DataConfig(path=str(path), **({"image_size": SIZE} | options)), cache=path.parent / "cache")


def disc(index: int = 0, radius: float = 9) -> np.ndarray:
    """bool (48, 48)"""
    y, x = np.mgrid[:SIZE, :SIZE]
    return (x - 15 - index) ** 2 + (y - 20) ** 2 < radius**2


# transparency


def transparent(kind: str, index: int) -> tuple[Image.Image, dict]:
    """A black disc on a ground that is not there."""
    shape = disc(index)
    if kind == "palette":
        image = Image.fromarray(np.where(shape, 1, 0).astype(np.uint8))
        image = image.convert("P")
        image.putpalette([0] * 768)
        return image, {"transparency": 0}
    alpha = np.where(shape, 255, 0).astype(np.uint8)
    if kind == "grey and alpha":
        return Image.fromarray(np.stack([np.zeros_like(alpha), alpha], -1)), {}
    hidden = np.random.default_rng(index).integers(0, 256, (SIZE, SIZE, 3)) if kind == "noise" else 0
    rgb = np.where(shape[..., None], 0, np.broadcast_to(hidden, (SIZE, SIZE, 3))).astype(np.uint8)
    return Image.fromarray(np.dstack([rgb, alpha])), {}


@pytest.mark.parametrize("kind", ["black", "noise", "palette", "grey and alpha"])
def test_dark_content_without_ground_is_laid_on_white(tmp_path, kind):
    for index in range(4):
        image, options = transparent(kind, index)
        (tmp_path / "in").mkdir(exist_ok=True)
        image.save(tmp_path / "in" / f"{index}.png", **options)
    prepared = read(tmp_path / "in")
    np.testing.assert_array_equal(prepared.images[2, ..., 0], np.where(disc(2), 0, 255))
    assert "4 images with transparency laid on white, as what they show is dark." in prepared.notes


def test_bright_content_is_laid_on_black_and_a_person_may_choose(tmp_path):
    bright = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    bright.paste((250, 250, 250, 255), (10, 10, 20, 20))
    (tmp_path / "in").mkdir()
    bright.save(tmp_path / "in" / "a.png")
    assert read(tmp_path / "in").images[0, 0, 0, 0] == 0
    assert read(tmp_path / "in", background="white").images[0, 0, 0, 0] == 255
    assert read(tmp_path / "in", background="#20a0ff", channels=3).images[0, 0, 0].tolist() == [0x20, 0xA0, 0xFF]


def test_half_transparent_pixels_mix(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 64)).save(tmp_path / "in" / "a.png")
    assert read(tmp_path / "in").images[0, 5, 5, 0] == pytest.approx(191, abs=1)


# turned, and of other modes


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_images_are_turned_upright(tmp_path, suffix):
    upright = np.full((60, 40), 230, np.uint8)
    upright[4:14, 6:34] = 20
    for orientation, turn in (
        (1, None),
        (6, Image.Transpose.ROTATE_90),
        (3, Image.Transpose.ROTATE_180),
        (8, Image.Transpose.ROTATE_270),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (5, Image.Transpose.TRANSPOSE),
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(upright)
        (tmp_path / "in").mkdir(exist_ok=True)
        options = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
        (image if turn is None else image.transpose(turn)).save(
            tmp_path / "in" / f"{orientation}.{suffix}", exif=exif, **options
        )
    source = open_source(DataConfig(path=str(tmp_path / "in")))
    assert set(map(tuple, source.sizes.tolist())) == {(60, 40)}
    assert "5 images turned upright as EXIF says." in source.notes
    images = read(tmp_path / "in", image_size=60).images
    assert np.abs(images.astype(int) - images[0].astype(int)).max() <= 12
    assert images[0, 9, 30, 0] == pytest.approx(20, abs=6)


@pytest.mark.parametrize(
    ("mode", "colour"), [("CMYK", (0, 255, 255, 0)), ("P", (255, 0, 0)), ("1", 1), ("L", 255), ("YCbCr", (76, 85, 255))]
)
def test_other_colour_models_are_converted(tmp_path, mode, colour):
    image = Image.new("RGB", (SIZE, SIZE), colour).quantize(4) if mode == "P" else Image.new(mode, (SIZE, SIZE), colour)
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / ("a.png" if mode in "P1L" else "a.tif"))
    expected = (255, 0, 0) if mode in ("CMYK", "P", "YCbCr") else (255, 255, 255)
    np.testing.assert_allclose(read(tmp_path / "in", channels=3).images[0, 9, 9], expected, atol=3)


# depth


def deep(path: Path, levels: list[float], dtype: type, suffix: str = "tif") -> Path:
    path.mkdir(exist_ok=True)
    for index, level in enumerate(levels):
        Image.fromarray(np.full((SIZE, SIZE), level, dtype)).save(path / f"{index}.{suffix}")
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bits_in_sixteen_use_the_range_of_the_data_set(tmp_path, suffix):
    prepared = read(deep(tmp_path / "in", [100, 200, 2100, 4100], np.uint16, suffix))
    np.testing.assert_allclose(prepared.images[:, 0, 0, 0], [0, 6, 128, 255], atol=1)
    assert any(note.startswith("Intensities 100 to 4100 of 16-bit pixels become 0 to 255") for note in prepared.notes)


def test_floating_point_files_are_scaled_together(tmp_path):
    assert read(deep(tmp_path / "in", [-3.5, 3.5, 0.1], np.float32)).images[:, 0, 0, 0].tolist() == [0, 255, 131]
    assert read(deep(tmp_path / "unit", [0.25, 0.5, 1.0], np.float32)).images[:, 0, 0, 0].tolist() == [64, 128, 255]


def test_the_range_may_be_given_or_leave_out_what_is_rare(tmp_path):
    folder = deep(tmp_path / "in", [1000, 3000], np.uint16)
    assert read(folder, intensity="0:4000").images[:, 0, 0, 0].tolist() == [64, 191]
    hot = np.full((SIZE, SIZE), 2000, np.uint16)
    hot[0, 0] = 65535
    Image.fromarray(hot).save(folder / "hot.tif")
    assert read(folder).images[1, 9, 9, 0] < 20
    assert read(folder, intensity="percentiles").images[1, 9, 9, 0] > 250


def test_a_hot_pixel_that_darkens_all_others_is_told(tmp_path):
    folder = deep(tmp_path / "images", [1000, 4000], np.uint16)
    assert not [note for note in read(folder).notes if "Nearly all" in note]
    hot = np.full((SIZE, SIZE), 100, np.uint16)
    hot[0, 0] = 65535
    Image.fromarray(hot).save(folder / "hot.tif")
    notes = [note for note in read(folder).notes if "Nearly all" in note]
    assert notes
    assert "data.intensity percentiles" in notes[0]


def test_eight_bits_stay_as_they_are_unless_a_range_is_asked_for(tmp_path):
    folder = deep(tmp_path / "in", [40, 80], np.uint8, "png")
    assert read(folder).images[:, 0, 0, 0].tolist() == [40, 80]
    assert read(folder, intensity="range").images[:, 0, 0, 0].tolist() == [0, 255]


# colour


def looked_at(path: Path) -> Survey:
    config = DataConfig(path=str(path))
    return survey(open_source(config), config)


def test_colour_is_found_in_the_last_of_many_grey_images(tmp_path):
    for index in range(40):
        Image.new("RGB", (16, 16), (9 + index,) * 3).save(tmp_path / f"{index}.jpg")
    assert not looked_at(tmp_path).colour
    assert looked_at(tmp_path).notes == ("Images stored with colour show only grey.",)
    dot = np.full((16, 16, 3), 90, np.uint8)
    dot[3, 4] = 200, 20, 20
    Image.fromarray(dot).save(tmp_path / "z.png")
    assert looked_at(tmp_path).colour


def test_a_scanners_tint_is_no_colour(tmp_path):
    Image.new("RGB", (16, 16), (200, 196, 190)).save(tmp_path / "a.png")
    assert not looked_at(tmp_path).colour


def test_leaving_out_colour_is_noted(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (SIZE, SIZE), (200, 30, 90)).save(tmp_path / "in" / "a.png")
    prepared = read(tmp_path / "in")
    assert prepared.images[0, 0, 0, 0] == 88
    assert "Colour is left out: data.channels is 1." in prepared.notes
    assert read(tmp_path / "in", channels=3).images[0, 0, 0].tolist() == [200, 30, 90]


# size


def portrait(path: Path) -> Path:
    """A black disc in the upper third of a white portrait."""
    pixels = np.full((300, 100), 255, np.uint8)
    y, x = np.mgrid[:300, :100]
    pixels[(x - 50) ** 2 + (y - 60) ** 2 < 30**2] = 0
    path.mkdir()
    Image.fromarray(pixels).save(path / "a.png")
    return path


def ink(image: np.ndarray) -> tuple[float, float, float, float]:
    """Rows and columns from first to last dark pixel."""
    y, x = np.nonzero(image[..., 0] < 128)
    return y.min(), y.max() + 1, x.min(), x.max() + 1


def test_fit_keeps_proportions_and_continues_the_border(tmp_path):
    (image,) = read(portrait(tmp_path / "in"), image_size=60).images
    assert ink(image) == pytest.approx((6, 18, 24, 36), abs=1)
    assert image[:, 0, 0].tolist() == [255] * 60
    (image,) = read(tmp_path / "in", image_size=60, background="black").images
    assert image[30, 0, 0] == 0


def test_crop_takes_the_central_square_and_stretch_all(tmp_path):
    folder = portrait(tmp_path / "in")
    (cropped,) = read(folder, image_size=100, resize="crop").images
    assert cropped.min() == 255  # the disc ends at row 90, the square begins at 100
    (stretched,) = read(folder, image_size=100, resize="stretch").images
    assert ink(stretched) == pytest.approx((10, 30, 20, 80), abs=1)


def test_shrinking_averages(tmp_path):
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(board).save(tmp_path / "in" / "a.png")
    inner = read(tmp_path / "in", image_size=32).images[0, 2:-2, 2:-2].astype(float)
    assert np.abs(inner - 127.5).max() <= 1.0


def test_images_of_one_and_of_four_thousand_pixels_fit_too(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("L", (1, 1), 9).save(tmp_path / "in" / "dot.png")
    Image.new("L", (4000, 1), 9).save(tmp_path / "in" / "line.png")
    assert (read(tmp_path / "in").images == 9).all()


def test_colour_of_sixteen_bits_is_scaled_too(tmp_path):
    dark = np.random.default_rng(0).integers(0, 4096, (2, SIZE, SIZE, 3), dtype=np.uint16)
    dark[:, 0, 0], dark[:, 0, 1] = 0, 4095
    (tmp_path / "in").mkdir()
    for index, image in enumerate(dark):
        write_deep_png(tmp_path / "in" / f"{index}.png", image)
    prepared = read(tmp_path / "in", channels=3)
    np.testing.assert_allclose(prepared.images, dark / 4095 * 255, atol=0.51)


def write_deep_png(file: Path, image: np.ndarray) -> None:
    """uint16 (H, W, 3), which Pillow cannot write."""
    import av

    with av.open(str(file), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "rgb48be"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb48be")))


# what is no number, or hardly one


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_are_counted_and_leave_the_others_as_they_are(tmp_path, kind, channels):
    random = np.random.default_rng(0)
    images = random.uniform(0.1, 0.9, (6, 16, 16, channels)).astype(kind)
    if channels == 4:
        images[..., 3] = 1.0
    images[0, 0, 0, 0], images[-1, -1, -1, 0] = 0.0, 1.0  # the range
    sound = prepared_of(images, tmp_path / "sound.npy")
    spoilt = images.copy()
    spoilt[0, 3, 3, 0], spoilt[0, 4, 4, 0], spoilt[2, 5, 5, 0] = np.inf, -np.inf, np.nan
    found = prepared_of(spoilt, tmp_path / "spoilt.npy")
    assert "3 values not finite (NaN or infinite): black, or white for +infinity." in found.notes
    assert not any("show only grey" in note for note in found.notes)
    changed = np.argwhere(found.images != sound.images)
    assert {tuple(place[:3]) for place in changed.tolist()} == {(0, 3, 3), (0, 4, 4), (2, 5, 5)}
    assert (found.images[0, 3, 3, 0], found.images[0, 4, 4, 0], found.images[2, 5, 5, 0]) == (255, 0, 0)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        (np.float16, -65504.0, 65504.0),
        (np.float32, -3.4e38, 3.4e38),
        (np.float64, -1e299, 1e299),
        (np.float32, 0.0, 1e-38),
        (np.float64, 0.0, 1e-299),
    ],
)
def test_ranges_at_the_ends_of_what_a_number_can_be_are_scaled(tmp_path, kind, low, high):
    ramp = np.linspace(0.0, 1.0, 256)
    images = np.stack([(low * (1 - ramp) + high * ramp).reshape(16, 16).astype(kind)] * 3)
    np.testing.assert_allclose(prepared_of(images, tmp_path / "ramp.npy").images[0].ravel(), np.arange(256), atol=1)


def test_what_no_difference_can_be_taken_of_counts_as_infinite(tmp_path):
    images = np.random.default_rng(0).uniform(0.0, 1.0, (3, 16, 16))
    images[0, 0, 0], images[0, 0, 1] = 1e308, -1e308
    found = prepared_of(images, tmp_path / "large.npy")
    assert any(note.startswith("2 values not finite") for note in found.notes)
    assert found.images[0, 0, :2, 0].tolist() == [255, 0]


def prepared_of(images: np.ndarray, file: Path) -> Prepared:
    np.save(file, images)
    channels = 1 if images.ndim == 3 or images.shape[-1] == 1 else 3
    return prepare(DataConfig(path=str(file), image_size=16, channels=channels), cache=file.with_suffix(".cache"))
