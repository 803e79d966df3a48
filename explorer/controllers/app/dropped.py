"""What is dropped on the window: a project, a model or latents to import, a run, or images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from explorer.controllers.app.import_model import ImportController, can_import
from explorer.controllers.app.project import ProjectController, is_project
from explorer.controllers.choices import Choice
from explorer.controllers.controller import Context, Controller
from explorer.controllers.training.dataset import DatasetController


class DroppedController(Controller):
    """Looks at it and hands it to whoever opens such things."""

    def __init__(
        self, context: Context, project: ProjectController, importing: ImportController, dataset: DatasetController
    ) -> None:
        super().__init__(context)
        self._project, self._importing, self._dataset = project, importing, dataset
        self._look: Choice | None = None
        self._window.dropped.connect(self.choose)

    @property
    def busy(self) -> bool:
        """Whether something is being looked at."""
        return self._look is not None and self._look.pending

    def choose(self, path: str) -> None:
        """Open what is at ``path``."""
        if is_project(Path(path)):
            self._project.open(Path(path))
            return
        self._look = self._choices.look(
            path,
            partial(can_import, Path(path)),
            partial(self._on_looked, path),
            self._on_failed,
            (OSError,),
            f"Looking at {path} …",
        )

    def _on_looked(self, path: str, importable: bool) -> None:
        (self._importing if importable else self._dataset).choose(path)

    def _on_failed(self, error: Exception) -> None:
        self.error_occurred.emit(str(error))
