"""What the cloud costs with very many points: a frame while it turns, the whole picture at rest, a pick, memory.

    python scripts/_cloud_points.py 1e4 1e5 1e6

Times are of the processor, which says the same on a busy machine, and in seconds that pass. A display is needed; each
number of points has a process of its own, for memory.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import psutil

SIZE = (1400, 900)
TURN = (3.0, 1.0)  # pixels of a drag, from frame to frame
PICK_RADIUS = 12.0


@dataclass(frozen=True)
class CloudCost:
    """Costs of ``count`` points; milliseconds of the processor, or seconds and milliseconds that pass (``wall``).

    ``frame_ms`` of a frame while the view turns, in which ``drawn`` points are drawn; ``rest_ms`` of the whole picture
    afterwards, in steps of ``longest_ms`` at most; ``pick_ms`` of finding the point under the mouse; ``lasso_ms``;
    ``bytes_a_point`` of resident memory.
    """

    count: int
    frame_ms: float
    frame_wall_ms: float
    drawn: int
    rest_ms: float
    rest_wall_ms: float
    longest_ms: float
    density_rest_ms: float
    pick_ms: float
    first_pick_ms: float
    lasso_ms: float
    colour_ms: float
    bytes_a_point: float


def sheet(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points float32 (count, 3) of a rolled sheet with some noise, and a value float64 (count,) of each."""
    random = np.random.default_rng(1)
    along, across = random.random((2, count)) * np.array([[12.0], [8.0]])
    places = [np.cos(along) * along / 6, across / 4 - 1, np.sin(along) * along / 6]
    return (np.stack(places, axis=1) + random.normal(size=(count, 3)) * 0.02).astype(np.float32), along


def measure(count: int, frames: int = 40) -> CloudCost:
    """The costs in this process, which needs a QApplication."""
    from PySide6.QtWidgets import QApplication

    from core.rendering.colormaps import colours
    from explorer.views.cloud import CloudView

    app = QApplication.instance()
    if app is None:
        raise RuntimeError("Make a QApplication first.")
    view = CloudView("software")
    view.resize(*SIZE)
    view.show()
    app.processEvents()
    points, values = sheet(count)
    gc.collect()
    before = psutil.Process().memory_info().rss - points.nbytes  # they are the view's from now on
    drawn = [(count, count)]
    view.progressed.connect(lambda *part: drawn.append(part))
    view.set_points(points)
    del points

    def picture() -> float:
        """The longest time without returning to the event loop, until the picture is whole, in milliseconds."""
        longest = 0.0
        while True:
            began = time.process_time()
            app.processEvents()
            longest = max(longest, time.process_time() - began)
            if drawn[-1][0] == drawn[-1][1]:
                return 1000 * longest

    def timed(function: Callable[[], object]) -> tuple[float, float]:
        cpu, wall = time.process_time(), time.perf_counter()
        function()
        return 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)

    def recolour() -> None:
        view.set_colors(colours(values, "viridis", ground="#15181c"))
        view._canvas.repaint()

    colour_ms, _ = timed(recolour)
    picture()

    def frame() -> None:
        view.scene.camera.orbit(*TURN)
        view.turned()
        view._canvas.repaint()
        view._overlay.repaint()

    turned = [(*timed(frame), drawn[-1][0]) for _ in range(frames)]
    steps: list[float] = []
    rest_ms, rest_wall_ms = timed(lambda: steps.append(picture()))
    while view.scene.moving:
        app.processEvents()
    picture()
    scene = view.scene
    first_pick_ms, _ = timed(lambda: scene.screen().nearest((SIZE[0] / 2, SIZE[1] / 2), PICK_RADIUS))
    random = np.random.default_rng(2)
    pixels = (random.uniform(0.2, 0.8, (50, 2)) * SIZE).tolist()
    picks = [timed(lambda at=at: scene.screen().nearest(tuple(at), PICK_RADIUS, 3.0))[0] for at in pixels]
    angle = np.linspace(0.0, 2 * np.pi, 200, endpoint=False)
    outline = np.stack([700 + 300 * np.cos(angle), 450 + 250 * np.sin(angle)], axis=1)
    lasso_ms, _ = timed(lambda: scene.screen().inside_polygon(outline))
    gc.collect()
    used = psutil.Process().memory_info().rss - before
    view.set_density("viridis")
    density_rest_ms, _ = timed(picture)
    view.close()
    cpu, wall, shown = zip(*turned, strict=True)
    return CloudCost(
        count,
        median(cpu),
        median(wall),
        int(median(shown)),
        rest_ms,
        rest_wall_ms,
        steps[0],
        density_rest_ms,
        float(np.quantile(picks, 0.95)),
        first_pick_ms,
        lasso_ms,
        colour_ms,
        used / count,
    )


def measure_alone(count: int) -> CloudCost:
    """The costs of ``count`` points in a process of their own."""
    command = [sys.executable, __file__, "--one", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return CloudCost(**json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Print the costs of the numbers of points that are named."""
    if sys.argv[1] == "--one":
        from PySide6.QtWidgets import QApplication

        app = QApplication(["cloud"])
        print(json.dumps(asdict(measure(int(sys.argv[2])))))
        app.quit()
        return 0
    for text in sys.argv[1:]:
        cost = asdict(measure_alone(int(float(text))))
        print("  ".join(f"{name} {value:,.6g}" for name, value in cost.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
