"""The configuration of one training run: frozen dataclasses, their checks, and a strict JSON round trip.

One plain object says everything a run depends on. The command line, the window's forms and ``config.json`` are all
made from these classes, so a setting has one name, one default and one check. This module imports no torch.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 1

Source = Literal["curves", "folder", "npz"]
Geometry = Literal["article", "square"]
Preset = Literal["compact", "article", "article-weighted"]
Variance = Literal["constant", "learned"]
Reconstruction = Literal["bce", "mse"]
KlForm = Literal["article", "textbook"]
Entanglement = Literal["none", "product", "covariance", "dip"]
Optimizer = Literal["adamw", "adam"]
Schedule = Literal["one-cycle", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]

FULL = "full"
_SIZE = re.compile(r"[1-9]\d{0,3}x[1-9]\d{0,3}", re.ASCII)

PRESETS: tuple[Preset, ...] = ("compact", "article", "article-weighted")


class ConfigError(ValueError):
    """A configuration value that cannot be used; the message names it, its value and what would be right."""


def _check(condition: bool, name: str, value: object, wanted: str) -> None:
    if not condition:
        raise ConfigError(f"{name} is {value!r}; it must be {wanted}.")


def _finite(value: float, low: float, high: float = math.inf) -> bool:
    return math.isfinite(value) and low <= value <= high


@dataclass(frozen=True)
class DataConfig:
    """Which images to train on.

    ``curves`` draws ``count`` images of R(theta) = b cos(5 theta) + a from ``seed``; with ``punctured`` every sample
    within ``hole_radius`` of (``hole_a``, ``hole_b``) is left out. ``folder`` and ``npz`` read ``path``.
    """

    source: Source = "curves"
    """curves: drawn here; folder: PNG/JPEG files (sub-folders are classes); npz: dSprites keys."""
    path: str = ""
    """Folder or .npz file, for those two sources."""
    geometry: Geometry = "article"
    """How a curve becomes pixels: the published plots, or a plain square."""
    image_size: int = 256
    """Height and width of an image in pixels, 32 to 512."""
    channels: int = 1
    """1 for grey, 3 for colour."""
    count: int = 5000
    """How many curves are drawn, before the hole is cut."""
    seed: int = 0
    """Seed of the uniform draw of (a, b)."""
    punctured: bool = True
    """Leave out the samples inside the hole."""
    hole_a: float = 1.25
    """The hole's centre, scale a."""
    hole_b: float = 1.0
    """The hole's centre, petal depth b."""
    hole_radius: float = 0.3
    """The hole's radius in the (a, b) plane."""
    weighted: bool = False
    """Weigh shallow petals most, as the published transect experiment did."""
    validation_fraction: float | None = None
    """Share of the samples kept for validation, the last in file order; empty: as published."""

    def __post_init__(self) -> None:
        _check(self.source in ("curves", "folder", "npz"), "data.source", self.source, "curves, folder or npz")
        _check(self.geometry in ("article", "square"), "data.geometry", self.geometry, "article or square")
        _check(32 <= self.image_size <= 512, "data.image_size", self.image_size, "32 to 512")
        _check(self.channels in (1, 3), "data.channels", self.channels, "1 or 3")
        _check(2 <= self.count <= 10_000_000, "data.count", self.count, "2 to 10,000,000")
        _check(self.seed >= 0, "data.seed", self.seed, "0 or more")
        _check(_finite(self.hole_a, -1e6, 1e6), "data.hole_a", self.hole_a, "a finite number")
        _check(_finite(self.hole_b, -1e6, 1e6), "data.hole_b", self.hole_b, "a finite number")
        _check(_finite(self.hole_radius, 0.0, 1e6), "data.hole_radius", self.hole_radius, "0 or more")
        fraction = self.validation_fraction
        _check(fraction is None or _finite(fraction, 0.0, 0.9), "data.validation_fraction", fraction, "0 to 0.9")
        _check(self.source == "curves" or bool(self.path), "data.path", self.path, f"set for source {self.source!r}")


