"""The time-line under the cloud: a slider over the stored epochs and, after them, the newest state."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QToolButton

from explorer.widgets.controls import MarkedSlider, label, named, set_silently
from explorer.widgets.icons import icon
from explorer.widgets.layouts import Panel, row

_MOST_TICKS = 60  # more would run into one another


class TimelineView(Panel):
    """One slider position for each stored epoch and, last, the live state.

    ``epoch_chosen`` carries the epoch number, or None for live; ``play_toggled`` what the play button asks for.
    """

    epoch_chosen = Signal(object)
    play_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__("timeline")
        self._epochs: list[int] = []
        self._empty = ""
        self._play = named(QToolButton(), "timeline.play", accessible="Replay the epochs")
        self._play.setCheckable(True)
        tip = "Epoch shown in the cloud; the last position, “live”, is the newest state"
        self._slider = named(MarkedSlider(), "timeline.slider", tip=tip, accessible="Epoch")
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        self._label = label("", "muted", "timeline.label", align=right)
        self._label.setMinimumWidth(132)
        row(self._play, (self._slider, 1), self._label, spacing=8, margins=(8, 2, 12, 2), parent=self)
        self._play.toggled.connect(self._on_play)
        self._slider.valueChanged.connect(self._on_value)
        self.set_empty("no epochs stored")
        self.set_epochs([])
        self._show_play()

    def set_epochs(self, epochs: list[int], expected: int = 0) -> None:
        """The stored epochs, ascending; the position keeps its epoch, or follows the newest state.

        While a training runs, ``expected`` epochs will be stored in the end: the line is as full as it is advanced.
        """
        position = self.position()
        self._epochs = list(epochs)
        count = max(len(self._epochs), expected)
        set_silently(self._slider.setRange, 0, count)
        self._slider.setPageStep(1)
        self._slider.setEnabled(bool(self._epochs))
        self._play.setEnabled(len(self._epochs) > 1)
        self._slider.set_ticks(tuple(i / count for i in range(count + 1)) if 0 < count <= _MOST_TICKS else ())
        self.set_position(position if position in self._epochs else None)

    def set_empty(self, text: str) -> None:
        """What is said as long as no epoch is stored."""
        self._empty = text
        self._show_label()

    def set_position(self, epoch: int | None) -> None:
        """Show ``epoch``; None, or one that is not stored, is live."""
        place = self._epochs.index(epoch) if epoch in self._epochs else len(self._epochs)
        set_silently(self._slider.setValue, place)
        self._slider.update()
        self._show_label()

    def position(self) -> int | None:
        """The epoch on show, None when live."""
        place = self._slider.value()
        return self._epochs[place] if place < len(self._epochs) else None

    def set_playing(self, playing: bool) -> None:
        """Show whether the epochs are being replayed."""
        set_silently(self._play.setChecked, playing)
        self._show_play()

    def text(self) -> str:
        """The label on screen."""
        return self._label.text()

    def _on_play(self, playing: bool) -> None:
        self._show_play()
        self.play_toggled.emit(playing)

    def _on_value(self, place: int) -> None:
        if place > len(self._epochs):  # not trained yet: the newest state is as far as one can go
            set_silently(self._slider.setValue, len(self._epochs))
            self._slider.update()
        self._show_label()
        self.epoch_chosen.emit(self.position())

    def _show_play(self) -> None:
        playing = self._play.isChecked()
        self._play.setIcon(icon("pause" if playing else "play"))
        self._play.setToolTip("Stop the replay" if playing else "Replay how the cloud folded, epoch by epoch")

    def _show_label(self) -> None:
        if not self._epochs:
            self._label.setText(self._empty)
            return
        last = self._epochs[-1]
        epoch = self.position()
        self._label.setText(f"epoch {last} · live" if epoch is None else f"epoch {epoch} of {last}")
