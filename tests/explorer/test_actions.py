"""The table of commands: complete, free of clashes, and the one source of menus, toolbar and the list of keys."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMenu, QTextBrowser, QToolBar

from core.paths.latent_path import LatentPath
from explorer.actions import (
    DOCKS,
    EARLIER,
    MENUS,
    RECENT,
    Actions,
    Command,
    Menu,
    _show_keys,
    _with_label,
    commands,
    key_list,
)
from explorer.history import Editing
from explorer.state import State
from explorer.views.keyboard_shortcuts import KeyboardShortcuts
from explorer.widgets.dialogs import ProgressDialog, ask_file, ask_folder, ask_save
from explorer.widgets.icons import icon


def test_names_and_keys_are_unique_and_every_icon_exists(qapp):
    table = list(commands())
    assert len({command.name for command in table}) == len(table)
    keys = [QKeySequence(command.key).toString() for command in table if command.key]
    assert len(set(keys)) == len(keys)
    for command in table:
        assert command.tip or command.name in ("quit", "about"), command.name
        if command.icon:
            assert not icon(command.icon).isNull()


def test_a_name_in_a_menu_is_that_of_a_command():
    names = {command.name for command in commands()} | {RECENT, EARLIER, DOCKS}
    for menu in MENUS:
        assert {entry for entry in menu.entries if isinstance(entry, str)} <= names


def test_the_list_of_keys_says_what_each_does(qtbot):
    listed = dict(key_list())
    assert listed["Ctrl+O"] == "Open run"
    assert listed["Right"] == "Next frame"
    assert listed["Left"] == "Previous frame"
    assert listed["Ctrl+Z"] == "Undo the last change of what you made or chose"
    window = QMainWindow()
    qtbot.addWidget(window)
    _show_keys(window)
    dialog = window.findChild(KeyboardShortcuts, "box.keys")
    assert dialog.windowTitle() == "Keyboard shortcuts"
    assert not dialog.isModal()
    text = dialog.findChild(QTextBrowser, "box.keys.text")
    assert "Open run" in text.toPlainText()
    assert text.horizontalScrollBar().maximum() == 0
    dialog.close()


@pytest.fixture
def program(qtbot, monkeypatch):
    """What a command of a made-up menu reaches."""
    done: list[str] = []
    table = (
        Menu(
            "&One",
            (
                Command("a", "Do A…", lambda app: app.done.append("a"), "Ctrl+A", tip="A is done", toolbar="text"),
                None,
                Command(
                    "b",
                    lambda app: f"B {app.state.mode}",
                    lambda app: setattr(app.state, "mode", "probe"),
                    toolbar="icon",
                    enabled=lambda app: app.state.mode == "orbit",
                    checked=lambda app: app.state.mode == "probe",
                ),
                Menu("Sub", (Command("c", "Do C", lambda app: app.done.append("c")),)),
            ),
        ),
        Menu("&Two", ("a",)),
    )
    monkeypatch.setattr("explorer.actions.MENUS", table)
    monkeypatch.setattr("explorer.actions.TOOLBAR", table)
    monkeypatch.setattr("explorer.actions.commands.__defaults__", (table,))
    window, state = QMainWindow(), State()
    qtbot.addWidget(window)
    return SimpleNamespace(window=window, state=state, editing=Editing(state), done=done)


def test_an_entry_is_all_that_a_command_needs(program):
    actions = Actions(program.window)
    actions.serve(program)
    actions.fill_menu_bar(program.window.menuBar())
    bar = QToolBar()
    actions.fill_toolbar(bar)
    one, two = (action.menu() for action in program.window.menuBar().actions())
    assert isinstance(one, QMenu)
    assert isinstance(two, QMenu)
    assert [action.text() for action in one.actions()] == ["Do A…", "", "B orbit", "Sub"]
    assert two.actions() == [actions["a"]]
    assert [action.text() for action in bar.actions() if not action.isSeparator()] == ["Do A…", "B orbit"]
    assert actions["a"].toolTip() == "A is done (Ctrl+A)"
    actions["a"].trigger()
    actions["c"].trigger()
    assert program.done == ["a", "c"]


def test_text_tick_and_what_is_enabled_follow_the_state(program, qtbot):
    actions = Actions(program.window)
    action: QAction = actions["b"]
    assert (action.isEnabled(), action.isChecked()) == (False, False)  # before there is a state
    actions.serve(program)
    assert (action.text(), action.isEnabled(), action.isChecked()) == ("B orbit", True, False)
    action.trigger()
    assert (action.text(), action.isEnabled(), action.isChecked()) == ("B probe", False, True)
    program.state.mode = "orbit"
    qtbot.waitUntil(action.isEnabled)  # once the event loop has come round
    assert (action.text(), action.isEnabled(), action.isChecked()) == ("B orbit", True, False)


def test_a_first_probe_and_another_path_are_looked_at_and_a_probe_that_moves_is_not(program, monkeypatch):
    actions, state, looked = Actions(program.window), program.state, []
    actions.serve(program)
    monkeypatch.setattr(actions, "_outdate", lambda: looked.append(state.document))
    for change in ({"probe": np.zeros(3)}, {"probe": np.ones(3)}, {"path": LatentPath(np.zeros((2, 3)))}):
        state.document = replace(state.document, **change)
    assert [(one.path is None, one.probe[0]) for one in looked] == [(True, 0.0), (False, 1.0)]


def test_dialogs_block_nothing(qtbot, tmp_path):
    window = QMainWindow()
    qtbot.addWidget(window)

    def shown() -> QFileDialog:
        (dialog,) = (dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible())
        return dialog

    chosen: list[str] = []
    ask_save(window, "film", "Film", "cloud.mp4", {"mp4": "MP4 (*.mp4)", "gif": "GIF (*.gif)"}, chosen.append)
    first = shown()
    assert not first.isModal()
    assert first.acceptMode() is QFileDialog.AcceptMode.AcceptSave
    assert first.defaultSuffix() == "mp4"
    first.filterSelected.emit("GIF (*.gif)")
    assert first.defaultSuffix() == "gif"
    ask_file(window, "film", "Film", "MP4 (*.mp4)", chosen.append, tmp_path / "gone" / "x")  # again while it is open
    second = shown()
    assert second is not first
    qtbot.waitUntil(lambda: Path(second.directory().absolutePath()) == tmp_path)  # once its disk has answered
    assert second.nameFilters() == ["MP4 (*.mp4)", "All files (*)"]
    qtbot.waitUntil(second.isActiveWindow)  # else Return in its name field would do nothing
    second.fileSelected.emit("a.mp4")
    second.close()
    ask_folder(window, "runs", "Runs", chosen.append)
    assert shown().fileMode() is QFileDialog.FileMode.Directory
    assert Path(shown().directory().absolutePath()) == Path.home()
    shown().close()
    assert chosen == ["a.mp4"]
    progress = ProgressDialog(window, "filming", "Film", "Filming")
    cancelled: list[bool] = []
    progress.canceled.connect(lambda: cancelled.append(True))
    assert not progress.isModal()
    progress.end()
    assert cancelled == []


def test_what_undo_is_about_is_short_and_its_ampersands_are_letters():
    assert _with_label("Undo", None) == "Undo"
    assert _with_label("Undo", "hide R&D") == "Undo hide R&&D"
    assert _with_label("Redo", "rename group 1 to " + 60 * "x") == f"Redo rename group 1 to {41 * 'x'}…"
