"""Selected samples as a table: which image each row is about, and its classes by name."""

import csv

import numpy as np
from fake_engine import FakeEngine

from core.projects.edited import Group
from core.runs.directory import ProbeSet
from explorer.controllers.app.files import FilesController
from explorer.controllers.controller import Context
from explorer.state import State


def test_a_selection_is_written_with_file_names_and_names_of_classes(tmp_path, qtbot):
    state = State()
    factors = np.array([[0, 1.5], [1, 2.5], [np.nan, 3.5]], dtype=np.float32)
    thumbnails, split = np.zeros((3, 32, 32, 1), np.uint8), np.zeros(3, np.uint8)
    names = ("cat/1.png", "dog/1.png", "1, 2.png")
    kinds = (("cat", "dog"), ())
    state.samples = ProbeSet(np.arange(3) + 7, factors, ("kind", "weight"), thumbnails, split, kinds, names)
    state.embedding = np.arange(6, dtype=np.float32).reshape(3, 2)
    state.selected = np.array([1, 2])
    context = Context(state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
    files = FilesController(context, None, None)  # pyright: ignore[reportArgumentType]
    files._export_selection(str(tmp_path / "chosen.csv"))
    qtbot.waitUntil(lambda: state.message == f"2 samples written to {tmp_path / 'chosen.csv'}")
    with open(tmp_path / "chosen.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["index", "file", "kind", "weight", "mu1", "mu2"],
            ["8", "dog/1.png", "dog", "2.5", "2.0", "3.0"],
            ["9", "1, 2.png", "unknown", "3.5", "4.0", "5.0"],
        ]


def test_the_groups_that_a_sample_is_in_are_written(tmp_path, qtbot):
    state = State()
    thumbnails, split = np.zeros((3, 32, 32, 1), np.uint8), np.zeros(3, np.uint8)
    state.samples = ProbeSet(np.arange(3), np.zeros((3, 0), np.float32), (), thumbnails, split)
    state.embedding = np.zeros((3, 1), np.float32)
    state.selected = np.arange(3)
    state.groups = (Group("odd", np.array([1])), Group("large, or odd", np.array([1, 2])))
    context = Context(state, FakeEngine(), None)  # pyright: ignore[reportArgumentType]
    files = FilesController(context, None, None)  # pyright: ignore[reportArgumentType]
    files._export_selection(str(tmp_path / "chosen.csv"))
    qtbot.waitUntil(lambda: "written to" in state.message)
    with open(tmp_path / "chosen.csv", newline="", encoding="utf-8") as file:
        assert [row[:2] for row in csv.reader(file)] == [
            ["index", "groups"],
            ["0", ""],
            ["1", "odd; large, or odd"],
            ["2", "large, or odd"],
        ]
