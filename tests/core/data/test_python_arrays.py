"""Images and labels of a Python program: any library's arrays, or a data set of PyTorch, and nothing in silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import DatasetError
from core.data.python_arrays import images_of, labels_of, write_npz

IMAGES = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)


class Pairs(torch.utils.data.Dataset):
    """Images with their class's number, and the classes' names."""

    def __init__(self, images, labels, classes=None):
        self.images, self.labels = images, labels
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


class Frame(dict):
    """As a data frame has it: columns, and a column by its name."""

    @property
    def columns(self):
        return list(self)

    def __iter__(self):
        raise AssertionError("a data frame is asked for its columns")


def test_arrays_lists_and_tensors_are_images():
    for value in (IMAGES, list(IMAGES), torch.from_numpy(IMAGES), torch.from_numpy(IMAGES).requires_grad_(False)):
        images, labels = images_of(value)
        np.testing.assert_array_equal(images, IMAGES)
        assert labels == {}
    half = torch.ones((2, 1, 8, 8), dtype=torch.bfloat16, requires_grad=True)
    assert images_of(half)[0].dtype == np.float32


def test_a_data_set_of_pytorch_gives_images_and_classes():
    images, labels = images_of(Pairs(torch.from_numpy(IMAGES), [2, 0, 2], ["cat", "dog", "owl"]))
    np.testing.assert_array_equal(images, IMAGES)
    assert labels["class"].tolist() == ["owl", "cat", "owl"]
    assert images_of(Pairs([Image.fromarray(image) for image in IMAGES], [5, 6, 7]))[1]["class"].tolist() == [5, 6, 7]


def test_labels_are_a_mapping_a_frame_or_one_array():
    assert list(labels_of({"a": [1, 2, 3], 4: ["x", "y", "z"]}, 3)) == ["a", "4"]
    assert labels_of(np.array(["x", "y", "z"], object), 3)["label"].tolist() == ["x", "y", "z"]
    assert labels_of(Frame(a=[1.5, 2, 3]), 3)["a"].tolist() == [1.5, 2, 3]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "images are a int; give a path, an array, or a data set"),
        ([object()], "images cannot be used: it holds object"),
        ([np.zeros((4, 4)), np.zeros((5, 5))], "images cannot be used"),
        (np.zeros((3, 4)), r"images are float64 \(3, 4\); they must be"),
        (np.zeros((0, 4, 4)), r"\(0, 4, 4\)"),
        (np.array(["a"]), "they must be numbers"),
        (Pairs([np.zeros((4, 4)), np.zeros((4, 5))], [0, 1]), r"item 1 of the data set is an image of shape \(4, 5\)"),
        (Pairs([], []), "the data set has no items"),
        (Pairs([None], [0]), "item 0 of the data set cannot be used: it holds object"),
    ],
)
def test_what_are_no_images_is_refused(value, message):
    with pytest.raises(DatasetError, match=message):
        images_of(value)


def test_labels_that_do_not_fit_are_named():
    with pytest.raises(DatasetError, match=r"label 'size' has shape \(2,\); it must be \(3,\)"):
        labels_of({"size": [1, 2]}, 3)
    with pytest.raises(DatasetError, match="label a cannot be used: it holds object"):
        labels_of({"a": [object()] * 3}, 3)


def test_a_label_called_as_the_images_are_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DatasetError, match="a label is called images"):
        write_npz(tmp_path / "data.npz", {"images": IMAGES}, {"images": np.zeros(3)})
    assert not list(tmp_path.iterdir())
