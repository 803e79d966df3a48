"""The comparison of path kinds on screen: strips one under another, measures, winners, and what a hand does to them."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from contrast import contrast
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QToolButton, QWidget

from core.paths.recipe import RECIPE_KINDS
from core.protocol.messages import PathCompared
from core.rendering.path_colours import path_colour
from explorer.views.path_comparison import PathKindsView
from explorer.views.path_comparison.measures import make_columns, winners
from explorer.widgets.theme import DARK, LIGHT

LEFT = Qt.MouseButton.LeftButton
NAN = float("nan")
FRAMES = 17
KINDS = ("straight", "geodesic", "factor curve", "mean difference")


def path(kind: str, **fields) -> PathCompared:
    """A path of ``FRAMES`` grey frames, known all over."""
    images = np.repeat(np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * 10, 16, axis=1).repeat(16, axis=2)
    whole = {
        "images": images,
        "off_manifold_score": np.ones(FRAMES),
        "threshold": 1.5,
        "latent_length": 2.0,
        "image_length": 3.0,
        "image_k": FRAMES,
        "off_share": 0.0,
        "achieved": 1.0,
        "leaks": np.array([NAN, 0.1]),
        "names": ("a", "b"),
        "truth": "curves",
        "residual": 4e-4,
        "note": "",
    }
    return PathCompared(kind=kind, index=0, total=1, points=np.empty((0, 3)), **(whole | fields))


def none(kind: str, note: str) -> PathCompared:
    return path(kind, images=np.zeros((0, 16, 16, 1), np.uint8), off_manifold_score=np.zeros(0), note=note)


def column(paths: list[PathCompared], heading: str, target: str = "a"):
    return next(each for each in make_columns(paths, target) if " ".join(each.heading).startswith(heading))


# measures and winners


def test_least_is_best_and_what_reads_alike_is_equal():
    values = {"x": 0.1004, "y": 0.1, "z": 0.3}
    texts = {"x": "10 %", "y": "10 %", "z": "30 %"}
    assert winners(values, texts) == {"x", "y"}


@pytest.mark.parametrize("values", [{"x": 1.0}, {"x": 1.0, "y": NAN}, {"x": 1.0, "y": 1.0}, {}])
def test_nobody_wins_alone_or_where_all_are_equal(values):
    assert winners(values, {kind: f"{value}" for kind, value in values.items()}) == frozenset()


def test_latent_length_has_no_winner_for_straight_lines_always_win_it():
    assert not column([path("straight", latent_length=1.0), path("geodesic", latent_length=5.0)], "latent").best


def test_image_length_is_won_among_paths_that_lead_to_the_same_place():
    paths = [
        path("straight", image_length=3.0),
        path("geodesic", image_length=2.0),
        path("tangent line", image_length=0.1),
    ]
    found = column(paths, "image")
    assert found.best == {"geodesic"}
    assert found.heading[1] == f"K = {FRAMES}"
    assert found.texts["tangent line"] == "0.1"


def test_a_path_with_fewer_frames_shows_its_own_k():
    found = column([path("straight"), path("factor curve", image_k=4, image_length=0.26)], "image")
    assert found.heading[1] == f"K = {FRAMES}"
    assert dict(found.texts) == {"straight": "3", "factor curve": "0.26 (4)"}


def test_fewest_places_off_the_data_win_and_a_few_never_read_as_none():
    paths = [path("straight", off_share=0.88), path("geodesic"), path("isoline", off_share=0.004)]
    found = column(paths, "off")
    assert dict(found.texts) == {"straight": "88 %", "geodesic": "0 %", "isoline": "< 0.5 %"}
    assert found.best == {"geodesic"}


def test_the_distance_is_that_of_the_farthest_place():
    far = np.array([1.0, NAN, 16.3, 1.1])
    found = column([path("straight", off_manifold_score=far), path("geodesic")], "largest distance")
    assert found.texts["straight"] == "16×"
    assert found.best == {"geodesic"}
    assert "1.50×" in found.meaning  # the threshold


def test_the_achieved_change_that_is_nearest_to_the_ends_wins_among_those_that_do_not_lead_there_anyway():
    paths = [
        path("straight", achieved=-1.0),
        path("factor curve", achieved=-0.99),
        path("regression", achieved=-1.4),
        path("isoline", achieved=-3.0),
    ]
    found = column(paths, "change")
    assert found.texts["factor curve"] == "−0.99"
    assert found.best == {"factor curve"}


def test_every_other_factor_has_a_column_of_its_leak():
    paths = [
        path("factor curve", leaks=np.array([NAN, 0.0024, 0.3]), names=("a", "b", "c")),
        path("regression", leaks=np.array([NAN, 0.25, 0.2]), names=("a", "b", "c")),
    ]
    into_b, into_c = column(paths, "leak into b"), column(paths, "leak into c")
    assert dict(into_b.texts) == {"factor curve": "0.2 %", "regression": "25 %"}
    assert (into_b.best, into_c.best) == ({"factor curve"}, {"regression"})


def test_many_other_factors_share_one_column():
    names = ("a", "b", "c", "d", "e")
    leaks = [path("factor curve", leaks=np.array([NAN, 0.0, 0.01, 0.02, 0.003]), names=names)]
    assert column(leaks, "largest leak").texts["factor curve"] == "2.0 %"
    assert not any(each.heading[0] == "leak into" for each in make_columns(leaks, "a"))


def test_without_labels_neither_change_nor_leak_nor_residual_is_shown():
    blank = path("geodesic", leaks=np.empty(0), names=(), truth="", residual=NAN, achieved=NAN)
    headings = [each.heading[0] for each in make_columns([blank], "")]
    assert headings == ["latent", "image len.", "off", "largest"]


def test_a_path_that_is_missing_competes_in_nothing():
    found = column([none("spherical", "opposite ends"), path("geodesic"), path("straight", off_share=0.5)], "off")
    assert "spherical" not in found.texts
    assert found.best == {"geodesic"}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_kind_has_a_colour_of_its_own_that_is_seen_on_plot_and_panel(theme):
    colours = {kind: path_colour(kind, theme) for kind in RECIPE_KINDS}
    assert len({*colours.values(), theme.accent}) == len(RECIPE_KINDS) + 1
    for colour in colours.values():
        assert contrast(colour, theme.plot) >= 3.0
        assert contrast(colour, theme.surface) >= 3.0


# on screen


@pytest.fixture
def view(qtbot, request) -> PathKindsView:
    made = PathKindsView()
    qtbot.addWidget(made)
    made.resize(*getattr(request, "param", (1200, 260)))
    made.set_kinds(KINDS)
    made.set_reasons({})
    made.set_targets(("a", "b"), "a")
    made.table.set_kinds(KINDS, "a")
    made.show()
    qtbot.waitExposed(made)
    return made


def fill(view: PathKindsView, **fields) -> None:
    for kind in KINDS:
        view.table.set_path(path(kind, **fields))


def centre(view: PathKindsView, row: int, number: int) -> QPoint:
    return view.table.frame_rect(row, number).center().toPoint()


def names(view: PathKindsView) -> QWidget:
    return view.table.verticalHeader().viewport()


def name(view: PathKindsView, row: int) -> QPoint:
    """The middle of a name, in the header at the left."""
    header = view.table.verticalHeader()
    return QPoint(header.width() // 2, header.sectionViewportPosition(row) + header.sectionSize(row) // 2)


def move(view: PathKindsView, place: QPoint, widget: QWidget | None = None) -> None:
    """Through the window: on a widget, QTest moves the display's own cursor, some time later."""
    QTest.mouseMove(view.windowHandle(), (widget or view.table.viewport()).mapTo(view, place))
    QApplication.processEvents()


