"""Stages on the cloud: look, click, the probe; paths drawn, edited, played and exported; curves that are computed."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from time import perf_counter

import numpy as np
from PySide6.QtCore import QLineF, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QMenu, QSlider

from core.paths.recipe import PATH_KINDS
from explorer.tour import input_events
from explorer.tour.measurements import percentile, process_age, timed_clicks, visible_points
from explorer.tour.runner import Director, Stage, StageFailed, Until
from explorer.widgets.controls import on_screen

CLEAR_OF_PATH = 24.0  # pixels


def open_window(tour: Director) -> Stage:
    """The window with its cloud, then the first decoded image."""
    explorer = tour.explorer
    yield Until(lambda: tour.figures["window_s"] is not None, "the window is visible")
    yield Until(lambda: explorer.cloud.point_count > 0, "the cloud has points")
    yield Until(lambda: explorer.image.has_image, "the first decoded image")
    tour.figures["first_image_s"] = round(process_age(), 3)
    yield from input_events.take_keyboard(tour.window)
    yield 0.6
    tour.shot("open")


def orbit(tour: Director) -> Stage:
    """Turn the cloud by a long drag."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "1")
    centre = QPointF(cloud.rect().center())
    before = cloud.camera()
    frames = cloud.frames_drawn
    begun = perf_counter()
    angles = np.linspace(0, 2 * math.pi, 91).tolist()
    places = [centre + QPointF(160 * math.sin(angle), 40 * math.sin(2 * angle)) for angle in angles]
    yield from input_events.drag(cloud, [*places, centre], 0.008)
    drawn = cloud.frames_drawn - frames
    tour.figures["cloud_fps"] = round(drawn / (perf_counter() - begun), 1)
    yield from input_events.drag(cloud, [centre + QPointF(3.0 * step, -1.0 * step) for step in range(31)], 0.008)
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit")
    yield Until(lambda: cloud.camera() != before and cloud.frames_drawn > frames, "dragging turns the cloud")
    yield 0.2
    tour.shot("orbit")


def hover(tour: Director) -> Stage:
    """Rest on a point: its thumbnail appears."""
    cloud = tour.explorer.cloud
    seen: list[int] = []
    cloud.hovered.connect(seen.append)
    for place in visible_points(tour, 6, 11):
        input_events.move(cloud, place)
        yield 0.15
    yield Until(lambda: any(index >= 0 for index in seen), "hovering highlights a point")
    yield 0.3
    tour.shot("hover")
    cloud.hovered.disconnect(seen.append)


def click_points(tour: Director) -> Stage:
    """Click many points; each decodes at once."""
    click_ms, decode_ms = yield from timed_clicks(tour, tour.options.clicks, 21)
    tour.figures["click_ms_p50_idle"] = percentile(click_ms, 50)
    tour.figures["click_ms_p95_idle"] = percentile(click_ms, 95)
    tour.figures["clicks_idle"] = len(click_ms)
    tour.figures["decode_ms"] = percentile(decode_ms, 50)
    yield Until(lambda: tour.explorer.image.has_sample, "original and reconstruction of the clicked sample")
    yield 0.3
    tour.shot("click")


