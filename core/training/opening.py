"""Opening whatever a person names, ready to decode and encode: a run of ours, an imported model, a file of weights."""

from __future__ import annotations

from pathlib import Path

from core.config import Device, Precision, RunConfig
from core.models.inference import Inference, WithoutNetwork
from core.models.python_inference import PythonInference
from core.protocol import python_channel
from core.runs.directory import RunDirectory
from core.runs.imported import LatentsOnly, OnnxModel, PythonFunctions


def open_inference(path: Path, device: Device = "auto", precision: Precision = "auto") -> tuple[Inference, RunConfig]:
    """The newest model of a run directory, or that of a safetensors file, and its configuration.

    ``device`` and ``precision`` are for our own networks; imported models compute as their files say, on the CPU.
    Raises ``core.training.checkpoint.CheckpointError`` where there are no usable weights,
    ``core.runs.directory.RunError`` for a folder that is no run.
    """
    path = Path(path)
    run = RunDirectory.open(path) if path.is_dir() else None
    if run is not None and run.imported is not None:
        return imported_inference(run), run.config
    from core.models.network_inference import NetworkInference
    from core.training.checkpoint import load_model

    model, config = load_model(path)
    return NetworkInference(model, device, precision), config


def imported_inference(run: RunDirectory) -> Inference:
    """What decodes and encodes for a ``run`` whose model was imported. Raises ``TypeError`` if it was not, and
    ``core.models.imported.onnx_graph.ImportedModelError`` if its files are not what was imported."""
    data, d = run.config.data, run.config.model.latent_dim
    if isinstance(run.imported, PythonFunctions) and python_channel.answers_for(run.imported.session):
        return PythonInference(run.imported, d, data.image_size, data.channels)
    if isinstance(run.imported, LatentsOnly | PythonFunctions):
        return WithoutNetwork(d, data.image_size, data.channels)
    if isinstance(run.imported, OnnxModel):
        from core.models.imported.onnx_inference import OnnxInference  # takes onnx and ONNX Runtime

        return OnnxInference(run.model_path, run.imported, d, data.image_size, data.channels)
    raise TypeError(f"{run.path} holds no imported model.")
