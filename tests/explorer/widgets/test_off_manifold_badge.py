"""The badge of a decoded image: in the image panel, along the film strip, in the path's read-out."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from contrast import contrast
from fake_engine import FakeEngine
from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest

from core.geometry.off_manifold import OffManifoldScore
from core.paths.latent_path import LatentPath
from core.protocol.messages import Decode, Decoded, DecodePath, PathFrames
from explorer.controllers.cloud import probe as probe_module
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.controllers.path.playback import PlaybackController
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.path import PathView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView
from explorer.widgets.off_manifold_badge import OffManifoldBadge, verdict_colour
from explorer.widgets.theme import DARK, LIGHT

ON, GUESS, OFF = OffManifoldScore(1.0, 1.8, 0.02), OffManifoldScore(2.5, 1.8, 0.1), OffManifoldScore(40.0, 1.8, 0.9)
UNKNOWN = OffManifoldScore(math.nan, math.nan, math.nan)
VERDICTS = ("on the data", "extrapolating", "off the data")
WAIT = 30_000


def _shows(image: QImage, colour: str) -> bool:
    """Whether any pixel has ``colour``."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    bgra = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    ink = QColor(colour)
    return bool((np.abs(bgra[..., 2::-1].astype(int) - [ink.red(), ink.green(), ink.blue()]).max(axis=2) <= 2).any())


# the image panel


@pytest.fixture
def image(qtbot) -> ImageView:
    made = ImageView()
    qtbot.addWidget(made)
    made.resize(300, 480)
    made.show()
    qtbot.waitExposed(made)
    QGuiApplication.processEvents()
    return made


PICTURE = np.zeros((16, 16, 1), np.uint8)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_where_there_can_be_no_verdict_it_says_why(image, theme, use_theme):
    use_theme(theme)
    image.set_image(
        PICTURE, "Probe", 2.0, OffManifoldScore(math.nan, math.nan, math.nan, "the latent space is collapsed")
    )
    badge = image.badge
    assert badge.text == badge.accessibleName() == "No verdict: the latent space is collapsed"
    assert "says nothing of the image" in badge.toolTip()
    picture = badge.grab().toImage()
    assert _shows(picture, theme.muted)
    assert not any(_shows(picture, verdict_colour(theme, verdict)) for verdict in VERDICTS)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize(("score", "verdict"), list(zip((ON, GUESS, OFF), VERDICTS, strict=True)), ids=VERDICTS)
def test_a_decoded_image_carries_its_verdict_its_distance_and_its_colour(image, theme, score, verdict, use_theme):
    use_theme(theme)
    image.set_image(PICTURE, "Probe", 4.0, score)
    assert image.badge.text.startswith(verdict)
    badge = image.findChild(OffManifoldBadge, "image.badge")
    assert badge.accessibleName() == image.badge.text
    assert "1.80×" in badge.toolTip()
    assert _shows(badge.grab().toImage(), verdict_colour(theme, verdict))


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_the_colours_can_be_told_from_the_ground(theme):
    for verdict in VERDICTS:
        assert contrast(verdict_colour(theme, verdict), theme.surface) >= 3.0
        assert contrast(verdict_colour(theme, verdict), theme.ground) >= 3.0


def test_the_signs_differ_where_colours_cannot_be_told(image):
    """The same colour for all: the pictures of the signs still differ."""
    badge = image.findChild(OffManifoldBadge, "image.badge")
    pictures = []
    for score in (OffManifoldScore(1.0, 1.8, 0.0), OffManifoldScore(2.0, 1.8, 0.0), OffManifoldScore(2.0, 1.8, 0.9)):
        badge.set_score(score)
        grey = badge.grab().toImage().convertToFormat(QImage.Format.Format_Mono)
        pictures.append(bytes(grey.constBits()))
    assert len(set(pictures)) == 3


def test_an_image_that_was_not_decoded_there_has_none(image):
    image.set_image(PICTURE, "Probe", 4.0, OFF)
    image.set_image(PICTURE, "P1 · point 3 of 15")
    assert image.badge.text == ""
    image.set_image(PICTURE, "Probe", 4.0, UNKNOWN)
    assert image.badge.text == ""
    assert image.findChild(OffManifoldBadge, "image.badge").toolTip() == ""


def test_the_image_keeps_its_place_when_a_badge_comes_and_goes(image):
    canvas = image.findChild(QObject, "image.canvas")
    image.set_image(PICTURE, "Probe")
    QGuiApplication.processEvents()
    before = canvas.geometry()
    image.set_image(PICTURE, "Probe", 4.0, GUESS)
    QGuiApplication.processEvents()
    assert canvas.geometry() == before


