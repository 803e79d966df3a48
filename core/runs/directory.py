"""The run directory: everything a training writes and a watcher reads. It is the interface between the two.

    config.json              schema version, the configuration, metadata (versions, dataset fingerprint); written once,
                             and again when the run goes on with other settings (those before: metadata, history)
    metrics.jsonl            appended: steps, epochs, events, the final report (core.runs.metrics_log)
    probe.npz                once: the fixed samples whose means are recorded: indices, factors, thumbnails
    embeddings/              epoch-NNNNNN.npy after each epoch (000000: before training), live.npy about once a second;
                             of more than MAX_PROBE samples the means of the first ones, of as many as are encoded yet
    weights.safetensors      the newest weights
    checkpoints/             last.safetensors and best.safetensors: resumable states (core.training.checkpoint); beside
                             them exploded.safetensors, the state in which a loss had grown beyond reason, and
                             sound.safetensors, the last one from before a loss began to
    control.json             by whoever steers: desired state and live hyperparameters; control.lock: by whom just now
    lock                     by the trainer while it lives (core.runs.lock)
    model/                   files of a model that was imported; such a run has neither weights nor training

Whole files are written atomically, nothing in them can execute code, and this module imports no torch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from core.config import LIVE_SETTINGS, SCHEMA_VERSION, ConfigError, RunConfig, config_from_dict, config_to_dict
from core.runs.foreign import foreign_model
from core.runs.imported import KEY, ImportedModel, imported_model
from core.runs.lock import LockReader, Pulse, RunError
from core.runs.metrics_log import last_outcome
from core.runs.names import Names
from core.runs.split import HELD_OUT
from core.utils.atomic_write import atomic_file, write_atomic
from core.utils.untrusted import (
    MEGABYTE,
    UnreadableError,
    decode_json,
    open_regular,
    read_array,
    read_array_header,
    read_arrays,
    read_json,
)

MAX_PROBE = 20_000
"""Most samples whose means a training records at once, that have a thumbnail, and that what compares samples looks
at."""
MAX_RECORDED = 1_000_000
"""Most samples whose means a training records at all."""
DEFAULT_ROWS = 1_000_000
"""Most rows of latents that are taken from a file, unless another number is asked for."""
MAX_SAMPLES = 10_000_000
"""Most rows of means that are read."""
MAX_MEANS_BYTES = 8_192_000_000
CONTROL_PATIENCE_S = 2.0
"""How long a command waits for another program's to be written."""
MAX_PROBE_BYTES = 900 * MEGABYTE
MAX_MEAN = 1e15
"""Largest coordinate of a mean that can be shown: squares of distances stay finite in float32."""
MAX_FACTORS = 5_000
"""Most factors of the samples: each has its entries in lists and menus."""
MAX_FACTOR = 1e30
"""Largest value of a factor that can be shown: differences stay finite in float32."""
MAY_READ = "Check that it is there and that you may read it."
THUMBNAIL_SIZE = 32
_PROBE_ARRAYS = ("indices", "factors", "factor_names", "thumbnails", "split", "names", "categories")
SPLIT_NAMES = ("training", "validation", "held out")

Status = Literal["running", "paused", "finished", "stopped", "interrupted", "failed", "gone"]


@dataclass(frozen=True)
class Control:
    """What the one who steers wants; content of ``control.json``.

    ``sequence`` grows with each command; the trainer acknowledges it in ``metrics.jsonl`` within one step. ``advance``
    lets a paused trainer go one step or to the end of its epoch, once for each sequence number; ``steps`` and
    ``epochs`` count how often that was asked for, so that none is lost if several ask between two looks of the trainer.
    The hyperparameters apply as long as they stand here; None leaves the present value.
    """

    sequence: int = 0
    state: Literal["running", "paused", "stopped"] = "running"
    advance: Literal["none", "step", "epoch"] = "none"
    learning_rate: float | None = None
    beta: float | None = None
    gamma: float | None = None
    steps: int = 0
    epochs: int = 0

    def __post_init__(self) -> None:
        for name in ("sequence", "steps", "epochs"):
            if getattr(self, name) < 0:
                raise RunError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        for setting in LIVE_SETTINGS:
            value = getattr(self, setting.field.name)
            if value is not None and not setting.accepts(value):
                raise RunError(f"{setting.field.name} is {value}; it must be {setting.wanted}.")


