"""What a table of a report holds: columns with their definitions, and how a value becomes text. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np

MISSING = "–"
ONE_SEED = "one seed: no interval"


@dataclass(frozen=True)
class Column:
    """A column of a table: the rows' ``key``, its ``title``, what it means, and the decimals of its numbers.

    The definition is the header's tooltip and is listed at the end of the page; empty for a column of plain names.
    """

    key: str
    title: str
    definition: str = ""
    digits: int = 4


class Spread(NamedTuple):
    """Mean and sample standard deviation (n - 1 in the denominator; None for n < 2) over n seeds; None for n = 0."""

    mean: float | None
    std: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Over the ``values`` that are there and finite."""
        known = [float(value) for value in values if value is not None and math.isfinite(value)]
        if not known:
            return cls(None, None, 0)
        std = float(np.std(known, ddof=1)) if len(known) > 1 else None
        return cls(float(np.mean(known)), std, len(known))


class Interval(NamedTuple):
    """A value with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """A value as text: what is aligned, what follows it (± or an interval), a remark below, whether it is a number."""

    text: str
    suffix: str = ""
    note: str = ""
    numeric: bool = True

    def __str__(self) -> str:
        return " ".join(part for part in (self.text, self.suffix, f"({self.note})" if self.note else "") if part)


def cell(value: object, digits: int = 4) -> Cell:
    """``value`` as a cell: numbers with ``digits`` decimals, ``Spread`` as 0.0012 ± 0.0001, ``Interval`` as
    0.54 [0.40, 0.66], whole numbers as they are, None and what is not finite as a dash, all else as text.
    """
    if isinstance(value, Spread):
        return _spread(value, digits)
    if isinstance(value, Interval):
        return Cell(_number(value.value, digits), f"[{_number(value.low, digits)}, {_number(value.high, digits)}]")
    if value is None:
        return Cell(MISSING)
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", numeric=False)
    if isinstance(value, int | np.integer):
        return Cell(f"{int(value):,}")
    if isinstance(value, float | np.floating):
        return Cell(_number(float(value), digits))
    return Cell(str(value), numeric=False)


def _spread(value: Spread, digits: int) -> Cell:
    if value.mean is None:
        return Cell(MISSING)
    if value.std is None:
        return Cell(_number(value.mean, digits), note=ONE_SEED)
    return Cell(_number(value.mean, digits), f"± {_number(value.std, digits)}")


def _number(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    # A minus sign of full width, and none before a zero.
    return text.lstrip("-") if float(text) == 0.0 else text.replace("-", "−")


def cell_html(value: Cell, suffix_width: int, tag: str = "td") -> str:
    """``value`` as a table cell; ``suffix_width`` characters are kept for what follows numbers, so that they align."""
    scope = ' scope="row"' if tag == "th" else ""
    if not value.numeric:
        return f'<{tag}{scope} class="words">{escape(value.text)}</{tag}>'
    inner = f'<span class="value">{escape(value.text)}</span>'
    if suffix_width:
        inner += f'<span class="suffix" style="min-width:{suffix_width + 1}ch">{escape(value.suffix)}</span>'
    if value.note:
        inner += f'<span class="note">{escape(value.note)}</span>'
    return f'<{tag}{scope} class="number">{inner}</{tag}>'
