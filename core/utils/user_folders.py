"""The user's folders for what a person has answered and for logs; the window's own settings are where Qt keeps them.

Also how much the cache of images may take: settings name it, and import nothing to do so.
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE_BOUND_VARIABLE, DEFAULT_CACHE_GB = "ISOLINE_CACHE_GB", 50.0


def config_folder() -> Path:
    """The user's folder for settings of Isoline; ``ISOLINE_CONFIG`` moves it."""
    import platformdirs

    return Path(os.environ.get("ISOLINE_CONFIG") or platformdirs.user_config_dir("isoline", appauthor=False))


def log_folder() -> Path:
    """The platform's folder for logs; ``ISOLINE_LOGS`` moves it."""
    import platformdirs

    return Path(os.environ.get("ISOLINE_LOGS") or platformdirs.user_log_path("isoline", appauthor=False))
