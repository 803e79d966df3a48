"""The decoded image, large, and for a clicked sample its original, reconstruction and difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QColor, QDesktopServices, QGuiApplication, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.geometry.off_manifold import OffManifoldScore
from core.utils.text import listed
from explorer.widgets import image_conversion
from explorer.widgets.controls import folder_or_file_menu, label, named, push_button, set_role
from explorer.widgets.dialogs import ask_save
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE, ImageRow, Picture, difference_picture
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.off_manifold_badge import OffManifoldBadge
from explorer.widgets.painting import empty_text, halo_text
from explorer.widgets.theme import ThemedWidget

_NO_SAMPLE = "Click a point to compare its original with the reconstruction."
_NO_PLACE = "Click a point or drag the probe to see the samples nearest to it."
_NEAREST = (
    "These are samples, not decoded images: the latents came without a decoder. Distance: Euclidean, in latent space."
)
_ALLOW = (
    "Let this run read these places, now and whenever it is opened. It was not made on this computer, and could name "
    "any folder of yours; what it reads is shown in this window and goes nowhere else."
)
FRAME_MS = 16
_DECODED = "Decoded in: decoder time for this image, in the engine process"


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A sample near a place: its ``thumbnail`` uint8 (h, w, C), None if it has no image, what it is called, how far it
    is, and what is ``known`` of it, each by its name."""

    thumbnail: np.ndarray | None
    name: str
    distance: float
    known: tuple[tuple[str, str], ...]


