"""Why a run cannot be written in another format."""

from __future__ import annotations


class InterchangeError(RuntimeError):
    """A run that cannot be exported as asked; the message says why, and what can be done."""


def missing(package: str, extra: str, what: str) -> InterchangeError:
    """``what`` needs ``package``, which the optional ``extra`` of Isoline installs."""
    return InterchangeError(
        f"{what} cannot be written without {package}, which is not installed. Install Isoline with its extra "
        f'"{extra}": pip install "isoline[{extra}]".'
    )
