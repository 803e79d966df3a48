"""``python -m isoline``: the command ``isoline``."""

import sys

from explorer.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
