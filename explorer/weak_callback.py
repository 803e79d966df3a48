"""Functions that are called later, if whoever wants the call is still there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any
from weakref import WeakMethod

from PySide6.QtCore import QObject
from shiboken6 import isValid


def weak_callback(callback: Callable[[Any], object] | None) -> Callable[[Any], object]:
    """``callback`` without keeping the object alive that it is a method of; does nothing once that is gone."""
    method, arguments = (callback.func, callback.args) if isinstance(callback, partial) else (callback, ())
    if not isinstance(method, MethodType):
        return callback or ignore
    reference = WeakMethod(method)

    def call(value: Any) -> None:
        bound = reference()
        if bound is not None and (not isinstance(bound.__self__, QObject) or isValid(bound.__self__)):
            bound(*arguments, value)

    return call


def ignore(_: object) -> None:
    """For whoever has nothing to do with a reply."""
