"""The trainings of an experiment: kept when finished, resumed when begun, stopped when asked, counted fairly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import DataConfig, RunConfig, TrainingConfig
from core.data.dataset import DatasetError
from core.experiments.folder import ExperimentFolder, Stopped
from core.experiments.options import ExperimentError, PlannedTraining
from core.experiments.training_queue import (
    TRAINING_SHARE,
    Workload,
    failure,
    image_cost,
    last_step,
    planned_steps,
    train_all,
    train_seconds,
    training_images,
)
from core.runs.directory import Control, RunDirectory
from core.runs.metrics_log import read_metrics
from core.training.loop import TrainingError

CONFIG = RunConfig(
    data=DataConfig(image_size=32, count=64, punctured=False, validation_fraction=0.25),
    training=TrainingConfig(epochs=2, batch_size=8, precision="float32", device="cpu"),
)
STEPS = 6  # of an epoch


def planned(name: str = "one", **changes: object) -> PlannedTraining:
    return dataclasses.replace(PlannedTraining(name, CONFIG, f"training {name}", "group"), **changes)


def trained(config: RunConfig = CONFIG, **changes: object) -> RunConfig:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **changes))


def started(run: RunDirectory) -> list[str]:
    return [record["message"] for record in read_metrics(run.metrics_path) if record.get("event") == "started"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ExperimentFolder]:
    folder = ExperimentFolder(tmp_path / "experiment")
    with folder.begin("transects", {}):
        yield folder


def silent(_text: str) -> None:
    """Who says nothing."""


def test_each_training_has_its_run_and_finished_ones_are_kept(folder: ExperimentFolder):
    said: list[str] = []
    plan = [planned("one"), planned("two", config=trained(seed=1))]
    runs = train_all(plan, folder, said.append)
    assert [run.path for run in runs] == [folder.runs_path / "one", folder.runs_path / "two"]
    assert [run.status() for run in runs] == ["finished", "finished"]
    assert [last_step(run) for run in runs] == [2 * STEPS, 2 * STEPS]
    assert all(train_seconds(run) > 0 for run in runs)
    before = runs[0].weights_path.stat().st_mtime_ns

    again = train_all(plan, folder, said.append)
    assert [run.path for run in again] == [run.path for run in runs]
    assert again[0].weights_path.stat().st_mtime_ns == before
    assert said[-2:] == ["training one (1 of 2): trained already", "training two (2 of 2): trained already"]


def test_a_limited_training_stops_there_and_counts_as_done(folder: ExperimentFolder):
    plan = [planned(config=trained(epochs=1000), max_steps=3)]
    (run,) = train_all(plan, folder, silent)
    assert run.status() == "stopped"
    steps = last_step(run)
    assert steps >= 3
    assert run.last_checkpoint_path.is_file()
    train_all(plan, folder, silent)
    assert last_step(run) == steps


def run_and_stop(folder: ExperimentFolder, plan: list[PlannedTraining], step: int) -> None:
    """Train, and ask for a stop as soon as a training reports ``step`` (0: at once)."""
    report = folder.report

    def watch(message: str, *arguments: float | str | None) -> None:
        report(message, *arguments)  # pyright: ignore[reportArgumentType]
        if f"step {step} of" in message:
            folder.request_stop()

    with pytest.MonkeyPatch.context() as patch, folder.begin("transects", {}):
        patch.setattr(folder, "report", watch)
        if step == 0:
            folder.request_stop()
        train_all(plan, folder, silent)


def test_a_stop_file_ends_the_training_with_a_checkpoint_and_it_goes_on_later(tmp_path: Path):
    folder = ExperimentFolder(tmp_path)
    plan = [planned(config=trained(epochs=400))]
    with pytest.raises(Stopped):
        run_and_stop(folder, plan, 1)
    run = RunDirectory.open(folder.run_path("one"))
    assert run.status() == "stopped"
    reached = last_step(run)
    assert 0 < reached < 400 * STEPS

    with pytest.raises(Stopped):
        run_and_stop(folder, plan, 0)
    assert last_step(run) == reached

    with pytest.raises(Stopped):
        run_and_stop(folder, plan, reached + 1)
    assert last_step(run) > reached
    assert started(run)[-1].endswith(f"from step {reached}")


def test_stopping_the_run_itself_stops_the_experiment(folder: ExperimentFolder):
    """As the window's stop button does, on the run."""
    report = folder.report

    def watch(message: str, *arguments: float | str | None) -> None:
        report(message, *arguments)  # pyright: ignore[reportArgumentType]
        if "step" in message:
            RunDirectory.open(folder.run_path("one")).write_control(Control(sequence=1, state="stopped"))

    folder.report = watch  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(Stopped):
        train_all([planned(config=trained(epochs=400))], folder, silent)
    assert RunDirectory.open(folder.run_path("one")).status() == "stopped"


