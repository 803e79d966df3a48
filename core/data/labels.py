"""Labels of images: one column of numbers or names, whether folders, arrays or a table give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """One label of N images: ``values`` float32 (N,), NaN where it is not known.

    With ``categories`` it is a class, and its values are places in these names; without, it is a number.
    """

    name: str
    values: np.ndarray
    categories: tuple[str, ...] = ()
