"""Intrinsic dimension on clouds whose dimension is known, and trustworthiness against two independent definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from core.geometry.embedding_metrics import intrinsic_dimension, levina_bickel, trustworthiness, two_nn
from core.geometry.local_fit import GeometryError, Neighbourhoods


def cloud(name: str, count: int = 4000, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if name == "plane":
        return generator.uniform(size=(count, 2)) @ generator.normal(size=(2, 5))
    if name == "cube":
        return generator.uniform(size=(count, 3))
    directions = generator.normal(size=(count, {"circle": 2, "sphere": 3, "3-sphere": 4}[name]))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


KNOWN = [("circle", 1), ("plane", 2), ("sphere", 2), ("3-sphere", 3), ("cube", 3)]


@pytest.mark.parametrize(("name", "dimension"), KNOWN)
def test_two_nn_contains_the_known_dimension(name, dimension):
    found = two_nn(cloud(name))
    assert found.low < dimension < found.high
    assert found.low < found.dimension < found.high
    assert found.high - found.low < 0.12 * dimension


def test_the_interval_is_as_wide_as_repeated_draws_scatter():
    found = [two_nn(cloud("circle", 1000, seed)) for seed in range(30)]
    scatter = np.std([each.dimension for each in found])
    claimed = np.mean([each.high - each.low for each in found]) / (2.0 * 1.96)
    assert 0.7 < claimed / scatter < 1.5


@pytest.mark.parametrize(("name", "dimension"), KNOWN)
def test_levina_bickel_is_near_the_known_dimension(name, dimension):
    found = levina_bickel(cloud(name))
    assert found.dimension == pytest.approx(dimension, rel=0.06)
    assert found.low < found.dimension < found.high


def test_two_nn_is_facco_s_regression():
    points = cloud("plane", 200)
    distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    ratio = np.sort(distances[:, 2] / distances[:, 1])[:180]
    x, y = np.log(ratio), -np.log(1.0 - np.arange(1, 181) / 201.0)
    assert two_nn(points).dimension == pytest.approx((x @ y) / (x @ x), rel=1e-9)


def test_levina_bickel_averages_the_inverses():
    points = cloud("cube", 150)
    distances = np.sort(np.linalg.norm(points[:, None] - points[None], axis=2), axis=1)
    inverse = [np.mean([np.log(row[10] / row[j]) for j in range(1, 10)]) for row in distances]
    assert levina_bickel(points, neighbours=10).dimension == pytest.approx(1.0 / np.mean(inverse), rel=1e-9)


def test_dimension_ignores_scale_copies_and_ambient_dimensions():
    points = cloud("plane", 1000)
    once = two_nn(points)
    assert two_nn(np.vstack([points, points]) * 1000.0).dimension == pytest.approx(once.dimension, rel=1e-9)
    wide = np.hstack([points, np.zeros((1000, 15))])
    assert two_nn(wide).dimension == pytest.approx(once.dimension, rel=1e-6)


def test_the_interval_is_reproducible_and_shrinks_with_more_points():
    few, many = two_nn(cloud("plane", 300)), two_nn(cloud("plane", 4000))
    assert two_nn(cloud("plane", 300)) == few
    assert many.high - many.low < 0.5 * (few.high - few.low)


def sheet(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A bent sheet in three dimensions."""
    return np.stack([u + 0.2 * np.sin(3 * v), v + 0.15 * u**2, 0.3 * np.sin(2 * u) * np.cos(2 * v)], axis=-1).reshape(
        -1, 3
    )


def lattice(*counts: int) -> list[np.ndarray]:
    return np.meshgrid(*(np.linspace(0.0, 1.0, count) for count in counts))


