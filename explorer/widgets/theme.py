"""How the colours of the dark and the light theme reach Qt.

Views ask for the theme and never name a colour themselves, so that both themes stay consistent and contrasts are
checked in one place. There is one for the whole program. Qt tells every widget when it changes: what paints itself is
painted again, and what keeps something in its colours makes that anew in ``changeEvent`` (``StyleChange``).
"""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import ClassVar

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from core.rendering.themes import DARK, LIGHT, Theme

FAINT = 0.75
"""How much of the muted colour is left in what is disabled."""


class Themed:
    """Whatever uses the theme of the program: one for all, which ``apply_theme`` changes."""

    _theme: ClassVar[Theme] = DARK


class ThemedWidget(Themed, QWidget):
    """A widget that paints itself, in the colours of the theme and as large as its font asks for."""

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()
        super().changeEvent(event)


def system_theme(application: QGuiApplication) -> Theme:
    """The theme that the desktop asks for; dark where it does not say."""
    return LIGHT if application.styleHints().colorScheme() == Qt.ColorScheme.Light else DARK


def apply_theme(application: QApplication, theme: Theme) -> None:
    """Give every widget of ``application`` the colours of ``theme``: Fusion, a palette, and one style sheet."""
    Themed._theme = theme
    if application.styleSheet():
        _know_windows_alone(application)
    elif application.style().name() != "fusion":
        application.setStyle("Fusion")
    application.setPalette(make_palette(theme))
    application.setStyleSheet(style_sheet(theme))


def _know_windows_alone(application: QApplication) -> None:
    """Let the style of the sheet that ``application`` has forget each widget but the windows.

    With another sheet Qt styles anew each widget that it knows, and all that are in that: a widget in ten others eleven
    times. Of windows alone it styles each widget once, in a sixth of the time.
    """
    style = application.style()
    style.unpolish(application)
    for window in application.topLevelWidgets():
        if window.parent() is None:
            style.polish(window)


def make_palette(theme: Theme) -> QPalette:
    """``theme`` as a Qt palette, disabled colours included."""
    roles = {
        QPalette.ColorRole.Window: theme.surface,
        QPalette.ColorRole.WindowText: theme.text,
        QPalette.ColorRole.Base: theme.raised,
        QPalette.ColorRole.AlternateBase: theme.surface,
        QPalette.ColorRole.ToolTipBase: theme.raised,
        QPalette.ColorRole.ToolTipText: theme.text,
        QPalette.ColorRole.PlaceholderText: theme.muted,
        QPalette.ColorRole.Text: theme.text,
        QPalette.ColorRole.Button: theme.raised,
        QPalette.ColorRole.ButtonText: theme.text,
        QPalette.ColorRole.BrightText: theme.danger,
        QPalette.ColorRole.Link: theme.accent,
        QPalette.ColorRole.LinkVisited: theme.accent,
        QPalette.ColorRole.Highlight: theme.accent,
        QPalette.ColorRole.HighlightedText: theme.accent_text,
        QPalette.ColorRole.Accent: theme.accent,
        QPalette.ColorRole.Light: theme.raised,
        QPalette.ColorRole.Midlight: theme.border,
        QPalette.ColorRole.Mid: theme.border,
        QPalette.ColorRole.Dark: theme.border,
        QPalette.ColorRole.Shadow: theme.window,
    }
    palette = QPalette()
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    faint = blend(theme.muted, theme.surface, FAINT)
    for role in (
        QPalette.ColorRole.WindowText,
        QPalette.ColorRole.Text,
        QPalette.ColorRole.ButtonText,
        QPalette.ColorRole.PlaceholderText,
    ):
        palette.setColor(QPalette.ColorGroup.Disabled, role, faint)
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, QColor(theme.border))
    palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Accent, QColor(theme.border))
    return palette


def blend(colour: str, ground: str, share: float) -> QColor:
    """``share`` (0 to 1) of ``colour`` over ``ground``."""
    over, under = QColor(colour), QColor(ground)
    rest = 1.0 - share
    return QColor(
        round(share * over.red() + rest * under.red()),
        round(share * over.green() + rest * under.green()),
        round(share * over.blue() + rest * under.blue()),
    )


def style_sheet(theme: Theme) -> str:
    """The style sheet of the whole window."""
    arrows = Path(str(files("resources"))) / "icons"
    values = {f.name: getattr(theme, f.name) for f in fields(theme) if f.name != "series"}
    values |= {f"series{place}": colour for place, colour in enumerate(theme.series)}
    values |= {
        "hover": blend(theme.text, theme.surface, 0.09).name(),
        "pressed": blend(theme.text, theme.surface, 0.16).name(),
        "chosen": blend(theme.accent, theme.surface, 0.22).name(),
        "faint": blend(theme.muted, theme.surface, FAINT).name(),
        "bright": blend(theme.text, theme.accent, 0.18).name(),
        "glass": theme.plot.replace("#", "#db"),
        "down": (arrows / "chevron-down.svg").as_posix(),
        "up": (arrows / "chevron-up.svg").as_posix(),
        "tick": (arrows / f"tick-{theme.name}.svg").as_posix(),
    }
    return Template(_STYLE).substitute(values)


