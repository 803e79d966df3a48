"""Compare Isoline's training without options with pythae's VAE and β-VAE, on three data sets.

    python scripts/compare_pythae.py                      # all three data sets: about 25 minutes on 2 cores
    python scripts/compare_pythae.py crops --seeds 5      # one of them, five trainings of each model
    python scripts/compare_pythae.py digits --json FILE   # the measurements for a program, too

The data: scikit-learn's digits (1,797, as PNG files in folders of classes), 20,000 images of 64² drawn with dSprites'
factors, and 3,000 crops of 64² of scikit-learn's two sample photographs. `isoline train PATH` trains on them with no
other option but the seeds, of the training and of the split, 0 being the default. pythae (Chadebec, Vincent and
Allassonnière 2022, arXiv 2206.08309) then trains its default networks with the same pixels, split and latent dimension,
for the same processor time; it lives in an environment of its own in the cache folder. Set OMP_NUM_THREADS to 1 to
measure beside other work.

Measured on the validation images: mean squared error of the reconstruction at the mean (pixels in 0 to 1), and what is
read from the means, fitted on the training images: accuracy on classes, R² (mean) on factors, by a linear model and by
the 15 nearest neighbours, which show what a code holds that is not linear in it. Several seeds, which differ in split,
weights and order of the images, give means and their standard errors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np

from _made_images import ANGLES, FACTOR_NAMES, PLACES, SCALES, SHAPES, SIDE, in_sprite
from _peer_environment import peer_python

PYTHAE = ("torch", "pythae==0.1.2", "scikit-learn")
RATE = 1e-3
BATCH = 64
NEIGHBOURS = 15
MODELS = {"VAE": None, "β-VAE, β = 0.1": 0.1}
CROPS, CROP = 3000, 64


def digits(folder: Path) -> Path:
    """scikit-learn's digits of 8 × 8 pixels: PNG files, a folder for each class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    for index, (image, target) in enumerate(zip(pixels.reshape(-1, 8, 8), targets, strict=True)):
        home = folder / "digits" / str(target)
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(image / 16 * 255).astype(np.uint8)).save(home / f"{index}.png")
    return folder / "digits"


def sprites(folder: Path, count: int = 20_000) -> Path:
    """Images of 64² with dSprites' factors and keys: a square, an ellipse or a heart, of 6 sizes, turned and moved."""
    generator = np.random.default_rng(0)
    sizes = (SHAPES, SCALES, ANGLES, PLACES, PLACES)
    classes = np.stack([generator.integers(0, size, count) for size in sizes], axis=1)
    scale = 0.5 + 0.1 * classes[:, 1]
    angle = 2 * np.pi * classes[:, 2] / ANGLES
    centre = 0.25 + 0.5 * classes[:, 3:] / (PLACES - 1)
    y, x = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) / SIDE
    images = np.empty((count, SIDE, SIDE), np.uint8)
    for index in range(count):
        left, top = centre[index]
        images[index] = in_sprite(int(classes[index, 0]), scale[index], angle[index], x - left, y - top)
    values = np.concatenate([np.ones((count, 1)), classes], axis=1)
    names = np.array(FACTOR_NAMES)
    np.savez_compressed(folder / "sprites.npz", imgs=images, latents_values=values, latents_names=names)
    return folder / "sprites.npz"


