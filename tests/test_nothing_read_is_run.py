"""Nothing that is loaded from a file may run code: no such call is in the program. (Linters find exec, eval, pickle and
shells.)"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for folder in ("core", "explorer", "isoline", "scripts") for path in (ROOT / folder).rglob("*.py"))


def unsafe_calls(tree: ast.AST) -> Iterator[str]:
    """Calls whose arguments let the file that is read say what is run."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {argument.arg: ast.unparse(argument.value) for argument in node.keywords}
        if given.get("allow_pickle", "False") != "False" and called.rpartition(".")[2] not in ("save", "savez"):
            yield f"line {node.lineno}: {called} with allow_pickle"
        if called == "torch.load" and given.get("weights_only") != "True":
            yield f"line {node.lineno}: torch.load without weights_only=True"
        if called.partition(".")[0] in ("pickle", "marshal", "shelve", "dill", "joblib") and "load" in called.lower():
            yield f"line {node.lineno}: {called}"


def pickling_collectives(tree: ast.AST) -> Iterator[str]:
    """Calls by which one process of a training has the others unpickle what it sends."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, ast.unparse(node.func.value)
            if name.endswith(("_object", "_object_list")) or (name == "broadcast" and "fabric" in owner.lower()):
                yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_no_process_of_a_training_unpickles_what_another_sends():
    found = {
        str(path.relative_to(ROOT)): list(pickling_collectives(ast.parse(path.read_text("utf-8")))) for path in FILES
    }
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source",
    [
        "torch.distributed.broadcast_object_list(content, 0)",
        "dist.all_gather_object(all, one)",
        "self._fabric.broadcast(config)",
        "fabric.strategy.broadcast(config)",
    ],
)
def test_such_collectives_are_found(source):
    assert len(list(pickling_collectives(ast.parse(source)))) == 1


def test_no_file_that_is_read_can_run_code():
    found = {str(path.relative_to(ROOT)): list(unsafe_calls(ast.parse(path.read_text("utf-8")))) for path in FILES}
    assert len(FILES) > 300
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source",
    [
        "numpy.load(file, allow_pickle=True)",
        "np.load(file, allow_pickle=trusted)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "pickle.load(file)",
        "pickle.Unpickler(file).load()",
        "joblib.load(file)",
    ],
)
def test_such_calls_are_found(source):
    assert len(list(unsafe_calls(ast.parse(source)))) == 1
