"""Every command of the window in one table: what it is called, where it stands, what it does, when it can be done.

Menus, toolbar, the list of keyboard shortcuts and what is enabled are made from it: a new command is one entry here.
An entry reaches the program's parts when it is triggered, so none of them is passed around.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QActionGroup, QIcon, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QMessageBox, QToolBar, QToolButton, QWidget

import core
from explorer.controllers.requirements import (
    missing_decoder,
    missing_frames,
    missing_originals,
    missing_reconstructions,
)
from explorer.widgets.dialogs import show_dialog
from explorer.widgets.icons import icon
from explorer.widgets.plain_text import plain_tip

if TYPE_CHECKING:
    from core.projects.edited import Document
    from explorer.app import Explorer
    from explorer.main_window import MainWindow
    from explorer.state import State


@dataclass(frozen=True)
class Command:
    """One thing to do.

    ``name`` finds it in code, ``text`` names it to a person (a function where it changes), ``do`` does it. ``toolbar``
    is "text" for icon and text, "icon" for the icon alone, "" for neither. ``enabled`` says whether it would do
    anything now; ``missing`` why it cannot be done with the open run, its tooltip then. One with ``checked`` shows a
    tick; of those in one ``group`` exactly one is ticked.
    """

    name: str
    text: str | Callable[[Explorer], str]
    do: Callable[[Explorer], object]
    key: str = ""
    icon: str = ""
    tip: str = ""
    toolbar: str = ""
    enabled: Callable[[Explorer], bool] | None = None
    missing: Callable[[Explorer], str] | None = None
    checked: Callable[[Explorer], bool] | None = None
    group: str = ""


@dataclass(frozen=True)
class Menu:
    """A menu: commands, submenus, None for a line, and names: of a command that another menu has too, or ``RECENT``
    for the runs and projects that were open lately, ``EARLIER`` for the sessions that can be gone on with, or ``DOCKS``
    for an entry for each dock, to show or hide it."""

    title: str
    entries: tuple[Command | Menu | str | None, ...]


RECENT, EARLIER, DOCKS = "recent runs", "earlier sessions", "docks"


LONGEST_LABEL = 60  # characters of what undo or redo is about


def _has_path(app: Explorer) -> bool:
    path = app.state.document.path
    return path is not None and len(path.control) > 1


def _training(app: Explorer) -> bool:
    return app.state.training in ("running", "paused")


def _has_cloud(app: Explorer) -> bool:
    return app.state.embedding is not None


def _missing_part(app: Explorer, find: Callable[[State, str], str]) -> str:
    """What the open run lacks, as ``find`` of ``explorer.controllers.requirements`` says; empty while none is open."""
    return "" if app.state.model is None else find(app.state, "")


def _with_label(verb: str, label: str | None) -> str:
    """``verb`` and what it is about, as the text of a menu's entry: short, and & is a letter."""
    if not label:
        return verb
    short = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1].rstrip()}…"
    return f"{verb} {short}".replace("&", "&&")


def _cancel(app: Explorer) -> None:
    state = app.state
    if app.tracing.cancel():
        return
    if state.selected is not None:
        app.editing.commit("clear selection", selected=None)
    elif state.selected_control is not None:
        app.path.deselect_control()
    else:
        state.mode = "orbit"


def _mode(name: str, key: str, tip: str) -> Command:
    return Command(
        name,
        name.capitalize(),
        lambda app: setattr(app.state, "mode", name),
        key,
        name,
        tip,
        "text",
        checked=lambda app: app.state.mode == name,
        group="mode",
    )


def _open_dock(
    name: str,
    text: str,
    key: str,
    icon: str,
    tip: str,
    dock: str = "",
    missing: Callable[[State, str], str] | None = None,
) -> Command:
    needs = None if missing is None else lambda app: _missing_part(app, missing)
    return Command(name, text, lambda app: app.window.open_dock(dock or name), key, icon, tip, missing=needs)


def _theme(name: str, tip: str) -> Command:
    return Command(
        f"theme_{name}",
        name.capitalize(),
        lambda app: app.choose_theme(name),
        tip=tip,
        checked=lambda app: app.settings.theme == name,
        group="theme",
    )


def _show_keys(window: QWidget) -> None:
    from explorer.views.keyboard_shortcuts import KeyboardShortcuts  # the window starts without it

    show_dialog(window, KeyboardShortcuts(key_list(), window))


