"""All that Isoline does on an NVIDIA GPU, in one call of at most 8 minutes: no network, no display, no Qt needed.

    python scripts/gpu_check.py --json gpu.json      on a machine with a GPU and a CUDA build of PyTorch
    python scripts/gpu_check.py --dry-run            the same parts on the CPU, small: shows that this script runs

It runs the tests marked `cuda`, trains the default training, decodes, encodes, and draws points by EGL; each part says
what it measured, or why not, and a part that fails does not stop the others. Beside PyTorch, NumPy, SciPy, Pillow and
safetensors it needs lightning-fabric, lightning-utilities, msgspec, tyro, docstring_parser, typeguard, rich, psutil and
platformdirs; pytest for the tests, PyOpenGL and PySide6 for the drawing. Python 3.11 or newer, PyTorch 2.11 or newer.

Exit status: 0 if all parts ran, 1 if one failed, 2 if there is no GPU and no --dry-run was asked for.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).resolve().parents[1]
NEEDED = (
    "torch", "numpy", "scipy", "PIL", "safetensors", "lightning_fabric", "lightning_utilities", "msgspec", "tyro",
    "docstring_parser", "typeguard", "rich", "psutil", "platformdirs",
)  # fmt: skip
TIME_LIMIT_S = 460.0
TRAINING_LIMIT_S = 240.0
TESTS_LIMIT_S = 120.0
EXCESS_BAR = 0.0003
"""Excess binary cross-entropy that the default training reaches on a CPU."""
WITHOUT_QT = """
import sys
class NoQt:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("PySide6", "shiboken6", "pyqtgraph", "explorer"):
            raise ImportError(f"{name} was asked for")
sys.meta_path.insert(0, NoQt())
import core.cli.main, core.training.trainer, core.training.estimate, core.engine.server, core.models.network_inference
"""
"""Imports what trains, decodes and encodes where Qt cannot be imported."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a measured ``value``, or, without one, a ``note`` that says what came of it."""

    name: str
    value: float | None
    unit: str = ""
    note: str = ""

    @property
    def line(self) -> str:
        """Name, value, unit and note in columns."""
        value = "-" if self.value is None else f"{self.value:,.4g}"
        return f"{self.name:<58}{value:>12} {self.unit:<10}{self.note}".rstrip()


@dataclass(frozen=True)
class Device:
    """Where the parts run: ``dry`` is the small run on the CPU."""

    kind: str
    dry: bool

    def synchronize(self) -> None:
        """Wait until all that was given to the device is done."""
        import torch

        if self.kind == "cuda":
            torch.cuda.synchronize()

    def milliseconds(self, action: Callable[[], object], repeats: int) -> list[float]:
        """Of each call of ``action``, its work on the device included; the first calls are not counted."""
        times = []
        for number in range(repeats + 3):
            self.synchronize()
            began = time.perf_counter()
            action()
            self.synchronize()
            if number >= 3:
                times.append(1000.0 * (time.perf_counter() - began))
        return times


def _python(*arguments: str, limit_s: float, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the project in its path; what it printed is kept."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]]), **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=limit_s)


def environment(device: Device) -> list[Row]:
    """Python, PyTorch, the card, and that what computes needs no Qt."""
    import torch

    rows = [Row(f"Python {platform.python_version()}, PyTorch {torch.__version__}, {platform.platform()}", None)]
    if device.kind == "cuda":
        properties = torch.cuda.get_device_properties(0)
        rows.append(
            Row(f"card: {properties.name}", properties.total_memory / 2**30, "GiB", f"CUDA {torch.version.cuda}")
        )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", WITHOUT_QT], env=environment, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"core does not import without Qt: {done.stderr.strip().splitlines()[-1]}")
    return [*rows, Row("what trains, decodes and encodes imports without Qt", None, note="yes")]


def products(device: Device) -> list[Row]:
    """The device's own rate of matrix products, the limit of all else."""
    import torch

    rows, side = [], 512 if device.dry else 8192
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.randn(side, side, device=device.kind, dtype=dtype)
        took = median(device.milliseconds(partial(torch.mm, left, left), 3 if device.dry else 20))
        rate = 2 * side**3 / took / 1e9
        rows.append(Row(f"matrix product of {side}², {str(dtype).removeprefix('torch.')}", rate, "TFLOP/s"))
    return rows


def cuda_tests(device: Device) -> list[Row]:
    """The tests marked ``cuda``; in a dry run those beside them that need no GPU."""
    if importlib.util.find_spec("pytest") is None:
        return [Row("tests marked cuda", None, note="not run: pytest is not there")]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "pytest.ini"
        # Settings of their own, and no conftest.py: those want plugins for windows that such a machine lacks.
        settings.write_text(
            "[pytest]\nmarkers = cuda\npythonpath = . tests/helpers\naddopts = --import-mode=importlib\n"
        )
        files = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "tests" / "core").rglob("test_cuda*.py"))
        options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-c", str(settings), "--rootdir", str(ROOT)]
        wanted = "not cuda" if device.dry else "cuda"
        done = _python("-m", "pytest", *options, "-m", wanted, *files, limit_s=TESTS_LIMIT_S)
    summary = (done.stdout.strip().splitlines() or ["nothing was printed"])[-1]
    if done.returncode:
        print(done.stdout[-6000:] + done.stderr[-2000:])
        raise RuntimeError(f"pytest: {summary}")
    return [Row("tests that need no GPU" if device.dry else "tests marked cuda", None, note=summary)]


