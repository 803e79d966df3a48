"""Makes ``.venv`` and installs Isoline into it: visible, with pinned versions, and repaired after an interruption.

Isoline itself is installed in editable form: the command ``isoline`` runs the working tree. torch is installed first
and by itself, because its build has to be chosen (``_torch_build``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import _libraries
import _torch_build
from _environment import (
    ROOT,
    STAMP,
    UNFINISHED,
    VENV,
    is_ready,
    record_libraries,
    stamped_extras,
    venv_python,
    write_stamp,
)
from _progress import PipSummary, Progress, SetupError

CONSTRAINTS = Path(ROOT, "constraints.txt")

# The Linux wheels other than torch, added up for the pinned versions; said before the download starts.
OTHER_WHEELS = "about 220 MB"
OTHER_WHEELS_TEST = "about 300 MB"


def pip(*arguments: str) -> list[str]:
    """A pip command of the environment. The raw progress bar gives whole lines that ``PipSummary`` can read."""
    return [venv_python(), "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input"]


def pinned_version(package: str, constraints: Path = CONSTRAINTS) -> str:
    """The version of ``package`` in the constraints file. Raises ``SetupError`` where it has none."""
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, separator, version = line.split("#", 1)[0].strip().partition("==")
        if separator and name.strip().lower() == package:
            return version.strip()
    raise SetupError(f"{constraints} has no line '{package}==VERSION'; restore the file from the repository.")


def prepare(extras: set[str], profile: str) -> None:
    """Everything that a command needs: system libraries of ``profile`` (``_libraries.PROFILES``) and the environment.

    The system comes first, so that a person who has to install something is told at once, and all of it together.
    Raises ``SetupError`` that says what to do where it cannot.
    """
    progress = Progress(Path(VENV) / "isoline-setup.log")
    ready = is_ready(extras)
    needs = _libraries.PROFILES[profile]
    if not ready and reason_to_remake(Path(VENV)):
        needs = (_libraries.ENSUREPIP, *needs)
    try:
        _libraries.ensure(needs, progress)
        if not ready:
            _ensure_environment(extras, progress)
        record_libraries(profile, _libraries.loaded_paths(needs))
    except OSError as error:
        raise SetupError(
            f"cannot set up {VENV}: {error}. The folder must be writable and the disk not full; then run this again."
        ) from error


def _ensure_environment(extras: set[str], progress: Progress) -> None:
    if sys.prefix != sys.base_prefix and os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        raise SetupError(
            f"{VENV} is out of date, and the Python that runs this is the one inside it. Leave the environment"
            " ('deactivate') and run the script with the system's python3."
        )
    with _only_one(progress):
        if is_ready(extras):  # another start has just finished the same work
            return
        extras = extras | stamped_extras()
        progress.note(f"Setting up Isoline in {VENV} (once; later runs start at once)")
        _make_venv(progress)
        Path(VENV, UNFINISHED).touch()
        Path(VENV, STAMP).unlink(missing_ok=True)
        _install(extras, progress)
        Path(VENV, UNFINISHED).unlink()
        write_stamp(extras)
        progress.finish("Isoline is installed")


@contextlib.contextmanager
def _only_one(progress: Progress) -> Iterator[None]:
    """Hold the lock of this tree's setup: of two first runs at once, the second waits for the first.

    The commands of the setup hold it too. If this process is killed, a pip that it has started still writes into the
    environment for a while: the next run must not begin before that has ended.
    """
    name = hashlib.sha256(os.path.realpath(ROOT).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    path = Path(tempfile.gettempdir(), f"isoline-setup-{user}-{name}.lock")
    try:
        file = path.open("a+b")
    except OSError as error:
        raise SetupError(
            f"cannot write {path}: {error.strerror}. Make the folder for temporary files writable."
        ) from error
    with file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                progress.note("Another setup of this folder is running; waiting for it")
                waiting = True
            time.sleep(0.5)
        if os.name != "nt":
            progress.inherited = (file.fileno(),)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    """Take the operating system's lock of an open file, which goes when this process does, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def reason_to_remake(venv: Path) -> str:
    """Why an environment has to be made (anew); empty where the existing one can be completed as it is."""
    if not venv.exists():
        return "there is none"
    if (venv / UNFINISHED).exists():
        return "an earlier setup was interrupted"  # pip may have left packages half unpacked
    if not Path(venv_python(str(venv))).exists():
        return "its Python is gone"
    if not (venv / "pyvenv.cfg").exists():
        return "it is not a virtual environment"
    return ""


def _make_venv(progress: Progress) -> None:
    venv = Path(VENV)
    reason = reason_to_remake(venv)
    if not reason:
        return
    if venv.exists() and any(path.name != progress.log.name for path in venv.iterdir()):
        progress.stage(f"Removing the old environment: {reason}")
        try:
            shutil.rmtree(venv)
        except OSError as error:
            raise SetupError(
                f"cannot remove {error.filename}: {error.strerror}. Close Isoline, delete {venv} and run this again."
            ) from error
    progress.stage(f"Making an environment with Python {sys.version.split()[0]}")
    venv.mkdir(parents=True, exist_ok=True)
    (venv / UNFINISHED).touch()
    progress.run([sys.executable, "-m", "venv", VENV])


def _install(extras: set[str], progress: Progress) -> None:
    # A person's own pip settings must not lead the installation elsewhere; their indexes and proxies stay.
    environment = {**os.environ, "PYTHONNOUSERSITE": "1", "PIP_USER": "0"}
    for variable in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        environment.pop(variable, None)
    progress.stage("pip")
    # First the pinned pip: older ones download whole wheels only to read their requirements.
    progress.run(pip("install", f"pip=={pinned_version('pip')}"), PipSummary(), environment)
    version = pinned_version("torch")
    progress.stage(f"torch {version}: choosing the build")
    build = _torch_build.choose(version, CONSTRAINTS, pip, progress, environment)
    progress.stage(f"torch {build.version}: {build.describe()}")
    raw = ["--progress-bar", "raw"]
    progress.run(pip("install", *raw, *build.arguments), PipSummary(), environment)
    target = ROOT + (f"[{','.join(sorted(extras))}]" if extras else "")
    size = OTHER_WHEELS_TEST if "test" in extras else OTHER_WHEELS
    progress.stage(f"The other libraries ({size}, where pip has not kept them) and Isoline itself")
    arguments = ["install", *raw, "--constraint", str(CONSTRAINTS), "--editable", target]
    progress.run(pip(*arguments), PipSummary(), environment)