@pytest.mark.parametrize(
    ("points", "dimension"),
    [
        (sheet(*lattice(32, 32)), 2),  # as dSprites' positions
        (sheet(*lattice(16, 24)), 2),
        (np.stack(lattice(32, 32), axis=-1).reshape(-1, 2), 2),
        (np.stack([*lattice(10, 10, 10)], axis=-1).reshape(-1, 3), 3),
    ],
)
def test_a_lattice_is_not_mistaken_for_more_dimensions(points, dimension):
    assert two_nn(points).dimension == pytest.approx(dimension, abs=0.3)
    assert intrinsic_dimension(Neighbourhoods(points), 8) == dimension


@pytest.mark.parametrize("copies", [1, 2, 6])
@pytest.mark.parametrize("jitter", [1e-4, 1e-3])
def test_near_copies_of_lattice_points_count_once(copies, jitter):
    points = np.repeat(sheet(*lattice(24, 24)), copies, axis=0)
    points = points + jitter * np.random.default_rng(0).normal(size=points.shape)
    assert two_nn(points).dimension == pytest.approx(2.0, abs=0.3)
    assert intrinsic_dimension(Neighbourhoods(points), 8) == 2


def test_lattice_points_drawn_at_random_have_the_lattice_s_dimension():
    drawn = np.random.default_rng(1).integers(0, 32, (3000, 2)) / 31.0  # some of them twice
    points = sheet(*drawn.T) + 1e-3 * np.random.default_rng(2).normal(size=(3000, 3))
    assert two_nn(points).dimension == pytest.approx(2.0, abs=0.3)


def test_points_that_tell_no_dimension_are_refused():
    with pytest.raises(GeometryError, match="1 distinct points; 10 or more"):
        two_nn(np.zeros((50, 3)))


# Trustworthiness ----------------------------------------------------------------------------------------------------


def venna_kaski(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """The published definition, with explicit ranks."""
    count, penalty = len(x), 0
    for i in range(count):
        order_x = [j for j in np.argsort(np.linalg.norm(x - x[i], axis=1)) if j != i]
        order_y = [j for j in np.argsort(np.linalg.norm(y - y[i], axis=1)) if j != i]
        penalty += sum(order_x.index(j) + 1 - k for j in order_y[:k] if j not in order_x[:k])
    return 1.0 - 2.0 / (count * k * (2 * count - 3 * k - 1)) * penalty


def test_trustworthiness_is_venna_and_kaski_s():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 3)), generator.normal(size=(60, 2))
    assert trustworthiness(x, y, 5) == pytest.approx(venna_kaski(x, y, 5), abs=1e-12)


@pytest.mark.parametrize("related", [True, False])
def test_trustworthiness_agrees_with_scikit_learn(related):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(1200, 3))  # more than one chunk of points
    y = x[:, :2] if related else generator.normal(size=(1200, 2))
    assert trustworthiness(x, y) == pytest.approx(sklearn_trustworthiness(x, y, n_neighbors=12), abs=1e-12)


def test_trustworthiness_is_one_for_the_same_cloud_turned_and_scaled_and_half_by_chance():
    generator = np.random.default_rng(2)
    x = generator.normal(size=(1000, 3))
    turn = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    assert trustworthiness(x, 5.0 * x @ turn + 1.0) == 1.0
    assert trustworthiness(x, generator.normal(size=(1000, 3))) == pytest.approx(0.5, abs=0.02)


def test_a_rolled_sheet_is_trustworthy_one_way_and_a_folded_one_is_not():
    generator = np.random.default_rng(3)
    flat = generator.uniform(size=(2000, 2))
    angle = 1.0 + 3.0 * flat[:, 0]
    rolled = np.stack([angle * np.cos(angle), 5.0 * flat[:, 1], angle * np.sin(angle)], axis=1)
    folded = np.stack([np.abs(flat[:, 0] - 0.5), flat[:, 1]], axis=1)
    assert trustworthiness(flat, rolled) > 0.995
    assert trustworthiness(rolled, flat) > 0.995
    assert trustworthiness(flat, folded) < 0.95
    assert trustworthiness(folded, flat) > 0.99


def test_unusable_arguments_are_refused():
    x = np.zeros((20, 2))
    with pytest.raises(GeometryError, match="neighbours is 12"):
        trustworthiness(x, x)
