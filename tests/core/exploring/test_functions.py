"""A person's own functions: what their images are like is found by asking, and every wrong result is told in words."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from core.exploring.functions import FunctionError, ImageFunctions

Z = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)


def gradient(height: int, width: int) -> np.ndarray:
    """Values 0 to 1 (height, width)."""
    return np.linspace(0.0, 1.0, height * width, dtype=np.float32).reshape(height, width)


@pytest.mark.parametrize(
    ("result", "axes", "values"),
    [
        (gradient(16, 16)[None, None], "NCHW", "0:1"),
        (gradient(16, 16)[None, :, :, None], "NHWC", "0:1"),
        (gradient(16, 16)[None], "NHW", "0:1"),
        (np.stack([gradient(16, 16)] * 3)[None] * 2.0 - 1.0, "NCHW", "-1:1"),
        (np.uint8(gradient(16, 16)[None, ..., None] * 255.0), "NHWC", "0:255"),
        (gradient(16, 16)[None, None] * 255.0, "NCHW", "0:255"),
        (gradient(16, 16)[None, None] * 20.0 - 10.0, "NCHW", "logits"),
        (gradient(16, 16)[None, None] > 0.5, "NCHW", "0:1"),
    ],
)
def test_axes_and_values_of_images_are_found_by_asking(result, axes, values):
    functions = ImageFunctions(lambda z: result, None, Z)
    assert (functions.pixels.axes, functions.pixels.values) == (axes, values)
    assert (functions.image_size, functions.channels) == (16, result.shape[1] if result.shape[1] == 3 else 1)
    assert result.dtype.kind != "f" or "are taken as" in functions.notes[0]


def test_black_and_white_are_0_and_255_whatever_the_range():
    for low, high, values in ((0.0, 1.0, None), (-1.0, 1.0, None), (-4.0, 9.0, "-4:9")):
        functions = ImageFunctions(lambda z, a=low, b=high: gradient(8, 8)[None] * (b - a) + a, None, Z, values=values)
        image = functions.decode(Z[:1])[0, ..., 0]
        assert (image.min(), image.max()) == (0, 255)
        np.testing.assert_allclose(image, gradient(8, 8) * 255.0, atol=0.51)


def test_a_rectangle_is_shown_in_a_square_and_comes_back_to_encode_as_it_was():
    given = []

    def encode(images):
        given.append(images)
        return images.reshape(1, -1)[:, :3], None

    functions = ImageFunctions(lambda z: gradient(10, 6)[None, None], encode, Z)
    shown = functions.decode(Z[:1])
    assert shown.shape == (1, 10, 10, 1)
    assert "shown with black margins as 10 × 10" in " ".join(functions.notes)
    mu = functions.encode(shown)
    assert given[0].shape == (1, 1, 10, 6)
    np.testing.assert_allclose(given[0][0, 0], gradient(10, 6), atol=0.003)
    np.testing.assert_allclose(mu, given[0].reshape(1, -1)[:, :3])


def test_a_tensor_with_a_gradient_is_taken():
    layer = torch.nn.Linear(3, 64)
    functions = ImageFunctions(lambda z: layer(torch.from_numpy(z)).sigmoid().reshape(1, 1, 8, 8), None, Z)
    assert functions.decode(Z[:2]).shape == (2, 8, 8, 1)


def test_an_axis_that_may_be_either_is_said():
    functions = ImageFunctions(lambda z: np.zeros((1, 3, 3, 3)), None, Z)
    assert "are taken as NCHW; axes='NHWC'" in functions.notes[0]
    assert ImageFunctions(lambda z: np.zeros((1, 3, 3, 3)), None, Z, axes="NHWC").pixels.axes == "NHWC"


def fail(z):
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (fail, "decode raised KeyError: 'weights'"),
        (lambda z: None, "decode returned NoneType; it must be an array of numbers"),
        (lambda z: "image", "decode returned <U5; it must be an array of numbers"),
        (lambda z: np.zeros((1, 64)), r"for one latent \(1, 3\) decode returned shape \(1, 64\); it must be"),
        (lambda z: np.zeros((2, 8, 8)), r"returned shape \(2, 8, 8\)"),
        (lambda z: np.zeros((1, 7, 8, 9)), r"returned shape \(1, 7, 8, 9\)"),
        (lambda z: np.full((1, 8, 8), np.nan), "not finite"),
        (lambda z: np.zeros((1, 8, 8 + (z[0, 0] > 0))), "images of different shapes"),
    ],
)
def test_a_function_that_cannot_be_used_is_told_in_words(decode, message):
    with pytest.raises(FunctionError, match=message):
        ImageFunctions(decode, None, Z)


def test_images_that_change_their_shape_later_are_refused():
    sizes = iter([8] * 8 + [9])
    functions = ImageFunctions(lambda z: np.zeros((1, n := next(sizes), n)), None, Z)
    with pytest.raises(FunctionError, match=r"shape \(1, 9, 9\); before, it returned images of NHW with 8 × 8"):
        functions.decode(Z[:1])


def test_what_a_function_returns_or_does_later_is_told_too():
    answers = iter([np.zeros((1, 8, 8))] * 8 + [np.full((1, 8, 8), np.inf), None])
    functions = ImageFunctions(lambda z: next(answers), None, Z)
    with pytest.raises(FunctionError, match=r"decode returned numbers that are not finite \(NaN or infinity\)"):
        functions.decode(Z[:1])
    with pytest.raises(FunctionError, match="decode returned NoneType"):
        functions.decode(Z[:1])
    leaving = ImageFunctions(lambda z: np.zeros((1, 8, 8)), lambda x: sys.exit(3), Z)
    with pytest.raises(FunctionError, match="encode raised SystemExit: 3"):
        leaving.encode(leaving.decode(Z[:1]))


def test_what_is_no_function_and_axes_that_there_are_not_are_refused():
    with pytest.raises(FunctionError, match="decode is int; it must be a function"):
        ImageFunctions(3, None, Z)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FunctionError, match="axes is 'HWC'; it must be NCHW, NHWC or NHW"):
        ImageFunctions(lambda z: np.zeros((1, 8, 8)), None, Z, axes="HWC")
    with pytest.raises(FunctionError, match=r"decode returned shape \(1, 8, 8\), taken as NCHW"):
        ImageFunctions(lambda z: np.zeros((1, 8, 8)), None, Z, axes="NCHW")
    with pytest.raises(FunctionError, match=r"an image has shape \(1, 8, 8, 5\)"):
        ImageFunctions(None, lambda x: x, Z, examples=np.zeros((9, 8, 8, 5)))


def test_a_mean_of_another_size_is_refused():
    functions = ImageFunctions(lambda z: np.zeros((1, 8, 8)), lambda images: np.zeros(4), Z)
    with pytest.raises(FunctionError, match=r"returned shape \(4,\) for one image; it must be the mean, \(1, 3\)"):
        functions.encode(np.zeros((1, 8, 8, 1), np.uint8))


def test_encode_alone_says_what_is_missing():
    with pytest.raises(FunctionError, match="encode is given without decode or images"):
        ImageFunctions(None, lambda images: np.zeros((1, 3)), Z)
