"""Attributes in the whole program: measured by the engine, coloured by, and followed by a path like a factor."""

from __future__ import annotations

import numpy as np
from event_loop import open_run
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QPushButton

from core.data.image_attributes import chosen_measures, measure_image
from core.data.loading import load_dataset
from core.protocol.messages import PathTraced, TracePath
from explorer.controllers.cloud import color_targets
from explorer.views.attributes import ChoiceDialog

WAIT = 60_000


def test_images_are_measured_and_a_path_changes_what_was_measured(program, tiny_run, tiny_config, qtbot):
    explorer = program(tiny_run)
    qtbot.waitUntil(lambda: explorer.image.has_image, timeout=WAIT)
    explorer.window.actions_by_name["measure"].trigger()
    dialogs = explorer.window.findChildren
    qtbot.waitUntil(lambda: any(found.isVisible() for found in dialogs(ChoiceDialog)), timeout=WAIT)
    asked = next(found for found in dialogs(ChoiceDialog) if found.isVisible())
    for box in asked.findChildren(QCheckBox):
        box.setChecked(box.text() in ("contour length", "spread"))
    QTest.mouseClick(asked.findChild(QPushButton, "dialog.choice.accept"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: explorer.state.attributes is not None, timeout=WAIT)

    dataset, samples = load_dataset(tiny_config.data), explorer.state.samples
    names = explorer.state.attributes.names
    assert names == ("contour length", "spread")
    expected = [measure_image(np.array(dataset.images[i]), chosen_measures(names)) for i in samples.indices]
    np.testing.assert_array_equal(explorer.state.attributes.values, expected)
    assert color_targets.names(explorer.state) == (*samples.factor_names, *names)
    assert explorer.state.display.color_by == "contour length"

    replies: list[PathTraced] = []
    start = explorer.state.embedding[0]
    message = TracePath(kind="regression", start=start, end=np.zeros(0, np.float32), target="spread", points=17)
    explorer.engine.request(message, replies.append)
    qtbot.waitUntil(lambda: bool(replies) and replies[-1].final, timeout=WAIT)
    assert len(replies[-1].points) == 17

    open_run(explorer, tiny_run)  # anew: they are gone
    assert explorer.state.attributes is None
    assert explorer.state.display.color_by in (*samples.factor_names, "contour length")
    qtbot.waitUntil(lambda: explorer.state.samples is not None, timeout=WAIT)
    assert explorer.state.display.color_by == samples.factor_names[0]
