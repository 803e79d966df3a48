"""What the window remembers between starts: recent runs, dock layout, theme, folders, the size of the image cache."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QByteArray, QProcessEnvironment, QSettings, QStandardPaths

from core.utils.user_folders import CACHE_BOUND_VARIABLE, DEFAULT_CACHE_GB

RECENT_LIMIT = 10
LAYOUT_VERSION = 2


class Settings:
    """Typed access to an INI file in the user's configuration folder (``ISOLINE_CONFIG`` moves it)."""

    def __init__(self) -> None:
        folder = os.environ.get("ISOLINE_CONFIG") or QStandardPaths.writableLocation(
            QStandardPaths.StandardLocation.AppConfigLocation
        )
        self._store = QSettings(str(Path(folder) / "isoline.ini"), QSettings.Format.IniFormat)

    @property
    def recent_runs(self) -> list[str]:
        """Run folders, newest first."""
        stored = self._store.value("recent_runs", [])
        values = stored if isinstance(stored, list) else [stored] if isinstance(stored, str) else []
        return [str(value) for value in values]

    def add_recent_run(self, path: Path) -> None:
        """Put a run first in the list."""
        name = str(path)
        runs = [name, *(run for run in self.recent_runs if run != name)]
        self._store.setValue("recent_runs", runs[:RECENT_LIMIT])

    def forget_recent_run(self, path: str) -> None:
        """Take a run off the list."""
        self._store.setValue("recent_runs", [run for run in self.recent_runs if run != path])

    @property
    def recent_projects(self) -> list[str]:
        """Project files, newest first."""
        stored = self._store.value("recent_projects", [])
        values = stored if isinstance(stored, list) else [stored] if isinstance(stored, str) else []
        return [str(value) for value in values]

    def add_recent_project(self, path: Path) -> None:
        """Put a project file first in the list."""
        name = str(path)
        files = [name, *(file for file in self.recent_projects if file != name)]
        self._store.setValue("recent_projects", files[:RECENT_LIMIT])

    def forget_recent_project(self, path: str) -> None:
        """Take a project file off the list."""
        self._store.setValue("recent_projects", [file for file in self.recent_projects if file != path])

    @property
    def resumes(self) -> bool:
        """Whether the window opens what was open last."""
        return str(self._store.value("resume", "true")).lower() != "false"

    @resumes.setter
    def resumes(self, resumes: bool) -> None:
        self._store.setValue("resume", resumes)

    @property
    def theme(self) -> str:
        """system, dark or light."""
        value = str(self._store.value("theme", "system"))
        return value if value in ("system", "dark", "light") else "system"

    @theme.setter
    def theme(self, name: str) -> None:
        self._store.setValue("theme", name)

    def layout(self) -> tuple[QByteArray, QByteArray] | None:
        """(geometry, dock state) as they were saved by this version's window, or None."""
        if self._store.value("layout/version", 0, int) != LAYOUT_VERSION:
            return None
        geometry, docks = self._store.value("layout/geometry"), self._store.value("layout/docks")
        if isinstance(geometry, QByteArray) and isinstance(docks, QByteArray):
            return geometry, docks
        return None

    def save_layout(self, geometry: QByteArray, docks: QByteArray) -> None:
        """Remember the window's geometry and docks."""
        self._store.setValue("layout/version", LAYOUT_VERSION)
        self._store.setValue("layout/geometry", geometry)
        self._store.setValue("layout/docks", docks)

    @property
    def runs_folder(self) -> Path:
        """Where trainings started from the window write their runs."""
        stored = str(self._store.value("runs_folder", ""))
        if stored:
            return Path(stored)
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        return Path(os.environ.get("ISOLINE_RUNS") or Path(documents or Path.home()) / "Isoline runs")

    @runs_folder.setter
    def runs_folder(self, path: Path) -> None:
        self._store.setValue("runs_folder", str(path))

    def shareable(self) -> dict[str, str]:
        """What a report of a problem may hold of it: neither folders nor files, nor where the panels are."""
        names = ("theme", "cache_gb", "figure/settings", "path_export")
        return {name: str(self._store.value(name)) for name in names if self._store.contains(name)}

    @property
    def figure(self) -> str:
        """The settings of the last figure, as JSON; empty if none has been saved."""
        return str(self._store.value("figure/settings", ""))

    @figure.setter
    def figure(self, text: str) -> None:
        self._store.setValue("figure/settings", text)

    @property
    def path_export(self) -> str:
        """How the frames of paths are written, as JSON; empty if that was never chosen."""
        return str(self._store.value("path_export", ""))

    @path_export.setter
    def path_export(self, text: str) -> None:
        self._store.setValue("path_export", text)

    @property
    def figures_folder(self) -> Path:
        """Where figures are saved."""
        stored = str(self._store.value("figure/folder", ""))
        pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
        return Path(stored or pictures or Path.home())

    @figures_folder.setter
    def figures_folder(self, path: Path) -> None:
        self._store.setValue("figure/folder", str(path))

    @property
    def cache_gb(self) -> int:
        """Gigabytes that prepared images may take on disk, 1 or more."""
        stored = str(self._store.value("cache_gb", ""))
        return max(1, int(stored)) if stored.isdecimal() else int(DEFAULT_CACHE_GB)

    @cache_gb.setter
    def cache_gb(self, gigabytes: int) -> None:
        self._store.setValue("cache_gb", gigabytes)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for the processes that the window starts; those that are set come before ours."""
        return {} if os.environ.get(CACHE_BOUND_VARIABLE) else {CACHE_BOUND_VARIABLE: str(self.cache_gb)}


def process_environment() -> QProcessEnvironment:
    """The environment of a process of the window."""
    environment = QProcessEnvironment.systemEnvironment()
    for name, value in Settings().variables.items():
        environment.insert(name, value)
    return environment
