"""`isoline slurm`: a batch script for SLURM that runs a command of isoline, to be given to sbatch."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from core.config import ConfigError
from core.utils.atomic_write import write_atomic

COMMANDS = ("train", "encode", "experiment")
SIGNAL_S = 120
"""Seconds before the end of its time at which a job is told; a checkpoint takes a few."""
_TIME = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}")
_NAME = re.compile(r"[A-Za-z0-9_.,:/@+\[\]-]+")


@dataclass(frozen=True)
class Options:
    """Print a batch script for SLURM that runs an isoline command, for example

        isoline slurm --nodes 2 --gpus 4 --time 12:00:00 -- train images/ --out runs/first > first.sbatch
        isoline slurm --array 64 --gpus 1 --time 2:00:00 -- encode runs/first images/ --out means > means.sbatch

    and then `sbatch first.sbatch`. The command stands after "--"; it is train, encode or experiment. Two minutes
    before its time is up it keeps what it has done and is queued again, and goes on where it was, as after a
    preemption or the loss of a node; a training gets --requeue for that.
    """

    command: tyro.conf.Positional[tuple[str, ...]]
    """train, encode or experiment, with its arguments."""
    time: str = "24:00:00"
    """The most that a job takes, as SLURM writes it: hours:minutes:seconds, days-hours. A training that needs more is
    queued again."""
    nodes: int = 1
    """Machines that train together."""
    gpus: int = 0
    """GPUs on each node, each with a process of its own; 0: CPUs alone. Experiments use one."""
    tasks: int | None = None
    """For train: processes on each node. Not given: one for each GPU, and at least one."""
    cpus: int = 4
    """Processors for each process."""
    memory: str = ""
    """Memory of each node, such as 64G; empty: the cluster's default."""
    array: int | None = None
    """For encode: so many jobs, each of which encodes one shard."""
    at_once: int | None = None
    """Jobs of an array that run at the same time, at most."""
    partition: str = ""
    """The queue; empty: the cluster's default."""
    account: str = ""
    """Whom the time is charged to; empty: the default."""
    name: str = ""
    """The job's name; empty: isoline and the command."""
    setup: tuple[str, ...] = ()
    """Lines of shell to run before, each quoted as one argument, such as "module load cuda"."""
    python: str = ""
    """The Python in which Isoline is installed, on the cluster; empty: the one that prints this."""
    log: str = ""
    """Folder for what the job prints; it must exist. Empty: where sbatch is called."""
    out: Annotated[Path | None, tyro.conf.arg(name="script")] = None
    """Write the script into this file instead of standard output."""


def run(options: Options) -> int:
    """Print or write the script; returns 0. Raises ``ConfigError`` for what SLURM would refuse or not do."""
    text = batch_script(options)
    if options.out is None:
        sys.stdout.write(text)
    else:
        write_atomic(options.out, text.encode())
        print(f"{options.out} written; queue it with: sbatch {shlex.quote(str(options.out))}", file=sys.stderr)
    return 0


def batch_script(options: Options) -> str:
    """The script. Raises ``ConfigError``."""
    _check(options)
    kind, *arguments = options.command
    tasks = (options.tasks or max(1, options.gpus)) if kind == "train" else 1
    name, log = options.name or f"isoline-{kind}", f"{options.log.rstrip('/')}/" if options.log else ""
    at_once = f"%{options.at_once}" if options.at_once else ""
    directives = {
        "job-name": name,
        "nodes": options.nodes,
        "ntasks-per-node": tasks,
        "cpus-per-task": options.cpus,
        "gpus-per-node": options.gpus or None,
        "mem": options.memory or None,
        "time": options.time,
        "partition": options.partition or None,
        "account": options.account or None,
        "array": None if options.array is None else f"1-{options.array}{at_once}",
        "output": f"{log}{name}-{'%j' if options.array is None else '%A_%a'}.log",
        "open-mode": "append",  # a job that is queued again goes on with its file
        "signal": f"USR1@{SIGNAL_S}",
    }
    lines = ["#!/bin/bash", *(f"#SBATCH --{key}={value}" for key, value in directives.items() if value is not None)]
    lines += ["#SBATCH --requeue", "", *options.setup]
    if options.nodes > 1:
        lines += [
            "# Where the processes meet: an address of this node, the first one, that is not its loopback.",
            "MASTER_ADDR=$(getent ahostsv4 \"$(hostname)\" | awk '$1 !~ /^127\\./ { print $1; exit }')",
            "export MASTER_ADDR=${MASTER_ADDR:-$(hostname -I | awk '{ print $1 }')}",
        ]
    if kind == "train" and not {"--requeue", "--resume"} & set(arguments):
        arguments.append("--requeue")
    if kind == "encode" and options.gpus > 1 and "--workers" not in arguments:
        arguments += ["--workers", str(options.gpus)]
    command = shlex.join([options.python or sys.executable, "-P", "-m", "isoline", kind, *arguments])
    # srun starts one process for each task, and passes on the signal; what is lost ends all.
    lines += [
        "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK",
        f'srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 {command}',
    ]
    return "\n".join(lines) + "\n"


def _check(options: Options) -> None:
    kind = options.command[0] if options.command else ""
    if kind not in COMMANDS:
        raise ConfigError(f"the command is {kind!r}; after -- comes {', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}.")
    for name in ("nodes", "cpus", "tasks", "array", "at_once"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ConfigError(f"--{name.replace('_', '-')} is {value}; it must be 1 or more.")
    if options.gpus < 0:
        raise ConfigError(f"--gpus is {options.gpus}; it must be 0 or more.")
    if not _TIME.fullmatch(options.time):
        raise ConfigError(f"--time is {options.time!r}; SLURM takes 12:00:00 or 2-00:00, for example.")
    for name in ("partition", "account", "name", "memory", "log"):
        if (text := getattr(options, name)) and not _NAME.fullmatch(text):
            raise ConfigError(f"--{name} is {text!r}; it must be a word, without blanks or quotes.")
    if options.array is not None and kind != "encode":
        raise ConfigError(f"--array is for encode; {kind} is one job.")
    if kind != "train" and (options.nodes > 1 or options.tasks is not None):
        more = "more jobs share the images by --array" if kind == "encode" else "it trains on one machine"
        raise ConfigError(f"--nodes and --tasks are for train; {kind} is one process: {more}.")
    if "--out" not in options.command and not any(word.startswith("--out=") for word in options.command):
        raise ConfigError("the command has no --out; give it, so that a job that is queued again finds what it did.")
    for flag in ("--devices", "--nodes", "--shard"):
        if flag in options.command:
            raise ConfigError(f"{flag} follows from the job; leave it out of the command.")
