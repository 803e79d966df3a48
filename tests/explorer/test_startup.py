"""In which order the program starts, and what a new window opens."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, call

import pytest

from explorer import startup
from explorer.controllers.app.open_run import bundled_run


def test_the_engine_is_under_way_before_the_window_imports_what_takes_long():
    code = """
import json, sys
from explorer import startup
def start(arguments, threads):
    print(json.dumps(["numpy" in sys.modules, "msgspec" in sys.modules, arguments]))
    raise SystemExit
startup.start_python = start
startup.make_application_and_engine()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, False, ["-m", "core.engine", "--threads", "1"]]


def test_imports_read_no_sources_to_look_for_features_of_pyside_and_the_event_loop_waits_for_no_thread():
    code = """
import linecache, sys
from explorer.startup import make_application
application = make_application(["isoline"])
import explorer.state
print(sum("site-packages" in name or "explorer" in name for name in linecache.cache), sys.getswitchinterval())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    read, interval = done.stdout.split()
    assert int(read) < 20  # before the application, a few are read
    assert float(interval) == startup.SWITCH_S


def test_the_window_is_painted_before_what_moves_it_is_imported():
    code = """
import json, sys
from explorer import startup
application = startup.make_application(["isoline"])
panels = startup.show_panels(application, "software")
window, told = panels.window, []
painted = window.windowHandle().isExposed()
later = ("explorer.state", "explorer.app", "psygnal", "core.protocol.messages", "core.runs.directory", "pyqtgraph")
early = [name for name in later if name in sys.modules]
commands = window.actions_by_name
seen = (commands["orbit"].isChecked(), commands["stop"].isEnabled(), panels.cloud.scene.awaited)
panels.experiments.shown.connect(lambda: told.append("experiments"))
from explorer.app import Explorer
from explorer.engine_client import EngineClient
explorer = Explorer(application, EngineClient(), panels=panels)
explorer.show()
print(json.dumps([painted, early, seen, told, explorer.window is window]))
window.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    painted, early, seen, told, same = json.loads(done.stdout)
    assert painted
    assert early == []
    assert seen == [True, False, "run"]
    assert told == ["experiments"]  # its controller has to hear that it is on screen already
    assert same


def test_of_the_panels_that_are_closed_at_a_first_start_those_are_painted_that_were_open_when_the_window_was_closed():
    code = """
import json, sys
from explorer import startup
from explorer.settings import Settings
application = startup.make_application(["isoline"])
def made(panels):
    return [name for name, dock in panels.window.docks.items() if dock.widget() is not None]
first = startup.show_panels(application, "software")
before = made(first)
first.complete()
first.window.open_dock("notes")
Settings().save_layout(first.window.saveGeometry(), first.window.saveState())
first.window.close()
second = startup.show_panels(application, "software")
print(json.dumps([list(first.window.docks), made(first), before, made(second)]))
second.window.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    every, whole, first, second = json.loads(done.stdout)
    closed = {"dataset", "compare", "kinds", "notes"}
    assert whole == every
    assert first == [name for name in every if name not in closed]
    assert second == [*first, "notes"]


def test_no_collection_of_garbage_looks_through_what_the_start_has_made():
    code = """
import gc
from explorer.startup import make_application
application = make_application(["isoline"])
kept = [[] for _ in range(1000)]
assert not gc.isenabled() and gc.get_freeze_count() == 0
application.processEvents()
print(gc.get_freeze_count() > 1000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.fixture
def explorer():
    """The parts of the program that a start asks; ``settings.resumes`` as at first."""
    parts = {name: Mock() for name in ("open_run", "session", "project")}
    return SimpleNamespace(**parts, settings=SimpleNamespace(resumes=True))


def test_without_an_argument_it_continues(explorer):
    startup.open_first(explorer, None)
    assert explorer.session.mock_calls == [call.resume()]
    explorer.open_run.open.assert_not_called()


def test_where_a_person_does_not_want_that_it_opens_the_bundled_model_and_keeps_what_is_done(explorer):
    explorer.settings.resumes = False
    startup.open_first(explorer, None)
    assert explorer.session.mock_calls == [call.begin()]
    explorer.open_run.open.assert_called_once_with(bundled_run(), remember=False)


def test_a_run_and_a_project_are_opened_and_what_was_open_last_is_left_alone(explorer):
    startup.open_first(explorer, Path("runs/first"))
    explorer.open_run.open.assert_called_once_with(Path("runs/first"), remember=True)
    startup.open_first(explorer, Path("mine.ISOLINE"))
    explorer.project.open.assert_called_once_with(Path("mine.ISOLINE"))
    assert explorer.session.mock_calls == [call.begin(), call.begin()]


def test_the_window_of_a_python_program_is_nobodys_session(explorer, monkeypatch):
    monkeypatch.setattr("core.protocol.python_channel.is_given", lambda: True)
    startup.open_first(explorer, Path("temporary"))
    assert explorer.session.mock_calls == []
    explorer.open_run.open.assert_called_once_with(Path("temporary"), remember=False)
