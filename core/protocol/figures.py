"""Figures as plain data: what is on screen, told to the process that draws it for a file.

Colours depend on the ground, which a figure may have another of than the window; so values and classes are told, and
who draws gives them their colours. Positions of the cloud are in view coordinates, with the camera that looks at them.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from msgspec import field

FORMATS = ("png", "svg", "pdf")
THEME_NAMES = ("dark", "light", "print")
SCALINGS = ("nearest", "bicubic")
LEAST_CM, MOST_CM = 2.0, 120.0
LEAST_DPI, MOST_DPI = 36, 2400
LEAST_FONT, MOST_FONT = 4.0, 40.0
LEAST_FRAME, MOST_FRAME = 16, 2160
Scaling = Literal["nearest", "bicubic"]


def _no_points() -> np.ndarray:
    return np.empty((0, 3))


def _nothing() -> np.ndarray:
    return np.empty(0)


class Part(msgspec.Struct, frozen=True):
    """A part of a figure's description; parts are compared with ``same``."""


class Page(Part, frozen=True):
    """The sheet: centimetres (``height`` 0: as high as the figure needs), file format, pixels an inch, theme, and the
    size of text in points. ``dpi`` is that of a PNG, and of every picture inside an SVG or PDF."""

    width: float = 16.0
    height: float = 0.0
    format: str = "png"
    dpi: int = 300
    theme: str = "print"
    font: float = 8.0


class Colouring(Part, frozen=True):
    """What colours the samples: ``values`` float64 (N,) of what is called ``name``, not a number where unknown; none of
    them: all samples alike.

    Numbers run from ``low`` to ``high`` of the ``colormap``. ``classes`` are names that the values number, of which
    those in ``hidden`` are not drawn (-1: samples of no known class, which are called ``unknown``). ``selected`` int64:
    the others are faint; None: no selection. ``opacity`` 0 to 1. ``density``: samples
    are counted, in the colours of the ``colormap``, not drawn one and all; of a selection, those that are selected.
    """

    name: str = ""
    values: np.ndarray = field(default_factory=_nothing)
    low: float = 0.0
    high: float = 1.0
    colormap: str = "viridis"
    classes: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()
    selected: np.ndarray | None = None
    opacity: float = 1.0
    unknown: str = "unknown"
    density: bool = False


class Eye(Part, frozen=True):
    """A ``core.rendering.camera.Camera`` in numbers; ``viewport`` in the window's pixels."""

    target: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float
    flat: bool
    viewport: tuple[float, float]


class Curve(Part, frozen=True):
    """A line ``points`` float64 (K, 3) through the cloud; ``kind`` of ``core.paths.recipe``, "" for the path itself."""

    points: np.ndarray
    kind: str = ""


class Gridlines(Part, frozen=True):
    """Line i is ``points[starts[i]:starts[i + 1]]`` float64 (P, 3), where factor ``names[family[i]]`` is ``values[i]``.

    ``behind`` bool (P,): that part of a line lies behind the cloud.
    """

    names: tuple[str, ...]
    points: np.ndarray
    starts: np.ndarray
    family: np.ndarray
    values: np.ndarray
    behind: np.ndarray


class CloudFigure(Part, frozen=True, tag=True):
    """The cloud as a camera sees it.

    ``points`` float32 (N, 3), rows that are not finite left out; ``dims`` 1 to 3 axes with their ``labels``.
    ``point_size`` is a diameter in pixels of the eye's viewport. ``probe``, ``marker`` float64 (1, 3), or no rows;
    ``control`` float64 (M, 3) points of the path; ``sample`` the chosen one, -1: none. ``transect`` float64 (n, 3), NaN
    where not known, with ``in_hole`` bool (n,).
    """

    points: np.ndarray
    colouring: Colouring
    eye: Eye
    labels: tuple[str, ...]
    dims: int
    point_size: float = 5.0
    title: str = ""
    curves: tuple[Curve, ...] = ()
    control: np.ndarray = field(default_factory=_no_points)
    marker: np.ndarray = field(default_factory=_no_points)
    probe: np.ndarray = field(default_factory=_no_points)
    transect: np.ndarray = field(default_factory=_no_points)
    in_hole: np.ndarray = field(default_factory=_nothing)
    sample: int = -1
    gridlines: Gridlines | None = None


