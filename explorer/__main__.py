"""The command ``isoline``: the window by itself, or one of core's commands.

Nothing heavy is imported before it is known what was asked for, so that the window is there at once.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CORE_COMMANDS = (
    "train", "open", "import", "encode", "decode", "dataset", "experiment", "export", "share", "layout",
    "turntable", "info", "slurm", "watch",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in CORE_COMMANDS:
        from core.cli.main import main as core_main

        return core_main(arguments)
    if arguments and arguments[0] == "tour":
        from explorer.tour import main as tour_main

        return tour_main(arguments[1:])
    return show(arguments)


def show(arguments: list[str]) -> int:
    """Show the window until it is closed."""
    import core

    parser = argparse.ArgumentParser(
        prog="isoline",
        description="Explore latent spaces. Without a command, the window opens.",
        epilog=f"Commands: {', '.join(CORE_COMMANDS)}, tour. See: isoline COMMAND --help",
    )
    parser.add_argument(
        "run", nargs="?", type=Path, help="run folder or project file (.isoline) to open (default: what was open last)"
    )
    parser.add_argument("--renderer", choices=("auto", "gl", "software"), default="auto", help="how the cloud is drawn")
    parser.add_argument("--version", action="version", version=f"isoline {core.__version__}")
    options = parser.parse_args(arguments)
    if options.run is not None and not options.run.exists():
        print(f"isoline: {options.run} does not exist; give the folder of a run or a project file.", file=sys.stderr)
        return 2

    from explorer.startup import open_window

    return open_window(options.run, options.renderer)


if __name__ == "__main__":
    sys.exit(main())
