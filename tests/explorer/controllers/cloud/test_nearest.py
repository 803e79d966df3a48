"""Latents without a decoder in the real window: samples near the probe and along a path, and what cannot be done."""

from __future__ import annotations

import numpy as np
import pytest

from core.paths.latent_path import LatentPath
from core.training.import_latents import LatentSource, import_latents
from tests.helpers.engine_driver import make_latents_run

COUNT = 60


@pytest.fixture
def with_images(tmp_path, reopen, qtbot):
    z = np.random.default_rng(0).standard_normal((COUNT, 5)).astype(np.float32)
    images = np.arange(COUNT, dtype=np.uint8)[:, None, None] * 4 + np.ones((16, 16), np.uint8)
    np.savez(tmp_path / "z.npz", z=z, images=images, kind=np.array(["cat", "dog"] * (COUNT // 2)))
    run = import_latents(LatentSource(tmp_path / "z.npz"), tmp_path / "run")
    explorer = reopen(run.path)
    qtbot.waitUntil(lambda: explorer.state.model is not None and explorer.image.has_image)
    return explorer


def test_a_place_shows_the_samples_near_it_and_how_far_they_are(with_images, qtbot):
    explorer, means = with_images, with_images.state.embedding
    explorer.probe.choose(7)
    qtbot.waitUntil(lambda: explorer.image.caption.text() == "Sample 7", timeout=10_000)
    assert len(explorer.image._sample.pictures) == 3
    assert "kind = dog" in explorer.image._factors.text()
    place = means[7] + np.float32(0.01)
    explorer.probe.move(place)
    far = f"{np.linalg.norm(place - means[7]):.3g}"
    qtbot.waitUntil(lambda: f"distance {far}" in explorer.image.caption.text(), timeout=10_000)
    assert "Sample 7" in explorer.image.caption.text()
    assert "not decoded images" in explorer.image.caption.toolTip()
    assert explorer.image._canvas.image.pixelColor(8, 8).red() == 4 * 7 + 1
    assert not explorer.window.notice.isVisible()


def test_a_path_shows_samples_says_so_and_counts_them(with_images, qtbot):
    explorer, means = with_images, with_images.state.embedding
    explorer.editing.commit("path", path=LatentPath(means[[2, 9]], kind="straight"))
    qtbot.waitUntil(lambda: explorer.film.complete, timeout=10_000)
    along = np.linspace(means[2], means[9], 65)
    nearest = np.linalg.norm(along[:, None] - means, axis=2).argmin(axis=1)
    info = explorer.path_view.info.text()
    assert f"not decoded: {len(np.unique(nearest))} different samples in 65 frames" in info
    assert "the same as before" in "".join(explorer.film._captions)
    explorer.playback.scrub(1.0)
    assert "Path frame 65 of 65" in explorer.image.caption.toolTip()
    assert explorer.image._canvas.image.pixelColor(8, 8).red() == 4 * 9 + 1
    unit = explorer.path_view._unit
    assert not unit.model().item(unit.findData("image")).isEnabled()
    assert explorer.path_view._export.isEnabled()
    kinds = explorer.window.actions_by_name["kinds"]
    assert not kinds.isEnabled()
    assert "Needs a decoder" in kinds.toolTip()


def test_without_images_names_and_labels_stand_for_them(tmp_path, reopen, qtbot):
    explorer = reopen(make_latents_run(tmp_path / "run", d=2, count=50).path)
    qtbot.waitUntil(lambda: "Next nearest" in explorer.image.empty, timeout=30_000)
    explorer.probe.choose(5)
    qtbot.waitUntil(lambda: explorer.image.empty.startswith("Sample 5\nx = "), timeout=10_000)
    explorer.editing.commit("path", path=LatentPath(explorer.state.embedding[[2, 9]], kind="straight"))
    qtbot.waitUntil(lambda: "different samples in 65" in explorer.path_view.info.text(), timeout=10_000)
    assert "neither a decoder nor images" in explorer.film.empty
    explorer.playback.scrub(1.0)
    assert explorer.image.empty.startswith("Sample 9\n")
    assert not explorer.path_view._export.isEnabled()
    assert "neither a decoder nor images" in explorer.path_view._export.toolTip()
    assert "no images" in explorer.state.message
    assert explorer.cloud_control.projection.dims == 2
