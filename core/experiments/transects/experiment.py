"""Experiment A: does a model draw the curves of a hole that it never saw? Transects through it, measured.

The default model is trained on the punctured set with several seeds; changed ones, all equally short, show what
matters (core.experiments.transects.ablations); the published recipe runs for a few hundred steps beside them. Every
model is measured along the published transects P1, P2 and P3, against the true images. Importing this imports no torch.
"""

from __future__ import annotations

from typing import Any

from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log
from core.experiments.transects.options import Options, plan


def run(options: Options, log: Log) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content.

    Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other options),
    ``core.data.dataset.DatasetError`` (a hole that leaves nothing), and what a training raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(options.name, options.settings()):
        # torch and matplotlib take seconds to import: not before the folder is known to be this experiment's.
        from core.experiments.training_queue import train_all
        from core.experiments.transects.analysis import analyse
        from core.experiments.transects.page import make_page
        from core.experiments.transects.report import make_report
        from core.reporting.page import write_report

        analysis = analyse(planned, train_all(planned, folder, log), folder, log)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        report = make_report(options, analysis)
        write_report(folder.path, make_page(analysis, report), report)
        log(f"report: {folder.html_path}")
    return report
