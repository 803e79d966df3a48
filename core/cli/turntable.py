"""`isoline turntable`: a run's embedding turning once, as a film, without a display."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from core.cli.progress import input_closed, json_lines, progress_bar
from core.utils.text import reason

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Options:
    """Film the embedding of a run turning once about its upright axis, coloured by a factor, with labelled axes."""

    run: Annotated[Path, tyro.conf.Positional]
    """The run folder."""
    out: Path
    """Output file; its name ends in .mp4 or .gif."""
    epoch: int | None = None
    """Epoch to show (0: before training). Default: the newest."""
    seconds: float = 6.0
    """Duration of the full turn in seconds."""
    fps: float = 30.0
    """Frames per second; at most 20 for a GIF."""
    size: int = 720
    """Width and height in pixels, an even number."""
    color_by: str = ""
    """What colours the points: a factor's name, split, or none. Default: the first factor."""
    colormap: Literal["viridis", "cividis", "inferno", "twilight"] = "viridis"
    """Colour map."""
    values: Path | None = None
    """An .npy file with one number per sample to colour by; --color-by then names these values. For classes, an .npz
    file with the arrays values and categories: the names of what the values number from 0."""
    hide: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
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
    progress: Literal["bar", "json", "none"] = "bar"
    """json: for other programs, one line {"progress": 0.42} per percent; closing standard input then cancels."""


def run(options: Options) -> int:
    """Draw and write; returns 0. Raises ``TurntableError``, ``RunError`` or ``ExportError``."""
    from core.rendering.turntable import Film, Look, check_suffix, export_turntable, make_cloud
    from core.runs.directory import RunDirectory

    check_suffix(options.out)
    film = Film(options.seconds, options.fps, options.size)
    values, categories = _read_values(options.values)
    look = Look(
        color_by=options.color_by,
        colormap=options.colormap,
        axes=options.axes,
        theme=options.theme,
        point_size=options.point_size,
        opacity=options.opacity,
        values=values,
        categories=categories,
        hidden=options.hide,
    )
    cloud = make_cloud(RunDirectory.open(options.run), look, options.epoch)
    if options.progress == "json":
        export_turntable(options.out, cloud, film, look, json_lines(), input_closed())
    else:
        with progress_bar("turntable") if options.progress == "bar" else contextlib.nullcontext() as report:
            export_turntable(options.out, cloud, film, look, report)
    if options.progress != "json":
        print(f"{options.out}  {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _read_values(path: Path | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The values in the file ``path``, and the names of the classes that they number; none if they are numbers."""
    if path is None:
        return None, ()
    import numpy as np

    from core.data.dataset import BROKEN
    from core.rendering.turntable import TurntableError

    try:
        with open(path, "rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return stored, ()
            return stored["values"], tuple(np.ravel(stored["categories"]).astype(str).tolist())
    except OSError as error:
        raise TurntableError(f"--values {path} cannot be read ({error.strerror or error}).") from error
    except KeyError as error:
        raise TurntableError(f"--values {path} must hold the arrays values and categories.") from error
    except BROKEN as error:
        raise TurntableError(f"--values {path} is not an .npy or .npz file of numbers ({reason(error)}).") from error
