"""Datasets from files: a folder of images, or an NPZ file in the manner of dSprites. Nothing read can execute code."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from core.config import DataConfig
from core.data.dataset import DatasetError, Progress

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
MAX_PIXELS = 64_000_000  # of one file: larger ones are refused before they fill the memory
_CHUNK = 256  # images of an NPZ file converted at a time
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# What NumPy and zipfile raise for damaged archives: headers are parsed as Python literals, members are inflated.
_BROKEN_NPZ = (
    OSError, ValueError, TypeError, KeyError, EOFError, SyntaxError, OverflowError, RuntimeError,
    zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip

Loaded = tuple[np.ndarray, np.ndarray, tuple[str, ...]]


def read_folder(config: DataConfig, progress: Progress | None = None) -> Loaded:
    """Every image file below ``config.path`` in sorted order; with sub-folders, the first is the factor "class".

    Returns images uint8 (N, S, S, C), factors float32 (N, 0 or 1) and their names. Raises ``DatasetError``.
    """
    root = Path(config.path)
    files = image_files(root)
    size, channels = config.image_size, config.channels
    images = np.empty((len(files), size, size, channels), dtype=np.uint8)
    for index, file in enumerate(files):
        images[index] = read_image(file, size, channels)
        if progress is not None and index % 32 == 0:
            progress(index / len(files))
    images.flags.writeable = False
    classes = [file.relative_to(root).parts[0] if file.parent != root else "" for file in files]
    names = sorted(set(classes))
    if len(names) < 2:
        return images, np.zeros((len(files), 0), dtype=np.float32), ()
    labels = np.array([[names.index(name)] for name in classes], dtype=np.float32)
    return images, labels, ("class",)


def image_files(root: Path) -> list[Path]:
    """The image files below folder ``root``, sorted, hidden ones left out.

    Raises ``DatasetError`` if it is no folder or holds none.
    """
    if not root.is_dir():
        raise DatasetError(f"{root} is not a folder; give a folder with image files.")
    images = (p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    files = sorted(p for p in images if not any(part.startswith(".") for part in p.relative_to(root).parts))
    if not files:
        raise DatasetError(f"{root} holds no image file ({', '.join(SUFFIXES)}).")
    return files


def read_image(file: Path, size: int, channels: int) -> np.ndarray:
    """One file as uint8 (size, size, channels), stretched to the square; shrinking averages, enlarging is bilinear.

    16-bit grey is scaled to 8 bits. Raises ``DatasetError`` that names the file.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DatasetError(
                    f"{file} has {image.width} × {image.height} pixels; at most {MAX_PIXELS:,} are read. Shrink it."
                )
            converted = _eight_bit(image, file).convert("L" if channels == 1 else "RGB")
            return _resize(converted, size).reshape(size, size, channels)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, *_BOMBS) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{file} is not an image that can be read ({error}). Repair or remove it.") from error


