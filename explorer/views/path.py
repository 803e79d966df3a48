"""The path panel: transport, what the path is, and its export."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QLocale, QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.widgets.controls import MarkedSlider, label, named, set_role
from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.icons import icon
from explorer.widgets.layouts import FlowLayout
from explorer.widgets.path_kind_chooser import KindChooser
from explorer.widgets.saved_paths_button import SavedPathsButton
from explorer.widgets.theme import DARK, Theme

UNITS = (("latent", "Latent speed"), ("image", "Image speed"))
FORMATS = (("png", "PNG strip…"), ("gif", "GIF…"), ("mp4", "MP4 video…"), ("npz", "Latents and frames (NPZ)…"))
_SCRUB = 10_000
_WIDE = 880  # pixels in which the settings have one row
_LENGTHS = (
    "Latent length: length of the path in units of latent space. Image length: how far the decoded image changes along "
    "it, summed over K frames at equal steps, pooled to 16 × 16 cells, in units of a cell's full brightness; it grows "
    "with K, the number of frames, so K is shown beside it."
)
_EMPTY = "No path yet: draw one (3), add points (4) or trace a curve (6)"


class PathView(QWidget):
    """Plays a path and says what it is. Positions are 0 to 1 along it in the chosen unit."""

    play_toggled = Signal(bool)
    scrubbed = Signal(float)
    loop_toggled = Signal(bool)
    speed_changed = Signal(float)
    unit_changed = Signal(str)
    frames_changed = Signal(int)
    kind_changed = Signal(str)
    """Another spline through the control points was chosen."""
    traced_chosen = Signal(str)
    """A kind that is computed was chosen, one of ``core.paths.recipe.RECIPE_KINDS``."""
    target_chosen = Signal(str)
    penalty_changed = Signal(bool)
    closed_changed = Signal(bool)
    clear_requested = Signal()
    export_requested = Signal(str)
    cancel_export_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("path")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # else the window shows through
        self._theme, self._points, self._info, self._size = DARK, 0, "", ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 4)
        layout.setSpacing(4)
        layout.addLayout(self._make_transport())
        layout.addLayout(self._make_settings())
        layout.addLayout(self._make_words())
        self.set_theme(DARK)
        self.set_path(None)
        self.set_export_progress(None)

    def _make_transport(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        self._previous = self._button("previous", "One frame back (Left)")
        self._play = self._button("play", "Play (Space)", checkable=True)
        self._next = self._button("next", "One frame forward (Right)")
        self._loop = self._button("loop", "Loop: continue from the start when the end is reached", checkable=True)
        self._scrub = MarkedSlider()
        self._scrub.setObjectName("path.scrub")
        self._scrub.setAccessibleName("Position along the path")
        self._scrub.setToolTip("Position along the path, 0 to 1")
        self._scrub.setRange(0, _SCRUB)
        self._scrub.setSingleStep(_SCRUB // 100)
        self._scrub.setPageStep(_SCRUB // 10)
        self._frame = label("", "muted", "path.frame")
        self._frame.setMinimumWidth(60)
        self._frame.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (self._previous, self._play, self._next, self._loop):
            row.addWidget(widget)
        row.addWidget(self._scrub, 1)
        row.addWidget(self._frame)
        self._play.toggled.connect(self._on_play)
        self._loop.toggled.connect(self.loop_toggled)
        self._previous.clicked.connect(lambda: self._step(-1))
        self._next.clicked.connect(lambda: self._step(1))
        self._scrub.valueChanged.connect(self._on_scrub)
        return row

    def _make_words(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(20)
        self._info_label, self._note = named(ElidedLabel(), "path.info"), named(ElidedLabel(), "path.note")
        for words in (self._info_label, self._note):
            words.setProperty("role", "muted")
        self._info_label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._note.setVisible(False)
        row.addWidget(self._info_label)
        row.addWidget(self._note, 1)
        return row

    def _make_settings(self) -> FlowLayout:
        flow = FlowLayout(horizontal=6)
        self._kinds = KindChooser("path")
        self._kinds.spline_chosen.connect(self.kind_changed)
        self._kinds.traced_chosen.connect(self.traced_chosen)
        self._kinds.target_chosen.connect(self.target_chosen)
        self._kinds.penalty_changed.connect(self.penalty_changed)
        self._kinds.closed_changed.connect(self.closed_changed)
        self._unit = self._choice(
            "unit", UNITS, "What advances evenly during playback: latent length or image length", self.unit_changed
        )
        self._frames = named(QSpinBox(), "path.frames")
        self._frames.setFixedWidth(104)
        self._frames.setRange(2, 1025)
        self._frames.setValue(65)
        self._frames.setSuffix(" frames")
        self._frames.setToolTip("K: number of frames along the path, 2 to 1025")
        self._frames.setKeyboardTracking(False)
        self._frames.valueChanged.connect(self._on_frames)
        self._speed = named(QDoubleSpinBox(), "path.speed")
        self._speed.setLocale(QLocale.c())
        self._speed.setFixedWidth(78)
        self._speed.setRange(0.05, 20.0)
        self._speed.setDecimals(2)
        self._speed.setSingleStep(0.25)
        self._speed.setValue(1.0)
        self._speed.setPrefix("× ")
        self._speed.setToolTip("Playback speed, 0.05 to 20 times normal speed")
        self._speed.setKeyboardTracking(False)
        self._speed.valueChanged.connect(self.speed_changed)
        self._clear = self._button("clear", "Remove the path", text="Clear")
        self._clear.clicked.connect(self.clear_requested)
        self.saved = SavedPathsButton()
        row = (self._kinds, self._unit, self._frames, self._speed, self._clear, self.saved, self._make_export())
        for widget in (*row, self._make_progress()):
            flow.addWidget(widget)
        return flow

    def _make_export(self) -> QToolButton:
        self._export = self._button("export", "Write the path's frames to a file", text="Export")
        self._export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self._export)
        for name, text in FORMATS:
            action = named(QAction(text, menu), f"path.export.{name}")
            action.triggered.connect(lambda _=False, name=name: self.export_requested.emit(name))
            menu.addAction(action)
        self._export.setMenu(menu)
        return self._export

    def _make_progress(self) -> QWidget:
        self._progress = named(QWidget(), "path.progress")
        row = QHBoxLayout(self._progress)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(96)
        self._cancel = named(QToolButton(), "path.export.cancel", "Cancel")
        self._cancel.setToolTip("Cancel the export; no file is left on disk")
        self._cancel.clicked.connect(self.cancel_export_requested)
        row.addWidget(label("Exporting", "muted"))
        row.addWidget(self._bar)
        row.addWidget(self._cancel)
        return self._progress

    def _button(self, name: str, tip: str, checkable: bool = False, text: str = "") -> QToolButton:
        button = named(QToolButton(), f"path.{name}", text or tip.split(" (")[0])
        button.setToolTip(tip)
        button.setCheckable(checkable)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if text:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        return button

    def _choice(self, name: str, options: tuple[tuple[str, str], ...], tip: str, changed: SignalInstance) -> QComboBox:
        box = named(QComboBox(), f"path.{name}")
        box.setToolTip(tip)
        for value, text in options:
            box.addItem(text, value)
        box.currentIndexChanged.connect(lambda _: changed.emit(box.currentData()))
        return box

    # setters

    def set_path(
        self, kind: str | None, closed: bool = False, points: int = 0, length: float = 0.0, computed: bool = False
    ) -> None:
        """Which spline runs through how many control points, and its latent length; None: there is no path.

        ``computed``: not a hand but a computation has placed these points.
        """
        self._points = points if kind is not None else 0
        self._kinds.set_splines(kind is not None)
        self._kinds.set_closable(kind is not None)
        if kind is not None and not computed:  # hidden for a moment, the list of targets would lose the keyboard
            self._kinds.show_spline(kind, closed)
        noun = f"{'' if computed else 'control '}point{'s' if points != 1 else ''}"
        self._size = f"{points} {noun} · length {length:.3g}"
        self._show()

    def set_traced(self, kind: str, target: str, penalty: bool) -> None:
        """Show, instead of a spline, that the path is or will be computed: its kind, and what that depends on."""
        self._kinds.show_traced(kind, target, penalty)

    def set_targets(self, names: Sequence[str]) -> None:
        """The factors and attributes that a path can change."""
        self._kinds.set_targets(names)

    def set_note(self, text: str, warning: bool = False) -> None:
        """What a person should know about the curve, or is to do next; "": nothing."""
        set_role(self._note, "warning" if warning else "muted")
        self._note.setText(text)
        self._note.setVisible(bool(text))
        self._show()

    def set_playing(self, playing: bool) -> None:
        """Show whether the path is being played."""
        with QSignalBlocker(self._play):
            self._play.setChecked(playing)
        self._show_play()

    def set_position(self, position: float) -> None:
        """Where the marker is, 0 to 1."""
        if not self._scrub.isSliderDown():
            with QSignalBlocker(self._scrub):
                self._scrub.setValue(round(_SCRUB * min(1.0, max(0.0, position))))
            self._scrub.update()
        self._show_frame()

    def set_loop(self, loop: bool) -> None:
        """Whether it starts again at the end."""
        with QSignalBlocker(self._loop):
            self._loop.setChecked(loop)

    def set_speed(self, rate: float) -> None:
        """Playing speed as a multiple of the usual."""
        with QSignalBlocker(self._speed):
            self._speed.setValue(rate)

    def set_unit(self, unit: str) -> None:
        """latent or image."""
        self._select(self._unit, unit)

    def set_frame_count(self, frames: int) -> None:
        """Number of frames K."""
        with QSignalBlocker(self._frames):
            self._frames.setValue(frames)
        self._show_frame()

    def set_info(self, text: str) -> None:
        """Length read-outs."""
        self._info = text
        self._show()

    def set_export_progress(self, fraction: float | None) -> None:
        """How much of an export is done, 0 to 1; None: there is none."""
        self._progress.setVisible(fraction is not None)
        self._bar.setValue(round(1000 * (fraction or 0.0)))
        self._show()

    @property
    def note(self) -> str:
        """The note on screen."""
        return self._note.text()

    @property
    def info(self) -> str:
        """The read-out on screen."""
        return self._info_label.text()

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        names = {"previous": "previous", "next": "next", "loop": "loop", "clear": "trash", "export": "export"}
        buttons = (self._previous, self._next, self._loop, self._clear, self._export)
        for button, name in zip(buttons, names.values(), strict=True):
            button.setIcon(icon(name, theme))
        self.saved.set_theme(theme)
        self._show_play()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where the row is short, buttons go without their words."""
        super().resizeEvent(event)
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        for button in (self._clear, self.saved, self._export):
            button.setToolButtonStyle(style if self.width() >= _WIDE else Qt.ToolButtonStyle.ToolButtonIconOnly)

    # hands

    def _on_play(self, playing: bool) -> None:
        self._show_play()
        self.play_toggled.emit(playing)

    def _on_scrub(self, value: int) -> None:
        self._show_frame()
        self.scrubbed.emit(value / _SCRUB)

    def _on_frames(self, frames: int) -> None:
        self._show_frame()
        self.frames_changed.emit(frames)

    def _step(self, by: int) -> None:
        last = self._frames.value() - 1
        here = round(self._scrub.value() / _SCRUB * last)
        self.scrubbed.emit(min(last, max(0, here + by)) / last)

    # showing

    def _select(self, box: QComboBox, value: str) -> None:
        with QSignalBlocker(box):
            box.setCurrentIndex(box.findData(value))

    def _show_play(self) -> None:
        playing = self._play.isChecked()
        self._play.setIcon(icon("pause" if playing else "play", self._theme))
        self._play.setToolTip("Pause (Space)" if playing else "Play (Space)")

    def _show_frame(self) -> None:
        count = self._frames.value()
        here = round(self._scrub.value() / _SCRUB * (count - 1)) + 1
        self._frame.setText(f"frame {here} of {count}" if self._points > 1 else "")

    def _show(self) -> None:
        some, playable = self._points > 0, self._points > 1
        for widget in (self._previous, self._play, self._next, self._scrub):
            widget.setEnabled(playable)
        self._clear.setEnabled(some)
        self._export.setEnabled(playable and self._progress.isHidden())
        text = (self._info or self._size) if some else _EMPTY
        if text != self._info_label.text():
            self._info_label.setText(text)
            self._info_label.setToolTip(f"<p>{text}</p><p>{_LENGTHS}</p>" if some else "")
        self._info_label.setVisible(some or self._note.isHidden())
        self._show_frame()
