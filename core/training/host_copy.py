"""Tensors of a device as they are at one moment, brought to the host while the device goes on computing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class HostCopy:
    """Copies of ``tensors``, as they will be once what the device has to do until now is done.

    On CUDA they are taken in their turn, and cross over on a stream of their own beside the next steps, which may then
    change the originals. Elsewhere the copies are there at once.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._done: torch.cuda.Event | None = None
        device = next(iter(tensors.values())).device
        if device.type != "cuda":
            self._copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
            return
        taken = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        self._copies = {}
        with torch.cuda.stream(stream):
            for name, tensor in taken.items():
                tensor.record_stream(stream)  # its memory is not given to the next steps before it has crossed
                pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                self._copies[name] = pinned.copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event()
            self._done.record(stream)

    @property
    def ready(self) -> bool:
        """Whether they have all arrived."""
        return self._done is None or self._done.query()

    def tensors(self) -> dict[str, Tensor]:
        """The copies, on the CPU; waits until they have arrived."""
        if self._done is not None:
            self._done.synchronize()
        return self._copies
