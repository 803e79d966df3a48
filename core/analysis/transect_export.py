"""Writing what was measured along a transect: the picture as PNG or SVG, the numbers as CSV, everything as NPZ.

Images and curves of the picture share one axis, the number of the point, so that each value stands below its image; the
points in the hole are framed. Every file is written whole or not at all. Import this module only where a transect is
written: matplotlib takes half a second.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from core.analysis.transect import TransectResult
from core.paths.export import ExportError
from core.rendering.colormaps import lut
from core.reporting.plot_style import ACCENT, FONT_SIZE, INK, QUIET, SERIES, bare, dress, png, svg
from core.utils.atomic_write import write_atomic

SCHEMA_VERSION = 1
Format = Literal["png", "svg", "csv", "npz"]
FORMATS: tuple[Format, ...] = ("png", "svg", "csv", "npz")
PNG_DPI = 200  # images of 256 pixels in a row of 15 keep about 150

MAX_COLUMNS = 20  # images in a row: of a longer transect every k-th is shown
_MARKED = 60  # points of a curve: more are drawn without dots
_ENDS = (0.1, 0.25, 0.5, 1.0)  # of the colours of a difference, so that two figures are often comparable
_CLIPPED = 0.005  # share of pixels that may lie beyond them
_LONGEST = 24  # characters of a factor's name
_DRAWN = 13  # levels from the ground: what a picture is cropped to

# inches
_MARGIN, _LEFT, _RIGHT = 0.12, 1.95, 0.85
_TITLE, _LABEL, _GAP, _PANEL, _TICKS = 0.6, 0.24, 0.12, 0.8, 0.62
_LARGEST_IMAGE, _SMALLEST_WIDTH, _WIDTH = 1.4, 7.0, 10.8


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
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


# the picture


def transect_figure(result: TransectResult) -> Figure:
    """The picture of ``result`` as a matplotlib figure, on white.

    Rows of truth, reconstruction and signed difference (reconstruction - truth, channels averaged, 1 is full scale),
    the points in the hole framed; below, on the same axis, excess BCE, SSIM and the distance to the nearest training
    sample. Images are cropped to the square that holds all that is drawn in any of them. Of more than 20 points every
    k-th image is shown, and all of each curve.
    """
    strip = _strip(result)
    height = _TITLE + _LABEL + 3 * strip.image + 3 * (_GAP + _PANEL) + _TICKS
    figure = Figure(figsize=(_LEFT + strip.width + _RIGHT, height), facecolor="white")
    window = _window(result)
    _write_title(figure, result, window)
    top = height - _TITLE - _LABEL
    rows = []
    for place, (name, image, colours) in enumerate(_rows(result, strip, window)):
        bottom = top - (place + 1) * strip.image
        axes = _axes(figure, strip, bottom, strip.image)
        _name_row(figure, name, bottom + 0.5 * strip.image)
        _draw_row(axes, strip, image)
        if colours is not None:
            _colour_bar(figure, strip, bottom, colours)
        rows.append(axes)
    _frame_hole(rows, result, strip)
    _draw_curves(figure, result, strip, top - 3 * strip.image)
    return figure


@dataclass(frozen=True)
class _Strip:
    """Which points are shown as images, and how points become places along the shared axis.

    ``shown`` int64 (c,) are the points, ``slots`` float64 (c,) the middles of their images, each ``slot`` points wide;
    ``image`` is its side, ``width`` that of the axes in inches, ``reach`` the two ends of the axis.
    """

    shown: np.ndarray
    slots: np.ndarray
    slot: float
    image: float
    width: float
    reach: tuple[float, float]


def _strip(result: TransectResult) -> _Strip:
    count = len(result.transect)
    columns = count
    if count > MAX_COLUMNS:  # equal steps between the shown points, where their number allows it
        even = (c for c in range(MAX_COLUMNS, MAX_COLUMNS // 2, -1) if (count - 1) % (c - 1) == 0)
        columns = next(even, MAX_COLUMNS)
    slots = np.linspace(1.0, count, columns)
    slot = (count - 1) / (columns - 1)
    image = min(_WIDTH / columns, _LARGEST_IMAGE)
    width = max(columns * image, _SMALLEST_WIDTH)
    middle, half = 0.5 * (1 + count), 0.5 * width / image * slot
    return _Strip(np.rint(slots).astype(np.int64) - 1, slots, slot, image, width, (middle - half, middle + half))


def _axes(figure: Figure, strip: _Strip, bottom: float, height: float) -> Axes:
    """Axes over the whole width of the strip, ``bottom`` and ``height`` in inches."""
    width, whole = figure.get_size_inches()
    axes = figure.add_axes((_LEFT / width, bottom / whole, strip.width / width, height / whole))
    axes.set_xlim(*strip.reach)
    return axes


def _window(result: TransectResult) -> tuple[slice, slice]:
    """The square part of the images that holds everything drawn in any of them, all of them where nothing is."""
    height, width = result.originals.shape[1:3]
    ground = result.originals[0, 0, 0].astype(np.int16)
    drawn = np.zeros((height, width), dtype=bool)
    for images in (result.originals, result.reconstructions):
        for image in images:
            drawn |= (np.abs(image - ground) >= _DRAWN).any(axis=-1)
    if not drawn.any() or height != width:
        return slice(0, height), slice(0, width)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    side = min(int(extent * 1.16), height)  # a little air around the largest
    first_row = int(np.clip((rows[0] + rows[-1] + 1 - side) // 2, 0, height - side))
    first_column = int(np.clip((columns[0] + columns[-1] + 1 - side) // 2, 0, width - side))
    return slice(first_row, first_row + side), slice(first_column, first_column + side)


def _write_title(figure: Figure, result: TransectResult, window: tuple[slice, slice]) -> None:
    first, last = result.transect.points[0], result.transect.points[-1]
    if result.in_hole.any():
        means = ((result.hole_excess_bce, f" {result.inside}"), (result.outside_excess_bce, " outside"))
    else:  # the data may have no hole at all
        means = ((result.outside_excess_bce, ""),)
    means = ", ".join(f"{value:.4f}{where}" for value, where in means if value is not None)
    ends = f"({first[0]:.4g}, {first[1]:.4g}) to ({last[0]:.4g}, {last[1]:.4g})"
    parts = [f"mean excess BCE {means}"]
    side, whole = window[0].stop - window[0].start, result.originals.shape[1]
    if side < whole:
        parts.append(f"images cropped to {side}² of {whole}² pixels")
    width, height = figure.get_size_inches()
    left = _MARGIN / width
    name = figure.text(left, 1 - 0.1 / height, result.transect.name, fontsize=FONT_SIZE + 4, color=INK)
    name.set(va="top", fontweight="bold", parse_math=False)
    note = figure.text(left, 1 - 0.38 / height, "", fontsize=FONT_SIZE, color=QUIET)
    note.set(va="top", parse_math=False)

    def described(x: str, y: str) -> str:
        return "   ·   ".join([f"{len(result.transect)} points, ({x}, {y}) = {ends}", *parts])

    _write_names(note, result.axes, described)


def _write_names(text: Text, names: tuple[str, str], write: Callable[[str, str], str]) -> None:
    """Set ``text`` to what ``write`` makes of ``names``, as short as the page needs them."""
    figure = text.get_figure()
    assert figure is not None
    for longest in range(_LONGEST, 2, -3):
        x, y = (name if len(name) <= longest else f"{name[: longest - 1]}…" for name in names)
        text.set_text(write(x, y))
        extent = text.get_window_extent()
        if figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1:
            break


def _name_row(figure: Figure, name: str, middle: float) -> None:
    """``name`` in the column at the left, ``middle`` inches above the bottom."""
    width, height = figure.get_size_inches()
    text = figure.text(_MARGIN / width, middle / height, name, fontsize=FONT_SIZE, color=INK, va="center")
    text.set(linespacing=1.25, parse_math=False)


def _rows(
    result: TransectResult, strip: _Strip, window: tuple[slice, slice]
) -> list[tuple[str, np.ndarray, ScalarMappable | None]]:
    """Name, image (H, c · W, 3 or 4) and the colours' meaning of each row."""
    originals = result.originals[strip.shown][:, window[0], window[1]]
    reconstructions = result.reconstructions[strip.shown][:, window[0], window[1]]
    difference = (reconstructions.astype(np.float32) - originals.astype(np.float32)).mean(axis=3) / 255.0
    largest = np.quantile(np.abs(difference), 1.0 - _CLIPPED)
    ends = next(end for end in _ENDS if largest <= end)
    colours = ScalarMappable(Normalize(-ends, ends), ListedColormap(lut("difference") / 255.0))
    return [
        ("truth", _side_by_side(originals), None),
        ("reconstruction", _side_by_side(reconstructions), None),
        ("reconstruction − truth", colours.to_rgba(np.concatenate(list(difference), axis=1), bytes=True), colours),
    ]