@dataclass(frozen=True, eq=False)
class ProbeSet:
    """The fixed samples of a run: the first ``MAX_PROBE`` in file order, then the others.

    If there are others, the first ones have been drawn at random. The others of a training stand in parts of so many
    that are drawn alike, those of imported latents in file order. ``indices`` int64 (n,) into the dataset; ``factors``
    float32 (n, F) with ``factor_names``; ``thumbnails`` uint8 (m, 32, 32, C) of the first m samples, all n or
    ``MAX_PROBE``; ``split`` uint8 (n,), 0 training, 1 validation and 2 held out. ``categories`` are the names of each
    factor's values, an empty tuple for a number; ``names`` the samples' names, n or none (see
    ``core.data.dataset.Dataset``).
    """

    indices: np.ndarray
    factors: np.ndarray
    factor_names: tuple[str, ...]
    thumbnails: np.ndarray
    split: np.ndarray
    categories: tuple[tuple[str, ...], ...] = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        count = self.indices.size
        if len(self.factor_names) > MAX_FACTORS:
            raise RunError(
                f"the samples have {len(self.factor_names):,} factors; at most {MAX_FACTORS:,} can be shown."
            )
        if not isinstance(self.names, Names):
            object.__setattr__(self, "names", Names(self.names))
        if not self.categories:
            object.__setattr__(self, "categories", ((),) * len(self.factor_names))
        if len(self.categories) != len(self.factor_names):
            raise RunError(
                f"the probe set has categories for {len(self.categories)} factors; it has {len(self.factor_names)}."
            )
        if len(self.names) not in (0, count):
            raise RunError(f"the probe set has {len(self.names)} names for {count} samples; give each one, or none.")
        pictured = count if self.thumbnails.shape[:1] == (count,) else min(count, MAX_PROBE)
        for name, dtype, shape in (
            ("indices", np.int64, (count,)),
            ("factors", np.float32, (count, len(self.factor_names))),
            ("thumbnails", np.uint8, (pictured, THUMBNAIL_SIZE, THUMBNAIL_SIZE, *self.thumbnails.shape[3:])),
            ("split", np.uint8, (count,)),
        ):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                wanted = f"{np.dtype(dtype)} {shape}"
                raise RunError(f"{name} of the probe set is {array.dtype} {array.shape}; it must be {wanted}.")
        infinite = np.logical_or.reduce(np.isinf(self.factors), axis=0)
        for place, classes in enumerate(self.categories):
            wrong = bool(infinite[place])
            if classes:
                known = self.factors[:, place]
                known = known[~np.isnan(known)]
                wrong = wrong or not ((known >= 0) & (known < len(classes)) & (known == np.trunc(known))).all()
            if wrong:
                wanted = f"one of 0 to {len(classes) - 1}, the place of a class" if classes else "finite"
                name = self.factor_names[place]
                raise RunError(f"the factor {name} of the probe set has a value that is not {wanted}.")

    def factor(self, name: str) -> np.ndarray | None:
        """One factor float32 (n,); None where it is not known."""
        return self.factors[:, self.factor_names.index(name)] if name in self.factor_names else None

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """What is known about the samples, arrays (n,) by name: numbers float32, NaN where one is not known; classes
        as texts, "" where one is not known."""
        labels: dict[str, np.ndarray] = {}
        for name, column, classes in zip(self.factor_names, self.factors.T, self.categories, strict=True):
            places = np.where(np.isfinite(column), column, len(classes)).astype(np.int64) if classes else None
            labels[name] = column.copy() if places is None else np.array([*classes, ""], dtype=np.str_)[places]
        return labels

    @cached_property
    def has_thumbnails(self) -> bool:
        """Whether there are images: those of latents that came without any are black."""
        return bool(self.thumbnails.any())

    @property
    def seen(self) -> np.ndarray:
        """bool (n,): the samples that are not held out."""
        return self.split != HELD_OUT

    def part(self, chosen: np.ndarray) -> ProbeSet:
        """The samples of a mask bool (n,), or of places int (k,) among these; all that have a thumbnail, or a first
        part of them."""
        thumbnails = self.thumbnails[chosen[: len(self.thumbnails)] if chosen.dtype == bool else chosen]
        arrays = self.factors[chosen], self.factor_names, thumbnails, self.split[chosen]
        names = Names(np.asarray(self.names)[chosen]) if self.names else ()
        return ProbeSet(self.indices[chosen], *arrays, self.categories, names)

    def first(self, count: int) -> ProbeSet:
        """The first ``count`` samples: views of these."""
        if len(self.indices) <= count:
            return self
        names = self.names[:count] if self.names else ()
        arrays = self.factors[:count], self.factor_names, self.thumbnails[:count], self.split[:count]
        return ProbeSet(self.indices[:count], *arrays, self.categories, names)


