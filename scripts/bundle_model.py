"""Make the model that comes with Isoline: train the default settings, store the result small, as a run directory.

    python scripts/bundle_model.py                 # train (about 10 minutes on 2 cores), then bundle
    python scripts/bundle_model.py --run RUN       # bundle a run that was trained already

Weights are stored in bfloat16; the embeddings of all epochs come along, so that the time-line can be replayed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "resources" / "model"
LIMIT = 4 * 1024 * 1024


def main() -> int:
    """Train if needed, bundle, check the size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run to bundle instead of training one")
    parser.add_argument("--out", type=Path, default=TARGET, help=f"where to write (default: {TARGET})")
    options = parser.parse_args()

    from core.training.bundle import bundle_run

    if options.run is not None:
        size = bundle_run(options.run, options.out)
    else:
        from core.config import RunConfig
        from core.training.trainer import run_training

        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            run_training(RunConfig(), run)
            size = bundle_run(run, options.out)
    print(f"{options.out}: weights {size / 1e6:.2f} MB")
    if size > LIMIT:
        print(f"The weights are larger than {LIMIT} bytes; the package must stay light.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
