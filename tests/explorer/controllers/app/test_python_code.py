"""Copy as Python: the code, run by itself, makes what is on screen, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from engine_driver import make_latents_run
from event_loop import open_run
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QApplication

from core.figures.drawing import draw, encode
from core.paths.latent_path import LatentPath
from core.projects.edited import Axes
from core.protocol.figures import Page
from core.protocol.python_channel import TEMPORARY
from core.runs.imported import KEY, PythonFunctions, stored_form
from explorer.controllers.figures.contents import Sources, cloud_figure
from explorer.views.figure import FigureChoice


def copied(explorer, name: str) -> str:
    """What the command of the menu puts into the clipboard."""
    action = explorer.window.findChild(QAction, f"action.copy_{name}")
    QApplication.processEvents()  # commands follow the state when the event loop comes round
    assert action.isEnabled()
    action.trigger()
    return QGuiApplication.clipboard().text()


def run_code(code: str) -> dict[str, Any]:
    """The names that the code leaves."""
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_code_makes_what_is_on_screen(reopened, qtbot, tmp_path: Path, monkeypatch):
    explorer, state = reopened, reopened.state
    explorer.editing.commit("move probe", probe=np.array([0.1, -0.25, 1 / 3], np.float32), sample=None)
    qtbot.waitUntil(lambda: not explorer.probe._awaiting)
    names = run_code(copied(explorer, "probe"))
    np.testing.assert_array_equal(np.array(names["z"], np.float32), state.document.probe)
    np.testing.assert_array_equal(names["image"], names["run"].decode([state.document.probe])[0])

    state.selected = np.array([3, 5, 8])
    names = run_code(copied(explorer, "selection"))
    np.testing.assert_array_equal(names["latents"], state.embedding[[3, 5, 8]])
    np.testing.assert_array_equal(names["labels"]["a"], state.samples.factor("a")[[3, 5, 8]])

    path = LatentPath(state.embedding[[0, 4, 9]], closed=True, kind="natural")
    explorer.editing.commit("draw path", path=path)
    qtbot.waitUntil(lambda: explorer.playback.decoded is not None, timeout=20_000)
    names = run_code(copied(explorer, "path"))
    assert names["path"] == path
    np.testing.assert_array_equal(names["latents"], explorer.playback.decoded.z)
    np.testing.assert_array_equal(names["images"], explorer.playback.decoded.images)

    monkeypatch.chdir(tmp_path)
    sources = Sources(
        state, explorer.cloud_control, explorer.playback, explorer.losses, explorer.kinds_view, explorer.parameters_view
    )
    page = Page(theme=state.theme.name)
    for principal, hidden in ((False, frozenset()), (True, frozenset({1}))):
        explorer.editing.commit(
            "change display", axes=Axes("principal" if principal else "dimensions", (2, 0, 1)), point_size=9.0
        )
        explorer.editing.commit("change display", color_by="b" if not principal else "training / validation")
        state.hidden = hidden
        explorer.cloud.scene.camera.orbit(40.0, -25.0)
        explorer.redraw()
        run_code(copied(explorer, "figure"))
        on_screen = cloud_figure(sources, FigureChoice(), "")
        assert Path("cloud.png").read_bytes() == encode(draw(on_screen, page), page)


def test_values_that_the_run_has_not_are_in_the_code(reopened, tmp_path: Path, monkeypatch):
    explorer = reopened
    explorer.state.losses = np.linspace(0.0, 1.0, len(explorer.state.embedding), dtype=np.float32)
    explorer.editing.commit("change display", color_by="excess BCE")
    explorer.redraw()
    monkeypatch.chdir(tmp_path)
    code = copied(explorer, "figure")
    assert "color_by='excess BCE'" in code
    run_code(code)
    assert Path("cloud.png").stat().st_size > 10_000


def test_where_a_program_decodes_the_code_calls_its_function(reopened, tiny_run, qtbot, tmp_path: Path, monkeypatch):
    explorer = reopened
    run = make_latents_run(tmp_path / "explore")
    run.rewrite(run.config, {KEY: stored_form(PythonFunctions(session="x", decodes=True, encodes=False))})
    open_run(explorer, run.path)
    qtbot.waitUntil(lambda: explorer.state.model is not None, timeout=20_000)
    explorer.state.model = replace(explorer.state.model, can_decode=True)
    explorer.editing.commit("draw path", path=LatentPath(explorer.state.embedding[[0, 4]]))
    monkeypatch.setenv(TEMPORARY, str(tmp_path))
    code = copied(explorer, "probe")
    assert "# This run goes with its window" in code
    names: dict[str, Any] = {"decode": lambda z: z + 1}
    exec(code, names)
    np.testing.assert_array_equal(names["image"], [explorer.state.document.probe + 1])
    exec(explorer.python_code.code("path"), names)
    np.testing.assert_array_equal(np.concatenate(names["images"]), names["latents"] + 1)
    open_run(explorer, tiny_run)
