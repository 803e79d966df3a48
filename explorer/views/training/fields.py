"""Which settings the training form shows, in which order, under which name; and one editor for each kind of value.

The kind of editor, its choices and its default come from the dataclasses of ``core.config``; this table adds what
those cannot know: labels, ranges of the spin boxes, what is folded away, and when a setting means anything.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QSpinBox, QWidget

from core.config import DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig
from explorer.widgets.controls import MagnitudeSpinBox, named

Condition = Callable[[dict[str, Any]], bool]

SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "training": TrainingConfig,
}
TITLES = {"data": "Dataset", "model": "Model", "loss": "Loss", "training": "Training"}


def _always(_: dict[str, Any]) -> bool:
    return True


def _curves(values: dict[str, Any]) -> bool:
    return values["data.source"] == "curves"


def _files(values: dict[str, Any]) -> bool:
    return values["data.source"] != "curves"


def _hole(values: dict[str, Any]) -> bool:
    return _curves(values) and values["data.punctured"]


@dataclass(frozen=True)
class Setting:
    """One row of the form; ``name`` is ``section.field``, ``low`` and ``high`` bound a number."""

    name: str
    text: str
    tip: str
    advanced: bool = False
    shown: Condition = _always
    low: float = 0.0
    high: float = 1e6

    @property
    def section(self) -> str:
        """The dataclass that holds it."""
        return self.name.split(".")[0]

    @property
    def field(self) -> str:
        """Its name in that dataclass."""
        return self.name.split(".")[1]


SETTINGS = (
    Setting("data.source", "Source", "Polar curves drawn here, a folder of images, or a file with dSprites keys"),
    Setting("data.path", "Path", "Folder of images (sub-folders are classes), or an .npz file", shown=_files),
    Setting("data.image_size", "Image size", "Height and width in pixels, 32 to 512", low=32, high=512),
    Setting("data.channels", "Channels", "1 for grey, 3 for colour", shown=_files, low=1, high=3),
    Setting("data.count", "Curves", "How many curves are drawn, 2 to 10,000,000", shown=_curves, low=2, high=10**7),
    Setting("data.punctured", "Cut a hole", "Leave out every curve inside the hole of the (a, b) plane", shown=_curves),
    Setting("data.hole_a", "Hole: scale a", "Centre of the hole, scale a (0.5 to 2)", shown=_hole, low=-1e6),
    Setting("data.hole_b", "Hole: depth b", "Centre of the hole, petal depth b (0 to 2)", shown=_hole, low=-1e6),
    Setting("data.hole_radius", "Hole: radius", "Radius of the hole in the (a, b) plane", shown=_hole),
    Setting("data.geometry", "Geometry", "How a curve becomes pixels: as published, or a plain square", True, _curves),
    Setting("data.weighted", "Sample weights", "Weigh shallow petals most, as the published one did", True, _curves),
    Setting("data.seed", "Draw seed", "Seed of the uniform draw of (a, b)", True, _curves, high=2**31 - 1),
    Setting("data.validation_fraction", "Validation", "Share kept, 0 to 0.9; empty: as published", True, high=0.9),
    Setting("model.preset", "Preset", "compact: small and fast. article, article-weighted: as published, slower"),
    Setting("model.latent_dim", "Dimensions d", "Number of latent dimensions, 1 to 64", low=1, high=64),
    Setting("model.variance", "Variance", "constant: z = μ + σ ε. learned: a log-variance head", True),
    Setting("model.sigma", "σ", "Posterior standard deviation when it is constant, up to 10", True,
            lambda values: values["model.variance"] == "constant", low=1e-6, high=10.0),
    Setting("model.native_size", "Drawn size", "What the decoder draws, then enlarges: auto (found from the images), "
            "full, or HEIGHTxWIDTH", True, lambda values: values["model.preset"] == "compact"),
    Setting("loss.beta", "β (KL)", "Weight of the KL term, 0 or more"),
    Setting("loss.entanglement", "Entanglement",
            "product: mean |μᵢμⱼ|. covariance: mean |cov(μᵢ, μⱼ)|. dip: DIP-VAE-I, Σ cov² + 10 Σ (var − 1)²"),
    Setting("loss.gamma", "γ (entangl.)", "Weight of the entanglement term, 0 or more",
            shown=lambda values: values["loss.entanglement"] != "none"),
    Setting("loss.reconstruction", "Reconstruction", "bce: binary cross-entropy. mse: mean squared error", True),
    Setting("loss.kl", "KL form", "article: mean over dimensions. textbook: half the sum over them", True),
    Setting("training.epochs", "Epochs", "Passes over the training images, 1 to 1,000,000", low=1, high=10**6),
    Setting("training.batch_size", "Batch size", "Images a step on each device, 1 to 65,536", low=1, high=65536),
    Setting("training.learning_rate", "Learning rate", "Peak of a one-cycle schedule, above 0", low=1e-12, high=1e3),
    Setting("training.optimizer", "Optimizer", "adamw: decoupled weight decay. adam", True),
    Setting("training.schedule", "Schedule", "one-cycle: rise, then fall to zero. constant", True),
    Setting("training.warmup", "Warm-up", "Share of a one-cycle run that the learning rate rises, 0 to 0.95", True,
            lambda values: values["training.schedule"] == "one-cycle", high=0.95),
    Setting("training.weight_decay", "Weight decay", "Decoupled weight decay of adamw, 0 to 10", True,
            lambda values: values["training.optimizer"] == "adamw", high=10.0),
    Setting("training.clip", "Clip gradient", "Largest gradient norm; 0: not clipped", True),
    Setting("training.seed", "Seed", "Seed of initialisation, order and noise", True, high=2**31 - 1),
    Setting("training.precision", "Precision", "auto: bfloat16 where the device computes it fast, else float32", True),
    Setting("training.device", "Device", "auto: cuda, then mps, then cpu", True),
    Setting("training.devices", "Devices", "Devices or CPU processes a node, 1 to 1024", True, low=1, high=1024),
    Setting("training.nodes", "Nodes", "Machines that train together, 1 to 4096", True, low=1, high=4096),
)  # fmt: skip


@lru_cache(maxsize=8)
def _hints(section: type) -> dict[str, Any]:
    return get_type_hints(section)


def make_editor(setting: Setting) -> Editor:
    """The editor that fits the type of the dataclass's field."""
    kind = _hints(SECTIONS[setting.section])[setting.field]
    if get_origin(kind) is Literal:
        return ChoiceEditor(setting, get_args(kind))
    if setting.name == "data.channels":
        return ChoiceEditor(setting, (1, 3))
    if kind is bool:
        return CheckEditor(setting)
    if kind is int:
        return IntegerEditor(setting)
    if kind is float:
        return NumberEditor(setting)
    if isinstance(kind, types.UnionType) and set(get_args(kind)) == {float, type(None)}:
        return OptionalNumberEditor(setting)
    return PathEditor(setting)


