"""What an HTML page holds."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """``counts``: how many of each element; ``text``: all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_data(self, data: str) -> None:
        self.text += data
