"""Measure Isoline on this machine, each figure beside its bar.

    python scripts/benchmark.py                 # everything; the window's part starts a training of the full dataset
    python scripts/benchmark.py --quick         # fewer repetitions, a small training
    python scripts/benchmark.py --data          # large sets of own images, too: 22 GB of disk, half an hour
    python scripts/benchmark.py --page          # the shared page alone, in Chromium
    python scripts/benchmark.py --json FILE     # the figures for a program

The core's part runs here; the window's part is the guided tour, in a process of its own. Comparisons are made in the
same run, because machines differ and drift. A figure that misses its bar is marked; the exit status does not depend on
it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from _benchmark_data import Figure, large_data_figures
from _page_figures import page_figures

if TYPE_CHECKING:
    from core.models.inference import Inference
    from core.models.vae import VAE

ROOT = Path(__file__).resolve().parent.parent


def timed(action: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of ``repeats`` calls after one that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        begun = perf_counter()
        action()
        times.append((perf_counter() - begun) * 1000)
    return median(times)


def dataset_figures(quick: bool) -> list[Figure]:
    """Seconds to draw 5000 images of 256²; measured on fewer, scaled."""
    from core.data import polar_curves

    count = 500 if quick else 5000
    ab = polar_curves.draw_parameters(count, 0)
    figures = []
    bars: dict[polar_curves.Geometry, float] = {"article": 8.0, "square": 5.0}
    for geometry, bar in bars.items():
        polar_curves.render(ab[:8], 256, geometry)
        begun = perf_counter()
        polar_curves.render(ab, 256, geometry)
        figures.append(Figure(f"draw 5000 images, {geometry}", (perf_counter() - begun) * 5000 / count, "s", bar))
    return figures


def decoder_figures(quick: bool) -> list[Figure]:
    """One 256² image on one core, as the window decodes it, and beside the network as it was written."""
    import numpy as np
    import torch

    from core.config import ModelConfig, Preset, RunConfig
    from core.models.network_inference import NetworkInference
    from core.models.vae import build_model, forward_flops

    torch.set_num_threads(1)
    repeats = 15 if quick else 60
    figures = []
    bars: dict[Preset, float | None] = {"compact": 6.0, "article": None}
    for preset, bar in bars.items():
        model = build_model(RunConfig(model=ModelConfig(preset=preset))).eval()
        inference = NetworkInference(model, "cpu")
        z = np.zeros((1, model.latent_dim), dtype=np.float32)
        tensor = torch.from_numpy(z)
        count = repeats if preset == "compact" else max(3, repeats // 5)
        fast = timed(lambda inference=inference, z=z: inference.decode(z), count)
        with torch.no_grad():
            plain = timed(lambda model=model, z=tensor: torch.sigmoid(model.decode_logits(z)), count)
        figures.append(Figure(f"decode one image, {preset}, one core", fast, "ms", bar))
        figures.append(Figure(f"as written, {preset}, same run", plain / fast, "times as long"))
        if preset == "compact":
            figures.append(Figure("forward pass, compact", forward_flops(model) / 1e9, "GFLOP", 0.6))
            again = imported_again(model)
            imported = timed(lambda inference=again, z=z: inference.decode(z), count)
            figures.append(Figure("as imported ONNX, compact, same run", imported / fast, "times as long", 1.5))
    torch.set_num_threads(max(1, os.cpu_count() or 1))
    return figures


def imported_again(model: VAE) -> Inference:
    """``model``, exported to ONNX and imported as that of another program."""
    from core.models.imported.choices import Choices
    from core.models.imported.onnx_inference import OnnxInference
    from core.models.imported.proposal import propose
    from core.models.onnx_export import decoder_onnx

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "decoder.onnx").write_bytes(decoder_onnx(model))
        proposal = propose(folder / "decoder.onnx", None, Choices())
        inference = OnnxInference(folder, proposal.model, proposal.latent_dim, model.image_size, model.channels)
        inference.decode(proposal.z[:1])  # the file has been read
    return inference


def path_figures(quick: bool) -> list[Figure]:
    """Editing a path, and lifting a stroke of 40 points onto 5000 samples."""
    import numpy as np

    from core.geometry.stroke_lifting import ScreenCamera, lift_stroke
    from core.paths.latent_path import LatentPath

    rng = np.random.default_rng(0)
    u, v = rng.uniform(-1, 1, (2, 5000))
    cloud = np.stack([u, v, 0.5 * np.sin(2 * u)], axis=1)
    control = cloud[:9].astype(np.float32)
    stroke = np.stack([np.linspace(120, 680, 40), 300 + 80 * np.sin(np.linspace(0, 6, 40))], axis=1)
    camera = ScreenCamera(np.diag([0.8, 0.8, -0.1, 1.0]), (800.0, 600.0))
    repeats = 5 if quick else 25
    return [
        Figure("edit a path and place 65 frames", timed(lambda: LatentPath(control).resample(65), repeats), "ms"),
        Figure(
            "lift a stroke onto 5000 samples", timed(lambda: lift_stroke(stroke, cloud, cloud, camera), repeats), "ms"
        ),
    ]


def curve_figures(quick: bool) -> list[Figure]:
    """Curved paths on the bundled model, one core: each p95 over places far from one another."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    from core.geometry.decoder_surrogate import fit_surrogate, pooled_decoder
    from core.geometry.factor_curve import factor_curve, gridlines
    from core.geometry.geodesic import LatentGraph, geodesic
    from core.geometry.surface import Surface
    from core.models.network_inference import NetworkInference
    from core.runs.directory import RunDirectory
    from core.training.checkpoint import load_model

    run = RunDirectory.open(ROOT / "resources" / "model")
    probe, means = run.read_probe(), run.read_embedding()
    model = load_model(run.path)[0].eval()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        surface = Surface(means, probe.factors, probe.factor_names)
        surrogate = fit_surrogate(surface.samples, pooled_decoder(NetworkInference(model, "cpu").decode), intrinsic=2)
        graph = LatentGraph(surface, surrogate)
        rng = np.random.default_rng(0)
        starts = rng.choice(len(means), 5 if quick else 40, replace=False)
        a, b = probe.factors.T
        left, right = (np.flatnonzero((abs(b - 1.0) < 0.3) & side) for side in (a < 0.9, a > 1.6))
        ends = [(means[rng.choice(left)], means[rng.choice(right)]) for _ in range(4 if quick else 30)]
        stages: dict[str, list[float]] = {"graph": [], "relaxed": []}
        for start, end in ends:
            last, begun = {}, perf_counter()
            for found in geodesic(graph, start, end):
                last[found.stage] = (perf_counter() - begun) * 1000
                if found.converged:
                    break
            for stage, times in stages.items():
                times.append(last[stage])
        polar_curves = [timed(lambda i=i: factor_curve(surface, means[i], int(i) % 2), 3) for i in starts]
        net = timed(lambda: gridlines(surface, (7, 7)), 3)
        whole = timed(lambda: full_decoder_gradient(model, np.linspace(*ends[0], 33)), 1 if quick else 3)
    torch.set_num_threads(max(1, os.cpu_count() or 1))
    relaxed = float(np.quantile(stages["relaxed"], 0.95))
    return [
        Figure("geodesic, from the graph, p95", float(np.quantile(stages["graph"], 0.95)), "ms", 10.0),
        Figure("geodesic, relaxed, p95", relaxed, "ms", 150.0),
        Figure("one gradient through the decoder, same run", whole / relaxed, "relaxations"),
        Figure("factor curve, p95", float(np.quantile(polar_curves, 0.95)), "ms", 40.0),
        Figure("14 gridlines", net, "ms", 300.0),
    ]