class RunDirectory:
    """One run on disk. ``create`` or ``open`` makes one; reading never changes anything."""

    def __init__(self, path: Path, config: RunConfig, metadata: dict[str, Any]) -> None:
        self.path, self.config, self.metadata = path, config, metadata
        try:
            self.imported: ImportedModel | None = imported_model(metadata)
        except msgspec.ValidationError as error:
            raise RunError(
                f"{path / 'config.json'} is damaged in what it says of the imported model (metadata.{KEY}: {error}). "
                "Restore it from a copy of the run, or import the model again."
            ) from error
        self.model_path = path / "model"
        self.metrics_path = path / "metrics.jsonl"
        self.weights_path = path / "weights.safetensors"
        self.control_path = path / "control.json"
        self.lock_path = path / "lock"
        self.checkpoints_path = path / "checkpoints"
        self.last_checkpoint_path = self.checkpoints_path / "last.safetensors"
        self.best_checkpoint_path = self.checkpoints_path / "best.safetensors"
        self.exploded_checkpoint_path = self.checkpoints_path / "exploded.safetensors"
        self.sound_checkpoint_path = self.checkpoints_path / "sound.safetensors"
        self.probe_path = path / "probe.npz"
        self._lock = LockReader(self.lock_path)

    @property
    def network(self) -> str:
        """What its network is called: a preset, or the format of an imported model."""
        return self.config.model.preset if self.imported is None else self.imported.network

    @property
    def fingerprint(self) -> str:
        """What stays as it is when a run is moved, copied or trained further, as 32 hexadecimal digits."""
        config, dataset = self.config, self.metadata.get("dataset")
        content = [
            self.metadata.get("created"),
            dataset.get("fingerprint") if isinstance(dataset, dict) else None,
            [config.data.source, config.data.image_size, config.data.channels, config.data.seed],
            [config.model.preset, config.model.latent_dim, config.training.seed],
            self.imported,
        ]
        return hashlib.blake2b(msgspec.json.encode(content, order="deterministic"), digest_size=16).hexdigest()

    @property
    def can_be_opened(self) -> bool:
        """Whether there is a model to open: newest weights, those of a checkpoint, or one that was imported."""
        files = self.weights_path, self.last_checkpoint_path, self.best_checkpoint_path
        return self.imported is not None or any(path.is_file() for path in files)

    def check_trainable(self) -> None:
        """Raise ``RunError`` for an imported model: there is no training to go on with."""
        if self.imported is not None:
            raise RunError(
                f"{self.path} holds an imported model ({self.network}); it was not trained here and cannot be trained "
                "further."
            )

    def embedding_path(self, epoch: int | None) -> Path:
        """File of the means after ``epoch`` (0: before training); None: the live ones."""
        return self.path / "embeddings" / ("live.npy" if epoch is None else f"epoch-{epoch:06d}.npy")

    # making and opening

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether a run was created in folder ``path``."""
        return (Path(path) / "config.json").is_file()

    @classmethod
    def create(cls, path: Path, config: RunConfig, metadata: dict[str, Any]) -> RunDirectory:
        """Make a run of ``config`` in folder ``path``, which may exist but hold no run. ``config.json`` comes last.

        Raises ``RunError`` if there is a run already or the folder cannot be written.
        """
        path = Path(path)
        if cls.exists(path):
            raise RunError(f"{path} already holds a run. Choose another folder, or continue that run with --resume.")
        try:
            for folder in (path / "embeddings", path / "checkpoints"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        return cls(path, config, metadata).rewrite(config, metadata)

    def rewrite(self, config: RunConfig, metadata: dict[str, Any]) -> RunDirectory:
        """Give the run another configuration and metadata; returns it. Raises ``RunError`` where it cannot."""
        content = {"schema": SCHEMA_VERSION, "config": config_to_dict(config), "metadata": metadata}
        try:
            write_atomic(self.path / "config.json", msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        except OSError as error:
            raise unwritable(self.path, error) from error
        return RunDirectory(self.path, config, metadata)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open the run in folder ``path``. Raises ``RunError`` if it is missing, not a run, or of another version."""
        path = Path(path)
        file = path / "config.json"
        foreign = None if RunDirectory.exists(path) else foreign_model(path)
        if foreign is not None:
            raise RunError(str(foreign))
        if not path.is_dir():
            what = "is not a folder" if path.exists() else "does not exist"
            raise RunError(f"{path} {what}; give the folder of a run.")
        if not os.path.lexists(file):
            raise RunError(f"{path} is not a run: it has no config.json. Give a folder that `isoline train` wrote.")
        try:
            content = read_json(file)
        except OSError as error:
            raise RunError(f"{file} cannot be read ({error.strerror or error}). {MAY_READ}") from error
        except UnreadableError as error:
            raise RunError(f"{file} is damaged: {error}. Restore it from a copy of the run.") from error
        if not isinstance(content, dict) or type(content.get("schema")) is not int:
            foreign = foreign_model(path)  # others have a config.json, too
            if foreign is not None:
                raise RunError(str(foreign))
            raise RunError(f"{file} states no schema version; it is not the configuration of a run.")
        if content["schema"] != SCHEMA_VERSION:
            raise RunError(
                f"{file} has schema version {content['schema']}; this version of Isoline reads {SCHEMA_VERSION}. "
                "Open the run with the version that wrote it."
            )
        if not isinstance(content.get("config"), dict):
            raise RunError(f"{file} is damaged: it holds no configuration. Restore it from a copy of the run.")
        try:
            config = config_from_dict(content["config"], file)
        except ConfigError as error:
            raise RunError(str(error)) from error
        metadata = content.get("metadata")
        return cls(path, config, metadata if isinstance(metadata, dict) else {})

    # the probe set and its means

    def write_probe(self, probe: ProbeSet) -> None:
        """Store the fixed samples, once."""
        with atomic_file(self.probe_path) as file:
            np.savez(
                file,
                indices=probe.indices,
                factors=probe.factors,
                factor_names=np.array(probe.factor_names, dtype=np.str_),
                thumbnails=probe.thumbnails,
                split=probe.split,
                names=np.asarray(probe.names),
                categories=np.array([msgspec.json.encode(names).decode() for names in probe.categories], dtype=np.str_),
            )

    def read_probe(self) -> ProbeSet:
        """The fixed samples. Raises ``RunError`` if the file is missing or damaged."""
        path = self.probe_path
        try:
            data = read_arrays(path, MAX_PROBE_BYTES, _PROBE_ARRAYS)

            def texts(key: str) -> tuple[str, ...]:  # runs of earlier versions store neither names nor categories
                return tuple(map(str, data[key].ravel().tolist())) if key in data else ()

            categories = tuple(decode_json(text, tuple[str, ...]) for text in texts("categories"))
            arrays = data["indices"], data["factors"], texts("factor_names"), data["thumbnails"], data["split"]
            names = data.get("names", np.empty(0, dtype=np.str_))
            if names.dtype.kind != "U":
                raise RunError(f"its names are {names.dtype}; they must be texts.")
            probe = ProbeSet(*arrays, categories, Names(names))
            dataset = self.metadata.get("dataset")
            _check_values(probe, dataset.get("samples") if isinstance(dataset, dict) else None)
            return probe
        except FileNotFoundError as error:
            raise RunError(f"{path} does not exist (yet): the run has recorded no samples.") from error
        except KeyError as error:
            raise RunError(f"{path} is damaged: it has no {error}. Restore it from a copy of the run.") from error
        except RunError as error:
            raise RunError(f"{path} is damaged: {error} Restore it from a copy of the run.") from error
        except UnreadableError as error:
            raise RunError(f"{path} is damaged: {error}. Restore it from a copy of the run.") from error
        except OSError as error:
            raise RunError(f"{path} cannot be read ({error.strerror or error}). {MAY_READ}") from error

    def write_embedding(self, mu: np.ndarray, epoch: int | None = None) -> None:
        """Store means mu float32 (n, d) of the first n samples after ``epoch``; None: as the live ones."""
        if mu.ndim != 2 or mu.dtype != np.float32:
            raise ValueError(f"mu is {mu.dtype} {mu.shape}; it must be float32 (n, d).")
        with atomic_file(self.embedding_path(epoch)) as file:
            np.save(file, np.ascontiguousarray(mu), allow_pickle=False)

    def read_embedding(self, epoch: int | None = None) -> np.ndarray:
        """Means float32 (n, d) after ``epoch``; None: the newest. Raises ``RunError`` if there are none, or if they are
        damaged, not finite, or of another d than the run's."""
        path = self.embedding_path(epoch)
        latent_dim = self.config.model.latent_dim
        with self._means_file(path):
            mu = read_array(path, min(MAX_SAMPLES * latent_dim * 4, MAX_MEANS_BYTES))
        problem = ""
        if mu.dtype != np.float32 or mu.ndim != 2 or not len(mu) or mu.shape[1] != latent_dim:
            problem = f"it holds {mu.dtype} {mu.shape}, not float32 means (n, {latent_dim})"
        elif not (mu.max() <= MAX_MEAN and mu.min() >= -MAX_MEAN):  # NaN is not
            place = tuple(int(axis) for axis in np.argwhere(~(np.abs(mu) <= MAX_MEAN))[0])
            problem = f"the mean of sample {place[0]} has the coordinate {mu[place]:g}"
        if problem:
            raise RunError(f"{path} cannot be shown: {problem}. Restore it from a copy of the run.")
        return mu

    def recorded_count(self, epoch: int | None = None) -> int:
        """Of how many samples the means after ``epoch`` are stored, None: the newest, as the file's header says. Raises
        ``RunError`` if there are none or that is damaged."""
        path = self.embedding_path(epoch)
        with self._means_file(path), open_regular(path) as file:
            shape, _, _ = read_array_header(file)
            if not shape or shape[0] < 0:
                raise UnreadableError(f"it is an array of {shape}")
            return shape[0]

    @contextlib.contextmanager
    def _means_file(self, path: Path) -> Iterator[None]:
        """Turns what goes wrong in reading a file of means into a ``RunError`` that says what to do."""
        try:
            yield
        except FileNotFoundError as error:
            raise RunError(f"{path} does not exist; the stored epochs are {self.embedding_epochs()}.") from error
        except UnreadableError as error:
            raise RunError(f"{path} is damaged: {error}. Restore it from a copy of the run.") from error
        except OSError as error:
            raise RunError(f"{path} cannot be read ({error.strerror or error}). {MAY_READ}") from error

    def newest_embedding(self) -> np.ndarray:
        """The live means float32 (n, d), or those of the last epoch. Raises ``RunError`` if there are none."""
        epochs = self.embedding_epochs()
        if self.live_stamp() is None and not epochs:
            raise RunError(
                f"{self.path} has no latent means; they are recorded from the first training step on. If it had some, "
                "restore embeddings/ from a copy of the run."
            )
        return self.read_embedding(epochs[-1] if self.live_stamp() is None else None)

    def read_cloud(self) -> tuple[ProbeSet, np.ndarray]:
        """The fixed samples, as far as they are encoded with the newest weights, and their means float32 (n, d).

        Raises ``RunError``, also if they do not belong together."""
        probe, mu = self.read_probe(), self.newest_embedding()
        return self.samples_of(probe, mu), mu

    def samples_of(self, probe: ProbeSet, mu: np.ndarray) -> ProbeSet:
        """The samples that the means ``mu`` (n, d) are of: the first n of ``probe``, all or at least ``MAX_PROBE``.

        Raises ``RunError`` if ``mu`` are the means of other samples."""
        if not min(len(probe.indices), MAX_PROBE) <= len(mu) <= len(probe.indices):
            raise RunError(
                f"{self.path} holds means of {len(mu):,} samples, and {len(probe.indices):,} samples; restore "
                f"{self.probe_path.name} and embeddings/ from the same copy of the run."
            )
        return probe.first(len(mu))

    def embedding_epochs(self) -> list[int]:
        """Epochs with stored means, rising."""
        names = (path.stem.removeprefix("epoch-") for path in (self.path / "embeddings").glob("epoch-*.npy"))
        return sorted(int(name) for name in names if name.isdecimal())

    def live_stamp(self) -> int | None:
        """A number that changes whenever the live means do; None while there are none."""
        return self.embedding_stamp(None)

    def embedding_stamp(self, epoch: int | None) -> int | None:
        """A number that changes whenever the means after ``epoch`` do, None: the live ones; None while there are
        none."""
        return _stamp(self.embedding_path(epoch))

    def weights_stamp(self) -> int | None:
        """A number that changes whenever the newest weights do; None while there are none, or no file of them."""
        return _stamp(self.weights_path) if self.weights_path.is_file() else None

    # steering

    def steer(self, **wanted: Any) -> Control:
        """Give the trainer a command: the present one with what is ``wanted`` of it instead, and the next number.

        Several windows and programs may do so at once: each adds to what the one before has written, and a pause does
        not take back a stop. ``advance`` is for one command only. Raises ``RunError`` if the command cannot be written.
        """

        def next_command(present: Control) -> Control:
            stopped = present.state == "stopped" and wanted.get("state") == "paused"
            state = {"state": "stopped"} if stopped else {}
            advance = wanted.get("advance", "none")
            asked = {
                "steps": present.steps + (advance == "step"),
                "epochs": present.epochs + (advance == "epoch"),
                "sequence": present.sequence + 1,
            }
            return dataclasses.replace(present, **{"advance": "none", **wanted, **state, **asked})

        return self.change_control(next_command)

    def write_control(self, control: Control) -> None:
        """Write a whole command. Raises ``RunError`` if it cannot be written, or if another program has written a
        command of the same number or a higher one since: see ``steer``."""

        def newer(present: Control) -> Control:
            if present.sequence >= control.sequence and present not in (control, Control()):
                raise RunError(
                    f"{self.control_path} has command {present.sequence} of another program, so command "
                    f"{control.sequence} is not written over it. Read it again, and give the next number."
                )
            return control

        self.change_control(newer)

    def change_control(self, change: Callable[[Control], Control]) -> Control:
        """Replace the command by what ``change`` makes of the present one (of none, if it is malformed), while nobody
        else can; returns it. Raises ``RunError`` if it cannot be written."""
        import filelock  # here, for a window that only looks needs none

        try:
            os.stat(self.path)  # the lock would make the folder anew
            with filelock.FileLock(self.path / "control.lock", timeout=CONTROL_PATIENCE_S, poll_interval=0.005):
                try:
                    present = self.read_control()
                except RunError:  # malformed: the trainer ignores it and reports it
                    present = Control()
                control = change(present)
                write_atomic(self.control_path, msgspec.json.encode(dataclasses.asdict(control)) + b"\n")
                return control
        except filelock.Timeout as error:
            raise RunError(f"{self.control_path} is being written by another program; try again.") from error
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self.path.exists():
                raise unwritable(self.path, error) from error
            raise RunError(
                f"{self.control_path} cannot be written ({error.strerror or error}), so the training cannot be told "
                "anything. Make that folder writable for you, or steer it from an account that may write there."
            ) from error

    def read_control(self) -> Control:
        """The last command; ``Control()`` if there was none. Raises ``RunError`` if the file is malformed."""
        try:
            return read_json(self.control_path, Control)
        except FileNotFoundError:
            return Control()
        except (UnreadableError, RunError) as error:
            raise RunError(f"{self.control_path} is not a command ({error}); it is ignored.") from error
        except OSError as error:
            raise RunError(f"{self.control_path} cannot be read ({error.strerror or error}).") from error

    def control_stamp(self) -> int | None:
        """A number that changes whenever ``control.json`` does; None while there is none."""
        return _stamp(self.control_path)

    def pulse(self) -> Pulse | None:
        """The trainer, while it lives: whether its process is stopped, when its heart last beat, and what it is at."""
        return self._lock.pulse()

    def status(self) -> Status:
        """What the run is doing: running or paused while its trainer lives; afterwards how it ended.

        ``interrupted``: the trainer is gone without a word (killed, power cut); the run can be resumed. ``gone``: its
        folder was deleted or moved.
        """
        holder = self._lock.alive()
        if holder is not None:
            return holder.state
        if not self.path.is_dir():
            return "gone"
        if self.imported is not None:
            return "finished"
        outcome = last_outcome(self.metrics_path)
        if outcome == "finished" or outcome == "failed" or outcome == "stopped":
            return outcome
        # A model that is handed on without its history is a finished one.
        return "interrupted" if self.metrics_path.exists() or self.weights_stamp() is None else "finished"


