"""File, Import model: real drops on the real window, the command's findings on show, choices that it gets."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx_models
import pytest
import safetensors.numpy
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QWidget,
)

from core.cli import import_model as import_cli
from core.cli.main import _options
from core.models.imported.choices import Choices
from explorer.controllers.app.import_model import can_import, import_arguments, kind_of
from explorer.views.import_model import ImportChoice, headline, in_words

WAIT = 60_000
FOREIGN = Path(__file__).parents[3] / "foreign_models"
LEFT = Qt.MouseButton.LeftButton
RANGE = {
    "subject": "range", "value": "0:1", "reason": "nothing bounds it", "flag": "--range", "choice": "0:1",
    "options": ["0:1", "-1:1", "logits"],
}  # fmt: skip
INPUT = {
    "subject": "latent",
    "value": "z",
    "reason": "the only input",
    "flag": "--input",
    "choice": "z",
    "options": ["z"],
}
FOUND = {
    "decoder": True, "encoder": False, "latent_dim": 2, "image_size": 16, "channels": 1, "images": 0,
    "findings": [INPUT, RANGE], "notes": ["Some <values> are cut off.", "Give --maps pca for a decoder."],
    "name": "a name",
    "sheet": "16 samples of the prior, decoded.",
}  # fmt: skip
FINDS = f"""
import base64, json, sys
outputs = dict(argument.split("=", 1) for argument in sys.argv[2:] if argument.startswith("--") and "=" in argument)
said = outputs.get("--range", "0:1")
if said == "abc":
    sys.exit("isoline import: error: --range is 'abc'; it must be 0:1 or --image-size.")
found = json.loads({json.dumps(json.dumps(FOUND))})
found["findings"][1]["choice"] = said
open(outputs["--json"], "w").write(json.dumps(found))
"""
WAITS = "import sys; print('{\"progress\": 0.25}', flush=True); sys.stdin.read(); sys.exit(1)"


class Importing:
    """The whole program without an engine, with ``script`` in place of the command, and the dialog."""

    def __init__(self, explorer: Any, qtbot: Any, script: str | None) -> None:
        self.explorer, self.control, self._qtbot = explorer, explorer.importing, qtbot
        self.commands: list[list[str]] = []
        if script is not None:
            self.control._command = self._commanded(script)

    def _commanded(self, script: str) -> Callable[[list[str]], list[str]]:
        def command(arguments: list[str]) -> list[str]:
            self.commands.append(arguments)
            return [sys.executable, "-c", script, *arguments]

        return command

    def follow(self, script: str) -> None:
        """From now on, that is the command."""
        self.control._command = self._commanded(script)

    def drop(self, path: Path) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self.explorer.window, QDragEnterEvent(QPoint(600, 300), copy, data, LEFT, none))
        QApplication.sendEvent(self.explorer.window, QDropEvent(QPointF(600, 300), copy, data, LEFT, none))
        self._qtbot.waitUntil(lambda: not self.explorer.dropped.busy)
        self.wait_for_look()

    def wait_for_look(self) -> None:
        """Wait until what the paths are is known; the command may go on."""
        self._qtbot.waitUntil(lambda: not self.control.looking)

    def wait(self) -> None:
        self._qtbot.waitUntil(lambda: not self.control.busy, timeout=WAIT)

    @property
    def dialog(self) -> QDialog:
        return self.explorer.window.findChild(QDialog, "dialog.import")

    def find(self, kind: type[Any], name: str) -> Any:
        """The newest of the table's, where a field is in both."""
        found = self.dialog.findChildren(kind, f"dialog.import.{name}")
        assert found, name
        return found[-1]

    def says(self, name: str) -> str:
        return self.find(QLabel, name).text()

    def choose(self, name: str, text: str) -> None:
        """Type ``text`` into the list of values called ``name``, and press Return."""
        edit = self.find(QComboBox, name).lineEdit()
        edit.selectAll()
        QTest.keyClicks(edit, text)
        QTest.keyClick(edit, Qt.Key.Key_Return)

    def press_import(self) -> None:
        QTest.mouseClick(self.find(QWidget, "import"), LEFT)


@pytest.fixture
def importing(program, qtbot) -> Callable[..., Importing]:
    return lambda script=FINDS: Importing(program(None), qtbot, script)


