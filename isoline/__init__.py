"""Isoline from Python.

    import isoline

    run = isoline.open("runs/first")          # or: isoline.train(data={"count": 500}, training={"epochs": 2})
    run.latents, run.labels["a"]              # float32 (n, 3) and (n,): means mu and a factor of every sample
    images = run.decode([[0.5, -1.0, 2.0]])   # uint8 (1, 256, 256, 1)
    run.encode(images)                        # float32 (1, 3)
    run.trace("geodesic", run.latents[0], run.latents[1]).images()           # uint8 (65, 256, 256, 1): along a path
    view = isoline.explore(latents, images=images, labels=table, decode=function)    # a window on one's own

This package only gives names to parts of ``core``. Importing it loads neither torch nor Qt; torch is loaded by the
first training, decoding or encoding.
"""

from core import __version__
from core.config import ConfigError, DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig
from core.exploring.explore import explore
from core.exploring.run_paths import RunPath
from core.exploring.trained_run import TrainedRun
from core.exploring.trained_run import open_run as open
from core.exploring.trained_run import train_run as train
from core.exploring.view import View
from core.paths.latent_path import LatentPath
from core.runs.directory import RunError

__all__ = [
    "ConfigError",
    "DataConfig",
    "LatentPath",
    "LossConfig",
    "ModelConfig",
    "RunConfig",
    "RunError",
    "RunPath",
    "TrainedRun",
    "TrainingConfig",
    "View",
    "__version__",
    "explore",
    "open",
    "train",
]