class ImageView(Panel):
    """Shows one decoded image, or, without a decoder, that of the nearest sample; ``painted`` follows when a new one
    has really been painted.

    The context menu copies or saves it with its own pixels, not those of the screen.
    """

    painted = Signal()
    locate_requested = Signal(bool)
    """The run's images have been moved, and a person knows where to: to a folder, or to a file (False)."""
    allow_requested = Signal()
    """The run may read the images that it names."""

    def __init__(self) -> None:
        super().__init__("image")
        self._canvas = _Canvas()
        self._empty_sample = _NO_SAMPLE
        self._canvas.painted.connect(self.painted)
        self.badge = named(OffManifoldBadge(), "image.badge")
        self.caption = named(ElidedLabel(alone=True), "image.caption")
        self.caption.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._sample = ImageRow("image.sample", _NO_SAMPLE, smallest=56, preferred=128)
        self._factors = label("", name="image.factors", wrap=True, align=Qt.AlignmentFlag.AlignHCenter)
        self._factors.setToolTip(f"<p>The sample's factors, and its loss. {EXCESS_BCE}</p>")
        self._factors.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        parts = ((self._canvas, 1), self.badge, self.caption, self._make_missing(), self._sample, self._factors)
        column(*parts, spacing=4, margins=(8, 8, 8, 8), parent=self)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self._copy = named(QAction("Copy image", self), "image.copy")
        self._save = named(QAction("Save image…", self), "image.save")
        self._reveal = named(QAction("Show the sample's file in its folder", self), "image.reveal")
        self._file: Path | None = None
        self._copy.triggered.connect(self.copy_image)
        self._save.triggered.connect(self._ask_where)
        self._reveal.triggered.connect(self._show_file)
        self.addActions([self._copy, self._save, self._reveal])
        self._held = QTimer(self, singleShot=True, interval=FRAME_MS)
        self._held.timeout.connect(self._release_texts)
        self.set_missing("")
        self.set_unallowed(())
        self.set_image(None, "")
        self.clear_sample()

    def _make_missing(self) -> QWidget:
        self._missing = QWidget()
        self._missing_text = label("", "warning", "image.missing", wrap=True, align=Qt.AlignmentFlag.AlignHCenter)
        locate = push_button("image.locate", "Locate…", "Choose where the images of this run lie now")
        locate.setMenu(folder_or_file_menu(locate, "image.locate", self.locate_requested.emit))
        self._allow = push_button("image.allow", "Allow", _ALLOW)
        self._allow.clicked.connect(self.allow_requested)
        column(self._missing_text, row(1, self._allow, locate, 1, spacing=4), spacing=4, parent=self._missing)
        return self._missing

    # setters

    def set_missing(self, path: str) -> None:
        """The run's images are not at ``path`` any more; empty: they are where they should be."""
        self._ask_for_images(f"The images of this run are no longer at {path}." if path else "")

    def set_unallowed(self, places: Sequence[str]) -> None:
        """The run wants to read ``places`` and may not; none: it may read all that it names."""
        if places:
            self._ask_for_images(f"This run wants to read {listed(places)}.")
        self._allow.setVisible(bool(places))

    def _ask_for_images(self, text: str) -> None:
        self._missing_text.setText(text)
        self._missing.setVisible(bool(text))
        self._sample.setVisible(not text)

    def set_image(
        self,
        image: np.ndarray | None,
        caption: str,
        milliseconds: float | None = None,
        score: OffManifoldScore | None = None,
    ) -> None:
        """Show ``image`` uint8 (H, W, C), what it is, and how long it took to decode; None: the empty state.

        ``score`` is the badge of a decoded place; None where there is none to tell of.
        """
        self._canvas.set_image(None if image is None else image_conversion.to_image(image))
        self._hold_texts()
        self.badge.set_score(score)
        decoded = "" if milliseconds is None else f" · decoded in {milliseconds:.1f} ms"
        self.caption.set_texts(caption + decoded, caption, caption.rpartition("/")[2])
        self.caption.setToolTip("" if milliseconds is None else _DECODED)
        set_role(self.caption, "muted")
        self._copy.setEnabled(image is not None)
        self._save.setEnabled(image is not None)

    def _hold_texts(self) -> None:
        """Paint what stands below an image at most once for each frame: nobody reads it sooner, and it takes as long as
        the image."""
        for part in (self.badge, self.caption):
            part.setUpdatesEnabled(False)
        if not self._held.isActive():
            self._held.start()

    def _release_texts(self) -> None:
        for part in (self.badge, self.caption):
            part.setUpdatesEnabled(True)

    def set_waiting(self, text: str) -> None:
        """What is waited for, shown over the image, which is of another place until then; empty: nothing is."""
        if text != self._canvas.waiting:
            self._canvas.waiting = text
            self._canvas.update()

    @property
    def waiting(self) -> str:
        """What is waited for."""
        return self._canvas.waiting

    def set_sample(
        self,
        original: np.ndarray,
        reconstruction: np.ndarray,
        factors: list[tuple[str, str]],
        name: str,
        excess_bce: float,
    ) -> None:
        """Compare a sample with its reconstruction (both uint8 (H, W, C)) and show its factors and excess BCE.

        ``name`` is what it is called; ``set_file`` follows if it has a file.
        """
        self.set_file(None)
        self._sample.set_pictures(
            (
                Picture(image_conversion.to_image(original), (("original",),), tooltip=f"Original image of {name}"),
                Picture(
                    image_conversion.to_image(reconstruction),
                    (("reconstruction", "reconstr.", "rec."),),
                    tooltip=f"What the model makes of the latent of {name}",
                ),
                difference_picture(original, reconstruction, "Reconstruction − original"),
            )
        )
        values = " · ".join(f"{name} = {value}" for name, value in factors)
        loss = f"excess BCE {excess_bce:.2g}"
        self._factors.setText(f"{values}\n{loss}" if values else loss)

    def set_decoder(self, there: bool, incomparable: str = "") -> None:
        """Whether images are decoded; else the nearest samples are shown. ``incomparable``: why no sample's original
        can be compared with its reconstruction, if none can."""
        self._empty_sample = (incomparable or _NO_SAMPLE) if there else _NO_PLACE
        self.clear_sample()

    def set_nearest(
        self, image: np.ndarray | None, caption: str, neighbours: Sequence[Neighbour], usual: float
    ) -> None:
        """Show ``image`` of the nearest sample, uint8 (H, W, C), or, if it has none, what it is called and what is
        known of it; and the ``neighbours``, nearest first. ``usual`` is the distance from a sample to its nearest one.
        """
        nearest = neighbours[0]
        if image is None:
            names = [f"{one.name}  ({one.distance:.3g})" for one in neighbours[1:]]
            about = [f"{name} = {value}" for name, value in nearest.known]
            self._canvas.empty = "\n".join([nearest.name, *about, "", "Next nearest:", *names])
        self.set_image(image, caption)
        distance = f"{nearest.name.rpartition('/')[2]}, distance {nearest.distance:.3g}"
        self.caption.set_texts(caption, f"nearest: {nearest.name}, distance {nearest.distance:.3g}", distance)
        typical = f"A sample is usually {usual:.3g} away from the one nearest to it."
        self.caption.setToolTip(f"<p>{escape(caption)}</p><p>{_NEAREST} {typical}</p>")
        self._sample.set_pictures(
            tuple(
                Picture(
                    image_conversion.to_image(one.thumbnail),
                    ((f"{one.distance:.3g}",),),
                    tooltip="\n".join([f"{one.name}, distance {one.distance:.3g}", *map(" = ".join, one.known)]),
                )
                for one in neighbours
                if one.thumbnail is not None
            ),
            "" if image is not None else "These latents came without images.",
        )
        values = " · ".join(map(" = ".join, nearest.known)) if image is not None else ""
        self._factors.setText(f"{values}\nnearest samples, not decoded".lstrip())

    def set_empty(self, text: str) -> None:
        """What is needed for there to be an image."""
        self._canvas.empty = text
        self._canvas.update()

    @property
    def empty(self) -> str:
        """What is needed for there to be an image."""
        return self._canvas.empty

    def set_file(self, file: Path | None) -> None:
        """Where the sample's original lies; None: it is no file of its own."""
        self._file = file
        self._reveal.setEnabled(file is not None)

    def clear_sample(self) -> None:
        """No sample: only the decoded image."""
        self.set_file(None)
        self._sample.set_pictures((), self._empty_sample)
        self._factors.setText("\n")  # as high as with a sample, so that the image above does not jump

    @property
    def has_image(self) -> bool:
        """Whether a decoded image is on show."""
        return self._canvas.image is not None

    @property
    def has_sample(self) -> bool:
        """Whether a sample is compared with its reconstruction."""
        return bool(self._sample.pictures)

    # what a hand may do with the image

    def copy_image(self) -> None:
        """Put the image on the clipboard."""
        if self._canvas.image is not None:
            QGuiApplication.clipboard().setImage(self._canvas.image)

    def save_image(self, path: Path) -> None:
        """Write the image to ``path``; what goes wrong is said in the caption."""
        image = self._canvas.image
        if image is not None and not image.save(str(path)):
            self.caption.set_texts(
                f"{path} could not be written. Choose a writable folder and a name that ends in .png."
            )
            set_role(self.caption, "error")

    def _show_file(self) -> None:
        if self._file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._file.parent)))

    def _ask_where(self) -> None:
        filters = {"png": "PNG (*.png)"}
        ask_save(self.window(), "image", "Save image", "image.png", filters, lambda name: self.save_image(Path(name)))


class _Canvas(ThemedWidget):
    """The image itself."""

    painted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("image.canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(96, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.image: QImage | None = None
        self.empty = self.waiting = ""
        self._new = False

    def sizeHint(self) -> QSize:
        return QSize(264, 264)

    def set_image(self, image: QImage | None) -> None:
        """Show ``image``, and paint it at once: what else has come with it, or waits to be painted, can wait."""
        self.image, self._new = image, image is not None
        self.repaint()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.fillRect(self.rect(), QColor(self._theme.ground))
            if self.image is None:
                empty_text(painter, self.rect(), self.waiting or self.empty, self._theme)
            else:
                image_conversion.draw(painter, self.image, QRectF(self.rect()), self.devicePixelRatioF())
                if self.waiting:
                    foot = QRectF(0, self.height() - 32, self.width(), 24)
                    ink, halo = QColor(self._theme.text), QColor(self._theme.ground)
                    halo_text(painter, foot, Qt.AlignmentFlag.AlignHCenter, self.waiting, ink, halo)
        if self._new:
            self._new = False
            self.painted.emit()
