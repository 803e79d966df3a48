"""Small things about words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from unicodedata import category

NO_BREAK = "\N{NO-BREAK SPACE}"
"""Between a number and its unit: no line ends there."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """``count`` and ``noun`` in its number: "1 epoch", "2 epochs", "5,000 images"; ``plural`` if that needs more."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """``names`` as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def sentence(text: str) -> str:
    """``text`` as a sentence begins: with a capital letter."""
    return text[:1].upper() + text[1:]


def reason(error: Exception) -> str:
    """What ``error`` says, on one line; its kind if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def printable(text: str) -> str:
    """``text`` for a terminal: what would steer it (escape codes, directions of writing) is written out."""
    steering = ("Cc", "Cs")
    return "".join(
        c.encode("unicode_escape").decode() if (category(c) in steering and c != "\n") or c in _DIRECTIONS else c
        for c in text
    )


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of names and texts, the texts below one another; as they can be printed, whoever has written them."""
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {printable(text)}".replace("\n", f"\n{'':<{width}}  ") for name, text in rows]


def shortened(text: str, fits: Callable[[str], bool]) -> str:
    """``text``, with an ellipsis in its middle where it does not fit whole: of a label and its value both are read."""
    if fits(text):
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: -(-kept // 2)].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"
        if fits(short):
            return short
    return "…"


def duration_text(seconds: float, *, round_zeros: bool = False) -> str:
    """A time span for reading: "8 s", "3 min 05 s", "2 h 10 min", with spaces at which no line breaks; "–" if it is not
    finite, or negative. ``round_zeros``: "3 min" in place of "3 min 00 s", as on an axis."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    whole = round(seconds)
    large, unit, small, below = (whole // 60, "min", whole % 60, "s")
    if whole >= 3600:
        large, unit, small, below = (whole // 3600, "h", whole % 3600 // 60, "min")
    words = [f"{large} {unit}", f"{small:02d} {below}"] if whole >= 60 else [f"{whole} s"]
    return " ".join(words[:1] if round_zeros and not small else words).replace(" ", NO_BREAK)


def size_text(count: int) -> str:
    """``count`` bytes for reading: "812 bytes", "3.6 MB", "640 MB"."""
    if count < 1000:
        return counted(count, "byte")
    power = 1
    while power < 4 and count >= 999_500 * 1000 ** (power - 1):
        power += 1
    size, unit = count / 1000**power, ("kB", "MB", "GB", "TB")[power - 1]
    return f"{size:.1f} {unit}" if size < 99.95 else f"{size:.0f} {unit}"
