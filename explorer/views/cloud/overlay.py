"""Everything that is drawn over the points, by one QPainter on a transparent widget, alike over both canvases.

Hovering repaints this layer alone: the points beneath are kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QWidget

from core.paths.recipe import PATH_KINDS
from core.rendering.axes import bar_ticks, count_ticks, flat_grid, labelled_edges, tick_text
from core.rendering.colormaps import Colorbar
from core.rendering.path_colours import path_colour
from explorer.views.cloud.overlay_gridlines import SeenGridlines, draw_gridline_values, draw_gridlines, seen_gridlines
from explorer.views.cloud.scene import Scene, TransectMark
from explorer.widgets import image_conversion
from explorer.widgets.painting import (
    border,
    dot,
    halo_text,
    pen,
    polyline,
    small_font,
    straight_line,
    stroke_lines,
    tint,
)
from explorer.widgets.theme import Theme, ThemedWidget

CARD_WIDTH = 300.0  # pixels of text: a long file name is shortened in its middle
THUMBNAIL = 112  # pixels, about: a whole multiple of the picture's own size
NO_CLOUD = (
    "No latent cloud yet",
    "Open a run (Ctrl+O), import a model or latents, or start a training: its samples appear here as points.",
)
AWAITED = {
    "run": ("Opening the run", "Its samples appear here as points."),
    "training": ("Training has started", "Its samples appear here as points after the first step."),
}
OUTGROWN = "The cloud no longer fits this view: press Home to show all of it."

TICK_GAP = 14.0  # pixels from an edge of the box to the middle of its numbers
NAME_GAP = 38.0
BAR_WIDTH, BAR_MARGIN = 10.0, 16.0
BAR_LABEL_SHARE = 0.35  # of the view: its legend has the other side
TICK_ROOM = 20.0  # pixels from tick to tick of the bar
CENTRE = Qt.AlignmentFlag.AlignCenter

PATH_WIDTH, PATH_HALO = 2.25, 5.5  # pixels
KIND_WIDTH, KIND_HALO, KIND_FAINT = 1.6, 3.6, 0.8
FORWARD_WIDTH, FORWARD_HALO = 2.75, 6.0

TRANSECT_WIDTH, TRANSECT_HALO = 1.75, 4.5
PICTURE_SIDE = 44.0  # pixels, of a picture beside the transect
PICTURE_REACH = 40.0  # pixels from a point to the middle of its picture, at least
MOST_PICTURES = 9

Disc = tuple[float, QColor | None, QPen | None]
"""Radius in pixels, fill, outline."""


class Overlay(ThemedWidget):
    """Draws labels, marks and the hover card of ``scene``."""

    def __init__(self, scene: Scene, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = scene
        self._pictures: dict[str, tuple[tuple, QPixmap | None]] = {}
        self._seen: tuple[tuple, SeenGridlines | None] = ((), None)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw from back to front."""
        scene, theme = self._scene, self._theme
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            layers: list[Callable[[QPainter], None]] = [self._draw_empty]
            if scene.count:
                ratio, font = self.devicePixelRatioF(), self.font().toString()
                key = (scene.look(), theme.name, self.width(), self.height(), ratio, font)
                layers = [
                    lambda p: draw_axis_line(p, scene, theme) if scene.dims == 1 else None,
                    lambda p: self._draw_gridlines(p, key, draw_gridlines),
                    # They stay as they are while only marks change, and are half of this layer's time.
                    lambda p: self._draw_cached(p, "axes", key, self._draw_labels),
                    lambda p: draw_probe(p, scene, theme),
                    lambda p: self._draw_gridlines(p, key, draw_gridline_values),
                    lambda p: draw_kinds(p, scene, theme),
                    lambda p: draw_path(p, scene, theme),
                    lambda p: draw_transect(p, scene, theme),
                    lambda p: draw_rings(p, scene, theme),
                    lambda p: draw_hand(p, scene, theme),
                    self._draw_hint,
                    self._draw_card,
                ]
            for layer in layers:
                painter.save()
                try:
                    layer(painter)
                finally:  # Qt complains of a painter that ends with saved states
                    painter.restore()

    def _draw_cached(self, painter: QPainter, name: str, key: tuple, layer: Callable[[QPainter], None]) -> None:
        """Draw ``layer``, which is alike for equal ``key``; from the second time on its picture."""
        cached_key, picture = self._pictures.get(name, ((), None))
        if key != cached_key:
            picture = None
        elif picture is None:
            ratio = self.devicePixelRatioF()
            picture = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
            picture.setDevicePixelRatio(ratio)
            picture.fill(Qt.GlobalColor.transparent)
            with QPainter(picture) as inner:
                inner.setRenderHint(QPainter.RenderHint.Antialiasing)
                inner.setFont(painter.font())
                layer(inner)
        self._pictures[name] = key, picture
        if picture is not None:
            painter.drawPixmap(0, 0, picture)
        else:
            layer(painter)

    def _draw_gridlines(
        self, painter: QPainter, key: tuple, part: Callable[[QPainter, Scene, SeenGridlines, Theme], None]
    ) -> None:
        """A part of the gridlines, which change with the camera, the points (what lies behind them) and the lines."""
        scene = self._scene
        if scene.gridlines is None:
            return
        key = (*key, scene.version, scene.moving, scene.gridlines)
        if self._seen[0] != key:
            self._seen = key, seen_gridlines(scene)
        seen = self._seen[1]
        if seen is not None:
            self._draw_cached(painter, part.__name__, key, lambda p: part(p, scene, seen, self._theme))

    def _draw_labels(self, painter: QPainter) -> None:
        """Tick numbers along the outer edges of the box, the axes' names farther out, and the colour bar."""
        painter.save()
        (_draw_box_labels if self._scene.dims == 3 else _draw_flat_labels)(painter, self._scene, self._theme)
        painter.restore()
        if self._scene.colorbar is not None:
            draw_colorbar(painter, self._scene.colorbar, self._theme, self.width(), self.height())

    def _draw_empty(self, painter: QPainter) -> None:
        middle = self.height() / 2
        title, text = AWAITED.get(self._scene.awaited, NO_CLOUD)
        painter.setFont(small_font(painter.font(), 3.0, bold=True))
        painter.setPen(QColor(self._theme.text))
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
        painter.drawText(QRectF(16, middle - 60, self.width() - 32, 52), flags, title)
        painter.setFont(self.font())
        painter.setPen(QColor(self._theme.muted))
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(24, middle + 2, self.width() - 48, 80), int(flags), text)

    def _draw_hint(self, painter: QPainter) -> None:
        """What to do about a cloud that has grown out of the view."""
        if self._scene.left_view:
            rect = QRectF(12, self.height() - 30, self.width() - 24, 20)
            halo = tint(self._theme.plot, 0.9)
            halo_text(painter, rect, Qt.AlignmentFlag.AlignLeft, OUTGROWN, QColor(self._theme.muted), halo)

    def _draw_card(self, painter: QPainter) -> None:
        """The sample under the mouse: its picture and what is known of it."""
        scene, theme = self._scene, self._theme
        index = scene.hover
        if index is None or not 0 <= index < scene.count:
            return
        x, y = scene.pixel(scene.place(index))
        pictures, late, label = scene.thumbnails, scene.late_thumbnail, scene.hover_label
        pixels = pictures[index] if pictures is not None and index < len(pictures) else None
        if late is not None and late[0] == index:
            pixels = late[1]
        picture = image_conversion.to_image(pixels) if pixels is not None else None
        text = label(index) if label is not None else ""
        lines = text.split("\n") if text else []
        if not np.isfinite(x) or (picture is None and not lines):
            return
        font = small_font(painter.font())
        metrics = QFontMetricsF(font)
        side = (0.0, 0.0)
        if picture is not None:
            scale = max(1, THUMBNAIL // max(picture.width(), picture.height()))
            side = (picture.width() * scale, picture.height() * scale)
        widest = max(120.0, min(CARD_WIDTH, self.width() - 60.0))
        lines = [metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, widest) for line in lines]
        text_width = max((metrics.horizontalAdvance(line) for line in lines), default=0.0)
        width = max(side[0], text_width) + 16
        height = side[1] + 16 + (len(lines) * metrics.height() + (8 if picture is not None else 0) if lines else 0)
        right = self.width() - 8 - (scene.legend_width + 10 if scene.legend_width else 0.0)
        left = x + 18 if x + 18 + width < right else min(x - 18, right) - width
        left = max(8.0, left)
        top = min(max(8.0, y - height / 2), max(8.0, self.height() - height - 8))
        frame = QRectF(round(left) + 0.5, round(top) + 0.5, round(width), round(height))
        shape = QPainterPath()
        shape.addRoundedRect(frame, 5, 5)
        painter.fillPath(shape, tint(theme.raised, 0.97))
        painter.setPen(pen(QColor(theme.border), 1.0))
        painter.drawPath(shape)
        top = frame.top() + 7.5
        if picture is not None:
            target = QRectF(round(frame.center().x() - side[0] / 2), round(top), side[0], side[1])
            painter.fillRect(target, QColor(theme.ground))
            painter.drawImage(target, picture)
            top = target.bottom() + 8
        painter.setFont(font)
        for number, line in enumerate(lines):
            painter.setPen(QColor(theme.text if number == 0 else theme.muted))
            painter.drawText(QPointF(frame.left() + 8, top + metrics.ascent()), line)
            top += metrics.height()


