"""Kinds of path between the same ends: their film strips one under another, and the measures that tell them apart."""

from explorer.views.path_comparison.view import PathKindsView

__all__ = ["PathKindsView"]