def _show_about(window: QWidget) -> None:
    """Name, version, licence."""
    text = (
        f"<b>Isoline {core.__version__}</b><p>Explore latent spaces: train a VAE, watch its cloud fold, click a "
        "point, trace a curved path.</p><p>MIT licence.</p>"
    )
    box = QMessageBox(window)
    box.setObjectName("box.about")
    box.setWindowTitle("About Isoline")
    box.setText(text)
    box.setStandardButtons(QMessageBox.StandardButton.Close)
    box.button(QMessageBox.StandardButton.Close).setIcon(QIcon())  # some platforms have one, in black
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowModality(Qt.WindowModality.NonModal)
    box.show()


# fmt: off
FILE = Menu("&File", (
    Command("open", "Open run…", lambda app: app.files.open_run(), "Ctrl+O", "open", "Open a run's folder", "text"),
    RECENT,
    Menu("Open &images", (
        Command("images_folder", "Folder of images…", lambda app: app.dataset.ask(True), "Ctrl+I", "open",
                "Look at a folder of images before training on it"),
        Command("images_file", "File of images…", lambda app: app.dataset.ask(False), "Ctrl+Shift+I", "open",
                "Look at a file that holds many images before training on it"),
    )),
    Command("import", "Import model…", lambda app: app.importing.ask(), "", "open",
            "Open a model of another framework from ONNX files, or latents alone, as a run"),
    Command("open_program", "Open Python model…", lambda app: app.programs.ask(), "", "open",
            "Open a Python file of yours that defines decode(z), in a window of its own"),
    Command("bundled", "Open the bundled model", lambda app: app.open_bundled(), "", "isoline",
            "Open the trained model that comes with Isoline"),
    None,
    Command("new_project", "New project", lambda app: app.project.start_over(), "", "",
            "Begin with the open run again; what was made so far goes to Earlier sessions", enabled=_has_cloud),
    Command("open_project", "Open project…", lambda app: app.project.ask_open(), "Ctrl+Shift+O", "open",
            "Open a project file: a run with all that was made and arranged"),
    Command("save_project", "Save project", lambda app: app.project.save(), "Ctrl+Alt+S", "bookmark",
            "Save everything that was made and arranged, with all steps that can be undone", enabled=_has_cloud),
    Command("save_project_as", "Save project as…", lambda app: app.project.ask_save(), "", "bookmark",
            "Save it in another file; the model can go with it, to hand to somebody else", enabled=_has_cloud),
    EARLIER,
    Command("resume", "Continue where you were", lambda app: app.choose_resume(), "", "",
            "At the start, open what was open last, as it was; otherwise the bundled model",
            checked=lambda app: app.settings.resumes),
    None,
    Command("export", "Export path…", lambda app: app.files.export_path("mp4"), "Ctrl+S", "export",
            "Write the path as a PNG strip, GIF, MP4 or NPZ file", enabled=_has_path,
            missing=lambda app: _missing_part(app, missing_frames)),
    Command("figure", "Save figure…", lambda app: app.figures.open(), "Ctrl+Shift+F", "",
            "Save cloud, losses, path, comparison, transect or parameter plane as PNG, SVG or PDF"),
    Command("export_selection", "Export selected samples…", lambda app: app.files.export_selection(), "", "export",
            "Write index, factors, groups and means of each selected sample as CSV",
            enabled=lambda app: app.state.selected is not None),
    Command("turntable", "Film the cloud…", lambda app: app.turntable.ask(), "", "film",
            "Write one full turn of the cloud as MP4 or GIF", enabled=_has_cloud),
    Command("export_model", "Export model…", lambda app: app.export.ask(), "", "export",
            "Write the open run for other programs: ONNX, weights with a model card, TensorBoard, Parquet",
            enabled=_has_cloud),
    Command("share", "Share…", lambda app: app.share.ask(), "", "export",
            "Write the run as one HTML page, in which its decoder runs", enabled=_has_cloud),
    Command("runs_folder", "Runs folder…", lambda app: app.files.choose_runs_folder(), "", "settings",
            "Choose the folder in which trainings started from this window save their runs"),
    Command("image_cache", "Image cache…", lambda app: app.image_cache.ask(), "", "",
            "See how much disk space prepared images take, and set how much they may"),
    None,
    Command("measure", "Measure images…", lambda app: app.attributes.ask_measures(), "", "",
            "Measure area, brightness, symmetry … of each image, for use as factors", enabled=_has_cloud,
            missing=lambda app: _missing_part(app, missing_originals)),
    Command("attributes", "Attributes from a file…", lambda app: app.attributes.ask_file(), "", "",
            "Read your own values for the samples from a CSV or NPZ file", enabled=_has_cloud),
    None,
    Command("quit", "Quit", lambda app: app.window.close(), "Ctrl+Q"),
))
COPY_PYTHON = Menu("Copy as &Python", (
    Command("copy_probe", "Probe", lambda app: app.python_code.copy("probe"), "", "",
            "Copy Python code that decodes the probe", enabled=lambda app: app.state.document.probe is not None),
    Command("copy_selection", "Selection", lambda app: app.python_code.copy("selection"), "", "",
            "Copy Python code that gets latents and labels of the selected samples",
            enabled=lambda app: app.state.selected is not None),
    Command("copy_path", "Path", lambda app: app.python_code.copy("path"), "", "",
            "Copy Python code that makes the path and its images", enabled=_has_path),
    Command("copy_figure", "Cloud with camera", lambda app: app.python_code.copy("figure"), "Ctrl+Shift+C", "",
            "Copy Python code that writes the cloud as it is seen into a file", enabled=_has_cloud),
))
EDIT = Menu("&Edit", (
    Command("undo", lambda app: _with_label("Undo", app.editing.undo_label), lambda app: app.editing.undo(), "Ctrl+Z",
            "undo", "Undo the last change of what you made or chose", "icon",
            enabled=lambda app: app.editing.undo_label is not None),
    Command("redo", lambda app: _with_label("Redo", app.editing.redo_label), lambda app: app.editing.redo(),
            "Ctrl+Shift+Z", "redo", "Redo what was undone", "icon",
            enabled=lambda app: app.editing.redo_label is not None),
    None,
    Command("remove", "Remove control point", lambda app: app.path.remove_control(app.state.selected_control),
            "Delete", "trash", "Remove the selected control point",
            enabled=lambda app: app.state.selected_control is not None),
    Command("group", "Group selected samples", lambda app: app.groups.add(), "Ctrl+G", "select",
            "Keep the selected samples as a group with a name of its own (Samples panel)",
            enabled=lambda app: app.state.selected is not None),
    Command("clear_path", "Clear path", lambda app: app.path.clear(), "", "trash", "Remove the whole path",
            enabled=lambda app: app.state.document.path is not None),
    None,
    COPY_PYTHON,
    None,
    Command("cancel", "Cancel", _cancel, "Esc", "", "Discard the curve being traced, else clear the selection, else "
                                                    "leave the mode"),
))
MODE = Menu("&Mode", (
    _mode("orbit", "1", "Rotate the cloud; click a point to decode it"),
    _mode("probe", "2", "Drag the probe through latent space (hold X, Y or Z to stay on one axis)"),
    _mode("draw", "3", "Draw a path on the cloud, freehand"),
    _mode("edit", "4", "Click to add control points, drag to move them, press Delete to remove one"),
    _mode("select", "5", "Drag a rectangle to select samples (Shift adds to the selection)"),
    _mode("trace", "6", "Click samples to trace a curve; drag or turn the wheel to move along it"),
))
PATH = Menu("&Path", (
    Command("play", "Play path", lambda app: app.playback.toggle(), "Space", "play", "Play or pause the path",
            enabled=_has_path),
    Command("previous", "Previous frame", lambda app: app.playback.step(-1), "Left", "previous",
            "Go one frame back along the path", enabled=_has_path),
    Command("next", "Next frame", lambda app: app.playback.step(1), "Right", "next",
            "Go one frame forward along the path", enabled=_has_path),
    None,
    _open_dock("kinds", "Compare path kinds", "Ctrl+Shift+K", "kinds",
               "Compare kinds of path between the same ends", missing=missing_decoder),
    None,
    Command("save_path", "Save path as…", lambda app: app.saved_paths.ask_save(), "Ctrl+Shift+S", "bookmark",
            "Save the path with the run, under a name", enabled=_has_path),
    "export",
))
TRAINING = Menu("&Training", (
    Command("train", "Train", lambda app: app.training_view.request_start(), "Ctrl+T", "play",
            "Start a training with the settings of the Training panel", "text",
            enabled=lambda app: not app.training.active),
    Command("pause", lambda app: "Resume" if app.state.training == "paused" else "Pause",
            lambda app: app.training.pause_or_resume(), "Ctrl+P", "pause", "Pause or resume the training", "icon",
            enabled=_training),
    Command("step", "Step", lambda app: app.training.step(), "Ctrl+.", "step", "Do one training step, then pause",
            "icon", enabled=_training),
    Command("stop", "Stop", lambda app: app.training.stop(), "", "stop", "Stop the training; a checkpoint is kept",
            "icon", enabled=_training),
))
EXPERIMENTS = Menu("E&xperiments", (
    _open_dock("experiments", "Run an experiment", "Ctrl+E", "report",
               "Run one of the published experiments and open its report"),
    _open_dock("plane", "Parameter plane", "Ctrl+Shift+P", "hole", "Show true parameters beside the latent space",
               "parameters"),
    _open_dock("transects", "Transects", "Ctrl+Shift+T", "straight",
               "Compare originals and reconstructions along a line in the parameter plane",
               missing=missing_reconstructions),
    None,
    _open_dock("compare", "Compare two runs", "Ctrl+K", "watch",
               "Show a second run beside the open one, with the same input for both"),
))
VIEW = Menu("&View", (
    Command("home", "Reset view", lambda app: app.cloud.home(), "Home", "home", "Show the whole cloud", "icon"),
    Command("gridlines", "Gridlines", lambda app: app.gridlines.toggle(), "G", "gridlines",
            "Show curves of constant factor over the cloud", "icon",
            checked=lambda app: app.state.gridlines_shown),
    None,
    DOCKS,
    None,
    Command("reset_layout", "Reset layout", lambda app: app.reset_layout(), "", "",
            "Restore the default arrangement of the panels"),
    Menu("Theme", (
        _theme("system", "Follow the desktop's setting"),
        _theme("dark", "Light text on a dark background"),
        _theme("light", "Dark text on a light background"),
    )),
))
HELP = Menu("&Help", (
    Command("keys", "Keyboard shortcuts", lambda app: _show_keys(app.window), "F1", "help",
            "List all keys and mouse gestures"),
    None,
    Command("report", "Report a problem…", lambda app: app.help.report_problem(), "", "",
            "See and save what helps to find a mistake; nothing is sent"),
    Command("logs", "Open log folder", lambda app: app.help.open_log_folder(), "", "",
            "Show where mistakes of the program are logged"),
    None,
    Command("about", "About Isoline", lambda app: _show_about(app.window), "", "isoline"),
))
# fmt: on
MENUS = (FILE, EDIT, MODE, PATH, TRAINING, EXPERIMENTS, VIEW, HELP)
TOOLBAR = (FILE, TRAINING, MODE, EDIT, VIEW)
"""The order of the toolbar, which has those commands of each menu that say so."""

