"""Stages on what a model has learnt: the parameter plane, transects, two runs, files, an experiment, a training."""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QPointF, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLabel, QLineEdit, QTabBar, QWidget

from explorer.controllers.app.open_run import bundled_run
from explorer.tour import input_events
from explorer.tour.measurements import loop_lateness, percentile, timed_clicks
from explorer.tour.runner import Director, Lasting, Stage, StageFailed, Until

START_S = 600.0  # until a training has begun


def choose_tab(tour: Director, title: str) -> Generator[float, None, None]:
    """Click the tab called ``title`` among the docks."""
    for bar in tour.window.findChildren(QTabBar):
        for place in range(bar.count()):
            if bar.tabText(place) == title and bar.isVisible():
                input_events.click(bar, QPointF(bar.tabRect(place).center()))
                yield 0.3
                return
    raise StageFailed(f"no dock has the tab {title}")


def _at(plane: QWidget, a: float, b: float) -> QPointF:
    return QPointF(*plane.scene.frame.pixel(a, b))  # pyright: ignore[reportAttributeAccessIssue]


def plane_cursor(tour: Director) -> Stage:
    """Drag the cursor into the hole: the true image, its reconstruction and the probe follow the hand."""
    explorer = tour.explorer
    input_events.key(explorer.cloud, "1")
    yield from choose_tab(tour, "Parameters")
    plane = explorer.parameters_view.plane
    yield Until(plane.isVisible, "the plane is shown")
    yield 0.3
    probe = explorer.state.document.probe
    line = [_at(plane, 0.8 + 0.5 * t, 1.7 - 0.6 * t) for t in np.linspace(0, 1, 40)]
    yield from input_events.drag(plane, line)
    yield Until(lambda: explorer.state.document.cursor is not None, "the cursor follows")
    a, b = explorer.state.document.cursor
    if math.hypot(a - 1.3, b - 1.1) > 0.05:
        raise StageFailed(f"the cursor is at ({a:.2f}, {b:.2f}), not where it was released")
    yield Until(lambda: not np.array_equal(explorer.state.document.probe, probe), "the probe follows")
    yield 0.8
    tour.shot("plane-cursor")


def edit_hole(tour: Director) -> Stage:
    """Move the next training's hole by its middle and widen it by its rim; the fields of the form follow."""
    explorer, plane = tour.explorer, tour.explorer.parameters_view.plane
    before = explorer.training_view.form.config().data
    handles = plane.scene.handles()
    start = QPointF(*handles["centre"])
    yield from input_events.drag(plane, [start + QPointF(1.2 * i, -0.8 * i) for i in range(20)])
    yield 0.2
    rim = QPointF(*plane.scene.handles()["rim"])
    yield from input_events.drag(plane, [rim + QPointF(0.8 * i, 0.0) for i in range(20)])
    form = explorer.training_view.form
    yield Until(lambda: form.config().data.hole_a != before.hole_a, "the field of the hole's middle follows its handle")
    yield Until(lambda: form.config().data.hole_radius > before.hole_radius, "that of its radius follows the rim")
    yield 0.3
    tour.shot("hole")
    hole = {name: getattr(before, name) for name in ("hole_a", "hole_b", "hole_radius")}
    form.set_values({f"data.{name}": value for name, value in hole.items()})
    explorer.parameters.show_hole()
    yield 0.1


