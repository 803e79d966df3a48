"""Writing what was measured along a transect: the picture as PNG or SVG, the numbers as CSV, everything as NPZ.

Every file is written whole or not at all. Import this module only where a transect is written: matplotlib takes half a
second.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from core.analysis.transect import TransectResult
from core.analysis.transect_figure import transect_description
from core.figures import transect
from core.figures.style import PRINT, Style, settings
from core.paths.export import ExportError
from core.reporting.plot_style import FONT_SIZE, png, svg
from core.utils.atomic_write import write_atomic

SCHEMA_VERSION = 1
Format = Literal["png", "svg", "csv", "npz"]
FORMATS: tuple[Format, ...] = ("png", "svg", "csv", "npz")
PNG_DPI = 200  # images of 256 pixels in a row of 15 keep about 150

_STYLE = Style(PRINT, FONT_SIZE, PNG_DPI)
_SMALLEST_WIDTH, _WIDTH = 504.0, 778.0  # points, of the images


def export_transect(path: str | Path, result: TransectResult) -> Path:
    """Write ``result`` in the format of ``path``'s ending, and return the path.

    ``png`` and ``svg``: ``transect_figure``. ``csv``: one row a point, with the columns point, index and file (of the
    image that stands for the point, where there are such), the two factors, in_hole (0 or 1), excess_bce (nats a
    pixel), ssim, distance, mu1 to mud; numbers in full precision. A factor that is called like another column has
    "(factor)" after its name. ``npz``: everything of ``TransectResult`` under its name, points, name and schema; read
    with ``np.load(path)``, no pickle. Raises ``ExportError`` for another ending, or a file that cannot be written; an
    old one is then as it was.
    """
    path = Path(path)
    makers = {
        "png": lambda result: png(transect_figure(result), PNG_DPI),
        "svg": lambda result: svg(transect_figure(result)),
        "csv": _csv,
        "npz": _npz,
    }
    ending = path.suffix.lower().removeprefix(".")
    if ending not in makers:
        raise ExportError(f"{path}: transects are written as {', '.join(f'.{name}' for name in FORMATS)}; choose one.")
    data = makers[ending](result)
    try:
        write_atomic(path, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"{path}: cannot be written: {reason}. Choose another folder or free some space.") from error
    return path


def _csv(result: TransectResult) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    measures = ["in_hole", "excess_bce", "ssim", "distance", *(f"mu{i + 1}" for i in range(result.mu.shape[1]))]
    images = {"index": result.indices.tolist(), "file": result.files}
    images = {name: values for name, values in images.items() if len(values)}
    taken, factors = {"point", *images, *measures}, []
    for name in result.axes:
        while name in taken:
            name = f"{name} (factor)"
        taken.add(name)
        factors.append(name)
    writer.writerow(["point", *images, *factors, *measures])
    for i, (x, y) in enumerate(result.transect.points.tolist()):
        image = [values[i] for values in images.values()]
        measured = [float(values[i]) for values in (result.excess_bce, result.ssim, result.distance)]
        writer.writerow([i + 1, *image, x, y, int(result.in_hole[i]), *measured, *result.mu[i].tolist()])
    return text.getvalue().encode()


def _npz(result: TransectResult) -> bytes:
    arrays = {
        "schema": np.array(SCHEMA_VERSION),
        "name": np.array(result.transect.name),
        "points": result.transect.points,
        "originals": result.originals,
        "reconstructions": result.reconstructions,
        "mu": result.mu,
        "excess_bce": result.excess_bce,
        "ssim": result.ssim,
        "distance": result.distance,
        "in_hole": result.in_hole,
        "axes": np.array(result.axes, dtype=np.str_),
        "indices": result.indices,
        "files": np.array(result.files, dtype=np.str_),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]  # no key of it is named allow_pickle
    return buffer.getvalue()


def transect_figure(result: TransectResult) -> Figure:
    """The picture of ``result`` as a matplotlib figure, on white, as wide as its images need.

    Images are cropped to the square that holds all that is drawn in any of them. Of more than 20 points every k-th
    image is shown, and all of each curve.
    """
    description = transect_description(result)
    size, columns = _STYLE.size, len(description.shown)
    image = min(_WIDTH / columns, transect.LARGEST_IMAGE * size)
    width = max(columns * image, _SMALLEST_WIDTH) + (transect.LEFT + transect.RIGHT) * size
    with settings():
        return transect.draw(description, width, transect.natural_height(description, width, _STYLE), _STYLE).figure
