"""``python -m core.cli COMMAND``: how the window starts a command."""

from __future__ import annotations

import sys

from core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