class LossCurve(Part, frozen=True):
    """``y`` float64 (n,) over ``x`` (n,), smoothed as on screen; ``raw`` (n,) as recorded, or nothing.

    ``series`` is its place among the theme's colours; ``right``: it belongs to the right-hand axis; ``dots``: each
    value is marked.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    series: int
    raw: np.ndarray = field(default_factory=_nothing)
    right: bool = False
    dots: bool = False


class LossesFigure(Part, frozen=True, tag=True):
    """Loss curves in the range that is seen: ``x_range``, and ``y_range`` of the left and the right axis.

    ``axis`` is step, epoch or time (seconds); ``marks`` are changed hyperparameters at their places; ``best`` the place
    and value of the best validation, or nothing.
    """

    curves: tuple[LossCurve, ...]
    axis: str
    log: bool
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    right_range: tuple[float, float]
    marks: tuple[tuple[float, str], ...] = ()
    best: tuple[float, float] | None = None
    title: str = ""


class FrameLook(Part, frozen=True):
    """How the frames of a film or strip are written: ``size`` pixels on the longer side (0: as they are), ``scaling``,
    and what stands below each: ``positions`` along the path, values of ``labels``."""

    size: int = 0
    scaling: Scaling = "nearest"
    positions: bool = False
    labels: bool = False


class FilmFigure(Part, frozen=True, tag=True):
    """Frames of a path: ``images`` uint8 (n, H, W, C) with one ``captions`` tuple of lines and one of ``verdicts`` each
    ("on the data", "off the data", …, "" where unknown). ``columns`` a row; ``scaling`` enlarges the images.
    ``of_samples``: nothing was decoded; these are the samples nearest to the path."""

    images: np.ndarray
    captions: tuple[tuple[str, ...], ...]
    verdicts: tuple[str, ...]
    columns: int
    scaling: Scaling = "nearest"
    title: str = ""
    of_samples: bool = False


class KindRow(Part, frozen=True):
    """One kind of path: ``images`` uint8 (m, H, W, C) with ``verdicts``, the ``texts`` of its measures, and which of
    these are the ``best`` of their column. ``note``: why there is no path."""

    kind: str
    images: np.ndarray
    verdicts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    best: tuple[bool, ...] = ()
    note: str = ""


class KindsFigure(Part, frozen=True, tag=True):
    """The comparison of kinds of path; ``headings`` of the measures have two lines. ``frames`` of each are drawn."""

    rows: tuple[KindRow, ...]
    headings: tuple[tuple[str, str], ...]
    frames: int = 9
    scaling: Scaling = "nearest"
    title: str = ""


class TransectFigure(Part, frozen=True, tag=True):
    """A transect of n points: images, and what was measured along it.

    ``points`` float64 (n, 2) of the factors ``axes``. ``shown`` int64 (c,) are the points whose ``originals`` and
    ``reconstructions`` uint8 (c, side, side, C) are here, cut out of images of ``whole``² pixels. Measures are float64
    (n,), ``in_hole`` bool (n,), called ``inside``.
    """

    name: str
    axes: tuple[str, str]
    points: np.ndarray
    shown: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    whole: int
    excess_bce: np.ndarray
    ssim: np.ndarray
    distance: np.ndarray
    in_hole: np.ndarray
    inside: str = "in the hole"
    scaling: Scaling = "nearest"


class PlaneFigure(Part, frozen=True, tag=True):
    """The plane of two factors in the range that is seen, ``low`` to ``high`` (2,).

    ``xy`` float64 (N, 2) and ``split`` uint8 (N,), 0 training, 1 validation, 2 held out. ``classes``: the names of the
    places on an axis, none for a number. ``holes`` are (x, y, radius, dashed), ``regions`` ((x low, x high), (y low,
    y high)). ``transects`` are names with points float64 (n, 2); ``chosen`` is the one that stands out, -1: none.
    ``cursor`` float64 (1, 2) or no rows; ``sample`` the chosen one, -1: none.
    """

    xy: np.ndarray
    split: np.ndarray
    colouring: Colouring
    names: tuple[str, str]
    low: tuple[float, float]
    high: tuple[float, float]
    aspect: float
    classes: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    holes: tuple[tuple[float, float, float, bool], ...] = ()
    regions: tuple[tuple[tuple[float, float], tuple[float, float]], ...] = ()
    transects: tuple[tuple[str, np.ndarray], ...] = ()
    chosen: int = -1
    cursor: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    sample: int = -1
    title: str = ""


AnyFigure = CloudFigure | LossesFigure | FilmFigure | KindsFigure | TransectFigure | PlaneFigure


def same(one: object, other: object) -> bool:
    """Whether two descriptions draw alike; arrays are compared by content."""
    if one is other:
        return True
    if isinstance(one, np.ndarray):
        floats = one.dtype.kind == "f"
        return isinstance(other, np.ndarray) and np.array_equal(one, other, equal_nan=floats)
    if isinstance(one, Part):
        names = one.__struct_fields__
        return type(one) is type(other) and all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, tuple):
        return isinstance(other, tuple) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def page_problem(page: Page) -> str:
    """Why there can be no such page, in words; empty if there can."""
    for name, value, low, high, unit in (
        ("width", page.width, LEAST_CM, MOST_CM, " cm"),
        ("height", page.height or page.width, LEAST_CM, MOST_CM, " cm"),
        ("dpi", page.dpi, LEAST_DPI, MOST_DPI, " dpi"),
        ("font", page.font, LEAST_FONT, MOST_FONT, " pt"),
    ):
        if not low <= value <= high:
            return f"{name} is {value:g}{unit}; it must be {low:g} to {high:g}{unit}."
    for name, value, known in (("format", page.format, FORMATS), ("theme", page.theme, THEME_NAMES)):
        if value not in known:
            return f"{name} is {value!r}; it must be one of {', '.join(known)}."
    return ""