@dataclass(frozen=True)
class ModelConfig:
    """The VAE: which network, how many latent dimensions, which posterior variance."""

    preset: Preset = "compact"
    """compact: small and fast; article: as published; article-weighted: with encoder batch normalisation."""
    latent_dim: int = 3
    """Number of latent dimensions d, 1 to 64."""
    variance: Variance = "constant"
    """constant: z = mu + sigma eps; learned: a log-variance head."""
    sigma: float = 0.1
    """The posterior's standard deviation when it is constant."""
    native_size: str = "auto"
    """What the compact decoder draws, then enlarges: HEIGHTxWIDTH pixels; full: the images; auto: found from them."""

    def __post_init__(self) -> None:
        _check(self.preset in PRESETS, "model.preset", self.preset, "one of " + ", ".join(PRESETS))
        _check(1 <= self.latent_dim <= 64, "model.latent_dim", self.latent_dim, "1 to 64")
        _check(self.variance in ("constant", "learned"), "model.variance", self.variance, "constant or learned")
        _check(_finite(self.sigma, 1e-6, 10.0), "model.sigma", self.sigma, "above 0, at most 10")
        native = self.native_size
        sound = native in ("auto", FULL) or (bool(_SIZE.fullmatch(native)) and min(self.native(512)) >= 2)
        _check(sound, "model.native_size", native, "auto, full, or a height and width of 2 or more such as 172x229")

    def native(self, image_size: int) -> tuple[int, int]:
        """(height, width) that the compact decoder draws: ``image_size`` as long as no other size is known."""
        if self.native_size in ("auto", FULL):
            return image_size, image_size
        height, width = self.native_size.split("x")
        return int(height), int(width)


@dataclass(frozen=True)
class LossConfig:
    """L = reconstruction + beta KL + gamma entanglement."""

    reconstruction: Reconstruction = "bce"
    """bce: binary cross-entropy from logits; mse: mean squared error. Both are means over pixels."""
    kl: KlForm = "article"
    """article: mean over dimensions of mu^2 + sigma^2 - log sigma^2 - 1; textbook: half the sum over them."""
    entanglement: Entanglement = "none"
    """product: mean |mu_i mu_j|; covariance: mean |cov(mu_i, mu_j)| of the batch; dip: DIP-VAE-I, its squares."""
    beta: float = 3e-6
    """Weight of the KL term."""
    gamma: float = 0.0
    """Weight of the entanglement term."""

    def __post_init__(self) -> None:
        _check(self.reconstruction in ("bce", "mse"), "loss.reconstruction", self.reconstruction, "bce or mse")
        _check(self.kl in ("article", "textbook"), "loss.kl", self.kl, "article or textbook")
        wanted = ("none", "product", "covariance", "dip")
        _check(self.entanglement in wanted, "loss.entanglement", self.entanglement, "one of " + ", ".join(wanted))
        _check(_finite(self.beta, 0.0, 1e6), "loss.beta", self.beta, "a finite number, 0 or more")
        _check(_finite(self.gamma, 0.0, 1e6), "loss.gamma", self.gamma, "a finite number, 0 or more")


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is optimised, and on what."""

    epochs: int = 16
    """Passes over the training images."""
    batch_size: int = 16
    """Images a step, on each device."""
    optimizer: Optimizer = "adamw"
    """adamw or adam."""
    learning_rate: float = 2e-3
    """The learning rate; the peak of a one-cycle schedule."""
    schedule: Schedule = "one-cycle"
    """one-cycle: rise, then fall to zero; constant."""
    warmup: float = 0.15
    """Share of a one-cycle run that the learning rate rises."""
    weight_decay: float = 1e-4
    """Decoupled weight decay (adamw)."""
    clip: float = 1.0
    """Largest norm of the gradient; 0: not clipped."""
    seed: int = 0
    """Seed of initialisation, order and noise."""
    precision: Precision = "auto"
    """auto: bfloat16 where the device computes it fast, else float32."""
    device: Device = "auto"
    """auto: cuda, then mps, then cpu."""
    devices: int = 1
    """Devices (or CPU processes) on each node."""
    nodes: int = 1
    """Machines that train together."""

    def __post_init__(self) -> None:
        _check(1 <= self.epochs <= 1_000_000, "training.epochs", self.epochs, "1 or more")
        _check(1 <= self.batch_size <= 65_536, "training.batch_size", self.batch_size, "1 to 65,536")
        _check(self.optimizer in ("adamw", "adam"), "training.optimizer", self.optimizer, "adamw or adam")
        rate = self.learning_rate
        _check(_finite(rate, 0.0, 1e3) and rate > 0, "training.learning_rate", rate, "above 0")
        _check(self.schedule in ("one-cycle", "constant"), "training.schedule", self.schedule, "one-cycle or constant")
        _check(_finite(self.warmup, 0.0, 0.95), "training.warmup", self.warmup, "0 to 0.95")
        _check(_finite(self.weight_decay, 0.0, 10.0), "training.weight_decay", self.weight_decay, "0 to 10")
        _check(_finite(self.clip, 0.0), "training.clip", self.clip, "0 or more")
        _check(self.seed >= 0, "training.seed", self.seed, "0 or more")
        precisions = ("auto", "float32", "bfloat16")
        _check(self.precision in precisions, "training.precision", self.precision, "one of " + ", ".join(precisions))
        devices = ("auto", "cpu", "cuda", "mps")
        _check(self.device in devices, "training.device", self.device, "one of " + ", ".join(devices))
        _check(1 <= self.devices <= 1024, "training.devices", self.devices, "1 to 1024")
        _check(1 <= self.nodes <= 4096, "training.nodes", self.nodes, "1 to 4096")


@dataclass(frozen=True)
class RunConfig:
    """Everything that one run depends on; what ``config.json`` holds under ``config``."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        size = self.data.image_size
        wanted = f"at most the image size, {size}x{size}: images are enlarged from it"
        _check(max(self.model.native(size)) <= size, "model.native_size", self.model.native_size, wanted)


