"""A network of a process's own: nothing but a loopback interface, and the kernel counts whatever tries to use it.

As a program: run a command there and write what was counted; ``unshare`` makes the namespace, without privileges.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

UNSHARE = ("unshare", "--map-root-user", "--net")


@functools.cache
def why_not() -> str:
    """Why there can be no such network here; empty if there can."""
    if not sys.platform.startswith("linux") or shutil.which(UNSHARE[0]) is None:
        return "network namespaces are Linux's, made by unshare"
    made = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)
    return made.stderr.strip()


def inside(command: list[str], counts: Path) -> list[str]:
    """The command line that runs ``command`` there, and writes a JSON object to ``counts``: ``loopback``, packets sent
    to this machine, and ``refused``, how often something looked for a way to another one."""
    return [*UNSHARE, sys.executable, "-P", __file__, str(counts), *command]


def _raise_loopback() -> None:
    import fcntl
    import socket
    import struct

    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, get_flags, request))[1]
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def _count() -> dict[str, int]:
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:3] == "Ip:")
    refused = int(dict(zip(names, values, strict=True))["OutNoRoutes"])
    six = Path("/proc/net/snmp6")  # absent where the kernel has no IPv6
    lines = six.read_text().splitlines() if six.exists() else []
    refused += sum(int(line.split()[1]) for line in lines if line.startswith("Ip6OutNoRoutes"))
    sent = Path("/proc/net/dev").read_text().partition("lo:")[2].split()[9]
    return {"loopback": int(sent), "refused": refused}


def _main(counts: str, *command: str) -> int:
    _raise_loopback()
    before = _count()  # raising the interface may send a packet of its own
    status = subprocess.run(command, check=False).returncode
    after = _count()
    Path(counts).write_text(json.dumps({name: after[name] - before[name] for name in after}))
    return status


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
