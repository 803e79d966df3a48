"""``isoline.explore``: a run of a Python program's arrays and functions, and a window on it."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config import DataConfig
from core.data.allowed_files import allow_new
from core.data.dataset import DatasetError, Progress
from core.data.python_arrays import IMAGES, as_array, images_of, labels_of, write_npz
from core.exploring.functions import Function, ImageFunctions
from core.exploring.trained_run import TrainedRun
from core.exploring.view import View
from core.runs.directory import DEFAULT_ROWS, THUMBNAIL_SIZE, RunDirectory, RunError
from core.runs.imported import KEY, ImportedModel, LatentsOnly, PythonFunctions, stored_form

LATENTS, FILES = "latents", "files"


def explore(
    latents: Any,
    *,
    images: Any = None,
    labels: Any = None,
    files: Sequence[str | os.PathLike[str]] | None = None,
    decode: Function | None = None,
    encode: Function | None = None,
    axes: str | None = None,
    values: str | None = None,
    out: str | os.PathLike[str] | None = None,
    rows: int = DEFAULT_ROWS,
) -> View:
    """Open a window on one's own latents, and return at once.

    ``latents`` are numbers (n, d), d of 2 or more, as an array of any library; or a run: its folder, or what
    ``isoline.open`` returned. Of the n rows may be given: ``images`` (n, H, W), (n, H, W, C) or (n, C, H, W);
    ``labels``, arrays (n,) by name (a mapping or a data frame), one array, or a table's path; ``files``, their names.

    ``decode`` takes z float32 (1, d) as numpy and returns its image, (1, H, W), (1, H, W, C) or (1, C, H, W): numpy, or
    an array of PyTorch, JAX or Keras. ``encode`` takes an image as ``decode`` returns it, without ``decode`` as
    ``images`` are, and returns the mean (1, d), alone or first in a tuple. Both stay in this process and are called in
    a thread, one call at a time. ``axes`` (NCHW, NHWC, NHW) and ``values`` ("0:1", "-1:1", "0:255", "LOW:HIGH" or
    "logits") say what images are like; else it is found by decoding some of the latents, and ``View.notes`` say what
    was found.

    Of more than ``rows`` rows so many are shown, drawn at random.

    What is shown is kept in the folder ``out``, as a run; without ``out`` in a temporary one, which goes with the
    window. The window closes when the program ends: a script waits for it by ``View.wait``.

    Raises ``core.exploring.functions.FunctionError`` for a function that cannot be used,
    ``core.data.dataset.DatasetError`` for arrays, and ``RunError`` for a folder.
    """
    given = (images, labels, files, decode, encode, axes, values, out)
    if isinstance(latents, str | os.PathLike | TrainedRun):
        if any(value is not None for value in given):
            raise TypeError("isoline.explore got a run and more; of a run all is known, give it alone.")
        run = RunDirectory.open(latents.path if isinstance(latents, TrainedRun) else Path(latents))
        return View(run.path.absolute(), _rows(run))
    return open_view(
        latents, images=images, labels=labels, files=files, decode=decode, encode=encode, axes=axes, values=values,
        out=out, rows=rows,
    )  # fmt: skip


def open_view(
    latents: Any,
    *,
    images: Any = None,
    labels: Any = None,
    files: Sequence[str | os.PathLike[str]] | None = None,
    decode: Function | None = None,
    encode: Function | None = None,
    axes: str | None = None,
    values: str | None = None,
    out: str | os.PathLike[str] | None = None,
    rows: int = DEFAULT_ROWS,
    drawn: bool = False,
    notes: tuple[str, ...] = (),
    progress: Progress = lambda share: None,
) -> View:
    """``explore`` of latents (n, d). If they are ``drawn``, the images, where there are some, are encoded and their
    means take the place of the latents; where there are none, the samples are shown as ``decode`` makes them. That is
    one call for each before the window opens. ``notes`` of the caller are kept with those of what is guessed here."""
    try:
        z = as_array(latents)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"latents cannot be used: {error}. Give an array (n, d).") from error
    if z.dtype.kind not in "iuf" or z.ndim != 2 or z.shape[0] < 2 or z.shape[1] < 2:
        raise DatasetError(f"latents are {z.dtype} {z.shape}; they must be numbers (n, d), n and d 2 or more.")
    arrays, known = _arrays(z, images, labels, files)
    functions = None
    if decode is not None or encode is not None:
        finite = np.asarray(z[np.isfinite(z).all(axis=1)], np.float32)
        functions = ImageFunctions(decode, encode, finite, axes, values, arrays.get(IMAGES))
    table = str(Path(labels).absolute()) if isinstance(labels, str | os.PathLike) else ""
    temporary = Path(tempfile.mkdtemp(prefix="isoline-")) if out is None else None
    try:
        folder = temporary / "explore" if temporary is not None else Path(out or "").absolute()
        session = secrets.token_hex(8)
        run, notes = _make_run(folder, arrays, known, table, functions, session, (decode, encode), notes, rows)
        if drawn and functions is not None:
            _complete(run, functions, progress)
        return View(run.path, _rows(run), functions, session, notes, temporary)
    except BaseException:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        raise


def _arrays(
    z: np.ndarray, images: Any, labels: Any, files: Sequence[str | os.PathLike[str]] | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays to write, and the labels. Raises ``DatasetError``."""
    arrays, known = {LATENTS: z}, {}
    if images is not None:
        arrays[IMAGES], known = images_of(images)
        if len(arrays[IMAGES]) != len(z):
            raise DatasetError(f"there are {len(arrays[IMAGES]):,} images and {len(z):,} latents; give one for each.")
    if files is not None:
        names = np.array([os.fspath(file) for file in files], dtype=np.str_)
        if names.shape != (len(z),):
            raise DatasetError(f"there are {len(names):,} files and {len(z):,} latents; give one name for each.")
        arrays[FILES] = names
    if labels is not None and not isinstance(labels, str | os.PathLike):
        known |= labels_of(labels, len(z))
    return arrays, known


