"""Start Isoline: ``python3 scripts/launch.py [ARGUMENTS]``.

The first run makes ``.venv`` beside this folder and installs everything; later runs start at once. The arguments go to
``isoline``: none opens the window, ``train --help`` shows the training command's, ``--tour DIR`` (or ``tour DIR``)
drives the real window through the tour, on a virtual display where there is no other. Standard library only.
"""

import sys

import _interpreter

HEADLESS = (
    "train", "import", "encode", "decode", "dataset", "experiment", "export", "share", "layout", "turntable", "info",
    "watch", "slurm",
)  # fmt: skip

NO_DISPLAY = """\
Isoline's window needs a display, and there is none here (neither DISPLAY nor WAYLAND_DISPLAY is set).
  on a desktop          run this from a terminal of the graphical session
  over ssh              connect with: ssh -X
  without any display   python3 scripts/launch.py --tour DIR   drives the window on a virtual one
                        python3 scripts/launch.py train --help trains in the terminal"""


def isoline_arguments(arguments: list) -> list:
    """What ``isoline`` gets: the same, with ``--tour DIR`` and ``--tour=DIR`` written as the command ``tour DIR``."""
    for place, word in enumerate(arguments):
        if word == "--tour":
            return ["tour", *arguments[place + 1 :], *arguments[:place]]
        if word.startswith("--tour="):
            return ["tour", word[len("--tour=") :], *arguments[place + 1 :], *arguments[:place]]
    return arguments


def library_profile(arguments: list, display: bool) -> str:
    """Which system libraries the command needs: ``none``, ``window``, or ``virtual`` (a display of its own)."""
    command = arguments[0] if arguments else ""
    if command in HEADLESS or {"-h", "--help", "--version"} & set(arguments):
        return "none"
    return "virtual" if command == "tour" and not display else "window"


def main(arguments: list) -> int:
    """Set up what is missing, then become ``isoline``. Returns an exit status where that did not happen."""
    import _environment

    arguments = isoline_arguments(arguments)
    display = _environment.has_display()
    profile = library_profile(arguments, display)
    if not _environment.is_ready(set()) or not _environment.libraries_verified(profile):
        import _setup
        from _progress import SetupError

        try:
            _setup.prepare(set(), profile)
        except SetupError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted. The next run repairs what is unfinished.", file=sys.stderr)
            return 130
    if profile == "window" and not display:
        print(NO_DISPLAY, file=sys.stderr)
        return 2
    return _environment.become(["-m", "explorer", *arguments])


if __name__ == "__main__":
    _interpreter.ensure_recent()
    raise SystemExit(main(sys.argv[1:]))