def test_a_dropped_decoder_is_looked_at_and_imported_by_the_real_command(importing, tmp_path, qtbot):
    shown = importing(None)
    decoder = onnx_models.save(tmp_path / "decoder.onnx", onnx_models.decoder(end="Sigmoid"))
    shown.drop(decoder)
    assert shown.dialog.isVisible()
    assert not shown.find(QWidget, "import").isEnabled()
    shown.wait()
    assert shown.says("headline") == "Decoder, 2 latent dimensions, shown as 16 × 16 pixels, grey"
    assert shown.says("sheet.caption") == "16 samples of the prior, decoded."
    assert shown.find(QWidget, "sheet").height() >= 2 * 16
    assert shown.find(QComboBox, "range").currentText() == "0:1"
    assert shown.says("range.reason") == "the last operators are a Sigmoid and what follows it"
    shown.find(QLineEdit, "name").setText("mine")
    shown.find(QWidget, "samples").setValue(20)
    shown.press_import()
    shown.wait()
    qtbot.waitUntil(lambda: shown.explorer.open_run.run is not None)
    run = shown.explorer.open_run.run
    assert run.path.name == "mine"
    assert run.read_embedding().shape == (20, 2)
    assert shown.dialog is None or not shown.dialog.isVisible()
    status = shown.explorer.training_view.findChild(QLabel, "training.status")
    qtbot.waitUntil(lambda: status.text() == "Imported, not trained here")


def test_a_changed_choice_is_looked_at_again_and_goes_into_the_import(importing, tmp_path, qtbot):
    shown = importing()
    shown.drop(tmp_path / "a.onnx")
    shown.wait()
    assert "Some &lt;values&gt; are cut off." in shown.says("notes")
    assert "Give “Latent maps” pca" in shown.says("notes")
    assert shown.find(QLineEdit, "maps").isVisible(), "what a note offers can be chosen"
    assert shown.says("input") == "z", "where there is one possibility there is no choice"
    shown.choose("range", "-1:1")
    shown.wait()
    assert "--range=-1:1" in shown.commands[-1]
    assert shown.find(QComboBox, "range").currentText() == "-1:1"
    QTest.mouseClick(shown.find(QWidget, "reset"), LEFT)
    shown.wait()
    assert not any(argument.startswith("--range") for argument in shown.commands[-1])
    shown.choose("range", "logits")
    shown.wait()
    shown.press_import()
    shown.wait()
    assert "--range=logits" in shown.commands[-1]
    assert "--dry-run" not in shown.commands[-1]


def test_what_is_wrong_is_said_with_the_fields_that_mend_it(importing, tmp_path):
    shown = importing()
    shown.drop(tmp_path / "a.onnx")
    shown.wait()
    shown.choose("range", "abc")
    shown.wait()
    assert shown.says("error") == "“Image values” is 'abc'; it must be 0:1 or “Image size”."
    assert shown.find(QLineEdit, "image-size").isVisible()
    assert not shown.find(QWidget, "import").isEnabled()
    size = shown.find(QLineEdit, "image-size")
    QTest.keyClicks(size, "8x8")
    QTest.keyClick(size, Qt.Key.Key_Return)
    shown.wait()
    assert "--image-size=8x8" in shown.commands[-1]
    shown.choose("range", "logits")
    shown.wait()
    assert shown.find(QWidget, "import").isEnabled()


def test_an_import_can_be_given_up_and_leaves_the_findings(importing, tmp_path, qtbot):
    shown = importing()
    shown.drop(tmp_path / "a.onnx")
    shown.wait()
    shown.follow(WAITS)
    shown.press_import()
    qtbot.waitUntil(lambda: shown.find(QWidget, "progress").value() == 25, timeout=WAIT)
    assert not shown.find(QLineEdit, "name").isEnabled()
    QTest.mouseClick(shown.find(QWidget, "cancel"), LEFT)
    shown.wait()
    assert shown.says("error") == "Cancelled; no run was made."
    assert shown.says("headline").startswith("Decoder")
    assert shown.find(QWidget, "import").isEnabled()


def test_closing_the_dialog_ends_what_goes_on(importing, tmp_path):
    shown = importing(WAITS)
    shown.drop(tmp_path / "a.onnx")
    assert shown.control.busy
    shown.dialog.reject()
    shown.wait()
    assert shown.explorer.open_run.run is None


def test_latents_have_their_own_fields(importing, tmp_path):
    shown = importing()
    np.save(tmp_path / "z.npy", np.eye(5))
    shown.drop(tmp_path / "z.npy")
    shown.wait()
    fields = ("encoder", "latents", "samples", "images", "labels", "files")
    visible = [name for name in fields if shown.find(QWidget, name).isVisible()]
    assert visible == ["images", "labels", "files"]
    assert not any(argument.startswith(("--samples", "--sheet")) for argument in shown.commands[-1])


def test_tensors_are_computed_by_a_python_file_after_the_yes_to_it(importing, tmp_path, qtbot):
    shown = importing()
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "weights.safetensors")
    program = tmp_path / "my_model.py"
    program.write_text("raise RuntimeError('was run in the window')\n", encoding="utf-8")
    shown.drop(tmp_path / "weights.safetensors")
    assert "weights.safetensors holds tensors alone" in shown.says("empty")
    assert not shown.commands, "nothing can be found out yet"
    assert shown.find(QLineEdit, "program").isVisible()
    assert not shown.find(QLineEdit, "encoder").isVisible()
    QTest.keyClicks(shown.find(QLineEdit, "program"), str(program))
    QTest.keyClick(shown.find(QLineEdit, "program"), Qt.Key.Key_Return)
    shown.wait_for_look()
    box = shown.dialog.findChild(QMessageBox, "box.program")
    assert hashlib.sha256(program.read_bytes()).hexdigest() in box.informativeText()
    assert str(program) in box.informativeText()
    assert not shown.commands
    assert "my_model.py is not run before you have said yes to it" in shown.says("empty")
    QTest.mouseClick(box.findChild(QPushButton, "box.program.accept"), LEFT)
    qtbot.waitUntil(lambda: shown.says("headline") != "", timeout=WAIT)
    assert f"--model={program}" in shown.commands[-1]
    assert shown.find(QWidget, "import").isEnabled()


