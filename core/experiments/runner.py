"""Running an experiment: the stages that all of them have, in a folder where each resumes. Imports no torch."""

from __future__ import annotations

from typing import Any

from core.experiments.entanglement.options import Options as EntanglementOptions
from core.experiments.factor_leakage.options import Options as CurveOptions
from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log
from core.experiments.transects.options import Options as TransectOptions

Options = TransectOptions | EntanglementOptions | CurveOptions


def run(options: Options, log: Log) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content.

    Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other options, a run that cannot be
    measured), ``core.data.dataset.DatasetError`` (a hole that leaves nothing), ``core.runs.directory.RunError`` (no
    such run), and what a training raises.
    """
    planned = options.plan()
    folder = ExperimentFolder(options.out)
    with folder.begin(options.name, options.settings()):
        analysis, report = _stages(options)
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report

        measured = analysis.analyse(options, planned, train_all(planned, folder, log), folder, log)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        content = report.make_report(options, measured)
        write_report(folder.path, report.make_page(measured, content), content)
        log(f"report: {folder.html_path}")
    return content


def _stages(options: Options) -> tuple[Any, Any]:
    """The modules ``analysis`` and ``report`` of an experiment: with torch and matplotlib, which take seconds."""
    if isinstance(options, TransectOptions):
        from core.experiments.transects import analysis, report
    elif isinstance(options, EntanglementOptions):
        from core.experiments.entanglement import analysis, report
    else:
        from core.experiments.factor_leakage import analysis, report
    return analysis, report
