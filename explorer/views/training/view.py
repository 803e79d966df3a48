"""The training panel: transport buttons, progress and live hyperparameters above the form of settings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from core.config import LIVE_SETTINGS, ConfigError, RunConfig
from core.utils.text import NO_BREAK, duration_text
from explorer.views.training.form import ContinueForm, TrainingForm
from explorer.widgets.controls import (
    MagnitudeSpinBox,
    label,
    named,
    push_button,
    set_role,
    set_silently,
    tool_button,
)
from explorer.widgets.icons import icon
from explorer.widgets.layouts import Panel, column, row, scrolled
from explorer.widgets.plain_text import plain_tip

ACTIVE = ("starting", "running", "paused", "stopping")
STEERABLE = ("running", "paused")
ENDED = ("stopped", "finished", "interrupted", "failed")
NUMBERS = "images/s: training images processed per second, over the last step; left: estimated time to the end"
_WORDS = {
    "idle": "Not training",
    "starting": "Starting…",
    "running": "Training",
    "paused": "Paused",
    "stopping": "Stopping after this step…",
    "stopped": "Stopped",
    "finished": "Finished",
    "interrupted": "Interrupted",
    "failed": "Failed",
    "gone": "Deleted or moved",
    "imported": "Imported, not trained here",
}
_PERMILLE = 1000
BUTTON_WIDTH = 36  # characters of a line in a button
LARGEST_PROGRESS = 0.99  # until the run has finished: after the last step come its validation and the report


@dataclass(frozen=True)
class Advice:
    """What is wrong with the run, and what helps: a sentence, and a button for ``action``, if there is one.

    It lets the run go on with ``values``, by ``section.field``, or starts a new one with them if ``fresh``.
    """

    text: str
    action: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False


class TrainingView(Panel):
    """Chooses what to train, by its ``form``, and steers what trains. It starts nothing itself."""

    start_requested = Signal(object)
    continue_requested = Signal(object)
    """Settings by ``section.field`` with which the open run goes on."""
    fresh_requested = Signal(object)
    """Settings by ``section.field`` with which a new run like the open one is started."""
    pause_requested = Signal()
    resume_requested = Signal()
    step_requested = Signal()
    epoch_requested = Signal()
    stop_requested = Signal()
    hyperparameters_changed = Signal(object)
    wake_requested = Signal()
    """The trainer's process, which has been stopped, is to go on."""
    kill_requested = Signal()
    revive_requested = Signal()
    """End the trainer by force, and go on from the last checkpoint."""

    def __init__(self) -> None:
        super().__init__("training")
        self.setMinimumWidth(236)  # its fields stay whole when other docks want room
        self._state, self._reason, self._awaits = "idle", "", False
        self._can_continue, self._obstacle = False, ""
        self.form = TrainingForm()
        self._scroll = scrolled(self._make_body(), "training.scroll")
        column(self._make_head(), (self._scroll, 1), parent=self)
        self.form.refreshed.connect(self._show)
        self.set_state("idle")

    def _make_head(self) -> QWidget:
        head = named(QWidget(), "training.head")
        self._start = push_button("training.start", "Start training", "", self.request_start, primary=True)
        self._continue = named(QPushButton("Continue…"), "training.continue")
        self._continue.setCheckable(True)
        self._continue.toggled.connect(self._show_continuing)
        self._status = label("", "muted", "training.status", wrap=True)
        self._refusal = label("", "error", "training.refusal", wrap=True)
        self._refusal.hide()
        self._bar = named(QProgressBar(), "training.progress")
        self._bar.setRange(0, _PERMILLE)
        self._bar.setTextVisible(False)
        self._numbers = label("", "muted", "training.numbers", wrap=True)
        self._numbers.setToolTip(NUMBERS)
        self._trouble = self._make_trouble()
        buttons = row((self._start, 1), self._continue, spacing=6)
        parts = (
            buttons,
            self._make_transport(),
            self._refusal,
            self._status,
            self._trouble,
            self._bar,
            self._numbers,
            self._make_live(),
        )
        column(*parts, spacing=8, margins=(8, 8, 8, 8), parent=head)
        return head

    def _make_body(self) -> QWidget:
        """What scrolls: how the open run can go on and what is wrong with it, and the form of the next one."""
        body = QWidget()
        self._continue_form = ContinueForm()
        self._continue_form.requested.connect(self.continue_requested)
        self._advice = named(QWidget(), "training.advice")
        self._advices = column(spacing=6, parent=self._advice)
        ending = column(self._continue_form, self._advice, spacing=8, margins=(8, 0, 8, 0))
        column(ending, (self.form, 1), parent=body)
        return body

    def _make_transport(self) -> QWidget:
        self._transport = QWidget()
        self._pause = self._button("pause", "Pause", "Pause after this step; the model stays in memory")
        self._step = self._button("step", "Step", "One optimiser step, then pause")
        self._epoch = self._button("epoch", "Epoch", "To the end of this epoch, then pause")
        self._stop = self._button("stop", "Stop", "Stop after this step; a checkpoint is kept")
        buttons = (self._pause, self._step, self._epoch, self._stop)
        row(*((button, 1) for button in buttons), spacing=4, parent=self._transport)
        self._pause.clicked.connect(self._on_pause)
        self._step.clicked.connect(self.step_requested)
        self._epoch.clicked.connect(self.epoch_requested)
        self._stop.clicked.connect(self.stop_requested)
        return self._transport

    def _make_trouble(self) -> QWidget:
        """What is wrong with the trainer's process, and what helps."""
        part = named(QWidget(), "training.trouble")
        self._trouble_text = label("", "warning", "training.trouble.text", wrap=True)
        tip = "Let the trainer's process go on where it was stopped; nothing is lost"
        self._wake = push_button("training.trouble.wake", "Let it go on", tip, self.wake_requested.emit, primary=True)
        tip = "End the trainer's process by force, after a question"
        self._kill = push_button("training.trouble.kill", "End it…", tip, self.kill_requested.emit)
        text, tip = "Continue from the last checkpoint…", f"{tip}, and train on from the last checkpoint"
        self._revive = push_button("training.trouble.revive", text, tip, self.revive_requested.emit)
        column(self._trouble_text, self._wake, self._kill, self._revive, spacing=6, parent=part)
        part.hide()
        return part

    def _button(self, name: str, text: str, tip: str) -> QToolButton:
        button = tool_button(f"training.{name}", text, tip, drawing=name)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(18, 18))
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def _make_live(self) -> QWidget:
        """Learning rate, beta and gamma of the running training; a change is sent when it is committed."""
        self._live = named(QWidget(), "training.live")
        grid = QGridLayout(self._live)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        self._fields: dict[str, MagnitudeSpinBox] = {}
        for place, setting in enumerate(LIVE_SETTINGS):
            name, text = setting.field.name, setting.row.label
            field = MagnitudeSpinBox(1e-12 if setting.above else setting.low or 0.0, setting.high or 1e6)
            field.setObjectName(f"training.live.{name}")
            field.setToolTip(f"{setting.help} Press Enter to use the new value from the next step on.")
            field.setAccessibleName(f"{text} of the running training")
            field.committed.connect(lambda value, name=name: self.hyperparameters_changed.emit({name: value}))
            grid.addWidget(label(text, "muted", buddy=field), 0, place)
            grid.addWidget(field, 1, place)
            grid.setColumnStretch(place, 1)
            self._fields[name] = field
        return self._live

    # setters

    def set_continuable(self, config: RunConfig | None, done: int = 0, obstacle: str = "") -> None:
        """The open run, with its settings as they are now, and how many of its epochs are done; None: none is open.
        ``obstacle`` says why it cannot go on; empty: it can."""
        self._can_continue, self._obstacle = config is not None, obstacle
        if config is not None:
            self._continue_form.set_run(config, done)
        self._show()

    def set_advice(self, advice: Sequence[Advice]) -> None:
        """Say what is wrong with the open run, which has ended or is paused, below its state."""
        layout = self._advices
        while (item := layout.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for number, one in enumerate(advice):
            if one.text:
                layout.addWidget(label(one.text, "warning", f"training.advice.{number}.text", wrap=True))
            if one.action:
                tip = "Train this run further from its last checkpoint"
                tip = "Train a new run with the settings of this one, apart from that" if one.fresh else tip
                text = textwrap.fill(one.action, BUTTON_WIDTH)
                button = push_button(f"training.advice.{number}.action", text, tip)
                signal = self.fresh_requested if one.fresh else self.continue_requested
                button.clicked.connect(lambda _=False, signal=signal, values=dict(one.values): signal.emit(values))
                layout.addWidget(button)
        self._show()

    def set_state(self, state: str, message: str = "") -> None:
        """idle, starting, running, paused, stopping, stopped, interrupted, finished, failed, gone or imported."""
        self._state = state
        word = _WORDS.get(state, state.capitalize())
        self._status.setText(f"{word}: {message}" if message else word)
        set_role(self._status, "error" if state == "failed" else "muted")
        if state in ("idle", "starting"):
            self._bar.setValue(0)
            self._numbers.setText("")
        elif state == "finished":
            self._bar.setValue(_PERMILLE)
        self._show()

    def set_refusal(self, text: str) -> None:
        """Why the last command did not reach the trainer, below the buttons; empty: it did."""
        self._refusal.setText(text)
        self._refusal.setVisible(bool(text))

    def set_trouble(self, text: str, can_end: bool = False, can_revive: bool = False, can_wake: bool = False) -> None:
        """What is wrong with the trainer's process, empty: nothing, and what can be done about it from here: end it, or
        also go on from its last checkpoint, or let a stopped one go on."""
        self._trouble_text.setText(text)
        self._wake.setVisible(can_wake)
        self._kill.setVisible(can_end)
        self._revive.setVisible(can_revive)
        self._trouble.setVisible(bool(text))

    def set_enabled_reason(self, reason: str) -> None:
        """Why nothing can be started now, shown with the button; empty: it can."""
        self._reason = reason
        self._show()

    def set_awaits_images(self, awaits: bool) -> None:
        """Whether images are being read for the first time: the settings that follow from them are not there yet."""
        self._awaits = awaits
        self._show()

    def set_preparation(self, done: float, seconds: float) -> None:
        """While a training starts: ``done`` (0 to 1) of its images is ready, ``seconds`` after the start."""
        self._bar.setValue(round(_PERMILLE * done))
        left = seconds * (1.0 - done) / done if done > 0.0 else math.inf
        self._numbers.setText(f"preparing the images: {done:.0%} · {duration_text(left)}{NO_BREAK}left")
        self._show()

    def set_progress(self, record: Mapping[str, Any], total_epochs: int) -> None:
        """The newest "step" record of the run: epoch, images/s, seconds elapsed (``time``) and left (``eta_seconds``).

        After the last step of an epoch its validation runs, of which no time is known.
        """
        epoch, eta = record.get("epoch"), record.get("eta_seconds")
        gone, rate = record.get("time"), record.get("images_per_second")
        parts = []
        if epoch is not None:
            parts.append(f"epoch {min(int(epoch), total_epochs)} of {total_epochs}")
        if rate is not None:
            parts.append(f"{rate:,.0f} images/s" if rate >= 10 else f"{rate:.1f} images/s")
        if record.get("ends_epoch"):
            parts.append("validating…")
        elif eta is not None:
            parts.append(f"{duration_text(eta)}{NO_BREAK}left")
        if record.get("device"):
            parts.append(str(record["device"]))
        self._numbers.setText(" · ".join(parts))
        if record.get("total_steps"):
            fraction = record["step"] / record["total_steps"]
        elif eta is not None and gone is not None and gone + eta > 0:
            fraction = gone / (gone + eta)
        else:
            fraction = (int(epoch or 0)) / max(1, total_epochs)
        self._bar.setValue(round(_PERMILLE * min(LARGEST_PROGRESS, max(0.0, fraction))))
        self._show()

    def set_live(self, learning_rate: float, beta: float, gamma: float) -> None:
        """Show the hyperparameters that the trainer uses now. A field that is being typed in keeps its text."""
        for name, value in (("learning_rate", learning_rate), ("beta", beta), ("gamma", gamma)):
            field = self._fields[name]
            if field.being_typed:
                continue
            set_silently(field.setValue, value)

    # gestures

    def request_start(self) -> None:
        """Ask for a training with the settings on screen; wrong ones are shown instead."""
        if self._awaits:
            return  # the greyed button says why
        try:
            config = self.form.config()
        except ConfigError:
            self._show()
            return
        self.start_requested.emit(config)

    def _on_pause(self) -> None:
        if self._state == "paused":
            self.resume_requested.emit()
        else:
            self.pause_requested.emit()

    # showing

    def _show_continuing(self, _: bool) -> None:
        self._show()
        self._scroll.verticalScrollBar().setValue(0)  # where the fields are

    def _show(self) -> None:
        active, steerable = self._state in ACTIVE, self._state in STEERABLE
        paused = self._state == "paused"
        ended = self._state in ENDED and self._can_continue
        self._start.setVisible(not active)
        self._continue.setVisible(ended)
        self._continue.setEnabled(not self._obstacle)
        self._continue.setToolTip(
            plain_tip(self._obstacle or "Train this run further, for more epochs or with other settings")
        )
        self._continue_form.setVisible(ended and not self._obstacle and self._continue.isChecked())
        self._advice.setVisible(self._state in (*ENDED, "paused") and self._advices.count() > 0)
        self._transport.setVisible(active)
        self._live.setVisible(active)
        self._bar.setVisible(active)
        self._numbers.setVisible(active and bool(self._numbers.text()))
        awaited = "The images are being read: settings follow from them." if self._awaits else ""
        problem = awaited or self._reason or self.form.error
        self._start.setEnabled(not active and not problem)
        self._start.setToolTip(plain_tip(problem) if problem else "Train with these settings in a new run folder")
        self._pause.setText("Resume" if paused else "Pause")
        self._pause.setIcon(icon("play" if paused else "pause"))
        self._pause.setToolTip("Resume the training" if paused else "Pause after this step; the model stays in memory")
        for widget in (self._pause, self._step, self._epoch, self._stop, self._live):
            widget.setEnabled(steerable)
        self.form.setEnabled(not active)
