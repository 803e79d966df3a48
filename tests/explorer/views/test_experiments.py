"""The experiments panel: the form that starts one, and a row for each that there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QProgressBar, QToolButton, QWidget

from explorer.views.experiments import ACTIVE, KINDS, RESUMABLE, Experiment, ExperimentsView
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.theme import DARK, LIGHT, apply_theme

LEFT = Qt.MouseButton.LeftButton
STATES = (*ACTIVE, *RESUMABLE, "finished")
BUTTONS = ("watch", "cancel", "resume", "report", "folder", "log")
BEGUN = datetime(2026, 1, 2, 3, 4)
RUN = Path("run")
RUNNING = Experiment(Path("a"), "transects", 3, False, BEGUN, "running", 0.25, "default, seed 1", 95.0, RUN)
FINISHED = Experiment(
    Path("b"), "transects", 1, True, BEGUN, "finished", 1.0, numbers="Excess BCE 0.0011", numbers_tip="what it is",
    has_report=True,
)  # fmt: skip
WRONG = "gamma is -1; it must be 0 or more."
FAILED = Experiment(Path("c"), "entanglement", 1, False, BEGUN, "failed", 0.4, WRONG, log="tail")


@pytest.fixture
def view(qapp, qtbot) -> ExperimentsView:
    apply_theme(qapp, DARK)  # the program's own sizes of fonts and controls
    made = ExperimentsView()
    qtbot.addWidget(made)
    made.resize(694, 187)  # the dock of a window of 1280 × 720
    made.show()
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    view.form.start_requested.connect(lambda *values: heard.append(("start", *values)))
    view.action_requested.connect(lambda *values: heard.append(values))
    return heard


def _find(view: QWidget, name: str) -> QWidget:
    found = view.findChild(QWidget, f"experiments.{name}")
    assert found is not None, name
    return found


def _label(view: QWidget, name: str) -> str:
    found = _find(view, name)
    return found.text() if isinstance(found, ElidedLabel) else found.property("text")


def _click(view: QWidget, name: str) -> None:
    button = _find(view, name)
    where = QPoint(8, button.height() // 2) if name == "quick" else QPoint()
    QTest.mouseClick(button, LEFT, pos=where)


# the form


def test_start_carries_what_the_form_says(view, said):
    _click(view, "start")
    assert said == [("start", "transects", 3, False)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_choosing_an_experiment_shows_its_question_and_what_it_does(view, said, kind):
    _click(view, f"kind.{kind.name}")
    assert _label(view, "question") == kind.question
    assert _label(view, "explanation") == kind.explanation
    _click(view, "start")
    assert said == [("start", kind.name, 3, False)]


def test_seeds_are_typed_from_1_to_10(view, said):
    seeds = _find(view, "seeds")
    seeds.setFocus()
    seeds.selectAll()
    QTest.keyClicks(seeds, "10")
    _click(view, "start")
    assert said == [("start", "transects", 10, False)]
    assert (seeds.minimum(), seeds.maximum()) == (1, 10)


def test_quick_has_one_seed_and_says_how_long_it_takes(view, said):
    assert "hours" in _label(view, "note")
    _click(view, "quick")
    assert "minutes" in _label(view, "note")
    assert "one seed" in _label(view, "note")
    assert not _find(view, "seeds").isEnabled()
    _click(view, "start")
    assert said == [("start", "transects", 1, True)]


def test_a_reason_not_to_start_stands_beside_the_button(view, said):
    view.set_items([FAILED])
    view.set_blocked("An experiment is running")
    assert _label(view, "note") == "An experiment is running"
    _click(view, "start")
    _click(view.row("c"), "resume")
    assert said == []
    view.set_blocked("")
    _click(view, "start")
    _click(view.row("c"), "resume")
    assert said == [("start", "transects", 3, False), ("resume", "c")]


# the list


def test_without_experiments_the_panel_says_what_to_do_and_where_they_go(view):
    view.set_folder("/runs/experiments")
    empty = view.findChild(QLabel, "experiments.empty")
    assert empty.isVisible()
    assert "press Start" in empty.text()
    assert "/runs/experiments" in empty.text()
    view.set_items([RUNNING])
    assert not empty.isVisible()
    view.set_items([])
    assert empty.isVisible()


def test_experiments_are_listed_in_the_given_order(view):
    view.set_items([RUNNING, FAILED])
    view.set_items([FINISHED, RUNNING, FAILED])
    assert view.listed == ["b", "a", "c"]
    tops = [view.row(key).mapTo(view, QPoint()).y() for key in view.listed]
    assert tops == sorted(tops)
    view.set_items([FAILED, FINISHED])
    assert view.listed == ["c", "b"]


def test_a_row_says_what_was_asked_for_when_and_whether_elsewhere(view):
    named = replace(RUNNING, begun=datetime(2020, 1, 2, 3, 4), local=False)
    assert (named.title, named.subtitle) == ("Transects", "3 seeds · 2 Jan 2020 03:04 · elsewhere")
    assert replace(named, name="mine", quick=True, local=True).title == "mine"
    assert replace(named, quick=True, local=True).subtitle == "quick · 2 Jan 2020 03:04"
    assert replace(named, seeds=None, local=True).subtitle == "2 Jan 2020 03:04"


def test_a_row_that_stays_is_the_same_widget_and_keeps_the_keyboard(view, qtbot):
    view.set_items([RUNNING])
    row = view.row("a")
    cancel = _find(row, "cancel")
    cancel.setFocus()
    view.set_items([replace(RUNNING, fraction=0.5), FINISHED])
    assert view.row("a") is row
    assert view.focusWidget() is cancel


def test_a_running_one_shows_its_share_its_time_left_and_what_it_does(view):
    view.set_items([RUNNING])
    row = view.row("a")
    bar = row.findChild(QProgressBar, "experiments.progress")
    assert bar.isVisible()
    assert bar.value() == bar.maximum() // 4
    assert _label(row, "text") == "25% · 1\xa0min\xa035\xa0s\xa0left · default, seed 1"
    assert _label(row, "state") == "Running"


@pytest.mark.parametrize("state", STATES)
def test_each_state_offers_what_can_be_done_with_it(view, said, state: str):
    view.set_items([replace(RUNNING, state=state, has_report=True, log="tail")])
    row = view.row("a")
    offered = {name for name in BUTTONS if _find(row, name).isVisible()}
    wanted = {
        **{active: {"watch", "cancel"} for active in ACTIVE},
        "stopped": {"resume"},
        "failed": {"resume", "log"},
        "interrupted": {"resume", "log"},
        "finished": {"report"},
    }
    assert offered == wanted[state] | {"folder"}
    assert row.findChild(QProgressBar, "experiments.progress").isVisible() is (state in ACTIVE)
    assert _find(row, "cancel").isEnabled() is (state != "stopping")
    assert said == []


def test_buttons_tell_which_experiment_is_meant(view, said):
    view.resize(720, 400)
    view.set_items([RUNNING, FINISHED, FAILED])
    for key, name in (("a", "watch"), ("a", "cancel"), ("b", "report"), ("b", "folder"), ("c", "resume")):
        _click(view.row(key), name)
    assert said == [("watch", "a"), ("cancel", "a"), ("report", "b"), ("folder", "b"), ("resume", "c")]


def test_a_run_that_is_not_there_yet_cannot_be_watched(view):
    view.set_items([replace(RUNNING, run=None)])
    assert not _find(view.row("a"), "watch").isEnabled()


def test_a_report_that_is_gone_can_be_written_again(view, said):
    view.set_items([replace(FINISHED, has_report=False)])
    assert not _find(view.row("b"), "report").isVisible()
    assert "report is missing" in _label(view.row("b"), "text")
    _click(view.row("b"), "resume")
    assert said == [("resume", "b")]


@pytest.mark.parametrize("state", ["stopped", "interrupted", "stopping"])
def test_ending_early_says_that_nothing_is_lost(view, state: str):
    view.set_items([replace(RUNNING, state=state, fraction=0.4)])
    assert "saved" in _label(view.row("a"), "text")
    assert "saved" in _find(view.row("a"), "cancel").toolTip()


def test_a_finished_one_shows_its_numbers_and_explains_them(view):
    view.set_items([FINISHED])
    text = _find(view.row("b"), "text")
    assert _label(view.row("b"), "text") == "Excess BCE 0.0011"
    assert text.toolTip() == "what it is"


def test_a_failed_one_says_why_and_unfolds_its_log(view):
    view.set_items([FAILED])
    row = view.row("c")
    assert _label(row, "text") == FAILED.message
    assert _find(row, "text").property("role") == "error"
    assert not _find(row, "log.text").isVisible()
    _click(row, "log")
    assert _find(row, "log.text").isVisible()
    assert _label(row, "log.text") == "tail"
    view.set_items([replace(FAILED, state="running")])
    assert not _find(row, "log.text").isVisible()


def test_it_tells_when_it_comes_on_screen(view, qtbot):
    view.hide()
    with qtbot.waitSignal(view.shown):
        view.show()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_control_has_a_name_a_tip_and_in_both_themes_a_drawing(view, theme, use_theme):
    view.set_items([RUNNING, FINISHED, FAILED])
    use_theme(theme)
    for key in view.listed:
        for button in view.row(key).findChildren(QToolButton):
            assert button.toolTip()
            assert button.accessibleName()
            assert not button.icon().isNull()
    for name in ("seeds", "quick", "start", *(f"kind.{kind.name}" for kind in KINDS)):
        assert _find(view, name).toolTip()


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_form_fits_the_dock_without_scrolling(view, kind, quick: bool):
    _click(view, f"kind.{kind.name}")
    if quick:
        _click(view, "quick")
    scroll = _find(view, "form.scroll")
    assert scroll.verticalScrollBar().maximum() == 0