def test_a_stop_that_came_before_the_first_checkpoint_is_an_old_one(folder: ExperimentFolder):
    run = RunDirectory.create(folder.run_path("one"), CONFIG, {})
    run.write_control(Control(sequence=1, state="stopped"))
    train_all([planned()], folder, silent)
    assert run.status() == "finished"


def test_an_optional_training_may_diverge(folder: ExperimentFolder):
    hot = trained(learning_rate=900.0, clip=0.0, optimizer="adam", schedule="constant", epochs=50)
    plan = [planned("hot", config=hot, required=False), planned("cool")]
    hot_run, cool_run = train_all(plan, folder, silent)
    assert "diverged" in (failure(hot_run) or "")
    assert failure(cool_run) is None
    assert cool_run.status() == "finished"
    train_all(plan, folder, silent)  # it is not tried again
    assert len(started(hot_run)) == 1
    with pytest.raises(TrainingError, match="training needed"):
        train_all([planned("needed", config=hot)], folder, silent)


def test_a_run_of_other_settings_is_refused(folder: ExperimentFolder):
    train_all([planned()], folder, silent)
    with pytest.raises(ExperimentError, match="other settings"):
        train_all([planned(config=trained(batch_size=4))], folder, silent)
    moved = trained(precision="auto", device="auto")  # the machine may be another
    assert train_all([planned(config=moved)], folder, silent)[0].status() == "finished"


def test_a_run_that_named_its_source_is_the_same(folder: ExperimentFolder):
    named = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, source="curves"))
    train_all([planned(config=named)], folder, silent)
    assert train_all([planned()], folder, silent)[0].status() == "finished"


def test_two_trainings_need_two_names(folder: ExperimentFolder):
    with pytest.raises(ExperimentError, match="'one'"):
        train_all([planned(), planned()], folder, silent)


def test_a_hole_that_leaves_nothing_is_refused_before_any_training(folder: ExperimentFolder):
    empty = dataclasses.replace(CONFIG, data=DataConfig(image_size=32, count=64, hole_radius=9.0))
    with pytest.raises(DatasetError, match="hole of radius 9"):
        train_all([planned(), planned("two", config=empty)], folder, silent)
    assert not folder.run_path("one").exists()


# how much is left


def test_images_and_steps_are_counted_without_drawing():
    assert training_images(CONFIG.data) == 48
    assert training_images(DataConfig(punctured=False)) == 4499
    assert planned_steps(planned()) == 2 * STEPS
    assert planned_steps(planned(max_steps=5)) == 5
    assert planned_steps(planned(max_steps=500)) == 2 * STEPS
    with pytest.raises(ExperimentError, match="pictures"):
        training_images(DataConfig(path="pictures"))


def test_work_is_images_times_their_cost():
    small, large = planned("small"), planned("large", config=trained(batch_size=16))
    workload = Workload([small, large])
    assert (workload.fraction, workload.left_seconds()) == (0.0, None)
    workload.done("small", STEPS)
    assert workload.fraction == pytest.approx(0.25)  # both see as many images
    workload.timed("small", STEPS, 3.0)  # 0.5 s a step of 8 images
    assert workload.left_seconds() == pytest.approx(3.0 + 6.0)
    workload.timed("large", 2, 4.0)  # 2 s a step, measured, though 1 s was to be expected
    assert workload.left_seconds() == pytest.approx(3.0 + 2 * 3 * 2.0)
    workload.done("small", 2 * STEPS)
    workload.done("large", 100)
    assert (workload.fraction, workload.left_seconds()) == (1.0, 0.0)


def test_the_published_network_costs_more_and_small_images_less():
    article = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, preset="article"))
    whole = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, image_size=256))
    assert image_cost(article) > 10 * image_cost(CONFIG)
    assert image_cost(whole) == pytest.approx(64 * image_cost(CONFIG))


def test_training_is_the_larger_part_of_the_progress():
    assert 0.5 < TRAINING_SHARE < 1.0
