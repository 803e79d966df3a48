"""Stages whose result is a file: the turntable's film, and an experiment's report."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QObject, QPointF, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox

from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, Until
from explorer.tour.scenario_plane import choose_tab

FILM_S, REPORT_S = 240.0, 400.0


def film_cloud(tour: Director) -> Stage:
    """The cloud turning once, as a GIF."""
    explorer = tour.explorer
    target: Path = (tour.options.out / "export" / "cloud.gif").resolve()
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    explorer.window.actions_by_name["turntable"].trigger()
    yield Until(lambda: input_events.top_level("dialog.film") is not None, "the file dialog opens", 5.0)
    edit = yield from input_events.name_file("dialog.film", target)
    input_events.key(edit, "Return")
    yield Until(lambda: input_events.top_level("dialog.filming") is not None, "the progress is shown", 10.0)
    yield 1.5
    tour.shot("filming")
    yield Until(target.is_file, "the film is written", FILM_S)
    yield Until(lambda: input_events.top_level("dialog.filming") is None, "the progress closes", 5.0)
    explorer.window.activateWindow()
    yield 0.2


class _Browser(QObject):
    """Takes the place of the browser, which a tour would leave open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = ""

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        """What a browser would have shown."""
        self.opened = url.toLocalFile()


def run_experiment(tour: Director) -> Stage:
    """A quick run of the transect experiment from its panel, and its report opened."""
    explorer = tour.explorer
    yield from choose_tab(tour, "Experiments")
    view = explorer.experiments_view
    quick = input_events.child(view, "experiments.quick")
    if isinstance(quick, QCheckBox) and not quick.isChecked():
        input_events.click(quick, QPointF(9, quick.height() / 2))
    yield 0.2
    start = input_events.child(view, "experiments.start")
    yield Until(start.isEnabled, "an experiment can be started", 30.0)
    input_events.click(start)
    yield Until(lambda: view.listed, "the experiment is listed", 20.0)
    folder = Path(view.listed[0])
    yield Until((folder / "runs").is_dir, "its first training begins", 120.0)
    yield 2.0
    tour.shot("experiment")
    yield Until((folder / "report.html").is_file, "its report is written", REPORT_S)
    browser = _Browser()
    QDesktopServices.setUrlHandler("file", browser, "open")  # pyright: ignore[reportArgumentType]  # bytes fail
    try:
        row = view.row(str(folder))
        button = input_events.child(row, "experiments.report")
        yield Until(button.isVisible, "the report can be opened", 10.0)
        input_events.click(button)
        yield Until(lambda: bool(browser.opened), "the report opens", 5.0)
    finally:
        QDesktopServices.unsetUrlHandler("file")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    tour.figures["quick_experiment_s"] = round(sum(model["train_s"] for model in report["models"]), 1)
    yield 0.5
    tour.shot("experiment-done")
