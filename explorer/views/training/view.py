"""The training panel: transport buttons, progress and live hyperparameters above the form of settings."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.config import LIVE_SETTINGS, ConfigError, RunConfig
from explorer.views.training.continue_form import ContinueForm
from explorer.views.training.form import TrainingForm
from explorer.widgets.controls import MagnitudeSpinBox, duration, label, named, set_role
from explorer.widgets.icons import icon
from explorer.widgets.theme import DARK, Theme

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


class TrainingView(QWidget):
    """Chooses what to train and steers what trains. It starts nothing itself."""

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
    edited = Signal()
    """A person has changed a setting of the form."""
    setting_edited = Signal(str)
    """The same, with its name, section.field."""
    path_chosen = Signal(str)
    """A person has chosen which images to train on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("training")
        self.setMinimumWidth(236)  # its fields stay whole when other docks want room
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # else the window shows through
        self._state, self._theme, self._reason = "idle", DARK, ""
        self._can_continue, self._obstacle = False, ""
        self._form = TrainingForm()
        self._scroll = named(QScrollArea(), "training.scroll")
        self._scroll.setWidget(self._make_body())
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_head())
        layout.addWidget(self._scroll, 1)
        self._form.edited.connect(self._show)
        self._form.edited.connect(lambda _: self.edited.emit())
        self._form.edited.connect(self.setting_edited)
        self._form.path_chosen.connect(self.path_chosen)
        self.set_theme(DARK)
        self.set_state("idle")

    def _make_head(self) -> QWidget:
        head = named(QWidget(), "training.head")
        layout = QVBoxLayout(head)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(8)
        self._start = named(QPushButton("Start training"), "training.start")
        self._start.setProperty("primary", True)
        self._start.clicked.connect(self.request_start)
        self._continue = named(QPushButton("Continue…"), "training.continue")
        self._continue.setCheckable(True)
        self._continue.toggled.connect(self._show_continuing)
        buttons = QHBoxLayout()
        buttons.addWidget(self._start, 1)
        buttons.addWidget(self._continue)
        layout.addLayout(buttons)
        layout.addWidget(self._make_transport())
        self._status = label("", "muted", "training.status")
        self._status.setWordWrap(True)
        self._bar = named(QProgressBar(), "training.progress")
        self._bar.setRange(0, _PERMILLE)
        self._bar.setTextVisible(False)
        self._numbers = label("", "muted", "training.numbers")
        self._numbers.setWordWrap(True)
        self._numbers.setToolTip(NUMBERS)
        layout.addWidget(self._status)
        layout.addWidget(self._bar)
        layout.addWidget(self._numbers)
        layout.addWidget(self._make_live())
        return head

    def _make_body(self) -> QWidget:
        """What scrolls: how the open run can go on and what is wrong with it, and the form of the next one."""
        body = QWidget()
        self._continue_form = ContinueForm()
        self._continue_form.requested.connect(self.continue_requested)
        self._advice = named(QWidget(), "training.advice")
        advice = QVBoxLayout(self._advice)
        advice.setContentsMargins(0, 0, 0, 0)
        advice.setSpacing(6)
        ending = QVBoxLayout()
        ending.setContentsMargins(8, 0, 8, 0)
        ending.setSpacing(8)
        ending.addWidget(self._continue_form)
        ending.addWidget(self._advice)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(ending)
        layout.addWidget(self._form, 1)
        return body

    def _make_transport(self) -> QWidget:
        self._transport = QWidget()
        row = QHBoxLayout(self._transport)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self._pause = self._button("pause", "Pause", "Pause after this step; the model stays in memory")
        self._step = self._button("step", "Step", "One optimiser step, then pause")
        self._epoch = self._button("epoch", "Epoch", "To the end of this epoch, then pause")
        self._stop = self._button("stop", "Stop", "Stop after this step; a checkpoint is kept")
        for button in (self._pause, self._step, self._epoch, self._stop):
            row.addWidget(button, 1)
        self._pause.clicked.connect(self._on_pause)
        self._step.clicked.connect(self.step_requested)
        self._epoch.clicked.connect(self.epoch_requested)
        self._stop.clicked.connect(self.stop_requested)
        return self._transport

    def _button(self, name: str, text: str, tip: str) -> QToolButton:
        button = named(QToolButton(), f"training.{name}", text)
        button.setToolTip(tip)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(18, 18))
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return button

    def _make_live(self) -> QWidget:
        """Learning rate, beta and gamma of the running training; a change is sent when it is committed."""
        self._live = named(QWidget(), "training.live")
        grid = QGridLayout(self._live)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        self._fields: dict[str, MagnitudeSpinBox] = {}
        for column, setting in enumerate(LIVE_SETTINGS):
            name, text = setting.field.name, setting.row.label
            field = MagnitudeSpinBox(1e-12 if setting.above else setting.low or 0.0, setting.high or 1e6)
            field.setObjectName(f"training.live.{name}")
            field.setToolTip(f"{setting.help} Press Enter to use the new value from the next step on.")
            field.setAccessibleName(f"{text} of the running training")
            field.committed.connect(lambda value, name=name: self.hyperparameters_changed.emit({name: value}))
            caption = label(text, "muted")
            caption.setBuddy(field)
            grid.addWidget(caption, 0, column)
            grid.addWidget(field, 1, column)
            grid.setColumnStretch(column, 1)
            self._fields[name] = field
        return self._live

    # setters

    def set_config(self, config: RunConfig) -> None:
        """Fill the form."""
        self._form.set_config(config)
        self._show()

    def config(self) -> RunConfig:
        """What the form holds; raises ``core.config.ConfigError``."""
        return self._form.config()

    def values(self) -> dict[str, Any]:
        """What the form holds, by section.field, right or wrong."""
        return self._form.values()

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Fill in these settings, by section.field."""
        self._form.set_values(values)
        self._show()

    def set_hole(self, a: float, b: float, radius: float) -> None:
        """Fill the fields of the next training's hole: its centre and radius in the (a, b) plane."""
        self._form.set_hole(a, b, radius)
        self._show()

    def set_punctured(self, punctured: bool) -> None:
        """Whether the next training's data has a hole."""
        self._form.set_punctured(punctured)
        self._show()

    def set_continuable(self, config: RunConfig | None, done: int = 0, obstacle: str = "") -> None:
        """The open run, with its settings as they are now, and how many of its epochs are done; None: none is open.
        ``obstacle`` says why it cannot go on; empty: it can."""
        self._can_continue, self._obstacle = config is not None, obstacle
        if config is not None:
            self._continue_form.set_run(config, done)
        self._show()

    def set_advice(self, advice: Sequence[Advice]) -> None:
        """Say what is wrong with the open run, below its state."""
        layout = self._advice.layout()
        assert layout is not None
        while (item := layout.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for number, one in enumerate(advice):
            if one.text:
                text = label(one.text, "warning", f"training.advice.{number}.text")
                text.setWordWrap(True)
                layout.addWidget(text)
            if one.action:
                button = named(QPushButton(textwrap.fill(one.action, BUTTON_WIDTH)), f"training.advice.{number}.action")
                what = "Train a new run with the settings of this one, apart from that"
                button.setToolTip(what if one.fresh else "Train this run further from its last checkpoint")
                signal = self.fresh_requested if one.fresh else self.continue_requested
                button.clicked.connect(lambda _=False, signal=signal, values=dict(one.values): signal.emit(values))
                layout.addWidget(button)
        self._show()

    def set_state(self, state: str, message: str = "") -> None:
        """idle, starting, running, paused, stopping, stopped, interrupted, finished or failed, and why."""
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

    def set_enabled_reason(self, reason: str) -> None:
        """Why nothing can be started now, shown with the button; empty: it can."""
        self._reason = reason
        self._show()

    def set_preparation(self, done: float, seconds: float) -> None:
        """While a training starts: ``done`` (0 to 1) of its images is ready, ``seconds`` after the start."""
        self._bar.setValue(round(_PERMILLE * done))
        left = seconds * (1.0 - done) / done if done > 0.0 else math.inf
        self._numbers.setText(f"preparing the images: {done:.0%} · {duration(left)} left")
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
            parts.append(f"{duration(eta)} left")
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
            with QSignalBlocker(field):
                field.setValue(value)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        self._form.set_theme(theme)
        for button, name in ((self._step, "step"), (self._epoch, "epoch"), (self._stop, "stop")):
            button.setIcon(icon(name, theme))
        self._show()

    # gestures

    def request_start(self) -> None:
        """Ask for a training with the settings on screen; wrong ones are shown instead."""
        try:
            config = self._form.config()
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
        self._continue.setToolTip(self._obstacle or "Train this run further, for more epochs or with other settings")
        self._continue_form.setVisible(ended and not self._obstacle and self._continue.isChecked())
        layout = self._advice.layout()
        self._advice.setVisible(self._state in ENDED and layout is not None and layout.count() > 0)
        self._transport.setVisible(active)
        self._live.setVisible(active)
        self._bar.setVisible(active)
        self._numbers.setVisible(active and bool(self._numbers.text()))
        problem = self._reason or self._form.error
        self._start.setEnabled(not active and not problem)
        self._start.setToolTip(problem or "Train with these settings in a new run folder")
        self._pause.setText("Resume" if paused else "Pause")
        self._pause.setIcon(icon("play" if paused else "pause", self._theme))
        self._pause.setToolTip("Resume the training" if paused else "Pause after this step; the model stays in memory")
        for widget in (self._pause, self._step, self._epoch, self._stop, self._live):
            widget.setEnabled(steerable)
        self._form.setEnabled(not active)
