"""From a path to its source of images: what kind it is, and how to convert what is not read."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path

from core.config import DataConfig
from core.data.dataset import DatasetError, Progress
from core.data.sources.arrays import open_arrays
from core.data.sources.folder import Headers, open_pictures
from core.data.sources.idx import IdxMember, array_name, idx_member, labels_beside
from core.data.sources.listing import Listing, in_natural_order, shown
from core.data.sources.members import Member, npy_members, npz_members
from core.data.sources.pictures import is_picture
from core.data.sources.source import ImageSource

HDF5_SUFFIXES = frozenset({".h5", ".hdf5", ".hdf", ".he5"})
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ARRAYS = frozenset({".npz", ".npy"}) | HDF5_SUFFIXES
TABLES = (".csv", ".tsv", ".xlsx", ".parquet", ".txt", ".json")
_TORCH, _PICKLES = (".pt", ".pth", ".ckpt"), (".pkl", ".pickle", ".p", ".joblib")
_WRITE = "Write the images as NPZ where it was made: numpy.savez('images.npz', images=images, labels=labels)"
REFUSED = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "an archive. Unpack it and give the folder."),
    **dict.fromkeys(TABLES, "a table, not images. Give the folder of the images."),
    **dict.fromkeys((".tfrecord", ".tfrecords"), f"a TFRecord file. {_WRITE}"),
    **dict.fromkeys(_TORCH, "a PyTorch file, which may run code when it is loaded. This writes its tensors as NPZ:"),
    **dict.fromkeys(
        _PICKLES,
        f"a pickle, which runs whatever code is in it when it is loaded. {_WRITE}",
    ),
    ".mat": "a MATLAB file. This writes its arrays as NPZ:",
}
"""What is said of files that are not read: what they are, and what to do."""
_PROGRAMS = {
    **dict.fromkeys(
        _TORCH,
        'import sys, numpy, torch; data = torch.load(sys.argv[1], weights_only=True, map_location="cpu"); data = data '
        'if isinstance(data, dict) else dict(zip(("images", "labels"), data if isinstance(data, (tuple, list)) else '
        '[data])); numpy.savez("images.npz", **{key: value.detach().numpy() for key, value in data.items() if '
        "torch.is_tensor(value)})",
    ),
    ".mat": "import sys, numpy, scipy.io; data = scipy.io.loadmat(sys.argv[1]); "
    'numpy.savez("images.npz", **{key: value for key, value in data.items() if isinstance(value, numpy.ndarray) and '
    "not value.dtype.hasobject})",
}
"""The programs that convert some of them without running what is in them; their argument is the file."""
CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
"""The files of CIFAR-10 for Python; those of its binary version end in .bin."""
_CIFAR = (
    'import sys, numpy; record = numpy.dtype([("label", "u1"), ("image", "u1", (3, 32, 32))]); '
    'read = lambda name: numpy.fromfile(f"{sys.argv[1]}/{name}.bin", record); '
    'train = numpy.concatenate([read(f"data_batch_{i}") for i in range(1, 6)]); test = read("test_batch"); '
    'numpy.savez("cifar10.npz", x_train=train["image"], y_train=train["label"], '
    'x_test=test["image"], y_test=test["label"])'
)


def open_listing(
    listing: Listing,
    config: DataConfig,
    progress: Progress | None = None,
    keep: Callable[[Callable[[], Headers]], Headers] | None = None,
) -> ImageSource:
    """The images of ``listing``: of a folder, an image file, or a file with arrays. ``keep`` may know the headers of
    image files from before. Raises ``DatasetError``.
    """
    path = listing.root
    notes: list[str] = []
    if path.is_dir():
        if config.order == "natural":
            files = in_natural_order(listing.files, lambda file: file.name)
        else:
            files = sorted(listing.files, key=lambda file: file.name.split("/"))
        return _open_folder(dataclasses.replace(listing, files=files), config, progress, keep)
    suffix = path.suffix.lower()
    start = _start(path)
    if suffix == ".npz":
        return open_arrays(path, "NPZ file", npz_members(path, notes), config, notes)
    if suffix == ".npy":
        return open_arrays(path, "NPY file", npy_members(path), config, notes)
    if suffix in HDF5_SUFFIXES or start.startswith(HDF5_SIGNATURE):
        from core.data.sources.hdf5 import open_hdf5

        return open_hdf5(path, config, notes, progress)
    if path.stem in CIFAR_BATCHES and (suffix == ".bin" or start[:1] == b"\x80"):
        raise DatasetError(f"{shown(str(path))} is {_cifar(path)}")
    if suffix in REFUSED or start[:1] == b"\x80":
        raise DatasetError(f"{shown(str(path))} is {_refusal(suffix, path)}")
    images = idx_member(path, "images")
    if images is not None:
        return open_arrays(path, "IDX file", _with_labels([images], notes), config, notes)
    return open_pictures(listing, config, progress)


def _open_folder(
    listing: Listing,
    config: DataConfig,
    progress: Progress | None,
    keep: Callable[[Callable[[], Headers]], Headers] | None,
) -> ImageSource:
    """A folder of images; one that holds MNIST's files instead is opened as one data set."""
    if not any(is_picture(file.suffix) for file in listing.files):
        folder = shown(str(listing.root))
        idx = [
            idx_member(Path(file.path), array_name(file.name))
            for file in listing.files
            if "images" in file.name.lower()
        ]
        images = [member for member in idx if member is not None and len(member.shape) == 3]
        if images:
            notes: list[str] = []
            return open_arrays(listing.root, "folder of IDX files", _with_labels(images, notes), config, notes)
        batch = next((Path(file.path) for file in listing.files if Path(file.path).stem == CIFAR_BATCHES[0]), None)
        if batch is not None:
            raise DatasetError(f"{folder} holds {_cifar(batch)}")
        arrays = [file for file in listing.files if holds_arrays(Path(file.name))]
        if len(arrays) == 1:
            raise DatasetError(f"{folder} holds no image file, but arrays: give {shown(arrays[0].path)}.")
        refused = next((file for file in listing.files if file.suffix in REFUSED and file.suffix not in TABLES), None)
        if refused is not None and not arrays:
            refusal = _refusal(refused.suffix, Path(refused.path))
            raise DatasetError(f"{folder} holds no image file, but {refused.shown}, {refusal}")
    return open_pictures(listing, config, progress, keep)


