"""Keeping no more memory than is used."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_arenas() -> None:
    """Let all threads allocate from two arenas. glibc makes one for each thread that meets another, up to 8 a core, and
    what a thread has freed stays in its own: a process that computes in ever new threads would grow until there are
    as many. To be called before there is a second thread. Other systems have none."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 2)


def release_memory() -> None:
    """Give back what has been freed. glibc keeps it, in pieces between what is in use, and each thread's anew: a
    process that opens one large thing after another would grow. It takes a few milliseconds. Other systems give it
    back by themselves."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
