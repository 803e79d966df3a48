"""The loss terms against values computed by hand or from their published definitions."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from core.config import LossConfig
from core.models.losses import CLIP, entanglement_loss, excess_bce, kl_divergence, reconstruction_loss, vae_loss


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_bce_is_the_cross_entropy_of_each_pixel_averaged(random: np.random.Generator):
    logits = random.normal(size=(4, 1, 5, 5))
    images = random.random((4, 1, 5, 5))
    p = 1 / (1 + np.exp(-logits))
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).mean((1, 2, 3))
    found = reconstruction_loss(torch.tensor(logits), torch.tensor(images).float(), "bce")
    assert found.numpy() == pytest.approx(expected, rel=1e-5)


def test_bce_from_logits_stays_finite_where_the_sigmoid_saturates():
    assert reconstruction_loss(torch.full((1, 1, 2, 2), 500.0), torch.zeros(1, 1, 2, 2), "bce").item() == 500.0


def test_mse_is_of_the_image_not_of_the_logits():
    found = reconstruction_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), "mse")
    assert found.item() == pytest.approx(0.25)


def test_kl_forms(random: np.random.Generator):
    mu, log_variance = random.normal(size=(6, 3)), random.normal(size=(6, 3))
    terms = mu**2 + np.exp(log_variance) - log_variance - 1
    tensors = torch.tensor(mu), torch.tensor(log_variance)
    assert kl_divergence(*tensors, "article").numpy() == pytest.approx(terms.mean(1))
    assert kl_divergence(*tensors, "textbook").numpy() == pytest.approx(0.5 * terms.sum(1))


@pytest.mark.parametrize("form", ["article", "textbook"])
def test_kl_of_the_prior_with_itself_is_zero(form):
    assert kl_divergence(torch.zeros(2, 5), torch.zeros(2, 5), form).tolist() == [0.0, 0.0]


def test_textbook_kl_is_the_divergence_between_the_two_normals():
    mu, sigma = torch.tensor([[0.7, -1.2]]), torch.tensor([[0.3, 2.0]])
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, sigma), torch.distributions.Normal(0, 1)
    )
    assert kl_divergence(mu, 2 * sigma.log(), "textbook").item() == pytest.approx(expected.sum().item(), rel=1e-6)


@pytest.mark.parametrize("dimensions", [2, 3, 7])
def test_product_equals_the_articles_definition(random: np.random.Generator, dimensions: int):
    mu = random.normal(size=(9, dimensions))
    pairs = [np.mean([abs(row[i] * row[j]) for row in mu]) for i, j in combinations(range(dimensions), 2)]
    assert entanglement_loss(torch.tensor(mu), "product").mean().item() == pytest.approx(np.mean(pairs), rel=1e-12)


def test_covariance_is_the_mean_absolute_off_diagonal(random: np.random.Generator):
    mu = random.normal(size=(50, 4)) @ random.normal(size=(4, 4))
    off_diagonal = np.cov(mu.T)[np.triu_indices(4, 1)]
    assert entanglement_loss(torch.tensor(mu), "covariance").mean().item() == pytest.approx(np.abs(off_diagonal).mean())


def rotated_square(degrees: float) -> torch.Tensor:
    axis = torch.linspace(-1, 1, 401, dtype=torch.float64)
    square = torch.cartesian_prod(axis, axis)
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    return square @ turn.T


def test_product_prefers_the_diagonal_of_a_square_and_covariance_does_not_care():
    assert entanglement_loss(rotated_square(0), "product").mean().item() == pytest.approx(1 / 4, abs=2e-3)
    assert entanglement_loss(rotated_square(45), "product").mean().item() == pytest.approx(1 / 6, abs=2e-3)
    for degrees in (0, 30, 45):
        assert entanglement_loss(rotated_square(degrees), "covariance").mean().item() == pytest.approx(0, abs=1e-12)


# Three samples of two dimensions: means (0, 2), sums of squares 2 and 8, of products 4: cov = [[1, 2], [2, 4]]
BY_HAND = torch.tensor([(-1.0, 0.0), (0.0, 2.0), (1.0, 4.0)])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("none", [0.0, 0.0, 0.0]),
        ("product", [0.0, 0.0, 4.0]),
        ("covariance", [2.0, 2.0, 2.0]),
        ("dip", [2 * 2**2 + 10 * ((1 - 1) ** 2 + (4 - 1) ** 2)] * 3),
    ],
)
def test_every_form_by_hand(form, expected):
    assert entanglement_loss(BY_HAND, form).tolist() == pytest.approx(expected)


def test_dip_equals_its_published_definition(random: np.random.Generator):
    mu = random.normal(size=(50, 4)) @ random.normal(size=(4, 4))
    covariance = np.cov(mu.T)
    off_diagonal = sum(covariance[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
    diagonal = sum((covariance[i, i] - 1) ** 2 for i in range(4))
    found = entanglement_loss(torch.tensor(mu), "dip")
    assert found.shape == (50,)
    assert found.mean().item() == pytest.approx(off_diagonal + 10 * diagonal, rel=1e-9)


def test_dip_is_zero_for_independent_dimensions_of_variance_one_alone():
    square = rotated_square(0) / rotated_square(0).std(0)
    assert entanglement_loss(square, "dip").mean().item() == pytest.approx(0, abs=1e-12)
    assert entanglement_loss(2 * square, "dip").mean().item() == pytest.approx(10 * 2 * 9)


def test_dip_asks_a_single_dimension_for_variance_one():
    assert entanglement_loss(torch.tensor([[0.0], [2.0]]), "dip").tolist() == pytest.approx([10.0, 10.0])


@pytest.mark.parametrize("form", ["covariance", "dip"])
def test_statistics_of_the_batch_reach_every_mean(form):
    mu = torch.randn(6, 3, requires_grad=True)
    entanglement_loss(mu, form).mean().backward()
    assert mu.grad is not None
    assert (mu.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("form", ["none", "product", "covariance"])
def test_one_dimension_has_nothing_to_entangle_with(form):
    assert entanglement_loss(torch.randn(5, 1), form).tolist() == [0.0] * 5


@pytest.mark.parametrize("form", ["covariance", "dip"])
def test_covariance_of_a_single_sample_is_zero(form):
    assert entanglement_loss(torch.randn(1, 3), form).tolist() == [0.0]


def test_weights_multiply_each_samples_whole_loss(random: np.random.Generator):
    logits, images = torch.tensor(random.normal(size=(2, 1, 4, 4))), torch.rand(2, 1, 4, 4)
    mu, log_variance = torch.tensor(random.normal(size=(2, 3))), torch.zeros(2, 3)
    config = LossConfig(entanglement="product")

    def loss(weights: list[float], rows: slice) -> float:
        weight = torch.tensor(weights)
        parts = logits[rows], images[rows], mu[rows], log_variance[rows], weight
        return vae_loss(*parts, config, beta=0.5, gamma=0.25).loss.item()

    first, second = loss([1.0], slice(0, 1)), loss([1.0], slice(1, 2))
    assert loss([0.5, 1.5], slice(0, 2)) == pytest.approx((0.5 * first + 1.5 * second) / 2, rel=1e-5)


def test_terms_add_up():
    terms = vae_loss(
        torch.randn(3, 1, 4, 4),
        torch.rand(3, 1, 4, 4),
        torch.randn(3, 3),
        torch.randn(3, 3),
        torch.rand(3),
        LossConfig(entanglement="covariance"),
        beta=0.1,
        gamma=0.2,
    )
    loss, reconstruction, kl, entanglement = terms.stacked().tolist()
    assert loss == pytest.approx(reconstruction + 0.1 * kl + 0.2 * entanglement, rel=1e-6)


def test_excess_is_zero_for_a_perfect_copy():
    images = torch.tensor([0.0, 0.3, 1.0]).view(1, 1, 1, 3)
    assert excess_bce(images, images).item() == 0.0


def test_excess_by_hand():
    x, estimate = 0.25, 0.5
    expected = x * math.log(x / estimate) + (1 - x) * math.log((1 - x) / (1 - estimate))
    found = excess_bce(torch.full((1, 1, 2, 2), x), torch.full((1, 1, 2, 2), estimate))
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_excess_of_black_taken_for_white_is_that_of_the_clip():
    found = excess_bce(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)).item()
    assert found == pytest.approx(math.log(1 - CLIP) - math.log(CLIP), rel=1e-5)
