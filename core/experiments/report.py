"""What the report of every experiment begins with."""

from __future__ import annotations

import os
import platform
from typing import Any

from core.config import RunConfig, config_to_dict
from core.experiments.folder import SCHEMA_VERSION
from core.experiments.options import ExperimentOptions
from core.utils.versions import versions


def report_head(options: ExperimentOptions, config: RunConfig) -> dict[str, Any]:
    """JSON-ready: schema, experiment, settings, versions and platform; ``config`` is that of the first model."""
    return {
        "schema": SCHEMA_VERSION,
        "experiment": options.name,
        "settings": {**options.settings(), "configuration": config_to_dict(config)},
        "versions": versions(),
        "platform": {"system": platform.platform(), "processors": os.cpu_count()},
    }
