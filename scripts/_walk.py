"""A seeded walk through the real window: what a person might do next, by mouse and keys, again and again.

An action is a generator like the stages of the guided tour, some of which are taken as they are. What cannot be done at
the moment is skipped, as a person would; what was waited for in vain has failed. A round does every action once, in an
order of its own, and ends where it began: then what the processes hold can be compared.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QSlider,
    QWidget,
)

from core.paths.recipe import PATH_KINDS
from core.paths.saved_paths import saved_names
from explorer.tour import input_events, scenario_cloud, scenario_runs
from explorer.tour.input_events import CannotReach
from explorer.tour.runner import Stage, StageFailed, Until, wait
from explorer.widgets.controls import on_screen

PAUSE_S = 0.05  # the longest pause between two gestures: enough to paint what was done
PATIENCE_S = 60.0

Action = Callable[["Walker"], Stage]


class Walker:
    """Who walks: the program, a random generator, and the ``runs`` that are opened in turn, the first of them where
    every round ends. Passes for the director of the tour, whose stages it plays without their pictures."""

    def __init__(self, application: QApplication, explorer: Any, runs: Sequence[Path], out: Path, seed: int) -> None:
        self.application, self.explorer, self.runs = application, explorer, list(runs)
        self.window: QWidget = explorer.window
        self.rng = np.random.default_rng(seed)
        self.options = Namespace(out=out, quick=True, clicks=3)
        self.figures: dict[str, Any] = {}
        self.doing = ""  # the action
        self.done: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def shot(self, name: str) -> None:
        """No pictures are taken."""

    def round(self, actions: Sequence[Action]) -> Generator[None, None, None]:
        """All ``actions`` once, in a random order; yields whenever the program is to go on."""
        for index in self.rng.permutation(len(actions)):
            yield from self.perform(actions[index])
        yield from self.perform(settle)

    def perform(self, action: Action) -> Generator[None, None, None]:
        """One action."""
        begun, self.doing = perf_counter(), action.__name__
        try:
            with closing(self._with_keyboard(action)) as steps:
                for step in steps:
                    yield from wait(min(step, PAUSE_S) if isinstance(step, float | int) else step)
            self.done[action.__name__] += 1
        except CannotReach as reason:
            self.skipped[f"{action.__name__}: {reason}"] += 1
        except StageFailed as reason:
            self.failures[f"{action.__name__}: {reason} ({self._situation()})"] += 1
        self.seconds[action.__name__] += perf_counter() - begun  # pyright: ignore[reportArgumentType]

    def _with_keyboard(self, action: Action) -> Stage:
        """A dialog that has been closed gives the keyboard to nobody where there is no window manager."""
        for dialog in dialogs():  # an action has not come to its end
            dialog.close()
        yield from input_events.take_keyboard(self.window)
        self.explorer.cloud.setFocus()  # a field that has it would take the keys that choose a mode
        yield from action(self)

    def _situation(self) -> str:
        """What may say why something was waited for in vain."""
        state, path = self.explorer.state, self.explorer.state.document.path
        popup = QApplication.activePopupWidget()
        windows = [popup, *dialogs(), *(window for window in QApplication.topLevelWidgets() if window.isModal())]
        names = sorted({window.objectName() or type(window).__name__ for window in windows if window is not None})
        parts = [
            f"mode {state.mode}",
            "no path" if path is None else f"path of {len(path)} points",
            "a run is being opened" if self.explorer.open_run.opening else "",
            "no cloud" if state.embedding is None else "",
            "no model" if state.model is None else "",
            f"open: {', '.join(names)}" if names else "",
        ]
        return "; ".join(part for part in parts if part)

    # what the actions need

    def key(self, name: str) -> None:
        """Press a key over the cloud."""
        input_events.key(self.explorer.cloud, name)

    def trigger(self, command: str) -> None:
        """Choose a command of the menus, if it can be chosen."""
        action = self.explorer.window.actions_by_name[command]
        if not action.isEnabled():
            raise CannotReach(f"{command} is greyed")
        action.trigger()

    def samples(self, count: int) -> list[QPointF]:
        """Where ``count`` random samples are on screen."""
        cloud = self.explorer.cloud
        places = cloud.screen_positions()
        if not len(places):
            raise CannotReach("there is no cloud")
        inside = (places[:, 0] > 40) & (places[:, 0] < cloud.width() - 140)
        inside &= (places[:, 1] > 40) & (places[:, 1] < cloud.height() - 40)
        chosen = np.flatnonzero(inside)
        if not len(chosen):
            raise CannotReach("no sample is on screen")
        return [QPointF(*places[index, :2].tolist()) for index in self.rng.choice(chosen, count)]

    def stroke(self, widget: QWidget, steps: int = 25) -> list[QPointF]:
        """A smooth random stroke inside ``widget``."""
        centre = QPointF(widget.width() / 2, widget.height() / 2)
        width, height = 0.3 * widget.width(), 0.3 * widget.height()
        turn, start = self.rng.uniform(1.0, 5.0), self.rng.uniform(0.0, 6.0)
        angles = start + np.linspace(0.0, turn, steps)
        return [centre + QPointF(width * math.sin(angle), height * math.sin(2 * angle)) for angle in angles]

    def until(self, condition: Callable[[], object], what: str) -> Until:
        """Wait for ``condition``."""
        return Until(condition, what, PATIENCE_S)

    def drag_slider(self, slider: QSlider) -> Stage:
        """Drag the handle of ``slider`` to a random place."""
        fraction = (slider.value() - slider.minimum()) / max(1, slider.maximum() - slider.minimum())
        start, end = (8 + share * (slider.width() - 16) for share in (fraction, self.rng.uniform()))
        middle = slider.height() / 2
        yield from input_events.drag(slider, [QPointF(x, middle) for x in np.linspace(start, end, 15)])


def has_path(walker: Walker) -> Stage:
    """A path, drawn if there is none."""
    if walker.explorer.state.document.path is None:
        yield from scenario_cloud.draw_path(walker)  # pyright: ignore[reportArgumentType]


# on the cloud


def look_around(walker: Walker) -> Stage:
    """Orbit, zoom, pan, and back."""
    cloud = walker.explorer.cloud
    walker.key("1")
    yield from input_events.drag(cloud, walker.stroke(cloud), 0.006)
    for _ in range(6):
        turn_wheel(cloud, 120 if walker.rng.random() < 0.5 else -120)
        yield 0.01
    start = QPointF(cloud.rect().center())
    handle, place = cloud.window().windowHandle(), input_events.place
    QTest.mousePress(handle, Qt.MouseButton.RightButton, input_events.NONE, place(cloud, start))
    for step in range(10):
        input_events.move(cloud, start + QPointF(4.0 * step, 2.0 * step))
        yield 0.006
    QTest.mouseRelease(handle, Qt.MouseButton.RightButton, input_events.NONE, place(cloud, start))
    walker.key("Home")
    yield 0.02


def turn_wheel(widget: QWidget, degrees: int) -> None:
    """One notch of the wheel over the middle of ``widget``."""
    at = QPointF(widget.rect().center())
    event = QWheelEvent(
        at, widget.mapToGlobal(at), QPoint(), QPoint(0, degrees), Qt.MouseButton.NoButton, input_events.NONE,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


def choose_samples(walker: Walker) -> Stage:
    """Rest on some samples, click them; the images follow."""
    explorer = walker.explorer
    walker.key("1")
    for at in walker.samples(4):
        input_events.move(explorer.cloud, at)
        yield 0.04
        input_events.click(explorer.cloud, at)
        yield 0.04
    yield walker.until(lambda: explorer.image.has_image, "an image")


def drag_probe(walker: Walker) -> Stage:
    """Drag the probe, then one of its sliders."""
    explorer = walker.explorer
    walker.key("Home")
    walker.key("2")
    yield 0.02
    start = explorer.cloud.probe_position()
    if start is not None:
        angles = np.linspace(0, 2 * math.pi, 30)
        places = [start + QPointF(60 * math.sin(angle), 40 * (1 - math.cos(angle))) for angle in angles]
        yield from input_events.drag(explorer.cloud, places, 0.006)
    yield from walker.drag_slider(input_events.child(explorer.probe_view, "probe.slider.0", QSlider))


def select_samples(walker: Walker) -> Stage:
    """Drag a rectangle, add another one, look at who is in it, let go."""
    cloud = walker.explorer.cloud
    walker.key("Home")
    walker.key("5")
    for held in (input_events.NONE, Qt.KeyboardModifier.ShiftModifier):
        first, last = walker.samples(2)
        input_events.move(cloud, first)
        input_events.press(cloud, first, held)
        for share in (0.5, 1.0):
            input_events.move(cloud, first + (last - first) * share)
            yield 0.02
        input_events.release(cloud, last, held)
    yield 0.05
    walker.trigger("copy_selection") if walker.explorer.state.selected is not None else None
    walker.key("Escape")
    walker.key("1")


def group_samples(walker: Walker) -> Stage:
    """A group of some samples, selected by its name and removed again; a note on the run."""
    explorer = walker.explorer
    walker.key("Home")
    walker.key("5")
    first, last = walker.samples(2)
    yield from input_events.drag(explorer.cloud, [first, (first + last) / 2, last])
    yield 0.05
    before = len(explorer.state.groups)
    explorer.groups.add()
    if len(explorer.state.groups) == before:
        raise CannotReach("nothing was selected")
    walker.key("Escape")
    explorer.groups.select(before)
    explorer.groups.remove(before)
    explorer.window.open_dock("notes")
    yield 0.05
    field = input_events.child(explorer.window, "notes.text")
    input_events.click(field)
    QTest.keyClicks(field, "seen at ")
    explorer.window.docks["notes"].close()
    walker.key("1")


def keep_project(walker: Walker) -> Stage:
    """Save all of it in a project file, and open that."""
    explorer = walker.explorer
    yield from open_one(walker, walker.runs[0])
    file = (walker.options.out / "walk.isoline").resolve()
    file.unlink(missing_ok=True)
    explorer.session.set_file(str(file), False)
    walker.trigger("save_project")
    yield walker.until(file.is_file, "the project is saved")
    yield from opened(walker, lambda: explorer.project.open(file), "of the project")
    yield walker.until(lambda: explorer.session.ready, "what the project holds")


def colour_samples(walker: Walker) -> Stage:
    """Other colours, colour maps, sizes, opacities, axes."""
    points = walker.explorer.points
    for name in ("points.color_by", "points.colormap", "points.axes"):
        box = input_events.child(points, name, QComboBox)
        rows = min(box.count(), 2) if name == "points.axes" else box.count()  # a layout takes minutes
        if rows and box.isEnabled():
            yield from input_events.choose(box, int(walker.rng.integers(rows)))
    for name in ("points.size", "points.opacity"):
        yield from walker.drag_slider(input_events.child(points, name, QSlider))
    walker.trigger("copy_figure")


def show_gridlines(walker: Walker) -> Stage:
    """Gridlines shown and hidden."""
    walker.key("G")
    yield walker.until(lambda: walker.explorer.gridlines.complete, "the gridlines")
    walker.key("G")
    yield 0.02


# paths


def draw_path(walker: Walker) -> Stage:
    """A stroke becomes a path, whose frames are decoded."""
    walker.key("Home")
    yield 0.05
    yield from scenario_cloud.draw_path(walker)  # pyright: ignore[reportArgumentType]


def edit_path(walker: Walker) -> Stage:
    """A control point moved, one inserted, one removed."""
    walker.key("Home")
    yield from has_path(walker)
    walker.key("4")
    explorer = walker.explorer
    path, projection = explorer.state.document.path, explorer.cloud_control.projection
    if path is None:
        raise CannotReach("there is no path")
    at = explorer.cloud.project(projection.to_view(path.control[int(walker.rng.integers(len(path.control)))]))
    yield from input_events.drag(explorer.cloud, [at + QPointF(1.5 * step, -step) for step in range(15)])
    curve = [explorer.cloud.project(place) for place in projection.to_view(path.sample(100))]
    input_events.click(explorer.cloud, curve[int(walker.rng.integers(len(curve)))])
    yield 0.05
    walker.key("Delete")
    if explorer.state.document.path is not None:  # without its one handle, a path that a model has traced is gone
        yield walker.until(lambda: explorer.film.complete, "the frames of the edited path")
    walker.key("1")


def undo_and_redo(walker: Walker) -> Stage:
    """Back some steps, and forward again."""
    for key in ("Ctrl+Z", "Ctrl+Shift+Z"):
        for _ in range(int(walker.rng.integers(1, 12))):
            walker.key(key)
            yield 0.01


def play_path(walker: Walker) -> Stage:
    """Play, scrub, by images and by latents."""
    yield from has_path(walker)
    explorer = walker.explorer
    walker.trigger("play")
    yield walker.until(lambda: explorer.state.playback.position > 0, "the path plays")
    unit = input_events.child(explorer.path_view, "path.unit", QComboBox)
    explorer.window.open_dock("path")
    yield 0.05
    yield from input_events.choose(unit, 1)
    yield walker.until(lambda: explorer.film.complete, "the frames at equal image steps")
    explorer.playback.set_playing(False)
    for share in walker.rng.uniform(0.1, 0.9, 4).tolist():
        input_events.click(explorer.film, QPointF(explorer.film.width() * share, explorer.film.height() * 0.5))
        yield 0.03
    yield from input_events.choose(unit, 0)


def trace_path(walker: Walker) -> Stage:
    """A computed path of a random kind between two samples, then turned into another."""
    explorer = walker.explorer
    walker.key("Home")
    walker.key("6")
    yield 0.05
    explorer.window.open_dock("path")
    combo = input_events.child(explorer.path_view, "path.kind", QComboBox)
    kinds = [row for row in (combo.findText(about.text) for about in PATH_KINDS.values()) if row >= 0]
    for clicks in (2, 0):
        yield from input_events.choose(combo, int(walker.rng.choice(kinds)))
        for at in walker.samples(clicks) if clicks else ():
            input_events.move(explorer.cloud, at)
            yield 0.05
            input_events.click(explorer.cloud, at)
            yield 0.05
        yield 0.3
    if explorer.state.document.path is not None:
        yield walker.until(lambda: explorer.film.complete, "the frames of the traced path")
    walker.key("1")


def compare_kinds(walker: Walker) -> Stage:
    """Every kind between the same ends."""
    yield from has_path(walker)
    explorer = walker.explorer
    walker.trigger("kinds")
    yield walker.until(lambda: on_screen(explorer.kinds_view), "the comparison of kinds")
    yield walker.until(lambda: explorer.path_comparison.complete, "every kind measured")
    explorer.window.docks["kinds"].close()


def save_path(walker: Walker) -> Stage:
    """Save the path under a name, open it again, delete it."""
    yield from has_path(walker)
    explorer = walker.explorer
    walker.trigger("save_path")
    yield walker.until(lambda: input_events.top_level("dialog.name") is not None, "the dialog for a name")
    dialog = input_events.top_level("dialog.name")
    if dialog is None:
        raise CannotReach("the dialog has been closed")
    yield from input_events.take_keyboard(dialog)
    input_events.type_into(input_events.child(dialog, "dialog.name.field", QLineEdit), "walk")
    run = explorer.open_run.run
    if run is None:
        raise CannotReach("the run has been closed")
    # Not that it is the one on show: while the model learns, that is traced again.
    yield walker.until(lambda: "walk" in saved_names(run.path), "the path is saved")
    explorer.saved_paths.open("walk")
    yield 0.1
    explorer.saved_paths.delete("walk")


def export_path(walker: Walker) -> Stage:
    """The frames as files."""
    yield from has_path(walker)
    folder = (walker.options.out / "export").resolve()
    folder.mkdir(exist_ok=True)
    for kind in ("png", "npz"):
        target = folder / f"path.{kind}"
        target.unlink(missing_ok=True)
        walker.explorer.playback.export(target, kind)
        yield walker.until(target.is_file, f"{target.name} is written")


# panels and dialogs


def parameter_plane(walker: Walker) -> Stage:
    """Drag the cursor over the plane, draw a transect and scrub along it."""
    explorer = walker.explorer
    walker.trigger("plane")
    plane = explorer.parameters_view.plane
    yield walker.until(lambda: on_screen(plane), "the plane")
    yield from input_events.drag(plane, walker.stroke(plane, 20))
    input_events.click(input_events.child(explorer.parameters_view, "parameters.draw"))
    yield from input_events.drag(plane, walker.stroke(plane, 20))
    input_events.click(input_events.child(explorer.parameters_view, "parameters.cursor"))
    walker.trigger("transects")
    view = explorer.transect_view
    yield walker.until(lambda: on_screen(view), "the transects")
    yield walker.until(lambda: view.complete or explorer.state.transect is None, "the transect is measured")
    picture = view.picture
    input_events.click(picture, QPointF(picture.width() * walker.rng.uniform(0.3, 0.9), picture.height() * 0.3))
    yield 0.05


def choose_epochs(walker: Walker) -> Stage:
    """The cloud of earlier epochs: by the slider, then replayed."""
    explorer = walker.explorer
    if len(explorer.state.epochs) < 2:
        raise CannotReach("there are no epochs")
    yield from walker.drag_slider(input_events.child(explorer.timeline_view, "timeline.slider", QSlider))
    play = input_events.child(explorer.timeline_view, "timeline.play")
    input_events.click(play)
    yield from (0.05 for _ in range(10))
    if explorer.state.epoch is not None:
        input_events.click(play)
    explorer.open_run.show_epoch(None)
    yield walker.until(lambda: explorer.state.epoch is None, "the newest means")


def open_runs(walker: Walker) -> Stage:
    """The other runs, one of which is being trained, from the list of recent ones; some of the actions in them."""
    for run in walker.runs[1:]:
        yield from open_one(walker, run)
        for action in (choose_samples, watch_losses, drag_probe, draw_path):
            yield from action(walker)
    yield from open_one(walker, walker.runs[0])


def open_one(walker: Walker, run: Path) -> Stage:
    """Open ``run``; its cloud and an image follow."""
    yield from opened(walker, lambda: walker.explorer.open_run.open(run), run.name)


def opened(walker: Walker, begin: Callable[[], object], name: str) -> Stage:
    """The run that ``begin`` opens is there."""
    explorer, runs = walker.explorer, []
    watching = explorer.open_run.opened.connect(runs.append)
    try:
        begin()
        yield walker.until(lambda: runs, f"the run {name}")
    finally:
        explorer.open_run.opened.disconnect(watching)
    yield walker.until(lambda: explorer.state.embedding is not None, f"the cloud of {name}")
    yield walker.until(lambda: explorer.state.model is not None, f"the model of {name}")
    yield walker.until(lambda: explorer.image.has_image, f"an image of {name}")


def watch_losses(walker: Walker) -> Stage:
    """The curves, drawn over another quantity and smoothed otherwise."""
    explorer = walker.explorer
    explorer.window.open_dock("losses")
    yield 0.1
    axis = input_events.child(explorer.losses, "losses.axis", QComboBox)
    if not on_screen(axis):
        raise CannotReach("there are no losses")
    yield from input_events.choose(axis, int(walker.rng.integers(axis.count())))
    yield from walker.drag_slider(input_events.child(explorer.losses, "losses.smoothing", QSlider))


def steer_training(walker: Walker) -> Stage:
    """Open the run that is being trained, and change what can be changed in flight."""
    explorer = walker.explorer
    yield from open_one(walker, walker.runs[-1])
    yield walker.until(lambda: explorer.state.training in ("running", "paused"), "the training goes on")
    if explorer.state.training == "paused":  # an earlier action has not come to its end
        walker.trigger("pause")
        yield walker.until(lambda: explorer.state.training == "running", "the training goes on")
    beta = f"{walker.rng.uniform(1e-6, 1e-5):.2g}"
    field = input_events.child(explorer.training_view, "training.live.beta")
    edit = field.findChild(QLineEdit) if isinstance(field, QAbstractSpinBox) else field
    input_events.type_into(edit if isinstance(edit, QWidget) else field, beta)
    for state in ("paused", "running"):
        walker.trigger("pause")
        yield walker.until(lambda state=state: explorer.state.training == state, f"the training is {state}")
    yield from open_one(walker, walker.runs[0])


def compare_runs(walker: Walker) -> Stage:
    """A second run beside the first, clicked and turned, and away again."""
    explorer = walker.explorer
    walker.trigger("compare")
    yield walker.until(explorer.compare_view.isVisible, "the comparison")
    explorer.compare.open(str(walker.runs[-1]))
    yield walker.until(lambda: explorer.other_cloud.point_count > 0, "the second cloud")
    for at in walker.samples(2):
        input_events.move(explorer.cloud, at)
        yield 0.03
        input_events.click(explorer.cloud, at)
        yield 0.05
    yield from input_events.drag(explorer.other_cloud, walker.stroke(explorer.other_cloud), 0.006)
    explorer.window.docks["compare"].close()
    explorer.compare.close()


def save_figure(walker: Walker) -> Stage:
    """The dialog for figures: previews, and a file."""
    yield from scenario_cloud.save_figure(walker)  # pyright: ignore[reportArgumentType]


def share_page(walker: Walker) -> Stage:
    """The run as one page, without its decoder."""
    yield from scenario_runs.share_page(walker)  # pyright: ignore[reportArgumentType]


def change_theme(walker: Walker) -> Stage:
    """Light, dark, as the desktop."""
    for name in walker.rng.permutation(["theme_light", "theme_dark", "theme_system"]).tolist():
        walker.trigger(name)
        yield 0.1


def arrange_docks(walker: Walker) -> Stage:
    """Docks closed, opened, made to float, put back; the window larger and smaller."""
    window = walker.explorer.window
    names = list(window.docks)
    for name in walker.rng.choice(names, 4, replace=False).tolist():
        dock = window.docks[name]
        window.open_dock(name)
        yield 0.03
        dock.setFloating(True)
        yield 0.1
        dock.setFloating(False)
        yield 0.03
        dock.close()
        yield 0.03
        window.open_dock(name)
        yield 0.03
    size = window.size()
    for width, height in ((1000, 640), (1500, 900)):
        window.resize(width, height)
        yield 0.05
    window.resize(size)
    yield 0.05
    walker.trigger("reset_layout")
    yield 0.05


def warm_up(walker: Walker) -> Stage:
    """Each dock floats once, and a notice is shown: Qt makes then what it keeps for them."""
    notice = walker.explorer.window.notice
    notice.show_message("The walk begins", walker)
    yield 0.1
    notice.resolve(walker)
    for dock in walker.explorer.window.docks.values():
        shown = not dock.isHidden()
        dock.show()
        for floating in (True, False):
            dock.setFloating(floating)
            yield 0.02
        dock.setVisible(shown)


def open_dialogs(walker: Walker) -> Stage:
    """Every dialog that asks for something, opened and cancelled."""
    commands = [
        "keys", "about", "open", "images_folder", "import", "turntable", "export_model", "share", "image_cache",
        "figure", "runs_folder", "measure", "attributes",
    ]  # fmt: skip
    for name in walker.rng.permutation(commands).tolist():
        action = walker.explorer.window.actions_by_name[name]
        if action.isEnabled():
            before = set(dialogs())
            action.trigger()
            yield walker.until(lambda before=before: set(dialogs()) - before, f"the dialog of {name}")
            yield 0.05
            for dialog in set(dialogs()) - before:
                dialog.close()
            yield 0.02


def dialogs() -> list[QDialog]:
    """Those that are open."""
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QDialog) and widget.isVisible()]


def look_at_images(walker: Walker) -> Stage:
    """A folder of images is dropped, and looked at by a process of its own."""
    explorer, folder = walker.explorer, (walker.options.out / "images").resolve()
    yield from open_one(walker, walker.runs[0])  # beside a training of the open run no others are looked at
    if not folder.is_dir():
        write_images(folder)
    input_events.drag_file(walker.window, folder)
    yield 0.05
    input_events.drop_file(walker.window, folder)
    yield walker.until(explorer.dataset_view.isVisible, "the dataset page")
    yield walker.until(lambda: not explorer.dataset.reading, "the images are read")
    explorer.window.docks["dataset"].close()


def write_images(folder: Path) -> None:
    """Some images in two classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(24):
        target = folder / "ab"[number % 2] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(target)


