"""What a report of a problem holds, as texts that a person reads before they save it. Nothing is sent anywhere.

Left out on purpose: images, latents, weights, labels, and names of folders. What a message quotes is quoted as it was,
so the name of a file may be in the log or in a run's records: that is why all of it is shown.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.config import RunConfig, config_to_dict, without_folders
from core.utils.atomic_write import atomic_file

MOST_RECORDS = 200
LONGEST_LOG = 100_000  # characters, the newest


@dataclass(frozen=True)
class ReportPart:
    """A file of the report: its ``name`` in the zip, a ``title``, and its ``text``."""

    name: str
    title: str
    text: str


@dataclass(frozen=True)
class OpenedRun:
    """The open run, as far as a report tells of it: where it and its images lie is left out of all texts."""

    path: Path
    config: RunConfig
    versions: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]


def report_parts(
    versions: str, graphics: str, log: str, settings: Mapping[str, str], run: OpenedRun | None
) -> list[ReportPart]:
    """All that a report can hold; what is empty is left out."""
    parts = [
        ReportPart("versions.txt", "Versions and system", versions),
        ReportPart("graphics.txt", "How the cloud is drawn", graphics),
        ReportPart("log.txt", "Log of mistakes and crashes", log[-LONGEST_LOG:]),
        ReportPart("settings.json", "Settings of the window, without folders", _json(settings) if settings else ""),
    ]
    if run is not None:
        config = {"config": config_to_dict(without_folders(run.config)), "versions": run.versions}
        records = b"\n".join(map(msgspec.json.encode, run.records)).decode()
        parts += [
            ReportPart("config.json", "Settings of the open run, without folders", _json(config)),
            ReportPart("metrics.jsonl", f"Newest {MOST_RECORDS} records of its training", records),
        ]
    places = [str(Path.home())]
    if run is not None:
        places += [text for text in (run.config.data.path, run.config.data.labels) if text]
        places += [str(run.path)]
    return [ReportPart(part.name, part.title, without_places(part.text, places)) for part in parts if part.text.strip()]


def without_places(text: str, places: Iterable[str]) -> str:
    """``text`` in which the home folder is "~", and of any other of ``places`` only its last part stays."""
    home = str(Path.home())
    for place in sorted(set(places), key=len, reverse=True):
        for written in {place, place.replace("\\", "\\\\")}:  # as in JSON
            text = text.replace(written, "~" if place == home else f"…/{Path(place).name}")
    return text


def write_report(path: Path, parts: Sequence[ReportPart]) -> None:
    """Write ``parts`` as the zip file ``path``, whole or not at all. Raises ``OSError``."""
    with atomic_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            archive.writestr(part.name, part.text)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