def _draw_box_labels(painter: QPainter, scene: Scene, theme: Theme) -> None:
    edges = labelled_edges(scene.box, scene.camera)
    name_font, tick_font = small_font(painter.font(), 1.0, bold=True), small_font(painter.font())
    taken: list[QRectF] = []
    painter.setFont(name_font)
    metrics = QFontMetricsF(name_font)
    for edge in edges:
        if np.hypot(*(edge.end - edge.start)) < 12:  # seen end-on: its name would lie on another's
            continue
        place = (edge.start + edge.end) / 2 + edge.outward * NAME_GAP
        text = scene.labels[edge.axis]
        rect = _around(place, metrics.horizontalAdvance(text) + 4, metrics.height())
        for _ in range(4):  # outward until it lies on nothing
            if not any(rect.intersects(other) for other in taken):
                break
            rect = rect.translated(*(edge.outward * rect.height()))
        taken.append(rect)
        halo_text(painter, rect, CENTRE, text, QColor(theme.text), tint(theme.plot, 0.9))
    painter.setFont(tick_font)
    metrics = QFontMetricsF(tick_font)
    for edge in edges:
        if np.hypot(*(edge.end - edge.start)) < 30:
            continue
        for tick, pixel in zip(edge.ticks, edge.pixels, strict=True):
            text = tick_text(float(tick), scene.box.step)
            rect = _around(pixel + edge.outward * TICK_GAP, metrics.horizontalAdvance(text), metrics.height() - 2)
            if any(rect.adjusted(-3, 0, 3, 0).intersects(other) for other in taken):
                continue
            taken.append(rect)
            painter.setPen(pen(QColor(theme.grid), 1.0))
            start, end = pixel, pixel + edge.outward * 4.0
            painter.drawLine(QPointF(*start), QPointF(*end))
            halo_text(painter, rect, CENTRE, text, QColor(theme.muted), tint(theme.plot, 0.85))


