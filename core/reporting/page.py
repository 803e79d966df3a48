"""A report as one self-contained HTML page, from a Jinja template that has its words, and the files it is written to.

The page loads nothing and runs nothing: pictures are inside it, its style follows the reader's light or dark theme,
and it prints. Everything that is given as text is escaped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import numpy as np
from markupsafe import Markup

import core
from core.reporting.tables import Column, Table
from core.utils.atomic_write import write_atomic

HTML_NAME = "report.html"
JSON_NAME = "report.json"
FIGURES = "figures"
"""The folder beside the page with its figures as files: for papers and slides."""
_PICTURE = re.compile(r'<img src="data:image/(png|svg)[^,"]*;base64,([^"]*)" alt="([^"]*)">')
_FIGURE_NAME = re.compile(r"\d\d-.*\.(png|svg)")


class ReportError(RuntimeError):
    """A report that cannot be written; the message names the file, the reason and what to do."""


class Outline:
    """What a page refers to: its sections, and the definitions of its columns, each in order of appearance."""

    def __init__(self) -> None:
        self.sections: dict[str, str] = {}
        """Anchor to title."""
        self.definitions: dict[tuple[str, str], str] = {}
        """Title and definition of a column to its anchor."""

    def add_section(self, title: str) -> str:
        """The anchor of a new section."""
        anchor = f"section-{len(self.sections) + 1}"
        self.sections[anchor] = title
        return anchor

    def define(self, column: Column) -> str:
        """The anchor of a column's definition, which is listed once however many tables have the column."""
        return self.definitions.setdefault((column.title, column.definition), f"number-{len(self.definitions) + 1}")


def data_uri(picture: bytes) -> str:
    """A PNG or SVG file as the source of an image."""
    kind = "png" if picture.startswith(b"\x89PNG") else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


environment = jinja2.Environment(
    loader=jinja2.PackageLoader("core", ""),
    autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals |= {"column": Column, "tabulate": Table.of, "version": core.__version__}
environment.filters["data_uri"] = data_uri


def render_page(template: str | jinja2.Template, **context: object) -> str:
    """The page of ``template``, a file below ``core`` that sets ``title`` and ``lead`` and writes the page's body.

    Its macros ``section``, ``table``, ``figure``, ``points`` and ``definitions`` are those of
    ``reporting/macros.html``; they need ``with context``.
    """
    outline = Outline()
    body = environment.get_template(template).make_module({**context, "outline": outline})
    return environment.get_template("reporting/page.html").render(
        title=body.title,  # pyright: ignore[reportAttributeAccessIssue]
        lead=body.lead,  # pyright: ignore[reportAttributeAccessIssue]
        body=Markup(str(body)),
        outline=outline,
    )


def paragraphs(template: str, **context: object) -> list[str]:
    """The paragraphs of ``template``, a text file below ``core``, where blank lines end them; each on one line."""
    text = environment.get_template(template).render(context)
    return [" ".join(block.split()) for block in text.split("\n\n") if block.strip()]


def write_report(folder: Path, html: str, report: Mapping[str, Any]) -> None:
    """Write ``report.json``, the page's figures and ``report.html`` into ``folder``, each whole or not at all; the page
    comes last. Figures of a former page go.

    ``report`` may hold dataclasses, numpy numbers and arrays; what is not finite becomes null. Raises ``ReportError``.
    """
    content = msgspec.json.format(msgspec.json.encode(report, enc_hook=_plain), indent=2) + b"\n"
    figures = {f"{FIGURES}/{name}": data for name, data in figure_files(html).items()}
    path = Path(folder)
    try:
        for former in (path / FIGURES).glob("*"):
            if _FIGURE_NAME.fullmatch(former.name):
                former.unlink()
        for name, data in {JSON_NAME: content, **figures, HTML_NAME: html.encode()}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written ({error.strerror or error}). Free some space, or choose a folder that can be "
            "written."
        ) from error


def figure_files(html: str) -> dict[str, bytes]:
    """The pictures of a page as files, by names that begin with their place in it: "02-falling-curves.svg"."""
    files = {}
    for place, (kind, picture, alt) in enumerate(_PICTURE.findall(html), 1):
        words = re.sub(r"[^a-z0-9]+", "-", unescape(alt).lower())
        short = words if len(words) <= 48 else words[:49].rpartition("-")[0]
        files[f"{place:02}-{short.strip('-')}.{kind}"] = base64.b64decode(picture)
    return files


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a report cannot hold {type(value).__name__}; give numbers, texts, lists and dictionaries.")
