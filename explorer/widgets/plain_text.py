"""Text of files, as it is: Qt would take what looks like HTML for such, with its headings, links and pictures."""

from __future__ import annotations

from html import escape

from PySide6.QtGui import Qt


def plain_tip(text: str) -> str:
    """``text`` for a tooltip, a dock's title or another place without a text format, shown letter by letter."""
    return f"<p style='white-space: pre-wrap'>{escape(text)}</p>" if Qt.mightBeRichText(text) else text