def settle(walker: Walker) -> Stage:
    """Back to where every round begins: nothing open but the first run, the panels where they first were."""
    explorer = walker.explorer
    popup = QApplication.activePopupWidget()
    if popup is not None:
        popup.close()
    for dialog in dialogs():
        dialog.close()
    yield 0.01  # nobody does two things at once
    explorer.window.docks["dataset"].close()
    yield 0.01
    explorer.compare.close()
    yield 0.01
    walker.trigger("theme_dark")
    yield 0.01
    explorer.state.mode = "orbit"
    walker.trigger("reset_layout")
    yield 0.01
    yield from input_events.take_keyboard(walker.window)
    yield from open_one(walker, walker.runs[0])
    yield from opened(walker, lambda: walker.trigger("new_project"), "of a new project")
    first = input_events.child(explorer.points, "points.color_by", QComboBox)
    yield from input_events.choose(first, 0)
    walker.key("Home")
    yield from (0.05 for _ in range(6))


QUICK_ACTIONS: tuple[Action, ...] = (
    look_around, choose_samples, drag_probe, draw_path, undo_and_redo, change_theme, arrange_docks,
)  # fmt: skip
"""Those that take a fraction of a second."""
ACTIONS: tuple[Action, ...] = (
    *QUICK_ACTIONS, select_samples, group_samples, keep_project, colour_samples, show_gridlines, edit_path, play_path,
    trace_path, compare_kinds, save_path, export_path, parameter_plane, choose_epochs, open_runs, steer_training,
    compare_runs, save_figure, share_page, open_dialogs, look_at_images,
)  # fmt: skip
