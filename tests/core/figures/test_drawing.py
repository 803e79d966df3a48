"""Files of figures, read back: their size, their text and fonts, and how many of their points are vectors."""

from __future__ import annotations

import io
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from msgspec import structs
from PIL import Image
from sample_figures import EVERY, cloud, film
from svg_reader import SVG, points, words

from core.figures import cloud as cloud_module
from core.figures import legend
from core.figures.drawing import FigureError, draw, encode, preview
from core.figures.style import POINTS_PER_CM, style_of, text_width
from core.protocol.figures import FORMATS, THEME_NAMES, Colouring, Page


def made(figure, **page) -> bytes:
    chosen = Page(**page)
    return encode(draw(figure, chosen), chosen)


def svg_of(figure, **page) -> ElementTree.Element:
    return ElementTree.fromstring(made(figure, format="svg", **page))


@pytest.fixture(params=list(EVERY))
def every_figure(request):
    """One figure of each kind."""
    return EVERY[request.param]()


def test_every_figure_can_be_drawn_in_every_theme(every_figure):
    for theme in THEME_NAMES:
        with Image.open(io.BytesIO(preview(draw(every_figure, Page(theme=theme)), 300))) as image:
            assert max(image.size) == pytest.approx(300, abs=1)
            grey = np.asarray(image.convert("L"))
        assert (grey[-2, 1] == 255) == (theme != "dark")
        assert theme != "dark" or (grey > 240).mean() < 0.1, "a part of it has a white ground"


@pytest.mark.parametrize("kind", ["cloud", "plane"])
def test_a_long_title_ends_before_the_legend(kind):
    colouring = Colouring("kind", np.zeros(50), classes=("a class with a name",))
    figure = structs.replace(EVERY[kind](), colouring=colouring, title="a run with a very long name " * 3)
    if kind == "cloud":
        figure = structs.replace(figure, points=np.zeros((50, 3), np.float32))
    (title,) = (text for text in words(svg_of(figure, width=12.0)) if text.startswith("a run"))
    style = style_of(Page())
    room = 12.0 * POINTS_PER_CM - legend.column_width(colouring, style)
    assert 0.5 * room < text_width(title, 1.2 * style.size, bold=True) < room


def test_long_captions_keep_their_values():
    texts = words(svg_of(film(captions=tuple((f"a label with a long name 0.{i}5",) for i in range(6))), width=12.0))
    assert sum(text.startswith("a l") and "…" in text and text.endswith("5") for text in texts) == 6


@pytest.mark.parametrize(("width", "height", "dpi"), [(8.5, 6.0, 300), (16.0, 9.0, 72), (3.33, 2.22, 111)])
def test_a_png_has_centimetres_times_dpi_pixels(width, height, dpi):
    with Image.open(io.BytesIO(made(cloud(), width=width, height=height, dpi=dpi))) as image:
        assert image.size == (round(width / 2.54 * dpi), round(height / 2.54 * dpi))
        assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)


def test_a_page_without_a_height_is_as_high_as_the_figure_needs(every_figure):
    wide = draw(every_figure, Page(width=20.0))
    assert wide.width == 20.0
    assert 2.0 <= wide.height <= 30.0


@pytest.mark.parametrize("format", FORMATS)
def test_a_figure_is_the_same_file_every_time(format):
    assert made(cloud(), format=format) == made(cloud(), format=format)


def test_text_of_an_svg_is_text_and_its_font_is_in_the_file():
    root = svg_of(cloud())
    found = words(root)
    assert {"μ₁", "μ₂", "μ₃", "scale", "run · epoch 3"} <= set(found)
    style = "".join("".join(part.itertext()) for part in root.iter(f"{SVG}style"))
    assert style.count("@font-face{font-family:'DejaVu Sans'") == 2  # normal and bold
    assert "base64," in style


def pdf_streams(data: bytes) -> list[bytes]:
    parts = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    streams = []
    for part in parts:
        try:
            streams.append(zlib.decompress(part))
        except zlib.error:
            streams.append(part)
    return streams


def test_fonts_of_a_pdf_are_truetype_and_its_text_can_be_extracted():
    data = made(cloud(), format="pdf")
    assert b"/FontFile2" in data  # a TrueType program, embedded
    assert b"/Type3" not in data
    assert b"/ToUnicode" in data  # glyphs lead back to letters
    content = b"".join(pdf_streams(data))
    texts = [b"".join(re.findall(rb"\(\0(.)\)", block)) for block in re.findall(rb"BT.*?ET", content, re.DOTALL)]
    assert b"run \xb7 epoch 3" in texts
    assert re.search(rb"<03BC>", content, re.IGNORECASE)  # the mu of the axes' names, back from its glyph


def test_a_hostile_name_is_written_as_it_is():
    name = r"$\frac{<script>&amp;"
    assert name in words(svg_of(cloud(title=name)))


def test_points_are_vectors_up_to_the_limit_and_one_image_above_it(monkeypatch):
    monkeypatch.setattr(cloud_module, "VECTOR_POINTS", 50)
    few, many = svg_of(cloud(50)), svg_of(cloud(51))
    assert len(points(few)) == 50
    assert [len(list(root.iter(f"{SVG}image"))) for root in (few, many)] == [1, 2]  # the colour bar is one
    assert len(points(many)) == 0
    assert words(many).count("μ₁") == 1
    assert draw(cloud(50), Page()).notes == ("50 points; in SVG and PDF as vectors (up to 50).",)
    assert (
        "51 points: more than 50, so in SVG and PDF they are one image of 300 dpi" in draw(cloud(51), Page()).notes[0]
    )


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"width": 1.0}, "width is 1 cm; it must be 2 to 120 cm"),
        ({"height": 400.0}, "height is 400 cm"),
        ({"dpi": 10}, "dpi is 10 dpi"),
        ({"font": 0.0}, "font is 0 pt"),
        ({"format": "eps"}, "format is 'eps'; it must be one of png, svg, pdf"),
        ({"theme": "pink"}, "theme is 'pink'"),
        ({"width": 100.0, "height": 100.0, "dpi": 1200}, "million pixels"),
    ],
)
def test_a_page_that_cannot_be_is_refused_with_what_can(page, message):
    with pytest.raises(FigureError, match=message):
        draw(cloud(), Page(**page))


def test_nothing_is_drawn_where_there_is_nothing():
    empty = cloud(points=np.full((5, 3), np.nan, np.float32), colouring=structs.replace(cloud(5).colouring))
    assert draw(empty, Page()).notes == ()


def test_frames_are_enlarged_by_whole_pixels_or_smoothly():
    page = {"width": 8.0, "dpi": 254}
    chequered = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (4, 4))[None, :, :, None]
    one = film(images=chequered, captions=(), verdicts=(), columns=1)
    levels = []
    for figure in (one, structs.replace(one, scaling="bicubic")):
        with Image.open(io.BytesIO(made(figure, **page))) as image:
            levels.append(set(np.unique(np.asarray(image.convert("L"))[200:600, 200:600]).tolist()))
    assert levels[0] == {0, 255}
    assert len(levels[1]) > 20
