"""From a figure's description to its file: which module draws it, on what page, and how it becomes bytes."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from core.figures import cloud, film, losses, path_kinds, plane, transect
from core.figures.style import POINTS_PER_CM, Drawing, Style, settings, style_of
from core.protocol.figures import (
    LEAST_CM,
    MOST_CM,
    AnyFigure,
    CloudFigure,
    FilmFigure,
    KindsFigure,
    LossesFigure,
    Page,
    PlaneFigure,
    TransectFigure,
    page_problem,
)

MOST_PIXELS = 200_000_000
"""Of a PNG: beyond that drawing takes gigabytes of memory."""
_FACES = {"400": "DejaVuSans.ttf", "700": "DejaVuSans-Bold.ttf"}


class FigureError(ValueError):
    """A figure that cannot be drawn; the message says why, and what would do."""


@dataclass(frozen=True)
class _Kind:
    """``draw`` on a page of width × height points; ``natural_height`` for a width, in points."""

    draw: Callable[[Any, float, float, Style], Drawing]
    natural_height: Callable[[Any, float, Style], float]


_KINDS: dict[type, _Kind] = {
    CloudFigure: _Kind(cloud.draw, cloud.natural_height),
    LossesFigure: _Kind(losses.draw, losses.natural_height),
    FilmFigure: _Kind(film.draw, film.natural_height),
    KindsFigure: _Kind(path_kinds.draw, path_kinds.natural_height),
    TransectFigure: _Kind(transect.draw, transect.natural_height),
    PlaneFigure: _Kind(plane.draw, plane.natural_height),
}


@dataclass(frozen=True)
class Sheet:
    """A drawn page: ``width`` and ``height`` in centimetres, and what a person should know of it."""

    figure: Figure
    width: float
    height: float
    notes: tuple[str, ...] = field(default=())


def draw(figure: AnyFigure, page: Page) -> Sheet:
    """``figure`` on ``page``. Raises ``FigureError``."""
    if problem := page_problem(page):
        raise FigureError(f"The figure's {problem}")
    kind, style = _KINDS[type(figure)], style_of(page)
    width, height = page.width * POINTS_PER_CM, page.height * POINTS_PER_CM
    with settings():
        if not height:
            height = min(
                max(kind.natural_height(figure, width, style), LEAST_CM * POINTS_PER_CM), MOST_CM * POINTS_PER_CM
            )
        pixels = width * height * (page.dpi / 72.0) ** 2
        if page.format == "png" and pixels > MOST_PIXELS:
            raise FigureError(
                f"A PNG of {page.width:g} × {height / POINTS_PER_CM:.1f} cm at {page.dpi} dpi has {pixels / 1e6:.0f} "
                f"million pixels; {MOST_PIXELS // 10**6} million are possible. Choose fewer dpi, or SVG or PDF."
            )
        made = kind.draw(figure, width, height, style)
    return Sheet(made.figure, page.width, height / POINTS_PER_CM, tuple(made.notes))


def encode(sheet: Sheet, page: Page) -> bytes:
    """The file's bytes. A PNG has round(cm · dpi / 2.54) pixels on each side; text in SVG and PDF is text, with its
    font inside the file."""
    buffer = io.BytesIO()
    with settings():
        if page.format == "png":
            _fit_pixels(sheet, page.dpi)
            sheet.figure.savefig(buffer, format="png", dpi=page.dpi, metadata={"Software": "Isoline"})
        elif page.format == "pdf":
            sheet.figure.savefig(
                buffer, format="pdf", dpi=page.dpi, metadata={"CreationDate": None, "Creator": "Isoline"}
            )
        else:
            sheet.figure.savefig(buffer, format="svg", dpi=page.dpi, metadata={"Date": None, "Creator": "Isoline"})
            return _with_fonts(buffer.getvalue().decode()).encode()
    return buffer.getvalue()


def preview(sheet: Sheet, pixels: int) -> bytes:
    """A PNG of the sheet whose longer side has ``pixels``."""
    buffer = io.BytesIO()
    for axes in sheet.figure.axes:
        for image in axes.images:
            image.set_interpolation("antialiased")  # they are made for the page's pixels, of which there are fewer here
    with settings():
        sheet.figure.savefig(buffer, format="png", dpi=pixels * 2.54 / max(sheet.width, sheet.height))
    return buffer.getvalue()


def _fit_pixels(sheet: Sheet, dpi: int) -> None:
    """Make the page a whole number of pixels: matplotlib would cut the fraction off."""
    width, height = (round(side / 2.54 * dpi) for side in (sheet.width, sheet.height))
    sheet.figure.set_size_inches((width + 1e-6) / dpi, (height + 1e-6) / dpi)


def _with_fonts(svg: str) -> str:
    """``svg`` with the letters that it has, as a font of its own: it looks alike where DejaVu Sans is missing."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    letters = set(html.unescape("".join(texts)))
    if not letters:
        return svg
    faces = "".join(
        "@font-face{font-family:'DejaVu Sans';font-weight:" + weight + ";src:url(data:font/ttf;base64,"
        f"{base64.b64encode(_subset(name, letters)).decode()}) format('truetype');}}"
        for weight, name in _FACES.items()
        if weight == "400" or f"font-weight: {weight}" in svg
    )
    return svg.replace("<defs>", f"<defs>\n  <style>{faces}</style>", 1)


def _subset(name: str, letters: set[str]) -> bytes:
    """The font file ``name`` with these ``letters`` alone."""
    import matplotlib
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, recalcTimestamp=False)
    maker = subset.Subsetter(
        subset.Options(
            layout_features=["kern"], hinting=False, notdef_outline=True, drop_tables=["FFTM", "GSUB", "GDEF"]
        )
    )
    maker.populate(text="".join(letters))
    maker.subset(font)
    buffer = io.BytesIO()
    font.save(buffer)
    font.close()
    return buffer.getvalue()
