"""What every test runs under: one thread, folders of its own, and no window, thread or process left behind.

Nothing here imports Qt or torch unless the test itself does, so that the tests of the core stay quick.
"""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import signal
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Read when torch, OpenBLAS and OpenMP are loaded, here and in the processes that tests start: results and timings must
# not depend on the number of cores.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"
# Compiled modules are kept (git ignores them), whatever the environment says: else both workers and each of a hundred
# processes that tests start would compile the same sources again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if sys.platform.startswith("linux"):
    os.environ.setdefault("PYOPENGL_PLATFORM", "glx")  # under Wayland PyOpenGL may pick EGL while Qt uses GLX
    for _variable in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE"):
        os.environ.pop(_variable, None)  # the windows belong on the virtual X display, not on the person's own

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what runs in its background so
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine may take long over any example.
settings.register_profile("isoline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("isoline")

WATCHER = "isoline-watcher"
GRACE_SECONDS = 60.0
"""How long something that is on its way out may take to go; long, for the machine may be busy."""

_started_qt_threads: weakref.WeakSet[Any] = weakref.WeakSet()
# One for the whole session: multiprocessing's own, and the server of ``preloaded_python``.
_HELPERS = ("resource_tracker", "forkserver", "loky", "preloaded_python.py")


_LONGEST_FIRST = (
    "test_tour.py",
    "test_window.py",
    "test_factor_leakage.py",
    "test_curves.py",
    "test_transects.py",
    "test_import_checkpoint.py",
    "test_entanglement.py",
    "test_dataset.py",
    "test_fuzz.py",
    "test_trainer.py",
    "test_drawing.py",
    "test_gap_detection.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that two workers end at nearly the same time."""
    place = {name: index for index, name in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


gc.disable()  # while modules are imported and tests collected, nothing becomes garbage


def pytest_collection_finish() -> None:
    """What the imports have made stays to the end: let the garbage collector never look through it again."""
    gc.enable()
    gc.collect()
    gc.freeze()


_FOLDERS = (("ISOLINE_CONFIG", "config"), ("ISOLINE_RUNS", "runs"), ("ISOLINE_LOGS", "logs"))


@pytest.fixture(scope="session", autouse=True)
def _folders_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Rendered datasets are kept for the session: they are addressed by content, so no test can disturb another. What
    fixtures of a file or of the session write goes to folders of theirs, which this gives."""
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        for variable, name in (*_FOLDERS, ("ISOLINE_CACHE", "cache")):
            patch.setenv(variable, str(folder / name))
        yield folder


@pytest.fixture(scope="session")
def _user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of new folders; ``mktemp`` would list all that there are for each test."""
    base = tmp_path_factory.mktemp("users")
    return (base / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _folders_of_the_test(
    _user_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch, _folders_of_the_session: Path
) -> None:
    """Settings, recent runs and new runs of each test go to folders of its own, never to the person's. What runs that
    fixtures have made may read, they may in each test."""
    folder = next(_user_folders)
    folder.mkdir()
    for variable, name in _FOLDERS:
        monkeypatch.setenv(variable, str(folder / name))
    answers = _folders_of_the_session / "config" / "allowed_files.json"
    if answers.exists():
        (folder / "config").mkdir()
        shutil.copy(answers, folder / "config")


@pytest.fixture(scope="session")
def preloaded_python() -> Iterator[Any]:
    """A ``PreloadedPython``, whose processes need not import torch: where a test is not about how they start."""
    from preloaded_python import PreloadedPython

    with PreloadedPython() as python:
        yield python


@pytest.fixture(scope="session")
def qapp_cls() -> type:
    """The application's class, for pytest-qt. OpenGL contexts are shared before there is an application: pyqtgraph
    keeps its shader programs per class, so the second OpenGL widget of a session would draw black without it."""
    from PySide6.QtCore import QCoreApplication, Qt
    from PySide6.QtWidgets import QApplication

    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    return QApplication


@pytest.fixture
def qtbot(qapp: Any, request: pytest.FixtureRequest) -> Any:
    """pytest-qt's, with waits that a slow or busy machine cannot fail."""
    from patient_qtbot import PatientQtBot

    return PatientQtBot(request)


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a child process, and a test of the window that leaves a window or a thread."""
    graphical = bool({"qtbot", "qapp"} & set(request.fixturenames))
    if graphical:
        from explorer.garbage import collect_in_event_loop

        request.getfixturevalue("qapp")
        _note_started_qt_threads()
        collect_in_event_loop()
    elif not gc.isenabled():
        # What tests of the window have left, before any thread can: a widget that ends in another thread is one that Qt
        # goes on to know, and the next to be shown ends the process.
        gc.collect()
        gc.enable()
    known = {pid for pid, _ in _children()}  # by number: the command of one that has just been started still changes
    threads = _python_threads()
    qt_threads = _qt_threads() if graphical else set()
    windows = _windows() if graphical else {}
    yield
    left = {
        f"process {pid} ({name})"
        for pid, name in _wait_until_gone(lambda: {one for one in _children() if one[0] not in known}, set())
    }
    if graphical:
        _settle_qt()
        watching = {one for one in _python_threads() if one[0] == WATCHER and windows}  # of a program that stays
        left |= {f"thread {name}" for name, _ in _wait_until_gone(lambda: _python_threads() - watching, threads)}
        left |= {f"running QThread {thread!r}" for thread in _wait_until_gone(_qt_threads, qt_threads)}
        left |= {f"window {one[1]} {title!r}" for one, title in _windows().items() if one not in windows}
    if left:
        pytest.fail("the test left behind: " + ", ".join(sorted(left)), pytrace=False)


def _wait_until_gone(look: Any, before: set[Any]) -> set[Any]:
    """What ``look()`` finds that was not there before, once the time of grace has passed."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := look() - before) and time.monotonic() < deadline:
        if "PySide6.QtCore" in sys.modules:
            _settle_qt()  # QProcess and QThread report their end through events
        time.sleep(0.02)
    return left


def _children() -> set[tuple[int, str]]:
    """(pid, command) of the child processes, on Linux; zombies too, for they mean that nobody waited."""
    found: set[tuple[int, str]] = set()
    for task in os.listdir("/proc/self/task") if sys.platform == "linux" else ():
        try:
            with open(f"/proc/self/task/{task}/children") as file:
                pids = file.read().split()
        except OSError:  # a thread that has just ended
            continue
        for pid in pids:
            try:
                command = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if not any(helper in command for helper in _HELPERS):
                found.add((int(pid), command.strip()[:120] or "ended, not waited for"))
    return found


def _python_threads() -> set[tuple[str, int]]:
    """Names of those that Python started, numbered: a program that outlives a test may watch another run by another
    thread. Python's stand-ins for others, such as Qt's, stay when those have ended; so do a few that
    wait for work."""
    threads = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    names = Counter(t.name for t in threads if t.name != "isoline-idle")
    return {(name, number) for name, count in names.items() for number in range(count)}


def _note_started_qt_threads() -> None:
    """Remember each QThread that is started. To look for them among all objects took 0.1 s, twice for each test."""
    from PySide6.QtCore import QThread

    start = QThread.start
    if start.__name__ == "noted":
        return

    def noted(thread: Any, *priority: Any) -> None:
        _started_qt_threads.add(thread)
        start(thread, *priority)

    QThread.start = noted  # pyright: ignore[reportAttributeAccessIssue]


def _qt_threads() -> set[Any]:
    """The QThreads of this process that are running."""
    from shiboken6 import isValid

    return {thread for thread in list(_started_qt_threads) if isValid(thread) and thread.isRunning()}


def _windows() -> dict[tuple[int, str], str]:
    """(address, class): title of every visible top-level widget, and of hidden ones of Isoline's own classes.

    Hidden menus and forms of pyqtgraph have no parent and live until they are collected; they are not leaks.
    """
    from PySide6.QtWidgets import QApplication
    from shiboken6 import getCppPointer

    return {
        (getCppPointer(widget)[0], type(widget).__name__): widget.windowTitle()
        for widget in QApplication.topLevelWidgets()
        if widget.isVisible() or type(widget).__module__.startswith("explorer")
    }


def _settle_qt() -> None:
    """Deliver what is queued, deletions included."""
    from PySide6.QtCore import QCoreApplication, QEvent

    if QCoreApplication.instance() is None:
        return
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
