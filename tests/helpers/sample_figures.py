"""Small figures of every kind, with contents that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.protocol.figures import (
    AnyFigure,
    CloudFigure,
    Colouring,
    Curve,
    Eye,
    FilmFigure,
    KindRow,
    KindsFigure,
    LossCurve,
    LossesFigure,
    PlaneFigure,
    TransectFigure,
)

EYE = Eye((0.1, -0.2, 0.3), 9.0, -40.0, 25.0, False, (800.0, 500.0))


def cloud(count: int = 40, **changes: object) -> CloudFigure:
    """A cloud within ±1, coloured by its first coordinate."""
    random = np.random.default_rng(count)
    points = random.uniform(-1.0, 1.0, (count, 3)).astype(np.float32)
    fields: dict = {
        "points": points,
        "colouring": Colouring("scale", points[:, 0].astype(np.float64), -1.0, 1.0),
        "eye": EYE,
        "labels": ("μ₁", "μ₂", "μ₃"),
        "dims": 3,
        "title": "run · epoch 3",
        "curves": (Curve(points[:3].astype(np.float64)), Curve(points[3:5].astype(np.float64), "straight")),
        "control": points[:3].astype(np.float64),
        "probe": points[:1].astype(np.float64),
    }
    return CloudFigure(**{**fields, **changes})


def frames(count: int, size: int = 8) -> np.ndarray:
    """Images uint8 (count, size, size, 1) of one grey each."""
    return np.broadcast_to(np.linspace(20, 220, count).astype(np.uint8)[:, None, None, None], (count, size, size, 1))


def losses() -> LossesFigure:
    x = np.arange(1.0, 101.0)
    curves = (
        LossCurve("total", x, 1 / x, 0, raw=1.1 / x),
        LossCurve("KL", x, 20 / x, 2, right=True),
        LossCurve("validation", x[9::10], 1 / x[9::10], 4, dots=True),
    )
    ranges = (0.0, 100.0), (0.005, 1.5), (0.1, 30.0)
    return LossesFigure(curves, "step", True, *ranges, marks=((50.0, "lr 0.001"),), best=(100.0, 0.01), title="losses")


def film(count: int = 6, **changes: object) -> FilmFigure:
    fields: dict = {
        "images": frames(count),
        "captions": tuple((f"{i / (count - 1):.2f}", "a 1.5") for i in range(count)),
        "verdicts": ("on the data",) * (count - 1) + ("off the data",),
        "columns": count,
    }
    return FilmFigure(**{**fields, **changes})


def kinds() -> KindsFigure:
    rows = (
        KindRow("straight", frames(9), ("on the data",) * 9, ("12.3", "4 %"), (False, True)),
        KindRow("factor curve", frames(0), note="no factor is known"),
    )
    return KindsFigure(rows, (("latent", "length"), ("off", "the data")))


def transect(count: int = 7) -> TransectFigure:
    points, images = np.linspace((1.0, 0.0), (1.0, 2.0), count), frames(count)
    measures = np.linspace(0.1, 0.2, count)
    inside = np.arange(count) == 3
    return TransectFigure(
        "P1", ("a", "b"), points, np.arange(count), images, images, 8, measures, 1 - measures, measures, inside
    )


def plane() -> PlaneFigure:
    xy = np.random.default_rng(0).uniform(0.0, 2.0, (50, 2))
    colouring = Colouring("kind", (np.arange(50) % 3).astype(np.float64), classes=("red", "green", "blue"), hidden=(1,))
    fields: dict = {"holes": ((1.0, 1.0, 0.3, True),), "transects": (("P1", xy[:3]),), "chosen": 0}
    split = (np.arange(50) % 5 == 0).astype(np.uint8)
    return PlaneFigure(xy, split, colouring, ("a", "b"), (0.0, 0.0), (2.0, 2.0), 1.5, cursor=xy[:1], **fields)


EVERY: dict[str, Callable[[], AnyFigure]] = {
    "cloud": cloud,
    "losses": losses,
    "film": film,
    "kinds": kinds,
    "transect": transect,
    "plane": plane,
}