def _make_run(
    folder: Path,
    arrays: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    table: str,
    functions: ImageFunctions | None,
    session: str,
    given: tuple[Function | None, Function | None],
    remarks: tuple[str, ...],
    rows: int,
) -> tuple[RunDirectory, tuple[str, ...]]:
    """The run, and what was guessed. Its arrays are in a file beside it, for the images are read from there."""
    from core.training.import_latents import LatentSource, import_latents  # takes torch

    if RunDirectory.exists(folder):
        raise RunError(f"{folder} already holds a run; give another folder as out.")
    file = folder.with_name(f"{folder.name}.npz")
    if file.exists():
        raise RunError(f"{file} exists, where the arrays of {folder.name} would be written; give another name as out.")
    write_npz(file, arrays, labels)
    data, chosen = DataConfig(), frozenset()
    if functions is not None:
        data = DataConfig(image_size=functions.image_size, channels=3 if functions.channels == 3 else 1)
        chosen = frozenset({"data.image_size", "data.channels"})
    try:
        run = import_latents(LatentSource(file, LATENTS, table, data=data, chosen=chosen, rows=rows), folder)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    imported: ImportedModel = run.imported or LatentsOnly()
    notes = (*remarks, *imported.notes, *(() if functions is None else functions.notes))
    if functions is not None:
        decode, encode = given
        model = PythonFunctions(session=session, decodes=decode is not None, encodes=encode is not None, notes=notes)
        shown = dataclasses.replace(run.config.data, image_size=data.image_size, channels=data.channels)
        config, metadata = dataclasses.replace(run.config, data=shown), run.metadata | {KEY: stored_form(model)}
        allow_new(RunDirectory(run.path, config, metadata))  # with its functions it is another run
        run = run.rewrite(config, metadata)
    return run, notes


def _complete(run: RunDirectory, functions: ImageFunctions, progress: Progress) -> None:
    """Give the samples of ``run``, whose latents were drawn, what they lack: the means of their images, or pictures."""
    from core.data.loading import load_dataset
    from core.models.thumbnails import thumbnails_of  # takes torch

    probe, mu = run.read_probe(), np.array(run.read_embedding())
    if not run.config.data.has_images:
        thumbnails = np.empty((len(mu), THUMBNAIL_SIZE, THUMBNAIL_SIZE, functions.channels), np.uint8)
        for place, point in enumerate(mu):
            thumbnails[place] = thumbnails_of(functions.decode(point[None]))[0]
            progress((place + 1) / len(mu))
        run.write_probe(dataclasses.replace(probe, thumbnails=thumbnails))
        return
    images = load_dataset(run.config.data).images
    for place, index in enumerate(probe.indices):
        mu[place] = functions.encode(np.array(images[index])[None])[0]
        progress((place + 1) / len(mu))
    run.write_embedding(mu)


def _rows(run: RunDirectory) -> NDArray[np.int64]:
    """Which rows of the latents are shown."""
    return run.read_probe().indices
