"""vispy's markers while they turn: see ``point_cloud``. Runs in the environment that has vispy."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

from point_cloud import SIZE, STEP, answer, colours, points
from vispy import app, gloo, scene  # pyright: ignore[reportMissingImports]


class Turning:
    """Turns a view and measures it."""

    def __init__(self) -> None:
        self.canvas = scene.SceneCanvas(size=SIZE, show=True, vsync=False)
        view = self.canvas.central_widget.add_view()
        view.camera = self.camera = scene.TurntableCamera(distance=4, fov=45)
        self.markers, self.count = scene.visuals.Markers(parent=view.scene), 0

    def __call__(self, count: int, frames: int) -> dict[str, Any]:
        if count != self.count:
            self.markers.set_data(points(count), face_color=colours(count) / 255.0, edge_width=0, size=4)
            self.count = count
            self.frame()
        return {"frame_ms": median([self.frame() for _ in range(frames)])}

    def frame(self) -> float:
        """Milliseconds from turning the view until it is drawn."""
        begun = perf_counter()
        self.camera.azimuth += STEP
        app.process_events()
        self.canvas.render(alpha=False)  # draws, and reads the picture back
        gloo.finish()
        return 1000.0 * (perf_counter() - begun)


if __name__ == "__main__":
    app.use_app("pyside6")
    answer(Turning())
