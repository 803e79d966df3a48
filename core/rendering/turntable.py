"""The turntable: a run's embedding turning once about its upright axis, as a film that loops without a seam.

Needs neither a window nor a display nor torch: everything comes out of the run directory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from core.paths.export import export_gif, export_mp4
from core.rendering.camera import broadside
from core.rendering.class_colours import UNKNOWN, class_colours, coloured
from core.rendering.cloud_image import Cloud, CloudPicture
from core.rendering.colormaps import NAMES, Colorbar, colours, lut
from core.rendering.pil_text import rgb
from core.rendering.point_colours import DENSITY
from core.rendering.projection import Projection, along_components, along_dimensions
from core.rendering.themes import THEMES
from core.runs.directory import SPLIT_NAMES, ProbeSet, RunDirectory
from core.utils.untrusted import UnreadableError, read_numpy

SUFFIXES = (".mp4", ".gif")
SPLIT, ONE_COLOUR = "split", "none"
"""Names to colour by that are no factors: training, validation or held-out sample; all points alike."""
DRAWING_FRACTION = 0.85  # of the whole time; the rest is encoding
GIF_MAX_FPS = 20.0  # a turn of six seconds then has about 8 MB; viewers hardly show more
MAX_BYTES = 4 << 30  # frames are kept in memory until the film is written

Progress = Callable[[float], None]


class TurntableError(ValueError):
    """A turntable that cannot be made; the message names the reason and what would do."""


@dataclass(frozen=True)
class Film:
    """How long and how large it is."""

    seconds: float = 6.0
    """Duration of the full turn in seconds."""
    fps: float = 30.0
    """Frames per second; at most 20 for a GIF."""
    size: int = 720
    """Width and height in pixels, an even number."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seconds", self.seconds, 0.5, 120.0),
            ("fps", self.fps, 1.0, 120.0),
            ("size", self.size, 120, 2160),
        ):
            if not low <= value <= high:
                raise TurntableError(f"{name} is {value:g}; it must be {low:g} to {high:g}.")
        if self.size % 2:
            raise TurntableError(f"size is {self.size}; the size of a film must be even. Try {self.size + 1}.")
        needed = self.frames * self.size * self.size * 3
        if needed > MAX_BYTES:
            raise TurntableError(
                f"{self.frames} frames of {self.size} pixels need {needed / 2**30:.1f} GiB of memory; at most "
                f"{MAX_BYTES >> 30} are allowed. Choose fewer seconds, frames per second or pixels."
            )

    @property
    def frames(self) -> int:
        """Number of frames, at least 2."""
        return max(2, round(self.seconds * self.fps))


