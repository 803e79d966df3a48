"""Icons: line drawings in ``resources/icons`` recoloured for a theme, sharp on every screen.

The drawings use the colour name ``currentColor`` for their strokes and ``accent`` for emphasis; both are replaced by
the theme's colours before they are rendered.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.widgets.theme import FAINT, Theme, blend

APPLICATION_SIZES = (16, 24, 32, 48, 128)


class _Drawing(QIconEngine):
    """Draws an icon at the size and density at which it is asked for, and keeps what it has drawn.

    Drawn in advance at all sizes and densities, the icons would take 25 ms of the window's start.
    """

    def __init__(self, source: str, colours: tuple[str, str], disabled: tuple[str, str]) -> None:
        super().__init__()
        self._parts = source, colours, disabled
        self._drawn: dict[tuple[int, int, bool, float], QPixmap] = {}

    def clone(self) -> QIconEngine:
        return _Drawing(*self._parts)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(rect, self.scaledPixmap(rect.size(), mode, state, ratio))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        faint = mode == QIcon.Mode.Disabled
        key = (size.width(), size.height(), faint, scale)
        if key not in self._drawn:
            source, *colours = self._parts
            colour, accent = colours[faint]
            text = source.replace("currentColor", colour).replace('"accent"', f'"{accent}"')
            image = QPixmap(size * scale)
            image.setDevicePixelRatio(scale)
            image.fill(Qt.GlobalColor.transparent)
            painter = QPainter(image)
            side = min(size.width(), size.height())
            place = QRectF((size.width() - side) / 2, (size.height() - side) / 2, side, side)
            QSvgRenderer(QByteArray(text.encode())).render(painter, place)
            painter.end()
            self._drawn[key] = image
        return self._drawn[key]


@lru_cache(maxsize=256)
def icon(name: str, theme: Theme) -> QIcon:
    """The icon called ``name`` in the colours of ``theme``.

    Raises ``KeyError`` if there is no such drawing. Needs a running QGuiApplication.
    """
    normal, faint = (theme.text, theme.accent), blend(theme.muted, theme.surface, FAINT).name()
    drawing = _Drawing(_source(name), normal, normal if name == "isoline" else (faint, faint))
    if name != "isoline":
        return QIcon(drawing)
    application = QIcon()  # a window manager takes it by sizes
    for size in APPLICATION_SIZES:
        application.addPixmap(drawing.pixmap(QSize(size, size), QIcon.Mode.Normal, QIcon.State.Off))
    return application


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