def _around(place: np.ndarray, width: float, height: float) -> QRectF:
    return QRectF(float(place[0]) - width / 2, float(place[1]) - height / 2, width, height)


def _draw_flat_labels(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """Numbers along the bottom and, with two dimensions, the left border; they pan and zoom with the points."""
    camera = scene.camera
    width, height = camera.viewport
    step = flat_grid(camera, 1)[1]
    font = small_font(painter.font())
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    muted, halo = QColor(theme.muted), tint(theme.plot, 0.9)
    low = camera.unproject((0.0, height), camera.distance)
    high = camera.unproject((width, 0.0), camera.distance)
    for axis in range(scene.dims):
        for number in range(int(np.ceil(low[axis] / step)), int(np.floor(high[axis] / step)) + 1):
            point = camera.target.copy()
            point[axis] = number * step
            pixel = camera.project(point[None])[0][0]
            text = tick_text(number * step, step)
            size = metrics.horizontalAdvance(text)
            if axis == 0 and 44 < pixel[0] < width - 28:
                rect = _around(np.array([pixel[0], height - 14.0]), size, metrics.height())
                halo_text(painter, rect, CENTRE, text, muted, halo)
            elif axis == 1 and 24 < pixel[1] < height - 34:
                rect = _around(np.array([10.0 + size / 2, pixel[1]]), size, metrics.height())
                halo_text(painter, rect, CENTRE, text, muted, halo)
    painter.setFont(small_font(painter.font(), 2.0, bold=True))
    ink = QColor(theme.text)
    room = [max(28.0, painter.fontMetrics().horizontalAdvance(text) + 8.0) for text in scene.labels]
    halo_text(painter, QRectF(width - 12 - room[0], height - 24, room[0], 20), CENTRE, scene.labels[0], ink, halo)
    if scene.dims == 2:
        halo_text(painter, QRectF(8, 4, room[1], 20), CENTRE, scene.labels[1], ink, halo)


def draw_colorbar(painter: QPainter, bar: Colorbar, theme: Theme, width: float, height: float) -> None:
    """The bar with three ticks or more, at the upper right."""
    font, bold = small_font(painter.font()), small_font(painter.font(), 0.0, bold=True)
    painter.setFont(bold)
    halo = tint(theme.plot, 0.9)
    room = float(np.clip(width * BAR_LABEL_SHARE, 130.0, 400.0))
    label = QFontMetricsF(bold).elidedText(bar.label, Qt.TextElideMode.ElideRight, room)
    right = width - BAR_MARGIN
    title = QRectF(right - room - 4, 10, room + 4, 18)
    halo_text(painter, title, Qt.AlignmentFlag.AlignRight, label, QColor(theme.text), halo)
    painter.setFont(font)
    length = float(np.clip(height * 0.34, 60.0, 200.0))
    frame = QRectF(right - BAR_WIDTH, 36.0, BAR_WIDTH, length)
    column = np.ascontiguousarray(bar.lut[::-1, None, :])
    image = QImage(column.tobytes(), 1, len(column), 4, QImage.Format.Format_RGBA8888)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, True)
    painter.drawImage(frame, image)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
    border(painter, frame.adjusted(-0.5, -0.5, 0.5, 0.5), pen(QColor(theme.border), 1.0))
    if bar.logarithmic:
        ticks = count_ticks(bar.high, int(length / TICK_ROOM))
        texts = [f"{tick:,.0f}" for tick in ticks]
    else:
        ticks, step = bar_ticks(bar.low, bar.high, int(length / TICK_ROOM))
        texts = [tick_text(tick, step) for tick in ticks.tolist()]
    for share, text in zip(bar.shares(ticks).tolist(), texts, strict=True):
        y = frame.bottom() - share * length
        painter.setPen(pen(QColor(theme.muted), 1.0))
        painter.drawLine(QPointF(frame.left() - 4, y), QPointF(frame.left() - 1, y))
        rect = QRectF(frame.left() - 78, y - 8, 70, 16)
        halo_text(painter, rect, Qt.AlignmentFlag.AlignRight, text, QColor(theme.muted), halo)


