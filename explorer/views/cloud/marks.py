"""The setters of what is drawn over the points: they change the scene's marks and repaint the overlay alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from explorer.views.cloud.base import CloudBase
from explorer.views.cloud.scene import GridlinesMark, KindsMark, TransectMark


class CloudMarks(CloudBase):
    """Chosen sample, probe, path, marker, transect, gridlines. Positions are (..., 3), as those of ``set_points``."""

    def _mark(self, **marks: Any) -> None:
        """Set fields of the scene. A click sets them all and changes few: what is as it was is not painted again."""
        if not all(_same(getattr(self.scene, name), value) for name, value in marks.items()):
            for name, value in marks.items():
                setattr(self.scene, name, value)
            self.refresh()

    def _flat(self, xyz: np.ndarray | None) -> np.ndarray | None:
        return None if xyz is None else self.scene.flatten(xyz)

    def set_selected(self, index: int | None) -> None:
        """Ring the chosen sample."""
        self._mark(selected=index)

    def set_probe(self, xyz: np.ndarray | None) -> None:
        """Put the cross-hair at ``xyz`` (3,)."""
        self._mark(probe=self._flat(xyz))

    def set_path(
        self,
        curve: np.ndarray | None,
        control: np.ndarray | None,
        selected_control: int | None,
        snapping: bool = False,
    ) -> None:
        """Draw ``curve`` (K, 3) through ``control`` (M, 3); dragged, these jump onto points if ``snapping``."""
        self._mark(
            curve=self._flat(curve),
            control=self._flat(control),
            selected_control=selected_control,
            snapping=snapping,
            hover_control=None,
            ghost=None,
        )

    def set_marker(self, xyz: np.ndarray | None) -> None:
        """Put the moving marker at ``xyz`` (3,)."""
        self._mark(marker=self._flat(xyz))

    def set_preview(self, curve: np.ndarray | None) -> None:
        """Draw a curve (K, 3) that is only proposed, dashed; K = 1: the place where it will start."""
        self._mark(preview=self._flat(curve))

    def set_transect(
        self,
        xyz: np.ndarray | None,
        in_hole: np.ndarray | None = None,
        position: int | None = None,
        thumbnails: np.ndarray | None = None,
    ) -> None:
        """Draw the means ``xyz`` (n, 3) of a transect as a second path, rows of NaN where they are not known yet.

        ``in_hole`` bool (n,) fills those points with the accent colour; ``position`` is the point that is looked at;
        ``thumbnails`` uint8 (n, h, w, C) stand beside some of the points. None: no transect.
        """
        mark = None
        if xyz is not None and len(xyz):
            inside = np.zeros(len(xyz), dtype=bool) if in_hole is None else np.asarray(in_hole, dtype=bool)
            if len(inside) != len(xyz) or (thumbnails is not None and len(thumbnails) != len(xyz)):
                raise ValueError(
                    f"the transect has {len(xyz)} points, but {len(inside)} hole marks and "
                    f"{'no' if thumbnails is None else len(thumbnails)} thumbnails; wanted one for each point."
                )
            before = self.scene.transect
            kept = before.drawn if before is not None and before.thumbnails is thumbnails else {}
            mark = TransectMark(self.scene.flatten(xyz), inside, position, thumbnails, kept)
        self._mark(transect=mark)

    def set_gridlines(
        self,
        xyz: np.ndarray | None,
        starts: np.ndarray | None = None,
        family: np.ndarray | None = None,
        values: np.ndarray | None = None,
        names: tuple[str, ...] = (),
    ) -> None:
        """Draw gridlines: line i is ``xyz[starts[i]:starts[i + 1]]``, names[family[i]] being values[i].

        ``xyz`` (P, 3), ``starts`` (L + 1,), ``family`` (L,), ``values`` (L,). None hides them. Raises ``ValueError``
        where these do not fit.
        """
        mark = None
        if xyz is not None and starts is not None and family is not None and values is not None and len(family):
            fits = len(starts) == len(family) + 1 == len(values) + 1 and starts[-1] <= len(xyz)
            if not fits or family.max() >= len(names):
                raise ValueError(
                    f"there are {len(family)} gridlines of {len(names)} families, {len(starts)} starts, {len(values)} "
                    f"values and {len(xyz)} points; expected one start more than gridlines, a value and family each."
                )
            mark = GridlinesMark(names, self.scene.flatten(xyz), starts, family, values)
        self._mark(gridlines=mark)

    def set_kinds(self, curves: Sequence[tuple[str, np.ndarray]], forward: str = "") -> None:
        """Draw kinds of path that are compared, (kind, (K, 3)) each; ``forward`` is the kind that is looked at."""
        flat = tuple((kind, self.scene.flatten(curve)) for kind, curve in curves)
        self._mark(kinds=KindsMark(flat, forward) if flat else None)


def _same(one: Any, other: Any) -> bool:
    """Whether two marks draw alike."""
    if one is other or one is None or other is None:
        return one is other
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
