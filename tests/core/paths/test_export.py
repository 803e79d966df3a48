"""Exported paths, read back: pixels, frame counts, durations; and that nothing half-written is ever left."""

from __future__ import annotations

import errno
import io
import json
import os

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from core.paths.export import (
    FORMATS,
    ExportError,
    export_gif,
    export_mp4,
    export_npz,
    export_path,
    export_png_strip,
)


def film(count: int = 7, height: int = 20, width: int = 30, channels: int = 1) -> np.ndarray:
    """Frames that all differ and use every grey level."""
    ramp = np.arange(height * width * channels, dtype=np.int64).reshape(height, width, channels)
    return np.stack([(ramp + 11 * i) % 256 for i in range(count)]).astype(np.uint8)


def smooth_film(count: int, height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    frames = [127.5 + 60.0 * np.sin(x / 9.0 + 0.3 * i) + 60.0 * np.cos(y / 11.0) for i in range(count)]
    return np.repeat(np.stack(frames)[..., None], channels, axis=3).astype(np.uint8)


def png(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


# PNG ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_png_strip_holds_every_pixel_in_order(tmp_path, channels):
    frames = film(channels=channels)
    strip = png(export_png_strip(tmp_path / "strip.png", frames)).reshape(20, 7 * 30, channels)
    np.testing.assert_array_equal(strip, np.concatenate(list(frames), axis=1))


def test_png_strip_of_many_frames_stays_within_what_viewers_open(tmp_path):
    frames = np.zeros((300, 4, 64, 1), dtype=np.uint8)
    assert png(export_png_strip(tmp_path / "strip.png", frames)).shape == (2 * 4, 256 * 64)


# GIF ----------------------------------------------------------------------------------------------------------------


def gif_frames(path) -> tuple[list[np.ndarray], list[int]]:
    frames, durations = [], []
    with Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
        assert image.info["loop"] == 0
    return frames, durations


def test_grey_gif_is_exact_and_loops_for_ever(tmp_path):
    frames = film(6)
    read, durations = gif_frames(export_gif(tmp_path / "path.gif", frames, fps=20.0))
    assert len(read) == 6
    for image, frame in zip(read, frames, strict=True):
        np.testing.assert_array_equal(image, np.repeat(frame, 3, axis=2))
    assert durations == [50] * 6


def test_gif_durations_add_up_to_the_asked_time(tmp_path):
    _, durations = gif_frames(export_gif(tmp_path / "path.gif", film(30), fps=30.0))
    assert sum(durations) == 1000
    assert set(durations) == {30, 40}


def test_gif_is_never_faster_than_viewers_play(tmp_path):
    _, durations = gif_frames(export_gif(tmp_path / "path.gif", film(5), fps=120.0))
    assert durations == [20] * 5


def test_gif_shows_a_repeated_frame_longer(tmp_path):
    frames = film(3)[[0, 0, 1, 1, 1, 2]]
    read, durations = gif_frames(export_gif(tmp_path / "path.gif", frames, fps=10.0))
    assert durations == [200, 300, 100]
    np.testing.assert_array_equal(read[1][:, :, 0], film(3)[1, :, :, 0])


def test_colour_gif_is_close(tmp_path):
    frames = smooth_film(4, 32, 48, 3)
    read, _ = gif_frames(export_gif(tmp_path / "path.gif", frames))
    assert len(read) == 4
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(read, frames, strict=True)) <= 4


# MP4 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_mp4_has_every_frame_at_its_time_and_looks_right(tmp_path, channels):
    frames = smooth_film(25, 64, 96, channels)
    path = export_mp4(tmp_path / "path.mp4", frames, fps=24.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate or 0) == pytest.approx(24.0)
        read = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(read) == 25
    error = np.abs(np.stack(read).astype(int) - np.broadcast_to(frames, (25, 64, 96, 3)))
    assert error.mean() < 3.0


def test_mp4_pads_odd_sizes_with_their_last_row_and_column(tmp_path):
    path = export_mp4(tmp_path / "path.mp4", smooth_film(5, 33, 47, 1))
    with av.open(str(path)) as container:
        shapes = {frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)}
    assert shapes == {(34, 48, 3)}


