"""The image at the probe: of the place where the probe is, or none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtWidgets import QSlider

from core.protocol.messages import Decode, Decoded, Failed
from explorer.controllers.cloud import probe
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
    return SimpleNamespace(state=state, engine=engine, image=image, view=view, control=control)


def _answer(made: SimpleNamespace, place: int = -1) -> None:
    asked = made.engine.of(Decode)[place]
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


def test_a_slow_decode_is_said_to_be_on_its_way_until_its_image_is_there(made, monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(probe, "monotonic", lambda: clock[0])

    def later(seconds: float) -> str:
        clock[0] += seconds
        made.control.tick()
        return made.image.waiting

    made.control.tick()
    made.control.move(np.zeros(3))
    assert later(0.2) == ""
    assert later(0.2) == "Decoding…"
    made.control.move(np.ones(3))  # kept until the first is answered
    _answer(made, 0)
    assert later(0.1) == "Decoding…", "the image on show is still of another place"
    _answer(made, 1)
    assert later(0.1) == ""
    for place in range(20):  # many quick ones are no slow one
        made.control.move(np.full(3, place))
        _answer(made, -1)
        made.control.move(np.full(3, place + 0.5))
        assert later(0.1) == ""
        _answer(made, -1)
    made.control.move(np.full(3, 9.0))
    assert later(1.0) == "Decoding…"
    made.engine.deliver(Failed(stamp=made.engine.of(Decode)[-1].stamp, message="no"))
    assert later(0.1) == ""


def test_an_image_is_expected_soon_where_the_last_one_came_soon(made, monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(probe, "monotonic", lambda: clock[0])
    made.control.tick()
    assert not made.control.expects_image
    made.control.move(np.zeros(3))
    assert made.control.expects_image
    clock[0] += 0.04
    _answer(made)
    assert not made.control.expects_image
    made.control.move(np.ones(3))
    clock[0] += 0.04
    assert made.control.expects_image
    clock[0] += 0.04
    assert not made.control.expects_image, "a decoder that is slow is waited for by nobody"


def test_while_another_run_is_read_the_rows_stay_greyed_and_serve_it_if_it_has_as_many(made, qtbot):
    state, view = made.state, made.view
    view.show()
    slider = view.findChild(QSlider, "probe.slider.0")
    state.reading = True
    state.embedding = None
    assert slider.isVisible()
    assert not slider.isEnabled()
    state.embedding = np.ones((9, 3), np.float32)
    assert view.findChild(QSlider, "probe.slider.0") is slider
    assert slider.isEnabled()
    state.embedding = None
    state.reading = False  # it has no cloud after all
    assert not slider.isVisible()
