"""Pixels of any depth as 8 bits: one range of intensities, one background and one choice of channels for all images;
and images of any size as squares of one size.

``survey`` looks at the data set once; what it finds is the same for every image, so that a bright image stays brighter
than a dark one. Shrinking averages, enlarging is bilinear, both as Pillow does it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from PIL import Image, ImageColor

from core.config import DataConfig, Resize
from core.data.dataset import Progress
from core.data.sources.source import ImageSource, Pixels, Size, Skipped
from core.utils.text import counted

COLOUR_SPREAD = 16 / 255
"""Share of the range by which the channels of a pixel differ if it has a colour: less is a scanner's tint or noise."""
TOLERANCE = 1e-3
"""By which floating-point values may leave [0, 1] or [-1, 1] and are still taken as such."""
PERCENTILES = (0.1, 99.9)
FEW_EXTREMES = 0.25
"""Of the range: what nearly all pixels use less of looks black, or all alike."""
LARGEST = 1e300
"""Values above it count as infinite: their differences could be."""
SINGLE = 1e30
"""Values up to this, and ranges down to its inverse, are scaled in float32."""
_SAMPLED = 16_000_000  # pixels of all images that percentiles are taken from
_GAP = 3.0  # a shrinking by more than this first averages whole pixels, which is faster and hardly differs
_SMALL = 64  # side at which a photograph shows whether it has colour


@dataclass(frozen=True)
class Survey:
    """What all images have in common.

    ``colour``: whether any shows one. ``low`` and ``high`` become 0 and 255 where pixels are deeper than 8 bits,
    ``low8`` and ``high8`` where they are not. ``background`` is the RGB under transparent images, None if there are
    none. ``lowest`` and ``highest`` are the values found. ``notes`` say what follows, in words.
    """

    colour: bool = False
    low: float = 0.0
    high: float = 255.0
    low8: float = 0.0
    high8: float = 255.0
    background: tuple[int, int, int] | None = None
    lowest: float = 0.0
    highest: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass
