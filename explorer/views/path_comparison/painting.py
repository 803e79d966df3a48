"""How the table of the comparison is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from core.geometry.off_manifold import Verdict
from core.paths.recipe import PATH_KINDS
from explorer.widgets.off_manifold_badge import verdict_colour
from explorer.widgets.painting import pen, small_font, tint
from explorer.widgets.path_colors import path_colour
from explorer.widgets.theme import blend

if TYPE_CHECKING:
    from explorer.views.path_comparison.table import PathTable

SWATCH = 16.0
BAR, DASH = 3, 3  # pixels: height of the bar under a frame that is not on the data, and of its dashes
STALE = 0.35  # opacity of what is out of date
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Look(NamedTuple):
    """What of the table stands out: the document's kind, the frame of the probe, and what is under the mouse."""

    current: str
    mark: tuple[str, int] | None
    row: int
    part: str
    number: int


def paint_table(table: PathTable, look: Look) -> None:
    """Strips and measures first, names over what is scrolled under them, the heading over all."""
    painter = QPainter(table.viewport())
    theme, view = table.theme, table.viewport().rect()
    painter.fillRect(view, QColor(theme.surface))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    rows = [row for row in range(len(table.rows)) if -table.row_height < table.top_of(row) < view.height()]
    for row in rows:
        if row == look.row:
            painter.fillRect(_across(table, row), blend(theme.text, theme.surface, 0.05))
        _paint_strip(painter, table, row, look)
        _paint_cells(painter, table, row)
    for row in rows:
        _paint_name(painter, table, row, look)
        bottom = table.top_of(row) + table.row_height - 0.5
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QLineF(0, bottom, view.width(), bottom))
    _paint_heading(painter, table)
    if table.hasFocus():
        painter.setPen(QPen(QColor(theme.accent), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(view).adjusted(0.5, 0.5, -0.5, -0.5))
    painter.end()


def _across(table: PathTable, row: int) -> QRectF:
    return QRectF(0, table.top_of(row), table.viewport().width(), table.row_height)


def _paint_strip(painter: QPainter, table: PathTable, row: int, look: Look) -> None:
    theme, each = table.theme, table.rows[row]
    if each.path is None:
        _paint_awaited(painter, table, row)
        return
    if each.path.missing:
        _paint_reason(painter, table, row)
        return
    painter.setOpacity(STALE if each.stale else 1.0)
    ratio = table.devicePixelRatioF()
    for number in table.frames_of(row):
        box = table.frame_rect(row, number)
        painter.fillRect(box, QColor(theme.ground))
        picture = each.picture(number, box.width(), ratio)
        rest = QPointF(box.width() - picture.width() / ratio, box.height() - picture.height() / ratio) / 2
        painter.drawPixmap(box.topLeft() + QPointF(round(rest.x()), round(rest.y())), picture)
        _paint_score(painter, table, each.score(number).verdict, box)
        outline = None
        if look.mark == (each.kind, number):
            outline = QPen(QColor(theme.accent), 2)
        elif (look.part, look.row, look.number) == ("frame", row, number):
            outline = QPen(QColor(theme.muted), 1)
        if outline is not None:
            outline.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            painter.setPen(outline)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box.adjusted(-0.5, -0.5, 0.5, 0.5))
    painter.setOpacity(1.0)


def _paint_score(painter: QPainter, table: PathTable, verdict: Verdict | None, box: QRectF) -> None:
    """A bar under a frame that is not on the data, as in the film strip of the path: dashed, the decoder guesses."""
    if verdict is None or verdict == "on the data":
        return
    ink = QColor(verdict_colour(table.theme, verdict))
    whole = verdict == "off the data"
    for left in range(0, round(box.width()), round(box.width()) if whole else 2 * DASH):
        width = box.width() if whole else min(DASH, box.width() - left)
        painter.fillRect(QRectF(box.left() + left, box.bottom() + 2, width, BAR), ink)


def _paint_awaited(painter: QPainter, table: PathTable, row: int) -> None:
    area = QRectF(table.strip_left, table.top_of(row), table.strip_width, table.row_height)
    painter.setPen(QColor(table.theme.muted))
    painter.setFont(table.font())
    painter.drawText(area, _LEFT, "…")


