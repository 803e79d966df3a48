"""One training from its configuration to a finished run directory: what ``isoline train`` does.

``run_training`` reads as one script: the run folder, the data, the model, the record, the loop. In a training on
several devices every process runs it; rank zero alone writes and reads commands, the others do as it says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.config import RunConfig
from core.data.allowed_files import allow_new, allowed_data
from core.data.dataset import Dataset
from core.data.loading import load_dataset, relative_path, with_absolute_path
from core.data.source_resolution import inherit_native_size, resolve_native_size
from core.runs.commands import resume_command
from core.runs.directory import MAX_PROBE, MAX_RECORDED, RunDirectory, RunError, unwritable
from core.runs.lock import RunLock
from core.runs.metrics_log import Record, read_metrics, rewrite_metrics
from core.training.accumulation import (
    has_batch_normalisation,
    is_out_of_memory,
    largest_part,
    least_part,
    memory_reason,
    more_parts,
)
from core.training.checkpoint import CheckpointError, copy_checkpoint, load_checkpoint, save_checkpoint
from core.training.control import Beginning, Steering, StopSignals, settle_commands
from core.training.device_step import kernels_for, place_of_images
from core.training.distributed import RankFailed, Ranks
from core.training.epoch_means import EpochMeans
from core.training.explosion import Exploded
from core.training.loop import Diverged, Step, TrainingError, make_fabric, train
from core.training.probe_embedding import ProbeMeans, make_probe
from core.training.recorder import History, Recorder
from core.training.resume import (
    Changes,
    acknowledged,
    apply_changes,
    carried_over,
    check_resumable,
    check_same_data,
    present_config,
    record_changes,
    remedy,
)
from core.training.run_metadata import dataset_metadata, run_metadata
from core.training.state import Hyperparameters, TrainingState
from core.training.threads import training_threads
from core.training.trial import choose_computation, inherit_computation
from core.utils.atomic_write import remove_temporaries
from core.utils.text import counted

PAUSE_POLL_S = 0.03
LOCK_POLL_S = 1.0
MOST_STOPPING_S = 30.0
"""How long a paused trainer may take to end."""
MOST_REASON = 300
"""Characters of what an allocator says that are told."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended. ``report``: see ``core.training.recorder.training_report``; None if it was stopped.
    ``signal`` is the name of the signal that stopped it, empty if none did; known on rank zero."""

    status: Literal["finished", "stopped"]
    run: RunDirectory
    report: Record | None
    signal: str = ""


def run_training(
    config: RunConfig,
    out: Path,
    resume: bool = False,
    on_event: Callable[[Record], None] | None = None,
    on_data: Callable[[float], None] | None = None,
    patience_s: float = 0.0,
    lock_patience_s: float = 0.0,
) -> Outcome:
    """Train ``config`` into run folder ``out``; with ``resume``, continue the run that is there.

    A run is continued with ``core.training.resume.present_config``, in which ``core.config.RESUME_SETTINGS`` may have
    other values, such as more epochs. What differs is recorded in ``metrics.jsonl`` and in ``config.json``.

    ``on_event`` gets each record of ``metrics.jsonl`` as it is written, ``on_data`` the fraction of the dataset that is
    ready; both on rank zero alone. A training whose loss has grown beyond reason (``core.training.explosion``) waits
    paused for ``patience_s`` seconds until a command says how to go on, and ends if none does. SIGINT, SIGTERM and
    SIGUSR1 end the training after its step, with a checkpoint. Another trainer that seems to have the run is given
    ``lock_patience_s`` to end: after a machine was lost, its lock looks alive for half a minute.

    Raises ``RunError`` (folder in use, unwritable, full), ``CheckpointError``, ``core.data.dataset.DatasetError``,
    ``core.models.device.DeviceError``, and ``TrainingError`` when the loss has grown beyond reason, memory is out, or
    another process of the training has failed. Whatever it raises, the last checkpoint is intact.
    """
    out = Path(out)
    with StopSignals() as signals, contextlib.ExitStack() as stack:
        fabric = make_fabric(config.training)
        fabric.launch()
        ranks = stack.enter_context(Ranks(fabric))

        # The run folder: rank zero opens the run to resume, and takes the lock.
        lock = RunLock(out / "lock")
        config = dataclasses.replace(config, data=with_absolute_path(config.data))
        claimed = ranks.on_rank_zero(lambda: _claim_folder(out, config, resume, lock, stack, lock_patience_s))
        existing, beginning = claimed or (None, None)
        if existing is not None:
            config = inherit_computation(inherit_native_size(config, existing.config), existing.config)
        config = ranks.share_config(config)  # rank zero alone has seen the run that is resumed

        # The data: rank zero fills the cache, the others read it.
        data = ranks.on_rank_zero(lambda: config.data if existing is None else allowed_data(existing)) or config.data
        data = ranks.share_config(dataclasses.replace(config, data=data)).data

        def progress(done: float) -> None:
            lock.moved("starting", 0)
            if on_data is not None:
                on_data(done)

        loaded = ranks.on_rank_zero(lambda: load_dataset(data, progress))
        dataset = load_dataset(data) if loaded is None else loaded

        # The model.
        config, computation = resolve_native_size(config, dataset), ""
        if fabric.world_size == 1:
            if existing is None:
                config, computation = choose_computation(config, len(dataset.train))
            fabric = make_fabric(config.training)  # of the precision that was chosen, now or when the run began
        state = TrainingState(config)
        stack.enter_context(kernels_for(config.training.deterministic, fabric.device))
        workers = stack.enter_context(training_threads(state, fabric.world_size, fabric.device.type))

        # The record: a new run directory, or the last checkpoint of the one to resume.
        def open_recorder() -> Recorder:
            with _writing(out):
                run = existing or _new_run(out, config, dataset)
                for folder in (run.path, run.checkpoints_path, run.path / "embeddings"):
                    remove_temporaries(folder)
                history, changes, restored = _restore(run, dataset, state) if existing else (None, {}, [])
                if history is None:  # what a training left that died before its first checkpoint goes
                    stored = [run.embedding_path(epoch) for epoch in [*run.embedding_epochs(), None]]
                    for path in (run.weights_path, *stored):
                        path.unlink(missing_ok=True)
                    rewrite_metrics(run.metrics_path, restored)
                    most = MAX_RECORDED if config.training.encoding_percent else MAX_PROBE
                    run.write_probe(make_probe(dataset, run.config.data.seed, most))
                    history = History()
                if changes:
                    run = record_changes(run, state, changes)
                probe, percent = run.read_probe(), config.training.encoding_percent
                means, others = ProbeMeans(probe, dataset, state, fabric, workers), None
                if len(probe.indices) > MAX_PROBE and percent:
                    others = EpochMeans(probe.indices, dataset, state, fabric, workers, percent)
                return Recorder(run, lock, state, means, history, on_event, restored, others)

        recorder = ranks.on_rank_zero(open_recorder)
        if recorder is not None:
            stack.callback(recorder.close)
        ranks.share_state(state)
        state.model.to(fabric.device)  # the first means are encoded before the first step

        # The loop, until the last epoch or a stop.
        try:
            steering = None
            if recorder is not None:
                steering = Steering(recorder, signals, beginning)
                paused = beginning is not None and beginning.paused
                recorder.begin(dataset, str(fabric.device), fabric.world_size, paused=paused)
                if computation:
                    recorder.event("computation", message=computation)
                if fabric.device.type != "cpu" and fabric.world_size == 1:
                    recorder.event("data", message=place_of_images(fabric.device, dataset))
            events = train(state, dataset, fabric, workers)
            stopped = _told_to_stop(steering, ranks, state)
            exploded: Exploded | None = None
            while not stopped and (event := next(events, None)) is not None:
                ranks.check()
                exploded = event if isinstance(event, Exploded) else None
                if recorder is not None and steering is not None:
                    if isinstance(event, Exploded):
                        recorder.explode(event, *_way_back(out, recorder))
                        steering.await_decision(patience_s)
                    elif isinstance(event, Step):
                        recorder.step(event)
                        steering.completed(event)
                    else:
                        recorder.epoch(event, last=state.epoch >= config.training.epochs)
                        steering.completed(event)
                if state.epoch < config.training.epochs:  # else nothing is left to steer
                    stopped = _told_to_stop(steering, ranks, state)
            ranks.part()
            if recorder is None or steering is None:
                return Outcome("stopped" if stopped else "finished", RunDirectory(out, config, {}), None)
            if exploded is not None and stopped:
                if steering.undecided:
                    raise Diverged(str(exploded))
                recorder.end_exploded()
                return Outcome("stopped", recorder.run, None, signals.received)
            if stopped:
                recorder.stop()
                return Outcome("stopped", recorder.run, None, signals.received)
            return Outcome("finished", recorder.run, recorder.finish(dataset, steering.told_to_end))
        except Exception as error:
            failure = ranks.failure_behind(error)
            if isinstance(error, OSError):
                error = unwritable(out, error)
            if recorder is None:
                raise RankFailed(str(error)) from error
            if failure is not None and failure.out_of_memory:
                raise _out_of_memory(out, config, state, recorder, failure.message, f" on {failure.where}") from error
            if failure is not None:
                recorder.fail(TrainingError(str(failure)))
                raise TrainingError(f"{failure}. To go on:\n  {resume_command(out, {})}") from error
            if is_out_of_memory(error):
                error.__traceback__ = None  # its frames hold what filled the memory
                raise _out_of_memory(out, config, state, recorder, str(error)) from None
            if isinstance(error, Diverged):
                changes, command = _way_back(out, recorder)
                recorder.fail(error, changes=changes, command=command)
                raise TrainingError(f"{error} This command does both:\n  {command}") from error
            recorder.fail(error)
            raise error


def _way_back(out: Path, recorder: Recorder) -> tuple[dict[str, float], str]:
    """The settings with which a training whose loss has grown beyond reason goes on from its last checkpoint, by
    ``section.field``, and the command that does so."""
    state = recorder.state
    saved = recorder.history.hyperparameters.get("learning_rate")
    changes = remedy(state.hyperparameters, saved, state.config.training.clip)
    return changes, resume_command(out, changes)


def _out_of_memory(
    out: Path, config: RunConfig, state: TrainingState, recorder: Recorder, reason: str, where: str = ""
) -> TrainingError:
    """Record that memory is out, with what helps; returns the error to raise."""
    training, least = config.training, least_part(state.model)
    size, now = training.batch_size, training.accumulation
    largest = largest_part(size, now, least)
    message = f"out of memory{where} at step {state.step + 1}, with {counted(largest, 'image')} at a time"
    message += f" ({memory_reason(reason)[:MOST_REASON]})." if reason else "."
    number = more_parts(size, now, least)
    if number is None:
        error = TrainingError(
            f"{message} A batch has no smaller parts: free memory, or start a new training with smaller images "
            "(data.image_size)."
        )
        recorder.fail(error)
        return error
    steps = "stay those of whole batches"
    if has_batch_normalisation(state.model):
        steps = "change a little, as batch normalisation sees a part at a time"
    message += (
        f" With accumulation {number} the gradients of {largest_part(size, number, least)} at a time are added up: "
        f"about half the memory, and the steps {steps}."
    )
    changes = {"training.accumulation": number}
    command = resume_command(out, changes)
    recorder.fail(TrainingError(message), changes=changes, command=command)
    return TrainingError(f"{message} This command does so:\n  {command}")


def _claim_folder(
    out: Path, config: RunConfig, resume: bool, lock: RunLock, stack: contextlib.ExitStack, patience_s: float
) -> tuple[RunDirectory, Beginning] | None:
    """Make sure that the folder can be written, and that nobody else writes it; returns the run to resume."""
    existing = None
    if resume:
        existing = RunDirectory.open(out)
        check_resumable(existing, inherit_computation(inherit_native_size(config, existing.config), existing.config))
        _end_undecided(existing)
    elif RunDirectory.exists(out):
        raise RunError(f"{out} already holds a run. Continue it with --resume, or choose another folder.")
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        lock.moved("starting", 0)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                stack.enter_context(lock)
                break
            except RunError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOCK_POLL_S)
    return None if existing is None else (existing, settle_commands(existing))


def _end_undecided(run: RunDirectory) -> None:
    """End the trainer of ``run`` that waits, its loss having grown beyond reason: to resume the run is the decision."""
    turns = ("exploded", "resumed", "started", "stopped", "finished", "failed")
    last = [record["event"] for record in read_metrics(run.metrics_path) if record.get("event") in turns][-1:]
    if last != ["exploded"] or run.status() != "paused":
        return
    run.steer(state="stopped")
    deadline = time.monotonic() + MOST_STOPPING_S
    while run.status() == "paused" and time.monotonic() < deadline:  # else the lock says who has the run
        time.sleep(PAUSE_POLL_S)


def _new_run(out: Path, config: RunConfig, dataset: Dataset) -> RunDirectory:
    metadata = run_metadata(dataset_metadata(dataset, relative_path(config.data, out)))
    allow_new(RunDirectory(out, config, metadata))
    return RunDirectory.create(out, config, metadata)


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turns the system's errors into a ``RunError`` that says what to do."""
    try:
        yield
    except OSError as error:
        raise unwritable(out, error) from error


