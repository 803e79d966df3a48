"""Icons: line drawings in ``resources/icons`` recoloured for a theme, sharp on every screen.

The drawings use the colour name ``currentColor`` for their strokes and ``accent`` for emphasis; both are replaced by
the theme's colours before they are rendered.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.widgets.theme import FAINT, Theme, blend

SIZES = (16, 18, 24)
APPLICATION_SIZES = (16, 24, 32, 48, 128)


@lru_cache(maxsize=256)
def icon(name: str, theme: Theme) -> QIcon:
    """The icon called ``name`` in the colours of ``theme``.

    Raises ``KeyError`` if there is no such drawing. Needs a running QGuiApplication.
    """
    source = _source(name)
    made = QIcon()
    sizes = APPLICATION_SIZES if name == "isoline" else SIZES
    normal = _renderer(source, theme.text, theme.accent)
    faint = blend(theme.muted, theme.surface, FAINT).name()
    disabled = _renderer(source, faint, faint)
    for ratio in _pixel_ratios():
        for size in sizes:
            made.addPixmap(_render(normal, size, ratio), QIcon.Mode.Normal)
            if name != "isoline":
                made.addPixmap(_render(disabled, size, ratio), QIcon.Mode.Disabled)
    return made


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


def _pixel_ratios() -> list[float]:
    screens = QGuiApplication.screens()
    return sorted({1.0, 2.0, *(screen.devicePixelRatio() for screen in screens)})


def _renderer(source: str, colour: str, accent: str) -> QSvgRenderer:
    text = source.replace("currentColor", colour).replace('"accent"', f'"{accent}"')
    return QSvgRenderer(QByteArray(text.encode()))


def _render(renderer: QSvgRenderer, size: int, ratio: float) -> QPixmap:
    image = QPixmap(round(size * ratio), round(size * ratio))
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image
