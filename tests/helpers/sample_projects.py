"""Projects for tests: any, by hypothesis, and one by hand with a value of every kind."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.analysis.transect import Transect
from core.paths.latent_path import SPLINE_KINDS, LatentPath
from core.paths.recipe import Recipe
from core.projects.edited import (
    Attributes,
    Axes,
    Display,
    Document,
    Edited,
    Group,
    PackedPositions,
    Playback,
    Speed,
    Step,
    Trace,
)
from core.projects.panel import Panel
from core.projects.project import CameraView, Project, RunReference, TracedPath, WindowPlace
from core.rendering.colormaps import NAMES

SAMPLES, DIM = 60, 3
_numbers = st.floats(-1e6, 1e6, allow_nan=False)
_singles = st.floats(-1e6, 1e6, allow_nan=False, width=32)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_points = arrays.arrays(np.float32, DIM, elements=_singles)
_positions = st.sets(st.integers(0, SAMPLES - 1)).map(lambda chosen: np.array(sorted(chosen), dtype=np.int64))


def _optional(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


_recipes = st.builds(
    Recipe,
    kind=st.sampled_from(["straight", "geodesic"]),
    start=_points,
    end=_points,
    target=_texts,
    value=_optional(_numbers),
    penalty=st.booleans(),
    held=_optional(st.lists(_texts, max_size=2).map(tuple)),
    dimension=_optional(st.integers(1, 5)),
)
_paths = st.builds(
    LatentPath,
    control=arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.just(DIM)), elements=_singles),
    closed=st.booleans(),
    kind=st.sampled_from(SPLINE_KINDS),
    recipe=_optional(_recipes),
)
_lines = arrays.arrays(np.float64, st.tuples(st.integers(2, 4), st.just(2)), elements=_numbers)
_planes = st.tuples(st.integers(0, 3), st.integers(0, 3))
_transects = st.builds(Transect, name=_texts, points=_lines, stroke=_optional(_lines), plane=_planes)
_cameras = st.builds(
    CameraView, st.tuples(_numbers, _numbers, _numbers), st.floats(0.1, 9), _numbers, _numbers, st.booleans()
)
_references = st.builds(RunReference, _texts, _texts, _texts, st.booleans())
_traced = st.builds(
    TracedPath,
    samples=st.tuples(_optional(st.integers(0, SAMPLES - 1)), _optional(st.integers(0, SAMPLES - 1))),
    stage=_texts,
    final=st.booleans(),
    labels=arrays.arrays(np.float64, (4, 2), elements=_numbers | st.just(np.nan)),
    names=st.tuples(_texts, _texts),
    flagged=arrays.arrays(np.uint8, 4, elements=st.integers(0, 1)),
    note=_texts,
)
_panels = st.builds(Panel, st.booleans(), _texts, st.booleans(), st.booleans())


@st.composite
def _attributes(draw: st.DrawFn) -> Attributes:
    names = tuple(draw(st.lists(_texts, max_size=2, unique=True)))
    columns = [
        draw(arrays.arrays(np.float64, SAMPLES, elements=st.floats(-9, 9) | st.just(np.nan), fill=st.just(0.5)))
        for _ in names
    ]
    return Attributes(names, np.stack(columns, axis=1) if names else np.zeros((SAMPLES, 0)))


edited = st.builds(
    Edited,
    document=st.builds(
        Document,
        probe=_optional(_points),
        sample=_optional(st.integers(0, SAMPLES - 1)),
        path=_optional(_paths),
        cursor=_optional(st.tuples(_numbers, _numbers)),
        transects=st.lists(_transects, max_size=2).map(tuple),
    ),
    display=st.builds(
        Display,
        color_by=_texts,
        colormap=st.sampled_from(NAMES),
        point_size=st.floats(1, 20),
        opacity=st.floats(0, 1),
        axes=st.builds(Axes, st.sampled_from(["dimensions", "principal", "umap"]), st.just((2, 0, 1))),
    ),
    hidden=st.frozensets(st.integers(-1, 5)),
    selected=_optional(_positions.map(PackedPositions.of)),
    selected_control=_optional(st.integers(0, 3)),
    groups=st.lists(st.builds(Group, _texts, _positions), max_size=2, unique_by=lambda group: group.name).map(tuple),
    notes=_texts,
    attributes=_optional(_attributes()),
    plane=_optional(_planes),
    transect=_optional(st.integers(0, 3)),
    transect_position=st.integers(0, 9),
    trace=st.builds(Trace, kind=st.just("isoline"), target=_texts, dimension=_optional(st.integers(1, 3))),
    playback=st.builds(Playback, loop=st.booleans(), rate=st.floats(0.05, 20), speed=st.sampled_from(Speed)),
)


@st.composite
def projects(draw: st.DrawFn) -> Project:
    """Any project that can be kept."""
    steps = tuple(Step(label, draw(edited)) for label in draw(st.lists(_texts, min_size=1, max_size=3)))
    return Project(
        run=draw(_references),
        steps=steps,
        position=draw(st.integers(0, len(steps) - 1)),
        camera=draw(_optional(_cameras)),
        mode=draw(_texts),
        epoch=draw(_optional(st.integers(0, 99))),
        gridlines=draw(st.booleans()),
        played=draw(st.floats(0, 1)),
        panels=draw(st.dictionaries(_texts, _panels, max_size=2)),
        window=draw(_optional(st.builds(WindowPlace, st.binary(max_size=9), st.binary(max_size=9)))),
        file=draw(_texts),
        embeds=draw(st.booleans()),
        trainings=tuple(draw(st.lists(_texts, max_size=2))),
        second=draw(_optional(_references)),
        traced=tuple(draw(st.lists(st.tuples(st.integers(0, len(steps) - 1), _traced), max_size=2))),
        comparison=draw(_texts),
        saved=draw(_optional(st.integers(0, len(steps) - 1))),
    )


def first_project() -> Project:
    """What ``v1.isoline`` holds: a value of every kind that the first schema had."""
    return dataclasses.replace(
        second_project(), camera=CameraView((0.25, -0.5, 1.0), 6.0, -58.0, 22.0), second=None, traced=()
    )


def second_project() -> Project:
    """What ``v2.isoline`` holds: a value of every kind that the second schema had."""
    return dataclasses.replace(whole_project(), comparison="", saved=None)


def whole_project() -> Project:
    """A value of every kind; what ``v3.isoline`` holds."""
    start, end = np.array([0.5, -1.0, 2.0], np.float32), np.array([1.5, 0.25, -2.0], np.float32)
    path = LatentPath(np.stack([start, (start + end) / 2, end]), False, "natural")
    traced = LatentPath(
        np.stack([start, end]), recipe=Recipe("factor curve", start, end, "size", 1.25, held=("class",), dimension=2)
    )
    line = np.array([[0.5, 0.0], [1.0, 0.25], [2.0, 1.0]])
    first = Edited(document=Document(probe=start, sample=3, path=path))
    second = Edited(
        document=Document(end, None, traced, (1.25, 0.5), (Transect("T1", line, line[::2], (1, 0)),)),
        display=Display("class", "cividis", 7.0, 0.75, Axes("principal", (2, 1, 0))),
        hidden=frozenset({-1, 2}),
        selected=PackedPositions.of(np.array([1, 5, 59])),
        selected_control=1,
        groups=(Group("group 1", np.array([2, 3, 5])), Group("größte", np.array([], dtype=np.int64))),
        notes="The ring is β.\nSee it from below.",
        attributes=Attributes(
            ("area", "kind"),
            np.stack([np.linspace(0, 1, SAMPLES), np.where(np.arange(SAMPLES) % 3, 1.0, np.nan)], axis=1),
            ((), ("round", "square")),
        ),
        plane=(1, 0),
        transect=0,
        transect_position=2,
        trace=Trace("isoline", "size", False, ("class",), 2),
        playback=Playback(loop=False, rate=0.5, speed=Speed.IMAGE, frames=33),
    )
    return Project(
        run=RunReference("/home/anybody/runs/small", "../runs/small", "0" * 32),
        steps=(Step("", first), Step("colour by class", second)),
        position=1,
        camera=CameraView((0.0, 0.0, 0.0), 1.0, -58.0, 22.0, True),
        mode="trace",
        epoch=2,
        gridlines=True,
        played=0.5,
        panels={"probe": Panel(False, "right"), "path": Panel(True, "bottom", False, True)},
        window=WindowPlace(b"geometry", b"docks"),
        file="/home/anybody/small.isoline",
        embeds=True,
        trainings=("/home/anybody/runs/small",),
        second=RunReference("/home/anybody/runs/other", "../runs/other", "1" * 32),
        traced=(
            (
                1,
                TracedPath(
                    (3, None),
                    "exact",
                    True,
                    np.array([[0.5, np.nan], [1.25, 2.0]]),
                    ("size", "class"),
                    np.array([0, 1], np.uint8),
                    "no other factors are known, so none is held constant",
                ),
            ),
        ),
        comparison="latent",
        saved=0,
    )
