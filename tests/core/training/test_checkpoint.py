"""Files of weights and checkpoints: exact round trips, and a clear refusal of everything else."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import DataConfig, ModelConfig, RunConfig
from core.models.vae import build_model
from core.runs.directory import RunDirectory, RunError
from core.training.checkpoint import (
    CheckpointError,
    copy_checkpoint,
    fitting_weights,
    load_checkpoint,
    load_model,
    read_stored,
    save_checkpoint,
    save_weights,
)
from core.training.state import TrainingState

CONFIG = RunConfig(data=DataConfig(image_size=32))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights; not to be changed."""
    path = tmp_path_factory.mktemp("sound") / "weights.safetensors"
    save_weights(path, build_model(CONFIG).state_dict(), CONFIG, step=12, epoch=3)
    return path


def stepped_state() -> TrainingState:
    """A state whose optimizer has moments."""
    state = TrainingState(CONFIG)
    for parameter in state.model.parameters():
        parameter.grad = torch.full_like(parameter, 0.01)
    state.optimizer.step()
    state.step, state.epoch, state.position = 5, 1, 16
    return state


def test_one_file_is_enough_to_build_the_model_again(sound: Path):
    model, config = load_model(sound)
    assert config == CONFIG
    for name, value in build_model(CONFIG).state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert not model.training
    stored = read_stored(sound)
    assert (stored.kind, stored.step, stored.epoch) == ("weights", 12, 3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_stored_in_half_precision_come_back_as_float32(tmp_path: Path, dtype: torch.dtype):
    weights = build_model(CONFIG).state_dict()
    path = tmp_path / "small.safetensors"
    save_weights(path, {name: value.to(dtype) for name, value in weights.items()}, CONFIG)
    model, _ = load_model(path)
    for name, value in model.state_dict().items():
        assert value.dtype == weights[name].dtype
        assert torch.equal(value, weights[name].to(dtype).to(value.dtype))


def test_batch_statistics_survive_with_their_types(tmp_path: Path):
    config = RunConfig(data=DataConfig(image_size=32), model=ModelConfig(preset="article-weighted"))
    path = tmp_path / "weights.safetensors"
    weights = build_model(config).state_dict()
    save_weights(path, weights, config)
    model, _ = load_model(path)
    assert {name: value.dtype for name, value in model.state_dict().items()} == {n: v.dtype for n, v in weights.items()}


def test_a_training_state_comes_back_bit_for_bit(tmp_path: Path):
    state = stepped_state()
    save_checkpoint(tmp_path / "last.safetensors", state, {"best": 0.5})
    fresh = TrainingState(CONFIG)
    assert load_checkpoint(tmp_path / "last.safetensors", fresh) == {"best": 0.5}
    assert (fresh.step, fresh.epoch, fresh.position) == (5, 1, 16)
    before, after = state.state_dict(), fresh.state_dict()
    assert before[1] == after[1]
    assert before[0].keys() == after[0].keys()
    for name, value in before[0].items():
        assert torch.equal(value, after[0][name]), name


def test_a_checkpoint_gives_a_model_too(tmp_path: Path):
    state = stepped_state()
    save_checkpoint(tmp_path / "last.safetensors", state, {})
    model, _ = load_model(tmp_path / "last.safetensors")
    assert torch.equal(model.state_dict()["encoder.head.weight"], state.model.state_dict()["encoder.head.weight"])


def test_best_stays_when_last_is_replaced(tmp_path: Path):
    last, best = tmp_path / "last.safetensors", tmp_path / "best.safetensors"
    state = stepped_state()
    save_checkpoint(last, state, {})
    copy_checkpoint(last, best)
    state.step = 6
    save_checkpoint(last, state, {})
    assert (read_stored(best).step, read_stored(last).step) == (5, 6)
    for _ in range(2):
        copy_checkpoint(last, best)
        assert read_stored(best).step == 6
        assert {path.name for path in tmp_path.iterdir()} == {last.name, best.name}, "nothing half-done is left"


def test_a_run_gives_its_newest_weights(tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", CONFIG, {})
    with pytest.raises(CheckpointError, match="has no weights yet"):
        load_model(run.path)
    save_checkpoint(run.last_checkpoint_path, stepped_state(), {})
    load_model(run.path)
    weights = {name: torch.zeros_like(value) for name, value in build_model(CONFIG).state_dict().items()}
    save_weights(run.weights_path, weights, CONFIG)
    model, config = load_model(run.path)
    assert config == CONFIG
    assert not any(value.any() for value in model.state_dict().values())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="is not a run"):
        load_model(tmp_path)


def test_weights_of_another_architecture_are_refused_by_the_first_wrong_tensor(sound: Path, tmp_path: Path):
    other = dataclasses.replace(CONFIG, model=ModelConfig(latent_dim=5))
    run = RunDirectory.create(tmp_path / "run", other, {})
    run.weights_path.write_bytes(sound.read_bytes())
    wanted = r"does not fit.*d = 5.*encoder\.head\.weight has shape \(3, \d+\), wanted is \(5, \d+\)"
    with pytest.raises(CheckpointError, match=wanted):
        load_model(run.path)
    article = dataclasses.replace(CONFIG, model=ModelConfig(preset="article"))
    with pytest.raises(CheckpointError, match=r"preset article.*(it has no tensor|has shape)"):
        fitting_weights(read_stored(sound), build_model(article))


def test_missing_and_surplus_tensors_are_named(tmp_path: Path):
    weights = build_model(CONFIG).state_dict()
    first = next(iter(weights))
    path = tmp_path / "weights.safetensors"
    save_weights(path, {name: value for name, value in weights.items() if name != first}, CONFIG)
    with pytest.raises(CheckpointError, match=f"it has no tensor {first}"):
        load_model(path)
    save_weights(path, {**weights, "another.weight": torch.zeros(2)}, CONFIG)
    with pytest.raises(CheckpointError, match=r"it has a tensor another\.weight \(2,\) too many"):
        load_model(path)


def test_weights_that_have_diverged_are_refused(tmp_path: Path):
    weights = build_model(CONFIG).state_dict()
    weights["encoder.head.bias"][0] = torch.nan
    save_weights(tmp_path / "weights.safetensors", weights, CONFIG)
    with pytest.raises(CheckpointError, match=r"holds NaN or infinity in encoder\.head\.bias"):
        load_model(tmp_path / "weights.safetensors")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_truncated_file_is_refused(sound: Path, tmp_path: Path, share: float):
    data = sound.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is damaged or truncated"):
        load_model(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True), flip=st.integers(1, 255))
