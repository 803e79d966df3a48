"""The themes: text can be read in both, and Qt takes their colours."""

from __future__ import annotations

import dataclasses

import pytest
from contrast import contrast
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QDialog, QLabel, QWidget

from explorer.widgets.theme import (
    DARK,
    LIGHT,
    Theme,
    apply_theme,
    blend,
    make_palette,
    style_sheet,
    system_theme,
)

READABLE = 4.5  # WCAG 2.2, success criterion 1.4.3, for text of ordinary size
VISIBLE = 3.0  # success criterion 1.4.11, for graphics


@pytest.fixture
def untouched(qapp):
    """The application's own style, palette and style sheet come back after the test."""
    before = qapp.palette(), qapp.styleSheet()
    yield qapp
    qapp.setPalette(before[0])
    qapp.setStyleSheet(before[1])


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["window", "surface", "raised", "plot"])
@pytest.mark.parametrize("text", ["text", "muted", "accent", "warning", "danger"])
def test_text_is_readable_on_every_ground(theme: Theme, ground: str, text: str):
    assert contrast(getattr(theme, text), getattr(theme, ground)) >= READABLE


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_text_on_the_accent_and_curves_on_the_plot_stand_out(theme: Theme):
    assert contrast(theme.accent_text, theme.accent) >= READABLE
    assert contrast(theme.muted, theme.ground) >= READABLE
    assert min(contrast(colour, theme.plot) for colour in theme.series) >= VISIBLE
    assert len(set(theme.series)) == len(theme.series) >= 5


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_the_style_sheet_holds_no_unfilled_name_and_finds_its_drawings(theme: Theme):
    from pathlib import Path

    sheet = style_sheet(theme)
    assert "$" not in sheet
    for piece in sheet.split('url("')[1:]:
        assert Path(piece.split('"')[0]).is_file()


def test_both_themes_name_every_colour_as_rrggbb():
    for theme in (DARK, LIGHT):
        for field in dataclasses.fields(theme):
            value = getattr(theme, field.name)
            colours = value if isinstance(value, tuple) else () if field.name == "name" else (value,)
            assert all(len(colour) == 7 and QColor(colour).isValid() for colour in colours)


def test_applying_a_theme_reaches_the_application(untouched):
    apply_theme(untouched, LIGHT)
    assert untouched.palette().color(QPalette.ColorRole.Window).name() == LIGHT.surface
    assert untouched.style().name() == "fusion" or untouched.style().inherits("QStyleSheetStyle")
    apply_theme(untouched, DARK)
    assert untouched.palette().color(QPalette.ColorRole.WindowText).name() == DARK.text
    assert DARK.accent in untouched.styleSheet()


class Counted(QLabel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__("text", parent)
        self.styled = 0

    def changeEvent(self, event: QEvent) -> None:
        self.styled += event.type() == QEvent.Type.StyleChange
        super().changeEvent(event)


def test_another_theme_styles_each_widget_once_however_deep_it_lies(untouched, qtbot):
    apply_theme(untouched, DARK)
    parent = window = QWidget()
    dialog, alone = QDialog(window), QWidget()
    for made in (window, alone):
        qtbot.addWidget(made)
    for _ in range(6):
        parent = QWidget(parent)
    labels = [Counted(widget) for widget in (window, parent, dialog, alone)]
    labels[1].setProperty("role", "muted")
    window.show()
    for label in labels:
        label.ensurePolished()
        label.styled = 0
    apply_theme(untouched, LIGHT)
    assert [label.styled for label in labels] == [1, 1, 1, 1]
    colours = [label.palette().color(QPalette.ColorRole.WindowText).name() for label in labels]
    assert colours == [LIGHT.text, LIGHT.muted, LIGHT.text, LIGHT.text]


def test_disabled_text_is_fainter(qapp):
    palette = make_palette(DARK)
    usual = palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Text).name()
    disabled = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text).name()
    assert contrast(disabled, DARK.surface) < contrast(usual, DARK.surface)


def test_blend_mixes_by_share():
    assert blend("#ffffff", "#000000", 0.5).name() == "#808080"
    assert blend("#ff0000", "#0000ff", 1.0).name() == "#ff0000"


@pytest.mark.parametrize(("scheme", "wanted"), [("Light", LIGHT), ("Dark", DARK), ("Unknown", DARK)])
def test_the_system_decides_between_them(scheme: str, wanted: Theme):
    class Hints:
        def colorScheme(self):
            return getattr(Qt.ColorScheme, scheme)

    class Application:
        def styleHints(self):
            return Hints()

    assert system_theme(Application()) is wanted
