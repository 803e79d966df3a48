"""Which images train and which validate: at random by class and group, as the files say, as published; held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import ConfigError, DataConfig
from core.data.dataset import DatasetError
from core.data.splits import Split, published_split, split

NAN = float("nan")


def files(**settings) -> DataConfig:
    return DataConfig(path="images", **settings)


def drawn(classes: list[float] | np.ndarray, names: tuple[str, ...] = (), **options) -> Split:
    """The split of images with one class each."""
    config = options.pop("config", files())
    factors = np.asarray(classes, dtype=np.float32)[:, None]
    names = names or tuple(f"c{i}" for i in range(int(np.nanmax(factors)) + 1))
    return split(config, factors, ("kind",), (names,), **options)


def plain(count: int, **options) -> Split:
    return split(options.pop("config", files()), np.zeros((count, 0), np.float32), (), (), **options)


def parts_are_whole(found: Split, count: int) -> bool:
    both = np.concatenate([found.train, found.validation, found.held_out])
    return np.array_equal(np.sort(both), np.arange(count)) and all(
        part.dtype == np.int64 and np.array_equal(part, np.sort(part))
        for part in (found.train, found.validation, found.held_out)
    )


# the published curves


def test_the_published_splits():
    train, validation = published_split(5000, DataConfig(punctured=False))
    assert (len(train), len(validation)) == (4499, 501)
    train, validation = published_split(4510, DataConfig())
    assert (len(train), len(validation)) == (4299, 211)


def test_of_curves_the_last_share_validates():
    found = plain(10, config=DataConfig(validation_fraction=0.3))
    assert found.train.tolist() == list(range(7))
    assert found.validation.tolist() == [7, 8, 9]
    assert found.notes == ()


# at random, by class


def test_every_class_is_on_both_sides_whatever_the_order_of_the_files():
    found = drawn(np.repeat(np.arange(10), 30))
    assert parts_are_whole(found, 300)
    assert np.bincount(found.validation // 30).tolist() == [3] * 10
    assert found.notes == ("Validation images are drawn at random, in proportion to kind (data.seed 0).",)


def test_classes_of_unequal_size_have_their_shares():
    classes = np.repeat([0, 1, 2, 3], [100, 60, 30, 1])
    found = drawn(classes, config=files(validation_fraction=0.2))
    counts = np.bincount(classes[found.validation], minlength=4)
    assert counts.sum() == 38
    np.testing.assert_allclose(counts, [20, 12, 6, 0], atol=1)
    assert counts[3] == 0  # a class is never taken from the training
    assert "No validation image of kind c3." in found.notes


def test_the_share_is_kept_where_most_classes_have_a_single_image():
    assert len(drawn(np.arange(60.0)).validation) == 6
    found = drawn([*np.arange(50.0), *[50.0] * 10])
    assert len(found.validation) == 6
    assert np.count_nonzero(found.validation >= 50) in (1, 2)


def test_images_of_unknown_class_are_shared_like_a_class():
    classes = np.where(np.arange(100) < 50, 0.0, NAN)
    found = drawn(classes, ("cat",))
    assert (found.validation < 50).sum() == 5


def test_the_seed_settles_the_split():
    first, again, other = plain(50), plain(50), plain(50, config=files(seed=1))
    assert first.validation.tolist() == again.validation.tolist() != other.validation.tolist()
    assert first.validation.tolist() != list(range(45, 50))
    last = plain(50, config=files(split="last"))
    assert last.validation.tolist() == list(range(45, 50))


@pytest.mark.parametrize("share", [0.0, 0.9])
@pytest.mark.parametrize("count", [2, 3])
def test_both_parts_always_have_an_image(share, count):
    for found in (plain(count, config=files(validation_fraction=share)), drawn(range(count))):
        assert len(found.train)
        assert len(found.validation)


# groups


def test_a_group_is_on_one_side():
    patients = np.arange(200) // 8
    found = plain(200, config=files(group="patient"), group=patients)
    assert not set(patients[found.train]) & set(patients[found.validation])
    assert len(found.validation) in (16, 24)
    assert "the images of each patient on one side" in found.notes[0]


def test_images_of_an_unknown_group_stand_alone():
    patients = np.where(np.arange(100) < 50, np.arange(100) // 25, -1)
    found = plain(100, config=files(group="patient", validation_fraction=0.3), group=patients)
    assert parts_are_whole(found, 100)
    assert 18 <= len(found.validation) <= 42


def test_groups_are_shared_by_class_as_well_as_they_can_be():
    classes, plates = np.repeat([0, 1], [160, 80]), np.arange(240) // 4
    found = drawn(classes, config=files(group="plate", validation_fraction=0.25), group=plates)
    np.testing.assert_allclose(np.bincount(classes[found.validation]), [40, 20], atol=4)
    assert not set(plates[found.train]) & set(plates[found.validation])


def test_that_each_of_a_group_is_on_one_side_is_no_news():
    patients = np.arange(40) // 4
    categories = tuple(f"P{i}" for i in range(10))
    factors = patients[:, None].astype(np.float32)
    found = split(files(group="patient"), factors, ("patient",), (categories,), group=patients)
    assert not [note for note in found.notes if note.startswith("No ")]


def test_a_group_of_all_images_is_refused():
    with pytest.raises(DatasetError, match=r"data\.group is 'plate', and all images are of one"):
        plain(20, config=files(group="plate"), group=np.zeros(20, np.int64))


def test_groups_too_large_for_the_share_are_told():
    found = plain(40, config=files(group="plate"), group=np.arange(40) // 20)
    assert len(found.validation) == 20
    assert "20 of 40 images validate, for groups are kept together." in found.notes


def test_frames_of_a_file_stay_together_unless_it_has_most_of_them():
    films = np.arange(100) // 10
    found = plain(100, groups=films)
    assert len(set(films[found.validation])) == 1
    stack = plain(100, groups=np.zeros(100, np.int64))
    assert len(stack.validation) == 10
    assert "one file has most of them" in stack.notes[0]


# given


def test_a_given_split_is_respected():
    given_one = np.arange(20) % 4 == 0
    found = drawn(np.arange(20) % 2, given=given_one.astype(np.uint8), config=files(validation_fraction=0.5))
    assert found.validation.tolist() == [0, 4, 8, 12, 16]
    assert found.notes[:2] == ("The split that the files give was kept.", "data.validation_fraction was not used.")
    assert "No validation image of kind c1." in found.notes
    drawn_anew = drawn(np.arange(20) % 2, given=given_one.astype(np.uint8), config=files(split="random"))
    assert len(drawn_anew.validation) == 2


def test_a_given_split_without_one_side_is_not_used_and_that_is_said():
    found = plain(20, given=np.zeros(20, np.uint8))
    assert len(found.validation) == 2
    assert "has only training images; it was not used" in found.notes[0]


# held out on purpose


def held(config: DataConfig) -> list[int]:
    factors = np.array([[0, 0.1], [1, 0.2], [1, 0.3], [0, 0.4], [NAN, NAN], [2, 0.6]], dtype=np.float32)
    found = split(config, factors, ("kind", "x"), (("cat", "dog", "a=b, c"), ()))
    assert parts_are_whole(found, 6)
    assert len(found.train)
    assert len(found.validation)
    return found.held_out.tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind=dog", [1, 2]),
        ("x=0.2:0.4", [1, 2, 3]),
        ("x = 0.25 :", [2, 3, 5]),
        ("x=:0.1", [0]),
        ("x=0.3", [2]),
        ("kind=cat, x=0.2:", [3]),
        ("kind=dog, x=0.3 ; x=0.6:9", [2, 5]),
        ('kind="a=b, c"', [5]),
        ("kind=cat;kind=dog;", [0, 1, 2, 3]),
        ("", []),
    ],
)
def test_a_class_a_range_or_a_region_is_held_out(text, expected):
    assert held(files(hold_out=text)) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size=3", "names 'size', which is no label; there are kind, x"),
        ("kind=fox", "kind has no class 'fox'; its classes are cat, dog"),
        ("x=low", "x is a number, so 'low' must be one, or a range"),
        ("x=1:2:3", "must be one, or a range"),
        ("x=:", "must be one, or a range"),
        ("x=0.4:0.2", "is empty; its first end must be the lower one"),
        ("x=5", "no image is like that"),
        ("x=-9:9;kind=cat", "leaves 1 image of 6"),
        ("x=0:1, x=2:3", "asks twice for x"),
        ("kind=a=b", "such as species=cat"),
    ],
)
def test_what_cannot_be_held_out_is_told(text, said):
    with pytest.raises(DatasetError, match=said):
        held(files(hold_out=text))
    with pytest.raises(ConfigError, match=r"data\.hold_out is 'dogs'; it must be such as kind=cat"):
        files(hold_out="dogs")


def test_curves_can_hold_out_more_than_their_hole():
    ab = np.random.default_rng(0).uniform(0, 2, (100, 2)).astype(np.float32)
    found = split(DataConfig(hold_out="a=1:1.2"), ab, ("a", "b"))
    assert parts_are_whole(found, 100)
    np.testing.assert_array_equal(found.held_out, np.flatnonzero((ab[:, 0] >= 1) & (ab[:, 0] <= 1.2)))
    assert found.validation[0] > found.train[-1]


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 6)), min_size=2, max_size=60),
    st.floats(0.0, 0.9),
    st.booleans(),
    st.integers(0, 5),
)
def test_every_image_is_in_one_part_and_every_group_on_one_side(images, share, grouped, seed):
    classes, values = np.array(images).T
    config = files(validation_fraction=share, seed=seed, group="plate" if grouped else "")
    try:
        found = drawn(classes, config=config, group=values if grouped else None)
    except DatasetError:
        assert len(set(values)) == 1
        return
    assert parts_are_whole(found, len(images))
    assert len(found.train)
    assert len(found.validation)
    if grouped:
        assert not (set(values[found.train]) - {-1}) & (set(values[found.validation]) - {-1})
