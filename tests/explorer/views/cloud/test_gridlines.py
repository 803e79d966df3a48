"""The net of gridlines in the cloud: its colours, its values, what lies behind the cloud, alike on both canvases."""

from __future__ import annotations

import cloud_driver
import numpy as np
import pytest
from PySide6.QtGui import QColor

from core.rendering.camera import Camera
from explorer.views.cloud import CloudView
from explorer.views.cloud.overlay_gridlines import family_colours, value_texts
from explorer.widgets.theme import DARK, LIGHT

NAMES = ("scale", "depth")


def _net(lines: int = 3, points: int = 25) -> dict:
    """``lines`` of each of two families on ``cloud_hand.sheet``, from -0.9 to 0.9."""
    along = np.linspace(-0.9, 0.9, points)
    values = np.linspace(-0.8, 0.8, lines)
    one = [np.stack([np.full(points, v), along, np.zeros(points)], axis=1) for v in values]
    two = [np.stack([along, np.full(points, v), np.zeros(points)], axis=1) for v in values]
    xyz = np.concatenate(one + two)
    xyz[:, 2] = 0.4 * np.sin(2 * xyz[:, 0])
    return {
        "xyz": xyz,
        "starts": np.arange(2 * lines + 1) * points,
        "family": np.repeat([0, 1], lines),
        "values": np.concatenate([values, values]),
        "names": NAMES,
    }


def _pixels(view: CloudView) -> np.ndarray:
    image = cloud_driver.grab(view).convertToFormat(cloud_driver.QImage.Format.Format_RGB32)
    bgra = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return bgra[:, : image.width(), 2::-1].astype(int)


def _near(pixels: np.ndarray, colour: str, within: int = 40) -> np.ndarray:
    """bool (H, W): where ``colour`` is, about."""
    ink = QColor(colour)
    return np.abs(pixels - [ink.red(), ink.green(), ink.blue()]).max(axis=2) <= within


def _around(found: np.ndarray, view: CloudView, point: np.ndarray, reach: int = 2) -> bool:
    place = view.project(point).toPoint()
    part = found[place.y() - reach : place.y() + reach + 1, place.x() - reach : place.x() + reach + 1]
    return bool(part.any())


@pytest.fixture(params=["software", "gl"])
def view(request, qtbot) -> CloudView:
    made = cloud_driver.open_view(qtbot, request.param)
    made.set_colors(np.tile(np.array([60, 60, 60, 255], np.uint8), (400, 1)))
    made.scene.camera.azimuth, made.scene.camera.elevation = -60.0, 60.0
    return made


def _show(view: CloudView, qtbot, **net) -> np.ndarray:
    before = view.frames_drawn
    view.set_gridlines(**net)
    view._redraw()
    qtbot.waitUntil(lambda: view.frames_drawn > before)
    qtbot.wait(50)
    return _pixels(view)


def test_each_family_is_drawn_in_its_own_colour_where_it_runs(view, qtbot):
    net = _net()
    pixels = _show(view, qtbot, **net)
    for line in range(6):
        ink = family_colours(DARK)[net["family"][line]]
        middle = net["xyz"][net["starts"][line] + 6]
        assert _around(_near(pixels, ink), view, middle)


def test_it_goes_when_there_is_none(view, qtbot):
    _show(view, qtbot, **_net())
    view.set_gridlines(None)
    qtbot.waitUntil(lambda: not _near(_pixels(view), family_colours(DARK)[0]).any())
    assert view.scene.gridlines is None


def test_a_hover_draws_the_same_net_again(view, qtbot):
    """The second time it comes from the picture that is kept."""
    first = _show(view, qtbot, **_net())
    view.refresh()
    qtbot.wait(50)
    view.refresh()
    qtbot.wait(50)
    assert np.abs(_pixels(view) - first).max() <= 3  # rounding, where edges are blended twice


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_its_colours_are_not_those_of_paths_and_transects(theme):
    assert not set(family_colours(theme)) & {theme.accent, theme.series[0], theme.series[1]}
    assert len(set(family_colours(theme))) == 2


