"""The dataset page: everything that an inspection found is said, nothing else is, and long lists can be copied."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLabel, QProgressBar, QSpinBox, QWidget

from core.config import RunConfig
from explorer.views.training import DatasetView
from explorer.views.training.dataset import estimate, facts, label_text, split_rows
from explorer.views.training.form import flatten

FOUND = {
    "kind": "folder of image files", "images": 1797, "size": [48, 64], "different_sizes": 3, "channels": 3,
    "pixels": {"8-bit colour": 1700, "16-bit grey": 97}, "values": [0, 4095],
    "classes": {"cat": 1000, "dog": 797},
    "labels": [
        {"name": "class", "kind": "class", "values": 2, "unknown": 0, "low": None, "high": None, "counts": {}},
        {"name": "age", "kind": "number", "values": 40, "unknown": 7, "low": 0.5, "high": 12.0, "counts": {}},
    ],
    "split": {"train": 1617, "validation": 180, "held_out": 0,
              "classes": {"train": {"cat": 820, "dog": 797}, "validation": {"cat": 180}}},
    "duplicates": {"images": 2, "examples": [["cat/1.png", "cat/2.png"]]},
    "constant": {"images": 1, "examples": ["dog/black.png"]},
    "skipped": [{"name": f"cat/broken {i}.png", "reason": "not an image <that> can be read"} for i in range(300)],
    "notes": ["Images are padded to squares."], "settings": {"data": {"image_size": 64}},
}  # fmt: skip


@pytest.fixture
def view(qtbot) -> DatasetView:
    made = DatasetView()
    qtbot.addWidget(made)
    made.resize(380, 700)
    made.show()
    return made


def child(view: DatasetView, name: str) -> QWidget:
    found = view.findChild(QWidget, f"dataset.{name}")
    assert found is not None
    return found


def sheet() -> QPixmap:
    made = QPixmap(600, 300)
    made.fill(QColor("red"))
    return made


def test_facts_and_split_say_what_was_found():
    assert facts(FOUND) == [
        ("Kind", "folder of image files"),
        ("Images", "1,797, in colour"),
        ("Size", "64 × 48 pixels, 2 other sizes"),
        ("Pixels", "1,700 8-bit colour, 97 16-bit grey, values 0 to 4095"),
        ("Label class", "2 classes"),
        ("Label age", "a number, 0.5 to 12, 7 not known"),
        ("Duplicates", "2 images equal to another, such as cat/2.png and cat/1.png"),
        ("Constant", "1 image of one level, such as dog/black.png"),
    ]
    assert split_rows(FOUND["split"]) == [
        ("Training", "1,617 images of 2 classes"),
        ("Validation", "180 images of 1 class; none of dog"),
    ]
    assert label_text({"kind": "number", "values": 0, "unknown": 3, "low": None, "high": None}) == (
        "a number, 3 not known"
    )


def test_time_and_memory_are_told_for_the_settings_with_which_they_were_measured():
    measured = {"seconds": 1617.0, "images_per_second": 100.0, "memory_bytes": 600_000_000}
    learning = {"epochs": 100, "batch_size": 16, "learning_rate": 0.002}
    settings = {"data": {"image_size": 64, "path": "x"}, "training": learning}
    found = {**FOUND, "settings": {**settings, "estimate": measured}}
    chosen = {"data.image_size": 64, "data.path": "y", "training.epochs": 100, "training.batch_size": 16}
    assert (
        estimate(found, chosen) == "On this machine about 26\xa0min\xa057\xa0s at 100 images/s, with 0.6 GB of memory."
    )
    assert "2\xa0min\xa042\xa0s" in estimate(found, {**chosen, "training.epochs": 10})
    assert "26\xa0min\xa057\xa0s" in estimate(found, {**chosen, "training.learning_rate": 0.1, "loss.beta": 1.0})
    for name, value in (("training.batch_size", 8), ("data.image_size", 32)):
        assert estimate(found, {**chosen, name: value}) == ""
    assert estimate(FOUND, chosen) == ""


def test_before_anything_is_chosen_the_page_says_how_to(view):
    said = []
    view.choose_requested.connect(said.append)
    assert child(view, "empty").isVisible()
    assert not child(view, "stop").isVisible()
    for name in ("choose.folder", "choose.file"):
        QTest.mouseClick(child(view, name), Qt.MouseButton.LeftButton)
    assert said == [True, False]


def test_reading_shows_how_long_it_takes_and_can_be_stopped(view, qtbot):
    view.set_reading(0.25, 30.0)
    assert child(view, "progress.text").text() == "Reading the images · 25% · 1\xa0min\xa030\xa0s\xa0left"
    bar = child(view, "progress")
    assert isinstance(bar, QProgressBar)
    assert bar.value() == 250
    with qtbot.waitSignal(view.stop_requested):
        QTest.mouseClick(child(view, "stop"), Qt.MouseButton.LeftButton)
    view.set_reading(0.0, 1000.0)
    assert "left" not in child(view, "progress.text").text(), "nobody can know yet"


def test_all_that_was_skipped_is_listed_and_copied(view):
    view.set_found(FOUND, sheet())
    assert 150 < child(view, "sheet").height() <= 190
    assert child(view, "skipped.title").text() == "Skipped (300)"
    text = child(view, "skipped")
    assert isinstance(text, QLabel)
    assert "cat/broken 0.png: not an image &lt;that&gt;" in text.text()
    assert "and 100 more" in text.text()
    child(view, "skipped.copy").click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert len(lines) == 300
    assert lines[-1] == "cat/broken 299.png: not an image <that> can be read"


def test_what_was_not_found_is_not_shown(view):
    plain = {**FOUND, "classes": {}, "labels": [], "skipped": [], "notes": [], "split": None}
    view.set_found(plain, QPixmap())
    for name in ("classes.title", "classes", "skipped", "skipped.copy", "notes", "sheet", "split"):
        assert not child(view, name).isVisible(), name


def test_many_classes_are_shown_when_asked_for(view):
    many = {f"species {i}": i + 1 for i in range(40)}
    view.set_found({**FOUND, "classes": many}, sheet())
    few = child(view, "classes").sizeHint().height()
    child(view, "classes.more").click()
    assert child(view, "classes").sizeHint().height() > 3 * few
    assert not child(view, "classes.more").isVisible()


def test_a_setting_is_shown_as_the_form_has_it_and_told_when_changed(view):
    said = []
    view.setting_edited.connect(lambda *values: said.append(values))
    view.set_settings(flatten(RunConfig()) | {"data.image_size": 48, "data.resize": "crop"})
    size, resize = child(view, "data.image_size"), child(view, "data.resize")
    assert isinstance(size, QSpinBox)
    assert isinstance(resize, QComboBox)
    assert (size.value(), resize.currentText(), said) == (48, "crop", [])
    size.setValue(50)
    assert said == [("data.image_size", 50)]


def test_a_training_that_runs_forbids_another(view, qtbot):
    view.set_found(FOUND, sheet())
    view.set_trainable("A training is running.")
    assert not child(view, "train").isEnabled()
    assert child(view, "train").toolTip() == "A training is running."
    view.set_trainable("")
    with qtbot.waitSignal(view.train_requested):
        QTest.mouseClick(child(view, "train"), Qt.MouseButton.LeftButton)


def test_an_error_takes_the_place_of_what_was_found(view, qtbot):
    view.set_found(FOUND, sheet())
    view.set_error("It holds no image.")
    assert child(view, "error").isVisible()
    with qtbot.waitSignal(view.again_requested):
        QTest.mouseClick(child(view, "again"), Qt.MouseButton.LeftButton)
