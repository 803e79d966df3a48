"""Non-linear layouts of the cloud: UMAP and PaCMAP, of the extra "umap", kept with the run.

A layout shows which samples are neighbours. Its distances and straight lines are not those of latent space. That of one
epoch begins where that of the epoch after it has its samples, and is laid over it by a similarity (Procrustes), so that
a replay shows what the training moves and not what the layout's chance does.

UMAP: McInnes, Healy and Melville 2018, arXiv 1802.03426. PaCMAP: Wang, Huang, Rudin and Shaposhnik 2021, JMLR 22.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from core.runs.directory import RunDirectory, RunError, unwritable
from core.utils.atomic_write import atomic_file, remove_temporaries
from core.utils.untrusted import MEGABYTE, UnreadableError, read_arrays

Method = Literal["umap", "pacmap"]
METHODS: tuple[Method, ...] = get_args(Method)
NAMES = {"umap": "UMAP", "pacmap": "PaCMAP"}
DIMENSIONS = {"umap": 3, "pacmap": 2}
"""Of a layout; PaCMAP's authors have tested theirs in two."""
FEWEST_SAMPLES = 30
MOST_SAMPLES = 100_000  # which take minutes
FOLLOWING_EPOCHS = 150
"""Of UMAP, where it begins with the layout of another epoch."""
SCHEMA = 1


class LayoutError(ValueError):
    """A layout that cannot be made; the message says why and what to do."""


def installed(method: Method) -> bool:
    """Whether the package of ``method`` is there. Imports nothing."""
    return importlib.util.find_spec(method) is not None


def why_not_installed(method: Method) -> str:
    """What to do to have ``method``; empty if it is installed."""
    if installed(method):
        return ""
    return f'{NAMES[method]} is not installed. Install Isoline with its extra "umap": pip install "isoline[umap]".'


# kept with the run


def layout_file(run: RunDirectory, method: Method, epoch: int | None) -> Path:
    """The file of a layout of the means after ``epoch``; None: of the newest."""
    return run.path / "layouts" / f"{method}-{'live' if epoch is None else f'{epoch:06d}'}.npz"


