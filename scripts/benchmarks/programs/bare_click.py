"""What a click cannot do without, and nothing else: a round trip to another process, and an image that is painted.

Answers each line, a count, by JSON: ``round_trip_ms`` and ``blit_ms``, lists of so many. The round trip: Qt writes 128
bytes to a process, which reads them and writes an image of 256², and Qt has read that. The blit: a window of the size
that comes as arguments is asked to paint such an image, 640 pixels large, and has painted it.

Before each there is a rest as long as between two clicks: processors that have slept take a millisecond or more to come
to themselves, and a click, too, comes after a rest.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

from PySide6.QtCore import QEventLoop, QProcess, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

REQUEST, REPLY = 128, 256 * 256 + 128
SHOWN = 640
REST_MS = 70
ECHO = "echo"


class Picture(QWidget):
    """Shows one image."""

    painted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.image = QImage(256, 256, QImage.Format.Format_Grayscale8)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.drawImage(self.rect(), self.image)
        self.painted.emit()


def echo() -> None:
    """The other process: an answer of the size of an image to each request."""
    answer = bytes(REPLY)
    while True:
        wanted = REQUEST
        while wanted:
            part = os.read(0, wanted)
            if not part:
                return
            wanted -= len(part)
        left = memoryview(answer)
        while left:
            left = left[os.write(1, left) :]


def main() -> None:
    """Open the window, start the other process, and answer."""
    QApplication([])
    window = QWidget()
    window.resize(int(sys.argv[1]), int(sys.argv[2]))
    picture = Picture(window)
    picture.setGeometry(QRect(0, 0, SHOWN, SHOWN))
    window.show()
    process, loop = QProcess(), QEventLoop()
    process.setProcessChannelMode(QProcess.ProcessChannelMode.ForwardedErrorChannel)
    process.start(sys.executable, [__file__, ECHO])
    process.waitForStarted()
    received = 0

    def read() -> None:
        nonlocal received
        received += process.readAllStandardOutput().size()
        if received >= REPLY:
            loop.quit()

    process.readyReadStandardOutput.connect(read)
    picture.painted.connect(loop.quit)

    def round_trip() -> None:
        nonlocal received
        received = 0
        process.write(bytes(REQUEST))
        process.waitForBytesWritten(0)
        loop.exec()

    def blit() -> None:
        picture.image.fill(1 + int(perf_counter() * 1e6) % 254)  # another image each time
        picture.update()
        loop.exec()

    def timed(action) -> float:
        QTimer.singleShot(REST_MS, loop.quit)
        loop.exec()
        begun = perf_counter()
        action()
        return 1000.0 * (perf_counter() - begun)

    blit()
    round_trip()
    for line in sys.stdin:
        count = int(line)
        times = {"round_trip_ms": [], "blit_ms": []}
        for _ in range(count):
            times["round_trip_ms"].append(timed(round_trip))
            times["blit_ms"].append(timed(blit))
        print(json.dumps(times), flush=True)
    process.closeWriteChannel()
    process.waitForFinished(2000)


if __name__ == "__main__":
    if sys.argv[1] == ECHO:
        echo()
    else:
        main()
