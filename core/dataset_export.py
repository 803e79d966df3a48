"""Writing a dataset for others: NPZ with dSprites' keys, or PNG files with a table, and a contact sheet of either."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from core.atomic import atomic_file, write_atomic
from core.datasets import Dataset

SHEET_COLUMNS, SHEET_ROWS = 16, 10
SHEET_CELL, SHEET_GAP = 96, 4
SHEET_GROUND = 96


def export_npz(dataset: Dataset, target: Path) -> None:
    """Write imgs uint8 (N, H, W) or (N, H, W, 3), latents_values float32 (N, F), latents_names, train, validation."""
    images = dataset.images[..., 0] if dataset.images.shape[-1] == 1 else dataset.images
    with atomic_file(target) as file:
        np.savez_compressed(
            file,
            imgs=np.asarray(images),
            latents_values=dataset.factors,
            latents_names=np.array(dataset.factor_names, dtype=np.str_),
            train=dataset.train,
            validation=dataset.validation,
        )


def export_png(dataset: Dataset, folder: Path, progress: Callable[[float], None] | None = None) -> None:
    """Write 000000.png … and parameters.csv (file, split, one column a factor) into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    count = len(dataset)
    for index in range(count):
        with atomic_file(folder / f"{index:06d}.png") as file:
            _picture(dataset.images[index]).save(file, format="PNG")
        if progress is not None and index % 64 == 0:
            progress(index / count)
    held = np.zeros(count, dtype=bool)
    held[dataset.validation] = True
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "split", *dataset.factor_names])
    for index in range(count):
        part = "validation" if held[index] else "train"
        writer.writerow([f"{index:06d}.png", part, *(f"{value:.9g}" for value in dataset.factors[index])])
    write_atomic(folder / "parameters.csv", text.getvalue().encode())
    if progress is not None:
        progress(1.0)


def write_contact_sheet(dataset: Dataset, target: Path) -> None:
    """A PNG of up to 160 samples; ordered by the first two factors where there are two, else in file order."""
    columns, rows = SHEET_COLUMNS, SHEET_ROWS
    chosen = _spread(dataset.factors, columns, rows) if dataset.factors.shape[1] >= 2 else None
    if chosen is None:
        chosen = np.linspace(0, len(dataset) - 1, min(columns * rows, len(dataset))).astype(int)
    pitch = SHEET_CELL + SHEET_GAP
    lines = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * pitch + SHEET_GAP, lines * pitch + SHEET_GAP), (SHEET_GROUND,) * 3)
    for place, index in enumerate(chosen):
        picture = _picture(dataset.images[index]).convert("RGB")
        picture = picture.resize((SHEET_CELL, SHEET_CELL), Image.Resampling.BILINEAR)
        sheet.paste(picture, (SHEET_GAP + place % columns * pitch, SHEET_GAP + place // columns * pitch))
    with atomic_file(target) as file:
        sheet.save(file, format="PNG")


def _spread(factors: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """The samples nearest to an even grid over the first two factors: first factor to the right, second upwards."""
    plane = factors[:, :2].astype(np.float64)
    low, spread = plane.min(axis=0), np.ptp(plane, axis=0)
    plane = (plane - low) / np.where(spread > 0, spread, 1.0)
    across, up = np.meshgrid(np.linspace(0.0, 1.0, columns), np.linspace(1.0, 0.0, rows))
    wanted = np.stack([across.ravel(), up.ravel()], axis=1)
    return np.array([int(((plane - place) ** 2).sum(axis=1).argmin()) for place in wanted])


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))
