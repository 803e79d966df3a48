"""Latents in Parquet: a column of lists, or a column for each dimension."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import broken_as
from core.data.latents.rows import LatentFileError, LatentRows, RowSample, block_rows, check_dimensions
from core.data.latents.text import MOST_LABELS, columns_of
from core.utils.untrusted import open_regular

_SAMPLED = 200
"""Rows by which it is decided what a column holds."""


def read_parquet(file: Path, most: int, key: str = "") -> LatentRows:
    """A ``.parquet`` file: the list column ``key`` or the only one, else its columns of numbers.

    Raises ``LatentFileError``, also where pyarrow, of the extra "tables", is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise LatentFileError(
            f"{file} cannot be read without pyarrow, which is not installed. Save the latents as CSV or NPY, or "
            'install Isoline with its extra "tables": pip install "isoline[tables]".'
        ) from error
    advice = "it may be damaged. Write it again."
    with broken_as(lambda why: f"{file} cannot be read as Parquet ({why}); {advice}"), open_regular(file) as stream:
        try:
            return _read(file, pyarrow.parquet.ParquetFile(stream), most, key)
        except pyarrow.ArrowException as error:
            raise LatentFileError(f"{file} cannot be read as Parquet ({error}); {advice}") from error


def _read(file: Path, source: Any, most: int, key: str) -> LatentRows:
    from pyarrow import types

    schema = source.schema_arrow
    lists = [
        field.name
        for field in schema
        if (types.is_list(field.type) or types.is_large_list(field.type) or types.is_fixed_size_list(field.type))
        and (types.is_floating(field.type.value_type) or types.is_integer(field.type.value_type))
    ]
    if key and key not in lists:
        raise LatentFileError(f"{file} has no column of lists {key!r}; it has {', '.join(lists) or 'none'}.")
    if len(lists) > 1 and not key:
        raise LatentFileError(f"{file} has several columns of lists ({', '.join(lists)}); name one with --key.")
    flat = [field.name for field in schema if not types.is_nested(field.type) and not types.is_null(field.type)]
    left_out = [field.name for field in schema if field.name not in flat and field.name not in lists]
    notes = [f"Not used, as they are neither numbers, texts nor lists of numbers: {', '.join(left_out)}."]
    if lists:
        return _of_lists(file, source, most, key or lists[0], flat[:MOST_LABELS], notes if left_out else [])
    return _of_columns(file, source, most, flat, notes if left_out else [])


def _of_lists(file: Path, source: Any, most: int, column: str, others: list[str], notes: list[str]) -> LatentRows:
    import pyarrow.compute

    sample: RowSample | None = None
    layout = None
    for batch in source.iter_batches(1024, columns=[column, *others]):
        if not batch.num_rows:
            continue
        lists = batch.column(batch.schema.get_field_index(column))
        lengths = set(pyarrow.compute.call_function("list_value_length", [lists]).fill_null(-1).to_pylist())
        if len(lengths) > 1 or -1 in lengths:
            raise LatentFileError(
                f"{file}: the lists in the column {column} are of different lengths or missing; give as many numbers "
                "in each row."
            )
        d = lengths.pop()
        if sample is None:
            check_dimensions(file, d, f"the column {column}")
            sample = RowSample(file, d, most)
        elif d != sample.dimensions:
            raise LatentFileError(f"{file}: the lists in the column {column} have {sample.dimensions} and {d} numbers.")
        numbers = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, d)
        cells = _cells(batch, others)
        if layout is None:
            stand_ins = [["0", "0.5", *row] for row in cells[:_SAMPLED]]  # columns_of wants dimensions; they are known
            layout = columns_of(file, ["z1", "z2", *others], stand_ins, True)
        sample.add(numbers, cells)
    if sample is None or layout is None:
        raise LatentFileError(f"{file} holds no rows; give one for each sample.")
    found = sample.rows(columns=others, notes=[f"The latents are the lists of the column {column}.", *notes])
    name = None if layout.names is None else others[layout.names - 2]
    if name is not None:
        found = replace(found, names=tuple(found.columns[name]))
        found = replace(found, notes=(*found.notes, f"The samples are named by the column {name}."))
    return replace(found, columns={key: values for key, values in found.columns.items() if key != name})


def _of_columns(file: Path, source: Any, most: int, flat: list[str], notes: list[str]) -> LatentRows:
    sample: RowSample | None = None
    layout = None
    labels: list[str] = []
    for batch in source.iter_batches(block_rows(max(len(flat), 1)), columns=flat):
        if not batch.num_rows:
            continue
        if layout is None or sample is None:
            layout = columns_of(file, flat, _cells(batch.slice(0, _SAMPLED), flat), True)
            labels = [flat[i] for i in (*layout.labels, *([] if layout.names is None else [layout.names]))]
            sample = RowSample(file, len(layout.dimensions), most)
        numbers = np.stack([_numbers(file, batch, flat[i]) for i in layout.dimensions], axis=1)
        sample.add(numbers, _cells(batch, labels))
    if sample is None or layout is None:
        raise LatentFileError(f"{file} holds no rows; give one for each sample.")
    found = sample.rows([flat[i] for i in layout.dimensions], labels, (*layout.notes, *notes))
    name = None if layout.names is None else flat[layout.names]
    names = () if name is None else tuple(found.columns[name])
    return replace(found, names=names, columns={key: value for key, value in found.columns.items() if key != name})


def _numbers(file: Path, batch: Any, name: str) -> np.ndarray:
    column = batch.column(batch.schema.get_field_index(name))
    try:
        return column.to_numpy(zero_copy_only=False).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise LatentFileError(f"{file}: the column {name} holds an entry that is no number ({error}).") from error


def _cells(batch: Any, names: list[str]) -> list[tuple[str, ...]]:
    """Entries as texts, "" where there is none."""
    columns = [batch.column(batch.schema.get_field_index(name)).to_pylist() for name in names]
    return [tuple(map(_text, row)) for row in zip(*columns, strict=True)] if names else [()] * batch.num_rows


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)
