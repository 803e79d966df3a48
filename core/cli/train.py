"""`isoline train`: a person, a script, a cluster launcher and the window all start trainings with this command."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from core.config import (
    PRESETS,
    ConfigError,
    DataConfig,
    LossConfig,
    ModelConfig,
    Preset,
    RunConfig,
    TrainingConfig,
    config_from_dict,
    preset_config,
)
from core.utils.process_priority import lower_priority


@dataclass(frozen=True)
class Options:
    """Train a model and record it in a run folder, or resume a run."""

    out: Path
    """The run folder. It is created if it does not exist."""
    preset: Preset = "compact"
    """Defaults for the settings below: compact is Isoline's own network; article and article-weighted reproduce the
    networks and settings of the 2021 study."""
    config: Path | None = None
    """A JSON file with the defaults instead: a run's config.json, or a file with the sections below."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint, a finished one, too. Its settings stay, but --training.epochs
    (of all, with those that are done), --training.learning-rate, --training.batch-size, --training.clip, --loss.beta,
    --loss.gamma and the device may be given other values. More epochs begin a new one-cycle schedule that rises from
    the present learning rate."""
    devices: int | None = None
    """GPUs (or CPU processes) on each node; short for --training.devices."""
    nodes: int | None = None
    """Machines that train together; short for --training.nodes."""
    nice: int = 0
    """Niceness, 0 to 19: higher values give this process a lower priority."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def run_config(self) -> RunConfig:
        """The configuration these options describe."""
        machine = {name: value for name in ("devices", "nodes") if (value := getattr(self, name)) is not None}
        return RunConfig(self.data, self.model, self.loss, dataclasses.replace(self.training, **machine))


def defaults(arguments: list[str]) -> Options:
    """The defaults that flags override: of the run to resume, of ``--config``, or of ``--preset``.

    Raises ``ConfigError`` or ``core.runs.directory.RunError`` for a file or run that cannot be read.
    """
    import tyro

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    try:
        chosen, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # tyro will say what is wrong with the flags
        chosen = argparse.Namespace(preset="compact", config=None, out=None, resume=False)
    known: dict[str, Preset] = {name: name for name in PRESETS}
    preset = known.get(chosen.preset, "compact")  # tyro will refuse an unknown one
    if chosen.resume and chosen.out is not None:
        from core.runs.directory import RunDirectory
        from core.training.resume import present_config

        base = present_config(RunDirectory.open(chosen.out))
    elif chosen.config is not None:
        base = read_config(chosen.config)
    else:
        base = preset_config(preset)
    return Options(tyro.MISSING, preset, data=base.data, model=base.model, loss=base.loss, training=base.training)


def read_config(path: Path) -> RunConfig:
    """The configuration in a JSON file: as ``core.config.config_to_dict`` gives it, or a run's ``config.json``."""
    import msgspec

    try:
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid JSON ({error}).") from error
    if isinstance(content, dict) and "schema" in content:
        content = content.get("config")
    return config_from_dict(content, path)


def run(options: Options) -> int:
    """Train; returns 0 when the training finished or was stopped."""
    lower_priority(options.nice)

    from core.cli.train_progress import TrainDisplay
    from core.training.distributed import RankFailed
    from core.training.trainer import run_training

    config = options.run_config()
    with TrainDisplay(config, options.out) as display, contextlib.suppress(RankFailed):
        # Of a training on several devices rank zero reports a failure, and its exit status is the one that counts.
        run_training(config, options.out, options.resume, display.record, display.data)
    return 0


def exit_status(error: Exception) -> int:
    """1 if the training itself failed, 2 if it was refused."""
    return 1 if type(error).__name__ == "TrainingError" else 2
