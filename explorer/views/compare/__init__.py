"""Two runs side by side: the second run's cloud, and what both models make of one input."""

from explorer.views.compare.view import CompareView, Kind

__all__ = ["CompareView", "Kind"]
