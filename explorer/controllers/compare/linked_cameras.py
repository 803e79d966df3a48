"""Two clouds that turn together, each at its own scale."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QTimer

from explorer.views.cloud import CloudView

ANGLES = ("azimuth", "elevation")


class CameraLock(QObject):
    """Turns ``second`` when a hand turns ``first``, and the other way round.

    Distance and centre are each cloud's own, for two models spread their clouds differently; the second is kept whole
    in its view until a hand zooms or shifts it.
    """

    def __init__(self, first: CloudView, second: CloudView) -> None:
        super().__init__(second)
        self._first, self._second = first, second
        self._framed: tuple = ()
        self._own_frame = False
        first.view_changed.connect(lambda: self._follow(first, second))
        second.view_changed.connect(self._on_second)
        second.installEventFilter(self)

    def align(self) -> None:
        """Another cloud is in the second view: show it whole, from where the first is seen."""
        self._own_frame = False
        self._follow(self._first, self._second)
        self.fill()

    def grown(self) -> None:
        """The second cloud has changed: keep it in its view."""
        if self._second.scene.outgrown():
            self.fill()

    def fill(self) -> None:
        """Show the second cloud whole, unless a hand has chosen what is seen of it."""
        if self._own_frame or not self._second.point_count:
            return
        self._second.scene.fit(orient=False)
        self._second.set_camera(self._second.camera())
        self._framed = _frame(self._second)

    def _on_second(self) -> None:
        if _frame(self._second) != self._framed:
            self._own_frame = True
        self._follow(self._second, self._first)

    def _follow(self, led: CloudView, follower: CloudView) -> None:
        angles = {name: led.camera()[name] for name in ANGLES}
        camera = follower.camera()
        if follower.point_count and any(camera[name] != angles[name] for name in ANGLES):
            follower.set_camera({**camera, **angles})

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """After a change of size, and after the view itself has heard of it."""
        if event.type() == QEvent.Type.Resize:
            QTimer.singleShot(0, self, self.fill)
        return super().eventFilter(watched, event)


def _frame(cloud: CloudView) -> tuple:
    camera = cloud.camera()
    return camera["distance"], tuple(camera["target"])
