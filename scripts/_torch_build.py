"""Chooses the build of torch: the CPU build where there is no NVIDIA driver and one can be had, and says its size.

PyPI's Linux wheels of torch bring CUDA: some gigabytes that a machine without an NVIDIA GPU cannot use. The CPU build
(about 200 MB) is on PyTorch's own index; a local index or folder that pip is set up with may offer it too. macOS and
Windows wheels on PyPI are CPU (and Metal) builds already.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from _progress import CommandError, Progress, megabytes

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3.0


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


def answers(url: str, seconds: float = PROBE_SECONDS) -> bool:
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


def _resolve(
    version: str,
    arguments: tuple[str, ...],
    pip: Callable[..., list[str]],
    progress: Progress,
    environment: dict[str, str],
) -> Build:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        progress.run(pip("install", "--dry-run", "--quiet", "--report", str(path), *arguments), environment=environment)
        report = json.loads(path.read_text(encoding="utf-8"))
    return build_from_report(report, version, arguments)


def choose(
    version: str,
    constraints: Path,
    pip: Callable[..., list[str]],
    progress: Progress,
    environment: dict[str, str],
    nvidia: bool | None = None,
) -> Build:
    """The build of torch to install. ``pip`` makes a pip command from its arguments.

    pip's own index is asked first; where it offers the CUDA build and there is no NVIDIA driver, PyTorch's CPU index
    follows if it answers. Raises ``CommandError`` where pip's own index has no torch at all.
    """
    nvidia = has_nvidia_driver() if nvidia is None else nvidia
    requirement = f"torch=={version}"
    usual = _resolve(version, (requirement, "--constraint", str(constraints)), pip, progress, environment)
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
        return _resolve(version, arguments, pip, progress, environment)
    except CommandError:
        progress.note(
            f"  {CPU_INDEX} has no torch {version} for this Python; taking the CUDA build, which runs on CPUs"
        )
        return usual
