"""How soon torch is imported and the weights of a model are loaded: what any program takes before its first image.

``STARTED`` in the environment as for ``bare_window``; a file for the result and the weights come as arguments.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic

import torch
from safetensors.torch import load_file


def main() -> None:
    """Load them."""
    started = float(os.environ["STARTED"])
    imported = monotonic()
    load_file(sys.argv[2])
    times = {"torch_s": imported - started, "weights_s": monotonic() - started, "version": torch.__version__}
    Path(sys.argv[1]).write_text(json.dumps(times))


if __name__ == "__main__":
    main()
