"""A batch in parts makes the step of the whole batch; where memory is out, smaller parts are offered, and they work."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from core.cli.main import main
from core.config import DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics
from core.training.accumulation import is_out_of_memory, largest_part, memory_reason, more_parts, parts_of
from core.training.checkpoint import read_stored
from core.training.loop import Step, TrainingError, make_fabric, train
from core.training.state import TrainingState
from core.training.trainer import run_training
from tests.core.training.test_loop import dataset_of

BATCH = 16
CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=40, punctured=False, validation_fraction=0.2),
    training=TrainingConfig(epochs=2, batch_size=BATCH, precision="float32", device="cpu"),
)


def trained(accumulation: int, **loss: Any) -> TrainingState:
    """After two epochs of steps, the last of each a smaller one."""
    training = dataclasses.replace(CONFIG.training, accumulation=accumulation, input_noise=0.1)
    config = dataclasses.replace(CONFIG, training=training, loss=LossConfig(**loss))
    state = TrainingState(config)
    for _ in train(state, dataset_of(35), make_fabric(training)):
        pass
    assert state.step == 6
    return state


@pytest.mark.parametrize(
    ("accumulation", "loss"),
    [
        (4, {}),
        (3, {"entanglement": "dip", "gamma": 0.1}),
        (16, {"entanglement": "covariance", "gamma": 0.1}),
    ],
    ids=["four parts", "a statistic of the batch, unequal parts", "single images"],
)
def test_a_batch_in_parts_makes_the_step_of_the_whole_batch(accumulation: int, loss: dict[str, Any]):
    whole, parts = trained(1, **loss), trained(accumulation, **loss)
    for (name, one), other in zip(whole.model.named_parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=2e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_the_losses_of_a_batch_in_parts_are_those_of_the_whole_batch():
    loss = LossConfig(entanglement="covariance", gamma=0.5, beta=0.1)

    def first(accumulation: int) -> list[float]:
        training = dataclasses.replace(CONFIG.training, accumulation=accumulation)
        config = dataclasses.replace(CONFIG, training=training, loss=loss)
        step = next(iter(train(TrainingState(config), dataset_of(35), make_fabric(training))))
        assert isinstance(step, Step)
        return list(step.losses.values())

    assert first(4) == pytest.approx(first(1), rel=1e-5)


@pytest.mark.parametrize(("count", "accumulation", "least"), [(16, 4, 1), (10, 3, 1), (5, 9, 1), (7, 4, 2), (1, 4, 2)])
def test_parts_cover_a_batch_and_are_nearly_equal(count: int, accumulation: int, least: int):
    parts = parts_of(count, accumulation, least)
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(count))
    sizes = [part.stop - part.start for part in parts]
    assert len(parts) <= accumulation
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(least, count)


@pytest.mark.parametrize(
    ("count", "now", "least", "wanted"),
    [(16, 1, 1, 2), (16, 2, 1, 4), (10, 2, 1, 5), (3, 1, 1, 3), (1, 1, 1, None), (4, 2, 2, None), (16, 16, 1, None)],
)
def test_the_fewest_parts_of_half_the_size_are_offered(count: int, now: int, least: int, wanted: int | None):
    assert more_parts(count, now, least) == wanted
    if wanted is not None:
        assert 2 * largest_part(count, wanted, least) <= largest_part(count, now, least)


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_each_allocator_s_words_are_known(error: Exception, out: bool):
    assert is_out_of_memory(error) is out


def test_what_an_allocator_says_is_made_plain():
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 39387136 bytes. Error code 12 (Cannot"
    assert memory_reason(f"[enforce fail at alloc_cpu.cpp:127] err == 0. {said}") == "39.4 MB more were needed"
    assert memory_reason("out of memory.\nTried to allocate 2 GiB") == "out of memory. Tried to allocate 2 GiB"


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with room for five images at a time."""
    from core.models.vae import VAE

    forward = VAE.forward

    def limited(self: VAE, images: torch.Tensor, *more: torch.Tensor) -> Any:
        if torch.is_grad_enabled() and len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, images, *more)

    monkeypatch.setattr(VAE, "forward", limited)


def continued(run: RunDirectory, message: str) -> int:
    """Do what the error says; returns the exit status."""
    command = message.splitlines()[-1].strip()
    assert [r for r in read_metrics(run.metrics_path) if r.get("event") == "failed"][-1]["command"] == command
    program, *arguments = shlex.split(command)
    assert program == "isoline"
    return main(arguments)


@pytest.mark.usefixtures("scarce")
def test_a_training_that_runs_out_of_memory_goes_on_with_the_command_that_it_names(tmp_path: Path, capsys: Any):
    with pytest.raises(TrainingError, match=r"out of memory at step 1, with 16 images at a time .*2\.00 GiB") as failed:
        run_training(CONFIG, tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    assert "--training.accumulation 2" in str(failed.value)
    assert continued(run, str(failed.value)) == 1  # eight images are still too many
    assert "with 8 images at a time" in (told := capsys.readouterr().err)
    assert continued(run, told) == 0
    assert run.status() == "finished"
    assert RunDirectory.open(run.path).config.training.accumulation == 4


def test_where_there_is_no_smaller_part_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("core.training.loop.backward", full)
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(CONFIG.training, batch_size=1))
    with pytest.raises(TrainingError, match=r"with 1 image at a time\. A batch has no smaller parts: free memory"):
        run_training(config, tmp_path / "run")


def test_a_resumed_training_in_parts_equals_an_uninterrupted_one_bit_for_bit(tmp_path: Path):
    training = dataclasses.replace(CONFIG.training, accumulation=3)
    config = dataclasses.replace(CONFIG, training=training)
    whole = run_training(config, tmp_path / "whole").run

    def stop(record: dict[str, Any]) -> None:
        if record["kind"] == "step" and record["step"] == 1:
            RunDirectory.open(tmp_path / "run").steer(state="stopped")

    run_training(config, tmp_path / "run", on_event=stop)
    run = run_training(config, tmp_path / "run", resume=True).run
    one, other = (read_stored(each.last_checkpoint_path) for each in (whole, run))
    assert one.step == other.step
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())


def test_batch_normalisation_in_parts_trains_too():
    training = dataclasses.replace(CONFIG.training, accumulation=8, epochs=1)
    model = ModelConfig(preset="article-weighted", latent_dim=2)
    state = TrainingState(dataclasses.replace(CONFIG, model=model, training=training))
    for _ in train(state, dataset_of(17), make_fabric(training)):
        pass
    assert all(torch.isfinite(value).all() for value in state.model.state_dict().values())
