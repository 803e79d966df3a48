"""Giving memory back to the system."""

from __future__ import annotations

import ctypes
import sys


def release_memory() -> None:
    """Give back what has been freed. glibc keeps it, in pieces between what is in use, and each thread's anew: a
    process that opens one large thing after another would grow. It takes a few milliseconds. Other systems give it
    back by themselves."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
