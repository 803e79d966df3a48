"""The form of an experiment: which question, how many seeds, quick or in full."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from explorer.widgets.controls import label, named

MOST_SEEDS = 10
USUAL_SEEDS = 3


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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 10, 4)  # all of it fits into the dock of a window of 1280 × 720
        layout.setSpacing(3)
        layout.addLayout(self._make_choice())
        self._question = label("", "heading", "experiments.question")
        self._explanation = label("", "muted", "experiments.explanation")
        for line in (self._question, self._explanation):
            line.setWordWrap(True)
            line.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
            layout.addWidget(line)
        layout.addStretch(1)
        layout.addLayout(self._make_extent())
        layout.addLayout(self._make_start())
        self._show()

    def _make_choice(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        for number, kind in enumerate(KINDS):
            button = named(QPushButton(kind.title), f"experiments.kind.{kind.name}")
            button.setCheckable(True)
            button.setToolTip(f"{kind.question}: {kind.explanation}")
            button.setAccessibleName(f"Experiment: {kind.title}")
            self._group.addButton(button, number)
            row.addWidget(button, button.sizeHint().width())  # a longer title gets more room
        self._group.button(0).setChecked(True)
        self._group.idToggled.connect(lambda _number, checked: self._show() if checked else None)
        return row

    def _make_extent(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        self._seeds = named(QSpinBox(), "experiments.seeds")
        self._seeds.setRange(1, MOST_SEEDS)
        self._seeds.setValue(USUAL_SEEDS)
        self._seeds.setAccessibleName("Seeds")
        self._seeds.setToolTip("Number of trainings per setting, 1 to 10; a single seed gives no interval")
        self._seeds.setFixedWidth(58)
        caption = label("Seeds")
        caption.setBuddy(self._seeds)
        self._quick = named(QCheckBox("Quick"), "experiments.quick")
        self._quick.setAccessibleName("Quick")
        self._quick.setToolTip("The whole report from 32 × 32 images, a few epochs and one seed, in minutes")
        self._quick.toggled.connect(lambda _: self._show())
        row.addWidget(caption)
        row.addWidget(self._seeds)
        row.addSpacing(8)
        row.addWidget(self._quick)
        row.addStretch(1)
        return row

    def _make_start(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self._start = named(QPushButton("Start"), "experiments.start")
        self._start.setProperty("primary", True)
        self._start.clicked.connect(self.request_start)
        self._note = label("", "muted", "experiments.note")
        self._note.setWordWrap(True)
        row.addWidget(self._start)
        row.addWidget(self._note, 1)
        return row

    # setters

    def set_choice(self, name: str, seeds: int, quick: bool) -> None:
        """Show this experiment, number of seeds and extent; emits nothing. ``KeyError``: no such experiment."""
        names = [kind.name for kind in KINDS]
        if name not in names:
            raise KeyError(f"no experiment {name!r}; there are {', '.join(names)}.")
        with QSignalBlocker(self._group), QSignalBlocker(self._seeds), QSignalBlocker(self._quick):
            self._group.button(names.index(name)).setChecked(True)
            self._seeds.setValue(seeds)
            self._quick.setChecked(quick)
        self._show()

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
        self._start.setToolTip(self._reason or f"Start “{kind.title}” in a new folder, as a background process")
        self._note.setText(self._reason or (_QUICK if quick else _FULL))
