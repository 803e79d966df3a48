"""Saved paths in the whole program: by mouse and keys, and decoded from the command line bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QToolButton

from core.cli.main import main
from core.paths.latent_path import LatentPath
from core.paths.saved_paths import load_path
from core.projects.edited import Speed
from core.protocol.messages import DecodePath, PathFrames
from explorer.views.saved_paths import NameDialog

WAIT = 30_000


@pytest.fixture
def run(tiny_run, tmp_path) -> Path:
    """A copy of the small run, to be changed."""
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


@pytest.fixture
def opened(program, run, qtbot):
    explorer = program(run)
    qtbot.waitUntil(lambda: explorer.image.has_image, timeout=WAIT)
    explorer.window.activateWindow()
    qtbot.waitUntil(explorer.window.isActiveWindow, timeout=WAIT)
    explorer.window.raise_dock("path")
    return explorer


class Frames:
    """The images of the newest path that was asked for, as the engine answers."""

    def __init__(self, explorer) -> None:
        self.asked: list[tuple[int, np.ndarray]] = []
        self._images: dict[int, dict[int, np.ndarray]] = {}
        request = explorer.engine.request

        def watched(message, on_reply=None, on_error=None):
            if not isinstance(message, DecodePath):
                return request(message, on_reply, on_error)

            def take(reply: PathFrames) -> None:
                for i, image in enumerate(reply.images, reply.start):
                    self._images.setdefault(reply.stamp, {})[i] = image
                on_reply(reply)

            pending = request(message, take, on_error)
            self.asked.append((pending.message.stamp, message.z))
            return pending

        explorer.engine.request = watched

    @property
    def whole(self) -> bool:
        return bool(self.asked) and len(self._images.get(self.asked[-1][0], {})) == len(self.asked[-1][1])

    @property
    def images(self) -> np.ndarray:
        found = self._images[self.asked[-1][0]]
        return np.stack([found[i] for i in sorted(found)])


def some_path(explorer, count: int = 4) -> LatentPath:
    means = explorer.state.embedding
    return LatentPath(means[np.linspace(0, len(means) - 1, count).astype(int)])


def draw(explorer, path: LatentPath, frames: int, speed: Speed) -> None:
    explorer.path_view.frames_changed.emit(frames)
    explorer.path_view.unit_changed.emit(speed.value)
    explorer.editing.commit("draw path", path=path)


def save_as(explorer, qtbot, name: str) -> None:
    explorer.window.actions_by_name["save_path"].trigger()
    qtbot.waitUntil(lambda: any(d.isVisible() for d in explorer.window.findChildren(NameDialog)), timeout=WAIT)
    field = next(d for d in explorer.window.findChildren(NameDialog) if d.isVisible()).findChild(QLineEdit)
    field.selectAll()
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)


def decoded(run: Path, name: str, out: Path) -> dict[str, np.ndarray]:
    assert main(["decode", str(run), "--path", str(run / "paths" / f"{name}.json"), "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as data:
        return dict(data)


def test_a_saved_path_is_decoded_to_the_frames_of_the_window_bit_for_bit(opened, run, qtbot, tmp_path):
    frames, path = Frames(opened), some_path(opened)
    kept = {}
    opened.path_view.frames_changed.emit(9)  # frames of another number must not decide where these are
    for speed in (Speed.LATENT, Speed.IMAGE):
        draw(opened, path, 12, speed)
        qtbot.waitUntil(lambda: frames.whole and opened.playback.latents is not None, timeout=WAIT)
        opened.playback.set_playing(True)
        save_as(opened, qtbot, f"at {speed.value} speed")
        qtbot.waitUntil(lambda speed=speed: opened.saved_paths.current == f"at {speed.value} speed", timeout=WAIT)
        saved = load_path(run, f"at {speed.value} speed")
        kept[speed] = saved.latents
        assert saved.speed == speed.value
        assert saved.path == path
        np.testing.assert_array_equal(saved.latents, frames.asked[-1][1])
        found = decoded(run, saved.name, tmp_path / f"{speed.value}.npz")
        np.testing.assert_array_equal(found["frames"], frames.images)
        np.testing.assert_array_equal(found["latents"], saved.latents)
        np.testing.assert_array_equal(found["control"], path.control)
    assert not np.array_equal(kept[Speed.LATENT], kept[Speed.IMAGE])

    # Opened again after others have been looked at, they are the very same frames.
    for speed in (Speed.IMAGE, Speed.LATENT):
        draw(opened, some_path(opened, 6), 30, speed)
        opened.path_view.saved.open_requested.emit(f"at {speed.value} speed")
        qtbot.waitUntil(lambda: opened.state.document.path == path, timeout=WAIT)
        assert opened.state.playback.frames == 12
        assert opened.state.playback.speed is speed
        qtbot.waitUntil(lambda s=speed: frames.whole and np.array_equal(frames.asked[-1][1], kept[s]), timeout=WAIT)


def test_the_menu_is_under_the_mouse(opened, qtbot):
    button = opened.window.findChild(QToolButton, "path.saved")
    assert button.isVisible()
    texts: list[str] = []

    def look() -> None:
        texts.extend(action.text() for action in button.menu().actions())
        button.menu().close()

    QTimer.singleShot(300, button, look)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)  # returns when the menu is closed
    assert "Save as…" in texts
    assert "No path has been saved with this run yet" in texts
