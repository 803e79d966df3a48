"""Training: images a second, beside what this machine makes of the same shapes, and beside a plain loop of PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure
from benchmarks.products import Products, SideBySide
from benchmarks.timing import rates, torch_threads, turns

if TYPE_CHECKING:
    from core.config import RunConfig
    from core.data.dataset import Dataset

BAR = 0.6
COUNT = 640
LONG = 10**9  # images of a training that is worth a trial
SIZES = (64, 32)
PRODUCTS, PLAIN = "its layers as matrix products", "a plain PyTorch loop with DataLoader"


def figures(quick: bool, tree: Path) -> list[Figure]:
    """The default training, those of own images in colour, and the article's network, by its own recipe."""
    from core.config import DataConfig, RunConfig, preset_config
    from core.data.loading import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        cases: dict[str, tuple[RunConfig, Dataset]] = {}
        config = RunConfig(data=DataConfig(count=COUNT))
        curves = load_dataset(config.data, cache=Path(folder))
        cases["train, compact, 256², default settings"] = config, curves
        for size in SIZES:
            cases[f"train, compact, {size}² in colour"] = own_images(Path(folder), size)
        found = []
        for name, (config, data) in cases.items():
            found += trained(name, config, data, 4 if quick else 40)
        published = replace(preset_config("article"), data=DataConfig(count=COUNT))
        article = trained("train, article's network and recipe, 256²", published, curves, 1 if quick else 6)
        own, theirs = found[0], article[0]
        return [*found, *article, Figure(own.name, own.unit, own.values, theirs.name, theirs.values)]


def own_images(folder: Path, size: int) -> tuple[RunConfig, Dataset]:
    """Noise of ``size``² in colour, and the settings that `isoline train` takes for it."""
    import numpy as np

    from core.config import DataConfig, RunConfig
    from core.data.inspection import inspect
    from core.data.loading import load_dataset
    from core.data.source_resolution import resolve_native_size
    from core.data.suggested_settings import suggested_config

    chosen = ("data.image_size",)
    file = folder / f"{size}.npy"
    np.save(file, np.random.default_rng(0).integers(0, 256, (COUNT, size, size, 3), np.uint8))
    data = DataConfig(path=str(file), image_size=size)
    config = suggested_config(inspect(data, chosen, cache=folder), RunConfig(data), chosen)
    dataset = load_dataset(config.data, cache=folder)
    return resolve_native_size(config, dataset), dataset


def trained(name: str, config: RunConfig, data: Dataset, rounds: int) -> list[Figure]:
    """Steps of ``config`` on ``data`` as Isoline takes them, in turns with their products and a plain loop's steps."""
    import torch

    from core.models.device import resolve_device, resolve_precision
    from core.training.loop import Step, make_fabric, train
    from core.training.state import TrainingState
    from core.training.threads import cuts_batches, piece_counter, training_threads
    from core.training.trial import choose_computation

    config = replace(config, training=replace(config.training, device="cpu", epochs=1000))
    config, _ = choose_computation(config, LONG)  # as any training that takes a minute or more
    state, fabric = TrainingState(config), make_fabric(config.training)
    fabric.launch()
    batch, available = config.training.batch_size, torch.get_num_threads()

    def on_threads(count: int, action: Callable[[], object]) -> Callable[[], object]:
        def act() -> None:
            torch.set_num_threads(count)
            action()

        return act

    dtype = resolve_precision(config.training.precision, resolve_device("cpu"))
    plain = plain_steps(config, data)
    with torch_threads(available), training_threads(state, fabric.world_size, "cpu") as workers:
        threads = own_threads = torch.get_num_threads()
        if cuts_batches(state, fabric.world_size, "cpu"):  # each piece on one of PyTorch's threads
            threads = min(available, piece_counter(state, fabric.world_size, "cpu")(batch))
        shape = batch // threads, config.data.channels, config.data.image_size, config.data.image_size
        parts = [Products(state.model, torch.zeros(shape), dtype=dtype, backward=True) for _ in range(threads)]
        events = train(state, data, fabric, workers)

        def own() -> None:
            while True:
                event = next(events)
                if isinstance(event, Step) and event.images == batch:  # not a validation, not the last of an epoch
                    return

        with SideBySide(parts) as products:
            actions = {
                "own": on_threads(own_threads, own),
                PRODUCTS: products.run,
                PLAIN: on_threads(available, lambda: next(plain)),
            }
            times = turns(actions, rounds)
    speeds = {key: rates(value, batch) for key, value in times.items()}
    text = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
    return [
        Figure(text, "images/s", speeds["own"], f"{PRODUCTS}, {str(dtype)[6:]}", speeds[PRODUCTS], BAR, at_least=True),
        Figure(text, "images/s", speeds["own"], PLAIN, speeds[PLAIN]),
    ]


def plain_steps(config: RunConfig, data: Dataset) -> Iterator[Any]:
    """The same network and loss, trained as a tutorial of PyTorch does: float32, a DataLoader, its own Adam."""
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from core.models.losses import vae_loss
    from core.models.vae import build_model

    model = build_model(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.training.learning_rate)
    pixels = torch.from_numpy(np.array(data.images[data.train])).permute(0, 3, 1, 2).float().div(255)
    loader = DataLoader(TensorDataset(pixels), config.training.batch_size, shuffle=True, drop_last=True)
    ones = torch.ones(config.training.batch_size)
    while True:
        for (images,) in loader:
            optimizer.zero_grad()
            logits, mu, log_variance = model(images, torch.randn(len(images), model.latent_dim))
            beta, gamma = config.loss.beta, config.loss.gamma
            loss = vae_loss(logits, images, mu, log_variance, ones, config.loss, beta, gamma).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield loss.item()
