"""How a path was computed: its kind and what determines it, so that it can be computed again, turned, and saved.

``PATH_KINDS`` is the one table of kinds: what each is called and what it needs. ``core.geometry.path_kinds.MAKERS`` has
the function that makes each, kept apart so that the window knows kinds without importing scipy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from core.protocol.messages import TracePath

RecipeKind = Literal[
    "straight", "spherical", "geodesic", "factor curve", "isoline", "tangent line", "mean difference", "regression"
]
RECIPE_KINDS: tuple[RecipeKind, ...] = get_args(RecipeKind)
END_OF_DATA = "the data end there"
"""The note of a path that ended at the edge of the data, as every one does that is to go as far as they do."""


@dataclass(frozen=True)
class PathKind:
    """What a person reads of a kind, its ``text`` and ``description``, and what it needs.

    ``joins``: it leads from a start to an end; the others change a target from a start, as far as an end or a value
    says. ``holds``: it holds other factors constant. ``straight``: it is a straight line of the latent space.
    ``by_images``: it compares images, so it needs a graph that is weighted by them, and gets better in stages.
    """

    text: str
    description: str
    joins: bool = False
    holds: bool = False
    straight: bool = False
    by_images: bool = False


PATH_KINDS: dict[str, PathKind] = {
    "straight": PathKind(
        "Straight line", "Linear interpolation: the straight line between both ends", joins=True, straight=True
    ),
    "spherical": PathKind("Spherical", "Spherical interpolation: an arc about the mean of the cloud", joins=True),
    "geodesic": PathKind(
        "Geodesic",
        "The path between both ends along which the image changes least while it stays on the data",
        joins=True,
        by_images=True,
    ),
    "factor curve": PathKind(
        "Factor curve", "Changes one factor and holds the others constant, on the surface of the data", holds=True
    ),
    "isoline": PathKind(
        "Isoline", "The whole factor curve through a point, in both directions as far as the data go", holds=True
    ),
    "tangent line": PathKind(
        "Tangent line", "The straight line that touches the factor curve at its start", holds=True, straight=True
    ),
    "mean difference": PathKind(
        "Mean difference",
        "Attribute vector: from the mean of the samples with low values to that of those with high values",
        straight=True,
    ),
    "regression": PathKind(
        "Regression",
        "Attribute vector: the gradient of a linear regression of the factor on the latents",
        straight=True,
    ),
}
JOINING: tuple[RecipeKind, ...] = tuple(kind for kind in RECIPE_KINDS if PATH_KINDS[kind].joins)


class RecipeError(ValueError):
    """A recipe that makes no sense; the message says what was given and what is wanted."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """``start`` float32 (d,); ``end`` float32 (d,) or None; ``target`` names a factor or attribute, "" for none.

    ``value``: what the target is to reach, None for what ``end`` has or, without an end, as far as the data go.
    ``penalty`` False: a geodesic that may leave the data. ``held``: the labels that are held constant, None for those
    that the engine chooses; ``dimension``: of the surface that it runs on, None for the estimated one. Raises
    ``RecipeError``.
    """

    kind: RecipeKind
    start: np.ndarray
    end: np.ndarray | None = None
    target: str = ""
    value: float | None = None
    penalty: bool = True
    held: tuple[str, ...] | None = None
    dimension: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in RECIPE_KINDS:
            raise RecipeError(f"kind is {self.kind!r}; it must be one of {', '.join(RECIPE_KINDS)}.")
        start = _place(self.start, "start")
        object.__setattr__(self, "start", start)
        if self.end is not None:
            end = _place(self.end, "end")
            if end.shape != start.shape:
                raise RecipeError(f"end has {len(end)} dimensions and start {len(start)}; they must agree.")
            object.__setattr__(self, "end", end)
        if self.kind in JOINING and self.end is None:
            raise RecipeError(f"a {self.kind} path joins two points; give an end.")
        if self.kind not in JOINING and not self.target:
            raise RecipeError(f"a {self.kind} changes a factor; give its name as target.")
        if self.value is not None and not np.isfinite(self.value):
            raise RecipeError(f"value is {self.value}; it must be a finite number or None.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.start.tobytes(), self.target, self.value))

    @property
    def joins(self) -> bool:
        """Whether it leads to an end, whatever factors do on the way."""
        return self.kind in JOINING

    def request(self, points: int = 33) -> TracePath:
        """What asks the engine for this path, of so many control points."""
        from core.protocol.messages import TracePath  # only here: the window is painted without

        return TracePath(
            kind=self.kind,
            start=self.start,
            end=np.empty(0, dtype=np.float32) if self.end is None else self.end,
            target=self.target,
            value=float("nan") if self.value is None else self.value,
            penalty=self.penalty,
            points=points,
            held=self.held,
            dimension=self.dimension or 0,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready values; every float32 comes back bit for bit."""
        return {
            "kind": self.kind,
            "start": [float(x) for x in self.start],
            "end": None if self.end is None else [float(x) for x in self.end],
            "target": self.target,
            "value": self.value,
            "penalty": self.penalty,
            **({} if self.held is None else {"held": list(self.held)}),
            **({} if self.dimension is None else {"dimension": self.dimension}),
        }

    @staticmethod
    def from_dict(value: object) -> Recipe:
        """The recipe of ``to_dict``'s value. Raises ``RecipeError`` that says what is wrong."""
        wanted = {"kind", "start", "end", "target", "value", "penalty"}
        if not isinstance(value, dict) or set(value) - {"held", "dimension"} != wanted:
            raise RecipeError(f"a recipe is an object of {', '.join(sorted(wanted))}.")
        number = value["value"]
        if not (number is None or (isinstance(number, int | float) and not isinstance(number, bool))):
            raise RecipeError(f"value is {number!r}; it must be a number or null.")
        if not isinstance(value["target"], str) or not isinstance(value["penalty"], bool):
            raise RecipeError("target must be text and penalty true or false.")
        held, dimension = value.get("held"), value.get("dimension")
        if held is not None and not (isinstance(held, list) and all(isinstance(name, str) for name in held)):
            raise RecipeError(f"held is {held!r}; it must be a list of names.")
        if dimension is not None and (type(dimension) is not int or dimension < 1):
            raise RecipeError(f"dimension is {dimension!r}; it must be a whole number of 1 or more.")
        return Recipe(**{**value, "held": None if held is None else tuple(held), "dimension": dimension})


def _place(value: object, name: str) -> np.ndarray:
    try:
        place = np.array(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise RecipeError(f"{name} is not a point (d,): {error}") from error
    if place.ndim != 1 or not len(place) or not np.isfinite(place).all():
        raise RecipeError(f"{name} has shape {place.shape}; it must be (d,), d finite numbers.")
    place.flags.writeable = False
    return place
