"""What the processes of one training share. Rank zero alone reads commands and writes files; the others follow it.

What goes from one to the others is tensors and JSON, nothing that could run code where it arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

import lightning_fabric
import msgspec
import torch

from core.config import RunConfig, config_from_dict, config_to_dict
from core.training.control import Verdict
from core.training.state import Hyperparameters, TrainingState

T = TypeVar("T")
_DTYPES = {
    str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.float64, torch.bfloat16, torch.int64)
}


class RankFailed(RuntimeError):
    """Rank zero of this training has failed and reports it; this process has nothing to add."""


class Ranks:
    """The processes of a launched Fabric; with a single process nothing has to be shared."""

    def __init__(self, fabric: lightning_fabric.Fabric) -> None:
        self._fabric = fabric
        self._group: Any = None
        if fabric.world_size > 1:
            # On the CPU, so that reading a command makes no accelerator wait; the others wait for rank zero as long
            # as a pause lasts.
            self._group = torch.distributed.new_group(backend="gloo", timeout=timedelta(days=30))

    def on_rank_zero(self, task: Callable[[], T]) -> T | None:
        """Run ``task`` on rank zero while the others wait: its result there, None elsewhere. A failure is all ranks'.

        Raises what ``task`` raised on rank zero, ``RankFailed`` elsewhere.
        """
        result, failure = None, None
        if self._fabric.global_rank == 0:
            try:
                result = task()
            except Exception as error:  # raised below, once the others know
                failure = error
        message = self._share(None if failure is None else str(failure), str | None)
        if failure is not None:
            raise failure
        if message is not None:
            raise RankFailed(message)
        return result

    def share_verdict(self, verdict: Verdict, hyperparameters: Hyperparameters) -> Verdict:
        """Rank zero's verdict; its hyperparameters are put into everyone's ``hyperparameters``."""
        if self._group is None:
            return verdict
        codes = ("go", "wait", "stop")
        live = hyperparameters
        values = [codes.index(verdict), live.learning_rate, live.beta, live.gamma]
        shared = torch.tensor(values, dtype=torch.float64)
        torch.distributed.broadcast(shared, 0, group=self._group)
        code, live.learning_rate, live.beta, live.gamma = shared.tolist()
        return cast(Verdict, codes[int(code)])

    def share_config(self, config: RunConfig) -> RunConfig:
        """Rank zero's configuration for all."""
        if self._group is None:
            return config
        return config_from_dict(self._share(config_to_dict(config), dict[str, Any]), "rank zero's configuration")

    def share_state(self, state: TrainingState) -> None:
        """Rank zero's state for all: it may come from a checkpoint that only rank zero can read."""
        if self._group is None:
            return
        tensors, values = state.state_dict()
        first = self._fabric.global_rank == 0
        kinds = {name: (str(tensor.dtype).removeprefix("torch."), tensor.shape) for name, tensor in tensors.items()}
        shared = self._share((kinds, values), tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, Any]])
        received: dict[str, torch.Tensor] = {}
        for name, (kind, shape) in shared[0].items():
            tensor = tensors[name].detach().contiguous() if first else torch.empty(shape, dtype=_DTYPES[kind])
            torch.distributed.broadcast(tensor, 0, group=self._group)
            received[name] = tensor
        if not first:
            state.load_state_dict(received, shared[1])
        self.share_verdict("go", state.hyperparameters)

    def _share(self, value: T, kind: Any) -> T:
        """Rank zero's ``value``, of JSON type ``kind``, for all."""
        if self._group is None:
            return value
        data = torch.frombuffer(bytearray(msgspec.json.encode(value)), dtype=torch.uint8)
        size = torch.tensor(len(data))
        torch.distributed.broadcast(size, 0, group=self._group)
        if self._fabric.global_rank != 0:
            data = torch.empty(int(size), dtype=torch.uint8)
        torch.distributed.broadcast(data, 0, group=self._group)
        return msgspec.json.decode(data.numpy().tobytes(), type=kind)

    def shutdown(self) -> None:
        """Leave the process group."""
        if self._fabric.world_size > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