def preset_config(preset: Preset) -> RunConfig:
    """The settings that belong to a preset: Isoline's own for ``compact``, the published ones for the others."""
    if preset == "compact":
        return RunConfig()
    published = TrainingConfig(
        epochs=30, batch_size=8, optimizer="adam", learning_rate=1e-4, schedule="constant", weight_decay=0.0, clip=0.0
    )
    if preset == "article":
        return RunConfig(
            data=DataConfig(punctured=False),
            model=ModelConfig(preset="article"),
            loss=LossConfig(entanglement="product", beta=1e-3, gamma=1e-4),
            training=published,
        )
    if preset == "article-weighted":
        return RunConfig(
            data=DataConfig(weighted=True),
            model=ModelConfig(preset="article-weighted"),
            loss=LossConfig(beta=8e-3),
            training=published,
        )
    raise ConfigError(f"model.preset is {preset!r}; it must be one of {', '.join(PRESETS)}.")


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain JSON-ready dictionaries, nested as the classes are."""
    return dataclasses.asdict(config)


def config_from_dict(value: object, origin: str | Path = "configuration") -> RunConfig:
    """Build a checked ``RunConfig`` from parsed JSON.

    Raises ``ConfigError`` that names ``origin`` and the field for an unknown field, a wrong type or a bad value.
    """
    try:
        unknown = _unknown_fields(value)
        if unknown:
            raise ConfigError(f"unknown field {unknown[0]!r}; this version knows no such setting.")
        return msgspec.convert(value, RunConfig, strict=True)
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{origin}: {error}") from error


def _unknown_fields(value: object) -> list[str]:
    if not isinstance(value, dict):
        return []
    sections = {"data": DataConfig, "model": ModelConfig, "loss": LossConfig, "training": TrainingConfig}
    found = [str(name) for name in value if name not in sections]
    for name, section in sections.items():
        inner = value.get(name)
        if isinstance(inner, dict):
            known = {f.name for f in dataclasses.fields(section)}
            found += [f"{name}.{key}" for key in inner if key not in known]
    return found
