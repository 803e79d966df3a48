"""The form of a training's settings, made from ``core.config.SETTINGS``, in folding sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QGridLayout, QLabel, QSizePolicy, QSpinBox, QToolButton, QWidget

from core.config import SECTIONS, SETTINGS, ConfigError, RunConfig, Setting, preset_config
from explorer.views.training.editors import Editor, PathEditor, make_editor
from explorer.widgets.controls import label, leave_drops, named, push_button
from explorer.widgets.icons import icon
from explorer.widgets.layouts import column, form

LABEL_WIDTH = 92
TITLES = {"data": "Train on", "model": "Model", "loss": "Loss", "training": "Training"}
SOURCE_NOTES = {
    "files": "A folder of image files, whose sub-folders become classes, or a file with many images. Or drop it here.",
    "curves": "Synthetic curves r = a + b cos 5θ of the published study, with a and b as known factors.",
}
# What can be changed when a run goes on.
FIELDS = (
    ("training.epochs", "training.batch_size"),
    ("training.learning_rate", "loss.beta"),
    ("training.device", "loss.gamma"),
)
FIXED = (
    "Images, network, kind of loss and seed stay as they are: the weights were learned with them. Start a new training "
    "to change those."
)
NO_PATH = "Choose a folder or a file of images, or drop one on the window."


def flatten(config: RunConfig) -> dict[str, Any]:
    """``section.field`` to value."""
    values = {name: getattr(getattr(config, setting.section), setting.field.name) for name, setting in SETTINGS.items()}
    return values | {"data.source": "curves" if config.data.drawn else "files"}


def build(values: dict[str, Any]) -> RunConfig:
    """The checked configuration; raises ``core.config.ConfigError``."""
    parts: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, setting in SETTINGS.items():
        parts[setting.section][setting.field.name] = values[name]
    return RunConfig(**{section: SECTIONS[section](**fields) for section, fields in parts.items()})


class Section(QWidget):
    """A title that folds the rows under it, and a second fold for the settings that few need."""

    advanced_opened = Signal()

    def __init__(self, name: str, title: str) -> None:
        super().__init__()
        self._head = self._fold(title, f"training.section.{name}", "section")
        self._more = self._fold("More", f"training.more.{name}", "more")
        self._basic, self.basic = self._rows()
        self._advanced, self.advanced = self._rows()
        self._body = QWidget()
        column(self._basic, self._more, self._advanced, spacing=6, margins=(2, 4, 0, 8), parent=self._body)
        column(self._head, self._body, parent=self)
        self._head.setChecked(True)
        self._head.toggled.connect(self._show)
        self._more.toggled.connect(lambda opened: self.advanced_opened.emit() if opened else None)
        self._more.toggled.connect(self._show)
        self._show()

    def _fold(self, text: str, name: str, role: str) -> QToolButton:
        button = named(QToolButton(), name, text)
        button.setCheckable(True)
        button.setProperty("role", role)
        button.setProperty("fold", True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return button

    def _rows(self) -> tuple[QWidget, QFormLayout]:
        holder = QWidget()
        return holder, form(holder)

    def open_advanced(self) -> None:
        """Unfold everything, so that a field in it can be seen."""
        self._head.setChecked(True)
        self._more.setChecked(True)

    def _show(self, _: bool = False) -> None:
        self._body.setVisible(self._head.isChecked())
        self._advanced.setVisible(self._more.isChecked())
        self._more.setText("Fewer settings" if self._more.isChecked() else "More settings")
        for button in (self._head, self._more):
            button.setIcon(icon("fold-open" if button.isChecked() else "fold-closed"))


class TrainingForm(QWidget):
    """Editors for a whole ``RunConfig``. ``edited`` follows every change by hand, ``refreshed`` every change of what it
    holds and of what is wrong with that."""

    edited = Signal(str)
    """The name of the setting, section.field."""
    path_chosen = Signal(str)
    """A path is complete: chosen, or typed and left."""
    path_changed = Signal(str)
    """Another path is shown: whoever can should look whether anything is there, and call ``set_found``."""
    refreshed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, Any] = {}
        self._editors: dict[str, Editor] = {}
        self._notes: dict[str, QLabel] = {}
        self._sections: dict[str, Section] = {}
        self._error = ""
        self._path, self._obstacle = "", ""  # the one that is shown, and what is wrong with it
        self._looking = False  # which is that nobody knows yet
        for name, title in TITLES.items():
            section = self._sections[name] = Section(name, title)
            section.advanced_opened.connect(lambda name=name: self._add_advanced(name))
        column(*self._sections.values(), 1, spacing=2, margins=(8, 4, 8, 8), parent=self)
        self._source_note = label("", "muted", wrap=True)
        for setting in SETTINGS.values():
            if not setting.row.advanced:  # these are made when they are unfolded: more than half of all
                self._add(setting)
        self.set_config(RunConfig())

    def _add(self, setting: Setting) -> None:
        rows = self._form_of(setting)
        editor = make_editor(setting)
        if setting.name in ("data.source", "data.path"):  # what everything begins with: no label, the whole width
            rows.addRow(editor)
        else:
            text = label(setting.row.label, buddy=editor.control)
            text.setMinimumWidth(LABEL_WIDTH)
            text.setToolTip(setting.help)
            rows.addRow(text, editor)
        if setting.name == "data.source":
            rows.addRow(self._source_note)
        self._editors[setting.name] = editor
        if isinstance(editor, PathEditor):
            editor.committed.connect(self.path_chosen)
        editor.edited.connect(lambda name=setting.name: self._on_edited(name))

    def _add_advanced(self, section: str) -> None:
        """Make the editors behind a fold that a person, or a wrong value, opens for the first time."""
        for name, setting in SETTINGS.items():
            if setting.section == section and name not in self._editors:
                self._add(setting)
                self._editors[name].set_value(self._values[name])
        leave_drops(self._sections[section])
        self._refresh()

    def _note(self, name: str) -> QLabel:
        """The line below the editor of a setting, made when it is first needed."""
        if name not in self._notes:
            rows, editor = self._form_of(SETTINGS[name]), self._editors[name]
            self._notes[name] = label("", "error", f"training.{name}.error", wrap=True)
            place, _ = rows.getWidgetPosition(editor)  # pyright: ignore[reportGeneralTypeIssues]  # the stubs say object
            rows.insertRow(place + 1, self._notes[name])
        return self._notes[name]

    def _form_of(self, setting: Setting) -> QFormLayout:
        section = self._sections[setting.section]
        return section.advanced if setting.row.advanced else section.basic

    # what it holds

    def set_config(self, config: RunConfig, images: bool = True) -> None:
        """Show ``config``, or all but the places of its ``images``; emits nothing."""
        self.set_values(flatten(config) | ({} if images else {"data.path": "", "data.labels": ""}))

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show these settings, by section.field; emits nothing."""
        self._values |= values
        for name in values.keys() & self._editors.keys():
            self._editors[name].set_value(values[name])
        self._refresh()

    def config(self) -> RunConfig:
        """The configuration on screen; raises ``ConfigError`` as ``core.config`` does, and for a missing path."""
        values = self.values()
        path = values["data.path"]
        if values["data.source"] == "curves":
            values |= dict.fromkeys(("data.path", "data.labels", "data.group"), "")  # left over from another source
        elif not path:
            raise ConfigError(f"data.path is empty. {NO_PATH}")
        elif self._obstacle and path == self._path:
            raise ConfigError(self._obstacle)
        return build(values | {"data.source": "auto"})  # the path tells

    def values(self) -> dict[str, Any]:
        """What the editors hold, by section.field, right or wrong."""
        return self._values | {name: editor.value() for name, editor in self._editors.items()}

    @property
    def path(self) -> str:
        """The path of the images, as it was written; empty for polar curves."""
        values = self.values()
        return "" if values["data.source"] == "curves" else values["data.path"]

    def set_found(self, path: str, there: bool) -> None:
        """Whether anything is at ``path``; until then it is taken to be there."""
        wrong = f"data.path is {path!r}; it must be an existing folder or file of images."
        self._set_obstacle(path, "" if there else wrong, looking=False)

    def set_looking(self, path: str) -> None:
        """The disk of ``path`` has not answered yet."""
        self._set_obstacle(path, f"data.path is {path!r}; its disk has not answered yet.", looking=True)

    def _set_obstacle(self, path: str, obstacle: str, looking: bool) -> None:
        if path == self._path and obstacle != self._obstacle:
            self._obstacle, self._looking = obstacle, looking
            self._refresh()

    @property
    def error(self) -> str:
        """Why the settings cannot be used; empty if they can."""
        return self._error

    # reacting to hands

    def _on_edited(self, name: str) -> None:
        if name == "model.preset":  # it brings its own loss, training and data set; the images stay those chosen
            preset = flatten(preset_config(self._editors[name].value()))
            chosen = ("data.punctured", "data.weighted")
            self.set_values({k: v for k, v in preset.items() if not k.startswith("data.") or k in chosen})
        self._refresh()
        self.edited.emit(name)

    def _refresh(self) -> None:
        """Show the rows that mean something now, and what is wrong beneath its field."""
        values = self.values()
        path = self.path
        if path != self._path:
            self._path, self._obstacle, self._looking = path, "", False
            self.path_changed.emit(path)
        try:
            self.config()
            self._error, wrong = "", ""
        except ConfigError as error:
            self._error = str(error)
            wrong = self._error.split(" ", 1)[0]
        if wrong == "data.path" and not values["data.path"]:  # asked for, not wrong
            self._error, wrong = NO_PATH, ""
        if wrong in SETTINGS and SETTINGS[wrong].row.advanced:
            self._sections[SETTINGS[wrong].section].open_advanced()  # makes its editor if there was none
        for name, editor in self._editors.items():
            setting, here = SETTINGS[name], name == wrong
            rows = self._form_of(setting)
            rows.setRowVisible(editor, all(values[other] in allowed for other, allowed in setting.row.when))
            editor.set_invalid(here)
            if here:
                looking = self._looking and name == "data.path"
                self._note(name).setText(f"Looking at {self._path} …" if looking else _reason(self._error, setting))
            if name in self._notes:
                rows.setRowVisible(self._notes[name], here)
        self._source_note.setText(SOURCE_NOTES[values["data.source"]])
        self.refreshed.emit()


def _reason(message: str, setting: Setting) -> str:
    """The configuration's message in the form's own words: "Validation must be 0 to 0.9."."""
    _, found, wanted = message.partition("; it must be ")
    return f"{setting.row.label} must be {wanted}" if found else message


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
                editor = make_editor(setting)
                caption = label(setting.row.label, "muted", buddy=editor.control)
                editor.control.setObjectName(f"training.continue.{setting.field.name}")
                editor.control.setMinimumWidth(60)
                editor.control.setAccessibleName(f"{setting.row.label} of the run that goes on")
                grid.addWidget(caption, 2 * line, place)
                grid.addWidget(editor, 2 * line + 1, place)
                grid.setColumnStretch(place, 1)
                self._editors[name], self._captions[name] = editor, caption
        note = label(FIXED, "muted", "training.continue.fixed", wrap=True)
        tip = "Train this run further from its last checkpoint, with these settings"
        start = push_button("training.continue.start", "Continue", tip, self._on_start, primary=True)
        column(grid, note, start, spacing=6, parent=self)

    def _on_start(self) -> None:
        self.requested.emit(self.values())

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
