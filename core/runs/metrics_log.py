"""``metrics.jsonl``: one JSON object a line, appended by the trainer, followed by whoever watches.

The writer hands each line to the operating system at once; a crash can only tear the last one. The reader gives whole
lines alone, each once, and starts again from the top when the file was replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.utils.atomic_write import write_atomic

Record = dict[str, Any]

_TAIL_BYTES = 1 << 16
_OUTCOMES = ("finished", "failed", "stopped")


class MetricsWriter:
    """Appends records; call ``close`` at the end. Raises ``OSError`` where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)
        self._encoder = msgspec.json.Encoder()

    def append(self, record: Record) -> None:
        """Write one line. NaN and infinity, which JSON lacks, become null."""
        line = self._encoder.encode(record) + b"\n"
        written = self._file.write(line)
        if written != len(line):  # a disk that is nearly full takes a part
            self._file.write(line[written or 0 :])

    def close(self) -> None:
        """Flush to the disk and close."""
        try:
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


class MetricsTail:
    """Follows a metrics file. ``poll`` costs one stat call when there is nothing new.

    ``restarts`` counts how often the file was replaced or shortened; the records that ``poll`` gives afterwards begin
    at the top again, so a reader that keeps old ones must forget them when the number changes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        self._offset = 0
        self._identity: tuple[int, int] | None = None
        self._seen_size = 0

    def poll(self) -> list[Record]:
        """New whole lines since the last call, parsed; lines that are not JSON objects are passed over."""
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return []
        identity = (status.st_dev, status.st_ino)
        if self._identity is not None and (identity != self._identity or status.st_size < self._offset):
            self._offset, self._seen_size = 0, 0
            self.restarts += 1
        self._identity = identity
        if status.st_size == self._seen_size:
            return []
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._seen_size = self._offset + len(data)
        end = data.rfind(b"\n") + 1
        self._offset += end
        return _parse_lines(data[:end])


def read_metrics(path: Path) -> list[Record]:
    """All whole records of the file; none if it does not exist."""
    return MetricsTail(path).poll()


def keep_metrics(path: Path, keep: Callable[[Record], bool]) -> None:
    """Rewrite the file with the records for which ``keep`` is true, in order. Readers see it as replaced."""
    if path.exists():
        encoder = msgspec.json.Encoder()
        write_atomic(path, b"".join(encoder.encode(record) + b"\n" for record in read_metrics(path) if keep(record)))


def final_report(path: Path) -> Record | None:
    """The report with which the last training of this file ended; None if it has not ended so."""
    for record in reversed(_last_records(path)):
        if record.get("kind") == "report":
            return record
        if record.get("kind") in ("step", "epoch") or record.get("event") == "started":
            return None
    return None


def last_outcome(path: Path) -> str | None:
    """How the last training of this file ended: finished, failed or stopped; None if its last lines do not say."""
    for record in reversed(_last_records(path)):
        event = record.get("event")
        if record.get("kind") == "event" and event in _OUTCOMES:
            return str(event)
        if record.get("kind") in ("step", "epoch") or event == "started":
            return None
    return None


def _last_records(path: Path) -> list[Record]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return _parse_lines(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _parse_lines(data: bytes) -> list[Record]:
    records = []
    for line in data.split(b"\n"):
        try:
            record = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):  # torn by a crash, or not ours
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _cut_torn_line(path: Path) -> None:
    """Drop the part after the last newline, which a killed trainer left; a new line must not be glued to it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    end = data.rfind(b"\n") + 1
    if end != len(data):
        os.truncate(path, end)
