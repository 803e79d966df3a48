"""What the processes of one training share. Rank zero alone reads commands and writes files; the others follow it.

What goes from one to the others is tensors and JSON, nothing that could run code where it arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar, cast

import lightning_fabric
import msgspec
import torch

from core.config import RunConfig, config_from_dict, config_to_dict
from core.training.accumulation import is_out_of_memory
from core.training.control import Verdict
from core.training.loop import TrainingError
from core.training.rank_failure import (
    MISSED_S,
    REMOTE_SETTLING_S,
    SETTLING_S,
    Failure,
    FailureWatch,
    await_children,
    end_process,
)
from core.training.rendezvous import PrivateDDP
from core.training.state import Hyperparameters, TrainingState

T = TypeVar("T")
_DTYPES = {
    str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.float64, torch.bfloat16, torch.int64)
}


class RankFailed(RuntimeError):
    """This training has failed, and rank zero reports it; this process has nothing to add."""


class Ranks:
    """The processes of a launched Fabric, from ``__enter__`` to ``__exit__``; with a single process nothing has to be
    shared.

    A failure within is that of all: the others are told the first, and all end (``core.training.rank_failure``).
    ``__exit__`` raises ``TrainingError`` with it on rank zero, ``RankFailed`` elsewhere, for an exception that is but
    its consequence.
    """

    def __init__(self, fabric: lightning_fabric.Fabric) -> None:
        self._fabric = fabric
        self._group: Any = None
        self._watch: FailureWatch | None = None
        strategy = fabric.strategy
        self._children = strategy.children if isinstance(strategy, PrivateDDP) else ()

    def __enter__(self) -> Ranks:
        if self._fabric.world_size > 1:
            rank = self._fabric.global_rank
            store = torch.distributed.distributed_c10d._get_default_store()
            self._watch = FailureWatch(
                cast(Any, store).clone(),  # a connection of its own: that of the collectives may be waiting
                rank,
                self._children,
                self._give_up,
                lambda failure: end_process(failure, rank, self._children),
                self._fabric.world_size,
            )
            # On the CPU, so that reading a command makes no accelerator wait; the others wait for rank zero as long
            # as a pause lasts.
            self._group = torch.distributed.new_group(backend="gloo", timeout=timedelta(days=30))
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        try:
            if isinstance(error, Exception) and not isinstance(error, RankFailed | TrainingError):
                failure = self.failure_behind(error)
                if failure is not None:
                    raise (RankFailed if self._fabric.global_rank else TrainingError)(str(failure)) from error
        finally:
            self.part()
            if self._fabric.world_size > 1 and torch.distributed.is_initialized():
                if error is None or torch.distributed.get_backend() == "gloo":
                    torch.distributed.destroy_process_group()  # wakes those that wait for this process
                else:  # an accelerator's could wait for who has failed; it goes with the process
                    self._give_up()
            if error is not None and self._fabric.global_rank == 0:
                await_children(self._children)

    def failure_behind(self, error: Exception) -> Failure | None:
        """The failure of another process because of which this one has come to ``error``; None if that is its own,
        which the others are told."""
        if self._watch is None:
            return None
        out_of_memory = is_out_of_memory(error)
        if (type(error) is RuntimeError or isinstance(error, torch.distributed.DistError)) and not out_of_memory:
            rank, alone = self._fabric.global_rank, self._fabric.world_size == len(self._children) + 1
            settling_s = SETTLING_S if alone else REMOTE_SETTLING_S if rank == 0 else 2 * REMOTE_SETTLING_S
            # A connection that closes has no class of its own.
            failure = self._watch.failure_of_another(settling_s, MISSED_S)
            if failure is not None:
                self.part()
                return failure
        self.part()
        self._watch.report(" ".join(str(error).split()) or type(error).__name__, out_of_memory)
        return None

    def check(self) -> None:
        """Raise if another process has failed: what comes out of a collective that was given up means nothing."""
        if self._watch is not None and (failure := self._watch.seen) is not None:
            raise RuntimeError(str(failure))

    def part(self) -> None:
        """From now on this process needs no other: what becomes of them does not end it."""
        if self._watch is not None:
            self._watch.close()

    def _give_up(self) -> None:
        """Let no collective wait any longer, where that is possible."""
        for group in (self._group, torch.distributed.group.WORLD):
            if group is not None:
                group.abort()

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
