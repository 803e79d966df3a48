"""``metrics.jsonl``: one JSON object a line, appended by the trainer, followed by whoever watches.

The writer hands each line to the operating system at once, and to the disk with each checkpoint; a crash can only tear
the last one. The reader gives whole lines alone, each once, and starts again from the top when the file was replaced.
Lines that are no records of a training are passed over and counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec

from core.runs.lock import RunError
from core.utils.atomic_write import write_atomic
from core.utils.untrusted import UnreadableError, decode_json, open_regular

Record = dict[str, Any]

_TAIL_BYTES = 1 << 16
_PART_BYTES = 1 << 18  # that are read at once, about 700 steps: more would take room, and time of who shows them
_MOST_BYTES = 1 << 24  # no line is longer
_MOST_EMPTY, _MOST_DAMAGED = 1 << 26, 100_000  # bytes or lines without a record: what follows is none either
_LARGEST = 1 << 30  # bytes of a file; a million steps take an eighth
_LONGEST_TEXT = 4000  # characters of a text that are kept: a label of a million takes seconds to lay out
_MOST = 30  # findings of a report, changed settings: each becomes lines or buttons
_OUTCOMES = ("finished", "failed", "stopped")


_Number = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)] | None  # what a plot can show; None: it was not finite
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Step(msgspec.Struct, tag_field="kind", tag="step"):
    step: _Count
    epoch: _Count
    total_steps: _Count = 0
    ends_epoch: bool = False
    time: _Number = None
    images_per_second: _Number = None
    eta_seconds: _Number = None
    loss: _Number = None
    reconstruction: _Number = None
    kl: _Number = None
    entanglement: _Number = None
    learning_rate: _Number = None
    beta: _Number = None
    gamma: _Number = None


class _Epoch(msgspec.Struct, tag_field="kind", tag="epoch"):
    epoch: _Count
    step: _Count = 0
    time: _Number = None
    validation: dict[str, _Number] | None = None
    best: bool = False
    exact_means: bool = False


class _Event(msgspec.Struct, tag_field="kind", tag="event"):
    event: str
    step: _Count | None = None
    epoch: _Count | None = None
    time: _Number = None
    message: str = ""
    device: str = ""
    sequence: _Count = 0
    changed: Annotated[list[str], msgspec.Meta(max_length=_MOST)] = []
    changes: Annotated[dict[str, Any], msgspec.Meta(max_length=_MOST)] = {}


class _Finding(msgspec.Struct):
    kind: str = ""
    message: str = ""
    remedy: str = ""
    changes: Annotated[dict[str, Any], msgspec.Meta(max_length=_MOST)] = {}
    fresh: bool = False


class _Report(msgspec.Struct, tag_field="kind", tag="report"):
    excess_bce: _Number = None
    twonn: _Number = None
    twonn_low: _Number = None
    twonn_high: _Number = None
    trustworthiness_parameters_to_cloud: _Number = None
    trustworthiness_cloud_to_parameters: _Number = None
    seconds: _Number = None
    active_dimensions: _Count | None = None
    latent_signal: list[_Number] = []
    squared_error: _Number = None
    squared_error_training: _Number = None
    squared_error_mean_image: _Number = None
    findings: Annotated[list[_Finding], msgspec.Meta(max_length=_MOST)] = []
    note: str = ""


_RECORD = msgspec.json.Decoder(_Step | _Epoch | _Event | _Report)


class MetricsWriter:
    """Appends records; call ``close`` at the end.

    Raises ``OSError`` where the file cannot be written. What was not written waits, and goes first with the next call.
    """

    def __init__(self, path: Path) -> None:
        _cut_torn_line(path)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close)
        self._encoder = msgspec.json.Encoder()
        self._waiting = b""

    def append(self, record: Record) -> None:
        """Write one line. NaN and infinity, which JSON lacks, become null."""
        self._waiting += self._encoder.encode(record) + b"\n"
        self._write()

    def sync(self) -> None:
        """Bring all records to the disk: they survive a power cut."""
        self._write()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write what still waits, bring it to the disk, and close."""
        try:
            self.sync()
        finally:
            self._file.close()

    def _write(self) -> None:
        while self._waiting:  # a disk that is nearly full takes a part
            self._waiting = self._waiting[self._file.write(self._waiting) or 0 :]