def test_the_folder_of_a_model_can_be_chosen(importing, qtbot):
    shown = importing()
    shown.control.ask()
    shown.dialog.findChild(QAction, "dialog.import.model.folder").trigger()
    dialog = shown.explorer.window.findChild(QFileDialog, "dialog.import.file")
    assert dialog.fileMode() == QFileDialog.FileMode.Directory
    dialog.fileSelected.emit(str(FOREIGN / "pythae_vae"))
    dialog.close()
    shown.wait()
    assert shown.commands[-1][0] == str(FOREIGN / "pythae_vae")
    assert not shown.find(QLineEdit, "encoder").isVisible(), "it holds its encoder"


@pytest.mark.parametrize("name", ["pythae_vae", "pythae_vae/model_config.json", "diffusers_vae/config.json"])
def test_a_folder_of_a_library_is_imported_by_any_of_its_files(name):
    assert can_import(FOREIGN / name)
    assert kind_of(str(FOREIGN / name)) == "folder"


def test_weights_that_are_dropped_open_their_run(importing, tiny_run, qtbot):
    shown = importing()
    shown.drop(tiny_run / "weights.safetensors")
    assert shown.dialog is None
    qtbot.waitUntil(lambda: shown.explorer.open_run.run is not None)
    assert shown.explorer.open_run.run.path == tiny_run


def test_a_model_of_keras_is_no_set_of_images(tmp_path):
    for name in ("model.h5", "images.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["images"] = np.zeros((2, 8, 8), np.uint8)
            if name == "model.h5":
                file.attrs["model_config"] = "{}"
    assert can_import(tmp_path / "model.h5")
    assert not can_import(tmp_path / "images.h5")


@pytest.mark.parametrize(
    ("name", "array", "imported"),
    [
        ("a.onnx", None, True),
        ("a.pt", None, True),  # it is said why not, and what to do
        ("z.csv", None, True),
        ("z.npy", np.zeros((9, 5)), True),
        ("x.npy", np.zeros((9, 28, 28)), False),
        ("flat.npy", np.zeros((9, 784)), False),
        ("notes.txt", None, False),
        ("a folder", None, False),
    ],
)
def test_what_is_dropped_is_imported_or_taken_for_images(tmp_path, name, array, imported):
    path = tmp_path / name
    if array is not None:
        np.save(path, array)
    assert can_import(path) == imported


def test_an_archive_is_judged_by_its_arrays(tmp_path):
    np.savez(tmp_path / "z.npz", latents=np.zeros((4, 64)), images=np.zeros((4, 8, 8)))
    np.savez(tmp_path / "x.npz", imgs=np.zeros((4, 8, 8)), latents_values=np.zeros((4, 6)))
    assert can_import(tmp_path / "z.npz")
    assert not can_import(tmp_path / "x.npz")


def test_the_command_understands_every_choice(tmp_path):
    model = tmp_path / "a.onnx"
    files = {"--encoder": "/e.onnx", "--images": "/i", "--latents": "/z.npy", "--labels": "/t.csv"}
    choices = {"--range": "-1:1", "--mean": "out@2", "--fixed": "label=0 eps=1", "--image-size": "8x8"}
    options = _options(import_cli, "import", import_arguments(ImportChoice(str(model), files, 30, choices)))
    assert options == import_cli.Options(
        model, Path("/e.onnx"), images="/i", latents=Path("/z.npy"), labels="/t.csv", samples=30,
        choices=Choices(range="-1:1", mean="out@2", image_size="8x8", fixed=("label=0", "eps=1")),
    )  # fmt: skip
    latents = ImportChoice(str(tmp_path / "z.npz"), {"--labels": "/t.csv", "--files": "/n.txt"}, None, {"--key": "mu"})
    options = _options(import_cli, "import", import_arguments(latents))
    assert options == import_cli.Options(tmp_path / "z.npz", labels="/t.csv", files="/n.txt", key="mu")


def test_findings_in_words():
    latents = {"decoder": False, "encoder": False, "latent_dim": 5, "shown": 1200, "labels": ["age"]}
    assert headline(latents) == "1,200 samples, 5 latent dimensions, no decoder, labels: age"
    assert in_words("Name it with --key, or --unknown.") == "Name it with “Array”, or --unknown."
    assert in_words("Run `isoline import a --key b`.") == "Run `isoline import a --key b`."
