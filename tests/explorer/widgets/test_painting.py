"""An error while painting costs one picture: no painter stays open, which would end the process."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import explorer
from explorer.views.cloud import CloudView


def test_every_painter_is_closed_by_a_with_statement():
    for file in sorted(Path(explorer.__file__).parent.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        guarded = {item.context_expr for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "QPainter":
                assert node in guarded, f"{file.name}, line {node.lineno}"


def test_a_cloud_whose_marks_cannot_be_drawn_is_drawn_again_once_they_can(qtbot, monkeypatch):
    view = CloudView("software")
    qtbot.addWidget(view)
    view.set_points(np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32))
    view.show()
    qtbot.waitExposed(view)
    before = view.grab().toImage()
    with monkeypatch.context() as patch:
        patch.setattr("explorer.views.cloud.overlay.draw_probe", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) as caught:
            view.grab()
    assert caught.traceback  # it holds the frame, and with that the painter, as the last traceback of a process does
    assert not view._overlay.paintingActive()
    assert view.grab().toImage() == before


def test_marks_that_are_no_places_are_left_out(qtbot):
    bad = float("nan")
    view = CloudView("software")
    qtbot.addWidget(view)
    view.set_points(np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32))
    view.set_probe(np.array([bad, 0.0, 0.0], np.float32))
    view.set_marker(np.array([0.0, bad, 0.0], np.float32))
    view.set_path(np.array([[0.0, 0, 0], [bad, 0, 0], [1, 0, 0]]), np.array([[0.0, 0, 0], [bad, 0, 0]]), 1)
    view.set_preview(np.array([[0.0, bad, 0]]))
    view.grab()
