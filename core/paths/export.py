"""Writing a path's frames: PNG strip, GIF, MP4, and NPZ with the latents themselves.

Every file is written whole or not at all (core.utils.atomic_write). Progress is reported as a fraction from 0 to 1; an
exception that its receiver raises ends the export and leaves nothing behind. numpy at import, Pillow and PyAV at first
use.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from core.utils.atomic_write import atomic_file

SCHEMA_VERSION = 1
Format = Literal["png", "gif", "mp4", "npz"]
FORMATS: tuple[Format, ...] = ("png", "gif", "mp4", "npz")
MAX_STRIP = 16_384  # pixels: wider strips are wrapped into rows; common viewers and GPUs stop here
GIF_MAX_FPS = 50.0  # a GIF counts in hundredths of a second, and viewers slow down what is below two of them
MP4_QUALITY = 16  # x264's constant rate factor; visually lossless on line art

Progress = Callable[[float], None]


class ExportError(ValueError):
    """An export that cannot be written; the message names the file, the reason and what would do."""


def export_path(
    path: str | Path,
    format: Format,
    frames: np.ndarray,
    latents: np.ndarray | None = None,
    fps: float = 30.0,
    control: np.ndarray | None = None,
    metadata: str = "{}",
    progress: Progress | None = None,
) -> Path:
    """Write frames uint8 (n, H, W, C) to ``path`` as ``format``; ``npz`` needs ``latents`` float32 (n, d) as well.

    The functions below say what each format holds. Raises ``ExportError``.
    """
    if format == "png":
        return export_png_strip(path, frames, progress)
    if format == "gif":
        return export_gif(path, frames, fps, progress)
    if format == "mp4":
        return export_mp4(path, frames, fps, progress)
    if format == "npz":
        if latents is None:
            raise ExportError(f"{path}: an npz holds the path's latents; none were given.")
        return export_npz(path, latents, frames, control, metadata, progress)
    raise ExportError(f"format is {format!r}; it must be one of {', '.join(FORMATS)}.")


def export_png_strip(
    path: str | Path,
    frames: np.ndarray,
    progress: Progress | None = None,
) -> Path:
    """All frames beside one another in one lossless PNG, left to right, then top to bottom.

    A row has as many as fit ``MAX_STRIP`` pixels.
    """
    from PIL import Image

    frames = _check_frames(path, frames)
    count, height, width, channels = frames.shape
    across = min(count, max(1, MAX_STRIP // width))
    strip = np.zeros((-(-count // across) * height, across * width, channels), dtype=np.uint8)
    with _writing(path, frames, progress) as (file, counted):
        for i, frame in enumerate(counted):
            top, left = (i // across) * height, (i % across) * width
            strip[top : top + height, left : left + width] = frame
        Image.fromarray(_squeeze(strip)).save(file, format="PNG", compress_level=6)
    return Path(path)


def export_gif(
    path: str | Path,
    frames: np.ndarray,
    fps: float = 30.0,
    progress: Progress | None = None,
    palette: Literal["median cut", "octree"] = "median cut",
) -> Path:
    """An endless GIF. Grey frames keep every one of their 256 levels; colour frames get up to 256 colours each.

    ``palette``: how these are found. The octree suits drawings: for a cloud of 720² pixels it takes 4 ms, the median
    cut 100 to 200, and the errors are alike (root mean square 1.4 to 2.4 of 255 against 1.9 to 2.0); colour gradients
    come out worse.
    Durations are whole hundredths of a second, chosen so that the whole lasts n / fps; at most 50 frames a second
    (faster than that, viewers do not play: such a file is slower than asked). Frames equal to the one before them are
    stored once, shown longer.
    """
    from PIL import Image

    frames = _check_frames(path, frames)
    fps = min(_check_fps(path, fps), GIF_MAX_FPS)
    ends = np.round(np.arange(1, len(frames) + 1) * 100.0 / fps).astype(int)
    new = np.flatnonzero([i == 0 or not np.array_equal(frames[i], frames[i - 1]) for i in range(len(frames))])
    durations = np.add.reduceat(np.diff(ends, prepend=0) * 10, new).tolist()
    with _writing(path, frames[new], progress) as (file, counted):
        pictures = (Image.fromarray(_squeeze(frame)) for frame in counted)
        method = Image.Quantize.FASTOCTREE if palette == "octree" else Image.Quantize.MEDIANCUT
        images = (p if p.mode == "L" else p.quantize(256, method) for p in pictures)
        first = next(images)
        first.save(file, "GIF", save_all=True, append_images=images, duration=durations, loop=0, optimize=False)
    return Path(path)


def export_mp4(
    path: str | Path,
    frames: np.ndarray,
    fps: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """An MP4 that every player reads: H.264 where PyAV has an encoder, else MPEG-4; 4:2:0 colour, even sizes.

    An odd height or width repeats its last row or column once.
    """
    import av
    import av.error

    frames = _check_frames(path, frames)
    rate = Fraction(_check_fps(path, fps)).limit_denominator(1001)
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    codec = next((name for name in ("libx264", "libopenh264", "mpeg4") if name in av.codecs_available), None)
    if codec is None:
        raise ExportError(
            f"{path}: this PyAV has no MP4 encoder (libx264, libopenh264 or mpeg4); export a GIF instead."
        )
    with _writing(path, frames, progress) as (file, counted):
        try:
            with av.open(file, "w", format="mp4") as container:
                stream: Any = container.add_stream(codec, rate=rate)  # a video stream, by its codec
                stream.height, stream.width = frames.shape[1:3]
                stream.pix_fmt = "yuv420p"
                if codec == "libx264":
                    stream.options = {"crf": str(MP4_QUALITY), "preset": "medium"}
                else:
                    stream.bit_rate = int(frames.shape[1] * frames.shape[2] * float(rate))  # one bit a pixel
                for frame in counted:
                    picture = np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                container.mux(stream.encode(None))
        except av.error.FFmpegError as error:
            raise ExportError(f"{path}: the {codec} encoder failed: {error}. A GIF or PNG may work.") from error
    return Path(path)


def export_npz(
    path: str | Path,
    latents: np.ndarray,
    frames: np.ndarray,
    control: np.ndarray | None = None,
    metadata: str = "{}",
    progress: Progress | None = None,
) -> Path:
    """A compressed NPZ, read with ``np.load(path)`` (no pickle): the path in numbers.

    ``latents`` float32 (n, d); ``frames`` uint8 (n, H, W, C); ``control`` float32 (m, d), with no rows if unknown;
    ``metadata`` a JSON object as text; ``schema`` int64.
    """
    frames = _check_frames(path, frames)
    latents = np.asarray(latents, dtype=np.float32)
    if latents.ndim != 2 or len(latents) != len(frames):
        raise ExportError(
            f"{path}: latents have shape {latents.shape}; they must be ({len(frames)}, d), one per frame."
        )
    control = np.zeros((0, latents.shape[1])) if control is None else control
    with (
        _writing(path, frames, progress) as (file, counted),
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        small = {
            "schema": np.array(SCHEMA_VERSION),
            "metadata": np.array(metadata),
            "control": control.astype(np.float32),
            "latents": latents,
        }
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open("frames.npy", "w", force_zip64=True) as member:  # frame by frame, to report progress
            header = {"descr": "|u1", "fortran_order": False, "shape": frames.shape}
            np.lib.format.write_array_header_1_0(member, header)
            for frame in counted:
                member.write(np.ascontiguousarray(frame).tobytes())
    return Path(path)


@contextlib.contextmanager
def _writing(
    path: str | Path, frames: np.ndarray, progress: Progress | None
) -> Iterator[tuple[IO[bytes], Iterator[np.ndarray]]]:
    """A file that becomes ``path`` when the block ends, and the frames to write into it, which report the progress.

    The last hundredth is the file's closing.
    """
    report = progress or (lambda fraction: None)

    def counted() -> Iterator[np.ndarray]:
        for i, frame in enumerate(frames):
            yield frame
            report(0.99 * (i + 1) / len(frames))

    try:
        with atomic_file(Path(path)) as file:
            yield file, counted()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(f"{path}: cannot be written: {reason}. Choose another folder or free some space.") from error
    report(1.0)


def _check_frames(path: str | Path, frames: np.ndarray) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.dtype != np.uint8 or 0 in frames.shape or frames.shape[3] not in (1, 3):
        wanted = "uint8 (n, H, W, C) with one or more frames and 1 or 3 channels"
        raise ExportError(f"{path}: frames are {frames.dtype} {frames.shape}; they must be {wanted}.")
    return frames


def _check_fps(path: str | Path, fps: float) -> float:
    if not 0.1 <= fps <= 1000.0:
        raise ExportError(f"{path}: fps is {fps!r}; it must be 0.1 to 1000 frames per second.")
    return float(fps)


def _squeeze(image: np.ndarray) -> np.ndarray:
    return image[:, :, 0] if image.shape[2] == 1 else image
