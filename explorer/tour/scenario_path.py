"""Stages of tracing: draw, edit, undo, play, export."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication, QMenu

from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until


def draw_path(tour: Director) -> Stage:
    """A freehand stroke over the cloud becomes a path on the data."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "3")
    yield Until(lambda: explorer.state.mode == "draw", "key 3 chooses Draw", 3.0)
    places = cloud.screen_positions()
    centre, spread = np.median(places[:, :2], axis=0), places[:, :2].std(axis=0)
    stroke = [
        QPointF(centre[0] + spread[0] * 1.1 * (2 * t - 1), centre[1] + spread[1] * 0.6 * math.sin(2 * math.pi * t))
        for t in np.linspace(0, 1, 60)
    ]
    input_events.press(cloud, stroke[0])
    for place in stroke[1:-1]:
        input_events.move(cloud, place)
        yield 0.008
    tour.shot("stroke")
    input_events.release(cloud, stroke[-1])
    yield Until(lambda: explorer.state.document.path is not None, "the stroke becomes a path", 10.0)
    yield Until(lambda: explorer.film.complete, "the path's frames are decoded", 30.0)
    yield 0.4
    tour.shot("path")


def _control(tour: Director, index: int) -> QPointF:
    path, projection = tour.explorer.state.document.path, tour.explorer.cloud_control.projection
    return tour.explorer.cloud.project(projection.to_view(path.control[index]))


def edit_path(tour: Director) -> Stage:
    """Move a control point, insert one by clicking the curve, delete it."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "4")
    yield Until(lambda: explorer.state.mode == "edit", "key 4 chooses Edit", 3.0)
    count = len(explorer.state.document.path.control)
    middle = count // 2
    start, before = _control(tour, middle), explorer.state.document.path.control[middle]
    input_events.press(cloud, start)
    for step in range(1, 26):
        input_events.move(cloud, start + QPointF(1.2 * step, -1.6 * step))
        yield 0.01
    input_events.release(cloud, start + QPointF(30, -40))
    yield 0.3
    if np.array_equal(explorer.state.document.path.control[middle], before):
        raise StageFailed("dragging a control point did not move it")
    projection = explorer.cloud_control.projection
    path = explorer.state.document.path
    controls = [_control(tour, i) for i in range(count)]
    curve = [cloud.project(place) for place in projection.to_view(path.sample(40 * count))]
    # As far from every control point as it can be, so that it is the curve that is hit.
    on_curve = max(curve, key=lambda at: min(math.hypot((at - one).x(), (at - one).y()) for one in controls))
    input_events.move(cloud, on_curve)
    yield 0.1
    input_events.click(cloud, on_curve)
    yield Until(lambda: len(explorer.state.document.path.control) == count + 1, "a click on the curve inserts", 3.0)
    yield 0.3
    tour.shot("edit")
    input_events.key(cloud, "Delete")
    yield Until(lambda: len(explorer.state.document.path.control) == count, "Delete removes the control point", 3.0)
    yield Until(lambda: explorer.film.complete, "the edited path's frames are decoded", 30.0)


def undo_redo(tour: Director) -> Stage:
    """Undo past the edits, then redo them."""
    explorer = tour.explorer
    final = explorer.state.document.path.control
    for _ in range(3):
        input_events.key(explorer.cloud, "Ctrl+Z")
        yield 0.1
    if np.array_equal(explorer.state.document.path.control, final):
        raise StageFailed("undo changed nothing")
    for _ in range(3):
        input_events.key(explorer.cloud, "Ctrl+Shift+Z")
        yield 0.1
    if not np.array_equal(explorer.state.document.path.control, final):
        raise StageFailed("redo did not bring the path back")
    yield Until(lambda: explorer.film.complete, "the path's frames are decoded again", 30.0)


def play_path(tour: Director) -> Stage:
    """Space plays; the marker moves; constant image speed; scrubbing in the film strip."""
    explorer = tour.explorer
    input_events.move(explorer.image)  # away from the cloud, where Space held turns it
    input_events.key(explorer.window, "Space")
    yield Until(lambda: explorer.state.playback.playing, "Space plays the path", 3.0)
    seen = explorer.state.playback.position
    yield Until(lambda: abs(explorer.state.playback.position - seen) > 0.15, "the marker moves", 5.0)
    tour.shot("play")
    yield from input_events.choose(input_events.child(explorer.path_view, "path.unit"), 1)
    yield Until(lambda: explorer.state.playback.speed.value == "image", "constant image speed is chosen", 3.0)
    yield Until(lambda: explorer.film.complete, "frames at equal image steps", 30.0)
    yield 0.6
    input_events.key(explorer.window, "Space")
    yield Until(lambda: not explorer.state.playback.playing, "Space pauses", 3.0)
    input_events.click(explorer.film, QPointF(explorer.film.width() * 0.3, explorer.film.height() * 0.5))
    yield 0.3
    tour.shot("image-speed")


def export_path(tour: Director) -> Stage:
    """Write all four formats through the file dialog, by keyboard."""
    explorer = tour.explorer
    folder: Path = (tour.options.out / "export").resolve()
    folder.mkdir(exist_ok=True)
    for kind in ("png", "gif", "mp4", "npz"):
        target = folder / f"path.{kind}"
        target.unlink(missing_ok=True)
        input_events.open_menu(input_events.child(explorer.path_view, "path.export"))
        yield Until(lambda: isinstance(QApplication.activePopupWidget(), QMenu), "the export menu opens", 3.0)
        menu = QApplication.activePopupWidget()
        if not isinstance(menu, QMenu):
            raise StageFailed("the export menu closed by itself")
        action = next(a for a in menu.actions() if a.objectName() == f"path.export.{kind}")
        input_events.click(menu, QPointF(menu.actionGeometry(action).center()))
        yield Until(lambda: input_events.top_level("dialog.export") is not None, "the file dialog opens", 5.0)
        edit = yield from input_events.name_file("dialog.export", target)
        if kind == "mp4":
            tour.shot("export")
        input_events.key(edit, "Return")
        yield Until(lambda target=target: target.is_file(), f"{target.name} is written", 40.0)
        yield Until(lambda: input_events.top_level("dialog.export") is None, "the dialog is gone", 5.0)
        yield 0.2
    with np.load(folder / "path.npz", allow_pickle=False) as file:
        frames, latents = file["frames"], file["latents"]
    if len(frames) != explorer.state.playback.frames or len(latents) != len(frames):
        raise StageFailed(f"path.npz holds {len(frames)} frames, {len(latents)} latents")
