"""The command line of the tour, and the process it runs in.

The tour itself runs in a child process, so that its start-up times are those of a program started by hand, and so
that a virtual display can be made first where there is none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from explorer.tour.display import virtual_display

CHILD = "ISOLINE_TOUR_CHILD"


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 1280x720") from error
    if width < 960 or height < 600:
        raise argparse.ArgumentTypeError(f"{text} is smaller than the smallest window, 960x600")
    return width, height


def main(argv: list[str]) -> int:
    """Run the tour; returns 0 when every stage happened."""
    parser = argparse.ArgumentParser(prog="isoline tour", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for screenshots and tour.json")
    parser.add_argument("--size", type=_size, default=(1920, 1080), help="window size, WIDTHxHEIGHT")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--renderer", choices=("auto", "gl", "software"), default="auto")
    parser.add_argument("--clicks", type=int, default=60, help="clicks timed while idle, and again while training")
    parser.add_argument("--until", metavar="STAGE", help="end after this stage, such as 'click points'")
    parser.add_argument("--quick", action="store_true", help="a small training instead of the published dataset")
    options = parser.parse_args(argv)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"isoline tour: {options.out} cannot be made ({error.strerror}); name another folder.", file=sys.stderr)
        return 2
    if os.environ.get(CHILD):
        from explorer.tour.runner import run_tour

        return run_tour(options)
    environment = {**os.environ, CHILD: "1"}
    out = options.out.resolve()
    environment.setdefault("ISOLINE_RUNS", str(out / "runs"))
    environment["ISOLINE_CONFIG"] = str(out / "config")
    with virtual_display(environment, options.size) as problem:
        if problem:
            print(f"isoline tour: {problem}", file=sys.stderr)
            return 2
        return subprocess.run(
            [sys.executable, "-m", "explorer", "tour", *argv], env=environment, check=False
        ).returncode
