"""*Copy as Python*: code that makes again, without the window, what is on screen."""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
from PySide6.QtGui import QGuiApplication

from core.analysis.layouts import NAMES
from core.paths.latent_path import LatentPath
from core.protocol.python_channel import TEMPORARY
from core.rendering.class_colours import UNKNOWN
from core.rendering.point_colours import DENSITY, SPLIT
from core.runs.imported import PythonFunctions
from core.utils.text import counted
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.path.playback import PlaybackController

Part = Literal["probe", "selection", "path", "figure"]


class PythonCodeController(Controller):
    """Writes the code of one part into the clipboard."""

    def __init__(
        self, context: Context, open_run: OpenRun, cloud: CloudController, playback: PlaybackController
    ) -> None:
        super().__init__(context)
        self._open_run, self._cloud, self._playback = open_run, cloud, playback

    def copy(self, part: Part) -> None:
        """Put the code of ``part`` into the clipboard, and say so."""
        code = self.code(part)
        QGuiApplication.clipboard().setText(code)
        self._state.message = f"Copied as Python: {counted(len(code.splitlines()), 'line')}"

    def code(self, part: Part) -> str:
        """Python code of ``part``, as it is now."""
        run = self._open_run.run
        path = "" if run is None else str(run.path.absolute())
        lines = {"probe": self._probe, "selection": self._selection, "path": self._path, "figure": self._figure}[part]()
        head = ["import isoline", ""]
        if any("np." in line for line in lines):
            head.insert(1, "import numpy as np")
        if os.environ.get(TEMPORARY):
            head.append("# This run goes with its window; isoline.explore(…, out=FOLDER) keeps it.")
        return "\n".join([*head, f"run = isoline.open({path!r})", *lines, ""])

    @property
    def _own_functions(self) -> bool:
        """Whether images are drawn by a function of a person's program, which a run does not hold."""
        return self._open_run.run is not None and isinstance(self._open_run.run.imported, PythonFunctions)

    def _probe(self) -> list[str]:
        probe = self._state.document.probe
        model = self._state.model
        lines = [f"z = {_array(probe)}"]
        if model is not None and model.can_decode:
            own = "image = decode(np.array([z], np.float32))  # your own function"
            lines.append(own if self._own_functions else "image = run.decode([z])[0]  # uint8 (S, S, C)")
        return lines

    def _selection(self) -> list[str]:
        selected = self._state.selected
        rows = [] if selected is None else selected.tolist()
        return [
            f"rows = {rows}",
            "latents = run.latents[rows]",
            "labels = {name: values[rows] for name, values in run.labels.items()}",
        ]

    def _path(self) -> list[str]:
        path, model = self._state.document.path, self._state.model
        if path is None:
            return []
        frames = self._playback.decoded
        lines = [_path_code(path)]
        if frames is not None and not np.array_equal(frames.z, path.resample(len(frames.z))):
            lines.append(f"latents = {_array(frames.z)}  # equally far apart by what the images show")
        else:
            count = self._state.playback.frames if frames is None else len(frames.z)
            lines.append(f"latents = path.resample({count})")
        if model is not None and model.can_decode:
            own = "images = [decode(z[None]) for z in np.asarray(latents, np.float32)]  # your own function"
            lines.append(own if self._own_functions else "images = run.decode(latents)  # uint8 (K, S, S, C)")
        return lines

    def _figure(self) -> list[str]:
        state, view = self._state, self._cloud.view
        document, display, camera = state.document, state.display, view.scene.camera
        options: dict[str, Any] = {"camera": camera.state() | {"viewport": camera.viewport}}
        colouring = self._cloud.colouring
        if len(colouring.values):
            options["color_by"] = "split" if colouring.name == SPLIT else colouring.name
            samples = state.samples
            if colouring.name != SPLIT and (samples is None or colouring.name not in samples.factor_names):
                options["values"] = _Code(f"[{', '.join(_number(value) for value in colouring.values)}]")
                options |= {"classes": colouring.classes} if colouring.classes else {}
            if not colouring.classes:
                options["limits"] = colouring.low, colouring.high
                options["colormap"] = colouring.colormap
        if colouring.density:
            options |= {"color_by": DENSITY, "colormap": colouring.colormap}
        if colouring.hidden:
            options["hidden"] = [UNKNOWN if place < 0 else colouring.classes[place] for place in colouring.hidden]
        if colouring.selected is not None:
            options["selected"] = colouring.selected.tolist()
        lines = []
        if display.axes.layout is not None and state.layout is not None:
            del options["camera"]  # it looks at other places
            name = NAMES[display.axes.layout]
            lines.append(f"# The window shows a {name} layout, which save_cloud does not draw: principal components.")
        if display.axes.kind != "dimensions":
            options["principal"] = True
        else:
            options["dimensions"] = display.axes.dimensions
        options |= {"point_size": display.point_size, "opacity": display.opacity}
        if document.probe is not None:
            options["probe"] = _Code(_array(document.probe))
        if document.sample is not None:
            options["sample"] = document.sample
        if document.path is not None and len(document.path) > 1:
            lines.append(_path_code(document.path))
            options |= {"path": _Code("path"), "marker": self._playback.share}
        if state.epoch is not None:
            options["epoch"] = state.epoch
        options["theme"] = state.theme.name
        arguments = "".join(f"    {name}={value!r},\n" for name, value in options.items())
        return [*lines, f'run.save_cloud(\n    "cloud.png",\n{arguments})']


class _Code(str):
    """Code that stands as it is where others stand quoted."""

    def __repr__(self) -> str:
        return str(self)


def _path_code(path: LatentPath) -> str:
    closed = ", closed=True" if path.closed else ""
    return f"path = isoline.LatentPath({_array(path.control)}, kind={path.kind!r}{closed})"


def _array(values: np.ndarray | None) -> str:
    """A list of numbers, each so that it comes back to the last bit of float32."""
    if values is None:
        return "None"
    if values.ndim == 1:
        return f"[{', '.join(_number(value) for value in values)}]"
    return "[" + ", ".join(_array(row) for row in values) + "]"


def _number(value: np.floating) -> str:
    """The shortest digits that give the same number again; what is not known is NaN."""
    return str(value.item() if value.dtype == np.float64 else value) if np.isfinite(value) else 'float("nan")'
