"""A shared page in Chromium: its size, how soon and how fast it decodes, how smoothly its cloud turns."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import _chromium
from benchmarks.figures import Figure
from benchmarks.timing import torch_threads, turns

POINTS = 20_000
TURNED_S = 4.0
SMOOTH = 30.0
"""Frames a second that look like movement."""
FIRST_BAR, DECODE_BAR = 3.0, 4.0
COMPILED = "an empty page that compiles ONNX Runtime"
NATIVE = "ONNX Runtime itself, one thread"


def figures(quick: bool, tree: Path) -> list[Figure]:
    """The bundled model's page in Chromium with software OpenGL, and one of 20,000 points."""
    from core.models.inference import decode_images
    from core.runs.directory import RunDirectory
    from core.sharing.contents import PageChoice
    from core.sharing.page import write_page
    from core.training.opening import open_inference

    if _chromium.executable() is None:
        return [Figure("shared page", "", note="there is no Chromium on PATH")]
    bundled = tree / "resources" / "model"
    rounds = 3 if quick else 9
    with tempfile.TemporaryDirectory() as folder, _chromium.browser() as browser:
        small = write_page(bundled, Path(folder) / "bundled.html", PageChoice())
        large = write_page(_many_points(bundled, Path(folder) / "many"), Path(folder) / "many.html", PageChoice())
        bare = _bare_page(tree / "resources" / "share", Path(folder) / "bare.html")
        requests: list[str] = []
        first, compiled = [], []
        for _ in range(rounds):
            page = _opened(browser, small.path, requests)
            first.append(float(page.evaluate("Number(document.documentElement.dataset.firstImage)")) / 1000.0)
            page.close()
            page = _opened(browser, bare, [])
            compiled.append(float(page.evaluate("Number(document.documentElement.dataset.compiled)")) / 1000.0)
            page.close()
        page = _opened(browser, small.path, requests)
        z = RunDirectory.open(bundled).read_embedding()[:: 40 if quick else 20]
        answers = [page.evaluate(_DECODE, point.tolist()) for point in z]
        shown = np.array([np.frombuffer(b64decode(answer["grey"]), np.uint8) for answer in answers], np.int16)
        own = decode_images(open_inference(bundled)[0], z).reshape(len(z), -1)
        page.close()
        page = _opened(browser, large.path, requests)
        frames = [float(page.evaluate(_TURN, TURNED_S * 1000.0 / rounds)) for _ in range(rounds)]
        page.close()
    decoded = tuple(float(answer["milliseconds"]) for answer in answers)
    native = _native_decode(bundled, len(answers))
    return [
        Figure("shared page, bundled model", "MB", (small.size / 1e6,), bar=12.0),
        Figure("shared page, 20,000 points", "MB", (large.size / 1e6,)),
        Figure("its first image after it was opened", "s", tuple(first), COMPILED, tuple(compiled), FIRST_BAR),
        Figure("its later images", "ms", decoded, NATIVE, native, DECODE_BAR),
        Figure("largest difference to the engine's images", "levels", (float(np.abs(shown - own).max()),), bar=2.0),
        Figure(
            "frames while 20,000 points turn, software OpenGL", "/s", tuple(frames), "smooth to the eye", (SMOOTH,),
            bar=1.0, at_least=True,
        ),
        Figure("requests of the page", "", (float(len(requests)),), bar=0.0),
    ]  # fmt: skip


def _native_decode(run: Path, rounds: int) -> tuple[float, ...]:
    """Milliseconds of an image of the same decoder in ONNX Runtime, outside a browser."""
    import onnxruntime

    from core.models.onnx_export import decoder_onnx
    from core.training.checkpoint import load_model

    model = load_model(run)[0].eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(decoder_onnx(model), options, ["CPUExecutionProvider"])
    z = np.zeros((1, model.latent_dim), np.float32)
    with torch_threads(1):
        return turns({"native": lambda: session.run(None, {"z": z})}, rounds)["native"]


def _bare_page(share: Path, target: Path) -> Path:
    """A page that does nothing but compile the runtime that a shared page decodes with, and say how long that took."""
    packed = b64encode((share / "ort-wasm-simd-threaded.wasm.gz").read_bytes()).decode()
    target.write_text(
        f"""<!doctype html><script type="module">
const packed = Uint8Array.from(atob("{packed}"), (letter) => letter.charCodeAt(0));
const bytes = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
await WebAssembly.compile(await bytes.arrayBuffer());
document.documentElement.dataset.compiled = performance.now();
document.documentElement.dataset.page = "ready";
</script>""",
        encoding="utf-8",
    )
    return target


_DECODE = """async (z) => {
  const { pixels, milliseconds } = await isoline.decode(z);
  let grey = ""; // as text: Playwright looks at each number of a list
  for (let i = 0; i < pixels.length; i += 4) grey += String.fromCharCode(pixels[i]);
  return { milliseconds, grey: btoa(grey) };
}"""
_TURN = """async (milliseconds) => {
  isoline.cloud.turn(true);
  await new Promise((done) => setTimeout(done, 500));
  const first = isoline.cloud.frames, began = performance.now();
  await new Promise((done) => setTimeout(done, milliseconds));
  return (1000 * (isoline.cloud.frames - first)) / (performance.now() - began);
}"""


def _opened(browser: Any, path: Path, requests: list[str]) -> Any:
    """The page of the file ``path``, once its decoder works; what it asks a network for is added to ``requests``."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    address = path.as_uri()
    own = "blob:", address
    page.on("request", lambda request: None if request.url.startswith(own) else requests.append(request.url))
    page.goto(address)
    while not page.evaluate("document.documentElement.dataset.page"):
        time.sleep(0.05)
    return page


def _many_points(bundled: Path, folder: Path) -> Path:
    """The bundled run with ``POINTS`` samples: its own, over and over, moved a little."""
    from core.runs.directory import RunDirectory

    shutil.copytree(bundled, folder, ignore=shutil.ignore_patterns("embeddings", "probe.npz"))
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    content["metadata"]["dataset"]["samples"] = POINTS
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    source, run = RunDirectory.open(bundled), RunDirectory.open(folder)
    probe, means = source.read_probe(), source.read_embedding()
    chosen = np.arange(POINTS) % len(means)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (POINTS, means.shape[1]))
    (folder / "embeddings").mkdir()
    run.write_probe(replace(probe.part(chosen), indices=np.arange(POINTS)))
    run.write_embedding((means[chosen] + noise).astype(np.float32))
    return folder
