"""Start the engine process."""

import os
import sys

from core.engine.server import main

if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # all is written; taking torch apart would make the window wait for most of a second
