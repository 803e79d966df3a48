"""Experiment C: does following a factor's curve change one factor and leave the other, where a straight line does not?

The default model is trained on the punctured set with several seeds. From the same starting points every kind of path
raises or lowers one factor by the same amount, and what the other factor did meanwhile, its leak, is read off the
decoded images with the dataset's own inverse. Geodesics are sent across the hole; all stages are timed; the net of
factor curves is drawn. Importing this imports no torch.
"""

from __future__ import annotations

from typing import Any

from core.experiments.factor_leakage.options import Options, plan
from core.experiments.folder import ExperimentFolder
from core.experiments.options import Log
from core.utils.atomic_write import write_atomic

PICTURE = "gridlines.png"
"""The net of factor curves over the first model's cloud, in the experiment's folder.

``resources/pictures/gridlines.png`` is that of ``isoline experiment curves --model resources/model --out FOLDER``.
"""


def run(options: Options, log: Log) -> dict[str, Any]:
    """Train, measure, and write ``report.html``, ``report.json`` and ``gridlines.png``; returns the report's content.

    Raises ``core.experiments.folder.Stopped``, ``ExperimentError`` (folder of other options, a run that cannot be
    measured), ``core.runs.directory.RunError`` (no such run), and what a training raises.
    """
    planned = plan(options)
    folder = ExperimentFolder(options.out)
    with folder.begin(options.name, options.settings()):
        # torch and matplotlib take seconds to import: not before the folder is known to be this experiment's.
        from core.experiments.factor_leakage.analysis import analyse, given_models, trained_models
        from core.experiments.factor_leakage.page import make_page
        from core.experiments.factor_leakage.report import make_report
        from core.experiments.training_queue import train_all
        from core.reporting.page import write_report

        models = given_models(options) if options.model else trained_models(planned, train_all(planned, folder, log))
        analysis = analyse(options, models, folder, log)
        folder.check_stop()
        folder.report("writing the report", 0.99)
        report = make_report(options, analysis)
        write_atomic(folder.path / PICTURE, analysis.picture)
        write_report(folder.path, make_page(analysis, report), report)
        log(f"report: {folder.html_path}")
    return report
