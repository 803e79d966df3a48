"""The cloud view under real mouse and keyboard, drawn by numpy and by OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from explorer.theme import DARK, LIGHT
from explorer.views.cloud import CloudView, Mode, StrokeGesture
from explorer.views.cloud.base import CloudBase
from explorer.views.cloud.renderer import choose_renderer

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier
PHASE = Qt.ScrollPhase.NoScrollPhase
SIZE = (640, 480)


def sheet(count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(7)
    a, b = rng.uniform(-1, 1, (2, count))
    return np.stack([a, b, 0.4 * np.sin(2 * a)], axis=1).astype(np.float32)


def open_view(qtbot, renderer: str) -> CloudView:
    view = CloudView(renderer)
    qtbot.addWidget(view)
    if renderer == "gl" and view.renderer_note:
        pytest.skip(f"no OpenGL on this display: {view.renderer_note}")
    view.resize(*SIZE)
    view.set_points(sheet())
    view.set_colors(np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (400, 1)))
    with qtbot.waitExposed(view):
        view.show()
    qtbot.waitUntil(lambda: view.frames_drawn > 0)
    return view


@pytest.fixture
def view(qtbot) -> CloudView:
    return open_view(qtbot, "software")


@pytest.fixture(params=["software", "gl"])
def either(qtbot, request) -> CloudView:
    """The view with each renderer."""
    return open_view(qtbot, request.param)


class Heard:
    """Everything that a view's gesture signals said, in order."""

    NAMES = tuple(name for name, value in vars(CloudBase).items() if isinstance(value, Signal))

    def __init__(self, view: CloudView) -> None:
        self.all: list[tuple] = []
        for name in self.NAMES:
            getattr(view, name).connect(lambda *values, name=name: self.all.append((name, *values)))

    def named(self, name: str) -> list[tuple]:
        return [entry[1:] for entry in self.all if entry[0] == name]

    def names(self) -> set[str]:
        return {entry[0] for entry in self.all}


def point(place) -> QPoint:
    return QPointF(*place).toPoint() if isinstance(place, tuple) else QPointF(place).toPoint()


def move(view: CloudView, place) -> None:
    """Move the mouse; through the window, for on a widget QTest moves the display's own cursor, some time later."""
    QTest.mouseMove(view.windowHandle(), point(place))
    QApplication.processEvents()


