"""`isoline train`: a person, a script, a cluster launcher and the window all start trainings with this command."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import tyro

from core.cli.dataset_inspect import chosen_settings, summary
from core.cli.progress import progress_bar
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
from core.runs.metrics_log import Record
from core.training.launch import TO_BE_CONTINUED, requeue, with_launch
from core.utils.process_priority import lower_priority

LOST_MACHINE_S = 60.0
"""How long a job that was requeued waits until the lock of its run, which a lost machine had, is known to be stale."""
DECISION_S = 3600.0
"""How long a training waits for somebody to say how it goes on, when its loss has grown beyond reason."""


@dataclass(frozen=True)
class Options:
    """Train a model and record it in a run folder, or resume a run."""

    images: tyro.conf.Positional[str] = ""
    """A folder or file of images to train on, the same as --data.path. Settings that are not given follow from the
    images: their size and channels, the loss, epochs and batch size."""
    out: Path | None = None
    """The run folder. It is created if it does not exist. Not given: a new folder below runs/."""
    preset: Preset = "compact"
    """Defaults for the settings below: compact is Isoline's own network; article and article-weighted reproduce the
    networks and settings of the 2021 study."""
    config: Path | None = None
    """A JSON file with the defaults instead: a run's config.json, or a file with the sections below."""
    resume: bool = False
    """Continue the run in --out from its last checkpoint, a finished one, too. Its settings stay, but --training.epochs
    (of all, with those that are done), --training.learning-rate, --training.batch-size, --training.accumulation,
    --training.clip, --training.loss-limit, --loss.beta, --loss.gamma and the device may be given other values. More
    epochs begin a new one-cycle schedule that rises from the present learning rate. A trainer that waits because its
    loss has exploded is ended first."""
    requeue: bool = False
    """For a job of a cluster, which may be ended and started again with the same command: begin the run in --out, or go
    on with it if it is there, with the settings that it has; a finished one is left as it is. SIGUSR1 and SIGTERM save
    a checkpoint, SIGUSR1 then has SLURM requeue the job, and the exit status is 75."""
    devices: int | None = None
    """GPUs (or CPU processes) on each node; short for --training.devices. Not given: as many as torchrun or SLURM's
    srun has started, else 1."""
    nodes: int | None = None
    """Machines that train together; short for --training.nodes. Not given: as torchrun or srun has started."""
    tensorboard: bool = False
    """Also write losses and learning rate for TensorBoard while the training runs, into the folder "tensorboard" of the
    run. Needs tensorboardX (pip install "isoline[tensorboard]"). It is no setting of the training: give it again to
    resume."""
    nice: int = 0
    """Niceness, 0 to 19: higher values give this process a lower priority."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    chosen: tyro.conf.Suppress[frozenset[str]] = frozenset()

    @property
    def goes_on(self) -> bool:
        """Whether a run that is there goes on."""
        return self.resume or (self.requeue and self.out is not None and _is_run(self.out))

    def run_config(self) -> RunConfig:
        """The configuration these options describe; of own images, which are read for that, it follows from them.

        Raises ``ConfigError`` for two different paths, ``core.data.dataset.DatasetError``.
        """
        if self.images and self.data.path not in ("", self.images):
            raise ConfigError(f"images are {self.images!r}, and data.path is {self.data.path!r}; give one of them.")
        data = self.data if not self.images else dataclasses.replace(self.data, path=self.images)
        given = {
            name: getattr(self.training, name) if f"training.{name}" in self.chosen else getattr(self, name)
            for name in ("devices", "nodes")
        }
        machine = dict(zip(given, with_launch(**given), strict=True))
        machine = {name: value for name, value in machine.items() if value is not None}
        config = RunConfig(data, self.model, self.loss, dataclasses.replace(self.training, **machine))
        if data.drawn or self.goes_on or self.config is not None:
            return config
        return _with_suggestions(config, self.chosen)


def defaults(arguments: list[str]) -> Options:
    """The defaults that flags override: of the run to resume, of ``--config``, or of ``--preset``; and which settings
    have flags.

    Raises ``ConfigError`` or ``core.runs.directory.RunError`` for a file or run that cannot be read,
    ``core.data.allowed_files.NotAllowedError`` for a run whose images nobody here has agreed to.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--requeue", action="store_true")
    try:
        given, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:  # tyro will say what is wrong with the flags
        given = argparse.Namespace(preset="compact", config=None, out=None, resume=False, requeue=False)
    known: dict[str, Preset] = {name: name for name in PRESETS}
    preset = known.get(given.preset, "compact")  # tyro will refuse an unknown one
    if given.out is not None and (given.resume or (given.requeue and _is_run(given.out))):
        from core.data.allowed_files import allowed_data
        from core.runs.directory import RunDirectory
        from core.training.resume import present_config

        going_on = RunDirectory.open(given.out)
        allowed_data(going_on)
        base = present_config(going_on)
    elif given.config is not None:
        base = read_config(given.config)
    else:
        base = preset_config(preset)
    chosen = chosen_settings(arguments)
    return Options(
        preset=preset, data=base.data, model=base.model, loss=base.loss, training=base.training, chosen=chosen
    )


