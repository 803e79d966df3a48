"""The image at the probe: of the place where the probe is, or none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine

from core.protocol.messages import Decode, Decoded, Failed
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.image import ImageView
from explorer.views.probe import ProbeView

IMAGE = np.full((8, 8, 1), 200, np.uint8)


@pytest.fixture
def made(qtbot) -> SimpleNamespace:
    state, engine, image, view = State(), FakeEngine(), ImageView(), ProbeView()
    for widget in (image, view):
        qtbot.addWidget(widget)
    context = Context(state, engine, image)  # pyright: ignore[reportArgumentType]
    control = ProbeController(context, view, image)
    state.embedding = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    state.model = Model(Path("run"), 3, 8, 1)
    return SimpleNamespace(engine=engine, image=image, control=control)


def _answer(made: SimpleNamespace) -> None:
    asked = made.engine.of(Decode)[-1]
    made.engine.deliver(Decoded(stamp=asked.stamp, z=asked.z, image=IMAGE, milliseconds=1.0))


def test_where_the_decoder_fails_no_image_of_another_place_stays(made):
    made.control.move(np.zeros(3))
    _answer(made)
    assert made.image.has_image
    made.control.move(np.ones(3))
    made.engine.deliver(Failed(stamp=made.engine.of(Decode)[-1].stamp, message="decode raised ValueError: no"))
    assert not made.image.has_image
    assert made.image.empty == "decode raised ValueError: no"
    assert made.image.caption.text() == "Not decoded"
    made.control.move(np.ones(3))  # the same place is tried again
    _answer(made)
    assert made.image.has_image
    assert made.image.caption.text().startswith("Probe · decoded in")