def training_steps(device: Device) -> list[Row]:
    """Images a second of training steps by batch size and precision, and how much of a step the kernels take."""
    import numpy as np

    from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
    from core.data.dataset import Dataset
    from core.models.vae import build_model, forward_flops
    from core.training.loop import Step, make_fabric, train
    from core.training.state import TrainingState
    from core.training.threads import training_threads

    size, seconds = (32, 0.2) if device.dry else (256, 4.0)
    rows: list[Row] = []
    for batch in (16,) if device.dry else (16, 64, 256):
        count = 32 * batch
        pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 1), np.uint8)
        empty, every = np.empty(0, np.int64), np.arange(count, dtype=np.int64)
        data = Dataset(pixels, np.empty((count, 0), np.float32), (), np.ones(count, np.float32), every, empty, "")
        for precision in ("float32", "bfloat16"):
            training = TrainingConfig(
                epochs=1_000_000,
                batch_size=batch,
                precision=precision,
                device=device.kind,  # type: ignore[arg-type]
            )
            config = RunConfig(DataConfig(image_size=size), ModelConfig(), training=training)
            state, fabric = TrainingState(config), make_fabric(training)
            with training_threads(state, fabric.world_size, fabric.device.type) as workers:
                events = train(state, data, fabric, workers)

                def advance(steps: int, events: Any = events) -> None:
                    while steps > 0:
                        steps -= isinstance(next(events), Step)

                advance(8)
                device.synchronize()
                began, done = time.perf_counter(), 0
                while time.perf_counter() - began < seconds:
                    advance(8)
                    done += 8
                device.synchronize()
                took = (time.perf_counter() - began) / done
                rate = 3e-12 * forward_flops(build_model(config)) * batch / took
                note = f"{1000 * took:.2f} ms a step, {rate:.3g} TFLOP/s"
                if device.kind == "cuda":
                    note += f", {100 * _kernel_share(lambda: advance(16)):.0f} % of it in kernels"
                rows.append(
                    Row(f"training steps at {size}², batch {batch}, {precision}", batch / took, "images/s", note)
                )
                events.close()  # type: ignore[attr-defined]
    return rows


