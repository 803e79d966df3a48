"""Draws points into an image by EGL, without a window system, and prints frames a second as JSON.

Run with PYOPENGL_PLATFORM=egl. What it draws is one vertex a point, as the cloud's plainest form: the rate is the
card's own, which no cloud exceeds.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from typing import Any

import numpy as np
from OpenGL import EGL, GL

SIDE = 1000
SHORTEST_S = 1.0
VERTEX = """
#version 330
layout(location = 0) in vec3 place;
uniform float angle;
void main() {
    float c = cos(angle), s = sin(angle);
    gl_Position = vec4(c * place.x - s * place.y, s * place.x + c * place.y, 0.5 * place.z, 1.0);
    gl_PointSize = 3.0;
}
"""
FRAGMENT = """
#version 330
out vec4 colour;
void main() { colour = vec4(0.2, 0.5, 0.9, 1.0); }
"""


def make_context() -> None:
    """A context that needs no surface: on the first device that EGL knows, or else on its own choice of a display."""
    from OpenGL.EGL.EXT.device_enumeration import eglQueryDevicesEXT
    from OpenGL.EGL.EXT.platform_base import eglGetPlatformDisplayEXT

    platform_device = 0x313F
    displays = []
    if eglQueryDevicesEXT:
        devices, count = (EGL.EGLDeviceEXT * 16)(), ctypes.c_int()  # type: ignore[operator]
        if eglQueryDevicesEXT(16, devices, count):
            displays += [eglGetPlatformDisplayEXT(platform_device, device, None) for device in devices[: count.value]]
    displays.append(EGL.eglGetDisplay(EGL.EGL_DEFAULT_DISPLAY))
    for display in displays:
        major, minor = ctypes.c_int(), ctypes.c_int()
        try:
            if not EGL.eglInitialize(display, major, minor) or not EGL.eglBindAPI(EGL.EGL_OPENGL_API):
                continue
            wanted = [
                EGL.EGL_SURFACE_TYPE,
                EGL.EGL_PBUFFER_BIT,
                EGL.EGL_RENDERABLE_TYPE,
                EGL.EGL_OPENGL_BIT,
                EGL.EGL_NONE,
            ]
            configs, found = (EGL.EGLConfig * 1)(), ctypes.c_int()
            EGL.eglChooseConfig(display, wanted, configs, 1, found)
            version = [EGL.EGL_CONTEXT_CLIENT_VERSION, 3, EGL.EGL_NONE]
            context = EGL.eglCreateContext(display, configs[0], EGL.EGL_NO_CONTEXT, version)
            if EGL.eglMakeCurrent(display, EGL.EGL_NO_SURFACE, EGL.EGL_NO_SURFACE, context):
                return
        except EGL.EGLError:  # a device without OpenGL; another one may have it
            continue
    raise SystemExit("no EGL display has OpenGL")


def program() -> Any:
    """The shaders, linked."""
    linked = GL.glCreateProgram()
    for kind, text in ((GL.GL_VERTEX_SHADER, VERTEX), (GL.GL_FRAGMENT_SHADER, FRAGMENT)):
        shader = GL.glCreateShader(kind)
        GL.glShaderSource(shader, text)
        GL.glCompileShader(shader)
        if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
            raise SystemExit(f"the shader does not compile: {GL.glGetShaderInfoLog(shader)}")
        GL.glAttachShader(linked, shader)
    GL.glLinkProgram(linked)
    return linked


def main() -> int:
    """Measure a million points and ten, or few of them."""
    make_context()
    target = GL.glGenTextures(1)
    GL.glBindTexture(GL.GL_TEXTURE_2D, target)
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA8, SIDE, SIDE, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, None)
    GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, GL.glGenFramebuffers(1))
    GL.glFramebufferTexture2D(GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, target, 0)
    GL.glViewport(0, 0, SIDE, SIDE)
    GL.glEnable(GL.GL_PROGRAM_POINT_SIZE)
    GL.glBindVertexArray(GL.glGenVertexArrays(1))
    linked = program()
    GL.glUseProgram(linked)
    angle = GL.glGetUniformLocation(linked, "angle")
    GL.glBindBuffer(GL.GL_ARRAY_BUFFER, GL.glGenBuffers(1))
    GL.glEnableVertexAttribArray(0)
    GL.glVertexAttribPointer(0, 3, GL.GL_FLOAT, False, 0, None)
    frames = []
    for count in (10_000,) if "--few" in sys.argv else (1_000_000, 10_000_000):
        points = np.random.default_rng(0).normal(0.0, 0.3, (count, 3)).astype(np.float32)
        GL.glBufferData(GL.GL_ARRAY_BUFFER, points.nbytes, points, GL.GL_STATIC_DRAW)
        began, drawn = time.perf_counter(), 0
        while time.perf_counter() - began < SHORTEST_S:
            GL.glUniform1f(angle, 0.01 * drawn)
            GL.glClear(GL.GL_COLOR_BUFFER_BIT)
            GL.glDrawArrays(GL.GL_POINTS, 0, count)
            GL.glFinish()
            drawn += 1
        frames.append((count, drawn / (time.perf_counter() - began)))
        pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
        GL.glReadPixels(0, 0, SIDE, SIDE, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, pixels)
        if not pixels.any():
            raise SystemExit("the image stayed empty")
    renderer = GL.glGetString(GL.GL_RENDERER)
    print(json.dumps({"renderer": renderer.decode() if renderer else "unknown", "frames": frames}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
