"""What a shared page holds of a run: means, labels, names, pictures of the samples, saved paths, and notes.

Nothing of it is torch's. What does not fit, or cannot be read, is left out, and a note of the page says so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.config import RunConfig
from core.paths.recipe import PATH_KINDS
from core.paths.saved_paths import SavedPath, SavedPathError, load_path, saved_names
from core.rendering.camera import HOME_AZIMUTH, HOME_ELEVATION, broadside
from core.rendering.projection import along_components
from core.runs.directory import SPLIT_NAMES, ProbeSet, RunDirectory
from core.utils.point_sets import principal_axes
from core.utils.text import counted
from core.utils.untrusted import UnreadableError, read_arrays

MOST_POINTS = 20_000
MOST_NUMBERS = 2_000_000
"""Latent coordinates that a page holds, 8 MB: of runs with very many dimensions fewer samples are shown."""
SHEET_ACROSS = 64
"""Pictures side by side in a sheet, which has as many rows: larger images are refused by browsers of telephones."""
PICTURE_BYTES = 3_000_000
QUALITIES = (90, 80, 65, 50, 35)
"""WebP's, the best of which all pictures stay below ``PICTURE_BYTES``."""
CURVE_POINTS = 160
MOST_NOTES = 20
NO_COLOR = "none"
"""The name that colours all points alike."""


class ShareError(ValueError):
    """A page that cannot be made; the message names the run or file, the reason and what would do."""


@dataclass(frozen=True)
class PageChoice:
    """What a person wants of the page."""

    title: str = ""
    """Title of the page. Default: the run's name."""
    notes: str = ""
    """Text below the cloud; a new line begins a paragraph."""
    decoder: bool = True
    """Whether the decoder is in the page, so that the probe decodes there."""
    pictures: bool = True
    """Whether the page has pictures of the samples, 32 × 32 pixels."""
    names: bool = True
    """Whether the page has the samples' names, for images from files their paths below the folder."""
    attributes: Path | None = None
    """An .npz file with more to colour by: under each name one number or text for each recorded sample, texts being
    the names of classes."""
    color_by: str = ""
    """What colours the points at first: a label, an attribute, split, or none. Default: the first label."""


@dataclass(frozen=True, eq=False)
class Column:
    """What the points can be coloured by: ``values`` float32 (n,), places in ``categories`` if it has any."""

    name: str
    values: np.ndarray
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Contents:
    """``latents`` float32 (n, d), finite; ``indices`` int32 (n,), places in the data set; ``names`` n or none.

    ``sheets`` are WebP files of the samples' pictures, ``picture_size`` pixels square. ``basis`` (3, d), ``mean`` (d,)
    and ``explained`` (3,), shares of the variance, are the principal components; ``home`` azimuth and elevation.
    ``remarks`` say what was left out, for the page; ``unreadable`` what could not be read.
    """

    title: str
    notes: tuple[str, ...]
    latents: np.ndarray
    indices: np.ndarray
    columns: tuple[Column, ...]
    color_by: str
    names: tuple[str, ...]
    sheets: tuple[bytes, ...]
    picture_size: int
    basis: np.ndarray
    mean: np.ndarray
    explained: np.ndarray
    home: tuple[float, float]
    paths: tuple[SavedPath, ...]
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = field(default=())


