"""A training on two hosts of one machine: network namespaces with addresses of their own, joined by a virtual cable.

As a program (Linux, as root or wherever namespaces may be made): trains by what SLURM would say to the two tasks of a
job, and, once it has made some steps, kills the task on the second host, or cuts the cable. Prints a JSON object: how
both ended, and how many seconds after. Ends with 77 where there can be no namespaces.

    python two_hosts.py FOLDER kill|cut|none SILENT_S [flags of isoline train]
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

NEW_NET, NEW_UTS = 0x40000000, 0x04000000
ADDRESSES = ("10.77.0.1", "10.77.0.2")
NO_NAMESPACES = 77
STEPS = 4


def main(folder: Path, what: str, silent_s: float, flags: list[str]) -> int:
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(NEW_NET | NEW_UTS):
        print(f"network namespaces are not permitted here ({os.strerror(ctypes.get_errno())})")
        return NO_NAMESPACES
    first = os.fork()
    if first == 0:
        _await_address()
        _train(0, folder, silent_s, flags)
    unshare(NEW_NET | NEW_UTS)  # this process keeps the second host, whatever becomes of its task
    _ip("link", "add", "cable1", "type", "veth", "peer", "name", "cable0", "netns", str(first))
    for number, enter in enumerate((["nsenter", "-t", str(first), "-n"], [])):
        cable = f"cable{number}"
        for rest in ("link set lo up", f"addr add {ADDRESSES[number]}/24 dev {cable}", f"link set {cable} up"):
            subprocess.run([*enter, "ip", *rest.split()], check=True)
    second = os.fork()
    if second == 0:
        _train(1, folder, silent_s, flags)
    began = time.monotonic()
    if what != "none":
        while _steps(folder / "run" / "metrics.jsonl") < STEPS:
            time.sleep(0.02)
            if os.waitpid(first, os.WNOHANG)[0]:
                print("rank zero ended before it had made some steps")
                return 1
        began = time.monotonic()
        os.kill(second, signal.SIGKILL) if what == "kill" else _ip("link", "set", "cable1", "down")
    ended = {}
    while len(ended) < 2:
        process, status = os.wait()
        name = {first: "first", second: "second"}[process]
        ended[name] = {"status": os.waitstatus_to_exitcode(status), "seconds": round(time.monotonic() - began, 2)}
    print(json.dumps(ended))
    return 0


def _train(rank: int, folder: Path, silent_s: float, flags: list[str]) -> None:
    """Become the task of this rank; never returns."""
    import socket

    from core.cli.main import main as isoline
    from core.training import rank_failure

    rank_failure.SILENT_S = silent_s
    if silent_s < 10:  # a test has no time
        rank_failure.POLL_S, rank_failure.GRACE_S, rank_failure.SHORT_GRACE_S = 0.2, 0.5, 0.3
    socket.sethostname(f"node-{rank}")
    os.environ |= {
        "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "isoline", "SLURM_NTASKS": "2",
        "SLURM_NNODES": "2", "SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank), "SLURM_LOCALID": "0",
        "MASTER_ADDR": ADDRESSES[0],
    }  # fmt: skip
    with open(folder / f"rank-{rank}.txt", "wb", buffering=0) as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    status = 3
    try:
        status = isoline(["train", "--out", str(folder / "run"), *flags])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _steps(metrics: Path) -> int:
    return metrics.read_bytes().count(b'"kind":"step"') if metrics.exists() else 0


def _await_address() -> None:
    while ADDRESSES[0] not in Path("/proc/self/net/fib_trie").read_text():
        time.sleep(0.02)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
