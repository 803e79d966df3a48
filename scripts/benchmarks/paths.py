"""Paths: geodesics, factor curves and strokes on the bundled model, on one thread.

The limit of a path is decoding the images along it: a path that is found sooner is never waited for. The peer of a
geodesic descends the discrete energy by gradients through the decoder, as stochman does (Detlefsen et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure, growth
from benchmarks.timing import torch_threads, turns

if TYPE_CHECKING:
    import numpy as np

    from core.geometry.geodesic import LatentGraph

SIZES = (1250, 5000, 20_000)
STROKE_SIZES = (10_000, 100_000, 1_000_000)
POINTS = 33
IMAGES = "decoding the images along it"
PEER = "gradient descent through the decoder"
PEER_STEPS, PEER_RATE = 1000, 1e-2
PEER_RESTS = 1e-3  # of the energy, in so many steps: as good as our own stops at
PEER_LOOKS = 20
GRAPH_BAR, PATH_BAR, GRID_BAR = 0.25, 1.0, 1.0


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Places far from one another, each a turn."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from core.geometry.decoder_surrogate import fit_surrogate, pooled_decoder
    from core.geometry.geodesic import LatentGraph
    from core.geometry.surface import Surface
    from core.models.network_inference import NetworkInference
    from core.runs.directory import RunDirectory
    from core.training.checkpoint import load_model

    run = RunDirectory.open(tree / "resources" / "model")
    probe, means = run.read_probe(), run.read_embedding()
    model = load_model(run.path)[0].eval()
    with torch_threads(1), threadpool_limits(1):
        inference = NetworkInference(model, "cpu")
        surface = Surface(means, probe.factors, probe.factor_names)
        pooled = pooled_decoder(inference.decode)
        graph = LatentGraph(surface, fit_surrogate(surface.samples, pooled, intrinsic=2))
        rng = np.random.default_rng(0)
        a, b = probe.factors.T
        left, right = (np.flatnonzero((abs(b - 1.0) < 0.3) & side) for side in (a < 0.9, a > 1.6))
        ends = [(means[rng.choice(left)], means[rng.choice(right)]) for _ in range(3 if quick else 24)]
        starts = rng.choice(len(means), 4 if quick else 24, replace=False)
        return [
            *geodesics(graph, model, inference.decode, ends, *((1, 10.0) if quick else (6, 120.0))),
            *curves(surface, means, starts, inference.decode),
            *graphs(surface, means, 1 if quick else 3),
            *strokes(2 if quick else 8),
        ]


def milliseconds(action: Callable[[], object]) -> float:
    """Of one call."""
    begun = perf_counter()
    action()
    return 1000.0 * (perf_counter() - begun)


def geodesics(
    graph: LatentGraph, model: Any, decode: Callable[[np.ndarray], np.ndarray],
    ends: list[tuple[np.ndarray, np.ndarray]], peers: int, peer_s: float,
) -> list[Figure]:  # fmt: skip
    """Each pair of ``ends`` a turn; ``peers`` of them by gradient descent, too, for ``peer_s`` seconds at most."""
    import numpy as np

    from core.geometry.geodesic import geodesic
    from core.utils.text import listed

    times: dict[str, list[float]] = {"graph": [], "relaxed": [], IMAGES: [], PEER: [], "own": []}
    lengths: tuple[list[float], list[float]] = [], []
    notes: list[str] = []
    stopped = 0
    for first in geodesic(graph, *ends[0]):  # loads what is loaded once
        next(descent(model, first.points))
        break
    for number, (start, end) in enumerate(ends):
        path, begun, last = np.linspace(start, end, POINTS), perf_counter(), {}
        for found in geodesic(graph, start, end):
            last[found.stage] = 1000.0 * (perf_counter() - begun)
            if found.stage == "polished":
                break
            path = found.points
            if found.converged:
                break
        times["graph"].append(last["graph"])
        times["relaxed"].append(last.get("relaxed", last["graph"]))
        times[IMAGES].append(milliseconds(lambda path=path: [decode(z[None].astype(np.float32)) for z in path]))
        if number < peers:
            first = next(iter(geodesic(graph, start, end))).points
            begun, steps, line = perf_counter(), 0, first
            for steps, line in enumerate(descent(model, first), 1):  # noqa: B007 - the last of them counts
                if perf_counter() - begun > peer_s:
                    stopped += 1
                    break
            times[PEER].append(1000.0 * (perf_counter() - begun))
            times["own"].append(times["relaxed"][-1])
            notes.append(str(steps))
            for where, points in zip(lengths, (path, line), strict=True):
                where.append(image_length(model, points))
    note = f"the peer took {listed(notes)} steps" if notes else ""
    note += f"; it was stopped before its end, {stopped} of {len(notes)} times" if stopped else ""
    images = tuple(times[IMAGES])
    return [
        Figure("geodesic, first answer, over the graph", "ms", tuple(times["graph"]), IMAGES, images, GRAPH_BAR),
        Figure("geodesic, relaxed", "ms", tuple(times["relaxed"]), IMAGES, images, PATH_BAR),
        Figure("geodesic, relaxed", "ms", tuple(times["own"]), PEER, tuple(times[PEER]), note=note),
        Figure("· its length in images", "", tuple(lengths[0]), PEER, tuple(lengths[1])),
    ]


def pooled(model: Any, z: Any) -> Any:
    """Images of ``z`` (n, d), each the means of its 16 x 16 blocks, (n, m)."""
    import torch
    import torch.nn.functional as F

    return F.avg_pool2d(torch.sigmoid(model.decode_logits(z)), 16).flatten(1)


def descent(model: Any, line: np.ndarray) -> Iterator[np.ndarray]:
    """The points of ``line`` (K, d) after each step of Adam down E = (K - 1) Σ|ψ(z_t+1) - ψ(z_t)|², ends held, ψ the
    pooled image; until the energy falls by less than a thousandth in some steps."""
    import numpy as np
    import torch

    first, last = (torch.as_tensor(line[i : i + 1], dtype=torch.float32) for i in (0, len(line) - 1))
    inner = torch.tensor(np.asarray(line[1:-1], np.float32), requires_grad=True)
    optimizer = torch.optim.Adam([inner], PEER_RATE)
    energies: list[float] = []
    for _ in range(PEER_STEPS):
        optimizer.zero_grad()
        z = torch.cat([first, inner, last])
        energy = (len(z) - 1) * pooled(model, z).diff(dim=0).square().sum()
        energy.backward()
        optimizer.step()
        energies.append(energy.item())
        yield torch.cat([first, inner.detach(), last]).double().numpy()
        if len(energies) > PEER_LOOKS and energies[-1] > (1.0 - PEER_RESTS) * energies[-1 - PEER_LOOKS]:
            return


def image_length(model: Any, points: np.ndarray) -> float:
    """Length of the pooled images along ``points`` (K, d), by the decoder itself."""
    import torch

    with torch.no_grad():
        return float(pooled(model, torch.as_tensor(points, dtype=torch.float32)).diff(dim=0).norm(dim=1).sum())


def curves(
    surface: Any, means: np.ndarray, starts: np.ndarray, decode: Callable[[np.ndarray], np.ndarray]
) -> list[Figure]:
    """Factor curves from each of ``starts``, beside their images, and a net of them."""
    import numpy as np

    from core.geometry.factor_curve import factor_curve, gridlines

    own, images = [], []
    factor_curve(surface, means[starts[0]], 0)
    for start in starts:
        own.append(milliseconds(lambda start=start: factor_curve(surface, means[start], int(start) % 2)))
        line = np.repeat(means[start][None], POINTS, axis=0).astype(np.float32)
        images.append(milliseconds(lambda line=line: [decode(z[None]) for z in line]))
    net = turns({"net": lambda: gridlines(surface, (7, 7))}, 3)["net"]
    lines = tuple(14 * time for time in own)
    return [
        Figure("factor curve", "ms", tuple(own), IMAGES, tuple(images), PATH_BAR),
        Figure("14 gridlines", "ms", net, "14 factor curves", lines, GRID_BAR),
    ]


def graphs(surface: Any, means: np.ndarray, rounds: int) -> list[Figure]:
    """How building the graph of geodesics grows with the number of samples: the run's own, again and again, moved a
    little."""
    import numpy as np

    from core.geometry.geodesic import LatentGraph
    from core.geometry.surface import Surface

    rng = np.random.default_rng(0)
    spacing = float(np.std(means)) / 50.0
    surfaces = {}
    for size in SIZES:
        places = means[np.arange(size) % len(means)]
        surfaces[str(size)] = Surface(places + rng.normal(0.0, spacing, places.shape).astype(means.dtype))
    times = turns({name: lambda surface=surface: LatentGraph(surface) for name, surface in surfaces.items()}, rounds)
    found = [Figure(f"graph of {size:,} samples", "ms", times[str(size)]) for size in SIZES]
    exponents = tuple(growth(SIZES, turn) for turn in zip(*(times[str(size)] for size in SIZES), strict=True))
    return [*found, Figure("· grows with the number of samples to the power of", "", exponents)]


def strokes(rounds: int) -> list[Figure]:
    """Lifting a stroke of 40 points onto clouds of all sizes, and editing a path."""
    import numpy as np

    from core.geometry.stroke_lifting import ScreenCamera, lift_stroke
    from core.paths.latent_path import LatentPath

    stroke = np.stack([np.linspace(120, 680, 40), 300 + 80 * np.sin(np.linspace(0, 6, 40))], axis=1)
    camera = ScreenCamera(np.diag([0.8, 0.8, -0.1, 1.0]), (800.0, 600.0))
    clouds = {}
    for size in STROKE_SIZES:
        u, v = np.random.default_rng(0).uniform(-1, 1, (2, size))
        clouds[str(size)] = np.stack([u, v, 0.5 * np.sin(2 * u)], axis=1)
    actions: dict[str, Callable[[], object]] = {
        name: lambda cloud=cloud: lift_stroke(stroke, cloud, cloud, camera) for name, cloud in clouds.items()
    }
    control = clouds[str(STROKE_SIZES[0])][:9].astype(np.float32)
    actions["edit"] = lambda: LatentPath(control).resample(65)
    times = turns(actions, rounds)
    found = [Figure(f"lift a stroke onto {size:,} samples", "ms", times[str(size)]) for size in STROKE_SIZES]
    exponents = tuple(
        growth(STROKE_SIZES, turn) for turn in zip(*(times[str(size)] for size in STROKE_SIZES), strict=True)
    )
    return [
        *found,
        Figure("· grows with the number of samples to the power of", "", exponents),
        Figure("edit a path and place 65 frames", "ms", times["edit"]),
    ]
