"""The process that draws figures for the window: one request at a time, until its input ends.

    python -m core.figures

matplotlib is slow to import and to draw, so it has no place in the window; and the engine, which shares its interpreter
among its threads, would answer clicks late. Of the previews that wait only the newest is drawn. A reader thread proves
that the process lives (``core.protocol.serving``), from before matplotlib is imported.
"""

from __future__ import annotations

import contextlib
import queue
from pathlib import Path

from core.figures.drawing import FigureError, Sheet, draw, encode, preview
from core.protocol.messages import (
    Failed,
    FigurePreviewed,
    FigureSaved,
    PreviewFigure,
    ProtocolError,
    Reply,
    SaveFigure,
    Shutdown,
    supersedes,
)
from core.protocol.serving import Incoming, Send, StepClock
from core.utils.atomic_write import write_atomic


def serve(inbox: queue.SimpleQueue[Incoming], send: Send, clock: StepClock) -> None:
    """Answer what comes until the end of the stream or ``Shutdown``."""
    waiting: list[Incoming] = []
    while True:
        clock.rest()
        waiting = waiting or [inbox.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(inbox.get_nowait())
        request, *waiting = waiting
        if request is None or isinstance(request, Shutdown):
            return
        if isinstance(request, ProtocolError):
            send(Failed(message=str(request)))
        elif isinstance(request, PreviewFigure) and any(
            isinstance(later, PreviewFigure) and supersedes(later, request) for later in waiting
        ):
            continue
        elif isinstance(request, (PreviewFigure, SaveFigure)):
            clock.begin(request.stamp)
            send(answer(request))


def answer(request: PreviewFigure | SaveFigure) -> Reply:
    """The reply to ``request``; ``Failed`` if it cannot be carried out."""
    try:
        sheet = draw(request.figure, request.page)
        if isinstance(request, PreviewFigure):
            png = preview(sheet, request.pixels)
            return FigurePreviewed(stamp=request.stamp, png=png, height=sheet.height, notes=sheet.notes)
        return _save(sheet, request)
    except (FigureError, ProtocolError) as error:
        return Failed(stamp=request.stamp, message=str(error))
    except Exception as error:  # of one figure: the next may do
        return Failed(stamp=request.stamp, message=f"The figure could not be drawn ({type(error).__name__}: {error}).")


def _save(sheet: Sheet, request: SaveFigure) -> Reply:
    data = encode(sheet, request.page)
    try:
        write_atomic(Path(request.path), data)
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"{request.path} cannot be written: {reason}. Choose another folder or free some space."
        return Failed(stamp=request.stamp, message=text)
    return FigureSaved(stamp=request.stamp, path=request.path, size=len(data), notes=sheet.notes)
