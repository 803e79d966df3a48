"""The button that keeps paths by name: save the one that there is, open, rename or delete those that are saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from explorer.widgets.controls import named
from explorer.widgets.icons import icon
from explorer.widgets.theme import Theme


class SavedPathsButton(QToolButton):
    """Tells what a hand chose. ``opening`` comes before the menu is shown: now ``set_names``."""

    opening = Signal()
    save_requested = Signal()
    open_requested = Signal(str)
    rename_requested = Signal(str)
    delete_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "path.saved", "Paths", "Paths saved with the run: save this one, open another")
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._menu = named(QMenu(self), "path.saved.menu")
        self._menu.setToolTipsVisible(True)
        tip = "Save this path and its frames with the run, under a name"
        self._save = named(QAction("Save as…", self), "path.saved.save", tip=tip)  # a menu's own would be deleted
        self._save.triggered.connect(lambda _=False: self.save_requested.emit())
        self._rename = named(QMenu("Rename", self._menu), "path.saved.rename")
        self._delete = named(QMenu("Delete", self._menu), "path.saved.delete")
        self._menu.aboutToShow.connect(self.opening)
        self.setMenu(self._menu)
        self.set_names((), "")
        self.set_savable(False)

    def set_names(self, names: Sequence[str], current: str) -> None:
        """The saved paths, and which of them is the one that there is ("": none)."""
        for menu in (self._menu, self._rename, self._delete):
            menu.clear()
        self._menu.addAction(self._save)
        self._menu.addSeparator()
        for name in names:
            action = self._add(self._menu, "open", name, "", self.open_requested.emit)
            action.setToolTip(f"Open {name} with the number of frames it was saved with")
            action.setCheckable(True)
            action.setChecked(name == current)
            self._add(self._rename, "rename", name, "…", self.rename_requested.emit)
            self._add(self._delete, "delete", name, "…", self.delete_requested.emit)
        if not names:
            self._menu.addAction("No path has been saved with this run yet").setEnabled(False)
            return
        self._menu.addSeparator()
        self._menu.addMenu(self._rename)
        self._menu.addMenu(self._delete)

    def _add(self, menu: QMenu, verb: str, name: str, after: str, chosen: Callable[[str], None]) -> QAction:
        action = named(QAction(name.replace("&", "&&") + after, menu), f"path.saved.{verb}.{name}")
        action.triggered.connect(lambda _=False: chosen(name))
        menu.addAction(action)
        return action

    def set_savable(self, savable: bool) -> None:
        """Whether there is a path that could be saved."""
        self._save.setEnabled(savable)

    def set_theme(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self.setIcon(icon("bookmark", theme))
