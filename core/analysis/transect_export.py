"""Writing what was measured along a transect: the picture as PNG or SVG, the numbers as CSV, everything as NPZ.

Every file is written whole or not at all. numpy at import, matplotlib at the first picture, no torch.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.analysis.transect import TransectResult
from core.data.polar_curves import FACTOR_NAMES
from core.paths.export import ExportError
from core.utils.atomic_write import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
Format = Literal["png", "svg", "csv", "npz"]
FORMATS: tuple[Format, ...] = ("png", "svg", "csv", "npz")
PNG_DPI = 200  # images of 256 pixels in a row of 15 keep about 150


def export_transect(path: str | Path, result: TransectResult) -> Path:
    """Write ``result`` in the format of ``path``'s ending, and return the path.

    ``png`` and ``svg``: ``transect_figure``. ``csv``: one row a point, with the columns point, a, b, in_hole (0 or 1),
    excess_bce (nats a pixel), ssim, distance, mu1 to mud; numbers in full precision. ``npz``: all arrays of
    ``TransectResult`` under their names, points, name and schema; read with ``np.load(path)``, no pickle. Raises
    ``ExportError`` for another ending, or a file that cannot be written; an old one is then as it was.
    """
    path = Path(path)
    makers = {"png": _png, "svg": _svg, "csv": _csv, "npz": _npz}
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


def transect_figure(result: TransectResult) -> Figure:
    """The picture of ``result`` as a matplotlib figure, on white.

    Rows of truth, reconstruction and signed difference (reconstruction - truth, channels averaged, 1 is full scale),
    the points in the hole framed; below, on the same axis, excess BCE, SSIM and the distance to the nearest training
    sample. Images are cropped to the square that holds all that is drawn in any of them. Of more than 20 points every
    k-th image is shown, and all of each curve.
    """
    from core.analysis.transect_figure import draw_transect

    return draw_transect(result)


def _png(result: TransectResult) -> bytes:
    from core.reporting.plot_style import png

    return png(transect_figure(result), PNG_DPI)


def _svg(result: TransectResult) -> bytes:
    from core.reporting.plot_style import svg

    return svg(transect_figure(result))


def _csv(result: TransectResult) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    means = [f"mu{i + 1}" for i in range(result.mu.shape[1])]
    writer.writerow(["point", *FACTOR_NAMES, "in_hole", "excess_bce", "ssim", "distance", *means])
    for i, (a, b) in enumerate(result.transect.points.tolist()):
        measured = [float(values[i]) for values in (result.excess_bce, result.ssim, result.distance)]
        writer.writerow([i + 1, a, b, int(result.in_hole[i]), *measured, *result.mu[i].tolist()])
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
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()
