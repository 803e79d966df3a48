"""The figures of a shared page: its size, how soon and how fast it decodes, how smoothly its cloud turns."""

from __future__ import annotations

import shutil
import tempfile
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np

import _chromium
from _benchmark_data import Figure

ROOT = Path(__file__).resolve().parent.parent
POINTS = 20_000
TURNED_S = 4.0


def page_figures(quick: bool) -> list[Figure]:
    """The bundled model's page in Chromium with software OpenGL, and one of 20,000 points. Empty without Chromium."""
    from core.models.inference import decode_images
    from core.runs.directory import RunDirectory
    from core.sharing.contents import PageChoice
    from core.sharing.page import write_page
    from core.training.opening import open_inference

    if _chromium.executable() is None:
        print("The shared page is not measured: there is no Chromium on PATH.")
        return []
    bundled = ROOT / "resources" / "model"
    with tempfile.TemporaryDirectory() as folder, _chromium.browser() as browser:
        small = write_page(bundled, Path(folder) / "bundled.html", PageChoice())
        large = write_page(_many_points(bundled, Path(folder) / "many"), Path(folder) / "many.html", PageChoice())
        requests: list[str] = []
        page = _opened(browser, small.path, requests)
        first = float(page.evaluate("Number(document.documentElement.dataset.firstImage)")) / 1000.0
        z = RunDirectory.open(bundled).read_embedding()[:: 40 if quick else 20]
        answers = [page.evaluate(_DECODE, point.tolist()) for point in z]
        shown = np.array([np.frombuffer(b64decode(answer["grey"]), np.uint8) for answer in answers], np.int16)
        own = decode_images(open_inference(bundled)[0], z).reshape(len(z), -1)
        median = float(np.median([answer["milliseconds"] for answer in answers]))
        page.close()
        page = _opened(browser, large.path, requests)
        rate = page.evaluate(_TURN, TURNED_S * 1000.0)
        page.close()
    return [
        Figure("shared page, bundled model", small.size / 1e6, "MB", 12.0),
        Figure("shared page, 20,000 points", large.size / 1e6, "MB"),
        Figure("its first image after it was opened", first, "s", 2.0),
        Figure("its later images, median", median, "ms", 30.0),
        Figure("largest difference to the engine's images", float(np.abs(shown - own).max()), "levels", 2.0),
        Figure("frames while 20,000 points turn, software OpenGL", float(rate), "/s", 30.0, at_least=True),
        Figure("requests of the page", float(len(requests)), "", 0.0),
    ]


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
    source, run = RunDirectory.open(bundled), RunDirectory.open(folder)
    probe, means = source.read_probe(), source.read_embedding()
    chosen = np.arange(POINTS) % len(means)
    noise = np.random.default_rng(0).normal(0.0, 0.3, (POINTS, means.shape[1]))
    (folder / "embeddings").mkdir()
    run.write_probe(probe.part(chosen))
    run.write_embedding((means[chosen] + noise).astype(np.float32))
    return folder
