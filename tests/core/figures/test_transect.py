"""A transect's figure on narrow and wide pages."""

from __future__ import annotations

import pytest
from sample_figures import transect

from core.figures.drawing import draw
from core.protocol.figures import Page


@pytest.mark.parametrize(("width", "images"), [(40.0, 15), (8.5, 3)])
def test_a_narrow_page_has_fewer_images_in_equal_steps_and_says_so(width, images):
    sheet = draw(transect(15), Page(width=width))
    rows = sheet.figure.axes[0].get_images()[0].get_extent()
    assert round((rows[1] - rows[0]) / (14 / (images - 1))) == images
    assert sheet.notes == (() if images == 15 else ("Images of 3 of 15 points; the curves have all of them.",))


@pytest.mark.parametrize("width", [8.5, 17.5])
def test_the_note_below_the_name_stays_on_the_page(width):
    sheet = draw(transect(15), Page(width=width))
    sheet.figure.draw_without_rendering()
    note = sheet.figure.texts[1]
    assert "mean excess BCE" in note.get_text()
    assert note.get_window_extent().x1 <= sheet.figure.bbox.x1
