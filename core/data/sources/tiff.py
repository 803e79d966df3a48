"""TIFF files that are more than one picture of 8 bits: stacks, OME-TIFF and ImageJ planes, many channels, any depth.

tifffile tells how a file's pages make up frames and channels, and decodes what is stored plainly or deflated; for other
compressions Pillow decodes the pages.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tifffile
from PIL import Image

from core.data.sources.source import PixelKind, Pixels, Size, bytes_of_alpha, taken

_PLAIN = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.RGB)
_MOST_CHANNELS_LAST = 10
_ALPHA = 4  # channels of which the last is transparency, if the file says so


@dataclass(frozen=True)
class TiffLayout:
    """How pages make up images.

    ``stored`` is the type of a number. ``leading`` are the lengths of the axes before a page's own, ``channel_axis``
    which of them is channels, or None; ``channels`` those of an image, wherever they lie; ``page`` the axes of one
    page: YX, YXS or SYX. ``alpha``: the last of four channels is transparency; ``inverted``: 0 is white;
    ``channels_last``: each page is one row of the image; ``left_out`` counts pages of another size or type than the
    first, but for reduced copies.
    """

    frames: int
    size: Size
    channels: int
    stored: str
    leading: tuple[int, ...]
    channel_axis: int | None
    page: str
    alpha: bool
    inverted: bool
    orientation: int
    channels_last: bool = False
    left_out: int = 0

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.stored)

    @property
    def kind(self) -> PixelKind:
        bits = 1 if self.dtype.kind == "b" else 8 * self.dtype.itemsize
        return PixelKind(bits, self.channels > 2, self.alpha, self.dtype.kind == "f")


def is_plain_picture(image: Image.Image) -> bool:
    """Whether Pillow gives all that the TIFF ``image`` holds: one upright page of 8 bits, or of deep grey."""
    tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]  # of a TIFF
    bits = tags.get(258, (1,))
    bits = bits if isinstance(bits, tuple) else (bits,)
    return (
        getattr(image, "n_frames", 1) == 1
        and tags.get(274, 1) == 1
        and (max(bits) <= 8 or (len(bits) == 1 and tags.get(262) != 0))
        and len(bits) <= 4
        and tags.get(277, 1) <= 4
        and image.mode != "I;16N"
    )


def read_layout(path: str) -> TiffLayout | None:
    """The layout of a file's first series; None for pictures of other colour models, which Pillow converts.

    Raises whatever tifffile raises for damaged files.
    """
    with open(path, "rb") as stream, tifffile.TiffFile(stream) as file:
        _check_pages_end(file)
        page = file.pages.first
        series = file.series[0]
        if page.photometric not in _PLAIN or series.dtype is None or series.dtype.kind not in "buif":
            return None
        own = page.axes
        leading, axes = series.shape[: -len(own)], series.axes[: -len(own)]
        if series.axes[-len(own) :] != own or any(axis in "YX" for axis in axes):
            return None
        shape = dict(zip(own, page.shape, strict=True))
        tag = page.tags.get("Orientation")
        orientation = int(tag.value) if tag is not None and tag.value in range(1, 9) else 1
        channel_axis = axes.find("C") if "S" not in own and "C" in axes else -1
        channels = shape.get("S", leading[channel_axis] if channel_axis >= 0 else 1)
        size = (shape["Y"], shape["X"])
        frames = math.prod(leading) // (channels if channel_axis >= 0 else 1)
        # Arrays (H, W, C) that were saved as they were, without a word about what is what, look like H narrow pages.
        last = series.kind == "shaped" and axes == "Q" and own == "YX" and size[1] <= _MOST_CHANNELS_LAST < size[0]
        if last and leading[0] > _MOST_CHANNELS_LAST:
            frames, channels, size = 1, size[1], (leading[0], size[0])
        return TiffLayout(
            frames=frames,
            size=(size[1], size[0]) if orientation >= 5 else size,
            channels=channels,
            stored=np.dtype(series.dtype).newbyteorder("=").str,
            leading=tuple(leading),
            channel_axis=channel_axis if channel_axis >= 0 else None,
            page=own,
            alpha=channels == _ALPHA and "S" in own and bool(page.extrasamples) and int(page.extrasamples[0]) in (1, 2),
            inverted=page.photometric == tifffile.PHOTOMETRIC.MINISWHITE,
            orientation=orientation,
            channels_last=bool(last and leading[0] > _MOST_CHANNELS_LAST),
            left_out=sum(len(other.pages) for other in file.series[1:] if _is_whole(other.pages[0])),
        )


def _check_pages_end(file: tifffile.TiffFile) -> None:
    """Raise ``ValueError`` if the directories of the pages, each of which names the next, are longer together than the
    file: then they lie within one another, and may lead in a circle, in which tifffile would go round for ever."""
    form, stream = file.tiff, file.filehandle
    stream.seek(form.offsetsize)  # 4 of a TIFF, 8 of a BigTIFF: the first one's place
    length, place = 0, stream.read(form.offsetsize)
    while len(place) == form.offsetsize and 0 < (offset := struct.unpack(form.offsetformat, place)[0]) < stream.size:
        stream.seek(offset)
        number = stream.read(form.tagnosize)
        if len(number) < form.tagnosize:
            return
        tags = form.tagsize * struct.unpack(form.tagnoformat, number)[0]
        length += form.tagnosize + tags + form.offsetsize
        if length > stream.size:
            raise ValueError("its pages lie within one another")
        stream.seek(offset + form.tagnosize + tags)
        place = stream.read(form.offsetsize)


def _is_whole(page: tifffile.TiffPage | tifffile.TiffFrame | None) -> bool:
    """Whether the page that a series begins with is an image of its own, no reduced copy of another."""
    return isinstance(page, tifffile.TiffPage) and not page.subfiletype & 1


def read_tiff(path: str, layout: TiffLayout, frames: range, planes: Sequence[int]) -> Iterator[Pixels]:
    """Channels ``planes`` of ``frames``, each (1, H, W, C). Raises what tifffile or Pillow raise for damaged files."""
    with open(path, "rb") as stream, tifffile.TiffFile(stream) as file:
        series = file.series[0]
        for frame in frames:
            image = _image(path, series, layout, frame, planes)
            image = _upright(image, layout.orientation)
            if layout.inverted:
                image = ~image if image.dtype.kind in "bu" else -image
            alpha = image[..., -1] if layout.alpha else None
            full = 1.0 if image.dtype.kind in "bf" else float(np.iinfo(image.dtype).max)
            values = image if layout.channel_axis is not None else taken(image[None], planes)[0]
            if len(planes) == 2 and layout.channel_axis is not None:
                values = taken(values[None], (0, 1))[0]
            if values.ndim != 3 or values.shape[:2] != layout.size:
                raise ValueError("its pages are of different shapes")
            yield Pixels(values[None], None if alpha is None else bytes_of_alpha(alpha, full)[None])


def _image(
    path: str, series: tifffile.TiffPageSeries, layout: TiffLayout, frame: int, planes: Sequence[int]
) -> np.ndarray:
    """Frame ``frame`` (H, W, C): all its channels, or ``planes`` if each is a page of its own."""
    if layout.channels_last:
        return np.stack([_page(path, series, layout, row) for row in range(layout.leading[0])])
    if layout.channel_axis is None:
        page = _page(path, series, layout, frame)
        return np.moveaxis(page, 0, -1) if layout.page == "SYX" else page.reshape(*page.shape[:2], -1)
    others = [length for axis, length in enumerate(layout.leading) if axis != layout.channel_axis]
    place = list(np.unravel_index(frame, others)) if others else []
    pages = []
    for plane in planes:
        index = [*place[: layout.channel_axis], plane, *place[layout.channel_axis :]]
        pages.append(_page(path, series, layout, int(np.ravel_multi_index(index, layout.leading))))
    return np.stack(pages, axis=-1)


def _page(path: str, series: tifffile.TiffPageSeries, layout: TiffLayout, index: int) -> np.ndarray:
    """One page as it is stored; where a series lies in one piece without pages of its own, that part of it."""
    if (len(series.pages) == 1 and index > 0) or (len(series.pages) == 1 and math.prod(layout.leading) > 1):
        shape = series.shape[len(layout.leading) :]
        count = math.prod(shape) * layout.dtype.itemsize
        if series.dataoffset is None:
            return series.asarray().reshape(-1, *shape)[index]
        byteorder = series.parent.byteorder if series.parent is not None else "="
        dtype = layout.dtype.newbyteorder(byteorder)
        with open(path, "rb") as stream:
            stream.seek(series.dataoffset + index * count)
            return np.frombuffer(stream.read(count), dtype).reshape(shape).astype(layout.dtype)
    page = series.pages[index]
    if page is None:
        raise ValueError("a page is missing")
    try:
        return page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
    with Image.open(path, formats=("TIFF",)) as image:
        image.seek(page.index if isinstance(page.index, int) else page.index[0])
        if layout.orientation != 1:
            raise ValueError("turned and compressed in a way that is not read; save it without compression")
        stored = np.asarray(image)
    if stored.dtype.itemsize != layout.dtype.itemsize and layout.dtype.kind != "b":
        if math.prod(layout.leading) > 1 or layout.dtype != np.uint16:
            raise ValueError("compressed in a way that is not read at this depth; save it deflated or without")
        stored = deep_colour(path)
    return np.moveaxis(stored, -1, 0) if layout.page == "SYX" else stored


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """``image`` (H, W, …) stored in ``orientation`` 1 to 8, as EXIF counts them, as it is seen."""
    if orientation in (5, 6, 7, 8):
        image = np.swapaxes(image, 0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def deep_colour(path: str) -> np.ndarray:
    """uint16 (H, W, 3), or (H, W, 4) with alpha, of a PNG or TIFF file: FFmpeg decodes all bits, Pillow only 8.

    Raises what PyAV raises, or ``ValueError``.
    """
    import av  # a large library, needed for few files

    with open(path, "rb") as stream, av.open(stream, mode="r") as file:
        frame = next(file.decode(video=0))
        return frame.to_ndarray(format="rgba64le" if "a" in frame.format.name.removeprefix("gray") else "rgb48le")
