"""A run whose every text looks like HTML: it is read letter by letter, and makes no heading, link or picture."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QAbstractListModel, QModelIndex, Qt
from PySide6.QtGui import QAction, QTextDocument
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtWidgets import QAbstractItemView, QApplication, QComboBox, QLabel, QWidget

from core.projects.edited import Attributes
from core.runs.directory import RunDirectory
from explorer.widgets.plain_text import plain_tip

HOSTILE = "<h1>x</h1><img src=x><a href=x>x</a>"
FOLDER = "<h1>x<img src=x>"  # a file name has no slash


def fakes(text: str) -> bool:
    """Whether ``text``, shown where Qt decides by its look, holds a heading, a link or a picture."""
    if not GuiQt.mightBeRichText(text):
        return False
    document = QTextDocument()
    document.setHtml(text)
    block = document.begin()
    while block.isValid():
        if block.blockFormat().headingLevel():
            return True
        for span in block.textFormats():
            if span.format.isAnchor() or span.format.isImageFormat():
                return True
        block = block.next()
    return False


def texts(widget: QWidget) -> Iterator[tuple[str, str]]:
    """Every text of ``widget`` that Qt may take for HTML, and what it is."""
    yield "tooltip", widget.toolTip()
    if isinstance(widget, QLabel) and widget.textFormat() != Qt.TextFormat.PlainText:
        yield "text", widget.text()
    for action in widget.actions():
        yield "action", action.toolTip()
    if isinstance(widget, QAbstractItemView | QComboBox) and widget.model() is not None:
        model = widget.model()
        rows = model.rowCount(QModelIndex())
        columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount(QModelIndex())  # private there
        for row in range(min(rows, 50)):
            for column in range(columns):
                tip = model.index(row, column).data(Qt.ItemDataRole.ToolTipRole)
                yield f"item {row}, {column}", str(tip or "")


def faked() -> list[str]:
    return [
        f"{type(widget).__name__} {widget.objectName()}: {what}: {text}"
        for widget in QApplication.allWidgets()
        for what, text in texts(widget)
        if fakes(text)
    ]


def poison(value: Any) -> Any:
    """``value`` with each text in it hostile, but for those that are names of the format."""
    if isinstance(value, dict):
        kept = {"kind", "event", "time"}
        return {key: item if key in kept else poison(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poison(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.fixture
def hostile_run(tiny_run: Path, tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER
    shutil.copytree(tiny_run, folder)
    run = RunDirectory.open(folder)
    probe = run.read_probe()
    classes = np.arange(len(probe.indices)) % 2
    factors = np.stack([probe.factors[:, 0], classes.astype(np.float32)], axis=1)
    run.write_probe(
        dataclasses.replace(
            probe,
            factors=factors,
            factor_names=(HOSTILE, f"{HOSTILE}2"),
            categories=((), (HOSTILE, f"{HOSTILE}2")),
            names=tuple(f"{HOSTILE}{number}" for number in range(len(classes))),
        )
    )
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    run.metrics_path.write_text("".join(json.dumps(poison(line)) + "\n" for line in lines))
    run.rewrite(run.config, poison(run.metadata))
    return folder


def test_a_run_of_such_texts_fakes_nothing_in_the_window(program, hostile_run, qtbot):
    explorer = program(hostile_run)
    state, notice = explorer.state, explorer.window.notice
    qtbot.waitUntil(lambda: state.embedding is not None and explorer.image.has_image, timeout=60_000)
    for dock in explorer.window.docks.values():
        dock.show()
    values = np.arange(2.0 * len(state.embedding)).reshape(-1, 2)
    state.attributes = Attributes((f"{HOSTILE}3", f"{HOSTILE}4"), values)
    for name in (HOSTILE, f"{HOSTILE}2"):
        state.display = dataclasses.replace(state.display, color_by=name)
        explorer.redraw()
    state.hovered = 3
    explorer.probe.choose(3)
    qtbot.waitUntil(lambda: not explorer.engine._pending, timeout=60_000)
    state.message = HOSTILE
    notice.show_message(HOSTILE, HOSTILE, action="Restart")
    explorer.open_run.error_occurred.emit(HOSTILE)
    explorer.redraw()
    qtbot.wait(50)
    assert HOSTILE in notice.text()
    assert HOSTILE in state.samples.factor_names
    assert faked() == []


@pytest.mark.parametrize("text", [HOSTILE, FOLDER, "<p>a</p>", "a < b", "two\nlines", "<b>two\nlines", ""])
def test_a_tooltip_of_any_text_reads_as_it_is(qapp, text):
    document = QTextDocument()
    tip = plain_tip(text)
    (document.setHtml if GuiQt.mightBeRichText(tip) else document.setPlainText)(tip)
    assert document.toPlainText() == text
    assert not fakes(tip)


def test_what_fakes_a_heading_is_recognised(qapp):
    assert fakes(HOSTILE)
    assert not fakes("<p>Our own.</p>")
    assert isinstance(QAction(HOSTILE).toolTip(), str)
