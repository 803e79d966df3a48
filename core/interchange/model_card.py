"""A trained model to hand on: weights and settings as a run that Isoline opens, and a model card that describes it.

The folder has the form of a repository on Hugging Face: README.md is the card, with its metadata at the top. Nothing in
it says where files lay on the machine that trained: of paths only their last part is left.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import core
from core.config import RunConfig, config_to_dict, without_folders
from core.interchange.errors import InterchangeError
from core.runs.directory import RunDirectory
from core.runs.metrics_log import Record, final_report, read_metrics
from core.utils.text import counted

CARD = "README.md"
EXPORTED = "exported_by"
"""The key of a run's metadata that tells an export from the run itself."""
KEPT_METADATA = ("created", "versions")
KEPT_OF_DATASET = ("samples", "train", "validation", "held_out", "factor_names")
_MARK = "\n<!-- isoline export {} -->\n"
_MARKED = re.compile(re.escape(_MARK).replace(r"\{\}", "([0-9a-f]{16})"))
_TITLES = {"kl": "KL divergence", "excess_bce": "excess BCE"}
_REPORTED = {
    "squared_error": "squared error, validation",
    "squared_error_mean_image": "squared error of the mean image",
    "twonn": "intrinsic dimension of the latents (TwoNN)",
    "active_dimensions": "active latent dimensions",
    "trustworthiness_parameters_to_cloud": "trustworthiness, factors to latents",
    "trustworthiness_cloud_to_parameters": "trustworthiness, latents to factors",
}


def check_replaceable(folder: Path, run: RunDirectory) -> None:
    """Raise ``InterchangeError`` if a model written into ``folder`` would take the place of what a person has there: a
    run, or a README.md that is not an export's or was edited since."""
    if RunDirectory.exists(folder) and (
        folder.resolve() == run.path.resolve() or EXPORTED not in RunDirectory.open(folder).metadata
    ):
        raise InterchangeError(f"{folder} is the folder of a run, which an export would overwrite; choose another.")
    card = folder / CARD
    if not card.exists():
        return
    text = card.read_text(encoding="utf-8", errors="replace")
    found = _MARKED.search(text)
    if found is None or found[1] != _digest(text[: found.start()]) or text[found.end() :]:
        raise InterchangeError(
            f"{card} is there already, and not as an export wrote it. So that nothing you wrote in it is lost, move it "
            "away, or choose another folder."
        )


def write_model(run: RunDirectory, folder: Path, onnx: bool) -> None:
    """Write weights, settings and card into ``folder``. ``onnx``: the card describes encoder and decoder files, too.

    The weights are the newest, in the precision in which the run stores them. Raises
    ``core.training.checkpoint.CheckpointError`` if there are none that can be used, and ``OSError``.
    """
    from core.training.checkpoint import newest_weights, read_stored, save_weights

    stored = read_stored(newest_weights(run))
    tensors = stored.model_tensors()
    config = without_folders(run.config)
    exported = RunDirectory(folder, config, _metadata(run))
    exported.rewrite(config, exported.metadata)
    save_weights(exported.weights_path, tensors, config, stored.step, stored.epoch)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    precision = ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}))
    text = card_text(run, exported.weights_path.name, f"{numbers:,}", precision, onnx)
    (folder / CARD).write_text(text + _MARK.format(_digest(text)), encoding="utf-8")


def card_text(run: RunDirectory, weights: str, parameters: str, precision: str, onnx: bool) -> str:
    """The model card of ``run``, in Markdown."""
    from core.reporting.page import environment

    config = without_folders(run.config)
    dataset = _dataset(run)
    settings = [
        (f"{section}.{name}", value)
        for section, values in config_to_dict(config).items()
        for name, value in values.items()
        if value not in ("", None)
    ]
    return environment.get_template("interchange/model_card.txt").render(
        name=run.path.resolve().name,
        version=run.metadata.get("versions", {}).get("isoline", core.__version__),
        created=str(run.metadata.get("created", ""))[:10],
        data=config.data,
        model=config.model,
        weights=weights,
        parameters=parameters,
        precision=precision,
        onnx=onnx,
        images=_images(config, dataset),
        losses=[(title, f"{value:.5g}") for title, value in _losses(read_metrics(run.metrics_path), run)],
        settings=settings,
    )


def _images(config: RunConfig, dataset: dict[str, Any]) -> str:
    data = config.data
    if data.drawn:
        text = f"{data.count:,} polar curves r = a + b cos 5θ, drawn in the {data.geometry} geometry"
        if data.punctured:
            centre = f"({data.hole_a:g}, {data.hole_b:g})"
            text += f", without those in a disc of radius {data.hole_radius:g} around (a, b) = {centre}"
    else:
        text = f"The images of `{data.path}`" + (f", with the labels of `{data.labels}`" if data.labels else "")
    sides = (("train", "to train"), ("validation", "to validate"), ("held_out", "held out"))
    split = [f"{dataset[key]:,} {said}" for key, said in sides if dataset.get(key)]
    names = dataset.get("factor_names")
    text += f"{': ' + ', '.join(split) if split else ''}."
    if names:
        text += f" Labels: {', '.join(names)}."
    skipped = len(dataset.get("skipped", []))
    return text + (f" {counted(skipped, 'file')} could not be read." if skipped else "")


def _losses(records: list[Record], run: RunDirectory) -> list[tuple[str, float]]:
    """What is recorded about how good the model is, by title."""
    rows: list[tuple[str, Any]] = []
    epochs = [record for record in records if record.get("kind") == "epoch" and record.get("validation")]
    steps = [record for record in records if record.get("kind") == "step"]
    if epochs:
        last = epochs[-1]
        rows += [
            (f"{_TITLES.get(name, name)}, validation, after epoch {last['epoch']}", value)
            for name, value in last["validation"].items()
        ]
    if steps:
        rows.append((f"loss, training, at step {steps[-1]['step']}", steps[-1].get("loss")))
    report = final_report(run.metrics_path) or {}
    rows += [(title, report.get(name)) for name, title in _REPORTED.items()]
    return [(title, value) for title, value in rows if isinstance(value, int | float)]


def _metadata(run: RunDirectory) -> dict[str, Any]:
    dataset = _dataset(run)
    kept = {name: run.metadata[name] for name in KEPT_METADATA if name in run.metadata}
    return {
        **kept,
        "dataset": {name: dataset[name] for name in KEPT_OF_DATASET if name in dataset},
        EXPORTED: f"isoline {core.__version__}",
    }


def _dataset(run: RunDirectory) -> dict[str, Any]:
    stored = run.metadata.get("dataset")
    return stored if isinstance(stored, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