def group_samples(tour: Director) -> Stage:
    """Drag a rectangle over samples, keep them as a group, name it, and take all of that back."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "5")
    middle = QPointF(cloud.width() / 2, cloud.height() / 2)
    yield from input_events.drag(cloud, [middle + QPointF(6.0 * step, 4.0 * step) for step in range(-12, 13)])
    yield Until(lambda: explorer.state.selected is not None, "a rectangle selects samples")
    input_events.key(cloud, "Ctrl+G")
    yield Until(lambda: len(explorer.state.groups) == 1, "Ctrl+G keeps them as a group")
    editor = input_events.child(explorer.points, "points.groups").findChild(QLineEdit)
    if editor is None:
        raise StageFailed("the group's name cannot be typed")
    QTest.keyClicks(editor, "middle")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    yield Until(lambda: explorer.state.groups[0].name == "middle", "the group has its name")
    tour.shot("groups")
    for _ in range(3):
        input_events.key(cloud, "Ctrl+Z")
        yield 0.1
    yield Until(lambda: not explorer.state.groups and explorer.state.selected is None, "undo takes it all back")
    input_events.key(cloud, "1")
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit")


def drag_probe(tour: Director) -> Stage:
    """Drag the probe through space, freely and along one axis; the image follows."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "2")
    yield Until(lambda: explorer.state.mode == "probe", "key 2 chooses Probe")
    start = cloud.probe_position()
    if start is None:
        raise StageFailed("the probe is not on screen")
    before = explorer.state.document.probe
    painted: list[float] = []
    watching = explorer.image.painted.connect(lambda: painted.append(perf_counter()))
    begun = perf_counter()
    angles = np.linspace(0, 2 * math.pi, 121).tolist()
    places = [start + QPointF(90 * math.sin(angle), 60 * (1 - math.cos(angle))) for angle in angles]
    yield from input_events.drag(cloud, places, 0.006)
    tour.figures["drag_fps"] = round(len(painted) / (perf_counter() - begun), 1)
    # Of a drag the newest place is decoded for certain, however slow the engine is.
    yield Until(lambda: painted, "the image follows the dragged probe")
    yield Until(lambda: explorer.state.document.probe is not before, "the dragged probe moves")
    explorer.image.painted.disconnect(watching)
    yield 0.1
    start = cloud.probe_position()
    fixed = explorer.state.document.probe
    if start is None or fixed is None:
        raise StageFailed("the probe is not on screen")
    input_events.hold(cloud, Qt.Key.Key_X)
    yield from input_events.drag(cloud, [start + QPointF(2.0 * step, 1.0 * step) for step in range(31)])
    input_events.let_go(cloud, Qt.Key.Key_X)
    yield Until(lambda: abs(explorer.state.document.probe[0] - fixed[0]) > 1e-6, "the probe moves along the axis")
    yield 0.2
    moved = explorer.state.document.probe
    if max(abs(moved[1:] - fixed[1:])) > 1e-4:
        raise StageFailed(f"holding X did not keep the other axes: {fixed} to {moved}")
    tour.shot("probe")


def sliders(tour: Director) -> Stage:
    """Drag the first latent dimension's slider."""
    explorer = tour.explorer
    slider = input_events.child(explorer.probe_view, "probe.slider.0", QSlider)
    before = explorer.state.document.probe
    # The groove is wider than the range: aim at the handle, wherever it is.
    fraction = (slider.value() - slider.minimum()) / max(1, slider.maximum() - slider.minimum())
    start = QPointF(8 + fraction * (slider.width() - 16), slider.height() / 2)
    direction = 1.0 if fraction < 0.5 else -1.0
    yield from input_events.drag(slider, [start + QPointF(direction * step, 0) for step in range(41)])
    yield Until(lambda: abs(explorer.state.document.probe[0] - before[0]) > 1e-6, "the slider moves the probe")
    yield 0.3
    moved = explorer.state.document.probe
    if max(abs(moved[1:] - before[1:]), default=0) > 1e-5:
        raise StageFailed(f"the slider moved other dimensions too: {before} to {moved}")
    tour.shot("sliders")


