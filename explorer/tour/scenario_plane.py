"""Stages of the article's question: the parameter plane, its hole, a transect through it, two runs compared."""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QTabBar, QWidget

from explorer.app import bundled_run
from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until


def choose_tab(tour: Director, title: str) -> Generator[float, None, None]:
    """Click the tab called ``title`` among the docks."""
    for bar in tour.window.findChildren(QTabBar):
        for place in range(bar.count()):
            if bar.tabText(place) == title and bar.isVisible():
                input_events.click(bar, QPointF(bar.tabRect(place).center()))
                yield 0.3
                return
    raise StageFailed(f"no dock has the tab {title}")


def _at(plane: QWidget, a: float, b: float) -> QPointF:
    return QPointF(*plane.scene.frame.pixel(a, b))  # pyright: ignore[reportAttributeAccessIssue]


def _drag(widget: QWidget, places: list[QPointF]) -> Stage:
    input_events.move(widget, places[0])
    yield 0.05
    input_events.press(widget, places[0])
    for place in places[1:]:
        input_events.move(widget, place)
        yield 0.012
    input_events.release(widget, places[-1])


def plane_cursor(tour: Director) -> Stage:
    """Drag the cursor into the hole: the true image, its reconstruction and the probe follow the hand."""
    explorer = tour.explorer
    input_events.key(explorer.cloud, "1")
    yield from choose_tab(tour, "Parameters")
    plane = explorer.parameters_view.plane
    yield Until(plane.isVisible, "the plane is shown", 3.0)
    yield 0.3
    probe = explorer.state.document.probe
    line = [_at(plane, 0.8 + 0.5 * t, 1.7 - 0.6 * t) for t in np.linspace(0, 1, 40)]
    yield from _drag(plane, line)
    yield Until(lambda: explorer.state.document.cursor is not None, "the cursor follows", 3.0)
    a, b = explorer.state.document.cursor
    if math.hypot(a - 1.3, b - 1.1) > 0.05:
        raise StageFailed(f"the cursor is at ({a:.2f}, {b:.2f}), not where it was released")
    yield Until(lambda: not np.array_equal(explorer.state.document.probe, probe), "the probe follows", 10.0)
    yield 0.8
    tour.shot("plane-cursor")


def edit_hole(tour: Director) -> Stage:
    """Move the next training's hole by its middle and widen it by its rim; the fields of the form follow."""
    explorer, plane = tour.explorer, tour.explorer.parameters_view.plane
    before = explorer.training_view.config().data
    handles = plane.scene.handles()
    start = QPointF(*handles["centre"])
    yield from _drag(plane, [start + QPointF(1.2 * i, -0.8 * i) for i in range(20)])
    yield 0.2
    rim = QPointF(*plane.scene.handles()["rim"])
    yield from _drag(plane, [rim + QPointF(0.8 * i, 0.0) for i in range(20)])
    yield 0.3
    after = explorer.training_view.config().data
    if after.hole_a == before.hole_a or after.hole_radius <= before.hole_radius:
        raise StageFailed("the handles moved nothing in the form")
    tour.shot("hole")
    explorer.training_view.set_hole(before.hole_a, before.hole_b, before.hole_radius)
    explorer.parameters.hole.refresh()
    yield 0.1


def draw_transect(tour: Director) -> Stage:
    """P1 image by image, then a curve drawn by hand across the hole, scrubbed along."""
    explorer, plane = tour.explorer, tour.explorer.parameters_view.plane
    input_events.click(input_events.child(explorer.parameters_view, "parameters.draw"))
    yield 0.2
    points = np.linspace(0, 1, 40)
    yield from _drag(plane, [_at(plane, 0.65 + 1.2 * t, 1.0 + 0.7 * math.sin(2 * math.pi * t)) for t in points])
    yield Until(lambda: len(explorer.state.document.transects) == 4, "the stroke becomes a transect", 3.0)
    input_events.click(input_events.child(explorer.parameters_view, "parameters.cursor"))
    yield from choose_tab(tour, "Transects")
    view = explorer.transect_view
    yield Until(lambda: view.complete, "the drawn transect is measured", 60.0)
    yield 0.4
    picture = view.picture
    input_events.click(picture, QPointF(picture.width() * 0.5, picture.height() * 0.3))
    yield 0.6
    if explorer.state.transect_position == 0:
        raise StageFailed("scrubbing moved nothing")
    tour.shot("transect-drawn")
    yield from input_events.choose(input_events.child(view, "transect.choice"), 0)
    yield Until(lambda: view.complete, "P1 is measured", 60.0)
    yield 0.4
    tour.shot("transect-p1")


def compare_runs(tour: Director) -> Stage:
    """A second run beside the first: one clicked sample goes into both models, and the clouds turn together."""
    explorer = tour.explorer
    explorer.window.activateWindow()  # after a list's popup: without a window manager nobody else does
    yield Until(explorer.window.isActiveWindow, "the window has the keyboard", 5.0)
    input_events.key(explorer.cloud, "Ctrl+K")
    yield Until(explorer.compare_view.isVisible, "the comparison opens", 5.0)
    explorer.compare.open(str(bundled_run()))
    yield Until(lambda: explorer.other_cloud.point_count > 0, "the second cloud", 10.0)
    places = explorer.cloud.screen_positions()
    nearest = int(np.argmax(np.where(np.isfinite(places[:, 2]), -places[:, 2], -np.inf)))
    input_events.move(explorer.cloud, QPointF(*map(float, places[nearest, :2])))
    yield 0.1
    input_events.click(explorer.cloud, QPointF(*map(float, places[nearest, :2])))
    yield Until(lambda: explorer.compare_view.images.pictures, "both models answer", 20.0)
    yield 0.6
    tour.shot("compare")
    explorer.window.docks["compare"].close()
    explorer.compare.close()
    yield 0.3
