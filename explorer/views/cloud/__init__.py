"""The latent cloud: points, axes, probe and path in three dimensions, two or one."""

from explorer.views.cloud.legend import LegendEntry
from explorer.views.cloud.tools import Mode, StrokeGesture
from explorer.views.cloud.view import CloudView

__all__ = ["CloudView", "LegendEntry", "Mode", "StrokeGesture"]
