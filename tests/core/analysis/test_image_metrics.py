"""Excess cross-entropy and structural similarity against hand calculations and slow, literal implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.analysis.image_metrics import CLIP, WINDOW, ImagePairError, excess_bce, ssim


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def constant(level: int, size: int = 16, channels: int = 1) -> np.ndarray:
    return np.full((1, size, size, channels), level, dtype=np.uint8)


def noise(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.integers(0, 256, size=shape, dtype=np.uint8)


# excess BCE -----------------------------------------------------------------------------------------------------------


def test_excess_of_a_perfect_copy_is_zero(random):
    images = noise(random, (3, 8, 8, 1))
    assert excess_bce(images, images).tolist() == [0.0, 0.0, 0.0]


def test_excess_by_hand():
    x, estimate = 51 / 255, 102 / 255
    expected = x * math.log(x / estimate) + (1 - x) * math.log((1 - x) / (1 - estimate))
    assert excess_bce(constant(51), constant(102)) == pytest.approx([expected], rel=1e-12)


def test_black_taken_for_white_costs_what_the_clip_allows():
    expected = math.log(1 - CLIP) - math.log(CLIP)
    assert excess_bce(constant(0), constant(255)) == pytest.approx([expected], rel=1e-12)


def test_excess_is_never_negative():
    levels = np.arange(256, dtype=np.uint8)
    x, estimate = np.repeat(levels, 256), np.tile(levels, 256)
    values = excess_bce(x.reshape(-1, 1, 1, 1), estimate.reshape(-1, 1, 1, 1))
    assert values.min() == 0.0


def test_excess_is_the_mean_over_pixels_and_channels():
    images = np.zeros((1, 2, 1, 3), dtype=np.uint8)
    one_wrong = images.copy()
    one_wrong[0, 1, 0, 2] = 200
    expected = excess_bce(constant(0), constant(200)) / 6
    assert excess_bce(images, one_wrong) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_excess_is_that_of_training(random, channels):
    import torch

    from core.models import losses

    images, reconstructions = (noise(random, (4, 9, 7, channels)) for _ in range(2))
    tensors = (torch.tensor(array).permute(0, 3, 1, 2) / 255.0 for array in (images, reconstructions))
    assert excess_bce(images, reconstructions) == pytest.approx(losses.excess_bce(*tensors).numpy(), rel=1e-4)


# SSIM -----------------------------------------------------------------------------------------------------------------


def test_equal_images_are_exactly_one(random):
    images = noise(random, (3, 20, 17, 3))
    assert ssim(images, images).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("a", "b"), [(0, 255), (100, 120), (7, 0)])
def test_constant_images_by_hand(a, b):
    c1 = (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(constant(a), constant(b)) == pytest.approx([expected], rel=1e-6)


def test_similarity_is_symmetric(random):
    first, second = noise(random, (2, 15, 18, 1)), noise(random, (2, 15, 18, 1))
    np.testing.assert_array_equal(ssim(first, second), ssim(second, first))


def test_an_inverted_image_is_dissimilar(random):
    images = noise(random, (1, 30, 30, 1))
    assert ssim(images, 255 - images)[0] < 0.0


def literal_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """The published definition, one window after the other."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(x.shape[0] - WINDOW + 1):
        for column in range(x.shape[1] - WINDOW + 1):
            u = x[row : row + WINDOW, column : column + WINDOW].astype(float)
            v = y[row : row + WINDOW, column : column + WINDOW].astype(float)
            mean_u, mean_v = (weights * u).sum(), (weights * v).sum()
            var_u, var_v = (weights * (u - mean_u) ** 2).sum(), (weights * (v - mean_v) ** 2).sum()
            cov = (weights * (u - mean_u) * (v - mean_v)).sum()
            above = (2 * mean_u * mean_v + c1) * (2 * cov + c2)
            values.append(above / ((mean_u**2 + mean_v**2 + c1) * (var_u + var_v + c2)))
    return float(np.mean(values))


def test_similarity_is_the_published_one(random):
    first = noise(random, (1, 14, 19, 1))
    second = np.clip(first + random.normal(0, 40, first.shape), 0, 255).astype(np.uint8)
    assert ssim(first, second) == pytest.approx([literal_ssim(first[0, :, :, 0], second[0, :, :, 0])], rel=1e-10)


def test_channels_count_alike(random):
    first, second = noise(random, (1, 12, 12, 3)), noise(random, (1, 12, 12, 3))
    apart = [ssim(first[..., [c]], second[..., [c]])[0] for c in range(3)]
    assert ssim(first, second) == pytest.approx([np.mean(apart)], rel=1e-12)


def test_the_smallest_image_has_one_window():
    assert ssim(constant(9, size=11), constant(9, size=11)).tolist() == [1.0]


# what cannot be compared ----------------------------------------------------------------------------------------------


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(ImagePairError, match=r"10 × 10.*11 × 11"):
        ssim(constant(0, size=10), constant(0, size=10))


@pytest.mark.parametrize("measure", [excess_bce, ssim])
def test_no_images_have_no_values(measure):
    none = np.zeros((0, 16, 16, 1), dtype=np.uint8)
    assert measure(none, none).shape == (0,)
