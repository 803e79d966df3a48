"""Layouts: kept with the run and found again, aligned from epoch to epoch, made by UMAP and PaCMAP where installed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from core.analysis import layouts
from core.analysis.layouts import (
    DIMENSIONS,
    LayoutError,
    aligned,
    installed,
    lay_out,
    lay_out_run,
    layout_file,
    read_layout,
    write_layout,
)
from core.runs.directory import RunDirectory
from tests.helpers.engine_driver import make_latents_run

RNG = np.random.default_rng(0)


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    run = make_latents_run(tmp_path / "run", d=5, count=60)
    for epoch in (1, 2):
        run.write_embedding(run.read_embedding() + np.float32(epoch), epoch)
    return run


@pytest.fixture
def quick(monkeypatch) -> list:
    """Layouts that take no time: the first dimensions, turned where nothing tells how they should lie."""
    asked = []

    def umap(mu, start):
        asked.append(start)
        return mu[:, [1, 0, 2]] if start is None else mu[:, [2, 1, 0]]

    monkeypatch.setattr(layouts, "_umap", umap)
    monkeypatch.setattr(layouts, "why_not_installed", lambda method: "")
    return asked


def test_an_alignment_turns_mirrors_scales_and_shifts():
    target = RNG.standard_normal((50, 3))
    turn = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    np.testing.assert_allclose(aligned(0.2 * target @ turn + 7.0, target), target, atol=1e-9)


def test_every_epoch_is_laid_out_from_the_last_and_aligned_with_the_one_after_it(run, quick):
    shares = []
    assert lay_out_run(run, "umap", True, shares.append) == 3
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    places = [read_layout(run, "umap", epoch, run.read_embedding(epoch)) for epoch in (None, 2, 1)]
    for one in places[1:]:  # the same cloud: turned back, it is where it was
        np.testing.assert_allclose(one, places[0], atol=1e-4)
    np.testing.assert_array_equal(quick[1], places[0])
    assert lay_out_run(run, "umap", True) == 0
    assert len(quick) == 3


def test_the_last_epoch_stands_where_the_newest_means_do_if_they_are_the_same(run, quick):
    run.write_embedding(run.read_embedding(), 3)
    assert lay_out_run(run, "umap", True) == 4
    places = [read_layout(run, "umap", epoch, run.read_embedding(epoch)) for epoch in (None, 3)]
    np.testing.assert_array_equal(places[0], places[1])
    assert len(quick) == 3


def test_the_newest_alone(run, quick):
    assert lay_out_run(run, "umap", False) == 1
    assert [file.name for file in (run.path / "layouts").iterdir()] == ["umap-live.npz"]


def test_a_layout_of_other_means_or_a_damaged_one_is_none(run):
    mu = run.read_embedding()
    write_layout(run, "umap", None, mu, mu[:, :3])
    np.testing.assert_array_equal(read_layout(run, "umap", None, mu), mu[:, :3])
    assert read_layout(run, "umap", None, mu + 1) is None
    assert read_layout(run, "pacmap", None, mu) is None
    layout_file(run, "umap", None).write_bytes(b"PK\x03\x04")
    assert read_layout(run, "umap", None, mu) is None


def test_what_cannot_be_laid_out_is_refused(run, monkeypatch):
    with pytest.raises(LayoutError, match="there are 12 samples; UMAP needs 30"):
        lay_out(np.zeros((12, 5), np.float32), "umap")
    with pytest.raises(LayoutError, match="not finite"):
        lay_out(np.full((60, 5), np.nan, np.float32), "umap")
    monkeypatch.setattr(layouts, "installed", lambda method: False)
    with pytest.raises(LayoutError, match=r'UMAP is not installed.*"isoline\[umap\]"'):
        lay_out_run(run, "umap", False)


@pytest.mark.skipif(
    not (os.environ.get("ISOLINE_TEST_LAYOUTS") and installed("umap") and installed("pacmap")),
    reason="numba compiles for half a minute: asked for by ISOLINE_TEST_LAYOUTS=1, with the extra umap",
)
def test_both_methods_really_lay_out(tmp_path):
    program = (  # of its own: what numba compiles would stay in this process
        "import sys, numpy as np; from core.analysis.layouts import lay_out\n"
        "rng = np.random.default_rng(0); means = np.repeat(np.eye(6)[:3] * 20, 30, axis=0)\n"
        "mu = (means + rng.standard_normal(means.shape)).astype(np.float32)\n"
        "for method in ('umap', 'pacmap'):\n"
        "    first = lay_out(mu, method); second = lay_out(mu + np.float32(0.01), method, first)\n"
        "    np.savez(sys.argv[1] + method, first=first, second=second)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "x-")], check=True)
    for method in ("umap", "pacmap"):
        with np.load(tmp_path / f"x-{method}.npz") as stored:
            first, second = stored["first"], stored["second"]
        assert first.shape == (90, DIMENSIONS[method])
        groups = first.reshape(3, 30, -1)
        middles = groups.mean(axis=1)
        spread = np.linalg.norm(groups - middles[:, None], axis=2).mean()
        between = np.linalg.norm(middles - np.roll(middles, 1, axis=0), axis=1).min()
        assert between > 2 * spread
        moved = np.linalg.norm(second.reshape(3, 30, -1).mean(axis=1) - middles, axis=1).max()
        assert moved < between / 2
