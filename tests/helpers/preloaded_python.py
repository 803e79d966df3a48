"""Python with torch already imported: for tests that need a process of their own, not its start.

``import torch`` takes a second, the imports of the trainer three, and the suite starts a hundred such processes. Here
one server imports them once; a process is a fork of it. What a test names as the interpreter is a launcher: it gives
the server its arguments, environment, folder and the three standard streams, passes signals on, and ends as the fork
does; if the launcher is killed, so is the fork. It takes ``-P -m core.engine``, ``core.cli`` and ``core.figures``,
programs after ``-c`` that import core, and files of Python; anything else it hands to the real interpreter: a window
(``-m explorer``) so that its processes are quick in turn. Linux only: elsewhere, and for what a start is about, tests
use ``sys.executable``.

    with PreloadedPython() as python:
        subprocess.run([python.executable, "-P", "-m", "core.cli", "info", run])
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MODULES = ("core.engine", "core.figures", "core.cli")
IMPORTS = (
    "core.engine.handlers", "core.training.opening", "core.training.trainer", "core.cli.train", "torch._dynamo",
    "core.figures.drawing", "matplotlib.backends.backend_agg", "scipy.spatial",
)  # fmt: skip
"""What processes of ``MODULES`` import sooner or later."""

WINDOW = """import sys
sys.path.append({helpers!r})
from preloaded_python import PreloadedPython
PreloadedPython({folder!r}).use()
from explorer.__main__ import main
sys.exit(main())
"""
"""A window in the real interpreter, which starts its engines and commands by the launcher."""

LAUNCHER = """#!{python} -IS
import os, signal, socket, sys
arguments = sys.argv[1:]
module = arguments[:2] == ["-P", "-m"] and arguments[2] in {modules}
program = arguments[:1] == ["-c"] and "core." in arguments[1]
script = arguments[0].endswith(".py")
if arguments[:2] == ["-m", "explorer"]:
    arguments = ["-c", {window!r}, *arguments[2:]]
if not module and not program and not script:
    os.execv({python!r}, [{python!r}, *arguments])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
folder = os.getcwdb()
request = b"\\0".join(b"=".join(pair) for pair in os.environb.items()), folder, b"\\0".join(map(os.fsencode, arguments))
request = b"\\1".join(request)
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
started = server.recv(4)
pid = int.from_bytes(started, "big") if started else sys.exit("the server of preloaded processes has ended")
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
for stream in (0, 1, 2):
    os.close(stream)
ended = server.recv(4)
status = int.from_bytes(ended, "big", signed=True) if ended else -signal.SIGKILL
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class PreloadedPython:
    """The server, from ``__enter__`` to ``__exit__``; ``executable`` is the launcher."""

    def __init__(self, folder: str = "") -> None:
        """``folder``: that of a server which has been started."""
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="isoline-")  # short, for a socket
        self._folder = Path(self._temporary.name if self._temporary else folder)
        self.executable = str(self._folder / "python") if sys.platform == "linux" else sys.executable
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PreloadedPython:
        if sys.platform != "linux":
            return self
        address = str(self._folder / "server")
        window = WINDOW.format(helpers=str(Path(__file__).parent), folder=str(self._folder))
        parts = {"python": sys.executable, "address": address, "folder": str(self._folder), "window": window}
        launcher = Path(self.executable)
        launcher.write_text(LAUNCHER.format(modules=MODULES, **parts))
        launcher.chmod(0o755)
        command = [sys.executable, "-P", __file__, address]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._server.stdout is not None
        assert self._server.stdout.readline(), "the server of preloaded processes does not start"
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.communicate()  # its input ends, and so does it
        if self._temporary is not None:
            self._temporary.cleanup()

    def use(self, patch: Callable[[object, str, object], object] = setattr) -> None:
        """From now on the window in this process starts its engines and commands by the launcher."""
        from explorer.engine_client import EngineClient

        launched = EngineClient.process_id.fget
        assert launched is not None
        patch(sys, "executable", self.executable)
        patch(EngineClient, "process_id", property(lambda client: self.process_id(launched(client))))

    def process_id(self, launcher: int) -> int:
        """The process that the launcher with that number stands for; itself if it is none."""
        with contextlib.suppress(FileNotFoundError):
            return int((self._folder / str(launcher)).read_text() or launcher)
        return launcher


def _serve(address: str) -> list[str]:
    """Fork for whoever asks, until standard input ends. Returns in each fork: its arguments."""
    for name in IMPORTS:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each fork copies the pages that its garbage collector looks through
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(16)
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    launchers: dict[int, socket.socket] = {}
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([0, server, woken, *launchers.values()], [], [])
        if 0 in ready:
            for pid in launchers:
                os.kill(pid, signal.SIGKILL)
            raise SystemExit
        if woken in ready:
            woken.recv(4096)
        for pid, launcher in list(launchers.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError):  # it may have been killed
                    launcher.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
                _note(launcher).unlink(missing_ok=True)
                launchers.pop(pid).close()
            elif launcher in ready:  # it never sends anything again: it is gone
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                _note(launcher).unlink(missing_ok=True)  # its number may be another's one day
                launchers.pop(pid).close()
        if server in ready:
            launcher, _ = server.accept()
            size, streams, _, _ = socket.recv_fds(launcher, 4, 3)
            if not streams:  # killed before it could ask
                launcher.close()
                continue
            with launcher.makefile("rb") as file:
                environment, folder, arguments = file.read(int.from_bytes(size, "big")).split(b"\1")
            words = [os.fsdecode(word) for word in arguments.split(b"\0")]
            pid = os.fork()
            if pid:
                launchers[pid] = launcher
                for stream in streams:
                    os.close(stream)
                with contextlib.suppress(OSError):  # it may have been killed
                    launcher.sendall(pid.to_bytes(4, "big"))
                continue
            _note(launcher).write_text(str(os.getpid()))  # before anything of it can be seen
            for one in (server, woken, waker, launcher, *launchers.values()):
                one.close()
            _become(streams, environment, folder)
            return words


def _note(launcher: socket.socket) -> Path:
    """The file that says, for ``process_id``, which process this launcher stands for."""
    pid, _, _ = struct.unpack("3i", launcher.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Path(sys.argv[1]).with_name(str(pid))


def _become(streams: list[int], environment: bytes, folder: bytes) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environb.clear()
    for pair in environment.split(b"\0"):
        name, _, value = pair.partition(b"=")
        os.environb[name] = value
    os.chdir(folder)
    sys.executable = str(Path(sys.argv[1]).with_name("python"))  # what it starts is quick, too


def _run(words: list[str]) -> None:
    """What the interpreter does with these arguments."""
    if words[0].endswith(".py"):
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        sys.argv = words[2:]
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(_serve(sys.argv[1]))
