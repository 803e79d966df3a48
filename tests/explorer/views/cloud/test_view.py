"""The cloud view under real mouse and keyboard, drawn by numpy and by OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from cloud_driver import (
    CTRL,
    LEFT,
    MIDDLE,
    NONE,
    RIGHT,
    SHIFT,
    SIZE,
    Heard,
    click,
    drag,
    front_point,
    grab,
    move,
    open_view,
    orange,
    press,
    release,
    sheet,
    where,
)
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from core.rendering import crowd
from core.rendering.axes import bar_ticks
from explorer.views.cloud import CloudView, LegendEntry, Mode, software_canvas
from explorer.views.cloud.renderer import choose_renderer
from explorer.widgets.theme import DARK, LIGHT


@pytest.fixture
def view(qtbot) -> CloudView:
    return open_view(qtbot, "software")


@pytest.fixture(params=["software", "gl"])
def either(qtbot, request) -> CloudView:
    """The view with each renderer."""
    return open_view(qtbot, request.param)


# drawing


def test_the_screen_shows_points_and_both_themes(either, qtbot, use_theme):
    for theme in (DARK, LIGHT):
        use_theme(theme)
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
    either.set_hover_label(lambda place: f"Sample {place}\na = 1.000")
    either.set_colorbar("depth", 0.0, 2.0, np.full((256, 4), 255, np.uint8))
    either.set_opacity(0.4)
    either.set_point_size(9)
    qtbot.waitUntil(lambda: either.frames_drawn > frames)
    full = grab(either)
    either.set_legend("split", [LegendEntry(0, "training", (255, 0, 0), 400)])
    either.set_path(None, None, None)
    either.set_preview(None)
    either.set_marker(None)
    either.set_probe(None)
    either.set_selected(None)
    qtbot.waitUntil(lambda: grab(either) != full)
    either.set_points(np.empty((0, 3), np.float32))
    qtbot.waitUntil(lambda: orange(grab(either)) == 0)
    assert not heard.all  # setters never emit


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0.501, 1.999, 5, [0.5, 1.0, 1.5, 2.0]),  # samples rarely reach the round ends
        (0.0, 2.0, 5, [0.0, 1.0, 2.0]),
        (-14.2, 12.9, 5, [-10.0, 0.0, 10.0]),
        (0.2, 0.9, 2, [0.5]),  # no room for more
        (3.0, 3.0, 5, [3.0]),
    ],
)
def test_a_colour_bar_has_three_ticks_where_there_is_room(low, high, most, ticks):
    np.testing.assert_allclose(bar_ticks(low, high, most)[0], ticks, atol=1e-12)


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


def test_a_crowd_is_drawn_in_several_pictures_and_tells_how_far_it_is(view, qtbot, monkeypatch):
    monkeypatch.setattr(software_canvas, "CROWD", 100)
    monkeypatch.setattr(software_canvas, "MOVING_CROWD", 100)
    monkeypatch.setattr(software_canvas, "FRAME_S", 0.0)
    monkeypatch.setattr(software_canvas, "PART_S", 0.0)
    monkeypatch.setattr(crowd, "PORTION", 50)
    drawn = []
    view.progressed.connect(lambda *part: drawn.append(part))
    view.set_points(np.empty((0, 3)))  # so that no view has to follow the cloud
    view.set_points(np.random.default_rng(0).normal(size=(1000, 3)))
    qtbot.waitUntil(lambda: drawn[-1:] == [(1000, 1000)])
    assert drawn[0] == (50, 1000)
    assert len(drawn) > 3
    pictures = view.frames_drawn
    view.scene.camera.orbit(5, 5)
    drawn.clear()
    with qtbot.waitSignal(view.view_settled):
        view.turned()  # it begins anew
    qtbot.waitUntil(lambda: drawn[-1:] == [(1000, 1000)])
    assert view.frames_drawn > pictures
    QApplication.processEvents()
    assert drawn.count((1000, 1000)) == 1  # coming to rest draws nothing twice


def test_a_density_counts_points_and_its_legend_says_what(either, qtbot):
    scene = either.scene
    either.set_density("viridis")
    qtbot.waitUntil(lambda: scene.colorbar is not None)
    assert (scene.colorbar.label, scene.colorbar.low) == ("samples per 2 × 2 px", 1.0)
    assert scene.colorbar.logarithmic
    qtbot.waitUntil(lambda: orange(grab(either)) == 0)
    either.set_density("viridis", selected=True)
    either.set_opacity(0.9)
    qtbot.waitUntil(lambda: scene.colorbar.label == "selected per 2 × 2 px")
    either.set_density("")
    assert scene.colorbar is None
    qtbot.waitUntil(lambda: orange(grab(either)) > 1000)


def test_without_points_it_says_how_to_have_some_or_that_they_come(view, qtbot):
    view.set_points(np.empty((0, 3), dtype=np.float32))
    idle = view.grab().toImage()
    view.set_awaited("training")
    assert view.grab().toImage() != idle
    view.set_points(sheet())
    shown = view.grab().toImage()
    view.set_awaited("")
    assert view.grab().toImage() == shown  # nothing is said over points


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
    monkeypatch.setattr("explorer.views.cloud.renderer.has_graphics_card", lambda: True)
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("llvmpipe (LLVM 15)", "4.5"))
    choice = choose_renderer("auto")
    assert not choice.opengl
    assert "llvmpipe" in choice.note
    assert choose_renderer("gl").opengl
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("Mesa Intel UHD", "4.6"))
    assert choose_renderer("auto").name == "OpenGL 4.6 · Mesa Intel UHD"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /dev")
def test_where_there_is_no_graphics_card_opengl_is_tried_only_if_it_is_asked_for(qapp, monkeypatch):
    tried = []
    monkeypatch.setattr("explorer.views.cloud.renderer.QGuiApplication.platformName", lambda: "xcb")
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: tried.append(1) or ("llvmpipe", "4.5"))
    monkeypatch.setattr("explorer.views.cloud.renderer.os.listdir", lambda _: ["null", "tty", "shm"])
    monkeypatch.setenv("DISPLAY", ":7")
    choice = choose_renderer("auto")
    assert (choice.opengl, tried) == (False, [])
    assert "no graphics card" in choice.note
    assert choose_renderer("gl").opengl
    monkeypatch.setenv("DISPLAY", "localhost:10.0")  # another computer's card may draw
    assert "llvmpipe" in choose_renderer("auto").note
    monkeypatch.setenv("DISPLAY", ":7")
    for card in ("dri", "nvidia0", "dxg"):
        monkeypatch.setattr("explorer.views.cloud.renderer.os.listdir", lambda _, card=card: ["null", card])
        assert "llvmpipe" in choose_renderer("auto").note


def test_without_a_context_the_cloud_is_drawn_in_software(qapp, monkeypatch):
    monkeypatch.setattr("explorer.views.cloud.renderer.describe_opengl", lambda: ("", ""))
    choice = choose_renderer("gl")
    assert (choice.opengl, choice.name) == (False, "software")
    assert "driver" in choice.note or "no OpenGL" in choice.note


def test_a_driver_that_fails_while_drawing_leaves_no_black_panel(qtbot, monkeypatch):
    view = open_view(qtbot, "gl")

    def fail(*_: object) -> None:
        raise RuntimeError("shader compile failure: unsupported\nmore")

    monkeypatch.setattr("explorer.views.cloud.gl_canvas._uniform", fail)
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
        from explorer.views.cloud import LegendEntry, CloudView
        view = CloudView("gl")
        view.resize(400, 300)
        view.set_points(np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32))
        view.set_colors(np.tile(np.array([255, 120, 0, 255], dtype=np.uint8), (500, 1)))
        assert view.renderer_name == "software" and "offscreen" in view.renderer_note, view.renderer_note
        assert view.grab().save({str(picture)!r})
    """)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
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
    assert heard.names() <= {"view_changed", "view_settled", "hovered"}


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


