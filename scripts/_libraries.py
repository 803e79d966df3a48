"""The shared libraries that Qt, OpenGL and the tests need from a Linux system, and how to install them.

A library is looked for by loading it, as Qt will, not by asking a package manager: that is right on every distribution
and in every container. On Debian and Ubuntu what is missing is installed (as root) or the exact command is printed.
macOS and Windows bring these libraries with the system.
"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from _progress import CommandError, Progress, SetupError, apt_summary


@dataclass(frozen=True)
class Need:
    """One thing that must be there: a shared library by its soname, a program, or Python's module ensurepip."""

    name: str
    package: str
    """The Debian and Ubuntu package that has it."""


# What the Qt libraries themselves link to: without one of these PySide6 cannot be imported.
_QT = (
    Need("libGL.so.1", "libgl1"),
    Need("libEGL.so.1", "libegl1"),
    Need("libglib-2.0.so.0", "libglib2.0-0"),
    Need("libdbus-1.so.3", "libdbus-1-3"),
    Need("libxkbcommon.so.0", "libxkbcommon0"),
    Need("libfontconfig.so.1", "libfontconfig1"),
)
# What Qt's X11 plugin links to: without one of these no window opens under X.
_X11 = (
    Need("libX11-xcb.so.1", "libx11-xcb1"),
    Need("libxkbcommon-x11.so.0", "libxkbcommon-x11-0"),
    Need("libxcb-cursor.so.0", "libxcb-cursor0"),
    Need("libxcb-icccm.so.4", "libxcb-icccm4"),
    Need("libxcb-image.so.0", "libxcb-image0"),
    Need("libxcb-keysyms.so.1", "libxcb-keysyms1"),
    Need("libxcb-randr.so.0", "libxcb-randr0"),
    Need("libxcb-render-util.so.0", "libxcb-render-util0"),
    Need("libxcb-shape.so.0", "libxcb-shape0"),
    Need("libxcb-sync.so.1", "libxcb-sync1"),
    Need("libxcb-xfixes.so.0", "libxcb-xfixes0"),
    Need("libxcb-xkb.so.1", "libxcb-xkb1"),
)
# A display of the program's own, and Mesa's software OpenGL to draw in it.
_VIRTUAL_DISPLAY = (
    Need("Xvfb", "xvfb"),
    Need("xauth", "xauth"),
    Need("libGLX_mesa.so.0", "libglx-mesa0"),
    Need("swrast_dri.so", "libgl1-mesa-dri"),
)

# Debian and Ubuntu keep the module that makes environments in a package of its own.
ENSUREPIP = Need("ensurepip", f"python{sys.version_info.major}.{sys.version_info.minor}-venv")

_BROWSER = (Need("chromium", "chromium"),)


def _release(os_release: Path) -> dict[str, str]:
    """What a file like /etc/os-release says of the system; nothing where there is none."""
    try:
        text = os_release.read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(line.replace('"', "").split("=", 1) for line in text.splitlines() if "=" in line)


def browser_needs(os_release: Path = Path("/etc/os-release")) -> tuple[Need, ...]:
    """Chromium, on Debian. Ubuntu has it as a snap only, which containers cannot run; its tests are skipped there."""
    return _BROWSER if _release(os_release).get("ID") == "debian" else ()


PROFILES = {
    "none": (),
    "window": _QT + _X11,
    "virtual": _QT + _X11 + _VIRTUAL_DISPLAY,
    "tests": _QT + _X11 + (*_VIRTUAL_DISPLAY, Need("xrandr", "x11-xserver-utils")) + browser_needs(),
}
"""What each kind of command needs (``none``: the commands that open no window)."""


def _mesa_driver_present() -> bool:
    # The software rasteriser is a plug-in of Mesa's (swrast_dri.so until 24, libgallium since), outside the loader's
    # search path, so that it cannot be found by its bare name.
    patterns = ("dri/swrast_dri.so", "libgallium*.so", "dri/libgallium*.so")
    roots = ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu*", "/usr/local/lib")
    return any(glob.glob(f"{root}/{pattern}") for root in roots for pattern in patterns)


