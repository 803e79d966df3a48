"""The process that draws figures for the window: one request at a time, until its input ends.

    python -m core.figures

matplotlib is slow to import and to draw, so it has no place in the window; and the engine, which shares its interpreter
among its threads, would answer clicks late. The window sends one preview at a time and keeps the newest of those that
wait. Standard output belongs to the protocol alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from core.figures.drawing import FigureError, Sheet, draw, encode, preview
from core.protocol.messages import (
    Failed,
    FigurePreviewed,
    FigureSaved,
    FrameReader,
    PreviewFigure,
    ProtocolError,
    Reply,
    SaveFigure,
    Shutdown,
    frame,
)
from core.utils.atomic_write import write_atomic

CHUNK = 1 << 20


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer what comes until the end of ``requests`` or ``Shutdown``."""
    reader = FrameReader("request")
    while data := requests.read1(CHUNK):  # pyright: ignore[reportAttributeAccessIssue]  # a buffered reader's
        for request in reader.feed(data):
            if isinstance(request, Shutdown):
                return
            if isinstance(request, (PreviewFigure, SaveFigure)):
                replies.write(frame(answer(request)))
                replies.flush()


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


def main() -> int:
    """Serve on standard input and output; what is printed goes to standard error."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with contextlib.redirect_stdout(sys.stderr):
        serve(sys.stdin.buffer, replies)
    return 0
