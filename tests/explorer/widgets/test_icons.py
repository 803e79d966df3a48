"""The icons: all there, recoloured, sharp."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QIcon, QImage

from explorer.actions import commands
from explorer.widgets.icons import icon, names
from explorer.widgets.theme import DARK, LIGHT

WANTED = [
    "open",
    "dataset",
    "play",
    "pause",
    "step",
    "epoch",
    "stop",
    "orbit",
    "probe",
    "draw",
    "edit",
    "select",
    "undo",
    "redo",
    "home",
    "export",
    "loop",
    "film",
    "path",
    "closed-path",
    "settings",
    "sun",
    "moon",
    "help",
    "previous",
    "next",
    "trash",
    "isoline",
]


def _rgba(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4).astype(int)


@pytest.mark.parametrize("name", WANTED)
def test_every_icon_is_there_and_drawn(qapp, name: str):
    drawn = _rgba(icon(name).pixmap(QSize(24, 24), 1.0).toImage())
    assert drawn.shape[:2] == (24, 24)
    assert (drawn[..., 3] > 128).sum() > 12


def test_every_command_has_its_drawing():
    assert {command.icon for command in commands() if command.icon} <= set(names())


def test_an_icon_takes_the_colour_of_the_theme(use_theme):
    stop = icon("stop")
    for theme in (DARK, LIGHT):
        use_theme(theme)
        drawn = _rgba(stop.pixmap(QSize(24, 24), 1.0).toImage())
        assert "#{:02x}{:02x}{:02x}".format(*drawn[12, 12, :3]) == theme.text


def test_a_disabled_icon_is_fainter(qapp):
    usual = _rgba(icon("stop").pixmap(QSize(24, 24), 1.0, QIcon.Mode.Normal).toImage())
    faint = _rgba(icon("stop").pixmap(QSize(24, 24), 1.0, QIcon.Mode.Disabled).toImage())
    assert faint[12, 12, :3].sum() < usual[12, 12, :3].sum()


def test_an_icon_is_rendered_anew_for_a_dense_screen(qapp):
    """At twice the density the edge of a square is as sharp as at one, not an enlargement."""
    dense = _rgba(icon("stop").pixmap(QSize(24, 24), 2.0).toImage())
    assert dense.shape[:2] == (48, 48)
    row = dense[24, :, 3]
    assert ((row > 0) & (row < 255)).sum() <= 4


def test_an_unknown_name_is_named(qapp):
    with pytest.raises(KeyError, match="no icon 'nothing'"):
        icon("nothing")
