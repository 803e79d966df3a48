"""Which latent dimensions tell most about a label: the two or three by which to look at a space of many.

Dimensions are ranked by mutual information with the label (Kraskov, Stögbauer and Grassberger 2004; Ross 2014 for
classes: scikit-learn's estimators). Of the best, every choice of three is scored by how well the nearest neighbours in
these dimensions alone predict the label, in cross-validation.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np

RANKED = 6
"""Dimensions of which all choices are scored: 20 of three."""
NEIGHBOURS = 15
FOLDS = 3
MOST_SAMPLES = 1500
FEWEST_SAMPLES = 30


class InformativeError(ValueError):
    """A label of which nothing can be predicted; the message says what is wanted."""


class Informative(NamedTuple):
    """The ``dimensions`` that predict a label best, those that tell most alone first, and their ``score``.

    ``all_score`` is that of all dimensions together, ``chance`` that of guessing. ``measure`` says what a score is.
    """

    dimensions: tuple[int, ...]
    score: float
    all_score: float
    chance: float
    measure: str


def informative_dimensions(mu: np.ndarray, values: np.ndarray, classes: bool, count: int = 3) -> Informative:
    """The ``count`` dimensions of mu float (N, d) that tell most about a label, values float (N,), NaN: not known.

    ``classes``: the values number classes; else they are numbers. Scores are balanced accuracy for classes, R² for
    numbers, by the 15 nearest neighbours in 3-fold cross-validation over at most 1,500 samples; deterministic. Raises
    ``InformativeError``.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    known = np.flatnonzero(np.isfinite(values))
    if classes and len(known):
        names, sizes = np.unique(values[known], return_counts=True)
        known = known[np.isin(values[known], names[sizes >= FOLDS])]  # a class needs a sample in every fold
    different = len(np.unique(values[known]))
    if len(known) < FEWEST_SAMPLES or different < 2:
        raise InformativeError(
            f"the label is known for {len(known)} samples with {different} different values; {FEWEST_SAMPLES} samples "
            "and 2 values or more are needed."
        )
    generator = np.random.default_rng(0)
    if len(known) > MOST_SAMPLES:
        known = np.sort(generator.choice(known, MOST_SAMPLES, replace=False))
    z, label = np.asarray(mu, dtype=np.float64)[known], values[known].astype(np.int64 if classes else np.float64)
    information = (mutual_info_classif if classes else mutual_info_regression)(z, label, random_state=0)
    ranked = np.argsort(-information, kind="stable")[: max(RANKED, count)]
    options = list(combinations(ranked.tolist(), min(count, z.shape[1])))
    scores = [_score(z[:, option], label, classes) for option in options]
    best = int(np.argmax(scores))
    measure = (
        f"{'balanced accuracy' if classes else 'R²'} of the {NEIGHBOURS} nearest neighbours, {FOLDS}-fold "
        f"cross-validation, {len(known):,} samples"
    )
    chance = 1.0 / different if classes else 0.0
    return Informative(options[best], scores[best], _score(z, label, classes), chance, measure)


def _score(z: np.ndarray, label: np.ndarray, classes: bool) -> float:
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if classes:
        model, folds, scoring = KNeighborsClassifier(NEIGHBOURS), StratifiedKFold, "balanced_accuracy"
    else:
        model, folds, scoring = KNeighborsRegressor(NEIGHBOURS), KFold, "r2"
    split = folds(FOLDS, shuffle=True, random_state=0)
    return float(cross_val_score(model, z, label, cv=split, scoring=scoring).mean())