# the film strip


@pytest.fixture
def film(qtbot) -> FilmstripView:
    made = FilmstripView()
    qtbot.addWidget(made)
    made.resize(900, 100)
    made.show()
    made.set_frames(65)
    made.set_images(0, np.zeros((65, 64, 64, 1), np.uint8))
    return made


def _bar(film: FilmstripView) -> list[str]:
    """Colours along the row of bars, under the places of all 65 frames."""
    picture = film.viewport().grab().toImage()
    y = film._top(film._thumb()) + film._thumb().height() + 4
    return [picture.pixelColor(round(film._x(k / 64)), y).name() for k in range(65)]


def test_frames_off_the_data_have_a_bar_though_they_have_no_room(film):
    film.set_position(1.0)
    film.set_scores(0, [ON] * 65)
    assert set(_bar(film)) == {DARK.ground, DARK.accent}
    film.set_scores(21, [OFF] * 2)
    bars = _bar(film)
    assert [k for k, colour in enumerate(bars) if colour == DARK.danger] == [21, 22]
    assert len(film._shown()) < 16


def test_where_the_decoder_guesses_the_bar_is_dashed(film):
    film.set_scores(10, [GUESS] * 20)
    picture = film.viewport().grab().toImage()
    y = film._top(film._thumb()) + film._thumb().height() + 4
    row = [picture.pixelColor(x, y).name() for x in range(round(film._x(10 / 64)), round(film._x(29 / 64)))]
    share = row.count(DARK.warning) / len(row)
    assert 0.4 < share < 0.6


def test_the_mouse_over_a_frame_tells_how_it_stands(film):
    film.set_scores(16, [GUESS])
    place = film.viewport().mapTo(film.window(), QPoint(round(film._x(0.25)), 40))
    QTest.mouseMove(film.windowHandle(), place)  # on a widget it would move the display's own cursor, some time later
    QGuiApplication.processEvents()
    assert film.viewport().toolTip() == "frame 17 of 65 · extrapolating · 2.50× spacing · wheel: show more frames"


def test_other_frames_begin_without_bars(film):
    film.set_scores(0, [OFF] * 65)
    film.set_frames(65)
    assert DARK.danger not in _bar(film)
    film.set_scores(60, [OFF] * 9)  # more than there are
    film.set_frames(3)
    film.set_scores(0, [OFF, ON, UNKNOWN])
    film.viewport().grab()


# what the engine says reaches them


@pytest.fixture
def made(qtbot, monkeypatch) -> SimpleNamespace:
    monkeypatch.setattr(probe_module, "SCORE_RETRY_MS", 5)
    state, engine = State(), FakeEngine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    path, film = PathView(), FilmstripView()
    for widget in (cloud, points, image, probe_view, path, film):
        qtbot.addWidget(widget)
    context = Context(state, engine, path)  # pyright: ignore[reportArgumentType]
    editing = context.editing
    probe = ProbeController(context, probe_view, image)
    cloud_control = CloudController(context, probe, cloud, points)
    playback = PlaybackController(context, cloud_control, path, film, image)
    state.embedding = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    state.model = Model(Path("run"), 3, 16, 1)
    cloud_control.tick()
    return SimpleNamespace(
        state=state, engine=engine, image=image, film=film, path=path, probe=probe, editing=editing, playback=playback
    )


def _decoded(made: SimpleNamespace, score: OffManifoldScore | None) -> None:
    request = made.engine.of(Decode)[-1]
    score = score or UNKNOWN
    numbers = {"off_manifold_score": score.score, "threshold": score.threshold, "gap": score.gap}
    made.engine.deliver(Decoded(stamp=request.stamp, z=request.z, image=PICTURE, milliseconds=4.0, **numbers))


def test_the_probe_s_image_carries_what_the_engine_found(made):
    made.probe.move(np.zeros(3))
    _decoded(made, GUESS)
    assert made.image.badge.text == "extrapolating · 2.50× spacing"


def test_an_engine_that_does_not_know_yet_is_asked_again_but_not_for_ever(made, qtbot):
    made.probe.move(np.zeros(3))
    _decoded(made, None)
    for count in range(2, 2 + probe_module.SCORE_TRIES):
        qtbot.waitUntil(lambda count=count: len(made.engine.of(Decode)) == count, timeout=WAIT)
        _decoded(made, None)
    qtbot.wait(100)
    assert len(made.engine.of(Decode)) == 1 + probe_module.SCORE_TRIES
    assert not made.probe._again.isActive()
    assert made.image.badge.text == ""


