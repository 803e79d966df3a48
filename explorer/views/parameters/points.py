"""The samples as a picture: thousands of discs drawn by numpy, and kept until they, their colours or the view change.

Training samples are discs, validation samples rings. What is highlighted lies on top. pyqtgraph's ScatterPlotItem takes
as long for a frame of 20,000 samples (13 ms, this 15), but a second for their colours, which change while a run trains
(11 ms here).
"""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtGui import QColor, QImage, QPainter

from core.rendering.point_splatting import PAD, Discs, draw_discs, pack
from explorer.views.parameters.marks import area_of, draw_grid
from explorer.views.parameters.scene import PlaneScene
from explorer.widgets.theme import Theme

SHARE = 0.28  # of the plane that all discs together may cover
SMALLEST, LARGEST = 1.2, 4.0  # pixels, radius
RING = 0.55  # radius of a ring's hole, as a share of the ring's


def radius_of(scene: PlaneScene) -> float:
    """The radius of a sample's disc in pixels: smaller the more there are, larger when the plane is enlarged."""
    area = scene.frame.width * scene.frame.height * scene.frame.magnification
    return float(np.clip(math.sqrt(SHARE * area / (math.pi * max(1, len(scene.xy)))), SMALLEST, LARGEST))


def picture(scene: PlaneScene, theme: Theme, size: tuple[int, int], ratio: float) -> QImage:
    """Ground, grid and samples for a widget of ``size`` device-independent pixels, ``ratio`` screen pixels each.

    The picture has ``PAD`` more screen pixels on every side, which discs at its border need.
    """
    width, height = max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))
    image = QImage(width + 2 * PAD, height + 2 * PAD, QImage.Format.Format_RGB32)
    image.fill(QColor(theme.surface))
    painter = QPainter(image)
    painter.translate(PAD, PAD)
    painter.scale(ratio, ratio)
    painter.fillRect(area_of(scene.frame), QColor(theme.plot))
    draw_grid(painter, scene.frame, theme)
    painter.end()
    if len(scene.xy):
        _draw_samples(image, scene, theme, ratio)
    return image


def _draw_samples(image: QImage, scene: PlaneScene, theme: Theme, ratio: float) -> None:
    pixels = scene.frame.to_pixels(scene.xy)
    order = _order(scene, pixels)
    if not len(order):
        return
    ground = QColor(theme.plot).rgb() & 0xFFFFFF
    colours = _colours(scene, theme)[order]
    places = (pixels[order] * ratio).astype(np.float32)
    radius = np.float32(radius_of(scene) * ratio)
    ringed = scene.split[order] != 0
    # A ring is a disc with a smaller one of the ground's colour right after it.
    repeat = np.where(ringed, 2, 1)
    source = np.repeat(np.arange(len(order)), repeat)
    inner = np.append(source[1:] == source[:-1], False)
    inner = np.append(False, inner[:-1])
    rgb = np.where(inner, np.uint32(ground), pack(colours)[source]).astype(np.uint32)
    discs = Discs(
        places[source, 0],
        places[source, 1],
        np.where(inner, radius * np.float32(RING), radius).astype(np.float32),
        rgb,
        np.where(inner, 255, colours[source, 3]).astype(np.uint8),
    )
    memory = np.frombuffer(image.bits(), dtype=np.uint32).reshape(image.height(), image.width())
    draw_discs(memory, discs, ground=ground)
    memory |= np.uint32(0xFF000000)


def _order(scene: PlaneScene, pixels: np.ndarray) -> np.ndarray:
    """The samples that are seen, in the order in which they are drawn: what is highlighted comes last."""
    area = area_of(scene.frame)
    seen = np.isfinite(pixels).all(axis=1)
    seen &= (pixels[:, 0] >= area.left()) & (pixels[:, 0] <= area.right())
    seen &= (pixels[:, 1] >= area.top()) & (pixels[:, 1] <= area.bottom())
    order = np.flatnonzero(seen)
    if scene.highlight is None or not len(scene.highlight):
        return order
    raised = np.isin(order, scene.highlight)
    return np.concatenate([order[~raised], order[raised]])


def _colours(scene: PlaneScene, theme: Theme) -> np.ndarray:
    """uint8 (N, 4): the colours given, or one for all as long as there are none that fit."""
    if scene.colors is not None and len(scene.colors) == len(scene.xy):
        return scene.colors
    plain = QColor(theme.accent)
    return np.tile(np.array([plain.red(), plain.green(), plain.blue(), 255], dtype=np.uint8), (len(scene.xy), 1))