def draw_path(tour: Director) -> Stage:
    """A freehand stroke over the cloud becomes a path on the data."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "3")
    yield Until(lambda: explorer.state.mode == "draw", "key 3 chooses Draw")
    places = cloud.screen_positions()
    centre, spread = np.median(places[:, :2], axis=0), places[:, :2].std(axis=0)
    stroke = [
        QPointF(centre[0] + spread[0] * 1.1 * (2 * t - 1), centre[1] + spread[1] * 0.6 * math.sin(2 * math.pi * t))
        for t in np.linspace(0, 1, 60)
    ]
    yield from input_events.drag(cloud, stroke, 0.008, lambda: tour.shot("stroke"))
    yield Until(lambda: explorer.state.document.path is not None, "the stroke becomes a path")
    yield Until(lambda: explorer.film.complete, "the path's frames are decoded")
    yield 0.4
    tour.shot("path")


def _control(tour: Director, index: int) -> QPointF:
    path, projection = tour.explorer.state.document.path, tour.explorer.cloud_control.projection
    return tour.explorer.cloud.project(projection.to_view(path.control[index]))


def edit_path(tour: Director) -> Stage:
    """Move a control point, insert one by clicking the curve, delete it."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "4")
    yield Until(lambda: explorer.state.mode == "edit", "key 4 chooses Edit")
    count = len(explorer.state.document.path.control)
    middle = count // 2
    start, before = _control(tour, middle), explorer.state.document.path.control[middle]
    yield from input_events.drag(cloud, [start + QPointF(1.2 * step, -1.6 * step) for step in range(26)])
    yield Until(
        lambda: not np.array_equal(explorer.state.document.path.control[middle], before),
        "a dragged control point moves",
    )
    yield 0.3
    projection = explorer.cloud_control.projection
    path = explorer.state.document.path
    controls = [_control(tour, i) for i in range(count)]
    curve = [cloud.project(place) for place in projection.to_view(path.sample(40 * count))]
    # As far from every control point as it can be, so that it is the curve that is hit.
    on_curve = max(curve, key=lambda at: min(QLineF(at, control).length() for control in controls))
    input_events.move(cloud, on_curve)
    yield 0.1
    input_events.click(cloud, on_curve)
    yield Until(lambda: len(explorer.state.document.path.control) == count + 1, "a click on the curve inserts")
    yield 0.3
    tour.shot("edit")
    input_events.key(cloud, "Delete")
    yield Until(lambda: len(explorer.state.document.path.control) == count, "Delete removes the control point")
    yield Until(lambda: explorer.film.complete, "the edited path's frames are decoded")


def undo_redo(tour: Director) -> Stage:
    """Undo past the edits, then redo them."""
    explorer = tour.explorer
    final = explorer.state.document.path.control
    for _ in range(3):
        input_events.key(explorer.cloud, "Ctrl+Z")
        yield 0.1
    yield Until(lambda: not np.array_equal(explorer.state.document.path.control, final), "undo takes edits back")
    for _ in range(3):
        input_events.key(explorer.cloud, "Ctrl+Shift+Z")
        yield 0.1
    yield Until(lambda: np.array_equal(explorer.state.document.path.control, final), "redo brings the path back")
    yield Until(lambda: explorer.film.complete, "the path's frames are decoded again")


def play_path(tour: Director) -> Stage:
    """Space plays; the marker moves; constant image speed; scrubbing in the film strip."""
    explorer = tour.explorer
    input_events.move(explorer.image)  # away from the cloud, where Space held turns it
    input_events.key(explorer.window, "Space")
    yield Until(lambda: explorer.state.playback.playing, "Space plays the path")
    seen = explorer.state.playback.position
    yield Until(lambda: abs(explorer.state.playback.position - seen) > 0.15, "the marker moves")
    tour.shot("play")
    yield from input_events.choose(input_events.child(explorer.path_view, "path.unit", QComboBox), 1)
    yield Until(lambda: explorer.state.playback.speed.value == "image", "constant image speed is chosen")
    yield Until(lambda: explorer.film.complete, "frames at equal image steps")
    yield 0.6
    input_events.key(explorer.window, "Space")
    yield Until(lambda: not explorer.state.playback.playing, "Space pauses")
    input_events.click(explorer.film, QPointF(explorer.film.width() * 0.3, explorer.film.height() * 0.5))
    yield 0.3
    tour.shot("image-speed")
    yield from input_events.choose(input_events.child(explorer.path_view, "path.unit", QComboBox), 0)
    yield Until(lambda: explorer.state.playback.speed.value == "latent", "constant latent speed is chosen again")
    yield Until(lambda: explorer.film.complete, "frames at equal latent steps")


