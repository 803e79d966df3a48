import pytest

from core.projects.migrations import MIGRATIONS, SCHEMA_VERSION, SchemaError, migrated


def test_there_is_a_function_for_every_earlier_schema():
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_content_of_an_earlier_schema_passes_all_functions_after_it():
    later = {
        1: lambda content: {**content, "words": [content["word"]]},
        2: lambda content: {"n": len(content["words"])},
    }
    assert migrated({"schema": 1, "word": "x"}, later, 3) == {"schema": 3, "n": 1}
    assert migrated({"schema": 2, "words": []}, later, 3) == {"schema": 3, "n": 0}
    assert migrated({"schema": 3, "n": 5}, later, 3) == {"schema": 3, "n": 5}


@pytest.mark.parametrize("content", [{"schema": 4}, {"schema": 0}, {"schema": True}, {"schema": "1"}, {}, [], None])
def test_other_schemas_are_refused_and_the_known_ones_said(content):
    with pytest.raises(SchemaError):
        migrated(content, {1: dict, 2: dict}, 3)
    with pytest.raises(SchemaError, match="reads 1 to 3"):
        migrated({"schema": 9}, {1: dict, 2: dict}, 3)
