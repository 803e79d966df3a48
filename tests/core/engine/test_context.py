"""What is open in the engine, and what becomes of the memory of what was."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.engine import context as module
from core.engine.context import EngineContext


def test_memory_is_given_back_once_after_another_model_was_opened_when_nothing_else_is_to_do(
    monkeypatch: pytest.MonkeyPatch,
):
    released: list[int] = []
    computing = [True]
    monkeypatch.setattr(module, "release_memory", lambda: released.append(1))
    monkeypatch.setattr(module, "any_running", lambda: computing[0])
    context = EngineContext()
    assert not context.do_idle_work()
    assert released == []
    context.open(SimpleNamespace(run=None, inference=None))  # type: ignore[arg-type]
    context.do_idle_work()
    assert released == [], "a thread still uses some"
    computing[0] = False
    assert not context.do_idle_work()
    assert not context.do_idle_work()
    assert released == [1]
    context.open_second(None)
    context.do_idle_work()
    assert released == [1, 1]
