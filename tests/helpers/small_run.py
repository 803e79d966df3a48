"""A small run on disk, untrained but whole: means, labels, pictures, names, weights and a saved path."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.config import DataConfig, ModelConfig, RunConfig
from core.models.vae import build_model
from core.paths.latent_path import LatentPath
from core.paths.saved_paths import SavedPath, save_path
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory
from core.training.checkpoint import save_weights


def make_small_run(
    folder: Path,
    *,
    dim: int = 3,
    count: int = 60,
    channels: int = 1,
    classes: tuple[str, ...] = ("cat", "dog", "owl"),
    labelled: bool = True,
    names: tuple[str, ...] = (),
    weights: bool = True,
    metadata: dict | None = None,
) -> RunDirectory:
    """``labelled``: a number "size" and a "class" of ``classes``, the last sample of which is not known."""
    config = RunConfig(
        data=DataConfig(image_size=32, channels=channels), model=ModelConfig(latent_dim=dim, native_size="32x32")
    )
    run = RunDirectory.create(folder, config, metadata or {})
    rng = np.random.default_rng(dim)
    means = rng.normal(size=(count, dim)).astype(np.float32) * np.linspace(3.0, 1.0, dim, dtype=np.float32)
    kinds = np.arange(count, dtype=np.float32) % len(classes)
    kinds[-1] = np.nan
    factors = np.stack([np.linspace(0.5, 2.0, count, dtype=np.float32), kinds], axis=1)
    pictures = rng.integers(0, 255, (count, 1, 1, channels), dtype=np.uint8)
    probe = ProbeSet(
        np.arange(count) * 2,
        factors if labelled else factors[:, :0],
        ("size", "class") if labelled else (),
        np.tile(pictures, (1, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1)),
        (np.arange(count) % 10 == 0).astype(np.uint8),
        ((), classes) if labelled else (),
        names,
    )
    run.write_probe(probe)
    run.write_embedding(means)
    if weights:
        save_weights(run.weights_path, build_model(config).state_dict(), config)
        path = LatentPath(means[:3])
        save_path(folder, SavedPath("one", path, "latent", path.resample(7)))
    return run
