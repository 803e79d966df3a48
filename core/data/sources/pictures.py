"""Image files one by one: what their headers say, and their pixels, upright, frame by frame.

Pillow reads them, from formats that it decodes by itself: none that calls another program, none that runs code.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.data.dataset import BROKEN
from core.data.sources.listing import ListedFile
from core.data.sources.members import read_array_header
from core.data.sources.source import PixelKind, Pixels, Size, chosen_channels, taken
from core.data.sources.tiff import TiffLayout, deep_colour, is_plain_picture, read_layout, read_tiff
from core.utils.text import reason

SIGNED = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
"""Formats known by their first bytes, so that they are read whatever a file is called."""
FOREIGN = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF", "FPX", "MIC", "IPTC"})
"""What Pillow knows of, but leaves to another program."""
STACKS = frozenset({"GIF", "PNG", "WEBP", "AVIF", "TIFF", "FLI", "DCX", "SPIDER"})
"""Formats whose frames are images in their own right: those of others are sizes, layers or previews of one."""
UNREADABLE = {
    ".heic": "HEIC, which Pillow does not read; convert it to JPEG or PNG, for example with heif-convert",
    ".heif": "HEIF, which Pillow does not read; convert it to JPEG or PNG, for example with heif-convert",
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"),
        "a camera's raw file; develop it to JPEG, PNG or TIFF",
    ),
    **dict.fromkeys((".svg", ".eps", ".ps", ".pdf", ".ai", ".emf", ".wmf"), "a drawing; export it as PNG"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "a film; write its frames as PNG, or as one GIF"),
    **dict.fromkeys((".dcm", ".dicom"), "DICOM; convert it to PNG or TIFF, for example with dcm2img"),
    **dict.fromkeys((".czi", ".lif", ".nd2", ".oib", ".oif", ".vsi"), "a microscope's own format; export it as TIFF"),
    ".exr": "OpenEXR; convert it to TIFF",
}
"""Suffixes of pictures that are not read, and what to do instead."""
NO_IMAGE = "not an image that can be read"
NOT_READABLE = "not readable (permission denied)"
MAX_PIXELS = 256_000_000
"""Of one image as it is decoded: more are refused before they fill the memory."""
LARGE_PIXELS = 32_000_000
MOST_PIXELS_OF_BYTE = 11_000
"""That a byte of a GIF or PNG can give: a code of three bits stands for 4,096 at most, and deflate makes 1,032 bytes
out of one, of eight pixels each."""
MIN_ORIENTATION_SWAPPING = 5
ORIENTATION = 0x0112

_one_large_image = threading.Lock()  # of many threads one at a time, so that memory does not grow with the cores


class PictureError(ValueError):
    """Why a file gives no image; the message is the reason that is shown beside its name."""


@dataclass(frozen=True)
class Header:
    """What a file says before its pixels are read: frames, (height, width) upright, what a pixel is."""

    frames: int
    size: Size
    kind: PixelKind
    turned: bool = False
    channels: int = 3
    tiff: TiffLayout | None = None


def settle_pillow() -> None:
    """Let the libraries be silent about odd metadata, and leave limits to this module, which asks each header."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is the reason it is skipped
    Image.MAX_IMAGE_PIXELS = None
    Image.init()


def is_picture(suffix: str) -> bool:
    """Whether files with ``suffix`` (small letters, with its dot) are images, readable or not."""
    Image.init()
    known = Image.registered_extensions().get(suffix)
    return suffix in UNREADABLE or known == "MPO" or (known in Image.OPEN and known not in FOREIGN)


def read_header(path: str, suffix: str) -> Header:
    """The header of the file at ``path``. Raises ``PictureError``."""
    if suffix == ".npy":
        try:
            with open(path, "rb") as stream:
                shape, _, dtype = read_array_header(stream)
        except PermissionError as error:
            raise PictureError(NOT_READABLE) from error
        except BROKEN as error:
            raise PictureError(f"damaged, or not an array ({_said(error)})") from error
        return array_header(shape, dtype)
    if suffix in (".tif", ".tiff"):
        header = _tiff_header(path)
        if header is not None:
            return header
    with _opened(path, suffix) as image:
        frames = getattr(image, "n_frames", 1) if image.format in STACKS else 1
        turned = _orientation(image)
        width, height = image.size
        size = (width, height) if turned >= MIN_ORIENTATION_SWAPPING else (height, width)
        if image.format not in ("JPEG", "MPO"):  # a large one of these may be decoded small
            _check_size(*size)
        _check_stored(image, path)
        kind = _kind(image)
        return Header(frames, size, kind, turned > 1, 3 if kind.colour else 1)


