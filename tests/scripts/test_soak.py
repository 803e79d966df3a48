"""The soak's judgement, on made-up measurements."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QObject

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _census
    import _lateness
    import soak
finally:
    sys.path.remove(str(SCRIPTS))

TIMES = np.linspace(0.0, 7200.0, 500).tolist()


def memory(at) -> list[float]:
    return [float(at(t)) for t in TIMES]


def test_what_grows_from_beginning_to_end_is_told_from_what_warms_up():
    steady = soak.growth(TIMES, memory(lambda t: 300.0 + (np.sin(t) + 1.0)))
    warming = soak.growth(TIMES, memory(lambda t: 300.0 * (1.0 - np.exp(-t / 300.0))))
    leaking = soak.growth(TIMES, memory(lambda t: 300.0 + t / 60.0))
    assert steady is not None
    assert warming is not None
    assert leaking is not None
    assert abs(steady["peaks"]) < 0.5 > abs(steady["trend"])
    assert abs(warming["peaks"]) < 1.0 > abs(warming["trend"])
    assert leaking["peaks"] == pytest.approx(100 * (420 / 348 - 1), abs=0.2)
    assert leaking["trend"] == pytest.approx(100 * 60 / 336, abs=0.5)  # of the second half, beside the second fifth
    assert soak.growth(TIMES[:5], [1.0] * 5) is None


@pytest.mark.parametrize(
    ("counts", "more"),
    [
        ([9, 10, 10, 10, 10, 10, 10], 0.0),
        ([9, 10, 12, 10, 11, 10, 12, 10], 0.0),  # comes and goes
        ([9, 10, 11, 12, 13, 14, 15, 16], 6.0),
        ([9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14], 4.0),  # one every other round
        ([1, 2, 3], None),
    ],
)
def test_a_leak_is_what_no_round_gives_back(counts, more):
    assert soak.leaked(counts) == (None if more is None else pytest.approx(more, abs=0.6))


def test_in_each_tenth_of_the_time_the_smallest_count_is_taken():
    assert soak.tenths(TIMES, memory(lambda t: t)) == [pytest.approx(720.0 * i, abs=15.0) for i in range(10)]


def test_delays_are_counted_without_taking_room():
    delays = _lateness.Delays()
    assert delays.percentiles()["p99"] is None
    for ms, count in ((0.0, 900), (10.0, 95), (60.0, 5)):
        for _ in range(count):
            delays.add(ms)
    assert delays.percentiles() == {"p50": 0.0, "p95": 10.0, "p99": 10.0, "max": 60.0}
    delays.add(1e9)
    assert delays.percentiles()["max"] == _lateness.LONGEST_MS


def test_what_is_late_is_counted_by_action_and_computing_apart():
    actions = iter(["draw", "open", "draw", "draw"])
    late = _lateness.Lateness(lambda: next(actions))
    for waited, computed in ((0.0, 0.0), (0.04, 0.0), (0.2, 0.2), (0.001, 0.0)):
        late._begin()
        late._due -= _lateness.INTERVAL_S + waited
        late._computed -= computed
        late._fire()
    keys = ("action", "fired", "late", "computing")
    assert [tuple(one[key] for key in keys) for one in late.by_action()] == [("draw", 3, 1, 1), ("open", 1, 1, 0)]
    assert late.late.percentiles()["max"] == pytest.approx(200.0, abs=20.0)


def test_what_holds_the_loop_is_named_by_its_handler_and_the_lines_of_the_program_with_what_they_called():
    assert _lateness.place(None) == ("", "")
    assert _lateness.place(sys._getframe())[1].startswith("test_soak.py:")
    frame: Any = None
    for file, function in (("explorer/tour/runner", "play"), ("explorer/app", "redraw"), ("core/utils/text", "wrap")):
        frame = types.SimpleNamespace(f_code=code(file, function), f_lineno=7, f_back=frame)
    frame = types.SimpleNamespace(f_code=code("/lib/re", "sub"), f_lineno=3, f_back=frame)
    handler = "explorer/app.py:7 redraw"
    assert _lateness.place(frame) == (handler, f"re.py:3 sub < core/utils/text.py:7 wrap < {handler}")


def test_where_the_loop_is_held_is_summed_by_handler():
    late = _lateness.Lateness(lambda: "")
    late._held = {("a", "x"): (1.0, 0.2), ("b", "y"): (2.5, 2.0), ("a", "z"): (2.0, 1.0)}
    assert late.held(2) == [
        "3.00 s (1.20 computing) in a, 2.00 (1.00) of them in z",
        "2.50 s (2.00 computing) in b, 2.50 (2.00) of them in y",
    ]


def code(file: str, function: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(co_filename=str(_lateness.PROGRAM / f"{file}.py"), co_name=function)


@pytest.mark.skipif("asked" not in _census.memory(), reason="malloc of another maker gives no account")
def test_memory_that_is_asked_for_is_told_from_memory_that_is_resident():
    before = _census.memory()["asked"]
    held = bytearray(50_000_000)
    assert _census.memory()["asked"] - before == pytest.approx(50.0, abs=2.0)
    del held
    assert _census.memory()["asked"] - before == pytest.approx(0.0, abs=2.0)


def test_objects_of_qt_are_counted_by_class_and_place(qapp):
    parent = QObject()
    parent.setObjectName("above")
    child, named = QObject(parent), QObject(parent)
    named.setObjectName("beside")
    below = QObject(child)
    found = _census.qt_objects([parent])
    for text, count in (("Qt QObject above", 1), ("Qt QObject in above", 2), ("Qt QObject beside", 1)):
        assert found.count(text) == count
    assert below.parent() is child
