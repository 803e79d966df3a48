"""Visible progress for a long setup: one stage at a time, what it is doing, and how long it has taken.

On a terminal the current line is redrawn in place; in a log (CI) a line appears at each stage and then at most every
few seconds. The full output of every command goes to a log file, which is quoted when a command fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

TERMINAL_INTERVAL = 0.2
LOG_INTERVAL = 10.0
TAIL_LINES = 25


class SetupError(Exception):
    """The setup cannot go on; the message says what failed and what to do next."""


class CommandError(SetupError):
    """A command that ended badly. ``output`` is the text it printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def megabytes(size: int) -> str:
    """A number of bytes for people: ``"840 MB"``, ``"2.6 GB"``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


_PIP_PROGRESS = re.compile(r"Progress (\d+) of (\d+)$")
_PIP_FILE = re.compile(r"(?:Downloading|Processing|Using cached|Collecting|Obtaining)\s+(\S+)")


class PipSummary:
    """Turns pip's output, line by line, into a few words: the file in hand and how much of it has arrived."""

    def __init__(self) -> None:
        self._file = ""

    def __call__(self, line: str) -> str | None:
        """What to show after ``line``; None: leave what is shown."""
        progress = _PIP_PROGRESS.match(line)
        if progress:
            done, total = int(progress[1]), int(progress[2])
            return f"downloading {self._file}: {megabytes(done)} of {megabytes(total)}" if total else None
        if line.startswith("Installing collected packages:"):
            count = line.count(",") + 1
            return f"unpacking {count} package{'s' if count > 1 else ''}"
        found = _PIP_FILE.match(line)
        if found:
            self._file = found[1].rsplit("/", 1)[-1].split("-", 1)[0]
            return ("preparing " if line.startswith("Obtaining") else "fetching ") + self._file
        return None


def apt_summary(line: str) -> str | None:
    """The same for apt-get: the package in hand."""
    found = re.match(r"(?:Unpacking|Setting up|Get:\d+ \S+ \S+ \S+)\s+(\S+)", line)
    return f"{line.split()[0].split(':')[0].lower()} {found[1]}" if found else None


class Progress:
    """Prints stages to ``stream`` and runs their commands. ``log`` collects the commands' whole output."""

    def __init__(self, log: Path, stream: TextIO | None = None) -> None:
        self.log = log
        self.inherited: tuple[int, ...] = ()
        """File descriptors that commands keep open, on POSIX: a lock lasts as long as any of them, even without us."""
        self._stream = sys.stdout if stream is None else stream
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._stage = ""
        self._drawn = -LOG_INTERVAL

    def note(self, text: str) -> None:
        """Print one line that stays."""
        self._clear()
        print(text, file=self._stream, flush=True)

    def stage(self, name: str) -> None:
        """Begin the next stage."""
        self._stage = name
        self.note(f"[{self._elapsed()}] {name}")
        self._drawn = time.monotonic()

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        summarise: Callable[[str], str | None] = lambda line: None,
        environment: dict[str, str] | None = None,
    ) -> str:
        """Run a command of the current stage to its end and return what it printed.

        Raises ``CommandError`` with the end of its output where it fails, ``SetupError`` where it cannot start.
        """
        words = [os.fspath(word) for word in command]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                pass_fds=self.inherited,
            )
        except OSError as error:
            raise SetupError(f"cannot start {words[0]}: {error.strerror}") from error
        lines: list[str] = []
        detail = [""]
        reader = threading.Thread(target=self._read, args=(process, lines, detail, summarise), daemon=True)
        reader.start()
        try:
            while reader.is_alive():
                reader.join(TERMINAL_INTERVAL)
                self._draw(detail[0])
            status = process.wait()
        finally:  # an interrupt must not leave the command running
            if process.poll() is None:
                process.terminate()
                process.wait()
            self._clear()
        output = "".join(lines)
        self._write_log(words, output)
        if status != 0:
            tail = "".join(line for line in lines if not _PIP_PROGRESS.match(line))
            tail = "\n".join(tail.splitlines()[-TAIL_LINES:])
            raise CommandError(f"{self._stage} failed (exit status {status}):\n{tail}\nAll of it: {self.log}", output)
        return output

    def finish(self, text: str) -> None:
        """Print the closing line with the whole duration."""
        self.note(f"[{self._elapsed()}] {text}")

    @staticmethod
    def _read(
        process: subprocess.Popen[str], lines: list[str], detail: list[str], summarise: Callable[[str], str | None]
    ) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            detail[0] = summarise(line.strip()) or detail[0]
        process.stdout.close()

    def _elapsed(self) -> str:
        seconds = int(time.monotonic() - self._started)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def _draw(self, detail: str) -> None:
        now = time.monotonic()
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(
                "\r\033[K" + f"[{self._elapsed()}]   {detail or 'working'}"[:width],
                end="",
                file=self._stream,
                flush=True,
            )
        elif now - self._drawn >= LOG_INTERVAL:
            print(f"[{self._elapsed()}]   {detail or 'working'}", file=self._stream, flush=True)
            self._drawn = now

    def _clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=self._stream, flush=True)

    def _write_log(self, words: list[str], output: str) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            log.write("$ " + " ".join(words) + "\n" + output + "\n")
