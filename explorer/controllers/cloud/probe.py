"""The probe: a point of latent space held by hand, and the image there.

The image follows by asking the engine for the newest point only; while one decode is on its way, points in between
are skipped, so nothing ever queues.
"""

from __future__ import annotations

import math
import os
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np
from PySide6.QtCore import QTimer, Signal

from core.geometry.off_manifold import OffManifoldScore
from core.projects.edited import Document
from core.protocol.messages import Decode, Decoded, EncodeSample, FindNearest, NearestFound, SampleEncoded
from core.utils.point_sets import value_ranges
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.nearest import SHOWN, image_of, show_nearest
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import missing_cloud, missing_decoder, missing_reconstructions
from explorer.views.image import ImageView
from explorer.views.probe import ProbeView

SCORE_RETRY_MS, SCORE_TRIES = 250, 6
"""An engine that has just opened a run decodes before it knows the samples. It is asked for the badge again after this
time, and then after twice as long each time."""
SEE = "see the image at the probe"
SOON_S = 0.05
"""An answer is expected so soon after the last one."""
QUIET_S = 0.3
"""A person's own decoder may take seconds; after so long it is said that an image is on its way."""


class ProbeController(Controller):
    """Binds probe sliders, image and engine to ``state.document``'s probe and sample."""

    decoded = Signal(object)
    """``Decoded``: an image of the probe is on show."""

    def __init__(self, context: Context, view: ProbeView, image: ImageView) -> None:
        super().__init__(context)
        self._view, self._image = view, image
        self._files = self._background()
        self._asked: np.ndarray | None = None
        self._inspected: int | None = None
        self._shown = ""  # the caption under the decoded image: another one is somebody else's image
        self._tries = 0
        self._heard_at = 0.0  # when the engine answered last, or had nothing left to answer
        self._again = QTimer(image, singleShot=True)  # goes with the view
        self._again.timeout.connect(self._ask_for_score)
        view.value_changed.connect(self.move)
        view.released.connect(self._editing.settle)
        view.center_requested.connect(self._center)
        view.snap_requested.connect(self._snap)
        events = self._state.events
        events.document.connect(self._show)
        events.embedding.connect(self._show_ranges)
        self._when((events.model, self._engine.weights_changed), self._renew)
        self._when((events.config, events.model), self._show_empty)
        self._when((events.reading, events.training), self._show_awaited)
        events.reading.connect(lambda reading: None if reading else self._clear_without_cloud())
        self._show_empty()

    @property
    def expects_image(self) -> bool:
        """Whether an image of the probe is on its way, and likely to come soon."""
        return self._awaiting and monotonic() - self._heard_at < SOON_S

    def tick(self) -> None:
        """Show where the probe is, and that an image is awaited once that takes long, until it is there."""
        probe = self._state.document.probe
        if "values" in self._dirty and probe is not None:
            self._view.set_values(probe)
        self._dirty.clear()
        now, request = monotonic(), self._request
        if request is None or request.done:
            self._heard_at = now
            self._image.set_waiting("")
        elif now - self._heard_at > QUIET_S:
            nearest = isinstance(request.message, FindNearest)
            self._image.set_waiting("Finding the nearest samples…" if nearest else "Decoding…")

    def move(self, z: np.ndarray) -> None:
        """The hand holds the probe at ``z`` float32 (d,)."""
        self._editing.live("move probe", probe=np.asarray(z, dtype=np.float32), sample=None)

    def choose(self, sample: int) -> None:
        """A sample was clicked: the probe goes there."""
        if self._state.embedding is not None and 0 <= sample < len(self._state.embedding):
            self._asked = self._inspected = None  # a path frame may be on show: a click always brings its own image
            self._editing.commit("choose sample", probe=self._state.embedding[sample], sample=sample)

    def _center(self) -> None:
        if self._state.embedding is not None:
            centre = self._state.embedding.mean(axis=0)
            self._editing.commit("centre probe", probe=centre.astype(np.float32), sample=None)

    def _snap(self) -> None:
        probe, means = self._state.document.probe, self._state.embedding
        if probe is not None and means is not None:
            self.choose(int(((means - probe) ** 2).sum(axis=1).argmin()))

    def _show_awaited(self) -> None:
        """What is awaited, or needed, for there to be a probe and an image; not over what is shown of a model."""
        self._view.set_empty(missing_cloud(self._state, "move a probe through its latent space"))
        if self._state.model is None:
            self._image.set_empty(missing_decoder(self._state, SEE))

    def _show_empty(self) -> None:
        self._show_awaited()
        missing = missing_decoder(self._state, SEE)
        model = self._state.model
        incomparable = "" if model is None else missing_reconstructions(self._state, "")
        self._image.set_decoder(model is None or model.can_decode, incomparable)
        if self._state.model is not None and missing:
            missing = "Click a point or drag the probe to see the samples nearest to it. " + missing
        self._image.set_empty(missing or "Click a point or drag the probe to see the image decoded there.")

    def _show(self, document: Document) -> None:
        if document.probe is None:
            self._show_empty()
            self._image.set_image(None, "")
            self._image.clear_sample()
            self._asked = self._inspected = None
            return
        self._mark("values")
        if self._state.model is None:
            return
        if self._asked is None or not np.array_equal(self._asked, document.probe):
            self._decode(document.probe)
        if document.sample != self._inspected:
            samples = self._state.all_samples
            self._inspected = document.sample
            if missing_decoder(self._state, ""):
                return  # what is nearest tells of the sample, too
            if document.sample is None or missing_reconstructions(self._state, ""):
                self._image.clear_sample()  # nothing to compare an image with
            elif samples is not None and document.sample < len(samples.indices):
                self._engine.request(EncodeSample(index=int(samples.indices[document.sample])), self._show_sample)

    def _renew(self) -> None:
        """Other weights, or another engine: everything on show is decoded again."""
        self._tries = 0
        self._asked = self._inspected = None
        self._show(self._state.document)

    def _show_ranges(self, means: np.ndarray | None) -> None:
        if means is None or not len(means):
            (self._view.wait if self._state.reading else self._view.clear)()
            return
        self._view.set_ranges(*value_ranges(means))
        if self._state.document.probe is not None:
            self._view.set_values(self._state.document.probe)

    def _clear_without_cloud(self) -> None:
        if self._state.embedding is None:
            self._view.clear()

    def _decode(self, z: np.ndarray) -> None:
        self._asked = z
        if missing_decoder(self._state, ""):
            request = FindNearest(z=z[None], count=SHOWN, channel="probe")
            self._request = self._engine.request(request, self._on_nearest)
            return
        self._request = self._engine.request(Decode(z=z), self._on_decoded, self._on_not_decoded)

    def _on_decoded(self, reply: Decoded) -> None:
        self._heard_at = monotonic()
        sample, samples = self._state.document.sample, self._state.all_samples
        caption = "Probe" if sample is None or samples is None else color_targets.sample_name(samples, sample)
        score = OffManifoldScore(reply.off_manifold_score, reply.threshold, reply.gap, reply.doubt)
        # While a training moves the samples, the engine may know older places of theirs than the one that it decoded:
        # what it says of a sample is not known before it calls it on the data, or has been asked often.
        moving = sample is not None and self._state.is_training
        if moving and not score.doubt and score.verdict != "on the data" and self._tries < SCORE_TRIES:
            score = OffManifoldScore(math.nan, math.nan, math.nan)
        self._image.set_image(reply.image, caption, reply.milliseconds, score)
        self._shown = self._image.caption.text()
        if score.verdict is not None or score.doubt:
            self._tries = 0
        elif self._tries < SCORE_TRIES:
            self._again.start(SCORE_RETRY_MS * 2**self._tries)
            self._tries += 1
        self.decoded.emit(reply)

    def _on_not_decoded(self, reason: str) -> None:
        """The image on show is of another place: it goes, and what went wrong is there instead."""
        self._asked = None
        self._image.set_empty(reason)
        self._image.set_image(None, "Not decoded")

    def _on_nearest(self, found: NearestFound) -> None:
        self._heard_at = monotonic()
        if self._state.document.probe is not None:
            nearest = image_of(found, int(found.places[0, 0]))
            waits = nearest is None and not found.final
            if not waits:  # the name and the image of one sample at a time
                show_nearest(self._state, self._image, found, 0, nearest)

    def _ask_for_score(self) -> None:
        probe = self._state.document.probe
        if probe is not None and self._state.model is not None and self._image.caption.text() == self._shown:
            self._decode(probe)

    def _show_sample(self, reply: SampleEncoded) -> None:
        samples, sample = self._state.all_samples, self._state.document.sample
        if samples is None or sample is None or int(samples.indices[sample]) != reply.index:
            return
        known = zip(samples.factor_names, samples.factors[sample].tolist(), samples.categories, strict=True)
        factors = [(name, color_targets.said(value, categories)) for name, value, categories in known]
        name = color_targets.sample_name(samples, sample)
        self._image.set_sample(reply.original, reply.reconstruction, factors, name, reply.excess_bce)
        config, model = self._state.config, self._state.model
        self._files.drop()
        if config is not None and config.data.path and samples.names and model is not None and not model.unallowed:
            self._files.read(partial(_file, Path(config.data.path), samples.names[sample]), self._image.set_file)


def _file(root: Path, name: str) -> Path | None:
    """The file of the sample ``name`` among the images at ``root``, if it has one that is still there."""
    root = root.expanduser()
    files = (root / name, root / name.rpartition("#")[0], root)  # a frame's name ends in #k
    below = (path for path in files if Path(os.path.normpath(path)).is_relative_to(root))
    return next((path for path in below if path.is_file()), None)