def name_tooltip(view: PathKindsView, row: int) -> str:
    return view.table.paths.headerData(row, Qt.Orientation.Vertical, Qt.ItemDataRole.ToolTipRole)


def colour_at(view: PathKindsView, x: float, y: float) -> QColor:
    picture = view.table.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    return picture.pixelColor(round(x * ratio), round(y * ratio))


def test_strips_stand_under_one_another_in_the_order_asked_for(view):
    fill(view)
    assert [row.kind for row in view.table.rows] == list(KINDS)
    firsts = [view.table.frame_rect(row, 0) for row in range(len(KINDS))]
    assert len({rect.left() for rect in firsts}) == 1
    assert all(above.bottom() < below.top() for above, below in pairwise(firsts))


def test_a_wide_panel_shows_every_frame_and_a_narrow_one_the_ends_and_some_between(view):
    fill(view)
    view.resize(1400, 260)
    assert view.table.frames_of(0) == list(range(FRAMES))
    view.resize(720, 190)
    shown = view.table.frames_of(0)
    assert 3 <= len(shown) < FRAMES
    assert (shown[0], shown[-1]) == (0, FRAMES - 1)


@pytest.mark.parametrize("view", [(720, 190)], indirect=True)
def test_at_the_size_of_a_small_window_all_measures_are_seen_and_rows_scroll(view):
    fill(view)
    table = view.table
    last = table.cell_rect(0, len(table.paths.columns))
    assert last.right() <= table.viewport().width()
    assert table.horizontalScrollBar().maximum() == 0
    assert table.verticalScrollBar().maximum() > 0
    top = table.cell_rect(3, 0).top()
    middle = QPointF(table.viewport().rect().center())
    turn = QWheelEvent(
        middle,
        table.viewport().mapToGlobal(middle),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(table.viewport(), turn)
    assert table.cell_rect(3, 0).top() < top


@pytest.mark.parametrize("view", [(420, 190)], indirect=True)
def test_where_even_that_has_no_room_measures_scroll_sideways_and_names_stay(view):
    fill(view)
    table = view.table
    assert table.horizontalScrollBar().maximum() > 0
    table.horizontalScrollBar().setValue(table.horizontalScrollBar().maximum())
    assert table.cell_rect(0, len(table.paths.columns)).right() <= table.viewport().width()
    assert names(view).mapTo(table, QPoint(0, 0)).x() == 0
    assert names(view).width() == 138


def test_pressing_a_frame_goes_there_and_dragging_goes_on(view):
    fill(view)
    chosen, released = [], []
    view.table.frame_chosen.connect(lambda kind, number: chosen.append((kind, number)))
    view.table.frame_released.connect(lambda: released.append(len(chosen)))
    window, table = view.windowHandle(), view.table.viewport()
    way = [table.mapTo(view, centre(view, row, number)) for row, number in ((1, 4), (1, 5), (2, 5))]
    QTest.mousePress(window, LEFT, pos=way[0])
    for place in way[1:]:
        QTest.mouseMove(window, place)
    QTest.mouseRelease(window, LEFT, pos=way[-1])
    assert chosen == [("geodesic", 4), ("geodesic", 5), ("factor curve", 5)]
    assert released == [3]


def test_a_click_on_a_name_takes_the_path_unless_there_is_none(view):
    fill(view)
    view.table.set_path(none("straight", "the ends are opposite"))
    taken = []
    view.table.path_chosen.connect(taken.append)
    for row in range(2):
        QTest.mouseClick(names(view), LEFT, pos=name(view, row))
    assert taken == ["geodesic"]


def test_a_press_that_slips_off_a_name_takes_nothing(view):
    fill(view)
    taken = []
    view.table.path_chosen.connect(taken.append)
    QTest.mousePress(names(view), LEFT, pos=name(view, 1))
    QTest.mouseRelease(names(view), LEFT, pos=name(view, 2))
    assert not taken


def test_the_row_under_the_mouse_is_told_and_explained(view):
    fill(view, note="no other factors are known, so none is held constant")
    hovered = []
    view.table.row_hovered.connect(hovered.append)
    move(view, centre(view, 1, 3))
    assert hovered[-1] == "geodesic"
    assert "frame 4 of 17 · on the data · 1.00× spacing" in view.table.tooltip_at(centre(view, 1, 3))
    move(view, name(view, 2), names(view))
    assert "no other factors are known, so none is held constant" in name_tooltip(view, 2)
    length = view.table.cell_rect(3, 1).center().toPoint()
    move(view, length)
    assert view.table.tooltip_at(length).startswith("mean difference: 2.")
    meaning = view.table.paths.headerData(2, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "K frames" in meaning
    move(view, QPoint(length.x(), 8), view.table.horizontalHeader().viewport())
    assert [kind for kind in hovered if kind] == ["geodesic", "factor curve", "mean difference"]
    assert hovered[-1] == ""


def test_arrow_keys_walk_over_the_frames_and_enter_takes_the_path(view):
    fill(view)
    chosen, taken = [], []
    view.table.frame_chosen.connect(
        lambda kind, number: (chosen.append((kind, number)), view.table.set_mark(kind, number))
    )
    view.table.path_chosen.connect(taken.append)
    view.table.setFocus()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Up):
        QTest.keyClick(view.table, key)
    assert chosen == [
        ("straight", 0),
        ("straight", 1),
        ("geodesic", 1),
        ("geodesic", 0),
        ("straight", 0),
        ("straight", 0),
    ]
    QTest.keyClick(view.table, Qt.Key.Key_Return)
    assert taken == ["straight"]


def test_a_frame_off_the_data_is_marked_under_it(view):
    off_manifold_score = np.ones(FRAMES)
    off_manifold_score[3] = 2.0
    view.table.set_path(path("straight", off_manifold_score=off_manifold_score))
    bar = view.table.frame_rect(0, 3)
    assert colour_at(view, bar.left() + 1, bar.bottom() + 3).name() == DARK.warning
    assert colour_at(view, bar.left() + 4, bar.bottom() + 3).name() != DARK.warning  # dashed
    assert colour_at(view, view.table.frame_rect(0, 4).left() + 1, bar.bottom() + 3).name() != DARK.warning
    assert "extrapolating · 2.00× spacing" in view.table.tooltip_at(centre(view, 0, 3))


def test_the_winner_of_a_column_stands_out(view):
    fill(view, off_share=0.5)
    view.table.set_path(path("geodesic", off_share=0.0))
    assert view.table.paths.columns[2].best == {"geodesic"}
    cell = view.table.cell_rect(1, 3)
    assert colour_at(view, cell.right() - 5, cell.center().y() - 7) != colour_at(view, cell.right() - 5, cell.top() + 3)


def test_a_missing_path_says_why_in_its_row(view):
    fill(view)
    before = view.table.viewport().grab().toImage()
    view.table.set_path(none("straight", "start and end are opposite each other about the centre; move one."))
    assert not view.table.frame_rect(0, 0).isValid()
    assert view.table.viewport().grab().toImage() != before
    assert view.table.columnSpan(0, 0) == view.table.paths.columnCount()
    assert "opposite each other" in view.table.tooltip_at(view.table.cell_rect(0, 0).center().toPoint())


def test_what_was_there_fades_until_the_answer_comes(view):
    fill(view)
    place = view.table.frame_rect(0, FRAMES - 1).center()
    bright = colour_at(view, place.x(), place.y()).lightness()
    view.table.set_kinds(KINDS, "a")
    assert view.table.frames_of(0)
    assert colour_at(view, place.x(), place.y()).lightness() < bright
    view.table.set_path(path("straight"))
    assert colour_at(view, place.x(), place.y()).lightness() == bright
    view.table.set_kinds(KINDS, "a", stale=False)
    assert colour_at(view, place.x(), place.y()).lightness() == bright


def test_a_path_that_nobody_awaits_is_left_out(view):
    view.table.set_path(path("isoline"))
    assert "isoline" not in [row.kind for row in view.table.rows]
    assert view.table.paths.columns == make_columns([], "a")


def test_the_few_frames_of_a_path_that_ends_early_stand_close_together(view):
    fill(view)
    few = path("factor curve")
    view.table.set_path(
        msgspec.structs.replace(few, images=few.images[:4], off_manifold_score=few.off_manifold_score[:4], image_k=4)
    )
    first, second = view.table.frame_rect(2, 0), view.table.frame_rect(2, 1)
    assert view.table.frames_of(2) == [0, 1, 2, 3]
    assert 0 < second.left() - first.right() <= 4


def test_frames_of_odd_shapes_and_colours_are_drawn(view):
    images = np.full((5, 10, 24, 3), 200, np.uint8)
    view.table.set_path(msgspec.structs.replace(path("straight"), images=images, off_manifold_score=np.ones(5)))
    assert view.table.frames_of(0) == [0, 1, 2, 3, 4]
    place = view.table.frame_rect(0, 2).center()
    assert colour_at(view, place.x(), place.y()).red() == 200


# controls


def test_kinds_are_chosen_by_check_boxes_in_a_menu_that_stays_open(view):
    chosen, open_still = [], []
    view.kinds_chosen.connect(chosen.append)
    button = view.findChild(QToolButton, "path_kinds.choose")
    assert button.text() == "4 of 8 kinds"

    def check_two() -> None:
        for kind in ("isoline", "straight"):
            box = button.menu().findChild(QCheckBox, f"path_kinds.kind.{kind}")
            QTest.mouseClick(box, LEFT, pos=QPoint(8, box.height() // 2))
            open_still.append(button.menu().isVisible())
        QTest.keyClick(button.menu(), Qt.Key.Key_Escape)

    QTimer.singleShot(50, check_two)
    QTest.mouseClick(button, LEFT)  # returns when the menu is closed
    assert open_still == [True, True]
    assert not button.menu().isVisible()
    assert chosen[-1] == ("geodesic", "factor curve", "isoline", "mean difference")


def test_setters_are_silent(view):
    heard = []
    for signal in (
        view.kinds_chosen,
        view.target_chosen,
        view.table.frame_chosen,
        view.table.path_chosen,
        view.table.row_hovered,
    ):
        signal.connect(lambda *values: heard.append(values))
    view.set_kinds(("straight",))
    view.set_targets(("b",), "b")
    view.table.set_mark("geodesic", 3)
    view.table.set_current("geodesic")
    fill(view)
    assert not heard


def test_the_target_is_chosen_among_the_factors(view, qtbot):
    box = view.findChild(QComboBox, "path_kinds.target")
    box.setFocus()
    with qtbot.waitSignal(view.target_chosen) as heard:
        QTest.keyClick(box, Qt.Key.Key_Down)
        QTest.keyClick(box, Qt.Key.Key_Return)
    assert heard.args == ["b"]


def test_without_factors_target_and_kinds_say_what_to_do(view):
    view.set_targets((), "")
    view.set_reasons({"factor curve": "No factor is known."})
    box = view.findChild(QComboBox, "path_kinds.target")
    assert (box.currentText(), box.isEnabled()) == ("no factor", False)
    kind = view.findChild(QCheckBox, "path_kinds.kind.factor curve")
    assert (kind.isEnabled(), kind.toolTip()) == (False, "No factor is known.")
    assert view.findChild(QCheckBox, "path_kinds.kind.geodesic").isEnabled()
    assert view.findChild(QToolButton, "path_kinds.choose").text() == "3 of 8 kinds"  # it is checked, but not compared


def test_an_empty_state_takes_the_table_s_place(view):
    view.set_empty("Draw a path.")
    text = view.findChild(QLabel, "path_kinds.empty")
    assert text.isVisible()
    assert not view.table.isVisible()
    assert view.empty == "Draw a path."
    view.set_empty("")
    assert view.table.isVisible()


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_both_themes_reach_the_table(view, theme, use_theme):
    fill(view)
    use_theme(theme)
    assert colour_at(view, view.table.viewport().width() - 2, 3).name() == theme.surface


def test_on_a_screen_of_another_density_the_lines_of_the_kinds_are_drawn_anew(qtbot):
    view = PathKindsView()
    qtbot.addWidget(view)
    box = view.findChild(QCheckBox)
    before = box.icon().availableSizes()[0]
    view.devicePixelRatioF = lambda: 3.0
    QApplication.sendEvent(view, QEvent(QEvent.Type.DevicePixelRatioChange))
    assert box.icon().availableSizes()[0] == 3 * before
