"""A trained run as a Python program uses it: what its folder stores, and its model. ``isoline`` is the face of this.

Importing this module loads no torch, so that a script that only reads latents starts at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.config import Preset, RunConfig, config_from_dict, config_to_dict, preset_config
from core.data.python_arrays import IMAGES, images_of, labels_of, write_npz
from core.exploring.run_paths import RunPath, RunPaths, Tracer
from core.paths.recipe import Recipe, RecipeKind
from core.protocol.figures import Page
from core.runs.directory import ProbeSet, RunDirectory, RunError, new_run_name, unwritable
from core.runs.metrics_log import Record
from core.utils.atomic_write import write_atomic

if TYPE_CHECKING:
    from core.models.inference import Inference

_SUFFIXES_WITHOUT_NAMES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
"""What versions read that did not keep the names of files."""


class TrainedRun:
    """A run folder, opened: its settings, latents and labels, and its model ready to decode and encode.

    Everything is read when it is first asked for and then kept: of a run that is still training, open it again to see
    what is new. Sample i is row i of ``latents``, of each of ``labels`` and, for a folder of images, of ``files``.

    Attributes: ``path``, the folder; ``config``, the whole configuration, as ``isoline train`` stored it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the run in folder ``path``. Raises ``RunError`` if it is missing, no run, or of another version."""
        self._directory = RunDirectory.open(Path(path))
        self.path: Path = self._directory.path
        self.config: RunConfig = self._directory.config

    def __repr__(self) -> str:
        network, d = self._directory.network, self.config.model.latent_dim
        return f"<isoline.TrainedRun {str(self.path)!r}: {network}, d = {d}>"

    @cached_property
    def latents(self) -> NDArray[np.float32]:
        """Latent means mu of the samples, float32 (n, d), newest ones, read-only.

        A run of up to 20,000 samples records all, in the order of the dataset. Of a larger one these are the first n in
        the order of ``indices``, as many as are encoded yet with the newest weights: at first 20,000 drawn at random,
        in the end all, up to 1,000,000. Raises ``RunError`` if none are recorded yet or the file is damaged.
        """
        latents = self._directory.read_embedding()
        latents.flags.writeable = False
        return latents

    @cached_property
    def labels(self) -> dict[str, NDArray[Any]]:
        """What is known about the samples: arrays (n,) by name, empty if the dataset has no labels.

        Numbers are float32, NaN where one is not known; classes are texts, their names, "" where one is not known.
        ``a`` and ``b`` of the polar curves; ``class`` of a folder with sub-folders; the factors of an .npz file and the
        columns of a table under their own names. Raises ``RunError`` as ``latents`` does.
        """
        return self._samples.labels

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Which samples of the dataset these are, int64 (n,). Raises ``RunError`` as ``latents`` does."""
        return self._samples.indices

    @property
    def _samples(self) -> ProbeSet:
        return self._directory.samples_of(self._directory.read_probe(), self.latents)

    @cached_property
    def files(self) -> tuple[Path, ...] | None:
        """The image file of each sample, n of them, if the run was trained on a folder of images; else None.

        Raises ``core.data.dataset.DatasetError`` if the folder is gone, or is not one that anybody here has allowed the
        run to read, and ``RunError`` if a file is no longer there.
        """
        from core.data.allowed_files import allowed_data
        from core.data.sources.listing import listed, located, shown

        if not self.config.data.path:
            return None
        folder = allowed_data(self._directory).path
        stored = self._directory.metadata.get("dataset")
        probe = self._samples
        keeps_names = isinstance(stored, dict) and "notes" in stored
        if located(folder).is_file() or (keeps_names and not probe.names):
            return None  # arrays, whose images have no files of their own
        listing = listed(folder)
        if not probe.names:
            return self._files_by_order([Path(file.path) for file in listing.files], probe.indices)
        by_name = {shown(file.name): Path(file.path) for file in listing.files}
        files = [by_name.get(name) or by_name.get(name.rpartition("#")[0]) for name in probe.names]
        missing = [name for name, file in zip(probe.names, files, strict=True) if file is None]
        if missing:
            raise RunError(
                f"{folder} lacks {len(missing):,} of the files that {self.path} was trained on, such as {missing[0]}; "
                "restore them."
            )
        return tuple(file for file in files if file is not None)

    def _files_by_order(self, files: list[Path], indices: np.ndarray) -> tuple[Path, ...]:
        """Of a run whose version did not keep names: files were in the order of their paths."""
        files = sorted(file for file in files if file.suffix.lower() in _SUFFIXES_WITHOUT_NAMES)
        dataset = self._directory.metadata.get("dataset")
        count = dataset.get("samples") if isinstance(dataset, dict) else None
        if count is not None and count != len(files):
            raise RunError(
                f"{self.config.data.path} holds {len(files)} images; {self.path} was trained on {count}. Restore the "
                "folder: which file belongs to which sample is known by their order."
            )
        return tuple(files[index] for index in indices)

    @property
    def paths(self) -> RunPaths:
        """The paths that were saved with this run, by name: ``run.paths["one"].images()``."""
        return RunPaths(self)

    def trace(
        self,
        kind: RecipeKind,
        start: ArrayLike,
        end: ArrayLike | None = None,
        *,
        target: str = "",
        value: float | None = None,
        held: tuple[str, ...] | None = None,
        dimension: int | None = None,
        penalty: bool = True,
        points: int = 33,
        frames: int = 65,
    ) -> RunPath:
        """Trace a path as the window does: ``run.trace("geodesic", run.latents[0], run.latents[1]).images()``.

        ``kind``: "straight", "spherical" and "geodesic" join latents ``start`` and ``end`` (d,). "factor curve",
        "isoline" (the whole of it, in both directions), "tangent line", "mean difference" and "regression" change the
        label ``target`` from ``start``: to ``value``, else to what ``end`` has, else as far as the data go. ``held``
        are the labels that a curve holds constant and ``dimension`` is that of the surface it runs on; None: chosen.
        ``penalty`` False lets a geodesic leave the data. The curve has ``points`` control points, 3 to 1,000, and
        ``frames`` latents at equal distances along it.

        The first geodesic of a run decodes some 1,800 latents; later ones use what they showed. Raises ``ValueError``
        for what cannot be traced, ``core.engine.open_model.EngineError`` for what this run's samples do not allow, and
        what ``decode`` raises.
        """
        recipe = Recipe(
            kind, np.asarray(start), None if end is None else np.asarray(end), target, value, penalty, held, dimension
        )
        path, note = self._tracer.trace(recipe, points)
        return RunPath(self, path, path.resample(frames), note=note)

    @cached_property
    def _tracer(self) -> Tracer:
        return Tracer(self._directory, self._inference)

    def save_cloud(
        self,
        file: str | os.PathLike[str],
        *,
        epoch: int | None = None,
        width: float = 16.0,
        height: float = 0.0,
        dpi: int = 300,
        theme: Literal["dark", "light", "print"] = "print",
        font: float = 8.0,
        **look: Any,
    ) -> tuple[str, ...]:
        """Write a figure of the latents, as *Save figure* draws the cloud: PNG, SVG or PDF, by the name of ``file``.

        ``epoch``: the latents after it; None: the newest. ``width`` and ``height`` (0: as high as it needs) are
        centimetres, ``dpi`` pixels an inch, ``font`` points. What is drawn are the fields of
        ``core.figures.run_cloud.CloudLook``: ``color_by`` a label, "split" or "density", or with ``values`` a
        number (n,) for each sample, places of ``classes`` if there are such names; ``limits`` of the ``colormap``;
        ``hidden`` names of classes; ``selected`` samples; ``dimensions`` of the axes or ``principal`` ones; ``camera``,
        a dictionary of target, distance, azimuth, elevation and viewport; ``point_size``, ``opacity``, ``probe`` (d,),
        ``sample``, ``path`` with a ``marker`` at a share of its length, and ``title``. *Copy as Python* writes them for
        what is on screen. Returns what should be known of the figure.

        Raises ``core.figures.drawing.FigureError`` for what cannot be drawn, and ``OSError``.
        """
        from core.figures.drawing import draw, encode
        from core.figures.run_cloud import CloudLook, cloud_figure

        file = Path(file)
        means = self.latents if epoch is None else self._directory.read_embedding(epoch)
        samples = self._directory.samples_of(self._directory.read_probe(), means)
        figure = cloud_figure(means, samples, CloudLook(**look))
        page = Page(width, height, file.suffix.lower().removeprefix("."), dpi, theme, font)
        sheet = draw(figure, page)
        write_atomic(file, encode(sheet, page))
        return sheet.notes

    def decode(self, z: ArrayLike) -> NDArray[np.uint8]:
        """Images uint8 (n, S, S, C) at latents ``z`` (n, d): on one machine exactly those of ``isoline decode``.

        They are decoded one by one on one thread. Raises ``ValueError`` for another shape or a number that is not
        finite, ``core.training.checkpoint.CheckpointError`` if the run has no usable weights, and
        ``core.models.inference.MissingPartError`` for an imported model without a decoder.
        """
        from core.models.inference import decode_images

        # A copy: z may be read-only, which torch refuses.
        return decode_images(self._inference, np.array(z, np.float32))

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Latent means mu float32 (n, d) of ``images`` uint8 (n, S, S, C), as ``isoline encode`` computes them.

        Of the article's networks they are rounded to about 1 % of what was recorded where the processor multiplies
        bfloat16.
        S is ``config.data.image_size`` and C ``config.data.channels``. Raises ``ValueError`` for another type or shape,
        ``core.training.checkpoint.CheckpointError`` if the run has no usable weights, and
        ``core.models.inference.MissingPartError`` for an imported model without an encoder.
        """
        from core.models.inference import encode_images

        self._inference.check_images(images)
        return encode_images(self._inference, images)

    @cached_property
    def _inference(self) -> Inference:
        from core.training.opening import open_inference

        return open_inference(self.path)[0]


def open_run(path: str | os.PathLike[str]) -> TrainedRun:
    """Open the run in folder ``path``: one that ``isoline.train``, ``isoline train`` or the window trained.

    Reads its configuration alone. Raises ``RunError`` if the folder is missing, no run, or of another version.
    """
    return TrainedRun(path)


def train_run(
    config: RunConfig | str | os.PathLike[str] | Any | None = None,
    *,
    labels: Any = None,
    latent_dim: int | None = None,
    data: Mapping[str, object] | None = None,
    model: Mapping[str, object] | None = None,
    loss: Mapping[str, object] | None = None,
    training: Mapping[str, object] | None = None,
    preset: Preset = "compact",
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    on_event: Callable[[Record], None] | None = None,
) -> TrainedRun:
    """Train a model in this process, into a new run folder, and open it; with ``resume``, continue the run in ``out``.

    The settings are ``config``, or those of ``preset`` with the sections' own in their place: ``data={"count": 500},
    training={"epochs": 2}``. Names, defaults and ranges are those of ``core.config``, which are the flags of
    ``isoline train``. In place of ``config`` may stand the path of one's own images, the same as ``data={"path": …}``:
    settings that are not given then follow from the images, as they do there. Or images themselves: an array of any
    library, (n, H, W), (n, H, W, C) or (n, C, H, W), or a data set of PyTorch with items (image, label); they are kept
    in the run as ``images.npz``. ``labels`` are a table's path, or arrays (n,) by name: a mapping or a data frame, or a
    single one. ``latent_dim`` is d, the same as ``model={"latent_dim": d}``. ``out`` is the folder to make; None: one
    below ``runs/``, named by date and time. A run is resumed with its own settings; of those that are given only
    ``core.config.RESUME_SETTINGS`` may differ, such as more epochs.

    ``on_event`` gets each record of ``metrics.jsonl`` as it is written: losses of steps and epochs, warnings, the final
    report. Ctrl+C ends the training after its step; what it has learned is kept.

    Raises ``ConfigError`` for a setting that cannot be used, ``RunError`` for a folder that holds a run (or none to
    resume) or cannot be written, ``core.data.dataset.DatasetError``, ``core.models.device.DeviceError``, and
    ``core.training.loop.TrainingError`` when the loss is no longer finite.
    """
    from core.data.suggested_settings import settings_from_images
    from core.training.resume import present_config
    from core.training.trainer import run_training

    if resume and out is None:
        raise TypeError("isoline.train got resume=True without out; give the folder of the run to continue.")
    folder = None if out is None else Path(out)
    if isinstance(config, str | os.PathLike):
        data, config = {"path": config} | dict(data or {}), None
    elif config is not None and not isinstance(config, RunConfig):
        if resume:
            raise TypeError("isoline.train got images and resume=True; a run goes on with the images that it has.")
        folder, data, config = *_with_images(config, labels, data, folder, preset), None
        labels = None
    if labels is not None:
        data = {"labels": labels} | dict(data or {})
    if latent_dim is not None:
        model = {"latent_dim": latent_dim} | dict(model or {})
    sections = {"data": data, "model": model, "loss": loss, "training": training}
    given = {name: values for name, values in sections.items() if values is not None}
    if config is None:
        own = present_config(RunDirectory.open(folder)) if resume and folder is not None else preset_config(preset)
        settings = config_to_dict(own)
        for name, values in given.items():
            settings[name] |= {key: os.fspath(v) if isinstance(v, os.PathLike) else v for key, v in values.items()}
        config = config_from_dict(settings, "isoline.train")
        if not config.data.drawn and not resume:
            chosen = frozenset(f"{section}.{name}" for section, values in given.items() for name in values)
            config, _ = settings_from_images(config, chosen)
    elif given:
        raise TypeError(f"isoline.train got a config and also {', '.join(given)}; put all settings into one of them.")
    folder = folder or Path("runs", new_run_name(config))
    return TrainedRun(run_training(config, folder, resume, on_event).run.path)


def _with_images(
    images: Any, labels: Any, data: Mapping[str, object] | None, folder: Path | None, preset: Preset
) -> tuple[Path, dict[str, object]]:
    """The run folder, with these images in a file, and the data section that reads them.

    Raises ``core.data.dataset.DatasetError``, or ``RunError`` if there is a run already or the folder can't be written.
    """
    array, found = images_of(images)
    by_path = isinstance(labels, str | os.PathLike)
    if labels is not None and not by_path:
        found |= labels_of(labels, len(array))
    folder = folder or Path("runs", f"{datetime.now():%Y-%m-%d %H-%M-%S} {preset} images")
    if RunDirectory.exists(folder):
        raise RunError(f"{folder} already holds a run; give another folder as out.")
    file = folder / "images.npz"
    try:
        write_npz(file, {IMAGES: array}, found)
    except OSError as error:
        raise unwritable(folder, error) from error
    table: dict[str, object] = {"labels": labels} if by_path else {}
    return folder, {"path": str(file), "array": IMAGES} | table | dict(data or {})
