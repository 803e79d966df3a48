"""A run whose model was not trained here, in the real window: what it lacks is said, and all else works."""

from __future__ import annotations

import numpy as np

from core.cli.main import main
from tests.helpers.engine_driver import make_latents_run
from tests.helpers.onnx_models import decoder, save


def test_latents_without_a_decoder_are_shown_and_what_they_lack_is_said(program, tmp_path, qtbot):
    explorer = program(make_latents_run(tmp_path / "run", count=150).path)
    qtbot.waitUntil(lambda: explorer.state.model is not None, timeout=30_000)
    assert "latents only" in explorer.state.message
    assert explorer.state.training == "finished"
    qtbot.waitUntil(lambda: "Next nearest" in explorer.image.empty)
    explorer.editing.refine(probe=None, sample=None)
    assert "imported without one" in explorer.image.empty
    combo = explorer.points._color_by
    options = [combo.itemText(i) for i in range(combo.count())]
    assert "x" in options
    assert "excess BCE" not in options
    explorer.probe.choose(3)  # asks for no image, so nothing fails
    explorer.redraw()
    np.testing.assert_array_equal(explorer.state.document.probe, explorer.state.embedding[3])
    assert not explorer.window.notice.isVisible()
    refused = []
    explorer.attributes.refused.connect(refused.append)
    explorer.attributes.ask_measures()
    assert "own images" in refused[0]


def test_an_onnx_decoder_alone_is_clicked_and_decoded(program, tmp_path, qtbot):
    path = save(tmp_path / "decoder.onnx", decoder(5))
    assert main(["import", str(path), "--samples", "80", "--out", str(tmp_path / "run")]) == 0
    explorer = program(tmp_path / "run")
    qtbot.waitUntil(lambda: explorer.image.has_image, timeout=30_000)
    assert "ONNX · 5 latent dimensions" in explorer.state.message
    explorer.probe.choose(7)
    asked = explorer.state.document.probe
    qtbot.waitUntil(lambda: explorer.image.caption.text().startswith("Sample 7"), timeout=30_000)
    np.testing.assert_array_equal(asked, explorer.state.embedding[7])
    assert not explorer.image.has_sample  # there is no original to compare with
    explorer.redraw()

    assert not explorer.window.notice.isVisible()
