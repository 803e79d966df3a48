"""Frames of films: scaled exactly or smoothly, with lines below that can be read."""

from __future__ import annotations

import numpy as np
import pytest

from core.protocol.figures import FrameLook
from core.rendering import film_frames
from core.rendering.film_frames import GROUND, FrameError, dressed_frames, scaled

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)


def test_frames_stay_as_they_are_unless_something_is_asked():
    assert dressed_frames(FRAMES, FrameLook()) is FRAMES


@pytest.mark.parametrize(("size", "factor"), [(32, 1), (128, 4), (300, 9), (720, 22)])
def test_nearest_repeats_every_pixel_equally_often(size, factor):
    made = dressed_frames(FRAMES, FrameLook(size))
    np.testing.assert_array_equal(made, FRAMES.repeat(factor, axis=1).repeat(factor, axis=2))


def test_bicubic_has_just_the_size_that_was_asked_for():
    made = dressed_frames(FRAMES, FrameLook(300, "bicubic"))
    assert made.shape == (3, 300, 300, 1)
    flat = dressed_frames(np.full_like(FRAMES, 77), FrameLook(300, "bicubic"))
    assert (flat == 77).all()


def test_a_large_image_is_reduced_smoothly_whatever_the_scaling():
    chequered = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = scaled(chequered.astype(np.uint8)[..., None], (16, 16), "nearest")
    assert small.shape == (16, 16, 1)
    assert np.abs(small[4:-4, 4:-4].astype(int) - 127).max() <= 2


def test_the_longer_side_gets_the_size():
    wide = np.zeros((1, 20, 40, 3), np.uint8)
    assert dressed_frames(wide, FrameLook(120, "bicubic")).shape == (1, 60, 120, 3)


def test_captions_stand_in_a_band_below_and_leave_the_frame_alone():
    captions = (("0.00", "a 1.5"), ("0.50", "a 1.6"), ("1.00", "a 1.7"))
    made = dressed_frames(FRAMES, FrameLook(128), captions)
    np.testing.assert_array_equal(made[:, :128], dressed_frames(FRAMES, FrameLook(128)))
    band = made[:, 128:]
    assert band.shape[1] > 25
    assert (band == GROUND).mean() > 0.6
    assert band.max() > 180
    assert not np.array_equal(band[0], band[1])
    assert np.array_equal(band, dressed_frames(FRAMES, FrameLook(128), captions)[:, 128:])


@pytest.mark.parametrize(
    ("look", "captions", "message"),
    [
        (FrameLook(), (("0",),) * 3, "frames of 32 pixels could not be read; choose a size of 96 or more"),
        (FrameLook(128), (("0",),) * 2, "2 captions for 3 frames"),
    ],
)
def test_captions_that_cannot_be_are_refused(look, captions, message):
    with pytest.raises(FrameError, match=message):
        dressed_frames(FRAMES, look, captions)


def test_frames_that_would_not_fit_into_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(film_frames, "MOST_BYTES", 1 << 20)
    with pytest.raises(FrameError, match=r"3 frames of 1024 × 1024 pixels need .* GiB"):
        dressed_frames(FRAMES, FrameLook(1024))
