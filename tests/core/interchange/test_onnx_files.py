"""What an exported model is compared on, and when the comparison holds; tests/core/cli/test_export.py compares."""

from __future__ import annotations

import numpy as np

from core.interchange.onnx_files import COMPARED, Parity, latents_to_compare


def test_latents_are_those_of_the_run_or_drawn():
    own = np.arange(10, dtype=np.float32).reshape(5, 2)
    chosen = latents_to_compare(own, 2)
    assert chosen.shape == (COMPARED, 2)
    assert set(map(tuple, chosen)) <= set(map(tuple, own))
    drawn = latents_to_compare(None, 2)
    assert drawn.shape == (COMPARED, 2)
    assert drawn.dtype == np.float32


def test_not_a_number_is_no_parity():
    assert Parity(64, 1e-5, 1e-5, 0.0).holds
    assert not Parity(64, 1.1e-4, 1e-5, 0.0).holds
    assert not Parity(64, float("nan"), 1e-5, 0.0).holds