def read_contents(run: RunDirectory, choice: PageChoice) -> Contents:
    """What the page of ``run`` holds. Raises ``ShareError`` if the run has nothing to show, ``RunError`` for damaged
    files."""
    every, means = run.read_probe(), run.newest_embedding()
    probe = run.samples_of(every, means)
    remarks: list[str] = []
    recorded = len(means)
    more = () if choice.attributes is None else read_attributes(choice.attributes, len(every.indices))
    columns = _columns(probe, more)
    _check_color(choice.color_by, columns)
    total = _total_samples(run, recorded)
    if total > recorded:
        remarks.append(f"The run recorded {recorded:,} of its {total:,} samples, drawn at random; these are shown.")
    if recorded < 2:
        raise ShareError(f"{run.path} has {counted(recorded, 'sample')}; two or more are needed.")
    most = min(MOST_POINTS, max(2, MOST_NUMBERS // means.shape[1]))
    chosen = np.arange(recorded)
    if recorded > most:
        remarks.append(f"{most:,} of {recorded:,} samples are shown, drawn at random.")
        pictured = len(probe.thumbnails)  # the first ones, if not all: drawn at random themselves
        chosen = np.sort(np.random.default_rng(0).choice(max(pictured, most), most, replace=False))
        means, probe = np.ascontiguousarray(means[chosen]), probe.part(chosen)
    sheets: tuple[bytes, ...] = ()
    if choice.pictures and probe.has_thumbnails:
        sheets, quality = picture_sheets(probe.thumbnails)
        size = probe.thumbnails.shape[1]
        remarks.append(f"The samples' pictures are stored at {size} × {size} pixels (WebP, quality {quality}).")
    paths, unreadable = _saved_paths(run.path, means.shape[1])
    if unreadable:
        remarks.append(f"Left out, because unreadable: {counted(len(unreadable), 'saved path')}.")
    if choice.names:  # they name files
        remarks += _reading_notes(run)
    basis, mean, explained = _components(means)
    return Contents(
        title=choice.title.strip() or run.path.resolve().name,
        notes=tuple(line.strip() for line in choice.notes.splitlines() if line.strip()),
        latents=means,
        indices=probe.indices.astype(np.int32),
        columns=tuple(Column(column.name, column.values[chosen], column.categories) for column in columns),
        color_by=choice.color_by,
        names=tuple(probe.names) if choice.names else (),
        sheets=sheets,
        picture_size=probe.thumbnails.shape[1],
        basis=basis,
        mean=mean,
        explained=explained,
        home=_home(means),
        paths=paths,
        facts=_facts(run, total),
        remarks=tuple(remarks),
        unreadable=unreadable,
    )


def picture_sheets(pictures: np.ndarray) -> tuple[tuple[bytes, ...], int]:
    """WebP files of ``pictures`` uint8 (n, s, s, C), 64 across and at most 64 down in each; and their quality."""
    quality = QUALITIES[0]
    sheets: tuple[bytes, ...] = ()
    for quality in QUALITIES:
        parts = (pictures[start : start + SHEET_ACROSS**2] for start in range(0, len(pictures), SHEET_ACROSS**2))
        sheets = tuple(_sheet(part, quality) for part in parts)
        if sum(map(len, sheets)) <= PICTURE_BYTES:
            break
    return sheets, quality


def described(saved: SavedPath) -> str:
    """What a saved path is, in words."""
    recipe = saved.path.recipe
    what = f"Curve through {counted(len(saved.path), 'point')}" if recipe is None else PATH_KINDS[recipe.kind].text
    if recipe is not None and recipe.target:
        what += f", {recipe.target}"
    closed = ", closed" if saved.path.closed else ""
    return f"{what}{closed} · {counted(saved.frames, 'frame')} · constant {saved.speed} speed"


def _total_samples(run: RunDirectory, recorded: int) -> int:
    dataset = run.metadata.get("dataset")
    total = dataset.get("samples") if isinstance(dataset, dict) else None
    return total if isinstance(total, int) else recorded


def _reading_notes(run: RunDirectory) -> list[str]:
    """What the run says of how its images were read, and its model imported."""
    dataset = run.metadata.get("dataset")
    notes = dataset.get("notes", []) if isinstance(dataset, dict) else []
    imported = run.imported.notes if run.imported is not None else ()
    return [str(note) for note in (*imported, *notes)][:MOST_NOTES]


def read_attributes(path: Path, count: int) -> tuple[Column, ...]:
    """The arrays of an .npz file, each of ``count`` numbers or texts (the names of classes, "" for unknown).

    Raises ``ShareError`` that names the file and what is wrong with it.
    """
    try:
        arrays = read_arrays(path)
    except OSError as error:
        raise ShareError(f"--attributes {path} cannot be read ({error.strerror or error}).") from error
    except UnreadableError as error:
        raise ShareError(f"--attributes {path} is not an .npz file of arrays ({error}).") from error
    columns = []
    for name, values in arrays.items():
        if values.shape != (count,) or values.dtype.kind not in "biufU":
            wanted = f"numbers or texts ({count},), one for each recorded sample"
            raise ShareError(f"--attributes {path}: {name} is {values.dtype} {values.shape}; it must be {wanted}.")
        if values.dtype.kind == "U":
            categories = tuple(text for text in np.unique(values).tolist() if text)
            places = np.searchsorted(np.array(categories), values).astype(np.float32)
            columns.append(Column(name, np.where(values == "", np.float32(np.nan), places), categories))
        else:
            columns.append(Column(name, values.astype(np.float32)))
    return tuple(columns)


def _check_color(name: str, columns: tuple[Column, ...]) -> None:
    names = [column.name for column in columns]
    if name not in ("", NO_COLOR, *names):
        raise ShareError(f"color_by is {name!r}; this page has {', '.join((*names, NO_COLOR))}.")


def _columns(probe: ProbeSet, attributes: tuple[Column, ...]) -> tuple[Column, ...]:
    factors = (
        Column(name, np.ascontiguousarray(values), categories)
        for name, values, categories in zip(probe.factor_names, probe.factors.T, probe.categories, strict=True)
    )
    columns = (*factors, *attributes)
    if len(np.unique(probe.split)) < 2:  # nothing to tell apart; of an imported run no split may be known
        return columns
    splits = SPLIT_NAMES[: max(2, int(probe.split.max()) + 1)]
    return (*columns, Column("split", probe.split.astype(np.float32), splits))


def _sheet(pictures: np.ndarray, quality: int) -> bytes:
    from PIL import Image

    count, size, _, channels = pictures.shape
    across = min(SHEET_ACROSS, count)
    rows = -(-count // across)
    cells = np.zeros((rows * across, size, size, 3), np.uint8)
    cells[:count] = pictures if channels == 3 else pictures[..., :1]
    sheet = cells.reshape(rows, across, size, size, 3).swapaxes(1, 2).reshape(rows * size, across * size, 3)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, format="WEBP", quality=quality, method=4)
    return file.getvalue()


def _components(means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dims = min(means.shape[1], 3)
    projection = along_components(means)
    _, variances, _ = principal_axes(means)
    explained = variances[:dims] / max(float(variances.sum()), 1e-30)
    return projection.basis.T, projection.origin, explained


def _home(means: np.ndarray) -> tuple[float, float]:
    """From where the cloud is first seen: of more than three dimensions the principal components are."""
    if means.shape[1] < 3:
        return HOME_AZIMUTH, HOME_ELEVATION
    return broadside(means if means.shape[1] == 3 else along_components(means).to_view(means))


def _saved_paths(run: Path, latent_dim: int) -> tuple[tuple[SavedPath, ...], tuple[str, ...]]:
    paths: list[SavedPath] = []
    unreadable: list[str] = []
    for name in saved_names(run):
        try:
            saved = load_path(run, name)
        except SavedPathError as error:
            unreadable.append(str(error))
            continue
        if saved.path.dim == latent_dim:
            paths.append(saved)
        else:
            unreadable.append(f"the path {name!r} has {saved.path.dim} dimensions; the run has {latent_dim}.")
    return tuple(paths), tuple(unreadable)


def _facts(run: RunDirectory, total: int) -> tuple[tuple[str, str], ...]:
    """What the small print says of model and data, label and text. No folder of this machine is named."""
    config: RunConfig = run.config
    model, data = config.model, config.data
    images = f"polar curves, {data.geometry} geometry" if data.drawn else Path(data.path).name
    size = f"{data.image_size} × {data.image_size} pixels, {counted(data.channels, 'channel')}"
    rows = [("Images", ", ".join(part for part in (images, counted(total, "sample"), size) if part))]
    if run.imported is not None:
        rows.append(("Model", f"{run.imported.network}, imported, d = {model.latent_dim}"))
    else:
        done = (run.embedding_epochs() or [0])[-1]
        rows += [
            ("Model", f"variational autoencoder, {model.preset} network, d = {model.latent_dim}"),
            ("Training", f"{done} of {counted(config.training.epochs, 'epoch')}"),
            ("Loss", f"{config.loss.reconstruction} reconstruction, {config.loss.kl} KL, β = {config.loss.beta:g}"),
        ]
    created, versions = run.metadata.get("created"), run.metadata.get("versions")
    if isinstance(created, str):
        version = versions.get("isoline") if isinstance(versions, dict) else None
        rows.append(("Made", created[:10] + (f", Isoline {version}" if isinstance(version, str) else "")))
    return tuple(rows)
