"""What is changed, one thing at a time, to find what limits a model inside the hole. Edit ``ABLATIONS`` to try more.

All are trained equally long, with the unchanged configuration beside them as the reference: the published way of
asking which part of a recipe matters. The budget is short, so rows compare with one another and not with the models
that were trained in full.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.config import ConfigError, RunConfig

EPOCHS = 6
"""Of every ablation and of the reference."""


@dataclass(frozen=True)
class Ablation:
    """One change of the default configuration."""

    name: str
    """Of its run's folder, after ``ablation-``."""
    label: str
    tests: str
    """What it tests, for the report."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings by their names, such as ``{"model.sigma": 0.05}``."""


REFERENCE = Ablation("reference", "default", "the reference: the default configuration, unchanged")

ABLATIONS = (
    Ablation(
        "full-size",
        "decoder at full resolution",
        "draws all pixels instead of enlarging a smaller image: do enlargement artefacts limit quality in the hole?",
        {"model.native_size": "full"},
    ),
    Ablation(
        "sigma-0.03",
        "σ = 0.03",
        "less noise: does the blur it causes limit quality in the hole?",
        {"model.sigma": 0.03},
    ),
    Ablation("beta-1e-4", "β = 1e-4", "a stronger KL term and so a smaller cloud", {"loss.beta": 1e-4}),
    Ablation("latent-2", "d = 2", "as many dimensions as factors: the surface must lie flat", {"model.latent_dim": 2}),
)

QUICK = ("sigma-0.03", "latent-2")
"""Names of those that a quick experiment tries."""


def with_changes(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """``config`` with settings replaced by name. Raises ``ConfigError`` for an unknown name or a bad value."""
    for name, value in changes.items():
        section, _, setting = name.partition(".")
        part = getattr(config, section, None)
        if part is None or setting not in {entry.name for entry in dataclasses.fields(part)}:
            raise ConfigError(f"there is no setting {name!r}; name one as in 'loss.beta'.")
        config = dataclasses.replace(config, **{section: dataclasses.replace(part, **{setting: value})})
    return config
