"""What is known of the paths that were traced: the samples at their ends, the engine's answer, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.protocol.messages import PathTraced
from explorer.controllers.path.recipe_conversion import with_handle

Ends = tuple[int | None, int | None]
"""The samples at which a path starts and ends; None where a hand has placed it."""


@dataclass(frozen=True, eq=False)
class _Known:
    samples: Ends
    generation: int
    answer: PathTraced | None


class TracedPaths:
    """``generation`` counts how often the model or the cloud has changed."""

    def __init__(self) -> None:
        self.generation = 0
        self._known: WeakKeyDictionary[LatentPath, _Known] = WeakKeyDictionary()

    def remember(self, path: LatentPath, samples: Ends, answer: PathTraced, generation: int) -> None:
        """``path`` was just traced, by the model as it was in ``generation``."""
        self._known.pop(path, None)  # an equal path's entry would go when that path goes
        self._known[path] = _Known(samples, generation, answer)

    def meet(self, path: LatentPath) -> None:
        """``path`` is on show; one that comes from elsewhere is good as it is, until the model changes."""
        self._known.setdefault(path, _Known((None, None), self.generation, None))

    def samples(self, path: LatentPath | None) -> Ends:
        """The samples at its ends."""
        known = self._known.get(path) if path is not None else None
        return known.samples if known is not None else (None, None)

    def answer(self, path: LatentPath | None) -> PathTraced | None:
        """The answer that ``path`` was made of."""
        known = self._known.get(path) if path is not None else None
        return known.answer if known is not None else None

    def outdated(self, path: LatentPath | None) -> bool:
        """Whether model or cloud have changed since it was traced."""
        known = self._known.get(path) if path is not None else None
        return known is not None and known.generation != self.generation

    def rough(self, path: LatentPath | None) -> bool:
        """Whether better answers were to come."""
        answer = self.answer(path)
        return answer is not None and not answer.final

    def followed(self, path: LatentPath, recipe: Recipe, means: np.ndarray | None) -> Recipe:
        """``recipe`` with its ends where the samples at the ends of ``path`` are now: ``means`` float32 (N, d)."""
        for index, sample in enumerate(self.samples(path)):
            if sample is not None and means is not None and sample < len(means):
                recipe = with_handle(recipe, index, means[sample])
        return recipe
