"""Experiment B: does an entanglement penalty align the latent cloud with the latent axes?

The default model is trained on the full set without a penalty and with each of three, at several weights γ and with
several seeds, all equally long; the published β and γ beside them. Every cloud is measured: its images, its
covariance, its alignment with the axes against what random rotations give, its intrinsic dimension. Importing this
imports no torch.
"""

from __future__ import annotations

from typing import Any

from core.experiments.entanglement.options import Options, plan, variants
from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log


def run(options: Options, log: Log) -> dict[str, Any]:
    """Train, measure, and write ``report.html`` and ``report.json``; returns the latter's content.

    Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other options), and what a training
    raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(options.name, options.settings()):
        # torch and matplotlib take seconds to import: not before the folder is known to be this experiment's.
        from core.experiments.entanglement.analysis import analyse
        from core.experiments.entanglement.page import make_page
        from core.experiments.entanglement.report import make_report
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report

        analysis = analyse(variants(options), planned, train_all(planned, folder, log), folder, log)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        report = make_report(options, analysis)
        write_report(folder.path, make_page(analysis, report), report)
        log(f"report: {folder.html_path}")
    return report
