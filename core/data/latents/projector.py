"""The files of TensorBoard's embedding projector: vectors, metadata, a sprite sheet, and the configuration that names
them.

Vectors are tab-separated numbers without a header. Metadata have a row for each vector; their first row is a header
only if there are several columns. The sprite sheet holds the images row by row, from the top left. Nothing outside the
configuration's folder is read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import broken_as
from core.data.labels import says_names
from core.data.latents.rows import LatentFileError, LatentRows, RowSample, block_rows, check_dimensions
from core.data.latents.text import MOST_LABELS, lines_of
from core.data.sources.pictures import settle_pillow
from core.data.tables import IMAGE_NAME
from core.utils.untrusted import open_regular, open_text

CONFIG = "projector_config.pbtxt"
VECTORS = ("vectors.tsv", "tensors.tsv")
METADATA = "metadata.tsv"
MOST_PIXELS = 8192 * 8192
"""Of a sprite sheet: what TensorBoard shows."""
_LARGEST_CONFIG = 1 << 20
_TOKEN = re.compile(
    r'\s*(?:#[^\n]*\s*)*(?:(?P<brace>[{}])|(?P<name>\w+)\s*:?|"(?P<text>(?:[^"\\\n]|\\.)*)"|(?P<end>$))'
)
_DEEPEST = 8

Fields = dict[str, list[Any]]


@dataclass(frozen=True)
class Sprite:
    """A sheet of images: tile i, of ``size`` (width, height) pixels, is about row i."""

    file: Path
    size: tuple[int, int]

    def tiles(self, count: int) -> np.ndarray:
        """The first ``count`` images, uint8 (count, height, width, 1 or 3). Raises ``LatentFileError``."""
        from PIL import Image

        settle_pillow()
        width, height = self.size
        advice = "Write it again as PNG."
        with (
            broken_as(lambda why: f"{self.file} cannot be read as an image ({why}). {advice}"),
            open_regular(self.file) as f,
            Image.open(f, formats=("PNG", "JPEG", "WEBP", "BMP", "GIF")) as sheet,
        ):
            if sheet.width * sheet.height > MOST_PIXELS:
                raise LatentFileError(
                    f"{self.file} is {sheet.width} × {sheet.height} pixels; a sprite sheet has at most 8192 × 8192."
                )
            across, down = sheet.width // width, sheet.height // height
            if across * down < count:
                raise LatentFileError(
                    f"{self.file}, {sheet.width} × {sheet.height} pixels, has room for {across * down:,} images of "
                    f"{width} × {height}; there are {count:,} vectors. Check single_image_dim (width, then height)."
                )
            grey = sheet.mode in ("1", "L", "LA", "I", "I;16")
            pixels = np.asarray(sheet.convert("RGBA" if "A" in sheet.mode or "transparency" in sheet.info else "RGB"))
        if pixels.shape[2] == 4:  # laid on white, as the projector's page does
            alpha = pixels[..., 3:].astype(np.uint16)
            pixels = ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        rows = -(-count // across)
        pixels = pixels[: rows * height, : across * width].reshape(rows, height, across, width, 3)
        tiles = pixels.swapaxes(1, 2).reshape(-1, height, width, 3)[:count]
        return np.ascontiguousarray(tiles[..., :1] if grey else tiles)


def read_projector(path: Path, most: int, key: str = "") -> LatentRows:
    """The vectors that ``path`` names, for which ``is_projector`` is true.

    ``key`` is the tensor of a configuration with several. Raises ``LatentFileError``.
    """
    if path.is_dir():
        path = next(path / name for name in (CONFIG, *VECTORS) if (path / name).is_file())
    if path.suffix.lower() != ".pbtxt":
        metadata = path.with_name(METADATA)
        return _read(path, metadata if metadata.is_file() else None, None, most, [])
    notes: list[str] = []
    chosen = _chosen(path, key, notes)
    vectors = _beside(path, chosen, "tensor_path")
    if vectors is None:
        raise LatentFileError(f"{path} names no tensor_path. Export the vectors as TSV, as the projector's page does.")
    sprite = None
    for about in chosen.get("sprite", []):
        image = _beside(path, about, "image_path") if isinstance(about, dict) else None
        if image is not None:
            sprite = Sprite(image, _tile(path, about.get("single_image_dim", [])))
    return _read(vectors, _beside(path, chosen, "metadata_path"), sprite, most, notes)


def is_projector(path: Path) -> bool:
    """Whether ``path`` is read as the projector's: a folder that holds its files, a configuration, or a file called as
    vectors are."""
    if path.is_dir():
        return any((path / name).is_file() for name in (CONFIG, *VECTORS))
    return path.suffix.lower() == ".pbtxt" or path.name.lower() in VECTORS


def _chosen(path: Path, key: str, notes: list[str]) -> Fields:
    if path.stat().st_size > _LARGEST_CONFIG:
        raise LatentFileError(f"{path} is no projector configuration: it has {path.stat().st_size:,} bytes.")
    advice = f"give the {CONFIG} that TensorBoard reads."
    with broken_as(lambda why: f"{path} cannot be read ({why}); {advice}"):
        embeddings = [one for one in _parsed(path.read_text("utf-8")).get("embeddings", []) if isinstance(one, dict)]
    if not embeddings:
        raise LatentFileError(f"{path} names no embeddings; {advice}")
    names = [str(one.get("tensor_name", ["unnamed"])[-1]) for one in embeddings]
    if key and key not in names:
        raise LatentFileError(f"{path} has no tensor {key!r}; it has {', '.join(names)}.")
    place = names.index(key) if key else 0
    if len(names) > 1 and not key:
        notes.append(f"The tensor {names[0]} was read, not {', '.join(names[1:])}; --key names another.")
    return embeddings[place]


def _parsed(text: str) -> Fields:
    """The fields of a protocol buffer's text form: lists of texts and of fields, by name. Raises ``ValueError``."""
    position, stack, name = 0, [dict[str, list[Any]]()], ""
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            line = text.count("\n", 0, position) + 1
            raise ValueError(f"line {line} is not the text form of a protocol buffer")
        position = token.end()
        if token["end"] is not None:
            if len(stack) > 1:
                raise ValueError("a brace is not closed")
            return stack[0]
        if token["brace"] == "{":
            if not name or len(stack) > _DEEPEST:
                raise ValueError("a brace opens where none can")
            inner: Fields = {}
            stack[-1].setdefault(name, []).append(inner)
            stack.append(inner)
            name = ""
        elif token["brace"] == "}":
            if len(stack) == 1:
                raise ValueError("a brace closes that was not opened")
            stack.pop()
            name = ""
        elif token["text"] is not None:
            stack[-1].setdefault(name, []).append(re.sub(r"\\(.)", r"\1", token["text"]))
            name = ""
        elif name:  # a number or a word after a name
            stack[-1].setdefault(name, []).append(token["name"])
            name = ""
        else:
            name = token["name"]


