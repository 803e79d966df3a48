"""The mouse mode that traces curves: click the samples they start and end at, slide along the curve that is there."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt

from explorer.views.cloud.base import CloudBase
from explorer.views.cloud.picking import hit_curve
from explorer.views.cloud.tools import Pixel, Tool
from explorer.widgets.controls import WheelNotches

RAIL_RADIUS = 8.0  # pixels within which the pointer snaps onto the curve
RAIL_REACH = 0.15  # of the curve, to either side, that one move can slide along: it does not jump to another turn of it


class TraceTool(Tool):
    """Click a sample to start or end a curve there. On the curve, drag or turn the wheel to slide along it.

    At the curve's own ends a click means the sample there, so that the next curve can go on from it. Elsewhere a drag
    turns the view. While a curve is only proposed (a preview is shown), the one that is there is no
    rail: the next click ends the proposed one.
    """

    def __init__(self, host: CloudBase) -> None:
        super().__init__(host)
        self._share: float | None = None  # of the curve, where it is held
        self._wheel = WheelNotches()

    def _rail_at(self, at: Pixel, near: float | None = None) -> float | None:
        """The share of the curve under the pointer; with ``near``, the nearest one around that share, however far."""
        curve = self.scene.curve
        if curve is None or len(curve) < 2 or self.scene.preview is not None:
            return None
        first, last = 0, len(curve)
        if near is not None:
            middle, reach = near * (len(curve) - 1), RAIL_REACH * (len(curve) - 1)
            first, last = max(0, int(middle - reach)), min(len(curve), int(middle + reach) + 2)
        hit = hit_curve(self.scene.camera.project(curve[first:last])[0], at)
        if hit is None or (near is None and hit.distance > RAIL_RADIUS):
            return None
        return (first + hit.segment + hit.share) / (len(curve) - 1)

    def _show(self, share: float | None) -> None:
        """The ring on the curve that says: it can be held here."""
        curve, ghost = self.scene.curve, None
        if share is not None and curve is not None:
            segment = min(int(share * (len(curve) - 1)), len(curve) - 2)
            rest = share * (len(curve) - 1) - segment
            ghost = curve[segment] + rest * (curve[segment + 1] - curve[segment])
        if ghost is not None or self.scene.ghost is not None:
            self.scene.ghost = ghost
            self.host.refresh()

    def _ends_at(self, at: Pixel) -> bool:
        """Whether the curve begins or ends under the pointer."""
        curve = self.scene.curve
        if curve is None or not len(curve):
            return False
        pixels, _ = self.scene.camera.project(curve[[0, -1]])
        return bool((np.hypot(*(pixels - at).T) <= RAIL_RADIUS).any())

    def pick(self, at: Pixel) -> int | None:
        return None if self._rail_at(at) is not None and not self._ends_at(at) else super().pick(at)

    def press(self, at: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        self._share = self._rail_at(at)
        self._show(None)
        if self._share is not None and self.pick(at) is None:
            self.host.rail_moved.emit(self._share)

    def drag(self, at: Pixel, last: Pixel, modifiers: Qt.KeyboardModifier) -> None:
        if self._share is not None:
            share = self._rail_at(at, self._share)
            if share is not None:
                self._share = share
                self.host.rail_moved.emit(share)
            return
        if self.scene.camera.flat:
            self.scene.camera.pan(at[0] - last[0], at[1] - last[1])
        else:
            self.scene.camera.orbit(at[0] - last[0], at[1] - last[1])
        self.host.turned()

    def release(self, at: Pixel, moved: bool, modifiers: Qt.KeyboardModifier) -> None:
        self._share = None
        index = None if moved else self.pick(at)
        if index is not None:
            self.host.traced.emit(index)

    def hover(self, at: Pixel) -> None:
        self._show(self._rail_at(at))

    def wheel(self, angle: float, at: Pixel) -> bool:
        """Over the curve each notch is a frame along it; elsewhere the wheel zooms as in every mode."""
        if self._rail_at(at) is None:
            return False
        notches = self._wheel.turn(angle)
        if notches:
            self.host.rail_stepped.emit(notches)
        return True

    def cancel(self) -> None:
        self._share = None
        self._show(None)
