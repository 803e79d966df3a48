"""What is known of the recorded samples, as the rows of a table; of what is not known there is no column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
from small_run import make_small_run

from core.interchange.export import PARQUET, export_run
from core.runs.imported import KEY, LatentsOnly, stored_form


def test_of_latents_alone_neither_split_nor_pictures_are_made_up(tmp_path: Path):
    metadata = {KEY: stored_form(LatentsOnly())}
    run = make_small_run(tmp_path / "run", labelled=False, weights=False, metadata=metadata)
    probe = run.read_probe()
    unknown = replace(probe, thumbnails=np.zeros_like(probe.thumbnails), split=np.zeros_like(probe.split))
    run.write_probe(unknown)
    export_run(run, ["projector", "parquet"], tmp_path / "out")
    table = pyarrow.parquet.read_table(tmp_path / "out" / PARQUET)
    assert table.column_names == ["sample", "z0", "z1", "z2"]
    assert table["sample"].to_pylist() == unknown.indices.tolist()
    folder = tmp_path / "out" / "projector"
    assert (folder / "metadata.tsv").read_text().splitlines() == [str(index) for index in unknown.indices]
    assert not (folder / "sprite.png").exists()
    assert "sprite" not in (folder / "projector_config.pbtxt").read_text()
    run.write_probe(replace(unknown, split=probe.split))
    export_run(run, ["parquet"], tmp_path / "out")
    assert pyarrow.parquet.read_table(tmp_path / "out" / PARQUET).column_names[0] == "split", "told by its table"
