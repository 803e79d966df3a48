"""What the engine's tests share: tiny runs, and an engine in this process that is worked slice by slice."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from core.data.allowed_files import allow
from core.engine.server import WAIT_S, Engine
from core.models.network_inference import NetworkInference
from core.models.vae import VAE, build_model
from core.protocol.messages import Load, Request
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory
from core.runs.imported import KEY, LatentsOnly, stored_form
from core.training.checkpoint import save_weights

TINY = RunConfig(
    data=DataConfig(image_size=32, count=60),
    model=ModelConfig(latent_dim=3),
    training=TrainingConfig(device="cpu"),
)


def seeded(config: RunConfig, seed: int) -> VAE:
    return build_model(replace(config, training=replace(config.training, seed=seed)))


def make_run(path: Path, config: RunConfig = TINY, seed: int = 0, step: int = 5) -> RunDirectory:
    run = RunDirectory.create(path, config, {})
    allow(run)  # as a training does
    write_weights(run, seed, step)
    probe = ProbeSet(
        np.arange(4, dtype=np.int64),
        np.zeros((4, 2), np.float32),
        ("a", "b"),
        np.zeros((4, THUMBNAIL_SIZE, THUMBNAIL_SIZE, config.data.channels), np.uint8),
        np.zeros(4, np.uint8),
    )
    run.write_probe(probe)
    return run


def make_latents_run(path: Path, d: int = 3, count: int = 12) -> RunDirectory:
    """A run of imported latents, drawn from the prior, with one factor, and neither network nor images."""
    config = RunConfig(data=DataConfig(source="none", image_size=32), model=ModelConfig(latent_dim=d))
    run = RunDirectory.create(path, config, {KEY: stored_form(LatentsOnly(notes=("as they were",)))})
    mu = np.random.default_rng(0).standard_normal((count, d)).astype(np.float32)
    thumbnails = np.zeros((count, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1), np.uint8)
    run.write_probe(ProbeSet(np.arange(count), mu[:, :1].copy(), ("x",), thumbnails, np.zeros(count, np.uint8)))
    run.write_embedding(mu)
    return run


def write_weights(run: RunDirectory, seed: int, step: int) -> NetworkInference:
    """Give the run other weights; returns them ready to decode."""
    model = seeded(run.config, seed)
    save_weights(run.weights_path, model.state_dict(), run.config, step=step)
    return NetworkInference(model)


class Steps:
    """An engine in this process, worked by hand, with ``run`` open."""

    def __init__(self, run: RunDirectory) -> None:
        self.replies: list[Any] = []
        self.engine = Engine(self.replies.append)
        self._stamp = 0
        self.ask(Load, path=str(run.path))
        self.replies.clear()

    def do(self, *requests: Request, slices: int = 10_000) -> None:
        """Take ``requests``, then work until all are answered or the slices are used up."""
        for request in requests:
            self.engine.accept(request)
        while slices and self.engine.busy:
            if self.engine.advance():
                slices -= 1
            else:
                time.sleep(WAIT_S)  # something outside is waited for: files, or scipy being loaded

    def ask(self, kind: type, /, **fields: Any) -> Any:
        """The last reply to a request, all else done too."""
        self._stamp += 1
        self.do(kind(stamp=self._stamp, **fields))
        return next(reply for reply in reversed(self.replies) if reply.stamp == self._stamp)

    @property
    def answered(self) -> list[int]:
        return [reply.stamp for reply in self.replies]
