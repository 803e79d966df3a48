"""The path panel: transport, settings, export."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLabel, QSlider, QToolButton, QWidget

from core.paths.latent_path import SPLINE_KINDS
from core.paths.recipe import PATH_KINDS, RECIPE_KINDS
from core.protocol.figures import FrameLook
from explorer.views.path import SPLINES, PathView
from explorer.widgets.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton
SIGNALS = [
    "play_toggled",
    "scrubbed",
    "loop_toggled",
    "speed_changed",
    "unit_changed",
    "frames_changed",
    "spline_chosen",
    "traced_chosen",
    "target_chosen",
    "penalty_changed",
    "closed_changed",
    "clear_requested",
    "export_requested",
    "cancel_export_requested",
    "look_changed",
]


@pytest.fixture
def view(qtbot) -> PathView:
    made = PathView()
    qtbot.addWidget(made)
    made.resize(900, 80)
    made.show()
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    for name in SIGNALS:
        sender = view if hasattr(view, name) else view.kinds
        getattr(sender, name).connect(lambda *values, name=name: heard.append((name, *values)))
    return heard


def _find(view: PathView, name: str) -> QWidget:
    return view.findChild(QWidget, f"path.{name}")


def _type(field: QAbstractSpinBox, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def test_without_a_path_the_panel_says_how_to_make_one(view, said):
    for name in ("play", "previous", "next", "scrub", "export", "clear", "closed"):
        assert not _find(view, name).isEnabled()
    assert "No path yet" in view.info.text()
    assert said == []


def test_every_kind_is_offered_under_a_name_of_its_own():
    assert {kind for kind, _, _ in SPLINES} == set(SPLINE_KINDS)
    assert tuple(PATH_KINDS) == RECIPE_KINDS
    texts = [text for _, text, _ in SPLINES] + [about.text for about in PATH_KINDS.values()]
    assert len(set(texts)) == len(texts)


def _shown(view: PathView) -> set[str]:
    return {name for name in ("target", "penalty", "closed") if _find(view, name).isVisible()}


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("straight", set()), ("geodesic", {"penalty"}), ("factor curve", {"target"}), ("regression", {"target"})],
)
def test_a_traced_kind_is_shown_with_what_it_depends_on(view, said, kind: str, shown: set[str]):
    view.set_path("catmull-rom", False, 33, 1.0, computed=True)
    view.kinds.set_targets(("scale", "depth"))
    view.kinds.show_traced(kind, "depth", False)
    assert _shown(view) == shown
    box = _find(view, "kind")
    assert isinstance(box, QComboBox)
    assert box.currentText() == PATH_KINDS[kind].text
    assert _find(view, "target").currentText() == "depth"
    assert not _find(view, "penalty").isChecked()
    assert view.info.text() == "33 points · length 1"
    view.set_path("natural", True, 9, 1.0)
    assert _shown(view) == {"closed"}
    assert said == []


def test_the_list_of_targets_keeps_the_keyboard_while_the_path_is_computed_again(view, qtbot):
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    view.kinds.set_targets(("scale", "depth", "area"))
    view.set_path("catmull-rom", False, 33, 1.0, computed=True)
    view.kinds.show_traced("factor curve", "scale", False)
    target = _find(view, "target")
    target.setFocus()
    for name in ("depth", "area"):
        QTest.keyClick(target, Qt.Key.Key_Down)
        view.set_path("catmull-rom", False, 33, 1.1, computed=True)
        view.kinds.show_traced("factor curve", name, False)
        assert target.hasFocus()
    assert target.currentText() == "area"


def test_kinds_targets_and_the_penalty_are_chosen_by_hand(view, said):
    view.kinds.set_targets(("scale", "depth"))
    view.set_path("straight", False, 9, 1.0)
    box = _find(view, "kind")
    box.setFocus()
    for _ in range(4):  # straight line, spherical, geodesic, factor curve: the lines between are stepped over
        QTest.keyClick(box, Qt.Key.Key_Down)
    target = _find(view, "target")
    target.setFocus()
    QTest.keyClick(target, Qt.Key.Key_Down)
    view.kinds.show_traced("geodesic", "", True)
    penalty = _find(view, "penalty")
    QTest.mouseClick(penalty, LEFT, pos=QPoint(6, penalty.height() // 2))
    assert said == [
        ("traced_chosen", "straight"),
        ("traced_chosen", "spherical"),
        ("traced_chosen", "geodesic"),
        ("traced_chosen", "factor curve"),
        ("target_chosen", "depth"),
        ("penalty_changed", False),
    ]


def test_without_factors_the_kinds_that_change_one_say_why_they_cannot_be_chosen(view):
    view.set_path("straight", False, 9, 1.0)
    box = _find(view, "kind")
    assert isinstance(box, QComboBox)
    places = {box.itemText(i): i for i in range(box.count())}

    def usable(text: str) -> bool:
        return bool(box.model().flags(box.model().index(places[text], 0)) & Qt.ItemFlag.ItemIsEnabled)

    assert usable("Geodesic")
    assert not usable("Factor curve")
    assert "no" in box.itemData(places["Factor curve"], Qt.ItemDataRole.ToolTipRole)
    view.kinds.set_targets(("scale",))
    assert usable("Factor curve")
    view.set_path(None)
    assert not usable("Catmull-Rom")


def test_a_note_has_a_line_of_its_own_while_there_is_one(view):
    note = _find(view, "note")
    assert not note.isVisible()
    view.set_note("no other factors are known, so none is held constant", warning=True)
    assert note.isVisible()
    assert note.property("role") == "warning"
    assert view.note.text() == "no other factors are known, so none is held constant"
    view.set_note("")
    assert not note.isVisible()


def test_a_path_is_shown_silently(view, said, use_theme):
    view.set_path("natural", True, 9, 12.34)
    view.set_position(0.5)
    view.set_playback(True, True, 2.0, "image", 33)
    use_theme(LIGHT)
    assert _find(view, "kind").currentText() == "Natural cubic"
    assert _find(view, "closed").isChecked()
    assert _find(view, "play").isChecked()
    assert _find(view, "loop").isChecked()
    assert _find(view, "speed").value() == 2.0
    assert _find(view, "unit").currentData() == "image"
    assert view.findChild(QLabel, "path.frame").text() == "frame 17 of 33"
    assert said == []


def test_lengths_are_read_out(view, said):
    view.set_path("catmull-rom", False, 9, 12.34)
    assert view.info.text() == "9 control points · length 12.3"
    view.set_info("latent length 12.3 · image length 34 (K = 65)")
    assert view.info.text().startswith("latent length")
    view.set_path(None)
    view.set_info("")
    assert "No path yet" in view.info.text()
    assert said == []


def test_one_point_is_a_path_that_cannot_be_played(view):
    view.set_path("catmull-rom", False, 1, 0.0)
    assert not _find(view, "play").isEnabled()
    assert _find(view, "clear").isEnabled()


def test_transport_buttons(view, said):
    view.set_path("catmull-rom", False, 9, 1.0)
    view.set_playback(False, False, 1.0, "latent", 11)
    view.set_position(0.5)
    for name in ("play", "loop", "next", "previous", "clear"):
        QTest.mouseClick(_find(view, name), LEFT)
    assert said == [
        ("play_toggled", True),
        ("loop_toggled", True),
        ("scrubbed", 0.6),
        ("scrubbed", 0.4),
        ("clear_requested",),
    ]


def test_stepping_stops_at_the_ends(view, said):
    view.set_path("catmull-rom", False, 9, 1.0)
    view.set_position(1.0)
    QTest.mouseClick(_find(view, "next"), LEFT)
    assert said == [("scrubbed", 1.0)]


def test_the_slider_scrubs_and_is_not_pulled_from_the_hand(view, said):
    view.set_path("catmull-rom", False, 9, 1.0)
    slider = _find(view, "scrub")
    assert isinstance(slider, QSlider)
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    QTest.mousePress(slider, LEFT, pos=middle)
    view.set_position(0.9)
    assert said[-1][0] == "scrubbed"
    assert said[-1][1] == pytest.approx(0.5, abs=0.01)
    assert slider.value() == pytest.approx(5000, abs=100)
    QTest.mouseRelease(slider, LEFT, pos=middle)


def test_settings_are_changed_by_keyboard(view, said):
    view.set_path("catmull-rom", False, 9, 1.0)
    for name in ("kind", "unit"):
        box = _find(view, name)
        assert isinstance(box, QComboBox)
        box.setFocus()
        QTest.keyClick(box, Qt.Key.Key_Down)
    _type(_find(view, "frames"), "129")
    _type(_find(view, "speed"), "0.5")
    closed = _find(view, "closed")
    QTest.mouseClick(closed, LEFT, pos=QPoint(6, closed.height() // 2))
    assert said == [
        ("spline_chosen", "natural"),
        ("unit_changed", "image"),
        ("frames_changed", 129),
        ("speed_changed", 0.5),
        ("closed_changed", True),
    ]


@pytest.mark.parametrize("name", ["png", "gif", "mp4", "npz"])
def test_each_format_can_be_exported(view, said, name: str):
    view.set_path("catmull-rom", False, 9, 1.0)
    button = _find(view, "export")
    assert isinstance(button, QToolButton)
    assert button.isEnabled()
    view.findChild(QAction, f"path.export.{name}").trigger()
    assert said == [("export_requested", name)]


def test_an_export_shows_its_progress_and_can_be_cancelled(view, said):
    view.set_path("catmull-rom", False, 9, 1.0)
    view.set_export_progress(0.4)
    assert _find(view, "progress").isVisible()
    assert not _find(view, "export").isEnabled()
    QTest.mouseClick(_find(view, "export.cancel"), LEFT)
    assert said == [("cancel_export_requested",)]
    view.set_export_progress(None)
    assert not _find(view, "progress").isVisible()
    assert _find(view, "export").isEnabled()


def test_how_frames_are_exported_is_set_in_the_menu(view, said, qtbot):
    view.set_path("catmull-rom", False, 9, 1.0)
    view.set_look(FrameLook(128, "nearest", True))
    assert said == []
    menu = _find(view, "export").menu()
    menu.popup(view.mapToGlobal(QPoint(0, 0)))
    part = {name: menu.findChild(QWidget, f"path.export.{name}") for name in ("size", "scaling", "labels")}
    _type(part["size"], "300")
    QTest.keyClick(part["size"], Qt.Key.Key_Return)
    assert said.pop() == ("look_changed", FrameLook(300, "nearest", True))
    part["scaling"].setCurrentIndex(1)
    part["scaling"].activated.emit(1)
    QTest.mouseClick(part["labels"], LEFT, pos=QPoint(6, part["labels"].height() // 2))
    assert said.pop() == ("look_changed", FrameLook(300, "bicubic", True, True))
    part["size"].setValue(3)
    assert said.pop()[1].size == 0
    menu.close()


def test_the_panel_fits_a_dock_of_280_pixels(view):
    assert view.minimumSizeHint().width() <= 280


# what a curve holds


@pytest.fixture
def hold(view):
    """The checklist, open, and what it says."""
    view.kinds.set_targets(("a", "b", "c"))
    view.kinds.show_traced("factor curve", "a", True)
    view.kinds.hold.set_labels(("a", "b", "c"), None, "a")
    view.kinds.hold.set_dimension(None, 3, 2.13)
    heard: list = []
    view.kinds.hold.held_chosen.connect(lambda held: heard.append(("held", held)))
    view.kinds.hold.dimension_chosen.connect(lambda dimension: heard.append(("dimension", dimension)))
    return heard


def _boxes(view: PathView) -> dict[str, bool]:
    boxes = view.kinds.hold.menu().findChildren(QCheckBox)
    return {box.text(): box.isChecked() for box in boxes if not box.isHidden()}


def test_only_curves_that_hold_labels_have_the_checklist(view, hold):
    assert _find(view, "hold").isVisible()
    view.kinds.show_traced("geodesic", "a", True)
    assert not _find(view, "hold").isVisible()


def test_labels_are_ticked_one_by_one_or_chosen_automatically(view, hold):
    assert _boxes(view) == {"Chosen automatically": True, "b": False, "c": False}
    menu = view.kinds.hold.menu()
    menu.findChild(QCheckBox, "path.hold.label.c").click()
    assert hold == [("held", ("c",))]
    view.kinds.hold.set_labels(("a", "b", "c"), ("c",), "a")
    assert _boxes(view) == {"Chosen automatically": False, "b": False, "c": True}
    assert view.kinds.hold.text() == "Hold 1"
    menu.findChild(QCheckBox, "path.hold.automatic").click()
    assert hold[-1] == ("held", None)
    view.kinds.hold.set_labels(("a", "b", "c"), ("c",), "c")
    assert list(_boxes(view)) == ["Chosen automatically", "a", "b"], "what changes is not held"


def test_the_estimated_dimension_is_shown_and_another_can_be_set(view, hold):
    box = view.kinds.hold.menu().findChild(QComboBox, "path.hold.dimension")
    assert [box.itemText(i) for i in range(box.count())] == ["estimated (2.1)", "1", "2", "3"]
    box.setCurrentIndex(3)
    box.activated.emit(3)
    assert hold == [("dimension", 3)]
    view.kinds.hold.set_dimension(2, 3, None)
    assert box.currentText() == "2"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("kind", ["spline", *RECIPE_KINDS])
def test_in_a_window_of_1280_pixels_nothing_has_a_line_of_its_own(view, use_theme, theme, kind):
    use_theme(theme)
    view.set_path("catmull-rom", points=3, length=2.0)
    view.kinds.set_targets(("a label with a long name", "b"))
    if kind != "spline":
        view.kinds.show_traced(kind, "b", True)
    view.set_export_progress(0.4)
    view.resize(694, 120)  # between the docks at its sides
    QTest.qWait(0)
    rows = [
        ["play", "scrub", "clear", "saved", "export"],
        ["kind", "target", "hold", "penalty", "closed", "unit", "frames", "speed"],
    ]
    for names in rows:
        shown = [widget for name in names if (widget := _find(view, name)).isVisible()]
        tops = [widget.mapTo(view, QPoint(0, 0)).y() for widget in shown]
        assert max(tops) < min(top + widget.height() for top, widget in zip(tops, shown, strict=True))
        assert all(widget.mapTo(view, QPoint(widget.width(), 0)).x() <= 694 for widget in shown)
    assert _find(view, "scrub").width() > 200


def test_a_warning_is_read_beside_long_information(view, qtbot):
    view.resize(694, 120)
    view.set_path("catmull-rom", points=3, length=2.0)
    view.set_info("latent length 85.2 · nearest samples, not decoded: 20 different samples in 65 frames, at most 4.2")
    view.set_note("here x -0.53 · along 5,000 of the samples", warning=True)
    qtbot.waitUntil(lambda: view.note.width() >= 320)
    view.set_note("here x -0.53")
    qtbot.waitUntil(lambda: view.note.width() < 320)
