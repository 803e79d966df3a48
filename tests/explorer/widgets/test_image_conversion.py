"""Images on screen: exact copies, whole-number enlargement."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter

from explorer.widgets.image_conversion import Thumbnail, draw, place, scaled, to_image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [5, 8])
def test_every_pixel_arrives(qapp, channels: int, width: int):
    pixels = np.random.default_rng(0).integers(0, 256, (7, width, channels), dtype=np.uint8)
    image = to_image(pixels)
    for y in range(7):
        for x in range(width):
            colour = image.pixelColor(x, y)
            wanted = np.broadcast_to(pixels[y, x], 3)
            assert (colour.red(), colour.green(), colour.blue()) == tuple(wanted)


def test_the_image_does_not_change_with_the_array(qapp):
    pixels = np.zeros((4, 4, 1), np.uint8)
    image = to_image(pixels)
    pixels[:] = 255
    assert image.pixelColor(0, 0).red() == 0


def test_views_with_strides_are_taken_too(qapp):
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)[::2, ::2]
    assert to_image(pixels).pixelColor(1, 1).red() == pixels[1, 1, 0]


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (1, 4, 4, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="must be uint8"):
        to_image(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("box", [QRectF(0, 0, 300, 200), QRectF(3, 7, 641, 517), QRectF(0.3, 0.3, 50, 40)])
def test_enlargement_is_by_whole_screen_pixels_and_inside_the_box(ratio: float, box: QRectF):
    target = place(QSize(32, 32), box, ratio)
    zoom = target.width() * ratio / 32
    assert zoom == pytest.approx(round(zoom))
    assert (target.x() * ratio) == pytest.approx(round(target.x() * ratio))
    assert box.adjusted(-1, -1, 1, 1).contains(target)
    assert target.width() == target.height()


def test_a_large_image_is_shrunk_to_fit():
    target = place(QSize(256, 128), QRectF(0, 0, 64, 64), 1.0)
    assert (target.width(), target.height()) == (64, 32)


def test_enlarged_pixels_are_squares_of_one_colour(qapp):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, 1), dtype=np.uint8)
    big = scaled(to_image(pixels), QRectF(0, 0, 12, 12), 1.0).toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    shown = np.frombuffer(big.constBits(), np.uint8).reshape(12, big.bytesPerLine())[:, :12]
    assert np.array_equal(shown, np.kron(pixels[..., 0], np.ones((3, 3), np.uint8)))


def painted(painting) -> QImage:
    canvas = QImage(60, 40, QImage.Format.Format_RGB32)
    canvas.fill(0)
    with QPainter(canvas) as painter:
        painting(painter)
    return canvas


def test_a_thumbnail_is_drawn_as_its_image_scaled_once_a_size(qapp, monkeypatch):
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    wide, narrow = QRectF(3, 2, 50, 36), QRectF(0, 0, 20, 17)
    expected = {box.width(): painted(lambda p, box=box: draw(p, to_image(pixels), box, 1.0)) for box in (wide, narrow)}
    made: list[QRectF] = []
    monkeypatch.setattr(
        "explorer.widgets.image_conversion.scaled",
        lambda image, target, ratio: made.append(target) or scaled(image, target, ratio),
    )
    thumbnail = Thumbnail(pixels)
    for box in (wide, wide, narrow, narrow):
        assert painted(lambda p, box=box: thumbnail.draw(p, box, 1.0)) == expected[box.width()]
    assert len(made) == 2
