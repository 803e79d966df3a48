"""Labels along a path by the samples near it."""

from __future__ import annotations

import numpy as np

from core.paths.labels import labels_along

MEANS = np.arange(100.0)[:, None]


def test_a_number_is_the_mean_of_the_eight_nearest_samples():
    assert labels_along(np.array([[50.5]]), MEANS, 10 * MEANS[:, 0], classes=False).tolist() == [505.0]


def test_a_class_is_that_of_the_nearest_sample():
    values = (MEANS[:, 0] >= 50).astype(float)
    assert labels_along(np.array([[49.2], [49.9]]), MEANS, values, classes=True).tolist() == [0.0, 1.0]


def test_samples_whose_label_is_not_known_say_nothing():
    values = np.where(MEANS[:, 0] < 90, np.nan, 7.0)
    assert labels_along(np.array([[0.0]]), MEANS, values, classes=False).tolist() == [7.0]
    assert np.isnan(labels_along(np.array([[0.0]]), MEANS, np.full(100, np.nan), classes=True)).all()
