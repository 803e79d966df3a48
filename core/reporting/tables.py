"""What a table of a report holds: columns with their definitions, and how a value becomes text. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MISSING = "–"
ONE_SEED = "one seed: no interval"


@dataclass(frozen=True)
class Column:
    """A column of a table: where a row has its value, its ``title``, and what it means.

    ``key`` names an item or attribute of the row, and with dots one of its parts (``hole_excess_bce.P1``). Numbers are
    multiplied by ``scale`` and rounded to ``digits`` decimals. ``definition`` is the header's tooltip and is listed at
    the end of the page; empty for a column of plain names.
    """

    key: str
    title: str
    definition: str = ""
    digits: int = 4
    scale: float = 1.0

    def value_in(self, row: object) -> object:
        """The value of ``row``, a mapping or an object; None if it has none."""
        value = row
        for part in self.key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
        return value


@dataclass(frozen=True)
class Spread:
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

    def text(self, digits: int) -> str:
        """``0.0012 ± 0.0001``, the mean alone where one seed has no deviation, or ``unknown``."""
        return "unknown" if self.mean is None else str(cell(self, digits))


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its confidence interval, None where there is nothing to estimate them from."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cell:
    """A value as text: what is aligned, what follows it (± or an interval), and whether it is a number."""

    text: str
    suffix: str = ""
    numeric: bool = True

    def __str__(self) -> str:
        return f"{self.text} {self.suffix}".strip()


def cell(value: object, digits: int = 4, scale: float = 1.0) -> Cell:
    """``value`` as a cell: numbers with ``digits`` decimals, ``Spread`` as 0.0012 ± 0.0001, ``Interval`` as
    0.54 [0.40, 0.66], whole numbers as they are, None and what is not finite as a dash, all else as text.
    """

    def number(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return MISSING
        text = f"{scale * value:.{digits}f}"
        # A minus sign of full width, and none before a zero.
        return text.lstrip("-") if float(text) == 0.0 else text.replace("-", "−")

    if isinstance(value, Spread):
        return Cell(number(value.mean), "" if value.std is None else f"± {number(value.std)}")
    if isinstance(value, Interval):
        ends = "" if value.low is None or value.high is None else f"[{number(value.low)}, {number(value.high)}]"
        return Cell(number(value.value), ends)
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", numeric=False)
    if isinstance(value, int | np.integer) and scale == 1.0:
        return Cell(f"{int(value):,}")
    if value is None or isinstance(value, int | float | np.integer | np.floating):
        return Cell(number(None if value is None else float(value)))
    return Cell(str(value), numeric=False)


@dataclass(frozen=True)
class Table:
    """Cells by row, and of each column whether it holds words alone, and how many characters follow its numbers."""

    columns: Sequence[Column]
    rows: list[list[Cell]]
    wordy: list[bool]
    suffix_widths: list[int]

    @classmethod
    def of(cls, rows: Iterable[object], columns: Sequence[Column]) -> Table:
        """The values of ``rows``, mappings or objects, under ``columns``; a missing one is a dash."""
        by_row = [[cell(column.value_in(row), column.digits, column.scale) for column in columns] for row in rows]
        by_column = list(zip(*by_row, strict=True)) or [()] * len(columns)
        return cls(
            columns,
            by_row,
            [
                bool(cells) and not any(value.numeric and value.text != MISSING for value in cells)
                for cells in by_column
            ],
            [max((len(value.suffix) for value in cells), default=0) for cells in by_column],
        )
