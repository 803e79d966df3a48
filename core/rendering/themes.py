"""The colours of the dark and the light theme, of the window and of pictures that are drawn without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """A palette; every colour is ``#rrggbb``.

    ``window`` lies behind docks, ``surface`` inside them, ``raised`` under controls; ``ground`` is the neutral
    ground of images; ``series`` colours curves in plots (safe for colour blindness).
    """

    name: str
    window: str
    surface: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    accent_text: str
    warning: str
    danger: str
    plot: str
    grid: str
    ground: str
    series: tuple[str, ...]

    @property
    def dark(self) -> bool:
        """Whether light text stands on dark ground."""
        return self.name == "dark"


DARK = Theme(
    name="dark",
    window="#16181c",
    surface="#1d2025",
    raised="#2a2e35",
    border="#343941",
    text="#e6e8eb",
    muted="#9aa3ae",
    accent="#4da3ff",
    accent_text="#06121f",
    warning="#f0b429",
    danger="#ff6b6b",
    plot="#191c20",
    grid="#3a4048",
    ground="#101214",
    series=("#4da3ff", "#f0a04b", "#4cc9a4", "#d98ae8", "#e6e06a", "#ff7a7a"),
)
LIGHT = Theme(
    name="light",
    window="#eceef1",
    surface="#f8f9fa",
    raised="#ffffff",
    border="#cfd4da",
    text="#1b1f24",
    muted="#59636e",
    accent="#0b66c3",
    accent_text="#ffffff",
    warning="#8f5b00",
    danger="#c22f2f",
    plot="#ffffff",
    grid="#c9ced5",
    ground="#dfe2e6",
    series=("#0b66c3", "#b85c00", "#00795c", "#8b3aa8", "#7a6f00", "#c22f2f"),
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}