def test_what_lies_behind_the_cloud_is_fainter(qtbot):
    """Two sheets one behind the other, a line on each: seen from above, the lower one is behind."""
    view = CloudView("software")
    qtbot.addWidget(view)
    view.resize(640, 480)
    across = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    sheets = np.concatenate(
        [np.column_stack([across[:2000], np.ones(2000)]), np.column_stack([across[2000:], -np.ones(2000)])]
    )
    view.show()
    view.set_points(sheets.astype(np.float32))
    view.set_colors(np.tile(np.array([60, 60, 60, 255], np.uint8), (4000, 1)))
    view.scene.camera.elevation = 80.0
    along = np.linspace(-0.6, 0.6, 30)
    upper = np.stack([along, np.full(30, -0.4), np.ones(30)], axis=1)
    lower = np.stack([along, np.full(30, 0.4), -np.ones(30)], axis=1)
    pixels = _show(
        view,
        qtbot,
        xyz=np.concatenate([upper, lower]),
        starts=np.array([0, 30, 60]),
        family=np.array([0, 0]),
        values=np.array([1.0, 2.0]),
        names=("a", "b"),
    )
    ink = _near(pixels, family_colours(DARK)[0])
    assert _around(ink, view, upper[15])
    assert not _around(ink, view, lower[15], reach=4)


def test_values_have_as_many_decimals_as_tell_them_apart():
    assert value_texts(np.linspace(0.5, 2.0, 4)) == ["0.50", "1.00", "1.50", "2.00"]
    assert value_texts(np.array([-20.0, 10.0, 40.0])) == ["−20", "10", "40"]
    assert value_texts(np.array([0.001, 0.002])) == ["0.0010", "0.0020"]
    assert value_texts(np.array([3.0, 3.0])) == ["3.0", "3.0"]  # two pieces of one line


def test_labels_never_cover_one_another(view, qtbot, monkeypatch):
    """Many lines in a small view: some go without a label, the outermost keep theirs."""
    said: list = []
    from explorer.views.cloud import overlay_gridlines

    draw = overlay_gridlines.halo_text
    monkeypatch.setattr(
        overlay_gridlines,
        "halo_text",
        lambda p, rect, f, text, i, h: (said.append((rect, text)), draw(p, rect, f, text, i, h)),
    )
    _show(view, qtbot, **_net(lines=40))
    rects = [(rect, text) for rect, text in said if "constant" not in text]
    once = rects[: len({(rect.left(), rect.top()) for rect, _ in rects})]
    assert 8 <= len(once) < 80
    for number, (rect, _) in enumerate(once):
        assert view.rect().contains(rect.toAlignedRect())
        assert not any(rect.intersects(other) for other, _ in once[:number])
    texts = {text for _, text in once}
    assert {"−0.800", "0.800"} <= texts


def test_values_are_written_over_the_lines_that_guide_the_eye_to_the_probe(view, qtbot, monkeypatch):
    from explorer.views.cloud import overlay, overlay_gridlines

    order: list[str] = []
    for module, name in ((overlay, "draw_probe"), (overlay_gridlines, "_stroke"), (overlay_gridlines, "halo_text")):
        draw = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, name=name, draw=draw: (order.append(name), draw(*args)))
    _show(view, qtbot, **_net())
    painted = list(dict.fromkeys(order))
    assert painted == ["_stroke", "draw_probe", "halo_text"]


def test_the_legend_says_which_colour_is_which_factor(view, qtbot):
    pixels = _show(view, qtbot, **_net())
    for row, ink in enumerate(family_colours(DARK)):
        assert _near(pixels, ink)[10 + 18 * row : 28 + 18 * row, 14:36].any()


def test_a_flat_view_shows_it_and_a_line_of_points_does_not(qtbot):
    view = CloudView("software")
    qtbot.addWidget(view)
    view.resize(640, 480)
    view.show()
    for dims, seen in ((2, True), (1, False)):
        view.set_points(cloud_driver.sheet())
        view.set_colors(np.tile(np.array([60, 60, 60, 255], np.uint8), (400, 1)))
        view.set_axes(("μ₁", "μ₂", "μ₃")[:dims], dims)
        assert _near(_show(view, qtbot, **_net()), family_colours(DARK)[0]).any() == seen


def test_lines_behind_the_eye_or_outside_the_view_are_left_out(view, qtbot):
    """A camera in the midst of the net: what cannot be projected is not drawn, and nothing breaks."""
    view.set_camera({**Camera().state(), "target": [0.0, 0.0, 0.0], "distance": 0.2})
    _show(view, qtbot, **_net())


def test_points_lines_and_values_must_fit(view):
    net = _net()
    with pytest.raises(ValueError, match="6 gridlines"):
        view.set_gridlines(net["xyz"], net["starts"][:-1], net["family"], net["values"], NAMES)
    with pytest.raises(ValueError, match="1 families"):
        view.set_gridlines(**{**net, "names": ("scale",)})
    view.set_gridlines(np.empty((0, 3)), np.zeros(1, int), np.empty(0, int), np.empty(0), NAMES)
    assert view.scene.gridlines is None