def _paint_reason(painter: QPainter, table: PathTable, row: int) -> None:
    """Why there is no such path, where its frames and measures would be, in two lines if need be."""
    each = table.rows[row]
    right = table.viewport().width() - 8
    area = QRectF(table.strip_left, table.top_of(row) + 2, right - table.strip_left, table.row_height - 4)
    font = small_font(table.font(), -0.5)
    painter.setFont(font)
    painter.setPen(QColor(table.theme.muted))
    painter.setOpacity(STALE if each.stale else 1.0)
    flags = int(_LEFT) | int(Qt.TextFlag.TextWordWrap)
    text = each.path.note if each.path is not None else ""
    metrics = QFontMetricsF(font)
    lines = max(1, int(area.height() // metrics.height()))
    while text and metrics.boundingRect(area, flags, text).height() > lines * metrics.height() + 1:
        text = text[:-2].rstrip(" .,…") + "…"
    painter.drawText(area, flags, text)
    painter.setOpacity(1.0)


def _paint_cells(painter: QPainter, table: PathTable, row: int) -> None:
    theme, each = table.theme, table.rows[row]
    if each.path is None or each.path.missing:
        return
    painter.setOpacity(STALE if each.stale else 1.0)
    for number, column in enumerate(table.columns):
        box, text = table.cell_rect(row, number), column.texts.get(each.kind, "")
        best = each.kind in column.best
        font = small_font(table.font(), 0.0, bold=best)
        painter.setFont(font)
        if best:
            metrics = QFontMetricsF(font)
            width, height = metrics.horizontalAdvance(text) + 10, metrics.height() + 4
            pill = QRectF(box.right() - width - 1, box.center().y() - height / 2, width, height)
            painter.setPen(QPen(QColor(theme.accent), 1))
            painter.setBrush(blend(theme.accent, theme.surface, 0.22))
            painter.drawRoundedRect(pill, 4, 4)
        painter.setPen(QColor(theme.text if best else theme.muted if text in ("", "–") else theme.text))
        painter.drawText(box.adjusted(0, 0, -6, 0), _RIGHT, text)
    painter.setOpacity(1.0)


def _paint_name(painter: QPainter, table: PathTable, row: int, look: Look) -> None:
    """A line in the kind's colour, its name, and under it what a person should know."""
    theme, each, box = table.theme, table.rows[row], table.name_rect(row)
    ground = blend(theme.text, theme.surface, 0.05) if row == look.row else QColor(theme.surface)
    painter.fillRect(box, ground)
    current = each.kind == look.current
    if current:
        painter.fillRect(QRectF(0, box.top() + 3, 3, box.height() - 7), QColor(theme.accent))
    usable = each.path is not None and not each.path.missing
    under = each.path.note if usable and each.path is not None else ""
    below = "the path" if current else under
    middle = box.center().y() - (7.5 if below else 0.5)
    stroke = pen(QColor(path_colour(each.kind, theme)), 2.5)
    if PATH_KINDS[each.kind].straight:
        stroke.setDashPattern([1.6, 1.6])
    painter.setPen(stroke)
    painter.drawLine(QLineF(10, middle, 10 + SWATCH, middle))
    font = small_font(table.font(), 0.0, bold=current)
    font.setUnderline(usable and look.row == row and look.part == "name")
    painter.setFont(font)
    painter.setPen(QColor(theme.text if usable else theme.muted))
    left = 10 + SWATCH + 6
    width = box.width() - left - 3
    metrics = QFontMetricsF(font)
    text = metrics.elidedText(each.kind, Qt.TextElideMode.ElideRight, width)
    painter.drawText(QRectF(left, middle - 10, width, 20), _LEFT, text)
    if below:
        font = small_font(table.font(), -1.0)
        painter.setFont(font)
        painter.setPen(QColor(theme.muted))
        text = QFontMetricsF(font).elidedText(below, Qt.TextElideMode.ElideRight, width)
        painter.drawText(QRectF(left, middle + 7, width, 17), _LEFT, text)
    if table.horizontalScrollBar().value():
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QLineF(box.right() - 0.5, box.top(), box.right() - 0.5, box.bottom()))


def _paint_heading(painter: QPainter, table: PathTable) -> None:
    theme, width, height = table.theme, table.viewport().width(), table.heading_height
    painter.fillRect(QRectF(0, 0, width, height), QColor(theme.surface))
    font = small_font(table.font())
    painter.setFont(font)
    line = QFontMetricsF(font).height()
    painter.setPen(QColor(theme.muted))
    for number, column in enumerate(table.columns):
        box = table.cell_rect(0, number)
        for place, text in enumerate(column.heading):
            area = QRectF(box.left(), 3 + place * line, box.width() - 6, line)
            painter.drawText(area, _RIGHT, text)
    painter.fillRect(QRectF(0, 0, table.name_rect(0).width(), height), QColor(theme.surface))
    texts = ((10.0, "kind of path"), (float(table.strip_left), "frames"))
    for left, text in texts:
        if left >= 10.0:
            painter.drawText(QRectF(left, 3 + line, 200, line), _LEFT, text)
    painter.setPen(QPen(tint(theme.border), 1))
    painter.drawLine(QLineF(0, height - 0.5, width, height - 0.5))
