"""A transect: truth, reconstruction and difference along a line through the parameter plane, and curves below."""

from explorer.views.transect.view import TransectView

__all__ = ["TransectView"]