def mark_of(mu: np.ndarray) -> str:
    """What tells means from others."""
    digest = hashlib.blake2b(f"{SCHEMA}{mu.dtype.str}{mu.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(mu).data)
    return digest.hexdigest()


def read_layout(run: RunDirectory, method: Method, epoch: int | None, mu: np.ndarray) -> np.ndarray | None:
    """Places float32 (N, k) of the layout of ``mu`` (N, d), k of ``DIMENSIONS``; None if there is none, or it is of
    other means."""
    try:
        stored = read_arrays(layout_file(run, method, epoch), len(mu) * 16 + MEGABYTE, ("places", "mark"))
        places = stored["places"]
        fits = places.shape == (len(mu), DIMENSIONS[method]) and places.dtype == np.float32
        return places if fits and np.isfinite(places).all() and str(stored["mark"]) == mark_of(mu) else None
    except (OSError, UnreadableError, KeyError):
        return None  # as good as none: it is made again


def write_layout(run: RunDirectory, method: Method, epoch: int | None, mu: np.ndarray, places: np.ndarray) -> None:
    """Keep the layout of ``mu``. Raises ``RunError`` if the folder cannot be written."""
    file = layout_file(run, method, epoch)
    try:
        file.parent.mkdir(exist_ok=True)
        with atomic_file(file) as stream:
            np.savez(stream, places=places.astype(np.float32), mark=np.array(mark_of(mu)))
    except OSError as error:
        raise unwritable(run.path, error) from error


def lay_out_run(
    run: RunDirectory, method: Method, every_epoch: bool, progress: Callable[[float], None] = lambda share: None
) -> int:
    """Make the layouts of ``run`` that it lacks: of its newest means, and with ``every_epoch`` of those stored before,
    from the last to the first, each aligned with the one after it, and the same for the same means. Returns how many
    were made.

    Raises ``LayoutError`` and ``RunError``.
    """
    if missing := why_not_installed(method):
        raise LayoutError(missing)
    stored = run.embedding_epochs()
    epochs: list[int | None] = [] if run.live_stamp() is None else [None]
    epochs += reversed(stored if every_epoch or not epochs else [])
    if not every_epoch:
        epochs = epochs[:1]
    if not epochs:
        raise RunError(f"{run.path} has no latent means yet; they are recorded at the first training step.")
    if (run.path / "layouts").is_dir():
        remove_temporaries(run.path / "layouts")  # of one that was cancelled
    made = 0
    following: np.ndarray | None = None
    means: np.ndarray | None = None
    for number, epoch in enumerate(epochs):
        mu = run.read_embedding(epoch)
        places = read_layout(run, method, epoch, mu)
        if places is None:
            # Those of the last epoch are the newest ones: laid out again they would move, though nothing did.
            same = means is not None and np.array_equal(mu, means)
            places = following if same and following is not None else lay_out(mu, method, following)
            write_layout(run, method, epoch, mu, places)
            made += 1
        following, means = places, mu
        progress((number + 1) / len(epochs))
    return made


# computing


def lay_out(mu: np.ndarray, method: Method, start: np.ndarray | None = None) -> np.ndarray:
    """Places float32 (N, k) of mu float (N, d), centred; with ``start`` (N, k) the layout begins there and is aligned
    with it. The same every time on one machine. Raises ``LayoutError``.
    """
    if len(mu) < FEWEST_SAMPLES:
        raise LayoutError(f"there are {len(mu)} samples; {NAMES[method]} needs {FEWEST_SAMPLES} or more.")
    if len(mu) > MOST_SAMPLES:
        raise LayoutError(
            f"there are {len(mu):,} samples; {NAMES[method]} lays out {MOST_SAMPLES:,} at most. Import fewer (--rows)."
        )
    if not np.isfinite(mu).all():
        raise LayoutError("the means are not finite: the training has diverged.")
    if start is not None and start.shape != (len(mu), DIMENSIONS[method]):
        start = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about threads that a seed forbids, and rows that coincide
        places = _umap(mu, start) if method == "umap" else _pacmap(mu, start)
    places = np.asarray(places, np.float64)
    if places.shape != (len(mu), DIMENSIONS[method]) or not np.isfinite(places).all():
        raise LayoutError(f"{NAMES[method]} found no layout of these means; choose principal components instead.")
    places -= places.mean(axis=0)
    return (places if start is None else aligned(places, start)).astype(np.float32)


def _umap(mu: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    umap: Any = importlib.import_module("umap")  # of an extra, which type checkers may not find

    settings: dict[str, Any] = {"n_components": DIMENSIONS["umap"], "random_state": 0, "n_jobs": 1}
    if start is not None:
        first = np.asarray(10.0 * start / max(float(np.abs(start).max()), 1e-9), np.float32)
        settings |= {"init": first, "n_epochs": FOLLOWING_EPOCHS}
    return np.asarray(umap.UMAP(**settings).fit_transform(np.asarray(mu, np.float32)))


def _pacmap(mu: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    pacmap: Any = importlib.import_module("pacmap")

    logging.getLogger("pacmap").setLevel(logging.ERROR)  # it tells that a seed is set
    reducer = pacmap.PaCMAP(n_components=DIMENSIONS["pacmap"], random_state=0)
    return np.asarray(reducer.fit_transform(np.asarray(mu, np.float32), init="pca" if start is None else start))


def aligned(places: np.ndarray, target: np.ndarray) -> np.ndarray:
    """``places`` (N, k), turned, mirrored, scaled and shifted so that they lie nearest to ``target`` (N, k).

    Least squares (Schönemann and Carroll 1970); the scale is one number.
    """
    centre, goal = places.mean(axis=0), target.mean(axis=0)
    left, right = places - centre, target - goal
    u, singular, vt = np.linalg.svd(left.T @ right)
    scale = singular.sum() / max(float((left**2).sum()), 1e-300)
    return scale * left @ (u @ vt) + goal
