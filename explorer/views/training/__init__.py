"""The training panel: what to train, and the controls of a training that runs."""

from explorer.views.training.dataset import DatasetView
from explorer.views.training.view import Advice, TrainingView

__all__ = ["Advice", "DatasetView", "TrainingView"]