def test_one_wrong_byte_is_noticed_or_harmless(sound: Path, tmp_path: Path, share: float, flip: int):
    data = bytearray(sound.read_bytes())
    data[int(share * len(data))] ^= flip
    path = tmp_path / "flipped.safetensors"
    path.write_bytes(data)
    try:
        model, _ = load_model(path)
    except CheckpointError as error:
        assert "flipped.safetensors" in str(error)  # noqa: PT017 (the header's padding carries nothing)
    else:
        for name, value in build_model(CONFIG).state_dict().items():
            assert torch.equal(model.state_dict()[name], value)


def test_no_wrong_bit_of_a_header_changes_what_is_read(tmp_path: Path):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, stepped_state(), {"seconds": 12.5, "hyperparameters": {"beta": 3e-6}})
    sound, data = read_stored(path), path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    accepted = 0
    for place in np.random.default_rng(0).choice(8 * (8 + size), 300, replace=False):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            stored = read_stored(path)
        except CheckpointError:
            continue
        accepted += 1
        for name in ("kind", "config", "step", "epoch", "state", "extra"):
            assert getattr(stored, name) == getattr(sound, name)
        assert stored.tensors.keys() == sound.tensors.keys()
        assert all(torch.equal(stored.tensors[name], tensor) for name, tensor in sound.tensors.items())
    assert accepted < 10  # the name of the checksum, and padding


def test_a_safetensors_file_of_another_program_is_told(tmp_path: Path):
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not one of Isoline's"):
        load_model(path)


def test_a_file_of_a_later_version_is_told(tmp_path: Path):
    path = tmp_path / "later.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path, {"isoline": '{"schema": 99}'})
    with pytest.raises(CheckpointError, match="schema version 99"):
        load_model(path)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(CheckpointError, match="does not exist; give a run folder"):
        load_model(tmp_path / "nothing.safetensors")


def test_a_training_does_not_resume_from_weights_alone(sound: Path):
    with pytest.raises(CheckpointError, match="holds weights only"):
        load_checkpoint(sound, TrainingState(CONFIG))


def test_a_checkpoint_of_another_configuration_changes_nothing(tmp_path: Path):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, stepped_state(), {})
    other = TrainingState(dataclasses.replace(CONFIG, model=ModelConfig(latent_dim=5)))
    before = {name: value.clone() for name, value in other.state_dict()[0].items()}
    with pytest.raises(CheckpointError, match=r"encoder\.head"):
        load_checkpoint(path, other)
    assert other.step == 0
    for name, value in other.state_dict()[0].items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())
