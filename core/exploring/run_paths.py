"""The paths of a run as a Python program uses them: those that were saved with it, and those that it traces itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import sleep
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.paths.latent_path import LatentPath
from core.paths.recipe import Recipe
from core.paths.saved_paths import SavedPath, load_path, save_path, saved_names

if TYPE_CHECKING:
    from core.engine.context import EngineContext
    from core.exploring.trained_run import TrainedRun
    from core.models.inference import Inference
    from core.runs.directory import RunDirectory

_WAIT_S = 0.002  # for what the engine computes in threads


class RunPath:
    """A path of a run: saved with it, or traced.

    Attributes: ``name``, "" until it is saved; ``latents`` float32 (K, d), one a frame; ``path``, the curve; ``note``,
    what should be known of a traced one, such as which labels it does not hold constant; "" if nothing.
    """

    def __init__(
        self, run: TrainedRun, path: LatentPath, latents: NDArray[np.float32], name: str = "", note: str = ""
    ) -> None:
        self._run = run
        self.name, self.latents, self.path, self.note = name, latents, path, note

    def __repr__(self) -> str:
        recipe = self.path.recipe
        called = repr(self.name) if self.name else "drawn" if recipe is None else recipe.kind
        return f"<isoline.RunPath {called}: {len(self.latents)} frames>" + (f"\n  {self.note}" if self.note else "")

    def images(self) -> NDArray[np.uint8]:
        """Its images uint8 (K, S, S, C), decoded by the run's model now. Raises what ``TrainedRun.decode`` does."""
        return self._run.decode(self.latents)

    def save(self, name: str) -> None:
        """Keep it with the run, where the window shows it, in place of a path that had this ``name``.

        Raises ``core.paths.saved_paths.SavedPathError`` for what is no name of a file, or cannot be written.
        """
        saved = SavedPath(name, self.path, "latent", self.latents)
        save_path(self._run.path, saved)
        self.name = saved.name


class RunPaths(Mapping[str, RunPath]):
    """The paths that are saved with a run, by name in alphabetical order; read when asked for.

    Raises ``core.paths.saved_paths.SavedPathError`` for a file that is damaged.
    """

    def __init__(self, run: TrainedRun) -> None:
        self._run = run

    def __getitem__(self, name: str) -> RunPath:
        if name not in saved_names(self._run.path):
            raise KeyError(f"{name!r}; saved with {self._run.path}: {', '.join(self) or 'none'}")
        saved = load_path(self._run.path, name)
        return RunPath(self._run, saved.path, saved.latents, saved.name)

    def __iter__(self) -> Iterator[str]:
        return iter(saved_names(self._run.path))

    def __len__(self) -> int:
        return len(saved_names(self._run.path))

    def __repr__(self) -> str:
        return f"<isoline.RunPaths: {', '.join(self) or 'none'}>"


class Tracer:
    """The part of the engine that traces, in this process; it keeps what paths have in common, such as the graph."""

    def __init__(self, run: RunDirectory, inference: Inference) -> None:
        from core.engine.context import EngineContext
        from core.engine.open_model import OpenModel

        self._inference = inference
        self._engine: EngineContext = EngineContext()
        # No network and no stamp: the weights stay as they are, as all of an opened run does.
        model = OpenModel(str(run.path), inference, run.config, 0, run, (), 0, network=None, stamp=None)
        self._engine.open(model)

    def trace(self, recipe: Recipe, points: int) -> tuple[LatentPath, str]:
        """The finished path of ``points`` control points, as the window shows it, and its note.

        Raises ``core.engine.open_model.EngineError`` and ``core.geometry.local_fit.GeometryError``.
        """
        from core.engine.handlers.curves import trace_path
        from core.geometry.local_fit import GeometryError
        from core.protocol.messages import PathTraced, Reply

        replies: list[Reply] = []
        with self._inference.fixed_threads():
            for advanced in trace_path(recipe.request(points), self._engine, replies.append):
                if not advanced and not self._engine.do_idle_work():
                    sleep(_WAIT_S)
        reply = replies[-1]
        assert isinstance(reply, PathTraced)
        if len(reply.points) < 2:
            raise GeometryError(f"There is no {recipe.kind} here: {reply.note or 'it has no length'}.")
        return LatentPath(reply.points, recipe=recipe), reply.note