_STYLE = """
QMainWindow, QMenuBar, QToolBar, QStatusBar { background: $window; color: $text; }
QMainWindow::separator { background: $window; width: 5px; height: 5px; }
QMainWindow::separator:hover { background: $accent; }
QDialog, QMessageBox { background: $surface; }
QToolTip { background: $raised; color: $text; border: 1px solid $border; padding: 4px 6px; }

QMenuBar { border: none; padding: 2px 4px; }
QMenuBar::item { background: transparent; padding: 4px 8px; border-radius: 4px; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $raised; color: $text; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 10px; border-radius: 4px; }
QMenu::icon { padding-left: 8px; }
QMenu::item:selected { background: $accent; color: $accent_text; }
QMenu::item:disabled { color: $faint; background: transparent; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }

QToolBar { border: none; border-bottom: 1px solid $border; padding: 3px 6px; spacing: 2px; }
QToolBar::separator { background: $border; width: 1px; margin: 5px 6px; }
QToolButton { color: $text; background: transparent; border: 1px solid transparent; border-radius: 5px;
  padding: 4px 6px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed { background: $pressed; }
QToolButton:checked { background: $chosen; border-color: $accent; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $faint; }
QToolButton[popupMode="2"]::menu-indicator { image: none; }
QStatusBar { border-top: 1px solid $border; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; padding: 0 8px; }

QDockWidget { color: $muted; font-weight: 600; }
QDockWidget::title { background: $window; padding: 6px 8px; text-align: left; }
#training, #dataset, #points, #image, #probe, #path, #losses, #reconstructions, #timeline, #parameters,
#compare, #path_kinds, #experiments, #transect, #notes {
  background: $surface; }
QTabBar { background: transparent; }
QTabBar::tab { background: transparent; color: $muted; padding: 6px 12px; border: none;
  border-bottom: 2px solid transparent; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QTabBar::tab:focus { background: $hover; }

QPushButton { background: $raised; color: $text; border: 1px solid $border; border-radius: 5px; padding: 5px 12px; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $pressed; }
QPushButton:checked { background: $chosen; border-color: $accent; }
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $faint; background: $surface; }
QPushButton[primary="true"] { background: $accent; color: $accent_text; border-color: $accent; font-weight: 600; }
QPushButton[primary="true"]:hover { background: $bright; }
QPushButton[primary="true"]:focus { border: 2px solid $text; padding: 4px 11px; }
QPushButton[primary="true"]:disabled { background: $surface; color: $faint; border-color: $border; }

QLineEdit, QAbstractSpinBox, QComboBox { background: $raised; color: $text; border: 1px solid $border;
  border-radius: 5px; min-height: 18px; padding: 3px 6px; selection-background-color: $accent;
  selection-color: $accent_text; }
QLineEdit:hover, QAbstractSpinBox:hover, QComboBox:hover { border-color: $muted; }
QLineEdit:focus, QAbstractSpinBox:focus, QComboBox:focus { border-color: $accent; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled { color: $faint; background: $surface; }
QLineEdit[invalid="true"], QAbstractSpinBox[invalid="true"], QComboBox[invalid="true"] { border-color: $danger; }
QAbstractSpinBox QLineEdit { border: none; background: transparent; margin: 0 0 0 3px; padding: 0; min-height: 0; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; background: transparent; width: 16px; }
QAbstractSpinBox::up-button { subcontrol-origin: border; subcontrol-position: top right; margin: 2px 2px 0 0; }
QAbstractSpinBox::down-button { subcontrol-origin: border; subcontrol-position: bottom right; margin: 0 2px 2px 0; }
QAbstractSpinBox::up-arrow { image: url("$up"); width: 9px; height: 9px; }
QAbstractSpinBox::down-arrow { image: url("$down"); width: 9px; height: 9px; }
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $hover; border-radius: 3px; }
QComboBox::drop-down { border: none; width: 20px; subcontrol-origin: border; subcontrol-position: center right; }
QComboBox::down-arrow { image: url("$down"); width: 10px; height: 10px; }
QComboBox QAbstractItemView { background: $raised; color: $text; border: 1px solid $border; outline: none;
  selection-background-color: $accent; selection-color: $accent_text; }

QCheckBox { spacing: 6px; color: $text; }
QCheckBox:disabled { color: $faint; }
QCheckBox::indicator, QListView::indicator {
  width: 14px; height: 14px; border: 1px solid $muted; border-radius: 3px; background: $raised; }
QCheckBox::indicator:checked, QListView::indicator:checked {
  background: $accent; border-color: $accent; image: url("$tick"); }
QCheckBox::indicator:focus { border: 2px solid $accent; }
QCheckBox::indicator:checked:focus { border: 2px solid $text; }
QCheckBox::indicator:disabled { border-color: $border; background: $surface; }
QCheckBox::indicator:checked:disabled { background: $muted; border-color: $muted; }
QRadioButton::indicator { background: $raised; }
QRadioButton { spacing: 6px; color: $text; }
QRadioButton:disabled { color: $faint; }
QRadioButton::indicator { width: 14px; height: 14px; border: 1px solid $muted; border-radius: 8px; }
QRadioButton::indicator:checked { width: 6px; height: 6px; border: 5px solid $accent; background: $accent_text; }
QRadioButton::indicator:focus { border-color: $text; }
QRadioButton::indicator:disabled { border-color: $border; }

QProgressBar { background: $border; border: none; border-radius: 3px; max-height: 6px; min-height: 6px;
  text-align: center; color: transparent; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QScrollArea { border: none; background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $border; border-radius: 3px; }
QScrollBar::handle:vertical { min-height: 24px; margin: 1px 2px; }
QScrollBar::handle:horizontal { min-width: 24px; margin: 2px 1px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QFrame[objectName="cloud.legend"] { background: $glass; border-radius: 6px; }
QFrame[objectName="cloud.legend"] QTreeView { background: transparent; border: none; outline: none; }
QFrame[objectName="cloud.legend"] QTreeView::item { border: 1px solid transparent; padding: 1px 0; }
QFrame[objectName="cloud.legend"] QTreeView::item:hover { background: $hover; border-color: $hover; }
QFrame[objectName="cloud.legend"] QTreeView::item:first { border-right: none;
  border-top-left-radius: 4px; border-bottom-left-radius: 4px; }
QFrame[objectName="cloud.legend"] QTreeView::item:last { border-left: none;
  border-top-right-radius: 4px; border-bottom-right-radius: 4px; }
QFrame[objectName="cloud.legend"] QToolButton { color: $accent; background: transparent; padding: 1px 4px; }

#notice { background: $raised; border-bottom: 2px solid $danger; }
#notice[calm="true"] { border-bottom-color: $accent; }
#notice QLabel { color: $text; }
QLabel[objectName="window.hint"] { background: $surface; color: $text; border: 2px dashed $accent; border-radius: 8px;
  font-weight: 600; }
QFrame[objectName="experiments.divider"] { background: $border; }
QFrame[objectName="experiments.row"] { border: none; border-bottom: 1px solid $border; }
QTreeView[objectName="points.groups"] { background: transparent; border: none; outline: none; }
QTreeView[objectName="points.groups"]::item { padding: 3px 0; }
QTreeView[objectName="points.groups"]::item:selected { background: $chosen; color: $text; }
QTreeView[objectName="points.groups"] QLineEdit { border: none; border-radius: 0; min-height: 0; padding: 0; }
QPlainTextEdit { background: $surface; color: $text; border: none; selection-background-color: $accent;
  selection-color: $accent_text; padding: 6px; }
QListView[objectName="reconstructions.grid"] { background: $surface; border: none; }
QTableView, QTableView QHeaderView, QTableCornerButton::section { background: $surface; border: none; }
QTableView QHeaderView::section { background: $surface; color: $muted; border: none; border-bottom: 1px solid $border;
  padding: 3px 5px; }
QCheckBox[objectName="losses.show.loss"]::indicator:checked { background: $series0; border-color: $series0; }
QCheckBox[objectName="losses.show.reconstruction"]::indicator:checked { background: $series1; border-color: $series1; }
QCheckBox[objectName="losses.show.kl"]::indicator:checked { background: $series2; border-color: $series2; }
QCheckBox[objectName="losses.show.entanglement"]::indicator:checked { background: $series3; border-color: $series3; }
QCheckBox[objectName="losses.show.validation"]::indicator:checked { background: $series4; border-color: $series4; }
QCheckBox[objectName^="losses.show."]::indicator:focus { border: 2px solid $text; }

QLabel[role="muted"] { color: $muted; }
QLabel[role="error"] { color: $danger; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="heading"] { color: $text; font-weight: 600; }
QToolButton[fold="true"] { padding: 4px 2px; color: $muted; }
QToolButton[role="section"] { color: $text; font-weight: 600; }
QToolButton[fold="true"]:checked { background: transparent; border-color: transparent; }
QToolButton[fold="true"]:hover { background: $hover; }
QToolButton[fold="true"]:focus { border-color: $accent; }
"""
