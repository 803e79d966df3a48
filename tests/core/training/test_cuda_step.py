"""The step that a CUDA graph can hold: the plain one, bit for bit, and nothing in it is read back by the processor.

Tests marked ``cuda`` need a GPU; ``scripts/gpu_check.py`` runs this file where the plugins for windows are missing,
so that it uses no fixture of conftest.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.config import LossConfig, RunConfig
from core.models.network_inference import NetworkInference
from core.models.vae import build_model
from core.training import device_step, loop
from core.training.device_step import DeviceSteps
from core.training.host_copy import HostCopy
from core.training.loop import EpochEnd, Step, make_fabric, train
from core.training.readings import Readings
from core.training.state import TrainingState
from core.training.trainer import run_training
from tests.core.training.test_loop import TINY, dataset_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

NATIVE = "20x26"  # leaves a margin, in which images are moved
LOSSES = {
    "plain": LossConfig(),
    "product": LossConfig(entanglement="product", gamma=0.2, beta=0.1, kl="textbook"),
    "dip, mse": LossConfig(entanglement="dip", gamma=0.1, reconstruction="mse"),
}
CASES = [
    ("compact", "constant", "float32", "plain", 1.0),
    ("compact", "learned", "bfloat16", "product", 0.0),
    ("article-weighted", "constant", "float32", "dip, mse", 1.0),
]


def config_of(preset: str, variance: str, precision: str, loss: str, clip: float, **training: Any) -> RunConfig:
    model = replace(TINY.model, preset=preset, variance=variance, native_size=NATIVE)  # type: ignore[arg-type]
    changes = replace(TINY.training, precision=precision, clip=clip, input_noise=0.1, **training)  # type: ignore[arg-type]
    return replace(TINY, model=model, training=changes, loss=LOSSES[loss])


def trained(config: RunConfig, fixed: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[TrainingState, list[Any]]:
    """After two epochs on the CPU, by the plain step or, ``fixed``, by the one that an accelerator takes."""
    state, fabric = TrainingState(config), make_fabric(config.training)
    monkeypatch.setattr(loop, "_fixed_steps", lambda *_: fixed)
    return state, list(train(state, dataset_of(), fabric))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}, {case[2]}")
@pytest.mark.parametrize("resident", [True, False])
def test_the_step_of_a_graph_is_the_plain_one_bit_for_bit(case: Any, resident: bool, monkeypatch: pytest.MonkeyPatch):
    config = config_of(*case)
    if not resident:
        monkeypatch.setattr(device_step, "images_on", lambda *_: None)
    plain, expected = trained(config, False, monkeypatch)
    fixed, events = trained(config, True, monkeypatch)
    assert fixed.step == plain.step == 6
    for (name, one), other in zip(plain.state_dict()[0].items(), fixed.state_dict()[0].values(), strict=True):
        assert torch.equal(one, other), name
    for one, other in zip(expected, events, strict=True):
        assert isinstance(one, EpochEnd) or one.losses == other.losses
        assert not isinstance(one, EpochEnd) or one.validation == other.validation


class NothingIsReadBack(TorchDispatchMode):
    """Fails where a value goes from tensor to Python, or has to be known to go on."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if any(part in name for part in ("_local_scalar_dense", "item", "nonzero", "masked_select", "equal", "unique")):
            raise AssertionError(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


def steps_of(config: RunConfig) -> tuple[TrainingState, DeviceSteps]:
    state, fabric = TrainingState(config), make_fabric(config.training)
    state.model.train()
    return state, DeviceSteps(state, dataset_of(), fabric)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}, {case[2]}")
def test_nothing_in_a_step_is_read_back(case: Any):
    _, steps = steps_of(config_of(*case))
    run = np.arange(8)
    steps.run(run, run, 1e-3, 0.1, 0.1)
    batch = steps._batches[8]
    with NothingIsReadBack():
        steps.compute(batch)
    with pytest.raises(AssertionError, match="waits for the device"), NothingIsReadBack():
        float(batch.result[0])