class _Measured:
    """What was found in pixels of one depth; ``weight`` and ``brightness`` sum up what is opaque in transparent
    images, ``broken`` counts values that are not finite, ``whole`` is whether all are integers."""

    images: int = 0
    low: float = np.inf
    high: float = -np.inf
    spread: float = 0.0
    broken: int = 0
    whole: bool = True
    real: bool = False
    transparent: int = 0
    weight: float = 0.0
    brightness: float = 0.0
    samples: list[np.ndarray] = field(default_factory=list)

    def add(self, other: _Measured) -> None:
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.spread = max(self.spread, other.spread)
        self.whole, self.real = self.whole and other.whole, self.real or other.real
        for name in ("images", "broken", "transparent", "weight", "brightness", "samples"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def survey(source: ImageSource, config: DataConfig, progress: Progress | None = None) -> Survey:
    """Look at all pixels of ``source``, or, where 8 bits are taken as they are, at as many as show colour.

    What cannot be read is passed over here: ``preparation`` reports it.
    """
    plain = all(kind.bits <= 8 and not kind.alpha for kind in source.kinds) and config.intensity == "auto"
    many = {"percentiles": _SAMPLED, "auto": 0 if plain else _SAMPLED // 4}.get(config.intensity, 0)
    sampled = max(16, many // len(source)) if many else 0
    coloured = any(kind.colour for kind in source.kinds)
    found = {8: _Measured(), 16: _Measured()}

    def measure(pixels: Pixels) -> tuple[int, _Measured]:
        return _measured(pixels, sampled)

    with contextlib.closing(source.blocks(measure, lambda _: (_SMALL, _SMALL))) as blocks:
        for places, results in blocks:
            if not isinstance(results, Skipped):
                for depth, result in results:
                    found[depth].add(result)
            if progress is not None:
                progress(places.stop / len(source))
            if plain and found[8].high > 1 and (not coloured or found[8].spread > 255 * COLOUR_SPREAD):
                break  # nothing can be found any more that would change how the others are read
    return _concluded(found[8], found[16], config, source)


def _measured(pixels: Pixels, sampled: int) -> tuple[int, _Measured]:
    values = pixels.values
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    elif values.dtype == np.float16:  # whose differences overflow
        values = values.astype(np.float32)
    seen = values if pixels.alpha is None else values[pixels.alpha > 0]
    result = _Measured(images=len(values), real=values.dtype.kind == "f")
    coloured = seen
    if result.real:
        finite = _is_finite(seen)
        result.broken = int(seen.size - np.count_nonzero(finite))
        if result.broken:
            coloured, seen = seen[finite.all(axis=-1)], seen[finite]
            values = np.where(_is_finite(values), values, 0.0)
        result.whole = bool((seen == np.rint(seen)).all())
    if seen.size:
        result.low, result.high = float(seen.min()), float(seen.max())
    if max(-result.low, result.high) > SINGLE:  # what float32 cannot subtract
        coloured, values = coloured.astype(np.float64), values.astype(np.float64)
    if values.shape[-1] == 3 and coloured.size:
        red, green, blue = (coloured[..., i] for i in range(3))
        brightest, darkest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        result.spread = float((brightest - darkest).max())
    if pixels.alpha is not None:
        result.transparent = len(values)
        weights = pixels.alpha.astype(np.float32) / 255.0
        result.weight = float(weights.sum())
        kind = np.float64 if values.dtype == np.float64 else np.float32
        result.brightness = float((values.mean(axis=-1, dtype=kind) * weights).sum())
    if sampled:
        flat = seen.reshape(-1)
        kind = np.float64 if seen.dtype == np.float64 else np.float32
        result.samples = [flat[:: max(1, flat.size // (sampled * len(values)))].astype(kind)]
    return (8 if values.dtype == np.uint8 else 16), result


def _is_finite(values: np.ndarray) -> np.ndarray:
    """Which floating-point values are numbers that can be subtracted from one another."""
    return np.isfinite(values) if values.dtype.itemsize < 8 else np.abs(values) <= LARGEST  # NaN is not


def _concluded(eight: _Measured, deep: _Measured, config: DataConfig, source: ImageSource) -> Survey:
    notes: list[str] = []
    bits = max((kind.bits for kind in source.kinds), default=8)
    low8, high8 = _range(eight, config.intensity, notes)
    low, high = _range(deep, config.intensity, notes, bits)
    broken = eight.broken + deep.broken
    if broken:
        notes.append(f"{counted(broken, 'value')} not finite (NaN or infinite): black, or white for +infinity.")
    colour = eight.spread > COLOUR_SPREAD * (high8 - low8) or deep.spread > COLOUR_SPREAD * (high - low)
    if not colour and any(kind.colour for kind in source.kinds):
        notes.append("Images stored with colour show only grey.")
    both = [part for part in (eight, deep) if part.images]
    return Survey(
        colour=colour,
        low=low,
        high=high,
        low8=low8,
        high8=high8,
        background=_background(eight, deep, (low8, high8), (low, high), config, notes),
        lowest=min((part.low for part in both), default=0.0),
        highest=max((part.high for part in both), default=0.0),
        notes=tuple(notes),
    )


def _range(found: _Measured, intensity: str, notes: list[str], bits: int = 8) -> tuple[float, float]:
    """The values that become black and white, and a note if they are not those of 8 bits."""
    if not found.images or found.low > found.high:
        return 0.0, 255.0
    low, high = found.low, found.high
    deep = bits > 8
    kind = "floating-point" if found.real else f"{bits}-bit"
    why = ""
    if ":" in intensity:
        low, high = (float(number) for number in intensity.split(":"))
    elif intensity == "percentiles":
        low, high = (float(value) for value in np.percentile(np.concatenate(found.samples), PERCENTILES))
        why = f" ({PERCENTILES[0]:g} % and {PERCENTILES[1]:g} % of all pixels)"
    elif intensity == "auto":
        low, high = _conventional(found, deep)
        if (low, high) == (found.low, found.high):
            why = " (the lowest and highest of the data set)"
    if not high - low >= 1.0 / LARGEST:  # one level
        high = low + max(1.0, abs(low))
    if (low, high) == (0.0, 1.0) and not found.real:
        notes.append("Pixels are only 0 and 1: they become black and white.")
    elif (low, high) != (0.0, 255.0):
        notes.append(f"Intensities {low:g} to {high:g} of {kind} pixels become 0 to 255, the same for all images{why}.")
        if why and intensity == "auto":
            notes += _few_extremes(found)
    elif deep:
        notes.append(f"Values of {kind} pixels are between 0 and 255 and stay as they are.")
    return low, high


def _few_extremes(found: _Measured) -> list[str]:
    """What is said if a few pixels, such as hot ones of a camera, leave the others hardly any of the range."""
    if not found.samples:
        return []
    low, high = (float(value) for value in np.percentile(np.concatenate(found.samples), PERCENTILES))
    if high - low >= FEW_EXTREMES * (found.high - found.low):
        return []
    return [
        f"Nearly all pixels are between {low:g} and {high:g}, a small part of that: data.intensity percentiles gives "
        "them the whole range."
    ]


def _conventional(found: _Measured, deep: bool) -> tuple[float, float]:
    """The range that values are meant in, as far as they show it; else their own."""
    low, high = found.low, found.high
    if not deep or not found.real:
        if low >= 0 and 0 < high <= 1:
            return 0.0, 1.0
        return (0.0, 255.0) if low >= 0 and high <= 255 else (low, high)
    if low >= -TOLERANCE and 0.25 <= high <= 1 + TOLERANCE:  # darker in all images: no picture in [0, 1] is
        return 0.0, 1.0
    if -1 - TOLERANCE <= low <= -0.5 and high <= 1 + TOLERANCE:
        return -1.0, 1.0
    if low >= 0 and 128 <= high <= 255:
        return 0.0, 255.0
    return low, high


def _background(
    eight: _Measured,
    deep: _Measured,
    range8: tuple[float, float],
    range_: tuple[float, float],
    config: DataConfig,
    notes: list[str],
) -> tuple[int, int, int] | None:
    images = eight.transparent + deep.transparent
    if not images:
        return None
    if config.background != "auto":
        colour = ImageColor.getrgb(config.background)[:3]
        notes.append(f"{counted(images, 'image')} with transparency laid on {config.background} (data.background).")
        return colour
    weight = eight.weight + deep.weight
    relative = sum(
        (part.brightness - part.weight * low) / (high - low)
        for part, (low, high) in ((eight, range8), (deep, range_))
        if part.weight
    )
    dark = not weight or relative / weight < 0.5
    ground, content = ("white", "dark") if dark else ("black", "bright")
    notes.append(f"{counted(images, 'image')} with transparency laid on {ground}, as what they show is {content}.")
    return (255, 255, 255) if dark else (0, 0, 0)


def eight_bit(pixels: Pixels, common: Survey, channels: int) -> np.ndarray:
    """uint8 (n, H, W, 1 or ``channels``) of ``pixels``, scaled, laid on the background, and grey if one channel is
    wanted. Grey pixels stay one channel: whoever needs three repeats it in the end."""
    values = _scaled(pixels.values, common)
    ground = common.background
    alpha = pixels.alpha
    if alpha is not None and ground is not None and values.shape[-1] == 1 and channels == 3 and len(set(ground)) > 1:
        values = np.repeat(values, 3, axis=-1)  # grey on a coloured ground
    if alpha is None and (channels == 3 or values.shape[-1] == 1):
        return values
    grey = channels == 1 or values.shape[-1] == 1
    out = np.empty((*values.shape[:3], 1 if grey else 3), dtype=np.uint8)
    for index, image in enumerate(values):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else np.ascontiguousarray(image))
        if alpha is not None and ground is not None:
            under = Image.new("RGB", picture.size, ground).convert(picture.mode)
            picture = Image.composite(picture, under, Image.fromarray(alpha[index]))
        out[index] = np.asarray(picture.convert("L") if grey else picture).reshape(out.shape[1:])
    return out


def _scaled(values: np.ndarray, common: Survey) -> np.ndarray:
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        if (common.low8, common.high8) == (0.0, 255.0):
            return values
        return _table(common.low8, common.high8, 256)[values]
    if values.dtype == np.uint16:
        return _table(common.low, common.high, 65536)[values]
    low, high = common.low, common.high
    single = values.dtype.itemsize <= 4 and max(abs(low), abs(high)) <= SINGLE and high - low >= 1.0 / SINGLE
    values = values.astype(np.float32 if single else np.float64)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low).clip(low, high)
    return np.rint(((values - low) * (255.0 / (high - low))).clip(0.0, 255.0)).astype(np.uint8)


@lru_cache(maxsize=4)
def _table(low: float, high: float, size: int) -> np.ndarray:
    """The byte for each integer below ``size``."""
    return np.rint((np.arange(size) - low) * (255.0 / (high - low))).clip(0, 255).astype(np.uint8)


# size


def scaled_size(size: Size, side: int, how: Resize) -> Size:
    """(height, width) to which an image of ``size`` is scaled on its way to a square of ``side``."""
    if how == "stretch":
        return side, side
    shorter, longer = sorted(size)
    scale = side / (longer if how == "fit" else shorter)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(images: np.ndarray, side: int, how: Resize, margin: np.ndarray | None = None) -> np.ndarray:
    """uint8 (n, side, side, C) of images uint8 (n, H, W, C), C = 1 or 3.

    fit: all of the image, centred, the rest filled with ``margin`` uint8 (C,), or with the median of the image's own
    outermost pixels; crop: the central square; stretch: all of the image, its proportions changed.
    """
    count, height, width, channels = images.shape
    if (height, width) == (side, side):
        return images
    target = (side, side) if how == "crop" else scaled_size((height, width), side, how)
    shorter = min(height, width)
    left, top = (width - shorter) / 2, (height - shorter) / 2
    box = (left, top, left + shorter, top + shorter) if how == "crop" else None
    inside = out = np.empty((count, side, side, channels), dtype=np.uint8)
    if target != (side, side):
        out[:] = (border_level(images) if margin is None else np.broadcast_to(margin, (count, channels)))[:, None, None]
        top, left = (side - target[0]) // 2, (side - target[1]) // 2
        inside = out[:, top : top + target[0], left : left + target[1]]
    for image, place in zip(images, inside, strict=True):
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        gap = _GAP if height > 2 * _GAP * target[0] and width > 2 * _GAP * target[1] else None
        scaled = picture.resize((target[1], target[0]), Image.Resampling.BILINEAR, box, reducing_gap=gap)
        place[:] = np.asarray(scaled).reshape(*target, channels)
    return out


def border_level(images: np.ndarray) -> np.ndarray:
    """Median uint8 (n, C) of the outermost pixels of images uint8 (n, H, W, C)."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return np.median(np.concatenate(edges, axis=1), axis=1).astype(np.uint8)