def _beside(config: Path, fields: Fields, name: str) -> Path | None:
    """The file that ``fields`` name, in or below the folder of ``config``; None if they name none."""
    values = fields.get(name)
    if not values or not isinstance(values[-1], str) or not values[-1]:
        return None
    folder = config.parent.resolve()
    if "\0" in values[-1]:
        raise LatentFileError(f"{config}: {name} is {values[-1]!r}, which is no path.")
    file = (folder / values[-1]).resolve()
    if not file.is_relative_to(folder):
        raise LatentFileError(
            f"{config}: {name} is {values[-1]!r}, outside the folder of the configuration, and is not read. Copy the "
            "file into that folder and name it there."
        )
    if not file.is_file():
        raise LatentFileError(f"{config}: {name} is {values[-1]!r}, and there is no such file in {folder}.")
    return file


def _tile(path: Path, size: list[Any]) -> tuple[int, int]:
    numbers = [int(value) for value in size if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,3}", value)]
    if len(numbers) not in (1, 2) or len(numbers) != len(size):
        raise LatentFileError(
            f"{path}: single_image_dim of the sprite is {size}; it must be the width and the height of an image."
        )
    return numbers[0], numbers[-1]


def _read(vectors: Path, metadata: Path | None, sprite: Sprite | None, most: int, notes: list[str]) -> LatentRows:
    if vectors.suffix.lower() == ".bytes":
        raise LatentFileError(f"{vectors} holds numbers without their shape; export the vectors as TSV, or as NPY.")
    with broken_as(lambda why: f"{vectors} cannot be read ({why}); give tab-separated numbers, a row a sample."):
        headings, cells = ((), iter(())) if metadata is None else _metadata(metadata)
        found = _vectors(vectors, headings, cells, metadata, most, notes)
    names_key = next((name for name, column in found.columns.items() if _names(name, column)), None)
    names = () if names_key is None else tuple(found.columns[names_key])
    columns = {name: column for name, column in found.columns.items() if name != names_key}
    if sprite is not None:
        sprite.tiles(found.total)  # what is wrong with it is said now
    return replace(found, columns=columns, names=names, sprite=sprite)


