"""Every command of the window as one table: name, text, icon, key. Menus, toolbar and the key list are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QWidget

from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme


@dataclass(frozen=True)
class Command:
    """One thing to do: ``name`` finds it, ``text`` names it to a person, ``key`` is its shortcut."""

    name: str
    text: str
    icon: str = ""
    key: str = ""
    tip: str = ""
    group: str = ""


COMMANDS = (
    Command("open", "Open run…", "open", "Ctrl+O", "Open the folder of a run"),
    Command("bundled", "Open the bundled model", "isoline", "", "The trained model that comes with Isoline"),
    Command("export", "Export path…", "export", "Ctrl+S", "Write the path as PNG strip, GIF, MP4 or NPZ"),
    Command("save_path", "Save path as…", "bookmark", "Ctrl+Shift+S", "Keep the path with the run, under a name"),
    Command("export_selection", "Export selected samples…", "export", "", "Write indices, factors and means as CSV"),
    Command("turntable", "Film the cloud…", "export", "", "Write the cloud turning once as MP4 or GIF"),
    Command("measure", "Measure images…", "", "", "Area, brightness, symmetry …: attributes of images without labels"),
    Command("attributes", "Attributes from a file…", "", "", "Your own values for the samples, from CSV or NPZ"),
    Command("runs_folder", "Runs folder…", "", "", "Where trainings started here are written"),
    Command("quit", "Quit", "", "Ctrl+Q"),
    Command("undo", "Undo", "undo", "Ctrl+Z"),
    Command("redo", "Redo", "redo", "Ctrl+Shift+Z"),
    Command("clear_path", "Clear path", "trash", "", "Remove the path"),
    Command("remove", "Remove control point", "trash", "Delete", "Remove the selected control point"),
    Command("train", "Train", "play", "Ctrl+T", "Start a training with the settings of the Training panel"),
    Command("pause", "Pause", "pause", "Ctrl+P", "Pause or resume the training"),
    Command("step", "Step", "step", "Ctrl+.", "One training step, then pause"),
    Command("stop", "Stop", "stop", "", "Stop the training; a checkpoint is kept"),
    Command("experiments", "Run an experiment", "report", "Ctrl+E", "The published experiments, run and reported"),
    Command("plane", "Parameter plane", "hole", "Ctrl+Shift+P", "True parameters beside the latent space"),
    Command(
        "transects", "Transects", "straight", "Ctrl+Shift+T", "Truth and reconstruction along a line of parameters"
    ),
    Command("compare", "Compare two runs", "watch", "Ctrl+K", "A second run beside the open one, one input for both"),
    Command(
        "kinds", "Compare path kinds", "kinds", "Ctrl+Shift+K", "Kinds of path between the same ends, side by side"
    ),
    Command("orbit", "Orbit", "orbit", "1", "Turn the cloud; click a point to decode it", "mode"),
    Command(
        "probe", "Probe", "probe", "2", "Drag the probe through latent space (hold X, Y or Z for one axis)", "mode"
    ),
    Command("draw", "Draw", "draw", "3", "Draw a path on the cloud, freehand", "mode"),
    Command("edit", "Edit", "edit", "4", "Click to add control points, drag to move, Delete to remove", "mode"),
    Command("select", "Select", "select", "5", "Drag a rectangle to select samples (Shift adds)", "mode"),
    Command("trace", "Trace", "trace", "6", "Click samples to trace a curve; slide along it by mouse or wheel", "mode"),
    Command("home", "Reset view", "home", "Home", "Show the whole cloud"),
    Command("net", "Gridlines", "net", "G", "Lay the net of factor curves over the cloud", "switch"),
    Command("play", "Play path", "play", "Space", "Play or pause the path"),
    Command("previous", "Frame back", "previous", "Left", "One frame back along the path"),
    Command("next", "Frame on", "next", "Right", "One frame on along the path"),
    Command("cancel", "Cancel", "", "Esc", "Leave the gesture, selection or mode"),
    Command("keys", "Keys", "help", "F1", "The list of keys"),
    Command("about", "About Isoline", "isoline"),
)

MODES = tuple(command.name for command in COMMANDS if command.group == "mode")


def make_actions(parent: QWidget) -> dict[str, QAction]:
    """The actions by name; those of the group "mode" are exclusive and checkable, those of "switch" checkable."""
    modes = QActionGroup(parent)
    actions = {}
    for command in COMMANDS:
        action = QAction(command.text, parent)
        action.setObjectName(f"action.{command.name}")
        if command.key:
            action.setShortcut(QKeySequence(command.key))
        tip = command.tip or command.text.rstrip("…")
        action.setToolTip(f"{tip} ({command.key})" if command.key else tip)
        action.setStatusTip(tip)
        action.setCheckable(command.group in ("mode", "switch"))
        if command.group == "mode":
            modes.addAction(action)
        parent.addAction(action)
        actions[command.name] = action
    return actions


def set_icons(actions: dict[str, QAction], theme: Theme) -> None:
    """Give every action its icon in the colours of ``theme``."""
    for command in COMMANDS:
        if command.icon:
            actions[command.name].setIcon(icon(command.icon, theme))
