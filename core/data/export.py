"""Writing a dataset for others: NPZ with dSprites' keys, or PNG files with a table, and a contact sheet of either."""

from __future__ import annotations

import csv
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.dataset import Dataset
from core.utils.atomic_write import TEMPORARY_SUFFIX, atomic_file, replace

TABLE = "parameters.csv"
EXPORTED = re.compile(r"\d{6,}\.png")
SHEET_COLUMNS, SHEET_ROWS = 16, 10
SHEET_CELL, SHEET_GAP = 96, 4
SHEET_GROUND = 96


def export_npz(dataset: Dataset, target: Path) -> None:
    """Write imgs uint8 (N, H, W) or (N, H, W, 3), latents_values float32 (N, F), latents_names, train, validation.

    latents_classes int64 (N, F) numbers each factor's values from 0; it is written only where the values recur, which
    those of a uniform draw do not.
    """
    classes = _classes(dataset.factors)
    known = {} if classes is None else {"latents_classes": classes}
    images = dataset.images[..., 0] if dataset.images.shape[-1] == 1 else dataset.images
    with atomic_file(target) as file:
        np.savez_compressed(
            file,
            imgs=np.asarray(images),
            latents_values=dataset.factors,
            latents_names=np.array(dataset.factor_names, dtype=np.str_),
            train=dataset.train,
            validation=dataset.validation,
            **known,  # pyright: ignore[reportArgumentType]  # no key of it is named allow_pickle
        )


def _classes(factors: np.ndarray) -> np.ndarray | None:
    columns = [np.unique(column, return_inverse=True) for column in factors.T]
    if not columns or any(2 * len(values) > len(factors) for values, _ in columns):
        return None
    return np.stack([index for _, index in columns], axis=1).astype(np.int64)


def export_png(dataset: Dataset, folder: Path, progress: Callable[[float], None] | None = None) -> None:
    """Write 000000.png … and parameters.csv (file, split, one column a factor) into ``folder``.

    Everything is written under a temporary name first, so that an interrupted export leaves ``folder`` as it was. The
    files of an earlier export there are replaced, others are left alone. Raises ``OSError``.
    """
    home = folder if folder.is_dir() else folder.parent
    temporary = home / f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    temporary.mkdir()
    try:
        for index, image in enumerate(dataset.images):
            _picture(image).save(temporary / f"{index:06d}.png")
            if progress is not None and index % 64 == 0:
                progress(index / len(dataset))
        _write_table(dataset, temporary / TABLE)
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # gone already unless writing failed, and that error matters
    if progress is not None:
        progress(1.0)


def _write_table(dataset: Dataset, target: Path) -> None:
    is_validation = np.zeros(len(dataset), dtype=bool)
    is_validation[dataset.validation] = True
    with open(target, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", *dataset.factor_names])
        for index, values in enumerate(dataset.factors):
            part = "validation" if is_validation[index] else "train"
            writer.writerow([f"{index:06d}.png", part, *(f"{value:.9g}" for value in values)])


def _publish(temporary: Path, folder: Path) -> None:
    """Give a finished export its name; in a folder that is there already, the table goes first and comes last."""
    if not folder.is_dir():
        replace(temporary, folder)
        return
    (folder / TABLE).unlink(missing_ok=True)
    for old in folder.iterdir():
        if EXPORTED.fullmatch(old.name):
            old.unlink()
    for new in sorted(temporary.iterdir()):  # "parameters.csv" sorts behind the numbers
        replace(new, folder / new.name)


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
