"""How soon an empty window of Qt is on screen, with pyqtgraph imported: the least that a program with both can take.

``started``, the seconds of the monotonic clock just before this process was started, comes in the environment; a file
for the result and the window's size come as arguments.
"""

import json
import os
import sys
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow


def main() -> None:
    """Show the window, and end once it is exposed."""
    result, width, height = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    application = QApplication([])
    imported = monotonic()
    import pyqtgraph  # noqa: F401 - its time is what counts

    window = QMainWindow()
    window.resize(width, height)
    window.show()

    def look() -> None:
        handle = window.windowHandle()
        if handle is not None and handle.isExposed():
            started = float(os.environ["STARTED"])
            result.write_text(json.dumps({"qt_s": imported - started, "window_s": monotonic() - started}))
            application.quit()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(1)
    application.exec()


if __name__ == "__main__":
    main()
