"""The configuration of one training run: frozen dataclasses, their checks, and a strict JSON round trip.

One plain object holds everything a run depends on. A setting is one field here: its type and range stand in the
annotation, its label and place in the form beside them (``Row``), its explanation in the string below. Validation,
``config.json``, the flags of the command line with their help, and the window's form all read these. No torch here.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

SCHEMA_VERSION = 1

Source = Literal["auto", "curves", "files", "none"]
"""Where images come from."""
LabelsBy = Literal["name", "order"]
Split = Literal["auto", "random", "last"]
Geometry = Literal["article", "square"]
Channels = Literal[1, 3]
Resize = Literal["fit", "crop", "stretch"]
Frames = Literal["all", "first"]
NumberLabels = Literal["auto", "numbers"]
LONGEST_TEXT = 16_384
"""Characters of a setting; the longest paths that a system takes have a quarter."""
_SHOWN_TEXT = 200  # characters of a wrong value

FileOrder = Literal["natural", "path"]
Preset = Literal["compact", "article", "article-weighted"]
Variance = Literal["constant", "learned"]
Reconstruction = Literal["bce", "mse"]
KlForm = Literal["article", "textbook"]
Entanglement = Literal["none", "product", "covariance", "dip"]
Optimizer = Literal["adamw", "adam"]
Schedule = Literal["one-cycle", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]

FULL = "full"
SMALLEST_CURVES = 32
"""Image size below which polar curves are no longer drawn, and the article's networks have no room to work."""
PRESETS: tuple[Preset, ...] = get_args(Preset)


class ConfigError(ValueError):
    """A configuration value that cannot be used; the message names it, its value and what would be right."""


@dataclass(frozen=True)
class Row:
    """How a setting appears in the form: under which label, and whether it is folded away as ``advanced``.

    ``when`` names settings and the values that they must have for this one to mean anything; ``wanted`` says what is
    right where the annotation's range cannot.
    """

    label: str
    advanced: bool = False
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    wanted: str = ""


_NUMBER = r"-?\d+(\.\d+)?([eE][-+]?\d+)?"
_CURVES = (("data.source", ("curves",)),)
_FILES = (("data.source", ("files",)),)
_HOLE = (*_CURVES, ("data.punctured", (True,)))


