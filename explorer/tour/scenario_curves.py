"""Stages of curved paths: each kind between two clicked samples, the rail, the net, the badge, kinds side by side."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QComboBox

from core.paths.recipe import PATH_KINDS
from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until
from explorer.widgets.controls import on_screen


def _samples_apart(tour: Director) -> tuple[int, int]:
    """Two samples on opposite sides of the middle of the first factor, in front of the cloud and easy to hit."""
    explorer = tour.explorer
    state, places = explorer.state, explorer.cloud.screen_positions()
    a, b = state.samples.factors[:, :2].T
    depth = places[:, 2]
    inside = (places[:, 0] > 30) & (places[:, 0] < explorer.cloud.width() - 30)
    inside &= (places[:, 1] > 30) & (places[:, 1] < explorer.cloud.height() - 60)
    chosen = []
    for side in (a < np.quantile(a, 0.3), a > np.quantile(a, 0.7)):
        fitting = np.flatnonzero(side & inside & (abs(b - np.median(b)) < 0.2 * np.ptp(b)))
        if not len(fitting):
            raise StageFailed("no sample that could be clicked lies at that side")
        chosen.append(int(fitting[depth[fitting].argmin()]))
    return chosen[0], chosen[1]


def _click_sample(tour: Director, sample: int) -> Generator[float, None, None]:
    cloud = tour.explorer.cloud
    at = QPointF(*cloud.screen_positions()[sample, :2])
    input_events.move(cloud, at)
    yield 0.15
    input_events.click(cloud, at)
    yield 0.15


def _go_to(combo: QComboBox, kind: str) -> Generator[float, None, None]:
    """Arrow keys to the computed kind called ``kind``."""
    text = PATH_KINDS[kind].text
    input_events.click(combo)
    yield 0.3
    input_events.key(combo, "Escape")
    yield 0.2
    towards = "Down" if combo.findText(text) > combo.currentIndex() else "Up"
    for _ in range(combo.count()):
        if combo.currentText() == text:
            return
        input_events.key(combo, towards)
        yield 0.05
    raise StageFailed(f"the list of kinds has no {text} that can be chosen")


def _take_keyboard(tour: Director) -> Generator[Until, None, None]:
    """After a dialog or a list: without a window manager nobody else gives the window the keyboard."""
    tour.explorer.window.activateWindow()
    yield Until(tour.explorer.window.isActiveWindow, "the window has the keyboard", 5.0)


def _settled(tour: Director) -> Generator[Until, None, None]:
    """Every frame decoded, and by image speed at the places that the first pass has told."""
    explorer = tour.explorer
    yield Until(
        lambda: explorer.playback.latents is not None and explorer.film.complete, "its frames are decoded", 40.0
    )


def trace_geodesic(tour: Director) -> Stage:
    """Key 6, two samples clicked: the geodesic between them follows the hand, then stays."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from _take_keyboard(tour)
    input_events.key(cloud, "Home")
    input_events.key(cloud, "6")
    yield Until(lambda: explorer.state.mode == "trace", "key 6 chooses Trace", 3.0)
    yield from _go_to(input_events.child(explorer.path_view, "path.kind"), "geodesic")  # pyright: ignore[reportArgumentType]
    yield 0.5
    start, end = _samples_apart(tour)
    yield from _click_sample(tour, start)
    yield from _click_sample(tour, end)
    yield Until(lambda: _kind(tour) == "geodesic", "two clicks trace a geodesic", 20.0)
    yield from _settled(tour)
    input_events.move(explorer.image)
    yield 2.0
    tour.shot("geodesic")


def _kind(tour: Director) -> str:
    path = tour.explorer.state.document.path
    return "" if path is None or path.recipe is None else path.recipe.kind


def turn_kinds(tour: Director) -> Stage:
    """The same path as every other kind, by the list of the path panel."""
    explorer = tour.explorer
    combo = input_events.child(explorer.path_view, "path.kind")
    for kind, about in PATH_KINDS.items():
        yield from _go_to(combo, kind)  # pyright: ignore[reportArgumentType]
        yield Until(lambda kind=kind: _kind(tour) == kind, f"the path becomes a {about.text.lower()}", 20.0)
        yield from _settled(tour)
        yield 0.4
        tour.shot(f"kind-{kind.replace(' ', '-')}")


def ride_rail(tour: Director) -> Stage:
    """A factor curve as a rail: arrow keys and the wheel move along it, and the image follows."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from _go_to(input_events.child(explorer.path_view, "path.kind"), "factor curve")  # pyright: ignore[reportArgumentType]
    yield Until(lambda: _kind(tour) == "factor curve", "the path becomes a factor curve", 20.0)
    yield from _settled(tour)
    yield from _take_keyboard(tour)
    place = explorer.state.playback.position
    input_events.move(cloud)
    for _ in range(8):
        input_events.key(cloud, "Right" if place < 0.5 else "Left")
        yield 0.05
    yield Until(lambda: explorer.state.playback.position != place, "arrow keys move along the rail", 3.0)
    yield 0.4
    tour.shot("rail")


def show_gridlines(tour: Director) -> Stage:
    """Key G shows gridlines over the cloud; G again hides them."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from _take_keyboard(tour)
    input_events.key(cloud, "1")
    input_events.key(cloud, "G")
    yield Until(lambda: explorer.state.gridlines_shown and explorer.gridlines.complete, "key G shows gridlines", 20.0)
    input_events.move(explorer.image)  # away from the cloud: no card over it
    yield 0.5
    tour.shot("gridlines")
    input_events.key(cloud, "G")
    yield Until(lambda: not explorer.state.gridlines_shown, "G hides the gridlines", 3.0)


def read_badge(tour: Director) -> Stage:
    """A sample is on the data; a probe pulled out of the cloud is not, and the badge says so."""
    explorer = tour.explorer
    input_events.key(explorer.cloud, "1")
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit", 3.0)
    sample, _ = _samples_apart(tour)
    yield from _click_sample(tour, sample)
    yield Until(lambda: explorer.image.badge.startswith("on the data"), "a sample is on the data", 10.0)
    yield from _pull(tour)
    yield Until(lambda: explorer.image.badge.startswith("off the data"), "far outside is off the data", 10.0)
    yield 0.3
    tour.shot("badge")
    yield from _click_sample(tour, sample)
    yield Until(lambda: explorer.image.badge.startswith("on the data"), "the sample is on the data again", 10.0)


def _pull(tour: Director) -> Generator[float, None, None]:
    """Type a coordinate far outside into the first field of the probe."""
    explorer = tour.explorer
    field = input_events.child(explorer.probe_view, "probe.value.0")
    input_events.click(field, QPointF(12, field.height() / 2))
    input_events.key(field, "Ctrl+A")
    input_events.type_text(field, f"{float(np.abs(explorer.state.embedding).max()) * 3:.2f}")
    input_events.key(field, "Return")
    yield 0.2


def compare_kinds(tour: Director) -> Stage:
    """Kinds of path between the same ends, side by side: strips, measures, the best of each marked."""
    explorer = tour.explorer
    yield from _take_keyboard(tour)
    input_events.key(explorer.cloud, "Ctrl+Shift+K")
    yield Until(lambda: on_screen(explorer.kinds_view), "the comparison opens", 3.0)
    yield Until(lambda: explorer.path_comparison.complete, "every kind has been measured", 60.0)
    input_events.move(explorer.image)
    yield 0.5
    tour.shot("path-kinds")
    explorer.window.docks["kinds"].close()
    yield 0.2
