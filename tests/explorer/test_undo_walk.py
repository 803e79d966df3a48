"""A thousand changes drawn by a seed, through all the controllers of the window: undone, the start; redone, the end.

What a hand does reaches the program as the views' signals; the engine is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cloud_driver import CTRL, LEFT, NONE, SHIFT
from fake_engine import FakeEngine
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QApplication, QComboBox, QPlainTextEdit, QSlider
from window_alone import window_alone

from core.config import DataConfig, RunConfig
from core.paths.recipe import RECIPE_KINDS
from core.projects.edited import EDITED, Document
from core.protocol.messages import EncodeFactors, FactorsEncoded, PathTraced, TracePath
from core.rendering.colormaps import NAMES
from core.runs.directory import ProbeSet
from explorer import history
from explorer.app import Explorer
from explorer.controllers.app.open_run import OF_A_RUN
from explorer.history import _same as same
from explorer.state import Model
from explorer.views.points import GroupList

COUNT, DIMS, ACTIONS = 60, 5, 1000
PANELS = ("points", "probe", "path", "transects", "parameters", "notes")
VALUES = {
    QSlider: QSlider.value,
    QComboBox: QComboBox.currentText,
    QAbstractSpinBox: QAbstractSpinBox.text,
    QAbstractButton: QAbstractButton.isChecked,
    QPlainTextEdit: QPlainTextEdit.toPlainText,
}
"""What each kind of widget shows."""


class Engine(FakeEngine):
    """Answers what changes something that undo covers: traced paths, and where an image is."""

    def answer(self) -> None:
        """Answer what is newest of each kind."""
        asked, self.asked = self.asked, []
        for request in asked[-3:]:
            if isinstance(request, TracePath):
                end = request.end if len(request.end) else request.start + 1.0
                points = np.linspace(request.start, end, request.points).astype(np.float32)
                self.deliver(
                    PathTraced(
                        stamp=request.stamp,
                        kind=request.kind,
                        points=points,
                        stage="exact",
                        final=True,
                        labels=np.zeros((0, 0)),
                        names=(),
                        flagged=np.zeros(len(points), dtype=bool),
                        note="",
                        milliseconds=1.0,
                    )
                )
            elif isinstance(request, EncodeFactors):
                image = np.zeros((16, 16, 1), np.uint8)
                mu = np.full(DIMS, float(request.factors[1]), np.float32)
                self.deliver(
                    FactorsEncoded(
                        stamp=request.stamp,
                        factors=request.factors,
                        index=request.index,
                        original=image,
                        reconstruction=image,
                        mu=mu,
                        excess_bce=0.1,
                        ssim=0.9,
                    )
                )


@pytest.fixture
def explorer(qapp, monkeypatch, tmp_path) -> Iterator[Explorer]:
    """The whole program on 60 samples of five dimensions, without an engine's process and without a run's folder."""
    monkeypatch.setattr(history, "LIMIT", 5 * ACTIONS)
    with window_alone(qapp, Engine()) as made:
        made.window.resize(1280, 720)
        made.window.show()
        rng = np.random.default_rng(0)
        factors = np.stack([np.arange(COUNT) % 3, rng.uniform(size=COUNT), rng.uniform(size=COUNT)], axis=1)
        thumbnails, split = np.zeros((COUNT, 32, 32, 1), np.uint8), (np.arange(COUNT) % 5 == 0).astype(np.uint8)
        classes = (("cat", "dog", "eel"), (), ())
        state = made.state
        state.config = RunConfig(data=DataConfig(source="files", path=str(tmp_path), image_size=32))
        made.editing.begin(**OF_A_RUN)
        state.samples = ProbeSet(
            np.arange(COUNT), factors.astype(np.float32), ("kind", "size", "turn"), thumbnails, split, classes
        )
        state.embedding = rng.normal(size=(COUNT, DIMS)).astype(np.float32)
        made.editing.begin(document=Document(probe=state.embedding[0], sample=0))
        state.model = Model(Path("run"), DIMS, 16, 1)
        for dock in ("parameters", "transects", "path", "notes"):
            made.window.open_dock(dock)
        for _ in range(3):
            made.redraw()
        yield made


class Hand:
    """Everything that a hand can change, one method call an action."""

    def __init__(self, explorer: Explorer, seed: int) -> None:
        self.app, self.rng = explorer, np.random.default_rng(seed)
        self.state, self.editing = explorer.state, explorer.editing
        app = explorer
        self.actions: list[Callable[[], object]] = [
            self.probe,
            lambda: app.cloud.clicked.emit(self.sample(), NONE),
            lambda: app.cloud.clicked.emit(self.sample(), SHIFT),
            lambda: app.probe_view.center_requested.emit(),
            lambda: app.probe_view.snap_requested.emit(),
            lambda: app.points.color_by_changed.emit(self.one(app.cloud_control._colour_options())),
            lambda: app.points.colormap_changed.emit(self.one(NAMES)),
            lambda: self.slide(app.points.findChild(QSlider, "points.size")),
            lambda: self.slide(app.points.findChild(QSlider, "points.opacity")),
            lambda: app.points.axes_changed.emit(self.one((("pca",), ("axes", (0, 2, 4)), ("axes", (1, 2, 3))))),
            self.legend,
            lambda: app.cloud.picked.emit(self.rng.permutation(COUNT)[: self.rng.integers(0, 30)], self.coin()),
            lambda: app.groups.add(),
            self.group,
            self.note,
            lambda: app.cloud.control_added.emit(self.place()),
            self.control,
            lambda: self.with_path(lambda last: app.cloud.control_inserted.emit(last, self.place())),
            lambda: self.with_path(lambda last: app.cloud.control_removed.emit(self.rng.integers(0, last + 1))),
            lambda: self.with_path(lambda last: app.cloud.control_selected.emit(int(self.rng.integers(-1, last + 1)))),
            lambda: app.path_view.kinds.spline_chosen.emit(self.one(("catmull-rom", "natural", "straight"))),
            lambda: app.path_view.kinds.closed_changed.emit(self.coin()),
            lambda: app.path.clear(),
            lambda: (app.cloud.traced.emit(self.sample()), app.cloud.traced.emit(self.sample())),
            lambda: app.path_view.kinds.traced_chosen.emit(self.one(RECIPE_KINDS)),
            lambda: app.path_view.kinds.target_chosen.emit(self.one(("size", "turn"))),
            lambda: app.path_view.kinds.penalty_changed.emit(self.coin()),
            lambda: app.path_view.kinds.hold.held_chosen.emit(self.one((None, ("turn",), ()))),
            lambda: app.path_view.kinds.hold.dimension_chosen.emit(self.one((None, 2, 3))),
            lambda: app.path_view.loop_toggled.emit(self.coin()),
            lambda: app.path_view.speed_changed.emit(self.one((0.5, 1.0, 2.0))),
            lambda: app.path_view.unit_changed.emit(self.one(("latent", "image"))),
            lambda: app.path_view.frames_changed.emit(int(self.rng.integers(2, 99))),
            self.measure,
            lambda: app.points.attributes_cleared.emit(),
            lambda: app.parameters_view.axes_changed.emit(*self.rng.permutation(3)[:2].tolist()),
            self.cursor,
            lambda: app.parameters_view.plane.stroke_drawn.emit(self.rng.uniform(0.2, 0.8, (12, 2))),
            self.transect,
            lambda: app.window.actions_by_name["cancel"].trigger(),
            lambda: app.cloud.finished.emit(),
            self.editing.settle,
            lambda: self.editing.undo(),
            lambda: self.editing.redo(),
        ]

    def act(self) -> None:
        """One action, what the engine says to it, and now and then a tick of the clock."""
        self.one(self.actions)()
        self.app.engine.answer()  # pyright: ignore[reportAttributeAccessIssue]
        if self.rng.random() < 0.05:
            self.app.redraw()

    def one(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def coin(self) -> bool:
        return bool(self.rng.integers(2))

    def sample(self) -> int:
        return int(self.rng.integers(COUNT))

    def place(self) -> np.ndarray:
        return self.rng.normal(size=3).astype(np.float32)

    def slide(self, slider: QSlider) -> None:
        for _ in range(3):
            slider.setValue(int(self.rng.integers(slider.minimum(), slider.maximum())))

    def probe(self) -> None:
        for _ in range(3):
            self.app.probe_view.value_changed.emit(self.rng.normal(size=DIMS).astype(np.float32))
        self.app.probe_view.released.emit()

    def legend(self) -> None:
        legend = self.app.cloud.legend
        if legend.isVisible() and legend.entries:
            place = self.one(legend.entries).place
            self.one((partial(legend.toggled.emit, place), partial(legend.isolated.emit, place)))()
        else:
            legend.all_requested.emit()

    def group(self) -> None:
        if not self.state.groups:
            return
        number = int(self.rng.integers(len(self.state.groups)))
        points = self.app.points
        rename = partial(points.group_renamed.emit, number, f"name {self.rng.integers(9)}")
        self.one((rename, partial(points.group_removed.emit, number), partial(points.group_chosen.emit, number)))()

    def note(self) -> None:
        field = self.app.notes_view.findChild(QPlainTextEdit, "notes.text")
        field.appendPlainText(f"line {self.rng.integers(99)}")
        if self.coin():
            self.app.notes_view.left.emit()

    def with_path(self, do: Callable[[int], object]) -> None:
        path = self.state.document.path
        if path is not None:
            do(1 if path.recipe is not None else len(path) - 1)

    def control(self) -> None:
        def drag(last: int) -> None:
            index = int(self.rng.integers(0, last + 1))
            self.app.cloud.control_selected.emit(index)
            for _ in range(3):
                self.app.cloud.control_moved.emit(index, self.place())
                self.app.engine.answer()  # pyright: ignore[reportAttributeAccessIssue]
            self.app.cloud.control_released.emit(index)

        self.with_path(drag)

    def measure(self) -> None:
        name = self.one(("area", "brightness", "symmetry"))
        self.app.attributes._add((name,), self.rng.normal(size=(COUNT, 1)), "measured")

    def cursor(self) -> None:
        plane = self.app.parameters_view.plane
        for _ in range(3):
            plane.cursor_moved.emit(*self.rng.uniform(0, 1, 2).tolist())
        plane.cursor_released.emit()

    def transect(self) -> None:
        view, known = self.app.transect_view, self.state.document.transects
        if not known:
            return
        number = int(self.rng.integers(len(known)))
        choices = (
            partial(view.transect_chosen.emit, number),
            partial(view.points_changed.emit, int(self.rng.integers(2, 30))),
            partial(view.removed.emit, number),
            lambda: (view.picture.position_changed.emit(1), view.picture.released.emit()),
        )
        self.one(choices)()


def shown(explorer: Explorer) -> dict[str, object]:
    """What the panels show of what undo covers, by the names of the widgets."""
    explorer.redraw()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    found: dict[str, object] = {}
    for dock in (explorer.window.docks[name] for name in PANELS):
        for kind, value in VALUES.items():
            seen = (widget for widget in dock.findChildren(kind) if widget.isVisibleTo(dock))
            found |= {widget.objectName(): value(widget) for widget in seen}
    rows = explorer.points.findChild(GroupList, "points.groups")
    found["groups"] = [item.text(0) for i in range(rows.topLevelItemCount()) if (item := rows.topLevelItem(i))]
    found["colour by"] = explorer.cloud.legend.isVisible(), explorer.cloud_control.colouring.name
    found["undo"] = explorer.window.actions_by_name["undo"].text()
    for gone in ("path.scrub", ""):  # where a path is played is not undone
        found.pop(gone, None)
    return found


@pytest.mark.parametrize("seed", [0])
def test_a_thousand_changes_undone_are_the_start_and_redone_the_end(explorer, seed: int):
    hand, editing = Hand(explorer, seed), explorer.editing
    editing.settle()
    start, panels_at_start = editing._present(), shown(explorer)
    for _ in range(ACTIONS):
        hand.act()
    editing.settle()
    explorer.redraw()
    steps, position = editing.snapshot()
    changed = {
        name for a, b in pairwise(steps) for name in EDITED if getattr(a.edited, name) != getattr(b.edited, name)
    }
    assert changed == set(EDITED), "the walk has changed everything"
    print(f"{ACTIONS} actions, {position} steps undone and redone")
    end, panels_at_end = editing._present(), shown(explorer)
    for number in range(position - 1, -1, -1):
        editing.undo()
        assert same(editing._present(), steps[number].edited), f"undone {steps[number + 1].label!r}"
    assert editing.undo_label is None
    assert same(editing._present(), start)
    assert shown(explorer) == panels_at_start
    for number in range(1, position + 1):
        editing.redo()
        assert same(editing._present(), steps[number].edited), f"redone {steps[number].label!r}"
    assert same(editing._present(), end)
    assert shown(explorer) == panels_at_end


def test_a_hand_changes_this_and_that_and_the_menu_names_it_and_takes_it_back(explorer, qtbot):
    app, state, window = explorer, explorer.state, explorer.window
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    undo, before = window.actions_by_name["undo"], explorer.editing._present()
    done: list[str] = []

    def named(text: str) -> None:
        QApplication.processEvents()  # commands are refreshed when the loop comes round
        assert undo.text() == f"Undo {text}"
        done.append(text)

    size, colours = app.points.findChild(QSlider, "points.size"), app.points.findChild(QComboBox, "points.color_by")
    QTest.keyClick(size, Qt.Key.Key_Right)
    QTest.keyClick(size, Qt.Key.Key_Right)
    assert state.display.point_size == 6.0
    named("point size")
    colours.setFocus()
    QTest.keyClick(colours, Qt.Key.Key_Down)
    named("colour by size")
    QTest.keyClick(colours, Qt.Key.Key_Up)
    named("colour by kind")
    app.redraw()
    legend = app.cloud.legend
    QTest.mouseClick(legend.rows.viewport(), LEFT, pos=legend.rows.visualItemRect(legend.rows.topLevelItem(1)).center())
    assert state.hidden == frozenset({1})
    named("hide dog")
    QTest.keyClick(window, Qt.Key.Key_5)
    handle, corners = window.windowHandle(), [(2, 2), (app.cloud.width() // 2, app.cloud.height() - 3)]
    first, last = (app.cloud.mapTo(window, QPoint(*corner)) for corner in corners)
    QTest.mousePress(handle, LEFT, NONE, first)
    QTest.mouseMove(handle, last)
    QTest.mouseRelease(handle, LEFT, NONE, last)
    QApplication.processEvents()
    assert state.selected is not None
    chosen = len(state.selected)
    named(f"select {chosen} samples")
    QTest.keyClick(window, Qt.Key.Key_G, CTRL)
    assert [group.name for group in state.groups] == ["group 1"]
    named(f"make group 1 of {chosen} samples")
    QTest.keyClick(window, Qt.Key.Key_Escape)
    window.setFocus()
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert state.selected is None
    named("clear selection")
    field = app.notes_view.findChild(QPlainTextEdit, "notes.text")
    field.setFocus()
    QTest.keyClicks(field, "odd")
    window.setFocus()
    named("edit notes")
    for text in reversed(done):
        assert undo.text() == f"Undo {text}"
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
        assert window.actions_by_name["redo"].text() == f"Redo {text}"
    assert not undo.isEnabled()
    assert (size.value(), colours.currentText(), field.toPlainText()) == (50, "kind", "")
    assert same(explorer.editing._present(), before)