@dataclass(frozen=True)
class DataConfig:
    """Which images to train on: your own, or the polar curves r = a + b cos(5 theta)."""

    source: Annotated[Source, Row("Images")] = "auto"
    """files: your own images, read from the path; curves: polar curves, drawn on demand; auto: files if a path is
    given, else curves. none: there are no images, which is so only of models that were imported without any."""
    path: Annotated[str, Row("Path", when=_FILES)] = ""
    """A folder of image files (its sub-folders become classes), an image file with several frames, or a file with
    arrays: NPZ, NPY, HDF5, MNIST's IDX."""
    image_size: Annotated[int, Meta(ge=8, le=512), Row("Image size")] = 256
    """Height and width in pixels to which all images are scaled."""
    channels: Annotated[Channels, Row("Channels", when=_FILES)] = 1
    """1: greyscale; 3: colour."""
    resize: Annotated[Resize, Row("Resize", when=_FILES)] = "fit"
    """fit: all of the image, with margins where it is not square; crop: its central square; stretch: all of it, its
    proportions changed."""
    background: Annotated[
        str,
        Meta(pattern=r"^(auto|white|black|#[0-9a-fA-F]{6})$"),
        Row("Background", advanced=True, when=_FILES, wanted="auto, white, black, or a colour such as #20a0ff"),
    ] = "auto"
    """What transparent images are laid on, and, if it is not auto, the colour of margins. auto: white or black,
    whichever contrasts with what the images show; margins continue the image's own border."""
    intensity: Annotated[
        str,
        Meta(pattern=rf"^(auto|range|percentiles|{_NUMBER}:{_NUMBER})$"),
        Row(
            "Intensity",
            advanced=True,
            when=_FILES,
            wanted="auto, range, percentiles, or the lowest and highest value, such as 0:4095",
        ),
    ] = "auto"
    """Which values become black and white, the same for all images. auto: 8-bit values stay as they are, 0 to 1 and
    -1 to 1 are taken as such, of others the lowest and highest of the data set; range: always these; percentiles:
    0.1 % of all pixels below and above; or LOW:HIGH."""
    array: Annotated[str, Row("Array", advanced=True, when=_FILES)] = ""
    """Which array of a file with several holds the images, or which group of HDF5 with an array for each image; not
    set: the one that must be."""
    planes: Annotated[
        str,
        Meta(pattern=r"^(\d{1,5}(,\d{1,5}){0,2})?$"),
        Row("Channels taken", advanced=True, when=_FILES, wanted="up to three numbers from 0, such as 0,2,3"),
    ] = ""
    """Which channels of images with many are taken, counted from 0: one as grey, or those of red, green and blue. Not
    set: the first three, or the first of two."""
    frames: Annotated[Frames, Row("Frames", advanced=True, when=_FILES)] = "all"
    """Of files with several frames (TIFF stacks, GIF): all, each an image of its own, or the first."""
    order: Annotated[FileOrder, Row("Order of files", advanced=True, when=_FILES)] = "natural"
    """natural: numbers in names count, 2 before 10; path: by their characters, 10 before 2."""
    count: Annotated[int, Meta(ge=2, le=10_000_000), Row("Curves", when=_CURVES)] = 5000
    """Number of curves, before those in the hole are left out."""
    punctured: Annotated[bool, Row("Hole", when=_CURVES)] = True
    """Leave out all curves in a disc of the (a, b) plane, to see how the model fills a gap in its data."""
    hole_a: Annotated[float, Meta(ge=-1e6, le=1e6), Row("Hole centre a", when=_HOLE)] = 1.25
    """Centre of the hole, mean radius a (curves have 0.5 to 2)."""
    hole_b: Annotated[float, Meta(ge=-1e6, le=1e6), Row("Hole centre b", when=_HOLE)] = 1.0
    """Centre of the hole, petal depth b (curves have 0 to 2)."""
    hole_radius: Annotated[float, Meta(ge=0.0, le=1e6), Row("Hole radius", when=_HOLE)] = 0.3
    """Radius of the hole in the (a, b) plane."""
    geometry: Annotated[Geometry, Row("Geometry", advanced=True, when=_CURVES)] = "article"
    """article: curves are drawn as in the plots of the 2021 study; square: each curve fills a square image."""
    weighted: Annotated[bool, Row("Sample weights", advanced=True, when=_CURVES)] = False
    """Give curves with shallow petals more weight in the loss, as the article's transect experiment did."""
    labels: Annotated[str, Row("Labels", when=_FILES)] = ""
    """A table that says more about the images (CSV, TSV, XLSX, Parquet, NPZ): a row an image, numbers or classes."""
    labels_by: Annotated[LabelsBy, Row("Labels by", advanced=True, when=_FILES)] = "name"
    """How a row of the table finds its image. name: by a column of file names, paths or stems; order: row i is about
    image i."""
    number_labels: Annotated[NumberLabels, Row("Number labels", advanced=True, when=_FILES)] = "auto"
    """auto: numbers are numbers, but few different whole numbers in a column or array called class, label or the like
    are classes, and a note says so; numbers: numbers stay numbers, whatever they are called."""
    hold_out: Annotated[
        str, Meta(pattern=r"^\s*$|=.*\S"), Row("Hold out", advanced=True, wanted="such as kind=cat or x=0.2:0.4, y=1:2")
    ] = ""
    """Images kept from training and validation on purpose, to see how the model fills the gap: a class (kind=cat), a
    range (x=0.2:0.4), a region (x=0.2:0.4, y=1:2); several separated by a semicolon."""
    group: Annotated[str, Row("Group", advanced=True, when=_FILES)] = ""
    """A label, such as patient or plate, whose images all train or all validate."""
    split: Annotated[Split, Row("Split", advanced=True, when=_FILES)] = "auto"
    """Which images validate. auto: as folders, arrays (train, val, test) or a table's column split say, which may also
    hold images out; else random; random: drawn at random, as many of each class; last: the last in the order of the
    files."""
    seed: Annotated[int, Meta(ge=0), Row("Data seed", advanced=True)] = 0
    """Random seed for the curves' parameters a and b, or for which images validate."""
    validation_fraction: Annotated[Annotated[float, Meta(ge=0.0, le=0.9)] | None, Row("Validation", advanced=True)] = (
        None
    )
    """Fraction of the images used only for validation; of the curves, the last ones. Not set: 10 %, or 5 % for curves
    with a hole, as in the article."""

    def __post_init__(self) -> None:
        _check_section("data", self)
        low, colon, high = self.intensity.partition(":")
        if colon and float(low) >= float(high):
            raise ConfigError(f"data.intensity is {self.intensity!r}; the first number must be below the second.")

    def check_source(self) -> None:
        """Raise ``ConfigError`` if source, path and image size do not go together.

        No check of ``__post_init__``, because the command line gives the path after the other settings.
        """
        if self.source == "files" and not self.path:
            raise ConfigError("data.path is ''; it must be set for source 'files'.")
        if self.source == "none" and self.path:
            raise ConfigError(f"data.path is {self.path!r}; without images (data.source none) there is no path.")
        if self.source == "curves" and self.path:
            raise ConfigError(
                f"data.path is {self.path!r}, and curves are drawn without it; leave out data.source to train on the "
                "files there, or data.path to train on curves."
            )
        if self.drawn and self.image_size < SMALLEST_CURVES:
            raise ConfigError(
                f"data.image_size is {self.image_size}; it must be {SMALLEST_CURVES} or more for polar curves."
            )

    @property
    def drawn(self) -> bool:
        """Whether the images are polar curves that are drawn; else they are read from ``path``."""
        return self.source not in ("files", "none") and not self.path

    @property
    def has_images(self) -> bool:
        """Whether there are images at all, drawn or read."""
        return self.source != "none"

    @property
    def holds_out(self) -> bool:
        """Whether some samples are kept from training and validation on purpose."""
        return bool(self.hold_out.strip()) or (self.drawn and self.punctured)


