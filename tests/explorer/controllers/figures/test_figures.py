"""Figures of the real window, saved by keys and mouse: what is in the file is what is on screen."""

from __future__ import annotations

import os
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from svg_reader import points, words
from window_driver import press

from core.paths.latent_path import LatentPath
from core.protocol.figures import CloudFigure, FilmFigure, FrameLook, LossesFigure, PlaneFigure
from core.rendering.point_colours import point_colours
from explorer.controllers.figures import contents
from explorer.controllers.figures.figures import KINDS
from explorer.views.figure import FigureChoice, FigureDialog

WAIT = 30_000


def dialog_of(program) -> FigureDialog:
    dialog = program.figures._dialog
    assert isinstance(dialog, FigureDialog)
    return dialog


def save_button(program) -> QPushButton:
    found = dialog_of(program).findChild(QPushButton, "dialog.figure.accept")
    assert isinstance(found, QPushButton)
    return found


def drawn(program, qtbot) -> FigureDialog:
    """The dialog, once its preview shows what is chosen."""
    dialog = dialog_of(program)
    ready = save_button(program).isEnabled
    qtbot.waitUntil(lambda: dialog.preview.picture is not None and not dialog.preview.words and ready(), timeout=WAIT)
    return dialog


def figure(program, kind: str, **choice):
    sources = program.figures._sources
    assert KINDS[kind].missing(sources) == ""
    return KINDS[kind].make(sources, FigureChoice(kind, **choice), "title")


def test_the_cloud_is_saved_by_keys_as_it_is_seen(opened, qtbot, tmp_path):
    opened.settings.figures_folder = tmp_path
    opened.editing.commit("draw path", path=LatentPath(opened.state.embedding[[0, 40, 80]]))
    opened.settings.figure = '{"kind": "cloud", "format": "svg", "theme": "window"}'
    press(opened, "Ctrl+Shift+F")
    dialog = drawn(opened, qtbot)
    assert dialog.target == tmp_path / "tiny-cloud-a-epoch-3.svg"
    assert f"{len(opened.state.embedding)} points; in SVG and PDF as vectors" in dialog.notes.text()
    with qtbot.waitSignal(opened.figures.saved, timeout=WAIT):
        QTest.keyClick(dialog, Qt.Key.Key_Return)
    assert f"Saved {dialog.target}" in dialog.status.text()
    root = ElementTree.parse(dialog.target).getroot()
    assert {"μ₁", "μ₂", "μ₃", "a", "tiny · epoch 3"} <= set(words(root))
    # Every point stands where the window has it, times one scale.
    screen = opened.cloud.screen_positions()
    pixels = screen[np.argsort(-screen[:, 2], kind="stable"), :2]
    places = points(root)
    away, seen = places - places.mean(axis=0), pixels - pixels.mean(axis=0)
    scale = float((away * seen).sum() / (seen**2).sum())
    near = np.linalg.norm(away - scale * seen, axis=1)
    assert np.median(near) < 0.01
    assert (near < 0.01).mean() > 0.95  # points of equal depth may change places
    dialog.close()
    qtbot.waitUntil(lambda: opened.figures._client is None, timeout=WAIT)


def test_what_is_on_screen_is_in_the_figures(opened, qtbot, tmp_path):
    sources = opened.figures._sources
    assert KINDS["film"].missing(sources) == contents.PATH_NEEDED
    assert KINDS["kinds"].missing(sources) == contents.NO_COMPARISON
    assert KINDS["transect"].missing(sources) == contents.NOT_MEASURED
    opened.editing.commit("draw path", path=LatentPath(opened.state.embedding[[0, 40, 80]]))
    opened.probe.choose(7)
    opened.state.selected = np.array([3, 4])
    qtbot.waitUntil(lambda: opened.playback.decoded is not None and not opened.cloud_control._dirty, timeout=WAIT)

    cloud = figure(opened, "cloud")
    assert isinstance(cloud, CloudFigure)
    scene = opened.cloud.scene
    colours = point_colours(cloud.colouring, len(cloud.points), opened.state.theme)
    np.testing.assert_array_equal(colours, opened.cloud_control.colours)
    np.testing.assert_array_equal(cloud.points, scene.points)
    np.testing.assert_allclose(cloud.probe[0], opened.state.embedding[7], atol=1e-6)
    assert (cloud.sample, len(cloud.control), len(cloud.curves)) == (7, 3, 1)

    losses = figure(opened, "losses")
    assert isinstance(losses, LossesFigure)
    assert [curve.name for curve in losses.curves] == ["total", "reconstruction", "KL", "entanglement", "validation"]
    assert losses.x_range[0] < losses.x_range[1]

    film = figure(opened, "film", frames=5, labels=True)
    assert isinstance(film, FilmFigure)
    np.testing.assert_array_equal(film.images, opened.playback.decoded.images[[0, 16, 32, 48, 64]])
    assert [caption[0] for caption in film.captions] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert [line.split()[0] for line in film.captions[0]][1:] == ["a", "b"]

    opened.path_view.look_changed.emit(FrameLook(128, "nearest", True, True))
    with qtbot.waitSignal(opened.playback.exported, timeout=WAIT):
        opened.playback.export(tmp_path / "path.png", "png")
    with Image.open(tmp_path / "path.png") as strip:
        pixels = np.asarray(strip)[:128, :128]
    np.testing.assert_array_equal(pixels, film.images[0, ..., 0].repeat(4, axis=0).repeat(4, axis=1))
    assert opened.playback._remembered_look() == FrameLook(128, "nearest", True, True)

    plane = figure(opened, "plane")
    assert isinstance(plane, PlaneFigure)
    assert plane.names == ("scale a", "depth b")
    np.testing.assert_allclose(plane.xy, opened.state.samples.factors, atol=1e-6)


def test_without_a_run_every_figure_is_listed_with_what_it_needs(program, qtbot):
    opened = program(None)
    press(opened, "Ctrl+Shift+F")
    dialog = dialog_of(opened)
    qtbot.waitUntil(lambda: bool(dialog.preview.words), timeout=WAIT)
    assert dialog.preview.words == contents.NO_CLOUD
    assert all(kind.missing for kind in opened.figures._kinds())
    assert not save_button(opened).isEnabled()
    for kind in ("losses", "film", "kinds", "transect"):  # in the menus of what they show
        action = opened.window.findChild(QAction, f"figure.of.{kind}")
        assert isinstance(action, QAction)
        action.trigger()
        assert dialog.choice.kind == kind
    for of_another_version in ('{"width": -4}', '{"format": "eps"}', "{", ""):
        opened.settings.figure = of_another_version
        assert opened.figures._remembered() == FigureChoice()


def test_a_file_that_cannot_be_written_is_explained_and_settings_are_remembered(opened, qtbot, tmp_path):
    opened.figures.open("losses")
    dialog = drawn(opened, qtbot)
    blocked = tmp_path / "file"
    blocked.touch()
    opened.figures.save(str(blocked / "x.png"))
    qtbot.waitUntil(lambda: dialog.status.property("role") == "error", timeout=WAIT)
    assert str(blocked) in dialog.status.text()
    dialog._dpi.setValue(150)
    os.kill(opened.figures._client.process_id, 9)  # the next preview comes from another process
    qtbot.waitUntil(lambda: dialog.preview.words == "" and save_button(opened).isEnabled(), timeout=WAIT)
    dialog.close()
    opened.figures.open()
    assert (dialog_of(opened).choice.dpi, dialog_of(opened).choice.kind) == (150, "losses")