def _side_by_side(images: np.ndarray) -> np.ndarray:
    row = np.concatenate(list(images), axis=1)
    return np.broadcast_to(row, (*row.shape[:2], 3))


def _draw_row(axes: Axes, strip: _Strip, image: np.ndarray) -> None:
    left, right = strip.slots[0] - 0.5 * strip.slot, strip.slots[-1] + 0.5 * strip.slot
    axes.imshow(image, extent=(left, right, 0.0, 1.0), aspect="auto")
    axes.set_xlim(*strip.reach)
    axes.set_ylim(0.0, 1.0)
    bare(axes)
    axes.patch.set_visible(False)


def _colour_bar(figure: Figure, strip: _Strip, bottom: float, colours: ScalarMappable) -> None:
    width, height = figure.get_size_inches()
    images = len(strip.slots) * strip.image
    left = _LEFT + 0.5 * (strip.width + images) + 0.1
    inset = 0.06 * strip.image
    axes = figure.add_axes((left / width, (bottom + inset) / height, 0.09 / width, (strip.image - 2 * inset) / height))
    bar = figure.colorbar(colours, cax=axes)
    low, high = colours.get_clim()
    bar.set_ticks([low, 0.0, high], labels=[f"≤ −{high:g}", "0", f"≥ {high:g}"] if high < 1 else ["−1", "0", "1"])
    axes.tick_params(labelsize=FONT_SIZE - 1.5, colors=QUIET, labelcolor=INK, width=0.8, length=3)
    bar.outline.set_visible(False)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of each run of true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]


