"""The processes of one training among themselves, and the signals that reach them.

In a training on several devices rank zero alone reads commands and writes files; the others follow what it shares.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import lightning_fabric
import torch

from core.training.loop import Hyperparameters
from core.training.state import TrainingState

GO, WAIT, STOP = 0.0, 1.0, 2.0
_CONTROL_TIMEOUT = timedelta(days=30)  # the others wait for rank zero as long as a pause lasts


class RankFailed(RuntimeError):
    """Rank zero of this training has failed and says why; this process has nothing to add."""


class Ranks:
    """What the processes of one training tell one another; nothing happens if there is only one."""

    def __init__(self, fabric: lightning_fabric.Fabric) -> None:
        self._fabric = fabric
        self._group: Any = None
        if fabric.world_size > 1:
            # On the CPU, so that a look at the commands makes no accelerator wait.
            self._group = torch.distributed.new_group(backend="gloo", timeout=_CONTROL_TIMEOUT)

    def share_verdict(self, verdict: float, live: Hyperparameters) -> float:
        """Rank zero's verdict and hyperparameters, for all."""
        if self._group is None:
            return verdict
        values = torch.tensor([verdict, live.learning_rate, live.beta, live.gamma], dtype=torch.float64)
        torch.distributed.broadcast(values, 0, group=self._group)
        verdict, live.learning_rate, live.beta, live.gamma = values.tolist()
        return verdict

    def share_state(self, state: TrainingState, live: Hyperparameters) -> None:
        """Rank zero's state for all: it may come from a checkpoint that only it can read."""
        if self._group is None:
            return
        content: list[Any] = [state.state_dict() if self._fabric.global_rank == 0 else None]
        torch.distributed.broadcast_object_list(content, 0, group=self._group)
        if self._fabric.global_rank != 0:
            state.load_state_dict(*content[0])
        self.share_verdict(GO, live)


def together(fabric: lightning_fabric.Fabric, task: Callable[[], None]) -> None:
    """Run ``task`` on rank zero while the others wait; if it fails, it fails for all."""
    failure: Exception | None = None
    if fabric.global_rank == 0:
        try:
            task()
        except Exception as error:  # raised below, once the others know
            failure = error
    message = fabric.broadcast(None if failure is None else str(failure))
    if failure is not None:
        raise failure
    if message is not None:
        raise RankFailed(message)


def leave(fabric: lightning_fabric.Fabric) -> None:
    if fabric.world_size > 1 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them; a second one ends the process as usual."""

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # Python allows it there alone
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = True
        signal.signal(number, self._before[number])