def draw_path(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The curve with a halo, a preview dashed, control points as rings, the moving marker on top."""
    accent, halo = QColor(theme.accent), tint(theme.plot, 0.85)
    ring = pen(QColor(theme.text), 1.75)
    if scene.preview is not None:
        _draw_curve(painter, scene.pixels(scene.preview), pen(halo, PATH_HALO - 1), pen(accent, 1.5, dashed=True))
        # Where it starts, while there is nothing more of it yet.
        _draw_discs(painter, scene.pixels(scene.preview[:1]), (6.5, halo, None), (4.5, accent, ring))
    if scene.curve is not None:
        _draw_curve(painter, scene.pixels(scene.curve), pen(halo, PATH_HALO), pen(accent, PATH_WIDTH))
    if scene.ghost is not None:
        outline = pen(tint(theme.accent, 0.8), 1.5, dashed=True)
        _draw_discs(painter, scene.pixels(scene.ghost[None]), (4.5, tint(theme.plot, 0.6), outline))
    control = scene.pixels(scene.control) if scene.control is not None else ()
    for index, pixel in enumerate(control):
        chosen, under = index == scene.selected_control, index == scene.hover_control
        radius = 6.0 if chosen or under else 4.5
        fill, outline = (accent, ring) if chosen else (QColor(theme.plot), pen(accent, 1.75))
        _draw_discs(painter, pixel[None], (radius + 2.0, halo, None), (radius, fill, outline))
    if scene.marker is not None:
        _draw_discs(painter, scene.pixels(scene.marker[None]), (8.0, halo, None), (6.0, accent, ring))


def draw_kinds(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """Kinds of path that are compared: each in its colour, faint beside the path, straight ones dashed.

    The one whose row is under the mouse comes forward.
    """
    mark = scene.kinds
    if mark is None:
        return
    for kind, curve in sorted(mark.curves, key=lambda item: item[0] == mark.forward):
        forward = kind == mark.forward
        halo = pen(tint(theme.plot, 0.85 if forward else 0.6), FORWARD_HALO if forward else KIND_HALO)
        colour = path_colour(kind, theme)
        ink = pen(tint(colour, 1.0 if forward else KIND_FAINT), FORWARD_WIDTH if forward else KIND_WIDTH)
        if PATH_KINDS[kind].straight:
            ink.setDashPattern([3.0, 2.5])
        _draw_curve(painter, scene.pixels(curve), halo, ink)


def draw_probe(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """A cross-hair: guide lines along the axes to the faces of the box, and a ring about the place itself."""
    if scene.probe is None:
        return
    ink, halo = theme.text, tint(theme.plot, 0.7)
    low, high = scene.box.low, scene.box.high
    width, height = scene.camera.viewport
    if scene.dims < 3:  # a flat view's guides run across the window
        low = scene.camera.unproject((0.0, height), scene.camera.distance)
        high = scene.camera.unproject((width, 0.0), scene.camera.distance)
    # Of one dimension the axis itself is no guide; the line across it marks the place.
    axes = (1,) if scene.dims == 1 else range(scene.dims)
    places = np.repeat(scene.probe[None], 2 * len(axes) + 1, axis=0)
    for number, axis in enumerate(axes):
        places[2 * number, axis] = min(low[axis], scene.probe[axis])
        places[2 * number + 1, axis] = max(high[axis], scene.probe[axis])
    pixels = scene.pixels(places)
    if not np.isfinite(pixels[-1]).all():
        return
    for number, axis in enumerate(axes):
        held = axis == scene.probe_axis
        ends = pixels[2 * number : 2 * number + 2]
        colour = QColor(theme.accent) if held else tint(ink, 0.6)
        if np.isfinite(ends).all():
            straight_line(painter, ends, [pen(halo, 3.5), pen(colour, 2.0 if held else 1.0)])
        if scene.dims == 3:
            _draw_discs(painter, ends, (2.0, tint(ink, 0.75), None))
    middle = (3.0, QColor(theme.accent), pen(tint(theme.plot, 0.9), 1.0))
    rings = ((8.5, None, pen(halo, 4.0)), (8.5, None, pen(QColor(ink), 1.75)))
    _draw_discs(painter, pixels[-1:], *rings, middle)


def draw_rings(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """A ring about the chosen sample, and one about the point under the mouse."""
    for index, colour, width in ((scene.selected, theme.accent, 2.25), (scene.hover, theme.text, 1.5)):
        if index is None or not 0 <= index < scene.count:
            continue
        radius = scene.point_radius() + (4.5 if index == scene.selected and colour == theme.accent else 3.0)
        halo, ring = pen(tint(theme.plot, 0.9), width + 2.5), pen(QColor(colour), width)
        _draw_discs(painter, scene.pixels(scene.place(index)[None]), (radius, None, halo), (radius, None, ring))


def draw_hand(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The stroke while it is drawn; the rectangle or lasso while it is dragged."""
    accent = QColor(theme.accent)
    if scene.stroke is not None:
        _draw_curve(painter, scene.stroke, pen(tint(theme.plot, 0.85), PATH_HALO), pen(accent, PATH_WIDTH))
    if scene.lasso is not None and len(scene.lasso) > 2:
        painter.setBrush(tint(theme.accent, 0.14))
        painter.setPen(pen(accent, 1.25))
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in scene.lasso.tolist()]))


