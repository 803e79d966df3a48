"""Compare Isoline's training without options with pythae's VAE and β-VAE, on images that Isoline was not tuned for.

    python scripts/compare_pythae.py                      # all three data sets: about 25 minutes on 2 cores
    python scripts/compare_pythae.py digits --json FILE   # one of them; the measurements for a program

The data: scikit-learn's digits (1,797, as PNG files in folders of classes), 20,000 images of 64² drawn with dSprites'
factors, and 3,000 crops of 64² of scikit-learn's two sample photographs. `isoline train PATH` trains on them with no
other option. pythae (Chadebec, Vincent and Allassonnière 2022, arXiv 2206.08309) then trains its default networks with
the same pixels, split and latent dimension, for the same time; it lives in an environment of its own in the cache
folder.

Measured on the validation images: mean squared error of the reconstruction at the mean (pixels in 0 to 1), and what a
linear model reads from the means, fitted on the training images: accuracy on classes, R² (mean) on factors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from time import perf_counter

import numpy as np

from _made_images import ANGLES, FACTOR_NAMES, PLACES, SCALES, SHAPES, SIDE, in_sprite

PYTHAE = ("torch", "pythae==0.1.2", "scikit-learn")
RATE = 1e-3
BATCH = 64
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
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "ready").exists():
        import torch

        print(f"installing pythae in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pinned = [f"torch=={torch.__version__.partition('+')[0]}", *PYTHAE[1:]]
        subprocess.run([python, "-m", "pip", "install", "-q", *pinned], check=True)
        (folder / "ready").touch()
    return python


Sides = dict[str, np.ndarray]


def scores(images: np.ndarray, decoded: np.ndarray, means: Sides, labels: Sides, classes: bool) -> tuple[float, float]:
    """(mean squared error, probe) of validation ``images`` uint8 and what was ``decoded`` of them in 0 to 1; ``means``
    and ``labels`` are of the sides "train" and "validation"."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    error = float(np.mean((images / 255.0 - decoded) ** 2))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000) if classes else Ridge(1e-3))
    model.fit(means["train"], labels["train"])
    return error, float(model.score(means["validation"], labels["validation"]))


def train_isoline(path: Path, folder: Path) -> dict:
    """`isoline train PATH`, and what pythae needs to do the same: pixels, split and labels in ``data.npz``."""
    import isoline
    from core.data.loading import load_dataset

    begun = perf_counter()
    command = [sys.executable, "-m", "core.cli", "train", str(path), "--out", str(folder / "run")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = perf_counter() - begun
    run = isoline.open(folder / "run")
    data = load_dataset(run.config.data)
    classes = any(data.categories) and len(data.factor_names) == 1
    labels = data.factors[:, 0].astype(int) if classes else data.factors
    parts = {"train": data.train, "validation": data.validation}
    decoded = run.decode(run.latents[data.validation]) / 255.0
    means = {name: run.latents[indices] for name, indices in parts.items()}
    sides = {name: labels[indices] for name, indices in parts.items()}
    error, probe = scores(np.asarray(data.images[data.validation]), decoded, means, sides, classes)
    np.savez(
        folder / "data.npz", images=data.images, labels=labels, classes=np.array(classes),
        train=data.train, validation=data.validation,
    )  # fmt: skip
    return {"model": "Isoline", "seconds": seconds, "mse": error, "probe": probe, "d": run.config.model.latent_dim}


def train_pythae(file: Path, beta: float | None, dimensions: int, seconds: float) -> dict:
    """One of pythae's models, for about ``seconds``. Runs in the environment that has pythae."""
    import logging

    import torch
    from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]
    from pythae.models import VAE, BetaVAE, BetaVAEConfig, VAEConfig  # pyright: ignore[reportMissingImports]
    from pythae.trainers import BaseTrainer, BaseTrainerConfig  # pyright: ignore[reportMissingImports]

    logging.disable(logging.CRITICAL)
    data = np.load(file)
    pixels = torch.from_numpy(data["images"]).permute(0, 3, 1, 2).float().div(255)
    train, validation = data["train"], data["validation"]
    torch.manual_seed(0)
    shape = tuple(pixels.shape[1:])
    if beta is None:
        model = VAE(VAEConfig(input_dim=shape, latent_dim=dimensions))
    else:
        model = BetaVAE(BetaVAEConfig(input_dim=shape, latent_dim=dimensions, beta=beta))
    sides = [BaseDataset(pixels[indices], torch.zeros(len(indices))) for indices in (train, validation)]

    def fit(epochs: int) -> float:
        begun = perf_counter()
        with tempfile.TemporaryDirectory() as out:
            config = BaseTrainerConfig(
                output_dir=out, num_epochs=epochs, learning_rate=RATE, per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=BATCH, no_cuda=True,
            )  # fmt: skip
            BaseTrainer(model=model, train_dataset=sides[0], eval_dataset=sides[1], training_config=config).train()
        return perf_counter() - begun

    state = {name: value.clone() for name, value in model.state_dict().items()}
    fit(1)
    one = fit(1)  # the first loads what is loaded once
    model.load_state_dict(state)
    epochs = max(1, round(seconds / one))
    spent = fit(epochs)
    model.eval()

    def means(indices: np.ndarray) -> np.ndarray:
        return torch.cat([model.encoder(part).embedding for part in pixels[indices].split(512)]).numpy()

    with torch.no_grad():
        mu = {"train": means(train), "validation": means(validation)}
        decoded = model.decoder(torch.from_numpy(mu["validation"])).reconstruction.permute(0, 2, 3, 1).numpy()
    labels = {"train": data["labels"][train], "validation": data["labels"][validation]}
    error, probe = scores(data["images"][validation], decoded, mu, labels, bool(data["classes"]))
    return {"seconds": spent, "epochs": epochs, "mse": error, "probe": probe}


def main() -> int:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=list(DATA), metavar="DATA", help=", ".join(DATA))
    parser.add_argument("--json", type=Path, help="write the measurements to this file, too")
    parser.add_argument("--child", nargs=4, metavar=("FILE", "BETA", "DIMENSIONS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        file, beta, dimensions, seconds = options.child
        result = train_pythae(Path(file), None if beta == "none" else float(beta), int(dimensions), float(seconds))
        print(json.dumps(result))
        return 0
    from core.data.cache import cache_folder

    python = environment(cache_folder() / "pythae")
    measured: dict[str, list[dict]] = {}
    for name in options.data:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            results = [train_isoline(DATA[name](folder), folder)]
            for model, beta in MODELS.items():
                arguments = (
                    folder / "data.npz",
                    "none" if beta is None else beta,
                    results[0]["d"],
                    results[0]["seconds"],
                )
                command = [python, "-W", "ignore", __file__, "--child", *map(str, arguments)]
                child = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True
                )
                results.append({"model": f"pythae {model}", **json.loads(child.stdout.splitlines()[-1])})
        measured[name] = results
        print(f"\n{name:28} {'seconds':>8} {'squared error':>14} {'linear probe':>13}")
        for result in results:
            print(
                f"  {result['model']:26} {result['seconds']:8.0f} {result['mse']:14.5f} {result['probe']:13.3f}",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps(measured, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
