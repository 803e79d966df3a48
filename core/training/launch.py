"""How this process was launched: by SLURM's srun or by torchrun, which start all processes of a training, or alone.

Fabric's cluster environments know the ranks of these processes and where they meet; here is what it wants to be told:
how many there are on each node, and how many nodes. Also how a job that has to end is started again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Literal

from core.config import ConfigError

TO_BE_CONTINUED = 75
"""Exit status of a training that has saved its checkpoint and is not finished: the same command goes on with it
(EX_TEMPFAIL of sysexits.h)."""
_SCONTROL_S = 30.0


@dataclass(frozen=True)
class Launch:
    """What started this process, and how many ``devices`` (processes) there are on each of ``nodes``."""

    by: Literal["torchrun", "SLURM"]
    devices: int
    nodes: int


def launched(environment: MutableMapping[str, str] = os.environ) -> Launch | None:
    """How this process was launched; None if nobody but this training starts its processes.

    Raises ``ConfigError`` where the tasks of a SLURM job cannot train together.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        devices = int(environment["LOCAL_WORLD_SIZE"])
        return Launch("torchrun", devices, int(environment["WORLD_SIZE"]) // devices)
    # Fabric's SLURMEnvironment leaves these jobs alone, too: a person works in them.
    if "SLURM_NTASKS" not in environment or environment.get("SLURM_JOB_NAME") in ("bash", "interactive"):
        return None
    tasks, nodes = int(environment["SLURM_NTASKS"]), int(environment.get("SLURM_NNODES", "1"))
    if tasks > 1 and "SLURM_STEP_ID" not in environment and "SLURM_STEPID" not in environment:
        raise ConfigError(
            f"this SLURM job has {tasks} tasks, and only one was started: begin the command with srun, as the script "
            "does that isoline slurm prints."
        )
    if tasks % nodes:
        raise ConfigError(
            f"{tasks} tasks on {nodes} nodes: each node needs as many. Give --ntasks-per-node in place of --ntasks."
        )
    environment.setdefault("SLURM_NTASKS_PER_NODE", str(tasks // nodes))  # srun does not always; Fabric wants it
    return Launch("SLURM", tasks // nodes, nodes)


def with_launch(devices: int | None, nodes: int | None) -> tuple[int | None, int | None]:
    """Devices and nodes as given, and, where they are not (None), as this process was launched.

    Raises ``ConfigError`` where they were given and are others.
    """
    launch = launched()
    if launch is None:
        return devices, nodes
    for name, given, found in (("devices", devices, launch.devices), ("nodes", nodes, launch.nodes)):
        if given not in (None, found):
            raise ConfigError(
                f"--{name} is {given}, but {launch.by} has started {launch.devices} processes on each of "
                f"{launch.nodes} nodes. Leave --{name} out, or start as many."
            )
    return launch.devices, launch.nodes


def requeue() -> str:
    """Ask SLURM to start this job again, if it is one; returns what was done, in a sentence, empty outside of SLURM."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return ""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = job if array is None or task is None else f"{array}_{task}"
    program = shutil.which("scontrol")
    if program is None:
        return f"There is no scontrol here to requeue job {name}: start the same command again."
    try:
        done = subprocess.run(
            [program, "requeue", name], capture_output=True, text=True, check=False, timeout=_SCONTROL_S
        )
    except subprocess.TimeoutExpired:
        return f"scontrol did not answer, so job {name} was not requeued: start the same command again."
    if done.returncode:
        why = " ".join(done.stderr.split()) or f"status {done.returncode}"
        return f"Job {name} was not requeued ({why}): start the same command again."
    return f"Job {name} is requeued."
