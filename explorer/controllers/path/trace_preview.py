"""The curve that is only proposed: drawn dashed in the cloud until a click makes it the path."""

from __future__ import annotations

import numpy as np

from core.protocol.messages import PathTraced
from explorer.controllers.cloud.cloud import CloudController
from explorer.views.cloud import CloudView


class TracePreview:
    """``answer``: the engine's newest about it, None while there is only a place where it will start."""

    def __init__(self, cloud: CloudView, cloud_control: CloudController) -> None:
        self._cloud, self._cloud_control = cloud, cloud_control
        self._points: np.ndarray | None = None
        self._drawn_by: object = None
        self.answer: PathTraced | None = None

    def show(self, points: np.ndarray | None, answer: PathTraced | None = None) -> None:
        """Propose a curve float (K, d); of one point, where it will start; None: nothing."""
        self._points, self.answer = points, answer
        self._drawn_by = projection = self._cloud_control.projection
        self._cloud.set_preview(projection.to_view(points) if points is not None and projection is not None else None)

    def redraw(self) -> None:
        """Draw it again if the cloud is seen along other axes now."""
        if self._drawn_by is not self._cloud_control.projection:
            self.show(self._points, self.answer)
