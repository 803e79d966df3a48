"""The size of the image cache: a setting of the window, which the processes it starts are given."""

from __future__ import annotations

import os

from core.data.cache import BOUND_VARIABLE, ImageCache
from explorer.controllers.controller import Controller
from explorer.views.image_cache import ImageCacheDialog
from explorer.widgets.dialogs import show_dialog


class ImageCacheController(Controller):
    """Shows how much the cache takes, changes how much it may, empties it."""

    def ask(self) -> None:
        """Show the dialog."""
        dialog = ImageCacheDialog(self._window)
        fixed = os.environ.get(BOUND_VARIABLE)
        obstacle = f"The environment variable {BOUND_VARIABLE} sets the limit: {fixed} GB." if fixed else ""
        dialog.set_limit(self._settings.cache_gb, obstacle)
        dialog.limit_changed.connect(lambda gigabytes: setattr(self._settings, "cache_gb", gigabytes))
        dialog.empty_requested.connect(lambda: self._empty(dialog))
        self._show_usage(dialog)
        show_dialog(self._window, dialog)

    def _show_usage(self, dialog: ImageCacheDialog) -> int:
        cache = ImageCache()
        taken = cache.size
        dialog.set_usage(str(cache.folder), taken)
        return taken

    def _empty(self, dialog: ImageCacheDialog) -> None:
        ImageCache().clear()
        if self._show_usage(dialog):
            dialog.set_note("What is left is in use by a training, or by the run that is open.")