def press(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    QTest.mousePress(view.windowHandle(), button, modifiers, point(place))
    QApplication.processEvents()


def release(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    QTest.mouseRelease(view.windowHandle(), button, modifiers, point(place))
    QApplication.processEvents()


def drag(view: CloudView, path, button=LEFT, modifiers=NONE) -> None:
    move(view, path[0])
    press(view, path[0], button, modifiers)
    for place in path[1:]:
        move(view, place)
    release(view, path[-1], button, modifiers)


def click(view: CloudView, place, button=LEFT, modifiers=NONE) -> None:
    drag(view, [place], button, modifiers)


def front_point(view: CloudView) -> int:
    """A point that is seen: the nearest to the eye of those well inside the view."""
    places = view.screen_positions()
    inside = (np.abs(places[:, 0] - 320) < 200) & (np.abs(places[:, 1] - 240) < 150)
    return int(np.flatnonzero(inside)[places[inside, 2].argmin()])


def where(view: CloudView, index: int) -> tuple[float, float]:
    x, y, _ = view.screen_positions()[index].tolist()
    return x, y


def empty_place(view: CloudView) -> tuple[float, float]:
    """A pixel with no point near it."""
    places = view.screen_positions()[:, :2]
    spots = [(x, y) for x in range(60, 560, 20) for y in range(60, 430, 20)]
    return max(spots, key=lambda spot: np.hypot(*(places - spot).T).min())


def grab(view: CloudView) -> QImage:
    return view.screen().grabWindow(view.winId()).toImage()


def orange(image: QImage) -> int:
    """Number of pixels in the points' colour."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    bgra = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    blue, green, red = (bgra[..., i].astype(int) for i in range(3))
    return int(((red > 90) & (red > 1.6 * green) & (green > 1.5 * blue)).sum())


# drawing


def test_the_screen_shows_points_and_both_themes(either, qtbot):
    for theme in (DARK, LIGHT):
        either.set_theme(theme)
        qtbot.waitUntil(lambda theme=theme: grab(either).pixelColor(3, SIZE[1] - 4).name() == theme.plot)
        assert orange(grab(either)) > 1500


def test_both_renderers_draw_nearly_the_same_picture(qtbot):
    pictures = []
    for renderer in ("software", "gl"):
        view = open_view(qtbot, renderer)
        qtbot.waitUntil(lambda view=view: orange(grab(view)) > 1500)
        image = grab(view).convertToFormat(QImage.Format.Format_RGB32)
        pictures.append(np.frombuffer(image.constBits(), np.uint8).astype(float))
        view.hide()
    assert np.abs(pictures[0] - pictures[1]).mean() < 3.0


def test_everything_can_be_shown_at_once_and_taken_away_again(either, qtbot):
    heard = Heard(either)
    curve = np.stack([np.linspace(-1, 1, 50), np.zeros(50), np.zeros(50)], axis=1)
    frames = either.frames_drawn
    either.set_path(curve, curve[::10], 2)
    either.set_preview(curve + 0.2)
    either.set_marker(curve[25])
    either.set_probe(np.array([0.3, 0.3, 0.3]))
    either.set_selected(5)
    either.set_thumbnails(np.full((400, 16, 16, 3), 200, np.uint8))
    either.set_hover_labels([f"sample {i}\na = 1.000" for i in range(400)])
    either.set_colorbar("depth", 0.0, 2.0, np.full((256, 4), 255, np.uint8))
    either.set_opacity(0.4)
    either.set_point_size(9)
    qtbot.waitUntil(lambda: either.frames_drawn > frames)
    full = grab(either)
    either.set_colorbar("split", 0, 1, np.full((256, 4), 255, np.uint8), ("training", "validation"))
    either.set_path(None, None, None)
    either.set_preview(None)
    either.set_marker(None)
    either.set_probe(None)
    either.set_selected(None)
    qtbot.waitUntil(lambda: grab(either) != full)
    either.set_points(np.empty((0, 3), np.float32))
    qtbot.waitUntil(lambda: orange(grab(either)) == 0)
    assert not heard.all  # setters never emit
    assert either.frame_ms


@pytest.mark.parametrize("dims", [1, 2])
def test_one_and_two_dimensions_are_drawn_flat(either, qtbot, dims):
    either.set_axes(("μ₁", "μ₂")[:dims], dims)
    either.set_points(sheet())
    qtbot.waitUntil(lambda: orange(grab(either)) > 800)
    before = either.camera()
    drag(either, [(300, 200), (320, 210), (360, 230)])
    after = either.camera()
    assert after["azimuth"] == before["azimuth"]
    assert after["target"] != before["target"]


def test_twice_the_device_pixels_are_used_on_a_dense_screen(view, qtbot, monkeypatch):
    monkeypatch.setattr(type(view._canvas), "devicePixelRatioF", lambda self: 2.0)
    view.set_point_size(6)
    qtbot.waitUntil(lambda: view._canvas._image.width() > 2 * SIZE[0])


def test_several_changes_make_one_frame(view, qtbot):
    qtbot.wait(50)
    frames = view.frames_drawn
    for size in range(2, 12):
        view.set_point_size(size)
        view.set_opacity(size / 12)
    qtbot.waitUntil(lambda: view.frames_drawn > frames)
    qtbot.wait(50)
    assert view.frames_drawn == frames + 1


def test_a_mark_does_not_draw_the_points_again(view, qtbot):
    qtbot.wait(50)
    frames = view.frames_drawn
    view.set_probe(np.zeros(3))
    view.set_selected(3)
    qtbot.wait(80)
    assert view.frames_drawn == frames


def test_colours_that_do_not_fit_the_points_wait_until_they_do(view, qtbot):
    view.set_points(sheet(500))
    qtbot.waitUntil(lambda: orange(grab(view)) == 0)  # 400 colours, 500 points: the plain colour
    view.set_colors(np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (500, 1)))
    qtbot.waitUntil(lambda: orange(grab(view)) > 1500)


@pytest.mark.parametrize("colors", [np.zeros((4, 3), np.uint8), np.zeros(4, np.uint8)])
def test_colours_of_the_wrong_shape_are_refused(view, colors):
    with pytest.raises(ValueError, match="colours have shape"):
        view.set_colors(colors)


# the renderer


def test_software_can_be_asked_for(qtbot):
    view = CloudView("software")
    qtbot.addWidget(view)
    assert view.renderer_name == "software"
    assert view.renderer_note


def test_the_environment_decides_before_the_argument(qapp, monkeypatch):
    monkeypatch.setenv("ISOLINE_RENDERER", "software")
    assert not choose_renderer("gl").opengl
    monkeypatch.setenv("ISOLINE_RENDERER", "vulkan")
    with pytest.raises(ValueError, match=r"ISOLINE_RENDERER is 'vulkan'; it must be auto, gl or software"):
        choose_renderer("auto")


def test_opengl_that_is_itself_software_is_not_taken(qapp, monkeypatch):
    monkeypatch.setattr("explorer.views.cloud.renderer.QGuiApplication.platformName", lambda: "xcb")
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("llvmpipe (LLVM 15)", "4.5"))
    choice = choose_renderer("auto")
    assert not choice.opengl
    assert "llvmpipe" in choice.note
    assert choose_renderer("gl").opengl
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("Mesa Intel UHD", "4.6"))
    assert choose_renderer("auto").name == "OpenGL 4.6 · Mesa Intel UHD"


def test_without_a_context_the_cloud_is_drawn_in_software(qapp, monkeypatch):
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("", ""))
    choice = choose_renderer("gl")
    assert (choice.opengl, choice.name) == (False, "software")
    assert "driver" in choice.note or "no OpenGL" in choice.note


def test_a_driver_that_fails_while_drawing_leaves_no_black_panel(qtbot, monkeypatch):
    view = open_view(qtbot, "gl")

    def fail() -> None:
        raise RuntimeError("shader compile failure: unsupported\nmore")

    monkeypatch.setattr(view._canvas.points, "draw", fail)
    view.set_point_size(6)
    qtbot.waitUntil(lambda: view.renderer_name == "software")
    assert "shader compile failure: unsupported" in view.renderer_note
    qtbot.waitUntil(lambda: orange(grab(view)) > 1500)
    click(view, where(view, front_point(view)))  # and the hand still reaches it


def test_on_a_display_without_opengl_the_cloud_is_drawn_all_the_same(tmp_path):
    picture = tmp_path / "cloud.png"
    program = textwrap.dedent(f"""
        import numpy as np
        from PySide6.QtWidgets import QApplication
        application = QApplication([])
        from explorer.views.cloud import CloudView
        view = CloudView("gl")
        view.resize(400, 300)
        view.set_points(np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32))
        view.set_colors(np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (500, 1)))
        assert view.renderer_name == "software" and "offscreen" in view.renderer_note, view.renderer_note
        assert view.grab().save({str(picture)!r})
    """)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert orange(QImage(str(picture))) > 500


# navigation


def test_dragging_turns_the_cloud_and_does_not_click(either, qtbot):
    heard, before = Heard(either), either.camera()
    frames = either.frames_drawn
    drag(either, [(300, 200), (310, 205), (360, 220)])
    after = either.camera()
    assert after["azimuth"] != before["azimuth"]
    assert after["elevation"] != before["elevation"]
    assert after["distance"] == before["distance"]
    assert not heard.named("clicked")
    assert heard.named("view_changed")
    qtbot.waitUntil(lambda: either.frames_drawn > frames)


@pytest.mark.parametrize(("button", "modifiers"), [(RIGHT, NONE), (MIDDLE, NONE), (LEFT, SHIFT)])
def test_right_middle_and_shift_drag_shift_the_view(view, monkeypatch, button, modifiers):
    before, mark = view.camera(), view.scene.camera.target.copy()
    press(view, (300, 200), button, modifiers)
    if modifiers:  # QTest.mouseMove knows no modifiers
        view._interaction.move((340.0, 170.0), modifiers)
        view._interaction.release(button, (340.0, 170.0), modifiers)
    else:
        move(view, (340, 170))
        release(view, (340, 170), button, modifiers)
    after = view.camera()
    assert (after["azimuth"], after["distance"]) == (before["azimuth"], before["distance"])
    moved = view.project(mark) - QPointF(SIZE[0] / 2, SIZE[1] / 2)
    assert (moved.x(), moved.y()) == pytest.approx((40, -30), abs=0.5)


def test_the_wheel_zooms_about_the_mouse(view):
    at = QPointF(450, 180)
    held = view.scene.camera.unproject((450, 180), view.scene.camera.distance)
    before = view.camera()["distance"]
    wheel = QWheelEvent(
        at,
        view.mapToGlobal(at),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, wheel)
    assert view.camera()["distance"] < before
    assert view.project(held).x() == pytest.approx(450, abs=0.01)
    assert view.project(held).y() == pytest.approx(180, abs=0.01)


def test_home_brings_the_whole_cloud_back(view):
    drag(view, [(300, 200), (360, 220)], RIGHT)
    drag(view, [(300, 200), (390, 260)])
    QTest.keyClick(view, Qt.Key.Key_Home)
    once = view.camera()
    view.home()
    assert view.camera() == once
    places = view.screen_positions()
    assert (places[:, 0] > 0).all()
    assert (places[:, 0] < SIZE[0]).all()
    assert (places[:, 1] > 0).all()
    assert (places[:, 1] < SIZE[1]).all()


@pytest.mark.parametrize("mode", [Mode.PROBE, Mode.DRAW, Mode.EDIT, Mode.SELECT])
def test_space_held_turns_the_cloud_in_every_mode(view, mode):
    view.set_mode(mode)
    heard, before = Heard(view), view.camera()["azimuth"]
    QTest.keyPress(view, Qt.Key.Key_Space)
    drag(view, [(300, 200), (320, 200), (380, 210)])
    QTest.keyRelease(view, Qt.Key.Key_Space)
    assert view.camera()["azimuth"] != before
    assert heard.names() <= {"view_changed", "hovered"}


def test_space_tapped_is_left_to_the_window(view):
    heard = Heard(view)
    QTest.keyClick(view, Qt.Key.Key_Space)
    assert heard.named("space_tapped") == [()]


def test_keys_turn_and_zoom_too(view):
    before = view.camera()
    QTest.keyClick(view, Qt.Key.Key_Left, CTRL)
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.camera()["azimuth"] != before["azimuth"]
    assert view.camera()["distance"] < before["distance"]


def test_the_view_is_saved_and_restored(view):
    drag(view, [(300, 200), (390, 260)])
    saved = view.camera()
    view.home()
    view.set_camera(saved)
    assert view.camera() == saved
    with pytest.raises(ValueError, match="camera"):
        view.set_camera({"target": [0, 0, 0]})


def test_a_cloud_that_doubles_is_fitted_again_unless_a_hand_chose_the_view(view):
    before = view.camera()["distance"]
    view.set_points(sheet() * 1.5)
    assert view.camera()["distance"] == before
    view.set_points(sheet() * 4)
    assert view.camera()["distance"] > before
    drag(view, [(300, 200), (390, 260)])
    chosen = view.camera()
    view.set_points(sheet() * 20)
    assert view.camera() == chosen
    view.set_points(np.empty((0, 3), np.float32))  # another run
    view.set_points(sheet())
    assert view.camera()["distance"] == pytest.approx(before)


def test_the_keyboard_comes_with_the_mouse_unless_someone_types(qtbot):
    window = QWidget()
    layout = QVBoxLayout(window)
    view, field, plain = CloudView("software"), QLineEdit(), QWidget()
    plain.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    for widget in (view, field, plain):
        layout.addWidget(widget)
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    for other, taken in ((plain, True), (field, False)):
        other.setFocus()
        qtbot.waitUntil(lambda other=other: other.hasFocus())
        QTest.mouseMove(window.windowHandle(), other.mapTo(window, QPoint(5, 5)))
        qtbot.wait(20)
        QTest.mouseMove(window.windowHandle(), view.mapTo(window, QPoint(20, 20)))
        QTest.mouseMove(window.windowHandle(), view.mapTo(window, QPoint(40, 40)))
        qtbot.wait(30)
        assert view.hasFocus() is taken


# orbit: hover and click


def test_hovering_rings_the_point_that_is_seen_there(view):
    heard, index = Heard(view), front_point(view)
    move(view, where(view, index))
    assert heard.named("hovered") == [(index,)]
    move(view, empty_place(view))
    assert heard.named("hovered")[-1] == (-1,)


def test_a_hovered_point_stays_hovered_while_the_cloud_moves_under_the_mouse(view):
    index = front_point(view)
    move(view, where(view, index))
    heard = Heard(view)
    view.set_points(sheet() + np.float32(5))  # all leave; the fit brings them back, elsewhere or here
    places = view.screen_positions()
    under = view.scene.hover
    if under is not None:
        assert np.hypot(*(places[under, :2] - np.array(where(view, under)))) < 12
    assert all(name == "hovered" for name, *_ in heard.all)


def test_clicking_chooses_the_point_with_the_modifiers(either):
    heard, index = Heard(either), front_point(either)
    click(either, where(either, index))
    click(either, where(either, index), modifiers=SHIFT)
    click(either, empty_place(either))
    assert heard.named("clicked") == [(index, NONE), (index, SHIFT)]


# probe


def test_the_probe_is_dragged_in_the_screens_plane(view):
    view.set_mode(Mode.PROBE)
    start = np.array([0.1, -0.2, 0.9])
    view.set_probe(start)
    at = view.probe_position()
    assert at is not None
    heard = Heard(view)
    drag(view, [at, at + QPointF(10, 5), at + QPointF(60, -40)])
    moved = heard.named("probe_moved")[-1][0]
    assert moved.dtype == np.float32
    assert view.project(moved).x() - at.x() == pytest.approx(60, abs=1.5)
    assert view.project(moved).y() - at.y() == pytest.approx(-40, abs=1.5)
    depth = view.scene.camera.depth(np.stack([start, moved]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)
    assert heard.all[-1] == ("probe_released",) or heard.named("probe_released") == [()]


@pytest.mark.parametrize(("key", "axis"), [(Qt.Key.Key_X, 0), (Qt.Key.Key_Y, 1), (Qt.Key.Key_Z, 2)])
def test_with_an_axis_held_only_that_coordinate_changes(view, key, axis):
    view.set_mode(Mode.PROBE)
    start = np.array([0.1, -0.2, 0.9], dtype=np.float32)
    view.set_probe(start)
    at = view.probe_position()
    assert at is not None
    along = view.project(start + 0.5 * np.eye(3)[axis]) - at
    heard = Heard(view)
    QTest.keyPress(view, key)
    drag(view, [at, at + 0.5 * along, at + along])
    QTest.keyRelease(view, key)
    moved = heard.named("probe_moved")[-1][0]
    others = [i for i in range(3) if i != axis]
    assert moved[others] == pytest.approx(start[others], abs=1e-6)
    assert moved[axis] - start[axis] == pytest.approx(0.5, abs=0.05)
    assert view.scene.probe_axis is None


def test_pressing_elsewhere_calls_the_probe_to_the_point_that_is_there(view):
    view.set_mode(Mode.PROBE)
    view.set_probe(np.array([0.0, 0.0, 2.0]))
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    assert heard.named("probe_moved")[0][0] == pytest.approx(sheet()[index])
    assert heard.named("probe_released") == [()]


def test_pressing_on_nothing_calls_the_probe_to_its_own_depth(view):
    view.set_mode(Mode.PROBE)
    probe = np.array([0.2, 0.1, 0.0])
    view.set_probe(probe)
    heard, place = Heard(view), empty_place(view)
    click(view, place)
    moved = heard.named("probe_moved")[0][0]
    assert (view.project(moved).x(), view.project(moved).y()) == pytest.approx(place, abs=1.0)
    depth = view.scene.camera.depth(np.stack([probe, moved]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)


@pytest.mark.parametrize("dims", [1, 2])
def test_in_fewer_dimensions_the_probe_keeps_the_missing_coordinates_at_zero(view, dims):
    view.set_axes(("μ₁", "μ₂")[:dims], dims)
    view.set_mode(Mode.PROBE)
    view.set_probe(np.zeros(3))
    at = view.probe_position()
    heard = Heard(view)
    drag(view, [at, at + QPointF(30, 20)])
    moved = heard.named("probe_moved")[-1][0]
    assert moved[0] > 0
    assert not moved[dims:].any()


# draw


def test_a_stroke_carries_its_points_and_the_camera(view):
    view.set_mode(Mode.DRAW)
    heard = Heard(view)
    path = [(100 + 5 * i, 200 + 2 * i) for i in range(40)]
    drag(view, path)
    ((stroke,),) = heard.named("stroke_drawn")
    assert isinstance(stroke, StrokeGesture)
    assert stroke.points == pytest.approx(np.array(path, dtype=float))
    assert stroke.viewport == SIZE
    clip = np.array([0.5, 0.2, 0.1, 1.0]) @ stroke.projection.T
    pixel = (SIZE[0] * (1 + clip[0] / clip[3]) / 2, SIZE[1] * (1 - clip[1] / clip[3]) / 2)
    place = view.project(np.array([0.5, 0.2, 0.1]))
    assert pixel == pytest.approx((place.x(), place.y()))
    assert view.scene.stroke is None


def test_a_click_is_no_stroke_and_a_change_of_mode_gives_it_up(view):
    view.set_mode(Mode.DRAW)
    heard = Heard(view)
    click(view, (200, 200))
    press(view, (100, 100), LEFT, NONE)
    move(view, (200, 150))
    assert view.scene.stroke is not None
    view.set_mode(Mode.ORBIT)
    release(view, (200, 150), LEFT, NONE)
    assert view.scene.stroke is None
    assert not heard.named("stroke_drawn")


# edit


@pytest.fixture
def edited(view) -> CloudView:
    """A view with a straight path of three control points, in EDIT mode."""
    view.set_mode(Mode.EDIT)
    control = np.array([[-0.8, 0.0, 0.8], [0.0, 0.2, 0.8], [0.8, 0.0, 0.8]])
    s = np.linspace(0, 2, 101)[:, None]
    curve = np.where(
        s < 1, control[0] + s * (control[1] - control[0]), control[1] + (s - 1) * (control[2] - control[1])
    )
    view.set_path(curve, control, None)
    return view


def test_clicking_adds_a_control_point_on_the_point_that_is_there(view):
    view.set_mode(Mode.EDIT)
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    ((place,),) = heard.named("control_added")
    assert place == pytest.approx(sheet()[index])


def test_clicking_on_nothing_adds_at_the_paths_depth(edited):
    heard, place = Heard(edited), empty_place(edited)
    click(edited, place)
    ((added,),) = heard.named("control_added")
    depth = edited.scene.camera.depth(np.stack([edited.scene.control[-1], added]))
    assert depth[0] == pytest.approx(depth[1], abs=1e-5)
    assert (edited.project(added).x(), edited.project(added).y()) == pytest.approx(place, abs=1.0)


def test_dragging_a_control_point_moves_it_in_the_screens_plane(edited):
    at = edited.project(edited.scene.control[1])
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(8, 0), at + QPointF(30, -25)])
    assert heard.named("control_selected") == [(1,)]
    index, moved = heard.named("control_moved")[-1]
    assert index == 1
    assert edited.project(moved).x() - at.x() == pytest.approx(30, abs=1.5)
    assert edited.project(moved).y() - at.y() == pytest.approx(-25, abs=1.5)
    assert heard.named("control_released") == [(1,)]
    assert not heard.named("control_added")


def test_clicking_a_control_point_selects_it_without_moving_it(edited):
    heard = Heard(edited)
    click(edited, edited.project(edited.scene.control[2]))
    assert heard.named("control_selected") == [(2,)]
    assert not heard.named("control_moved")
    assert not heard.named("control_released")


def test_pressing_the_curve_inserts_a_control_point_that_can_be_dragged_on(edited):
    place = edited.scene.curve[75]
    at = edited.project(place)
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(10, 10), at + QPointF(20, 15)])
    ((position, inserted),) = heard.named("control_inserted")
    assert position == 2
    assert inserted == pytest.approx(place, abs=0.02)
    assert heard.named("control_moved")[-1][0] == 2
    assert heard.named("control_released") == [(2,)]


def test_hovering_the_curve_shows_where_a_click_inserts(edited):
    move(edited, edited.project(edited.scene.curve[25]))
    assert edited.scene.ghost == pytest.approx(edited.scene.curve[25], abs=0.02)
    move(edited, edited.project(edited.scene.control[0]))
    assert edited.scene.ghost is None
    assert edited.scene.hover_control == 0


def test_right_click_removes_and_right_drag_does_not(edited):
    at = edited.project(edited.scene.control[0])
    heard = Heard(edited)
    drag(edited, [at, at + QPointF(30, 10)], RIGHT)
    assert not heard.named("control_removed")
    click(edited, edited.project(edited.scene.control[0]), RIGHT)
    assert heard.named("control_removed") == [(0,)]


@pytest.mark.parametrize("key", [Qt.Key.Key_Delete, Qt.Key.Key_Backspace])
def test_delete_removes_the_selected_control_point(edited, key):
    heard = Heard(edited)
    QTest.keyClick(edited, key)
    assert not heard.named("control_removed")
    edited.set_path(edited.scene.curve, edited.scene.control, 1)
    QTest.keyClick(edited, key)
    assert heard.named("control_removed") == [(1,)]


def test_dragging_on_nothing_turns_the_cloud_and_adds_nothing(edited):
    heard, before = Heard(edited), edited.camera()["azimuth"]
    x, y = empty_place(edited)
    drag(edited, [(x, y), (x + 20, y), (x + 60, y)])
    assert edited.camera()["azimuth"] != before
    assert not heard.named("control_added")


# select


def test_a_rectangle_picks_the_points_inside_and_shift_adds(view):
    view.set_mode(Mode.SELECT)
    heard = Heard(view)
    drag(view, [(200, 150), (300, 200), (420, 330)])
    drag(view, [(200, 150), (300, 200), (420, 330)], modifiers=SHIFT)
    (indices, add), (_, added) = heard.named("picked")
    places = view.screen_positions()
    inside = (places[:, 0] >= 200) & (places[:, 0] <= 420) & (places[:, 1] >= 150) & (places[:, 1] <= 330)
    assert indices.dtype == np.int64
    assert set(indices.tolist()) == set(np.flatnonzero(inside).tolist())
    assert len(indices) > 5
    assert (add, added) == (False, True)


def test_ctrl_drags_a_lasso(view):
    view.set_mode(Mode.SELECT)
    heard = Heard(view)
    angles = np.linspace(0, 2 * np.pi, 60)
    drag(view, [(320 + 80 * np.cos(t), 240 + 80 * np.sin(t)) for t in angles], modifiers=CTRL)
    ((indices, _),) = heard.named("picked")
    radius = np.hypot(*(view.screen_positions()[:, :2] - (320, 240)).T)
    assert set(np.flatnonzero(radius < 77).tolist()) <= set(indices.tolist())
    assert (radius[indices] < 83).all()


def test_a_click_picks_one_point_or_none(view):
    view.set_mode(Mode.SELECT)
    heard, index = Heard(view), front_point(view)
    click(view, where(view, index))
    click(view, empty_place(view))
    (one, _), (none, _) = heard.named("picked")
    assert one.tolist() == [index]
    assert none.tolist() == []
