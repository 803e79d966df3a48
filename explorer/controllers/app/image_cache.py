"""The size of the image cache: a setting of the window, which the processes it starts are given."""

from __future__ import annotations

import os

from shiboken6 import isValid

from core.data.cache import ImageCache, Leftover, cache_folder
from core.utils.user_folders import CACHE_BOUND_VARIABLE
from explorer.controllers.controller import Context, Controller
from explorer.views.image_cache import ImageCacheDialog
from explorer.widgets.dialogs import show_dialog

IN_USE = "What is left is in use by a training or by an open run, or is being prepared."


class ImageCacheController(Controller):
    """Shows how much the cache takes, changes how much it may, empties it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._dialog: ImageCacheDialog | None = None
        self._files = self._background()

    def ask(self) -> None:
        """Show the dialog."""
        self._dialog = dialog = ImageCacheDialog(self._window)
        fixed = os.environ.get(CACHE_BOUND_VARIABLE)
        obstacle = f"The environment variable {CACHE_BOUND_VARIABLE} sets the limit: {fixed} GB." if fixed else ""
        dialog.set_limit(self._settings.cache_gb, obstacle)
        dialog.limit_changed.connect(lambda gigabytes: setattr(self._settings, "cache_gb", gigabytes))
        dialog.empty_requested.connect(lambda: self._start(empty=True))
        dialog.set_busy("Looking into the cache …")
        self._start(empty=False)
        show_dialog(self._window, dialog)

    def _start(self, empty: bool) -> None:
        """Look how much the cache takes, in a thread, after it has been emptied if ``empty``."""
        if empty and self._dialog is not None:
            self._dialog.set_busy("Emptying the cache …")
        if self._files.busy:  # for a dialog that has been closed: what comes of it is shown in this one
            return

        def work() -> tuple[int, str]:
            cache, taken, left = ImageCache(), 0, Leftover()
            try:
                left = cache.clear() if empty else left
                taken = cache.size
            except OSError as error:
                left = Leftover(error=error)
            return taken, _reason(left)

        self._files.read(work, self._on_looked)

    def _on_looked(self, found: tuple[int, str]) -> None:
        taken, note = found
        if self._dialog is not None and isValid(self._dialog):
            self._dialog.set_usage(str(cache_folder()), taken)
            self._dialog.set_note(note)


def _reason(left: Leftover) -> str:
    """Why the cache is not empty."""
    reasons = [IN_USE] if left.in_use else []
    if left.error is not None:
        reasons.append(
            f"Not everything could be removed ({left.error.strerror or left.error}). Check that the folder is "
            "there and that you may write to it."
        )
    return " ".join(reasons)