def full_decoder_gradient(model: Any, points: Any) -> None:
    """What a geodesic costs without a surrogate: the same energy at ``points`` (K, d), and its gradient by autograd.

    One step of a relaxation by gradients, as stochman (Detlefsen et al.) takes some hundred of, needs these once.
    """
    import torch
    import torch.nn.functional as F

    z = torch.as_tensor(points, dtype=torch.float32).requires_grad_()
    pooled = F.avg_pool2d(torch.sigmoid(model.decode_logits(z)), 16).flatten(1)
    ((len(z) - 1) * pooled.diff(dim=0).square().sum()).backward()


def training_figures(quick: bool) -> list[Figure]:
    """Images a second of the default settings on this machine."""
    from core.config import DataConfig, RunConfig
    from core.data.loading import load_dataset
    from core.training.loop import make_fabric, train
    from core.training.state import TrainingState
    from core.training.threads import training_threads

    config = RunConfig(data=DataConfig(count=600))
    dataset = load_dataset(config.data)
    fabric, state = make_fabric(config.training), TrainingState(config)
    fabric.launch()
    with training_threads(state, fabric.world_size, fabric.device.type) as workers:
        steps = train(state, dataset, fabric, workers)
        for _ in range(5):
            next(steps)
        begun, images = perf_counter(), 0
        while perf_counter() - begun < (3.0 if quick else 12.0):
            images += getattr(next(steps), "images", 0)
    return [Figure("train, compact, default settings", images / (perf_counter() - begun), "images/s")]


