"""Experiments: a form that starts one, and the list of those that were started."""

from explorer.views.experiments.form import KINDS, ExperimentForm, Kind
from explorer.views.experiments.row import ExperimentItem, ExperimentRow
from explorer.views.experiments.view import ExperimentsView

__all__ = ["KINDS", "ExperimentForm", "ExperimentItem", "ExperimentRow", "ExperimentsView", "Kind"]