def crops(folder: Path) -> Path:
    """Crops of scikit-learn's two photographs in colour, 64² pixels of them halved in size; a folder for each."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    generator = np.random.default_rng(0)
    for name in ("china", "flower"):
        photograph = Image.fromarray(load_sample_image(f"{name}.jpg")).reduce(2)
        home = folder / "crops" / name
        home.mkdir(parents=True)
        for index in range(CROPS // 2):
            left = int(generator.integers(0, photograph.width - CROP))
            top = int(generator.integers(0, photograph.height - CROP))
            photograph.crop((left, top, left + CROP, top + CROP)).save(home / f"{index}.png")
    return folder / "crops"


DATA = {"digits": digits, "sprites": sprites, "crops": crops}


def environment(folder: Path) -> Path:
    """The Python of an environment with pythae, made on first use."""
    import torch

    python = peer_python(folder, [f"torch=={torch.__version__.partition('+')[0]}", *PYTHAE[1:]], install=True)
    assert python is not None
    return python


Sides = dict[str, np.ndarray]


class Scores(NamedTuple):
    """Mean squared error, and what a linear model and the nearest neighbours read from the means."""

    mse: float
    linear: float
    neighbours: float


def scores(images: np.ndarray, decoded: np.ndarray, means: Sides, labels: Sides, classes: bool) -> Scores:
    """Of validation ``images`` uint8 and what was ``decoded`` of them in 0 to 1; ``means`` and ``labels`` are of the
    sides "train" and "validation"."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models = (
        LogisticRegression(max_iter=5000) if classes else Ridge(1e-3),
        KNeighborsClassifier(NEIGHBOURS) if classes else KNeighborsRegressor(NEIGHBOURS),
    )
    read = []
    for model in models:
        scaled = make_pipeline(StandardScaler(), model).fit(means["train"], labels["train"])
        read.append(float(scaled.score(means["validation"], labels["validation"])))
    return Scores(float(np.mean((images / 255.0 - decoded) ** 2)), *read)


def summary(results: list[dict]) -> list[dict]:
    """One row for each model of ``results``, in their order: the means of its seeds in ``seconds`` and the fields of
    ``Scores``, and ``errors``, the standard errors of the latter, NaN for a single seed."""
    rows = []
    for name in dict.fromkeys(result["model"] for result in results):
        trainings = [result for result in results if result["model"] == name]
        values = np.array([[training[field] for field in ("seconds", *Scores._fields)] for training in trainings])
        count = len(trainings)
        errors = values.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(values.shape[1], np.nan)
        row = dict(zip(("seconds", *Scores._fields), values.mean(axis=0).tolist(), strict=True))
        rows.append({"model": name, **row, "errors": dict(zip(Scores._fields, errors[1:].tolist(), strict=True))})
    return rows


def table(name: str, results: list[dict]) -> str:
    """``summary`` as text."""

    def cell(row: dict, field: str, digits: int) -> str:
        error = row["errors"][field]
        return f"{row[field]:.{digits}f}" + ("" if np.isnan(error) else f" ± {error:.{digits}f}")

    seeds = len({result["seed"] for result in results})
    title = f"{name}: d = {results[0]['d']}, {results[0]['validation']} validation images, seeds: {seeds}"
    lines = [title, f"  {'':24} {'seconds':>8} {'squared error':>20} {'linear probe':>16} {'neighbours':>16}"]
    for row in summary(results):
        cells = f"{cell(row, 'mse', 5):>20} {cell(row, 'linear', 3):>16} {cell(row, 'neighbours', 3):>16}"
        lines.append(f"  {row['model']:24} {row['seconds']:8.0f} {cells}")
    return "\n".join(lines)


def train_isoline(path: Path, folder: Path, seed: int) -> dict:
    """`isoline train PATH`, and what pythae needs to do the same: pixels, split and labels in ``data.npz``. Runs in a
    process of its own."""
    import isoline
    from core.cli.main import main as command
    from core.data.loading import load_dataset

    seeds = ["--training.seed", str(seed), "--data.seed", str(seed)]
    if code := command(["train", str(path), "--out", str(folder / "run"), *seeds]):
        raise SystemExit(code)
    seconds = process_time()
    run = isoline.open(folder / "run")
    data = load_dataset(run.config.data)
    classes = any(data.categories) and len(data.factor_names) == 1
    labels = data.factors[:, 0].astype(int) if classes else data.factors
    parts = {"train": data.train, "validation": data.validation}
    decoded = run.decode(run.latents[data.validation]) / 255.0
    means = {name: run.latents[indices] for name, indices in parts.items()}
    sides = {name: labels[indices] for name, indices in parts.items()}
    read = scores(np.asarray(data.images[data.validation]), decoded, means, sides, classes)
    np.savez(
        folder / "data.npz", images=data.images, labels=labels, classes=np.array(classes),
        train=data.train, validation=data.validation,
    )  # fmt: skip
    numbers = {"seconds": seconds, "d": run.config.model.latent_dim, "validation": len(data.validation)}
    return {"model": "Isoline", "seed": seed, **numbers, **read._asdict()}


