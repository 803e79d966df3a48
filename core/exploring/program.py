"""A person's Python file as a model: ``decode(z)`` and what else it defines, shown in a window.

The file is run in this process, which no window and no engine is, and only once its person has said yes to it
(``core.exploring.consent``). Its names are the arguments of ``isoline.explore``: ``decode``, ``encode``, ``images``,
``labels``, ``files``, ``latents``, ``axes`` and ``values``; and ``latent_dim``, the number of latent dimensions where
there are no latents.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from core.data.dataset import DatasetError
from core.data.python_arrays import as_array, images_of
from core.exploring.consent import Program, ProgramError
from core.exploring.explore import open_view
from core.exploring.functions import FunctionError
from core.exploring.view import View
from core.utils.text import reason

NAMES = ("decode", "encode", "images", "labels", "files", "latents", "latent_dim", "axes", "values")
PRIOR = "The latents are drawn from the prior, a standard normal distribution: the program gives no latents."
DRAWN = 2000
"""Latents that are drawn from the prior."""
TRIED_DIMENSIONS = (*range(2, 65), 1, 100, 128, 200, 256, 300, 384, 400, 500, 512, 768, 1000, 1024, 2048)
_MODULE = "isoline_program"


def run_program(program: Program) -> dict[str, Any]:
    """Run the file, and return what it defines. Raises ``ProgramError`` that names the line at which it failed."""
    module = ModuleType(_MODULE)
    module.__file__ = str(program.path)
    sys.modules[_MODULE] = module  # dataclasses and pickle look their module up
    sys.path.insert(0, str(program.path.parent))  # as Python does for a script
    try:
        exec(compile(program.content, str(program.path), "exec"), module.__dict__)  # noqa: S102 (a person has said yes to it)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ProgramError(f"{_place(program, error)}: {type(error).__name__}: {reason_of(error)}") from error
    return module.__dict__


def called(program: Program, function: Callable[[Any], Any], name: str, argument: Any) -> Any:
    """What ``function`` of the program returns. Raises ``ProgramError`` that names the line at which it failed."""
    try:
        return function(argument)
    except Exception as error:  # whatever a person's function raises
        raise ProgramError(f"{_place(program, error)}: {name} raised {type(error).__name__}: {error}") from error


def reason_of(error: BaseException) -> str:
    """What ``error`` says, on one line."""
    if isinstance(error, SyntaxError):
        return error.msg
    return reason(error) if isinstance(error, Exception) else str(error) or "no reason given"


def _place(program: Program, error: BaseException) -> str:
    """File and line to blame: that of the program itself, even if the error was raised in what it called."""
    if isinstance(error, SyntaxError) and error.filename == str(program.path):
        return f"{program.path}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(program.path)]
    return f"{program.path}, line {frames[-1].lineno}" if frames else str(program.path)


def view_of(program: Program, out: Path | None, progress: Callable[[float], None]) -> View:
    """Run ``program`` and open a window on what it defines. ``out`` is the folder of the run, temporary if None.

    Raises ``ProgramError``, ``FunctionError``, ``core.data.dataset.DatasetError``, ``core.runs.directory.RunError``.
    """
    defined = run_program(program)
    given = {name: defined.get(name) for name in NAMES}
    decode, encode, latents = given["decode"], given["encode"], given["latents"]
    for name, value in (("decode", decode), ("encode", encode)):
        if value is not None and not callable(value):
            raise ProgramError(f"{program.path}: {name} is {type(value).__name__}; it must be a function.")
    if decode is None and latents is None and (encode is None or given["images"] is None):
        raise ProgramError(
            f"{program.path} defines neither decode(z), nor latents, nor encode(x) with images. A model to look at is "
            "def decode(z): …, which takes z float32 (1, d) and returns an image."
        )
    notes: tuple[str, ...] = ()
    drawn = latents is None
    try:
        if drawn:
            latents, notes = _drawn(program, given)
        return open_view(
            latents, images=given["images"], labels=given["labels"], files=given["files"], decode=decode,
            encode=encode, axes=given["axes"], values=given["values"], out=out, drawn=drawn, notes=notes,
            progress=progress,
        )  # fmt: skip
    except (FunctionError, DatasetError) as error:
        raise ProgramError(f"{program.path}: {error}") from error


def _drawn(program: Program, given: dict[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Latents float32 (n, d) of the prior, one for each image if there are any; and notes."""
    d, notes = _latent_dim(program, given)
    count = DRAWN
    if given["encode"] is not None and given["images"] is not None:
        array, _ = images_of(given["images"])
        count = len(array)
    elif given["images"] is not None or given["labels"] is not None or given["files"] is not None:
        raise ProgramError(
            f"{program.path} defines images, labels or files, but neither latents nor encode(x) with images, so "
            "their places are not known. Define one of the two."
        )
    else:
        notes = (*notes, PRIOR)
    return np.random.default_rng(0).standard_normal((count, d)).astype(np.float32), notes


def _latent_dim(program: Program, given: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    """d, as the program says it, as its encoder returns it, or as its decoder takes it; and a note where it was found.

    A decoder says by raising which d it does not take; of those that it takes the first counts.
    """
    stated, decode, encode, images = given["latent_dim"], given["decode"], given["encode"], given["images"]
    if stated is not None:
        if not isinstance(stated, int) or isinstance(stated, bool) or not 2 <= stated <= TRIED_DIMENSIONS[-1]:
            raise ProgramError(
                f"{program.path}: latent_dim is {stated!r}; it must be a whole number from 2 to {TRIED_DIMENSIONS[-1]}."
            )
        return stated, ()
    if encode is not None and images is not None:
        try:
            mean = encode(images[:1])
            mean = as_array(mean[0] if isinstance(mean, tuple | list) else mean)
        except Exception as error:  # whatever a person's function raises
            if decode is None:
                raise ProgramError(
                    f"{_place(program, error)}: encode raised {type(error).__name__}: {error}"
                ) from error
        else:
            if mean.size >= 2:
                return mean.size, (f"latent_dim = {mean.size} was found by encoding the first image.",)
    last = Exception()
    for d in TRIED_DIMENSIONS:
        try:
            decode(np.zeros((1, d), np.float32))
        except Exception as error:  # it takes another d, or has a fault that the last one tells
            last = error
            continue
        if d >= 2:
            note = f"latent_dim = {d} is the first number of dimensions that decode takes; latent_dim = … says another."
            return d, (note,)
        raise ProgramError(f"{program.path}: decode takes one latent dimension; at least 2 can be shown.")
    raise ProgramError(
        f"{_place(program, last)}: decode takes none of the usual numbers of latent dimensions; the last error was "
        f"{type(last).__name__}: {reason(last)}. Say the number by latent_dim = …"
    )
