"""The turntable: a film of the embedding that loops, is coloured as asked, and needs no window and no torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.config import ModelConfig, RunConfig
from core.rendering import pil_text
from core.rendering.axes import back_grid, make_box
from core.rendering.camera import Camera, box_corners
from core.rendering.class_colours import class_colours
from core.rendering.cloud_image import (
    Cloud,
    CloudPicture,
    bar_labels,
    edge_strength,
    line_strengths,
)
from core.rendering.colormaps import MISSING, Colorbar, lut
from core.rendering.themes import DARK, LIGHT
from core.rendering.turntable import Film, Look, TurntableError, export_turntable, make_cloud, render
from core.runs.directory import THUMBNAIL_SIZE, ProbeSet, RunDirectory, RunError

COUNT = 60
RNG = np.random.default_rng(3)
QUICK = Film(seconds=0.5, fps=8, size=120)
RED = np.array([255, 0, 0, 255], dtype=np.uint8)


def make_run(folder: Path, dim: int = 3, epochs: tuple[int, ...] = (0, 1)) -> RunDirectory:
    """A run with ``COUNT`` samples and two factors whose second is their first mean."""
    run = RunDirectory.create(folder, RunConfig(model=ModelConfig(latent_dim=dim)), {})
    rng = np.random.default_rng(dim)
    means = rng.normal(size=(COUNT, dim)).astype(np.float32) * np.linspace(3, 1, dim, dtype=np.float32)
    run.write_probe(
        ProbeSet(
            np.arange(COUNT),
            np.stack([np.linspace(0.5, 2, COUNT), means[:, 0]], axis=1).astype(np.float32),
            ("a", "b"),
            np.zeros((COUNT, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 1), dtype=np.uint8),
            (np.arange(COUNT) % 10 == 0).astype(np.uint8),
        )
    )
    for epoch in epochs:
        run.write_embedding(means * (epoch + 1), epoch)
    if epochs:
        run.write_embedding(means * (epochs[-1] + 1))
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return make_run(tmp_path / "petals")


# the cloud


def test_the_newest_means_are_shown_along_the_dimensions_in_the_first_factors_colours(run: RunDirectory):
    cloud = make_cloud(run, Look())
    np.testing.assert_array_equal(cloud.points, run.read_embedding(None))
    assert cloud.labels == ("μ₁", "μ₂", "μ₃")
    assert cloud.colorbar is not None
    assert (cloud.colorbar.label, cloud.colorbar.low, cloud.colorbar.high) == ("a", 0.5, 2.0)
    np.testing.assert_array_equal(cloud.rgba[0], lut("viridis", DARK.plot)[0])
    np.testing.assert_array_equal(cloud.rgba[-1], lut("viridis", DARK.plot)[255])
    assert cloud.title == "petals"
    assert cloud.caption.startswith("epoch 1 · 60")


def test_an_earlier_epoch_can_be_chosen(run: RunDirectory):
    cloud = make_cloud(run, Look(), epoch=0)
    np.testing.assert_array_equal(cloud.points, run.read_embedding(0))
    assert cloud.caption.startswith("epoch 0")


def test_without_live_means_the_last_epoch_is_the_newest(run: RunDirectory):
    run.embedding_path(None).unlink()
    assert make_cloud(run, Look()).caption.startswith("epoch 1")


def test_of_many_dimensions_the_principal_components_are_drawn(tmp_path: Path):
    run = make_run(tmp_path / "run", dim=7)
    assert [label.split()[0] for label in make_cloud(run, Look()).labels] == ["PC₁", "PC₂", "PC₃"]
    chosen = make_cloud(run, Look(axes="2,7,1"))
    assert chosen.labels == ("μ₂", "μ₇", "μ₁")
    np.testing.assert_array_equal(chosen.points, run.read_embedding(None)[:, [1, 6, 0]])


def test_two_dimensions_are_a_sheet_on_the_ground(tmp_path: Path):
    cloud = make_cloud(make_run(tmp_path / "run", dim=2), Look())
    assert cloud.dims == 2
    assert (cloud.points[:, 2] == 0).all()
    assert render(cloud, QUICK, Look()).std() > 5


def test_one_dimension_has_nothing_to_turn(tmp_path: Path):
    with pytest.raises(TurntableError, match="one latent dimension"):
        make_cloud(make_run(tmp_path / "run", dim=1), Look())


def test_points_can_be_of_one_colour_or_tell_training_from_validation(run: RunDirectory):
    plain = make_cloud(run, Look(color_by="none", theme="light", opacity=0.5))
    assert plain.colorbar is None
    assert {tuple(row) for row in plain.rgba.tolist()} == {(*pil_text.rgb(LIGHT.accent), 128)}
    split = make_cloud(run, Look(color_by="split")).colorbar
    assert split is not None
    assert split.categories == ("training", "validation")


def test_samples_can_be_counted_on_one_scale_for_all_sides(run: RunDirectory):
    cloud = make_cloud(run, Look(color_by="density", colormap="inferno"))
    assert (cloud.density, cloud.colorbar) == ("inferno", None)
    points = cloud.points.copy()
    points[9:] = points[9]
    frames = render(dataclasses.replace(cloud, points=points), QUICK, Look())
    away = frames.astype(int) - lut("inferno", DARK.plot)[255, :3]  # a side may hide another point behind those
    assert (np.abs(away).max(axis=3).min(axis=(1, 2)) < 8).all()
    assert make_cloud(run, Look()).density == ""


def test_classes_have_colours_and_names_of_their_own(run: RunDirectory):
    probe = run.read_probe()
    kinds = (np.arange(COUNT) % 2).astype(np.float32)
    kinds[0] = np.nan
    factors = np.column_stack([kinds, probe.factors[:, 1:]]).astype(np.float32)
    categories = (("cat", "dog"), *probe.categories[1:])
    run.write_probe(dataclasses.replace(probe, factors=factors, categories=categories))
    cloud = make_cloud(run, Look(color_by=probe.factor_names[0]))
    assert cloud.colorbar is not None
    assert cloud.colorbar.categories == ("cat", "dog")
    np.testing.assert_array_equal(cloud.rgba[1:3], class_colours(2, DARK.plot)[[1, 0]])
    assert tuple(cloud.rgba[0, :3]) == MISSING
    assert render(cloud, QUICK, Look()).std() > 5


def test_hidden_classes_are_not_drawn_and_keep_their_room(run: RunDirectory, tmp_path: Path):
    kinds = np.arange(COUNT) % 3.0
    kinds[0] = np.nan
    np.savez(tmp_path / "kinds.npz", values=kinds, categories=np.array(["cat", "dog", "eel"]))
    look = Look(values=tmp_path / "kinds.npz", color_by="animal", hide=("dog", "unknown"))
    everything, some = make_cloud(run, dataclasses.replace(look, hide=())), make_cloud(run, look)
    assert some.colorbar is not None
    assert everything.colorbar is not None
    assert everything.colorbar.categories == ("cat", "dog", "eel")
    assert (some.colorbar.label, some.colorbar.categories) == ("animal", ("cat", "eel"))
    np.testing.assert_array_equal(some.colorbar.lut, class_colours(3, DARK.plot)[[0, 2]])
    np.testing.assert_array_equal(some.rgba[:, 3] == 0, np.isnan(kinds) | (kinds == 1))
    np.testing.assert_array_equal(some.rgba[3], everything.rgba[3])
    np.testing.assert_array_equal(some.points, everything.points)
    assert some.caption.endswith("39 samples")


def test_values_of_the_callers_colour_points_within_their_quantiles(run: RunDirectory, tmp_path: Path):
    np.save(tmp_path / "values.npy", np.append(np.linspace(0, 1, COUNT - 1), 1e6))
    bar = make_cloud(run, Look(values=tmp_path / "values.npy", color_by="excess BCE")).colorbar
    assert bar is not None
    assert bar.label == "excess BCE"
    assert bar.high < 1e6


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (lambda: Look(color_by="hue"), "color_by is 'hue'; this run has a, b, split, density, none"),
        (lambda: Look(axes="1,2"), "axes is '1,2'"),
        (lambda: Look(axes="1,2,9"), "numbers of 1 to 3"),
        (lambda: Look(axes="x"), "axes is 'x'"),
        (lambda: Look(values=Path("three.npy")), r"they must be numbers \(60,\)"),
        (lambda: Look(hide=("cat",)), "what colours the points has no classes to hide"),
        (lambda: Look(color_by="split", hide=("cat",)), "hide is 'cat'; the classes are training, validation"),
        (lambda: Look(color_by="split", hide=("training", "validation")), "every class that has samples is hidden"),
        (lambda: Look(colormap="jet"), "colormap is 'jet'; it must be one of viridis"),  # pyright: ignore[reportArgumentType]
        (lambda: Look(theme="grey"), "theme is 'grey'"),  # pyright: ignore[reportArgumentType]
        (lambda: Look(point_size=0.0), "point_size is 0; it must be 0.5 to 40"),
        (lambda: Look(opacity=2.0), "opacity is 2"),
    ],
)
def test_a_look_that_cannot_be_is_refused(run: RunDirectory, look, words: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(run.path)
    np.save("three.npy", np.zeros(3))
    with pytest.raises(TurntableError, match=words):
        make_cloud(run, look())


def test_a_run_without_embedding_says_so(tmp_path: Path):
    with pytest.raises(TurntableError, match="no embedding yet"):
        make_cloud(make_run(tmp_path / "run", epochs=()), Look())


def test_an_epoch_that_was_not_recorded_names_those_that_were(run: RunDirectory):
    with pytest.raises(RunError, match=r"stored epochs are \[0, 1\]"):
        make_cloud(run, Look(), epoch=7)


def test_files_of_different_runs_are_told_apart(run: RunDirectory):
    run.write_embedding(np.zeros((5, 3), dtype=np.float32))
    with pytest.raises(RunError, match="means of 5 samples, and 60 samples"):
        make_cloud(run, Look())


# the picture


def lone_point(place: tuple[float, float, float]) -> Cloud:
    """A red point in a box from -1 to 1; the points at the corners are invisible."""
    points = np.append(box_corners(np.full(3, -1.0), np.full(3, 1.0)), [place], axis=0).astype(np.float32)
    rgba = np.zeros((9, 4), dtype=np.uint8)
    rgba[-1] = RED
    return Cloud(points, rgba, ("x", "y", "z"), 3)


def redness(picture: np.ndarray) -> tuple[float, float, float]:
    """How much red there is, and its middle (x, y)."""
    red = np.clip(picture[..., 0].astype(float) - picture[..., 1:].max(axis=2), 20, None) - 20
    y, x = np.indices(red.shape)
    return red.sum(), (red * x).sum() / red.sum(), (red * y).sum() / red.sum()


def test_a_point_on_the_axis_stands_still_while_the_cloud_turns():
    picture = CloudPicture(lone_point((0, 0, 0)), 160, point_size=30)
    places = np.array([redness(picture.draw(azimuth))[1:] for azimuth in (-58.0, 20.0, 110.0, 200.0)])
    assert np.ptp(places, axis=0).max() < 0.5
    assert abs(places[:, 0].mean() - 79.5) < 0.6


def test_a_point_beside_the_axis_goes_round_it_and_is_larger_in_front():
    picture = CloudPicture(lone_point((0.8, 0, 0)), 200, point_size=30)
    front, right, back, left = (redness(picture.draw(azimuth)) for azimuth in (0.0, -90.0, 180.0, 90.0))
    assert left[1] < 80 < 120 < right[1]
    assert front[0] > 1.2 * back[0]
    assert front[2] > back[2]  # seen from above, what is in front is lower


@pytest.mark.parametrize("size", [120, 480])
def test_the_whole_box_is_seen_from_every_side(size: int):
    cloud = Cloud(RNG.normal(size=(40, 3)).astype(np.float32) * [3, 1, 2], np.tile(RED, (40, 1)), ("x", "y", "z"), 3)
    picture = CloudPicture(cloud, size)
    box = make_box(cloud.points.min(axis=0), cloud.points.max(axis=0))
    for azimuth in range(0, 360, 15):
        camera = picture.camera(azimuth)
        pixels, _ = camera.project(box_corners(box.low, box.high))
        assert pixels.min() > 0
        assert pixels.max() < size


def test_nothing_jumps_where_another_wall_comes_to_lie_behind_the_points():
    unseen = np.zeros((30, 4), dtype=np.uint8)
    cloud = Cloud(RNG.normal(size=(30, 3)).astype(np.float32), unseen, ("μ₁", "μ₂", "μ₃"), 3)
    picture = CloudPicture(cloud, 160)
    for turn in (0.0, 90.0):
        before, after = (picture.draw(turn + offset).astype(int) for offset in (-0.01, 0.01))
        assert np.abs(after - before).max() < 12


def test_walls_fade_and_the_floor_stays():
    box = make_box(np.full(3, -1.0), np.full(3, 1.0))
    edge_on, slanted = Camera(azimuth=0.001, elevation=27.0), Camera(azimuth=45.0, elevation=27.0)
    for camera, faint in ((edge_on, True), (slanted, False)):
        grid = back_grid(box, camera)
        strengths = line_strengths(grid.lines, grid.strong, box, camera)
        on_wall = (grid.lines[:, :, 1] == box.high[1]).all(axis=1) | (grid.lines[:, :, 1] == box.low[1]).all(axis=1)
        on_floor = (grid.lines[:, :, 2] == box.low[2]).all(axis=1)
        across = np.ptp(grid.lines[:, :, 0], axis=1) > 0
        lines_of_the_wall = strengths[on_wall & ~on_floor & across]
        assert (lines_of_the_wall.max() == 0.0) == faint
        assert strengths[on_floor].min() >= 0.7
        assert strengths.max() == 1.0
    assert edge_strength(0, edge_on) == edge_strength(2, edge_on) == 0.0
    assert edge_strength(1, edge_on) == 1.0


def test_a_colour_bar_shows_its_ends_and_round_values_between():
    values, texts = bar_labels(Colorbar("a", 0.5003, 1.9991, lut("viridis")), 3)
    assert texts == ["0.50", "1.0", "1.5", "2.00"]
    np.testing.assert_allclose(values, [0.5003, 1.0, 1.5, 1.9991])
    assert bar_labels(Colorbar("a", -2.0, -2.0, lut("viridis")), 3)[1] == ["−2"]


@pytest.mark.parametrize("bar", [("training", "validation"), None])
def test_names_of_axes_run_and_colours_are_drawn(bar: tuple[str, ...] | None):
    points = RNG.normal(size=(30, 3)).astype(np.float32)
    bare = Cloud(points, np.tile(RED, (30, 1)), ("", "", ""), 3)
    named = Cloud(
        points, bare.rgba, ("μ₁", "μ₂", "μ₃"), 3, Colorbar("split", 0, 1, lut("viridis"), bar), "run", "60 samples"
    )
    before, after = (CloudPicture(cloud, 200).draw(30.0).astype(int) for cloud in (bare, named))
    changed = np.abs(after - before).max(axis=2) > 40
    assert changed[:60, :90].any()  # title
    assert changed[:60, 130:].any()  # colour bar
    assert changed[110:].any()  # names of the axes


# text


def test_the_font_has_the_letters_of_the_field():
    face = pil_text.font(20.0)
    missing = face.getmask("\uffff").getbbox()
    for letter in "μ₁₂₃₉−":
        assert face.getmask(letter).getbbox() not in (None, missing)


def test_long_names_are_cut():
    face = pil_text.font(14.0)
    assert pil_text.elided("short", face, 200) == "short"
    cut = pil_text.elided("a very long name of a run", face, 80)
    assert cut.endswith("…")
    assert face.getlength(cut) <= 80


def test_lines_are_antialiased_and_end_where_they_should():
    image = Image.new("RGB", (20, 20))
    pil_text.draw_lines(image, np.array([[[2.0, 10.0], [12.0, 10.0]]]), np.ones(1), (255, 255, 255), 1.0)
    drawn = np.asarray(image)[..., 0]
    assert drawn[:, 14:].max() == 0
    assert 200 < drawn[:, 7].astype(int).sum() < 330


# the film


def test_a_film_has_seconds_times_frames_a_second_and_no_frame_twice(run: RunDirectory):
    frames = render(make_cloud(run, Look()), QUICK, Look())
    assert frames.shape == (4, 120, 120, 3)
    assert all((frames[i] != frames[i - 1]).any() for i in range(4))


def test_half_a_turn_further_the_cloud_is_seen_from_behind(run: RunDirectory):
    cloud = make_cloud(run, Look())
    quarter, _, three_quarters, _ = render(cloud, QUICK, Look())
    picture = CloudPicture(cloud, 120)
    from core.rendering.camera import broadside

    start = broadside(cloud.points)[0]
    np.testing.assert_array_equal(quarter, picture.draw(start))
    np.testing.assert_array_equal(three_quarters, picture.draw(start + 180.0))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seconds": 0.1}, "seconds is 0.1; it must be 0.5 to 120"),
        ({"fps": 0}, "fps is 0"),
        ({"size": 100}, "size is 100; it must be 120 to 2160"),
        ({"size": 481}, "the size of a film must be even. Try 482"),
        ({"seconds": 100, "fps": 100, "size": 2000}, "GiB of memory"),
        ({"seconds": float("nan")}, "seconds is nan"),
    ],
)
def test_a_film_that_cannot_be_is_refused(fields: dict, words: str):
    with pytest.raises(TurntableError, match=words):
        Film(**fields)


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_the_command_writes_a_film(run: RunDirectory, tmp_path: Path, suffix: str, capsys):
    out = tmp_path / f"turn.{suffix}"
    command = ["turntable", str(run.path), "--out", str(out), "--seconds", "0.5", "--fps", "8", "--size", "120"]
    assert main(command) == 0
    assert "MB" in capsys.readouterr().out
    if suffix == "gif":
        with Image.open(out) as image:
            assert image.size == (120, 120)
            assert getattr(image, "n_frames", 1) == 4
            assert image.info["loop"] == 0
    else:
        import av

        with av.open(str(out)) as film:
            assert sum(1 for _ in film.decode(video=0)) == 4


def test_the_command_films_classes_and_hides_some(run: RunDirectory, tmp_path: Path, capsys):
    np.savez(tmp_path / "kinds.npz", values=np.arange(COUNT) % 2, categories=np.array(["-cat", "dog"]))
    out, values = tmp_path / "turn.gif", tmp_path / "kinds.npz"
    command = ["turntable", str(run.path), "--out", str(out), "--seconds", "0.5", "--fps", "8", "--size", "120"]
    command += ["--values", str(values), "--color-by=animal"]
    assert main([*command, "--hide=-cat", "--hide=unknown"]) == 0
    assert main([*command, "--hide=eel"]) == 2
    assert "the classes are -cat, dog" in capsys.readouterr().err
    np.savez(values, values=np.arange(COUNT))
    assert main(command) == 2
    assert "must hold the arrays values and categories" in capsys.readouterr().err
    np.savez_compressed(values, values=np.random.default_rng(0).random(500), categories=np.array(["cat", "dog"]))
    content = bytearray(values.read_bytes())
    content[100:120] = b"\xff" * 20
    values.write_bytes(content)
    assert main(command) == 2
    assert "is not an .npy or .npz file of numbers (its archive is damaged: Error -3" in capsys.readouterr().err


def test_the_colours_of_a_gif_are_those_of_the_drawing(run: RunDirectory, tmp_path: Path):
    look = Look(theme="light", point_size=12.0)
    cloud, film = make_cloud(run, look), Film(0.5, 4, 360)
    drawn = render(cloud, film, look)
    with Image.open(export_turntable(tmp_path / "turn.gif", cloud, film, look)) as image:
        for number, frame in enumerate(drawn):
            image.seek(number)
            assert np.sqrt(np.mean((np.asarray(image.convert("RGB")).astype(float) - frame) ** 2)) < 3.0


def test_a_gif_is_kept_small_by_fewer_frames(run: RunDirectory, tmp_path: Path):
    out = export_turntable(tmp_path / "turn.gif", make_cloud(run, Look()), Film(0.5, 60, 120), Look())
    with Image.open(out) as image:
        assert getattr(image, "n_frames", 1) == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "turn.avi"), "its name must end in .mp4 or .gif"),
        (("--out", "turn.gif", "--color-by", "hue"), "this run has a, b, split, density, none"),
        (("--out", "turn.gif", "--size", "7"), "size is 7"),
        (("--out", "turn.gif", "--values", "missing.npy"), "missing.npy cannot be read"),
        (("--out", "turn.gif", "--values", "config.json"), "is not an .npy or .npz file of numbers"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(run: RunDirectory, arguments, words, capsys, monkeypatch):
    monkeypatch.chdir(run.path)
    assert main(["turntable", str(run.path), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(run.path.glob("turn*"))


def test_progress_rises_to_the_end_and_cancelling_leaves_nothing(run: RunDirectory, tmp_path: Path):
    cloud, shares = make_cloud(run, Look()), []
    export_turntable(tmp_path / "turn.gif", cloud, QUICK, Look(), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    folder = tmp_path / "empty"
    folder.mkdir()
    for stage in (0.0, 0.9):  # while drawing, while encoding

        def cancel(fraction: float, stage: float = stage) -> None:
            if fraction >= stage:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_turntable(folder / "turn.mp4", cloud, QUICK, Look(), cancel)
        assert not list(folder.iterdir())


def test_programs_get_progress_as_json_and_cancel_by_closing_the_input_and_no_torch_is_loaded(
    run: RunDirectory, tmp_path: Path
):
    program = """
import sys
from core.cli.main import main
status = main(sys.argv[1:])
assert "torch" not in sys.modules and "PySide6" not in sys.modules
sys.exit(status)
"""
    out = tmp_path / "turn.gif"
    options = ["turntable", str(run.path), "--out", str(out), "--size", "120", "--fps", "8", "--progress", "json"]
    command = [sys.executable, "-c", program, *options]
    with subprocess.Popen(
        [*command, "--seconds", "0.5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shares = [json.loads(line)["progress"] for line in process.stdout]
        assert process.wait() == 0
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    out.unlink()
    cancelled = subprocess.run([*command, "--seconds", "60"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert cancelled.returncode == 1
    assert "cancelled" in cancelled.stderr
    assert not out.exists()
