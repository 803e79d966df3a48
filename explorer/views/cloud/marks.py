"""The setters of what is drawn over the points: they change the scene's marks and repaint the overlay alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explorer.views.cloud.base import CloudBase
from explorer.views.cloud.scene import GridlinesMark, KindsMark, TransectMark


class CloudMarks(CloudBase):
    """Chosen sample, probe, path, marker, transect, gridlines. Positions are (..., 3), as those of ``set_points``."""

    def set_selected(self, index: int | None) -> None:
        """Ring the chosen sample."""
        self.scene.selected = index
        self.refresh()

    def set_probe(self, xyz: np.ndarray | None) -> None:
        """Put the cross-hair at ``xyz`` (3,)."""
        self.scene.probe = None if xyz is None else self.scene.flatten(xyz)
        self.refresh()

    def set_path(
        self,
        curve: np.ndarray | None,
        control: np.ndarray | None,
        selected_control: int | None,
        snapping: bool = False,
    ) -> None:
        """Draw ``curve`` (K, 3) through ``control`` (M, 3); dragged, these jump onto points if ``snapping``."""
        scene = self.scene
        scene.snapping = snapping
        scene.curve = None if curve is None else scene.flatten(curve)
        scene.control = None if control is None else scene.flatten(control)
        scene.selected_control = selected_control
        scene.hover_control = scene.ghost = None
        self.refresh()

    def set_marker(self, xyz: np.ndarray | None) -> None:
        """Put the moving marker at ``xyz`` (3,)."""
        self.scene.marker = None if xyz is None else self.scene.flatten(xyz)
        self.refresh()

    def set_preview(self, curve: np.ndarray | None) -> None:
        """Draw a curve (K, 3) that is only proposed, dashed; K = 1: the place where it will start."""
        self.scene.preview = None if curve is None else self.scene.flatten(curve)
        self.refresh()

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
        self.scene.transect = mark
        self.refresh()

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
        if xyz is None or starts is None or family is None or values is None or not len(family):
            self.scene.gridlines = None
        else:
            fits = len(starts) == len(family) + 1 == len(values) + 1 and starts[-1] <= len(xyz)
            if not fits or family.max() >= len(names):
                raise ValueError(
                    f"there are {len(family)} gridlines of {len(names)} families, {len(starts)} starts, {len(values)} "
                    f"values and {len(xyz)} points; expected one start more than gridlines, a value and family each."
                )
            self.scene.gridlines = GridlinesMark(names, self.scene.flatten(xyz), starts, family, values)
        self.refresh()

    def set_kinds(self, curves: Sequence[tuple[str, np.ndarray]], forward: str = "") -> None:
        """Draw kinds of path that are compared, (kind, (K, 3)) each; ``forward`` is the kind that is looked at."""
        flat = tuple((kind, self.scene.flatten(curve)) for kind, curve in curves)
        self.scene.kinds = KindsMark(flat, forward) if flat else None
        self.refresh()
