"""The cloud's controller: what of one run must not be left over in the next."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_engine import FakeEngine
from PySide6.QtWidgets import QComboBox, QSlider

from core.projects.edited import Axes, Display
from core.protocol.messages import FindThumbnail, ThumbnailFound
from core.runs.directory import MAX_PROBE, ProbeSet
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.probe import ProbeController
from explorer.controllers.controller import Context
from explorer.state import Model, State
from explorer.views.cloud import CloudView
from explorer.views.image import ImageView
from explorer.views.points import PointsView
from explorer.views.probe import ProbeView


@pytest.fixture
def desk(qtbot) -> SimpleNamespace:
    state, engine = State(), FakeEngine()
    cloud, points, image, probe_view = CloudView("software"), PointsView(), ImageView(), ProbeView()
    for widget in (cloud, points, image, probe_view):
        qtbot.addWidget(widget)
    context = Context(state, engine, points)  # pyright: ignore[reportArgumentType]
    probe = ProbeController(context, probe_view, image)
    control = CloudController(context, probe, cloud, points)

    def open_run(latent_dim: int) -> None:
        state.samples, state.embedding = None, None
        control.tick()
        rng = np.random.default_rng(latent_dim)
        state.samples = ProbeSet(
            np.arange(40),
            rng.uniform(size=(40, 1)).astype(np.float32),
            ("a",),
            np.zeros((40, 32, 32, 1), np.uint8),
            np.zeros(40, np.uint8),
        )
        state.embedding = rng.normal(size=(40, latent_dim)).astype(np.float32)
        control.tick()

    return SimpleNamespace(
        state=state,
        engine=engine,
        editing=context.editing,
        control=control,
        cloud=cloud,
        points=points,
        probe_view=probe_view,
        open_run=open_run,
        probe=probe,
    )


def test_principal_components_end_with_the_run_that_needed_them(desk):
    desk.open_run(5)
    desk.state.display = Display(axes=Axes("principal"))
    desk.control.tick()
    assert [label.split()[0] for label in desk.control.projection.labels] == ["PC₁", "PC₂", "PC₃"]
    desk.open_run(3)
    assert desk.control.projection.labels == ("μ₁", "μ₂", "μ₃")
    assert not desk.state.display.axes.principal
    desk.open_run(5)
    assert desk.points.findChild(QComboBox, "points.axes").currentText() == "Dimensions"
    assert desk.control.projection.labels == ("μ₁", "μ₂", "μ₃")


def test_axes_stay_in_a_run_of_the_same_dimensions_and_no_longer(desk):
    desk.open_run(8)
    desk.state.display = Display(axes=Axes(dimensions=(5, 6, 7)))
    desk.open_run(8)
    assert desk.state.display.axes == Axes(dimensions=(5, 6, 7))
    desk.open_run(6)
    assert desk.state.display.axes == Axes()
    assert desk.points.findChild(QComboBox, "points.axis.0").currentIndex() == 0


def test_a_run_without_a_cloud_shows_nothing_of_the_one_before(desk):
    desk.open_run(3)
    desk.state.display = desk.state.display.__class__(color_by="a")
    desk.control.tick()
    assert desk.cloud.scene.colorbar is not None
    assert len(desk.probe_view.findChildren(QSlider)) == 3
    desk.state.samples, desk.state.embedding = None, None
    desk.control.tick()
    assert desk.cloud.scene.colorbar is None
    assert not any(slider.isVisibleTo(desk.probe_view) for slider in desk.probe_view.findChildren(QSlider))
    assert desk.points.findChild(QComboBox, "points.color_by").count() == 0


def open_classes(desk, names: tuple[str, ...] = ()) -> np.ndarray:
    """40 samples of three classes, the first five of an unknown one; returns the classes float32 (40,)."""
    kinds = np.arange(40, dtype=np.float32) % 3
    kinds[:5] = np.nan
    desk.state.samples = ProbeSet(
        np.arange(40) + 100,
        np.stack([kinds, np.linspace(0, 1, 40, dtype=np.float32)], axis=1),
        ("kind", "weight"),
        np.zeros((40, 32, 32, 1), np.uint8),
        np.zeros(40, np.uint8),
        (("cat", "dog", "a bird"), ()),
        names,
    )
    desk.state.embedding = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    desk.control.tick()
    return kinds


def test_classes_have_colours_of_their_own_with_names_and_counts(desk):
    kinds = open_classes(desk)
    assert [(e.name, e.count) for e in desk.cloud.legend.entries] == [
        ("cat", 12), ("dog", 11), ("a bird", 12), ("unknown", 5)
    ]  # fmt: skip
    for entry in desk.cloud.legend.entries:
        of_it = np.isnan(kinds) if entry.place < 0 else kinds == entry.place
        assert {tuple(colour) for colour in desk.control.colours[of_it].tolist()} == {(*entry.colour, 255)}


def test_hiding_isolating_and_showing_all_classes(desk):
    kinds = open_classes(desk)

    def shown() -> np.ndarray:
        desk.control.tick()
        return desk.control.colours[:, 3] > 0

    desk.cloud.legend.toggled.emit(1)
    np.testing.assert_array_equal(shown(), kinds != 1)
    desk.cloud.legend.toggled.emit(-1)
    np.testing.assert_array_equal(shown(), (kinds == 0) | (kinds == 2))
    desk.cloud.legend.isolated.emit(1)
    np.testing.assert_array_equal(shown(), kinds == 1)
    desk.cloud.legend.isolated.emit(1)
    assert shown().all(), "alone already: all come back"
    desk.cloud.legend.toggled.emit(0)
    desk.cloud.legend.all_requested.emit()
    assert shown().all()


def test_hidden_classes_come_back_with_another_colouring_and_are_hidden_again_when_that_is_undone(desk):
    open_classes(desk)
    desk.cloud.legend.toggled.emit(1)
    desk.points.color_by_changed.emit("weight")
    assert desk.state.hidden == frozenset()
    desk.editing.undo()
    assert (desk.state.display.color_by, desk.state.hidden) == ("kind", frozenset({1}))


def test_hovering_tells_file_and_class(desk):
    open_classes(desk, tuple(f"folder/{i}.png" for i in range(40)))
    label = desk.cloud.scene.hover_label
    assert label(5) == "folder/5.png\nkind = a bird\nweight = 0.128"
    assert label(0) == "folder/0.png\nkind = unknown\nweight = 0.000"


def test_the_samples_are_placed_anew_for_other_means_axes_and_layouts_alone(desk, monkeypatch):
    desk.open_run(5)
    placed: list[np.ndarray] = []
    monkeypatch.setattr(desk.cloud, "set_points", placed.append)
    before, means = desk.control.projection, desk.state.embedding
    desk.editing.commit("look", opacity=0.4, point_size=9.0)
    desk.control.tick()
    assert placed == []
    assert desk.control.projection is before
    desk.editing.commit("axes", axes=Axes(dimensions=(2, 3, 4)))
    desk.control.tick()
    np.testing.assert_array_equal(placed[-1], means[:, 2:5])
    desk.state.embedding = means + np.float32(1.0)
    desk.control.tick()
    np.testing.assert_array_equal(placed[-1], (means + np.float32(1.0))[:, 2:5])
    desk.editing.commit("axes", axes=Axes("umap"))
    desk.state.layout = np.ones((40, 3), np.float32)
    desk.control.tick()
    assert (placed[-1] == 1.0).all()
    assert len(placed) == 3


def test_samples_are_counted_where_colours_are_chosen_and_undo_draws_them_again(desk, qtbot):
    desk.open_run(3)
    box = desk.points.findChild(QComboBox, "points.color_by")
    assert "density" in [box.itemText(row) for row in range(box.count())]
    desk.editing.commit("colour by density", color_by="density", hidden=frozenset())
    desk.control.tick()
    assert desk.cloud.scene.density == "viridis"
    assert desk.control.colouring.density
    assert desk.points.findChild(QComboBox, "points.colormap").isEnabled()
    desk.control.select(np.array([1, 2]), False)
    desk.control.tick()
    assert desk.cloud.scene.density_of == "selected"
    desk.editing.undo()
    desk.editing.undo()
    desk.control.tick()
    assert desk.cloud.scene.density == ""


def test_a_sample_whose_picture_is_not_stored_gets_it_from_the_engine(desk, qtbot):
    count = MAX_PROBE + 2
    pictures = np.full((MAX_PROBE, 32, 32, 1), 9, np.uint8)
    split = np.zeros(count, np.uint8)
    desk.state.samples = ProbeSet(np.arange(count) + 5, np.zeros((count, 0), np.float32), (), pictures, split)
    desk.state.model = Model(Path("run"), 3, 32, 1)
    desk.control.hover(MAX_PROBE - 1)
    assert not desk.engine.of(FindThumbnail)
    desk.control.hover(MAX_PROBE + 1)
    (asked,) = desk.engine.of(FindThumbnail)
    assert asked.index == MAX_PROBE + 6
    image = np.full((32, 32, 1), 7, np.uint8)
    desk.engine.deliver(ThumbnailFound(index=asked.index, image=image, stamp=asked.stamp))
    assert desk.cloud.scene.late_thumbnail == (MAX_PROBE + 1, image)
