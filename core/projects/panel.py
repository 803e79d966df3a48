"""How a panel of the window stands, in words that another computer understands.

Apart from the rest of a project, because the window is on screen before it has any.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """How a panel of the window stands: in ``area`` left, right, top or bottom; ``front``: before its other tabs."""

    shown: bool
    area: str = ""
    floating: bool = False
    front: bool = False
