"""Project files of earlier versions: one function for each step from a schema to the next.

A function takes the content of ``project.json`` as plain values and returns it as the next schema has it. Arrays stay
where they are. ``tests/core/projects`` keeps a file of every schema for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SCHEMA_VERSION = 3

Content = dict[str, Any]


def _to_2(content: Content) -> Content:
    """Since schema 2 a camera says whether it shows all of the cloud, a project has the second run of *Compare* and how
    its paths were traced. The first schema knew none of it: what it lacks is as their defaults say."""
    return content


def _to_3(content: Content) -> Content:
    """Since schema 3 a project has the kind of comparison, and a session which of its steps the project file has. Of
    earlier ones neither is known, as their defaults say."""
    return content


MIGRATIONS: dict[int, Callable[[Content], Content]] = {1: _to_2, 2: _to_3}
"""By the schema that a function begins with."""


class SchemaError(ValueError):
    """Content of a schema that this version does not read; the message says which it does."""


def migrated(
    content: object,
    migrations: Mapping[int, Callable[[Content], Content]] = MIGRATIONS,
    newest: int = SCHEMA_VERSION,
) -> Content:
    """``content`` as the ``newest`` schema has it. Raises ``SchemaError``."""
    schema = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(content, dict) or type(schema) is not int:
        raise SchemaError("it states no schema version")
    oldest = min((newest, *migrations))
    if not oldest <= schema <= newest:
        known = str(newest) if oldest == newest else f"{oldest} to {newest}"
        raise SchemaError(f"it has schema version {schema}, and this version of Isoline reads {known}")
    while schema < newest:
        content = migrations[schema](content)
        schema += 1
        content["schema"] = schema
    return content
