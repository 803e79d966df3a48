"""How long a training would take, from a few steps on random pixels."""

from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.training.estimate import estimate_training


def test_a_batch_is_at_most_all_images():
    training = TrainingConfig(batch_size=65_536, epochs=3, device="cpu", precision="float32")
    config = RunConfig(DataConfig(image_size=32), ModelConfig(latent_dim=2), training=training)
    estimate = estimate_training(config, images=40)
    assert abs(estimate.seconds * estimate.images_per_second - 3 * 40) < 1e-6
    assert estimate.memory_bytes < 4e9, "not that of 65,536 images"
