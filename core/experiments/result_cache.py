"""Parts of an experiment's measurements, stored in its folder, so that a long analysis resumes where it stopped.

    measures/NAME-PART.json   a fingerprint of all that the part depends on, and the part itself

A part of another fingerprint, or one that cannot be read, is measured again. It imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from core.utils.atomic_write import write_atomic

FOLDER = "measures"
SCHEMA_VERSION = 1

T = TypeVar("T")


class ResultCache:
    """The parts of one model, called ``name``; ``fingerprint`` is a text that changes with what they depend on."""

    def __init__(self, folder: Path, name: str, fingerprint: str) -> None:
        self._folder, self._name, self._fingerprint = Path(folder) / FOLDER, name, fingerprint

    def path(self, part: str) -> Path:
        """The part's file."""
        return self._folder / f"{self._name}-{part}.json"

    def get(self, part: str, kind: type[T], measure: Callable[[], T]) -> T:
        """The part as it was stored, else what ``measure`` returns, which is stored then.

        ``kind`` is its type, made of dataclasses, lists, texts and finite numbers. Raises ``OSError`` if it cannot be
        written, and what ``measure`` raises.
        """
        try:
            content = msgspec.json.decode(self.path(part).read_bytes())
            if content["schema"] == SCHEMA_VERSION and content["fingerprint"] == self._fingerprint:
                return msgspec.convert(content["part"], kind)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError):
            pass  # not there, or not what is wanted: measured below
        measured = measure()
        content = {"schema": SCHEMA_VERSION, "fingerprint": self._fingerprint, "part": measured}
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path(part), msgspec.json.encode(content) + b"\n")
        return measured


def fingerprint(arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> str:
    """A digest of named arrays and of JSON-ready settings."""
    digest = hashlib.sha256(msgspec.json.encode(dict(settings), order="sorted"))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