def flatten(config: RunConfig) -> dict[str, Any]:
    """``section.field`` to value."""
    return {
        f"{section}.{field.name}": getattr(getattr(config, section), field.name)
        for section, kind in SECTIONS.items()
        for field in dataclasses.fields(kind)
    }


def build(values: dict[str, Any]) -> RunConfig:
    """The checked configuration; raises ``core.config.ConfigError``."""
    parts = {
        section: kind(**{field.name: values[f"{section}.{field.name}"] for field in dataclasses.fields(kind)})
        for section, kind in SECTIONS.items()
    }
    return RunConfig(**parts)


class Editor(QWidget):
    """A control for one value. ``edited`` is emitted when a person changed it; ``set_value`` emits nothing."""

    edited = Signal()

    def __init__(self, setting: Setting, control: QWidget) -> None:
        super().__init__()
        self.control = control
        control.setObjectName(f"training.{setting.name}")
        control.setToolTip(setting.tip)
        control.setAccessibleName(setting.text)
        control.setAccessibleDescription(setting.tip)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(4)
        self.row.addWidget(control, 1)
        self.setFocusProxy(control)

    def value(self) -> Any:
        """What the control holds, in the field's type."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show ``value``."""
        raise NotImplementedError

    def set_invalid(self, invalid: bool) -> None:
        """Mark the control as holding a value that cannot be used."""
        if bool(self.control.property("invalid")) != invalid:
            self.control.setProperty("invalid", invalid)
            self.control.style().unpolish(self.control)
            self.control.style().polish(self.control)


