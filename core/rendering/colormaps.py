"""Colour maps for values on points and for signed differences: perceptually uniform, safe for colour blindness.

viridis, cividis and inferno are the CC0 maps of Smith & van der Walt (2015) and Nuñez et al. (2018), kept as anchors
that linear interpolation brings back to within 3 of 255 levels. twilight is cyclic, for angles. difference is
diverging: blue below zero, dark at zero, orange above; dark so that it fits images of light on black.

On a ground, the colours that it would swallow are left out: viridis begins as dark as the dark theme, and ends nearly
as light as the light one. What is left of a sequential map is spread over the whole range, so it stays uniform; a
cyclic one, which would break, has those colours made lighter or darker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_ANCHORS = {
    "viridis": (
        "440154470c5f481769482173472c7a453581433e853f47883c508b38598c34608d31688e2d708e2a768e277e8e25858e228d8d20938c"
        "1e9b8a1fa28724aa832bb07f35b77941be7151c46a61ca6073d05685d54a99d83daddc30c2df23d7e219ebe51afde725"
    ),
    "cividis": (
        "00204d00245500275e002b67002e6f00316f00356e12386d1f3c6d28406c30436c36476b3d4a6b424e6b48526b4d556c52596c575c6d"
        "5b606e60646f646770696b716d6e727272747676767a7a787f7d788481798885798d8979928d789791789c9577a19976a69d75aca174"
        "b1a573b6a971bbae6fc1b26dc6b66bccbb69d1bf66d7c463dcc860e2cd5ce8d259edd654f3db4ff9e04affe544ffea46"
    ),
    "inferno": (
        "0000040403110a0723140b351f0c482c0b583a0963470b6a540f6d60136e6c186e781c6d85216b9125689d2964a92e5eb53458c03a51"
        "cb4149d54a41df5337e65d2fed6925f3751bf78311fa9008fc9f07fcad12fbbd22f9cb35f5db4bf2e967f3f587fcffa4"
    ),
    "twilight": "e2d9e29ebacc668abf5e439c2f14367b224db25652cf9f8fe2d9e2",
    "difference": "9ecbff4f9be8256aa81b3c5a15181c5a341caa5d22ea8f45ffd0a3",
}
CONTRAST = 20.0
"""The least difference in lightness (CIE L*) from a ground at which a small disc is told from it at once."""
MISSING = (128, 128, 128)
"""The grey of a value that is not known."""
NAMES = ("viridis", "cividis", "inferno", "twilight")
"""The maps for points, in the order in which they are offered."""


@dataclass(frozen=True, eq=False)
class Colorbar:
    """What the colours mean: ``label``, ``low`` and ``high`` ends, ``lut`` uint8 (256, 4).

    Of classes, the names of these ``categories``, and ``lut`` uint8 (n, 4) has the colour of each. ``logarithmic``: of
    counts, from 1 on, whose logarithms are spread evenly.
    """

    label: str
    low: float
    high: float
    lut: np.ndarray
    categories: tuple[str, ...] | None = None
    logarithmic: bool = False

    def shares(self, values: np.ndarray) -> np.ndarray:
        """How far along the bar, 0 to 1, the ``values`` float64 (n,) are."""
        low, high = self.low, self.high
        if self.logarithmic:
            values, low, high = np.log(values), float(np.log(low)), float(np.log(high))
        return np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)


@lru_cache(maxsize=16)
def lut(name: str, ground: str = "") -> np.ndarray:
    """The 256 colours of a map: uint8 (256, 4), read-only.

    Each differs from ``ground`` ("#rrggbb"; "": none) by at least ``CONTRAST`` in lightness.

    Raises ``KeyError`` for a name that is not in ``NAMES`` and is not "difference".
    """
    anchors = np.frombuffer(bytes.fromhex(_ANCHORS[name]), dtype=np.uint8).reshape(-1, 3).astype(np.float64)
    places = np.linspace(0.0, 255.0, len(anchors))
    table = np.full((256, 4), 255, dtype=np.uint8)
    for channel in range(3):
        table[:, channel] = np.rint(np.interp(np.arange(256), places, anchors[:, channel]))
    if ground:
        table[:, :3] = _visible(table[:, :3], ground, cyclic=name == "twilight")
    table.setflags(write=False)
    return table


def _visible(table: np.ndarray, ground: str, cyclic: bool) -> np.ndarray:
    """``table`` uint8 (256, 3) changed as little as makes every colour of it stand out from ``ground``."""
    behind = float(lightness(np.array([list(bytes.fromhex(ground[1:]))]))[0])
    least, most = (behind + CONTRAST, 100.0) if behind < 50.0 else (0.0, behind - CONTRAST)
    if not cyclic:
        chosen = np.flatnonzero((lightness(table) >= least) & (lightness(table) <= most))
        places = np.linspace(chosen[0], chosen[-1], 256)
        return np.stack([np.rint(np.interp(places, np.arange(256), table[:, c])) for c in range(3)], axis=1)
    mixed = table.astype(np.float64)
    for _ in range(100):  # towards white or black in steps of a fiftieth, until the last one stands out
        level = lightness(mixed)
        mixed += 0.02 * ((level < least)[:, None] * (255.0 - mixed) - (level > most)[:, None] * mixed)
    return np.rint(mixed)


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*, 0 to 100, of sRGB colours (N, 3) from 0 to 255 under D65: float64 (N,)."""
    value = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 0.008856, 116.0 * np.cbrt(luminance) - 16.0, 903.3 * luminance)


def colours(
    values: np.ndarray, name: str, low: float | None = None, high: float | None = None, ground: str = ""
) -> np.ndarray:
    """Colours for ``values`` (N,): uint8 (N, 4), opaque, that stand out from ``ground``.

    ``low`` and ``high`` get the ends of the map and default to the least and greatest finite value; what lies beyond
    them gets the end's colour. Values that are not finite become grey (``MISSING``); infinite ones take an end.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    if low is None:
        low = float(values[finite].min()) if finite.any() else 0.0
    if high is None:
        high = float(values[finite].max()) if finite.any() else 1.0
    span = high - low if high > low else 1.0
    known = ~np.isnan(values)
    share = np.clip((np.where(known, values, low) - low) / span, 0.0, 1.0)
    made = lut(name, ground)[np.rint(share * 255.0).astype(np.uint8)]
    made[~known, :3] = MISSING
    return made


def signed_difference(original: np.ndarray, reconstruction: np.ndarray) -> tuple[np.ndarray, float]:
    """``reconstruction`` - ``original`` in the "difference" map: uint8 (H, W, 3), and the value of its ends.

    Both are uint8 (H, W, C); channels are averaged. The ends are the least of 0.1, 0.25, 0.5 and 1 (of full scale)
    that holds every pixel, so that two differences with the same ends can be compared by eye.
    """
    difference = (reconstruction.astype(np.float32) - original.astype(np.float32)).mean(axis=2) / 255.0
    reach = float(np.abs(difference).max(initial=0.0))
    ends = next(end for end in (0.1, 0.25, 0.5, 1.0) if reach <= end)
    place = np.rint((difference / ends + 1.0) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(lut("difference")[place][..., :3]), ends
