"""What the Help menu shows."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

import core


def show_keys(window: QWidget, keys: list[tuple[str, str]]) -> None:
    """F1: each key or gesture, and what it does."""
    cell = "<td style='padding:2px 24px 2px 0'>"
    rows = "".join(f"<tr>{cell}<b>{key}</b></td><td>{text}</td></tr>" for key, text in keys)
    _show(window, "box.keys", "Keyboard shortcuts", f"<table>{rows}</table>")


def show_about(window: QWidget) -> None:
    """Name, version, licence."""
    text = (
        f"<b>Isoline {core.__version__}</b><p>Explore latent spaces: train a VAE, watch its cloud fold, click a "
        "point, trace a curved path.</p><p>MIT licence.</p>"
    )
    _show(window, "box.about", "About Isoline", text)


def _show(window: QWidget, name: str, title: str, text: str) -> None:
    box = QMessageBox(window)
    box.setObjectName(name)
    box.setWindowTitle(title)
    box.setText(text)
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowModality(Qt.WindowModality.NonModal)
    box.show()
