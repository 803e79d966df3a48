"""The samples panel: how the cloud is drawn."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QLabel, QSlider, QWidget

from core.rendering.colormaps import NAMES
from explorer.views.points import PointsView
from explorer.widgets.theme import LIGHT

LEFT = Qt.MouseButton.LeftButton
OPTIONS = ["a", "b", "excess BCE", "one colour"]


@pytest.fixture
def view(qtbot) -> PointsView:
    made = PointsView()
    qtbot.addWidget(made)
    made.resize(300, 260)
    made.show()
    made.set_color_options(OPTIONS)
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    for name in ("color_by", "colormap", "size", "opacity", "axes"):
        getattr(view, f"{name}_changed").connect(lambda value, name=name: heard.append((name, value)))
    return heard


def _find(view: PointsView, name: str) -> QWidget:
    return view.findChild(QWidget, f"points.{name}")


def _down(box: QWidget, times: int = 1) -> None:
    assert isinstance(box, QComboBox)
    box.setFocus()
    for _ in range(times):
        QTest.keyClick(box, Qt.Key.Key_Down)


def test_everything_is_shown_silently(view, said, use_theme):
    view.set_color_by("b")
    view.set_latent_dim(8)
    view.set_axes(("axes", (4, 2, 7)))
    use_theme(LIGHT)
    assert _find(view, "color_by").currentText() == "b"
    assert view.findChild(QLabel, "points.size.text").text() == "5.0 px"
    assert view.findChild(QLabel, "points.opacity.text").text() == "100 %"
    assert [_find(view, f"axis.{n}").currentText() for n in range(3)] == ["μ₅", "μ₃", "μ₈"]
    assert said == []


def test_new_options_keep_the_choice_that_is_still_there(view, said):
    view.set_color_by("b")
    view.set_color_options(["scale", "b"])
    assert _find(view, "color_by").currentText() == "b"
    view.set_color_options([])
    assert not _find(view, "color_by").isEnabled()
    assert said == []


def test_colours_are_chosen(view, said):
    _down(_find(view, "color_by"))
    _down(_find(view, "colormap"))
    assert said == [("color_by", "b"), ("colormap", NAMES[1])]


def test_size_and_opacity_are_dragged(view, said):
    for name in ("size", "opacity"):
        slider = _find(view, name)
        assert isinstance(slider, QSlider)
        QTest.mouseClick(slider, LEFT, pos=QPoint(8, slider.height() // 2))
        QTest.mouseClick(slider, LEFT, pos=QPoint(slider.width() - 8, slider.height() // 2))
    assert said == [("size", 1.0), ("size", 20.0), ("opacity", 0.02), ("opacity", 1.0)]
    assert view.findChild(QLabel, "points.size.text").text() == "20.0 px"


@pytest.mark.parametrize(("dimensions", "visible"), [(1, False), (2, False), (3, False), (4, True), (64, True)])
def test_axes_are_chosen_only_where_there_are_more_than_three(view, dimensions: int, visible: bool):
    view.set_latent_dim(dimensions)
    assert _find(view, "axes").isVisible() is visible


def test_axes_are_chosen_and_never_twice_the_same(view, said):
    view.set_latent_dim(5)
    _down(_find(view, "axis.0"))  # from dimension 0 to 1, which the second axis had
    assert said == [("axes", ("axes", (1, 0, 2)))]


def test_principal_components_hide_the_dimensions(view, said):
    view.set_latent_dim(5)
    _down(_find(view, "axes"))
    assert said == [("axes", ("pca",))]
    assert not _find(view, "axis.0").isVisible()
    view.set_axes(("axes", (0, 1, 2)))
    assert _find(view, "axis.0").isVisible()


def test_the_panel_fits_a_dock_of_280_pixels(view):
    view.set_latent_dim(64)
    view.set_groups([("a name that is longer than the panel is wide", 20_000, 19_999)])
    scroll = _find(view, "scroll")
    assert view.minimumSizeHint().width() <= 280
    assert scroll.widget().minimumSizeHint().width() <= 270


@pytest.mark.parametrize(("name", "definition"), [("size", "Diameter of a point in pixels"), ("opacity", "in percent")])
def test_numbers_and_captions_say_what_they_are(view, name: str, definition: str):
    number = _find(view, f"{name}.text")
    caption = next(each for each in view.findChildren(QLabel) if each.text() == name.capitalize())
    assert definition in number.parentWidget().toolTip()  # which Qt shows over a label without one
    assert definition in caption.toolTip()