def test_a_cloud_that_doubles_is_fitted_again_unless_a_hand_chose_the_view(view, qtbot):
    before = view.camera()["distance"]
    view.set_points(sheet() * 1.03)
    assert view.camera()["distance"] == before
    view.set_points(sheet() * 4)
    assert view.camera()["distance"] == pytest.approx(before)  # it goes there without a jump
    qtbot.waitUntil(lambda: _in_sight(view))
    assert view.camera()["distance"] > before
    drag(view, [(300, 200), (390, 260)], RIGHT)
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


def _in_sight(view) -> bool:
    x, y, _ = view.screen_positions().T
    return bool(((x > 0) & (x < view.width()) & (y > 0) & (y < view.height())).all())


def test_the_view_follows_a_cloud_that_grows_though_it_has_been_turned(view, qtbot):
    drag(view, [(300, 200), (360, 220)])
    turned = view.camera()["azimuth"]
    for factor in np.linspace(1.0, 1.9, 10):
        view.set_points(factor * sheet())
        qtbot.waitUntil(lambda: _in_sight(view))
    assert view.camera()["azimuth"] == turned


def test_a_hand_that_moves_the_view_ends_its_following(view, qtbot):
    view.set_points(4.0 * sheet())
    drag(view, [(300, 200), (390, 260)], RIGHT)
    chosen = view.camera()
    qtbot.wait(300)
    assert view.camera() == chosen


def test_nothing_jumps_under_a_hand_that_drags(view, qtbot):
    before = view.camera()["distance"]
    press(view, (300, 200))
    move(view, (330, 220))
    view.set_points(3.0 * sheet())
    assert view.camera()["distance"] == before
    release(view, (330, 220))
    view.set_points(3.0 * sheet())
    qtbot.waitUntil(lambda: view.camera()["distance"] > before)


def test_a_chosen_view_stays_and_says_how_to_see_a_cloud_that_has_outgrown_it(view):
    drag(view, [(300, 200), (360, 220)], RIGHT)
    chosen = view.camera()
    assert not view.scene.left_view
    view.set_points(3.0 * sheet())
    assert view.camera() == chosen
    assert view.scene.left_view
    view.grab()
    QTest.keyClick(view, Qt.Key.Key_Home)
    assert not view.scene.left_view
    assert _in_sight(view)