class _QuietComboBox(QComboBox):
    """A combo box that lets the panel scroll under the mouse instead of changing its choice."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class _QuietSpinBox(QSpinBox):
    """A spin box that listens to the wheel only while it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceEditor(Editor):
    """One of a few names."""

    def __init__(self, setting: Setting, choices: tuple[Any, ...]) -> None:
        self._box = _QuietComboBox()
        super().__init__(setting, self._box)
        self._box.setMinimumContentsLength(8)
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for choice in choices:
            self._box.addItem(str(choice), choice)
        self._box.activated.connect(lambda _: self.edited.emit())

    def value(self) -> Any:
        return self._box.currentData()

    def set_value(self, value: Any) -> None:
        with QSignalBlocker(self._box):
            self._box.setCurrentIndex(self._box.findData(value))


class CheckEditor(Editor):
    """Yes or no."""

    def __init__(self, setting: Setting) -> None:
        self._box = QCheckBox()
        super().__init__(setting, self._box)
        self._box.clicked.connect(lambda _: self.edited.emit())

    def value(self) -> bool:
        return self._box.isChecked()

    def set_value(self, value: bool) -> None:
        with QSignalBlocker(self._box):
            self._box.setChecked(value)


class IntegerEditor(Editor):
    """A whole number."""

    def __init__(self, setting: Setting) -> None:
        self._box = _QuietSpinBox()
        super().__init__(setting, self._box)
        self._box.setRange(int(setting.low), int(setting.high))
        self._box.setStepType(
            QSpinBox.StepType.AdaptiveDecimalStepType if setting.high > 1000 else QSpinBox.StepType.DefaultStepType
        )
        self._box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._box.valueChanged.connect(lambda _: self.edited.emit())

    def value(self) -> int:
        return self._box.value()

    def set_value(self, value: int) -> None:
        with QSignalBlocker(self._box):
            self._box.setValue(value)


class NumberEditor(Editor):
    """A number of any magnitude."""

    def __init__(self, setting: Setting) -> None:
        self._box = MagnitudeSpinBox(setting.low, setting.high)
        super().__init__(setting, self._box)
        self._box.committed.connect(lambda _: self.edited.emit())

    def value(self) -> float:
        return self._box.value()

    def set_value(self, value: float) -> None:
        with QSignalBlocker(self._box):
            self._box.setValue(value)


class OptionalNumberEditor(Editor):
    """A number, or nothing."""

    def __init__(self, setting: Setting) -> None:
        self._line = QLineEdit()
        super().__init__(setting, self._line)
        self._line.setPlaceholderText("as published")
        self._line.textEdited.connect(lambda _: self.edited.emit())

    def value(self) -> float | None:
        text = self._line.text().strip()
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            return float("nan")  # fails the configuration's own check, whose message says what is right

    def set_value(self, value: float | None) -> None:
        with QSignalBlocker(self._line):
            self._line.setText("" if value is None else f"{value:g}")


class PathEditor(Editor):
    """A folder or file, typed or chosen."""

    def __init__(self, setting: Setting) -> None:
        self._line = QLineEdit()
        super().__init__(setting, self._line)
        self._wants_folder = True
        self._browse = named(QPushButton("…"), f"training.{setting.name}.browse")
        self._browse.setToolTip("Browse …")
        self._browse.setAccessibleName("Browse")
        self._browse.setMaximumWidth(36)
        self.row.addWidget(self._browse)
        self._line.textEdited.connect(lambda _: self.edited.emit())
        self._browse.clicked.connect(self._ask)

    def set_wants_folder(self, folder: bool) -> None:
        """Whether a folder or an .npz file is asked for."""
        self._wants_folder = folder
        self._line.setPlaceholderText("folder of images" if folder else "file.npz")

    def value(self) -> str:
        return self._line.text().strip()

    def set_value(self, value: str) -> None:
        with QSignalBlocker(self._line):
            self._line.setText(value)

    def _ask(self) -> None:
        dialog = QFileDialog(self.window(), "Dataset", self._line.text())
        dialog.setObjectName("dialog.dataset")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self._wants_folder:
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        else:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            dialog.setNameFilter("dSprites-like arrays (*.npz)")
        dialog.fileSelected.connect(self._take)
        dialog.open()  # never exec(): the cloud goes on moving behind it

    def _take(self, path: str) -> None:
        self.set_value(path)
        self.edited.emit()
