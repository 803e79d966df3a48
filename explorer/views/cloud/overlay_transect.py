"""A transect in the cloud: its means as a path, the points in the hole filled, some of its images beside it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap

from explorer.views.cloud.scene import Scene, TransectMark
from explorer.widgets import image_conversion
from explorer.widgets.painting import dot, pen, polyline, stroke_lines, tint
from explorer.widgets.theme import Theme

SIDE = 44.0  # pixels, of a picture beside the path
REACH = 40.0  # pixels from a point to the middle of its picture, at least
MOST_PICTURES = 9
WIDTH, HALO = 1.75, 4.5


def draw_transect(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The line with a halo, a dot for each point, pictures with leaders, the position's ring and picture on top."""
    mark = scene.transect
    if mark is None or not len(mark.points):
        return
    places, _ = scene.camera.project(mark.points)
    ink = QColor(theme.series[1])
    stroke_lines(painter, polyline(places), [pen(tint(theme.plot, 0.85), HALO), pen(ink, WIDTH)])
    _draw_points(painter, mark, places, ink, theme)
    _draw_pictures(painter, scene, mark, places, theme)
    here = mark.position
    if here is not None and 0 <= here < len(places) and np.isfinite(places[here]).all():
        place = (float(places[here, 0]), float(places[here, 1]))
        dot(painter, place, 8.0, tint(theme.plot, 0.85), None)
        dot(painter, place, 6.0, QColor(theme.accent) if mark.in_hole[here] else ink, pen(QColor(theme.text), 1.75))


def _draw_points(painter: QPainter, mark: TransectMark, places: np.ndarray, ink: QColor, theme: Theme) -> None:
    radius = 3.0 if len(places) <= 60 else 2.0
    for (x, y), inside in zip(places.tolist(), mark.in_hole.tolist(), strict=True):
        if np.isfinite(x) and np.isfinite(y):
            dot(painter, (x, y), radius + 1.5, tint(theme.plot, 0.85), None)
            dot(painter, (x, y), radius, QColor(theme.accent) if inside else ink, None)


def _draw_pictures(painter: QPainter, scene: Scene, mark: TransectMark, places: np.ndarray, theme: Theme) -> None:
    """Pictures of a few points, outwards from the middle of the view; none covers another one or leaves the view."""
    if mark.thumbnails is None:
        return
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(known):
        return
    chosen = known[
        np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_PICTURES)).round().astype(int))
    ].tolist()
    if mark.position is not None and mark.position in known:
        chosen = [mark.position, *(number for number in chosen if number != mark.position)]
    outwards = _outwards(places, known)
    view = QRectF(0, 0, *scene.camera.viewport).adjusted(4, 4, -4, -4)
    ratio = painter.device().devicePixelRatioF()
    taken: list[QRectF] = []
    for number in chosen:
        box = _free_box(places[number], outwards[number], view, taken)
        if box is None:
            continue
        taken.append(box)
        here = number == mark.position
        frame = QColor(theme.text if here else theme.accent if mark.in_hole[number] else theme.series[1])
        _draw_picture(
            painter, _scaled(mark, number, ratio), box, places[number], frame, 2.0 if here else 1.25, theme, ratio
        )


def _outwards(places: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float64 (n, 2): for each point the unit vector across the line, pointing away from the line's middle."""
    smooth = places.copy()
    middle = places[known].mean(axis=0)
    tangent = np.zeros_like(places)
    tangent[known] = np.gradient(smooth[known], axis=0) if len(known) > 1 else (1.0, 0.0)
    across = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    length = np.hypot(across[:, 0], across[:, 1])
    across = np.where(length[:, None] > 1e-9, across / np.maximum(length, 1e-9)[:, None], (0.0, -1.0))
    away = ((places - middle) * across).sum(axis=1)
    # A straight line has no outside: its pictures stand above it.
    flip = np.where(np.abs(away) > 2.0, away < 0.0, across[:, 1] > 0.0)
    return np.where(flip[:, None], -across, across)


def _free_box(place: np.ndarray, outwards: np.ndarray, view: QRectF, taken: list[QRectF]) -> QRectF | None:
    """Where a picture fits: on the outer side, else on the inner one, near the point rather than far."""
    for reach in (REACH, REACH + 0.75 * SIDE):
        for side in (1.0, -1.0):
            x, y = (place + side * reach * outwards).tolist()
            box = QRectF(round(x - SIDE / 2), round(y - SIDE / 2), SIDE, SIDE)
            if view.contains(box) and not any(box.adjusted(-3, -3, 3, 3).intersects(other) for other in taken):
                return box
    return None


def _draw_picture(
    painter: QPainter,
    picture: QPixmap,
    box: QRectF,
    place: np.ndarray,
    frame: QColor,
    width: float,
    theme: Theme,
    ratio: float,
) -> None:
    x, y = place.tolist()
    leader = QLineF(QPointF(x, y), box.center())
    painter.setPen(pen(tint(theme.plot, 0.7), 3.0))
    painter.drawLine(leader)
    faint = QColor(frame)
    faint.setAlphaF(0.7)
    painter.setPen(pen(faint, 1.0))
    painter.drawLine(leader)
    painter.fillRect(box, QColor(theme.ground))
    size = QPointF(picture.width(), picture.height()) / ratio
    painter.drawPixmap(box.center() - size / 2, picture)
    painter.setPen(pen(frame, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)


def _scaled(mark: TransectMark, number: int, ratio: float) -> QPixmap:
    """Picture ``number`` as large as it is drawn, kept: scaling nine of them would take milliseconds of every frame."""
    kept = mark.drawn.get((number, ratio))
    if isinstance(kept, QPixmap) or mark.thumbnails is None:
        return kept if isinstance(kept, QPixmap) else QPixmap()
    image = image_conversion.to_image(mark.thumbnails[number])
    fitted = image.size().scaled(round(SIDE), round(SIDE), Qt.AspectRatioMode.KeepAspectRatio)
    made = mark.drawn[number, ratio] = image_conversion.scaled(
        image, QRectF(0, 0, fitted.width(), fitted.height()), ratio
    )
    return made