GESTURES = (
    ("Space held + drag", "Rotate the cloud in any mode"),
    ("Wheel", "Zoom; over a curve in Trace mode, move along it"),
    ("Right drag", "Pan"),
    ("X, Y, Z held", "Drag the probe along one axis"),
    ("Shift + click", "Add to the selection"),
    ("Click, Ctrl + click on a class", "Hide it or show it again; show it alone (double-click: show all)"),
    ("Drop on the window", "Look at a folder or file of images; import a model or latents; open a run"),
    ("Enter", "Finish drawing, editing or tracing"),
)
"""What keys and mouse do on the cloud, beside the commands."""


def commands(menus: tuple[Menu, ...] = MENUS) -> Iterator[Command]:
    """Every command of ``menus``, submenus included."""
    for menu in menus:
        for entry in menu.entries:
            if isinstance(entry, Command):
                yield entry
            elif isinstance(entry, Menu):
                yield from commands((entry,))


def key_list() -> list[tuple[str, str]]:
    """Keys and mouse gestures, and what each does."""
    listed = [command for command in commands() if command.key]
    texts = [command.text if isinstance(command.text, str) else command.tip for command in listed]
    return [(command.key, text.rstrip("…")) for command, text in zip(listed, texts, strict=True)] + list(GESTURES)


