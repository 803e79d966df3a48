"""What ``config.json`` says of a run beside its configuration."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

from core.data.dataset import Dataset
from core.utils.versions import versions

MOST_SKIPPED = 1000
"""Skipped files that are listed: of a folder with very many, the configuration must stay small enough to be read."""


def run_metadata(dataset: dict[str, Any]) -> dict[str, Any]:
    """When and with what the run was made, and what is known of its ``dataset``."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset,
        "versions": versions(),
        "platform": platform.platform(),
    }


def dataset_metadata(dataset: Dataset, relative_path: str | None) -> dict[str, Any]:
    """What is kept of ``dataset``, whose files lie at ``relative_path`` from the run."""
    notes = list(dataset.notes)
    if len(dataset.skipped) > MOST_SKIPPED:
        notes.append(f"{len(dataset.skipped):,} files were skipped; the first {MOST_SKIPPED:,} are listed.")
    return {
        "fingerprint": dataset.fingerprint,
        "relative_path": relative_path,
        "samples": len(dataset.images),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "held_out": len(dataset.held_out),
        "factor_names": list(dataset.factor_names),
        "read_as": dataset.read_as,
        "notes": notes,
        "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in dataset.skipped[:MOST_SKIPPED]],
    }