def test_a_known_badge_is_not_asked_for_again(made, qtbot):
    made.probe.move(np.zeros(3))
    _decoded(made, None)
    qtbot.waitUntil(lambda: len(made.engine.of(Decode)) == 2, timeout=WAIT)
    _decoded(made, ON)
    qtbot.wait(50)
    assert len(made.engine.of(Decode)) == 2
    assert made.image.badge.text.startswith("on the data")


def test_while_a_training_moves_the_samples_none_is_called_off_the_data_by_its_older_place(made, qtbot):
    made.state.training = "running"
    made.editing.commit("select", probe=made.state.embedding[4], sample=4)
    _decoded(made, OFF)
    assert made.image.badge.text == ""
    qtbot.waitUntil(lambda: len(made.engine.of(Decode)) == 2, timeout=WAIT)
    _decoded(made, ON)
    assert made.image.badge.text.startswith("on the data")
    made.state.training = "idle"
    made.editing.commit("select", probe=made.state.embedding[5], sample=5)
    _decoded(made, OFF)
    assert made.image.badge.text.startswith("off the data")


def test_asking_for_the_badge_does_not_take_a_path_s_image_away(made, qtbot):
    made.probe.move(np.zeros(3))
    _decoded(made, None)
    made.image.set_image(PICTURE, "Path frame 3 of 65")
    qtbot.wait(60)
    assert len(made.engine.of(Decode)) == 1


def _answer_path(made: SimpleNamespace, scores: list[float], known: bool = True) -> None:
    made.path.set_path("catmull-rom", points=3, length=1.0)
    made.playback.tick()
    request = made.engine.of(DecodePath)[-1]
    count = len(request.z)
    every = np.resize(np.array(scores), count)
    images = np.random.default_rng(0).integers(0, 255, (count, 16, 16, 1), dtype=np.uint8)
    for start, stop in ((0, count // 2), (count // 2, count)):
        final = stop == count
        numbers = (
            {"off_manifold_score": every[start:stop], "gap": np.full(stop - start, 0.1), "threshold": 1.8}
            if known
            else {}
        )
        made.engine.deliver(
            PathFrames(stamp=request.stamp, start=start, total=count, images=images[start:stop], final=final, **numbers)
        )


def test_a_path_s_read_out_says_how_much_of_it_is_off_the_data(made):
    made.editing.commit("draw path", path=LatentPath(made.state.embedding[:3]))
    _answer_path(made, [1.0, 1.0, 1.0, 1.0, 2.5])
    assert "20 % off the data" in made.path.info.text()
    assert re.search(r"image length [0-9.]+ \(over [0-9]+ frames\)", made.path.info.text())
    made.playback.scrub(4 / 64)
    assert made.image.caption.text() == "Path frame 5 of 65"
    assert made.image.badge.text == "extrapolating · 2.50× spacing"
    made.playback.scrub(5 / 64)
    assert made.image.badge.text == "on the data · 1.00× spacing"


def test_a_path_of_which_nothing_is_known_has_no_badges(made):
    made.editing.commit("draw path", path=LatentPath(made.state.embedding[:3]))
    _answer_path(made, [1.0], known=False)
    assert "image length" in made.path.info.text()
    assert "off the data" not in made.path.info.text()
    made.playback.scrub(0.5)
    assert made.image.badge.text == ""


def test_the_real_engine_judges_a_click_and_a_place_far_away(program, tiny_run, qtbot):
    explorer = program(tiny_run)
    qtbot.waitUntil(lambda: explorer.image.badge.text.startswith("on the data"), timeout=WAIT)
    explorer.probe_view.value_changed.emit(explorer.state.embedding.max(axis=0) * 100)
    qtbot.waitUntil(lambda: explorer.image.badge.text.startswith("off the data"), timeout=WAIT)
    places = explorer.cloud.screen_positions()
    index = int(np.abs(places[:, :2] - [explorer.cloud.width() / 2, explorer.cloud.height() / 2]).sum(axis=1).argmin())
    point = QPoint(*np.rint(places[index, :2]).astype(int).tolist())
    QTest.mouseClick(explorer.cloud, Qt.MouseButton.LeftButton, pos=point)
    qtbot.waitUntil(lambda: not explorer.image.badge.text.startswith("off the data"), timeout=WAIT)