def _frame_hole(rows: list[Axes], result: TransectResult, strip: _Strip) -> None:
    """One frame around the three images of neighbouring points in the hole, and its name above."""
    for first, last in _runs(result.in_hole[strip.shown]):
        left, right = strip.slots[first] - 0.5 * strip.slot, strip.slots[last] + 0.5 * strip.slot
        frame = Rectangle((left, 0.0), right - left, float(len(rows)), fill=False, edgecolor=ACCENT, linewidth=2.0)
        frame.set(clip_on=False, zorder=5, joinstyle="miter")
        rows[-1].add_patch(frame)  # in units of its own height: up to the top of the first row
        rows[0].text(
            0.5 * (left + right), 1.06, result.inside, fontsize=FONT_SIZE, color=ACCENT, ha="center", va="bottom"
        )


def _draw_curves(figure: Figure, result: TransectResult, strip: _Strip, top: float) -> None:
    plane = ", ".join(result.axes)
    plane = f"in the ({plane}) plane" if len(plane) <= 12 else "in the plane shown"
    curves = (
        ("excess BCE\n(nats per pixel)", result.excess_bce, 0.0, None),
        ("SSIM\n(1: equal images)", result.ssim, None, 1.0),
        (f"distance to nearest\ntraining sample\n({plane})", result.distance, 0.0, None),
    )
    for place, (name, values, low, high) in enumerate(curves):
        bottom = top - (place + 1) * (_GAP + _PANEL)
        axes = _axes(figure, strip, bottom, _PANEL)
        _name_row(figure, name, bottom + 0.5 * _PANEL)
        _draw_curve(axes, result, values)
        _set_ends(axes, values, low, high)
        _mark_points(axes, result, strip, labelled=place == len(curves) - 1)


def _draw_curve(axes: Axes, result: TransectResult, values: np.ndarray) -> None:
    x = np.arange(1, len(values) + 1)
    for first, last in _runs(result.in_hole):
        axes.axvspan(x[first] - 0.5, x[last] + 0.5, color=ACCENT, alpha=0.1, linewidth=0)
    dots = len(values) <= _MARKED
    axes.plot(x, values, color=SERIES[0], linewidth=1.4, zorder=3)
    if dots:
        axes.scatter(x, values, s=14, color=[ACCENT if hole else SERIES[0] for hole in result.in_hole], zorder=4)
    dress(axes)
    axes.yaxis.set_major_locator(MaxNLocator(3, min_n_ticks=3))


def _set_ends(axes: Axes, values: np.ndarray, low: float | None, high: float | None) -> None:
    """A little room around the values; ``low`` and ``high`` are where the measure itself ends."""
    least, greatest = float(values.min()), float(values.max())
    least = least if low is None else min(low, least)
    greatest = greatest if high is None else max(high, greatest)
    room = 0.12 * (greatest - least) or 0.05
    axes.set_ylim(least - (room if low is None else 0.04 * room), greatest + room)


def _mark_points(axes: Axes, result: TransectResult, strip: _Strip, labelled: bool) -> None:
    """Ticks below the images: the point's number, and its place in the plane."""
    points = strip.shown + 1
    axes.set_xticks(points)
    axes.set_xlim(*strip.reach)
    if not labelled:
        axes.tick_params(axis="x", labelbottom=False)
        return
    places = result.transect.points[strip.shown]
    a, b = (_plain(places[:, axis]) for axis in (0, 1))
    axes.set_xticklabels(["\n".join(lines) for lines in zip(map(str, points), a, b, strict=True)])
    names = axes.annotate(
        "",
        (0.0, 0.0),
        xytext=(-6.0, -6.5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=FONT_SIZE - 1,
        color=QUIET,
        ha="right",
        va="top",
    )
    names.set_parse_math(False)
    _write_names(names, result.axes, lambda x, y: f"point\n{x}\n{y}")


def _plain(values: np.ndarray) -> list[str]:
    """All with the same number of decimals, enough to tell a short transect's points apart."""
    decimals = 2 if np.ptp(values) > 0.1 or np.ptp(values) == 0 else 4
    return [f"{value:.{decimals}f}" for value in values]
