"""Makes ``.venv`` and installs Isoline into it: visible, with pinned versions, and repaired after an interruption.

Isoline itself is installed in editable form: the command ``isoline`` runs the working tree. torch comes first and by
itself, because its build has to be chosen. PyPI's Linux wheels of torch bring CUDA: some gigabytes that a machine
without an NVIDIA GPU cannot use. The CPU build (about 200 MB) is on PyTorch's own index; a local index or folder that
pip is set up with may offer it too. macOS and Windows wheels on PyPI are CPU (and Metal) builds already.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import _libraries
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
from _progress import CommandError, PipSummary, Progress, SetupError, megabytes

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CONSTRAINTS = Path(ROOT, "constraints.txt")


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
    progress.stage(f"Creating an environment with Python {sys.version.split()[0]}")
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
    build = choose_torch(version, progress, environment)
    progress.stage(f"torch {build.version}: {build.describe()}")
    raw = ["--progress-bar", "raw"]
    progress.run(pip("install", *raw, *build.arguments), PipSummary(), environment)
    target = ROOT + (f"[{','.join(sorted(extras))}]" if extras else "")
    size = "about 300 MB" if "test" in extras else "about 220 MB"  # the pinned versions' Linux wheels, added up
    progress.stage(f"The other libraries ({size}, where pip has not kept them) and Isoline itself")
    arguments = ["install", *raw, "--constraint", str(CONSTRAINTS), "--editable", target]
    progress.run(pip(*arguments), PipSummary(), environment)


@dataclass(frozen=True)
class Build:
    """One way to install torch: the arguments of ``pip install``, and what it will download."""

    version: str
    arguments: tuple[str, ...]
    cuda: bool
    """Whether NVIDIA's libraries come with it."""
    size: int
    """Bytes to download, as far as the servers tell; 0: nothing, or not known."""
    local: bool = False
    """Whether every file lies on this machine."""
    installed: bool = False
    """Whether the environment has this version already."""

    def describe(self) -> str:
        """For people: which build, and how large the download is."""
        if self.installed:
            return "already installed"
        kind = "with CUDA" if self.cuda else "CPU build" if sys.platform != "darwin" else "CPU and Metal build"
        if self.local:
            return f"{kind}, from this machine's disk"
        return f"{kind}, {megabytes(self.size)} to download" if self.size else f"{kind}, size not known"


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver is installed (its kernel interface, its tool, or its library on Windows)."""
    if os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi"):
        return True
    return sys.platform == "win32" and os.path.exists(r"C:\Windows\System32\nvcuda.dll")


def answers(url: str, seconds: float = 3.0) -> bool:
    """Whether ``url`` answers over HTTP(S) within a few seconds, through the proxy if one is set.

    Asked before pip is, because pip repeats an unreachable index for minutes.
    """
    parts = urllib.parse.urlsplit(url)
    proxied = bool(urllib.request.getproxies().get(parts.scheme)) and not urllib.request.proxy_bypass(
        parts.hostname or ""
    )
    try:
        if not proxied:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=seconds).close()
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
            return True
    except (OSError, ValueError):  # urllib's errors are OSErrors
        return False


def file_size(url: str) -> int:
    """Bytes of the file at ``url`` (http, https or file); 0 where it cannot be told."""
    try:
        if url.startswith("file:"):
            return os.path.getsize(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10) as answer:
            return int(answer.headers.get("Content-Length") or 0)
    except (OSError, ValueError):
        return 0


def build_from_report(
    report: dict, version: str, arguments: tuple[str, ...], sizes: Callable[[str], int] = file_size
) -> Build:
    """What a pip installation report (``pip install --dry-run --report``) says about the build that pip would take.

    ``version`` is the one asked for. A report without torch means that the environment has it.
    """
    cuda, installed = False, True
    urls: list[str] = []
    for item in report["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if name == "torch":
            version, installed = item["metadata"]["version"], False
        cuda = cuda or name.startswith(("nvidia-", "cuda-")) or name == "triton"
        urls.append(item["download_info"]["url"])
    remote = [url for url in urls if not url.startswith("file:")]
    with ThreadPoolExecutor(max_workers=8) as pool:
        size = sum(pool.map(sizes, remote))
    return Build(version, arguments, cuda, size, local=not remote, installed=installed)


def _resolve(version: str, arguments: tuple[str, ...], progress: Progress, environment: dict[str, str]) -> Build:
    """What pip would install for ``arguments``, without doing it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        progress.run(pip("install", "--dry-run", "--quiet", "--report", str(path), *arguments), environment=environment)
        report = json.loads(path.read_text(encoding="utf-8"))
    return build_from_report(report, version, arguments)


def choose_torch(version: str, progress: Progress, environment: dict[str, str]) -> Build:
    """The build of torch to install.

    pip's own index is asked first; where it offers the CUDA build and there is no NVIDIA driver, PyTorch's CPU index
    follows if it answers. Raises ``CommandError`` where pip's own index has no torch at all.
    """
    nvidia = has_nvidia_driver()
    requirement = f"torch=={version}"
    usual = _resolve(version, (requirement, "--constraint", str(CONSTRAINTS)), progress, environment)
    if nvidia or not usual.cuda:
        if nvidia and not usual.cuda and sys.platform == "win32":
            progress.note(
                "  PyPI's torch for Windows has no CUDA: see https://pytorch.org/get-started/locally to use the GPU"
            )
        return usual
    progress.note(f"  no NVIDIA driver here, and pip's index offers the CUDA build ({megabytes(usual.size)})")
    if not answers(CPU_INDEX + "/torch/"):
        progress.note(
            f"  the CPU build's index does not answer ({CPU_INDEX}); taking the CUDA build, which runs on CPUs"
        )
        return usual
    # Its requirements come with the other libraries: that index mirrors only some versions of them.
    arguments = (requirement, "--no-deps", "--index-url", CPU_INDEX, "--timeout", "15", "--retries", "1")
    try:
        return _resolve(version, arguments, progress, environment)
    except CommandError:
        progress.note(
            f"  {CPU_INDEX} has no torch {version} for this Python; taking the CUDA build, which runs on CPUs"
        )
        return usual
