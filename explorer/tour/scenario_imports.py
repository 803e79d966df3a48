"""Stages on what was made elsewhere: a decoder in an ONNX file is dropped and imported, then latents alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QLabel, QLineEdit

from core.utils.atomic_write import write_atomic
from explorer.tour import input_events
from explorer.tour.runner import Director, Stage, StageFailed, Until

SIDE, SAMPLES = 32, 400
LOOK_S = 600.0  # until a file has been looked at, or imported, on a busy machine


def _write_decoder(path: Path) -> None:
    """A decoder that draws a disc with its middle at z, in pixels from the image's middle over 5."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    places = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    constants = {
        "places": np.stack(np.meshgrid(places, places))[None],
        "axes": np.array([2, 3], np.int64),
        "channels": np.array([1], np.int64),
        "pixels": np.float32(5.0),
        "radius squared": np.float32(30.0),
        "softness": np.float32(0.12),
    }
    nodes = [
        helper.make_node("Mul", ["z", "pixels"], ["middle"]),
        helper.make_node("Unsqueeze", ["middle", "axes"], ["its place"]),
        helper.make_node("Sub", ["places", "its place"], ["from it"]),
        helper.make_node("Mul", ["from it", "from it"], ["squared"]),
        helper.make_node("ReduceSum", ["squared", "channels"], ["distance squared"], keepdims=1),
        helper.make_node("Sub", ["radius squared", "distance squared"], ["inside"]),
        helper.make_node("Mul", ["inside", "softness"], ["edge"]),
        helper.make_node("Sigmoid", ["edge"], ["image"]),
    ]
    graph = helper.make_graph(
        nodes,
        "disc",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, SIDE, SIDE])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    write_atomic(path, model.SerializeToString())


def _import(tour: Director, picture: str) -> Stage:
    """Wait until the file has been looked at, press Import, and wait for the run."""
    explorer = tour.explorer
    dialog = input_events.top_level("dialog.import")
    assert dialog is not None
    yield from input_events.take_keyboard(dialog)
    button = input_events.child(dialog, "dialog.import.import")
    yield Until(lambda: button.isEnabled() or not explorer.importing.busy, "the file has been looked at", LOOK_S)
    if not button.isEnabled():
        raise StageFailed(input_events.child(dialog, "dialog.import.error", QLabel).text())
    yield 0.5
    tour.shot(picture)
    before = explorer.open_run.run
    input_events.click(button)
    yield Until(lambda: explorer.open_run.run is not before, "the imported run opens", LOOK_S)
    yield Until(lambda: explorer.state.model is not None, "the engine has opened it", LOOK_S)
    yield from input_events.take_keyboard(tour.window)


def import_model(tour: Director) -> Stage:
    """Drop a decoder in an ONNX file, import it, and click a sample of the prior."""
    explorer = tour.explorer
    decoder = (tour.options.out / "disc.onnx").resolve()
    _write_decoder(decoder)
    yield from input_events.take_keyboard(tour.window)
    input_events.drag_file(explorer.window, decoder)
    yield 0.3
    input_events.drop_file(explorer.window, decoder)
    yield Until(lambda: input_events.top_level("dialog.import") is not None, "the dialog opens")
    yield from _import(tour, "import-model")
    yield Until(lambda: explorer.image.has_image, "its first image")
    probe = explorer.state.document.probe
    places = explorer.cloud.screen_positions()
    left = QPointF(*places[int(np.argmin(places[:, 0])), :2])
    input_events.move(explorer.cloud, left)
    yield 0.2
    input_events.click(explorer.cloud, left)
    yield Until(lambda: not np.array_equal(explorer.state.document.probe, probe), "the clicked sample is shown")
    yield 0.5
    tour.shot("imported-model")


def open_latents(tour: Director) -> Stage:
    """Name a table of latents in the dialog, and import it: five dimensions, a class, nothing to decode with."""
    explorer = tour.explorer
    table = (tour.options.out / "latents.csv").resolve()
    rng = np.random.default_rng(0)
    lines = ["name,z1,z2,z3,z4,z5,kind"]
    for number in range(SAMPLES):
        middle = 2.5 * np.eye(5)[number % 3]
        z = ",".join(f"{value:.4f}" for value in rng.normal(middle, 0.6))
        lines.append(f"cell {number},{z},{'abc'[number % 3]}")
    write_atomic(table, ("\n".join(lines) + "\n").encode())
    explorer.window.actions_by_name["import"].trigger()
    yield Until(lambda: input_events.top_level("dialog.import") is not None, "the dialog opens")
    dialog = input_events.top_level("dialog.import")
    assert dialog is not None
    yield from input_events.take_keyboard(dialog)
    input_events.type_into(input_events.child(dialog, "dialog.import.model", QLineEdit), str(table))
    yield from _import(tour, "import-latents")
    yield Until(lambda: explorer.cloud.point_count == SAMPLES, "the cloud of the latents")
    yield 0.5
    tour.shot("imported-latents")