def read_frames(
    file: ListedFile, header: Header, frames: range, planes: str, target: Callable[[Size], Size] | None = None
) -> Iterator[Pixels]:
    """The pixels of ``frames`` of one file, each (1, H, W, C). Raises ``PictureError``.

    ``planes`` is ``data.planes``. ``target`` tells to which (height, width) an image of a (height, width) will be
    scaled: a JPEG is then decoded at a half, quarter or eighth of its size, never below twice the target.
    """
    chosen = chosen_channels(planes, header.channels, "it", [])
    if header.tiff is not None:
        with _one_large_image if math.prod(header.size) > LARGE_PIXELS else contextlib.nullcontext():
            yield from _decoded(read_tiff(file.path, header.tiff, frames, chosen))
        return
    if file.suffix == ".npy":
        yield from _decoded(array_pixels(np.load(path, allow_pickle=False), header, chosen) for path in [file.path])
        return
    with _opened(file.path, file.suffix) as image:
        for frame in frames:
            if frame or image.format in STACKS:
                image.seek(frame)
            if target is not None and image.format in ("JPEG", "MPO"):
                _draft(image, target)
            _check_size(image.height, image.width)
            _check_stored(image, file.path)
            with _one_large_image if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
                pixels = _pixels(image, file.path)
            if planes and pixels.values.shape[-1] == header.channels:
                pixels = Pixels(taken(pixels.values, chosen), None)
            yield pixels


def array_header(shape: tuple[int, ...], dtype: np.dtype) -> Header:
    """What an array says of itself that is one image (H, W), (H, W, C) or (C, H, W), C at most 4.

    Raises ``PictureError`` if it is none.
    """
    last, first = len(shape) == 3 and shape[2] <= 4, len(shape) == 3 and shape[0] <= 4
    if dtype.kind not in "buif" or not (len(shape) == 2 or last or first) or not math.prod(shape):
        raise PictureError(f"{dtype} {shape}, not numbers (H, W), (H, W, C) or (C, H, W)")
    height, width = shape[:2] if len(shape) == 2 or last else shape[1:]
    _check_size(height, width)
    channels = 1 if len(shape) == 2 else shape[2] if last else shape[0]
    bits = 1 if dtype.kind == "b" else 8 * dtype.itemsize
    return Header(1, (height, width), PixelKind(bits, channels > 2, real=dtype.kind == "f"), channels=channels)


def array_pixels(array: np.ndarray, header: Header, planes: tuple[int, ...]) -> Pixels:
    """The channels ``planes`` of an array of which ``array_header`` said ``header``."""
    if array.shape == (header.channels, *header.size):
        array = np.moveaxis(array, 0, -1)
    image = array.reshape(1, *header.size, header.channels)
    return Pixels(taken(image.astype(image.dtype.newbyteorder("="), copy=False), planes))


def _tiff_header(path: str) -> Header | None:
    """The header of a TIFF file that Pillow would not read whole; None for other files, damaged ones among them."""
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            if is_plain_picture(image):
                return None
    except UnidentifiedImageError:
        pass  # of a kind that Pillow does not know, perhaps
    except Exception:  # damaged: who reads it will say so
        return None
    try:
        layout = read_layout(path)
    except Exception:  # damaged files make tifffile raise anything
        return None
    if layout is None or layout.frames > os.path.getsize(path):  # more frames than bytes: no such file
        return None
    _check_size(*layout.size)
    channels = layout.channels - layout.alpha
    return Header(layout.frames, layout.size, layout.kind, layout.orientation > 1, channels, layout)


def _decoded(pixels: Iterator[Pixels]) -> Iterator[Pixels]:
    try:
        yield from pixels
    except MemoryError as error:
        raise PictureError("too large for the memory; shrink it") from error
    except Exception as error:  # what decoders raise for damaged files is of any kind
        raise PictureError(f"damaged or cut off ({_said(error)})") from error


def _check_size(height: int, width: int) -> None:
    if min(height, width) < 1:
        raise PictureError(f"damaged: it says that it has {width} × {height} pixels")
    if height * width > MAX_PIXELS:
        raise PictureError(f"{width} × {height} pixels; at most {MAX_PIXELS:,} are read. Shrink or cut it.")


