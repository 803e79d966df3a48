"""Which canvas to use: OpenGL where a graphics card draws it, numpy where OpenGL is missing or itself software."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

SOFTWARE_NAMES = ("llvmpipe", "softpipe", "swrast", "software", "swiftshader", "microsoft basic render")
WINDOWLESS = ("offscreen", "minimal", "vnc", "linuxfb")  # Qt platforms without OpenGL
CARDS = ("dri", "nvidia", "nvhost", "dxg", "mali", "kgsl", "vchiq", "fglrx")
"""How the devices in /dev begin by which Linux draws OpenGL in hardware."""
GL_RENDERER, GL_VERSION = 0x1F01, 0x1F02
VARIABLE = "ISOLINE_RENDERER"


@dataclass(frozen=True)
class RendererChoice:
    """``opengl`` or not; ``name`` of the renderer; ``note``: why not OpenGL, or empty."""

    opengl: bool
    name: str
    note: str


def choose_renderer(wanted: str) -> RendererChoice:
    """Decide for ``wanted`` ("auto", "gl" or "software"); the environment's ISOLINE_RENDERER comes before it.

    Raises ``ValueError`` for any other word. Asking for OpenGL takes it even where it is software, but not where there
    is none. Where there is no graphics card it is only tried if it is asked for: loading Mesa takes 40 ms.
    """
    origin = "renderer"
    if os.environ.get(VARIABLE):
        wanted, origin = os.environ[VARIABLE], VARIABLE
    if wanted not in ("auto", "gl", "software"):
        raise ValueError(f"{origin} is {wanted!r}; it must be auto, gl or software.")
    platform = QGuiApplication.platformName()
    if wanted == "software":
        note = "Software drawing was asked for."
    elif platform in WINDOWLESS:
        note = f"The display platform {platform!r} has no OpenGL; drawing in software."
    elif wanted == "auto" and not has_graphics_card():
        note = "This computer has no graphics card for OpenGL, or lacks its driver; drawing in software."
    else:
        name, version = describe_opengl()
        if name and (wanted == "gl" or not any(word in name.lower() for word in SOFTWARE_NAMES)):
            return RendererChoice(True, f"OpenGL {version} · {name}", "")
        note = "OpenGL could not be started; drawing in software. Install your graphics card's driver to use it."
        if name:
            note = f"OpenGL here is itself software ({name}), slower than Isoline's own; drawing in software."
    return RendererChoice(False, "software", note)


def has_graphics_card() -> bool:
    """Whether anything may draw OpenGL in hardware. True where that cannot be told: other systems than Linux, and a
    display that another computer shows."""
    if not sys.platform.startswith("linux") or not os.environ.get("DISPLAY", ":").startswith((":", "unix")):
        return True
    try:
        return any(name.startswith(CARDS) for name in os.listdir("/dev"))
    except OSError:
        return True


@cache
def describe_opengl() -> tuple[str, str]:
    """Name and version of what draws OpenGL; two empty strings where no context can be made. Found once a process."""
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not surface.isValid() or not context.create() or not context.makeCurrent(surface):
        return "", ""
    functions = context.functions()
    name, version = functions.glGetString(GL_RENDERER), functions.glGetString(GL_VERSION)
    context.doneCurrent()
    surface.destroy()
    return _text(name), _text(version).split(" ")[0]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
