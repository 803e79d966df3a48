"""What every message between the window and the engine process has in common. Imports no torch."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One message; ``stamp`` ties a reply to its request (0: unasked)."""

    stamp: int = 0
