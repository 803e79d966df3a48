"""One experiment in the list: what it is, how far it is, what it found, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.widgets.controls import duration, label, named, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.icons import icon
from explorer.widgets.theme import DARK, Theme

ACTIVE = ("starting", "running", "stopping")
RESUMABLE = ("stopped", "failed", "interrupted")
_WORDS = {
    "starting": "Starting …",
    "running": "Running",
    "stopping": "Stopping …",
    "finished": "Finished",
    "stopped": "Cancelled",
    "interrupted": "Interrupted",
    "failed": "Failed",
}
_ROLES = {"failed": "error", "interrupted": "warning"}
_RESUME = "Resume where it stopped; finished parts are not repeated"
_BUTTONS = {  # name: text, tooltip, icon
    "watch": ("Watch", "Show the run in training in this window", "watch"),
    "cancel": (
        "Cancel",
        "Stop after the current step. Finished parts are saved, and Resume continues from there",
        "stop",
    ),
    "log": ("Log", "Show the last lines of the process's output", "log"),
    "resume": ("Resume", _RESUME, "play"),
    "report": ("Report", "Open the report in the web browser", "report"),
    "folder": ("Show folder", "Open the folder with the runs and the report", "open"),
}
_PERMILLE = 1000


@dataclass(frozen=True)
class ExperimentItem:
    """What a row shows.

    ``key`` tells experiments apart and comes back in the signals. ``state``: starting, running, stopping, finished,
    stopped, interrupted or failed. ``fraction`` 0 to 1. ``message``: the step that runs, or why it failed;
    ``numbers``: what a finished one found, ``numbers_tip`` what they mean. ``watchable``: a run is there to be opened;
    ``has_report``: so is the report. ``log``: the last lines of the process's output.
    """

    key: str
    title: str
    subtitle: str
    state: str
    fraction: float = 0.0
    message: str = ""
    eta_seconds: float | None = None
    numbers: str = ""
    numbers_tip: str = ""
    watchable: bool = False
    has_report: bool = False
    log: str = ""


class ExperimentRow(QFrame):
    """Shows an ``ExperimentItem``.

    ``action_requested`` carries cancel, resume, watch, report or folder, and the item's key.
    """

    action_requested = Signal(str, str)

    def __init__(self, item: ExperimentItem, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("experiments.row")
        self._item, self._theme, self._blocked = item, DARK, ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 5, 6, 6)
        layout.setSpacing(3)
        layout.addLayout(self._make_head())
        self._bar = named(QProgressBar(), "experiments.progress")
        self._bar.setRange(0, _PERMILLE)
        self._bar.setTextVisible(False)
        self._text = ElidedLabel()
        named(self._text, "experiments.text")
        self._log = self._make_log()
        layout.addWidget(self._bar)
        layout.addWidget(self._text)
        layout.addWidget(self._log)
        self.set_theme(DARK)
        self.set_item(item)

    def _make_head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(6)
        self._title = label("", "heading", "experiments.title")
        self._subtitle = ElidedLabel()
        named(self._subtitle, "experiments.subtitle").setProperty("role", "muted")
        self._state = label("", "muted", "experiments.state")
        head.addWidget(self._title)
        head.addWidget(self._state)
        head.addWidget(self._subtitle, 1)
        self._buttons = {name: self._make_button(name, text, tip) for name, (text, tip, _) in _BUTTONS.items()}
        for button in self._buttons.values():
            head.addWidget(button)
        self._buttons["folder"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        return head

    def _make_button(self, name: str, text: str, tip: str) -> QToolButton:
        button = named(QToolButton(), f"experiments.{name}", text)
        button.setToolTip(tip)
        button.setAccessibleName(text)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(16, 16))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if name == "log":
            button.setCheckable(True)
            button.toggled.connect(self._show)
        else:
            button.clicked.connect(lambda: self.action_requested.emit(name, self._item.key))
        return button

    def _make_log(self) -> QLabel:
        made = label("", "muted", "experiments.log.text")
        made.setTextFormat(Qt.TextFormat.PlainText)
        made.setWordWrap(True)
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        return made

    # setters

    @property
    def item(self) -> ExperimentItem:
        """What is on show."""
        return self._item

    def set_item(self, item: ExperimentItem) -> None:
        """Show ``item``; emits nothing."""
        self._item = item
        self._title.setText(item.title)
        self._subtitle.setText(item.subtitle)
        self._state.setText(_WORDS.get(item.state, item.state.capitalize()))
        set_role(self._state, _ROLES.get(item.state, "muted"))
        self._bar.setValue(round(_PERMILLE * min(1.0, max(0.0, item.fraction))))
        self._text.setText(_sentence(item))
        if item.numbers and item.state == "finished":
            self._text.setToolTip(item.numbers_tip or item.numbers)
        set_role(self._text, "error" if item.state == "failed" else "" if item.numbers else "muted")
        self._log.setText(item.log)
        self._show()

    def set_blocked(self, reason: str) -> None:
        """Why it cannot be resumed now; empty: it can."""
        if reason != self._blocked:
            self._blocked = reason
            self._show()

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        for name, (_, _, symbol) in _BUTTONS.items():
            self._buttons[name].setIcon(icon(symbol, theme))

    def _show(self) -> None:
        item, buttons = self._item, self._buttons
        active = item.state in ACTIVE
        has_log = item.state in ("failed", "interrupted") and bool(item.log)
        self._bar.setVisible(active)
        buttons["watch"].setVisible(active)
        buttons["watch"].setEnabled(item.watchable)
        buttons["cancel"].setVisible(active)
        buttons["cancel"].setEnabled(item.state != "stopping")
        buttons["resume"].setVisible(item.state in RESUMABLE or _lost_report(item))
        buttons["resume"].setEnabled(not self._blocked)
        buttons["resume"].setToolTip(self._blocked or _RESUME)
        buttons["report"].setVisible(item.state == "finished" and item.has_report)
        buttons["log"].setVisible(has_log)
        self._log.setVisible(has_log and buttons["log"].isChecked())


def _lost_report(item: ExperimentItem) -> bool:
    """Whether the report was removed after it was written."""
    return item.state == "finished" and not item.has_report


def _sentence(item: ExperimentItem) -> str:
    """The second line of a row."""
    done = f"{item.fraction:.0%} done"
    if item.state == "starting":
        return item.message or "The process is starting"
    if item.state == "running":
        left = "" if item.eta_seconds is None else f"{duration(item.eta_seconds)} left"
        return " · ".join(part for part in (f"{item.fraction:.0%}", left, item.message) if part)
    if item.state == "stopping":
        return "Stops after the current step; finished parts are saved"
    if item.state == "stopped":
        return f"{done} and saved; Resume continues from there"
    if item.state == "interrupted":
        return f"The process has ended. {done} and saved; Resume continues from there"
    if item.state == "failed":
        return item.message or "It failed without a message; see the log"
    if _lost_report(item):
        return "The report is missing; Resume writes it again"
    return item.numbers or "The report is ready"
