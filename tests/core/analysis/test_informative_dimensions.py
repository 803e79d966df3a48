"""The dimensions that tell most about a label are found where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.informative_dimensions import InformativeError, informative_dimensions

RNG = np.random.default_rng(0)
MU = RNG.standard_normal((400, 8)).astype(np.float32)


def test_a_number_is_told_by_the_dimensions_that_it_is_made_of():
    found = informative_dimensions(MU, MU[:, 5] + MU[:, 2] + 0.5 * MU[:, 7], classes=False)
    assert set(found.dimensions) == {2, 5, 7}
    assert found.score > found.all_score > 0.3
    assert found.chance == 0.0
    assert found.measure == "R² of the 15 nearest neighbours, 3-fold cross-validation, 400 samples"


def test_classes_are_told_by_their_dimensions_and_rare_or_unknown_ones_do_no_harm():
    values = (MU[:, 1] > 0) + 2.0 * (MU[:, 6] > 0)
    values[:2], values[2] = np.nan, 9.0
    found = informative_dimensions(MU, values, classes=True, count=2)
    assert set(found.dimensions) == {1, 6}
    assert found.score > 0.85
    assert found.chance == 0.25
    assert "balanced accuracy" in found.measure
    assert "397 samples" in found.measure


@pytest.mark.parametrize("values", [np.full(400, np.nan), np.zeros(400), np.where(np.arange(400) < 9, 1.0, np.nan)])
def test_a_label_of_which_nothing_can_be_told_is_refused(values):
    with pytest.raises(InformativeError, match="30 samples and 2 values or more"):
        informative_dimensions(MU, values, classes=False)
