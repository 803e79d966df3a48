"""Where the processes of one training meet: on loopback, or on the one interface that leads to the given address.

PyTorch's store and its collectives listen on all interfaces unless they are told otherwise, and believe whoever
connects. On one machine nothing here can be reached from elsewhere.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
from typing import Any

import torch
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from core.models.device import DeviceError
from core.training.rank_failure import FailureWatch, end_process

LOOPBACK = "127.0.0.1"
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Environment variables by which the collectives take the interface to listen on."""


class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes of this machine. Fabric's own kills rank zero as soon as one of them has died, before
    it can tell why; here ``core.training.rank_failure`` sees to that."""

    children: tuple[subprocess.Popen[Any], ...] = ()
    """The processes that rank zero has started, in the order of their ranks, from 1."""

    def _call_children_scripts(self) -> None:
        super()._call_children_scripts()
        self.children, self.procs = tuple(self.procs), []  # Fabric's observer sees to ``procs``


class PrivateDDP(DDPStrategy):
    """Distributed data parallelism whose processes meet at one address: loopback, unless there are several machines;
    then the launcher's main address (``MASTER_ADDR``), and the interfaces that lead to it."""

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)

    @property
    def children(self) -> tuple[subprocess.Popen[Any], ...]:
        """The processes that this one has started, in the order of their ranks, from 1."""
        return self._launcher.children if isinstance(self._launcher, Launcher) else ()

    def _setup_distributed(self) -> None:
        """Meet the others; while one waits for a process that has died at its start, nobody else would end it."""
        watch = FailureWatch(
            None, 0, self.children, lambda: None, lambda failure: end_process(failure, 0, self.children)
        )
        try:
            self._meet()
        finally:
            watch.close()

    def _meet(self) -> None:
        self._set_world_ranks()
        assert self.cluster_environment is not None
        address = LOOPBACK if self.num_nodes == 1 else self.cluster_environment.main_address
        if self.num_nodes > 1 and is_loopback(address):
            raise DeviceError(
                f"{address}, where the processes of this training meet, is this machine's own loopback address, which "
                "no other machine can reach. Set MASTER_ADDR to an address of the first machine in their network."
            )
        interface = interface_towards(address)
        if interface and os.name != "nt":  # there they take no name
            for variable in _INTERFACES:
                os.environ.setdefault(variable, interface)
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":  # torchrun has made the store
            super()._setup_distributed()
            return
        if torch.distributed.is_initialized():
            return
        self._process_group_backend = self._get_process_group_backend()
        torch.distributed.init_process_group(
            self._process_group_backend,
            store=meeting_store(address, self.cluster_environment.main_port, self.world_size, self.global_rank == 0),
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=self._timeout,
            device_id=None if self.root_device.type == "cpu" else self.root_device,
        )


def meeting_store(address: str, port: int, processes: int, is_main: bool) -> TCPStore:
    """The store of a training's ``processes``; the main one serves it at ``address`` and nowhere else.

    Raises ``DeviceError`` if that is no address of this machine.
    """
    listening: dict[str, Any] = {}
    if is_main:
        try:
            host = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(host[0], socket.SOCK_STREAM) as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(host[4])
                server.listen()
                listening["master_listen_fd"] = server.detach()
        except OSError as error:
            raise DeviceError(
                f"the processes of this training cannot meet at {address}, port {port} ({error.strerror or error}): "
                "MASTER_ADDR must be an address of the machine on which the first of them runs, and MASTER_PORT free."
            ) from error
    return TCPStore(address, port, processes, is_main, wait_for_workers=False, **listening)


def is_loopback(address: str) -> bool:
    """Whether ``address``, a name or a number, means this very machine alone, as Debian's /etc/hosts has it for the
    machine's own name; False if that cannot be told."""
    try:
        return ipaddress.ip_address(socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0][4][0]).is_loopback
    except (OSError, ValueError):
        return False


def interface_towards(address: str) -> str:
    """The name of the network interface by which ``address`` is reached; empty if that cannot be told."""
    import psutil

    try:
        family, _, _, _, place = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(place)  # chooses a route, and sends nothing
            own = probe.getsockname()[0]
    except OSError:
        return ""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.address.partition("%")[0] == own for each in addresses):
            return name
    return ""
