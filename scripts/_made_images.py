"""Images to measure with: sprites as in dSprites (Matthey et al. 2017), and many different photographs."""

from __future__ import annotations

import itertools
import os
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

SHAPES, SCALES, ANGLES, PLACES = 3, 6, 40, 32
"""How many values each of dSprites' factors has; the places are those along x, and along y."""
SIDE = 64
FACTOR_NAMES = (b"color", b"shape", b"scale", b"orientation", b"posX", b"posY")


def in_sprite(shape: int, scale: float, angle: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points (x, y), seen from the sprite's centre and in units of the image's side, lie in a square (0), an
    ellipse (1) or a heart (2) of this scale, turned by ``angle``."""
    u, v = x / (0.16 * scale), y / (0.16 * scale)
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = cosine * u + sine * v, cosine * v - sine * u
    if shape == 0:
        return np.maximum(abs(u), abs(v)) < 0.8
    if shape == 1:
        return u**2 + (v / 0.6) ** 2 < 1
    return (u**2 + v**2 - 0.6) ** 3 + 1.2 * u**2 * v**3 < 0


def write_all_sprites(file: Path) -> None:
    """Every combination of dSprites' factors in its order and with its arrays: 737,280 images uint8 of 64², 0 and 1.

    Places are whole pixels apart, so that each sprite is drawn once and moved.
    """
    sizes = (1, SHAPES, SCALES, ANGLES, PLACES, PLACES)
    grid = np.arange(SIDE + PLACES - 1) - (SIDE - 1) / 2 - (PLACES - 1) / 2  # pixels from the sprite's centre
    y, x = np.meshgrid(grid / SIDE, grid / SIDE, indexing="ij")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("imgs.npy", "w", force_zip64=True) as stream:
            layout = {"descr": "|u1", "fortran_order": False, "shape": (int(np.prod(sizes)), SIDE, SIDE)}
            np.lib.format.write_array_header_1_0(stream, layout)
            for shape, scale, angle in itertools.product(range(SHAPES), range(SCALES), range(ANGLES)):
                drawn = in_sprite(shape, 0.5 + 0.1 * scale, 2 * np.pi * angle / ANGLES, x, y).astype(np.uint8)
                views = np.lib.stride_tricks.sliding_window_view(drawn, (SIDE, SIDE))[::-1, ::-1]
                stream.write(np.ascontiguousarray(views.transpose(1, 0, 2, 3)).data)  # posX before posY
        classes = np.indices(sizes).reshape(len(sizes), -1).T
        steps = np.array([1, 1, 0.1, 2 * np.pi / ANGLES, 1 / (PLACES - 1), 1 / (PLACES - 1)])
        values = np.array([1, 1, 0.5, 0, 0, 0]) + classes * steps
        for name, content in (
            ("latents_values", values),
            ("latents_classes", classes),
            ("latents_names", np.array(FACTOR_NAMES)),
        ):
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, content, allow_pickle=False)


def write_photographs(folder: Path, count: int, side: int = 256) -> None:
    """``count`` JPEG files of side², all different: crops of scikit-learn's two sample photographs, flipped, brighter
    or darker; a folder for each of the two."""
    cores = os.cpu_count() or 1
    starts = range(0, count, -(-count // (8 * cores)))
    for name in ("china", "flower"):
        (folder / name).mkdir(parents=True)
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_write_some, ((folder, range(start, min(start + starts.step, count)), side) for start in starts)))


def _write_some(task: tuple[Path, range, int]) -> None:
    from PIL import Image, ImageEnhance, ImageOps
    from sklearn.datasets import load_sample_image

    folder, places, side = task
    random = np.random.default_rng(places.start)
    photographs = {name: Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower")}
    for place in places:
        name, photograph = list(photographs.items())[place % 2]
        crop = int(random.integers(side, min(photograph.size)))
        left, top = (int(random.integers(0, length - crop + 1)) for length in photograph.size)
        image = photograph.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + crop, top + crop))
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
        image = ImageEnhance.Brightness(image).enhance(float(random.uniform(0.6, 1.2)))
        image.save(folder / name / f"{place:06d}.jpg", quality=85)
