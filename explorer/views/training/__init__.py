"""The training panel: what to train, and the controls of a training that runs."""

from explorer.views.training.view import TrainingView

__all__ = ["TrainingView"]