@dataclass(frozen=True)
class ModelConfig:
    """The VAE: which network, how many latent dimensions, which posterior variance."""

    preset: Annotated[Preset, Row("Network")] = "compact"
    """compact: Isoline's own, small and fast; article: the network of the 2021 study, slow on a CPU;
    article-weighted: the same
    with batch normalisation in the encoder."""
    latent_dim: Annotated[int, Meta(ge=1, le=2048), Row("Dimensions d")] = 3
    """Number of latent dimensions d."""
    variance: Annotated[Variance, Row("Variance", advanced=True)] = "constant"
    """Posterior variance. constant: z = mu + sigma eps with a fixed sigma; learned: the encoder predicts it."""
    sigma: Annotated[
        float, Meta(ge=1e-6, le=10.0), Row("σ", advanced=True, when=(("model.variance", ("constant",)),))
    ] = 0.1
    """Standard deviation sigma of the posterior, if the variance is constant."""
    native_size: Annotated[
        str,
        Meta(pattern=r"^(auto|full|([2-9]|[1-9]\d{1,3})x([2-9]|[1-9]\d{1,3}))$"),
        Row(
            "Native size",
            advanced=True,
            when=(*_CURVES, ("model.preset", ("compact",))),
            wanted="auto, full, or a height and width of 2 or more such as 172x229",
        ),
    ] = "auto"
    """Resolution at which the compact network draws before enlarging to the image size. auto: estimated from the
    images, which may themselves have been enlarged; full: the image size; or HEIGHTxWIDTH in pixels."""
    global_colour: Annotated[bool, Row("Global colour", advanced=True, when=(("model.preset", ("compact",)),))] = False
    """The compact network's decoder also adds one colour to the whole image, straight from its hidden layer: colour
    images are drawn better for it, and a linear model reads their mean colour from the latent means."""

    def __post_init__(self) -> None:
        _check_section("model", self)

    def native(self, image_size: int) -> tuple[int, int]:
        """(height, width) that the compact decoder draws: ``image_size`` as long as no other size is known."""
        if self.native_size in ("auto", FULL):
            return image_size, image_size
        height, width = self.native_size.split("x")
        return int(height), int(width)


