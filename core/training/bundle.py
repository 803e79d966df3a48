"""Storing a finished run small, to hand it on: half-size weights, the embeddings, no checkpoints."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import torch

from core.runs.directory import RunDirectory, RunError
from core.runs.metrics_log import read_metrics
from core.training.checkpoint import load_model, save_weights

KEPT_STEPS = 600  # records of single steps: enough for smooth curves


def bundle_run(source: Path, target: Path) -> int:
    """Write run ``source`` to folder ``target``, replacing it; returns the bytes of its weights.

    The weights are the newest, in bfloat16. Raises ``RunError`` or ``CheckpointError`` if the source
    cannot be read; the old target is replaced only when the new one is whole.
    """
    run = RunDirectory.open(source)
    if run.status() in ("running", "paused"):
        raise RunError(f"{source} is being trained; bundle it when it has finished.")
    model, config = load_model(run.path)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    bundled = RunDirectory.create(fresh, config, run.metadata)
    state = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    save_weights(bundled.weights_path, state, config, step=_last_step(run))
    with np.load(run.probe_path, allow_pickle=False) as probe:
        np.savez_compressed(bundled.probe_path, **{name: probe[name] for name in probe.files})
    for epoch in [*run.embedding_epochs(), None]:
        bundled.write_embedding(run.read_embedding(epoch), epoch)
    records = read_metrics(run.metrics_path)
    steps = [record for record in records if record.get("kind") == "step"]
    thinned = {id(record) for record in steps[:: max(1, len(steps) // KEPT_STEPS)]}
    thinned_records = [record for record in records if record.get("kind") != "step" or id(record) in thinned]
    bundled.metrics_path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in thinned_records))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return (target / "weights.safetensors").stat().st_size


def _last_step(run: RunDirectory) -> int:
    return max((int(record.get("step", 0)) for record in read_metrics(run.metrics_path)), default=0)