def test_mp4_falls_back_to_mpeg4_and_says_so_if_there_is_no_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    path = export_mp4(tmp_path / "path.mp4", smooth_film(5, 32, 48, 1))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        assert sum(1 for _ in container.decode(video=0)) == 5
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(ExportError, match="no MP4 encoder"):
        export_mp4(tmp_path / "other.mp4", smooth_film(5, 32, 48, 1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["path.mp4"]


# NPZ ----------------------------------------------------------------------------------------------------------------


def test_npz_gives_back_latents_frames_control_and_metadata(tmp_path):
    frames, latents = film(channels=3), np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    control = latents[:3]
    metadata = json.dumps({"model": "μ sheet", "units": "latent"})
    path = export_npz(tmp_path / "path.npz", latents, frames, control, metadata)
    with np.load(path, allow_pickle=False) as read:
        assert read["latents"].dtype == np.float32
        np.testing.assert_array_equal(read["latents"], latents)
        np.testing.assert_array_equal(read["frames"], frames)
        np.testing.assert_array_equal(read["control"], control)
        assert json.loads(str(read["metadata"]))["model"] == "μ sheet"
        assert int(read["schema"]) == 1


def test_npz_refuses_what_does_not_belong_together(tmp_path):
    with pytest.raises(ExportError, match=r"must be \(7, d\), one per frame"):
        export_npz(tmp_path / "a.npz", np.zeros((6, 3)), film())
    with pytest.raises(ExportError, match="latents; none were given"):
        export_path(tmp_path / "a.npz", "npz", film())
    assert list(tmp_path.iterdir()) == []


# All formats --------------------------------------------------------------------------------------------------------


def export(path, format, frames=None, **more):
    frames = film(9) if frames is None else frames
    return export_path(path, format, frames, latents=np.zeros((len(frames), 3)), **more)


@pytest.mark.parametrize("format", FORMATS)
def test_progress_rises_to_one(tmp_path, format):
    told: list[float] = []
    export(tmp_path / f"a.{format}", format, progress=told.append)
    assert told == sorted(told)
    assert len(told) == 10
    assert told[-1] == 1.0


@pytest.mark.parametrize("format", FORMATS)
def test_one_frame_is_enough(tmp_path, format):
    assert export(tmp_path / f"a.{format}", format, film(1)).stat().st_size > 0


@pytest.mark.parametrize("format", FORMATS)
def test_cancelling_leaves_the_old_file_and_nothing_else(tmp_path, format):
    path = tmp_path / f"a.{format}"
    path.write_bytes(b"old")
    told: list[float] = []

    def cancel(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(path, format, progress=cancel)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, format, monkeypatch):
    class FullDisk(io.FileIO):
        def write(self, data) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("core.utils.atomic_write.open", lambda path, mode: FullDisk(path, "wb"), raising=False)
    path = tmp_path / f"a.{format}"
    path.write_bytes(b"old")
    with pytest.raises(ExportError, match=r"cannot be written: No space left"):
        export(path, format)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_folder_is_named(tmp_path, format):
    with pytest.raises(ExportError, match=r"missing.*cannot be written: No such file"):
        export(tmp_path / "missing" / f"a.{format}", format)


@pytest.mark.parametrize("format", FORMATS)
def test_frames_of_the_wrong_kind_are_refused(tmp_path, format):
    for frames in (np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 2), np.uint8), np.zeros((0, 8, 8, 1), np.uint8)):
        with pytest.raises(ExportError, match="frames are"):
            export(tmp_path / "a", format, frames)


def test_unknown_formats_and_speeds_are_refused(tmp_path):
    with pytest.raises(ExportError, match="must be one of png, gif, mp4, npz"):
        export(tmp_path / "a.webp", "webp")
    for format in ("gif", "mp4"):
        with pytest.raises(ExportError, match="fps is nan"):
            export(tmp_path / "a", format, fps=float("nan"))


def test_a_folder_that_is_a_file_is_explained(tmp_path):
    (tmp_path / "blocked").write_text("in the way")
    frames = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    with pytest.raises(ExportError, match=r"path\.png: cannot be written"):
        export_path(tmp_path / "blocked" / "path.png", "png", frames)