def test_what_changes_between_steps_is_in_the_buffers_alone():
    """A replay repeats the operations: run anew on other buffers, they must make the step of the new values."""
    config = config_of("compact", "constant", "float32", "product", 1.0)
    (state, steps), (other, same) = steps_of(config), steps_of(config)
    first, second = np.arange(8), np.arange(9, 17)
    steps.run(first, second, 1e-3, 0.1, 0.1)
    state.step = 1
    expected = steps.run(second, first, 5e-4, 0.7, 0.3).values
    same.run(first, second, 1e-3, 0.1, 0.1)
    batch, other.step = same._batches[8], 1
    replayed, compute = [], same.compute
    same.compute = lambda given: (replayed.append(given), compute(given))[1]  # type: ignore[method-assign]
    assert same.run(second, first, 5e-4, 0.7, 0.3).values == expected
    assert replayed == [batch]
    assert expected[0] == pytest.approx(expected[1] + 0.7 * expected[2] + 0.3 * expected[3], rel=1e-5)


def test_a_resumed_optimizer_has_all_of_its_state_on_the_device():
    """A fused optimizer reads its step counters where the weights are."""
    state = TrainingState(TINY)
    next(iter(train(state, dataset_of(), make_fabric(TINY.training))))
    loop._move_moments(state, torch.device("meta"))
    kinds = {value.device.type for moments in state.optimizer.state.values() for value in moments.values()}
    assert kinds == {"meta"}


def test_a_fixed_order_of_sums_is_asked_for_on_accelerators_alone_and_only_inside(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    benchmark = torch.backends.cudnn.benchmark

    def asked() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark

    with device_step.kernels_for(True, torch.device("cuda")):
        assert asked() == (True, False)
    with device_step.kernels_for(False, torch.device("cuda")):
        assert asked() == (False, True)
    with device_step.kernels_for(True, torch.device("cpu")):
        assert asked() == (False, benchmark)
    assert asked() == (False, benchmark)


def test_images_that_do_not_fit_stay_where_they_are_and_that_is_said(monkeypatch: pytest.MonkeyPatch):
    device, dataset = torch.device("cuda"), dataset_of()
    size = dataset.images.nbytes
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * size, 4 * size))
    assert device_step.place_of_images(device, dataset) == "all images lie in the memory of cuda (0 MiB)"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * size - 1, 4 * size))
    assert "too many for the memory of cuda (0 MiB): each batch is copied" in device_step.place_of_images(
        device, dataset
    )
    assert device_step.images_on(device, dataset) is None


def test_images_go_to_the_device_in_pieces_and_whole(monkeypatch: pytest.MonkeyPatch):
    dataset = dataset_of(channels=3)
    monkeypatch.setattr(device_step, "UPLOAD_BYTES", 5 * 32 * 32 * 3)
    resident = device_step.images_on(torch.device("cpu"), dataset)
    assert resident is not None
    assert np.array_equal(resident.numpy(), dataset.images)


def test_a_reading_keeps_its_numbers_when_its_tensor_goes_on():
    readings, values = Readings(torch.device("cpu"), 2), torch.tensor([1.0, 2.0])
    reading = readings.take(values)
    values.zero_()
    assert reading.ready
    assert reading.values == [1.0, 2.0]


# On a GPU.


def on_gpu(**training: Any) -> RunConfig:
    return replace(TINY, training=replace(TINY.training, **{"device": "cuda", "epochs": 6, **training}))


@pytest.mark.cuda
@needs_gpu
def test_what_is_copied_to_the_host_is_of_the_moment_it_was_asked_for():
    numbers = torch.zeros(1 << 20, device="cuda")
    copies = []
    for _ in range(20):
        numbers += 1
        copies.append(HostCopy({"numbers": numbers}))
    for count, copy in enumerate(copies, start=1):
        assert (copy.tensors()["numbers"] == count).all()


