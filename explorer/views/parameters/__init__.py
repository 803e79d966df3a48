"""The parameter plane: every sample at its true factors, the training hole, transects, and a cursor held by hand."""

from explorer.views.parameters.view import ParametersView

__all__ = ["ParametersView"]
