"""The comparison panel: which second run, its cloud, which input goes into both models, and what they make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QWidget,
)

from explorer.widgets import image_conversion
from explorer.widgets.controls import label, named, push_button, set_role, set_silently, tool_button
from explorer.widgets.dialogs import ask_folder
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.image_row import EXCESS_BCE, ImageRow, Picture, difference_picture
from explorer.widgets.layouts import Panel, column, row
from explorer.widgets.plain_text import plain_tip

SHOWN_MU = 3  # coordinates written under an image; all of them are in its tooltip


class Kind(StrEnum):
    """What both models are given."""

    IMAGE = "image"
    PARAMETERS = "parameters"
    LATENT = "latent"


_KINDS = {
    Kind.IMAGE: ("Image", "The chosen sample's image goes into both encoders. Click a point of either cloud."),
    Kind.PARAMETERS: (
        "Parameters",
        "Each model is given the image at the cursor of the parameter plane, drawn with its own run's settings.",
    ),
    Kind.LATENT: ("Latent point", "Both decoders decode the probe's latent point. Drag the probe."),
}


class CompareView(Panel):
    """Shows a second run beside the open one. ``cloud`` is the widget that draws the second run's samples.

    Setters are silent. ``run_chosen`` carries a folder, and so does ``locate_requested``: where the missing run is now;
    ``runs_wanted`` comes before the list of recent runs opens; ``shown`` follows when the panel has become visible.
    ``title`` has the second run's name.
    """

    run_chosen = Signal(str)
    runs_wanted = Signal()
    locate_requested = Signal(str)
    close_requested = Signal()
    kind_chosen = Signal(str)

    def __init__(self, cloud: QWidget) -> None:
        super().__init__("compare")
        self.setMinimumWidth(380)
        self._recent: list[str] = []
        self.images = ImageRow("compare.images", "", smallest=72, preferred=160, lines=2, titled=True)
        self.images.setAccessibleName("Both models' images")
        self.message = label("", "error", "compare.message", wrap=True)
        self.message.hide()
        self.note = label("", "muted", "compare.note", wrap=True)
        self._empty = label("", "muted", "compare.empty", wrap=True, align=Qt.AlignmentFlag.AlignCenter)
        self._empty.setContentsMargins(24, 8, 24, 8)
        body = QWidget()
        column((cloud, 3), self._make_switch(), self.note, (self.images, 2), spacing=6, parent=body)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._empty)
        self._pages.addWidget(body)
        parts = (self._make_head(), self.message, (self._pages, 1))
        column(*parts, spacing=6, margins=(8, 6, 8, 8), parent=self)
        self.set_run(None)
        self.set_kind(Kind.IMAGE)
        self.set_images(None, None)

    def _make_head(self) -> QHBoxLayout:
        self.title = named(ElidedLabel("heading"), "compare.run")
        self._details = named(ElidedLabel("muted"), "compare.details")
        self._menu = named(QMenu(self), "compare.menu")
        self._menu.aboutToShow.connect(self._fill_menu)
        tip = "Choose the run to compare with: a recent one, or any run folder"
        self._choose = tool_button("compare.choose", "Choose run", tip, "Choose the second run", drawing="open")
        self._choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._choose.setMenu(self._menu)
        tip = "Say in which folder the second run is now"
        self._missing = ""
        self._locate = push_button("compare.locate", "Locate…", tip, self._ask_where)
        tip = "Close the second run; the first one stays open"
        self._close = push_button("compare.close", "Close", tip, self.close_requested)
        return row((self.title, 2), (self._details, 3), self._locate, self._choose, self._close, spacing=6)

    def _make_switch(self) -> QWidget:
        self._kinds: dict[Kind, QPushButton] = {}
        group = QButtonGroup(self)
        for kind, (text, tip) in _KINDS.items():
            accessible = f"Same {text.lower()} for both models"
            button = named(QPushButton(), f"compare.kind.{kind}", text, tip, accessible)
            button.setCheckable(True)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _=False, kind=kind: self.kind_chosen.emit(str(kind)))
            group.addButton(button)
            self._kinds[kind] = button
        switch = named(QWidget(), "compare.switch")
        row(label("Same", "muted"), *self._kinds.values(), spacing=4, parent=switch)
        return switch

    # choosing a run

    def _fill_menu(self) -> None:
        self.runs_wanted.emit()
        self._menu.clear()
        for path in self._recent:
            action = named(self._menu.addAction(path.replace("&", "&&")), "compare.recent", tip=plain_tip(path))
            action.triggered.connect(lambda _=False, path=path: self.run_chosen.emit(path))
        if self._recent:
            self._menu.addSeparator()
        browse = named(self._menu.addAction("Choose folder…"), "compare.browse")
        browse.triggered.connect(self._ask_which)

    def _ask_which(self) -> None:
        place = Path(self._recent[0]).parent if self._recent else None
        ask_folder(self.window(), "compare", "Choose the run to compare with", self.run_chosen.emit, place)

    def _ask_where(self) -> None:
        missing = Path(self._missing)
        ask_folder(self.window(), "compare.locate", f"Locate {missing.name}", self.locate_requested.emit, missing)

    # setters

    def set_recent(self, paths: list[str]) -> None:
        """The folders that the menu offers."""
        self._recent = list(paths)

    def set_run(self, path: str | None, details: str = "", name: str = "") -> None:
        """The second run's folder, a few words about it, and its ``name`` if that is not the folder's; None: there is
        none."""
        self.title.setText(name or ("" if path is None else Path(path).name) or "No second run")
        self.title.setToolTip(plain_tip(path or ""))
        self._details.setText(details)
        self._details.setVisible(bool(details))
        self._details.setToolTip(plain_tip(details))
        self._close.setVisible(path is not None)
        self._choose.setText("Choose run" if path is None else "Other run")
        self._pages.setCurrentIndex(0 if path is None else 1)
        self._missing = ""
        self._locate.hide()

    def set_missing(self, path: str) -> None:
        """The second run, which was in folder ``path``, is not there."""
        self.set_run(None)
        self._missing = path
        name = Path(path).name
        self.title.setText(f"{name} (not found)")
        self.title.setToolTip(plain_tip(path))
        self.set_message(f"{name}, the second run, is not in {path} any more. Locate it, or choose another run.")
        self._locate.show()
        self._close.show()

    def set_empty(self, text: str) -> None:
        """What to do while there is no second run."""
        self._empty.setText(text)

    def set_message(self, text: str, *, error: bool = True) -> None:
        """Say what is wrong with the second run, or what is awaited; empty: nothing."""
        self.message.setText(text)
        set_role(self.message, "error" if error else "muted")
        self.message.setVisible(bool(text))

    def set_kind(self, kind: str) -> None:
        """Which input both models get."""
        for name, button in self._kinds.items():
            set_silently(button.setChecked, name == kind)

    def set_kinds(self, reasons: Mapping[str, str]) -> None:
        """Why each kind cannot be chosen; one without a reason can."""
        for kind, button in self._kinds.items():
            reason = reasons.get(kind, "")
            button.setEnabled(not reason)
            button.setToolTip(plain_tip(reason or _KINDS[kind][1]))

    def set_note(self, text: str) -> None:
        """Say what is compared, or why nothing is."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def set_images(
        self,
        first: np.ndarray | None,
        second: np.ndarray | None,
        names: tuple[str, str] = ("", ""),
        mu: tuple[np.ndarray, np.ndarray] | None = None,
        excess_bce: tuple[float, float] = (float("nan"), float("nan")),
        text: str = "",
    ) -> None:
        """Both models' images uint8 (H, W, C), of one size, with their runs' names, mu (d,) and excess BCE (NaN: none).

        Without images, ``text`` says how to get them.
        """
        if first is None or second is None:
            self.images.set_pictures((), text)
            return
        means = mu or (np.empty(0), np.empty(0))
        apart = float(np.abs(second.astype(np.float32) - first).mean() / 255.0)
        panes = [
            _model_picture(image, name, point, loss)
            for image, name, point, loss in zip((first, second), names, means, excess_bce, strict=True)
        ]
        difference = difference_picture(first, second, f"{names[1]} − {names[0]}", "Difference")
        mean = (f"mean |diff.| {apart:.2g}", f"mean {apart:.2g}")
        tooltip = f"{difference.tooltip}; the mean of its absolute values is {apart:.4f} of full scale."
        panes.append(replace(difference, lines=(*difference.lines, mean), tooltip=tooltip))
        self.images.set_pictures(tuple(panes))

    # what is on show

    @property
    def kind(self) -> str:
        """The input that is chosen."""
        return next((str(kind) for kind, button in self._kinds.items() if button.isChecked()), "")


def _model_picture(image: np.ndarray, name: str, mu: np.ndarray, loss: float) -> Picture:
    known = not np.isnan(loss)
    point = "  ".join(f"{value:.2f}" for value in mu[:SHOWN_MU]) + ("  …" if len(mu) > SHOWN_MU else "")
    lines: list[tuple[str, ...]] = [(f"excess BCE {loss:.2g}", f"{loss:.2g}")] if known else []
    if len(mu):
        lines.append((f"{'μ' if known else 'z'}  {point}",))
    words = f"excess BCE {loss:.6f}" if known else "decoded from the same latent point"
    tooltip = f"{name}: {words}, {'μ' if known else 'z'} = ({', '.join(f'{value:.4f}' for value in mu)})."
    return Picture(
        image_conversion.to_image(image), tuple(lines), name, f"{tooltip} {EXCESS_BCE}" if known else tooltip
    )
