"""Stages of looking: open, orbit, hover, click, probe."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QSlider

from explorer.tour import input_events
from explorer.tour.click_timing import ClickTimer, timed_clicks, visible_points
from explorer.tour.measurements import Rate, percentile, process_age
from explorer.tour.runner import Director, Stage, StageFailed, Until


def open_window(tour: Director) -> Stage:
    """The window with its cloud, then the first decoded image."""
    explorer = tour.explorer
    yield Until(lambda: tour.figures["window_s"] is not None, "the window is visible")
    yield Until(lambda: explorer.cloud.point_count > 0, "the cloud has points")
    yield Until(lambda: explorer.image.has_image, "the first decoded image", 30.0)
    tour.figures["first_image_s"] = round(process_age(), 3)
    explorer.window.activateWindow()
    yield Until(explorer.window.isActiveWindow, "the window has the keyboard", 5.0)
    yield 0.6
    tour.shot("open")


def orbit(tour: Director) -> Stage:
    """Turn the cloud by a long drag."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "1")
    centre = QPointF(cloud.rect().center())
    before = cloud.camera()
    frames = cloud.frames_drawn
    steps = 90
    rate = Rate()
    with rate.measure():
        input_events.press(cloud, centre)
        for step in range(steps):
            angle = 2 * math.pi * step / steps
            input_events.move(cloud, centre + QPointF(160 * math.sin(angle), 40 * math.sin(2 * angle)))
            yield 0.008
        input_events.release(cloud, centre)
    drawn = cloud.frames_drawn - frames
    tour.figures["cloud_fps"] = round(drawn / rate.seconds, 1)
    input_events.press(cloud, centre)
    for step in range(1, 31):
        input_events.move(cloud, centre + QPointF(3.0 * step, -1.0 * step))
        yield 0.008
    input_events.release(cloud, centre + QPointF(90, -30))
    yield 0.2
    if cloud.camera() == before or not drawn:
        raise StageFailed("dragging did not turn the cloud")
    if explorer.state.mode != "orbit":
        raise StageFailed("key 1 did not choose Orbit")
    tour.shot("orbit")


def hover(tour: Director) -> Stage:
    """Rest on a point: its thumbnail appears."""
    cloud = tour.explorer.cloud
    seen: list[int] = []
    cloud.hovered.connect(seen.append)
    for place in visible_points(tour, 6, 11):
        input_events.move(cloud, place)
        yield 0.15
    yield Until(lambda: any(index >= 0 for index in seen), "hovering highlights a point", 5.0)
    yield 0.3
    tour.shot("hover")
    cloud.hovered.disconnect(seen.append)


def click_points(tour: Director) -> Stage:
    """Click many points; each decodes at once."""
    timer = ClickTimer(tour)
    yield from timed_clicks(tour, timer, tour.options.clicks, 21)
    timer.close()
    tour.figures["click_ms_p50_idle"] = percentile(timer.milliseconds, 50)
    tour.figures["click_ms_p95_idle"] = percentile(timer.milliseconds, 95)
    tour.figures["clicks_idle"] = len(timer.milliseconds)
    tour.figures["decode_ms"] = percentile(timer.decode_ms, 50)
    yield Until(lambda: tour.explorer.image.has_sample, "original and reconstruction of the clicked sample")
    yield 0.3
    tour.shot("click")


def drag_probe(tour: Director) -> Stage:
    """Drag the probe through space, freely and along one axis; the image follows."""
    explorer, cloud = tour.explorer, tour.explorer.cloud
    input_events.key(cloud, "2")
    yield Until(lambda: explorer.state.mode == "probe", "key 2 chooses Probe", 3.0)
    start = cloud.probe_position()
    if start is None:
        raise StageFailed("the probe is not on screen")
    before = explorer.state.document.probe
    rate = Rate()
    explorer.image.painted.connect(rate.hit)
    steps = 120
    with rate.measure():
        input_events.press(cloud, start)
        for step in range(steps):
            angle = 2 * math.pi * step / steps
            input_events.move(cloud, start + QPointF(90 * math.sin(angle), 60 * (1 - math.cos(angle))))
            yield 0.006
    input_events.release(cloud, start)
    explorer.image.painted.disconnect(rate.hit)
    tour.figures["drag_fps"] = round(rate.per_second, 1)
    if rate.count < 5 or explorer.state.document.probe is before:
        raise StageFailed("the image did not follow the dragged probe")
    yield from _drag_along_axis(tour)
    tour.shot("probe")


def _drag_along_axis(tour: Director) -> Stage:
    explorer, cloud = tour.explorer, tour.explorer.cloud
    yield 0.1
    start = cloud.probe_position()
    fixed = explorer.state.document.probe
    if start is None or fixed is None:
        raise StageFailed("the probe is not on screen")
    input_events.hold(cloud, Qt.Key.Key_X)
    input_events.press(cloud, start)
    for step in range(1, 31):
        input_events.move(cloud, start + QPointF(2.0 * step, 1.0 * step))
        yield 0.01
    end = start + QPointF(60, 30)
    input_events.release(cloud, end)
    input_events.let_go(cloud, Qt.Key.Key_X)
    yield 0.2
    moved = explorer.state.document.probe
    if abs(moved[0] - fixed[0]) < 1e-6 or max(abs(moved[1:] - fixed[1:])) > 1e-4:
        raise StageFailed(f"holding X did not keep the other axes: {fixed} to {moved}")


def sliders(tour: Director) -> Stage:
    """Drag the first latent dimension's slider."""
    explorer = tour.explorer
    slider = input_events.child(explorer.probe_view, "probe.slider.0")
    if not isinstance(slider, QSlider):
        raise StageFailed("probe.slider.0 is no slider")
    before = explorer.state.document.probe
    # The groove is wider than the range: aim at the handle, wherever it is.
    share = (slider.value() - slider.minimum()) / max(1, slider.maximum() - slider.minimum())
    start = QPointF(8 + share * (slider.width() - 16), slider.height() / 2)
    direction = 1.0 if share < 0.5 else -1.0
    input_events.press(slider, start)
    for step in range(1, 41):
        input_events.move(slider, start + QPointF(direction * step, 0))
        yield 0.01
    input_events.release(slider, start + QPointF(direction * 40, 0))
    yield 0.3
    moved = explorer.state.document.probe
    if abs(moved[0] - before[0]) < 1e-6 or max(abs(moved[1:] - before[1:]), default=0) > 1e-5:
        raise StageFailed(f"the slider did not move one dimension: {before} to {moved}")
    tour.shot("sliders")
