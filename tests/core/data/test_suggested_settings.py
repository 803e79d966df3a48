"""What a training of one's own images uses if nothing else is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.config import DataConfig, ModelConfig, RunConfig
from core.data.inspection import Inspection, inspect
from core.data.suggested_settings import EPOCHS, RATE, suggested_config


def inspected(tmp_path: Path, images: np.ndarray, chosen: tuple[str, ...] = (), **data: object) -> Inspection:
    np.savez(tmp_path / "images.npz", images=images)
    config = DataConfig(path=str(tmp_path / "images.npz"), **data)
    return inspect(config, chosen, cache=tmp_path / "cache")


def grey(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size), dtype=np.uint8)


def test_small_images_keep_their_size_and_large_ones_are_reduced(tmp_path):
    assert inspected(tmp_path, grey(4, 8)).config.image_size == 8
    assert inspected(tmp_path, grey(4, 50)).config.image_size == 50
    assert inspected(tmp_path, grey(4, 300)).config.image_size == 128


def test_what_was_chosen_stays(tmp_path):
    found = inspected(tmp_path, grey(20, 50), ("data.image_size",), image_size=24)
    assert found.config.image_size == 24
    config = suggested_config(found, RunConfig(), {"training.epochs", "loss.beta"})
    assert (config.training.epochs, config.loss.beta) == (RunConfig().training.epochs, RunConfig().loss.beta)


def test_the_loss_is_a_gaussian_decoders_whatever_the_number_of_pixels(tmp_path):
    config = suggested_config(inspected(tmp_path, grey(20, 10)), RunConfig())
    assert (config.loss.reconstruction, config.loss.kl, config.model.variance) == ("mse", "textbook", "constant")
    assert config.loss.beta == pytest.approx(0.06 / 100)
    colour = suggested_config(inspected(tmp_path, np.stack([grey(20, 10), *2 * [grey(20, 10) // 2]], -1)), RunConfig())
    assert colour.data.channels == 3
    assert colour.loss.beta == pytest.approx(0.06 / 300, rel=0.02)
    assert (config.model.global_colour, colour.model.global_colour) == (False, True)


def test_few_images_are_seen_more_often_and_in_smaller_batches(tmp_path):
    few, tiny, small, large = (
        suggested_config(inspected(tmp_path, grey(n, size)), RunConfig()).training
        for n, size in ((20, 8), (1500, 8), (1000, 28), (1000, 50))
    )
    assert (few.epochs, few.batch_size, few.learning_rate) == (EPOCHS[1], 2, RATE)
    assert (tiny.epochs, tiny.batch_size, tiny.learning_rate) == (round(400_000 / 1350), 64, 2 * RATE)
    assert (small.epochs, small.batch_size, small.learning_rate) == (135_000 // 900, 64, 2 * RATE)
    assert (large.epochs, large.batch_size, large.learning_rate) == (90_000 // 900, 32, RATE)


def test_noise_keeps_the_smallest_images_from_being_learned_by_heart(tmp_path):
    noise = [suggested_config(inspected(tmp_path, grey(40, n)), RunConfig()).training.input_noise for n in (16, 17)]
    assert noise == [0.1, 0.0]


def test_the_published_networks_keep_their_published_settings(tmp_path):
    published = RunConfig(model=ModelConfig(preset="article"))
    config = suggested_config(inspected(tmp_path, grey(20, 40)), published)
    assert (config.loss, config.training) == (published.loss, published.training)
    assert config.data.image_size == 40
