"""The image panel: pixel-exact, quick, and comparing a sample with its reconstruction."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QFontMetricsF, QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QWidget

from explorer.views.image import ImageView
from explorer.widgets.elided_label import ElidedLabel, fitting
from explorer.widgets.image_row import ImageRow
from explorer.widgets.theme import DARK, LIGHT


def _flower(value: int = 255, size: int = 64, channels: int = 1) -> np.ndarray:
    made = np.zeros((size, size, channels), np.uint8)
    made[size // 4 : size // 2, size // 4 : size // 2] = value
    return made


@pytest.fixture
def view(qtbot) -> ImageView:
    made = ImageView()
    qtbot.addWidget(made)
    made.resize(300, 480)
    made.show()
    qtbot.waitExposed(made)
    QGuiApplication.processEvents()
    return made


def _text(view: ImageView, name: str) -> str:
    return view.findChild(QLabel, name).text()


def test_an_empty_panel_says_how_to_fill_it_and_offers_nothing(view):
    assert not view.has_image
    assert not view.has_sample
    assert not view.findChild(QAction, "image.copy").isEnabled()
    assert not view.grab().toImage().isNull()


def test_an_image_is_painted_and_said_to_be_painted_once(view, qtbot):
    seen = []
    view.painted.connect(lambda: seen.append(True))
    with qtbot.waitSignal(view.painted, timeout=2000):
        view.set_image(_flower(), "Probe", 4.13)
    view.repaint()
    assert len(seen) == 1
    assert view.has_image
    assert view.caption.text() == "Probe · decoded in 4.1 ms"


def test_an_image_is_on_screen_before_anything_else_happens_and_its_texts_within_a_frame_or_two(view, qtbot):
    view.set_image(_flower(), "Probe")
    qtbot.waitUntil(view.caption.updatesEnabled)
    seen = []
    view.painted.connect(lambda: seen.append(view.caption.text()))
    view.set_image(_flower(100), "Sample 7")
    assert seen == ["Probe"]
    assert view.caption.text() == "Sample 7"
    assert not view.caption.updatesEnabled()
    qtbot.waitUntil(lambda: view.caption.updatesEnabled() and view.badge.updatesEnabled())


def test_nothing_is_said_to_be_painted_when_the_image_goes(view, qtbot):
    view.set_image(_flower(), "Probe")
    QGuiApplication.processEvents()
    with qtbot.assertNotEmitted(view.painted, wait=50):
        view.set_image(None, "")
    assert not view.has_image


@pytest.mark.parametrize("channels", [1, 3])
def test_the_screen_shows_the_pixels_of_the_image(view, channels: int):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, channels), dtype=np.uint8)
    view.set_image(pixels, "Probe")
    canvas = view.findChild(QWidget, "image.canvas")
    shown = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    whole = np.frombuffer(shown.constBits(), np.uint8).reshape(shown.height(), shown.bytesPerLine())
    whole = whole[:, : shown.width() * 3].reshape(shown.height(), shown.width(), 3)
    zoom = min(shown.width(), shown.height()) // 64
    top, left = (shown.height() - 64 * zoom + 1) // 2, (shown.width() - 64 * zoom + 1) // 2
    found = [
        np.array_equal(whole[y : y + 64 * zoom : zoom, x : x + 64 * zoom : zoom], np.broadcast_to(pixels, (64, 64, 3)))
        for y in (top - 1, top, top + 1)
        for x in (left - 1, left, left + 1)
    ]
    assert zoom >= 3
    assert any(found)


def test_a_sample_shows_factors_loss_and_the_scale_of_the_difference(view):
    view.set_sample(_flower(255), _flower(200), [("a", "1.235"), ("b", "0.5")], "Sample 123", 0.00123)
    assert view.has_sample
    assert _text(view, "image.factors") == "a = 1.235 · b = 0.5\nexcess BCE 0.0012"
    original, _, difference = view.findChild(ImageRow, "image.sample").pictures
    assert "Sample 123" in original.tooltip
    assert "0.25" in difference.tooltip


def test_captions_give_way_with_sense_where_there_is_little_room(view):
    """In a narrow dock they read "reconstru…" and "distance 0.9…"."""
    view.resize(190, 500)
    view.set_sample(_flower(255), _flower(200), [("a", "1.235")], "Sample 123", 0.00123)
    view.set_image(_flower(), "Sample 123", 4.1)
    QGuiApplication.processEvents()
    caption = view.findChild(ElidedLabel, "image.caption")
    assert (caption.text(), caption.shown) == ("Sample 123 · decoded in 4.1 ms", "Sample 123")
    metrics = QFontMetricsF(view.font())
    texts = view.findChild(ImageRow, "image.sample").pictures[1].lines[0]
    assert fitting(texts, metrics, 1000.0) == "reconstruction"
    assert fitting(texts, metrics, metrics.horizontalAdvance("reconstr.") + 1) == "reconstr."


def test_excess_bce_is_defined_where_it_is_shown(view):
    assert "mean over pixels" in view.findChild(QLabel, "image.factors").toolTip()


def test_the_file_of_a_sample_is_shown_in_its_folder(view, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("explorer.views.image.QDesktopServices.openUrl", lambda url: opened.append(url.toLocalFile()))
    reveal = view.findChild(QAction, "image.reveal")
    assert not reveal.isEnabled()
    view.set_sample(_flower(), _flower(), [("class", "cat")], "cat/1.png", 0.1)
    view.set_file(tmp_path / "cat" / "1.png")
    reveal.trigger()
    assert opened == [str(tmp_path / "cat")]
    view.clear_sample()
    assert not reveal.isEnabled()


def test_a_long_path_gives_way_to_the_name_of_the_file(view):
    view.set_image(_flower(), "a folder with a long name/another one with a long name/cat 17.png", 4.1)
    view.resize(220, 500)
    QGuiApplication.processEvents()
    assert view.findChild(ElidedLabel, "image.caption").shown == "cat 17.png"


def test_a_sample_without_factors_shows_its_loss(view):
    view.set_sample(_flower(), _flower(), [], "Sample 0", 0.0)
    assert _text(view, "image.factors") == "excess BCE 0"


def test_the_image_keeps_its_place_when_a_sample_comes_and_goes(view):
    canvas = view.findChild(QWidget, "image.canvas")
    QGuiApplication.processEvents()
    before = canvas.geometry()
    view.set_sample(_flower(), _flower(), [("a", "1")], "cats/one.png", 0.1)
    QGuiApplication.processEvents()
    assert canvas.geometry() == before
    view.clear_sample()
    QGuiApplication.processEvents()
    assert canvas.geometry() == before
    assert not view.has_sample


def test_copying_puts_the_images_own_pixels_on_the_clipboard(view):
    view.set_image(_flower(77), "Probe")
    view.findChild(QAction, "image.copy").trigger()
    copied = QGuiApplication.clipboard().image()
    assert (copied.width(), copied.height()) == (64, 64)
    assert copied.pixelColor(20, 20).red() == 77


def test_saving_writes_the_images_own_pixels(view, tmp_path):
    view.set_image(_flower(77), "Probe")
    view.findChild(QAction, "image.save").trigger()
    dialog = view.findChild(QFileDialog, "dialog.image")
    assert not dialog.isModal()
    dialog.fileSelected.emit(str(tmp_path / "flower.png"))
    dialog.close()
    saved = QImage(str(tmp_path / "flower.png"))
    assert saved.pixelColor(20, 20).red() == 77
    assert saved.width() == 64


def test_a_file_that_cannot_be_written_is_named(view, tmp_path):
    view.set_image(_flower(), "Probe")
    view.save_image(tmp_path / "nowhere" / "flower.png")
    assert "nowhere" in view.caption.text()
    assert "could not be written" in view.caption.text()
    view.set_image(_flower(), "Probe")
    assert view.caption.text() == "Probe"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_images_stand_on_the_themes_ground(view, theme, use_theme):
    use_theme(theme)
    view.set_image(_flower(), "Probe")
    canvas = view.findChild(QWidget, "image.canvas").grab().toImage()
    assert canvas.pixelColor(1, 1).name() == theme.ground


def test_the_panel_fits_a_dock_of_280_pixels(view):
    view.set_sample(_flower(), _flower(), [("a", "1"), ("b", "2")], "Sample 12345", 0.00123)
    assert view.minimumSizeHint().width() <= 280
    assert view.contextMenuPolicy() == Qt.ContextMenuPolicy.ActionsContextMenu
