"""What can be changed when the open run goes on: a few fields, the values as they are now."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QPushButton, QSpinBox, QWidget

from core.config import SETTINGS, RunConfig
from explorer.views.training.editors import Editor, make_editor
from explorer.widgets.controls import label, named
from explorer.widgets.layouts import column

FIELDS = (
    ("training.epochs", "training.batch_size"),
    ("training.learning_rate", "loss.beta"),
    ("training.device", "loss.gamma"),
)
FIXED = (
    "Images, network, kind of loss and seed stay as they are: the weights were learned with them. Start a new training "
    "to change those."
)


class ContinueForm(QWidget):
    """Fields for ``FIELDS``, the weight of an entanglement only where the run has one, and a button."""

    requested = Signal(object)
    """``section.field`` to value, of every field shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("training.continue.form")
        self._editors: dict[str, Editor] = {}
        self._shown: dict[str, tuple[Any, Any]] = {}  # what was set, and how its editor holds it
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        self._captions: dict[str, QWidget] = {}
        for line, names in enumerate(FIELDS):
            for place, name in enumerate(names):
                setting = SETTINGS[name]
                editor, caption = make_editor(setting), label(setting.row.label, "muted")
                editor.control.setObjectName(f"training.continue.{setting.field.name}")
                editor.control.setMinimumWidth(60)
                editor.control.setAccessibleName(f"{setting.row.label} of the run that goes on")
                caption.setBuddy(editor.control)
                grid.addWidget(caption, 2 * line, place)
                grid.addWidget(editor, 2 * line + 1, place)
                grid.setColumnStretch(place, 1)
                self._editors[name], self._captions[name] = editor, caption
        note = label(FIXED, "muted", "training.continue.fixed", wrap=True)
        self._button = named(QPushButton("Continue"), "training.continue.start")
        self._button.setProperty("primary", True)
        self._button.setToolTip("Train this run further from its last checkpoint, with these settings")
        self._button.clicked.connect(lambda: self.requested.emit(self.values()))
        column(grid, note, self._button, spacing=6, parent=self)

    def set_run(self, config: RunConfig, done: int) -> None:
        """Show the settings of a run of which ``done`` epochs are done: of a finished one, as many epochs again."""
        epochs = self._editors["training.epochs"]
        assert isinstance(epochs.control, QSpinBox)
        finished = done >= config.training.epochs
        epochs.control.setMinimum(max(1, done + finished))
        epochs.control.setToolTip(f"Epochs in all, with the {done} that are done")
        for name, editor in self._editors.items():
            setting = SETTINGS[name]
            value = getattr(getattr(config, setting.section), setting.field.name)
            if name == "training.epochs" and finished:
                value *= 2
            editor.set_value(value)
            self._shown[name] = (value, editor.value())
        entangled = config.loss.entanglement != "none"
        for widget in (self._editors["loss.gamma"], self._captions["loss.gamma"]):
            widget.setVisible(entangled)

    def values(self) -> dict[str, Any]:
        """What the fields hold, by ``section.field``; exactly what was set, where nobody has changed it."""
        found = {}
        for name, editor in self._editors.items():
            if not editor.isHidden():
                value, held = self._shown[name]
                found[name] = value if editor.value() == held else editor.value()
        return found
