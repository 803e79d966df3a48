"""What each of several processes of one machine may use."""

from __future__ import annotations

import os

from core.config import Device


def worker_environment(number: int, count: int, device: Device = "auto") -> dict[str, str]:
    """The environment of process ``number``, from 0, of ``count``: its share of the processors, and one of the GPUs.

    It is no job of SLURM, and no task of one: whoever starts it is, and has that job requeued.
    """
    mine = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    mine["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // count))
    devices = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if not devices and device in ("auto", "cuda"):
        import torch

        devices = [str(index) for index in range(torch.cuda.device_count())]
    return mine | ({"CUDA_VISIBLE_DEVICES": devices[number % len(devices)]} if devices else {})