def train_pythae(folder: Path, name: str, like: dict) -> dict:
    """pythae's model ``name`` of ``MODELS``, for about as long as ``like``, Isoline's training of the same seed. Runs
    in the environment that has pythae."""
    import logging

    import torch
    from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]
    from pythae.models import VAE, BetaVAE, BetaVAEConfig, VAEConfig  # pyright: ignore[reportMissingImports]
    from pythae.trainers import BaseTrainer, BaseTrainerConfig  # pyright: ignore[reportMissingImports]

    logging.disable(logging.CRITICAL)
    data = np.load(folder / "data.npz")
    pixels = torch.from_numpy(data["images"]).permute(0, 3, 1, 2).float().div(255)
    train, validation = data["train"], data["validation"]
    torch.manual_seed(like["seed"])
    shape, beta = tuple(pixels.shape[1:]), MODELS[name]
    if beta is None:
        model = VAE(VAEConfig(input_dim=shape, latent_dim=like["d"]))
    else:
        model = BetaVAE(BetaVAEConfig(input_dim=shape, latent_dim=like["d"], beta=beta))
    sides = [BaseDataset(pixels[indices], torch.zeros(len(indices))) for indices in (train, validation)]

    def fit(epochs: int) -> float:
        begun = process_time()
        with tempfile.TemporaryDirectory() as out:
            config = BaseTrainerConfig(
                output_dir=out, num_epochs=epochs, learning_rate=RATE, per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=BATCH, no_cuda=True, seed=like["seed"],
            )  # fmt: skip
            BaseTrainer(model=model, train_dataset=sides[0], eval_dataset=sides[1], training_config=config).train()
        return process_time() - begun

    state = {name: value.clone() for name, value in model.state_dict().items()}
    fit(1)
    one = fit(1)  # the first loads what is loaded once
    model.load_state_dict(state)
    epochs = max(1, round(like["seconds"] / one))
    spent = fit(epochs)
    model.eval()

    def means(indices: np.ndarray) -> np.ndarray:
        return torch.cat([model.encoder(part).embedding for part in pixels[indices].split(512)]).numpy()

    with torch.no_grad():
        mu = {"train": means(train), "validation": means(validation)}
        decoded = model.decoder(torch.from_numpy(mu["validation"])).reconstruction.permute(0, 2, 3, 1).numpy()
    labels = {"train": data["labels"][train], "validation": data["labels"][validation]}
    read = scores(data["images"][validation], decoded, mu, labels, bool(data["classes"]))
    return {**like, "model": f"pythae {name}", "seconds": spent, "epochs": epochs, **read._asdict()}


def in_process(python: str | Path, function: str, *arguments: object) -> dict:
    """What ``function`` of this file returns, called in a process of ``python``'s."""
    command = [python, "-W", "ignore", __file__, "--child", function, json.dumps(arguments, default=str)]
    child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    return json.loads(child.stdout.splitlines()[-1])


def main() -> int:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=list(DATA), metavar="DATA", help=", ".join(DATA))
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings of each model, with seeds from 0")
    parser.add_argument("--json", type=Path, help="write the measurements to this file, too")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; it must be 1 or more.")
    if options.child:
        function, arguments = options.child[0], json.loads(options.child[1])
        if function == "train_isoline":
            path, folder, seed = arguments
            print(json.dumps(train_isoline(Path(path), Path(folder), seed)))
        else:
            folder, name, like = arguments
            print(json.dumps(train_pythae(Path(folder), name, like)))
        return 0
    from core.data.cache import cache_folder

    python = environment(cache_folder() / "pythae")
    measured: dict[str, list[dict]] = {}
    for name in options.data:
        with tempfile.TemporaryDirectory() as place:
            path = DATA[name](Path(place))
            results = []
            for seed in range(options.seeds):
                folder = Path(place) / f"seed {seed}"
                folder.mkdir()
                ours = in_process(sys.executable, "train_isoline", path, folder, seed)
                theirs = [in_process(python, "train_pythae", folder, model, ours) for model in MODELS]
                results += [ours, *theirs]
        measured[name] = results
        print(f"\n{table(name, results)}", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(measured, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
