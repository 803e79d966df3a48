"""Axes of many dimensions in the real window: variance explained, dimensions that tell of a label, layouts."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.layouts import installed, write_layout
from core.rendering.projection import Layout
from explorer.views.cloud.tools import StrokeGesture
from tests.helpers.engine_driver import make_latents_run


@pytest.fixture
def opened_latents(tmp_path, reopen, qtbot):
    run = make_latents_run(tmp_path / "run", d=5, count=80)
    explorer = reopen(run.path)
    qtbot.waitUntil(lambda: explorer.state.model is not None, timeout=30_000)
    return explorer


def choose(explorer, kind: str) -> None:
    box = explorer.points._kind
    box.setCurrentIndex(box.findData(kind))
    box.activated.emit(box.currentIndex())


def test_principal_components_say_how_much_they_explain(opened_latents):
    explorer = opened_latents
    choose(explorer, "pca")
    explorer.redraw()
    variances = np.sort(np.linalg.eigvalsh(np.cov(explorer.state.embedding.T)))[::-1]
    share = 100 * variances[:3].sum() / variances.sum()
    assert f"= {share:.0f} % of all 5 dimensions" in explorer.points._axes_note.text()
    assert f"PC₁ {100 * variances[0] / variances.sum():.0f} %" == explorer.cloud_control.projection.labels[0]


def test_the_dimensions_that_tell_most_about_the_label_are_found_and_their_score_is_said(opened_latents, qtbot):
    explorer = opened_latents
    assert explorer.points._kind.itemText(explorer.points._kind.findData("informative")).endswith("about x")
    choose(explorer, "informative")  # x is the first dimension
    qtbot.waitUntil(lambda: "Most informative about x: μ₁" in explorer.points._axes_note.text(), timeout=20_000)
    assert explorer.state.display.axes.dimensions[0] == 0
    assert explorer.points._kind.currentData() == "axes"
    explorer.redraw()
    note = explorer.points._axes_note.text()
    assert "R² of the 15 nearest neighbours" in note
    assert "chance 0.00" in note


def test_a_layout_that_is_kept_with_the_run_is_there_at_once_and_nothing_pretends_that_it_is_latent_space(
    opened_latents, qtbot
):
    explorer, means = opened_latents, opened_latents.state.embedding
    places = np.random.default_rng(1).standard_normal((80, 3)).astype(np.float32)
    write_layout(explorer.open_run.run, "umap", None, means, places)
    choose(explorer, "umap")
    qtbot.waitUntil(lambda: explorer.state.layout is not None)
    explorer.redraw()
    assert isinstance(explorer.cloud_control.projection, Layout)
    np.testing.assert_array_equal(explorer.cloud_control.projection.to_view(means[3]), places[3])
    assert "distances and straight lines are not those of latent space" in explorer.points._axes_note.text()
    refused = []
    explorer.path.refused.connect(refused.append)
    explorer.path._on_stroke(StrokeGesture(np.zeros((5, 2)), np.eye(4), (100, 100)))
    assert "straight lines are not those of latent space" in refused[0]
    assert explorer.state.document.path is None
    explorer.turntable.refused.connect(refused.append)
    assert not explorer.turntable.export("cloud.mp4")
    assert "A layout cannot be filmed" in refused[1]
    code = explorer.python_code.code("figure")
    assert "# The window shows a UMAP layout, which save_cloud does not draw: principal components." in code
    assert "principal=True" in code
    assert "camera" not in code
    choose(explorer, "axes")
    explorer.redraw()
    assert explorer.state.layout is None
    assert all(label.startswith("μ") for label in explorer.cloud_control.projection.labels)


@pytest.mark.skipif(not installed("umap"), reason="the extra umap is not installed")
def test_a_layout_is_made_by_a_process_that_can_be_cancelled(opened_latents, qtbot):
    explorer = opened_latents
    choose(explorer, "umap")
    qtbot.waitUntil(lambda: not explorer.points._layout_row.isHidden())
    assert explorer.cloud_control.projection.labels[0].startswith("PC₁")
    assert "Principal components are drawn until UMAP" in explorer.points._axes_note.text()
    explorer.points.layout_cancelled.emit()
    qtbot.waitUntil(lambda: explorer.axes._command is None, timeout=20_000)
    explorer.redraw()
    assert explorer.points._layout_row.isHidden()
    assert explorer.state.display.axes.principal
    assert not explorer.window.notice.isVisible()