def _names(heading: str, column: np.ndarray) -> bool:
    texts = column.tolist()
    return all(IMAGE_NAME.search(text) for text in texts) or (
        says_names(heading) and len(set(texts)) == len(texts) and not all(text.isdecimal() for text in texts)
    )


def _metadata(file: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    """The headings, and the rows' entries as they are read."""
    rows = _table(file)
    first = next(rows, None)
    if first is None:
        raise LatentFileError(f"{file} is empty; give a row for each vector.")
    headings = tuple(first) if len(first) > 1 else ("label",)

    def entries() -> Iterator[tuple[str, ...]]:
        if len(first) == 1:
            yield tuple(first)
        for number, row in enumerate(rows, 2):
            if len(row) != len(headings):
                raise LatentFileError(
                    f"{file}, row {number}: it has {len(row)} entries; the first row has {len(headings)}."
                )
            yield tuple(row)

    return headings, entries()


def _table(file: Path) -> Iterator[list[str]]:
    with open_text(file, "utf-8-sig", errors="replace") as stream:
        for row in csv.reader(lines_of(file, stream), delimiter="\t", quoting=csv.QUOTE_NONE):
            if row:
                yield row


def _vectors(
    file: Path,
    headings: tuple[str, ...],
    cells: Iterator[tuple[str, ...]],
    metadata: Path | None,
    most: int,
    notes: list[str],
) -> LatentRows:
    sample: RowSample | None = None
    block: list[list[float]] = []
    about: list[tuple[str, ...]] = []
    d = 0

    def flush(sample: RowSample) -> None:
        if block:
            sample.add(np.array(block), [row[:MOST_LABELS] for row in about] if metadata is not None else None)
            block.clear()
            about.clear()

    number = 0
    for number, row in enumerate(_table(file), 1):
        if sample is None:
            d = len(row)
            check_dimensions(file, d, "the first row")
            sample = RowSample(file, d, most)
        if len(row) != d:
            raise LatentFileError(f"{file}, row {number}: it has {len(row)} numbers; the first row has {d}.")
        try:
            block.append(list(map(float, row)))
        except ValueError as error:
            hint = " Files of vectors have no header." if number == 1 else ""
            raise LatentFileError(
                f"{file}, row {number}: {error}; it must hold tab-separated numbers.{hint}"
            ) from error
        if metadata is not None:
            entry = next(cells, None)
            if entry is None:
                raise LatentFileError(
                    f"{metadata} has {number - 1:,} rows, {file.name} has more; give one for each vector."
                )
            about.append(entry)
        if len(block) == block_rows(d):
            flush(sample)
    if sample is None:
        raise LatentFileError(f"{file} is empty; give a row of tab-separated numbers for each sample.")
    if next(cells, None) is not None:
        more = " A single column has no header: its first row is about the first vector." if len(headings) == 1 else ""
        raise LatentFileError(f"{metadata} has more rows than the {number:,} vectors of {file.name}.{more}")
    flush(sample)
    return sample.rows(columns=_distinct(headings[:MOST_LABELS]), notes=notes)


def _distinct(headings: tuple[str, ...]) -> list[str]:
    named = [name.strip() or f"column {i + 1}" for i, name in enumerate(headings)]
    return [name if name not in named[:i] else f"{name} ({i + 1})" for i, name in enumerate(named)]
