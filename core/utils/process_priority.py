"""Giving way to other programs: a training in the background must not make a window slow."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def lower_priority(nice: int, answers: bool = False) -> None:
    """Lower this process's priority by ``nice`` (0 to 19), where the system has such; 0 changes nothing.

    Linux desktops share the processor among *sessions* first (sched_autogroup) and look at niceness only within one.
    A process that leads its own session, as one started by the window does, therefore lowers the session as well. One
    that shares a terminal's session leaves that alone: the shell is not ours. A process that nobody waits for, unlike
    one that ``answers``, also never interrupts what runs when it has something to do again (SCHED_BATCH).
    """
    if nice <= 0 or not hasattr(os, "nice"):
        return
    os.nice(nice)
    if not answers and hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # forbidden to some containers: niceness is all there is
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # no Linux, or no autogroups: niceness is all there is
            AUTOGROUP.write_text(str(min(nice, 19)), encoding="ascii")