def _refusal(suffix: str, path: Path) -> str:
    """What the file at ``path`` is, and what to do; one whose suffix says nothing is a pickle."""
    suffix = suffix if suffix in REFUSED else ".pkl"
    program = _PROGRAMS.get(suffix)
    return REFUSED[suffix] if program is None else f"{REFUSED[suffix]}\n  {_command(program, path)}"


def _cifar(batch: Path) -> str:
    if batch.suffix == ".bin":
        return f"CIFAR-10's binary version; this writes it as NPZ:\n  {_command(_CIFAR, batch.parent)}"
    return (
        "CIFAR-10 for Python: pickles, which run whatever code is in them when they are loaded. Download its binary "
        "version from CIFAR's site (cifar-10-binary.tar.gz); this writes it as NPZ:\n  "
        f"{_command(_CIFAR, Path('cifar-10-batches-bin'))}"
    )


def _command(program: str, path: Path) -> str:
    """Quoted, as the name of a file may hold what a shell would run."""
    return shlex.join(["python", "-c", program, shown(str(path))])


def _with_labels(images: list[IdxMember], notes: list[str]) -> list[Member]:
    """Files of images and the files of labels that are named like them."""
    members: list[Member] = list(images)
    for member in images:
        file = labels_beside(member.file)
        labels = None if file is None else idx_member(file, member.name.lower().replace("images", "labels"))
        if file is not None and labels is not None:
            members.append(labels)
            notes.append(f"Classes of {member.file.name} are read from {file.name} beside it.")
    return members


def companions(path: Path) -> list[Path]:
    """Other files that are read with the file at ``path``."""
    labels = None if path.is_dir() or holds_arrays(path) else labels_beside(path)
    return [] if labels is None else [labels]


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(8)
    except OSError as error:
        raise DatasetError(f"{shown(str(path))} cannot be read ({error.strerror or error}).") from error


def holds_arrays(path: Path) -> bool:
    """Whether the name of ``path`` says that it is a file with arrays, not an image."""
    return path.suffix.lower() in ARRAYS
