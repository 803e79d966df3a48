"""The canvas on OpenGL: pyqtgraph's view widget with Isoline's camera, smooth discs sorted by depth, and thin lines.

pyqtgraph's scatter has hard edges and writes depth unsorted, which shows as soon as points are translucent;
multisampling does not smooth discs, and costs up to four times as much. So edges are smoothed in the shaders.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Any

import numpy as np
from OpenGL import GL
from OpenGL.error import Error as OpenGLError
from OpenGL.GL import shaders
from pyqtgraph.opengl import GLViewWidget
from pyqtgraph.opengl.GLGraphicsItem import GLGraphicsItem
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QMatrix4x4, QOpenGLContext, QSurfaceFormat
from PySide6.QtOpenGL import QOpenGLBuffer
from PySide6.QtWidgets import QWidget

from core.rendering.crowd import shuffled
from core.rendering.depth import FADE, LARGEST, SMALLEST, depth_cue, far_to_near
from core.rendering.point_splatting import RIM_SHADE
from explorer.views.cloud.scene import Scene
from explorer.widgets.theme import Themed

SORT_LIMIT = 300_000  # with more points sorting costs more than it shows; the depth buffer orders them then
FRAME_S = 0.012  # that drawing more than these may take while the view turns: else a fair sample of them is drawn
LEAST_MOVING = 100_000

POINT_VERTEX = """
uniform mat4 u_matrix;
uniform float u_size, u_distance, u_near, u_far;
ATTRIBUTE vec3 a_position;
ATTRIBUTE vec4 a_color;
OUT vec4 v_color;
OUT float v_fade;
OUT float v_size;
void main() {
    gl_Position = u_matrix * vec4(a_position, 1.0);
    float factor = 1.0, fade = 0.0;
    if (u_distance > 0.0) {
        factor = clamp(u_distance / max(gl_Position.w, 1e-9), SMALLEST, LARGEST);
        fade = FADE * clamp((gl_Position.w - u_near) / (u_far - u_near), 0.0, 1.0);
    }
    v_color = a_color;
    v_fade = fade;
    v_size = max(1.0, u_size * factor) + 1.0;
    gl_PointSize = v_size;
}
"""
POINT_FRAGMENT = """
uniform vec3 u_ground;
uniform float u_hard;
IN vec4 v_color;
IN float v_fade;
IN float v_size;
void main() {
    float radius = 0.5 * (v_size - 1.0);
    float away = length(gl_PointCoord - 0.5) * v_size;
    float cover = clamp(radius + 0.5 - away, 0.0, 1.0);
    if (u_hard > 0.5) cover = step(0.5, cover);
    if (cover <= 0.0 || v_color.a <= 0.0) discard;
    float rim = clamp(away / max(radius, 0.5), 0.0, 1.0);
    vec3 shaded = v_color.rgb * (1.0 - RIM * rim * rim);
    COLOR = vec4(mix(shaded, u_ground, v_fade), v_color.a * cover);
}
"""
LINE_VERTEX = """
ATTRIBUTE vec3 a_position;
ATTRIBUTE float a_strength;
OUT float v_side;
OUT float v_strength;
void main() {
    gl_Position = vec4(a_position.xy, 0.0, 1.0);
    v_side = a_position.z;
    v_strength = a_strength;
}
"""
LINE_FRAGMENT = """
uniform vec3 u_color;
uniform float u_half_width;
IN float v_side;
IN float v_strength;
void main() {
    COLOR = vec4(u_color, v_strength * clamp(u_half_width + 0.5 - abs(v_side), 0.0, 1.0));
}
"""


def _compile(vertex: str, fragment: str, attributes: tuple[str, ...]) -> int:
    """Compile for the current context: desktop compatibility or core profile, or OpenGL ES."""
    context = QOpenGLContext.currentContext()
    surface = context.format()
    modern = not context.isOpenGLES() and surface.version() >= (3, 1)
    embedded = context.isOpenGLES()
    head = "#version 140\n" if modern else "#version 100\nprecision highp float;\n" if embedded else "#version 120\n"
    values = {"SMALLEST": SMALLEST, "LARGEST": LARGEST, "FADE": FADE, "RIM": RIM_SHADE}
    constants = "".join(f"#define {name} {value}\n" for name, value in values.items())
    if modern:
        words = "#define ATTRIBUTE in\n#define OUT out\n#define IN in\n"
        output = "out vec4 f_color;\n#define COLOR f_color\n"
    else:
        words = "#define ATTRIBUTE attribute\n#define OUT varying\n#define IN varying\n"
        output = "#define COLOR gl_FragColor\n"
    program = shaders.compileProgram(
        shaders.compileShader(head + constants + words + vertex, GL.GL_VERTEX_SHADER),
        shaders.compileShader(head + constants + words + output + fragment, GL.GL_FRAGMENT_SHADER),
        validate=False,
    )
    for place, name in enumerate(attributes):
        GL.glBindAttribLocation(program, place, name)
    GL.glLinkProgram(program)
    return program


def _upload(buffer: QOpenGLBuffer, data: np.ndarray) -> None:
    if not buffer.isCreated():
        buffer.create()
    buffer.bind()
    buffer.allocate(data.tobytes(), data.nbytes)
    buffer.release()


def _uniform(program: int, name: str, *values: float) -> None:
    place = GL.glGetUniformLocation(program, name)
    {1: GL.glUniform1f, 3: GL.glUniform3f}[len(values)](place, *values)


class SceneItem(Themed, GLGraphicsItem):
    """An item that draws part of a ``Scene``; what goes wrong reaches ``failed`` instead of a black picture."""

    def __init__(self, scene: Scene, failed: Callable[[str], None]) -> None:
        super().__init__()
        self.scene, self.failed = scene, failed
        self.program: int | None = None

    def ratio(self) -> float:
        """Device pixels in a pixel."""
        view = self.view()
        return 1.0 if view is None else view.devicePixelRatioF()


def _guarded(paint: Callable[[Any], None]) -> Callable[[Any], None]:
    """``paint`` of an item, whose errors reach ``failed``."""

    @wraps(paint)
    def guarded(item: SceneItem) -> None:
        try:
            paint(item)
        except (OpenGLError, RuntimeError) as error:
            item.failed(str(error).strip().splitlines()[0][:160])

    return guarded


class PointsItem(SceneItem):
    """The cloud. Only what changed is uploaded: positions, colours, or the order from far to near."""

    def __init__(self, scene: Scene, failed: Callable[[str], None]) -> None:
        super().__init__(scene, failed)
        self._positions = QOpenGLBuffer(QOpenGLBuffer.Type.VertexBuffer)
        self._colors = QOpenGLBuffer(QOpenGLBuffer.Type.VertexBuffer)
        self._order = QOpenGLBuffer(QOpenGLBuffer.Type.IndexBuffer)
        self._uploaded_version: int | None = None
        self._uploaded_colors: tuple | None = None
        self._drawn_order: object = None
        self._count = 0
        self._affordable = LEAST_MOVING  # points, by the time that the last picture took

    @_guarded
    def paint(self) -> None:
        """Draw all points with smooth edges; beyond ``SORT_LIMIT`` with hard ones, ordered by the depth buffer.

        Those come in a shuffled order, of which so many are drawn while the view turns as the time of a frame allows.
        """
        scene = self.scene
        if not scene.count:
            return
        if self.program is None:
            self.program = _compile(POINT_VERTEX, POINT_FRAGMENT, ("a_position", "a_color"))
        hard = scene.count > SORT_LIMIT
        if self._uploaded_version != scene.version:
            places = scene.columns.take(shuffled(scene.count), axis=1) if hard else scene.columns
            _upload(self._positions, np.ascontiguousarray(np.nan_to_num(places.T, nan=1e30)))
            self._uploaded_version = scene.version
        if self._uploaded_colors != (key := (scene.version, scene.color_version, self._theme.name)):
            colors = scene.rgba(self._theme).copy()
            colors[~np.isfinite(scene.columns[0]), 3] = 0
            _upload(self._colors, np.ascontiguousarray(colors.take(shuffled(scene.count), axis=0) if hard else colors))
            self._uploaded_colors = key
        if not hard and (screen := scene.screen()) is not self._drawn_order:
            known = np.flatnonzero(np.isfinite(screen.x))
            order = known[far_to_near(screen.depth[known])] if scene.dims == 3 else known
            _upload(self._order, order.astype(np.uint32))
            self._count = len(order)
            self._drawn_order = screen
        GL.glEnable(GL.GL_BLEND)
        GL.glBlendFuncSeparate(GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        (GL.glEnable if hard else GL.glDisable)(GL.GL_DEPTH_TEST)
        context = QOpenGLContext.currentContext()
        if not context.isOpenGLES():
            GL.glEnable(GL.GL_PROGRAM_POINT_SIZE)
            if context.format().profile() != QSurfaceFormat.OpenGLContextProfile.CoreProfile:
                GL.glEnable(GL.GL_POINT_SPRITE)
        cue, ground = depth_cue(scene.camera, scene.box), QColor(self._theme.plot)
        self._positions.bind()
        GL.glVertexAttribPointer(0, 3, GL.GL_FLOAT, False, 0, None)
        self._colors.bind()
        GL.glVertexAttribPointer(1, 4, GL.GL_UNSIGNED_BYTE, True, 0, None)
        self._colors.release()
        for place in (0, 1):
            GL.glEnableVertexAttribArray(place)
        GL.glUseProgram(self.program)
        matrix = scene.camera.matrix().T.astype(np.float32)
        GL.glUniformMatrix4fv(GL.glGetUniformLocation(self.program, "u_matrix"), 1, False, np.ascontiguousarray(matrix))
        _uniform(self.program, "u_size", 2 * scene.point_radius() * self.ratio())
        _uniform(self.program, "u_distance", cue.distance)
        _uniform(self.program, "u_near", cue.near)
        _uniform(self.program, "u_far", cue.far)
        _uniform(self.program, "u_ground", ground.redF(), ground.greenF(), ground.blueF())
        _uniform(self.program, "u_hard", 1.0 if hard else 0.0)
        if hard:
            self._draw_prefix()
        else:
            self._order.bind()
            GL.glDrawElements(GL.GL_POINTS, self._count, GL.GL_UNSIGNED_INT, ctypes.c_void_p(0))
            self._order.release()
        GL.glUseProgram(0)
        for place in (0, 1):
            GL.glDisableVertexAttribArray(place)

    def _draw_prefix(self) -> None:
        """Draw all points, or while the view turns so many as took no longer than ``FRAME_S`` the last time."""
        moving, count = self.scene.moving, self.scene.count
        drawn = min(count, self._affordable) if moving else count
        if moving:
            GL.glFinish()  # what was asked for before is not counted
        began = perf_counter()
        GL.glDrawArrays(GL.GL_POINTS, 0, drawn)
        if moving:
            GL.glFinish()
            factor = min(max(FRAME_S / max(perf_counter() - began, 1e-6), 0.5), 2.0)
            self._affordable = max(LEAST_MOVING, min(int(drawn * factor), 2 * count))


class GridItem(SceneItem):
    """The grid on the back faces: every line a thin quad on the screen whose edge the shader smooths."""

    def __init__(self, scene: Scene, failed: Callable[[str], None]) -> None:
        super().__init__(scene, failed)
        self._vertices = QOpenGLBuffer(QOpenGLBuffer.Type.VertexBuffer)
        self.setDepthValue(-10)

    @_guarded
    def paint(self) -> None:
        """Draw the lines, without writing depth."""
        vertices = self._quads()
        if not len(vertices):
            return
        if self.program is None:
            self.program = _compile(LINE_VERTEX, LINE_FRAGMENT, ("a_position", "a_strength"))
        _upload(self._vertices, vertices)
        GL.glEnable(GL.GL_BLEND)
        GL.glBlendFuncSeparate(GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        GL.glDisable(GL.GL_DEPTH_TEST)
        self._vertices.bind()
        GL.glVertexAttribPointer(0, 3, GL.GL_FLOAT, False, 16, None)
        GL.glVertexAttribPointer(1, 1, GL.GL_FLOAT, False, 16, ctypes.c_void_p(12))
        self._vertices.release()
        for place in (0, 1):
            GL.glEnableVertexAttribArray(place)
        GL.glUseProgram(self.program)
        colour = QColor(self._theme.grid)
        _uniform(self.program, "u_color", colour.redF(), colour.greenF(), colour.blueF())
        _uniform(self.program, "u_half_width", 0.5 * self.ratio())
        GL.glDrawArrays(GL.GL_TRIANGLES, 0, len(vertices))
        GL.glUseProgram(0)
        for place in (0, 1):
            GL.glDisableVertexAttribArray(place)

    def _quads(self) -> np.ndarray:
        """float32 (6 n, 4): x and y in clip space, side in device pixels, strength."""
        ratio = self.ratio()
        pixels, strong = self.scene.grid(ratio)
        along = pixels[:, 1] - pixels[:, 0]
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        normal /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
        reach = 0.5 * ratio + 1.0
        corners = np.empty((len(pixels), 6, 4), dtype=np.float32)
        size = np.array(self.scene.camera.viewport) * ratio
        for corner, (end, side) in enumerate(((0, -1), (1, -1), (1, 1), (0, -1), (1, 1), (0, 1))):
            place = (pixels[:, end] + side * reach * normal) / size
            corners[:, corner, 0] = 2 * place[:, 0] - 1
            corners[:, corner, 1] = 1 - 2 * place[:, 1]
            corners[:, corner, 2] = side * reach
            corners[:, corner, 3] = np.where(strong, 1.0, 0.7)
        return corners.reshape(-1, 4)


class GLCanvas(Themed, GLViewWidget):
    """Draws grid and points of ``scene``; calls ``drawn()`` for each new picture.

    ``failed`` carries the driver's words if it cannot draw; the view then goes on in software.
    """

    failed = Signal(str)

    def __init__(self, scene: Scene, drawn: Callable[[], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._drawn = scene, drawn
        self._broken = False
        self.points = PointsItem(scene, self._fail)
        self.grid = GridItem(scene, self._fail)
        self.addItem(self.grid)
        self.addItem(self.points)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setBackgroundColor(self._theme.plot)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.setBackgroundColor(self._theme.plot)

    def redraw(self) -> None:
        """Something that this canvas draws has changed; at most one picture is drawn for each frame."""
        self.update()

    def rest(self) -> None:
        """The view has come to rest: all points are drawn now."""
        self.redraw()

    def viewMatrix(self) -> QMatrix4x4:
        """The scene's camera in place of pyqtgraph's."""
        return _to_qt(self._scene.camera.view_matrix())

    def projectionMatrix(self, region: object = None, viewport: object = None) -> QMatrix4x4:
        """The scene's camera in place of pyqtgraph's."""
        return _to_qt(self._scene.camera.projection_matrix())

    def paintGL(self) -> None:
        """Draw one picture."""
        super().paintGL()
        self._drawn()

    def _fail(self, reason: str) -> None:
        if not self._broken:  # every later frame would fail the same way
            self._broken = True
            self.failed.emit(reason)


def _to_qt(matrix: np.ndarray) -> QMatrix4x4:
    """A float64 (4, 4) matrix for Qt, which takes rows."""
    return QMatrix4x4(matrix.astype(np.float32).reshape(-1).tolist())