def export_path(tour: Director) -> Stage:
    """Write all four formats through the file dialog, by keyboard."""
    explorer = tour.explorer
    folder: Path = (tour.options.out / "export").resolve()
    folder.mkdir(exist_ok=True)
    for kind in ("png", "gif", "mp4", "npz"):
        target = folder / f"path.{kind}"
        target.unlink(missing_ok=True)
        input_events.open_menu(input_events.child(explorer.path_view, "path.export"))
        yield Until(lambda: isinstance(QApplication.activePopupWidget(), QMenu), "the export menu opens")
        menu = QApplication.activePopupWidget()
        if not isinstance(menu, QMenu):
            raise StageFailed("the export menu closed by itself")
        action = next(a for a in menu.actions() if a.objectName() == f"path.export.{kind}")
        input_events.click(menu, QPointF(menu.actionGeometry(action).center()))
        yield Until(lambda: input_events.top_level("dialog.export") is not None, "the file dialog opens")
        edit = yield from input_events.name_file("dialog.export", target)
        if kind == "mp4":
            tour.shot("export")
        input_events.key(edit, "Return")
        yield Until(lambda target=target: target.is_file(), f"{target.name} is written")
        yield Until(lambda: input_events.top_level("dialog.export") is None, "the dialog is gone")
        yield 0.2
    with np.load(folder / "path.npz", allow_pickle=False) as file:
        frames, latents = file["frames"], file["latents"]
    if len(frames) != explorer.state.playback.frames or len(latents) != len(frames):
        raise StageFailed(f"path.npz holds {len(frames)} frames, {len(latents)} latents")


def save_figure(tour: Director) -> Stage:
    """The cloud as a PDF, by keys and mouse."""
    explorer = tour.explorer
    target: Path = (tour.options.out / "export" / "cloud.pdf").resolve()
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    explorer.settings.figures_folder = target.parent
    input_events.key(explorer.window, "Ctrl+Shift+F")
    yield Until(lambda: input_events.top_level("dialog.figure") is not None, "the dialog opens")
    dialog = input_events.top_level("dialog.figure")
    assert dialog is not None
    yield from input_events.take_keyboard(dialog)
    save = input_events.child(dialog, "dialog.figure.accept")
    yield from input_events.choose(input_events.child(dialog, "figure.format", QComboBox), 2)
    notes = input_events.child(dialog, "figure.notes", QLabel)
    yield Until(lambda: save.isEnabled() and "points" in notes.text(), "the preview is drawn")
    yield 0.3
    tour.shot("figure")
    input_events.type_into(input_events.child(dialog, "figure.name", QLineEdit), target.stem)  # and Return saves
    yield Until(target.is_file, "the figure is written")
    yield from input_events.take_keyboard(dialog)
    input_events.key(dialog, "Escape")
    yield Until(lambda: input_events.top_level("dialog.figure") is None, "the dialog closes")
    yield from input_events.take_keyboard(tour.window)


def _samples_apart(tour: Director) -> tuple[int, int]:
    """Two samples on opposite sides of the middle of the first factor, in front of the cloud and easy to hit. A click
    beside the path that is there would hold that."""
    explorer = tour.explorer
    state, places = explorer.state, explorer.cloud.screen_positions()
    a, b = state.samples.factors[:, :2].T
    depth = places[:, 2]
    inside = (places[:, 0] > 30) & (places[:, 0] < explorer.cloud.width() - 30)
    inside &= (places[:, 1] > 30) & (places[:, 1] < explorer.cloud.height() - 60)
    curve = explorer.cloud.scene.curve
    if curve is not None:
        for x, y in explorer.cloud.scene.pixels(curve):
            inside &= np.hypot(places[:, 0] - x, places[:, 1] - y) > CLEAR_OF_PATH
    chosen: list[int] = []
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


def _choose_kind(tour: Director, kind: str) -> Stage:
    """The computed ``kind`` in the list of the path panel, and its frames."""
    combo = input_events.child(tour.explorer.path_view, "path.kind", QComboBox)
    yield from input_events.choose(combo, combo.findText(PATH_KINDS[kind].text))


def _settled(tour: Director) -> Generator[Until, None, None]:
    """Every frame decoded, and by image speed at the places that the first pass has told."""
    explorer = tour.explorer
    yield Until(lambda: explorer.playback.latents is not None and explorer.film.complete, "its frames are decoded")


