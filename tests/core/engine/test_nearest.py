"""Without a decoder the nearest samples stand in: found by latent distance, each image sent once, exported as such."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.protocol.messages import Export, Failed, FindNearest, FindThumbnail
from core.training.import_latents import LatentSource, import_latents
from tests.helpers.engine_driver import Steps, make_latents_run

COUNT = 40


@pytest.fixture(scope="module")
def z() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((COUNT, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def with_images(tmp_path_factory, z) -> Steps:
    folder = tmp_path_factory.mktemp("latents")
    images = np.arange(COUNT, dtype=np.uint8)[:, None, None] * 5 + np.zeros((16, 16), np.uint8)
    np.savez(folder / "z.npz", latents=z, images=images)
    return Steps(import_latents(LatentSource(folder / "z.npz"), folder / "run"))


def found(steps: Steps, z: np.ndarray, count: int = 1) -> list:
    steps.replies.clear()
    steps.ask(FindNearest, z=z, count=count)
    return steps.replies


def test_the_nearest_come_first_with_their_distances(with_images, z):
    places = z[[3, 17]] + 0.01
    first = found(with_images, places, 3)[0]
    distances = np.linalg.norm(z[None] - places[:, None], axis=2)
    np.testing.assert_array_equal(first.places, np.argsort(distances, axis=1)[:, :3])
    np.testing.assert_allclose(first.distances, np.sort(distances, axis=1)[:, :3], rtol=1e-5)
    between = np.linalg.norm(z[None] - z[:, None], axis=2)
    assert first.usual == pytest.approx(np.median(np.sort(between, axis=1)[:, 1]), rel=1e-5)
    assert not first.final


def test_each_image_is_sent_once_in_the_order_of_the_places(with_images, z):
    replies = found(with_images, z[[20, 20, 4, *range(12), 20]])
    places = np.concatenate([reply.image_places for reply in replies])
    images = np.concatenate([reply.images for reply in replies[1:]])
    assert places.tolist() == [20, 4, 0, 1, 2, 3, *range(5, 12)]
    assert images[:, 0, 0, 0].tolist() == [5 * place for place in places]
    assert [reply.final for reply in replies] == [False, False, True]


def test_a_thumbnail_that_the_run_does_not_store_is_made_of_the_image(with_images):
    reply = with_images.ask(FindThumbnail, index=7)
    assert not isinstance(reply, Failed), reply.message
    assert (reply.index, reply.image.shape, reply.image.dtype) == (7, (32, 32, 1), np.uint8)
    assert (reply.image == 35).all()


def test_without_images_places_and_distances_are_all(tmp_path):
    steps = Steps(make_latents_run(tmp_path / "run", count=20))
    (reply,) = found(steps, np.zeros((1, 3), np.float32), 50)
    assert reply.final
    assert reply.places.shape == (1, 20)  # no more than there are
    assert len(reply.images) == 0


def test_a_path_is_exported_as_the_samples_it_passes_and_says_so(with_images, z, tmp_path):
    steps, file = with_images, tmp_path / "path.npz"
    steps.ask(Export, z=z[[1, 2]] + 0.01, path=str(file), format="npz", metadata=json.dumps({"speed": "latent"}))
    with np.load(file) as stored:
        assert stored["frames"][:, 0, 0, 0].tolist() == [5, 10]
        about = json.loads(str(stored["metadata"]))
    assert about["frames"] == "nearest samples, not decoded"
    assert about["samples"] == [1, 2]
    assert about["speed"] == "latent"
    assert about["distances"] == pytest.approx([0.01 * 12**0.5] * 2, rel=1e-3)


def test_a_film_needs_images(tmp_path):
    steps = Steps(make_latents_run(tmp_path / "run", count=20))
    reply = steps.ask(Export, z=np.zeros((2, 3), np.float32), path=str(tmp_path / "f.png"), format="png")
    assert isinstance(reply, Failed)
    assert "without any" in reply.message
    assert not (tmp_path / "f.png").exists()
