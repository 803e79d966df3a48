"""The names of very many samples: an array of texts, of which a Python object is made only where one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike


class Names(Sequence[str]):
    """Texts in an order, like a tuple of them. ``array`` is of numpy's texts, (n,)."""

    __slots__ = ("array",)

    def __init__(self, texts: Iterable[str] | np.ndarray = ()) -> None:
        self.array = np.asarray(texts if isinstance(texts, np.ndarray) else tuple(texts), dtype=np.str_).ravel()

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice | np.ndarray) -> Names: ...

    def __getitem__(self, place: int | slice | np.ndarray) -> str | Names:
        found = self.array[place]
        return Names(found) if isinstance(found, np.ndarray) else str(found)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return np.array_equal(self.array, other.array)
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(str.__eq__, self, other))

    __hash__: Any = None

    def __repr__(self) -> str:
        return f"Names({', '.join(map(repr, self[:3]))}{', …' if len(self) > 3 else ''})"