def _kernel_share(action: Callable[[], None]) -> float:
    """Fraction of the time of ``action`` during which a kernel runs."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        began = time.perf_counter()
        action()
        torch.cuda.synchronize()
        took = time.perf_counter() - began
    busy = sum(event.self_device_time_total for event in profiler.key_averages())  # microseconds
    return 1e-6 * busy / took


def default_training(device: Device) -> list[Row]:
    """`isoline train` with its default settings, to its end; in a dry run a small one."""
    from core.runs.directory import RunDirectory
    from core.runs.metrics_log import read_metrics

    small = ("--data.count", "60", "--data.image-size", "32", "--training.epochs", "1") if device.dry else ()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        began = time.perf_counter()
        command = ["-m", "core.cli", "train", "--out", str(out), "--training.device", device.kind, *small]
        done = _python(*command, limit_s=TRAINING_LIMIT_S, XDG_CACHE_HOME=folder)
        took = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"isoline train ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
        records = read_metrics(RunDirectory.open(out).metrics_path)
    epochs = [record for record in records if record.get("kind") == "epoch"]
    report = next(record for record in records if record.get("kind") == "report")
    excess: Any = epochs[-1]["validation"]["excess_bce"]
    verdict = "" if device.dry else f"bar {EXCESS_BAR:g}, {'ok' if excess <= EXCESS_BAR else 'MISSED'}"
    text = "a small training" if device.dry else "the default training"
    return [
        Row(f"{text}, from start to report", took, "s"),
        Row("  of that, steps and epochs", float(report["seconds"]), "s"),
        Row("  excess binary cross-entropy of the validation images", float(excess), "", verdict),
    ]


def decoding(device: Device) -> list[Row]:
    """Images and means of the bundled model, one at a time as the window asks and in bulk."""
    import numpy as np

    from core.models.network_inference import NetworkInference
    from core.training.checkpoint import load_model

    model, config = load_model(ROOT / "resources" / "model")
    inference = NetworkInference(model, device=device.kind)  # type: ignore[arg-type]
    z = np.random.default_rng(0).normal(size=(64 if device.dry else 4096, config.model.latent_dim)).astype(np.float32)
    each = device.milliseconds(lambda: inference.decode(z[:1]), 10 if device.dry else 300)
    rows = [
        Row(f"decode one image, {inference.precision}, median", median(each), "ms", "bar 1" * (not device.dry)),
        Row("decode one image, 95 of 100", sorted(each)[int(0.95 * len(each))], "ms"),
    ]
    for name, action in (("decode in bulk", lambda: inference.decode(z)), ("encode in bulk", None)):
        if action is None:
            images = inference.decode(z)
            action = partial(inference.encode, images)
        took = median(device.milliseconds(action, 1 if device.dry else 3))
        rows.append(Row(name, 1000.0 * len(z) / took, "images/s"))
    return rows


def drawing(device: Device) -> list[Row]:
    """Points drawn by EGL, without a display: what the card does, not yet what the cloud makes of it."""
    missing = [name for name in ("PySide6", "OpenGL") if importlib.util.find_spec(name) is None]
    if missing:
        return [Row("points by EGL", None, note=f"not drawn: {' and '.join(missing)} not there")]
    few = ["--few"] if device.dry else []
    done = _python(str(ROOT / "scripts" / "_egl_points.py"), *few, limit_s=60.0, PYOPENGL_PLATFORM="egl")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        return [Row("points by EGL", None, note=f"not drawn: {reason}")]
    found = json.loads(done.stdout)
    return [Row(f"{n:,} points by EGL", rate, "frames/s", found["renderer"]) for n, rate in found["frames"]]


PARTS: tuple[Callable[[Device], list[Row]], ...] = (
    environment, products, cuda_tests, decoding, default_training, training_steps, drawing,
)  # fmt: skip


def main() -> int:
    """Run the parts, print the table, and write the JSON file if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="the same parts on the CPU, small")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table to this file")
    options = parser.parse_args()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"not there, and needed: {', '.join(missing)}")
        return 1
    import torch

    if not torch.cuda.is_available() and not options.dry_run:
        print(
            f"There is no GPU that PyTorch {torch.__version__} can use, so nothing was measured. --dry-run does the "
            "same on the CPU, in small."
        )
        return 2
    device = Device("cpu", True) if options.dry_run else Device("cuda", False)
    card = torch.cuda.get_device_name(0) if device.kind == "cuda" else "none: a dry run on the CPU"
    print(f"card: {card}")
    began, rows, failed = time.monotonic(), [], []
    for part in PARTS:
        if time.monotonic() - began > TIME_LIMIT_S:
            found = [Row(part.__name__.replace("_", " "), None, note="not run: the time is up")]
        else:
            try:
                found = part(device)
            except Exception as error:  # whatever it is, the other parts are worth having
                traceback.print_exc()
                failed.append(part.__name__)
                text = " ".join(str(error).split())
                found = [Row(part.__name__.replace("_", " "), None, note=f"FAILED: {text[:300]}")]
        rows += found
        for row in found:
            print(row.line, flush=True)
    print(f"{time.monotonic() - began:.0f} s; {'failed: ' + ', '.join(failed) if failed else 'every part ran'}")
    if options.json is not None:
        content = {
            "card": card,
            "dry_run": options.dry_run,
            "date": time.strftime("%Y-%m-%d"),
            "torch": torch.__version__,
            "failed": failed,
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
