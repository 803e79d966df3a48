"""The loop: what it yields, what may change while it runs, and that a resumed training equals an uninterrupted one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.config import DataConfig, LossConfig, ModelConfig, RunConfig, TrainingConfig
from core.data.dataset import Dataset
from core.models.device import DeviceError, available_devices, resolve_device, resolve_precision
from core.training import loop
from core.training.explosion import Exploded
from core.training.loop import EpochEnd, Step, TrainingError, load_images, make_fabric, train
from core.training.schedule import Cycle
from core.training.state import TrainingState, TrainingStateError, epoch_order, input_noise, step_noise, step_places

# What torch and Fabric say about their own insides on some machines is nothing that a caller could mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TINY = RunConfig(
    data=DataConfig(image_size=32, count=22),
    model=ModelConfig(latent_dim=2),
    training=TrainingConfig(epochs=2, batch_size=8, device="cpu", precision="float32"),
)


def dataset_of(train_count: int = 18, validation_count: int = 4, size: int = 32, channels: int = 1) -> Dataset:
    """Discs of random radius and height: something to learn, drawn in a millisecond."""
    random = np.random.default_rng(5)
    count = train_count + validation_count
    radius, height = random.uniform(0.2, 0.9, (2, count))
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = x**2 + (y - 0.5 * height[:, None, None]) ** 2 < radius[:, None, None] ** 2
    images = np.repeat((255 * inside).astype(np.uint8)[..., None], channels, axis=-1)
    indices = np.arange(count, dtype=np.int64)
    factors = np.stack([radius, height], 1).astype(np.float32)
    weights = np.ones(count, np.float32)
    return Dataset(images, factors, ("r", "h"), weights, indices[:train_count], indices[train_count:], "discs")


def start(config: RunConfig = TINY, dataset: Dataset | None = None, state: TrainingState | None = None):
    """(state, hyperparameters, events) of a training that has not stepped yet."""
    state = state or TrainingState(config)
    return state, state.hyperparameters, train(state, dataset or dataset_of(), make_fabric(config.training))


def with_training(**changes) -> RunConfig:
    return replace(TINY, training=replace(TINY.training, **changes))


def test_yields_every_step_and_each_validated_epoch():
    _, _, events = start()
    found = list(events)
    assert [type(event) for event in found] == [Step, Step, Step, EpochEnd] * 2
    steps = [event for event in found if isinstance(event, Step)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step.epoch for step in steps] == [1, 1, 1, 2, 2, 2]
    assert {step.total_steps for step in steps} == {6}
    assert [step.images for step in steps] == [8, 8, 2, 8, 8, 2]
    ends = [event for event in found if isinstance(event, EpochEnd)]
    assert [(end.epoch, end.step) for end in ends] == [(1, 3), (2, 6)]
    assert set(ends[0].validation) == {"loss", "reconstruction", "kl", "entanglement", "excess_bce"}


def test_it_learns():
    config = with_training(epochs=12)
    _, _, events = start(config)
    excess = [event.validation["excess_bce"] for event in events if isinstance(event, EpochEnd)]
    assert excess[-1] < 0.5 * excess[0]


def test_losses_add_up_with_the_weights_in_force():
    config = replace(TINY, loss=LossConfig(entanglement="product", beta=0.1, gamma=0.5))
    _, _, events = start(config)
    losses = next(events).losses  # type: ignore[union-attr]
    assert losses["entanglement"] > 0
    total = losses["reconstruction"] + 0.1 * losses["kl"] + 0.5 * losses["entanglement"]
    assert losses["loss"] == pytest.approx(total, rel=1e-5)


def test_hyperparameters_change_between_two_steps():
    config = with_training(schedule="constant", learning_rate=1e-3)
    _, hyper, events = start(config)
    assert next(events).learning_rate == 1e-3  # type: ignore[union-attr]
    hyper.learning_rate, hyper.beta = 5e-4, 7.0
    step = next(events)
    assert isinstance(step, Step)
    assert step.learning_rate == 5e-4
    assert step.losses["loss"] == pytest.approx(step.losses["reconstruction"] + 7.0 * step.losses["kl"], rel=1e-5)


def test_the_images_of_the_next_batch_are_read_ahead(monkeypatch):
    ahead, read = [], []
    original = loop.load_images
    monkeypatch.setattr(loop, "read_ahead", lambda _, places: ahead.append(places.tolist()))
    monkeypatch.setattr(
        loop, "load_images", lambda data, places, device: read.append(places.tolist()) or original(data, places, device)
    )
    _, _, events = start(with_training(epochs=1), dataset_of(validation_count=40))
    assert len(list(events)) == 4
    assert list(map(len, read)) == [8, 8, 2, 32, 8]  # three steps, two batches of validation
    assert [batch[:8] for batch in ahead] == [*read[1:3], [], read[4], []]


def test_closing_the_generator_stops_and_keeps_what_was_learned():
    state, _, events = start()
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert state.step == 1
    assert state.position == 8


@pytest.mark.parametrize(
    ("preset", "stop_at"), [("compact", 1), ("compact", 3), ("compact", 4), ("compact", 5), ("article-weighted", 4)]
)
def test_resumed_equals_uninterrupted_bit_for_bit(preset, stop_at: int):
    """Stopped within an epoch, after its last step but before validation, and between two epochs."""
    config = replace(TINY, model=ModelConfig(preset=preset, latent_dim=2))
    whole, _, events = start(config)
    uninterrupted = list(events)

    first, _, events = start(config)
    before = [next(events) for _ in range(stop_at)]
    tensors, meta = first.state_dict()
    saved = {name: value.clone() for name, value in tensors.items()}
    resumed = TrainingState(config)
    resumed.load_state_dict(saved, meta)
    _, _, events = start(config, state=resumed)
    after = list(events)

    assert [numbers(event) for event in before + after] == [numbers(event) for event in uninterrupted]
    expected, _ = whole.state_dict()
    found, _ = resumed.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def numbers(event: Step | EpochEnd) -> dict[str, float]:
    return event.losses if isinstance(event, Step) else event.validation


def test_the_global_generators_do_not_matter():
    def losses(seed: int) -> list[float]:
        torch.manual_seed(seed)
        np.random.seed(seed)
        return [event.losses["loss"] for event in start()[2] if isinstance(event, Step)]

    assert losses(1) == losses(2)


def test_each_epoch_visits_every_sample_once_in_its_own_order():
    orders = [epoch_order(0, epoch, 100) for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[1], epoch_order(0, 1, 100))


def test_noise_differs_between_steps_ranks_and_seeds():
    draws = [step_noise(*key, (64, 3)) for key in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0))]
    correlation = np.corrcoef(np.stack([draw.numpy().ravel() for draw in draws]))
    assert np.abs(correlation - np.eye(4)).max() < 0.35
    assert torch.equal(draws[1], step_noise(0, 1, 0, (64, 3)))


def test_images_are_drawn_within_the_margins_at_places_that_differ_between_steps():
    config = with_training(translation=3, epochs=1)
    assert TrainingState(config).farthest == (0, 0)  # drawn at full size there is no margin
    state, dataset = TrainingState(replace(config, model=replace(config.model, native_size="20x26"))), dataset_of()
    assert state.farthest == (2, 3)
    places = [step_places(0, step, 0, 500, state.farthest) for step in (0, 0, 1)]
    assert torch.equal(places[0], places[1])
    assert not torch.equal(places[0], places[2])
    assert [sorted(set(column.tolist())) for column in places[0].T] == [[*range(-2, 3)], [*range(-3, 4)]]
    told: list[tuple[torch.Tensor, ...]] = []
    state.model.decoder.register_forward_pre_hook(lambda _, given: told.append(given[1:]))
    events = train(state, dataset, make_fabric(config.training))
    next(events)
    assert torch.equal(told[0][0], step_places(0, 0, 0, config.training.batch_size, (2, 3)))
    list(events)
    assert told[-1] == ()  # validation asks for each image in its place


def test_in_the_last_fifth_of_a_training_images_are_drawn_in_their_places():
    state = TrainingState(with_training(translation=2, epochs=10))
    assert state.places(0, 4) is None  # there is no margin
    config = with_training(translation=2, epochs=10)
    state = TrainingState(replace(config, model=replace(config.model, native_size="20x26")))
    moves = []
    for state.epoch in range(10):
        moves.append(bool(state.places(0, 100).any()))
    assert moves == [True] * 8 + [False] * 2
    state.cycle, state.epoch = Cycle(start=6.0), 9  # epochs were added: 4 in all
    assert state.places(0, 100).any()


def test_the_encoder_alone_sees_noise_on_the_images():
    config = with_training(input_noise=0.5, epochs=1)
    dataset, seen = dataset_of(), []
    state, _, events = start(config, dataset)
    state.model.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    next(events)
    first = epoch_order(config.training.seed, 0, len(dataset.train))[: config.training.batch_size]
    images = load_images(dataset, dataset.train[first], torch.device("cpu"))
    noise = input_noise(config.training.seed, 0, 0, tuple(images.shape))
    torch.testing.assert_close(seen[0], images + 0.5 * noise)
    assert abs(float(noise.std()) - 1) < 0.05


def test_a_loss_that_is_not_finite_says_where_and_what_to_do():
    config = with_training(learning_rate=1000.0, schedule="constant", clip=0.0, epochs=50)
    _, _, events = start(config)
    with pytest.raises(TrainingError, match=r"step \d+ \(epoch \d+\).*learning rate \(1e\+03 here\).*last checkpoint"):
        list(events)


def test_a_diverging_step_leaves_finite_weights_on_the_cpu():
    state, hyper, events = start(replace(TINY, loss=LossConfig(beta=1.0)))
    next(events)
    hyper.beta = math.inf
    assert isinstance(next(events), Exploded)
    with pytest.raises(TrainingError, match="loss is"):
        next(events)
    assert all(torch.isfinite(value).all() for value in state.model.state_dict().values())
    assert state.step == 1


def test_sample_weights_scale_the_loss():
    dataset = dataset_of()
    heavy = replace(dataset, weights=np.full(len(dataset.weights), 3.0, np.float32))
    plain, weighted = (next(start(dataset=data)[2]).losses["loss"] for data in (dataset, heavy))  # type: ignore[union-attr]
    assert weighted == pytest.approx(3 * plain, rel=1e-5)


def test_validation_ignores_sample_weights():
    dataset = dataset_of()
    heavy = replace(dataset, weights=np.full(len(dataset.weights), 3.0, np.float32))
    config = with_training(epochs=1, learning_rate=1e-12)
    plain, weighted = (list(start(config, data)[2])[-1] for data in (dataset, heavy))
    assert isinstance(plain, EpochEnd)
    assert isinstance(weighted, EpochEnd)
    assert weighted.validation["loss"] == pytest.approx(plain.validation["loss"], rel=1e-3)


def test_without_validation_samples_an_epoch_ends_without_numbers():
    _, _, events = start(with_training(epochs=1), dataset_of(validation_count=0))
    *_, end = events
    assert isinstance(end, EpochEnd)
    assert end.validation == {}


@pytest.mark.parametrize("count", [17, 9, 1])
def test_a_single_image_left_over_does_not_break_batch_normalisation(count: int):
    """At 32 px the last normalised map of the published encoder has one pixel: a batch of one has no variance."""
    config = replace(TINY, model=ModelConfig(preset="article-weighted", latent_dim=2))
    state, _, events = start(config, dataset_of(count))
    steps = [event for event in events if isinstance(event, Step)]
    assert sum(step.images for step in steps) == 2 * count
    assert {step.total_steps for step in steps} == {len(steps)}
    assert [step.ends_epoch for step in steps].count(True) == 2
    assert all(torch.isfinite(value).all() for value in state.model.state_dict().values())


def test_a_single_image_joins_the_batch_before_it():
    _, _, events = start(TINY, dataset_of(17))
    assert [event.images for event in events if isinstance(event, Step)] == [8, 9, 8, 9]


def test_a_batch_of_one_that_cannot_be_normalised_is_named():
    config = replace(with_training(batch_size=1), model=ModelConfig(preset="article-weighted", latent_dim=2))
    with pytest.raises(TrainingError, match=r"batch_size is 1, and .*; it must be 2 or more"):
        next(start(config)[2])


@pytest.mark.parametrize(("stop_at", "batch"), [(1, 16), (2, 16), (3, 4)])
def test_another_batch_size_from_the_middle_of_an_epoch_sees_every_image_once(stop_at: int, batch: int):
    """25 images in batches of 8, then of another size: where a single image is left, it does not stand alone."""
    config = replace(TINY, model=ModelConfig(preset="article-weighted", latent_dim=2))
    first, _, events = start(config, dataset_of(25))
    before = [next(events) for _ in range(stop_at)]
    tensors, meta = first.state_dict()
    changed = replace(config, training=replace(config.training, batch_size=batch))
    resumed = TrainingState(changed)
    resumed.load_state_dict({name: value.clone() for name, value in tensors.items()}, meta)
    after = list(start(changed, dataset_of(25), resumed)[2])
    steps = [event for event in before + after if isinstance(event, Step)]
    assert sum(step.images for step in steps) == 2 * 25
    assert {step.total_steps for step in after if isinstance(step, Step)} == {len(steps)}


@pytest.mark.parametrize(("size", "channels"), [(48, 3), (100, 1), (225, 1)])
def test_trains_at_any_size(size: int, channels: int):
    config = replace(TINY, data=DataConfig(image_size=size, channels=channels))
    _, _, events = start(config, dataset_of(8, 2, size, channels))
    assert math.isfinite(next(events).losses["loss"])  # type: ignore[union-attr]


@pytest.mark.parametrize("variance", ["constant", "learned"])
@pytest.mark.parametrize("reconstruction", ["bce", "mse"])
def test_trains_in_bfloat16_with_every_loss(variance, reconstruction):
    config = RunConfig(
        data=TINY.data,
        model=ModelConfig(variance=variance),
        loss=LossConfig(reconstruction=reconstruction, kl="textbook", entanglement="covariance", gamma=0.1),
        training=replace(TINY.training, precision="bfloat16", optimizer="adam", epochs=1),
    )
    assert all(math.isfinite(value) for event in start(config)[2] for value in numbers(event).values())


def test_a_dataset_of_another_size_is_refused():
    _, _, events = start(dataset=dataset_of(size=48))
    with pytest.raises(TrainingError, match=r"\(48, 48, 1\).*\(32, 32, 1\)"):
        next(events)


def test_a_state_of_another_architecture_is_refused_and_changes_nothing():
    tensors, meta = TrainingState(replace(TINY, model=ModelConfig(latent_dim=5))).state_dict()
    state = TrainingState(TINY)
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    with pytest.raises(
        TrainingStateError, match=r"model\.encoder\.head\.weight has shape \(5, \d+\), this model's \(2,"
    ):
        state.load_state_dict(tensors, meta)
    assert all(torch.equal(before[name], value) for name, value in state.model.state_dict().items())


@pytest.mark.parametrize(
    ("entry", "value"), [("step", -1), ("epoch", "2"), ("position", None), ("seed", 9), ("cycle", [0.5])]
)
def test_damaged_numbers_of_a_state_are_named(entry: str, value: object):
    tensors, meta = TrainingState(TINY).state_dict()
    with pytest.raises(TrainingStateError, match=f"state's {entry} is"):
        TrainingState(TINY).load_state_dict(tensors, {**meta, entry: value})


def test_a_device_that_is_not_there_is_named():
    missing = next(device for device in ("mps", "cuda") if device not in available_devices())
    with pytest.raises(DeviceError, match=rf"device is '{missing}'.*cpu"):
        resolve_device(missing)  # type: ignore[arg-type]


def test_precision_asked_for_is_precision_got():
    assert resolve_precision("float32", "cpu") == torch.float32
    assert resolve_precision("bfloat16", "cpu") == torch.bfloat16