@dataclass(frozen=True)
class LossConfig:
    """The loss: reconstruction + beta KL + gamma entanglement."""

    beta: Annotated[float, Meta(ge=0.0, le=1e6), Row("β (KL)")] = 3e-7
    """Weight of the KL term, which pulls the latent cloud towards a standard normal distribution."""
    entanglement: Annotated[Entanglement, Row("Entanglement")] = "none"
    """Penalty on latent dimensions that vary together. product: mean |mu_i mu_j|; covariance: mean |cov(mu_i, mu_j)| of
    the batch; dip: DIP-VAE-I, sum of cov^2 + 10 sum of (var - 1)^2."""
    gamma: Annotated[
        float,
        Meta(ge=0.0, le=1e6),
        Row("γ", when=(("loss.entanglement", ("product", "covariance", "dip")),)),
    ] = 0.0
    """Weight of the entanglement term."""
    reconstruction: Annotated[Reconstruction, Row("Reconstruction", advanced=True)] = "bce"
    """Reconstruction term, a mean over pixels. bce: binary cross-entropy; mse: mean squared error."""
    kl: Annotated[KlForm, Row("KL term", advanced=True)] = "article"
    """article: mean over dimensions of mu^2 + sigma^2 - log sigma^2 - 1; textbook: half the sum of the same."""

    def __post_init__(self) -> None:
        _check_section("loss", self)


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is optimised, and on which devices."""

    epochs: Annotated[int, Meta(ge=1, le=1_000_000), Row("Epochs")] = 34
    """Passes over the training images."""
    batch_size: Annotated[int, Meta(ge=1, le=65_536), Row("Batch size")] = 16
    """Images per step on each device."""
    accumulation: Annotated[int, Meta(ge=1, le=65_536), Row("Accumulation", advanced=True)] = 1
    """Parts of a batch that are computed one after another, their gradients averaged: as many parts, as little memory,
    a little slower. The steps stay those of whole batches, but for the network article-weighted, whose batch
    normalisation then sees one part at a time."""
    learning_rate: Annotated[float, Meta(gt=0.0, le=1e3), Row("Learning rate")] = 2e-3
    """Learning rate; its peak, with a one-cycle schedule."""
    optimizer: Annotated[Optimizer, Row("Optimizer", advanced=True)] = "adamw"
    """adamw: Adam with decoupled weight decay; adam."""
    schedule: Annotated[Schedule, Row("Schedule", advanced=True)] = "one-cycle"
    """one-cycle: the learning rate rises to its peak, then falls to zero; constant: the learning rate does not
    change."""
    warmup: Annotated[
        float, Meta(ge=0.0, le=0.95), Row("Warm-up", advanced=True, when=(("training.schedule", ("one-cycle",)),))
    ] = 0.15
    """Fraction of a one-cycle training during which the learning rate rises."""
    weight_decay: Annotated[
        float, Meta(ge=0.0, le=10.0), Row("Weight decay", advanced=True, when=(("training.optimizer", ("adamw",)),))
    ] = 1e-4
    """Decoupled weight decay of adamw."""
    input_noise: Annotated[float, Meta(ge=0.0, le=1.0), Row("Input noise", advanced=True)] = 0.0
    """Standard deviation of the noise on the images, of values 0 to 1, that the encoder sees while it trains; the
    decoder still learns the images without noise (a denoising VAE). Keeps few, small images from being learned by
    heart."""
    translation: Annotated[
        int, Meta(ge=0, le=64), Row("Translation", advanced=True, when=(("model.preset", ("compact",)),))
    ] = 3
    """Pixels, of the native size, by which the compact network draws each training image away from its place, at random
    and at most, in the first four fifths of the epochs. It is told how far, and the image is taken from there: so it
    learns strokes at every place between its cells, and draws better what it has never seen, such as the inside of the
    hole. Never farther than the margin of its canvas; drawn at 64, 128 or 256 pixels, an image has none. 0: every image
    is drawn in its place."""
    clip: Annotated[float, Meta(ge=0.0), Row("Clip gradient", advanced=True)] = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    loss_limit: Annotated[float, Meta(ge=0.0, le=1e9), Row("Loss limit", advanced=True, wanted="0, or more than 1")] = (
        10.0
    )
    """How many times its usual value (the median of the last 200 steps) the loss may be for 20 steps on end. Beyond
    that, or when it is no number, the training pauses, keeps its state and offers its last good checkpoint with a lower
    learning rate. 0: it never pauses, and ends when the loss is no number."""
    seed: Annotated[int, Meta(ge=0), Row("Seed", advanced=True)] = 0
    """Random seed for the initial weights, the order of the images and the noise."""
    precision: Annotated[Precision, Row("Precision", advanced=True)] = "auto"
    """auto: bfloat16 where the device computes it fast, else float32. A training that takes a minute or more on a CPU
    tries both for a second, and takes the other one where that is a tenth faster."""
    pieces: Annotated[
        int, Meta(ge=0, le=1024), Row("Pieces", advanced=True, when=(("training.device", ("auto", "cpu")),))
    ] = 0
    """On a CPU, pieces of a batch that are computed side by side, each by a thread. 0: by the work that an image is; a
    training that takes a minute or more tries several numbers for a second and takes the fastest. More of them are
    faster on free processors, and cost more where there is one. The same number gives the same weights on any number of
    threads. Batches of networks with batch normalisation are never cut."""
    encoding_percent: Annotated[float, Meta(ge=0.0, le=50.0), Row("Encode in between", advanced=True)] = 5.0
    """Percent of the time in which the latent means of more than 20,000 samples are encoded between the steps, with the
    weights of the epoch before, and of up to 1,000,000 once training has ended. Only the newest epoch and the newest
    weights keep more than the first 20,000. 0: 20,000 drawn at random are all that a new run ever records."""
    device: Annotated[Device, Row("Device", advanced=True)] = "auto"
    """auto: the first available of cuda, mps and cpu."""
    deterministic: Annotated[
        bool, Row("Deterministic", advanced=True, when=(("training.device", ("auto", "cuda", "mps")),))
    ] = False
    """On a GPU, the same training gives the same weights on the same card, by kernels that are slower; a warning names
    those that have no such form. On a CPU it does so in any case."""
    devices: Annotated[int, Meta(ge=1, le=1024), Row("Devices", advanced=True)] = 1
    """GPUs (or CPU processes) on each node."""
    nodes: Annotated[int, Meta(ge=1, le=4096), Row("Nodes", advanced=True)] = 1
    """Machines that train together."""

    def __post_init__(self) -> None:
        _check_section("training", self)
        if 0.0 < self.loss_limit <= 1.0:  # the usual loss would be beyond reason
            SETTINGS["training.loss_limit"].refuse(self.loss_limit)


@dataclass(frozen=True)
class RunConfig:
    """Everything that one run depends on; what ``config.json`` holds under ``config``."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        self.data.check_source()
        size, native = self.data.image_size, self.model.native_size
        if max(self.model.native(size)) > size:
            raise ConfigError(f"model.native_size is {native!r}; it must be at most the image size, {size}x{size}.")
        if self.model.preset != "compact" and size < SMALLEST_CURVES:
            raise ConfigError(
                f"data.image_size is {size}; it must be {SMALLEST_CURVES} or more for the network {self.model.preset}."
            )


