"""Running an experiment: the stages that all of them have, in a folder where each resumes. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from core.experiments.folder import ExperimentFolder
from core.experiments.options import ExperimentOptions, Log, PlannedTraining

TrainFirst = Callable[[Sequence[PlannedTraining], ExperimentFolder], None]


def run(options: ExperimentOptions, log: Log, train_first: TrainFirst | None = None) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content. ``train_first`` may
    have trained some of what is planned, in other processes; what is left is trained here, one after another.

    Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other options, a run that cannot be
    measured), ``core.data.dataset.DatasetError`` (a hole that leaves nothing), ``core.runs.directory.RunError`` (no
    such run), and what a training raises.
    """
    planned = options.plan()
    folder = ExperimentFolder(options.out)
    with folder.begin(options.name, options.settings()):
        # Beside an experiment's options lie its analysis and report: with torch and matplotlib, which take seconds.
        package = type(options).__module__.rpartition(".")[0]
        analysis, report = (import_module(f"{package}.{part}") for part in ("analysis", "report"))
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report

        if train_first is not None:
            train_first(planned, folder)
        measured = analysis.analyse(options, planned, train_all(planned, folder, log), folder, log)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        content = report.make_report(options, measured)
        write_report(folder.path, report.make_page(measured, content), content)
        log(f"report: {folder.html_path}")
    return content
