"""One measured number of a benchmark, and how it is shown beside its bar."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number: at most (or, with ``at_least``, at least) ``bar`` is wanted; None: no bar."""

    name: str
    value: float | None
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """How it stands to its bar."""
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        return "ok" if (self.value >= self.bar if self.at_least else self.value <= self.bar) else "MISSED"

    @property
    def line(self) -> str:
        """Name, value, bar and verdict in columns."""
        value = "-" if self.value is None else f"{self.value:.2f}"
        bar = "" if self.bar is None else f"{'at least' if self.at_least else 'bar'} {self.bar:g}"
        return f"{self.name:<48}{value:>10} {self.unit:<14}{bar:<14}{self.verdict}"
