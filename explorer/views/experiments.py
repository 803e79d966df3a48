"""Experiments: the form that starts one at the left, the list of those that were started at the right, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QDateTime, QLocale, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from core.utils.text import NO_BREAK, counted, duration_text
from explorer.widgets.controls import label, named, push_button, set_role, spin_box, tool_button
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import Panel, column, row, scrolled
from explorer.widgets.plain_text import plain_tip

FORM_WIDTH = 292
MOST_SEEDS = 10
USUAL_SEEDS = 3
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
class Kind:
    """An experiment that can be started: its ``name`` on the command line, its title, its question, what it does."""

    name: str
    title: str
    question: str
    explanation: str


KINDS = (
    Kind(
        "transects",
        "Transects",
        "Can the model draw unseen images?",
        "Trains on images with a hole in their parameter space and measures reconstructions inside and outside it.",
    ),
    Kind(
        "entanglement",
        "Entanglement",
        "Does the penalty align the latent axes?",
        "Trains with each entanglement penalty and with none, and measures the latent cloud's alignment with the axes.",
    ),
    Kind(
        "curves",
        "Curves",
        "Do factor curves leak less than straight lines?",
        "Trains on images with a hole, changes one factor along every kind of path and measures the other.",
    ),
)
_FULL = "All settings in full: takes hours on a CPU"
_QUICK = "32 × 32 images, one seed: takes minutes"


class ExperimentForm(QWidget):
    """Chooses an experiment. ``start_requested`` carries its name, the number of seeds and whether it is quick."""

    start_requested = Signal(str, int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("experiments.form")
        self._reason = ""
        top_left = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        self._question = label("", "heading", "experiments.question", wrap=True, align=top_left)
        self._explanation = label("", "muted", "experiments.explanation", wrap=True, align=top_left)
        for line in (self._question, self._explanation):
            line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self._start = push_button("experiments.start", "Start", "", self.request_start, primary=True)
        self._note = label("", "muted", "experiments.note", wrap=True)
        start = row(self._start, (self._note, 1), spacing=8)
        parts = (self._make_choice(), self._question, self._explanation, 1, self._make_extent(), start)
        # all of it fits into the dock of a window of 1280 × 720
        column(*parts, spacing=3, margins=(10, 4, 10, 4), parent=self)
        self._show()

    def _make_choice(self) -> QHBoxLayout:
        choice = row(spacing=4)
        self._group = QButtonGroup(self)
        for number, kind in enumerate(KINDS):
            button = named(
                QPushButton(kind.title),
                f"experiments.kind.{kind.name}",
                tip=f"{kind.question}: {kind.explanation}",
                accessible=f"Experiment: {kind.title}",
            )
            button.setCheckable(True)
            self._group.addButton(button, number)
            choice.addWidget(button, button.sizeHint().width())  # a longer title gets more room
        self._group.button(0).setChecked(True)
        self._group.idToggled.connect(lambda _number, checked: self._show() if checked else None)
        return choice

    def _make_extent(self) -> QHBoxLayout:
        tip = "Number of trainings per setting, 1 to 10; a single seed gives no interval"
        self._seeds = spin_box("experiments.seeds", 1, MOST_SEEDS, USUAL_SEEDS, tip, "Seeds")
        self._seeds.setKeyboardTracking(True)  # what is typed counts at once
        self._seeds.setFixedWidth(58)
        tip = "The whole report from 32 × 32 images, a few epochs and one seed, in minutes"
        self._quick = named(QCheckBox("Quick"), "experiments.quick", tip=tip, accessible="Quick")
        self._quick.toggled.connect(lambda _: self._show())
        extent = row(label("Seeds", buddy=self._seeds), self._seeds, self._quick, 1, spacing=6)
        extent.insertSpacing(2, 8)
        return extent

    # setters

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be started now, in a few words beside the button; empty: it can."""
        if reason != self._reason:
            self._reason = reason
            self._show()

    # user input

    @property
    def kind(self) -> Kind:
        """The experiment that is chosen."""
        return KINDS[self._group.checkedId()]

    def request_start(self) -> None:
        """Ask for the chosen experiment; does nothing while that is blocked."""
        if self._reason:
            return
        quick = self._quick.isChecked()
        self.start_requested.emit(self.kind.name, 1 if quick else self._seeds.value(), quick)

    def _show(self) -> None:
        kind, quick = self.kind, self._quick.isChecked()
        self._question.setText(kind.question)
        self._explanation.setText(kind.explanation)
        self._seeds.setEnabled(not quick)
        self._start.setEnabled(not self._reason)
        self._start.setToolTip(
            plain_tip(self._reason or f"Start “{kind.title}” in a new folder, as a background process")
        )
        self._note.setText(self._reason or (_QUICK if quick else _FULL))


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its folder tells it and a row shows it.

    ``name``: what the command line calls it; ``seeds`` and ``quick`` as asked for, seeds None if that is not known;
    ``begun``: local time. ``state``: starting, running, stopping, finished, stopped, interrupted or failed.
    ``fraction`` 0 to 1. ``message``: the step that runs, or why it failed; ``run``: the run in training, once it is
    there to be opened. ``local``: on this machine. ``numbers``: what a finished one found, ``numbers_tip`` what they
    mean; ``has_report``: its page is there. ``log``: the last lines of the process's output.
    """

    path: Path
    name: str
    seeds: int | None
    quick: bool
    begun: datetime
    state: str
    fraction: float = 0.0
    message: str = ""
    eta_seconds: float | None = None
    run: Path | None = None
    local: bool = True
    numbers: str = ""
    numbers_tip: str = ""
    has_report: bool = False
    log: str = ""

    @property
    def title(self) -> str:
        """What a person calls it."""
        return next((kind.title for kind in KINDS if kind.name == self.name), self.name)

    @property
    def subtitle(self) -> str:
        """How much was asked for, when, and whether elsewhere."""
        shown = "d MMM HH:mm" if self.begun.year == datetime.now().year else "d MMM yyyy HH:mm"
        when = QLocale.c().toString(QDateTime.fromSecsSinceEpoch(int(self.begun.timestamp())), shown)
        extent = "quick" if self.quick else "" if self.seeds is None else counted(self.seeds, "seed")
        return " · ".join(part for part in (extent, when, "" if self.local else "elsewhere") if part)


class ExperimentRow(QFrame):
    """Shows the ``Experiment`` that is its ``item``.

    ``action_requested`` carries cancel, resume, watch, report or folder, and the item's path.
    """

    action_requested = Signal(str, str)

    def __init__(self, item: Experiment, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("experiments.row")
        self.item, self._blocked = item, ""
        self._title = label("", "heading", "experiments.title")
        self._state = label("", "muted", "experiments.state")
        self._subtitle = named(ElidedLabel("muted"), "experiments.subtitle")
        self._buttons = {name: self._make_button(name, *parts) for name, parts in _BUTTONS.items()}
        self._buttons["folder"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self._bar = named(QProgressBar(), "experiments.progress")
        self._bar.setRange(0, _PERMILLE)
        self._bar.setTextVisible(False)
        self._text = named(ElidedLabel(), "experiments.text")
        self._log = label("", "muted", "experiments.log.text", wrap=True)
        self._log.setTextFormat(Qt.TextFormat.PlainText)
        self._log.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._log.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        head = row(self._title, self._state, (self._subtitle, 1), *self._buttons.values(), spacing=6)
        column(head, self._bar, self._text, self._log, spacing=3, margins=(10, 5, 6, 6), parent=self)
        self.set_item(item)

    def _make_button(self, name: str, text: str, tip: str, drawing: str) -> QToolButton:
        button = tool_button(f"experiments.{name}", text, tip, text, checkable=name == "log", drawing=drawing)
        button.setIconSize(QSize(16, 16))
        if name == "log":
            button.toggled.connect(self._show)
        else:
            button.clicked.connect(lambda: self.action_requested.emit(name, str(self.item.path)))
        return button

    # setters

    def set_item(self, item: Experiment) -> None:
        """Show ``item``; emits nothing."""
        self.item = item
        self._title.setText(item.title)
        self._subtitle.setText(item.subtitle)
        self._state.setText(_WORDS.get(item.state, item.state.capitalize()))
        set_role(self._state, _ROLES.get(item.state, "muted"))
        self._bar.setValue(round(_PERMILLE * min(1.0, max(0.0, item.fraction))))
        self._text.setText(_sentence(item))
        if item.numbers and item.state == "finished":
            self._text.setToolTip(plain_tip(item.numbers_tip or item.numbers))
        set_role(self._text, "error" if item.state == "failed" else "" if item.numbers else "muted")
        self._log.setText(item.log)
        self._show()

    def set_blocked(self, reason: str) -> None:
        """Why it cannot be resumed now; empty: it can."""
        if reason != self._blocked:
            self._blocked = reason
            self._show()

    def _show(self) -> None:
        item, buttons = self.item, self._buttons
        active = item.state in ACTIVE
        has_log = item.state in ("failed", "interrupted") and bool(item.log)
        self._bar.setVisible(active)
        buttons["watch"].setVisible(active)
        buttons["watch"].setEnabled(item.run is not None)
        buttons["cancel"].setVisible(active)
        buttons["cancel"].setEnabled(item.state != "stopping")
        buttons["resume"].setVisible(item.state in RESUMABLE or _lost_report(item))
        buttons["resume"].setEnabled(not self._blocked)
        buttons["resume"].setToolTip(plain_tip(self._blocked or _RESUME))
        buttons["report"].setVisible(item.state == "finished" and item.has_report)
        buttons["log"].setVisible(has_log)
        self._log.setVisible(has_log and buttons["log"].isChecked())


def _lost_report(item: Experiment) -> bool:
    """Whether the report was removed after it was written."""
    return item.state == "finished" and not item.has_report


def _sentence(item: Experiment) -> str:
    """The second line of a row."""
    done = f"{item.fraction:.0%} done"
    if item.state == "starting":
        return item.message or "The process is starting"
    if item.state == "running":
        left = "" if item.eta_seconds is None else f"{duration_text(item.eta_seconds)}{NO_BREAK}left"
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


class ExperimentsView(Panel):
    """Starts experiments, by its ``form``, and shows what becomes of them. It runs nothing and reads no file.

    ``action_requested`` carries cancel, resume, watch, report or folder, and the path of the ``Experiment``;
    ``shown`` is emitted when the panel comes on screen.
    """

    action_requested = Signal(str, str)

    def __init__(self) -> None:
        super().__init__("experiments")
        self._blocked = ""
        self._rows: dict[str, ExperimentRow] = {}
        self.form = ExperimentForm()
        self.form.setFixedWidth(FORM_WIDTH)
        left = scrolled(self.form, "experiments.form.scroll")
        left.setFixedWidth(FORM_WIDTH)
        line = named(QFrame(), "experiments.divider")
        line.setFixedWidth(1)
        body = named(QWidget(), "experiments.list")
        self._column = column(1, parent=body)
        self._empty = label("", "muted", "experiments.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(24, 0, 24, 0)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(scrolled(body, "experiments.scroll"))
        row(left, line, (self._stack, 1), parent=self)
        self.set_folder("")
        self.set_items([])

    # setters

    def set_items(self, items: Sequence[Experiment]) -> None:
        """The experiments, in the order in which they are listed; rows that stay keep focus and open log."""
        wanted = {str(item.path): item for item in items}
        for key in [key for key in self._rows if key not in wanted]:
            row = self._rows.pop(key)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        for place, (key, item) in enumerate(wanted.items()):
            row = self._rows.get(key)
            if row is None:
                row = self._rows[key] = ExperimentRow(item)
                row.set_blocked(self._blocked)
                row.action_requested.connect(self.action_requested)
                self._column.insertWidget(place, row)
            elif self._column.indexOf(row) != place:
                self._column.removeWidget(row)
                self._column.insertWidget(place, row)
            if row.item != item:
                row.set_item(item)
        self._stack.setCurrentIndex(1 if wanted else 0)

    def set_folder(self, folder: str) -> None:
        """Where experiments are written and looked for."""
        where = f"\n{folder}" if folder else ""
        self._empty.setText(f"No experiments yet. Choose one on the left and press Start.{where}")

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be started or resumed now; empty: it can."""
        self._blocked = reason
        self.form.set_blocked(reason)
        for each in self._rows.values():
            each.set_blocked(reason)

    def row(self, key: str) -> ExperimentRow:
        """The row of the experiment in the folder ``key``; ``KeyError`` if it is not listed."""
        return self._rows[key]

    @property
    def listed(self) -> list[str]:
        """The folders of the experiments on show, from the top."""
        return sorted(self._rows, key=lambda key: self._column.indexOf(self._rows[key]))
