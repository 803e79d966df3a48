"""The process that draws: what it answers, and that one bad figure ends nothing."""

from __future__ import annotations

import os
import queue
import subprocess
import sys

from sample_figures import cloud, film

from core.figures.server import answer, serve
from core.protocol.figures import Page
from core.protocol.messages import (
    Cancel,
    Failed,
    FigurePreviewed,
    FigureSaved,
    FrameReader,
    Ping,
    Pong,
    PreviewFigure,
    Ready,
    Reply,
    SaveFigure,
    Shutdown,
    frame,
)
from core.protocol.serving import Incoming, StepClock


def test_requests_are_answered_in_order_until_the_end(tmp_path):
    target = tmp_path / "cloud.svg"
    requests = [
        PreviewFigure(figure=film(), page=Page(), pixels=200, stamp=1),
        Cancel(request=1, stamp=2),
        PreviewFigure(figure=film(), page=Page(dpi=1), pixels=200, channel="other", stamp=3),
        SaveFigure(figure=cloud(), page=Page(format="svg"), path=str(target), stamp=4),
        Shutdown(stamp=5),
    ]
    inbox: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
    for request in requests:
        inbox.put(request)
    replies: list[Reply] = []
    serve(inbox, replies.append, StepClock())
    shown, failed, saved = replies
    assert isinstance(shown, FigurePreviewed)
    assert shown.png.startswith(b"\x89PNG")
    assert isinstance(failed, Failed)
    assert "dpi is 1" in failed.message
    assert isinstance(saved, FigureSaved)
    assert (saved.stamp, saved.size) == (4, target.stat().st_size)
    assert saved.notes == ("40 points; in SVG and PDF as vectors (up to 10,000).",)


def test_of_waiting_previews_only_the_newest_is_drawn():
    inbox: queue.SimpleQueue[Incoming] = queue.SimpleQueue()
    for stamp in (1, 2, 3):
        inbox.put(PreviewFigure(figure=film(), page=Page(), pixels=100, stamp=stamp))
    inbox.put(Shutdown(stamp=4))
    replies: list[Reply] = []
    serve(inbox, replies.append, StepClock())
    assert [(type(reply), reply.stamp) for reply in replies] == [(FigurePreviewed, 3)]


def test_a_folder_that_is_not_there_is_named_and_nothing_is_left(tmp_path):
    path = tmp_path / "nowhere" / "cloud.png"
    reply = answer(SaveFigure(figure=film(), page=Page(dpi=50), path=str(path)))
    assert isinstance(reply, Failed)
    assert f"{path} cannot be written: No such file or directory. Choose another folder" in reply.message
    assert not list(tmp_path.iterdir())


def test_a_figure_that_makes_no_sense_is_answered():
    reply = answer(PreviewFigure(figure=film(verdicts=("on the data",)), page=Page(), pixels=100))
    assert isinstance(reply, Failed)
    assert "could not be drawn (IndexError" in reply.message


def test_the_process_proves_that_it_lives_while_it_draws(tmp_path):
    command = [sys.executable, "-P", "-m", "core.figures"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests = [Ping(stamp=1), SaveFigure(figure=cloud(), page=Page(), path=str(tmp_path / "a.png"), stamp=2)]
        process.stdin.write(b"".join(map(frame, [*requests, Ping(stamp=3)])))
        process.stdin.flush()
        reader, replies = FrameReader("reply"), []
        while not any(isinstance(reply, FigureSaved) for reply in replies):
            replies += reader.feed(os.read(process.stdout.fileno(), 1 << 16))
        process.stdin.write(frame(Shutdown(stamp=4)))
        process.stdin.close()
    assert process.returncode == 0
    assert [reply.stamp for reply in replies if isinstance(reply, Pong)] == [1, 3]
    kinds = [type(reply) for reply in replies]
    assert kinds.index(Pong) < kinds.index(Ready) < kinds.index(FigureSaved), "before matplotlib is there, too"
