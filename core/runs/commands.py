"""The commands with which a training goes on, or another one begins: as a person would type them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def resume_command(run: Path, values: Mapping[str, Any]) -> str:
    """Let the run in folder ``run`` go on with these values by ``section.field``."""
    return shlex.join(["isoline", "train", "--resume", "--out", str(run), *flags(values)])


def fresh_command(run: Path, values: Mapping[str, Any]) -> str:
    """Start a new run beside ``run`` with its settings, apart from these values by ``section.field``."""
    number = 2
    while (out := run.with_name(f"{run.name}-{number}")).exists():
        number += 1
    start = ["isoline", "train", "--config", str(run / "config.json"), "--out", str(out)]
    return shlex.join([*start, *flags(values)])


def fill_command(run: Path) -> str:
    """Encode the samples of ``run`` that are not recorded with its newest weights."""
    return shlex.join(["isoline", "encode", str(run), "--fill"])


def remedy_lines(run: Path, finding: Mapping[str, Any]) -> list[str]:
    """What a finding of the final report says (see ``core.training.diagnosis.Finding``), and the command that helps."""
    lines = [str(finding.get("message", "")), str(finding.get("remedy", ""))]
    if changes := finding.get("changes"):
        lines.append(f"  {(fresh_command if finding.get('fresh') else resume_command)(run, changes)}")
    return lines


def flags(values: Mapping[str, Any]) -> list[str]:
    """The options of ``isoline train`` that set these values by ``section.field``."""
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", _shown(value))]


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
