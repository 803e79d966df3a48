"""The parameter plane: samples at their true factors, tied to the cloud; a cursor that is followed by the images.

While the cursor is dragged, the engine is asked for the newest place alone: the true image there, its reconstruction,
and where it lands in latent space. The probe goes there, so cloud, image and probe follow the hand.

The training hole is a circle of the plane and four fields of the training form, one and the same. While nothing is
trained, the circle is the hole of the *next* training and has handles; that of the open run is dashed where it differs.
While a training is active, the open run's hole alone is shown.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QTimer

from core.analysis.transect import in_hole
from core.config import ConfigError, DataConfig
from core.data import polar_curves
from core.data.dataset import DatasetError
from core.data.held_out import Box, HeldOut, held_out
from core.protocol.messages import EncodeFactors, FactorsEncoded
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.plane import factor_names, is_drawn, missing_factors, nearest_samples, places, shown_plane
from explorer.controllers.requirements import missing_reconstructions
from explorer.views.parameters import ParametersView
from explorer.views.parameters.scene import Hole, Region
from explorer.views.training import TrainingView
from explorer.widgets.controls import on_screen

COUNTED = 200_000  # samples of a larger draw are estimated from so many, so that the note follows the hand
DIGITS = 4  # of the hole's centre and radius: finer than a hand can be
NO_HOLE = (0.0, 0.0, None)
MOVE = "move cursor"
LONG_NAMES = {"a": "scale a", "b": "depth b"}


class ParametersController(Controller):
    """Binds the plane to state, engine and training form. It keeps ``document.cursor`` at the chosen sample."""

    def __init__(
        self,
        context: Context,
        probe: ProbeController,
        cloud: CloudController,
        view: ParametersView,
        training_view: TrainingView,
    ) -> None:
        super().__init__(context)
        self._probe, self._cloud, self._view, self._training = probe, cloud, view, training_view
        self._places: np.ndarray | None = None  # float32 (N, 2): the samples in the plane
        self._names: tuple[str, ...] = ()  # of the factors
        self._held_out = HeldOut()
        self._asked: tuple[float, float] | None = None  # the place whose images are on show, or on their way
        self._leads = False  # its answer moves the probe
        self._held = False  # a hand has the cursor
        self._nearest: int | None = None  # the sample to which the cursor has snapped
        events = self._state.events
        view.plane.cursor_moved.connect(self._on_cursor)
        view.plane.cursor_released.connect(self._on_released)
        view.plane.sample_clicked.connect(self._probe.choose)
        view.plane.picked.connect(self._cloud.select)
        view.plane.hovered.connect(self._cloud.hover)
        view.axes_changed.connect(self._on_axes)
        view.shown.connect(self._on_document)
        self._cloud.colours_changed.connect(view.set_colors)
        events.hovered.connect(lambda index: view.set_hovered(index))
        events.selected.connect(lambda indices: view.plane.mark(highlight=indices))
        self._when((events.samples, events.attributes, events.config, events.plane), self._on_samples)
        self._when((events.model,), self._on_model)
        self._when((events.document,), self._on_document)
        self._engine.weights_changed.connect(self._renew)
        view.plane.hole_moved.connect(self._on_hole_moved)
        view.hole_toggled.connect(self._on_hole_toggled)
        self._when((training_view.form.edited,), self.show_hole)
        self._when((events.training,), self.show_hole)
        # A run that is opened fills the form a moment after its configuration is known.
        events.config.connect(lambda *_: QTimer.singleShot(0, self, self.show_hole))
        self._on_samples()
        # Once the window is there: counting what a hole leaves imports numpy's random numbers, 15 ms.
        QTimer.singleShot(0, self, self.show_hole)

    # the samples

    def _on_samples(self) -> None:
        samples, view = self._state.samples, self._view
        self._state.hovered = None
        names, drawn = factor_names(self._state), is_drawn(self._state)
        view.set_empty(missing_factors(self._state, "see its samples in the plane of two factors"))
        if samples is not None and samples.factor_names != self._names:
            self._editing.refine(plane=None)  # what was chosen among other factors means nothing among these
        if len(names) < 2:
            self._places = None
            return
        x, y = shown_plane(self._state)
        if samples is None:
            self._places, split = np.empty((0, 2), dtype=np.float32), np.empty(0, dtype=np.uint8)
        else:
            self._places, split = places(self._state, (x, y)).astype(np.float32), samples.split
        view.set_factors(() if drawn else names, (x, y))
        view.set_names(*(LONG_NAMES.get(names[axis], names[axis]) if drawn else names[axis] for axis in (x, y)))
        view.set_classes(*(() if drawn else color_targets.categories(self._state, names[axis]) for axis in (x, y)))
        view.set_bounds(*self._bounds(self._places))
        view.set_samples(self._places, split)
        self._names = names if drawn or samples is None else samples.factor_names
        self._held_out = self._regions(self._names)
        axes = names[x], names[y]
        regions = tuple(_rectangle(box, *axes) for box in self._held_out.boxes(axes))
        view.set_colors(self._cloud.colours)
        view.plane.mark(held_out=regions, highlight=self._state.selected)
        self._on_document()

    def _regions(self, names: tuple[str, ...]) -> HeldOut:
        """What the open run holds out."""
        config, samples = self._state.config, self._state.samples
        categories = ()
        if samples is not None and samples.factor_names == names:  # those of a run of curves may be others
            categories = samples.categories
        try:
            return HeldOut() if config is None else held_out(config.data, names, categories)
        except DatasetError:  # a run whose samples have other labels than its configuration says
            return HeldOut()

    def _bounds(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if is_drawn(self._state):
            low, high = zip(polar_curves.SCALE_RANGE, polar_curves.DEPTH_RANGE, strict=True)
            return np.array(low), np.array(high)
        known = xy[np.isfinite(xy).all(axis=1)].astype(np.float64)
        return (known.min(axis=0), known.max(axis=0)) if len(known) else (np.zeros(2), np.ones(2))

    def _on_axes(self, x: int, y: int) -> None:
        sample = self._state.document.sample
        kept = self._nearest if sample is None else sample
        names = factor_names(self._state)
        self._editing.commit(f"plane of {names[x]} and {names[y]}", plane=(x, y))
        if sample is None and kept is not None and self._places is not None and kept < len(self._places):
            self._nearest = kept
            self._editing.follow(cursor=_place(self._places[kept]))

    # the cursor

    def _on_cursor(self, x: float, y: float) -> None:
        if self._places is None:
            return
        place = (x, y)
        if not is_drawn(self._state):
            self._nearest = self._nearest_to(place)
            if self._nearest is None:
                return
            place = _place(self._places[self._nearest])
        self._held = True
        self._leads = True
        self._editing.live(MOVE, cursor=place, sample=None)

    def _on_released(self) -> None:
        self._held = False
        if not self._awaiting:  # otherwise the answer makes the step: where the probe goes is part of it
            self._leads = False
            self._editing.settle()

    def _on_document(self) -> None:
        """Keep the cursor at the chosen sample, show it, and ask for its images."""
        document, places = self._state.document, self._places
        sample = document.sample
        if sample is not None:
            self._leads = self._held = False
            self._nearest = sample
            known = places is not None and sample < len(places) and bool(np.isfinite(places[sample]).all())
            if places is not None and known and document.cursor != _place(places[sample]):
                self._editing.follow(cursor=_place(places[sample]))
                return  # and comes back here
        elif not self._held and document.cursor != self._asked:
            self._leads = False  # undo and redo bring the probe back by themselves
        self._view.plane.mark(selected=sample)
        self._view.set_cursor(document.cursor)
        if document.cursor is None:
            self._asked = None
            self._view.set_images(None, None, "")
        else:
            self._ask()

    def _nearest_to(self, place: tuple[float, float]) -> int | None:
        """The sample that is nearest in units of the axes' ranges."""
        nearest = nearest_samples(self._state, np.array([place]), shown_plane(self._state))
        return int(nearest[0]) if len(nearest) else None

    # the engine

    def _ask(self) -> None:
        """Ask for the images at the cursor, if they are not on show already."""
        place, samples = self._state.document.cursor, self._state.samples
        if place is None or place == self._asked or self._state.model is None:
            return
        without = missing_reconstructions(self._state, "")
        if without:
            self._view.set_images(None, None, without)
            return
        if not (on_screen(self._view) or self._leads):
            return  # asked when it is looked at
        if is_drawn(self._state):
            message = EncodeFactors(factors=np.array(place, dtype=np.float32))
        else:
            nearest = self._state.document.sample
            nearest = self._nearest_to(place) if nearest is None else nearest
            if samples is None or nearest is None or nearest >= len(samples.indices):
                return
            self._nearest = nearest
            message = EncodeFactors(factors=samples.factors[nearest], index=int(samples.indices[nearest]))
        self._asked = place
        self._request = self._engine.request(message, self._on_encoded, self._on_error)

    def _on_model(self) -> None:
        """Other weights, or none: what was asked of the old ones is not answered any more."""
        self._cancel_request()
        self._finish()
        self._asked = None
        if self._state.model is None:
            self._view.set_images(None, None, "")
        self._on_document()

    def _finish(self) -> None:
        """No answer is awaited any more; a hand that has let go has made its step."""
        if self._leads and not self._held:
            self._leads = False
            self._editing.settle()

    def _on_error(self, _: str) -> None:
        if not self._awaiting:  # it was about the newest place
            self._view.set_images(None, None, "The images here could not be made: see the message above.")
            self._finish()

    def _renew(self) -> None:
        """Other weights, or another engine."""
        self._asked = None
        self._ask()

    def _on_encoded(self, reply: FactorsEncoded) -> None:
        self._state.cursor_mu = reply.mu
        newest = not self._awaiting
        if self._state.document.cursor is None or not (newest or self._held):
            return
        parts = [f"excess BCE {reply.excess_bce:.2g}", f"SSIM {reply.ssim:.3f}"]
        if self._held_out.contains(reply.factors[None], self._names)[0]:
            parts.append("in the hole" if is_drawn(self._state) else "held out")
        self._view.set_images(reply.original, reply.reconstruction, " · ".join(parts))
        if self._leads:
            self._editing.live(MOVE, probe=reply.mu, sample=None)
        if newest:
            self._finish()

    # the hole

    def _on_hole_moved(self, a: float, b: float, radius: float) -> None:
        hole = {"hole_a": a, "hole_b": b, "hole_radius": radius}
        self._training.form.set_values({f"data.{name}": round(value, DIGITS) for name, value in hole.items()})
        self.show_hole()

    def _on_hole_toggled(self, cut: bool) -> None:
        self._training.form.set_values({"data.punctured": cut})
        self.show_hole()

    def show_hole(self) -> None:
        """Show the hole that holds now."""
        config = self._state.config
        run = hole_of(config.data) if config is not None else None
        on_curves = config is None or config.data.drawn  # only these data can have a hole
        try:
            coming = self._training.form.config().data
        except ConfigError:  # the form holds something that cannot be
            coming = None
        training = self._state.is_training
        note, problem = "", ""
        if not training and coming is not None and coming.drawn:
            note, problem = images_left(coming)
        self._training.set_enabled_reason(problem)
        self._view.set_hole_possible(on_curves)
        if training or coming is None or not coming.drawn or not on_curves:
            note = "This run's hole" if run else "This run has no hole" if on_curves and training else ""
            self._view.set_hole(*(run or NO_HOLE), False, note, False)
            self._view.plane.mark(run_hole=None)
            return
        hole = hole_of(coming)
        differs = run is not None and (hole is None or not np.allclose(run, hole, atol=1e-9))
        if differs and not problem:
            note += " · dashed: this run's hole"
        self._view.set_hole(*(hole or NO_HOLE), True, problem or note, bool(problem))
        self._view.plane.mark(run_hole=Hole(*run) if differs and run is not None else None)


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


def _rectangle(box: Box, x: str, y: str) -> Region:
    everywhere = -math.inf, math.inf
    return box.ranges.get(x, everywhere), box.ranges.get(y, everywhere)


def _place(row: np.ndarray) -> tuple[float, float]:
    x, y = row.tolist()
    return x, y