@dataclass(frozen=True)
class Setting:
    """One field of a configuration as validation, command line and form see it.

    ``kind`` is its type (None is a value, too, if it is ``optional``), ``choices`` the values of a choice. ``low`` and
    ``high`` bound a number (None: unbounded), ``low`` itself is excluded if ``above``; a text matches ``pattern``.
    """

    section: str
    field: dataclasses.Field
    kind: Any
    optional: bool
    row: Row
    low: float | None
    high: float | None
    above: bool
    pattern: str | None

    @property
    def name(self) -> str:
        """section.field"""
        return f"{self.section}.{self.field.name}"

    @property
    def choices(self) -> tuple[Any, ...]:
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def wanted(self) -> str:
        """The values that are right, in words: "32 to 512", "above 0, at most 1,000", "bce or mse"."""
        if self.row.wanted:
            return self.row.wanted
        if self.choices:
            *others, last = map(str, self.choices)
            return f"{', '.join(others)} or {last}"
        if self.low is None:
            return {bool: "true or false", str: f"a text of at most {LONGEST_TEXT:,} characters"}[self.kind]
        low = f"above {_shown(self.low)}" if self.above else _shown(self.low)
        if self.high is None:
            return f"{low} or more"
        return f"{low}, at most {_shown(self.high)}" if self.above else f"{low} to {_shown(self.high)}"

    @property
    def help(self) -> str:
        """What it means and, of a number, its range."""
        text = _docstrings().get(self.name, "")
        return text if self.low is None else f"{text} Allowed: {self.wanted}."

    def accepts(self, value: object) -> bool:
        """Whether ``value``, which has the right type, is in range."""
        if self.choices:
            return value in self.choices
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            return False
        if isinstance(value, str) and self.pattern is not None:
            return re.search(self.pattern, value, re.ASCII) is not None
        if value is None or self.low is None or not isinstance(value, int | float):
            return True
        high = math.inf if self.high is None else self.high
        return math.isfinite(value) and self.low <= value <= high and not (self.above and value == self.low)

    def check(self, value: object) -> None:
        """Raise ``ConfigError`` if ``value`` is out of range."""
        if not self.accepts(value):
            self.refuse(value)

    def refuse(self, value: object) -> NoReturn:
        """Raise ``ConfigError``: ``value`` is wrong."""
        raise ConfigError(f"{self.name} is {_given(value)}; it must be {self.wanted}.")


