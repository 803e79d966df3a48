"""What ``config.json`` says of a run beside its configuration."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

from core.data.dataset import Dataset
from core.utils.versions import versions


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
    return {
        "fingerprint": dataset.fingerprint,
        "relative_path": relative_path,
        "samples": len(dataset.images),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "held_out": len(dataset.held_out),
        "factor_names": list(dataset.factor_names),
        "read_as": dataset.read_as,
        "notes": list(dataset.notes),
        "skipped": [{"name": skipped.name, "reason": skipped.reason} for skipped in dataset.skipped],
    }