def draw_transect(tour: Director) -> Stage:
    """P1 image by image, then a curve drawn by hand across the hole, scrubbed along."""
    explorer, plane = tour.explorer, tour.explorer.parameters_view.plane
    input_events.click(input_events.child(explorer.parameters_view, "parameters.draw"))
    yield 0.2
    points = np.linspace(0, 1, 40)
    yield from input_events.drag(
        plane, [_at(plane, 0.65 + 1.2 * t, 1.0 + 0.7 * math.sin(2 * math.pi * t)) for t in points]
    )
    yield Until(lambda: len(explorer.state.document.transects) == 4, "the stroke becomes a transect")
    input_events.click(input_events.child(explorer.parameters_view, "parameters.cursor"))
    yield from choose_tab(tour, "Transects")
    view = explorer.transect_view
    yield Until(lambda: view.complete, "the drawn transect is measured")
    yield 0.4
    picture = view.picture
    input_events.click(picture, QPointF(picture.width() * 0.5, picture.height() * 0.3))
    yield Until(lambda: explorer.state.transect_position != 0, "scrubbing moves along the transect")
    yield 0.6
    tour.shot("transect-drawn")
    yield from input_events.choose(input_events.child(view, "transect.choice", QComboBox), 0)
    yield Until(lambda: view.complete, "P1 is measured")
    yield 0.4
    tour.shot("transect-p1")


def compare_runs(tour: Director) -> Stage:
    """A second run beside the first: one clicked sample goes into both models, and the clouds turn together."""
    explorer = tour.explorer
    yield from input_events.take_keyboard(tour.window)
    input_events.key(explorer.cloud, "Ctrl+K")
    yield Until(explorer.compare_view.isVisible, "the comparison opens")
    explorer.compare.open(str(bundled_run()))
    yield Until(lambda: explorer.other_cloud.point_count > 0, "the second cloud")
    places = explorer.cloud.screen_positions()
    nearest = QPointF(*places[np.nanargmin(np.where(np.isfinite(places[:, 2]), places[:, 2], np.nan)), :2])
    input_events.move(explorer.cloud, nearest)
    yield 0.1
    input_events.click(explorer.cloud, nearest)
    yield Until(lambda: explorer.compare_view.images.pictures, "both models answer")
    yield 0.6
    tour.shot("compare")
    explorer.window.docks["compare"].close()
    explorer.compare.close()
    yield 0.3


def film_cloud(tour: Director) -> Stage:
    """The cloud turning once, as a GIF."""
    explorer = tour.explorer
    target: Path = (tour.options.out / "export" / "cloud.gif").resolve()
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    explorer.window.actions_by_name["turntable"].trigger()
    yield Until(lambda: input_events.top_level("dialog.film") is not None, "the file dialog opens")
    edit = yield from input_events.name_file("dialog.film", target)
    input_events.key(edit, "Return")
    yield Until(lambda: input_events.top_level("dialog.filming") is not None, "the progress is shown")
    yield 1.5
    tour.shot("filming")
    yield Until(target.is_file, "the film is written", 600.0)
    yield Until(lambda: input_events.top_level("dialog.filming") is None, "the progress closes")
    yield from input_events.take_keyboard(tour.window)