class Actions(dict[str, QAction]):
    """The commands as Qt's actions, by name. ``refresh`` brings texts, ticks and what is enabled up to date.

    They are on screen before there is anything that could do them: until ``serve``, what needs something to work on is
    grey, and of those of which one is ticked it is the first.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__()
        self._window = window
        self._app: Explorer | None = None
        self._outdated = False
        groups: dict[str, QActionGroup] = {}
        for command in commands():
            action = self[command.name] = QAction(window)
            action.setObjectName(f"action.{command.name}")
            action.setText(command.text if isinstance(command.text, str) else "")
            if command.icon:
                action.setIcon(icon(command.icon))
            if command.key:
                action.setShortcut(QKeySequence(command.key))
            tip = command.tip or action.text().rstrip("…")
            action.setToolTip(plain_tip(f"{tip} ({command.key})" if command.key else tip))
            action.setStatusTip(tip)
            action.setCheckable(command.checked is not None)
            action.setEnabled(command.enabled is None)
            if command.group:
                action.setChecked(command.group not in groups)
                groups.setdefault(command.group, QActionGroup(window)).addAction(action)
            window.addAction(action)

    def serve(self, app: Explorer) -> None:
        """Do them with ``app``, and follow its state."""
        self._app = app
        for command in commands():
            self[command.name].triggered.connect(lambda _=False, do=command.do: (do(app), self.refresh()))
        events = app.state.events
        events.document.connect(self._on_document)
        changes = (events.mode, events.training, events.selected, events.selected_control)
        for event in (*changes, events.embedding, events.gridlines_shown, events.model):
            event.connect(lambda *_: self._outdate())
        app.editing.changed.connect(self._outdate)
        self.refresh()

    def _on_document(self, new: Document, old: Document) -> None:
        """A drag moves the probe all the time, of which no command needs to know more than whether there is one."""
        if new.path is not old.path or (new.probe is None) is not (old.probe is None):
            self._outdate()

    def _outdate(self) -> None:
        """Refresh when the loop comes round: a run that is opened changes a dozen things at once."""
        if not self._outdated:
            self._outdated = True
            QTimer.singleShot(0, self._window, self._refresh_outdated)

    def _refresh_outdated(self) -> None:
        if self._outdated:
            self.refresh()

    def refresh(self) -> None:
        """Grey what would do nothing now."""
        self._outdated, app = False, self._app
        if app is None:
            return
        for command in commands():
            action = self[command.name]
            if not isinstance(command.text, str):
                action.setText(command.text(app))
            missing = "" if command.missing is None else command.missing(app)
            if command.enabled is not None or command.missing is not None:
                action.setEnabled(not missing and (command.enabled is None or command.enabled(app)))
            if command.missing is not None:
                tip = command.tip or action.text().rstrip("…")
                action.setToolTip(plain_tip(missing or (f"{tip} ({command.key})" if command.key else tip)))
                action.setStatusTip(missing or tip)
            if command.checked is not None:
                action.setChecked(command.checked(app))

    def fill_menu_bar(self, bar: QMenuBar) -> None:
        """Add all menus."""
        for menu in MENUS:
            self._fill_menu(bar.addMenu(menu.title), menu)

    def _fill_menu(self, widget: QMenu, menu: Menu) -> None:
        for entry in menu.entries:
            if entry is None:
                widget.addSeparator()
            elif entry == RECENT:
                widget.addMenu(self._window.recent_menu)
            elif entry == EARLIER:
                widget.addMenu(self._window.earlier_menu)
                widget.aboutToShow.connect(self._window.earlier_wanted)
            elif entry == DOCKS:
                widget.addActions([dock.toggleViewAction() for dock in self._window.docks.values()])
            elif isinstance(entry, Menu):
                self._fill_menu(widget.addMenu(entry.title), entry)
            else:
                widget.addAction(self[entry if isinstance(entry, str) else entry.name])

    def fill_toolbar(self, bar: QToolBar) -> None:
        """Add the commands that say so, a line between those of two menus."""
        for menu in TOOLBAR:
            if menu is not TOOLBAR[0]:
                bar.addSeparator()
            for command in commands((menu,)):
                if command.toolbar:
                    bar.addAction(self[command.name])
                    button = bar.widgetForAction(self[command.name])
                    if isinstance(button, QToolButton):
                        button.setObjectName(f"toolbar.{command.name}")
                        if command.toolbar == "icon":
                            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
