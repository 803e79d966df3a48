"""Project files: what the session holds, saved under a name, with or without the model, and opened anywhere."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal

from core.projects.archive import SUFFIX, ProjectWriter, read_project
from core.projects.embedded import add_run, embedded_size, has_run, unpack_run
from core.projects.project import Project, ProjectError
from core.runs.directory import RunDirectory, RunError
from core.utils.text import size_text
from core.utils.untrusted import UnreadableError
from explorer.controllers.app.open_run import OpenRun, is_bundled, run_name
from explorer.controllers.app.session import Found, SessionController, located, located_second
from explorer.controllers.controller import Context, Controller
from explorer.views.project import SaveProjectDialog
from explorer.widgets.dialogs import ask_file, ask_folder, ask_question, ask_save, show_dialog

FILTER = {"isoline": f"Isoline project (*{SUFFIX})"}


def is_project(path: Path) -> bool:
    """Whether its name says that ``path`` is a project file."""
    return path.suffix.lower() == SUFFIX


class ProjectController(Controller):
    """Saves and opens project files."""

    recent_changed = Signal()

    def __init__(self, context: Context, open_run: OpenRun, session: SessionController) -> None:
        super().__init__(context)
        self._open_run, self._session = open_run, session
        self._files = self._background(ProjectError, RunError, OSError)
        session.unlocated.connect(self._ask_where)

    def _fail(self, error: Exception) -> None:
        self._session.show_something()
        self.error_occurred.emit(str(error))

    # saving

    def start_over(self) -> None:
        """Begin with the open run again, without a project file."""
        self._session.start_over()
        self._state.message = "A new project. What was made before is in File > Earlier sessions"

    def save(self) -> None:
        """Save into the project's file; ask for one if there is none."""
        if self._session.project_file:
            self._save(Path(self._session.project_file), self._session.embeds)
        else:
            self.ask_save()

    def ask_save(self) -> None:
        """Ask what goes into the file, then for the file."""
        run, epoch = self._open_run.run, self._state.epoch
        if run is not None:
            self._files.read(partial(embedded_size, run, epoch), partial(self._show_dialog, run), self._fail)

    def _show_dialog(self, run: RunDirectory, size: int) -> None:
        if self._open_run.run is not None and self._open_run.run.path == run.path:
            where = "" if is_bundled(run.path) else str(run.path)
            dialog = SaveProjectDialog(self._window, where, size, self._session.embeds)
            dialog.chosen.connect(self._ask_file)
            show_dialog(self._window, dialog)

    def _ask_file(self, embeds: bool) -> None:
        run = self._open_run.run
        if run is not None:
            name = Path(self._session.project_file).name or f"{run_name(run.path)}{SUFFIX}"
            title = "Save project with the model" if embeds else "Save project"
            ask_save(self._window, "project_file", title, name, FILTER, lambda name: self._save(Path(name), embeds))

    def _save(self, file: Path, embeds: bool) -> None:
        run = self._open_run.run
        if run is None:
            return
        now = self._session.snapshot(file)
        project = dataclasses.replace(now, window=None, file="", embeds=embeds, trainings=(), saved=None)
        self._editing.begin_save()

        def work() -> int:
            add = (lambda archive: add_run(archive, run, project.epoch)) if embeds else None
            try:
                ProjectWriter().write(
                    file, project, ended="closed", run_name=run_name(run.path), compressed=True, add_files=add
                )
                return file.stat().st_size
            except (OSError, UnreadableError) as error:
                raise ProjectError(f"{file} could not be written: {_reason(error, file)}") from error

        self._files.write(work, partial(self._on_saved, file, embeds, run), self._on_unsaved)

    def _on_unsaved(self, error: Exception) -> None:
        self._editing.end_save(False)
        self._fail(error)

    def _on_saved(self, file: Path, embeds: bool, run: RunDirectory, size: int) -> None:
        if self._open_run.run is run:
            self._session.set_file(str(file), embeds)
            self._editing.end_save(True)
        self._settings.add_recent_project(file)
        self.recent_changed.emit()
        self._state.message = f"Saved {file} ({size_text(size)})"
        self.succeeded.emit()

    # opening

    def ask_open(self) -> None:
        """Ask for a project file."""
        ask_file(self._window, "open_project", "Open project", FILTER["isoline"], lambda name: self.open(Path(name)))

    def open(self, file: Path) -> None:
        """Open the project in ``file``: its run where that is now, or the one that is embedded."""
        file = file.absolute()
        places = self._session.places()

        def work() -> tuple[Found, bool]:
            project = read_project(file)
            project = dataclasses.replace(project, saved=project.position)
            run = located(project, file, places)
            second = located_second(project, file, places)
            return Found(project, run, second, file=str(file)), run is None and has_run(file)

        self._choices.look(str(file), work, self._on_read, self._fail, (ProjectError, RunError, OSError))

    def _on_read(self, result: tuple[Found, bool]) -> None:
        found, embedded = result
        if embedded:
            self._unpack(found)
        elif found.run is None:
            self._ask_where(found)
        else:
            self._show(found)

    def _unpack(self, found: Found) -> None:
        folder, name = self._settings.runs_folder, Path(found.file).stem
        doing = f"Unpacking the model of {name} into {folder} …"
        self._state.message = doing
        choice = self._choices.begin(found.file, doing)

        def then(run: Path) -> None:
            if not self._choices.end(choice):
                self._session.noted.emit(f"The model of {name} has been unpacked into {run}, and is not opened")
                return
            self._show(dataclasses.replace(found, run=run))
            self._session.noted.emit(f"The model of {name} has been unpacked into {run}")

        def fail(error: Exception) -> None:
            self._choices.end(choice)
            self._fail(error)

        self._files.write(lambda: unpack_run(Path(found.file), folder, name), then, fail)

    def _show(self, found: Found) -> None:
        assert found.project is not None
        if found.file:
            self._settings.add_recent_project(Path(found.file))
            self.recent_changed.emit()
        self._session.show(found)

    # a run that is not where it was

    def _ask_where(self, found: Found, wrong: str = "") -> None:
        """Its run is nowhere: a person may know where. ``wrong``: why the last answer was none."""
        self._session.show_something()
        assert found.project is not None
        where = Path(found.project.run.path)
        name = Path(found.file).name if found.file else "this session"
        question = f"The run that {name} is about was not found"
        moved = f"It was {where}. If it has been moved, say where it is now."
        other = "It is the model that came with another version of Isoline. If you have that, say where its folder is."
        about = wrong or (other if found.project.run.bundled else moved)
        choose = lambda: ask_folder(  # noqa: E731
            self._window, "locate_run", f"Locate {where.name}", lambda folder: self._locate(found, Path(folder)), where
        )
        ask_question(self._window, "locate_run", "Locate run", question, about, "Locate…", choose)

    def _locate(self, found: Found, folder: Path) -> None:
        project: Project | None = found.project
        assert project is not None

        def work() -> Path:
            if RunDirectory.open(folder).fingerprint != project.run.fingerprint:
                raise ProjectError(
                    f"{folder} holds another run than the one that was asked for, {Path(project.run.path).name}; "
                    "choose the folder that it has been moved to."
                )
            return folder

        show = lambda run: self._show(dataclasses.replace(found, run=run))  # noqa: E731
        ask_again = lambda error: self._ask_where(found, str(error))  # noqa: E731
        self._choices.look(str(folder), work, show, ask_again, (ProjectError, RunError, OSError))


def _reason(error: Exception, file: Path) -> str:
    """Why ``file`` could not be written, and what has become of it. For a thread: it looks."""
    if isinstance(error, OSError) and not file.parent.is_dir():
        return f"there is no folder {file.parent}; choose another one."
    reason = (error.strerror if isinstance(error, OSError) else "") or error
    return f"{reason}. What was there before is intact." if file.exists() else f"{reason}."
