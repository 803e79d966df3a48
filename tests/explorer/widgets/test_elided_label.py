"""A label in little room: a shorter text, then an ellipsis, and the whole in its tooltip."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QWidget

from explorer.widgets.elided_label import ElidedLabel
from explorer.widgets.layouts import column

WHOLE = "latent length 12.3 · image length 34.5 (K = 65)"


@pytest.fixture
def line(qtbot) -> ElidedLabel:
    made = ElidedLabel()
    qtbot.addWidget(made)
    made.set_texts(WHOLE, "length 12.3")
    made.resize(900, 20)
    made.show()
    return made


def test_the_longest_text_that_fits_is_shown_and_the_whole_is_in_the_tooltip(line):
    assert line.shown == line.text() == line.toolTip() == WHOLE
    line.resize(line.fontMetrics().horizontalAdvance(WHOLE) - 1, 20)
    assert line.shown == "length 12.3"
    line.resize(30, 20)
    assert line.shown.endswith("…")
    assert line.text() == line.toolTip() == WHOLE
    assert line.minimumSizeHint().width() <= 1


def test_a_definition_stays_the_tooltip_whatever_text_comes(line):
    line.setToolTip("Length: what it is")
    line.setText("length 3")
    assert line.toolTip() == "Length: what it is"


def test_what_is_painted_is_what_fits(line):
    whole = line.grab().toImage()
    line.set_texts("x")
    assert line.grab().toImage() != whole


def test_the_same_text_again_does_not_arrange_the_window_anew(line, monkeypatch):
    line.set_texts("a long text", "short")
    asked: list[int] = []
    monkeypatch.setattr(line, "updateGeometry", lambda: asked.append(1))
    line.set_texts("a long text", "short")
    assert not asked
    line.set_texts("a long text", "shorter")
    line.setText("another text")
    assert len(asked) == 2


def test_no_text_of_one_that_has_its_line_alone_arranges_the_window_anew(qtbot):
    outer, asked = QWidget(), []
    alone, beside = ElidedLabel(alone=True), ElidedLabel()
    column(alone, beside, parent=outer)
    qtbot.addWidget(outer)
    outer.show()
    qtbot.waitExposed(outer)
    QCoreApplication.sendPostedEvents()
    height = alone.height()

    class Watch(QObject):
        def eventFilter(self, _: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.LayoutRequest:
                asked.append(True)
            return False

    watch = Watch()
    outer.installEventFilter(watch)
    for number in range(3):
        alone.setText(f"decoded in {10**number} ms")
        QCoreApplication.sendPostedEvents()
    assert (alone.shown, alone.height(), asked) == ("decoded in 100 ms", height, [])
    beside.setText("another")
    QCoreApplication.sendPostedEvents()
    assert asked
