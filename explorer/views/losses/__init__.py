"""The loss curves of a run, live."""

from explorer.views.losses.view import LossesView

__all__ = ["LossesView"]
