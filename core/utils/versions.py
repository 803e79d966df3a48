"""The versions of everything that a number depends on, for runs and reports. No torch is imported to tell them."""

from __future__ import annotations

import platform
from importlib.metadata import version

import core

PACKAGES = ("torch", "lightning-fabric", "numpy", "scipy")


def versions() -> dict[str, str]:
    """By name: isoline, python, and the packages that compute."""
    installed = {package: version(package) for package in PACKAGES}
    return {"isoline": core.__version__, "python": platform.python_version(), **installed}
