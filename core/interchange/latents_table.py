"""The samples of a run as one Parquet table: what is known about each, and its latents z0, z1, …"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.interchange.errors import missing
from core.interchange.samples import Samples


def write_parquet(samples: Samples, path: Path) -> None:
    """Write ``path``. What is not known is null; a class is a dictionary-encoded text.

    Raises ``InterchangeError`` without pyarrow, and ``OSError``.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing("pyarrow", "tables", "Parquet") from error

    columns = {}
    for name, values in samples.columns.items():
        if values.dtype.kind == "f":
            columns[name] = pyarrow.array(values, mask=~np.isfinite(values))
        elif values.dtype.kind == "i":
            columns[name] = pyarrow.array(values)
        else:
            texts = pyarrow.array(values.astype(object), pyarrow.string(), mask=values == "")
            columns[name] = texts if name == "file" else texts.dictionary_encode()
    columns |= {f"z{place}": pyarrow.array(z) for place, z in enumerate(samples.latents.T)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