class _Browser(QObject):
    """Takes the place of the browser, which a tour would leave open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = ""

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        """What a browser would have shown."""
        self.opened = url.toLocalFile()


def share_page(tour: Director) -> Stage:
    """The run as one page, with its decoder unless the tour is a quick one; opened by the link in the dialog."""
    explorer = tour.explorer
    target: Path = (tour.options.out / "export" / "Polar curves.html").resolve()
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    explorer.window.actions_by_name["share"].trigger()
    yield Until(lambda: input_events.top_level("dialog.share") is not None, "the dialog opens")
    dialog = input_events.top_level("dialog.share")
    assert dialog is not None
    yield from input_events.take_keyboard(dialog)
    input_events.type_into(input_events.child(dialog, "dialog.share.title", QLineEdit), "Polar curves")
    if tour.options.quick:
        decoder = input_events.child(dialog, "dialog.share.decoder", QCheckBox)
        input_events.click(decoder, QPointF(9, decoder.height() / 2))
    input_events.click(input_events.child(dialog, "dialog.share.write"))
    yield Until(lambda: input_events.top_level("dialog.page") is not None, "the file dialog opens")
    edit = yield from input_events.name_file("dialog.page", target)
    input_events.key(edit, "Return")
    yield Until(target.is_file, "the page is written", 600.0)
    result = input_events.child(dialog, "dialog.share.result", QLabel)
    yield Until(lambda: target.name in result.text(), "its size and a link are shown")
    yield 0.3
    tour.shot("share")
    browser = _Browser()
    QDesktopServices.setUrlHandler("file", browser, "open")  # pyright: ignore[reportArgumentType]  # bytes fail
    try:
        input_events.click(result, QPointF(20.0, result.height() / 2))
        yield Until(lambda: browser.opened == str(target), "the link opens the page")
    finally:
        QDesktopServices.unsetUrlHandler("file")
    tour.figures["shared_page_mb"] = round(target.stat().st_size / 1e6, 1)
    dialog.close()
    yield from input_events.take_keyboard(tour.window)


def run_experiment(tour: Director) -> Stage:
    """A quick run of the transect experiment from its panel, and its report opened."""
    explorer = tour.explorer
    yield from choose_tab(tour, "Experiments")
    view = explorer.experiments_view
    quick = input_events.child(view, "experiments.quick", QCheckBox)
    if not quick.isChecked():
        input_events.click(quick, QPointF(9, quick.height() / 2))
    yield 0.2
    start = input_events.child(view, "experiments.start")
    yield Until(start.isEnabled, "an experiment can be started")
    input_events.click(start)
    yield Until(lambda: view.listed, "the experiment is listed")
    folder = Path(view.listed[0])
    yield Until((folder / "runs").is_dir, "its first training begins", START_S)
    yield 2.0
    tour.shot("experiment")
    yield Until((folder / "report.html").is_file, "its report is written", 1200.0)
    browser = _Browser()
    QDesktopServices.setUrlHandler("file", browser, "open")  # pyright: ignore[reportArgumentType]  # bytes fail
    try:
        row = view.row(str(folder))
        button = input_events.child(row, "experiments.report")
        yield Until(button.isVisible, "the report can be opened")
        input_events.click(button)
        yield Until(lambda: bool(browser.opened), "the report opens")
    finally:
        QDesktopServices.unsetUrlHandler("file")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    tour.figures["quick_experiment_s"] = round(sum(model["train_s"] for model in report["models"]), 1)
    yield 0.5
    tour.shot("experiment-done")


def _steps(tour: Director) -> list[dict]:
    run = tour.explorer.open_run.run
    lines = run.metrics_path.read_text(encoding="utf-8").splitlines() if run.metrics_path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def _events(tour: Director, name: str) -> list[dict]:
    return [record for record in _steps(tour) if record.get("event") == name]


def start_training(tour: Director) -> Stage:
    """Choose the published dataset and the default preset, press Start."""
    explorer = tour.explorer
    yield from input_events.take_keyboard(tour.window)
    explorer.window.raise_dock("losses")
    input_events.key(explorer.cloud, "1")
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit")
    if tour.options.quick:
        for name, value in (("data.image_size", "64"), ("data.count", "1500")):
            yield from _fill(tour, name, value)
    before = explorer.open_run.run.path
    input_events.click(input_events.child(explorer.training_view, "training.start"))
    yield Until(lambda: explorer.open_run.run.path != before, "the new run opens", START_S)
    yield Until(lambda: explorer.state.training == "running", "the training runs", START_S)
    yield Until(lambda: explorer.state.embedding is not None, "the first cloud of the new run", START_S)
    tour.shot("training-started")


def _fill(tour: Director, name: str, value: str) -> Stage:
    field = input_events.child(tour.explorer.training_view, f"training.{name}")
    edit = field.findChild(QLineEdit) if isinstance(field, QAbstractSpinBox) else field
    if not isinstance(edit, QLineEdit):
        raise StageFailed(f"training.{name} has no field to type in")
    input_events.type_into(edit, value)
    yield 0.1


def watch_cloud(tour: Director) -> Stage:
    """The cloud folds: at least five updates of its points, and the event loop stays on time."""
    explorer = tour.explorer
    updates: list[object] = []
    explorer.watcher.embedding.connect(updates.append)
    with loop_lateness() as late_ms:
        yield Until(lambda: len(updates) >= 5, "5 cloud updates")
        yield 3.0
    explorer.watcher.embedding.disconnect(updates.append)
    tour.figures["cloud_updates"] = len(updates)
    tour.figures["loop_ms_p99_training"] = percentile(late_ms, 99)
    tour.shot("training")


def change_beta(tour: Director) -> Stage:
    """Change beta in flight; the trainer acknowledges it and the curves are marked."""
    before = len(_events(tour, "hyperparameters"))
    yield from _fill(tour, "live.beta", "0.0001")
    yield Until(lambda: len(_events(tour, "hyperparameters")) > before, "the trainer acknowledges the new beta")
    yield 1.0
    if abs(_events(tour, "hyperparameters")[-1].get("beta", 0) - 1e-4) > 1e-9:
        raise StageFailed("the trainer took another beta than was typed")
    tour.shot("beta")


def click_while_training(tour: Director) -> Stage:
    """Clicks answer while the trainer uses the machine."""
    click_ms, _ = yield from timed_clicks(tour, tour.options.clicks, 31)
    tour.figures["click_ms_p50_training"] = percentile(click_ms, 50)
    tour.figures["click_ms_p95_training"] = percentile(click_ms, 95)
    tour.figures["clicks_training"] = len(click_ms)
    tour.shot("click-training")


def pause_step_resume(tour: Director) -> Stage:
    """Pause, one step, resume."""
    explorer = tour.explorer
    view = explorer.training_view
    input_events.click(input_events.child(view, "training.pause"))
    yield Until(lambda: explorer.state.training == "paused", "the training pauses")
    yield Lasting(0.5)
    before = _last_step(tour)
    input_events.click(input_events.child(view, "training.step"))
    yield Until(lambda: _last_step(tour) == before + 1, "one step")
    yield Lasting(0.7)
    if _last_step(tour) != before + 1:
        raise StageFailed(f"one step became {_last_step(tour) - before}")
    tour.shot("paused")
    yield Until(lambda: input_events.child(view, "training.pause").isEnabled(), "Resume can be pressed")
    input_events.click(input_events.child(view, "training.pause"))
    yield Until(lambda: _last_step(tour) > before + 1, "the training goes on")


def _last_step(tour: Director) -> int:
    return max((record["step"] for record in _steps(tour) if record.get("kind") == "step"), default=0)


def stop_training(tour: Director) -> Stage:
    """Stop; the trainer saves and ends."""
    explorer = tour.explorer
    if tour.options.quick:
        yield Until(lambda: len(explorer.state.epochs) >= 2, "two epochs are stored")
    input_events.click(input_events.child(explorer.training_view, "training.stop"))
    yield Until(lambda: bool(_events(tour, "stopped")), "the trainer stops")
    yield Until(lambda: not explorer.training.active, "the window knows")
    yield 0.5
    tour.shot("stopped")


def replay(tour: Director) -> Stage:
    """Go back to the bundled model and replay how its cloud folded."""
    explorer = tour.explorer
    input_events.key(explorer.window, "Alt+F")
    yield 0.3
    input_events.key(explorer.window, "Escape")
    input_events.key(explorer.window, "Escape")
    explorer.window.actions_by_name["bundled"].trigger()
    yield Until(lambda: len(explorer.state.epochs) > 1, "the stored epochs are found")
    yield Until(lambda: explorer.state.embedding is not None, "the cloud of the bundled model")
    input_events.click(input_events.child(explorer.timeline_view, "timeline.play"))
    yield Until(lambda: explorer.state.epoch is not None, "the replay begins")
    yield 0.8
    tour.shot("replay")
    yield Until(lambda: explorer.state.epoch is None, "the replay ends at the newest")