def _given(value: object) -> str:
    """A wrong value, in a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]} … ({len(text):,} characters)"


def _shown(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:g}"


SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "training": TrainingConfig,
}


def _settings() -> dict[str, Setting]:
    settings = {}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind, include_extras=True)
        for entry in dataclasses.fields(kind):
            inner, *extras = get_args(hints[entry.name])
            row = next(extra for extra in extras if isinstance(extra, Row))
            optional = type(None) in get_args(inner)
            if optional:
                inner, *more = get_args(get_args(inner)[0])
                extras += more
            meta = next((extra for extra in extras if isinstance(extra, Meta)), Meta())
            low, above = (meta.ge, False) if meta.gt is None else (meta.gt, True)
            setting = Setting(section, entry, inner, optional, row, low, meta.le, above, meta.pattern)
            settings[setting.name] = setting
    return settings


SETTINGS: dict[str, Setting] = _settings()
"""By ``section.field``, in the order of the form."""
LIVE_SETTINGS = tuple(SETTINGS[name] for name in ("training.learning_rate", "loss.beta", "loss.gamma"))
"""The hyperparameters that can be changed while a training runs."""
RESUME_SETTINGS = tuple(
    SETTINGS[name]
    for name in (
        "training.epochs",
        "training.learning_rate",
        "training.batch_size",
        "training.accumulation",
        "loss.beta",
        "loss.gamma",
        "training.clip",
        "training.loss_limit",
        "training.encoding_percent",
        "training.precision",
        "training.pieces",
        "training.device",
        "training.devices",
        "training.nodes",
    )
)
"""What can be changed when a run is continued. Everything else made its weights what they are."""


def _check_section(section: str, values: object) -> None:
    for setting in SETTINGS.values():
        if setting.section == section:
            setting.check(getattr(values, setting.field.name))


@lru_cache(maxsize=1)
def _docstrings() -> dict[str, str]:
    """By ``section.field``: the strings below the fields, which only the source has."""
    names = {kind.__name__: section for section, kind in SECTIONS.items()}
    texts = {}
    for definition in ast.parse(inspect.getsource(sys.modules[__name__])).body:
        if not isinstance(definition, ast.ClassDef) or definition.name not in names:
            continue
        for entry, below in pairwise(definition.body):
            if (
                isinstance(entry, ast.AnnAssign)
                and isinstance(entry.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                texts[f"{names[definition.name]}.{entry.target.id}"] = " ".join(str(below.value.value).split())
    return texts


def preset_config(preset: Preset) -> RunConfig:
    """The settings that belong to a preset: Isoline's own for ``compact``, the published ones for the others."""
    if preset == "compact":
        return RunConfig()
    published = TrainingConfig(
        epochs=30,
        batch_size=8,
        optimizer="adam",
        learning_rate=1e-4,
        schedule="constant",
        weight_decay=0.0,
        clip=0.0,
        translation=0,
    )
    if preset == "article":
        return RunConfig(
            data=DataConfig(punctured=False),
            model=ModelConfig(preset="article"),
            loss=LossConfig(entanglement="product", beta=1e-3, gamma=1e-4),
            training=published,
        )
    if preset == "article-weighted":
        return RunConfig(
            data=DataConfig(weighted=True),
            model=ModelConfig(preset="article-weighted"),
            loss=LossConfig(beta=8e-3),
            training=published,
        )
    raise ConfigError(f"model.preset is {preset!r}; it must be one of {', '.join(PRESETS)}.")


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """``config`` with these values by ``section.field``. Raises ``ConfigError`` for an unknown name, or a value that is
    out of range."""
    for name, value in values.items():
        if name not in SETTINGS:
            raise ConfigError(f"there is no setting {name!r}; name one as in 'loss.beta'.")
        setting = SETTINGS[name]
        section = dataclasses.replace(getattr(config, setting.section), **{setting.field.name: value})
        config = dataclasses.replace(config, **{setting.section: section})
    return config


