"""``python -m core.cli COMMAND``: how the window starts a command."""

from __future__ import annotations

import faulthandler
import sys

from core.cli.main import main

if __name__ == "__main__":
    faulthandler.enable()  # a training's log then says where a signal ended it, such as a fault in a driver
    sys.exit(main())