def draw_axis_line(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """The one axis of a one-dimensional cloud, through its middle."""
    width, _ = scene.camera.viewport
    y = scene.pixel(np.zeros(3))[1]
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen(tint(theme.muted, 0.6), 1.0))
    painter.drawLine(QLineF(0.0, y, width, y))


def _draw_curve(painter: QPainter, pixels: np.ndarray, *pens: QPen) -> None:
    """The line through ``pixels`` (K, 2) with each pen in turn."""
    stroke_lines(painter, polyline(pixels), pens)


def _draw_discs(painter: QPainter, pixels: np.ndarray, *discs: Disc) -> None:
    """``discs`` about each of ``pixels`` (n, 2) that is finite, the lowest first."""
    for place in pixels[np.isfinite(pixels).all(axis=1)].tolist():
        for radius, fill, line in discs:
            dot(painter, place, radius, fill, line)


def draw_transect(painter: QPainter, scene: Scene, theme: Theme) -> None:
    """A transect's means as a path with a halo, its points, those in the hole filled, and some of its images beside it.

    The ring at the position that is looked at lies on top.
    """
    mark = scene.transect
    if mark is None or not len(mark.points):
        return
    ink, accent, halo = QColor(theme.series[1]), QColor(theme.accent), tint(theme.plot, 0.85)
    places = scene.pixels(mark.points)
    _draw_curve(painter, places, pen(halo, TRANSECT_HALO), pen(ink, TRANSECT_WIDTH))
    radius = 3.0 if len(places) <= 60 else 2.0
    for number, inside in enumerate(mark.in_hole):
        fill = accent if inside else ink
        _draw_discs(painter, places[[number]], (radius + 1.5, halo, None), (radius, fill, None))
    _draw_pictures(painter, scene, mark, places, theme)
    here = mark.position
    if here is not None and 0 <= here < len(places):
        ring = (6.0, accent if mark.in_hole[here] else ink, pen(QColor(theme.text), 1.75))
        _draw_discs(painter, places[[here]], (8.0, halo, None), ring)


