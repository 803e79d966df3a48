"""A report's page: self-contained, escaped, every number defined; and the two files it is written to."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.reporting.page import ReportError, environment, figure_files, render_page, write_report
from core.reporting.tables import Column, Interval, Spread, cell

VOID = {"meta", "img", "link", "br"}


class Structure(HTMLParser):
    """Checks that every element is closed in order; keeps texts, tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.append((self.open[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text_of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


IMPORT = """{% from "reporting/macros.html" import section, table, figure, points, definitions with context %}
{% set title = name or "Title & more" %}{% set lead %}<p>{{ text or "Second <b>." }}</p>{% endset %}
"""
PAGE = (
    IMPORT
    + """
{{ section("Numbers") }}
{{ table(rows, [column("name", "model"), column("error", "error", "How far off & why.", 3)], "A caption.") }}
"""
)
ROWS = [{"name": "one", "error": Spread(0.0012, 0.0001, 3)}, {"name": "two", "error": None}, {"name": "three"}]


def rendered(template: str, **context: object) -> str:
    values = {"name": "", "text": "", "rows": ROWS, **context}
    return render_page(environment.from_string(template), **values)


@pytest.fixture
def html() -> str:
    return rendered(PAGE)


def test_the_page_is_well_formed_and_escaped(html: str):
    found = Structure(html)
    assert found.text_of("title") == ["Title & more"]
    assert "Second <b>." in found.text_of("p")
    assert not found.all("b")


@pytest.mark.parametrize(("data", "kind"), [(b"<svg/>", "svg+xml"), (b"\x89PNG\r\n", "png")])
def test_the_page_loads_and_runs_nothing(data: bytes, kind: str):
    found = Structure(rendered(PAGE + '{{ figure(data, "A picture.", "what it shows") }}', data=data))
    assert not found.all("script")
    assert not found.all("link")
    policy = next(tag["content"] for tag in found.all("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert all((image["src"] or "").startswith(f"data:image/{kind};base64,") for image in found.all("img"))
    assert [image["alt"] for image in found.all("img")] == ["what it shows"]
    assert all((link["href"] or "").startswith("#") for link in found.all("a"))


def test_the_style_follows_the_readers_theme(html: str):
    (style,) = Structure(html).text_of("style")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_a_definition_is_the_headers_tooltip_and_listed_once_at_the_end():
    found = Structure(
        rendered(PAGE + '{{ table([{"error": 1.0}], [column("error", "error", "How far off & why.")]) }}')
    )
    titles = [head.get("title") for head in found.all("th") if head.get("title")]
    assert titles == ["How far off & why."] * 2
    assert found.text_of("dd") == ["How far off & why."]
    assert found.text_of("h2")[-1] == "What the numbers mean"
    places = {term["id"] for term in found.all("dt")}
    assert {link["href"] for link in found.all("a")} >= {f"#{place}" for place in places}


def test_links_inside_the_page_lead_somewhere():
    found = Structure(rendered(PAGE + '{{ section("Two") }}{{ section("Three") }}'))
    anchors = {attributes["id"] for _, attributes in found.tags if "id" in attributes}
    assert {(link["href"] or "")[1:] for link in found.all("a")} <= anchors
    assert len(found.all("nav")) == 1


def test_an_empty_table_says_so():
    assert "nothing to show" in Structure(rendered(PAGE, rows=[])).text_of("td")


def test_what_follows_numbers_has_one_width_so_that_they_align(html: str):
    assert html.count('<span class="suffix" style="min-width:8ch">') == 3
    assert '<span class="value">–</span>' in html


def test_lists_and_definitions():
    entries = {"epochs": 6, "device": None, "path & name": "a<b", "weights": (1, 2), "configuration": {"a": 1}}
    template = IMPORT + '{{ points(["one <x>", "two"]) }}{{ definitions(entries, {"more": true}) }}'
    found = Structure(rendered(template, entries=entries))
    assert found.text_of("li") == ["one <x>", "two"]
    assert found.text_of("dt") == ["epochs", "path & name", "weights", "more"]
    assert found.text_of("dd") == ["6", "a<b", "1, 2", "True"]


def test_a_name_that_a_template_misspells_is_refused():
    with pytest.raises(jinja2.UndefinedError, match="rowz"):
        rendered(PAGE.replace("rows", "rowz"))


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text(), st.text())
def test_any_text_leaves_the_page_well_formed(title: str, text: str, value: str):
    table = "{{ table([{'a': value}], [column('a', name, text)], value) }}"
    template = IMPORT + "{{ section(name) }}" + table + "{{ definitions({name: value}) }}"
    Structure(rendered(template, name=title, text=text, value=value))


@pytest.mark.parametrize(
    ("key", "value"), [("a", 1), ("b.c", 2), ("b.absent", None), ("absent.c", None), ("spread.mean", 0.5)]
)
def test_a_column_finds_its_value_in_mappings_and_objects(key: str, value: object):
    row = {"a": 1, "b": {"c": 2}, "spread": Spread(0.5, None, 1)}
    assert Column(key, "title").value_in(row) == value


def test_numbers_are_scaled():
    assert str(cell(Interval(0.54, 0.4, 0.66), 0, 100)) == "54 [40, 66]"
    assert str(cell(0.125, 1, 100)) == "12.5"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.00123, 4, "0.0012"),
        (-0.5, 2, "−0.50"),
        (-0.00001, 2, "0.00"),
        (12, 4, "12"),
        (np.int64(5000), 4, "5,000"),
        (np.float32(0.25), 2, "0.25"),
        (None, 4, "–"),
        (math.nan, 4, "–"),
        (True, 4, "yes"),
        ("too few samples", 4, "too few samples"),
        (Spread(0.0012, 0.0001, 3), 4, "0.0012 ± 0.0001"),
        (Spread(0.5, None, 1), 2, "0.50"),
        (Spread(None, None, 0), 2, "–"),
        (Interval(0.54, 0.4, 0.66), 2, "0.54 [0.40, 0.66]"),
        (Interval(0.54, None, None), 2, "0.54"),
        (Interval(None, None, None), 2, "–"),
    ],
)
def test_cells(value: object, digits: int, text: str):
    assert str(cell(value, digits)) == text


def test_spread_is_mean_and_sample_standard_deviation_of_what_is_known():
    assert Spread.of([1.0, 3.0, None, math.nan]) == Spread(2.0, pytest.approx(math.sqrt(2.0)), 2)  # pyright: ignore[reportArgumentType]
    assert Spread.of([4.0]) == Spread(4.0, None, 1)
    assert Spread.of([]) == Spread(None, None, 0)


def test_both_files_are_written(html: str, tmp_path: Path):
    report = {"a": np.float64(1.5), "b": np.arange(3), "c": math.nan, "d": Path("x"), "e": Spread(1.0, None, 1)}
    write_report(tmp_path / "new", html, report)
    content = json.loads((tmp_path / "new" / "report.json").read_text())
    assert content == {"a": 1.5, "b": [0, 1, 2], "c": None, "d": "x", "e": {"mean": 1.0, "std": None, "n": 1}}
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == html
    written = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert written - {f"figures/{name}" for name in figure_files(html)} == {"report.html", "report.json"}


def test_the_figures_of_a_page_are_files_too_and_those_of_a_former_page_go(tmp_path: Path):
    template = environment.from_string(
        '{% from "reporting/macros.html" import figure with context %}{% set title, lead = "t", "l" %}'
        "{% for picture, alt in pictures %}{{ figure(picture, '', alt) }}{% endfor %}"
    )
    drawing, pixels = b"<svg>A & B</svg>", b"\x89PNG and more"
    pictures = [(drawing, "Falling curves & <errors>."), (pixels, "A very long description " * 5)]
    write_report(tmp_path, render_page(template, pictures=pictures), {})
    folder = tmp_path / "figures"
    assert (folder / "01-falling-curves-errors.svg").read_bytes() == drawing
    assert (folder / "02-a-very-long-description-a-very-long-description.png").read_bytes() == pixels
    (folder / "mine.svg").touch()
    write_report(tmp_path, render_page(template, pictures=pictures[1:]), {})
    assert sorted(path.name for path in folder.iterdir()) == [
        "01-a-very-long-description-a-very-long-description.png",
        "mine.svg",
    ]


def test_an_unwritable_folder_is_named(html: str, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="file"):
        write_report(tmp_path / "file", html, {})


def test_what_json_cannot_hold_is_refused_before_anything_is_written(html: str, tmp_path: Path):
    with pytest.raises(TypeError, match="a report cannot hold type"):
        write_report(tmp_path / "new", html, {"a": object})
    assert not (tmp_path / "new").exists()