@dataclass(frozen=True)
class Look:
    """How the points are shown."""

    color_by: str = ""
    """What colours the points: a factor's name, split, density (how many there are in a pixel), or none. Default: the
    first factor."""
    colormap: Literal["viridis", "cividis", "inferno", "twilight"] = "viridis"
    """Colour map."""
    values: Path | None = None
    """An .npy file with one number per sample to colour by; --color-by then names these values. For classes, an .npz
    file with the arrays values and categories: the names of what the values number from 0."""
    hide: tuple[str, ...] = ()
    """A class that is not drawn; may be given several times. unknown: the samples whose class is not known."""
    axes: str = "auto"
    """auto: the latent dimensions, or the principal components if there are more than three; pca; or numbers of
    dimensions such as 1,2,5."""
    theme: Literal["dark", "light"] = "dark"
    """Background."""
    point_size: float = 5.0
    """Diameter of a point in pixels for a film of 720 pixels; it scales with --size."""
    opacity: float = 1.0
    """Opacity of the points, up to 1."""

    @property
    def ground(self) -> str:
        """The colour behind the points, ``#rrggbb``."""
        return THEMES[self.theme].plot

    def __post_init__(self) -> None:
        if self.colormap not in NAMES:
            raise TurntableError(f"colormap is {self.colormap!r}; it must be one of {', '.join(NAMES)}.")
        if self.theme not in THEMES:
            raise TurntableError(f"theme is {self.theme!r}; it must be {' or '.join(THEMES)}.")
        for name, low, high in (("point_size", 0.5, 40.0), ("opacity", 0.02, 1.0)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise TurntableError(f"{name} is {value:g}; it must be {low:g} to {high:g}.")


def make_cloud(run: RunDirectory, look: Look, epoch: int | None = None) -> Cloud:
    """The cloud of ``run`` after ``epoch`` (None: the newest), as ``look`` asks for.

    Raises ``TurntableError`` if it has no means yet, too few dimensions, or not what colours it; ``RunError`` if a file
    is missing or damaged.
    """
    means, shown = _read_means(run, epoch)
    probe = run.samples_of(run.read_probe(), means)
    counted = look.color_by == DENSITY and look.values is None and DENSITY not in probe.factor_names
    values, bar = (None, None) if counted else _colouring(probe, look, len(means))
    plain = np.tile(np.array([*rgb(THEMES[look.theme].accent), 255], dtype=np.uint8), (len(means), 1))
    if values is None or bar is None:
        rgba = plain
    elif bar.categories is not None:
        rgba = coloured(values, len(bar.categories), look.ground)
    else:
        rgba = colours(values, look.colormap, bar.low, bar.high, look.ground)
    drawn = np.ones(len(means), bool)
    if look.hide:
        bar, hidden = _without_hidden(values, bar, look)
        drawn &= ~hidden
        if not drawn.any():
            raise TurntableError("every class that has samples is hidden; show at least one.")
    rgba[:, 3] = np.where(drawn, round(look.opacity * 255), 0)  # those that are hidden keep their room
    projection = _projection(look.axes, means)
    count = f"{drawn.sum():,} samples".replace(",", "\u202f")
    return Cloud(
        points=projection.to_view(means),
        rgba=rgba,
        labels=projection.labels,
        dims=projection.dims,
        colorbar=bar,
        title=run.path.resolve().name,
        caption=count if shown is None else f"epoch {shown} · {count}",
        density=look.colormap if counted else "",
    )


def render(cloud: Cloud, film: Film, look: Look, progress: Progress | None = None) -> np.ndarray:
    """The frames uint8 (n, size, size, 3) of one turn; the frame after the last one would be the first.

    The turn begins at the cloud's broad side.
    """
    picture = CloudPicture(cloud, film.size, THEMES[look.theme], look.point_size)
    start, _ = broadside(cloud.points)
    frames = np.empty((film.frames, film.size, film.size, 3), dtype=np.uint8)
    for index in range(film.frames):
        frames[index] = picture.draw(start + 360.0 * index / film.frames)
        if progress is not None:
            progress((index + 1) / film.frames)
    return frames


def check_suffix(path: Path) -> str:
    """The suffix of ``path``, lower case; raises ``TurntableError`` if it is not that of a film."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TurntableError(f"--out is {path}; its name must end in {' or '.join(SUFFIXES)}.")
    return suffix


def export_turntable(path: Path, cloud: Cloud, film: Film, look: Look, progress: Progress | None = None) -> Path:
    """Write the turn to ``path``, an .mp4 or .gif, whole or not at all; progress is a fraction from 0 to 1, and an
    exception that its receiver raises leaves nothing behind.

    A GIF has at most 20 frames a second, or it would be too large to send. Raises ``TurntableError`` for another
    suffix, ``ExportError`` if it cannot be written.
    """
    suffix = check_suffix(path)
    if suffix == ".gif" and film.fps > GIF_MAX_FPS:
        film = Film(film.seconds, GIF_MAX_FPS, film.size)
    report = progress or (lambda fraction: None)
    frames = render(cloud, film, look, lambda fraction: report(DRAWING_FRACTION * fraction))

    def encoding(fraction: float) -> None:
        report(DRAWING_FRACTION + (1.0 - DRAWING_FRACTION) * fraction)

    if suffix == ".gif":
        return export_gif(path, frames, film.fps, encoding, palette="octree")
    return export_mp4(path, frames, film.fps, encoding)


def _read_means(run: RunDirectory, epoch: int | None) -> tuple[np.ndarray, int | None]:
    """Means float32 (N, d), and the epoch after which they were taken, None if that is not known."""
    epochs = run.embedding_epochs()
    if epoch is not None:
        return run.read_embedding(epoch), epoch
    if run.live_stamp() is None:
        if not epochs:
            raise TurntableError(f"{run.path} has no embedding yet; its training has to record one first.")
        return run.read_embedding(epochs[-1]), epochs[-1]
    means = run.read_embedding(None)
    last = run.read_embedding(epochs[-1]) if epochs else None
    return means, epochs[-1] if last is not None and np.array_equal(means, last) else None


def _projection(axes: str, means: np.ndarray) -> Projection:
    latent_dim = means.shape[1]
    if latent_dim < 2:
        raise TurntableError(
            "the run has one latent dimension: a line cannot be shown turning; two or more are needed."
        )
    if axes == "pca" or (axes == "auto" and latent_dim > 3):
        return along_components(means)
    if axes == "auto":
        return along_dimensions(range(latent_dim), latent_dim)
    wanted = f"auto, pca, or {min(latent_dim, 3)} different numbers of 1 to {latent_dim}, such as 1,2,3"
    try:
        chosen = [int(part) - 1 for part in axes.split(",")]
    except ValueError as error:
        raise TurntableError(f"axes is {axes!r}; it must be {wanted}.") from error
    known = all(0 <= index < latent_dim for index in chosen)
    if not known or len(set(chosen)) != len(chosen) or len(chosen) != min(latent_dim, 3):
        raise TurntableError(f"axes is {axes!r}; it must be {wanted}.")
    return along_dimensions(chosen, latent_dim)


def _class_bar(name: str, categories: tuple[str, ...], look: Look) -> Colorbar:
    return Colorbar(name, 0.0, len(categories) - 1.0, class_colours(len(categories), look.ground), categories)


def _without_hidden(values: np.ndarray | None, bar: Colorbar | None, look: Look) -> tuple[Colorbar, np.ndarray]:
    """The bar without the classes that are hidden, and which samples are of these: bool (N,)."""
    if values is None or bar is None or bar.categories is None:
        raise TurntableError(f"hide is {', '.join(look.hide)}; what colours the points has no classes to hide.")
    names = bar.categories
    if strange := [name for name in look.hide if name not in (*names, UNKNOWN)]:
        raise TurntableError(f"hide is {strange[0]!r}; the classes are {', '.join(names)}.")
    shown = [place for place, name in enumerate(names) if name not in look.hide]
    known = np.isin(values, np.arange(len(names)))
    hidden = np.where(known, ~np.isin(values, shown), UNKNOWN in look.hide)
    return replace(bar, categories=tuple(names[place] for place in shown), lut=bar.lut[shown]), hidden


def _colouring(probe: ProbeSet, look: Look, count: int) -> tuple[np.ndarray | None, Colorbar | None]:
    """Values (N,) of the samples and the bar that says what they mean; two Nones for points of one colour."""
    name = look.color_by
    if look.values is not None:
        values, categories = _read_values(look.values)
        name = name or "value"
        if values.shape != (count,) or values.dtype.kind not in "fiu":
            raise TurntableError(f"values are {values.dtype} {values.shape}; they must be numbers ({count},).")
        if categories:
            return values, _class_bar(name, categories, look)
        ends = (0.01, 0.99)  # a few extreme values must not flatten the colours of all others
    else:
        if not name:
            name = probe.factor_names[0] if probe.factor_names else ONE_COLOUR
        if name == SPLIT and name not in probe.factor_names:
            return probe.split.astype(np.float64), _class_bar(
                "split", SPLIT_NAMES[: max(2, int(probe.split.max(initial=0)) + 1)], look
            )
        if name == ONE_COLOUR and name not in probe.factor_names:
            return None, None
        if name not in probe.factor_names:
            raise TurntableError(
                f"color_by is {name!r}; this run has {', '.join((*probe.factor_names, SPLIT, DENSITY, ONE_COLOUR))}."
            )
        factor = probe.factor_names.index(name)
        values, ends = probe.factors[:, factor], (0.0, 1.0)
        if probe.categories[factor]:
            return values, _class_bar(name, probe.categories[factor], look)
    known = values[np.isfinite(values)].astype(np.float64)
    low, high = np.quantile(known, ends).tolist() if len(known) else (0.0, 1.0)
    return values, Colorbar(name, low, high, lut(look.colormap, look.ground))


def _read_values(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values in the file ``path``, and the names of the classes that they number; none if they are numbers."""
    try:
        stored = read_numpy(path)
        if isinstance(stored, np.ndarray):
            return stored, ()
        return stored["values"], tuple(np.ravel(stored["categories"]).astype(str).tolist())
    except OSError as error:
        raise TurntableError(f"--values {path} cannot be read ({error.strerror or error}).") from error
    except KeyError as error:
        raise TurntableError(f"--values {path} must hold the arrays values and categories.") from error
    except UnreadableError as error:
        raise TurntableError(f"--values {path} is not an .npy or .npz file of numbers ({error}).") from error
