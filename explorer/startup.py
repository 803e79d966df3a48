"""Starting the program in the order that shows a window soonest.

1. The engine's process, which needs a second to import torch: it does so while the window imports its own modules.
2. The window with its panels, which is painted.
3. What moves them: the client of the engine, the state, the controllers.
4. The run or project that it opens.

Each step imports what it needs itself, so this module imports little at its top.
"""

from __future__ import annotations

import builtins
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QProcess, QRect, Qt, QTimer
from PySide6.QtWidgets import QApplication

from explorer.engine_process import engine_arguments, start_python
from explorer.garbage import collect_in_event_loop

if TYPE_CHECKING:
    from explorer.app import Explorer
    from explorer.faults import Fault
    from explorer.panels import Panels

ENGINE_THREADS = 1

SWITCH_S = 0.0005
"""How soon the event loop gets the interpreter back from a thread that computes; Python's own 5 ms came again and again
while one picture was painted: its 99th percentile was 8 to 37 ms beside such a thread, and is 0.3 ms."""


def make_application(arguments: list[str]) -> QApplication:
    """The QApplication; must exist before any widget."""
    # PySide looks into the source of whatever is imported, for its ``__feature__``, which nothing here uses: 60 ms.
    builtins.__import__ = getattr(builtins, "__orig_import__", builtins.__import__)
    # Before QApplication: without shared contexts a second GL widget, or a floated dock, draws black.
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    if os.environ.get("WAYLAND_DISPLAY") and os.environ.get("QT_QPA_PLATFORM", "").startswith("xcb"):
        os.environ.setdefault("PYOPENGL_PLATFORM", "glx")  # else PyOpenGL may pick EGL, which Qt does not use there
    application = QApplication(arguments)
    sys.setswitchinterval(SWITCH_S)
    # While modules are imported and the window is built nothing becomes garbage, and looking for some takes 35 ms.
    gc.disable()
    QTimer.singleShot(0, application, _begin_collecting)  # once the window is there
    application.setApplicationName("Isoline")
    application.setOrganizationName("Isoline")
    application.setDesktopFileName("isoline")
    return application


def make_application_and_engine() -> tuple[QApplication, QProcess]:
    """The QApplication, and the process of an engine that is already starting."""
    application = make_application(sys.argv[:1])
    return application, start_python(engine_arguments(ENGINE_THREADS), ENGINE_THREADS)


def show_panels(application: QApplication, renderer: str, place: QRect | None = None) -> Panels:
    """The window with its panels, on screen: at ``place``, or where it was when it was closed."""
    from explorer.panels import Panels

    panels = Panels(application, renderer, whole=False)
    if place is not None:
        panels.window.setGeometry(place)
    panels.announce_run()
    panels.show()
    panels.wait_until_painted()
    return panels


def make_explorer(application: QApplication, engine: QProcess, panels: Panels) -> Explorer:
    """What moves the ``panels``, on an ``engine`` that is starting."""
    from explorer.app import Explorer
    from explorer.engine_client import EngineClient

    client = EngineClient()
    client.attach(engine, ENGINE_THREADS)
    explorer = Explorer(application, client, panels=panels)
    gc.freeze()  # this stays, too
    return explorer


def _begin_collecting() -> None:
    gc.freeze()  # modules and panels stay: no collection looks through them, which would hold up the event loop
    collect_in_event_loop()


def open_window(path: Path | None, renderer: str) -> int:
    """Show the window on a run or project and return when it has been closed. None: on what was open last, or on the
    bundled model if a person does not want that."""
    application, engine = make_application_and_engine()
    from core.utils.crash_reports import take_crash_reports, watch_for_crashes
    from explorer.faults import FaultCatcher

    faults = FaultCatcher()
    faults.install()
    watch_for_crashes("window")
    early: list[Fault] = []  # while there is nobody to report to
    faults.occurred.connect(early.append)
    panels = show_panels(application, renderer)
    explorer = make_explorer(application, engine, panels)
    faults.occurred.disconnect(early.append)
    explorer.report(faults, early)
    explorer.help.show_crashes(take_crash_reports())
    explorer.show()
    open_first(explorer, path)
    status = application.exec()
    faults.uninstall()
    return status


def open_first(explorer: Explorer, path: Path | None) -> None:
    """Open what a new window shows: see ``open_window``."""
    from core.protocol.python_channel import is_given
    from explorer.controllers.app.open_run import bundled_run
    from explorer.controllers.app.project import is_project

    if is_given():  # the run of a Python program's window is often gone with the window
        explorer.open_run.open(path or bundled_run(), remember=False)
    elif path is None and explorer.settings.resumes:
        explorer.session.resume()
    else:
        explorer.session.begin()
        if path is not None and is_project(path):
            explorer.project.open(path)
        else:
            explorer.open_run.open(path or bundled_run(), remember=path is not None)
