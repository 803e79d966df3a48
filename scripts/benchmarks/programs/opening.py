"""How soon Isoline's window is on screen and shows its first image, without a tour's pictures in between.

``STARTED`` in the environment as for ``bare_window``; a file for the result and the window's size come as arguments.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic


def main() -> None:
    """Start as ``isoline`` does, on the bundled model, and end with its first image."""
    result, width, height = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    from explorer.startup import make_application_and_engine

    application, engine = make_application_and_engine()
    from PySide6.QtCore import QTimer

    from explorer.app import Explorer
    from explorer.controllers.app.open_run import bundled_run

    explorer = Explorer(application, engine, "auto")
    explorer.window.resize(width, height)
    explorer.show()
    explorer.open_run.open(bundled_run(), remember=False)
    started, times = float(os.environ["STARTED"]), {}

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
