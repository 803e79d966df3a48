"""SVG files of figures, read back: their text, and where their points are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"


def words(root: ElementTree.Element) -> list[str]:
    """Every text."""
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def points(root: ElementTree.Element) -> np.ndarray:
    """The centres float64 (n, 2) of the samples, as they are drawn: used shapes, or an outline of its own for each."""
    groups = [part for part in root.iter(f"{SVG}g") if part.get("id") == "points"]
    if not groups:
        return np.empty((0, 2))
    uses = [(use.get("x", "nan"), use.get("y", "nan")) for use in groups[0].iter(f"{SVG}use")]
    if uses:
        return np.array(uses, dtype=np.float64)
    outlines = (re.findall(r"-?[0-9.]+(?:e-?\d+)?", path.get("d", "")) for path in groups[0].iter(f"{SVG}path"))
    corners = [np.array(numbers, dtype=np.float64).reshape(-1, 2) for numbers in outlines]
    return np.array([(c.min(axis=0) + c.max(axis=0)) / 2 for c in corners]).reshape(-1, 2)
