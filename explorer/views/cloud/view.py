"""The cloud view: one canvas (OpenGL or software) under one overlay, and the gestures upon them.

Setters change the scene and ask for a redraw, at most one for each frame; they never emit a gesture. Signals report
what a hand did and change nothing here: whoever listens answers through the setters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, QVariantAnimation, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from core.rendering.colormaps import Colorbar, lut
from core.rendering.crowd import density_label
from explorer.views.cloud.interaction import AXIS_KEYS, Interaction
from explorer.views.cloud.legend import Legend, LegendEntry
from explorer.views.cloud.overlay import Overlay
from explorer.views.cloud.renderer import RendererChoice, choose_renderer
from explorer.views.cloud.scene import Awaited, GridlinesMark, KindsMark, Scene, TransectMark
from explorer.views.cloud.software_canvas import SoftwareCanvas
from explorer.views.cloud.tools import Mode
from explorer.widgets.controls import claim_keys
from explorer.widgets.theme import Themed

LEGEND_MARGIN = (10, 8, 44)  # pixels right, above and below
FOLLOW_MS = 250  # in which the view follows a cloud that has outgrown it
SETTLE_MS = 160  # after the last turn, the picture is drawn in full
TYPING = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox, QComboBox)


class CloudView(Themed, QWidget):
    """The latent cloud. ``renderer``: "auto" takes OpenGL where a graphics card draws it, else numpy.

    Positions are float32 (..., 3), in the coordinates of ``set_points``.
    """

    hovered = Signal(int)
    """Index of the point under the mouse, -1: none."""
    clicked = Signal(int, Qt.KeyboardModifier)
    """A point was clicked in ORBIT mode."""
    probe_moved = Signal(object)
    probe_released = Signal()
    stroke_drawn = Signal(object)
    """A ``StrokeGesture``."""
    control_added = Signal(object)
    control_moved = Signal(int, object)
    control_snapped = Signal(int, int)
    """A held control point is on a point, whose index comes second; only if the path is ``snapping``."""
    control_released = Signal(int)
    """The hand lets go of a control point that it had pressed or inserted, whether or not it was moved."""
    control_inserted = Signal(int, object)
    """The index that the new control point takes, and its position."""
    control_removed = Signal(int)
    control_selected = Signal(int)
    picked = Signal(object, bool)
    """Indices int64 of points chosen in SELECT mode; whether they are added to the selection."""
    traced = Signal(int)
    """A point was clicked in TRACE mode."""
    rail_moved = Signal(float)
    """The hand slides along the curve: the share of it, 0 to 1, counted in its samples as they were given."""
    rail_stepped = Signal(int)
    """The wheel turned by so many notches over the curve."""
    view_changed = Signal()
    view_settled = Signal()
    """A hand has turned, moved or zoomed the view, and rests or has let go."""
    space_tapped = Signal()
    """Space was tapped over the cloud without turning it: the window's meaning of Space applies."""
    finished = Signal()
    """Enter: what is being drawn is as it should be."""
    progressed = Signal(int, int)
    """Of a crowd, which takes several pictures: how many of its points are drawn by now, and how many there are."""

    def __init__(self, renderer: str = "auto", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("cloud")
        self.setAccessibleName("Latent cloud")
        self.setMinimumSize(240, 180)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.scene = Scene()
        self._interaction = Interaction(self)
        self._touched = False
        self._inside = False
        self.frames_drawn = 0
        self._overlay = Overlay(self.scene, self)
        self.legend = Legend(self)
        self.legend.entered.connect(self._interaction.leave)
        choice = choose_renderer(renderer)
        self.renderer_name, self.renderer_note = choice.name, choice.note
        self._points_canvas = self._canvas = self._make_canvas(choice)
        self._density_canvas: SoftwareCanvas | None = None
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._settle.timeout.connect(self._on_settled)
        self._follow = QVariantAnimation(self, startValue=0.0, endValue=1.0, duration=FOLLOW_MS)
        self._follow.valueChanged.connect(self._on_follow)
        self._follow_from = self._follow_to = np.zeros(4)
        self._take_ground()
        claim_keys(self, self._claims)
        self._arrange()

    def sizeHint(self) -> QSize:
        return QSize(900, 640)

    # renderers

    def _make_canvas(self, choice: RendererChoice) -> Any:
        if not choice.opengl:
            return self._make_software_canvas()
        # pyqtgraph.opengl takes 0.2 s to import, for nothing where OpenGL is not used.
        from explorer.views.cloud.gl_canvas import GLCanvas

        canvas = GLCanvas(self.scene, self._on_canvas_drawn, self)
        canvas.failed.connect(self._on_opengl_failed, Qt.ConnectionType.QueuedConnection)
        return canvas

    def _make_software_canvas(self) -> SoftwareCanvas:
        return SoftwareCanvas(self.scene, self._on_canvas_drawn, self.progressed.emit, self)

    def _on_opengl_failed(self, reason: str) -> None:
        """Go on in software: a black panel helps nobody."""
        self.renderer_name = "software"
        self.renderer_note = f"OpenGL could not draw the cloud ({reason}); drawing in software."
        broken, self._points_canvas = self._points_canvas, self._make_software_canvas()
        broken.hide()
        broken.deleteLater()
        self._take_canvas()

    def _take_canvas(self) -> None:
        """Have the canvas that draws what is wanted: densities are counted by numpy, whatever draws points."""
        wanted = self._points_canvas
        if self.scene.density and not isinstance(wanted, SoftwareCanvas):
            self._density_canvas = self._density_canvas or self._make_software_canvas()
            wanted = self._density_canvas
        for canvas in {self._points_canvas, self._density_canvas} - {None, wanted}:
            canvas.hide()
        self._canvas = wanted
        self._arrange()
        wanted.show()
        self._redraw()

    def _arrange(self) -> None:
        self._canvas.setGeometry(self.rect())
        self._overlay.setGeometry(self.rect())
        self._overlay.raise_()
        right, above, below = LEGEND_MARGIN
        wanted = self.legend.sizeHint()
        width = min(wanted.width(), self.width() * 2 // 5)
        height = min(wanted.height(), max(0, self.height() - above - below))
        self.legend.setGeometry(self.width() - right - width, above, width, height)
        self.legend.raise_()

    def _on_canvas_drawn(self) -> None:
        self.frames_drawn += 1
        scene = self.scene
        if scene.density:
            cell, most = scene.density_counted
            colours = lut(scene.density, self._theme.plot)
            bar = Colorbar(density_label(scene.density_of, cell), 1.0, float(max(most, 1)), colours, logarithmic=True)
            if scene.colorbar is None or (bar.label, bar.high) != (scene.colorbar.label, scene.colorbar.high):
                scene.colorbar = bar
                self._overlay.update()

    def refresh(self) -> None:
        """Redraw the overlay, in the next frame."""
        self._overlay.update()

    def _redraw(self) -> None:
        self._canvas.redraw()
        self._overlay.update()

    def turned(self) -> None:
        """A hand has changed the camera; once it has moved or zoomed it, the view follows the cloud no more."""
        self.scene.limit_camera()
        self._touched = self.scene.reframed()
        if self._touched:
            self._follow.stop()
        self.scene.moving = True
        self._settle.start()
        self._redraw()
        self.view_changed.emit()

    def _on_settled(self) -> None:
        self.scene.moving = False
        self.view_settled.emit()
        self._interaction.update_hover()
        self._canvas.rest()
        self._overlay.update()

    def _fit(self, orient: bool) -> None:
        self._follow.stop()
        self.scene.fit(orient)

    def _on_follow(self, share: float) -> None:
        """The cloud has outgrown the view: go where all of it is seen, without a jump."""
        if not self._interaction.busy:
            self.scene.set_frame(self._follow_from + share * (self._follow_to - self._follow_from))
            self._interaction.update_hover()
            self._redraw()

    # what is shown

    @property
    def point_count(self) -> int:
        """Number of points."""
        return self.scene.count

    def set_points(self, xyz: np.ndarray) -> None:
        """Show ``xyz`` float32 (N, 3); rows that are not finite are left out. Raises ``ValueError``."""
        first = not self.scene.count
        self.scene.set_points(xyz)
        if self.scene.hover is not None and self.scene.hover >= self.scene.count:
            self.scene.hover = None
        if not self.scene.count:
            self.scene.fitted = None
        elif first:
            self._touched = False
            self._fit(orient=True)
        elif self.scene.outgrown():
            self.scene.left_view = self._touched
            if not self._touched and not self._interaction.busy:  # nothing moves under a hand that drags
                self._follow_from = self.scene.frame()
                self._fit(orient=False)
                self._follow_to = self.scene.frame()
                self.scene.set_frame(self._follow_from)
                self._follow.start()
        self._interaction.update_hover()
        self._redraw()

    def set_awaited(self, awaited: Awaited) -> None:
        """What points will come from by themselves, "" if from nothing: said while there are none."""
        self.scene.awaited = awaited
        if not self.scene.count:
            self._overlay.update()

    def set_colors(self, rgba: np.ndarray) -> None:
        """Colour the points, uint8 (N, 4); with another N they keep one colour until both agree.

        An alpha of 0 hides a point: it is not drawn, and no mouse finds it.
        """
        rgba = np.asarray(rgba, dtype=np.uint8)
        if rgba.ndim != 2 or rgba.shape[1] != 4:
            raise ValueError(f"colours have shape {rgba.shape}; the cloud needs (N, 4).")
        self.scene.colors = rgba
        self.scene.color_version += 1
        self._interaction.update_hover()
        self._redraw()

    def set_axes(self, labels: tuple[str, ...], dims: int) -> None:
        """Name the axes; with 1 or 2 of them the view is flat."""
        changed = dims != self.scene.dims
        self.scene.set_dims(labels, dims)
        if changed and self.scene.count:
            self._touched = False
            self._fit(orient=True)
        self._redraw()

    def set_point_size(self, pixels: float) -> None:
        """Diameter of a point in pixels."""
        self.scene.point_size = float(pixels)
        self._redraw()

    def set_opacity(self, opacity: float) -> None:
        """Opacity of the points, 0 to 1."""
        self.scene.opacity = float(np.clip(opacity, 0.0, 1.0))
        self.scene.color_version += 1
        self._redraw()

    def set_density(self, colormap: str, selected: bool = False) -> None:
        """Count the points of each pixel instead of drawing them, in the colours of ``colormap``; empty: draw them.

        ``selected``: there is a selection, whose points alone are counted.
        """
        self.scene.density_of = "selected" if selected else "samples"
        if colormap != self.scene.density:
            self.scene.density = colormap
            self.scene.colorbar = None
            self._take_canvas()

    def set_thumbnails(self, images: np.ndarray | None) -> None:
        """Pictures uint8 (n, h, w, C) of the first n points, that hovering shows."""
        self.scene.thumbnails, self.scene.late_thumbnail = images, None
        self.refresh()

    def set_late_thumbnail(self, index: int, image: np.ndarray) -> None:
        """The picture uint8 (h, w, C) of a point that ``set_thumbnails`` gave none."""
        self.scene.late_thumbnail = index, image
        self.refresh()

    def set_hover_label(self, label: Callable[[int], str] | None) -> None:
        """What gives the text that hovering shows of a point by its index; lines end in a line feed."""
        self.scene.hover_label = label
        self.refresh()

    def set_hovered(self, index: int | None) -> None:
        """Ring a point, and show its card, as if the mouse were over it; None: none. The mouse here overrules it."""
        self._mark(hover=index)

    def set_colorbar(self, label: str, low: float, high: float, lut: np.ndarray | None) -> None:
        """Say what the colours mean; ``lut`` uint8 (256, 4), None: no bar. A list of classes goes."""
        self._explain(None if lut is None else Colorbar(label, float(low), float(high), lut), label, ())

    def set_legend(self, label: str, entries: Sequence[LegendEntry]) -> None:
        """Say which colour each class of ``label`` has; a colour bar goes."""
        self._explain(None, label, entries)

    def _explain(self, bar: Colorbar | None, label: str, entries: Sequence[LegendEntry]) -> None:
        scene = self.scene
        before = scene.colorbar is None, scene.legend_width
        scene.colorbar = bar
        self.legend.set_entries(label, entries)
        self._arrange()
        scene.legend_width = float(self.legend.width()) if entries else 0.0
        if before != (bar is None, scene.legend_width) and not self._touched and scene.count:
            self._fit(orient=False)
            self._redraw()
        self.refresh()

    def set_mode(self, mode: Mode) -> None:
        """What the left button does from now on."""
        self._interaction.set_mode(Mode(mode))

    @property
    def mode(self) -> Mode:
        """What the left button does."""
        return self._interaction.mode

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._take_ground()

    def _take_ground(self) -> None:
        palette = self.palette()
        palette.setColor(self.backgroundRole(), QColor(self._theme.plot))
        self.setPalette(palette)

    # what is drawn over the points: it repaints the overlay alone

    def _mark(self, **marks: Any) -> None:
        """Set fields of the scene. A click sets them all and changes few: what is as it was is not painted again."""
        alike = all(_same(getattr(self.scene, name), value) for name, value in marks.items())
        for name, value in marks.items():
            setattr(self.scene, name, value)
        if not alike:
            self.refresh()

    def _flat(self, xyz: np.ndarray | None) -> np.ndarray | None:
        return None if xyz is None else self.scene.flatten(xyz)

    def set_selected(self, index: int | None) -> None:
        """Ring the chosen sample."""
        self._mark(selected=index)

    def set_probe(self, xyz: np.ndarray | None) -> None:
        """Put the cross-hair at ``xyz`` (3,)."""
        self._mark(probe=self._flat(xyz))

    def set_path(
        self,
        curve: np.ndarray | None,
        control: np.ndarray | None,
        selected_control: int | None,
        snapping: bool = False,
    ) -> None:
        """Draw ``curve`` (K, 3) through ``control`` (M, 3); dragged, these jump onto points if ``snapping``."""
        self._mark(
            curve=self._flat(curve),
            control=self._flat(control),
            selected_control=selected_control,
            snapping=snapping,
            hover_control=None,
            ghost=None,
        )

    def set_marker(self, xyz: np.ndarray | None) -> None:
        """Put the moving marker at ``xyz`` (3,)."""
        self._mark(marker=self._flat(xyz))

    def set_preview(self, curve: np.ndarray | None) -> None:
        """Draw a curve (K, 3) that is only proposed, dashed; K = 1: the place where it will start."""
        self._mark(preview=self._flat(curve))

    def set_transect(
        self,
        xyz: np.ndarray | None,
        in_hole: np.ndarray | None = None,
        position: int | None = None,
        thumbnails: np.ndarray | None = None,
    ) -> None:
        """Draw the means ``xyz`` (n, 3) of a transect as a second path, rows of NaN where they are not known yet.

        ``in_hole`` bool (n,) fills those points with the accent colour; ``position`` is the point that is looked at;
        ``thumbnails`` uint8 (n, h, w, C) stand beside some of the points. None: no transect.
        """
        mark = None
        if xyz is not None and len(xyz):
            inside = np.zeros(len(xyz), dtype=bool) if in_hole is None else np.asarray(in_hole, dtype=bool)
            if len(inside) != len(xyz) or (thumbnails is not None and len(thumbnails) != len(xyz)):
                raise ValueError(
                    f"the transect has {len(xyz)} points, but {len(inside)} hole marks and "
                    f"{'no' if thumbnails is None else len(thumbnails)} thumbnails; wanted one for each point."
                )
            before = self.scene.transect
            kept = before.drawn if before is not None and before.thumbnails is thumbnails else {}
            mark = TransectMark(self.scene.flatten(xyz), inside, position, thumbnails, kept)
        self._mark(transect=mark)

    def set_gridlines(
        self,
        xyz: np.ndarray | None,
        starts: np.ndarray | None = None,
        family: np.ndarray | None = None,
        values: np.ndarray | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        """Draw gridlines: line i is ``xyz[starts[i]:starts[i + 1]]``, names[family[i]] being values[i].

        ``xyz`` (P, 3), ``starts`` (L + 1,), ``family`` (L,), ``values`` (L,). None hides them. Raises ``ValueError``
        where these do not fit.
        """
        mark = None
        if xyz is not None and starts is not None and family is not None and values is not None and len(family):
            fits = len(starts) == len(family) + 1 == len(values) + 1 and starts[-1] <= len(xyz)
            if not fits or family.max() >= len(names):
                raise ValueError(
                    f"there are {len(family)} gridlines of {len(names)} families, {len(starts)} starts, {len(values)} "
                    f"values and {len(xyz)} points; expected one start more than gridlines, a value and family each."
                )
            mark = GridlinesMark(names, self.scene.flatten(xyz), starts, family, values)
        self._mark(gridlines=mark)

    def set_kinds(self, curves: Sequence[tuple[str, np.ndarray]], forward: str = "") -> None:
        """Draw kinds of path that are compared, (kind, (K, 3)) each; ``forward`` is the kind that is looked at."""
        flat = tuple((kind, self.scene.flatten(curve)) for kind, curve in curves)
        self._mark(kinds=KindsMark(flat, forward) if flat else None)

    # the camera

    def home(self) -> None:
        """Show the whole cloud, from its broad side."""
        self._touched = self.scene.left_view = False
        self._fit(orient=True)
        self._interaction.update_hover()
        self._redraw()
        self.view_changed.emit()

    def camera(self) -> dict[str, Any]:
        """The view as plain numbers that ``set_camera`` takes."""
        return self.scene.camera.state()

    def set_camera(self, state: dict[str, Any]) -> None:
        """Go to a view that ``camera`` gave; raises ``ValueError`` for anything else."""
        self._follow.stop()
        self.scene.camera.restore(state)
        self.scene.limit_camera()
        self._touched = True
        self._redraw()

    @property
    def shows_all(self) -> bool:
        """Whether the camera keeps the whole cloud in sight, because no hand has moved or zoomed it."""
        return not self._touched

    def look_from(self, azimuth: float, elevation: float) -> None:
        """Show the whole cloud from there, in degrees, and go on doing so; raises ``ValueError`` for no numbers."""
        self.set_camera({**self.camera(), "azimuth": azimuth, "elevation": elevation})
        self._touched = self.scene.left_view = False
        self._fit(orient=False)
        self._redraw()

    def project(self, xyz: np.ndarray) -> QPointF:
        """The pixel of the widget at which ``xyz`` (3,) is drawn."""
        return QPointF(*self.scene.pixel(np.asarray(xyz)))

    def screen_positions(self) -> np.ndarray:
        """float32 (N, 3): pixel x, pixel y and depth of every point."""
        screen = self.scene.screen()
        return np.stack([screen.x, screen.y, screen.depth], axis=1)

    def probe_position(self) -> QPointF | None:
        """The pixel at which the probe is drawn; None without a probe or when it is out of sight."""
        if self.scene.probe is None:
            return None
        place = self.project(self.scene.probe)
        return place if QRectF(self.rect()).contains(place) else None

    # events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the whole cloud in sight until a hand has chosen a view."""
        self.scene.camera.viewport = (float(max(1, self.width())), float(max(1, self.height())))
        self._arrange()
        if self.scene.count and not self._touched:
            self._fit(orient=False)
        self._redraw()

    def event(self, event: QEvent) -> bool:
        """Follow pinches."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._interaction.pinch(event.value(), event.position().toTuple())
            return True
        return super().event(event)

    def _claims(self, event: QKeyEvent) -> bool:
        held = event.key() == Qt.Key.Key_Space and self._inside
        return not event.modifiers() and (held or (event.key() in AXIS_KEYS and self.mode is Mode.PROBE))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._inside = True
        self._interaction.press(event.button(), event.position().toTuple(), event.modifiers())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._inside:
            self._arrive()
        self._interaction.move(event.position().toTuple(), event.modifiers())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._interaction.release(event.button(), event.position().toTuple(), event.modifiers())
        if self._settle.isActive():
            self.view_settled.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the mouse."""
        self._interaction.wheel(event.angleDelta().y(), event.position().toTuple())
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._arrive()

    def _arrive(self) -> None:
        """Keys held over the cloud (Space, X, Y, Z) must reach it, unless the person is typing somewhere."""
        self._inside = True
        if not isinstance(QApplication.focusWidget(), TYPING):
            self.setFocus(Qt.FocusReason.MouseFocusReason)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is hovered any more."""
        self._inside = False
        self._interaction.leave()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.isAutoRepeat() and (event.key() == Qt.Key.Key_Space or event.key() in AXIS_KEYS):
            return
        if event.key() == Qt.Key.Key_Home:
            self.home()
        elif not self._interaction.key_press(event.key(), event.modifiers()):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if not event.isAutoRepeat() and not self._interaction.key_release(event.key()):
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A key that is released elsewhere is not held here any more."""
        self._interaction.release_keys()
        super().focusOutEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        """A gesture does not outlive the widget's visibility."""
        self._interaction.cancel()
        super().hideEvent(event)


def _same(one: Any, other: Any) -> bool:
    """Whether two marks draw alike."""
    if one is other or one is None or other is None:
        return one is other
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
