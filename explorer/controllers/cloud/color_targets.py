"""What a path can change: the factors of the data, then the attributes that a person measured or read from a file."""

from __future__ import annotations

import numpy as np

from explorer.state import State


def names(state: State) -> tuple[str, ...]:
    """Names of factors and attributes, in this order; empty while nothing is known about the samples."""
    factors = state.samples.factor_names if state.samples is not None else ()
    attributes = state.attributes.names if state.attributes is not None else ()
    return (*factors, *attributes)


def values(state: State, name: str) -> np.ndarray | None:
    """The target ``name`` of every sample, float (N,), NaN where it is undefined; None where there is none such."""
    samples, attributes = state.samples, state.attributes
    if samples is not None and name in samples.factor_names:
        return samples.factors[:, samples.factor_names.index(name)]
    if attributes is not None and name in attributes.names:
        return attributes.values[:, attributes.names.index(name)]
    return None
