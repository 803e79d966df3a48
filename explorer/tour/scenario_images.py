"""Stages on a person's own images: a folder is dropped, looked at, trained on, coloured by class, trained further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QComboBox, QLineEdit, QScrollArea, QSpinBox, QWidget

from core.runs.metrics_log import read_metrics
from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until
from explorer.widgets.image_conversion import to_image

QUICK_IMAGES, QUICK_EPOCHS, MORE_EPOCHS = 240, 20, 2
TRAIN_S = 1200.0  # until a training on digits has begun, or ended: on a busy machine both take long


def _write_digits(folder: Path, most: int | None) -> int:
    """scikit-learn's digits as PNG files in a folder for each class; returns how many."""
    from sklearn.datasets import load_digits

    pixels, kinds = load_digits(return_X_y=True)
    images = np.rint(pixels[:most] * (255.0 / 16.0)).astype(np.uint8).reshape(-1, 8, 8, 1)
    for number, (image, kind) in enumerate(zip(images, kinds.tolist(), strict=False)):
        target = folder / str(kind) / f"{number:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        made: QImage = to_image(image)
        if not made.save(str(target)):
            raise StageFailed(f"{target} could not be written")
    return len(images)


def drop_folder(tour: Director) -> Stage:
    """Drag a folder of images over the window, and drop it."""
    explorer = tour.explorer
    folder = (tour.options.out / "digits").resolve()
    count = _write_digits(folder, QUICK_IMAGES if tour.options.quick else None)
    tour.figures["digits"] = count
    yield from input_events.take_keyboard(tour.window)
    input_events.drag_file(explorer.window, folder)
    yield 0.5
    if not input_events.child(explorer.window, "window.hint").isVisible():
        raise StageFailed("the window does not say that a folder can be dropped")
    tour.shot("drag-folder")
    input_events.drop_file(explorer.window, folder)
    yield Until(explorer.dataset_view.isVisible, "the dataset page opens")


def inspect(tour: Director) -> Stage:
    """The page says what the images are."""
    explorer = tour.explorer
    yield Until(lambda: not explorer.dataset.reading, "the images are read")
    title = input_events.child(explorer.dataset_view, "dataset.classes.title")
    if not title.isVisible() or "10 classes" not in str(title.property("text")):
        raise StageFailed(f"the page does not show ten classes, but {title.property('text')!r}")
    if explorer.training_view.form.values()["data.image_size"] != 8:
        raise StageFailed("the image size does not follow from the images")
    yield 0.5
    tour.shot("inspect")


def _spin(root: QWidget, name: str, value: int) -> Stage:
    edit = input_events.child(input_events.child(root, name, QSpinBox), "qt_spinbox_lineedit", QLineEdit)
    input_events.type_into(edit, str(value))
    yield 0.2


def train_digits(tour: Director) -> Stage:
    """Train on them with the settings that follow."""
    explorer = tour.explorer
    before = explorer.open_run.run.path
    if tour.options.quick:
        area = input_events.child(explorer.dataset_view, "dataset.scroll", QScrollArea)
        area.ensureWidgetVisible(input_events.child(area, "dataset.training.epochs"))
        yield 0.3
        yield from _spin(explorer.dataset_view, "dataset.training.epochs", QUICK_EPOCHS)
    train = input_events.child(explorer.dataset_view, "dataset.train")
    input_events.click(train)
    yield Until(lambda: explorer.open_run.run.path != before, "the new run opens", TRAIN_S)
    yield Until(lambda: explorer.state.embedding is not None, "the first cloud of the digits", TRAIN_S)
    yield 0.5
    tour.shot("digits-training")
    yield Until(lambda: explorer.state.training == "finished", "the training ends", TRAIN_S)
    yield 0.5


def colour_by_class(tour: Director) -> Stage:
    """Ten classes in ten colours, with their counts."""
    explorer = tour.explorer
    box = input_events.child(explorer.points, "points.color_by", QComboBox)
    yield from input_events.choose(box, 1)
    yield from input_events.choose(box, box.findText("class"))
    legend = explorer.cloud.legend
    yield Until(lambda: legend.isVisible() and len(legend.entries) == 10, "the list of ten classes")
    if sum(entry.count for entry in legend.entries) != explorer.cloud.point_count:
        raise StageFailed("the counts of the classes are not the number of points")
    yield 0.5
    tour.shot("classes")


def click_class_away(tour: Director) -> Stage:
    """A click hides a class, Ctrl and a click show it alone, a double-click brings all back."""
    explorer, legend = tour.explorer, tour.explorer.cloud.legend
    shown = explorer.cloud_control
    place = legend.entries[3].place
    input_events.click(legend, legend.row_rect(3).center())
    yield Until(lambda: explorer.state.hidden == frozenset({place}), "the class is hidden")
    count = legend.entries[3].count
    yield Until(lambda: int((shown.colours[:, 3] == 0).sum()) == count, "its points, and no others, are not drawn")
    yield 0.3
    tour.shot("class-hidden")
    input_events.click(legend, legend.row_rect(3).center(), control=True)
    yield Until(lambda: len(explorer.state.hidden) == 9, "the class is shown alone")
    yield 0.3
    tour.shot("class-alone")
    input_events.double_click(legend, legend.row_rect(3).center())
    yield Until(lambda: not explorer.state.hidden, "all classes are back")


def extend_run(tour: Director) -> Stage:
    """Continue the run for some more epochs."""
    explorer, view = tour.explorer, tour.explorer.training_view
    done = explorer.state.epochs[-1]
    input_events.click(input_events.child(view, "training.continue"))
    yield 0.3
    yield from _spin(view, "training.continue.epochs", done + MORE_EPOCHS)
    tour.shot("continue")
    input_events.click(input_events.child(view, "training.continue.start"))
    yield Until(lambda: explorer.state.epochs[-1] == done + MORE_EPOCHS, "the run has more epochs", TRAIN_S)
    yield Until(lambda: explorer.state.training == "finished", "the run ends again", TRAIN_S)
    resumed = [
        record for record in read_metrics(explorer.open_run.run.metrics_path) if record.get("event") == "started"
    ]
    if len(resumed) != 2:
        raise StageFailed(f"the run was started {len(resumed)} times, not twice")
    yield 0.5
    tour.shot("extended")
