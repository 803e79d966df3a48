"""Help when something went wrong: the folder of the log, crashes of earlier starts, and a report for whoever helps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from shiboken6 import isValid

from core.utils.crash_reports import CrashReport
from core.utils.user_folders import log_folder
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.faults import WHERE, Fault, logged, versions, write_log
from explorer.problem_report import MOST_RECORDS, OpenedRun, ReportPart, report_parts, write_report
from explorer.views.cloud import CloudView
from explorer.views.problem_report import ProblemReportDialog
from explorer.widgets.dialogs import ask_save, show_dialog

PATIENCE_S = 5.0
"""How long the news of a crash waits for a run to be open: opening one clears what was said of the one before."""
PROCESSES = {"window": "The window", "engine": "The engine, which decodes for the window,"}


class HelpController(Controller):
    """``crashed`` gives a ``Fault`` for each process that a signal had ended."""

    crashed = Signal(object)

    def __init__(self, context: Context, open_run: OpenRun, cloud: CloudView) -> None:
        super().__init__(context)
        self._open_run, self._cloud = open_run, cloud
        self._records: deque[Mapping[str, Any]] = deque(maxlen=MOST_RECORDS)
        self._crashes: list[Fault] = []
        self._begun = monotonic()
        self._files = self._background(OSError)
        self._watcher.records.connect(self._records.extend)
        self._when((self._watcher.restarted, open_run.opened), self._records.clear)

    def show_crashes(self, reports: Sequence[CrashReport]) -> None:
        """Tell of processes that a signal had ended before this start, once a run is open, and log where they were."""
        for report in reports:
            text = f"{versions()}\n\nThe {report.process} ended at {report.when:%Y-%m-%d %H:%M}\n{report.text}"
            write_log(text)
            process = PROCESSES.get(report.process, report.process)
            said = f"{process} was ended by a fault on {report.when:%d %B at %H:%M} ({report.fault})."
            self._crashes.append(Fault(f"{said} {WHERE}", text))

    def tick(self) -> None:
        """Say what has waited for a run to be open."""
        if self._crashes and (self._open_run.run is not None or monotonic() - self._begun > PATIENCE_S):
            crashes, self._crashes = self._crashes, []
            for crash in crashes:
                self.crashed.emit(crash)

    def open_log_folder(self) -> None:
        """Show the folder of the log in the desktop's file manager."""
        folder = log_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.error_occurred.emit(f"{folder} cannot be made ({error.strerror or error}), so there is no log.")
            return
        if QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self.succeeded.emit()
        else:
            self.error_occurred.emit(f"No program opens folders here; the log is in {folder}")

    def report_problem(self) -> None:
        """Show what a report holds, and save what is checked where a person says."""
        parts = self._parts()
        dialog = ProblemReportDialog(self._window, parts)
        dialog.save_requested.connect(lambda places: self._ask_where(dialog, [parts[place] for place in places]))
        show_dialog(self._window, dialog)

    def _parts(self) -> list[ReportPart]:
        try:
            log = logged()
        except OSError as error:
            log = f"The log cannot be read: {error}"
        graphics = f"{self._cloud.renderer_name}\n{self._cloud.renderer_note}"
        run, opened = self._open_run.run, None
        if run is not None:
            made = run.metadata.get("versions")
            opened = OpenedRun(run.path, run.config, made if isinstance(made, dict) else {}, tuple(self._records))
        return report_parts(versions(), graphics, log, self._settings.shareable(), opened)

    def _ask_where(self, dialog: ProblemReportDialog, parts: Sequence[ReportPart]) -> None:
        filters = {"zip": "Zip archive (*.zip)"}
        write = partial(self._write, dialog, parts)
        ask_save(self._window, "report", "Save the report", "isoline report.zip", filters, write)

    def _write(self, dialog: ProblemReportDialog, parts: Sequence[ReportPart], name: str) -> None:
        written, failed = partial(self._on_written, dialog, name), partial(self._on_unwritable, name)
        self._files.write(partial(write_report, Path(name), parts), written, failed)

    def _on_written(self, dialog: ProblemReportDialog, name: str, _: None) -> None:
        self.succeeded.emit()
        self._state.message = f"Saved {name}; nothing was sent"
        if isValid(dialog):
            dialog.close()

    def _on_unwritable(self, name: str, error: Exception) -> None:
        reason = (error.strerror if isinstance(error, OSError) else "") or error
        self.error_occurred.emit(f"{name} cannot be written ({reason}). Choose a folder that can be written.")