def _restore(run: RunDirectory, dataset: Dataset, state: TrainingState) -> tuple[History | None, Changes, list[Record]]:
    """Put the last checkpoint of ``run`` into ``state``, and drop what was recorded after it.

    Returns what the training remembers, None if there is no checkpoint; what changes from here on; and the records of
    that and of what was acknowledged after the checkpoint, which are written.
    """
    path, before = run.last_checkpoint_path, present_config(run)
    records = read_metrics(run.metrics_path)
    if not path.exists():
        changes = apply_changes(run, state, before, len(dataset.train))
        known = dataclasses.asdict(Hyperparameters.of(run.config))
        return None, changes, carried_over(records, state, 0.0, known, changes)
    check_same_data(run, dataset)
    extra = load_checkpoint(path, state)
    try:
        history = History(**extra)
    except TypeError as error:
        raise CheckpointError(f"{path} was saved by another version of Isoline ({error}).") from error
    changes = apply_changes(run, state, before, len(dataset.train))

    def before_checkpoint(record: Record) -> bool:
        step = record.get("step", 0)
        return record.get("kind") != "report" and (step if isinstance(step, int) else 0) <= state.step

    kept = [record for record in records if before_checkpoint(record)]  # no step is recorded twice
    dropped = [record for record in records if not before_checkpoint(record)]
    if history.last_epoch and all(r.get("kind") != "epoch" or r["epoch"] != history.last_epoch["epoch"] for r in kept):
        kept.append(history.last_epoch)  # the training died between the two
    known = history.hyperparameters | acknowledged(kept).hyperparameters
    restored = carried_over(dropped, state, history.seconds, known, changes)
    # Before the checkpoint: it never has a value that the records lack.
    rewrite_metrics(run.metrics_path, [*kept, *restored])
    if history.best_epoch == state.epoch > 0 and state.position == 0:  # it may have died between the two checkpoints
        copy_checkpoint(path, run.best_checkpoint_path)
    for epoch in run.embedding_epochs():
        if epoch > state.epoch:
            run.embedding_path(epoch).unlink(missing_ok=True)
    if changes:  # else a training that dies before its next checkpoint would go on without them
        history.hyperparameters = dataclasses.asdict(state.hyperparameters)
        save_checkpoint(path, state, dataclasses.asdict(history))
    return history, changes, restored


def _told_to_stop(steering: Steering | None, ranks: Ranks, state: TrainingState) -> bool:
    """Between two steps: obey the commands that rank zero reads. Returns when training goes on, or shall stop."""
    while True:
        verdict = ranks.share_verdict("go" if steering is None else steering.verdict(), state.hyperparameters)
        if verdict != "wait":
            return verdict == "stop"
        time.sleep(PAUSE_POLL_S)
