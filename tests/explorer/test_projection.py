"""Which directions of latent space are drawn, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.projects.edited import Axes
from core.rendering.projection import subscript
from explorer.controllers.cloud.cloud import make_projection


def test_three_dimensions_are_drawn_as_they_are():
    z = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    projection = make_projection(Axes(), 3, z)
    assert projection.labels == ("μ₁", "μ₂", "μ₃")
    np.testing.assert_array_equal(projection.to_view(z), z)


@pytest.mark.parametrize("dim", [1, 2])
def test_missing_axes_are_zero(dim):
    z = np.ones((4, dim), dtype=np.float32)
    projection = make_projection(Axes(), dim, z)
    assert projection.dims == dim
    assert (projection.to_view(z)[:, dim:] == 0).all()


def test_chosen_axes_of_many_are_drawn_and_the_others_kept():
    keep = np.arange(6, dtype=np.float32)
    projection = make_projection(Axes(dimensions=(5, 0, 3)), 6, None)
    assert projection.labels == ("μ₆", "μ₁", "μ₄")
    moved = projection.from_view(np.array([50.0, 10.0, 30.0]), keep)
    np.testing.assert_allclose(moved, [10, 1, 2, 30, 4, 50], rtol=1e-6)


def test_axes_that_the_space_does_not_have_are_replaced():
    assert make_projection(Axes(dimensions=(7, 7, 1)), 4, None).labels == ("μ₂", "μ₁", "μ₃")


@given(st.integers(4, 12), st.integers(0, 1000))
def test_principal_components_go_there_and_back(dim, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, dim)).astype(np.float32) * np.linspace(3, 0.5, dim, dtype=np.float32)
    projection = make_projection(Axes("principal"), dim, z)
    np.testing.assert_allclose(projection.basis.T @ projection.basis, np.eye(3), atol=1e-9)
    back = projection.from_view(projection.to_view(z[0]), z[0])
    np.testing.assert_allclose(back, z[0], atol=1e-4)


def test_the_first_component_is_the_direction_of_largest_spread():
    rng = np.random.default_rng(0)
    z = np.zeros((500, 5), dtype=np.float32)
    z[:, 3] = rng.normal(size=500) * 4
    z[:, 1] = rng.normal(size=500)
    basis = make_projection(Axes("principal"), 5, z).basis
    assert abs(basis[3, 0]) > 0.99


def test_the_labels_of_components_have_the_share_of_the_variance_that_they_explain():
    z = np.zeros((4, 4), dtype=np.float32)
    z[:2, 0], z[2:, 1] = (3, -3), (1, -1)  # variances 9 to 1
    assert make_projection(Axes("principal"), 4, z).labels == ("PC₁ 90 %", "PC₂ 10 %", "PC₃ 0 %")


def test_in_a_layout_samples_have_a_place_and_all_else_that_of_its_nearest_sample():
    rng = np.random.default_rng(0)
    means, places = rng.standard_normal((20, 5)).astype(np.float32), rng.standard_normal((20, 3)).astype(np.float32)
    layout = make_projection(Axes("umap"), 5, means, places)
    assert layout.labels == ("UMAP 1", "UMAP 2", "UMAP 3")
    np.testing.assert_array_equal(layout.to_view(means), places)
    np.testing.assert_array_equal(layout.to_view(means[7] + 1e-3), places[7])
    np.testing.assert_array_equal(layout.to_view(means[[3, 9]] + 1e-3), places[[3, 9]])
    np.testing.assert_array_equal(layout.from_view(places[4] + 1e-3, means[0]), means[4])
    flat = make_projection(Axes("pacmap"), 5, means, places[:, :2])
    assert flat.dims == 2
    np.testing.assert_array_equal(flat.to_view(means)[:, 2], 0)
    assert make_projection(Axes("umap"), 5, means).labels[0].startswith("PC₁")  # as long as it is not known


def test_a_component_keeps_its_sign_when_points_move_a_little():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(400, 4)).astype(np.float32) * np.array([4, 2, 1, 0.5], dtype=np.float32)
    before = make_projection(Axes("principal"), 4, z).basis
    after = make_projection(Axes("principal"), 4, z + 0.01 * rng.normal(size=z.shape).astype(np.float32)).basis
    assert (np.einsum("ij,ij->j", before, after) > 0.9).all()


def test_subscripts():
    assert subscript(12) == "₁₂"


def test_many_points_of_many_dimensions_stand_where_few_of_them_do():
    z = np.random.default_rng(0).normal(5.0, 1.0, (1200, 1000)).astype(np.float32)
    for axes in (Axes("principal"), Axes("dimensions", (7, 3, 999))):
        projection = make_projection(axes, 1000, z)
        np.testing.assert_allclose(projection.to_view(z)[:50], projection.to_view(z[:50]), atol=1e-3)