def unsettled(config: RunConfig) -> RunConfig:
    """``config`` of a run for another training, which settles anew what that one found out for itself: the native size,
    from its images; precision and pieces, from its computer, if a trial there has chosen the number of pieces."""
    training = config.training
    if training.pieces:
        training = dataclasses.replace(training, precision="auto", pieces=0)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, native_size="auto"), training=training)


def without_folders(config: RunConfig) -> RunConfig:
    """``config`` with the names of the files that it was trained on, without the folders in which they lay, on whatever
    system that was."""
    names = {field: PureWindowsPath(getattr(config.data, field)).name for field in ("path", "labels")}
    return dataclasses.replace(config, data=dataclasses.replace(config.data, **names))


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain JSON-ready dictionaries, nested as the classes are."""
    return dataclasses.asdict(config)


def config_from_dict(value: object, origin: str | Path = "configuration") -> RunConfig:
    """Build a checked ``RunConfig`` from parsed JSON.

    Raises ``ConfigError`` that names ``origin`` and the field for an unknown field, a wrong type or a bad value.
    """
    try:
        value = _as_before(_renamed(value))
        unknown = _unknown_fields(value)
        if unknown:
            raise ConfigError(f"unknown field {_given(unknown[0])}; this version has no such setting.")
        return msgspec.convert(value, RunConfig, strict=True)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    except msgspec.ValidationError as error:
        place = re.search(r"at `\$\.(\w+)\.(\w+)`", str(error))
        setting = SETTINGS.get(f"{place[1]}.{place[2]}") if place else None
        if setting is None or not isinstance(value, dict):
            raise ConfigError(f"{origin}: {error}") from error
        wrong = value[setting.section][setting.field.name]
        raise ConfigError(f"{origin}: {setting.name} is {_given(wrong)}; it must be {setting.wanted}.") from error


def _renamed(value: object) -> object:
    """``value`` with the names of sources that runs stored before the path told the kind of file.

    Their files were in the order of their paths, one frame was taken of each and stretched to a square; and so they are
    read again.
    """
    data = value.get("data") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(data, dict) and data.get("source") in ("folder", "npz"):
        as_before = {"resize": "stretch", "split": "last", "order": "path", "frames": "first"}
        return value | {"data": as_before | data | {"source": "files"}}
    return value


def _as_before(value: object) -> object:
    """``value`` with what held before a setting was there, if it is a whole configuration, stored without it."""
    training = value.get("training") if isinstance(value, dict) else None
    if isinstance(value, dict) and isinstance(training, dict) and "seed" in training:
        return value | {"training": {"translation": 0} | training}
    return value


def _unknown_fields(value: object) -> list[str]:
    if not isinstance(value, dict):
        return []
    unknown = [str(name) for name in value if name not in SECTIONS]
    for section in SECTIONS:
        inner = value.get(section)
        if isinstance(inner, dict):
            unknown += [f"{section}.{key}" for key in inner if f"{section}.{key}" not in SETTINGS]
    return unknown
