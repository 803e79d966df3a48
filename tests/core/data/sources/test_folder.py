"""Folders of image files: which are read and in which order, classes and splits by folders, what is skipped and why."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from image_source import open_source
from PIL import Image

from core.config import DataConfig
from core.data.dataset import DatasetError
from core.data.pixels import survey
from core.data.preparation import Prepared, prepare, prepared_once
from core.data.sources.listing import likely_place, listed, located
from core.data.sources.pictures import PictureError, read_header


def picture(path: Path, level: int = 0, size: tuple[int, int] = (16, 16), **options: object) -> Path:
    """A bright file with a square of ``level`` in its upper left quarter."""
    pixels = np.full(size, 250, np.uint8)
    pixels[: size[0] // 2, : size[1] // 2] = level
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path: Path, tmp_path: Path, **settings: object) -> Prepared:
    return prepare(DataConfig(path=str(path), image_size=16, **settings), cache=tmp_path / "cache")


def names(path: Path) -> tuple[str, ...]:
    return open_source(DataConfig(path=str(path))).names


def classes(path: Path) -> list[str | None]:
    """The class of each file, by name; None where it is not known."""
    (label,) = open_source(DataConfig(path=str(path))).labels
    return [None if np.isnan(value) else label.categories[int(value)] for value in label.values]


# which files


def test_files_are_in_natural_order_and_named_by_their_path_below_the_folder(tmp_path):
    for name in ("frame10.png", "frame2.png", "b/1.png", "frame1.png", "a/12.png", "a/3.png"):
        picture(tmp_path / "in" / name)
    assert names(tmp_path / "in") == ("frame1.png", "frame2.png", "frame10.png", "a/3.png", "a/12.png", "b/1.png")


@pytest.mark.parametrize(
    "litter",
    [".hidden.png", "._photo.png", ".thumbnails/x.png", ".ipynb_checkpoints/x.png", "__MACOSX/x.png", "Thumbs.db"],
)
def test_what_systems_leave_behind_is_left_out(tmp_path, litter):
    picture(tmp_path / "a.png")
    picture(tmp_path / "x.png")
    target = tmp_path / litter
    target.parent.mkdir(exist_ok=True)
    (tmp_path / "x.png").rename(target)
    source = open_source(DataConfig(path=str(tmp_path)))
    assert source.names == ("a.png",)
    assert not source.skipped


SUFFIXES = ["jfif", "jpe", "mpo", "avif", "jp2", "tga", "ico", "webp", "PNG", "bmp", "ppm", "qoi", ""]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whatever_pillow_decodes_is_read(tmp_path, suffix):
    file = tmp_path / (f"a.{suffix}" if suffix else "a")
    kind = {"jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "": "PNG"}.get(suffix, suffix.upper())
    Image.new("RGB", (16, 16), (200, 30, 90)).save(file, kind, **({"sizes": [(16, 16)]} if suffix == "ico" else {}))
    np.testing.assert_allclose(read(tmp_path, tmp_path, channels=3).images[0, 8, 8], (200, 30, 90), atol=6)


def test_other_files_are_counted_in_a_note(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("b.csv", "c.csv", "d.txt"):
        (tmp_path / name).write_text("x")
    assert "3 files left out that are no image: 2 .csv, 1 .txt." in open_source(DataConfig(path=str(tmp_path))).notes


def test_a_table_among_the_images_is_pointed_out(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "about.csv").write_text("file,x\na.png,1\n")
    said = "A table lies among the images, about.csv; it gives labels if data.labels names it."
    assert said in open_source(DataConfig(path=str(tmp_path))).notes


def test_linked_folders_are_followed_once_and_loops_end(tmp_path):
    picture(tmp_path / "real" / "a.png")
    picture(tmp_path / "in" / "own" / "b.png")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "in" / "alias").symlink_to(tmp_path / "in" / "own")
    (tmp_path / "in" / "own" / "loop").symlink_to(tmp_path / "in")
    listing = listed(tmp_path / "in")
    assert [file.name for file in listing.files] == ["linked/a.png", "own/b.png"]
    assert len(listing.notes) == 2


def test_a_link_to_nothing_and_a_pipe_are_skipped_with_their_reasons(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    os.mkfifo(tmp_path / "pipe.png")
    reasons = {one.name: one.reason for one in open_source(DataConfig(path=str(tmp_path))).skipped}
    assert reasons == {
        "gone.png": "a link to a file that is gone",
        "pipe.png": "a pipe or a device, not a file",
    }


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", Path(os.devnull)):
        with pytest.raises(DatasetError, match="a pipe or a device; give a file"):
            open_source(DataConfig(path=str(path)))


def test_a_whole_disk_is_no_folder_of_images():
    with pytest.raises(DatasetError, match="is a whole disk; give the folder of the images on it"):
        open_source(DataConfig(path=Path.cwd().anchor))


def test_names_of_any_bytes_are_opened_and_can_be_stored(tmp_path):
    odd = ["a b.png", "ü.png", "日本.png", "100%.png", "x#y.png", 'q"uote.png', "semi;colon.png", "line\nbreak.png"]
    for name in odd:
        picture(tmp_path / "in" / name)
    (tmp_path / "x.png").write_bytes((tmp_path / "in" / "ü.png").read_bytes())
    os.rename(tmp_path / "x.png", os.fsencode(tmp_path / "in") + b"/caf\xe9.png")
    found = read(tmp_path / "in", tmp_path).names
    assert set(found) == {*odd, "caf\N{REPLACEMENT CHARACTER}.png"}
    "".join(found).encode("utf-8")


@pytest.mark.parametrize("write", ["file://{}", " {} ", "~/{name}", "{name}"])
def test_a_path_may_be_an_address_relative_or_below_the_home_folder(tmp_path, monkeypatch, write):
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert located(write.format(str(folder).replace(" ", "%20") if "file" in write else folder, name="a b")) == folder


@pytest.mark.parametrize(("make", "said"), [(None, "does not exist"), (Path.mkdir, "holds no image file")])
def test_a_missing_or_empty_folder_is_named(tmp_path, make, said):
    if make:
        make(tmp_path / "images")
    with pytest.raises(DatasetError, match=rf"images {said}; give a folder"):
        open_source(DataConfig(path=str(tmp_path / "images")))


# broken files


def test_broken_files_are_skipped_all_at_once_with_their_reasons(tmp_path):
    for index in range(40):
        picture(tmp_path / f"photo{index:02d}.png", index, (48, 48))
    for index in (7, 19, 31):
        file = tmp_path / f"photo{index:02d}.png"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (tmp_path / "photo40.png").write_bytes(b"")
    (tmp_path / "photo41.jpg").write_text("<html>404</html>")
    (tmp_path / "photo42.heic").write_bytes(b"\0\0\0\x18ftypheic")
    prepared = read(tmp_path, tmp_path)
    assert len(prepared.images) == len(prepared.names) == 37
    reasons = {one.name: one.reason for one in prepared.skipped}
    assert list(reasons) == [f"photo{index:02d}.{end}" for index, end in (
        (7, "png"), (19, "png"), (31, "png"), (40, "png"), (41, "jpg"), (42, "heic"),
    )]  # fmt: skip
    assert "cut off" in reasons["photo07.png"]
    assert reasons["photo40.png"] == "empty"
    assert "web page" in reasons["photo41.jpg"]
    assert "convert it to JPEG or PNG" in reasons["photo42.heic"]
    assert prepared.images[:, 0, 0, 0].tolist() == [index for index in range(40) if index not in (7, 19, 31)]


def test_labels_and_names_stay_with_their_images_when_one_is_skipped(tmp_path):
    for name, level in (("a/1", 10), ("a/2", 20), ("b/3", 30), ("b/4", 40)):
        picture(tmp_path / f"{name}.png", level)
    (tmp_path / "a" / "2.png").write_bytes((tmp_path / "a" / "2.png").read_bytes()[:60])
    prepared = read(tmp_path, tmp_path)
    assert prepared.names == ("a/1.png", "b/3.png", "b/4.png")
    assert prepared.labels[0].values.tolist() == [0, 1, 1]
    assert prepared.images[:, 0, 0, 0].tolist() == [10, 30, 40]


def test_where_nothing_can_be_read_the_first_reason_is_said(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"all 2 files are skipped, the first, a\.png, because it is not an image"):
        open_source(DataConfig(path=str(tmp_path)))


def test_more_pixels_than_fit_are_skipped_before_they_are_decoded(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    Image.new("1", (3000, 2000)).save(tmp_path / "b.png")
    monkeypatch.setattr("core.data.sources.pictures.MAX_PIXELS", 5_000_000)
    prepared = read(tmp_path, tmp_path)
    assert prepared.names == ("a.png",)
    assert prepared.skipped[0].reason == "3000 × 2000 pixels; at most 5,000,000 are read. Shrink or cut it."


def height_of(file: Path, rows: int) -> None:
    """Let a header claim so many rows."""
    content = bytearray(file.read_bytes())
    if file.suffix == ".gif":
        content[6:10] = struct.pack("<HH", 16_000, rows // 1000)
        file.write_bytes(content)
        return
    place = 22  # of a BMP
    if file.suffix == ".tif":
        place = content.index(struct.pack("<HHL", 0x101, 4, 1)) + 8
    content[place : place + 4] = struct.pack("<L", rows)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("b.tif", "damaged: it holds 16 of 5,000,000 rows"),
        ("b.gif", "damaged or cut off: 16,000 × 5,000 pixels are not in it"),
        ("b.bmp", "damaged or cut off: 16 × 5,000,000 pixels are not in it"),
    ],
)
def test_pixels_that_a_file_does_not_hold_are_neither_made_up_nor_given_memory(tmp_path, monkeypatch, name, said):
    Image.new("L", (16, 16)).save(tmp_path / name)
    height_of(tmp_path / name, 5_000_000)
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match=f"^{said}$"):
        read_header(str(tmp_path / name), Path(name).suffix)


def test_a_large_photograph_is_decoded_small(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg", 20, (800, 1600), quality=95)
    monkeypatch.setattr("core.data.sources.pictures.MAX_PIXELS", 100_000)
    (image,) = read(tmp_path, tmp_path).images
    assert image[6, 3, 0] == pytest.approx(20, abs=3)
    assert image[9, 12, 0] == pytest.approx(250, abs=3)


# classes and splits


def test_the_first_folders_are_classes_by_their_names_in_natural_order(tmp_path):
    for number in range(12):
        picture(tmp_path / str(number) / "deeper" / "x.png")
    assert classes(tmp_path) == [str(number) for number in range(12)]


def test_an_empty_class_folder_and_files_beside_the_classes_are_noted(tmp_path):
    for name in ("cat/1.png", "dog/1.png", "stray.png"):
        picture(tmp_path / name)
    (tmp_path / "fish").mkdir()
    assert classes(tmp_path) == [None, "cat", "dog"]
    notes = open_source(DataConfig(path=str(tmp_path))).notes
    assert "1 file beside the class folders: class not known." in notes
    assert "No images in the folder fish: no class is made of it." in notes


def test_one_folder_around_everything_is_no_class(tmp_path):
    picture(tmp_path / "all" / "cat" / "1.png")
    picture(tmp_path / "all" / "dog" / "1.png")
    assert classes(tmp_path) == ["cat", "dog"]
    assert not open_source(DataConfig(path=str(tmp_path / "all" / "cat"))).labels


def test_blanks_and_quotes_around_a_path_are_dropped_unless_they_are_part_of_it(tmp_path):
    (tmp_path / "blank ").mkdir()
    for text in (f" {tmp_path}\n", f'"{tmp_path}"', f"'{tmp_path}'", tmp_path.as_uri()):
        assert located(text) == likely_place(text) == tmp_path
    assert located(f"{tmp_path}/blank ") == tmp_path / "blank "


@pytest.mark.parametrize(("train", "validation"), [("train", "val"), ("Training", "test"), ("train", "validation")])
def test_folders_for_training_and_validation_are_a_split_with_classes_below(tmp_path, train, validation):
    for name in (f"{train}/cat/1.png", f"{train}/dog/2.png", f"{validation}/cat/3.png"):
        picture(tmp_path / name)
    source = open_source(DataConfig(path=str(tmp_path)))
    by_name = dict(zip(source.names, source.given_split, strict=True))
    assert {name: part == 1 for name, part in by_name.items()} == {n: n.startswith(validation) for n in by_name}
    assert dict(zip(source.names, classes(tmp_path), strict=True)) == {n: n.split("/")[1] for n in by_name}


def test_folders_for_training_and_validation_may_lie_within_those_of_the_classes(tmp_path):
    for name in ("cat/train/1.png", "cat/test/2.png", "dog/train/1.png", "dog/test/odd/2.png", "dog/test/fine/3.png"):
        picture(tmp_path / name)
    source = open_source(DataConfig(path=str(tmp_path)))
    assert dict(zip(source.names, source.given_split, strict=True)) == {n: "/test/" in n for n in source.names}
    assert classes(tmp_path) == [name.partition("/")[0] for name in source.names]
    assert any("given by the folders train and test: 2 files to train, 3 to validate" in note for note in source.notes)
    inner = "Folders within those of the classes, such as dog/test/fine, are no classes of their own."
    assert inner in source.notes


@pytest.mark.parametrize("folder", ["held out", "held-out", "Held_Out"])
def test_a_folder_may_hold_images_out(tmp_path, folder):
    for name in ("train/1.png", "train/2.png", f"{folder}/3.png"):
        picture(tmp_path / name)
    source = open_source(DataConfig(path=str(tmp_path)))
    by_name = dict(zip(source.names, source.given_split.tolist(), strict=True))
    assert by_name == {"train/1.png": 0, "train/2.png": 0, f"{folder}/3.png": 2}
    assert any("2 files to train, 0 to validate, 1 held out" in note for note in source.notes)


def test_classes_called_train_and_test_among_others_are_no_split(tmp_path):
    for name in ("train/1.png", "test/1.png", "plane/1.png"):
        picture(tmp_path / name)
    assert open_source(DataConfig(path=str(tmp_path))).given_split is None
    assert classes(tmp_path) == ["plane", "test", "train"]


def test_three_parts_validate_with_both_others_and_a_lone_train_is_a_class(tmp_path):
    for name in ("train/1.png", "val/1.png", "test/1.png"):
        picture(tmp_path / "in" / name)
    assert open_source(DataConfig(path=str(tmp_path / "in"))).given_split.tolist() == [1, 0, 1]
    (tmp_path / "in" / "val").rename(tmp_path / "in" / "plane")
    assert open_source(DataConfig(path=str(tmp_path / "in"))).given_split is None


# frames


def animated(path: Path, count: int) -> None:
    frames = [Image.new("L", (16, 16), 20 * index) for index in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_every_frame_is_an_image_or_only_the_first(tmp_path, suffix):
    animated(tmp_path / f"a.{suffix}", 4)
    picture(tmp_path / "b.png")
    prepared = read(tmp_path, tmp_path)
    assert prepared.names == (*(f"a.{suffix}#{frame}" for frame in range(4)), "b.png")
    np.testing.assert_allclose(prepared.images[:4, 9, 9, 0], [0, 20, 40, 60], atol=2)
    assert prepared.groups is not None
    assert prepared.groups.tolist() == [0, 0, 0, 0, 1]
    first = read(tmp_path, tmp_path, frames="first")
    assert first.names == (f"a.{suffix}", "b.png")
    assert any("3 frames not (data.frames is first)" in note for note in first.notes)


def test_a_single_file_of_frames_is_a_source(tmp_path):
    animated(tmp_path / "stack.tif", 40)
    assert len(read(tmp_path / "stack.tif", tmp_path).images) == 40


def test_sizes_of_an_icon_and_the_preview_in_a_photograph_are_no_frames(tmp_path):
    picture(tmp_path / "a.ico", size=(64, 64), sizes=[(16, 16), (32, 32), (64, 64)])
    frames = [Image.new("RGB", (16, 16)), Image.new("RGB", (8, 8))]
    frames[0].save(tmp_path / "b.mpo", save_all=True, append_images=frames[1:])
    (tmp_path / "b.mpo").rename(tmp_path / "b.jpg")
    assert len(open_source(DataConfig(path=str(tmp_path)))) == 2


def test_a_phone_picture_with_the_wrong_suffix_is_said_to_be_heic(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "HEIC, which Pillow does not read" in read(tmp_path, tmp_path).skipped[0].reason


def test_files_may_be_in_the_order_of_their_characters(tmp_path):
    for name in ("frame10.png", "frame2.png", "a/b.png", "a-b.png"):
        picture(tmp_path / name)
    assert open_source(DataConfig(path=str(tmp_path), order="path")).names == tuple(
        path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.png"))
    )


@pytest.mark.parametrize(
    ("name", "said"), [("d.pt", "a PyTorch file"), ("d.zip", "Unpack it"), ("d.npz", "give .*d.npz")]
)
def test_a_folder_around_one_file_of_another_kind_says_what_to_do(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(DatasetError, match=rf"holds no image file, but .*{said}"):
        open_source(DataConfig(path=str(tmp_path)))


def seeds() -> list[tuple[str, bytes]]:
    """A small file of each of the commonest formats."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8))
    kinds = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP"}
    found = []
    for suffix, kind in kinds.items():
        stream = io.BytesIO()
        image.save(stream, kind)
        found.append((suffix, stream.getvalue()))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(seeds()), st.integers(0, 5000), st.binary(min_size=1, max_size=8))
@example(next(seed for seed in seeds() if seed[0] == "tif"), 18, b"\0\0\0\x80\0")  # 2³¹ pixels wide, 0 high
def test_any_damage_to_an_image_is_a_reason_to_skip_it_or_harmless(tmp_path, seed, place, junk):
    suffix, whole = seed
    content = bytearray(whole)
    place %= len(content)
    content[place : place + len(junk)] = junk
    for old in tmp_path.glob("damaged.*"):
        old.unlink()
    picture(tmp_path / "good.png")
    (tmp_path / f"damaged.{suffix}").write_bytes(content)
    config = DataConfig(path=str(tmp_path), image_size=8)
    source = open_source(config)
    prepared = prepared_once(source, config, survey(source, config))
    names = {name.partition("#")[0] for name in prepared.names}
    assert "good.png" in names
    assert names | {one.name.partition("#")[0] for one in prepared.skipped} == {"good.png", f"damaged.{suffix}"}