def is_present(need: Need) -> bool:
    """Whether the library loads, the program is on PATH, or the module can be found."""
    if need.name == ENSUREPIP.name:
        return importlib.util.find_spec("ensurepip") is not None
    if need.name == "swrast_dri.so":
        return _mesa_driver_present()
    if ".so" not in need.name:
        return shutil.which(need.name) is not None
    try:
        ctypes.CDLL(need.name)
    except OSError:
        return False
    return True


def missing(needs: Iterable[Need], present: Callable[[Need], bool] = is_present) -> list[Need]:
    """The needs that are not met, in order."""
    return [need for need in needs if not present(need)]


def install_command(needs: Iterable[Need], sudo: bool) -> str:
    """The command that installs the packages on Debian and Ubuntu, ready to be pasted."""
    prefix = "sudo " if sudo else ""
    packages = " ".join(dict.fromkeys(need.package for need in needs))
    return f"{prefix}apt-get update && {prefix}apt-get install -y --no-install-recommends {packages}"


def is_debian(os_release: Path = Path("/etc/os-release")) -> bool:
    """Whether this system is Debian, Ubuntu or one of their relatives, with apt-get at hand."""
    fields = _release(os_release)
    families = (fields.get("ID", "") + " " + fields.get("ID_LIKE", "")).split()
    return bool({"debian", "ubuntu"} & set(families)) and shutil.which("apt-get") is not None


def is_root() -> bool:
    """Whether this process may install system packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt_install(packages: Iterable[str], progress: Progress) -> None:
    """Install Debian packages as root. Raises ``SetupError`` with the command to try by hand where apt-get fails."""
    names = list(dict.fromkeys(packages))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    try:
        progress.run([*apt, "update"], apt_summary, environment)
        progress.run([*apt, "install", "-y", "--no-install-recommends", *names], apt_summary, environment)
    except CommandError as error:
        raise SetupError(f"{error}\nFix that, or install these by hand: {' '.join(names)}") from error


def ensure(needs: Iterable[Need], progress: Progress) -> None:
    """Make sure that ``needs`` are met; does nothing outside Linux.

    As root on Debian or Ubuntu what is missing is installed. Else ``SetupError`` says exactly what to run.
    """
    if not sys.platform.startswith("linux"):
        return
    needs = tuple(needs)
    lacking = missing(needs)
    if not lacking:
        return
    names = ", ".join(need.name for need in lacking)
    if not is_debian():
        raise SetupError(
            f"Isoline needs these from the system: {names}.\nInstall them with the system's package manager (on Debian"
            f" and Ubuntu: {install_command(lacking, sudo=True)}) and run this again."
        )
    if not is_root():
        command = install_command(lacking, sudo=True)
        raise SetupError(f"Isoline needs these from the system: {names}.\nRun this, then start again:\n  {command}")
    packages = list(dict.fromkeys(need.package for need in lacking))
    progress.stage(f"System packages: {', '.join(packages)}")
    apt_install(packages, progress)
    still = missing(lacking)
    if still:
        names = ", ".join(f"{need.name} ({need.package})" for need in still)
        raise SetupError(f"Isoline still lacks {names} after apt-get installed the packages. See {progress.log}.")


def loaded_paths(needs: Iterable[Need]) -> list[str]:
    """Files that show that ``needs`` are met: a later run only looks whether these still exist (well under 1 ms).

    Call it after ``missing`` has loaded the libraries: their paths are read from this process's memory map.
    """
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    mapped = {line.split(maxsplit=5)[5] for line in maps.splitlines() if len(line.split(maxsplit=5)) == 6}
    paths: list[str] = []
    for need in needs:
        program = None if ".so" in need.name else shutil.which(need.name)
        if program:
            paths.append(program)
        paths += sorted(path for path in mapped if os.path.basename(path).startswith(need.name))
    return paths
