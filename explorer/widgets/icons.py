"""Icons: line drawings in ``resources/icons`` in the colours of the theme, whichever it is, sharp on every screen.

The drawings use the colour name ``currentColor`` for their strokes and ``accent`` for emphasis; both are replaced by
the theme's colours before they are rendered.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.widgets.theme import FAINT, Themed, blend

WINDOW_SIZES = (16, 24, 32, 48, 128)  # by which a window manager takes an icon


class _Drawing(Themed, QIconEngine):
    """Draws an icon at the size, density and theme for which it is asked, and keeps what it has drawn.

    Drawn in advance at all sizes and densities, the icons would take 25 ms of the window's start.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._source = name, _source(name)
        self._drawn: dict[tuple[int, int, str, str, float], QPixmap] = {}

    def clone(self) -> QIconEngine:
        return _Drawing(self._name)

    def availableSizes(self, mode: QIcon.Mode = QIcon.Mode.Normal, state: QIcon.State = QIcon.State.Off) -> list[QSize]:
        return [QSize(size, size) for size in WINDOW_SIZES]

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(rect, self.scaledPixmap(rect.size(), mode, state, ratio))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        theme = self._theme
        colour, accent = theme.text, theme.accent
        if mode == QIcon.Mode.Disabled and self._name != "isoline":
            colour = accent = blend(theme.muted, theme.surface, FAINT).name()
        key = (size.width(), size.height(), colour, accent, scale)
        if key not in self._drawn:
            text = self._source.replace("currentColor", colour).replace('"accent"', f'"{accent}"')
            image = QPixmap(size * scale)
            image.setDevicePixelRatio(scale)
            image.fill(Qt.GlobalColor.transparent)
            with QPainter(image) as painter:
                side = min(size.width(), size.height())
                place = QRectF((size.width() - side) / 2, (size.height() - side) / 2, side, side)
                QSvgRenderer(QByteArray(text.encode())).render(painter, place)
            self._drawn[key] = image
        return self._drawn[key]


@lru_cache(maxsize=64)
def icon(name: str) -> QIcon:
    """The icon called ``name``, in the colours of the theme whenever it is drawn.

    Raises ``KeyError`` if there is no such drawing. Needs a running QGuiApplication.
    """
    return QIcon(_Drawing(name))


def names() -> list[str]:
    """Every drawing there is."""
    folder = files("resources") / "icons"
    return sorted(entry.name[: -len(".svg")] for entry in folder.iterdir() if entry.name.endswith(".svg"))


@lru_cache(maxsize=64)
def _source(name: str) -> str:
    drawing = files("resources") / "icons" / f"{name}.svg"
    if not drawing.is_file():
        raise KeyError(f"no icon {name!r}; there are {', '.join(names())}.")
    return drawing.read_text(encoding="utf-8")
