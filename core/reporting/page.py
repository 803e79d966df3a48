"""A report as one self-contained HTML page: sections of text, figures and tables, and what each number means.

The page loads nothing and runs nothing: pictures are inside it, its style follows the reader's light or dark theme,
and it prints. Everything that is given as text is escaped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

import core
from core.reporting.cells import MISSING, Cell, Column, Interval, Spread, cell, cell_html
from core.reporting.css import STYLE
from core.utils.atomic_write import write_atomic

__all__ = ["Column", "Interval", "Page", "ReportError", "Spread", "write_report"]

Media = Literal["image/svg+xml", "image/png"]
HTML_NAME = "report.html"
JSON_NAME = "report.json"

_CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CONTENTS_FROM = 3  # sections: a shorter page needs no table of contents


class ReportError(RuntimeError):
    """A report that cannot be written; the message names the file, the reason and what to do."""


class Page:
    """A page that grows downwards: each call adds below what is there. ``html`` gives the whole."""

    def __init__(self, title: str, lead: str) -> None:
        self._title, self._lead = title, lead
        self._body: list[str] = []
        self._sections: list[tuple[str, str]] = []
        self._columns: dict[tuple[str, str], str] = {}  # (title, definition) to anchor, in order of appearance

    def section(self, title: str) -> None:
        """Begin a section."""
        anchor = f"section-{len(self._sections) + 1}"
        self._sections.append((anchor, title))
        self._body.append(f'<h2 id="{anchor}">{escape(title)}</h2>')

    def text(self, text: str) -> None:
        """Plain text; an empty line begins a new paragraph."""
        self._body.append(_paragraphs(text))

    def points(self, items: Sequence[str]) -> None:
        """A bulleted list of plain texts."""
        entries = "".join(f"<li>{escape(item)}</li>" for item in items)
        self._body.append(f'<ul class="points">{entries}</ul>')

    def figure(self, data: bytes, media: Media, caption: str, alt: str) -> None:
        """A picture with its caption below; ``alt`` says in words what it shows."""
        if media not in ("image/svg+xml", "image/png"):
            raise ValueError(f"media is {media!r}; it must be image/svg+xml or image/png.")
        source = f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"
        image = f'<img src="{source}" alt="{escape(alt)}">'
        self._body.append(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")

    def table(self, columns: Sequence[Column], rows: Sequence[Mapping[str, object]], caption: str = "") -> None:
        """A table. A row's values are looked up by the columns' keys, a missing one is a dash; see ``cells.cell``."""
        cells = [[cell(row.get(column.key), column.digits) for column in columns] for row in rows]
        widths = [max((len(line[i].suffix) for line in cells), default=0) for i in range(len(columns))]
        wordy = [bool(cells) and _is_wordy([line[i] for line in cells]) for i in range(len(columns))]
        head = "".join(self._header(column, words) for column, words in zip(columns, wordy, strict=True))
        body = "".join(
            "<tr>"
            + "".join(cell_html(line[i], widths[i], "th" if i == 0 else "td") for i in range(len(columns)))
            + "</tr>"
            for line in cells
        )
        if not rows:
            body = f'<tr><td class="words" colspan="{len(columns)}">nothing to show</td></tr>'
        title = f"<caption>{escape(caption)}</caption>" if caption else ""
        table = f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        self._body.append(f'<div class="table" tabindex="0" role="region" aria-label="{escape(caption)}">{table}</div>')

    def definitions(self, entries: Mapping[str, object]) -> None:
        """Names with their values or meanings, one a line: settings, versions, terms."""
        lines = "".join(
            f"<dt>{escape(str(name))}</dt><dd>{escape(str(value)) if value is not None else MISSING}</dd>"
            for name, value in entries.items()
        )
        self._body.append(f"<dl>{lines}</dl>")

    def html(self) -> str:
        """The whole page."""
        title = escape(self._title)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta name="color-scheme" content="light dark"><title>{title}</title><style>{STYLE}</style></head>\n'
            f'<body><main><h1>{title}</h1><div class="lead">{_paragraphs(self._lead)}</div>{self._contents()}\n'
            + "\n".join(self._body)
            + f"\n{self._meanings()}<footer>Written by Isoline {escape(core.__version__)}</footer>"
            + "</main></body></html>\n"
        )

    def _header(self, column: Column, words: bool) -> str:
        kind = "words" if words else "number"
        if not column.definition:
            return f'<th scope="col" class="{kind}">{escape(column.title)}</th>'
        anchor = self._columns.setdefault((column.title, column.definition), f"number-{len(self._columns) + 1}")
        link = f'<a href="#{anchor}" title="{escape(column.definition)}">{escape(column.title)}</a>'
        return f'<th scope="col" class="{kind}" title="{escape(column.definition)}">{link}</th>'

    def _contents(self) -> str:
        sections = list(self._sections)
        if len(sections) < _CONTENTS_FROM:
            return ""
        if self._columns:
            sections.append(("meanings", "What the numbers mean"))
        links = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title in sections)
        return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'

    def _meanings(self) -> str:
        if not self._columns:
            return ""
        lines = "".join(
            f'<dt id="{anchor}">{escape(title)}</dt><dd>{escape(definition)}</dd>'
            for (title, definition), anchor in self._columns.items()
        )
        return f'<h2 id="meanings">What the numbers mean</h2><dl class="meanings">{lines}</dl>\n'


def write_report(folder: Path, page: Page, report: Mapping[str, Any]) -> None:
    """Write ``report.json`` and ``report.html`` into ``folder``, each whole or not at all; the page comes last.

    ``report`` may hold numpy numbers and arrays; what is not finite becomes null. Raises ``ReportError``.
    """
    content = msgspec.json.format(msgspec.json.encode(report, enc_hook=_plain), indent=2) + b"\n"
    for name, data in ((JSON_NAME, content), (HTML_NAME, page.html().encode())):
        path = Path(folder) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
        except OSError as error:
            raise ReportError(
                f"{path} cannot be written ({error.strerror or error}). Free some space, or choose a folder that can "
                "be written."
            ) from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a report cannot hold {type(value).__name__}; give numbers, texts, lists and dictionaries.")


def _is_wordy(cells: Sequence[Cell]) -> bool:
    return not any(value.numeric and value.text != MISSING for value in cells)


def _paragraphs(text: str) -> str:
    parts = [part.strip() for part in re.split(r"\n\s*\n", text)]
    return "".join(f"<p>{escape(part)}</p>" for part in parts if part)
