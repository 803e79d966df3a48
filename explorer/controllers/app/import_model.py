"""Importing a model or latents: looked at and then made a run by the command that a person would type, `isoline
import`, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Signal

from core.data.sources.listing import likely_place, located
from core.data.tables import SUFFIXES as TABLES
from core.exploring.consent import Program, ProgramError, is_allowed, read_program
from core.runs.foreign import IMPORTABLE, foreign_model
from core.utils.text import sentence
from explorer.controllers.app.consent import with_consent
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.choices import Choice
from explorer.controllers.controller import Context, Controller
from explorer.controllers.processes import STOP_MS, Command, isoline_command, read_findings
from explorer.views.training.editors import ask_images
from explorer.widgets.dialogs import ask_file, ask_folder, show_dialog

if TYPE_CHECKING:  # the dialog is imported when it is asked for: else each window would open later
    from explorer.views.import_model import ImportChoice, ImportDialog

OF_NETWORKS = (".onnx", ".pt", ".pth", ".ckpt", ".keras", ".pb", ".tflite", ".joblib", ".pkl")
"""Files of networks, whatever they hold. Of those that cannot be imported it is said why not, and what to do."""
_TENSORS = (
    "holds tensors alone, which do not say how they are computed with. Choose a Python file of yours that defines "
    "load(state): it gets the tensors by name and returns an object with latent_dim and decode(z), encode(x), or both."
)
_CANCELLED = "Cancelled; no run was made."
_ASKED_AGAIN = "After a no, choose it again to be asked again."
_LATENTS = "*.npy *.npz *.csv *.tsv *.txt *.parquet *.pbtxt"
_TABLES = f"Tables ({' '.join(f'*{suffix}' for suffix in TABLES)})"
_KINDS = {
    "model": f"Models and latents (*.onnx *.pt *.pth *.ckpt *.safetensors *.json {_LATENTS})",
    "--model": "Python files (*.py)",
    "--encoder": "ONNX files (*.onnx)",
    "--latents": f"Latents ({_LATENTS})",
    "--labels": _TABLES,
    "--files": _TABLES,
}


Kind = Literal["network", "tensors", "folder", "latents"]
"""What is imported: an ONNX file, or what cannot be one; tensors that a Python file computes with; the folder of a
library; latents alone."""
FIELDS: dict[Kind, tuple[str, ...]] = {
    "network": ("--encoder", "--images", "--latents", "--labels"),
    "tensors": ("--model", "--images", "--latents", "--labels"),
    "folder": ("--images", "--latents", "--labels"),
    "latents": ("--images", "--labels", "--files"),
}
"""The files that can be given beside each."""


def import_command(arguments: list[str]) -> list[str]:
    """The command line that looks at a model or imports it; ``arguments`` are those of ``isoline import``."""
    return isoline_command("import", *arguments, "--progress", "json")


def can_import(path: Path) -> bool:
    """Whether ``path``, dropped on the window, is something to import rather than images or a run."""
    from core.data.latents.opening import is_meant_as_latents  # here, as it takes a tenth of a second

    if path.suffix.lower() in OF_NETWORKS or is_meant_as_latents(path):
        return True
    foreign = foreign_model(path)
    return foreign is not None and foreign.kind in (*IMPORTABLE, "code", "keras")


def kind_of(path: str) -> Kind:
    """What is at ``path``, as a person has written it; a network if nothing is said."""
    if not path:
        return "network"
    from core.data.latents.opening import holds_latents  # as above

    if holds_latents(located(path)):
        return "latents"
    foreign = foreign_model(located(path))
    if foreign is None or foreign.kind not in IMPORTABLE:
        return "network"
    return "tensors" if foreign.kind == "tensors" else "folder"


def import_arguments(choice: ImportChoice) -> list[str]:
    """What a person has chosen, as arguments of ``isoline import``."""
    flags = [f"{flag}={located(path)}" for flag, path in choice.files.items()]
    # With "=", for a text may begin with a minus sign.
    flags += [f"{flag}={text}" for flag, text in choice.choices.items() if flag != "--fixed"]
    if choice.samples is not None:
        flags.append(f"--samples={choice.samples}")
    if "--fixed" in choice.choices:
        flags += ["--fixed", *choice.choices["--fixed"].split()]
    return [str(located(choice.model)), *flags]


@dataclass(frozen=True)
class Looked:
    """What is at the paths of a choice: the ``kind`` of its model, the ``arguments`` of the command, and the Python
    file that computes with tensors, or why it cannot be read."""

    kind: Kind
    arguments: list[str]
    program: Program | None = None
    problem: str = ""


def look_at(choice: ImportChoice) -> Looked:
    """For a thread: the disk of one of the files may not answer."""
    kind, arguments = kind_of(choice.model), import_arguments(choice)
    if kind == "tensors" and "--model" in choice.files:
        try:
            return Looked(kind, arguments, read_program(located(choice.files["--model"])))
        except ProgramError as error:
            return Looked(kind, arguments, problem=str(error))
    return Looked(kind, arguments)


class ImportController(Controller):
    """Shows the dialog, looks whenever something in it has changed, makes the run and opens it."""

    recent_changed = Signal()

    def __init__(
        self, context: Context, open_run: OpenRun, command: Callable[[list[str]], list[str]] = import_command
    ) -> None:
        super().__init__(context)
        self._open_run, self._command = open_run, command
        self._dialog: ImportDialog | None = None
        self._running: Command | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._doing, self._kind = "", kind_of("")
        self._looks = self._background()
        self._made: Path | None = None
        self._choice: Choice | None = None  # of what is being made

    @property
    def busy(self) -> bool:
        """Whether something is being looked at or imported."""
        return self._running is not None or self.looking

    @property
    def looking(self) -> bool:
        """Whether it is not known yet what is at the chosen paths."""
        return self._looks.busy

    # the dialog

    def ask(self) -> None:
        """Show the dialog."""
        if self._dialog is not None:
            self._dialog.raise_()
            self._dialog.activateWindow()
            return
        from explorer.views.import_model import ImportDialog

        self._dialog = dialog = ImportDialog(self._window)
        dialog.changed.connect(self.inspect)
        dialog.choose_requested.connect(self._choose_file)
        dialog.import_requested.connect(self.make)
        dialog.cancelled.connect(self._cancel)
        dialog.finished.connect(lambda _: self._on_closed())
        show_dialog(self._window, dialog)

    def choose(self, path: str) -> None:
        """Show the dialog for the model or the latents at ``path``."""
        self.ask()
        if self._made is not None:
            self.refused.emit("A model is being imported. Wait until it is done, or cancel it.")
            return
        self._set_file("model", path)

    def _choose_file(self, flag: str, folder: bool) -> None:
        dialog = self._dialog
        if dialog is None:
            return
        from explorer.views.import_model import FILES

        choice, title = dialog.choice(), f"Import: {FILES[flag].caption}"
        known = choice.files.get(flag) or choice.model
        place = likely_place(known).parent if known else None
        chosen = partial(self._set_file, flag)
        if flag == "--images":
            ask_images(self._window, "import.file", title, folder, chosen, place)
        elif folder:
            ask_folder(self._window, "import.file", title, chosen, place)
        else:
            ask_file(self._window, "import.file", title, _KINDS[flag], chosen, place)

    def _set_file(self, flag: str, path: str) -> None:
        if self._dialog is not None:
            self._dialog.set_file(flag, path)
            self.inspect()

    # looking

    def inspect(self) -> None:
        """Look at what is chosen now; what was being looked at is given up."""
        dialog = self._dialog
        if dialog is None:
            return
        self._end()
        choice = dialog.choice()
        if not choice.model:
            dialog.set_fields(FIELDS[kind_of("")])
            dialog.set_empty()
            return
        self._choices.mark(choice.model)
        self._doing = f"Looking at {choice.model}"
        self._on_progress(0.0)
        self._looks.read(partial(look_at, choice), self._on_looked, self._on_unreadable)

    def _on_unreadable(self, error: Exception) -> None:
        self._end()
        if self._dialog is not None:
            self._dialog.set_error(str(error))

    def _on_looked(self, looked: Looked) -> None:
        dialog = self._dialog
        if dialog is None:
            return
        self._kind = looked.kind
        dialog.set_progress(None)
        dialog.set_fields(FIELDS[looked.kind])
        if looked.kind != "tensors" or self._may_compute(dialog, looked):
            self._start("Looking at the file", [*looked.arguments, "--dry-run"])

    def _may_compute(self, dialog: ImportDialog, looked: Looked) -> bool:
        """Whether a person has said yes to the Python file that computes with the tensors. If not, the dialog says what
        is missing, and a yes looks again."""
        program = looked.program
        if looked.problem:
            dialog.set_error(looked.problem)
            return False
        if program is None:
            dialog.set_empty(f"{Path(dialog.choice().model).name} {_TENSORS}")
            return False
        if is_allowed(program):
            return True
        dialog.set_empty(f"{program.path.name} is not run before you have said yes to it. {_ASKED_AGAIN}")
        with_consent(dialog, program, self.inspect, dialog.set_error)
        return False

    def make(self, name: str) -> None:
        """Make the run called ``name`` in the runs folder, and open it."""
        dialog = self._dialog
        if dialog is None or self.busy:
            return
        self._made = self._settings.runs_folder / name
        self._choice = self._choices.mark(name)
        self._doing = "Importing"
        dialog.set_importing(True)
        self._on_progress(0.0)
        self._looks.read(partial(import_arguments, dialog.choice()), self._import, self._on_unreadable)

    def _import(self, arguments: list[str]) -> None:
        self._start("Importing", [*arguments, f"--out={self._made}"])

    def _start(self, doing: str, arguments: list[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="isoline-")
        folder = Path(self._folder.name)
        outputs = [f"--json={folder / 'found.json'}"]
        if self._made is None and self._kind != "latents":
            outputs.append(f"--sheet={folder / 'sheet.png'}")
        self._doing = doing
        self._running = running = Command(self._command([*arguments, *outputs]), self)
        running.progress.connect(self._on_progress)
        running.finished.connect(self._on_finished)
        self._on_progress(0.0)

    def _on_progress(self, share: float) -> None:
        if self._dialog is not None:
            self._dialog.set_progress(f"{self._doing} …", share)

    def _on_finished(self, failure: str) -> None:
        running, made = self._running, self._made
        found, sheet, failure = read_findings(Path(self._folder.name if self._folder is not None else ""), failure)
        cancelled = running is not None and running.cancelled
        self._end()
        dialog = self._dialog
        if dialog is None:
            return
        if found is not None and made is not None:
            dialog.close()
            self.succeeded.emit()
            if self._choice is self._choices.latest:
                self._open_run.open(made)
            else:
                self._settings.add_recent_run(made)
                self.recent_changed.emit()
                self._state.message = f"Imported into {made}; something else was opened meanwhile"
        elif found is not None:
            dialog.set_found(found, sheet)
        elif made is not None:
            dialog.show_failure(_CANCELLED if cancelled else sentence(failure))
        else:
            dialog.set_error(sentence(failure))

    # ending

    def _cancel(self) -> None:
        """Give up what goes on: a run that is being made tidies up first."""
        if self._dialog is None or not self.busy:
            return
        making = self._made is not None
        if making and self._running is not None:
            self._running.cancel()
            return
        self._end()
        if making:
            self._dialog.show_failure(_CANCELLED)
        else:
            self._dialog.set_error("Looking at the file was cancelled.")

    def _on_closed(self) -> None:
        self._dialog = None
        if self._running is not None and self._made is not None:
            self._running.cancel()
        else:
            self._end()

    def shut_down(self) -> None:
        """The window closes: end the process."""
        self._end(STOP_MS)

    def _end(self, patience_ms: int = 0) -> None:
        """End the process, and forget what it was to write."""
        self._looks.drop()
        running, self._running, making = self._running, None, self._made is not None
        self._made = None
        folder, self._folder = self._folder, None
        if running is not None and folder is not None:
            running.stop(patience_ms, then=folder.cleanup)  # it may be writing there
        if self._dialog is not None:
            self._dialog.set_progress(None)
            if making:
                self._dialog.set_importing(False)
