"""Names of samples: texts in an order, without an object for each."""

import numpy as np
import pytest

from core.runs.directory import MAX_PROBE, ProbeSet
from core.runs.lock import RunError
from core.runs.names import Names
from core.runs.split import HELD_OUT


def test_names_are_like_a_tuple_of_texts():
    names = Names(["a", "bc", ""])
    assert (names[1], names[-1], len(names)) == ("bc", "", 3)
    assert names == ("a", "bc", "")
    assert names != ("a", "bc")
    assert names == Names(np.array(["a", "bc", ""]))
    assert list(names[1:]) == ["bc", ""]
    assert type(names[0]) is str
    assert np.array_equal(np.asarray(names), ["a", "bc", ""])
    assert not Names()
    assert repr(Names("abcd")) == "Names('a', 'b', 'c', …)"


def probe(count: int, pictured: int) -> ProbeSet:
    split = np.zeros(count, np.uint8)
    split[::2] = HELD_OUT
    pictures = np.zeros((pictured, 32, 32, 1), np.uint8)
    pictures[:, 0, 0, 0] = np.arange(pictured) % 251
    return ProbeSet(
        np.arange(count), np.zeros((count, 0), np.float32), (), pictures, split, (), Names(map(str, range(count)))
    )


def test_a_part_of_very_many_samples_keeps_the_pictures_that_there_are():
    many = probe(MAX_PROBE + 10, MAX_PROBE)
    first = many.first(7)
    assert (len(first.indices), first.names[6], first.thumbnails[:, 0, 0, 0].tolist()) == (7, "6", [*range(7)])
    assert many.first(MAX_PROBE + 10) is many
    some = probe(8, 8).part(probe(8, 8).seen)
    assert (some.names, some.thumbnails[:, 0, 0, 0].tolist()) == (("1", "3", "5", "7"), [1, 3, 5, 7])


@pytest.mark.parametrize("pictured", [0, 7, 9])
def test_pictures_are_of_all_samples_or_of_as_many_as_can_have_one(pictured):
    with pytest.raises(RunError, match="thumbnails of the probe set"):
        probe(8, pictured)