@pytest.mark.cuda
@needs_gpu
def test_a_whole_training_runs_and_is_resumed_by_the_command(tmp_path: Path):
    config = replace(on_gpu(epochs=2), data=replace(TINY.data, count=60, punctured=False))
    assert run_training(config, tmp_path / "run").status == "finished"
    longer = replace(config, training=replace(config.training, epochs=3))
    assert run_training(longer, tmp_path / "run", resume=True).status == "finished"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.cuda
@needs_gpu
def test_a_replayed_graph_makes_the_steps_of_the_cpu(precision: str):
    """Two networks that see the same images and noise stay near each other; on the GPU most steps are replayed."""
    config = on_gpu(precision=precision)
    gpu, cpu = TrainingState(config), TrainingState(replace(config, training=replace(config.training, device="cpu")))
    events = list(train(gpu, dataset_of(), make_fabric(config.training)))
    expected = list(train(cpu, dataset_of(), make_fabric(cpu.config.training)))
    for one, other in zip(events, expected, strict=True):
        if isinstance(one, Step) and isinstance(other, Step):
            assert one.losses["loss"] == pytest.approx(other.losses["loss"], rel=0.05)
    assert gpu.step == cpu.step == 18


@pytest.mark.cuda
@needs_gpu
def test_steps_are_captured_and_obey_what_is_changed_between_them():
    config = on_gpu(schedule="constant")
    state, fabric = TrainingState(config), make_fabric(config.training)
    fabric.setup(state.model, state.optimizer)
    state.model.train()
    steps, run = DeviceSteps(state, dataset_of(), fabric), np.arange(8)
    for _ in range(6):
        steps.run(run, run, 1e-3, 0.0, 0.0)
    assert steps._batches[8]._graph is not None
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    state.optimizer.param_groups[0]["weight_decay"] = 0.0
    loss, reconstruction, kl, *_ = steps.run(run, run, 0.0, 2.0, 0.0).values
    assert loss == pytest.approx(reconstruction + 2.0 * kl, rel=1e-5)
    assert all(torch.equal(before[name], value) for name, value in state.model.state_dict().items()), "rate 0"


@pytest.mark.cuda
@needs_gpu
def test_a_training_is_resumed_on_the_gpu():
    config = on_gpu(precision="float32")
    whole = TrainingState(config)
    list(train(whole, dataset_of(), make_fabric(config.training)))
    begun = TrainingState(config)
    events = train(begun, dataset_of(), make_fabric(config.training))
    for _ in range(7):
        next(events)
    tensors, values = begun.state_dict()
    tensors = {name: value.detach().cpu().clone() for name, value in tensors.items()}
    resumed = TrainingState(config)
    resumed.load_state_dict(tensors, values)
    list(train(resumed, dataset_of(), make_fabric(config.training)))
    for (name, one), other in zip(whole.model.named_parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=0.1, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.cuda
@needs_gpu
@pytest.mark.filterwarnings("ignore:.*deterministic.*:UserWarning")
def test_a_deterministic_training_gives_the_same_weights_bit_for_bit():
    config = on_gpu(deterministic=True)
    states = [TrainingState(config), TrainingState(config)]
    for state in states:
        with device_step.kernels_for(True, torch.device("cuda")):
            list(train(state, dataset_of(), make_fabric(config.training)))
    for (name, one), other in zip(states[0].model.named_parameters(), states[1].model.parameters(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("preset", ["compact", "article"])
@pytest.mark.cuda
@needs_gpu
def test_images_and_means_are_those_of_the_cpu(preset: str):
    model = build_model(replace(TINY, model=replace(TINY.model, preset=preset))).eval()
    gpu, cpu = NetworkInference(model, "cuda", "float32"), NetworkInference(model, "cpu", "float32")
    z = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    images = cpu.decode(z)
    assert np.abs(gpu.decode(z).astype(int) - images).max() <= 1
    for point, image in zip(z[:5], images, strict=False):  # one at a time, as the window asks
        assert np.abs(gpu.decode(point[None])[0].astype(int) - image).max() <= 1
    np.testing.assert_allclose(gpu.encode(images), cpu.encode(images), atol=1e-3)
