"""The engine measures the originals of the recorded samples, little by little, and never in the probe's way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_driver import TINY, Steps, make_run

from core.config import DataConfig
from core.data.image_attributes import chosen_measures, measure_image
from core.data.loading import load_dataset
from core.protocol.messages import (
    AttributesMeasured,
    AttributesProgress,
    Cancel,
    Decode,
    Decoded,
    Failed,
    Load,
    MeasureAttributes,
)

NAMES = ("area", "symmetry order", "holes")


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def test_the_originals_of_all_recorded_samples_are_measured(run):
    steps = Steps(run)
    answer = steps.ask(MeasureAttributes, names=NAMES)
    images = load_dataset(TINY.data).images
    expected = [measure_image(np.array(images[i]), chosen_measures(NAMES)) for i in run.read_probe().indices]
    assert isinstance(answer, AttributesMeasured)
    assert answer.names == NAMES
    np.testing.assert_array_equal(answer.values, expected)


def test_progress_rises_to_the_whole(run):
    steps = Steps(run)
    steps.ask(MeasureAttributes, names=NAMES)
    told = [reply.fraction for reply in steps.replies if isinstance(reply, AttributesProgress)]
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_images_of_files_are_measured_as_well(tmp_path):
    shapes = np.zeros((4, 32, 32), np.uint8)
    for i in range(4):
        shapes[i, 4 : 8 + 4 * i, 4 : 8 + 4 * i] = 255
    np.savez(tmp_path / "shapes.npz", imgs=shapes)
    config = replace(TINY, data=DataConfig(path=str(tmp_path / "shapes.npz"), image_size=32))
    answer = Steps(make_run(tmp_path / "files", config)).ask(MeasureAttributes, names=("area",))
    np.testing.assert_allclose(answer.values[:, 0], [(4 + 4 * i) ** 2 / 1024 for i in range(4)])


def test_a_decode_does_not_wait_for_it(run):
    steps = Steps(run)
    steps.engine.accept(MeasureAttributes(stamp=50, names=NAMES))
    steps.do(slices=3)
    steps.engine.accept(Decode(stamp=51, z=np.zeros(3, np.float32)))
    steps.do()
    order = [type(reply) for reply in steps.replies if reply.stamp in (50, 51)]
    assert order.index(Decoded) < order.index(AttributesMeasured)


def test_it_can_be_cancelled(run):
    steps = Steps(run)
    steps.engine.accept(MeasureAttributes(stamp=50, names=NAMES))
    steps.do(Cancel(stamp=51, request=50))
    assert not [reply for reply in steps.replies if isinstance(reply, AttributesMeasured)]


def test_unknown_measures_are_refused(run):
    answer = Steps(run).ask(MeasureAttributes, names=("beauty",))
    assert isinstance(answer, Failed)
    assert "'beauty'; it must be one of brightness" in answer.message


def test_a_weights_file_has_no_samples_to_measure(run):
    steps = Steps(run)
    steps.ask(Load, path=str(run.weights_path))
    answer = steps.ask(MeasureAttributes, names=("area",))
    assert isinstance(answer, Failed)
    assert "A weights file has no recorded samples" in answer.message