def _draw_pictures(painter: QPainter, scene: Scene, mark: TransectMark, places: np.ndarray, theme: Theme) -> None:
    """Pictures of a few points, outwards from the middle of the view; none covers another one or leaves the view."""
    if mark.thumbnails is None:
        return
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(known):
        return
    even = np.linspace(0, len(known) - 1, min(len(known), MOST_PICTURES)).round().astype(int)
    chosen = known[np.unique(even)].tolist()
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
        frame = theme.text if here else theme.accent if mark.in_hole[number] else theme.series[1]
        straight = QLineF(QPointF(*places[number].tolist()), box.center())
        for leader in (pen(tint(theme.plot, 0.7), 3.0), pen(tint(frame, 0.7), 1.0)):
            painter.setPen(leader)
            painter.drawLine(straight)
        painter.fillRect(box, QColor(theme.ground))
        picture = _scaled(mark, number, ratio)
        painter.drawPixmap(box.center() - QPointF(picture.width(), picture.height()) / ratio / 2, picture)
        border(painter, box, pen(QColor(frame), 2.0 if here else 1.25))


def _outwards(places: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float64 (n, 2): for each point the unit vector across the line, pointing away from the line's middle."""
    middle = places[known].mean(axis=0)
    tangent = np.zeros_like(places)
    tangent[known] = np.gradient(places[known], axis=0) if len(known) > 1 else (1.0, 0.0)
    across = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    length = np.hypot(across[:, 0], across[:, 1])
    across = np.where(length[:, None] > 1e-9, across / np.maximum(length, 1e-9)[:, None], (0.0, -1.0))
    away = ((places - middle) * across).sum(axis=1)
    # A straight line has no outside: its pictures stand above it.
    flip = np.where(np.abs(away) > 2.0, away < 0.0, across[:, 1] > 0.0)
    return np.where(flip[:, None], -across, across)


def _free_box(place: np.ndarray, outwards: np.ndarray, view: QRectF, taken: list[QRectF]) -> QRectF | None:
    """Where a picture fits: on the outer side, else on the inner one, near the point rather than far."""
    for reach in (PICTURE_REACH, PICTURE_REACH + 0.75 * PICTURE_SIDE):
        for side in (1.0, -1.0):
            x, y = (place + side * reach * outwards).tolist()
            box = QRectF(round(x - PICTURE_SIDE / 2), round(y - PICTURE_SIDE / 2), PICTURE_SIDE, PICTURE_SIDE)
            if view.contains(box) and not any(box.adjusted(-3, -3, 3, 3).intersects(other) for other in taken):
                return box
    return None


def _scaled(mark: TransectMark, number: int, ratio: float) -> QPixmap:
    """Picture ``number`` as large as it is drawn, cached: to scale nine of them takes milliseconds."""
    cached = mark.drawn.get((number, ratio))
    if isinstance(cached, QPixmap) or mark.thumbnails is None:
        return cached if isinstance(cached, QPixmap) else QPixmap()
    image = image_conversion.to_image(mark.thumbnails[number])
    fitted = image.size().scaled(round(PICTURE_SIDE), round(PICTURE_SIDE), Qt.AspectRatioMode.KeepAspectRatio)
    target = QRectF(0, 0, fitted.width(), fitted.height())
    made = mark.drawn[number, ratio] = image_conversion.scaled(image, target, ratio)
    return made
