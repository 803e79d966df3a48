"""Start the engine process."""

import os
import sys

from core.engine.server import main
from core.utils.crash_reports import watch_for_crashes

if __name__ == "__main__":
    watch_for_crashes("engine")
    status = main()
    sys.stderr.flush()
    os._exit(status)  # all is written; taking torch apart would make the window wait for most of a second
