"""From a path to its source of images: what kind it is, and how to convert what is not read."""

from __future__ import annotations

from pathlib import Path

from core.config import DataConfig
from core.data.dataset import DatasetError, Progress
from core.data.sources.arrays import open_arrays
from core.data.sources.folder import open_pictures
from core.data.sources.listing import Listing, listed, shown
from core.data.sources.members import npy_members, npz_members
from core.data.sources.source import ImageSource

TORCH = (
    'python -c "import numpy, torch; data = torch.load({path!r}, weights_only=True); print(data.keys())" shows what is '
    "in it; then numpy.savez('images.npz', images=..., labels=...)"
)
ARRAYS = frozenset({".npz", ".npy"})
REFUSED = {
    **dict.fromkeys((".pt", ".pth", ".ckpt"), f"a PyTorch file, which may run code when it is loaded. {TORCH}"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".p", ".joblib"),
        'a pickle, which may run code when it is loaded. Where you trust it: python -c "import numpy, pickle; '
        "data = pickle.load(open({path!r}, 'rb')); numpy.savez('images.npz', images=..., labels=...)\"",
    ),
    ".mat": 'a MATLAB file. Convert it: python -c "import numpy, scipy.io; data = scipy.io.loadmat({path!r}); '
    "numpy.savez('images.npz', images=data['X'], labels=data['y'])\"",
    **dict.fromkeys(
        (".tfrecord", ".tfrecords"),
        "a TFRecord file. Read it with TensorFlow where it was made, and write numpy.savez('images.npz', images=..., "
        "labels=...)",
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "an archive. Unpack it and give the folder"),
    **dict.fromkeys(
        (".csv", ".tsv", ".xlsx", ".parquet", ".txt", ".json"),
        "a table, not images. Give the folder of the images",
    ),
}
"""What is said of files that are not read: what they are, and what to do."""


def open_source(config: DataConfig, progress: Progress | None = None) -> ImageSource:
    """The images at ``config.path``: a folder, an image file, or a file with arrays. Raises ``DatasetError``."""
    return open_listing(listed(config.path), config, progress)


def open_listing(listing: Listing, config: DataConfig, progress: Progress | None = None) -> ImageSource:
    """The same, of files that are listed already."""
    path = listing.root
    if path.is_dir():
        return open_pictures(listing, config.frames, progress)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        notes: list[str] = []
        return open_arrays(path, "NPZ file", npz_members(path, notes), config, notes)
    if suffix == ".npy":
        return open_arrays(path, "NPY file", npy_members(path), config, [])
    if suffix in REFUSED:
        raise DatasetError(f"{shown(str(path))} is {REFUSED[suffix].format(path=shown(str(path)))}.")
    return open_pictures(listing, config.frames, progress)


def holds_arrays(path: Path) -> bool:
    """Whether the name of ``path`` says that it is a file with arrays, not an image."""
    return path.suffix.lower() in ARRAYS
