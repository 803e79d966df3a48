"""The training hole: a circle of the parameter plane and four fields of the training form, one and the same.

While nothing is trained, the circle is the hole of the *next* training and has handles; that of the open run is dashed
where it differs. While a training is active, the open run's hole alone is shown.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QObject, QTimer

from core.analysis.transect import in_hole
from core.config import ConfigError, DataConfig
from core.data import polar_curves
from explorer.state import ACTIVE_TRAINING, State
from explorer.views.parameters import ParametersView
from explorer.views.training import TrainingView

COUNTED = 200_000  # samples of a larger draw are estimated from so many, so that the note follows the hand
DIGITS = 4  # of centre and radius: finer than a hand can be


class HoleController(QObject):
    """Binds the plane's circle to the training form, both ways, and says how many images it leaves."""

    def __init__(self, state: State, view: ParametersView, training: TrainingView) -> None:
        super().__init__()
        self._state, self._view, self._training = state, view, training
        view.plane.hole_moved.connect(self._on_moved)
        view.hole_toggled.connect(self._on_toggled)
        training.edited.connect(self.refresh)
        state.events.training.connect(lambda *_: self.refresh())
        # A run that is opened fills the form a moment after its configuration is known.
        state.events.config.connect(lambda *_: QTimer.singleShot(0, self, self.refresh))
        self.refresh()

    def _on_moved(self, a: float, b: float, radius: float) -> None:
        self._training.set_hole(round(a, DIGITS), round(b, DIGITS), round(radius, DIGITS))
        self.refresh()

    def _on_toggled(self, cut: bool) -> None:
        self._training.set_punctured(cut)
        self.refresh()

    def refresh(self) -> None:
        """Show what holds now."""
        config = self._state.config
        run = hole_of(config.data) if config is not None else None
        on_curves = config is None or config.data.drawn  # only these data can have a hole
        coming = self._next_data()
        training = self._state.training in ACTIVE_TRAINING
        note, problem = "", ""
        if not training and coming is not None and coming.drawn:
            note, problem = images_left(coming)
        self._training.set_enabled_reason(problem)
        self._view.set_hole_possible(on_curves)
        if training or coming is None or not coming.drawn or not on_curves:
            self._show(
                run, False, "This run's hole" if run else "This run has no hole" if on_curves and training else ""
            )
            self._view.set_run_hole(None)
            return
        hole = hole_of(coming)
        differs = run is not None and (hole is None or not np.allclose(run, hole, atol=1e-9))
        if differs and not problem:
            note += " · dashed: this run's hole"
        self._show(hole, True, problem or note, bool(problem))
        self._view.set_run_hole(run if differs else None)

    def _show(self, hole: tuple[float, float, float] | None, editable: bool, note: str, wrong: bool = False) -> None:
        a, b, radius = hole if hole is not None else (0.0, 0.0, None)
        self._view.set_hole(a, b, radius, editable, note, wrong)

    def _next_data(self) -> DataConfig | None:
        """The data of the next training; None while the form holds something that cannot be."""
        try:
            return self._training.config().data
        except ConfigError:
            return None


def hole_of(data: DataConfig) -> tuple[float, float, float] | None:
    """(a, b, radius) of the hole of ``data``; None if it has none."""
    if not data.drawn or not data.punctured:
        return None
    return data.hole_a, data.hole_b, data.hole_radius


def images_left(data: DataConfig) -> tuple[str, str]:
    """How many curves the hole of ``data`` leaves, in words; and why they cannot be trained on, empty if they can."""
    counted = _draw(min(data.count, COUNTED), data.seed)
    left = int((~in_hole(counted, data)).sum())
    if left < 2:
        what = "no images" if left == 0 else "one image"
        return "", f"The hole leaves {what} of {data.count:,}: make it smaller"
    if not data.punctured:
        return f"No hole: all {data.count:,} images", ""
    about = "" if data.count <= COUNTED else "about "
    left = round(left * data.count / len(counted))
    return f"{about}{left:,} of {data.count:,} images left", ""


@lru_cache(maxsize=1)
def _draw(count: int, seed: int) -> np.ndarray:
    """The first ``count`` (a, b) of a dataset; they do not depend on how many follow."""
    drawn = polar_curves.draw_parameters(count, seed)
    drawn.setflags(write=False)
    return drawn
