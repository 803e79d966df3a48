"""The configuration: a setting is one field, and checks, messages, help and form all read it."""

from __future__ import annotations

import math

import pytest

from core.config import (
    LIVE_SETTINGS,
    SETTINGS,
    ConfigError,
    DataConfig,
    LossConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    config_from_dict,
    config_to_dict,
    unsettled,
    with_values,
)
from core.runs.directory import Control, RunError


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_every_setting_has_a_label_an_explanation_and_a_default_in_range(setting):
    assert setting.row.label
    assert len(setting.help) > 15
    assert setting.wanted in setting.help or setting.low is None
    default = getattr(getattr(RunConfig(), setting.section), setting.field.name)
    setting.check(default)
    for name, values in setting.row.when:
        for value in values:
            SETTINGS[name].check(value)


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS.values() if s.low is not None], ids=lambda setting: setting.name
)
def test_a_range_includes_its_ends_and_nothing_beyond(setting):
    for end in (setting.low, setting.high):
        if end is not None:
            assert setting.accepts(end) != (setting.above and end == setting.low)
    assert not setting.accepts(setting.low - 1)
    assert setting.high is None or not setting.accepts(setting.high + 1)
    for value in (math.nan, math.inf, -math.inf):
        assert not setting.accepts(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataConfig(path="cells", image_size=7), "data.image_size is 7; it must be 8 to 512."),
        (
            lambda: RunConfig(DataConfig(image_size=31)),
            "data.image_size is 31; it must be 32 or more for polar curves.",
        ),
        (
            lambda: RunConfig(DataConfig(path="cells", image_size=28), ModelConfig(preset="article")),
            "data.image_size is 28; it must be 32 or more for the network article.",
        ),
        (
            lambda: DataConfig(background="grey"),
            "data.background is 'grey'; it must be auto, white, black, or a colour",
        ),
        (lambda: DataConfig(intensity="9:2"), "data.intensity is '9:2'; the first number must be below the second."),
        (lambda: DataConfig(planes="0,1,2,3"), "data.planes is '0,1,2,3'; it must be up to three numbers from 0"),
        (lambda: DataConfig(path="x" * 20_000), "… (20,002 characters); it must be a text of at most 16,384"),
        (lambda: DataConfig(channels=2), "data.channels is 2; it must be 1 or 3."),
        (lambda: RunConfig(DataConfig(source="files")), "data.path is ''; it must be set for source 'files'."),
        (
            lambda: RunConfig(DataConfig(source="curves", path="cells")),
            "data.path is 'cells', and curves are drawn without it;",
        ),
        (
            lambda: ModelConfig(preset="huge"),
            "model.preset is 'huge'; it must be compact, article or article-weighted.",
        ),
        (lambda: ModelConfig(native_size="1x9"), "model.native_size is '1x9'; it must be auto, full, or a height"),
        (lambda: LossConfig(beta=-1.0), "loss.beta is -1.0; it must be 0 to 1,000,000."),
        (lambda: LossConfig(gamma=math.nan), "loss.gamma is nan; it must be 0 to 1,000,000."),
        (
            lambda: TrainingConfig(learning_rate=0.0),
            "training.learning_rate is 0.0; it must be above 0, at most 1,000.",
        ),
        (lambda: TrainingConfig(clip=-0.5), "training.clip is -0.5; it must be 0 or more."),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_right(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("data", "image_size", 7, "config.json: data.image_size is 7; it must be 8 to 512."),
        ("data", "image_size", "large", "config.json: data.image_size is 'large'; it must be 8 to 512."),
        ("data", "punctured", 3, "config.json: data.punctured is 3; it must be true or false."),
        ("model", "preset", "huge", "config.json: model.preset is 'huge'; it must be compact, article or"),
        ("loss", "delta", 1.0, "config.json: unknown field 'loss.delta'"),
    ],
)
def test_a_wrong_file_is_told_in_the_same_words(section, name, value, message):
    content = config_to_dict(RunConfig())
    content[section][name] = value
    with pytest.raises(ConfigError) as caught:
        config_from_dict(content, "config.json")
    assert message in str(caught.value)


def test_none_is_a_value_where_nothing_need_be_set():
    content = config_to_dict(RunConfig(data=DataConfig(validation_fraction=None)))
    assert config_from_dict(content).data.validation_fraction is None


def test_commands_to_a_running_training_have_the_same_ranges():
    for setting in LIVE_SETTINGS:
        with pytest.raises(RunError) as caught:
            Control(1, **{setting.field.name: -1.0})
        assert f"{setting.field.name} is -1.0; it must be {setting.wanted}." in str(caught.value)


def test_a_configuration_of_before_there_was_translation_says_that_it_had_none():
    stored = config_to_dict(RunConfig())
    assert config_from_dict(stored) == RunConfig()
    del stored["training"]["translation"]
    assert config_from_dict(stored).training.translation == 0


@pytest.mark.parametrize("source", ["folder", "npz"])
def test_sources_of_earlier_versions_are_read(source):
    config = config_from_dict({"data": {"source": source, "path": "cells"}})
    as_before = DataConfig(source="files", path="cells", resize="stretch", split="last", order="path", frames="first")
    assert config.data == as_before
    assert not config.data.drawn


def test_a_path_tells_the_source():
    assert not DataConfig(path="cells").drawn
    assert DataConfig().drawn


def test_another_training_settles_anew_what_a_run_has_found_out_for_itself():
    run = with_values(
        RunConfig(), {"model.native_size": "172x229", "training.precision": "float32", "training.pieces": 2}
    )
    assert unsettled(run) == RunConfig()


def test_another_training_keeps_a_precision_that_no_trial_has_chosen():
    run = with_values(RunConfig(), {"training.precision": "float32"})
    assert unsettled(run) == run