def _check_stored(image: Image.Image, path: str) -> None:
    """Refuse what cannot be in the file, before memory is taken for it. Pillow leaves black what no strip of a TIFF is
    about."""
    tiles = [(tile[0], tile[1]) for tile in getattr(image, "tile", ()) if tile[1]]
    rows = max((bottom for _, (_, _, _, bottom) in tiles), default=0)
    if image.format == "TIFF" and rows < image.height:
        raise PictureError(f"damaged: it holds {rows:,} of {image.height:,} rows")
    size, pixels = os.path.getsize(path), image.width * image.height
    plain = sum((right - left) * (bottom - top) for codec, (left, top, right, bottom) in tiles if codec == "raw")
    dense = image.format in ("GIF", "PNG") and pixels > max(LARGE_PIXELS, MOST_PIXELS_OF_BYTE * size)
    if dense or plain > 8 * size:  # plainly stored, each takes a bit or more
        raise PictureError(f"damaged or cut off: {image.width:,} × {image.height:,} pixels are not in it")


@contextlib.contextmanager
def _opened(path: str, suffix: str) -> Iterator[Image.Image]:
    if suffix in UNREADABLE:
        raise PictureError(UNREADABLE[suffix])
    named = Image.registered_extensions().get(suffix)
    formats = SIGNED if named not in Image.OPEN or named in FOREIGN or named in SIGNED else (*SIGNED, named)
    try:
        with open(path, "rb") as file, Image.open(file, formats=formats) as image:
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(_what_it_is(path)) from error
    except MemoryError as error:
        raise PictureError("too large for the memory; shrink it") from error
    except PermissionError as error:
        raise PictureError(NOT_READABLE) from error
    except Exception as error:  # what decoders raise for damaged files is of any kind
        raise PictureError(f"damaged or cut off ({_said(error)})") from error


def _what_it_is(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(512).lstrip().lower()
    if not start:
        return "empty"
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif"):
        return UNREADABLE[".heic"]
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "a web page or other text, not an image; download it again"
    return NO_IMAGE


def _said(error: Exception) -> str:
    return reason(error)[:120]


def _orientation(image: Image.Image) -> int:
    """1 upright, 2 to 8 turned or mirrored, as EXIF counts them."""
    if image.format == "PNG" and "exif" not in image.info:  # else Pillow decodes all of it, to find none
        return 1
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _kind(image: Image.Image) -> PixelKind:
    mode = image.mode
    if mode == "1":
        return PixelKind(1)
    if mode.startswith("I;16"):
        return PixelKind(16)
    if mode in ("I", "F"):
        return PixelKind(32, real=mode == "F")
    if _has_deep_colour(image):
        return PixelKind(16, colour=True, alpha=mode == "RGBA")
    alpha = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return PixelKind(8, colour=mode not in ("L", "LA", "La"), alpha=alpha)


def _has_deep_colour(image: Image.Image) -> bool:
    """Whether a file has 16 bits a channel, of which Pillow decodes 8."""
    tiles = getattr(image, "tile", None)
    return bool(tiles) and image.mode in ("RGB", "RGBA") and str(tiles[0].args).endswith(";16B")


def _draft(image: Image.Image, target: Callable[[Size], Size]) -> None:
    turned = _orientation(image) >= MIN_ORIENTATION_SWAPPING
    width, height = image.size
    down, across = target((width, height) if turned else (height, width))
    wanted = (2 * down, 2 * across) if turned else (2 * across, 2 * down)
    image.draft(None, wanted)


def _pixels(image: Image.Image, path: str) -> Pixels:
    deep = image.format == "PNG" and _has_deep_colour(image)
    image.load()
    if deep and _orientation(image) == 1 and (getattr(image, "n_frames", 1) == 1):
        values = deep_colour(path)
        alpha = np.rint(values[..., 3] / 257).astype(np.uint8)[None] if values.shape[-1] == 4 else None
        return Pixels(values[None, ..., :3], alpha)
    upright = ImageOps.exif_transpose(image) if _orientation(image) > 1 else image
    plain = _plain(upright)
    values = np.asarray(plain)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if plain.mode in ("LA", "RGBA"):
        alpha = values[..., -1]
        opaque = bool((alpha == 255).all())
        return Pixels(values[None, ..., :-1], None if opaque else alpha[None])
    return Pixels(values[None, ..., None] if values.ndim == 2 else values[None])


def _plain(image: Image.Image) -> Image.Image:
    """The image in a mode whose numbers mean what they say: grey, RGB, with alpha, or deep grey."""
    mode = image.mode
    if mode in ("1", "L", "RGB", "P") and "transparency" in image.info:
        return image.convert("RGBA")
    if mode == "La":
        return image.convert("LA")
    if mode in ("PA", "RGBa"):
        return image.convert("RGBA")
    if mode == "LAB":
        return _from_lab(image)
    if mode in ("1", "L", "LA", "RGB", "RGBA", "I", "F") or mode.startswith("I;16"):
        return image
    return image.convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted
