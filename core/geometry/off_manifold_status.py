"""The badge of a decoded place: whether its image rests on the data, and on which distance that judgement rests.

The numbers come with every decode (``core.protocol.messages.Decoded``, ``PathFrames``); here they become words, in one
place for window, film strip and reports.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["on the data", "extrapolating", "off the data"]
FAR_GAP = 0.5
"""Distance to the nearest sample, in radii of the cloud, beyond which nothing there speaks for an image."""

DISTANCE = (
    "Distance: the mean distance to the eight nearest samples, over what it usually is for those eight. About 1× among "
    "the samples."
)
MEANING: dict[Verdict, str] = {
    "on the data": "Samples lie about this place as they lie about one another: the image rests on data.",
    "extrapolating": "The samples are farther away than 99 % of them are from one another: the decoder guesses.",
    "off the data": "The nearest sample is farther than half the cloud's radius: the image rests on nothing.",
}


def verdict(support: float, threshold: float, gap: float) -> Verdict | None:
    """What the badge says; None where nothing is known (``support`` or ``threshold`` is not a number).

    ``support`` is the off-manifold statistic of ``core.geometry.off_manifold.Support``, flagged above ``threshold``;
    ``gap`` the distance to the nearest sample in radii of the cloud, off the data above 0.5.
    """
    if gap > FAR_GAP:
        return "off the data"
    if math.isnan(support) or math.isnan(threshold):
        return None
    return "extrapolating" if support > threshold else "on the data"


@dataclass(frozen=True)
class Standing:
    """How a decoded place stands towards the data: the numbers behind its badge, and the badge in words."""

    support: float
    threshold: float
    gap: float

    @property
    def verdict(self) -> Verdict | None:
        """None where nothing is known."""
        return verdict(self.support, self.threshold, self.gap)

    @property
    def short(self) -> str:
        """The verdict with the distance behind it: "extrapolating · distance 2.1×"; "" where nothing is known."""
        return f"{self.verdict} · distance {times(self.support)}" if self.verdict is not None else ""

    @property
    def explanation(self) -> str:
        """What the verdict means, and its numbers, each with its definition; "" where nothing is known."""
        if self.verdict is None:
            return ""
        return "\n".join(
            (
                MEANING[self.verdict],
                DISTANCE,
                f"Here: {times(self.support)}; extrapolating above {times(self.threshold)} (99 % of the samples are "
                "below).",
                f"Nearest sample: {self.gap:.2g} cloud radii away (a radius: root mean square distance of the samples "
                f"from their mean); off the data above {FAR_GAP:g}."
                if math.isfinite(self.gap)
                else "Distance to the nearest sample: not known.",
            )
        )


def off_share(standings: Iterable[Standing | None]) -> float | None:
    """Share, 0 to 1, of places that are not on the data, among those of which anything is known; None if of none."""
    verdicts = [each.verdict for each in standings if each is not None and each.verdict is not None]
    return sum(each != "on the data" for each in verdicts) / len(verdicts) if verdicts else None


def times(support: float) -> str:
    """A statistic for reading: "0.93×", "14×", "∞×" (where the samples about it coincide)."""
    if math.isnan(support):
        return "unknown"
    if math.isinf(support):
        return "∞×"
    return f"{support:.2f}×" if support < 9.995 else f"{support:,.0f}×"
