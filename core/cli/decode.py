"""`isoline decode`: the images at latents, or along a path that the window exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from core.utils.text import counted

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Options:
    """Decode latents with a trained model: on one machine exactly the images that the window shows."""

    model: tyro.conf.Positional[Path]
    """A run folder or a .safetensors file."""
    out: Path
    """A .png (all images side by side), .gif, .mp4 or .npz file; without a suffix, a folder of PNG files."""
    z: tuple[str, ...] = ()
    """Latent points, each as comma-separated numbers: --z 0.1,0.2,0.3 1,0,2. If the first begins with a minus sign:
    --z=-1,0,2."""
    latents: Path | None = None
    """Latents (n, d) from a .npy, .npz (key latents) or .csv file."""
    path: Path | None = None
    """A path saved in the window (a .json file in the run's folder "paths") or an exported .npz. The frames are
    identical to those of the window, bit for bit."""
    fps: float = 16.0
    """Frames per second, for .gif and .mp4."""
    size: int = 0
    """Pixels on the longer side of each image; 0: as decoded. An .npz has them as decoded in any case."""
    scaling: Literal["nearest", "bicubic"] = "nearest"
    """nearest enlarges by whole numbers, so that each pixel stays a sharp square; bicubic interpolates."""


def run(options: Options) -> int:
    """Decode and write; returns 0.

    Raises ``LatentsError``, ``SavedPathError``, ``CheckpointError``, ``RunError`` or ``ExportError``.
    """
    from core.paths.export import FORMATS, export_path
    from core.paths.latents_file import LatentsError
    from core.protocol.figures import LEAST_FRAME, MOST_FRAME, FrameLook
    from core.rendering.film_frames import dressed_frames

    if options.size and not LEAST_FRAME <= options.size <= MOST_FRAME:
        raise LatentsError(f"--size is {options.size}; it must be 0, or {LEAST_FRAME} to {MOST_FRAME}.")
    z, control, metadata = _latents(options)
    kind = options.out.suffix.lstrip(".").lower()
    if kind and kind not in FORMATS:
        raise LatentsError(
            f"--out is {options.out}; its name must end in one of .{', .'.join(FORMATS)}, or have no suffix for a "
            "folder."
        )
    frames = _decoded(options.model, z)
    if kind != "npz":
        frames = dressed_frames(frames, FrameLook(options.size, options.scaling))
    if kind:
        export_path(
            options.out,
            kind,  # pyright: ignore[reportArgumentType]  # checked above
            frames,
            z,
            options.fps,
            control=control,
            metadata=metadata,
        )
    else:
        _write_folder(options.out, frames)
    print(f"{counted(len(frames), 'image')} in {options.out}")
    return 0


def _latents(options: Options) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Latents (n, d), and of a path its control points and its description."""
    from core.paths.latents_file import LatentsError, parse_points, read_latents, read_path

    given = [value for value in (options.z, options.latents, options.path) if value]
    if len(given) != 1:
        raise LatentsError("give the latents in exactly one way: --z, --latents or --path.")
    if options.path is not None:
        return read_path(options.path)
    return parse_points(options.z) if options.latents is None else read_latents(options.latents), None, "{}"


def _decoded(source: Path, z: np.ndarray) -> np.ndarray:
    """Images uint8 (n, H, W, C)."""
    from core.models.inference import decode_images
    from core.paths.latents_file import LatentsError
    from core.training.opening import open_inference

    inference, _ = open_inference(source)
    if z.shape[1] != inference.latent_dim:
        raise LatentsError(f"the latents have {z.shape[1]} dimensions; {source} has {inference.latent_dim}.")
    return decode_images(inference, z)


def _write_folder(folder: Path, frames: np.ndarray) -> None:
    """One PNG an image, numbered from 0 in the order of the latents."""
    from core.paths.export import export_png_strip
    from core.paths.latents_file import LatentsError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LatentsError(f"--out {folder} cannot be made ({error.strerror or error}); choose another.") from error
    digits = max(4, len(str(len(frames) - 1)))
    for index, image in enumerate(frames):
        export_png_strip(folder / f"{index:0{digits}d}.png", image[None])
