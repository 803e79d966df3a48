"""The samples of a run as TensorBoard's Embedding Projector reads them.

    vectors.tsv           the latents, a sample a line, without a header
    metadata.tsv          what is known about each; a header line only if there is more than one column, as the
                          projector takes the first line of a single column for a sample
    sprite.png            the thumbnails, row by row, if there are any
    projector_config.pbtxt  which file is what, by paths relative to it

``tensorboard --logdir FOLDER`` shows them; projector.tensorflow.org loads the two tables by hand.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from core.interchange.samples import Samples
from core.utils.text import counted

MAX_SIDE = 8192
"""Pixels; the projector draws no larger sprite."""
VECTORS, METADATA, SPRITE, CONFIG = "vectors.tsv", "metadata.tsv", "sprite.png", "projector_config.pbtxt"


def write_projector(samples: Samples, folder: Path) -> list[str]:
    """Write the files into ``folder``, which is made; returns what should be known about them, in sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VECTORS).write_text(vectors_text(samples.latents), encoding="utf-8")
    (folder / METADATA).write_text(metadata_text(samples.columns), encoding="utf-8")
    config = f'  tensor_name: "latent means"\n  tensor_path: "{VECTORS}"\n  metadata_path: "{METADATA}"\n'
    before = size = 0
    if samples.thumbnails is not None:
        sprite, size = sprite_of(samples.thumbnails)
        before = samples.thumbnails.shape[1]
        Image.fromarray(sprite).save(folder / SPRITE, optimize=True)
        config += f'  sprite {{\n    image_path: "{SPRITE}"\n' + f"    single_image_dim: {size}\n" * 2 + "  }\n"
    (folder / CONFIG).write_text(f"embeddings {{\n{config}}}\n", encoding="utf-8")
    if size == before:
        return []
    return [
        f"Thumbnails are {size} px wide instead of {before}: a sprite of {counted(len(samples.latents), 'sample')} "
        f"has room for no more."
    ]


def vectors_text(latents: np.ndarray) -> str:
    """Latents (n, d) as lines of numbers between tabs; each number reads back as the same float32."""
    text = io.StringIO()
    np.savetxt(text, latents, fmt="%.9g", delimiter="\t", newline="\n")
    return text.getvalue()


def metadata_text(columns: dict[str, np.ndarray]) -> str:
    """Columns (n,) as lines of fields between tabs, under a line of names if there is more than one column."""
    fields = [[_field(value) for value in column] for column in columns.values()]
    lines = ["\t".join(row) for row in zip(*fields, strict=True)]
    if len(columns) > 1:
        lines.insert(0, "\t".join(_field(name) for name in columns))
    return "".join(f"{line}\n" for line in lines)


def sprite_of(thumbnails: np.ndarray) -> tuple[np.ndarray, int]:
    """Thumbnails uint8 (n, s, s, C), row by row in one picture, and their side in it.

    The picture is uint8 (h, w) or (h, w, 3). Its sides are powers of two, at most ``MAX_SIDE``: a graphics driver
    scales others, and blurs them. Thumbnails are halved as often as that needs; s is a power of two.
    """
    count, size = thumbnails.shape[:2]
    while count > (MAX_SIDE // size) ** 2:
        thumbnails, size = _halved(thumbnails), size // 2
    columns = 1
    while columns < -(-count // columns):
        columns *= 2
    rows = 1
    while rows * columns < count:
        rows *= 2
    channels = thumbnails.shape[3]
    cells = np.zeros((rows * columns, size, size, channels), np.uint8)
    cells[:count] = thumbnails
    picture = cells.reshape(rows, columns, size, size, channels).swapaxes(1, 2)
    picture = picture.reshape(rows * size, columns * size, channels)
    return (picture[..., 0] if channels == 1 else picture), size


def _halved(images: np.ndarray) -> np.ndarray:
    """uint8 (n, s, s, C) to (n, s / 2, s / 2, C), by the mean of four pixels."""
    count, size, _, channels = images.shape
    return images.reshape(count, size // 2, 2, size // 2, 2, channels).mean(axis=(2, 4)).round().astype(np.uint8)


def _field(value: object) -> str:
    """One field: no tab or end of line in it; "" for a number that is not known, as for a text."""
    if isinstance(value, float | np.floating):
        return f"{value:.9g}" if np.isfinite(value) else ""
    return " ".join(str(value).split())
