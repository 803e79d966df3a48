"""The plane's own small toolbar: what the left button does, whether a hole is cut, the whole plane."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from explorer.views.parameters.gestures import Tool
from explorer.widgets.controls import named
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme

TOOLS = {
    Tool.CURSOR: (
        "probe",
        "Cursor",
        "Drag the cursor, click a sample, drag the hole by its handles (Ctrl: exact position)",
    ),
    Tool.SELECT: ("select", "Select", "Drag a rectangle to select samples (Shift adds)"),
    Tool.STRAIGHT: ("straight", "Straight transect", "Drag a straight transect (Shift: along an axis)"),
    Tool.DRAW: ("draw", "Freehand transect", "Draw a transect, freehand"),
}


class PlaneToolbar(QWidget):
    """A column of buttons, so that a low dock keeps its height for the plane."""

    tool_chosen = Signal(str)
    hole_toggled = Signal(bool)
    home_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("parameters.toolbar")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        self._group = QButtonGroup(self)
        self._buttons: dict[Tool, QToolButton] = {}
        for tool, (_, text, tip) in TOOLS.items():
            button = self._button(tool.value, text, tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, tool=tool: self.tool_chosen.emit(tool.value))
            self._group.addButton(button)
            self._buttons[tool] = button
            column.addWidget(button)
        self._buttons[Tool.CURSOR].setChecked(True)
        column.addSpacing(5)
        self.hole = self._button("hole", "Hole", "")
        self.hole.setCheckable(True)
        self.hole.clicked.connect(self.hole_toggled)
        column.addWidget(self.hole)
        self.home = self._button("home", "Whole plane", "Show the whole plane (double-click)")
        self.home.clicked.connect(lambda: self.home_requested.emit())
        column.addWidget(self.home)
        column.addStretch(1)

    def _button(self, name: str, text: str, tip: str) -> QToolButton:
        button = named(QToolButton(), f"parameters.{name}", text)
        button.setToolTip(tip)
        button.setAccessibleName(text)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        button.setIconSize(QSize(16, 16))
        button.setFixedSize(26, 24)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    @property
    def tool(self) -> Tool:
        """The chosen tool."""
        return next(tool for tool, button in self._buttons.items() if button.isChecked())

    def set_tool(self, tool: Tool) -> None:
        """Show ``tool`` as chosen."""
        self._buttons[tool].setChecked(True)

    def set_hole(self, cut: bool, editable: bool) -> None:
        """Whether a hole is cut, and whether a person may change that now."""
        self.hole.setChecked(cut)
        self.hole.setEnabled(editable)
        self.hole.setToolTip(
            (
                "The next training leaves out the samples in the hole"
                if cut
                else "Cut a hole into the next training's data"
            )
            if editable
            else "The hole can be changed only while no training runs, and only for polar curves"
        )

    def set_theme(self, theme: Theme) -> None:
        """Icons in the colours of ``theme``."""
        for tool, (drawing, _, _) in TOOLS.items():
            self._buttons[tool].setIcon(icon(drawing, theme))
        self.hole.setIcon(icon("hole", theme))
        self.home.setIcon(icon("home", theme))
