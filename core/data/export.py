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
from core.data.splits import HELD_OUT_WORD
from core.data.tables import EXPORT_TABLE
from core.utils.atomic_write import TEMPORARY_SUFFIX, atomic_file, replace

EXPORTED = re.compile(r"\d{6,}\.png")
SHEET_COLUMNS, SHEET_ROWS = 16, 10
SHEET_CELL, SHEET_GAP = 96, 4
SHEET_GROUND = 96


def export_npz(dataset: Dataset, target: Path) -> None:
    """Write imgs uint8 (N, H, W) or (N, H, W, 3), latents_values float32 (N, F), latents_names, train, validation.

    Where there are some: held_out, the files' names, and of a factor that is a class its names by sample, under its own
    name. latents_classes int64 (N, F) numbers each factor's values from 0; it is written only where all are known and
    recur, which those of a uniform draw do not.
    """
    classes = _classes(dataset.factors)
    known = {} if classes is None else {"latents_classes": classes}
    if len(dataset.held_out):
        known["held_out"] = dataset.held_out
    if dataset.names:
        known["files"] = np.array(dataset.names, dtype=np.str_)
    for place, (name, kinds) in enumerate(zip(dataset.factor_names, dataset.categories, strict=True)):
        if kinds and name not in ("imgs", "train", "validation", "held_out", "files"):
            known[name] = np.array([_said(value, kinds) for value in dataset.factors[:, place]], dtype=np.str_)
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
    if not columns or not np.isfinite(factors).all() or any(2 * len(values) > len(factors) for values, _ in columns):
        return None
    return np.stack([index for _, index in columns], axis=1).astype(np.int64)


def export_png(dataset: Dataset, folder: Path, progress: Callable[[float], None] | None = None) -> None:
    """Write 000000.png … and parameters.csv (file, split, source, one column a factor) into ``folder``.

    ``source`` is the file that an image came from, if it came from one; a class is written by its name.

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
        _write_table(dataset, temporary / EXPORT_TABLE)
        _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # gone already unless writing failed, and that error matters
    if progress is not None:
        progress(1.0)


def _write_table(dataset: Dataset, target: Path) -> None:
    parts = np.full(len(dataset), "train", dtype=object)
    parts[dataset.validation], parts[dataset.held_out] = "validation", HELD_OUT_WORD
    source = ["source"] if dataset.names else []
    with open(target, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", *source, *dataset.factor_names])
        for index, values in enumerate(dataset.factors):
            labels = [_said(value, kinds) for value, kinds in zip(values, dataset.categories, strict=True)]
            named = [dataset.names[index]] if dataset.names else []
            writer.writerow([f"{index:06d}.png", parts[index], *named, *labels])


def _said(value: float, kinds: tuple[str, ...]) -> str:
    """A number or the name of a class; "" if it is not known."""
    if not np.isfinite(value):
        return ""
    return kinds[int(value)] if kinds else f"{value:.9g}"


def _publish(temporary: Path, folder: Path) -> None:
    """Give a finished export its name; in a folder that is there already, the table goes first and comes last."""
    if not folder.is_dir():
        replace(temporary, folder)
        return
    (folder / EXPORT_TABLE).unlink(missing_ok=True)
    for old in folder.iterdir():
        if EXPORTED.fullmatch(old.name):
            old.unlink()
    for new in sorted(temporary.iterdir()):  # "parameters.csv" sorts behind the numbers
        replace(new, folder / new.name)


def write_contact_sheet(dataset: Dataset, target: Path) -> None:
    """A PNG of up to 160 samples; ordered by the first two numbers that are known of them, else in file order."""
    columns, rows = SHEET_COLUMNS, SHEET_ROWS
    numbers = dataset.factors[:, [not kinds for kinds in dataset.categories]]
    numbers = numbers[:, np.isfinite(numbers).any(axis=0)]
    chosen = _spread(numbers, columns, rows) if numbers.shape[1] >= 2 else None
    if chosen is None:
        chosen = np.linspace(0, len(dataset) - 1, min(columns * rows, len(dataset))).astype(int)
    pitch = SHEET_CELL + SHEET_GAP
    lines = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * pitch + SHEET_GAP, lines * pitch + SHEET_GAP), (SHEET_GROUND,) * 3)
    for place, index in enumerate(chosen):
        picture = _picture(dataset.images[index]).convert("RGB")
        factor = SHEET_CELL // picture.width
        side = picture.width * factor if factor > 1 else SHEET_CELL  # small images stay sharp
        picture = picture.resize((side, side), Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BILINEAR)
        before = SHEET_GAP + (SHEET_CELL - side) // 2
        sheet.paste(picture, (before + place % columns * pitch, before + place // columns * pitch))
    with atomic_file(target) as file:
        sheet.save(file, format="PNG")


def _spread(factors: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """The samples nearest to an even grid over the first two factors: first factor to the right, second upwards."""
    plane = factors[:, :2].astype(np.float64)
    low = np.nanmin(plane, axis=0)
    spread = np.nanmax(plane, axis=0) - low
    plane = (plane - low) / np.where(spread > 0, spread, 1.0)
    across, up = np.meshgrid(np.linspace(0.0, 1.0, columns), np.linspace(1.0, 0.0, rows))
    wanted = np.stack([across.ravel(), up.ravel()], axis=1)
    away = (np.nan_to_num(((plane - place) ** 2).sum(axis=1), nan=np.inf) for place in wanted)
    return np.array([int(distance.argmin()) for distance in away])


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))
