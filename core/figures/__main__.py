"""Start the process that draws figures."""

import sys

from core.figures.server import main

if __name__ == "__main__":
    sys.exit(main())
