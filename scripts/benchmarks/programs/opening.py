"""How soon Isoline's window is on screen and shows its first image, without a tour's pictures in between.

``STARTED`` in the environment as for ``bare_window``; a file for the result and the window's size come as arguments.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic
from typing import Any


def main() -> None:
    """Start as ``isoline`` does, on the bundled model, and end with its first image."""
    result, width, height = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    started, times = float(os.environ["STARTED"]), {}
    from explorer import startup

    engine: Any  # of a version of before, its client
    application, engine = startup.make_application_and_engine()
    from PySide6.QtCore import QRect, QTimer

    if hasattr(startup, "show_panels"):
        panels = startup.show_panels(application, "auto", QRect(0, 0, width, height))
        if panels.window.windowHandle().isExposed():
            times["window_s"] = monotonic() - started
        explorer = startup.make_explorer(application, engine, panels)
    else:  # a version of before, to compare with
        from explorer.app import Explorer

        explorer = Explorer(application, engine, "auto")
        explorer.window.setGeometry(0, 0, width, height)
    from explorer.controllers.app.open_run import bundled_run

    explorer.show()
    explorer.open_run.open(bundled_run(), remember=False)

    def look() -> None:
        handle = explorer.window.windowHandle()
        if handle is not None and handle.isExposed():
            times.setdefault("window_s", monotonic() - started)
        if explorer.image.has_image and "window_s" in times:
            times["image_s"] = monotonic() - started
            result.write_text(json.dumps(times))
            timer.stop()
            explorer.window.close()
            application.quit()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(1)
    application.exec()


if __name__ == "__main__":
    main()
