"""The command line of the tour, and the process it runs in.

The tour itself runs in a child process, so that its start-up times are those of a program started by hand, and so
that a virtual display can be made first where there is none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

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
    parser.add_argument("--quick", action="store_true", help="small trainings, and short pauses")
    options = parser.parse_args(argv)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"isoline tour: {options.out} cannot be made ({error.strerror}); name another folder.", file=sys.stderr)
        return 2
    if os.environ.get(CHILD):
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


@contextmanager
def virtual_display(environment: dict[str, str], size: tuple[int, int]) -> Iterator[str]:
    """Set DISPLAY in ``environment`` to a new virtual screen if it names no display; yields a problem or ""."""
    has_display = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if not sys.platform.startswith("linux") or has_display or environment.get("QT_QPA_PLATFORM"):
        yield ""
        return
    if shutil.which("Xvfb") is None:
        yield "there is no display and no Xvfb to make one; install it (Debian: apt-get install xvfb)."
        return
    reader, writer = os.pipe()
    screen = f"{max(size[0], 1920)}x{max(size[1], 1080)}x24"
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "+extension", "GLX", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        if not number:
            yield "Xvfb could not start a virtual display."
            return
        environment["DISPLAY"] = f":{number}"
        yield ""
    finally:
        server.terminate()
        server.wait()


def run_tour(options: argparse.Namespace) -> int:
    """The child process's part: open the window as the program does, then play the stages."""
    from explorer.startup import make_application_and_engine, make_explorer, show_panels

    application, engine = make_application_and_engine()
    from PySide6.QtCore import QRect, QTimer

    from explorer.settings import Settings

    Settings().theme = options.theme
    panels = show_panels(application, options.renderer, QRect(0, 0, *options.size))
    shown = perf_counter()
    explorer = make_explorer(application, engine, panels)
    from explorer.controllers.app.open_run import bundled_run
    from explorer.tour.measurements import process_age
    from explorer.tour.runner import Director, up_to
    from explorer.tour.scenario import STAGES

    stages = up_to(options.until, STAGES)
    age = process_age() - (perf_counter() - shown)
    explorer.show()
    director = Director(application, explorer, options)
    handle = explorer.window.windowHandle()
    director.figures["window_s"] = round(age, 3) if handle.isExposed() else None

    def visible() -> None:
        if director.figures["window_s"] is None and handle.isExposed():
            director.figures["window_s"] = round(process_age(), 3)
            watch.stop()

    watch = QTimer(director)
    watch.setInterval(1)
    watch.timeout.connect(visible)
    watch.start()
    explorer.open_run.open(bundled_run(), remember=False)
    return director.run(stages)