def compute_figures(quick: bool) -> list[Figure]:
    """GFLOP/s of the training step that `isoline train` would take on colour images of one's own of 64² and 32², beside
    those of 256², with one thread and with all; the sizes take turns, as machines drift."""
    import numpy as np
    import torch

    from core.config import DataConfig, RunConfig
    from core.data.inspection import inspect
    from core.data.loading import load_dataset
    from core.data.source_resolution import resolve_native_size
    from core.data.suggested_settings import suggested_config
    from core.models.vae import forward_flops
    from core.training.loop import Step, make_fabric, train
    from core.training.state import TrainingState
    from core.training.workers import Workers
    from core.utils.text import counted

    chosen = ("data.image_size",)
    available = torch.get_num_threads()
    sizes, counts = (256, 64, 32), sorted({1, available})
    trainings, work, times = {}, {}, {(size, threads): [] for size in sizes for threads in counts}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for size in sizes:
            file = Path(folder) / f"{size}.npy"
            np.save(file, np.random.default_rng(0).integers(0, 256, (640, size, size, 3), np.uint8))
            data = DataConfig(path=str(file), image_size=size)
            config = suggested_config(inspect(data, chosen, cache=Path(folder)), RunConfig(data), chosen)
            dataset = load_dataset(config.data, cache=Path(folder))
            config = resolve_native_size(config, dataset)
            fabric = make_fabric(config.training)
            fabric.launch()
            for threads in counts:
                state, workers = TrainingState(config), stack.enter_context(Workers(threads))
                trainings[size, threads] = train(state, dataset, fabric, workers)
                work[size] = 3 * forward_flops(state.model) * config.training.batch_size  # backward: twice forward
        torch.set_num_threads(1)
        for _ in range(3 if quick else 8):
            for (size, threads), durations in times.items():
                steps = trainings[size, threads]
                next(steps)
                begun = perf_counter()
                while perf_counter() - begun < 1.5 or len(durations) < 2:
                    since = perf_counter()
                    if isinstance(next(steps), Step):
                        durations.append(perf_counter() - since)
    torch.set_num_threads(available)
    rates = {key: work[key[0]] / median(durations) / 1e9 for key, durations in times.items()}
    figures = []
    for threads in counts:
        for size in sizes:
            name = f"training step at {size}², {counted(threads, 'thread')}"
            figures.append(Figure(name, rates[size, threads], "GFLOP/s"))
            if size != 256:
                share = 100 * rates[size, threads] / rates[256, threads]
                figures.append(Figure("the same beside 256²", share, "%", 60.0, at_least=True))
    return figures


WINDOW = (
    ("window_s", "window visible", "s", 1.0),
    ("first_image_s", "first decoded image", "s", 3.0),
    ("click_ms_p50_idle", "click to pixels, median, idle", "ms", None),
    ("click_ms_p95_idle", "click to pixels, p95, idle", "ms", 33.0),
    ("click_ms_p50_training", "click to pixels, median, training", "ms", None),
    ("click_ms_p95_training", "click to pixels, p95, training", "ms", 66.0),
    ("loop_ms_p99_training", "event loop lateness, p99, training", "ms", 25.0),
    ("drag_fps", "images while the probe is dragged", "a second", None),
    ("cloud_fps", "cloud while it is turned", "frames/s", None),
)


def window_figures(quick: bool, tour: Path | None) -> list[Figure]:
    """What the tour measured: of the folder ``tour``, or of one that is taken now."""
    with tempfile.TemporaryDirectory() as folder:
        out = tour or Path(folder)
        if tour is None:
            command = [sys.executable, "-m", "explorer", "tour", str(out), *(["--quick"] if quick else [])]
            subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        file = out / "tour.json"
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return [Figure(text, found.get(key), unit, bar) for key, text, unit, bar in WINDOW]


def machine() -> dict[str, str | int]:
    """What this ran on."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return {
        "processor": name,
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def main() -> int:
    """Measure, print, and write the JSON file if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, a small training")
    parser.add_argument("--data", action="store_true", help="also read and train on large sets of images")
    parser.add_argument("--page", action="store_true", help="measure the shared page alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--tour", type=Path, metavar="DIR", help="take the window's figures from a finished tour")
    options = parser.parse_args()
    # The window first: nothing else has warmed or loaded this process then.
    figures = [] if options.page else window_figures(options.quick, options.tour)
    parts = [dataset_figures, decoder_figures, path_figures, curve_figures, training_figures, compute_figures]
    parts = [page_figures] if options.page else [*parts, page_figures]
    for part in [*parts, large_data_figures] if options.data else parts:
        figures += part(options.quick)
    about = machine()
    print(" · ".join(f"{key} {value}" for key, value in about.items()))
    for figure in figures:
        print(figure.line)
    if options.json is not None:
        content = {"machine": about, "figures": [{**asdict(f), "verdict": f.verdict} for f in figures]}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
