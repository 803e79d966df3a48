"""The comparison panel: choosing a run, choosing the input, and three images with their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMenu, QPushButton, QToolButton, QToolTip, QWidget

from explorer.views.compare import CompareView, Kind
from explorer.widgets.theme import DARK, LIGHT

NAMES = ("weekday", "sunday")
MU = (np.array([0.5, -1.25, 2.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))


@pytest.fixture
def view(qtbot) -> CompareView:
    made = CompareView(QWidget())
    qtbot.addWidget(made)
    made.resize(560, 520)
    made.show()
    qtbot.waitExposed(made)
    return made


def flat(level: int, size: int = 32, channels: int = 1) -> np.ndarray:
    return np.full((size, size, channels), level, np.uint8)


def button(view: CompareView, name: str) -> QPushButton:
    return view.findChild(QPushButton, name)


def menu(view: CompareView, act) -> None:
    """Open the list of runs as a click does, and do ``act`` with it."""
    chooser = view.findChild(QToolButton, "compare.choose")
    QTimer.singleShot(0, lambda: (act(chooser.menu()), chooser.menu().close()))
    QTest.mouseClick(chooser, Qt.MouseButton.LeftButton)


def trigger(opened: QMenu, text: str) -> None:
    next(action for action in opened.actions() if text in action.text()).trigger()


def compare(view: CompareView, **fields) -> None:
    view.set_run("/runs/sunday", "compact · 5 latent dimensions")
    view.set_images(flat(10), flat(10), NAMES, MU, (0.00123, 0.00456), **fields)


# which run


def test_without_a_second_run_it_says_what_to_do(view):
    view.set_empty("Choose a second run.")
    assert "Choose a second run" in view.findChild(QLabel, "compare.empty").text()
    assert view.findChild(QLabel, "compare.empty").isVisible()
    assert not button(view, "compare.close").isVisible()


def test_the_list_of_recent_runs_is_asked_for_when_it_opens(view, qtbot):
    view.runs_wanted.connect(lambda: view.set_recent(["/runs/monday", "/runs/R&D"]))
    seen: list[str] = []
    menu(view, lambda opened: seen.extend(action.text() for action in opened.actions() if action.text()))
    assert seen == ["/runs/monday", "/runs/R&&D", "Choose folder…"]


def test_a_recent_run_is_chosen_from_the_list(view, qtbot):
    view.set_recent(["/runs/monday", "/runs/R&D"])
    with qtbot.waitSignal(view.run_chosen) as chosen:
        menu(view, lambda opened: trigger(opened, "R&&D"))
    assert chosen.args == ["/runs/R&D"]


def test_any_folder_is_chosen_by_a_dialog(view, qtbot, tmp_path: Path):
    menu(view, lambda opened: trigger(opened, "Choose folder"))
    dialog = view.window().findChild(QFileDialog, "dialog.compare")
    assert dialog is not None
    assert not dialog.isModal()
    with qtbot.waitSignal(view.run_chosen) as chosen:
        dialog.fileSelected.emit(str(tmp_path))
    dialog.close()
    assert chosen.args == [str(tmp_path)]


def test_a_second_run_is_named_and_can_be_closed(view, qtbot):
    view.set_run("/runs/sunday", "compact · 3 latent dimensions")
    assert view.title.text() == "sunday"
    assert view.title.toolTip() == "/runs/sunday"
    assert not view.findChild(QLabel, "compare.empty").isVisible()
    with qtbot.waitSignal(view.close_requested):
        QTest.mouseClick(button(view, "compare.close"), Qt.MouseButton.LeftButton)


def test_trouble_is_shown_until_it_is_over(view):
    view.set_message("/runs/sunday does not exist; give the folder of a run.")
    assert view.findChild(QLabel, "compare.message").isVisible()
    assert view.findChild(QLabel, "compare.message").property("role") == "error"
    view.set_message("Opening the model…", error=False)
    assert view.findChild(QLabel, "compare.message").property("role") == "muted"
    view.set_message("")
    assert not view.findChild(QLabel, "compare.message").isVisible()


def test_becoming_visible_is_told(view, qtbot):
    view.hide()
    with qtbot.waitSignal(view.shown):
        view.show()


# which input


@pytest.mark.parametrize("kind", list(Kind))
def test_the_input_is_chosen_by_a_click(view, qtbot, kind: Kind):
    view.set_run("/runs/sunday")
    with qtbot.waitSignal(view.kind_chosen) as chosen:
        QTest.mouseClick(button(view, f"compare.kind.{kind}"), Qt.MouseButton.LeftButton)
    assert chosen.args == [str(kind)]


def test_setting_the_input_is_silent(view, qtbot):
    with qtbot.assertNotEmitted(view.kind_chosen, wait=20):
        view.set_kind(Kind.LATENT)
    assert view.kind == "latent"
    assert not button(view, "compare.kind.image").isChecked()


def test_an_input_that_cannot_be_says_why(view):
    view.set_kinds({Kind.LATENT: "The runs have 3 and 5 latent dimensions."})
    latent = button(view, "compare.kind.latent")
    assert not latent.isEnabled()
    assert latent.toolTip() == "The runs have 3 and 5 latent dimensions."
    view.set_kinds({})
    assert latent.isEnabled()
    assert "probe" in latent.toolTip()


# the images


def test_each_image_has_its_run_and_its_numbers(view):
    compare(view)
    first, second, difference = view.images.pictures
    assert (first.title, second.title, difference.title) == ("weekday", "sunday", "Difference")
    assert first.lines == (("excess BCE 0.0012", "0.0012"), ("μ  0.50  -1.25  2.00",))
    assert second.lines == (("excess BCE 0.0046", "0.0046"), ("μ  1.00  2.00  3.00  …",))
    assert "4.0000, 5.0000" in second.tooltip


def test_the_difference_is_second_less_first(view):
    view.set_run("/runs/sunday")
    view.set_images(flat(0), flat(51), NAMES, MU)
    difference = view.images.pictures[2]
    assert difference.lines == (("diff. ±0.25", "±0.25"), ("mean |diff.| 0.2", "mean 0.2"))
    colour = difference.image.pixelColor(5, 5)
    assert colour.red() > colour.blue()
    view.set_images(flat(51), flat(0), NAMES, MU)
    colour = view.images.pictures[2].image.pixelColor(5, 5)
    assert colour.blue() > colour.red()


def test_equal_images_differ_nowhere(view):
    compare(view)
    assert view.images.pictures[2].lines[1][0] == "mean |diff.| 0"


def test_a_latent_point_has_no_loss(view):
    z = np.array([1.0, 2.0, 3.0])
    view.set_images(flat(10), flat(20), NAMES, (z, z))
    assert view.images.pictures[0].lines == (("z  1.00  2.00  3.00",),)
    assert "same latent point" in view.images.pictures[0].tooltip


def test_without_images_it_says_how_to_get_them(view):
    compare(view)
    view.set_images(None, None, text="Click a point of either cloud.")
    assert view.images.pictures == ()
    assert view.images.accessibleDescription() == "Click a point of either cloud."


def test_colour_images_are_compared_too(view):
    view.set_images(flat(10, channels=3), flat(20, channels=3), NAMES, MU)
    assert len(view.images.pictures) == 3


def test_what_may_be_cut_off_is_in_the_tooltip(view, qtbot):
    compare(view)
    QApplication.processEvents()
    spot = QPoint(view.images.width() // 2, view.images.height() // 2)
    event = QHelpEvent(QEvent.Type.ToolTip, spot, view.images.mapToGlobal(spot))
    QApplication.sendEvent(view.images, event)
    qtbot.waitUntil(lambda: "sunday" in QToolTip.text())
    QToolTip.hideText()


@pytest.mark.parametrize("width", [380, 560, 900])
def test_the_three_images_fit_at_any_width(view, width: int):
    view.resize(width, 620)
    compare(view)
    QApplication.processEvents()
    assert view.width() == width
    panes = view.images
    assert panes.geometry().right() <= width
    assert panes.height() >= panes.minimumSizeHint().height()


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_it_is_drawn_in_either_theme(view, theme, use_theme):
    use_theme(theme)
    compare(view)
    assert not view.grab().toImage().isNull()


def test_a_note_takes_no_room_when_there_is_none(view):
    view.set_run("/runs/sunday")
    view.set_note("Sample 12 · a = 1.2")
    assert view.note.text() == "Sample 12 · a = 1.2"
    view.set_note("")
    assert not view.findChild(QLabel, "compare.note").isVisible()
