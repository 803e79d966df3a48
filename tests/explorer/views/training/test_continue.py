"""Going on with the open run from the training panel: when it is offered, what can be changed, and what is advised."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QSpinBox, QWidget

from core.config import LossConfig, RunConfig, TrainingConfig
from explorer.views.training import Advice, TrainingView

LEFT = Qt.MouseButton.LeftButton
CONFIG = RunConfig(training=TrainingConfig(epochs=12, learning_rate=1.23456789e-5), loss=LossConfig(beta=3e-6))


@pytest.fixture
def view(qtbot) -> TrainingView:
    made = TrainingView()
    qtbot.addWidget(made)
    made.resize(280, 700)
    made.set_continuable(CONFIG, 12)
    made.set_state("finished")
    made.show()
    return made


@pytest.fixture
def asked(view) -> list:
    heard: list = []
    view.continue_requested.connect(heard.append)
    return heard


def find(view: QWidget, name: str) -> QWidget:
    found = view.findChild(QWidget, f"training.{name}")
    assert found is not None, name
    return found


def unfold(view: QWidget) -> None:
    QTest.mouseClick(find(view, "continue"), LEFT)


def type_into(field: QWidget, text: str) -> None:
    edit = field.findChild(QLineEdit)
    assert edit is not None
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key.Key_Return)


@pytest.mark.parametrize("state", ["stopped", "finished", "interrupted", "failed"])
def test_a_run_that_has_ended_can_go_on(view, state: str):
    view.set_state(state)
    assert find(view, "continue").isVisible()
    unfold(view)
    assert find(view, "continue.start").isVisible()


@pytest.mark.parametrize("state", ["idle", "starting", "running", "paused", "stopping"])
def test_one_that_runs_or_is_not_there_cannot(view, state: str):
    unfold(view)
    view.set_state(state)
    assert not find(view, "continue").isVisible()
    assert not find(view, "continue.form").isVisible()


def test_without_an_open_run_nothing_is_offered(view):
    view.set_continuable(None)
    assert not find(view, "continue").isVisible()


def test_the_fields_hold_what_the_run_has_and_a_finished_one_as_many_epochs_again(view, asked):
    unfold(view)
    QTest.mouseClick(find(view, "continue.start"), LEFT)
    assert asked == [
        {
            "training.epochs": 24,
            "training.batch_size": 16,
            "training.device": "auto",
            "training.learning_rate": 1.23456789e-5,
            "loss.beta": 3e-6,
        }
    ]


def test_a_run_that_was_stopped_keeps_its_number_of_epochs(view):
    view.set_continuable(CONFIG, 7)
    field = find(view, "continue.epochs")
    assert isinstance(field, QSpinBox)
    assert (field.value(), field.minimum()) == (12, 7)
    assert "7 that are done" in field.toolTip()


def test_epochs_rate_batch_size_and_beta_are_typed_and_asked_for(view, asked):
    unfold(view)
    for name, text in (("epochs", "40"), ("learning_rate", "1e-3"), ("batch_size", "32"), ("beta", "0.5")):
        type_into(find(view, f"continue.{name}"), text)
    QTest.mouseClick(find(view, "continue.start"), LEFT)
    (values,) = asked
    assert values | {"training.device": "auto"} == {
        "training.epochs": 40,
        "training.learning_rate": 1e-3,
        "training.batch_size": 32,
        "training.device": "auto",
        "loss.beta": 0.5,
    }


def test_gamma_is_there_only_with_an_entanglement(view):
    unfold(view)
    assert not find(view, "continue.gamma").isVisible()
    view.set_continuable(dataclasses.replace(CONFIG, loss=LossConfig(entanglement="dip", gamma=0.1)), 12)
    assert find(view, "continue.gamma").isVisible()


def test_it_says_what_stays_and_why(view):
    unfold(view)
    note = find(view, "continue.fixed")
    assert isinstance(note, QLabel)
    assert "network" in note.text()
    assert "weights were learned with them" in note.text()


def test_an_obstacle_is_said_where_the_button_is(view):
    view.set_continuable(CONFIG, 12, "This run was handed on without its checkpoints.")
    assert not find(view, "continue").isEnabled()
    assert "without its checkpoints" in find(view, "continue").toolTip()
    assert not find(view, "continue.form").isVisible()


def test_advice_is_a_sentence_and_a_button_that_does_it(view, asked):
    view.set_state("failed", "the loss is nan")
    view.set_advice(
        [Advice("It has diverged.", "Continue with learning rate 0.0002", {"training.learning_rate": 2e-4})]
    )
    button = find(view, "advice.0.action")
    assert isinstance(button, QPushButton)
    assert find(view, "advice.0.text").isVisible()
    QTest.mouseClick(button, LEFT)
    assert asked == [{"training.learning_rate": 2e-4}]
    view.set_state("running")
    assert not button.isVisible()
    view.set_advice([])
    view.set_state("failed")
    assert not find(view, "advice").isVisible()


def test_the_panel_fits_a_dock_of_280_pixels_with_all_of_it(view):
    view.set_continuable(dataclasses.replace(CONFIG, loss=LossConfig(entanglement="dip", gamma=0.1)), 12)
    unfold(view)
    view.set_advice(
        [Advice("The latent space is collapsed. " * 5, "Continue from the last checkpoint with learning rate 0.0002")]
    )
    assert view.minimumSizeHint().width() <= 280