def _eight_bit(image: Image.Image, file: Path) -> Image.Image:
    """The image in a mode that Pillow converts faithfully: it would clip deeper ones at 255."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(image) / 257.0).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DatasetError(f"{file} has 32 bits per pixel, of unknown range; save it with 8 or 16 bits.")
    return image


def _resize(image: Image.Image, size: int) -> np.ndarray:
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def read_npz(config: DataConfig, progress: Progress | None = None) -> Loaded:
    """An NPZ file with dSprites' keys: imgs (N, H, W[, C]), and if there latents_values or latents_classes (N, F).

    Factors that never change are left out. Names come from ``latents_names`` or are factor1, factor2, … dSprites' own
    pickled ``metadata`` is not read. Raises ``DatasetError``.
    """
    file = Path(config.path)
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; give an .npz file with the key imgs.")
    try:
        with np.load(file, allow_pickle=False) as data:
            if not isinstance(data, np.lib.npyio.NpzFile):
                raise DatasetError(f"{file} is a single array; give an .npz file with the key imgs.")
            if "imgs" not in data.files:
                raise DatasetError(f"{file} holds {', '.join(data.files) or 'nothing'}; it must hold imgs.")
            raw = _member(data, "imgs")
            key = next((k for k in ("latents_values", "latents_classes") if k in data.files), None)
            values = _member(data, key) if key else np.zeros((len(raw), 0))
            names = [str(name) for name in _member(data, "latents_names")] if "latents_names" in data.files else []
    except _BROKEN_NPZ as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{file} cannot be read as NPZ ({error}). Write it again with numpy.savez.") from error
    images = _as_images(raw, file, config, progress)
    factors = _as_factors(values, len(images), key or "latents_values", file)
    if len(names) != factors.shape[1]:
        names = [f"factor{i + 1}" for i in range(factors.shape[1])]
    changing = [i for i in range(factors.shape[1]) if np.ptp(factors[:, i]) > 0]
    return images, np.ascontiguousarray(factors[:, changing]), tuple(names[i] for i in changing)


def _member(data: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    value = data[key]
    if not isinstance(value, np.ndarray):  # NumPy hands out a member that is no .npy file as its bytes
        raise ValueError(f"{key} is not an array")
    return value


def _as_factors(values: np.ndarray, count: int, key: str, file: Path) -> np.ndarray:
    if values.ndim != 2 or len(values) != count or values.dtype.kind not in "iufb":
        raise DatasetError(f"{key} of {file} is {values.dtype} {values.shape}; it must be numbers ({count}, F).")
    factors = values.astype(np.float32)
    if not np.isfinite(factors).all():
        raise DatasetError(f"{key} of {file} holds numbers that are not finite.")
    return factors


def _as_images(raw: np.ndarray, file: Path, config: DataConfig, progress: Progress | None) -> np.ndarray:
    """uint8 (N, S, S, C): booleans and uint8 that is only 0 or 1 become 0/255, floats in [0, 1] are scaled."""
    shape = f"imgs of {file} is {raw.dtype} {raw.shape}"
    if raw.ndim == 3:
        raw = raw[..., None]
    if raw.ndim != 4 or raw.shape[-1] not in (1, 3) or min(raw.shape) < 1:
        raise DatasetError(f"{shape}; it must be (N, H, W), (N, H, W, 1) or (N, H, W, 3).")
    if raw.dtype.kind == "b":
        scale = 255.0
    elif raw.dtype.kind == "f":
        if not np.isfinite(raw).all() or raw.min() < 0.0 or raw.max() > 1.0:
            raise DatasetError(f"{shape}; floating-point images must be in [0, 1].")
        scale = 255.0
    elif raw.dtype == np.uint8:
        scale = 255.0 if raw.max() <= 1 else 1.0
    else:
        raise DatasetError(f"{shape}; images must be uint8, bool, or floating point in [0, 1].")
    size, channels = config.image_size, config.channels
    images = np.empty((len(raw), size, size, channels), dtype=np.uint8)
    for start in range(0, len(raw), _CHUNK):
        frames = np.rint(raw[start : start + _CHUNK] * np.float32(scale)).astype(np.uint8)
        if frames.shape[1:] == images.shape[1:]:
            images[start : start + _CHUNK] = frames
        else:
            for index, frame in enumerate(frames, start):
                picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
                picture = picture.convert("L" if channels == 1 else "RGB")
                images[index] = _resize(picture, size).reshape(size, size, channels)
        if progress is not None:
            progress(min(start + _CHUNK, len(raw)) / len(raw))
    images.flags.writeable = False
    return images


def read_files(config: DataConfig, progress: Progress | None = None) -> Loaded:
    """What ``config.path`` holds: a folder of images, or an .npz file. Raises ``DatasetError``."""
    path = Path(config.path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist; give a folder of images or an .npz file.")
    if not path.is_dir() and path.suffix.lower() != ".npz":
        raise DatasetError(f"{path} is neither a folder nor an .npz file; give a folder of images or an .npz file.")
    return read_folder(config, progress) if path.is_dir() else read_npz(config, progress)
