"""Depth cue and colours of a scene's points, for both renderers."""

from __future__ import annotations

import numpy as np

from core.rendering.depth import DepthCue
from explorer.views.cloud.scene import Scene


def depth_cue(scene: Scene) -> DepthCue:
    """The cue for the scene's camera; a flat view has none."""
    if scene.dims < 3:
        return DepthCue(0.0, 0.0, 1.0)
    near, far = scene.spread_of_depth()
    return DepthCue(scene.camera.distance, near, max(far, near + 1e-9))


def rgba(scene: Scene, plain: tuple[int, int, int]) -> np.ndarray:
    """Colours uint8 (N, 4) with the opacity in their alpha; ``plain`` where no colours fit the points."""
    colors = scene.colors
    if colors is None or len(colors) != scene.count:
        colors = np.tile(np.array([*plain, 255], dtype=np.uint8), (scene.count, 1))
    if scene.opacity < 1.0:
        colors = colors.copy()
        colors[:, 3] = (colors[:, 3] * scene.opacity + 0.5).astype(np.uint8)
    return colors
