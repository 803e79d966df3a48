"""The layers of a network as plain matrix products: what this machine makes of these shapes without anything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 4096
"""Rows of a product that is longer: it is taken in blocks, so that it fits into memory."""


class Products:
    """``run`` computes the products of the convolutions and linear layers of ``network(*inputs)``, each of its own
    shape, in ``dtype``; with ``backward`` those of the gradients, too, twice as many.

    ``flops``: operations of one run, a multiply-add counted as two. The layers are convolutions of one group, as ours
    are; others raise ``ValueError``.
    """

    def __init__(self, network: Callable[..., Any], *inputs: Tensor, dtype: torch.dtype, backward: bool) -> None:
        shapes = _shapes(network, inputs)
        self.flops = (3 if backward else 1) * sum(2 * math.prod(shape) for shape in shapes)
        self._work: list[tuple[int, list[tuple[Tensor, Tensor, Tensor]]]] = []
        device = inputs[0].device
        for rows, inner, columns in shapes:
            blocks = math.ceil(rows / BLOCK)
            block = math.ceil(rows / blocks)
            a = torch.randn(block, inner, device=device).to(dtype)
            b = torch.randn(inner, columns, device=device).to(dtype)
            c = torch.empty(block, columns, device=device, dtype=dtype)
            products = [(a, b, c)]
            if backward:
                gradient = torch.randn(block, columns, device=device).to(dtype)
                products += [(gradient, b.T, torch.empty_like(a)), (a.T, gradient, torch.empty_like(b))]
            self._work.append((blocks, products))

    def run(self) -> None:
        """Compute them all."""
        for blocks, products in self._work:
            for _ in range(blocks):
                for left, right, out in products:
                    torch.mm(left, right, out=out)


class SideBySide:
    """``parts``, each computed by a thread of its own on one of PyTorch's; a context manager.

    PyTorch's own threads wait for each other at the end of each product, and lose nearly everything beside a busy
    process: their rate would be no limit.
    """

    def __init__(self, parts: Sequence[Products]) -> None:
        self._parts = parts
        self._pool = ThreadPoolExecutor(len(parts), initializer=torch.set_num_threads, initargs=(1,))

    def run(self) -> None:
        """Compute them all."""
        list(self._pool.map(lambda part: part.run(), self._parts))

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _shapes(network: Callable[..., Any], inputs: tuple[Tensor, ...]) -> list[tuple[int, int, int]]:
    """(rows, inner, columns) of the product that each layer is."""
    shapes: list[tuple[int, int, int]] = []
    module = network if isinstance(network, nn.Module) else getattr(network, "__self__", None)
    if not isinstance(module, nn.Module):
        raise ValueError(f"{network} is neither a module nor a method of one.")

    def record(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            if layer.groups != 1:
                raise ValueError(f"{layer} has {layer.groups} groups; one is wanted.")
            kernel = math.prod(layer.kernel_size)
            if isinstance(layer, nn.Conv2d):
                rows = output.shape[0] * math.prod(output.shape[2:])
                shapes.append((rows, layer.in_channels * kernel, layer.out_channels))
            else:
                rows = given[0].shape[0] * math.prod(given[0].shape[2:])
                shapes.append((rows, layer.in_channels, layer.out_channels * kernel))
        elif isinstance(layer, nn.Linear):
            shapes.append((given[0].numel() // layer.in_features, layer.in_features, layer.out_features))

    hooks = [layer.register_forward_hook(record) for layer in module.modules()]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