def trace_geodesic(tour: Director) -> Stage:
    """Key 6, two samples clicked: the geodesic between them follows the hand, then stays."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from input_events.take_keyboard(tour.window)
    input_events.key(cloud, "Home")
    input_events.key(cloud, "6")
    yield Until(lambda: explorer.state.mode == "trace", "key 6 chooses Trace")
    yield from _choose_kind(tour, "geodesic")
    yield 0.5
    start, end = _samples_apart(tour)
    yield from _click_sample(tour, start)
    yield from _click_sample(tour, end)
    yield Until(lambda: _kind(tour) == "geodesic", "two clicks trace a geodesic")
    yield from _settled(tour)
    input_events.move(explorer.image)
    yield 2.0
    tour.shot("geodesic")


def _kind(tour: Director) -> str:
    path = tour.explorer.state.document.path
    return "" if path is None or path.recipe is None else path.recipe.kind


def turn_kinds(tour: Director) -> Stage:
    """The same path as every other kind, by the list of the path panel."""
    for kind, about in PATH_KINDS.items():
        yield from _choose_kind(tour, kind)
        yield Until(lambda kind=kind: _kind(tour) == kind, f"the path becomes a {about.text.lower()}")
        yield from _settled(tour)
        yield 0.4
        tour.shot(f"kind-{kind.replace(' ', '-')}")


def step_along_curve(tour: Director) -> Stage:
    """Arrow keys move along a factor curve, and the image follows."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from _choose_kind(tour, "factor curve")
    yield Until(lambda: _kind(tour) == "factor curve", "the path becomes a factor curve")
    yield from _settled(tour)
    yield from input_events.take_keyboard(tour.window)
    place = explorer.state.playback.position
    input_events.move(cloud)
    for _ in range(8):
        input_events.key(cloud, "Right" if place < 0.5 else "Left")
        yield 0.05
    yield Until(lambda: explorer.state.playback.position != place, "arrow keys move along the curve")
    yield 0.4
    tour.shot("step-along-curve")


def show_gridlines(tour: Director) -> Stage:
    """Key G shows gridlines over the cloud; G again hides them."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield from input_events.take_keyboard(tour.window)
    input_events.key(cloud, "1")
    input_events.key(cloud, "G")
    yield Until(lambda: explorer.state.gridlines_shown and explorer.gridlines.complete, "key G shows gridlines")
    input_events.move(explorer.image)  # away from the cloud: no card over it
    yield 0.5
    tour.shot("gridlines")
    input_events.key(cloud, "G")
    yield Until(lambda: not explorer.state.gridlines_shown, "G hides the gridlines")


def read_badge(tour: Director) -> Stage:
    """A sample is on the data; a probe pulled out of the cloud is not, and the badge says so."""
    explorer = tour.explorer
    input_events.key(explorer.cloud, "1")
    yield Until(lambda: explorer.state.mode == "orbit", "key 1 chooses Orbit")
    sample, _ = _samples_apart(tour)
    yield from _click_sample(tour, sample)
    yield Until(lambda: explorer.image.badge.text.startswith("on the data"), "a sample is on the data")
    # A coordinate far outside, typed into the first field of the probe.
    field = input_events.child(explorer.probe_view, "probe.value.0")
    far = f"{float(np.abs(explorer.state.embedding).max()) * 3:.2f}"
    input_events.type_into(field, far, QPointF(12, field.height() / 2))
    yield 0.2
    yield Until(lambda: explorer.image.badge.text.startswith("off the data"), "far outside is off the data")
    yield 0.3
    tour.shot("badge")
    yield from _click_sample(tour, sample)
    yield Until(lambda: explorer.image.badge.text.startswith("on the data"), "the sample is on the data again")


def compare_kinds(tour: Director) -> Stage:
    """Kinds of path between the same ends, side by side: strips, measures, the best of each marked."""
    explorer = tour.explorer
    yield from input_events.take_keyboard(tour.window)
    input_events.key(explorer.cloud, "Ctrl+Shift+K")
    yield Until(lambda: on_screen(explorer.kinds_view), "the comparison opens")
    yield Until(lambda: explorer.path_comparison.complete, "every kind has been measured")
    input_events.move(explorer.image)
    yield 0.5
    tour.shot("path-kinds")
    explorer.window.docks["kinds"].close()
    yield 0.2