def _is_run(out: Path) -> bool:
    from core.runs.directory import RunDirectory

    return RunDirectory.exists(out)


def _with_suggestions(config: RunConfig, chosen: frozenset[str]) -> RunConfig:
    """``config`` with what follows from its images, all of them read and kept for the training; what is ``chosen``
    stays. Progress and result are printed on standard error. Raises ``core.data.dataset.DatasetError``."""
    from core.data.loading import with_absolute_path
    from core.data.suggested_settings import settings_from_images

    config = dataclasses.replace(config, data=with_absolute_path(config.data))
    with progress_bar("reading the images") as report:
        suggested, inspection = settings_from_images(config, chosen, report)
    print("\n".join(summary(inspection, suggested)), file=sys.stderr, flush=True)
    return suggested


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
    """Train; returns 0 when the training finished or was stopped, ``core.training.launch.TO_BE_CONTINUED`` when it was
    stopped by a signal of a cluster."""
    lower_priority(options.nice)

    from core.cli.train_progress import TrainDisplay
    from core.interchange.tensorboard import LiveScalars
    from core.runs.directory import RunDirectory, new_run_name
    from core.training.distributed import RankFailed
    from core.training.resume import present_config
    from core.training.trainer import run_training

    if (options.resume or options.requeue) and options.out is None:
        raise ConfigError("--out is missing; give the folder of the run that goes on.")
    resume = options.goes_on
    if options.requeue and resume:
        run = RunDirectory.open(cast(Path, options.out))
        if run.status() == "finished":
            print(f"{run.path} is finished")
            return 0
        # The flags are those of its beginning; what was changed since, as in the window, is in the run.
        going_on = present_config(run)
        options = dataclasses.replace(
            options, images="", data=going_on.data, model=going_on.model, loss=going_on.loss, training=going_on.training
        )
    config = options.run_config()
    out = options.out or Path("runs") / new_run_name(config)
    with contextlib.ExitStack() as stack:
        display = stack.enter_context(TrainDisplay(config, out))
        listeners: list[Callable[[Record], None]] = [display.record]
        if options.tensorboard:
            scalars = LiveScalars(out / "tensorboard", display.print)
            stack.callback(scalars.close)
            listeners.append(scalars.record)

        def record(record: Record) -> None:
            for listen in listeners:
                listen(record)

        # Of a training on several devices rank zero reports a failure, and its exit status is the one that counts.
        stack.enter_context(contextlib.suppress(RankFailed))
        patience_s = LOST_MACHINE_S if options.requeue else 0.0
        outcome = run_training(config, out, resume, record, display.data, DECISION_S, patience_s)
        if outcome.signal == "SIGUSR1" or (options.requeue and outcome.signal == "SIGTERM"):
            if options.requeue and outcome.signal == "SIGUSR1" and (told := requeue()):
                display.print(told)
            return TO_BE_CONTINUED
    return 0
