"""`isoline encode` into a folder of parts: one shard in this process, or several, each in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from core.cli.progress import progress_bar
from core.cli.workers import worker_environment
from core.training.launch import TO_BE_CONTINUED, requeue
from core.utils.text import counted

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from core.cli.encode import Options
    from core.config import DataConfig, Precision
    from core.data.latents.parts import PartsFolder
    from core.data.pixels import Survey
    from core.data.sources.source import ImageSource
    from core.training.bulk_encoding import Progress

QUIET_S = 10.0
"""Between two lines where there is no terminal."""
SLOW = 0.8
"""Of the encoder's own rate: below that, it is told that something else holds it up."""
_POLL_S = 0.2


def run_parts(options: Options, out: Path) -> int:
    """Encode, into the folder ``out``, a shard, or all shards of this machine; returns 0, 1 if a worker failed, or
    ``core.training.launch.TO_BE_CONTINUED`` after SIGUSR1.

    Raises ``LatentsError`` for flags that cannot be used, and what ``core.training.bulk_encoding`` raises.
    """
    from core.data.latents.parts import NO_PYARROW, PartsFolder
    from core.paths.latents_file import LatentsError

    for name in ("workers", "batch_size", "per_part"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise LatentsError(f"--{name.replace('_', '-')} is {value}; it must be 1 or more.")
    if options.format == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise LatentsError(NO_PYARROW) from error
    folder = PartsFolder(out.absolute())
    number, shards = shard_of(options.shard, os.environ)
    if options.workers > 1:
        return _run_workers(options, folder, number, shards)
    return _run_shard(options, folder, number, shards)


def shard_of(text: str, environment: Mapping[str, str]) -> tuple[int, int]:
    """(I, N) of a ``text`` I/N; where that is empty, the place of this task in its SLURM array; else (1, 1).

    Raises ``LatentsError``.
    """
    from core.paths.latents_file import LatentsError

    if text:
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        number, shards = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= shards:
            raise LatentsError(f"--shard is {text!r}; it must be I/N with I from 1 to N, such as 3/16.")
        return number, shards
    names = ("ID", "MIN", "MAX", "COUNT", "STEP")
    values = {name: environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names}
    if not values["ID"]:
        return 1, 1
    try:
        task, first, last, count = (int(values[name]) for name in ("ID", "MIN", "MAX", "COUNT"))
        step = int(values["STEP"] or 1)
    except ValueError:
        task, first, last, count, step = 0, 0, 0, 0, 1
    if step < 1 or count != (last - first) // step + 1:  # such as --array=1,4,9
        raise LatentsError("this SLURM array is no plain range such as --array=0-15, so give --shard I/N to each task.")
    return (task - first) // step + 1, count


def _run_shard(options: Options, folder: PartsFolder, number: int, shards: int) -> int:
    from core.data.sources.listing import located, written
    from core.training.bulk_encoding import (
        IMAGES_PER_PART,
        MOST_PART_BYTES,
        encode_shard,
        open_encoder,
        prepare_parts,
        settings_of,
    )
    from core.training.like_run import look_at

    exact, fast, config = open_encoder(options.model, options.device, options.precision)
    per_part = options.per_part or max(1, min(IMAGES_PER_PART, MOST_PART_BYTES // (4 * exact.latent_dim)))
    sources = [written(located(source)) for source in options.images]
    settings = settings_of(options.model, sources, fast.precision, options.format, per_part)
    data = dataclasses.replace(config.data, source="files", path=sources[0], array="")

    def look(source: ImageSource, data: DataConfig) -> tuple[DataConfig, Survey, np.ndarray, list[str]]:
        found = look_at(options.model, source, data)
        return found.data, found.common, found.prepared.images, [found.unlike] if found.unlike else []

    automatic = {"precision"} if options.precision == "auto" else set()
    automatic |= {"images_per_part"} if options.per_part is None else set()
    manifest = prepare_parts(folder, settings, frozenset(automatic), data, exact, fast, look)
    if manifest.settings.precision != fast.precision:
        _, fast, _ = open_encoder(options.model, options.device, cast("Precision", manifest.settings.precision))
    about = f"shard {number}/{shards}: " if shards > 1 else ""
    print(f"{about}{counted(manifest.images, 'image')} in {counted(manifest.parts, 'part')}, listed {manifest.made}")
    print("\n".join(manifest.notes), flush=True)
    with _shown(about) as show, _stopping() as stopped:
        progress = encode_shard(
            folder, manifest, fast, (number, shards), options.batch_size, show, lambda: bool(stopped())
        )
        received = stopped()
    print(f"{about}{_summary(progress)}")
    if received:
        print(f"{about}stopped; run the same command again to go on")
    missing = manifest.parts - len(folder.done(manifest.parts))
    if missing:
        print(f"{folder.path}: {missing:,} of {counted(manifest.parts, 'part')} not done yet")
    else:
        print(f"{folder.path}: all {counted(manifest.parts, 'part')} done")
    return _status(received)


def _status(received: str) -> int:
    """The exit status after a signal, empty if there was none: SIGUSR1 says that the job's time is nearly up."""
    if received != "SIGUSR1":
        return 0
    if told := requeue():
        print(told, flush=True)
    return TO_BE_CONTINUED


def _summary(progress: Progress) -> str:
    said = f"{progress.parts_done} of {counted(progress.parts, 'part')} done"
    if progress.left_out:
        said += f", {counted(progress.left_out, 'image')} left out that could not be read (see the folder done)"
    if progress.done:
        said += f"; {progress.rate:.0f} images/s, the encoder alone {progress.alone:.0f}"
        said += f", in batches of {progress.batch}"
        if progress.rate < SLOW * progress.alone:
            said += " (reading the images holds it up)"
    return said


@contextlib.contextmanager
def _shown(about: str) -> Iterator[Callable[[Progress], None]]:
    """What shows progress: a bar in a terminal, else a line now and then."""
    told = time.monotonic()
    with progress_bar(f"{about}encoding") as bar:

        def show(progress: Progress) -> None:
            nonlocal told
            bar(progress.parts_done / max(1, progress.parts))
            if not sys.stderr.isatty() and time.monotonic() - told >= QUIET_S:
                told = time.monotonic()
                part = f"{progress.parts_done} of {counted(progress.parts, 'part')}"
                print(f"{about}{part}, {progress.rate:.0f} images/s", flush=True)

        yield show


@contextlib.contextmanager
def _stopping() -> Iterator[Callable[[], str]]:
    """Within the block signals that ask for an end are noted: the answer is the name of the first, empty before."""
    from core.training.control import StopSignals

    with StopSignals() as signals:
        yield lambda: signals.received


def _run_workers(options: Options, folder: PartsFolder, number: int, shards: int) -> int:
    """Run the shard's share of parts in ``options.workers`` processes; each prints at its end what it has done."""
    count = options.workers
    running = []
    with contextlib.ExitStack() as stack:
        for worker in range(count):
            environment = worker_environment(worker, count, options.device)
            place = f"{(number - 1) * count + worker + 1}/{shards * count}"
            output = stack.enter_context(tempfile.TemporaryFile())
            command = [sys.executable, "-P", "-m", "core.cli", *_arguments(options), "--shard", place]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            stack.callback(_end, process)
            running.append((process, output))
        bar = stack.enter_context(progress_bar(f"encoding, {counted(count, 'worker')}"))
        stopped, passed_on = stack.enter_context(_stopping()), False
        while any(process.poll() is None for process, _ in running):
            time.sleep(_POLL_S)
            bar(_share_done(folder))
            if stopped() and not passed_on:
                passed_on = True
                for process, _ in running:
                    process.terminate()  # each ends after a few images
        for process, output in running:
            output.seek(0)
            text = output.read().decode("utf-8", "replace").rstrip()
            print(text, file=sys.stderr if process.returncode else sys.stdout, flush=True)
        if any(process.returncode not in (0, TO_BE_CONTINUED) for process, _ in running):
            return 1
        return _status(stopped())


def _share_done(folder: PartsFolder) -> float:
    """Of all parts of the folder, those of other shards included."""
    if not folder.manifest_path.exists():
        return 0.0
    parts = folder.manifest().parts
    return len(folder.done(parts)) / max(1, parts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a worker that still runs, because this process is interrupted; what it has written stays."""
    if process.poll() is None:
        process.terminate()
        process.wait()


def _arguments(options: Options) -> list[str]:
    """The command of a worker, without its shard."""
    given = {
        "out": options.out,
        "format": options.format,
        "precision": options.precision,
        "device": options.device,
        "batch-size": options.batch_size,
        "per-part": options.per_part,
    }
    flags = [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]
    return ["encode", str(options.model), *map(str, options.images), *flags]
