"""What a run says of a model that was not trained here: ``metadata["imported"]`` of its ``config.json``.

Such a run has no weights of ours and no training. What computes its images, and from which files, is said by one class
for each format, told apart by ``format``. A new format is a class here, a member of ``Imported`` and a branch of
``core.training.opening.imported_inference``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

KEY = "imported"


class ImportedModel(msgspec.Struct, frozen=True, kw_only=True, tag_field="format"):
    """``notes`` say what was guessed, scaled or left out."""

    network: ClassVar[str]
    """What it is called where the network of a run stands."""

    notes: tuple[str, ...] = ()

    @property
    def has_decoder(self) -> bool:
        return False

    @property
    def has_encoder(self) -> bool:
        return False


class LatentsOnly(ImportedModel, frozen=True, kw_only=True, tag="latents"):
    """Latents alone, which nothing decodes."""

    network: ClassVar[str] = "latents only"


Imported = LatentsOnly
"""Any of the formats."""


def imported_model(metadata: dict[str, Any]) -> ImportedModel | None:
    """What ``metadata`` of a run says; None: it was trained here. Raises ``msgspec.ValidationError`` if damaged."""
    value = metadata.get(KEY)
    return None if value is None else msgspec.convert(value, Imported)


def stored_form(model: ImportedModel) -> Any:
    """``model`` as ``metadata[KEY]`` holds it."""
    return msgspec.to_builtins(model)
