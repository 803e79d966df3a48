"""Images and labels of a Python program, written as a file that every other part reads: NPZ with an array a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import DatasetError
from core.utils.atomic_write import atomic_file

IMAGES = "images"


def as_array(value: Any) -> np.ndarray:
    """numpy's view of an array of any library, on the CPU: of numbers, truth values or texts.

    Raises ``TypeError`` for anything else.
    """
    if hasattr(value, "detach"):  # a tensor of PyTorch, which may have a gradient or be on a device
        value = value.detach().cpu()
    if type(value).__name__ == "Tensor" and hasattr(value, "float") and str(value.dtype) == "torch.bfloat16":
        value = value.float()  # numpy has no such type
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":  # that of JAX
        array = array.astype(np.float32)
    if array.dtype == object and all(isinstance(item, str) for item in array.flat):
        array = array.astype(np.str_)
    if array.dtype.kind not in "biufUS":
        raise TypeError(f"it holds {array.dtype}, not numbers or texts")
    return array


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array, a tensor, or a list of them; else it may be a data set of PyTorch."""
    return isinstance(value, list) or hasattr(value, "__array__")


def images_of(value: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images (n, H, W), (n, H, W, C) or (n, C, H, W), and the labels that come with them, of an array or of a data set
    of PyTorch, whose items are images or (image, label) pairs.

    Raises ``DatasetError``.
    """
    if is_array(value):
        try:
            images = as_array(value)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"images cannot be used: {error}. Give an array (n, H, W) or (n, H, W, C).") from error
        labels: dict[str, np.ndarray] = {}
    elif hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        images, labels = _of_items(value)
    else:
        raise DatasetError(
            f"images are a {type(value).__name__}; give a path, an array, or a data set with a length and items."
        )
    if images.dtype.kind not in "biuf" or images.ndim not in (3, 4) or 0 in images.shape:
        raise DatasetError(
            f"images are {images.dtype} {images.shape}; they must be numbers (n, H, W), (n, H, W, C) or (n, C, H, W)."
        )
    return images, labels


def labels_of(value: Any, count: int) -> dict[str, np.ndarray]:
    """Labels (n,) by name, of a mapping or a table with ``columns`` (pandas, polars), or of one array, called label.

    Raises ``DatasetError`` unless each has ``count`` values.
    """
    labels = {}
    for name, column in _columns(value):
        try:
            array = as_array(column)
        except (TypeError, ValueError) as error:
            raise DatasetError(f"label {name} cannot be used: {error}.") from error
        if array.shape != (count,):
            raise DatasetError(
                f"label {name!r} has shape {array.shape}; it must be ({count},), one value for each sample."
            )
        labels[name] = array
    return labels


def write_npz(file: Path, arrays: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> None:
    """Write ``arrays`` and labels, whole or not at all. Raises ``DatasetError`` for a label that is called as an array
    is, and ``OSError``."""
    for name in labels:
        if name in arrays:
            raise DatasetError(f"a label is called {name}, as the {name} are; call it otherwise.")
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as target:
        np.savez(target, **arrays, **labels)  # pyright: ignore[reportArgumentType]  # of names, none an option


def _columns(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), column) for name, column in value.items())
    elif hasattr(value, "columns"):
        yield from ((str(name), value[name]) for name in value.columns)
    else:
        yield "label", value


def _of_items(dataset: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    images, labels = [], []
    for index in range(len(dataset)):
        item = dataset[index]
        pair = isinstance(item, tuple | list)
        try:
            images.append(as_array(item[0] if pair else item))
            if pair and len(item) > 1:
                labels.append(as_array(item[1]))
        except (TypeError, ValueError) as error:
            raise DatasetError(f"item {index} of the data set cannot be used: {error}.") from error
        if images[-1].shape != images[0].shape:
            raise DatasetError(
                f"item {index} of the data set is an image of shape {images[-1].shape}, the first of "
                f"{images[0].shape}; give all the same size by a transform."
            )
    if not images:
        raise DatasetError("the data set has no items.")
    single = len(labels) == len(images) and all(label.shape == () for label in labels)
    if not single:
        return np.stack(images), {}
    column = np.stack(labels)
    classes = getattr(dataset, "classes", None)
    if column.dtype.kind in "iu" and classes is not None and column.min() >= 0 and column.max() < len(classes):
        column = np.array([str(name) for name in classes])[column]
    return np.stack(images), {"class": column}
