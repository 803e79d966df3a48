"""Starting a process that answers the window.

This imports next to nothing: the engine is started before the window imports its own modules, numpy among them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QProcess, QProcessEnvironment

import core
from explorer.settings import process_environment


def engine_arguments(threads: int) -> list[str]:
    """Python's arguments that start the engine."""
    return ["-m", "core.engine", "--threads", str(threads)]


def start_python(arguments: list[str], threads: int) -> QProcess:
    """Start Python with ``arguments``, to compute with so many ``threads``. Its signals wait for the event loop, except
    that it may have failed to start already."""
    process = QProcess()
    process.setProcessEnvironment(_environment(threads))
    process.setProgram(sys.executable)
    # -P: a folder named core where the program was started must not be taken for Isoline's.
    process.setArguments(["-P", *arguments])
    process.start()
    return process


def _environment(threads: int) -> QProcessEnvironment:
    environment = process_environment()
    environment.insert("OMP_NUM_THREADS", str(threads))
    source = str(Path(core.__file__).resolve().parent.parent)
    earlier = environment.value("PYTHONPATH")
    environment.insert("PYTHONPATH", os.pathsep.join([source, earlier]) if earlier else source)
    return environment