class MetricsTail:
    """Follows a metrics file. ``poll`` costs one stat call when there is nothing new.

    ``restarts`` counts how often the file was replaced or shortened; the records that ``poll`` gives afterwards begin
    at the top again, so a reader that keeps old ones must forget them when the number changes. ``damaged`` counts the
    lines that were passed over since then. ``behind``: the last call has left lines that were already there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        self.damaged = 0
        self.behind = False
        self._offset = 0
        self._identity: tuple[int, int] | None = None
        self._seen_size = 0

    def poll(self) -> list[Record]:
        """New whole lines since the last call, parsed. Of a long file it gives the next part: call again while it is
        ``behind``. Raises ``OSError``, or ``RunError`` if it is no file, or cannot be one of a training."""
        self.behind = False
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return []
        identity = (status.st_dev, status.st_ino)
        if self._identity is not None and (identity != self._identity or status.st_size < self._offset):
            self._offset, self._seen_size, self.damaged = 0, 0, 0
            self.restarts += 1
        self._identity = identity
        if status.st_size > _LARGEST:
            raise RunError(
                f"{self.path} is damaged: it has {status.st_size:,} bytes, and at most {_LARGEST:,} are expected. "
                "Restore it from a copy of the run."
            )
        records: list[Record] = []
        empty = lines = 0  # bytes and lines without a record
        while not records and status.st_size > self._seen_size:
            with _opened(self.path) as file:
                file.seek(self._offset)
                data = file.read(_PART_BYTES)
                whole = len(data) < _PART_BYTES
                if not whole and b"\n" not in data:
                    data += file.read(_MOST_BYTES - _PART_BYTES)
                    whole = len(data) < _MOST_BYTES
            end = data.rfind(b"\n") + 1
            if not end and len(data) == _MOST_BYTES:  # no record is as long
                end = len(data)
            self._seen_size = self._offset + (len(data) if whole else end)
            self._offset += end
            records, damaged = _parsed(data[:end])
            self.damaged += damaged
            empty, lines = empty + len(data), lines + damaged
            if not records and (empty >= _MOST_EMPTY or lines >= _MOST_DAMAGED):
                self._seen_size = status.st_size
                raise RunError(
                    f"{self.path} is damaged: {empty:,} bytes of it hold no record of a training, and what follows is "
                    "not read. Restore it from a copy of the run."
                )
            self.behind = not whole and status.st_size > self._seen_size
            if whole:
                break
        return records


def read_metrics(path: Path) -> list[Record]:
    """All whole records of the file; none if it does not exist. Raises ``OSError`` or ``RunError``."""
    return read_records(MetricsTail(path))


def read_records(tail: MetricsTail) -> list[Record]:
    """All records that are there, and have not been given before."""
    records = tail.poll()
    while tail.behind:
        records += tail.poll()
    return records


def rewrite_metrics(path: Path, records: Iterable[Record]) -> None:
    """Let the file hold these records alone. Readers see it as replaced."""
    encoder = msgspec.json.Encoder()
    write_atomic(path, b"".join(encoder.encode(record) + b"\n" for record in records))


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
        with _opened(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return _parsed(file.read(_TAIL_BYTES))[0]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _opened(path: Path) -> IO[bytes]:
    try:
        return open_regular(path)
    except UnreadableError as error:
        raise RunError(
            f"{path} cannot be read: {error}. Move it away, or restore it from a copy of the run."
        ) from error


def _parsed(data: bytes) -> tuple[list[Record], int]:
    """The records of these lines, and how many others there are: torn by a crash, damaged, or not ours. Nothing more
    is looked at after ``_MOST_DAMAGED`` of them without a record."""
    records: list[Record] = []
    damaged = 0
    for line in data.split(b"\n"):
        try:
            _RECORD.decode(line)
            record = decode_json(line)
        except (UnreadableError, msgspec.MsgspecError, UnicodeError, RecursionError):
            damaged += bool(line.strip())
            if damaged == _MOST_DAMAGED and not records:
                break
        else:
            records.append(_shortened(record) if len(line) > _LONGEST_TEXT else record)
    return records, damaged


def _shortened(value: Any) -> Any:
    """``value`` with every text in it cut to ``_LONGEST_TEXT`` characters; a cut one says how long it is."""
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]} … ({len(value):,} characters in the file)"
    if isinstance(value, dict):
        return {_shortened(key): _shortened(inner) for key, inner in value.items()}
    return [_shortened(inner) for inner in value] if isinstance(value, list) else value


def _cut_torn_line(path: Path) -> None:
    """Drop the part after the last newline, which a killed trainer left; a new line must not be glued to it."""
    try:
        file = _opened(path)
    except FileNotFoundError:
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_BYTES))
        data = file.read()
    end = data.rfind(b"\n") + 1
    if end != len(data):
        os.truncate(path, size - len(data) + end)
