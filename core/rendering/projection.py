"""From d latent dimensions to the one, two or three that are drawn, and back.

The view is a linear map x = (z - origin) @ basis with orthonormal columns. Going back keeps what the view does not
show: z = z₀ + (x - x(z₀)) @ basisᵀ, so a probe dragged in the cloud keeps its other coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.geometry.local_fit import Neighbourhoods
from core.utils.point_sets import leading_axes
from core.utils.remembered import remembered

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(number: int) -> str:
    """A number in subscript digits, for axis names."""
    return str(number).translate(_SUBSCRIPTS)


def axis_name(dimension: int) -> str:
    """μ₁ for latent dimension 0."""
    return f"μ{subscript(dimension + 1)}"


_MANY_NUMBERS = 1 << 20


@dataclass(frozen=True, eq=False)
class Projection:
    """basis float64 (d, v) with v = min(d, 3) orthonormal columns; origin float64 (d,); one label an axis.

    ``explained`` is each principal component's share of the variance; empty for other axes.
    """

    basis: np.ndarray
    origin: np.ndarray
    labels: tuple[str, ...]
    explained: tuple[float, ...] = field(default=(), kw_only=True)

    @property
    def dims(self) -> int:
        """Number of axes drawn, 1 to 3."""
        return self.basis.shape[1]

    def to_view(self, z: np.ndarray) -> np.ndarray:
        """z (..., d) to float32 (..., 3); axes that do not exist are 0."""
        z = np.asarray(z)
        out = np.zeros((*z.shape[:-1], 3), dtype=np.float32)
        if z.size > _MANY_NUMBERS:  # float64 would be a copy of hundreds of megabytes
            shown = z.astype(np.float32, copy=False) @ self.basis.astype(np.float32)
            shown -= (self.origin @ self.basis).astype(np.float32)
        else:
            shown = (z.astype(np.float64) - self.origin) @ self.basis
        out[..., : self.dims] = shown
        return out

    def from_view(self, xyz: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """xyz (..., 3) to float32 (..., d), with ``keep`` (d,) giving the coordinates that are not drawn."""
        keep = np.asarray(keep, dtype=np.float64)
        shown = np.asarray(xyz, dtype=np.float64)[..., : self.dims]
        change = shown - (keep - self.origin) @ self.basis
        return (keep + change @ self.basis.T).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Layout(Projection):
    """A non-linear layout: the samples ``means`` float32 (N, d) stand at ``places`` float32 (N, 3), flat ones at z = 0.

    Between the samples it says nothing, so any other latent stands where the nearest sample stands, and a place of the
    view is the latent of the sample that stands nearest to it. ``basis`` is of zeros.
    """

    means: np.ndarray
    places: np.ndarray

    @cached_property
    def _samples(self) -> Neighbourhoods:
        return Neighbourhoods(self.means)

    def to_view(self, z: np.ndarray) -> np.ndarray:
        """z (..., d) to float32 (..., 3): the places of the nearest samples."""
        if z is self.means:
            return self.places
        _, nearest = self._samples.query(np.asarray(z, dtype=np.float64).reshape(-1, self.means.shape[1]), 1)
        return self.places[nearest[:, 0]].reshape(*z.shape[:-1], 3)

    def from_view(self, xyz: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """xyz (..., 3) to float32 (..., d): the samples that stand nearest. ``keep`` says nothing here."""
        wanted = np.asarray(xyz, dtype=np.float64).reshape(-1, 1, 3)
        nearest = [int(((self.places - one) ** 2).sum(axis=1).argmin()) for one in wanted]
        return self.means[nearest].reshape(*np.shape(xyz)[:-1], self.means.shape[1]).astype(np.float32)


def laid_out(means: np.ndarray, places: np.ndarray, name: str) -> Layout:
    """The layout called ``name`` of means float32 (N, d), which stand at places float32 (N, 2 or 3)."""
    d, dims = means.shape[1], places.shape[1]
    labels = tuple(f"{name} {i + 1}" for i in range(dims))
    whole = np.zeros((len(places), 3), np.float32)
    whole[:, :dims] = places
    return Layout(np.zeros((d, dims)), np.zeros(d), labels, means, whole)


def along_dimensions(dimensions: Sequence[int], latent_dim: int) -> Projection:
    """The first three of ``dimensions`` (0-based); those that do not exist or come twice give way to the next free."""
    chosen = [i for i in dict.fromkeys(dimensions) if 0 <= i < latent_dim]
    chosen += [i for i in range(latent_dim) if i not in chosen]
    dims = min(latent_dim, 3)
    labels = tuple(axis_name(i) for i in chosen[:dims])
    basis = np.zeros((latent_dim, dims))
    basis[chosen[:dims], range(dims)] = 1.0
    return Projection(basis, np.zeros(latent_dim), labels)


@remembered
def along_components(embedding: np.ndarray) -> Projection:
    """The first three principal components of ``embedding`` (N, d), finite, N at least 2; the origin is its mean.

    The axes' labels have the share of the variance that each explains.
    """
    dims = min(embedding.shape[1], 3)
    (mean, variances, axes), total = leading_axes(embedding, dims)
    shares = variances / max(total, 1e-300)  # 0 where nothing varies
    # A component's sign is arbitrary: its largest entry is made positive, so the view does not flip while training.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dims)])
    labels = tuple(f"PC{subscript(i + 1)} {100 * share:.0f} %" for i, share in enumerate(shares))
    return Projection(axes, mean, labels, explained=tuple(shares.tolist()))
