"""A strip that says what went wrong or needs attention, without stopping work."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from explorer.widgets.theme import Theme


class NoticeView(QWidget):
    """Shows one message until it is dismissed or replaced. Hidden while there is none."""

    dismissed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._label = QLabel()
        self._label.setObjectName("notice.text")
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._close = QToolButton()
        self._close.setObjectName("notice.dismiss")
        self._close.setText("Dismiss")
        self._close.setAutoRaise(True)
        self._close.clicked.connect(self.dismissed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 8, 6)
        layout.addWidget(self._label, 1)
        layout.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def set_message(self, text: str) -> None:
        """Show ``text``; an empty one hides the strip."""
        self._label.setText(text)
        self.setVisible(bool(text))

    def text(self) -> str:
        """The message on screen."""
        return self._label.text()

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self.setStyleSheet(
            f"#notice {{ background: {theme.raised}; border-bottom: 2px solid {theme.danger}; }}"
            f"#notice QLabel {{ color: {theme.text}; }}"
        )