def new_run_name(config: RunConfig) -> str:
    """Name for the folder of a run that starts now: date, time, network and data, so that folders sort by age."""
    images = "curves" if config.data.drawn else Path(config.data.path).stem[:40]
    return f"{datetime.now():%Y-%m-%d %H-%M-%S} {config.model.preset} {images}"


def unwritable(path: Path, error: OSError) -> RunError:
    """The error to raise when ``path`` could not be written."""
    if isinstance(error, FileNotFoundError) and not path.exists():
        return RunError(f"{path} is gone: it was deleted or moved, and nothing more is written.")
    return RunError(
        f"{path} cannot be written ({error.strerror or error}). "
        "Free some space or choose a folder that can be written with --out; what was saved before is intact."
    )


def _check_values(probe: ProbeSet, samples: object) -> None:
    """Raise ``RunError`` for values that no training has written, which whoever shows them takes for granted.
    ``samples`` is how many the dataset has, if that is known."""
    first = set(probe.factor_names)
    if len(first) != len(probe.factor_names) or "" in first:
        raise RunError(f"its factors are called {', '.join(map(repr, probe.factor_names))}; each needs its own name.")
    if probe.thumbnails.shape[3:] not in ((1,), (3,)):
        raise RunError(f"its thumbnails have the shape {probe.thumbnails.shape}; they must have 1 or 3 channels.")
    if (probe.split > HELD_OUT).any():
        raise RunError(f"its split has the value {probe.split.max()}; it must be 0 to {HELD_OUT}.")
    rising = np.sort(probe.indices)  # numpy's unique takes seconds for a million
    if (rising < 0).any() or (rising[1:] == rising[:-1]).any():
        raise RunError("its indices are negative or repeated; each sample must have its own.")
    if isinstance(samples, int) and (probe.indices >= samples).any():
        raise RunError(f"it names sample {probe.indices.max()}, and the dataset has {samples:,}.")
    large = np.abs(probe.factors) > MAX_FACTOR  # NaN, for a value that is not known, is not
    if large.any():
        raise RunError(f"a factor has the value {probe.factors[large][0]:g}; at most {MAX_FACTOR:g} can be shown.")


def _stamp(path: Path) -> int | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return hash((status.st_mtime_ns, status.st_ino, status.st_size))


def folder_of(path: Path) -> Path:
    """The folder of the run whose weights or checkpoint ``path`` is; ``path`` itself if it is neither."""
    if path.suffix == ".safetensors" and path.is_file():
        for folder in (path.absolute().parent, path.absolute().parent.parent):
            if RunDirectory.exists(folder):
                return folder
    return path
