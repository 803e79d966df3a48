"""The dialog that saves figures: it shows what is set, tells what a person changes, and where the file will be."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QPushButton, QSpinBox, QWidget

from explorer.views.figure import FigureChoice, FigureDialog, FigureKind

KINDS = (
    FigureKind("cloud", "Cloud"),
    FigureKind("film", "Film strip", "Needs a path."),
    FigureKind("losses", "Losses"),
)
CHOICE = FigureChoice("losses", "dark", 8.5, 6.0, 7.5, "svg", 200, False, 5, 3, "bicubic", False, True)


@pytest.fixture
def dialog(qtbot, tmp_path) -> FigureDialog:
    made = FigureDialog()
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture closes it, too
    qtbot.addWidget(made)
    made.set_kinds(KINDS)
    made.set_target(tmp_path, "run-cloud")
    made.show()
    qtbot.waitExposed(made)
    return made


def part(dialog, kind: type, name: str):
    found = dialog.findChild(kind, f"figure.{name}")
    assert found is not None, name
    return found


def test_settings_are_shown_and_read_back(dialog, qtbot):
    with qtbot.assertNotEmitted(dialog.changed):
        dialog.set_choice(CHOICE)
    assert dialog.choice == CHOICE


def test_each_change_is_told(dialog, qtbot):
    part(dialog, QSpinBox, "dpi").setFocus()
    with qtbot.waitSignal(dialog.changed):
        QTest.keyClick(part(dialog, QSpinBox, "dpi"), Qt.Key.Key_Up)
    assert dialog.choice.dpi == 350
    with qtbot.waitSignal(dialog.changed):
        QTest.keyClick(part(dialog, QComboBox, "format"), Qt.Key.Key_Down)
        part(dialog, QComboBox, "format").activated.emit(1)
    assert dialog.choice.format == "svg"


def test_what_is_about_to_be_typed_over_is_not_changed_meanwhile(dialog, qtbot, tmp_path):
    name = part(dialog, QLineEdit, "name")
    dialog.activateWindow()
    name.setFocus()
    qtbot.waitUntil(name.hasFocus)
    name.selectAll()
    for suggestion in ("run-cloud", "run-epoch-2-cloud"):  # looked for again; a training goes on
        dialog.set_target(tmp_path, suggestion)
    QTest.keyClicks(name, "mine")
    assert dialog.target == tmp_path / "mine.png"
    name.clear()
    dialog.set_target(tmp_path, "run-epoch-3-cloud")
    assert name.text() == ""


def test_a_figure_that_cannot_be_is_grey_and_says_why(dialog):
    model = part(dialog, QComboBox, "kind").model()
    enabled = [bool(model.index(i, 0).flags() & Qt.ItemFlag.ItemIsEnabled) for i in range(3)]
    assert enabled == [True, False, True]
    assert model.index(1, 0).data(Qt.ItemDataRole.ToolTipRole) == "Needs a path."


@pytest.mark.parametrize(("kind", "shown"), [("cloud", False), ("film", True)])
def test_only_settings_of_the_figure_are_shown(dialog, kind, shown):
    dialog.set_choice(FigureChoice(kind))
    assert part(dialog, QSpinBox, "columns").isVisible() == shown
    assert part(dialog, QWidget, "title").isVisible()


def test_the_size_in_pixels_is_that_of_the_page(dialog):
    dialog.set_choice(FigureChoice("cloud", width=10.0, dpi=254))
    dialog.set_preview(QPixmap(10, 5), 5.0, ["4 points"])
    assert part(dialog, QWidget, "pixels").text() == "10 × 5.0 cm = 1,000 × 500 pixels"
    assert dialog.notes.text() == "4 points"


def test_the_file_is_named_after_the_figure_until_a_person_names_it(dialog, tmp_path):
    assert dialog.target == tmp_path / "run-cloud.png"
    dialog.set_target(tmp_path, "run-losses")
    assert dialog.target == tmp_path / "run-losses.png"
    name = part(dialog, QLineEdit, "name")
    name.selectAll()
    QTest.keyClicks(name, "mine")
    dialog.set_target(tmp_path, "run-cloud")
    assert dialog.target == tmp_path / "mine.png"


def test_replacing_a_file_is_said_before_it_happens(dialog, tmp_path, qtbot):
    save = dialog.findChild(QPushButton, "dialog.figure.accept")
    assert save.text() == "Save"
    dialog.set_target(tmp_path, "run-cloud")
    assert not dialog.replaces(dialog.target)
    dialog.set_taken(dialog.target, True)
    assert dialog.replaces(dialog.target)
    assert save.text() == "Replace"
    assert "would be replaced" in dialog.status.text()
    dialog.set_preview(QPixmap(10, 5), 5.0, [])
    with qtbot.waitSignal(dialog.save_requested) as asked:
        QTest.mouseClick(save, Qt.MouseButton.LeftButton)
    assert Path(asked.args[0]) == tmp_path / "run-cloud.png"
    dialog.set_saved(tmp_path / "run-cloud.png", "Saved it")
    assert (save.text(), dialog.status.text()) == ("Save", "Saved it")  # it is the dialog's own now


def test_return_saves_but_in_a_number_it_only_ends_the_typing(dialog, qtbot):
    dialog.set_preview(QPixmap(10, 5), 5.0, [])
    width = part(dialog, QDoubleSpinBox, "width")
    width.setFocus()
    width.selectAll()
    QTest.keyClicks(width, "12")
    with qtbot.assertNotEmitted(dialog.save_requested):
        QTest.keyClick(width, Qt.Key.Key_Return)
    assert dialog.choice.width == 12.0
    name = part(dialog, QLineEdit, "name")
    name.setFocus()
    with qtbot.waitSignal(dialog.save_requested):
        QTest.keyClick(name, Qt.Key.Key_Return)


def test_without_a_figure_nothing_can_be_saved(dialog):
    dialog.set_missing("Needs a path.")
    assert dialog.preview.words == "Needs a path."
    assert not dialog.findChild(QPushButton, "dialog.figure.accept").isEnabled()


def test_a_height_that_no_page_has_means_as_high_as_needed(dialog):
    part(dialog, QDoubleSpinBox, "height").setValue(0.5)
    assert dialog.choice.height == 0.0


@pytest.mark.parametrize("close", [lambda dialog: QTest.keyClick(dialog, Qt.Key.Key_Escape), FigureDialog.close])
def test_however_it_closes_that_is_told_once(dialog, qtbot, close):
    told = []
    dialog.closed.connect(lambda: told.append(dialog.isVisible()))
    close(dialog)
    assert told == [False]
