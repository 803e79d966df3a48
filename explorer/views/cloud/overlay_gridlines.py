"""Gridlines: lines on which one factor is constant, in a colour for each factor, labelled with its value.

What lies behind the cloud is drawn faint and thin, without a halo: so the lines are seen to lie on the surface of the
cloud, not on the screen before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPolygonF

from core.rendering.axes import tick_text
from core.rendering.depth import depth_cue
from explorer.views.cloud.scene import GridlinesMark, Scene
from explorer.widgets.painting import halo_text, pen, small_font, stroke_lines, tint
from explorer.widgets.theme import Theme, blend

INK = ((-0.35, 0.0), (0.35, 0.0), (0.0, 0.35))  # where the strokes run that make up a line: shifts in pixels
HALO = ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0))
BACK_SHARE = 0.5  # how much of its colour is left of a line behind the cloud
LABEL_GAP, CLEAR = 5.0, 8.0  # pixels from a line's end to its label, and from label to label
LEGEND_LEFT, LEGEND_LEFT_FLAT, LEGEND_TOP, LEGEND_ROW, LEGEND_WIDTH = 14.0, 52.0, 10.0, 18.0, 180.0
SWATCH, SWATCH_WIDTH = 22.0, 2.5

POINTS_LOOKED_AT = 20_000  # of the cloud, to find what lies behind it
IN_A_CELL = 12.0  # points, about: enough to judge by, few enough to see the cloud's edge
BEHIND = 0.08  # of the box's depth: a sheet seen at a slant is as deep as that within a cell
HIDING = 0.25  # share of a cell's points that lie before a line, from which on it counts as behind the cloud
SMOOTH = np.array([1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0]) / 16.0  # along a line, or it would flicker among single points
MOVING_STEP = 2  # points of a line skipped through while the view turns

Stretches = dict[int, list[QPolygonF]]
"""Polygons by family."""


def family_colours(theme: Theme) -> tuple[str, ...]:
    """One for each family; paths and transects have others."""
    return theme.series[3], theme.series[4]


@dataclass(frozen=True, eq=False)
class SeenGridlines:
    """As the camera sees them: ``places`` (P, 2) in pixels; ``hidden`` (P,), how much of the cloud lies before each."""

    mark: GridlinesMark
    places: np.ndarray
    hidden: np.ndarray


def seen_gridlines(scene: Scene) -> SeenGridlines | None:
    """The scene's gridlines as they are seen now; None if there is nothing to draw."""
    mark = scene.gridlines
    if mark is None or scene.dims < 2 or len(mark.starts) < 2:
        return None
    places, depth = scene.camera.project(mark.points)
    hidden = _hidden(scene, places, depth)
    for start, stop in zip(mark.starts[:-1].tolist(), mark.starts[1:].tolist(), strict=True):
        if stop - start > 1:
            padded = np.pad(hidden[start:stop], len(SMOOTH) // 2, mode="edge")
            hidden[start:stop] = np.convolve(padded, SMOOTH, mode="valid")
    return SeenGridlines(mark, places, hidden)


def draw_gridlines(painter: QPainter, scene: Scene, seen: SeenGridlines, theme: Theme) -> None:
    """Lines behind the cloud, then lines before it."""
    mark = seen.mark
    back: Stretches = {}
    front: Stretches = {}
    step = MOVING_STEP if scene.moving else 1
    for line in range(len(mark.family)):
        part = slice(mark.starts[line], mark.starts[line + 1])
        if mark.starts[line + 1] - mark.starts[line] < 2:
            continue
        for behind, polygon in _pieces(seen.places[part], seen.hidden[part], step):
            (back if behind else front).setdefault(int(mark.family[line]), []).append(polygon)
    _stroke(painter, back, front, theme)


def draw_gridline_values(painter: QPainter, scene: Scene, seen: SeenGridlines, theme: Theme) -> None:
    """Values at the lines' ends, and which colour is which factor: text, so it lies over lines of whatever kind."""
    mark, behind = seen.mark, seen.hidden > HIDING
    font = small_font(painter.font(), 0.0, bold=True)
    painter.setFont(font)
    left = LEGEND_LEFT if scene.dims == 3 else LEGEND_LEFT_FLAT
    halo, inks = tint(theme.plot, 0.9), family_colours(theme)
    for row, name in enumerate(mark.names):
        y = LEGEND_TOP + LEGEND_ROW * (row + 0.5)
        swatch = QLineF(left, y, left + SWATCH, y)
        for each in (pen(halo, SWATCH_WIDTH + 2.0), pen(QColor(inks[row % len(inks)]), SWATCH_WIDTH)):
            painter.setPen(each)
            painter.drawLine(swatch)
        text = QFontMetricsF(font).elidedText(f"constant {name}", Qt.TextElideMode.ElideRight, LEGEND_WIDTH)
        rect = QRectF(left + SWATCH + 8, y - LEGEND_ROW / 2, LEGEND_WIDTH, LEGEND_ROW)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        halo_text(painter, rect, flags, text, QColor(theme.text), halo)
    taken = [QRectF(left, LEGEND_TOP, SWATCH + 8 + LEGEND_WIDTH * 0.6, LEGEND_ROW * len(mark.names))]
    # The value of each line beside one of its ends, where it covers no other; a line without room goes without.
    font = small_font(painter.font())
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    view = QRectF(0, 0, *scene.camera.viewport).adjusted(3, 3, -3, -3)
    for family in range(len(mark.names)):
        lines = np.flatnonzero(mark.family == family)
        if not len(lines):
            continue
        texts = dict(zip(mark.values[lines].tolist(), value_texts(mark.values[lines]), strict=True))
        first, last = behind[mark.starts[lines]].sum(), behind[mark.starts[lines + 1] - 1].sum()
        side = 0 if first < last else 1  # of the lines' ends: those that are less often behind the cloud
        values = np.unique(mark.values[lines])
        # The outermost first: with little room for labels, the range is what a person needs most.
        order = np.argsort(-np.abs(np.arange(len(values)) - (len(values) - 1) / 2), kind="stable")
        for value in values[order].tolist():
            ends = _ends(mark, lines[mark.values[lines] == value], side, behind)
            size = (metrics.horizontalAdvance(texts[value]), metrics.height() - 2)
            rect = _free_place(seen.places, ends, size, view, taken)
            if rect is not None:
                taken.append(rect)
                ink = QColor(inks[family % len(inks)])
                halo_text(painter, rect, Qt.AlignmentFlag.AlignCenter, texts[value], ink, halo)


def _stroke(painter: QPainter, back: Stretches, front: Stretches, theme: Theme) -> None:
    """Faint lines, halos, then ink. Qt draws pens of 1 pixel ten times as fast as wider ones, so wide ones are made of
    several of those, side by side."""
    inks = [QColor(ink) for ink in family_colours(theme)]
    for family, polygons in back.items():
        faint = blend(family_colours(theme)[family % len(inks)], theme.plot, BACK_SHARE)
        _stroke_shifted(painter, polygons, ((0.0, 0.0),), faint)
    halo = [polygon for polygons in front.values() for polygon in polygons]
    _stroke_shifted(painter, halo, HALO, QColor(theme.plot))
    for family, polygons in front.items():
        _stroke_shifted(painter, polygons, INK, inks[family % len(inks)])


def _stroke_shifted(
    painter: QPainter, polygons: list[QPolygonF], shifts: tuple[tuple[float, float], ...], colour: QColor
) -> None:
    for x, y in shifts:
        painter.translate(x, y)
        stroke_lines(painter, polygons, [pen(colour, 1.0)])
        painter.translate(-x, -y)


def _hidden(scene: Scene, places: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """float64 (P,): how much of the cloud lies before each point of the lines, as a share of the samples seen there.

    The screen is divided into cells of a few samples each. Sorted by cell and depth, those before a point are counted
    by bisection.
    """
    hidden = np.zeros(len(places))
    if scene.dims < 3:
        return hidden
    screen, (width, height) = scene.screen(), scene.camera.viewport
    step = max(1, scene.count // POINTS_LOOKED_AT)
    x, y, z = screen.x[::step], screen.y[::step], screen.depth[::step]
    seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if not seen.any():
        return hidden
    x, y, z = x[seen], y[seen], z[seen]
    area = float(np.ptp(x)) * float(np.ptp(y))
    cell = float(np.clip(np.sqrt(IN_A_CELL * area / len(x)), 6.0, 32.0))
    columns = int(width / cell) + 1
    cue = depth_cue(scene.camera, scene.box)
    span = cue.far - cue.near

    def key(x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
        share = np.clip((depth - cue.near) / span, 0.0, 0.999)
        return (y / cell).astype(np.int64) * columns + (x / cell).astype(np.int64) + share

    samples = np.sort(key(x, y, z))
    inside = np.isfinite(places).all(axis=1) & (places >= 0.0).all(axis=1) & (places < (width, height)).all(axis=1)
    wanted = key(places[inside, 0], places[inside, 1], depth[inside] - BEHIND * span)
    first = np.searchsorted(samples, np.floor(wanted))
    before = np.searchsorted(samples, wanted) - first
    hidden[inside] = before / np.maximum(np.searchsorted(samples, np.floor(wanted) + 1.0) - first, 1)
    return hidden


def _pieces(places: np.ndarray, hidden: np.ndarray, step: int) -> list[tuple[bool, QPolygonF]]:
    """One line (m, 2) as stretches behind the cloud and before it, of every ``step``-th point and the last."""
    chosen = np.unique(np.append(np.arange(0, len(places), step), len(places) - 1))
    places, hidden = places[chosen], hidden[chosen]
    known = np.isfinite(places[:-1] + places[1:]).all(axis=1)
    kind = np.where(known, (np.minimum(hidden[:-1], hidden[1:]) > HIDING).astype(np.int8), np.int8(-1))
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(kind)) + 1, [len(kind)]])
    return [
        (bool(kind[start]), QPolygonF([QPointF(x, y) for x, y in places[start : end + 1].tolist()]))
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        if kind[start] >= 0
    ]


def value_texts(values: np.ndarray) -> list[str]:
    """Values (n,) of one family with as many decimals as tell them apart."""
    apart = np.diff(np.unique(values))
    step = float(apart.min()) if len(apart) else max(abs(float(values[0])), 1e-3)
    return [tick_text(float(value), 0.1 * step) for value in values]


def _ends(mark: GridlinesMark, pieces: np.ndarray, side: int, behind: np.ndarray) -> list[tuple[int, int]]:
    """Where a label of a line may stand: indices of an end that is before the cloud, and of a point a little before it.

    Those at the family's ``side`` come first, so that the labels stand in a row.
    """
    ends = []
    for at in (side, 1 - side):
        for first, stop in zip(mark.starts[pieces].tolist(), mark.starts[pieces + 1].tolist(), strict=True):
            if stop > first:
                ends.append((first, min(first + 4, stop - 1)) if at == 0 else (stop - 1, max(stop - 5, first)))
    return [end for end in ends if not behind[end[0]]]


def _free_place(
    places: np.ndarray, ends: list[tuple[int, int]], size: tuple[float, float], view: QRectF, taken: list[QRectF]
) -> QRectF | None:
    """Room for a label of ``size`` beyond the first of ``ends`` that has any."""
    width, height = size
    for end, before in ends:
        way = places[end] - places[before]
        length = float(np.hypot(*way))
        if not np.isfinite(length):
            continue
        x, y = (way / length if length > 1.0 else np.array([0.0, -1.0])).tolist()
        reach = LABEL_GAP + abs(x) * width / 2 + abs(y) * height / 2
        left, top = (places[end] + np.array([x, y]) * reach - np.array(size) / 2).tolist()
        rect = QRectF(left, top, width, height)
        if view.contains(rect) and not any(
            rect.adjusted(-CLEAR, -CLEAR / 2, CLEAR, CLEAR / 2).intersects(other) for other in taken
        ):
            return rect
    return None
